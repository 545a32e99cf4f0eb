"""What a selection decided: an ensemble that can be scored on any samples, whether they took part in it or not."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from analysis.evidence import Evidence, weighted_mean


class Chosen(Protocol):
    """An ensemble of the M members of a stack."""

    @property
    def members(self) -> tuple[int, ...]:
        """Positions of the members that take part, increasing."""
        ...

    @property
    def weights(self) -> np.ndarray | None:
        """float64 (M,), not negative, summing to 1; None where the ensemble is no weighted mean."""
        ...

    def scores(self, evidence: Evidence, metric: str) -> np.ndarray:
        """Return the numbers whose mean is the metric, float64 (n,)."""
        ...

    def probs(self, probs: np.ndarray) -> np.ndarray:
        """Return what the ensemble says, float64 (n, C), of what the members say, (M, n, C)."""
        ...


class Selection(Protocol):
    """A way to choose an ensemble, bound to the samples it may choose on."""

    @property
    def name(self) -> str:
        """As in `--select`."""
        ...

    @property
    def evidence(self) -> Evidence:
        """All samples that there are."""
        ...

    def choose(self, left_out: np.ndarray | None = None) -> Chosen:
        """Return what is chosen on all samples but those `left_out`, bool (n,), of which nothing is looked at."""
        ...


@dataclass(frozen=True, eq=False)
class Weighted:
    """A weighted mean of members.

    weights: float64 (M,), not negative, summing to 1. Equal weights are a subset under soft voting. It predicts by
    whole-number sums, see `fixed_point.whole`.
    """

    weights: np.ndarray

    @property
    def members(self) -> tuple[int, ...]:
        """Positions of the members with a weight above 0."""
        return tuple(int(i) for i in np.flatnonzero(self.weights))

    @property
    def equal(self) -> bool:
        """Whether all members that take part weigh the same."""
        own = self.weights[self.weights > 0]
        return bool((own == own[0]).all())

    def scores(self, evidence: Evidence, metric: str) -> np.ndarray:
        """Return the numbers whose mean is the metric, float64 (n,)."""
        return evidence.scores(self.weights, metric)

    def probs(self, probs: np.ndarray) -> np.ndarray:
        """Return the weighted mean, float64 (n, C), of (M, n, C)."""
        return weighted_mean(probs, self.weights)


def of_members(indices: tuple[int, ...] | list[int], members: int) -> Weighted:
    """Return the equally weighted mean of the members at `indices`, out of `members`."""
    weights = np.zeros(members)
    weights[list(indices)] = 1 / len(indices)
    return Weighted(weights)
