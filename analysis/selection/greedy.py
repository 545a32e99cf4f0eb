"""Greedy selection with replacement: the member that helps most is added, again and again.

R. Caruana, A. Niculescu-Mizil, G. Crew and A. Ksikes, Ensemble selection from libraries of models, ICML 2004. How
often a member was added, divided by the rounds, is its weight.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.class_metrics import WHOLE_SET, base_of, metric_of
from analysis.metrics import TOP
from analysis.selection.data import SelectionData, Weighted, per_sample
from analysis.subsets.table import TIE
from ensemble.errors import BadInput, nearest

ROUNDS = 100


@dataclass(frozen=True, eq=False)
class Greedy:
    """Greedy selection by `metric`, with `rounds` rounds and at most `max_size` different members.

    Of the rounds the one with the best score is kept, the first of equally good ones.
    """

    data: SelectionData
    metric: str = "accuracy"
    rounds: int = ROUNDS
    max_size: int | None = None
    name: str = "greedy"

    @property
    def seconds(self) -> float:
        """What choosing once takes, roughly."""
        samples, pairs, members = (
            self.data.samples,
            len(self.data.sample),
            self.data.members,
        )
        each = {"nll": 6e-9 * samples, "brier": 1e-7}.get(base_of(self.metric), 5e-6 + 5e-10 * pairs)
        return 1e-3 + 2e-7 * pairs + self.rounds * members * each

    def choose(self, times: np.ndarray | None = None) -> Weighted:
        """Return the weights, whole numbers divided by the rounds that were kept."""
        part = self.data if times is None else self.data.only(times)
        order, _ = greedy_order(part, self.metric, self.rounds, self.max_size)
        return Weighted(np.bincount(order, minlength=part.members) / len(order))


def greedy_order(
    data: SelectionData, metric: str = "accuracy", rounds: int = ROUNDS, max_size: int | None = None
) -> tuple[list[int], list[float]]:
    """Return the members in the order in which they were added, up to the best round, and the score after each.

    In each round the member is added with which the ensemble's metric is best. Of equally good ones (counts equal, NLL
    and Brier within 1e-12) it is one that takes part already, then the one with the lowest NLL (to 1e-12), then the
    first. Sums are running sums of whole numbers, which do not drift. Raises `BadInput` for an unknown metric.
    """
    if base_of(metric) in WHOLE_SET or base_of(metric) not in (*_STATES, "balanced_accuracy"):
        known = nearest(metric, [*_STATES, "balanced_accuracy"])
        raise BadInput(f"greedy selection by {metric!r}: it takes metrics that add up over samples; {known}.")
    base, scale = per_sample(metric), data.sample_scale(metric)
    likelihood = _Likelihood(data)
    state = likelihood if metric == "nll" else _STATES[base](data, scale)
    every = np.arange(data.members)
    used = np.zeros(data.members, dtype=bool)
    order: list[int] = []
    losses: list[float] = []
    for _ in range(rounds if data.members > 1 else 1):
        candidates = every if max_size is None or used.sum() < max_size else np.flatnonzero(used)
        found = state.losses(candidates)
        tied = candidates[found <= found.min() + TIE]
        if used[tied].any():
            tied = tied[used[tied]]
        if tied.size > 1 and metric != "nll":
            second = likelihood.losses(tied)
            tied = tied[second <= second.min() + TIE]
        chosen = int(tied[0])
        used[chosen] = True
        order.append(chosen)
        losses.append(float(found[candidates.searchsorted(chosen)]))
        for each in {id(state): state, id(likelihood): likelihood}.values():
            each.add(chosen)
    kept = 1 + next(i for i, loss in enumerate(losses) if loss <= min(losses) + TIE)
    higher = metric_of(metric).higher_is_better
    return order[:kept], [1 - loss if higher else loss for loss in losses[:kept]]


class _Likelihood:
    """NLL: running sums of the members' p(y)."""

    def __init__(self, data: SelectionData, scale: np.ndarray | None = None) -> None:
        self.own = data.own
        self.total = np.zeros(data.samples)
        self.size = 0
        self.share = np.full(data.samples, 1 / data.samples) if scale is None else scale / scale.sum()
        self.plain = scale is None

    def losses(self, candidates: np.ndarray) -> np.ndarray:
        """Return the NLL with each of the candidates added, float64."""
        losses = [-np.log((self.total + self.own[m]) / (self.size + 1)) for m in candidates]
        return np.array([loss.mean() if self.plain else loss @ self.share for loss in losses])

    def add(self, member: int) -> None:
        """Add a member for good."""
        self.total += self.own[member]
        self.size += 1


