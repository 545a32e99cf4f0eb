"""What a selection looks at: for each sample what every member says of the true class and of the rivals that count.

Axes: M members, N samples, C classes, R pairs of a sample and a rival.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from analysis.fixed_point import whole
from analysis.metrics import TOP, floored, squared_error, true_probs
from analysis.stack import PredictionStack
from ensemble.errors import BadInput, nearest

BLOCK_NUMBERS = 400_000  # members times samples times classes that are looked through at once


@dataclass(frozen=True, eq=False)
class Evidence:
    """The members' say on `rows` of a stack, ready for scoring any weighted ensemble of them quickly.

    stack: the members' probabilities, under the arithmetic mean.
    rows: int64 (n,), increasing: the samples of the stack that are looked at.
    labels: int64 (n,).
    leads: int32 (M, R), q(y) - q(c) for each rival c that can beat y in some ensemble.
    needs: int64 (R,), the smallest weighted sum of leads with which y beats that rival: 1 where c < y, else 0.
    sample: int64 (R,), increasing: which of the n samples each pair belongs to.
    """

    stack: PredictionStack
    rows: np.ndarray
    labels: np.ndarray
    leads: np.ndarray
    needs: np.ndarray
    sample: np.ndarray

    @property
    def samples(self) -> int:
        """How many samples are looked at."""
        return len(self.rows)

    @property
    def members(self) -> int:
        """M."""
        return len(self.leads)

    @cached_property
    def own(self) -> np.ndarray:
        """p(y) of each member, floored at 1e-12: float64 (M, n)."""
        return floored(true_probs(self.stack.probs[:, self.rows], self.labels))

    @cached_property
    def products(self) -> np.ndarray:
        """Sums over the samples of the inner products of the members' errors p(c) - [c = y]: float64 (M, M).

        The Brier score of weights w is w' products w / n.
        """
        total = np.zeros((self.members, self.members))
        for part in self._blocks():
            errors = self.stack.probs[:, self.rows[part]].astype(np.float64)
            errors[:, np.arange(errors.shape[1]), self.labels[part]] -= 1
            flat = errors.reshape(self.members, -1)
            total += flat @ flat.T
        return total

    def only(self, chosen: np.ndarray) -> "Evidence":
        """Return the evidence of some of these samples. chosen: bool (n,)."""
        pairs = chosen[self.sample]
        place = np.cumsum(chosen) - 1
        part = replace(
            self,
            rows=self.rows[chosen],
            labels=self.labels[chosen],
            leads=np.ascontiguousarray(self.leads[:, pairs]),
            needs=self.needs[pairs],
            sample=place[self.sample[pairs]],
        )
        if "own" in self.__dict__:
            part.__dict__["own"] = self.own[:, chosen]
        return part

    def ahead(self, weights: np.ndarray) -> np.ndarray:
        """Return how many rivals beat the true class, int64 (n,), by whole-number sums; see `fixed_point.whole`.

        weights: float64 (M,), not negative, summing to 1.
        """
        sums = -self.needs
        for lead, weight in zip(self.leads, whole(weights), strict=True):
            if weight:
                sums = sums + np.multiply(lead, weight, dtype=np.int64)
        return np.bincount(self.sample[sums < 0], minlength=self.samples)

    def scores(self, weights: np.ndarray, metric: str) -> np.ndarray:
        """Return the numbers whose mean is the metric of the weighted ensemble, float64 (n,)."""
        if metric not in _SCORES:
            raise BadInput(f"no metric is called {metric!r}; {nearest(metric, _SCORES)}.")
        return _SCORES[metric](self, weights)

    def _brier(self, weights: np.ndarray) -> np.ndarray:
        result = np.empty(self.samples)
        for part in self._blocks():
            result[part] = squared_error(weighted_mean(self.stack.probs[:, self.rows[part]], weights), self.labels[part])
        return result

    def _blocks(self) -> Iterator[slice]:
        yield from blocks(self.samples, self.members * self.stack.classes)


_SCORES: dict[str, Callable[[Evidence, np.ndarray], np.ndarray]] = {
    "accuracy": lambda e, w: (e.ahead(w) == 0).astype(np.float64),
    "top5": lambda e, w: (e.ahead(w) < TOP).astype(np.float64),
    "nll": lambda e, w: -np.log(w @ e.own),
    "brier": Evidence._brier,
}


def evidence(stack: PredictionStack) -> Evidence:
    """Return the evidence of all samples of a stack; raise `BadInput` where it has no labels.

    A rival that no member prefers to the true class never wins, whatever the weights, and is left out: one whose
    q(y) - q(c) is positive for all members, or not negative for all where y < c.
    """
    labels = stack.require_labels()
    members, n, classes = stack.probs.shape
    leads, needs, sample = [], [], []
    for part in blocks(n, members * classes):
        q, y = stack.quantised(part), labels[part]
        lead = (np.take_along_axis(q, y[None, :, None], axis=2) - q).astype(np.int32)
        need = (np.arange(classes) < y[:, None]).astype(np.int32)
        counts = lead.min(axis=0) < need
        counts[np.arange(len(y)), y] = False
        leads.append(lead[:, counts])
        needs.append(need[counts].astype(np.int64))
        sample.append(np.nonzero(counts)[0] + part.start)
    return Evidence(
        stack=stack,
        rows=np.arange(n),
        labels=labels,
        leads=np.concatenate(leads, axis=1),
        needs=np.concatenate(needs),
        sample=np.concatenate(sample),
    )


def weighted_mean(probs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the members' weighted mean, float64 (n, C), of probs (M, n, C); members are added in their order."""
    total = np.zeros(probs.shape[1:])
    for member, weight in zip(probs, weights, strict=True):
        if weight:
            total += weight * member.astype(np.float64)
    return total


def blocks(samples: int, numbers: int) -> Iterator[slice]:
    """Cut samples of `numbers` numbers each into runs that are held at once."""
    step = max(1, BLOCK_NUMBERS // numbers)
    for start in range(0, samples, step):
        yield slice(start, min(start + step, samples))
