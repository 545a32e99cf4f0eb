"""Loss and accuracy by epoch (Ting, Figs. 2 and 3): a member a column, or several members overlaid."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.figures.style import BLUE, COLUMN, GREY, INK, PAGE, VERMILLION, new_figure
from analysis.figures.text import clean, shorten, shorten_middle, width, wrap
from analysis.members.curves import Curves, Series
from ensemble.study.history import History

MOST_COLUMNS = 4
# Broken against whole, so that they are told apart in grey too.
_SPLITS: tuple[tuple[str, str, Any], ...] = (("train", BLUE, (0, (4, 1.2))), ("val", VERMILLION, "-"))
_PENALTY = (0, (1.2, 1.2))
_LEFT, _RIGHT, _PANEL, _BETWEEN = 0.45, 0.12, 1.25, 0.12  # inches


def draw_loss(history: History, axes: Axes, x: np.ndarray | None = None) -> Axes:
    """Draw the cross-entropy of train (broken) and validation (whole), with the penalty dotted, in nats.

    x: float64 (E,), where the epochs stand; by default their numbers. Vertical dots: the learning rate falls.
    """
    x = history.columns["epoch"] if x is None else x
    for split, colour, dashes in _SPLITS:
        axes.plot(x, history.columns[f"{split}_cross_entropy"], color=colour, linestyle=dashes, **_marker(history))
        axes.plot(x, history.columns[f"{split}_loss"], color=colour, linestyle=_PENALTY, linewidth=1.0)
    return _finish(history, axes, x, "Loss (nats)")


def draw_accuracy(history: History, axes: Axes, x: np.ndarray | None = None) -> Axes:
    """Draw the accuracy of train (broken) and validation (whole) in %; the last epoch is a dot and the best a ring.

    x: as in `draw_loss`.
    """
    x = history.columns["epoch"] if x is None else x
    for split, colour, dashes in _SPLITS:
        axes.plot(x, 100 * history.columns[f"{split}_accuracy"], color=colour, linestyle=dashes, **_marker(history))
    accuracy = 100 * history.columns["val_accuracy"]
    if np.isfinite(accuracy).any():
        best = int(np.nanargmax(accuracy))
        axes.plot(x[[best]], accuracy[[best]], "o", color=VERMILLION, markersize=4.5, markerfacecolor="white",
                  markeredgewidth=0.9, zorder=4, clip_on=False)  # fmt: skip
        axes.plot(x[[-1]], accuracy[[-1]], "o", color=VERMILLION, markersize=2.6, zorder=5, clip_on=False)
    return _finish(history, axes, x, "Accuracy (%)")


def members_figure(histories: Sequence[History], places: Sequence[np.ndarray] | None = None) -> Figure:
    """Return one member a column, loss above accuracy: one column wide for one member, a page wide for two to four.

    places: images seen by the end of each epoch, float64 (E,) a member; by default the axis counts epochs.
    """
    count = len(histories)
    wide = COLUMN if count == 1 else PAGE
    figure, grid = _panels(wide, count, top=0.38, foot=0.5 if count > 1 else 0.63)
    for i, (history, (upper, lower)) in enumerate(zip(histories, grid, strict=True)):
        x = None if places is None else places[i]
        draw_loss(history, upper, x)
        draw_accuracy(history, lower, x)
        along(lower, "epochs" if x is None else "images", 0 if x is None else x[-1])
        upper.set_xlabel("")
        _title(upper, history, (wide / count - _LEFT) * 72)
    for axes in (axes for column in grid[1:] for axes in column):
        axes.set_ylabel("")
    shown = [
        *(
            Line2D([], [], color=colour, linestyle=dashes, label="train" if split == "train" else "validation")
            for split, colour, dashes in _SPLITS
        ),
        Line2D([], [], color=GREY, linestyle=_PENALTY, linewidth=1.0, label="with L2 penalty"),
        *_dots(),
    ]
    return _legend(figure, shown, 3 if count == 1 else 5)


def overlay_figure(value: Curves, columns_wide: float = COLUMN) -> Figure:
    """Return a line for each member: loss above accuracy, train beside validation, and a table of them as the key."""
    return lines_figure(
        value,
        f"Training of {len(value.series)} members",
        ("member", "last val. %", "best val. %", "at epoch" if value.along == "epochs" else "at images"),
        [_ends(series) for series in value.series],
        columns_wide=columns_wide,
    )


def range_figure(value: Curves, columns_wide: float = COLUMN) -> Figure:
    """Return the middle and the range of many members: `value` holds them as one line."""
    (series,) = value.series
    last = 100 * series.middle["val_accuracy"][-1] if len(series.x) else np.nan
    low, high = (100 * part["val_accuracy"][-1] if len(series.x) else np.nan for part in (series.low, series.high))
    return lines_figure(
        value,
        f"Training of {len(series.members)} members",
        ("", f"{value.middle} val. % at the end", "lowest", "highest"),
        [[f"{number:.1f}" for number in (last, low, high)]],
        columns_wide=columns_wide,
    )


def _ends(series: Series) -> list[str]:
    if series.last is None or series.best is None:
        return ["none", "none", ""]
    last = "none" if np.isnan(series.last[1]) else f"{100 * series.last[1]:.1f}"
    return [last, f"{100 * series.best[1]:.1f}", f"{series.best[0]:,.0f}"]


def _panels(wide: float, columns: int, top: float, foot: float) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """Return a figure with two panels above one another in each column; the epochs stand below the lower."""
    height = top + 2 * _PANEL + _BETWEEN + foot
    figure = new_figure(wide, height)
    across = (wide - columns * (_LEFT + _RIGHT)) / columns
    grid = []
    for i in range(columns):
        x = (i * wide / columns + _LEFT) / wide
        lower = figure.add_axes((x, foot / height, across / wide, _PANEL / height))
        place = (x, (foot + _PANEL + _BETWEEN) / height, across / wide, _PANEL / height)
        upper = figure.add_axes(place, sharex=lower)
        upper.tick_params(labelbottom=False)
        for axes in (upper, lower):
            axes.yaxis.set_label_coords(-(_LEFT - 0.12) / across, 0.5)
        grid.append((upper, lower))
    return figure, grid


def _finish(history: History, axes: Axes, x: np.ndarray, label: str) -> Axes:
    falls = history.falls()
    for step in x[falls - 1] if falls is not None else ():
        axes.axvline(step, color=GREY, linewidth=0.6, linestyle=(0, (1, 2)), zorder=1)
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.margins(x=0.02)
    low, high = axes.get_ylim()
    least = 1.0 if "%" in label else 0.2
    if high - low < least:
        axes.set_ylim(low - least / 2, high + least / 2)
    return axes


def _marker(history: History) -> dict[str, Any]:
    """One epoch makes no line, so it gets a dot."""
    return {"marker": "o", "markersize": 2.5} if len(history) == 1 else {}


def _dots() -> list[Line2D]:
    return [
        Line2D([], [], color=GREY, marker="o", markersize=2.8, linestyle="none", label="last epoch"),
        Line2D([], [], color=GREY, marker="o", markersize=4.5, markerfacecolor="none", markeredgewidth=0.9,
               linestyle="none", label="best epoch"),
    ]  # fmt: skip


def _title(axes: Axes, history: History, points: float) -> None:
    """Name the member and its last and best validation accuracy above its column, `points` wide."""
    (last, last_accuracy), (best, best_accuracy) = history.last(), history.best()
    if np.isnan(best_accuracy):
        told = "no validation"
    elif best == last:
        told = f"val. {100 * last_accuracy:.1f} %, last and best epoch"
    else:
        told = f"val. {100 * last_accuracy:.1f} % last, {100 * best_accuracy:.1f} % best"
        if width(f"{told} (epoch {best})", 7.5) <= points:
            told += f" (epoch {best})"
    axes.set_title(f"{shorten_middle(clean(history.member), points, 7.5)}\n{shorten(told, points, 7.5)}",
                   parse_math=False, linespacing=1.2)  # fmt: skip


def _legend(figure: Figure, shown: list[Line2D], across: int) -> Figure:
    legend = figure.legend(handles=shown, loc="lower center", ncols=across, columnspacing=1.4, handletextpad=0.5,
                           labelspacing=0.3, bbox_to_anchor=(0.5, 0.0))  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


PANELS = (("train_cross_entropy", "val_cross_entropy"), ("train_accuracy", "val_accuracy"))
# Six patterns to seven colours: neighbours, and those that are one grey, differ in their dashes.
_DASHES: tuple[Any, ...] = (
    "-", (0, (4, 1.5)), (0, (1, 1)), (0, (6, 1.2, 1.2, 1.2)), (0, (9, 2)), (0, (3, 1, 1, 1, 1, 1)),
)  # fmt: skip
_OVERLAY_LEFT, _OVERLAY_RIGHT, _OVERLAY_BETWEEN, _OVERLAY_ACROSS = 0.46, 0.08, 0.12, 0.17  # inches
_OVERLAY_LINE = 9.2 / 72  # inches: a row of the key
_OVERLAY_SIZE = 6.5
_OVERLAY_HANDLE = 20.0  # points: the piece of line in the key


def looks(count: int) -> list[tuple[str, Any]]:
    """Return a colour and a dash pattern for each of `count` lines; the first 42 are all different."""
    colours = rcParams["axes.prop_cycle"].by_key()["color"]
    return [(colours[i % len(colours)], _DASHES[i % len(_DASHES)]) for i in range(count)]


def draw_series(value: Curves, axes: Axes, column: str, bands: bool = True) -> Axes:
    """Draw one column of all lines, each with its own colour and dashes; accuracies in %, losses in nats.

    A line of several members is their middle, with the range from their smallest to their largest value shaded where
    `bands` is true. Steps of the learning rate that all share are thin vertical lines, else triangles on each line; on
    "val_accuracy" a ring marks the best epoch of each single member.
    """
    by = 100.0 if column.endswith("accuracy") else 1.0
    common = value.common_steps
    for x in common if common is not None else ():
        axes.axvline(x, color=GREY, linewidth=0.6, linestyle=(0, (1, 2)), zorder=1)
    for series, (colour, dashes) in zip(value.series, looks(len(value.series)), strict=True):
        y = by * series.middle[column]
        dot: dict[str, Any] = {"marker": "o", "markersize": 2.5} if len(y) == 1 else {}  # one epoch makes no line
        axes.plot(series.x, y, color=colour, linestyle=dashes, **dot)
        if bands and len(series.members) > 1:
            low, high = (by * part[column] for part in (series.low, series.high))
            axes.fill_between(series.x, low, high, color=colour, alpha=0.15, linewidth=0)
        if common is None and len(series.x):
            steps = series.steps[series.steps <= series.x[-1]]
            at = np.interp(steps, series.x, y)
            axes.plot(steps, at, "v", color=colour, markersize=3.2, markeredgecolor="white", markeredgewidth=0.3)
        if column == "val_accuracy" and series.best is not None:
            x, best = series.best
            axes.plot([x], [100 * best], "o", color=colour, markersize=3.6, markerfacecolor="white",
                      markeredgewidth=0.9, zorder=4, clip_on=False)  # fmt: skip
    return along(axes, value.along, max((s.x[-1] for s in value.series if len(s.x)), default=1.0))


def along(axes: Axes, what: str, most: float) -> Axes:
    """Label the x axis: epochs, or images seen in thousands or millions by the largest of them, `most`."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=what == "epochs", nbins=6, steps=[1, 2, 5, 10], min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.margins(x=0.03)
    if what == "epochs":
        axes.set_xlabel("Epoch")
        return axes
    unit, name = (1e6, "million ") if most >= 2e6 else (1e3, "thousand ") if most >= 2e3 else (1.0, "")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x / unit:g}"))
    axes.set_xlabel(f"{name}images seen".capitalize())
    return axes


