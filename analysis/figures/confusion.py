"""Which classes are confused with which: numbers in cells for a few classes, named clusters for many."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

from analysis.classes.confusion import ClassBlock, Confusion, first_names, folded
from analysis.figures.style import COLUMN, GREY, INK, PAGE, apart, at, new_figure
from analysis.figures.text import drawable, labels, shorten, width

NUMBERS = 20  # up to so many classes the counts stand in the cells
NAMED = 60  # up to so many each class's name stands on the axes
FOLDED = 40  # of more so many that are confused most are named, the others folded into one
_FEW = 12  # up to so many one column is wide enough
_DOTS = 300  # a figure's dots to the inch: cells of many classes are whole dots
_RIGHT = 0.8  # the grey of right answers where the counts stand in the cells
_RECALL = (0.97, 0.45)  # the greys of a recall of 0 and of 100 % where they do not
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)


def _colours() -> Colormap:
    """Return colours that only get darker, and whose lightest stands out from white: a single error is seen."""
    return LinearSegmentedColormap.from_list("errors", colormaps["Blues"](np.linspace(0.3, 1.0, 64)))


def _norm(value: Confusion) -> LogNorm | None:
    """Return the logarithmic scale of the errors' rates in percent; None where there are no errors."""
    rates = 100 * value.rates[value.errors > 0]
    if not rates.size:
        return None
    low, high = float(rates.min()), float(rates.max())
    return LogNorm(low, high if high > low else low * 10)


