"""How well the hardest and the easiest classes are told, with Wilson's 95 % intervals."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.classes.class_table import extremes
from analysis.classes.per_class import PerClass
from analysis.figures.style import BLUE, COLUMN, GREY, INK, VERMILLION, new_figure
from analysis.figures.text import labels, shorten, width

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
