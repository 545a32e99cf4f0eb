"""When not to answer, as pictures: error against coverage, and how often and how large conformal sets are by class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.abstention.conformal import ConformalSets
from analysis.abstention.of_ensemble import EnsembleAbstention
from analysis.abstention.selective import RiskCoverage
from analysis.figures.style import (
    BLUE,
    COLUMN,
    EDGE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    VERMILLION,
    axes_at,
    label_y,
    new_figure,
    note_lines,
    put_note,
    put_title,
    title_lines,
)

TITLES = {
    "confidence": "confidence", "margin": "margin", "entropy": "entropy", "mean_entropy": "members' mean entropy",
    "mutual_information": "mutual information", "energy": "energy",
}  # fmt: skip
METHOD_TITLES = {"lac": "LAC", "aps": "APS", "raps": "RAPS"}
_LOOKS: dict[str, tuple[str, Any]] = {
    "confidence": (BLUE, "-"), "margin": (VERMILLION, (0, (4, 1.5))), "entropy": (GREEN, (0, (1, 1))),
    "mean_entropy": (ORANGE, (0, (6, 1.2, 1.2, 1.2))), "mutual_information": ("#CC79A7", (0, (9, 2))),
    "energy": (INK, (0, (3, 1, 1, 1, 1, 1))),
}  # fmt: skip
_MARKS = {"lac": (BLUE, "o"), "aps": (VERMILLION, "^"), "raps": (GREEN, "s")}
_DASHES: dict[str, Any] = {"lac": "-", "aps": (0, (4, 1.5)), "raps": (0, (1, 1))}
MOST_MARKS = 40  # classes; of more, marks and intervals lie on one another, and lines are drawn
_POINTS = 2000  # of a line: more are not seen
_ROW = 9.2 / 72
_LEFT, _RIGHT, _FOOT = 0.42, 0.14, 0.36


def draw_risk_coverage(
    value: RiskCoverage, axes: Axes, colour: str = BLUE, dashes: Any = "-", linewidth: float = 1.1
) -> Axes:
    """Draw the error among the samples that are answered against their share, both in %."""
    n = value.samples
    # Evenly by count, and so many of the first that their steps are seen.
    shown = np.unique(np.concatenate([np.arange(min(n, 200)), np.linspace(0, n - 1, min(n, _POINTS)).astype(int)]))
    axes.plot(100 * value.coverage[shown], 100 * value.risk[shown], color=colour, linestyle=dashes,
              linewidth=linewidth)  # fmt: skip
    axes.set_xlim(0, 100)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("Coverage: samples answered (%)")
    axes.set_ylabel("Error among them (%)")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    return axes


def draw_abstention(value: EnsembleAbstention, axes: Axes) -> Axes:
    """Draw the curves of the ensemble by each score, and in grey those of each member by its confidence."""
    for curves in value.members:
        draw_risk_coverage(curves["confidence"], axes, PALE, "-", 0.7)
    for score, curve in value.curves.items():
        draw_risk_coverage(curve, axes, *_LOOKS[score])
    # The first few samples swing from nothing to everything: what is seen from a twentieth of them on sets the scale.
    every = [*value.curves.values(), *(curves["confidence"] for curves in value.members)]
    axes.set_ylim(0, 105 * max(float(curve.risk[curve.samples // 20 :].max()) for curve in every) or 1)
    return axes


def abstention_figure(value: EnsembleAbstention, columns_wide: float = COLUMN) -> Figure:
    """Return the curves of `draw_abstention` with a key of their areas; one column wide."""
    ensemble = value.ensemble
    title, head = title_lines(f"Error against coverage on {ensemble.split}, {ensemble.title}", columns_wide)
    handles = [
        Line2D([], [], color=_LOOKS[score][0], linestyle=_LOOKS[score][1], linewidth=1.1,
               label=f"{TITLES[score]}: {100 * curve.aurc:.2f}")
        for score, curve in value.curves.items()
    ]  # fmt: skip
    if value.members:
        low, high = (100 * f(curves["confidence"].aurc for curves in value.members) for f in (min, max))
        handles.append(Line2D([], [], color=PALE, linewidth=1.1, label=f"each member's: {low:.2f} to {high:.2f}"))
    note, foot = note_lines(
        "After each score: the area under its curve (AURC), in points; lower is better. Grey: each member by its "
        "confidence.", columns_wide,
    )  # fmt: skip
    key = _ROW * -(-len(handles) // 2) + 0.08
    tall = 1.75
    figure = new_figure(columns_wide, head + key + tall + _FOOT + foot)
    axes = axes_at(figure, _LEFT, foot + _FOOT, columns_wide - _LEFT - _RIGHT, tall)
    draw_abstention(value, axes)
    label_y(axes, _LEFT - 0.12)
    put_title(figure, title)
    put_note(figure, note)
    high = figure.get_size_inches()[1]
    figure.legend(handles=handles, loc="upper left", ncols=2, bbox_to_anchor=(EDGE / columns_wide, 1 - head / high),
                  borderaxespad=0, borderpad=0.2, columnspacing=1.0, labelspacing=0.3, fontsize=6.2,
                  handlelength=2.4)  # fmt: skip
    return figure


def risk_coverage_figure(value: RiskCoverage, columns_wide: float = COLUMN) -> Figure:
    """Return one curve with its area in the title; one column wide."""
    who = f"{value.name}, " if value.name else ""
    title, head = title_lines(f"Error against coverage: {who}{value.score}, AURC {100 * value.aurc:.2f}", columns_wide)
    figure = new_figure(columns_wide, head + 0.12 + 1.75 + _FOOT)
    axes = axes_at(figure, _LEFT, _FOOT, columns_wide - _LEFT - _RIGHT, 1.75)
    draw_risk_coverage(value, axes)
    label_y(axes, _LEFT - 0.12)
    put_title(figure, title)
    return figure


def draw_sets(value: ConformalSets, axes: Axes, colour: str = BLUE, marker: str = "o") -> Axes:
    """Draw each class by the mean size of its sets and how often they hold it, in %, with Wilson's 95 % interval."""
    found = value.by_class()
    there = found["samples"] > 0
    size, share, low, high = (found[name][there] for name in ("mean_size", "coverage", "low", "high"))
    axes.vlines(size, 100 * low, 100 * high, color=colour, linewidth=0.5, alpha=0.6, zorder=2)
    axes.plot(size, 100 * share, linestyle="", marker=marker, color=colour, markersize=2.6, markeredgewidth=0.5,
              markerfacecolor="white" if marker != "o" else colour, zorder=3)  # fmt: skip
    axes.axhline(100 * (1 - value.alpha), color=GREY, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
    axes.set_xlabel("Mean size of the class's sets")
    axes.set_ylabel("Sets with the class (%)")
    return axes


def draw_sets_sorted(value: ConformalSets, axes: Axes, sizes: Axes, colour: str = BLUE, dashes: Any = "-") -> None:
    """Draw how often each class's sets hold it, in %, and on `sizes` their mean size, each from low to high."""
    found = value.by_class()
    there = found["samples"] > 0
    for where, values in ((axes, 100 * found["coverage"][there]), (sizes, found["mean_size"][there])):
        where.plot(np.arange(1, len(values) + 1), np.sort(values), color=colour, linestyle=dashes, linewidth=1.1)
        where.set_xlim(1, len(values))
    axes.axhline(100 * (1 - value.alpha), color=GREY, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
    axes.set_ylabel("Sets with the class (%)")
    axes.tick_params(labelbottom=False)
    sizes.set_ylabel("Mean size")
    sizes.set_xlabel("Classes, each line in its own order, lowest first")


def sets_figure(values: Sequence[ConformalSets], title: str, columns_wide: float = COLUMN) -> Figure:
    """Return coverage against size of each class by each method, above 40 classes both sorted; one column wide."""
    many = max(int((value.by_class()["samples"] > 0).sum()) for value in values) > MOST_MARKS
    title, head = title_lines(title, columns_wide)
    handles = []
    for value in values:
        colour, marker = _MARKS[value.method]
        label = (
            f"{METHOD_TITLES[value.method]}: {100 * value.coverage:.1f} % of sets hold the truth, "
            f"{value.mean_size:.2f} classes on average"
        )
        handles.append(
            Line2D([], [], color=colour, linestyle=_DASHES[value.method], linewidth=1.1, label=label)
            if many
            else Line2D([], [], linestyle="", color=colour, marker=marker, markersize=3,
                        markerfacecolor="white" if marker != "o" else colour, label=label)
        )  # fmt: skip
    marks = "Each class's interval is in the table" if many else "A mark a class, with Wilson's 95 % interval"
    note, foot = note_lines(
        f"{marks}; dashed: the {100 * (1 - values[0].alpha):.4g} % that are "
        "promised of all samples together, not of each class.", columns_wide,
    )  # fmt: skip
    key, tall, below = _ROW * len(handles) + 0.1, 1.75, 1.0 if many else 0.0
    figure = new_figure(columns_wide, head + key + tall + below + _FOOT + foot)
    axes = axes_at(figure, _LEFT, foot + _FOOT + below, columns_wide - _LEFT - _RIGHT, tall)
    if many:
        sizes = axes_at(figure, _LEFT, foot + _FOOT, columns_wide - _LEFT - _RIGHT, below - 0.15)
        for value in values:
            draw_sets_sorted(value, axes, sizes, _MARKS[value.method][0], _DASHES[value.method])
        sizes.set_ylim(bottom=0)
        label_y(sizes, _LEFT - 0.12)
    else:
        for value in values:
            draw_sets(value, axes, *_MARKS[value.method])
    axes.set_ylim(top=101)
    label_y(axes, _LEFT - 0.12)
    put_title(figure, title)
    put_note(figure, note)
    high = figure.get_size_inches()[1]
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(EDGE / columns_wide, 1 - head / high),
                  borderaxespad=0, borderpad=0.2, labelspacing=0.3, fontsize=6.2, handlelength=1.2)  # fmt: skip
    return figure
