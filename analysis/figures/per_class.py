"""How well the hardest and the easiest classes are told, with Wilson's 95 % intervals."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.classes.class_table import extremes
from analysis.classes.helped import Helped
from analysis.classes.per_class import PerClass
from analysis.figures.style import BLUE, COLUMN, GREY, INK, VERMILLION, new_figure
from analysis.figures.text import clean, labels, shorten, width, wrap

_SIZE = 6.5  # points: names and counts
_ROW = 0.128  # inches a class
_ROOM = 96.0  # points for a name
_BREAK = 1.1  # rows between the hardest and the easiest, for a heading


def draw_per_class(
    value: PerClass, axes: Axes, rows: Sequence[int], start: float, colour: str, names: Sequence[str]
) -> Axes:
    """Draw classes one below another from height `start` downwards: a bar to the accuracy in %, a dot, its interval.

    rows: positions in `value`, from top to bottom; names: as many, drawable. Counts stand right of the axes.
    """
    room = _count_room(value)
    for i, (row, name) in enumerate(zip(rows, names, strict=True)):
        y = start - i
        accuracy, low, high = (100 * float(column[row]) for column in (value.accuracy, value.low, value.high))
        axes.barh(y, accuracy, height=0.62, color=colour, alpha=0.3, linewidth=0)
        axes.plot([low, high], [y, y], color=colour, linewidth=1.0, solid_capstyle="butt", zorder=3)
        axes.plot([accuracy], [y], "o", color=colour, markersize=3.0, zorder=4, clip_on=False)
        beside: dict[str, Any] = {
            "size": _SIZE,
            "va": "center_baseline",
            "parse_math": False,
            "color": INK,
            "clip_on": False,
        }
        to_edge = axes.get_yaxis_transform()
        axes.annotate(name, (0, y), (-3, 0), to_edge, "offset points", ha="right", annotation_clip=False, **beside)
        axes.annotate(
            _count(value, row), (1, y), (room, 0), to_edge, "offset points", ha="right", annotation_clip=False, **beside
        )
    return axes


def _count(value: PerClass, row: int) -> str:
    return f"{value.correct[row]}/{value.samples[row]}"


def _count_room(value: PerClass) -> float:
    """Return the points right of the axes that the counts take, with a space for an interval's end at 100 %."""
    return max((width(_count(value, row), _SIZE) for row in range(value.scored)), default=0.0) + 8


def per_class_figure(value: PerClass, title: str, columns_wide: float = COLUMN) -> Figure:
    """Return the hardest and the easiest ten classes, or all where there are at most twenty, one column wide."""
    hardest, easiest = extremes(value)
    whole = value.scored <= 20
    names = labels(
        [value.class_names[i] for i in hardest + easiest], [value.class_ids[i] for i in hardest + easiest], _ROOM, _SIZE
    )
    left = max(width(name, _SIZE) for name in names) / 72 + 0.14
    right = _count_room(value) / 72 + 0.08
    head, foot, gap = 0.24 if whole else 0.37, 0.36, 0.0 if whole else _BREAK
    count = len(hardest) + len(easiest) + gap
    height = head + foot + _ROW * count
    figure = new_figure(columns_wide, height)
    across = columns_wide - left - right
    axes = figure.add_axes((left / columns_wide, foot / height, across / columns_wide, _ROW * count / height))
    top = count - 0.5
    draw_per_class(value, axes, hardest, top, BLUE if whole else VERMILLION, names[: len(hardest)])
    draw_per_class(value, axes, easiest, top - len(hardest) - gap, BLUE, names[len(hardest) :])
    overall = 100 * value.correct.sum() / value.samples.sum()
    # In two parts, so that it does not run through the heading between them.
    for ends in ((count - len(hardest), count), (0, len(easiest))) if gap else ((0, count),):
        axes.plot([overall, overall], ends, color=GREY, linewidth=0.8, linestyle=(0, (3, 2)), zorder=2)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, count)
    axes.set_yticks([])
    axes.spines["left"].set_visible(True)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.set_xlabel(f"Accuracy (%), 95 % interval; all classes {overall:.1f} % (broken line)")
    axes.xaxis.set_label_coords((columns_wide / 2 - left) / across, -0.22 / (_ROW * count))
    edge = 0.06 / columns_wide
    figure.text(edge, 1 - 0.05 / height, shorten(title, (columns_wide - 0.12) * 72, 7.5), size=7.5, va="top",
                parse_math=False)  # fmt: skip
    if not whole:
        for heading, y, colour in (
            (f"Hardest {len(hardest)} of {value.scored}", count, VERMILLION),
            (f"Easiest {len(easiest)}", count - len(hardest) - gap, BLUE),
        ):
            axes.text(0, y + 0.12, heading, size=_SIZE, color=colour, weight="bold", clip_on=False,
                      bbox={"facecolor": axes.get_facecolor(), "edgecolor": "none", "pad": 0.6})  # fmt: skip
    return figure


