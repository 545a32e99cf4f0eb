"""Classes as pictures: what was right, what was wrong, what was said instead and how surely (Ting, Figs. 1, 5, 6)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.classes.confusion import apart
from analysis.figures.style import BLUE, COLUMN, GREY, INK, VERMILLION, new_figure
from analysis.figures.text import ELLIPSIS, clean, cut, drawable, labels, width, wrap
from analysis.figures.text import width as text_width
from analysis.images.gallery import Gallery, PairGallery, PairShelf, SampleGrid, Shelf, Shown

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


_PAIR_GAP = 0.05  # inches
_PAIR_MIDDLE = 0.12  # inches between the two classes
_PAIR_BOLD = 1.14
_PAIR_HEAD, _PAIR_SUB, _PAIR_AFTER = 12 / 72, 9 / 72, 8 / 72


def draw_pair(gallery: PairGallery, shelf: PairShelf, axes: Axes, wide: float, top: float) -> Axes:
    """Draw a pair on a `sheet` of `wide` inches from `top` downwards: class a on the left, b on the right.

    The upper row holds what was taken for the other class, the lower what was told rightly.
    """
    pair = shelf.pair
    names = apart(gallery.class_names, gallery.class_ids)
    side, half = _sides(gallery, wide)
    aspect = _pair_aspect(shelf)
    step = side * aspect + _PAIR_GAP + lines_high(["x"])
    for own, other, wrong, right, direction, x in (
        (pair.a, pair.b, shelf.there, shelf.a_right, pair.there, MARGIN),
        (pair.b, pair.a, shelf.back, shelf.b_right, pair.back, MARGIN + half + _PAIR_MIDDLE),
    ):
        name = cut(drawable(names[own], gallery.class_ids[own]), half * 72 / _PAIR_BOLD, 7.0)
        axes.text(x, top, name, size=7.0, weight="bold", va="top", color=INK, parse_math=False)
        taken = f"{direction.count} of {direction.samples} taken for "
        rest = cut(drawable(names[other], gallery.class_ids[other]), half * 72 - width(taken, NOTE) - 4, NOTE)
        axes.text(x, top + _PAIR_HEAD, taken + rest, size=NOTE, va="top", color=INK, parse_math=False)
        for row, (shown, good) in enumerate(((wrong, False), (right, True))):
            y = top + _PAIR_HEAD + _PAIR_SUB + row * step
            _row(axes, shown, good, x, y, side)
    return axes


def _row(axes: Axes, shown: Shown, right: bool, x: float, y: float, side: float) -> None:
    if not len(shown):
        axes.text(x, y + side / 2, "none told rightly" if right else "none", size=NOTE, va="center", color=GREY)
    for i in range(len(shown)):
        words = [mark(right, float(shown.said_probability[i]))]
        draw_tile(axes, shown.images[i], x + i * (side + _PAIR_GAP), y, side, right, words)


def _sides(gallery: PairGallery, wide: float) -> tuple[float, float]:
    """Return the width of an image and of half a sheet, in inches."""
    half = (wide - 2 * MARGIN - _PAIR_MIDDLE) / 2
    most = max(len(part) for s in gallery.shelves for part in (s.there, s.back, s.a_right, s.b_right))
    most = max(3, most)
    return (half - (most - 1) * _PAIR_GAP) / most, half


def _pair_aspect(shelf: PairShelf) -> float:
    parts = (shelf.there, shelf.back, shelf.a_right, shelf.b_right)
    return next((part.images.shape[1] / part.images.shape[2] for part in parts if len(part)), 1.0)


def pairs_figure(gallery: PairGallery, columns_wide: float = COLUMN) -> Figure:
    """Return pairs of classes below one another as a figure one column wide."""
    side, _ = _sides(gallery, columns_wide)
    steps = [
        _PAIR_HEAD + _PAIR_SUB + 2 * (side * _pair_aspect(shelf) + _PAIR_GAP + LINE) + _PAIR_AFTER
        for shelf in gallery.shelves
    ]
    who = clean(gallery.members[0]) if len(gallery.members) == 1 else f"{len(gallery.members)} members' mean"
    note, foot = wrapped_note(
        f"Pairs taken for one another most often on {clean(gallery.split)}. Upper rows: taken for the other class; "
        f"lower: told rightly; the surest first. %: the probability that {who} gave to what was said.",
        columns_wide,
    )
    total = MARGIN + sum(steps) + foot
    figure, axes = sheet(columns_wide, total)
    top = MARGIN
    for shelf, step in zip(gallery.shelves, steps, strict=True):
        draw_pair(gallery, shelf, axes, columns_wide, top)
        top += step
    foot_note(axes, note, top, columns_wide)
    return figure


_SAMPLE_SIZE = 6.5
_SAMPLE_ROOM = 76.0  # points for a name
_SAMPLE_GAP = 0.03  # inches
_SAMPLE_LARGEST = 0.6  # inches: an image of few


def draw_sample(grid: SampleGrid, axes: Axes, names: list[str], left: float, side: float, top: float) -> Axes:
    """Draw the rows on a `sheet`: names up to `left` inches, images `side` inches wide from there, from `top` down."""
    aspect = _sample_aspect(grid)
    for i, (images, name) in enumerate(zip(grid.images, names, strict=True)):
        y = top + i * (side * aspect + _SAMPLE_GAP)
        axes.text(left - 0.05, y + side * aspect / 2, name, size=_SAMPLE_SIZE, ha="right", va="center_baseline",
        color=INK,
                  parse_math=False)  # fmt: skip
        for j, image in enumerate(images):
            draw_tile(axes, image, left + j * (side + _SAMPLE_GAP), y, side)
        if not len(images):
            axes.text(left, y + side * aspect / 2, "no images", size=_SAMPLE_SIZE, va="center_baseline", color=INK)
    return axes


def _sample_aspect(grid: SampleGrid) -> float:
    return next((images.shape[1] / images.shape[2] for images in grid.images if len(images)), 1.0)


def sample_figure(grid: SampleGrid, columns_wide: float = COLUMN) -> Figure:
    """Return the grid as a figure one column wide: the classes' names on the left, their images beside them."""
    names = labels(grid.class_names, grid.class_ids, _SAMPLE_ROOM, _SAMPLE_SIZE)
    left = MARGIN + max(text_width(name, _SAMPLE_SIZE) for name in names) / 72 + 0.07
    most = max(1, *(len(images) for images in grid.images))
    side = min(_SAMPLE_LARGEST, (columns_wide - MARGIN - left - (most - 1) * _SAMPLE_GAP) / most)
    part = f"All {grid.of:,}" if len(names) == grid.of else f"{len(names)} of the {grid.of:,}"
    drawn = f"{part} classes of {clean(grid.split)}, at most {most} images of each, drawn with seed {grid.seed}."
    note, foot = wrapped_note(drawn, columns_wide)
    total = 2 * MARGIN + len(names) * (side * _sample_aspect(grid) + _SAMPLE_GAP) + foot
    figure, axes = sheet(columns_wide, total)
    draw_sample(grid, axes, names, left, side, MARGIN)
    foot_note(axes, note, total - foot, columns_wide)
    return figure


