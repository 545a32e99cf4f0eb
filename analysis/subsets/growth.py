"""Would more members help? The mean score of k members, and what it comes to beyond those that there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from analysis.metrics import METRICS
from analysis.subsets.table import SubsetTable
from ensemble.errors import BadInput
from ensemble.study.tabular import Rows

FEWEST = 4  # members: three sizes are left where one member is left out
LINE, CURVE = "a + b/k, through the two largest k", "a + b/k + c/k^2, least squares over all k"


@dataclass(frozen=True, eq=False)
class MoreMembers(Rows):
    """The mean score over all subsets of k of M members, and of k members like them beyond M.

    metric: of `METRICS`. members: the M that count, copies left out. k: int64 (K,), 1..2 M; mean: float64 (K,), as
    measured up to M and extrapolated above; low, high: float64 (K,), a 95 % interval of the latter over which M members
    were trained, the samples as they are; NaN up to M. limit, limit_low, limit_high: of endlessly many.
    form: what was fitted. gain, gain_low, gain_high: how much better 2 M members are than M, in the metric's own unit,
    positive where better.
    """

    metric: str
    members: tuple[str, ...]
    k: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    limit: float
    limit_low: float
    limit_high: float
    gain: float
    gain_low: float
    gain_high: float
    form: str

    def _columns(self) -> dict[str, Any]:
        return self._named("k", "mean", "low", "high")

    @property
    def seen(self) -> int:
        """M."""
        return len(self.members)


def more_members(table: SubsetTable, metric: str = "accuracy", copies: Sequence[Sequence[int]] = ()) -> MoreMembers:
    """Extrapolate the mean score of k members to twice as many as there are, and beyond.

    table: every subset of the members; metric: one that it holds; copies: groups of positions of members that predict
    the same, of which the first alone counts (`analysis.copies.find_copies`).

    The means over all subsets of a size are unbiased for members trained alike, whatever their number. The mean Brier
    score is exactly a + b/k, since it is the mean squared error of a mean of k, and the NLL comes near to it as k
    grows: the line in 1/k through the two largest sizes is prolonged. Accuracy and top-5 bend more, and are fitted with
    a term in 1/k^2. Of six forms these erred least at worst where members were hidden (docs/honesty.md). The interval
    is the jackknife's over members (B. Efron and C. Stein, Annals of Statistics 9, 1981), with Student's quantile.
    Raises `BadInput` for fewer than four members, or where the table lacks sizes.
    """
    again = {i for same in copies for i in same[1:]}
    counted = [i for i in range(len(table.members)) if i not in again]
    m = len(counted)
    if m < FEWEST:
        raise BadInput(
            f"more_members: expected at least {FEWEST} members that differ, found {m}; so few say nothing of more."
        )
    scores, sizes, masks = table.scores(metric), table.sizes, table.masks
    if len(table) != 2 ** len(table.members) - 1 or np.isnan(scores[0]):
        raise BadInput(f"more_members: expected the {metric} of every subset of all sizes; score them all.")
    within = np.ones(len(table), dtype=bool)
    for i in again:
        within &= masks >> np.uint64(i) & np.uint64(1) == 0
    scores, sizes, masks = scores[within], sizes[within], masks[within]
    measured, form = _means(scores, sizes, m), CURVE if metric in ("accuracy", "top5") else LINE
    beyond = np.append(np.arange(m + 1, 2 * m + 1), np.inf)
    found = _prolonged(measured, beyond, form)
    each, gains = [], []
    for i in counted:
        left = masks >> np.uint64(i) & np.uint64(1) == 0
        own = _means(scores[left], sizes[left], m - 1)
        each.append(_prolonged(own, beyond, form))
        gains.append(_prolonged(own, np.array([2.0 * m, m]), form) @ [1, -1])
    span, gain_span = _jackknife(np.array(each)), float(_jackknife(np.array(gains)))
    lower, upper = METRICS[metric].lower, METRICS[metric].upper
    low, high = np.clip(found - span, lower, upper), np.clip(found + span, lower, upper)
    found = np.clip(found, lower, upper)
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0
    gain = sign * float(found[m - 1] - measured[-1])
    nothing = np.full(m, np.nan)
    return MoreMembers(
        metric=metric,
        members=tuple(table.members[i] for i in counted),
        k=np.arange(1, 2 * m + 1),
        mean=np.append(measured, found[:m]),
        low=np.append(nothing, low[:m]),
        high=np.append(nothing, high[:m]),
        limit=float(found[m]),
        limit_low=float(low[m]),
        limit_high=float(high[m]),
        gain=gain,
        gain_low=gain - gain_span,
        gain_high=gain + gain_span,
        form=form,
    )


def _means(scores: np.ndarray, sizes: np.ndarray, most: int) -> np.ndarray:
    """Return the mean score of each size 1..most, float64 (most,)."""
    return np.bincount(sizes, weights=scores)[1 : most + 1] / np.bincount(sizes)[1 : most + 1]


def _prolonged(means: np.ndarray, to: np.ndarray, form: str) -> np.ndarray:
    """Return what the means of sizes 1..m come to at other sizes, which may be endless."""
    m = len(means)
    if form == CURVE:
        found = np.linalg.lstsq(np.vander(1 / np.arange(1, m + 1), 3), means, rcond=None)[0]
        return np.vander(1 / to, 3) @ found
    slope = (means[-1] - means[-2]) / (1 / m - 1 / (m - 1))
    return means[-1] + slope * (1 / to - 1 / m)


def _jackknife(values: np.ndarray) -> np.ndarray:
    """Return half the width of the 95 % interval, of values (M, ...) without one member each."""
    m = len(values)
    error = np.sqrt((m - 1) / m * ((values - values.mean(axis=0)) ** 2).sum(axis=0))
    return stdtrit(m - 1, 0.975) * error
