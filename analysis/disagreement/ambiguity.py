"""What averaging takes off the Brier score: the ensemble's score is its members' mean score less their ambiguity."""

from dataclasses import dataclass

import numpy as np

from analysis.stack import PredictionStack

BLOCK_NUMBERS = 400_000  # members times samples times classes that are worked on at once


@dataclass(frozen=True, eq=False)
class Ambiguity:
    """The decomposition: ensemble = members.mean() - spread.mean(), exact for the mean of probabilities.

    spread: float64 (M,), each member's distance from the ensemble, the mean over samples of the sum over classes of
    (p_m(c) - mean p(c))^2; it needs no labels. members, ensemble: their Brier scores, float64 (M,) and a number, None
    without labels.
    """

    names: tuple[str, ...]
    spread: np.ndarray
    members: np.ndarray | None
    ensemble: float | None

    @property
    def ambiguity(self) -> float:
        """The mean distance from the ensemble: by how much its Brier score is below the members' mean."""
        return float(self.spread.mean())


def ambiguity(stack: PredictionStack) -> Ambiguity:
    """Decompose the Brier score of the mean of a stack's members.

    A. Krogh and J. Vedelsby, Neural network ensembles, cross validation, and active learning, NIPS 7 (1995), for the
    squared error, here summed over the classes. All three terms are computed, none as the difference of the others.
    """
    m, n, c = stack.probs.shape
    spread, own, together = np.zeros(m), np.zeros(m), 0.0
    step = max(1, BLOCK_NUMBERS // (m * c))
    for start in range(0, n, step):
        probs = stack.probs[:, start : start + step].astype(np.float64)
        mean = probs.mean(axis=0)
        spread += np.array([_squares(member - mean) for member in probs])
        if stack.labels is not None:
            truth = np.zeros(mean.shape)
            truth[np.arange(len(mean)), stack.labels[start : start + step]] = 1
            own += np.array([_squares(member - truth) for member in probs])
            together += _squares(mean - truth)
    if stack.labels is None:
        return Ambiguity(stack.members, spread / n, None, None)
    return Ambiguity(stack.members, spread / n, own / n, together / n)


def _squares(values: np.ndarray) -> float:
    return float(np.einsum("nc,nc->", values, values))
