"""Classes as pictures: what was predicted of their images, and how confidently (Ting, Figs. 1, 5, 6)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.classes.confusion import apart
from analysis.figures.style import COLUMN, EDGE, FRAMES, GREY, INK, NOTE, sheet
from analysis.figures.text import ELLIPSIS, clean, cut, drawable, labels, width, wrap
from analysis.images.gallery import Gallery, PairGallery, PairShelf, SampleGrid, Shelf, Shown

_ACROSS = 4
_HEAD, _AFTER = 13 / 72, 4 / 72


def words(gallery: Gallery, shelf: Shelf, i: int, points: float) -> list[str]:
    """Return what stands below image `i` of a shelf: "✗ wrong, 36 %" and "predicted European fire salamander"."""
    right, pred = bool(shelf.right[i]), int(shelf.preds[i])
    first = mark(right, float(shelf.confidence[i]), word=True)
    if right:
        return [first]
    return [first, named("predicted", apart(gallery.class_names, gallery.class_ids)[pred], gallery.class_ids[pred],
                         points)]  # fmt: skip


def heading(shelf: Shelf) -> str:
    """Say how a class fared: "1 of 50 right (2 %)"."""
    if not shelf.samples:
        return "no images in this split"
    return f"{shelf.correct} of {shelf.samples} right ({100 * shelf.correct / shelf.samples:.0f} %)"


def gallery_figure(gallery: Gallery, columns_wide: float = COLUMN) -> Figure:
    """Return the shelves below one another as a figure one column wide."""
    points = side_of(columns_wide, _ACROSS) * 72
    who = clean(gallery.of[0]) if len(gallery.of) == 1 else f"the mean of {len(gallery.of)} members"
    note, foot = wrapped_note(
        "Right before wrong, evenly spread by the probability of the true class; %: the probability of the predicted "
        f"class by {who}, on {clean(gallery.split)}.",
        columns_wide,
    )
    lines = [[words(gallery, shelf, i, points) for i in range(len(shelf.images))] for shelf in gallery.shelves]
    highs = [
        _HEAD + tiles_high(shelf.images, own, columns_wide, _ACROSS) + _AFTER
        for shelf, own in zip(gallery.shelves, lines, strict=True)
    ]
    figure, axes = sheet(columns_wide, EDGE + sum(highs) + foot)
    top = EDGE
    for shelf, own, high in zip(gallery.shelves, lines, highs, strict=True):
        told = heading(shelf)
        axes.text(columns_wide - EDGE, top, told, size=6.5, va="top", ha="right", color=INK)
        room = (columns_wide - 2 * EDGE) * 72 - width(told, 6.5) - 8
        name = cut(drawable(shelf.class_name, shelf.class_id), room / BOLD, 7.5)
        axes.text(EDGE, top, name, size=7.5, va="top", weight="bold", parse_math=False)
        draw_tiles(axes, shelf.images, shelf.right.tolist(), own, columns_wide, top + _HEAD, _ACROSS)
        top += high
    foot_note(axes, note, top)
    return figure


_BETWEEN = 0.05  # inches between the images of a pair's class
_MIDDLE = 0.12  # inches between the two classes
_PAIR_HEAD, _PAIR_SECOND, _PAIR_AFTER = 12 / 72, 9 / 72, 8 / 72


def draw_pair(gallery: PairGallery, shelf: PairShelf, axes: Axes, wide: float, top: float) -> Axes:
    """Draw a pair on a `sheet` of `wide` inches from `top` downwards: class a on the left, b on the right.

    The upper row holds images predicted as the other class, the lower those predicted rightly.
    """
    pair = shelf.pair
    names = apart(gallery.class_names, gallery.class_ids)
    side, half = _sides(gallery, wide)
    step = side * _aspect(shelf) + _BETWEEN + LINE
    for own, other, wrong, right, direction, x in (
        (pair.a, pair.b, shelf.there, shelf.a_right, pair.there, EDGE),
        (pair.b, pair.a, shelf.back, shelf.b_right, pair.back, EDGE + half + _MIDDLE),
    ):
        name = cut(drawable(names[own], gallery.class_ids[own]), half * 72 / BOLD, 7.0)
        axes.text(x, top, name, size=7.0, weight="bold", va="top", color=INK, parse_math=False)
        count = f"{direction.count} of {direction.samples} predicted "
        rest = cut(drawable(names[other], gallery.class_ids[other]), half * 72 - width(count, NOTE) - 4, NOTE)
        axes.text(x, top + _PAIR_HEAD, count + rest, size=NOTE, va="top", color=INK, parse_math=False)
        for row, (shown, good) in enumerate(((wrong, False), (right, True))):
            _row(axes, shown, good, x, top + _PAIR_HEAD + _PAIR_SECOND + row * step, side)
    return axes


def _row(axes: Axes, shown: Shown, right: bool, x: float, y: float, side: float) -> None:
    if not len(shown):
        axes.text(x, y + side / 2, "none right" if right else "none", size=NOTE, va="center", color=GREY)
    for i in range(len(shown)):
        words = [mark(right, float(shown.confidence[i]))]
        draw_tile(axes, shown.images[i], x + i * (side + _BETWEEN), y, side, right, words)


def _sides(gallery: PairGallery, wide: float) -> tuple[float, float]:
    """Return the width of an image and of half a sheet, in inches."""
    half = (wide - 2 * EDGE - _MIDDLE) / 2
    most = max(3, *(len(part) for s in gallery.shelves for part in (s.there, s.back, s.a_right, s.b_right)))
    return (half - (most - 1) * _BETWEEN) / most, half


def _aspect(shelf: PairShelf) -> float:
    parts = (shelf.there, shelf.back, shelf.a_right, shelf.b_right)
    return next((part.images.shape[1] / part.images.shape[2] for part in parts if len(part)), 1.0)


def pairs_figure(gallery: PairGallery, columns_wide: float = COLUMN) -> Figure:
    """Return pairs of classes below one another as a figure one column wide."""
    side, _ = _sides(gallery, columns_wide)
    steps = [
        _PAIR_HEAD + _PAIR_SECOND + 2 * (side * _aspect(shelf) + _BETWEEN + LINE) + _PAIR_AFTER
        for shelf in gallery.shelves
    ]
    who = clean(gallery.members[0]) if len(gallery.members) == 1 else f"the mean of {len(gallery.members)} members"
    note, foot = wrapped_note(
        f"The pairs of classes most often confused on {clean(gallery.split)}. Upper rows: predicted as the other "
        f"class; lower: right; the most confident first. %: the probability of the predicted class by {who}.",
        columns_wide,
    )
    figure, axes = sheet(columns_wide, EDGE + sum(steps) + foot)
    top = EDGE
    for shelf, step in zip(gallery.shelves, steps, strict=True):
        draw_pair(gallery, shelf, axes, columns_wide, top)
        top += step
    foot_note(axes, note, top)
    return figure


_NAMES = 76.0  # points for a class's name left of its images
_NAME = 6.5
_TIGHT = 0.03  # inches between images of a grid
_LARGEST = 0.6  # inches: an image of few


def draw_sample(grid: SampleGrid, axes: Axes, names: list[str], left: float, side: float, top: float) -> Axes:
    """Draw the rows on a `sheet`: names up to `left` inches, images `side` inches wide from there, from `top` down."""
    high = side * _grid_aspect(grid)
    for i, (images, name) in enumerate(zip(grid.images, names, strict=True)):
        y = top + i * (high + _TIGHT)
        axes.text(left - 0.05, y + high / 2, name, size=_NAME, ha="right", va="center_baseline", color=INK,
                  parse_math=False)  # fmt: skip
        for j, image in enumerate(images):
            draw_tile(axes, image, left + j * (side + _TIGHT), y, side)
        if not len(images):
            axes.text(left, y + high / 2, "no images", size=_NAME, va="center_baseline", color=INK)
    return axes


def _grid_aspect(grid: SampleGrid) -> float:
    return next((images.shape[1] / images.shape[2] for images in grid.images if len(images)), 1.0)


def sample_figure(grid: SampleGrid, columns_wide: float = COLUMN) -> Figure:
    """Return the grid as a figure one column wide: the classes' names on the left, their images beside them."""
    names = labels(grid.class_names, grid.class_ids, _NAMES, _NAME)
    left = EDGE + max(width(name, _NAME) for name in names) / 72 + 0.07
    most = max(1, *(len(images) for images in grid.images))
    side = min(_LARGEST, (columns_wide - EDGE - left - (most - 1) * _TIGHT) / most)
    part = f"All {grid.of:,}" if len(names) == grid.of else f"{len(names)} of the {grid.of:,}"
    drawn = f"{part} classes of {clean(grid.split)}, at most {most} images of each, drawn with seed {grid.seed}."
    note, foot = wrapped_note(drawn, columns_wide)
    total = 2 * EDGE + len(names) * (side * _grid_aspect(grid) + _TIGHT) + foot
    figure, axes = sheet(columns_wide, total)
    draw_sample(grid, axes, names, left, side, EDGE)
    foot_note(axes, note, total - foot)
    return figure


