"""Loss and accuracy by epoch (Ting, Figs. 2 and 3): a member a column, or several members overlaid."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.figures.style import BLUE, COLUMN, GREY, PAGE, VERMILLION, new_figure
from analysis.figures.text import clean, shorten, shorten_middle, width
from analysis.history import History

MOST_COLUMNS = 4
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (6, 1.2, 1.2, 1.2)))
# Broken against whole, so that they are told apart in grey too.
_SPLITS: tuple[tuple[str, str, Any], ...] = (("train", BLUE, (0, (4, 1.2))), ("val", VERMILLION, "-"))
_PENALTY = (0, (1.2, 1.2))
_LEFT, _RIGHT, _PANEL, _BETWEEN = 0.45, 0.12, 1.25, 0.12  # inches


def draw_loss(history: History, axes: Axes) -> Axes:
    """Draw the cross-entropy of train (broken) and validation (whole), with the penalty dotted, in nats."""
    epochs = history.columns["epoch"]
    for split, colour, dashes in _SPLITS:
        axes.plot(epochs, history.columns[f"{split}_cross_entropy"], color=colour, linestyle=dashes, **_marker(history))
        axes.plot(epochs, history.columns[f"{split}_loss"], color=colour, linestyle=_PENALTY, linewidth=1.0)
    return _by_epoch(axes, "Loss (nats)")


def draw_accuracy(history: History, axes: Axes) -> Axes:
    """Draw the accuracy of train (broken) and validation (whole) in %; the last epoch is a dot and the best a ring."""
    epochs = history.columns["epoch"]
    for split, colour, dashes in _SPLITS:
        axes.plot(
            epochs, 100 * history.columns[f"{split}_accuracy"], color=colour, linestyle=dashes, **_marker(history)
        )
    _mark(history, axes, VERMILLION)
    return _by_epoch(axes, "Accuracy (%)")


def draw_overlay(histories: Sequence[History], axes: Axes, column: str) -> Axes:
    """Draw one column of several histories, each with its own colour and dashes.

    column: "val_accuracy", in % with the last and the best epoch marked, or "val_cross_entropy", in nats.
    """
    accuracy = column.endswith("_accuracy")
    for history, (colour, dashes) in zip(histories, looks(len(histories)), strict=True):
        values = history.columns[column] * (100 if accuracy else 1)
        axes.plot(history.columns["epoch"], values, color=colour, linestyle=dashes, **_marker(history))
        if accuracy:
            _mark(history, axes, colour)
    return _by_epoch(axes, "Val. accuracy (%)" if accuracy else "Val. cross-entropy (nats)")


def looks(count: int) -> list[tuple[str, Any]]:
    """Return a colour and a dash pattern for each of `count` lines; the first 28 are all different."""
    colours = rcParams["axes.prop_cycle"].by_key()["color"]
    return [(colours[i % len(colours)], _DASHES[i % len(_DASHES)]) for i in range(count)]


def members_figure(histories: Sequence[History]) -> Figure:
    """Return one member a column, loss above accuracy: one column wide for one member, a page wide for two to four."""
    count = len(histories)
    wide = COLUMN if count == 1 else PAGE
    figure, grid = _panels(wide, count, top=0.38, foot=0.5 if count > 1 else 0.63)
    for history, (upper, lower) in zip(histories, grid, strict=True):
        draw_loss(history, upper)
        draw_accuracy(history, lower)
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


def overlay_figure(histories: Sequence[History]) -> Figure:
    """Return all members' validation loss and accuracy in two panels, one column wide."""
    names = [shorten_middle(clean(history.member), 78, 6.5) for history in histories]
    across = max(1, min(4, int((COLUMN - 0.1) * 72 / (max(width(name, 6.5) for name in names) + 32))))
    lines = -(-len(names) // across)
    figure, grid = _panels(COLUMN, 1, top=0.24, foot=0.36 + 0.13 * (lines + 1))
    upper, lower = grid[0]
    draw_overlay(histories, upper, "val_cross_entropy")
    draw_overlay(histories, lower, "val_accuracy")
    upper.set_title(f"Validation by epoch, {len(histories)} members")
    shown = [
        Line2D([], [], color=colour, linestyle=dashes, label=name)
        for name, (colour, dashes) in zip(names, looks(len(names)), strict=True)
    ]
    # A legend fills its columns from top to bottom; blanks keep the dots in a line of their own.
    figure.legend(handles=_dots(), loc="lower center", ncols=2, bbox_to_anchor=(0.5, 0.0))
    _legend(figure, shown, across, above=0.13)
    return figure


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
        lower.set_xlabel("Epoch")
        for axes in (upper, lower):
            axes.yaxis.set_label_coords(-(_LEFT - 0.12) / across, 0.5)
        grid.append((upper, lower))
    return figure, grid


def _by_epoch(axes: Axes, label: str) -> Axes:
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.margins(x=0.02)
    low, high = axes.get_ylim()
    if "%" in label and high - low < 1:
        axes.set_ylim(low - 0.5, high + 0.5)
    return axes


def _marker(history: History) -> dict[str, Any]:
    """One epoch makes no line, so it gets a dot."""
    return {"marker": "o", "markersize": 2.5} if len(history) == 1 else {}


def _mark(history: History, axes: Axes, colour: str) -> None:
    """Mark the validation accuracy of the last epoch by a dot and of the best by a ring."""
    if np.isnan(history.columns["val_accuracy"]).all():
        return
    best, last = history.best(), history.last()
    axes.plot([best[0]], [100 * best[1]], "o", color=colour, markersize=5.5, markerfacecolor="none",
              markeredgewidth=0.9, zorder=4, clip_on=False)  # fmt: skip
    axes.plot([last[0]], [100 * last[1]], "o", color=colour, markersize=2.8, zorder=4, clip_on=False)


def _dots() -> list[Line2D]:
    return [
        Line2D([], [], color=GREY, marker="o", markersize=2.8, linestyle="none", label="last epoch"),
        Line2D([], [], color=GREY, marker="o", markersize=5.5, markerfacecolor="none", markeredgewidth=0.9,
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


def _legend(figure: Figure, shown: list[Line2D], across: int, above: float = 0.0) -> Figure:
    inches = figure.get_size_inches()[1]
    legend = figure.legend(handles=shown, loc="lower center", ncols=across, columnspacing=1.4, handletextpad=0.5,
                           labelspacing=0.3, bbox_to_anchor=(0.5, above / inches))  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure
