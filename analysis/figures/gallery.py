"""Classes as pictures: what was right, what was wrong, what was said instead and how surely (Ting, Figs. 1, 5, 6)."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.classes.class_names import apart
from analysis.figures.style import COLUMN, GREY, INK, new_figure
from analysis.figures.text import clean, cut, drawable, width, wrap
from analysis.figures.tiles import BASE, FRAMES, GAP, LINE, MARGIN, NOTE, draw_image, lines_high, mark, named, physical
from analysis.images.gallery import Gallery, Shelf

_ACROSS = 4
_HEAD, _AFTER = 13 / 72, 4 / 72
_BOLD = 1.14  # bold letters are this much wider


def words(gallery: Gallery, shelf: Shelf, i: int, points: float) -> list[str]:
    """Return what stands below image `i` of a shelf: "✗ wrong, 36 %" and "said European fire salamander"."""
    right = bool(shelf.right[i])
    first = mark(right, float(shelf.said_probability[i]), word=True)
    if right:
        return [first]
    said = int(shelf.said[i])
    name = apart(gallery.class_names, gallery.class_ids)[said]
    return [first, named("said", name, gallery.class_ids[said], points)]


def draw_shelf_image(gallery: Gallery, shelf: Shelf, i: int, axes: Axes, points: float) -> Axes:
    """Draw image `i` of a shelf on `axes`, framed and marked as right or wrong; `points` is its width in points."""
    draw_image(axes, shelf.images[i])
    colour, dashes = FRAMES[bool(shelf.right[i])]
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_edgecolor(colour)
        spine.set_linewidth(1.6)
        spine.set_linestyle(dashes)
    high = points * shelf.images.shape[1] / shelf.images.shape[2]
    for line, text in enumerate(physical(words(gallery, shelf, i, points))):
        down = -72 * (BASE + line * LINE) / high
        axes.text(0, down, text, color=INK if line else colour, weight="normal" if line else "bold", size=NOTE,
                  transform=axes.transAxes, parse_math=False, clip_on=False)  # fmt: skip
    return axes


def heading(shelf: Shelf) -> str:
    """Say how a class fared: "wooden spoon: 1 of 50 right (2 %)"."""
    if not shelf.samples:
        return "no images in this split"
    return f"{shelf.correct} of {shelf.samples} right ({100 * shelf.correct / shelf.samples:.0f} %)"


def gallery_figure(gallery: Gallery, columns_wide: float = COLUMN) -> Figure:
    """Return the shelves below one another as a figure one column wide."""
    usable = columns_wide - 2 * MARGIN
    side = (usable - (_ACROSS - 1) * GAP) / _ACROSS
    aspect = next((s.images.shape[1] / s.images.shape[2] for s in gallery.shelves if len(s.images)), 1.0)
    who = gallery.of[0] if len(gallery.of) == 1 else f"{len(gallery.of)} members"
    mean = "mean " if len(gallery.of) > 1 else ""
    note = wrap(
        f"Right before wrong, evenly spread by the probability of the true class; %: the {mean}probability that "
        f"{clean(who)} gave to what was said, on {gallery.split}.",
        usable * 72,
        NOTE,
        lines=4,
    )
    foot = (note.count("\n") + 1) * LINE + MARGIN
    rows = [
        [
            side * aspect
            + GAP
            + max(
                lines_high(words(gallery, shelf, j, side * 72)) for j in range(i, min(i + _ACROSS, len(shelf.images)))
            )
            for i in range(0, len(shelf.images), _ACROSS)
        ]
        for shelf in gallery.shelves
    ]
    total = MARGIN + sum(_HEAD + sum(steps) + _AFTER for steps in rows) + foot
    figure = new_figure(columns_wide, total)

    def place(x: float, y: float) -> tuple[float, float]:
        return x / columns_wide, 1 - y / total

    top = MARGIN
    for shelf, steps in zip(gallery.shelves, rows, strict=True):
        told = heading(shelf)
        figure.text(*place(columns_wide - MARGIN, top), told, size=6.5, va="top", ha="right", color=INK)
        room = usable * 72 - width(told, 6.5) - 8
        name = cut(drawable(shelf.class_name, shelf.class_id), room / _BOLD, 7.5)
        figure.text(*place(MARGIN, top), name, size=7.5, va="top", weight="bold", parse_math=False)
        for i in range(len(shelf.images)):
            row, column = divmod(i, _ACROSS)
            x, y = place(MARGIN + column * (side + GAP), top + _HEAD + sum(steps[:row]) + side * aspect)
            axes = figure.add_axes((x, y, side / columns_wide, side * aspect / total))
            draw_shelf_image(gallery, shelf, i, axes, side * 72)
        top += _HEAD + sum(steps) + _AFTER
    figure.text(*place(MARGIN, top), note, size=NOTE, va="top", color=GREY, linespacing=1.15, parse_math=False)
    return figure
