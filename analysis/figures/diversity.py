"""How differently members answer: matrices of pairs, members that are alike beside one another, and pairs' gains."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from analysis.diversity import CAVEATS, PAIRWISE, Diversity, PairGains
from analysis.figures.style import (
    BLUE,
    COLUMN,
    GREY,
    INK,
    NOTE,
    PAGE,
    VERMILLION,
    at,
    axes_at,
    label_y,
    new_figure,
    note_lines,
    put_note,
    put_title,
    title_lines,
)
from analysis.figures.text import clean, shorten_middle, width

MINUS = "\N{MINUS SIGN}"
NUMBERS = 14  # up to so many members the numbers stand in the cells
_FEW = 6  # up to so many one column is wide enough
_SHARES = ("disagreement", "one_right", "double_fault")  # in %
_UNLIKE = ("disagreement", "one_right")  # the larger, the less alike
_SHOWN = ("disagreement", "double_fault", "q", "correlation")
_NOTHING = 0.86  # the grey of cells that have no value


def _colours(name: str) -> Colormap:
    """Return colours that only get darker, so that they read in grey too: in every matrix dark pairs are alike."""
    ends = (1.0, 0.08) if name in _UNLIKE else (0.08, 1.0)
    return LinearSegmentedColormap.from_list("pairs", colormaps["Blues"](np.linspace(*ends, 64)))


def names_of(members: Sequence[str], points: float, size: float) -> list[str]:
    """Return members' names as they can be drawn, at most `points` wide; those that would read the same get numbers."""
    shown = [shorten_middle(clean(name), points, size) for name in members]
    out = []
    for i, (name, label) in enumerate(zip(members, shown, strict=True)):
        number = f"{i + 1} "
        twice = shown.count(label) > 1
        out.append(number + shorten_middle(clean(name), points - width(number, size), size) if twice else label)
    return out


def limits(value: Diversity, name: str) -> tuple[float, float]:
    """Return the smallest and largest value of a matrix's pairs, in % for shares; 0 and 1 where there are none."""
    matrix = value.matrix(name)
    assert matrix is not None
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    pairs = pairs[~np.isnan(pairs)] * (100 if name in _SHARES else 1)
    return (float(pairs.min()), float(pairs.max())) if pairs.size else (0.0, 1.0)


def draw_matrix(
    value: Diversity, axes: Axes, name: str, rows: Sequence[str] = (), columns: Sequence[str] = (), size: float = 6.0
) -> Axes:
    """Draw one matrix in the value's order, the darker the more alike the pair; shares in %.

    rows, columns: M drawable names for the axes, in that order, or none. Up to 14 members the numbers stand in the
    cells. The diagonal is grey, but for the double fault, where it is each member's share of errors.
    """
    matrix = value.matrix(name)
    assert matrix is not None
    share = name in _SHARES
    shown = matrix[np.ix_(value.order, value.order)] * (100 if share else 1)
    m = len(shown)
    low, high = limits(value, name)
    norm = Normalize(low, high) if high > low else Normalize(low - 1, low + 1)  # one value has one tone everywhere
    picture = np.full((m, m, 3), _NOTHING)
    filled = ~np.isnan(shown)
    filled[np.arange(m), np.arange(m)] = False
    picture[filled] = _colours(name)(norm(shown[filled]))[:, :3]
    axes.imshow(picture, interpolation="nearest", aspect="equal")
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(True)
        side.set_linewidth(0.5)
    if m <= NUMBERS:
        dark = picture @ np.array([0.2126, 0.7152, 0.0722]) < 0.5
        for i in range(m):
            for j in range(m):
                if i == j and name != "double_fault":
                    continue
                text = "–" if np.isnan(shown[i, j]) else _number(shown[i, j], share)
                ink = "white" if dark[i, j] else INK
                axes.text(j, i, text, ha="center", va="center_baseline", size=size, color=ink,
                          style="italic" if i == j else "normal")  # fmt: skip
    axes.set_yticks(range(m) if rows else [], list(rows), size=size, parse_math=False)
    axes.set_xticks(range(m) if columns else [], list(columns), size=size, rotation=90, parse_math=False)
    axes.tick_params(length=0, pad=2)
    return axes


def _number(value: float, share: bool) -> str:
    """Return a cell's number: shares in % with one digit, others with two and no zero before the point."""
    if share:
        return f"{value:.1f}"
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.0f}"


