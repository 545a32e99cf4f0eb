"""Stacking: a multinomial logistic regression on the members' log-probabilities.

D. H. Wolpert, Stacked generalization, Neural Networks 5 (1992). The regression is scikit-learn's, and this is its door.
"""

import warnings
from dataclasses import dataclass

import numpy as np

from analysis.metrics import METRICS
from analysis.selection.data import SelectionData, per_sample

FLOOR = 2.0**-26  # of a probability, before its logarithm
STRENGTH = 0.01  # scikit-learn's C: how little the coefficients are held down
STEPS = 100


@dataclass(frozen=True, eq=False)
class Stacked:
    """A fitted regression: ln odds of class c = intercept(c) + sum over members and classes of coefficient * ln p.

    coefficients: float64 (K, M * C), for the K classes seen, member after member; intercepts: float64 (K,);
    seen: int64 (K,), their columns. A class that was not seen has probability 0. members: 0..M-1, all take part.
    steps: how many were taken; converged: whether the fit ended by its tolerance, and not by the most steps.
    """

    coefficients: np.ndarray
    intercepts: np.ndarray
    seen: np.ndarray
    members: tuple[int, ...]
    weights: None = None
    steps: int = 0
    converged: bool = True

    def probs(self, probs: np.ndarray) -> np.ndarray:
        """Return the regression's probabilities, float64 (n, C), of its members', (M, n, C)."""
        logits = _features(probs) @ self.coefficients.T + self.intercepts
        logits -= logits.max(axis=1, keepdims=True)
        own = np.exp(logits)
        result = np.zeros(probs.shape[1:])
        result[:, self.seen] = own / own.sum(axis=1, keepdims=True)
        return result

    def scores(self, data: SelectionData, metric: str) -> np.ndarray:
        """Return the numbers whose mean is the metric, float64 (n,)."""
        data.require(metric)
        return METRICS[per_sample(metric)].per_sample(self.probs(data.probs()), data.labels)


@dataclass(frozen=True, eq=False)
class Stack:
    """Stacking of all members; it maximises the penalised likelihood, whatever the metric."""

    data: SelectionData
    name: str = "stack"

    @property
    def seconds(self) -> float:
        """What choosing once takes, roughly: forming the logits and the slope, a hundred times."""
        classes = self.data.source.classes
        return 0.02 + 2e-10 * STEPS * self.data.samples * self.data.members * classes * classes

    def choose(self, times: np.ndarray | None = None) -> Stacked:
        """Return the regression fitted to the samples, each as often as it counts."""
        part = self.data if times is None else self.data.only(times)
        return fit(part.probs(), part.labels)


def fit(probs: np.ndarray, labels: np.ndarray) -> Stacked:
    """Return the multinomial logistic regression of labels, int64 (n,), on ln max(p, 2^-26) of probs (M, n, C).

    L2 penalty with scikit-learn's C = 0.01; L-BFGS stops at its default tolerance or after 100 steps, which is part of
    what this selection is (up to 3,000 changed no decision on 597 held-out digits); `converged` says which.
    """
    members = tuple(range(len(probs)))
    seen = np.unique(labels)
    if len(seen) == 1:
        return Stacked(np.zeros((1, len(probs) * probs.shape[2])), np.zeros(1), seen, members)
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=STRENGTH, max_iter=STEPS)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(_features(probs), labels)
    converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in told)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(seen) == 2:  # scikit-learn fits the second class's odds alone
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercepts = np.concatenate([np.zeros_like(intercepts), intercepts])
    return Stacked(coefficients, intercepts, seen, members, steps=int(np.max(model.n_iter_)), converged=converged)


def _features(probs: np.ndarray) -> np.ndarray:
    """Return ln max(p, 2^-26), float64 (n, M * C), of (M, n, C)."""
    logs = np.log(np.maximum(probs.astype(np.float64), FLOOR))
    return logs.transpose(1, 0, 2).reshape(probs.shape[1], -1)
