"""Loss and accuracy by epoch, a member a column (Ting, Figs. 2 and 3); a small panel a member where they are many."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.figures.curves import along, dot, give_room
from analysis.figures.style import (
    BLUE,
    COLUMN,
    GREY,
    INK,
    PAGE,
    PALE,
    VERMILLION,
    axes_at,
    label_y,
    new_figure,
    put_title,
)
from analysis.figures.text import clean, shorten, shorten_middle, width
from analysis.members.curves import Curves, Series
from ensemble.study.history import History

MOST_COLUMNS = 4
MOST_PANELS = 60
# Broken against whole, so that they are told apart in grey too.
_SPLITS: tuple[tuple[str, str, Any], ...] = (("train", BLUE, (0, (4, 1.2))), ("val", VERMILLION, "-"))
_PENALTY = (0, (1.2, 1.2))
_LEFT, _RIGHT, _PANEL, _BETWEEN = 0.45, 0.12, 1.25, 0.12  # inches


def draw_loss(history: History, axes: Axes, x: np.ndarray | None = None) -> Axes:
    """Draw the cross-entropy of train (broken) and validation (whole), and dotted with what else the loss has, in nats.

    x: float64 (E,), where the epochs stand; by default their numbers. Vertical dots: the learning rate falls.
    """
    x = history.columns["epoch"] if x is None else x
    for split, colour, dashes in _SPLITS:
        axes.plot(x, history.columns[f"{split}_cross_entropy"], color=colour, linestyle=dashes, **dot(history))
        axes.plot(x, history.columns[f"{split}_loss"], color=colour, linestyle=_PENALTY, linewidth=1.0)
    return _finish(history, axes, x, "Loss (nats)")


def draw_accuracy(history: History, axes: Axes, x: np.ndarray | None = None) -> Axes:
    """Draw the accuracy of train (broken) and validation (whole) in %; the last epoch is a dot and the best a ring.

    x: as in `draw_loss`.
    """
    x = history.columns["epoch"] if x is None else x
    for split, colour, dashes in _SPLITS:
        axes.plot(x, 100 * history.columns[f"{split}_accuracy"], color=colour, linestyle=dashes, **dot(history))
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
    top, foot = 0.38, 0.5 if count > 1 else 0.63
    figure = new_figure(wide, top + 2 * _PANEL + _BETWEEN + foot)
    across = wide / count - _LEFT - _RIGHT
    for i, history in enumerate(histories):
        left = i * wide / count + _LEFT
        lower = axes_at(figure, left, foot, across, _PANEL)
        upper = axes_at(figure, left, foot + _PANEL + _BETWEEN, across, _PANEL, sharex=lower)
        x = None if places is None else places[i]
        draw_loss(history, upper, x)
        draw_accuracy(history, lower, x)
        along(lower, "epochs" if x is None else "images", 0 if x is None else x[-1])
        upper.tick_params(labelbottom=False)
        upper.set_title(_title(history, (wide / count - _LEFT) * 72), parse_math=False, linespacing=1.2)
        for axes in (upper, lower):
            label_y(axes, _LEFT - 0.12)
            if i:
                axes.set_ylabel("")
    shown = [
        *(
            Line2D([], [], color=colour, linestyle=dashes, label="train" if split == "train" else "validation")
            for split, colour, dashes in _SPLITS
        ),
    ]
    if any(_more_than_cross_entropy(history) for history in histories):
        shown.append(Line2D([], [], color=GREY, linestyle=_PENALTY, linewidth=1.0, label="with L2 or smoothing"))
    shown.append(Line2D([], [], color=GREY, marker="o", markersize=2.8, linestyle="none", label="last epoch"))
    if any(history.best()[0] != history.last()[0] for history in histories):
        shown.append(
            Line2D([], [], color=GREY, marker="o", markersize=4.5, markerfacecolor="none", markeredgewidth=0.9,
                   linestyle="none", label="best epoch")
        )  # fmt: skip
    figure.legend(handles=shown, loc="lower center", ncols=3 if count == 1 else 5, columnspacing=1.4,
                  handletextpad=0.5, labelspacing=0.3, bbox_to_anchor=(0.5, 0.0))  # fmt: skip
    return figure


def _more_than_cross_entropy(history: History) -> bool:
    """Say whether the loss has an L2 penalty, or smoothed labels."""
    return any(
        not np.allclose(history.columns[f"{split}_loss"], history.columns[f"{split}_cross_entropy"], equal_nan=True)
        for split, *_ in _SPLITS
    )


def _finish(history: History, axes: Axes, x: np.ndarray, label: str) -> Axes:
    falls = history.falls()
    for step in x[falls - 1] if falls is not None else ():
        axes.axvline(step, color=GREY, linewidth=0.6, linestyle=(0, (1, 2)), zorder=1)
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.margins(x=0.02)
    return give_room(axes, 1.0 if "%" in label else 0.2)


def _title(history: History, points: float) -> str:
    """Return the member's name and its last and best validation accuracy, two lines `points` wide."""
    (last, last_accuracy), (best, best_accuracy) = history.last(), history.best()
    if np.isnan(best_accuracy):
        told = "no validation"
    elif best == last:
        told = f"val. {100 * last_accuracy:.1f} %, last and best epoch"
    else:
        told = f"val. {100 * last_accuracy:.1f} % last, {100 * best_accuracy:.1f} % best"
        if width(f"{told} (epoch {best})", 7.5) <= points:
            told += f" (epoch {best})"
    return f"{shorten_middle(clean(history.member), points, 7.5)}\n{shorten(told, points, 7.5)}"