def matrices_figure(value: Diversity, title: str, columns_wide: float | None = None) -> Figure:
    """Return the matrices that there are, two beside one another; one column wide up to six members, else the page."""
    m = len(value.members)
    shown = [name for name in _SHOWN if value.matrix(name) is not None]
    across = 2 if len(shown) > 1 else 1
    wide = columns_wide or (COLUMN if m <= _FEW or across == 1 else PAGE)
    title, head = title_lines(title, wide)
    size = 5.0 if wide < PAGE or m > NUMBERS else 6.0
    names = names_of([value.members[i] for i in value.order], 52 if wide < PAGE else 80, size)
    longest = max(width(name, size) for name in names) / 72
    told = value.double_fault is not None and m <= NUMBERS
    note = "Dark: the two are alike." + (" Diagonal of the double fault: each member's errors." if told else "")
    note, foot = note_lines(note, wide)
    left, between, right, gap = longest + 0.1, 0.1, 0.08, 0.08
    side = (wide - left - right - between * (across - 1)) / across
    # The scale stands beside the title where there is room, else below it.
    above, pad = (0.2, 3.0) if side > 2.2 else (0.34, 13.0)
    down = -(-len(shown) // across)
    high = head + 0.03 + down * (above + side) + (down - 1) * gap + longest + 0.1 + foot
    figure = new_figure(wide, high)
    put_title(figure, title)
    for k, name in enumerate(shown):
        row, column = divmod(k, across)
        x = left + column * (side + between)
        top = high - head - 0.03 - row * (above + side + gap) - above
        axes = axes_at(figure, x, top - side, side, side)
        # Names stand left of the first matrix of a row, and below the last of a column.
        last = k + across >= len(shown)
        draw_matrix(value, axes, name, names if column == 0 else (), names if last else (), min(size, 24 * side / m))
        axes.tick_params(labelsize=size)
        axes.set_title(PAIRWISE[name][0] + (" (%)" if name in _SHARES else ""), size=7, pad=pad)
        _scale(figure, value, name, (x + side, top + 0.05), side)
    put_note(figure, note)
    return figure


def _scale(figure: Figure, value: Diversity, name: str, corner: tuple[float, float], side: float) -> None:
    """Draw a matrix's colours above its right end, with the values they begin and end with; `corner` in inches."""
    low, most = limits(value, name)
    if low == most:
        return
    ends = [_number(v, name in _SHARES) for v in (low, most)]
    room = min(0.4, 0.28 * side)
    last = width(ends[1], 5.5) / 72
    x, y = corner
    start = x - last - 0.03 - room
    axes = axes_at(figure, start, y, room, 0.07)
    axes.imshow(np.linspace(0, 1, 64)[None, :], aspect="auto", cmap=_colours(name), interpolation="nearest")
    axes.set_axis_off()
    for left, text, ha in ((start - 0.03, ends[0], "right"), (start + room + 0.03, ends[1], "left")):
        figure.text(*at(figure, left, y + 0.035), text, size=5.5, ha=ha, va="center_baseline")


def draw_gains(value: PairGains, axes: Axes) -> Axes:
    """Draw each pair's gain over its better member, in points of accuracy, against its disagreement in %."""
    x, y = 100 * value.disagreement, 100 * value.gain
    few = len(x) <= 60
    axes.axhline(0, color=GREY, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
    for rows, colour, marker in ((~value.worse, BLUE, "o"), (value.worse, VERMILLION, "v")):
        axes.plot(x[rows], y[rows], marker, color=colour, markersize=3.4 if few else 2.4, alpha=0.8 if few else 0.5,
                  markeredgewidth=0, clip_on=False, zorder=3)  # fmt: skip
    for number, row in enumerate(extremes(value), start=1):
        axes.annotate(str(number), (x[row], y[row]), (4, 0), textcoords="offset points", size=6.5, color=INK,
                      va="center_baseline", annotation_clip=False)  # fmt: skip
    axes.set_xlabel("Disagreement of the two (%)")
    axes.set_ylabel("Gain over the better one (points)")
    low, high = axes.get_ylim()
    if high - low < 0.5:
        axes.set_ylim(low - 0.25, high + 0.25)
    return axes


def extremes(value: PairGains) -> list[int]:
    """Return the rows of the pairs that gain most and least."""
    return list(dict.fromkeys((int(value.gain.argmax()), int(value.gain.argmin()))))


def gains_figure(value: PairGains, title: str, columns_wide: float = COLUMN) -> Figure:
    """Return the pairs' gains against their disagreement, with the rank correlation and what to make of it."""
    rank = value.correlation
    told = (
        "too few pairs for a rank correlation"
        if rank is None
        else f"rank correlation {f'{rank:z.2f}'.replace('-', MINUS)} (Spearman)"
    )
    title, head = title_lines(f"{title}: {told}", columns_wide)
    named = [
        f"{number}: {' + '.join(shorten_middle(clean(value.members[i]), 90, NOTE) for i in value.pairs[row])} "
        f"({f'{100 * value.gain[row]:+z.1f}'.replace('-', MINUS)})"
        for number, row in enumerate(extremes(value), start=1)
    ]
    note = [f"{'; '.join(named)}.", "Triangles: worse than the better member alone." if value.worse.any() else ""]
    note, foot = note_lines(" ".join(part for part in (*note, *CAVEATS) if part), columns_wide, 7)
    left, tall, foot = 0.46, 1.75, foot + 0.36
    figure = new_figure(columns_wide, head + 0.09 + tall + foot)
    put_title(figure, title)
    put_note(figure, note)
    axes = axes_at(figure, left, foot, columns_wide - left - 0.1, tall)
    draw_gains(value, axes)
    # Numbers such as -0.75 need more room than 3.5 does.
    widest = max(width(text, 6.5) for text in axes.yaxis.get_major_formatter().format_ticks(axes.get_yticks().tolist()))
    left = max(left, 0.26 + widest / 72)
    axes.set_position((left / columns_wide, axes.get_position().y0, 1 - (left + 0.1) / columns_wide,
                       axes.get_position().height))  # fmt: skip
    label_y(axes, left - 0.16)
    return figure
