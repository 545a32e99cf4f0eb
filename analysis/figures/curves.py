"""Lines of training histories in four panels, loss above accuracy and train beside validation, with a key below."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.figures.style import (
    COLUMN,
    EDGE,
    GREY,
    INK,
    axes_at,
    label_y,
    new_figure,
    note_lines,
    put_note,
    put_title,
    title_lines,
)
from analysis.figures.text import clean, shorten, shorten_middle, width
from analysis.members.curves import Curves, Series
from ensemble.study.history import History

PANELS = (("train_cross_entropy", "val_cross_entropy"), ("train_accuracy", "val_accuracy"))
# Six patterns to seven colours: neighbours, and those that are one grey, differ in their dashes.
_DASHES: tuple[Any, ...] = (
    "-", (0, (4, 1.5)), (0, (1, 1)), (0, (6, 1.2, 1.2, 1.2)), (0, (9, 2)), (0, (3, 1, 1, 1, 1, 1)),
)  # fmt: skip
_LEFT, _RIGHT, _BETWEEN, _ACROSS = 0.46, 0.08, 0.12, 0.17  # inches: margins, and between rows and columns
_ROW = 9.2 / 72  # inches: a row of the key
_SIZE = 6.5
_HANDLE = 20.0  # points: the piece of line in the key


def looks(count: int) -> list[tuple[str, Any]]:
    """Return a colour and a dash pattern for each of `count` lines; the first 42 are all different."""
    colours = rcParams["axes.prop_cycle"].by_key()["color"]
    return [(colours[i % len(colours)], _DASHES[i % len(_DASHES)]) for i in range(count)]


def dot(line: History | Series) -> dict[str, Any]:
    """Return how a line is marked: one epoch makes no line, so it gets a dot."""
    epochs = len(line) if isinstance(line, History) else len(line.x)
    return {"marker": "o", "markersize": 2.5} if epochs == 1 else {}


def give_room(axes: Axes, least: float) -> Axes:
    """Keep a y axis from showing a fraction of a point as if it were a mountain: at least `least` from end to end."""
    low, high = axes.get_ylim()
    if high - low < least:
        axes.set_ylim(low - least / 2, high + least / 2)
    return axes


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
        axes.plot(series.x, y, color=colour, linestyle=dashes, **dot(series))
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
    title, top = title_lines(title, columns_wide)
    note, foot = note_lines(" ".join(part for part in (_marks(value), note) if part), columns_wide)
    top, key = top + 0.23, foot + 0.02 + (len(rows) + 1) * _ROW
    foot = key + 0.36
    across = (columns_wide - _LEFT - _RIGHT - _ACROSS) / 2
    high = 0.78 * across
    figure = new_figure(columns_wide, top + 2 * high + _BETWEEN + foot)
    put_title(figure, title)
    put_note(figure, note)
    for i, pair in enumerate(PANELS):
        beside: Axes | None = None
        for j, column in enumerate(pair):
            corner = _LEFT + j * (across + _ACROSS), foot + (1 - i) * (high + _BETWEEN)
            axes = axes_at(figure, *corner, across, high, sharey=beside)
            draw_series(value, axes, column, bands)
            axes.tick_params(labelbottom=i == 1, labelleft=j == 0)
            if i == 0:
                axes.set_xlabel("")
                axes.set_title("train" if j == 0 else "validation", pad=3)
            if j == 0:
                label_y(axes, _LEFT - 0.14, ("Cross-entropy (nats)", "Accuracy (%)")[i])
            beside = axes
        assert beside is not None
        give_room(beside, 1.0 if pair[0].endswith("accuracy") else 0.2)
    _key(figure, value.series, heads, rows, key)
    return figure


def _marks(value: Curves) -> str:
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


def _key(
    figure: Figure, series: Sequence[Series], heads: Sequence[str], rows: Sequence[Sequence[str]], start: float
) -> None:
    """Set the table of lines: look, label, cells; the first row's top stands `start` inches above the foot."""
    wide, total = figure.get_size_inches()
    usable = (wide - 2 * EDGE) * 72
    cells = [list(map(clean, row)) for row in rows]
    gap = 8.0
    widths = [max(width(row[i], _SIZE) for row in (heads[1:], *cells)) for i in range(len(heads) - 1)]
    room = usable - _HANDLE - 4 - sum(widths) - gap * len(widths)
    names = [shorten_middle(clean(one.label), max(room, 24.0), _SIZE) for one in series]
    widest = max(width(name, _SIZE) for name in (*names, heads[0]))
    ends = np.cumsum([_HANDLE + 4 + widest, *(gap + w for w in widths)])

    def put(row: int, x: float, text: str, **more: Any) -> None:
        y = (start - (row + 0.5) * _ROW) / total
        figure.text((EDGE + x / 72) / wide, y, text, size=_SIZE, va="center_baseline", parse_math=False, **more)

    put(0, _HANDLE + 4, shorten(heads[0], widest, _SIZE), color=GREY)
    for end, head in zip(ends[1:], heads[1:], strict=True):
        put(0, end, head, ha="right", color=GREY)
    for i, (name, row, (colour, dashes)) in enumerate(zip(names, cells, looks(len(series)), strict=True), start=1):
        y = (start - (i + 0.5) * _ROW) / total
        x = (EDGE + np.array([0, _HANDLE]) / 72) / wide
        figure.add_artist(Line2D(x, [y, y], color=colour, linestyle=dashes, linewidth=1.2))
        put(i, _HANDLE + 4, name, color=INK)
        for end, cell in zip(ends[1:], row, strict=True):
            put(i, end, cell, ha="right", color=INK)


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
