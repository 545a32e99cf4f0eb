"""Loss and accuracy by epoch (Ting, Figs. 2 and 3): a member a column, or several members overlaid."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.figures.lines import along, lines_figure
from analysis.figures.style import BLUE, COLUMN, GREY, PAGE, VERMILLION, new_figure
from analysis.figures.text import clean, shorten, shorten_middle, width
from analysis.members.curves import Curves, Series
from analysis.members.history import History

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
