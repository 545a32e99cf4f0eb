"""Classes as pictures: what was right, what was wrong, what was said instead and how surely (Ting, Figs. 1, 5, 6)."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import BLUE, COLUMN, GREY, INK, VERMILLION, new_figure
from analysis.figures.text import clean, cut, drawable, width, wrap
from analysis.gallery import Gallery, Shelf

_MARGIN, _GAP = 0.06, 0.07  # inches
_ACROSS = 4
_NOTE = 6.0  # points: the text below an image
_LINE = 8.0 / 72  # inches: a line of it
_HEAD, _AFTER = 13 / 72, 4 / 72
_BOLD = 1.14  # bold letters are this much wider
RIGHT, WRONG = "✓", "✗"


def draw_image(gallery: Gallery, shelf: Shelf, i: int, axes: Axes, points: float) -> Axes:
    """Draw image `i` of a shelf on `axes`, framed and marked as right or wrong; `points` is its width in points."""
    image = shelf.images[i]
    small = image.shape[0] <= 100
    picture = image[:, :, 0] if image.shape[2] == 1 else image
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest" if small else "antialiased")
    right = bool(shelf.right[i])
    colour = BLUE if right else VERMILLION
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_edgecolor(colour)
        spine.set_linewidth(1.6)
        # Told apart in grey too: a whole frame is right, a broken one wrong.
        spine.set_linestyle("-" if right else (0, (3, 1.5)))
    mark = f"{RIGHT} right" if right else f"{WRONG} wrong"
    below: dict[str, Any] = {
        "size": _NOTE,
        "va": "top",
        "transform": axes.transAxes,
        "parse_math": False,
        "clip_on": False,
    }
    drop = 2.6 / points
    axes.text(0, -drop, f"{mark}, {100 * shelf.said_probability[i]:.0f} %", color=colour, weight="bold", **below)
    if not right:
        said = int(shelf.said[i])
        name = drawable(gallery.class_names[said], gallery.class_ids[said])
        name = cut(name, points - width("said ", _NOTE), _NOTE)
        axes.text(0, -drop - 8.0 / points, f"said {name}", color=INK, **below)
    return axes


def heading(shelf: Shelf) -> str:
    """Say how a class fared: "wooden spoon: 1 of 50 right (2 %)"."""
    if not shelf.samples:
        return "no images in this split"
    return f"{shelf.correct} of {shelf.samples} right ({100 * shelf.correct / shelf.samples:.0f} %)"


def gallery_figure(gallery: Gallery, columns_wide: float = COLUMN) -> Figure:
    """Return the shelves below one another as a figure one column wide."""
    usable = columns_wide - 2 * _MARGIN
    side = (usable - (_ACROSS - 1) * _GAP) / _ACROSS
    aspect = next((s.images.shape[1] / s.images.shape[2] for s in gallery.shelves if len(s.images)), 1.0)
    who = gallery.of[0] if len(gallery.of) == 1 else f"{len(gallery.of)} members"
    mean = "mean " if len(gallery.of) > 1 else ""
    note = wrap(
        f"Right before wrong, evenly spread by the probability of the true class; %: the {mean}probability that "
        f"{clean(who)} gave to what was said, on {gallery.split}.",
        usable * 72,
        _NOTE,
        lines=4,
    )
    foot = (note.count("\n") + 1) * _LINE + _MARGIN
    # A row without a wrong answer needs one line of text, others two.
    rows = [
        [
            side * aspect + _GAP + _LINE * (1 + (not all(shelf.right[i : i + _ACROSS])))
            for i in range(0, len(shelf.images), _ACROSS)
        ]
        for shelf in gallery.shelves
    ]
    total = _MARGIN + sum(_HEAD + sum(steps) + _AFTER for steps in rows) + foot
    figure = new_figure(columns_wide, total)

    def place(x: float, y: float) -> tuple[float, float]:
        return x / columns_wide, 1 - y / total

    top = _MARGIN
    for shelf, steps in zip(gallery.shelves, rows, strict=True):
        told = heading(shelf)
        figure.text(*place(columns_wide - _MARGIN, top), told, size=6.5, va="top", ha="right", color=INK)
        room = usable * 72 - width(told, 6.5) - 8
        name = cut(drawable(shelf.class_name, shelf.class_id), room / _BOLD, 7.5)
        figure.text(*place(_MARGIN, top), name, size=7.5, va="top", weight="bold", parse_math=False)
        for i in range(len(shelf.images)):
            row, column = divmod(i, _ACROSS)
            x, y = place(_MARGIN + column * (side + _GAP), top + _HEAD + sum(steps[:row]) + side * aspect)
            axes = figure.add_axes((x, y, side / columns_wide, side * aspect / total))
            draw_image(gallery, shelf, i, axes, side * 72)
        top += _HEAD + sum(steps) + _AFTER
    figure.text(*place(_MARGIN, top), note, size=_NOTE, va="top", color=GREY, linespacing=1.15, parse_math=False)
    return figure