def lines_figure(
    value: Curves, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], note: str = "",
    columns_wide: float = COLUMN, bands: bool = True,
) -> Figure:  # fmt: skip
    """Return the four panels and below them a row for each line: its look, its label, and the cells of `rows`.

    heads: a word above the labels and above each further cell; note: a sentence at the foot.
    """
    usable = (columns_wide - 0.12) * 72
    title = wrap(title, usable, 7.5)
    note = wrap(" ".join(part for part in (_overlay_legend(value), note) if part), usable, 6.0, lines=4)
    top = 0.08 + (title.count("\n") + 1) * 9.5 / 72 + 0.2
    foot = 0.36 + (len(rows) + 1) * _OVERLAY_LINE + (note.count("\n") + 1) * 8 / 72 + 0.07
    across = (columns_wide - _OVERLAY_LEFT - _OVERLAY_RIGHT - _OVERLAY_ACROSS) / 2
    high = 0.78 * across
    total = top + 2 * high + _OVERLAY_BETWEEN + foot
    figure = new_figure(columns_wide, total)
    figure.text(0.06 / columns_wide, 1 - 0.05 / total, title, size=7.5, va="top", linespacing=1.15, parse_math=False)
    for i, pair in enumerate(PANELS):
        beside: Axes | None = None
        for j, column in enumerate(pair):
            left = (_OVERLAY_LEFT + j * (across + _OVERLAY_ACROSS)) / columns_wide
            place = (left, (foot + (1 - i) * (high + _OVERLAY_BETWEEN)) / total, across / columns_wide, high / total)
            axes = figure.add_axes(place, sharey=beside)
            draw_series(value, axes, column, bands)
            axes.tick_params(labelbottom=i == 1, labelleft=j == 0)
            if i == 0:
                axes.set_xlabel("")
                axes.set_title("train" if j == 0 else "validation", pad=3)
            if j == 0:
                axes.set_ylabel(("Cross-entropy (nats)", "Accuracy (%)")[i])
                axes.yaxis.set_label_coords(-(_OVERLAY_LEFT - 0.14) / across, 0.5)
            beside = axes
        assert beside is not None
        _give_room(beside, pair[0])
    _key(figure, value.series, heads, rows, foot - 0.36, usable)
    figure.text(0.06 / columns_wide, 0.05 / total, note, size=6.0, va="bottom", color="#505050", linespacing=1.15,
                parse_math=False)  # fmt: skip
    return figure


