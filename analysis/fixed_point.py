"""The one rule of arithmetic: predictions are compared as whole numbers, so that sums are exact in any order.

q = rint(2^26 p). An ensemble's sum of q does not depend on the order of its members, on blocks or on threads, and
its prediction is the lowest-index argmax of that sum. It may differ from an argmax in floating point only where
the two top means lie within 2^-26 of each other.
"""

import numpy as np

SCALE = 2**26
DENOMINATORS = 1000


def quantise(probs: np.ndarray) -> np.ndarray:
    """Return rint(2^26 p) as int64, of the shape of `probs` (floating point, about 0..1); halves go to even.

    The product is formed in float64, where it is exact for a float32 p.
    """
    return np.rint(np.asarray(probs, dtype=np.float64) * SCALE).astype(np.int64)


def whole(weights: np.ndarray) -> np.ndarray:
    """Return the whole numbers W with which a weighted ensemble sums: int64 (M,); it compares the sums of W q.

    weights: float64 (M,), not negative, summing to 1. W are the numbers of lowest common denominator, up to 1,000,
    that the weights are the shares of (1/3 and 2/3 count as 1 and 2, .35 and .65 as 7 and 13), so that equal weights
    decide as the plain sum does. Where there is no such denominator, W = rint(2^26 w). The sums stay below 2^53.
    """
    shares = np.arange(1, DENOMINATORS + 1)[:, None] * np.asarray(weights, dtype=np.float64)
    counts = np.rint(shares)
    fits = (np.abs(shares - counts) <= 1e-9).all(axis=1)
    chosen = counts[fits.argmax()] if fits.any() else np.rint(np.asarray(weights, dtype=np.float64) * SCALE)
    return chosen.astype(np.int64)


def predicted(sums: np.ndarray) -> np.ndarray:
    """Return the predicted column int64 (N,) of integer sums (N, C): the largest, of equal ones the lowest index."""
    return sums.argmax(axis=1).astype(np.int64)


def rivals_ahead(sums: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return for each sample how many rivals beat its true class y: int64 (N,), 0 where y is predicted.

    A rival c of y beats it by a larger sum, or by an equal sum and a lower index. sums: integers (N, C);
    labels: int64 (N,).
    """
    own = np.take_along_axis(sums, labels[:, None], axis=1)
    before = np.arange(sums.shape[1]) < labels[:, None]
    return ((sums > own) | ((sums == own) & before)).sum(axis=1, dtype=np.int64)
