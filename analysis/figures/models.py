"""Accuracy against a network's parameters and its training time (Basutkar, Fig. 10), or member by member."""

import math
from collections.abc import Sequence

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from analysis.figures.curves import lines_figure
from analysis.figures.style import BLUE, COLUMN, GREY, axes_at, new_figure, note_lines, put_note, put_title, title_lines
from analysis.figures.text import clean, shorten_middle, width, wrap
from analysis.members.compare import Comparison, Spread
from analysis.members.curves import Curves, curves
from analysis.members.models import Member
from ensemble.study.history import History

AGAINST = {"parameters": "Parameters", "seconds": "Training time"}
_MARKS = "os^DvPX<>*hp"
_LEFT, _RIGHT, _HIGH, _BETWEEN = 0.5, 0.14, 1.5, 0.14  # inches
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_TIMES = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def draw_models(members: Sequence[Member], axes: Axes, against: str = "parameters") -> Axes:
    """Draw each member's validation accuracy in %: a mark at its last epoch, a thin line up to its best.

    against: "parameters" or "seconds", on a logarithmic axis; members that lack one of the two are left out. Models
    have a mark and a colour each; marks are hollow where a random start makes the member not comparable.
    """
    for model, (mark, colour) in _marks(members).items():
        for member in members:
            x, y = amount(member, against), member.last
            if member.model != model or x is None or y is None:
                continue
            best = member.best[1] if member.best else y
            axes.plot([x, x], [100 * y, 100 * best], color=colour, linewidth=0.8, zorder=2)
            axes.plot([x], [100 * y], mark, color=colour, markersize=4.5, zorder=3, clip_on=False,
                      markerfacecolor=colour if member.comparable else "white", markeredgewidth=0.9)  # fmt: skip
    found = [v for v in (amount(m, against) for m in members if m.last is not None) if v is not None]
    axes.set_xscale("log")
    _ticks(axes, found, against)
    axes.set_xlabel(AGAINST[against])
    return axes


def amount(member: Member, against: str) -> float | None:
    """Return a member's parameters or training seconds; None where they are not known or nothing."""
    value = member.seconds if against == "seconds" else member.network.parameters if member.network else None
    return float(value) if value else None