def _overlay_legend(value: Curves) -> str:
    """Say what the marks are."""
    told = []
    if any(series.best is not None for series in value.series):
        told.append("Ring: best epoch.")
    common = value.common_steps
    if common is None:
        told.append("Triangles: the learning rate falls.")
    elif len(common):
        told.append("Dotted: the learning rate falls.")
    if any(series.falling for series in value.series):
        some = "" if all(series.falling for series in value.series) else " of some"
        told.append(f"The learning rate{some} falls all the time, without steps.")
    if any(len(series.members) > 1 for series in value.series):
        cut = ", up to where the first of them ends" if any(series.cut for series in value.series) else ""
        told.append(f"Lines: {value.middle} of members; shaded: their lowest to highest{cut}.")
    return " ".join(told)


def _give_room(axes: Axes, column: str) -> None:
    """Keep an axis from showing a fraction of a point as if it were a mountain."""
    low, high = axes.get_ylim()
    least = 1.0 if column.endswith("accuracy") else 0.2
    if high - low < least:
        axes.set_ylim(low - least / 2, high + least / 2)


def _key(
    figure: Figure, series: Sequence[Series], heads: Sequence[str], rows: Sequence[Sequence[str]], start: float,
    usable: float,
) -> None:  # fmt: skip
    """Set the table of lines: look, label, cells; the first row's top stands `start` inches above the foot."""
    wide, total = figure.get_size_inches()
    cells = [list(map(clean, row)) for row in rows]
    gap = 8.0
    widths = [max(width(row[i], _OVERLAY_SIZE) for row in (heads[1:], *cells)) for i in range(len(heads) - 1)]
    room = usable - _OVERLAY_HANDLE - 4 - sum(widths) - gap * len(widths)
    names = [shorten_middle(clean(one.label), max(room, 24.0), _OVERLAY_SIZE) for one in series]
    widest = max(width(name, _OVERLAY_SIZE) for name in (*names, heads[0]))
    ends = np.cumsum([_OVERLAY_HANDLE + 4 + widest, *(gap + w for w in widths)])

    def put(row: int, x: float, text: str, **more: Any) -> None:
        y = (start - (row + 0.5) * _OVERLAY_LINE) / total
        figure.text((4.3 + x) / 72 / wide, y, text, size=_OVERLAY_SIZE, va="center_baseline", parse_math=False, **more)

    put(0, _OVERLAY_HANDLE + 4, shorten(heads[0], widest, _OVERLAY_SIZE), color=GREY)
    for end, head in zip(ends[1:], heads[1:], strict=True):
        put(0, end, head, ha="right", color=GREY)
    for i, (name, row, (colour, dashes)) in enumerate(zip(names, cells, looks(len(series)), strict=True), start=1):
        y = (start - (i + 0.5) * _OVERLAY_LINE) / total
        x = np.array([4.3, 4.3 + _OVERLAY_HANDLE]) / 72 / wide
        figure.add_artist(Line2D(x, [y, y], color=colour, linestyle=dashes, linewidth=1.2))
        put(i, _OVERLAY_HANDLE + 4, name, color=INK)
        for end, cell in zip(ends[1:], row, strict=True):
            put(i, end, cell, ha="right", color=INK)