GAP = 0.07  # inches between images
LINE = 8.0 / 72  # inches: a line of words below an image
BOLD = 1.14  # bold letters are this much wider
_BASE = 7.6 / 72  # inches: from an image to the foot of the first line below it
_RIGHT, _WRONG = "✓", "✗"


def draw_tile(
    axes: Axes, image: np.ndarray, x: float, y: float, side: float, right: bool | None = None, lines: Sequence[str] = ()
) -> Axes:
    """Draw an image on a `sheet` with its upper left corner at (x, y), `side` inches wide, and lines of text below it.

    image: uint8 (H, W, 1 or 3). right: framed as that, and the first line in the frame's colour; None for no frame.
    """
    high = side * image.shape[0] / image.shape[1]
    picture = image[:, :, 0] if image.shape[2] == 1 else image
    # Small images keep their squares.
    smooth = "nearest" if image.shape[0] <= 100 else "antialiased"
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation=smooth, extent=(x, x + side, y + high, y),
                aspect="auto")  # fmt: skip
    colour = INK
    if right is not None:
        colour, dashes = FRAMES[right]
        axes.add_patch(Rectangle((x, y), side, high, fill=False, edgecolor=colour, linestyle=dashes, linewidth=1.6))
    for i, line in enumerate(_physical(lines)):
        bold = right is not None and i == 0
        axes.text(x, y + high + _BASE + i * LINE, line, size=NOTE, color=colour if bold else INK, parse_math=False,
                  weight="bold" if bold else "normal")  # fmt: skip
    return axes