def models_figure(members: Sequence[Member], columns_wide: float = COLUMN) -> Figure:
    """Return accuracy against parameters beside accuracy against training time, models named below.

    Of one architecture it is `members_figure`. An axis that nothing is known for is left out.
    """
    if len({m.model for m in members if m.last is not None}) == 1:
        return members_figure(members, columns_wide)
    sides = [what for what in AGAINST if any(amount(m, what) is not None and m.last is not None for m in members)]
    usable = (columns_wide - 0.12) * 72
    note = "Mark: last epoch; line: up to the best."
    if not all(member.comparable for member in members):
        note += " Hollow: random start, not comparable."
    note = wrap(note, usable, 6.0, lines=2)
    marks = _marks(members)
    names = {model: shorten_middle(clean(model or "not known"), usable - 20, 6.5) for model in marks}
    across = max(1, min(4, int(usable / (max(width(name, 6.5) for name in names.values()) + 24))))
    lines = -(-len(names) // across)
    top = 0.3
    foot = 0.42 + 0.14 * lines + (note.count("\n") + 1) * 8 / 72 + 0.08
    total = top + _HIGH + foot
    figure = new_figure(columns_wide, total)
    title = f"Validation accuracy of {sum(m.last is not None for m in members)} members"
    figure.text(0.06 / columns_wide, 1 - 0.05 / total, title, size=7.5, va="top", parse_math=False)  # fmt: skip
    wide = (columns_wide - _LEFT - _RIGHT - (len(sides) - 1) * _BETWEEN) / max(1, len(sides))
    beside: Axes | None = None
    for i, what in enumerate(sides):
        place = ((_LEFT + i * (wide + _BETWEEN)) / columns_wide, foot / total, wide / columns_wide, _HIGH / total)
        axes = figure.add_axes(place, sharey=beside)
        draw_models(members, axes, what)
        axes.tick_params(labelleft=i == 0)
        if i == 0:
            axes.set_ylabel("Accuracy (%)")
            axes.yaxis.set_label_coords(-(_LEFT - 0.14) / wide, 0.5)
        beside = axes
    if beside is not None:
        low, high = beside.get_ylim()
        beside.set_ylim(max(0.0, min(low, high - 2)), high)
    shown = [
        Line2D([], [], color=colour, marker=mark, markersize=4.5, linestyle="none", label=names[model])
        for model, (mark, colour) in marks.items()
    ]
    base = (note.count("\n") + 1) * 8 / 72 + 0.06
    legend = figure.legend(
        handles=shown, loc="lower left", ncols=across, columnspacing=1.2, handletextpad=0.4, handlelength=1.0,
        labelspacing=0.3, bbox_to_anchor=(0.03 / columns_wide, base / total),
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
    figure.text(0.06 / columns_wide, 0.05 / total, note, size=6.0, va="bottom", color=GREY, linespacing=1.15,
                parse_math=False)  # fmt: skip
    return figure


def draw_members(members: Sequence[Member], axes: Axes, names: Sequence[str]) -> Axes:
    """Draw each member's validation accuracy in %, from the top: a dot at its last epoch, a ring at its best.

    names: as many, drawable, for the y axis.
    """
    for i, member in enumerate(members):
        y, last = len(members) - 1 - i, member.last
        if last is None:
            continue
        best = member.best[1] if member.best else last
        axes.plot([100 * last, 100 * best], [y, y], color=BLUE, linewidth=0.9, zorder=2)
        axes.plot([100 * best], [y], "o", color=BLUE, markersize=4.5, markerfacecolor="white", zorder=3, clip_on=False)
        axes.plot([100 * last], [y], "o", color=BLUE, markersize=3.4, zorder=4, clip_on=False)
    axes.set_yticks(range(len(members) - 1, -1, -1), list(names), size=6.5, parse_math=False)
    axes.set_ylim(-0.6, len(members) - 0.4)
    axes.grid(visible=True, axis="x")
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.06)
    low, high = axes.get_xlim()
    if high - low < 1:
        axes.set_xlim(low - 0.5, high + 0.5)
    axes.set_xlabel("Validation accuracy (%)")
    return axes


MOST_DOTS = 60


def members_figure(members: Sequence[Member], columns_wide: float = COLUMN) -> Figure:
    """Return a dot plot of one architecture's members by accuracy, at most sixty: parameters would tell nothing."""
    scored = [m for m in members if m.last is not None]
    shown = sorted(scored, key=lambda m: -(m.last or 0.0))[:MOST_DOTS]
    names = [shorten_middle(clean(m.name), 90, 6.5) for m in shown]
    some = f", the first {len(shown)} by it" if len(shown) < len(scored) else ""
    model = shorten_middle(clean(shown[0].model or "model not known"), 110, 7.5)
    title, head = title_lines(f"Validation accuracy of {len(scored)} members of {model}{some}", columns_wide)
    parameters = {m.network.parameters for m in shown if m.network}
    size = f" {parameters.pop():,} parameters each." if len(parameters) == 1 else ""
    note, foot = note_lines(f"Dot: last epoch; ring: best epoch, chosen by this very accuracy.{size}", columns_wide)
    left, foot, tall = max(width(name, 6.5) for name in names) / 72 + 0.14, foot + 0.36, 0.15 * len(shown)
    figure = new_figure(columns_wide, head + 0.08 + tall + foot)
    put_title(figure, title)
    put_note(figure, note)
    draw_members(shown, axes_at(figure, left, foot, columns_wide - left - 0.12, tall), names)
    return figure


def _marks(members: Sequence[Member]) -> dict[str | None, tuple[str, str]]:
    """Return a mark and a colour for each model, in the order of the members; the first 84 differ."""
    colours = rcParams["axes.prop_cycle"].by_key()["color"]
    models = dict.fromkeys(m.model for m in members if m.last is not None)
    return {model: (_MARKS[i % len(_MARKS)], colours[i % len(colours)]) for i, model in enumerate(models)}


def _ticks(axes: Axes, found: Sequence[float], against: str) -> None:
    """Give a logarithmic axis few ticks with units, two at least, and room around what lies close together."""
    units = _TIMES if against == "seconds" else _UNITS

    def told(x: float, _: object = None) -> str:
        size, unit = next(((s, u) for s, u in units if x >= s * 0.9995), units[-1])
        return f"{x / size:.3g} {unit}".strip()

    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(told))
    if not found:
        return
    low, high = min(found), max(found)
    middle = math.sqrt(low * high)
    if high < 4 * low:
        low, high = middle / 2, middle * 2
    axes.set_xlim(low / 1.4, high * 1.4)
    if against == "seconds":
        steps = [
            s * k for s, most in ((1, 60), (60, 60), (3600, 24), (86400, 1000)) for k in (1, 3, 10, 30) if k < most
        ]
        inside = [float(s) for s in steps if low / 1.4 <= s <= high * 1.4]
    else:
        inside = [x for x in LogLocator(subs=(1, 2, 5)).tick_values(low, high) if low / 1.4 <= x <= high * 1.4]
    every = -(-len(inside) // 3)
    axes.set_xticks(inside[::every] if inside else [middle])
    axes.set_xticks([], minor=True)


MOST_BANDS = 4  # groups whose ranges are shaded; more would hide one another
MOST_LINES = 12


def curves_of(value: Comparison, along: str = "epochs", train: int | None = None) -> Curves | None:
    """Return a line for each group that has histories, its mean over members; None where fewer than two have any."""
    found: list[tuple[str, list[History]]] = []
    for group in value.groups:
        histories = [member.history for member in group.members if member.history is not None]
        if histories:
            found.append((group.label, histories))
    return curves(found, along=along, train=train) if len(found) > 1 else None


def compare_figure(value: Comparison, lines: Curves, columns_wide: float = COLUMN) -> Figure:
    """Return the groups' curves, loss above accuracy and train beside validation, with their scores as the key."""
    groups = {group.label: group for group in value.groups}
    rows = []
    for series in lines.series:
        group = groups[series.label]
        rows.append([str(len(series.members)), score(group.spread("last")), score(group.spread("best"))])
    others = ", ".join(other.setting for other in value.confounded)
    note = (
        f"Confounded: the groups differ in {others} too."
        if others
        else "The groups differ in no other setting, seeds aside."
    )
    single = all(len(series.members) == 1 for series in lines.series)
    title = f"By {value.setting}: {value.runs} training runs in {len(value.groups)} groups"
    return lines_figure(
        lines,
        title,
        (value.setting, "n", "last val. %" if single else "last val. % (sd)", "best val. %"),
        rows,
        note=note,
        columns_wide=columns_wide,
        bands=len(lines.series) <= MOST_BANDS,
    )


def score(spread: Spread) -> str:
    """Return a mean in percent with its standard deviation where there is one: "45.1 (0.8)"."""
    if not spread.n:
        return "-"
    sd = "" if math.isnan(spread.sd) else f" ({100 * spread.sd:.1f})"
    return f"{100 * spread.mean:.1f}{sd}"
