"""Many members' accuracy, a small panel each before all the others in grey."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from analysis.figures.lines import along
from analysis.figures.style import BLUE, GREY, PAGE, VERMILLION, new_figure
from analysis.figures.text import clean, shorten_middle, width
from analysis.members.curves import Curves, Series

MOST_PANELS = 60
_LEFT, _RIGHT, _FOOT, _TOP, _ACROSS, _TITLE, _HIGH = 0.42, 0.08, 0.36, 0.22, 0.12, 0.34, 0.72  # inches


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
    total = _TOP + rows * (_TITLE + _HIGH) + _FOOT
    across = (PAGE - _LEFT - _RIGHT - (columns - 1) * _ACROSS) / columns
    figure = new_figure(PAGE, total)
    some = f", the first {shown} by name" if shown < len(value.series) else ""
    note = "validation whole, its best epoch a ring; train broken; the others' validation in grey"
    figure.text(0.06 / PAGE, 1 - 0.05 / total, f"Accuracy of {len(value.series)} members{some}: {note}", size=7.5,
                va="top", parse_math=False)  # fmt: skip
    first: Axes | None = None
    word = ""
    for i in range(shown):
        row, column = divmod(i, columns)
        left = (_LEFT + column * (across + _ACROSS)) / PAGE
        bottom = (total - _TOP - (row + 1) * (_TITLE + _HIGH)) / total
        place = (left, bottom, across / PAGE, _HIGH / total)
        axes = figure.add_axes(place, sharex=first, sharey=first)
        first = first or axes
        draw_one_of_many(value, i, axes)
        lowest = i + columns >= shown
        axes.tick_params(labelbottom=lowest, labelleft=column == 0)
        word = axes.get_xlabel()
        axes.set_xlabel("")
        if column == 0:
            axes.set_ylabel("Accuracy (%)")
            axes.yaxis.set_label_coords(-(_LEFT - 0.14) / across, 0.5)
        series = value.series[i]
        axes.text(0, 1 + 11 / 72 / _HIGH, shorten_middle(clean(series.label), across * 72, 6.5), size=6.5, va="bottom",
                  transform=axes.transAxes, parse_math=False)  # fmt: skip
        axes.text(0, 1 + 3 / 72 / _HIGH, _told(series, across * 72), size=6.0, va="bottom", color=GREY,
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