def draw_confusion(value: Confusion, axes: Axes, names: Sequence[str] = (), size: float = 6.5) -> Axes:
    """Draw the matrix in the value's order: right answers grey, errors by their rate, the darker the more.

    Above 20 classes the grey of the diagonal darkens with the class's recall.

    Rows are the true classes, each row's rates shares of its samples. names: C drawable names, in the value's order,
    for the axes; none for no names. Up to 20 classes the counts stand in the cells, in letters of `size` points.
    """
    order = value.order
    counts, errors, rates = (m[np.ix_(order, order)] for m in (value.counts, value.errors, value.rates))
    c = len(order)
    picture = np.ones((c, c, 3))
    norm = _norm(value)
    if norm is not None:
        shaded = errors > 0
        picture[shaded] = _colours()(norm(100 * rates[shaded]))[:, :3]
    recall = np.nan_to_num(rates.diagonal())
    grey = np.full(c, _RIGHT) if c <= NUMBERS else _RECALL[0] + (_RECALL[1] - _RECALL[0]) * recall
    picture[np.arange(c), np.arange(c)] = np.where(value.samples[order] > 0, grey, 1.0)[:, None]
    if c and value.folded:
        picture[-1, -1] = 1.0  # what the folded classes are predicted as among themselves is not shown
    axes.imshow(picture, interpolation="nearest", aspect="equal")
    if c and value.folded:  # nor is it none, as white is
        axes.add_patch(
            Rectangle((c - 1.5, c - 1.5), 1, 1, facecolor="white", edgecolor=GREY, hatch="/" * 6, linewidth=0)
        )
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(True)
        side.set_linewidth(0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    if c <= NUMBERS:
        dark = picture @ np.array([0.2126, 0.7152, 0.0722]) < 0.5
        for i, j in zip(*np.nonzero(counts), strict=True):
            axes.text(j, i, f"{counts[i, j]:,}", ha="center", va="center_baseline", size=size,
                      color="white" if dark[i, j] else INK, weight="bold" if i == j else "normal")  # fmt: skip
    if names:
        axes.set_yticks(range(c), names, size=size, parse_math=False)
        axes.set_xticks(range(c), names, size=size, rotation=90, parse_math=False)
        axes.tick_params(length=0, pad=2)
    return axes


def draw_blocks(value: Confusion, axes: Axes) -> Axes:
    """Frame the value's blocks on a drawn matrix."""
    for block in value.blocks:
        wide = block.stop - block.start
        axes.add_patch(Rectangle((block.start - 0.5, block.start - 0.5), wide, wide, fill=False, edgecolor=INK,
                                 linewidth=0.6))  # fmt: skip
    return axes


def confusion_figure(value: Confusion, title: str, columns_wide: float | None = None) -> Figure:
    """Return the matrix as a figure with names: one column wide up to 12 classes, else as wide as the page unless told.

    Of more than 60 classes the 40 that are confused most stand by themselves, the others folded into one; where a page
    is too wide, of more than 20 the 19.
    """
    narrow = columns_wide is not None and columns_wide < PAGE
    if len(value) > (NUMBERS if narrow else NAMED):
        value = folded(value, NUMBERS - 1 if narrow else FOLDED)
    return _named_figure(value, title, columns_wide or (COLUMN if len(value) <= _FEW else PAGE))


def blocks_figure(value: Confusion, title: str, columns_wide: float = PAGE) -> Figure:
    """Return the whole matrix of many classes without names, its blocks framed and the largest of them named."""
    return _block_figure(value, title, columns_wide)


def _heading(figure: Figure, value: Confusion, title: str) -> None:
    wide, high = figure.get_size_inches()
    figure.text(0.06 / wide, 1 - 0.05 / high, shorten(title, (wide - 0.12) * 72, 7.5), size=7.5, va="top",
                parse_math=False)  # fmt: skip


def _scale(figure: Figure, value: Confusion, left: float, bottom: float, across: float) -> None:
    """Draw the colours' scale in inches from the figure's lower left corner: a bar, with its percentages below."""
    norm = _norm(value)
    wide, high = figure.get_size_inches()
    words: dict[str, Any] = {"size": 6.5, "color": INK, "va": "center_baseline"}
    grey = "right" if len(value) <= NUMBERS else "right, the darker the higher the recall"
    key = f"Errors, % of a true class; grey: {grey}; white: none"
    if value.folded and wide >= PAGE:  # in a column the scale needs the room
        key += "; hatched: not shown"
    y = (bottom + 0.05) / high
    if norm is None:
        figure.text(left / wide, y, "No errors; grey: right answers", **words)
        return
    figure.text(left / wide, y, key, **words)
    start = left + width(key, 6.5) / 72 + 0.12
    room = min(1.2, across - (start - left) - 0.1)
    axes = figure.add_axes((start / wide, bottom / high, room / wide, 0.1 / high))
    # Steps of the logarithm are equally wide.
    axes.imshow(_colours()(np.linspace(0, 1, 128))[None, :, :3], aspect="auto", interpolation="nearest",
                extent=(0, 1, 0, 1))  # fmt: skip
    axes.grid(visible=False)
    low, high_rate = float(norm.vmin or 0), float(norm.vmax or 1)
    ticks = [t for t in _TICKS if low * 0.999 <= t <= high_rate * 1.001] or [low]
    places = [float(norm(t)) for t in ticks]
    kept = [i for i, x in enumerate(places) if i == 0 or x - places[i - 1] > 0.12]
    axes.set_xticks([places[i] for i in kept], [f"{ticks[i]:g}" for i in kept], size=6)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yticks([])
    axes.tick_params(length=1.5, pad=1)


def _named_figure(value: Confusion, title: str, wide: float) -> Figure:
    """Return the matrix with each class's name on both axes."""
    c = len(value)
    size = 6.5 if c <= NUMBERS else 5.0 if c <= FOLDED + 1 else 4.2
    ids = [value.class_ids[i] for i in value.order]
    shown = [value.class_names[i].split(", ")[0] for i in value.order]
    names = labels(shown, ids, 60 if wide < PAGE else 84, size)
    longest = max(width(name, size) for name in names) / 72
    left, below, head, foot = longest + 0.22, longest + 0.2, 0.26, 0.34
    side = wide - left - 0.08
    high = head + side + below + foot
    figure = new_figure(wide, high)
    axes = figure.add_axes((left / wide, (below + foot) / high, side / wide, side / high))
    cell = side / c * 72
    longest_count = width(f"{value.counts.max():,}", 6.5)
    draw_confusion(value, axes, names, min(size, 6.5 * 0.86 * cell / longest_count) if c <= NUMBERS else size)
    _heading(figure, value, title)
    _name_axes(figure, (0.09, below + foot + side / 2), (left + side / 2, foot + 0.08))
    _scale(figure, value, 0.06, 0.16, wide - 0.12)
    return figure


def _name_axes(figure: Figure, y_axis: tuple[float, float], x_axis: tuple[float, float]) -> None:
    """Name the axes at places in inches from the figure's lower left corner."""
    words: dict[str, Any] = {"size": 7, "ha": "center", "va": "center"}
    figure.text(*at(figure, *y_axis), "True class", rotation=90, **words)
    figure.text(*at(figure, *x_axis), "Predicted class", **words)


def _block_figure(value: Confusion, title: str, wide: float) -> Figure:
    """Return the matrix without names on the axes; the blocks are framed, and the largest named beside it."""
    c = len(value)
    head, left, foot, gap = 0.26, 0.2, 0.5, 0.08
    beside = max(1.3, 0.32 * wide) if value.blocks else gap
    dots = int((wide - left - beside) * _DOTS)
    side = (dots // c * c if c <= dots else dots) / _DOTS
    high = head + side + foot
    figure = new_figure(wide, high)
    # The lower left corner lies on whole dots, so that every cell has as many as the next.
    x, y = (round(part * _DOTS) / _DOTS for part in (left, foot))
    axes = figure.add_axes((x / wide, y / high, side / wide, side / high))
    draw_confusion(value, axes)
    draw_blocks(value, axes)
    _heading(figure, value, title)
    _name_axes(figure, (0.1, foot + side / 2), (left + side / 2, foot - 0.09))
    _scale(figure, value, 0.06, 0.18, wide - 0.12)
    if value.blocks:
        _name_blocks(value, axes, side, (wide - left - side) * 72)
    return figure


def _name_blocks(value: Confusion, axes: Axes, side: float, points: float) -> None:
    """Name the blocks with most errors inside right of the matrix, with a line from each to its words."""
    c, step = len(value), 19.0  # points that a block's two lines take
    most = int(side * 72 // 16)  # where blocks are many their words stand closer
    blocks = sorted(sorted(value.blocks, key=lambda b: -b.inside)[:most], key=lambda b: b.start)
    cell = side * 72 / c
    wanted = [(b.start + b.stop) / 2 * cell for b in blocks]
    for block, middle, place in zip(blocks, wanted, apart(wanted, step, side * 72), strict=True):
        edge = c - 0.5
        # A bracket beside the block's rows, and from its middle a line to the words.
        axes.plot([edge + 3 / cell] * 2, [block.start + 0.1, block.stop - 1.1], color=INK, linewidth=0.9, clip_on=False,
                  solid_capstyle="butt")  # fmt: skip
        axes.plot([edge + 3 / cell, edge + 11 / cell], [middle / cell - 0.5, place / cell - 0.5], color=GREY,
                  linewidth=0.5, clip_on=False)  # fmt: skip
        first, second = block_words(value, block, points - 15)
        for text, down, colour in ((first, -1.5, INK), (second, 6.0, GREY)):
            axes.annotate(text, (edge, place / cell - 0.5), (13, -down), textcoords="offset points", size=6,
                          va="center_baseline", color=colour, annotation_clip=False, parse_math=False)  # fmt: skip
    axes.set_xlim(-0.5, c - 0.5)
    axes.set_ylim(c - 0.5, -0.5)


def block_words(value: Confusion, block: ClassBlock, points: float) -> tuple[str, str]:
    """Return a block's two lines: its typical classes, and how many of their errors stay among them."""
    told = first_names(value.class_names, value.class_ids)
    shown = [drawable(told[i], value.class_ids[i]) for i in block.typical]
    names, each = ", ".join(shown), (points - width(", , ", 6)) / len(shown)
    if width(names, 6) > points:
        names = ", ".join(shorten(name, each, 6) for name in shown)
    share = 100 * block.inside / block.errors
    size = f"{block.stop - block.start} classes, {share:.0f} % of their errors inside"
    return names, size if width(size, 6) <= points else size.replace("of their errors ", "")