def draw_one_of_many(value: Curves, which: int, axes: Axes) -> Axes:
    """Draw one member's accuracy on train (broken) and validation (whole) in %, the others' validation behind it."""
    others = [series for i, series in enumerate(value.series) if i != which]
    lines = [np.column_stack([s.x, 100 * s.middle["val_accuracy"]]) for s in others]
    axes.add_collection(LineCollection(lines, colors=PALE, linewidths=0.5, zorder=1))
    own = value.series[which]
    axes.plot(own.x, 100 * own.middle["train_accuracy"], color=BLUE, linestyle=(0, (4, 1.2)), linewidth=0.9, **dot(own))
    axes.plot(own.x, 100 * own.middle["val_accuracy"], color=VERMILLION, **dot(own))
    if own.best is not None:
        axes.plot([own.best[0]], [100 * own.best[1]], "o", color=VERMILLION, markersize=3.2, markerfacecolor="white",
                  markeredgewidth=0.8, zorder=4, clip_on=False)  # fmt: skip
    return along(axes, value.along, max(s.x[-1] for s in value.series))


def small_multiples_figure(value: Curves) -> Figure:
    """Return a page-wide figure of at most `MOST_PANELS` members, on common axes, each named with its accuracy."""
    left, right, foot, top, between, title, tall = 0.42, 0.08, 0.36, 0.22, 0.12, 0.34, 0.72  # inches
    shown = min(len(value.series), MOST_PANELS)
    columns = 4 if shown <= 12 else 5 if shown <= 20 else 6
    total = top + -(-shown // columns) * (title + tall) + foot
    across = (PAGE - left - right - (columns - 1) * between) / columns
    figure = new_figure(PAGE, total)
    some = f", the first {shown} by name" if shown < len(value.series) else ""
    note = "validation whole, its best epoch a ring; train broken; the others' validation in grey"
    put_title(figure, f"Accuracy of {len(value.series)} members{some}: {note}")
    first: Axes | None = None
    for i in range(shown):
        row, column = divmod(i, columns)
        corner = left + column * (across + between), total - top - (row + 1) * (title + tall)
        axes = axes_at(figure, *corner, across, tall, sharex=first, sharey=first)
        first = first or axes
        draw_one_of_many(value, i, axes)
        axes.tick_params(labelbottom=i + columns >= shown, labelleft=column == 0)
        if column == 0:
            label_y(axes, left - 0.14, "Accuracy (%)")
        _name_panel(axes, value.series[i], across * 72, tall)
    # Once for all: "Thousand images seen" is wider than a panel.
    word = figure.axes[0].get_xlabel()
    for axes in figure.axes:
        axes.set_xlabel("")
    figure.text(0.5, 0.05 / total, word, size=7, ha="center", va="bottom")
    return figure


def _name_panel(axes: Axes, series: Series, points: float, tall: float) -> None:
    name, told = shorten_middle(clean(series.label), points, 6.5), _last_and_best(series, points)
    for text, up, size, colour in ((name, 11, 6.5, INK), (told, 3, 6.0, GREY)):
        axes.text(0, 1 + up / 72 / tall, text, size=size, color=colour, va="bottom", transform=axes.transAxes,
                  parse_math=False)  # fmt: skip


def _last_and_best(series: Series, points: float) -> str:
    if series.last is None or series.best is None:
        return "no validation"
    last = "no last" if np.isnan(series.last[1]) else f"{100 * series.last[1]:.1f} %"
    best = f"{last}, best {100 * series.best[1]:.1f}"
    full = f"{best} @ {series.best[0]:,.0f}"
    return full if width(full, 6.0) <= points else best