MOST_PANELS = 60
_SMALL_LEFT, _SMALL_RIGHT, _SMALL_FOOT, _SMALL_TOP, _SMALL_ACROSS, _SMALL_TITLE, _SMALL_HIGH = (
    0.42,
    0.08,
    0.36,
    0.22,
    0.12,
    0.34,
    0.72,
)  # inches


def draw_one_of_many(value: Curves, which: int, axes: Axes) -> Axes:
    """Draw one member's accuracy on train (broken) and validation (whole) in %, the others' validation behind it."""
    others = [series for i, series in enumerate(value.series) if i != which]
    lines = [np.column_stack([s.x, 100 * s.middle["val_accuracy"]]) for s in others]
    axes.add_collection(LineCollection(lines, colors="#C8C8C8", linewidths=0.5, zorder=1))
    own = value.series[which]
    dot: dict[str, Any] = {"marker": "o", "markersize": 2.5} if len(own.x) == 1 else {}
    axes.plot(own.x, 100 * own.middle["train_accuracy"], color=BLUE, linestyle=(0, (4, 1.2)), linewidth=0.9, **dot)
    axes.plot(own.x, 100 * own.middle["val_accuracy"], color=VERMILLION, **dot)
    if own.best is not None:
        axes.plot([own.best[0]], [100 * own.best[1]], "o", color=VERMILLION, markersize=3.2, markerfacecolor="white",
                  markeredgewidth=0.8, zorder=4, clip_on=False)  # fmt: skip
    return along(axes, value.along, max(s.x[-1] for s in value.series))


