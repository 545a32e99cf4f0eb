"""What a selection decided: an ensemble that can be scored on any samples, whether they took part in it or not."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from analysis.rules import RULES, Rule
from analysis.selection.data import SelectionData, combined


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

    def scores(self, data: SelectionData, metric: str) -> np.ndarray:
        """Return the numbers whose mean is the metric, float64 (n,)."""
        ...

    def probs(self, probs: np.ndarray) -> np.ndarray:
        """Return the ensemble's probabilities, float64 (n, C), of its members', (M, n, C)."""
        ...


class Selection(Protocol):
    """A way to choose an ensemble, bound to the samples it may choose on."""

    @property
    def name(self) -> str:
        """One of `SELECTIONS`, or "member"."""
        ...

    @property
    def data(self) -> SelectionData:
        """All samples that there are."""
        ...

    @property
    def seconds(self) -> float:
        """What choosing once takes, roughly, on one core: by a model, so that it is the same every time."""
        ...

    def choose(self, times: np.ndarray | None = None) -> Chosen:
        """Return what is chosen where each sample counts so many times, int64 (n,); once if None."""
        ...


@dataclass(frozen=True, eq=False)
class Weighted:
    """A weighted mean of members.

    weights: float64 (M,), not negative, summing to 1. Equal weights are a subset. It predicts by whole-number sums, see
    `metrics.whole`, of what the rule makes of probabilities.
    """

    weights: np.ndarray
    rule: Rule = RULES["mean"]

    @property
    def members(self) -> tuple[int, ...]:
        """Positions of the members with a weight above 0."""
        return tuple(int(i) for i in np.flatnonzero(self.weights))

    @property
    def equal(self) -> bool:
        """Whether all members that take part weigh the same."""
        own = self.weights[self.weights > 0]
        return bool((own == own[0]).all())

    def scores(self, data: SelectionData, metric: str) -> np.ndarray:
        """Return the numbers whose mean is the metric, float64 (n,)."""
        return data.scores(self.weights, metric)

    def probs(self, probs: np.ndarray) -> np.ndarray:
        """Return the ensemble's probabilities, float64 (n, C), of (M, n, C); raise `BadInput` for a vote."""
        return combined(probs, self.weights, self.rule)


def of_members(indices: Iterable[int], members: int, rule: Rule = RULES["mean"]) -> Weighted:
    """Return the equally weighted mean of the members at `indices`, out of `members`."""
    chosen = list(indices)
    weights = np.zeros(members)
    weights[chosen] = 1 / len(chosen)
    return Weighted(weights, rule)