_HELPED_SIZE = 6.5
_HELPED_ROW = 0.135  # inches a class
_HELPED_ROOM = 90.0  # points for a name
_HELPED_BREAK = 1.2
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
        words: dict[str, Any] = {"size": _HELPED_SIZE, "va": "center_baseline", "color": INK, "annotation_clip": False}
        axes.annotate(name, (0, y), (-4, 0), edge, "offset points", ha="right", parse_math=False, **words)
        axes.annotate(f"+{value.won[c]} −{value.lost[c]}", (1, y), (4, 0), edge, "offset points", ha="left", **words)
    return axes


def helped_figure(value: Helped, who: str, columns_wide: float = COLUMN) -> Figure:
    """Return the surest classes helped and hurt, at most eight of each, as a figure one column wide."""
    better, worse = ([int(c) for c in value.ranked(sign)[:MOST]] for sign in (True, False))
    shown = better + worse
    names = labels(
        [value.class_names[c] for c in shown], [value.class_ids[c] for c in shown], _HELPED_ROOM, _HELPED_SIZE
    )
    left = max([width(name, _HELPED_SIZE) for name in names], default=30) / 72 + 0.12
    right = max([width(f"+{value.won[c]} −{value.lost[c]}", _HELPED_SIZE) for c in shown], default=30) / 72 + 0.14
    count = max(1, len(shown)) + _HELPED_BREAK * bool(better and worse)
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
    height = head + _HELPED_ROW * count + foot
    figure = new_figure(columns_wide, height)
    across = columns_wide - left - right
    axes = figure.add_axes((left / columns_wide, foot / height, across / columns_wide, _HELPED_ROW * count / height))
    top = count - 0.5
    draw_helped(value, axes, better, names[: len(better)], top, BLUE)
    below = top - len(better) - _HELPED_BREAK * bool(better and worse)
    draw_helped(value, axes, worse, names[len(better) :], below, VERMILLION)
    most = 100 * max([abs(float(value.difference[c])) for c in shown], default=0.05)
    axes.set_xlim(-1.08 * most, 1.08 * most)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_ylim(0, count)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("Difference in accuracy (points)")
    axes.xaxis.set_label_coords(0.5, -0.22 / (_HELPED_ROW * count))
    if not shown:
        axes.text(0.5, 0.5, "no class differs", transform=axes.transAxes, ha="center", va="center", size=_HELPED_SIZE)
    box = {"facecolor": axes.get_facecolor(), "edgecolor": "none", "pad": 0.6}
    for heading, rows, y, colour in (("Helped", better, count, BLUE), ("Hurt", worse, below + 0.5, VERMILLION)):
        if rows:
            axes.text(-1.08 * most, y + 0.12, heading, size=_HELPED_SIZE, color=colour, weight="bold", bbox=box)
    edge = 0.06 / columns_wide
    name = clean(who)
    title = shorten(
        f"{name[:1].upper()}{name[1:]} against {clean(value.against)}, class by class", (columns_wide - 0.12) * 72, 7.5
    )
    figure.text(edge, 1 - 0.05 / height, title, size=7.5, va="top", parse_math=False)
    figure.text(edge, 0.03 / height, note, size=6, va="bottom", color=GREY, linespacing=1.15, parse_math=False)
    return figure