MARGIN, GAP = 0.06, 0.07  # inches
NOTE = 6.0  # points: the text below an image
LINE = 8.0 / 72  # inches: a line of it
RIGHT, WRONG = "✓", "✗"
BASE = 7.6 / 72  # inches: from an image to the foot of the first line below it
# Told apart in grey too: a whole frame is right, a broken one wrong.
FRAMES: dict[bool, tuple[str, Any]] = {True: (BLUE, "-"), False: (VERMILLION, (0, (3, 1.5)))}


def sheet(wide: float, high: float) -> tuple[Figure, Axes]:
    """Return a figure and one empty axes over all of it, in inches from its upper left corner."""
    figure = new_figure(wide, high)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_autoscale_on(False)
    axes.set_xlim(0, wide)
    axes.set_ylim(high, 0)
    return figure, axes


def draw_tile(
    axes: Axes,
    image: np.ndarray,
    x: float,
    y: float,
    side: float,
    right: bool | None = None,
    lines: Sequence[str] = (),
    size: float = NOTE,
) -> Axes:
    """Draw an image on a `sheet` with its upper left corner at (x, y), `side` inches wide, and lines of text below it.

    image: uint8 (H, W, 1 or 3). right: framed as that, and the first line in the frame's colour; None for no frame.
    """
    high = side * image.shape[0] / image.shape[1]
    draw_image(axes, image, (x, x + side, y + high, y))
    colour = INK
    if right is not None:
        colour, dashes = FRAMES[right]
        axes.add_patch(Rectangle((x, y), side, high, fill=False, edgecolor=colour, linestyle=dashes, linewidth=1.6))
    base = y + high + BASE
    for i, line in enumerate(physical(lines)):
        bold = right is not None and i == 0
        axes.text(x, base + i * LINE, line, size=size, color=colour if bold else INK, parse_math=False,
                  weight="bold" if bold else "normal")  # fmt: skip
    return axes


def physical(lines: Sequence[str]) -> list[str]:
    """Return lines of text with the breaks in them made lines of their own."""
    return [part for line in lines for part in line.split("\n")]


def draw_image(axes: Axes, image: np.ndarray, extent: tuple[float, float, float, float] | None = None) -> Axes:
    """Draw uint8 (H, W, 1 or 3) as it is; small images keep their squares."""
    picture = image[:, :, 0] if image.shape[2] == 1 else image
    smooth = "nearest" if image.shape[0] <= 100 else "antialiased"
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation=smooth, extent=extent,
                aspect=None if extent is None else "auto")  # fmt: skip
    return axes


def lines_high(lines: Sequence[str]) -> float:
    """Return the inches that lines of text below an image take."""
    return LINE * len(physical(lines))


def mark(right: bool, probability: float, word: bool = False) -> str:
    """Return "✓ 98 %", or with the word "✓ right, 98 %"."""
    sign = RIGHT if right else WRONG
    said = f" {'right' if right else 'wrong'}," if word else ""
    return f"{sign}{said} {100 * probability:.0f} %"


def named(word: str, name: str, class_id: str, points: float, size: float = NOTE) -> str:
    """Return `word` and a class's name in `points`: on one line where a synonym fits whole, else on two."""
    # Two lines hold fewer letters than this; a longer name would only take time.
    whole = drawable(name[: int(4 * points)], class_id)
    room = points - width(f"{word} ", size)
    line = cut(whole, room, size)
    if not line.endswith(ELLIPSIS) or whole.endswith(ELLIPSIS):
        return f"{word} {line}"
    return wrap(f"{word} {whole.split(', ')[0]}", points, size)


def foot_note(axes: Axes, text: str, y: float, wide: float) -> Axes:
    """Write a wrapped note in grey below everything else."""
    axes.text(MARGIN, y, text, size=NOTE, va="top", color=GREY, linespacing=1.15, parse_math=False)
    return axes


def wrapped_note(text: str, wide: float) -> tuple[str, float]:
    """Return a note broken to a sheet `wide` inches wide, and the inches that it takes."""
    note = wrap(text, (wide - 2 * MARGIN) * 72, NOTE, lines=8)
    return note, (note.count("\n") + 1) * LINE + MARGIN
