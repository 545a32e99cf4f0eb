"""Intervals and tests: of a share, of two classifiers on the same samples, of many hypotheses at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, ndtri

from ensemble.errors import BadInput

DRAWS = 4000


def mcnemar(won: int, lost: int) -> float:
    """Return the two-sided mid-p of won against lost as tosses of a fair coin; 1 where there are none.

    P(fewer than the smaller count) + P(exactly that many) / 2, doubled. Q. McNemar, Psychometrika 12 (1947); the mid-p:
    M. W. Fagerland, S. Lydersen and P. Laake, BMC Medical Research Methodology 13:91 (2013).
    """
    if won == lost:
        return 1.0
    fewer, tosses = min(won, lost), won + lost
    below = float(bdtr(fewer - 1, tosses, 0.5)) if fewer else 0.0
    return min(1.0, below + float(bdtr(fewer, tosses, 0.5)))


def bootstrap(differences: np.ndarray, level: float = 0.95, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """Return the percentile interval of the mean of differences, float64 (n,), samples drawn again with replacement."""
    values, counts = np.unique(differences, return_counts=True)
    n = len(differences)
    # Equal differences are drawn together: how often each value comes up is multinomial.
    drawn = np.random.default_rng(seed).multinomial(n, counts / n, size=draws) @ values / n
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def smallest_difference(discordant: int, samples: int, level: float = 0.05, power: float = 0.8) -> float:
    """Return the true difference in accuracy that McNemar's test at `level` finds with probability `power`.

    discordant: on how many of the samples the two differ. With the share s of them, n samples and normal quantiles
    a and b, d solves d sqrt(n) = a sqrt(s) + b sqrt(s - d^2): R. J. Connor, Biometrics 43 (1987). At least the
    difference that five samples make: fewer, all won, give no p below .05.
    """
    share = discordant / samples
    a, b = float(ndtri(1 - level / 2)), float(ndtri(power))
    # Squared, with u = d sqrt(n): (n + b^2) d^2 - 2 a sqrt(s n) d + (a^2 - b^2) s = 0, and the larger root counts.
    p, q, r = samples + b * b, -2 * a * (share * samples) ** 0.5, (a * a - b * b) * share
    found = (-q + max(q * q - 4 * p * r, 0.0) ** 0.5) / (2 * p)
    return max(found, 5 / samples)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Return p-values adjusted for testing a few hypotheses: no more than 5 % chance of any false claim at .05.

    S. Holm, Scandinavian Journal of Statistics 6 (1979): the i-th smallest of m is multiplied by m - i + 1, none is
    smaller than one before it. float64, in the order given.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> np.ndarray:
    """Return p-values adjusted for testing many: of the claims at .05 no more than 5 % are false on average.

    Y. Benjamini and Y. Hochberg, JRSS B 57 (1995), by SciPy. float64, in the order given.
    """
    from scipy.stats import false_discovery_control

    p = np.asarray(p_values, dtype=np.float64)
    return false_discovery_control(p) if p.size else p


def wilson(successes: ArrayLike, trials: ArrayLike, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper end of Wilson's score interval, float64, of the shape of the counts.

    With n trials, share s and z the normal quantile at (1 + level) / 2, the interval is
    (s + z^2/2n -+ z sqrt(s(1-s)/n + z^2/4n^2)) / (1 + z^2/n). E. B. Wilson, Probable inference, the law of
    succession, and statistical inference, JASA 22 (1927). NaN where there are no trials; exactly 0 below no success
    and exactly 1 above no failure.
    """
    x, n = np.broadcast_arrays(np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64))
    z2 = float(ndtri((1 + level) / 2)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        share = x / n
        centre = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    nothing = n == 0
    low = np.where(nothing, np.nan, np.where(x == 0, 0.0, centre - half))
    high = np.where(nothing, np.nan, np.where(x == n, 1.0, centre + half))
    return low, high


@dataclass(frozen=True)
class Paired:
    """How much better one classifier is than another on the same samples, in accuracy.

    difference, low, high: mean of the samples' differences and its bootstrap interval at 95 %, fractions.
    p: McNemar's exact mid-p, two-sided. won, lost: how many samples only the one, or only the other, has right.
    smallest: the smallest true difference that a test at 5 % would find in 80 of 100 such data sets.
    samples: how many were tested.
    """

    difference: float
    low: float
    high: float
    p: float
    won: int
    lost: int
    smallest: float
    samples: int


def compare_correct(one: np.ndarray, other: np.ndarray) -> Paired:
    """Compare two classifiers by which samples each has right: bool (N,), in the same order."""
    won, lost = int((one & ~other).sum()), int((other & ~one).sum())
    low, high = bootstrap(one.astype(np.float64) - other)
    return Paired(
        difference=(won - lost) / len(one),
        low=low,
        high=high,
        p=mcnemar(won, lost),
        won=won,
        lost=lost,
        smallest=smallest_difference(won + lost, len(one)),
        samples=len(one),
    )


def paired_test(y_true: ArrayLike, y_pred: ArrayLike, other: ArrayLike) -> Paired:
    """Compare two classifiers' accuracy on the same samples, which must have chosen neither of them.

    y_true, y_pred, other: whole numbers (N,), the true classes and what each classifier predicts. `difference` is
    positive where `y_pred` is right more often. Raises `BadInput` where the three differ in length or are empty.
    """
    labels, ours, theirs = (np.asarray(a) for a in (y_true, y_pred, other))
    if not labels.ndim == ours.ndim == theirs.ndim == 1 or not len(labels) == len(ours) == len(theirs) > 0:
        shapes = ", ".join(str(a.shape) for a in (labels, ours, theirs))
        raise BadInput(f"paired_test: expected y_true, y_pred and other of one length, found {shapes}.")
    return compare_correct(ours == labels, theirs == labels)
