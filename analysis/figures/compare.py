"""Curves of members grouped by a setting (Mkrtchyan, Figs. 2-12; De, tables 1-3)."""

import math

from matplotlib.figure import Figure

from analysis.figures.curves import lines_figure
from analysis.figures.style import COLUMN
from analysis.members.compare import Comparison, Spread
from analysis.members.curves import Curves, curves
from ensemble.study.history import History

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
