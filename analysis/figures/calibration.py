"""Reliability: accuracy against confidence with the counts below, and what averaging does to both by its size."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from analysis.calibration.calibration import Calibration
from analysis.calibration.of_ensemble import CalibrationBySize
from analysis.figures.style import BLUE, COLUMN, GREY, VERMILLION, new_figure
from analysis.figures.text import width, wrap

_SIZE = 5.5  # points: counts


def draw_reliability(
    value: Calibration, axes: Axes, colour: str = BLUE, marker: str = "o", hollow: bool = False
) -> Axes:
    """Draw each bin's accuracy against its mean confidence, both in %, with the accuracy's 95 % interval."""
    there = value.counts > 0
    sure, share, low, high = (100 * part[there] for part in (value.confidence, value.accuracy, value.low, value.high))
    axes.vlines(sure, low, high, color=colour, linewidth=0.8, zorder=3, clip_on=False)
    axes.plot(
        sure, share, color=colour, linewidth=0.7, linestyle=(0, (3, 1.5)) if hollow else "-", marker=marker,
        markersize=3.3, markerfacecolor="white" if hollow else colour, markeredgewidth=0.8, zorder=4, clip_on=False,
    )  # fmt: skip
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    return axes


def draw_counts(value: Calibration, axes: Axes, after: Calibration | None = None) -> Axes:
    """Draw how many samples each bin holds on a logarithmic scale, with the numbers where they fit.

    after: the same predictor after a temperature, as a line.
    """
    wide = 100 * np.diff(value.edges)
    axes.bar(100 * value.edges[:-1], value.counts, wide, align="edge", color=BLUE, alpha=0.35, linewidth=0.4,
             edgecolor="white")  # fmt: skip
    tops = value.counts
    if after is not None:
        axes.stairs(np.maximum(after.counts, 0.5), 100 * after.edges, color=VERMILLION, linewidth=0.9, zorder=4,
                    baseline=None)  # fmt: skip
        # An adaptive bin lies beside several of the other's: no higher than the highest of all.
        same = np.array_equal(value.edges, after.edges)
        tops = np.maximum(tops, after.counts) if same else np.maximum(tops, after.counts.max())
    axes.set_yscale("log")
    most = int(tops.max())
    decades = np.log10(4 * most)
    vertical = _vertical(value, axes, wide)
    room, tall = 0.0 if vertical is None else 0.32 if vertical else 0.16, _inches(axes)[1]
    axes.set_ylim(0.5, most * 10 ** (0.3 + decades * room / (tall - room)))
    steps = range(0, 9, 1 if decades < 4.2 else 2)
    ticks = [10**p for p in steps if 10**p <= 1.5 * most]
    axes.set_yticks(ticks, [f"{tick:,}" if tick < 1000 else f"{tick // 1000:,}k" for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlim(0, 100)
    if vertical is not None:
        for text, left, w, top in zip(value.counts.tolist(), 100 * value.edges[:-1], wide, tops, strict=True):
            if text:
                axes.annotate(f"{text:,}", (left + w / 2, top), (0, 2), textcoords="offset points", ha="center",
                              va="bottom", size=_SIZE, color=BLUE, rotation=90 if vertical else 0)  # fmt: skip
    return axes


def _vertical(value: Calibration, axes: Axes, wide: np.ndarray) -> bool | None:
    """Say whether the counts stand vertical above their bars, as they do where not all fit across; None: neither."""
    point = _inches(axes)[0] * 72 / 100
    filled = value.counts > 0
    across = [width(f"{count:,}", _SIZE) + 2 for count in value.counts[filled]]
    rooms = wide[filled] * point
    if all(need <= room for need, room in zip(across, rooms, strict=True)):
        return False
    return True if rooms.min() > _SIZE else None


def _inches(axes: Axes) -> tuple[float, float]:
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    box, (wide, high) = axes.get_position(), figure.get_size_inches()
    return box.width * wide, box.height * high


def reliability_figure(
    value: Calibration, title: str, label: str = "", after: Calibration | None = None, after_label: str = "",
    columns_wide: float = COLUMN,
) -> Figure:  # fmt: skip
    """Return accuracy against confidence and, below, the samples of each bin; one column wide.

    after: the same predictor after a temperature, drawn hollow beside it. label, after_label: what the two are, with
    their scores; a line each.
    """
    title = wrap(title, (columns_wide - 0.12) * 72, 7.5)
    lines = 9.5 / 72 * (1 + title.count("\n"))
    head = 0.05 + lines + 0.13 * bool(label) + 0.13 * bool(after_label) + 0.1
    left, right, foot, gap, low = 0.46, 0.12, 0.36, 0.12 if after is None else 0.2, 0.78
    across = columns_wide - left - right
    side = 0.82 * across
    high = head + side + gap + low + foot
    figure = new_figure(columns_wide, high)
    edge = 0.06 / columns_wide
    figure.text(edge, 1 - 0.05 / high, title, size=7.5, va="top", linespacing=1.15, parse_math=False)
    axes = figure.add_axes((left / columns_wide, (foot + low + gap) / high, across / columns_wide, side / high))
    axes.plot([0, 100], [0, 100], color=GREY, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
    draw_reliability(value, axes)
    if after is not None:
        draw_reliability(after, axes, VERMILLION, "D", hollow=True)
    axes.set_ylabel("Accuracy (%), 95 % interval")
    axes.tick_params(labelbottom=False)
    ground = {"facecolor": axes.get_facecolor(), "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
    axes.text(3, 97, "underconfident", size=6, color=GREY, va="top", bbox=ground, zorder=5)
    axes.text(97, 3, "overconfident", size=6, color=GREY, ha="right", bbox=ground, zorder=5)
    below = figure.add_axes((left / columns_wide, foot / high, across / columns_wide, low / high))
    draw_counts(value, below, after)
    below.set_ylabel("Samples")
    below.set_xlabel("Confidence (%)")
    if after is not None:
        below.set_title("bars: as it is; line: after the temperature", size=6, color=GREY, pad=2)
    for part in (axes, below):
        part.yaxis.set_label_coords(-(left - 0.16) / across, 0.5)
    handles: list[Line2D] = []
    if label:
        handles.append(Line2D([], [], color=BLUE, marker="o", markersize=3.3, linewidth=0.7, label=label))
    if after_label:
        handles.append(
            Line2D([], [], color=VERMILLION, marker="D", markersize=3.3, markerfacecolor="white", markeredgewidth=0.8,
                   linewidth=0.7, linestyle=(0, (3, 1.5)), label=after_label)
        )  # fmt: skip
    if handles:
        figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(edge, 1 - (0.05 + lines + 0.02) / high),
                      borderaxespad=0, borderpad=0.15, labelspacing=0.35)  # fmt: skip
    return figure


_PANELS = (
    (("accuracy", "confidence"), "Accuracy, confidence (%)", 100.0),
    (("ece",), "ECE (%)", 100.0),
    (("nll",), "NLL (nats)", 1.0),
    (("brier",), "Brier score", 1.0),
)
_LOOKS = {"confidence": (VERMILLION, (0, (4, 1.5)), "s")}


def draw_by_size(value: CalibrationBySize, axes: Axes, columns: Sequence[str], by: float = 1.0) -> Axes:
    """Draw scores against the size k: the mean over its subsets as a line, their range shaded; multiplied by `by`."""
    for column in columns:
        colour, dashes, marker = _LOOKS.get(column, (BLUE, "-", "o"))
        mean, low, high = (by * part for part in value.summary(column))
        axes.fill_between(value.ks, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(value.ks, mean, color=colour, linestyle=dashes, marker=marker, markersize=2.6)
    axes.set_xlim(1 - 0.04 * len(value.ks), value.ks[-1] + 0.04 * len(value.ks))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    return axes


def by_size_figure(value: CalibrationBySize, title: str, columns_wide: float = COLUMN) -> Figure:
    """Return what averaging alone changes, size by size: four panels, one column wide."""
    usable = (columns_wide - 0.12) * 72
    title = wrap(title, usable, 7.5)
    note = wrap(
        f"Lines: means over {value.how}; shaded: lowest to highest. ECE with {value.bins} bins of equal width.",
        usable, 6.0, lines=3,
    )  # fmt: skip
    lines = 9.5 / 72 * (1 + title.count("\n"))
    head = 0.05 + lines + 0.15 + 0.2
    foot = 0.4 + 8 / 72 * (1 + note.count("\n"))
    left, right, between, gap = 0.36, 0.08, 0.42, 0.32
    across = (columns_wide - left - right - between) / 2
    tall = 0.72 * across
    high = head + 2 * tall + gap + foot
    figure = new_figure(columns_wide, high)
    edge = 0.06 / columns_wide
    figure.text(edge, 1 - 0.05 / high, title, size=7.5, va="top", linespacing=1.15, parse_math=False)
    for i, (columns, name, by) in enumerate(_PANELS):
        row, column = divmod(i, 2)
        corner = ((left + column * (across + between)) / columns_wide, (foot + (1 - row) * (tall + gap)) / high)
        axes = figure.add_axes((*corner, across / columns_wide, tall / high))
        draw_by_size(value, axes, columns, by)
        axes.set_title(name, size=7, pad=3)
        if row:
            axes.set_xlabel("Members averaged, k")
    handles = [
        Line2D([], [], color=BLUE, marker="o", markersize=2.6, label="accuracy, and the scores"),
        Line2D([], [], color=VERMILLION, marker="s", markersize=2.6, linestyle=(0, (4, 1.5)), label="confidence"),
    ]
    figure.legend(handles=handles, loc="upper left", ncols=2, columnspacing=1.2, borderaxespad=0, borderpad=0.15,
                  bbox_to_anchor=(edge, 1 - (0.05 + lines + 0.02) / high))  # fmt: skip
    figure.text(edge, 0.05 / high, note, size=6.0, va="bottom", color="#505050", linespacing=1.15, parse_math=False)
    return figure
