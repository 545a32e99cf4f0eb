"""How sure a share of successes is: Wilson's interval for a proportion."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri


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
