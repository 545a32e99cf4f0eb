"""Pairs of classes that are taken for one another, with the images of both."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.classes.class_names import apart
from analysis.figures.style import COLUMN, GREY, INK
from analysis.figures.text import clean, cut, drawable, width
from analysis.figures.tiles import LINE, MARGIN, NOTE, draw_tile, foot_note, lines_high, mark, sheet, wrapped_note
from analysis.images.gallery import Shown
from analysis.images.pair_gallery import PairGallery, PairShelf

_GAP = 0.05  # inches
_MIDDLE = 0.12  # inches between the two classes
_BOLD = 1.14
_HEAD, _SUB, _AFTER = 12 / 72, 9 / 72, 8 / 72


def draw_pair(gallery: PairGallery, shelf: PairShelf, axes: Axes, wide: float, top: float) -> Axes:
    """Draw a pair on a `sheet` of `wide` inches from `top` downwards: class a on the left, b on the right.

    The upper row holds what was taken for the other class, the lower what was told rightly.
    """
    pair = shelf.pair
    names = apart(gallery.class_names, gallery.class_ids)
    side, half = _sides(gallery, wide)
    aspect = _aspect(shelf)
    step = side * aspect + _GAP + lines_high(["x"])
    for own, other, wrong, right, direction, x in (
        (pair.a, pair.b, shelf.there, shelf.a_right, pair.there, MARGIN),
        (pair.b, pair.a, shelf.back, shelf.b_right, pair.back, MARGIN + half + _MIDDLE),
    ):
        name = cut(drawable(names[own], gallery.class_ids[own]), half * 72 / _BOLD, 7.0)
        axes.text(x, top, name, size=7.0, weight="bold", va="top", color=INK, parse_math=False)
        taken = f"{direction.count} of {direction.samples} taken for "
        rest = cut(drawable(names[other], gallery.class_ids[other]), half * 72 - width(taken, NOTE) - 4, NOTE)
        axes.text(x, top + _HEAD, taken + rest, size=NOTE, va="top", color=INK, parse_math=False)
        for row, (shown, good) in enumerate(((wrong, False), (right, True))):
            y = top + _HEAD + _SUB + row * step
            _row(axes, shown, good, x, y, side)
    return axes


def _row(axes: Axes, shown: Shown, right: bool, x: float, y: float, side: float) -> None:
    if not len(shown):
        axes.text(x, y + side / 2, "none told rightly" if right else "none", size=NOTE, va="center", color=GREY)
    for i in range(len(shown)):
        words = [mark(right, float(shown.said_probability[i]))]
        draw_tile(axes, shown.images[i], x + i * (side + _GAP), y, side, right, words)


def _sides(gallery: PairGallery, wide: float) -> tuple[float, float]:
    """Return the width of an image and of half a sheet, in inches."""
    half = (wide - 2 * MARGIN - _MIDDLE) / 2
    most = max(len(part) for s in gallery.shelves for part in (s.there, s.back, s.a_right, s.b_right))
    most = max(3, most)
    return (half - (most - 1) * _GAP) / most, half


def _aspect(shelf: PairShelf) -> float:
    parts = (shelf.there, shelf.back, shelf.a_right, shelf.b_right)
    return next((part.images.shape[1] / part.images.shape[2] for part in parts if len(part)), 1.0)


def pairs_figure(gallery: PairGallery, columns_wide: float = COLUMN) -> Figure:
    """Return pairs of classes below one another as a figure one column wide."""
    side, _ = _sides(gallery, columns_wide)
    steps = [_HEAD + _SUB + 2 * (side * _aspect(shelf) + _GAP + LINE) + _AFTER for shelf in gallery.shelves]
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