def small_multiples_figure(value: Curves) -> Figure:
    """Return a page-wide figure of at most `MOST_PANELS` members, on common axes, each named with its accuracy."""
    shown = min(len(value.series), MOST_PANELS)
    columns = 4 if shown <= 12 else 5 if shown <= 20 else 6
    rows = -(-shown // columns)
    total = _SMALL_TOP + rows * (_SMALL_TITLE + _SMALL_HIGH) + _SMALL_FOOT
    across = (PAGE - _SMALL_LEFT - _SMALL_RIGHT - (columns - 1) * _SMALL_ACROSS) / columns
    figure = new_figure(PAGE, total)
    some = f", the first {shown} by name" if shown < len(value.series) else ""
    note = "validation whole, its best epoch a ring; train broken; the others' validation in grey"
    figure.text(0.06 / PAGE, 1 - 0.05 / total, f"Accuracy of {len(value.series)} members{some}: {note}", size=7.5,
                va="top", parse_math=False)  # fmt: skip
    first: Axes | None = None
    word = ""
    for i in range(shown):
        row, column = divmod(i, columns)
        left = (_SMALL_LEFT + column * (across + _SMALL_ACROSS)) / PAGE
        bottom = (total - _SMALL_TOP - (row + 1) * (_SMALL_TITLE + _SMALL_HIGH)) / total
        place = (left, bottom, across / PAGE, _SMALL_HIGH / total)
        axes = figure.add_axes(place, sharex=first, sharey=first)
        first = first or axes
        draw_one_of_many(value, i, axes)
        lowest = i + columns >= shown
        axes.tick_params(labelbottom=lowest, labelleft=column == 0)
        word = axes.get_xlabel()
        axes.set_xlabel("")
        if column == 0:
            axes.set_ylabel("Accuracy (%)")
            axes.yaxis.set_label_coords(-(_SMALL_LEFT - 0.14) / across, 0.5)
        series = value.series[i]
        axes.text(0, 1 + 11 / 72 / _SMALL_HIGH, shorten_middle(clean(series.label), across * 72, 6.5), size=6.5,
        va="bottom",
                  transform=axes.transAxes, parse_math=False)  # fmt: skip
        axes.text(0, 1 + 3 / 72 / _SMALL_HIGH, _told(series, across * 72), size=6.0, va="bottom", color=GREY,
                  transform=axes.transAxes, parse_math=False)  # fmt: skip
    if first is not None:
        # Once for all: "Thousand images seen" is wider than a panel.
        figure.text(0.5, 0.05 / total, word, size=7, ha="center", va="bottom")
    return figure


def _told(series: Series, points: float) -> str:
    if series.last is None or series.best is None:
        return "no validation"
    last = "no last" if np.isnan(series.last[1]) else f"{100 * series.last[1]:.1f} %"
    best = f"{last}, best {100 * series.best[1]:.1f}"
    full = f"{best} @ {series.best[0]:,.0f}"
    return full if width(full, 6.0) <= points else best
