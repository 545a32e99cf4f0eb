"""Recall of the hardest and the easiest classes, with Wilson's 95 % intervals, and what an ensemble changes of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.classes.improved import MOST, ClassComparison
from analysis.classes.per_class import PerClass, extreme_titles, extremes
from analysis.figures.style import (
    BLUE,
    COLUMN,
    EDGE,
    GREY,
    INK,
    VERMILLION,
    axes_at,
    bold_heading,
    new_figure,
    note_lines,
    put_note,
    put_title,
    title_lines,
)
from analysis.figures.text import clean, labels, shorten, width

_SIZE = 6.5  # points: names and counts
_ROW = 0.13  # inches a class
_ROOM = 96.0  # points for a name
_BREAK = 1.15  # rows between two groups, for a heading
_BESIDE: dict[str, Any] = {
    "size": _SIZE, "va": "center_baseline", "color": INK, "parse_math": False, "annotation_clip": False,
}  # fmt: skip


def _beside(axes: Axes, y: float, name: str, count: str, room: float) -> None:
    """Write a row's name left of the axes, and its count so that it ends `room` points right of them."""
    edge = axes.get_yaxis_transform()
    axes.annotate(name, (0, y), (-3, 0), edge, "offset points", ha="right", **_BESIDE)
    axes.annotate(count, (1, y), (room, 0), edge, "offset points", ha="right", **_BESIDE)


def draw_per_class(
    value: PerClass, axes: Axes, rows: Sequence[int], start: float, colour: str, names: Sequence[str]
) -> Axes:
    """Draw classes one below another from height `start` downwards: a bar to the recall in %, a dot, its interval.

    rows: positions in `value`, from top to bottom; names: as many, drawable. Counts stand right of the axes.
    """
    room = _count_room(value)
    for i, (row, name) in enumerate(zip(rows, names, strict=True)):
        y = start - i
        recall, low, high = (100 * float(column[row]) for column in (value.accuracy, value.low, value.high))
        axes.barh(y, recall, height=0.62, color=colour, alpha=0.3, linewidth=0)
        axes.plot([low, high], [y, y], color=colour, linewidth=1.0, solid_capstyle="butt", zorder=3)
        axes.plot([recall], [y], "o", color=colour, markersize=3.0, zorder=4, clip_on=False)
        _beside(axes, y, name, _count(value, row), room)
    return axes


def _count(value: PerClass, row: int) -> str:
    return f"{value.correct[row]}/{value.samples[row]}"


def _count_room(value: PerClass) -> float:
    """Return the points right of the axes that the counts take, with a space for an interval's end at 100 %."""
    return max((width(_count(value, row), _SIZE) for row in range(value.scored)), default=0.0) + 8


def per_class_figure(value: PerClass, title: str, columns_wide: float = COLUMN) -> Figure:
    """Return the hardest and the easiest ten classes, or all where there are at most twenty, one column wide."""
    hardest, easiest = extremes(value)
    whole = value.scored <= 20
    shown = hardest + easiest
    names = labels([value.class_names[i] for i in shown], [value.class_ids[i] for i in shown], _ROOM, _SIZE)
    left = max(width(name, _SIZE) for name in names) / 72 + 0.14
    right = _count_room(value) / 72 + 0.08
    head, foot, gap = 0.24 if whole else 0.37, 0.36, 0.0 if whole or not easiest else _BREAK
    count = len(shown) + gap
    figure = new_figure(columns_wide, head + foot + _ROW * count)
    across = columns_wide - left - right
    axes = axes_at(figure, left, foot, across, _ROW * count)
    top = count - 0.5
    draw_per_class(value, axes, hardest, top, BLUE if whole else VERMILLION, names[: len(hardest)])
    draw_per_class(value, axes, easiest, top - len(hardest) - gap, BLUE, names[len(hardest) :])
    overall = 100 * value.correct.sum() / value.samples.sum()
    # In two parts, so that it does not run through the heading between them.
    for ends in ((count - len(hardest), count), (0, len(easiest))) if gap else ((0, count),):
        axes.plot([overall, overall], ends, color=GREY, linewidth=0.8, linestyle=(0, (3, 2)), zorder=2)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, count)
    axes.set_yticks([])
    axes.spines["left"].set_visible(True)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.set_xlabel(f"Recall (%), 95 % interval; broken line: accuracy, {overall:.1f} %")
    axes.xaxis.set_label_coords((columns_wide / 2 - left) / across, -0.22 / (_ROW * count))
    put_title(figure, shorten(title, (columns_wide - 2 * EDGE) * 72, 7.5))
    if not whole:
        titles = extreme_titles(value)
        bold_heading(axes, 0, count + 0.12, titles[0], VERMILLION)
        if easiest:
            bold_heading(axes, 0, count - len(hardest) - gap + 0.12, titles[1], BLUE)
    return figure


