"""Classes that an ensemble tells better, and worse, than what it is compared with: from the one to the other."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.classes.helped import Helped
from analysis.figures.style import BLUE, COLUMN, GREY, INK, VERMILLION, new_figure
from analysis.figures.text import clean, labels, shorten, width, wrap

_SIZE = 6.5
_ROW = 0.135  # inches a class
_ROOM = 90.0  # points for a name
_BREAK = 1.2
MOST = 8  # classes of each kind


def draw_helped(
    value: Helped, axes: Axes, columns: Sequence[int], names: Sequence[str], start: float, colour: str
) -> Axes:
    """Draw classes one below another from height `start`: a bar of the difference in points, and won and lost beside.

    columns: of the classes, from top to bottom; names: as many, drawable. A full bar is a difference one can be sure
    of among so many classes, a hollow one may be chance.
    """
    for i, (c, name) in enumerate(zip(columns, names, strict=True)):
        y = start - i
        sure = bool(value.q[c] <= value.level)
        axes.barh(y, 100 * value.difference[c], height=0.6, facecolor=colour if sure else "white", edgecolor=colour,
                  linewidth=0.9)  # fmt: skip
        edge = axes.get_yaxis_transform()
        words: dict[str, Any] = {"size": _SIZE, "va": "center_baseline", "color": INK, "annotation_clip": False}
        axes.annotate(name, (0, y), (-4, 0), edge, "offset points", ha="right", parse_math=False, **words)
        axes.annotate(f"+{value.won[c]} −{value.lost[c]}", (1, y), (4, 0), edge, "offset points", ha="left", **words)
    return axes


def helped_figure(value: Helped, who: str, columns_wide: float = COLUMN) -> Figure:
    """Return the surest classes helped and hurt, at most eight of each, as a figure one column wide."""
    better, worse = ([int(c) for c in value.ranked(sign)[:MOST]] for sign in (True, False))
    shown = better + worse
    names = labels([value.class_names[c] for c in shown], [value.class_ids[c] for c in shown], _ROOM, _SIZE)
    left = max([width(name, _SIZE) for name in names], default=30) / 72 + 0.12
    right = max([width(f"+{value.won[c]} −{value.lost[c]}", _SIZE) for c in shown], default=30) / 72 + 0.14
    count = max(1, len(shown)) + _BREAK * bool(better and worse)
    sure = f"{len(value.helped)} helped, {len(value.hurt)} hurt for sure"
    note = wrap(
        f"Full: sure among {value.tested} classes tested (false claims kept to {100 * value.level:.0f} %: "
        f"{sure}). +: images that only the first has right; −: only {clean(value.against)}."
        + (f" {clean(value.against)} was chosen on these images." if value.chosen_here else ""),
        (columns_wide - 0.12) * 72,
        6.0,
        lines=5,
    )
    head, foot = 0.36, 0.42 + (note.count("\n") + 1) * 7.2 / 72
    height = head + _ROW * count + foot
    figure = new_figure(columns_wide, height)
    across = columns_wide - left - right
    axes = figure.add_axes((left / columns_wide, foot / height, across / columns_wide, _ROW * count / height))
    top = count - 0.5
    draw_helped(value, axes, better, names[: len(better)], top, BLUE)
    below = top - len(better) - _BREAK * bool(better and worse)
    draw_helped(value, axes, worse, names[len(better) :], below, VERMILLION)
    most = 100 * max([abs(float(value.difference[c])) for c in shown], default=0.05)
    axes.set_xlim(-1.08 * most, 1.08 * most)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_ylim(0, count)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("Difference in accuracy (points)")
    axes.xaxis.set_label_coords(0.5, -0.22 / (_ROW * count))
    if not shown:
        axes.text(0.5, 0.5, "no class differs", transform=axes.transAxes, ha="center", va="center", size=_SIZE)
    box = {"facecolor": axes.get_facecolor(), "edgecolor": "none", "pad": 0.6}
    for heading, rows, y, colour in (("Helped", better, count, BLUE), ("Hurt", worse, below + 0.5, VERMILLION)):
        if rows:
            axes.text(-1.08 * most, y + 0.12, heading, size=_SIZE, color=colour, weight="bold", bbox=box)
    edge = 0.06 / columns_wide
    name = clean(who)
    title = shorten(
        f"{name[:1].upper()}{name[1:]} against {clean(value.against)}, class by class", (columns_wide - 0.12) * 72, 7.5
    )
    figure.text(edge, 1 - 0.05 / height, title, size=7.5, va="top", parse_math=False)
    figure.text(edge, 0.03 / height, note, size=6, va="bottom", color=GREY, linespacing=1.15, parse_math=False)
    return figure
