"""What score can be had for what cost: every subset as a point, the front as steps, honest scores along it."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.class_metrics import is_share, metric_of, title_of
from analysis.figures.style import (
    BLUE,
    COLUMN,
    EDGE,
    INK,
    VERMILLION,
    axes_at,
    label_y,
    new_figure,
    put_title,
    title_lines,
)
from analysis.figures.text import clean, shorten
from analysis.members.costs import MEASURED
from analysis.selection.costs import CostFront, cost_text

_MANY = 3000  # points; more are drawn as one picture within SVG and PDF
_WIDE = 20  # times the least cost: from there on the axis is logarithmic


def draw_cost(front: CostFront, axes: Axes) -> Axes:
    """Draw every subset as a point, the front as steps, and honest scores with their intervals along it."""
    factor = 100.0 if is_share(front.metric) else 1.0
    cost = np.array([p.cost for p in front.points])
    score = factor * np.array([p.score for p in front.points])
    dots = axes.scatter(
        front.subset_costs, factor * front.scores, s=4.0, color=BLUE, alpha=0.3, linewidths=0,
        rasterized=len(front.masks) > _MANY, zorder=2,
    )  # fmt: skip
    dots.set_gid("subsets")
    end = float(front.subset_costs.max())
    axes.plot(
        [*cost, max(end, cost[-1])], [*score, score[-1]], drawstyle="steps-post", color=INK, linewidth=1.1, zorder=3
    )
    axes.plot(cost, score, linestyle="none", marker="o", markersize=3, color=INK, markeredgewidth=0, zorder=4)
    known = [(p.cost, p.honest) for p in front.points if p.honest.score is not None]
    for at, honest in known:
        if honest.low is not None and honest.high is not None:
            axes.plot([at, at], [factor * honest.low, factor * honest.high], color=VERMILLION, linewidth=0.9, zorder=5)
    axes.plot([at for at, _ in known], [factor * float(h.score or 0) for _, h in known], linestyle="none", marker="D",
              markersize=2.8, color=VERMILLION, markeredgewidth=0, zorder=6)  # fmt: skip
    low = min(float(front.subset_costs.min()), cost[0])
    if low > 0 and end / low > _WIDE:
        axes.set_xscale("log")
    axes.set_xlabel(f"Cost: {'sum' if front.by == 'sum' else 'most'} of {clean(front.what)}")
    better = "" if metric_of(front.metric).higher_is_better else ", lower is better"
    axes.set_ylabel(f"{title_of(front.metric)} on {front.split}{' (%)' if factor > 1 else ''}{better}")
    return axes


def cost_figure(front: CostFront, columns_wide: float = COLUMN, height: float = 2.7) -> Figure:
    """Return the front as a figure one column wide; height: inches."""
    last = front.points[-1]
    unit = front.what.partition(" of ")[0] if front.what in MEASURED.values() else ""
    title = (
        f"{title_of(front.metric)} against cost on {front.split}: {len(front.points)} of {len(front.masks):,} subsets "
        f"are on the front, at a cost of {cost_text(front.points[0].cost)} to {cost_text(last.cost)} {unit}"
    )
    told, head = title_lines(title.rstrip(), columns_wide)
    head += 0.07
    left, bottom = 0.48, 0.56
    figure = new_figure(columns_wide, height)
    put_title(figure, told)
    axes = axes_at(figure, left, bottom, columns_wide - left - 0.1, height - bottom - head)
    draw_cost(front, axes)
    axes.set_xlabel(shorten(axes.get_xlabel(), (columns_wide - left - EDGE) * 72, 7.0))
    label_y(axes, left - 0.12)
    shown = [
        Line2D([], [], color=BLUE, alpha=0.5, marker="o", markersize=3, markeredgewidth=0, linestyle="none",
               label="subsets"),
        Line2D([], [], color=INK, marker="o", markersize=3, markeredgewidth=0, label="the front"),
        Line2D([], [], color=VERMILLION, marker="D", markersize=3, markeredgewidth=0, label="honest, 95 %"),
    ]  # fmt: skip
    figure.legend(handles=shown, loc="lower center", ncols=3, columnspacing=1.4, handletextpad=0.5,
                  bbox_to_anchor=(0.5, 0.0))  # fmt: skip
    return figure