def draw_recall(value: PerClass, axes: Axes) -> Axes:
    """Draw the recall of every class in %, sorted from the lowest, with Wilson's 95 % interval shaded."""
    rank = np.arange(1, value.scored + 1)
    recall, low, high = (100 * column[: value.scored] for column in (value.accuracy, value.low, value.high))
    axes.fill_between(rank, low, high, color=BLUE, alpha=0.2, linewidth=0, step="mid")
    axes.plot(rank, recall, color=BLUE, drawstyle="steps-mid")
    overall = 100 * value.correct.sum() / value.samples.sum()
    axes.axhline(overall, color=GREY, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
    axes.set_xlim(0.5, value.scored + 0.5)
    axes.set_ylim(0, 100)
    axes.set_xlabel("Class, by rising recall")
    axes.set_ylabel("Recall (%)")
    return axes


def recall_figure(value: PerClass, title: str, columns_wide: float = COLUMN) -> Figure:
    """Return the sorted curve of all classes' recalls as a figure, quartiles and ends named in its note."""
    title, head = title_lines(title, columns_wide)
    recall = 100 * value.accuracy[: value.scored]
    quarter, half, upper = np.percentile(recall, (25, 50, 75))
    overall = 100 * value.correct.sum() / value.samples.sum()
    note, foot = note_lines(
        f"Half of the {value.scored} classes lie between {quarter:.0f} and {upper:.0f} %, the median at {half:.0f} %; "
        f"lowest {recall.min():.0f}, highest {recall.max():.0f}. Shaded: each class's Wilson 95 % interval; broken "
        f"line: accuracy, {overall:.1f} %. The first and the last stand there partly by chance.",
        columns_wide,
    )
    foot += 0.36
    tall = 1.6
    figure = new_figure(columns_wide, head + 0.08 + tall + foot)
    put_title(figure, title)
    put_note(figure, note)
    draw_recall(value, axes_at(figure, 0.46, foot, columns_wide - 0.56, tall))
    return figure


def draw_improved(
    value: ClassComparison,
    axes: Axes,
    columns: Sequence[int],
    names: Sequence[str],
    start: float,
    colour: str,
    room: float,
) -> Axes:
    """Draw classes one below another from height `start`: a bar of the difference in points, and won and lost beside.

    columns: of the classes, from top to bottom; names: as many, drawable. A full bar is significant among so many
    classes, a hollow one may be chance. room: points right of the axes in which the counts end.
    """
    for i, (c, name) in enumerate(zip(columns, names, strict=True)):
        full = bool(value.q[c] <= value.level)
        axes.barh(start - i, 100 * value.difference[c], height=0.6, facecolor=colour if full else "white",
                  edgecolor=colour, linewidth=0.9)  # fmt: skip
        _beside(axes, start - i, name, _won_lost(value, c), room)
    return axes


def _won_lost(value: ClassComparison, c: int) -> str:
    return f"+{value.won[c]} −{value.lost[c]}"


def improved_figure(value: ClassComparison, who: str, columns_wide: float = COLUMN) -> Figure:
    """Return classes improved and degraded, at most eight of each, by their difference; one column wide."""
    better, worse = (value.leading(sign, MOST) for sign in (True, False))
    shown = better + worse
    names = labels([value.class_names[c] for c in shown], [value.class_ids[c] for c in shown], 90.0, _SIZE)
    left = max([width(name, _SIZE) for name in names], default=30) / 72 + 0.12
    room = max([width(_won_lost(value, c), _SIZE) for c in shown], default=30) + 5
    gap = _BREAK * bool(better and worse)
    count = max(1, len(shown)) + gap
    who, against = clean(who), clean(value.against)
    note, foot = note_lines(
        f"{len(value.improved)} improved and {len(value.degraded)} degraded significantly, of {value.tested} classes "
        f"tested (false discovery rate {100 * value.level:.0f} %). +: images that only the former has right; −: only "
        "the latter."
        + (f" {against} was chosen on these images." if value.chosen_here else ""),
        columns_wide, 5,
    )  # fmt: skip
    full = [bool(value.q[c] <= value.level) for c in shown]
    kinds: list[tuple[str, dict[str, Any]]] = [(word, {"facecolor": GREY if filled else "white", "edgecolor": GREY})
             for word, filled in (("significant", True), ("may be chance", False)) if filled in full]  # fmt: skip
    head, foot = 0.36, foot + 0.36 + 0.16 * bool(kinds)
    figure = new_figure(columns_wide, head + _ROW * count + foot)
    axes = axes_at(figure, left, foot, columns_wide - left - room / 72 - 0.06, _ROW * count)
    top = count - 0.5
    draw_improved(value, axes, better, names[: len(better)], top, BLUE, room)
    below = top - len(better) - gap
    draw_improved(value, axes, worse, names[len(better) :], below, VERMILLION, room)
    most = 100 * max([abs(float(value.difference[c])) for c in shown], default=0.05)
    axes.set_xlim(-1.08 * most, 1.08 * most)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_ylim(0, count)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("Difference in recall (points)")
    axes.xaxis.set_label_coords(0.5, -0.22 / (_ROW * count))
    if not shown:
        axes.text(0.5, 0.5, "no class differs", transform=axes.transAxes, ha="center", va="center", size=_SIZE)
    for words, rows, y, colour in (("Improved", better, count, BLUE), ("Degraded", worse, below + 0.5, VERMILLION)):
        if rows:
            bold_heading(axes, -1.08 * most, y + 0.12, words, colour)
    if kinds:
        figure.legend(handles=[Patch(label=word, linewidth=0.9, **look) for word, look in kinds], loc="lower left",
                      ncols=2, bbox_to_anchor=(0.02 / columns_wide, (foot - 0.54) / figure.get_size_inches()[1]),
                      handlelength=1.2, columnspacing=1.4)  # fmt: skip
    title = f"{who[:1].upper()}{who[1:]} against {against}, class by class"
    put_title(figure, shorten(title, (columns_wide - 2 * EDGE) * 72, 7.5))
    put_note(figure, note)
    return figure
