"""What score can be had for what cost: the exact front over every subset, with honest scores along it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.class_metrics import metric_of
from analysis.csv_pairs import is_amount, read_numbers
from analysis.metrics import METRICS
from analysis.selection.best import Best, scores_of_subsets
from analysis.selection.class_sums import score_of
from analysis.selection.cross_validation import (
    FEWEST,
    HonestScore,
    honest_scores,
    none_for,
    of_choices,
    usual_resamples,
)
from analysis.selection.data import Weighted, of_members
from analysis.subsets.table import TIE, SubsetTable, sizes_of
from ensemble.errors import BadInput, nearest
from ensemble.machine import Progress
from ensemble.study.tabular import Rows, Tabular, html_table, percent

COST_RULES = ("sum", "max")
DIGITS = 12  # of a subset's cost: sums that differ further behind differ by rounding


@dataclass(frozen=True)
class FrontPoint(Tabular):
    """A subset that no other beats at its cost or below: `members` cost `cost` and score `score`, on all samples.

    honest: what choosing the best subset of at most this cost is worth on new samples, with its interval.
    """

    members: tuple[str, ...]
    mask: int
    cost: float
    score: float
    honest: HonestScore


@dataclass(frozen=True, eq=False)
class CostFront(Rows):
    """The exact front of score against cost: from the cheapest subset to the best, each better than all that cost less.

    costs: float64 (M,), of each member; by: "sum" of the members' costs or "max"; what: of what they are, in words.
    masks, subset_costs, scores: uint64 and float64 (S,), every subset that may be chosen. points: the front, by cost.
    """

    members: tuple[str, ...]
    costs: np.ndarray
    by: str
    what: str
    metric: str
    split: str
    masks: np.ndarray
    subset_costs: np.ndarray
    scores: np.ndarray
    points: tuple[FrontPoint, ...]

    def __len__(self) -> int:
        return len(self.points)

    def _columns(self) -> dict[str, Any]:
        honest = {name: [getattr(p.honest, name) for p in self.points] for name in ("score", "low", "high")}
        return {
            "cost": [p.cost for p in self.points],
            "members": ["+".join(p.members) for p in self.points],
            self.metric: [p.score for p in self.points],
            "honest": honest["score"],
            "low": honest["low"],
            "high": honest["high"],
        }

    def within(self, cost: float) -> FrontPoint:
        """Return the best subset that costs at most so much; raise `BadInput` where none does."""
        there = [p for p in self.points if p.cost <= cost]
        if not there:
            raise BadInput(f"no subset costs {cost:g} or less: the cheapest costs {self.points[0].cost:g}; allow more.")
        return there[-1]

    def _repr_html_(self) -> str:
        rows = [
            (f"{p.cost:g}", "+".join(p.members), *map(percent, (p.score, p.honest.score, p.honest.low, p.honest.high)))
            for p in self.points
        ]
        return html_table(
            f"{self.metric} on {self.split} against cost ({self.by} of {self.what})",
            ("cost", "members", "score %", "honest %", "95 % from", "to"),
            rows,
            "The scores are those of the samples that chose, which flatters them; the honest ones are not.",
        )


def cost_text(cost: float) -> str:
    """Return a cost as people read it: "16,530", "0.0123"; from a thousand on without an exponent."""
    return f"{cost:,.0f}" if cost >= 1000 else f"{cost:.4g}"


def read_costs(path: str) -> dict[str, float]:
    """Return the cost of each member of a CSV file with the columns member and cost."""
    return read_numbers(path, "member", "cost")


def check_costs(costs: Mapping[str, float] | ArrayLike, members: Sequence[str], where: str = "costs") -> np.ndarray:
    """Return the members' costs, float64 (M,), of a mapping by name or of numbers in the members' order.

    where: what errors begin with, such as the file they are of. Raises `BadInput` where members have none, names are
    unknown, or a cost is negative or no number.
    """
    if isinstance(costs, Mapping):
        missing = [name for name in members if name not in costs]
        if missing:
            hint = nearest(missing[0], [str(name) for name in costs])
            raise BadInput(
                f"{where}: {len(missing):,} of the {len(members):,} members have none, {missing[0]!r} for one "
                f"({hint}); give each member that takes part a cost."
            )
        given = [costs[name] for name in members]
    else:
        given = list(np.asarray(costs).tolist()) if np.ndim(costs) == 1 else []
        if len(given) != len(members):
            raise BadInput(f"{where}: expected one for each of {len(members)} members, found {np.shape(costs)}.")
    for name, cost in zip(members, given, strict=True):
        if (
            isinstance(cost, bool)
            or not isinstance(cost, int | float | np.integer | np.floating)
            or not is_amount(cost)
        ):
            raise BadInput(f"{where}: {name!r} has {cost!r}, expected a number of 0 or more, up to 1e100.")
    return np.array(given, dtype=np.float64)


def subset_costs(costs: np.ndarray, masks: np.ndarray, by: str = "sum") -> np.ndarray:
    """Return what each subset costs, float64 (S,): the sum or the largest of its members' costs, to twelve digits.

    costs: float64 (M,); masks: uint64 (S,). Raises `BadInput` for another `by`.
    """
    if by not in COST_RULES:
        raise BadInput(f"cost_by: {by!r} is not a way to add up costs; {nearest(by, COST_RULES)}.")
    found = np.zeros(len(masks))
    for m, cost in enumerate(costs):
        own = np.where(masks >> np.uint64(m) & np.uint64(1), cost, 0.0)
        found = found + own if by == "sum" else np.maximum(found, own)
    top = float(found.max(initial=0))
    return found if top == 0 else np.round(found, DIGITS - 1 - int(np.floor(np.log10(top))))


def front_rows(scores: np.ndarray, costs: np.ndarray, sizes: np.ndarray, nll: np.ndarray, higher: bool) -> np.ndarray:
    """Return the rows of the front by rising cost, int64: no other subset costs as much or less and scores as well.

    scores, costs, nll: float64 (S,); sizes: int64 (S,). Scores within 1e-12 are equal; of equal subsets it is the one
    with fewer members, then with lower NLL, then the first.
    """
    loss = -scores if higher else scores
    order = np.lexsort((np.nan_to_num(nll), sizes, loss, costs))
    best = np.minimum.accumulate(loss[order])
    before = np.concatenate([[np.inf], best[:-1]])
    better = order[loss[order] < before - TIE]
    # The first of its cost is the best of it, but for ties within 1e-12, which the order takes for differences.
    found = []
    for row in better:
        if found and costs[row] == costs[found[-1]]:
            continue
        same = np.flatnonzero((costs == costs[row]) & (np.abs(loss - loss[row]) <= TIE))
        same = same[sizes[same] == sizes[same].min()]
        if not np.isnan(nll[same[0]]):
            same = same[nll[same] <= nll[same].min() + TIE]
        found.append(int(same[0]))
    return np.array(found, dtype=np.int64)


def front_of(best: Best, table: SubsetTable, costs: np.ndarray, by: str, what: str = "costs",
             progress: Progress | None = None) -> CostFront:  # fmt: skip
    """Return the front of the subsets that `best`, which has their costs, may choose, with honest scores along it.

    Where the best subset is chosen again and again, it is chosen within the cost of every point: one pass for all.
    """
    assert best.costs is not None
    data, metric = best.data, best.metric
    scores = (
        table.scores(metric)
        if metric in METRICS or metric in table.others
        else scores_of_subsets(best.subsets, data, metric)
    )
    rows = np.sort(best.allowed)
    kept = front_rows(
        scores[rows], best.costs[rows], sizes_of(table.masks[rows]), table.nll[rows], metric_of(metric).higher_is_better
    )
    front = rows[kept]
    chosen = [of_members(table.indices_of(int(table.masks[row])), data.members, data.rule) for row in front]
    honest = _along(best, [float(best.costs[row]) for row in front], chosen, progress)
    points = tuple(
        FrontPoint(table.members_of(int(table.masks[row])), int(table.masks[row]), float(best.costs[row]),
                   float(scores[row]), score)
        for row, score in zip(front, honest, strict=True)
    )  # fmt: skip
    return CostFront(
        members=table.members, costs=costs, by=by, what=what, metric=metric, split=table.split,
        masks=table.masks[rows], subset_costs=best.costs[rows], scores=scores[rows], points=points,
    )  # fmt: skip


def _along(
    best: Best, limits: Sequence[float], chosen: Sequence[Weighted], progress: Progress | None
) -> list[HonestScore]:
    data, metric = best.data, best.metric
    apparent = [{metric: score_of(ensemble, data, metric)} for ensemble in chosen]
    if data.samples < FEWEST:
        return [none_for(data, own)[metric] for own in apparent]
    resamples = usual_resamples(best)
    assert best.costs is not None
    firsts = np.searchsorted(best.costs[best.allowed], limits, side="right").tolist()
    again = best.choose_within(resamples, firsts, progress)
    found = []
    for own, choices, ensemble in zip(apparent, again, chosen, strict=True):
        held = of_choices(data, choices, resamples, (metric,), lambda ensemble=ensemble: ensemble)
        found.append(honest_scores(data, held, own)[metric])
    return found