class _Quadratic:
    """Brier: a quadratic form in how often each member was added."""

    def __init__(self, data: SelectionData, scale: np.ndarray | None = None) -> None:
        if scale is None:
            self.products = data.products / data.samples
        else:
            one, other = np.tril_indices(data.members)
            self.products = np.empty((data.members, data.members))
            self.products[one, other] = self.products[other, one] = scale / scale.sum() @ data.pair_products
        self.towards = np.zeros(data.members)  # products times counts
        self.value = 0.0
        self.size = 0

    def losses(self, candidates: np.ndarray) -> np.ndarray:
        """Return the Brier score with each of the candidates added, float64."""
        own = self.products[candidates, candidates]
        return (self.value + 2 * self.towards[candidates] + own) / (self.size + 1) ** 2

    def add(self, member: int) -> None:
        """Add a member for good."""
        self.value += 2 * self.towards[member] + self.products[member, member]
        self.towards += self.products[member]
        self.size += 1


class _Counts:
    """Accuracy, or with `allowed` rivals ahead top-5: running sums of whole numbers.

    The longer the sums, the fewer samples some more members can turn. Now and then all pairs are looked through for
    those that the coming rounds could win or lose, by bounds over the members; until the next time only they count.
    """

    def __init__(self, data: SelectionData, scale: np.ndarray | None = None, allowed: int = 0) -> None:
        self.scale = scale
        self.margins, self.sample = data.margins, data.sample
        self.least, self.most = self.margins.min(axis=0, initial=0), self.margins.max(axis=0, initial=0)
        self.sums = -data.thresholds
        self.samples, self.allowed = data.samples, allowed
        self.weight = data.samples if scale is None else scale.sum()
        self.added: list[int] = []  # since all pairs were looked through
        self.size = 0
        self._look_through()

    def _look_through(self) -> None:
        for member in self.added:
            self.sums += self.margins[member]
        self.added = []
        self.rounds = max(2, self.size // 4)
        lost = self.sums + self.rounds * self.most.astype(np.int64) < 0
        base = np.bincount(self.sample[lost], minlength=self.samples)
        settled = base > self.allowed
        live = ~lost & (self.sums + self.rounds * self.least.astype(np.int64) < 0) & ~settled[self.sample]
        self.settled = np.count_nonzero(settled) if self.scale is None else self.scale[settled].sum()
        # Laid out by rank: the first live pair of every sample, then the second of those that have two, and so on, the
        # samples with the most pairs at the front; so a rank is put over the first samples without a loop over them.
        sample, pairs = np.unique(self.sample[live], return_inverse=True)
        counts = np.bincount(pairs, minlength=len(sample))
        rank = np.arange(len(pairs)) - (np.cumsum(counts) - counts)[pairs]
        most_first = np.argsort(-counts, kind="stable")
        place = np.empty(len(sample), dtype=np.int64)
        place[most_first] = np.arange(len(sample))
        layout = np.flatnonzero(live)[np.argsort(rank * len(sample) + place[pairs])]
        self.live_sums, self.live_margins = self.sums[layout], self.margins[:, layout]
        self.ranks = np.bincount(rank)
        self.spare = self.allowed - base[sample[most_first]]
        self.open = sample[most_first]

    def losses(self, candidates: np.ndarray) -> np.ndarray:
        """Return the share of samples that are wrong with each of the candidates added, float64."""
        if len(self.added) == self.rounds:
            self._look_through()
        if not len(self.spare):
            return np.full(len(candidates), self.settled / self.weight)
        # Compared in 32 bits: a sum beyond them is out of any one member's reach.
        reach = np.clip(-self.live_sums, -(2**31), 2**31 - 1).astype(np.int32)
        margins = self.live_margins if len(candidates) == len(self.margins) else self.live_margins[candidates]
        lost = margins < reach
        start = len(self.spare)
        front = lost[:, :start].astype(np.int16 if self.allowed else np.bool_)
        for length in self.ranks[1:]:
            if self.allowed:
                front[:, :length] += lost[:, start : start + length]
            else:
                front[:, :length] |= lost[:, start : start + length]
            start += length
        missed = front > self.spare if self.allowed else front
        wrong = np.count_nonzero(missed, axis=1) if self.scale is None else missed @ self.scale[self.open]
        return (self.settled + wrong) / self.weight

    def add(self, member: int) -> None:
        """Add a member for good."""
        self.added.append(member)
        self.live_sums += self.live_margins[member]
        self.size += 1


_STATES: dict[str, Callable[[SelectionData, np.ndarray | None], "_Counts | _Likelihood | _Quadratic"]] = {
    "accuracy": _Counts,
    "top5": lambda data, scale: _Counts(data, scale, allowed=TOP - 1),
    "nll": _Likelihood,
    "brier": _Quadratic,
}