def draw_tiles(
    axes: Axes, images: np.ndarray, right: Sequence[bool], lines: Sequence[Sequence[str]], wide: float,
    top: float, across: int,
) -> float:  # fmt: skip
    """Draw framed images `across` to a row of a sheet `wide` inches wide, from `top` down; return where they end."""
    side = side_of(wide, across)
    for i, (image, good, words) in enumerate(zip(images, right, lines, strict=True)):
        if i and i % across == 0:
            top += _row_high(images[i - 1], lines[i - across : i], side)
        draw_tile(axes, image, EDGE + i % across * (side + GAP), top, side, good, words)
    return top + (_row_high(images[-1], lines[-((len(images) - 1) % across + 1) :], side) if len(images) else 0.0)


def tiles_high(images: np.ndarray, lines: Sequence[Sequence[str]], wide: float, across: int) -> float:
    """Return the inches that `draw_tiles` takes."""
    side = side_of(wide, across)
    starts = range(0, len(images), across)
    return sum(_row_high(images[i], lines[i : i + across], side) for i in starts)


def side_of(wide: float, across: int) -> float:
    """Return the width in inches of an image where `across` stand beside one another on a sheet."""
    return (wide - 2 * EDGE - (across - 1) * GAP) / across


def _row_high(image: np.ndarray, lines: Sequence[Sequence[str]], side: float) -> float:
    return side * image.shape[0] / image.shape[1] + GAP + max(map(lines_high, lines))


def _physical(lines: Sequence[str]) -> list[str]:
    """Return lines of text with the breaks in them made lines of their own."""
    return [part for line in lines for part in line.split("\n")]


def lines_high(lines: Sequence[str]) -> float:
    """Return the inches that lines of text below an image take."""
    return LINE * len(_physical(lines))


def mark(right: bool, probability: float, word: bool = False) -> str:
    """Return "✓ 98 %", or with the word "✓ right, 98 %"."""
    told = f" {'right' if right else 'wrong'}," if word else ""
    return f"{_RIGHT if right else _WRONG}{told} {100 * probability:.0f} %"


def named(word: str, name: str, class_id: str, points: float) -> str:
    """Return `word` and a class's name in `points`: on one line where a synonym fits whole, else on two."""
    # Two lines hold fewer letters than this; a longer name would only take time.
    whole = drawable(name[: int(4 * points)], class_id)
    line = cut(whole, points - width(f"{word} ", NOTE), NOTE)
    if not line.endswith(ELLIPSIS) or whole.endswith(ELLIPSIS):
        return f"{word} {line}"
    return wrap(f"{word} {whole.split(', ')[0]}", points, NOTE)


def foot_note(axes: Axes, text: str, y: float) -> Axes:
    """Write a wrapped note in grey below everything else."""
    axes.text(EDGE, y, text, size=NOTE, va="top", color=GREY, linespacing=1.15, parse_math=False)
    return axes


def wrapped_note(text: str, wide: float) -> tuple[str, float]:
    """Return a note broken to a sheet `wide` inches wide, and the inches that it takes."""
    note = wrap(text, (wide - 2 * EDGE) * 72, NOTE, lines=8)
    return note, (note.count("\n") + 1) * LINE + EDGE
