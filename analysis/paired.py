"""Two ensembles on the same samples: how surely one is better, and how small a difference could have been seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, ndtri

from analysis.honest import Forward
from ensemble.errors import BadInput

DRAWS = 4000


@dataclass(frozen=True)
class Paired:
    """What one selection gains over another in accuracy, on samples that neither had chosen on.

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


def paired(one: Forward, other: Forward, seed: int = 0) -> Paired:
    """Compare two selections that went forward through the same samples in the same order.

    On cross-fitted predictions the same test is wrong: every sample helps to choose what is scored on the others, and
    where no subset was truly better it claimed a difference in 24 to 42 of 100 data sets, not in 5 (docs/honesty.md).
    Raises `BadInput` where the two did not test the same samples.
    """
    if not np.array_equal(one.tested, other.tested):
        raise BadInput("paired: expected two selections that were tested on the same samples.")
    ours, theirs = one.correct[one.tested], other.correct[other.tested]
    won, lost = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    low, high = bootstrap(ours.astype(np.float64) - theirs, seed=seed)
    return Paired(
        difference=(won - lost) / len(ours),
        low=low,
        high=high,
        p=mcnemar(won, lost),
        won=won,
        lost=lost,
        smallest=smallest_difference(won + lost, len(ours)),
        samples=len(ours),
    )


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
