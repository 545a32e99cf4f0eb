"""Accuracy of every subset by its size k (Ting, Fig. 7)."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures.style import (
    BLUE,
    COLUMN,
    EDGE,
    GREY,
    INK,
    TITLE,
    VERMILLION,
    apart,
    axes_at,
    label_y,
    new_figure,
    note_lines,
    put_note,
    put_title,
    size_of,
    title_lines,
)
from analysis.figures.text import clean, shorten_middle, width
from analysis.selection.cross_validation import HonestScore
from analysis.subsets.beyond import Density, LeadingTable
from analysis.subsets.growth import MoreMembers
from analysis.subsets.table import SubsetTable, name_set

_NAME = 6.0  # points: the members' names
_TICK = 6.5  # points: the numbers on the axis
_ROOM = 56.0  # points: for such a name
_SPREAD = 0.56  # of the distance between two k, for the jitter
_STEP = _NAME * 1.15  # points: from one such name to the next
_MOST_NAMES = 30
_WHY_NARROWER = (
    "The interval is over which members were trained; it narrows where one of them weighs less among more. Whether the "
    "curve goes on so is not in it."
)
_MANY = 3000  # points; more are drawn as one picture within SVG and PDF


def jitter(sizes: np.ndarray) -> np.ndarray:
    """Return float64 (S,): where each subset stands beside its k, in -0.5..0.5, the same every time.

    Subsets of one size are set apart evenly by the golden ratio, in the order of the table; a size with one
    subset, and single members, stand at 0.
    """
    out = np.zeros(len(sizes))
    for k in np.unique(sizes):
        rows = np.flatnonzero(sizes == k)
        if k > 1 and len(rows) > 1:
            out[rows] = (0.5 + np.arange(len(rows)) * 0.6180339887498949) % 1 - 0.5
    return out


def draw_curve(table: SubsetTable, axes: Axes, more: MoreMembers | None = None) -> Axes:
    """Draw every subset as a point, the mean over each k as a line, single members by name, the best as a star.

    more: what accuracy comes to with more members, dashed with its interval, up to twice as many.
    """
    accuracy = 100 * table.scores("accuracy")
    sizes = table.sizes
    # Where points lie on one another they are small and pale; sizes with few subsets are not.
    few = np.bincount(sizes)[sizes] <= 40
    colours = np.array([to_rgba(BLUE, 0.3), to_rgba(BLUE, 0.65)])[few.astype(int)]
    axes.scatter(
        sizes + _SPREAD * jitter(sizes), accuracy, s=np.where(few, 9.0, 3.0), c=colours, linewidths=0,
        rasterized=len(table) > _MANY, zorder=3,
    )  # fmt: skip
    summary = table.by_size()
    if isinstance(table, LeadingTable):
        _draw_density(table.densities["accuracy"], axes)
    axes.plot([s.k for s in summary], [100 * s.mean_accuracy for s in summary], color=INK, marker="_",
              markersize=7, markeredgewidth=1.2, zorder=4)  # fmt: skip
    best = table.best()
    at = int(np.searchsorted(table.masks, np.uint64(best.mask)))
    axes.scatter(
        [best.size + _SPREAD * jitter(sizes)[at]], [100 * best.accuracy], marker="*", s=55, color=VERMILLION,
        edgecolors="white", linewidths=0.5, zorder=5, clip_on=False,
    )  # fmt: skip
    axes.set_xlabel("Members averaged, k")
    axes.set_ylabel(f"Accuracy on {table.split} (%)")
    axes.set_xticks(np.unique(sizes)[:: 1 + len(np.unique(sizes)) // 13])
    low, high = 100 * min(s.min_accuracy for s in summary), 100 * max(s.max_accuracy for s in summary)
    pad = max(0.08 * (high - low), 0.25)
    axes.set_ylim(low - pad, high + pad)
    axes.set_xlim(int(sizes.min()) - 0.5, _most(table, more) + 0.5)
    if more is not None:
        shown = slice(more.seen - 1, _most(table, more))
        ks, mean = more.k[shown], 100 * more.mean[shown]
        lower, upper = (100 * np.where(np.isnan(end), more.mean, end)[shown] for end in (more.low, more.high))
        axes.fill_between(ks[1:], lower[1:], upper[1:], color=GREY, alpha=0.2, linewidth=0, zorder=1)
        axes.plot(ks, mean, color=INK, linestyle=(0, (2, 1.5)), linewidth=1.0, zorder=4)
        # The whole interval, where it does not dwarf what was seen.
        bottom, top = max(float(lower.min()), 2 * low - high), min(float(upper.max()), 2 * high - low)
        axes.set_ylim(min(low, bottom) - pad, max(high, top, float(mean.max())) + pad)
    axes.grid(axis="x", visible=False)
    return axes


def _draw_density(density: Density, axes: Axes) -> None:
    """Draw how many subsets of each size have an accuracy, as bands, the darker the more."""
    k, b = np.nonzero(density.counts)
    k, b = k[k > 0], b[k > 0]
    step = (density.high - density.low) / density.counts.shape[1]
    share = density.counts[k, b] / density.counts.max(axis=1)[k]
    colours = [to_rgba(BLUE, 0.08 + 0.42 * float(s) ** 0.5) for s in share]
    width = np.full(len(k), 0.84)
    axes.bar(
        k, np.full(len(k), 100 * step), width, 100 * (density.low + b * step), color=colours, linewidth=0, zorder=2
    )


def _most(table: SubsetTable, more: MoreMembers | None) -> int:
    """Return the largest k on the axis."""
    return int(table.sizes.max()) if more is None else 2 * more.seen


def name_members(table: SubsetTable, axes: Axes) -> Axes:
    """Write the members' names left of their points at k = 1, moved apart where they would overlap.

    Call it last: it needs the final size and limits of `axes`. Where not all fit below one another, or there are more
    than thirty, as many of the best as of the worst are named.
    """
    singles = [int(row) for row in np.flatnonzero(table.sizes == 1)]
    if not singles or len(table.members) < 2:
        return axes
    accuracy = 100 * table.scores("accuracy")
    singles.sort(key=lambda row: accuracy[row])
    points_w, points_h = (72 * side for side in size_of(axes))
    most = min(int(points_h / _STEP), _MOST_NAMES)
    if len(singles) > most:
        singles = singles[: most // 2] + singles[-(most // 2) :]
    names = [shorten_middle(clean(table.members_of(int(table.masks[row]))[0]), _ROOM, _NAME) for row in singles]
    # The names need their own room left of k = 1: widen the axis by as much as the longest takes.
    room = max(width(name, _NAME) for name in names) + 16
    largest = axes.get_xlim()[1]
    per_unit = (points_w - room) / (largest - 1)
    axes.set_xlim(1 - room / per_unit, largest)
    low, high = axes.get_ylim()
    place = apart([(accuracy[row] - low) / (high - low) * points_h for row in singles], _STEP, points_h)
    for row, name, y in zip(singles, names, place, strict=True):
        axes.annotate(
            name, xy=(1, accuracy[row]), xytext=(1 - 12 / per_unit, low + y / points_h * (high - low)),
            size=_NAME, color=INK, ha="right", va="center", parse_math=False, annotation_clip=False,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.4, "shrinkA": 1, "shrinkB": 2,
                        "relpos": (1, 0.5)},
        )  # fmt: skip
    return axes


def name_sizes(table: SubsetTable, axes: Axes, more: MoreMembers | None = None) -> Axes:
    """Write each size k below the axis, or every second, third, ... with the largest and 1 among them; call it last."""
    ks = np.unique(np.append(table.sizes, np.arange(table.sizes.max(), _most(table, more) + 1))).tolist()
    low, high = axes.get_xlim()
    room = (width(str(ks[-1]), _TICK) + 3) / (72 * size_of(axes)[0]) * (high - low)
    step = next(s for s in range(1, len(ks) + 1) if s >= room or s == len(ks))
    shown = ks[::-1][::step]
    if shown[-1] != ks[0] and shown[-1] - ks[0] >= room / 1.5:
        shown.append(ks[0])
    axes.set_xticks(shown[::-1])
    return axes


def curve_title(table: SubsetTable, honest: HonestScore | None, points: float) -> str:
    """Name the best subset by its members, with its accuracy and its honest score: two lines of `points` at most."""
    best, many = table.best(), len(table.members)
    if table.count == 1:
        return f"The only member: {clean(best.members[0])}, {100 * best.accuracy:.1f}\u00a0%"
    end = f", {100 * best.accuracy:.1f}\u00a0%"
    if honest is not None and honest.score is not None:
        end += f"; honest score {100 * honest.score:.1f}\u00a0%"
        if honest.low is not None and honest.high is not None:
            end += f" ({100 * honest.low:.1f}–{100 * honest.high:.1f})"
    # No members beside them: each is named, and none left to be thought of as "all but".
    names = f"all {many} members" if best.size == many else clean(name_set(best.members, ()))
    start = f"Best of {table.count:,} on {table.split}: "
    if width(start + names + end, TITLE) > 1.7 * points:  # names of which little would be left
        names = f"{best.size} of {many} members"
    return start + names + end


def curve_figure(
    table: SubsetTable,
    columns_wide: float = COLUMN,
    height: float | None = None,
    honest: HonestScore | None = None,
    more: MoreMembers | None = None,
) -> Figure:
    """Return the curve as a figure one column wide, the best subset named above it.

    height: inches; 2.7 unless told, and as much more as the names of up to thirty members need. honest: of choosing the
    best of all subsets, to stand beside its accuracy. more: what more members would bring.
    """
    best = table.best()
    told, head = title_lines(curve_title(table, honest, (columns_wide - 2 * EDGE) * 72), columns_wide)
    head += 0.07
    note, foot = note_lines(_WHY_NARROWER, columns_wide) if more is not None else ("", 0.0)
    left, bottom = 0.48, 0.56 if more is None else 0.7 + foot
    names = _STEP * (min(len(table.members), _MOST_NAMES) + 0.5) / 72
    height = height or max(2.7, head + names + bottom)
    figure = new_figure(columns_wide, height)
    put_title(figure, told.replace("\u00a0", " "))
    axes = axes_at(figure, left, bottom, columns_wide - left - 0.1, height - bottom - head)
    draw_curve(table, axes, more)
    label_y(axes, left - 0.12)
    name_sizes(table, name_members(table, axes), more)
    shown: list[Line2D | tuple[Patch, Line2D]] = [
        Line2D([], [], color=BLUE, alpha=0.65, marker="o", markersize=3, markeredgewidth=0, linestyle="none",
               label=f"{table.count:,} subset{'s' * (table.count != 1)}"),
        Line2D([], [], color=INK, marker="_", markersize=7, markeredgewidth=1.2, label="mean of each k"),
        Line2D([], [], color=VERMILLION, marker="*", markersize=7.5, markeredgewidth=0, linestyle="none",
               label=f"best, {100 * best.accuracy:.1f} %"),
    ]  # fmt: skip
    labels = [str(handle.get_label()) for handle in shown if isinstance(handle, Line2D)]
    if more is not None:
        line = Line2D([], [], color=INK, linestyle=(0, (2, 1.5)), linewidth=1.0)
        shown.append((Patch(facecolor=GREY, alpha=0.2, linewidth=0), line))
        labels.append("more members, extrapolated; grey: 95 %")
    look: dict[str, Any] = {"handles": shown, "labels": labels}  # a pair is drawn one over the other
    figure.legend(**look, loc="lower center", ncols=3 if more is None else 2, columnspacing=1.4,
                  handletextpad=0.5, bbox_to_anchor=(0.5, foot / height))  # fmt: skip
    if note:
        put_note(figure, note)
    return figure
