"""The weights that minimise the NLL: a convex problem, solved to a certified gap.

f(w) = -mean ln(sum_m w_m p_m(y)) over the simplex is convex: it is the likelihood of a mixture in its proportions.
Sequential quadratic programming as in Kim, Carbonetto, Stephens and Anitescu, "A fast algorithm for maximum likelihood
estimation of mixture proportions using sequential quadratic programming", JCGS 29 (2020): the simplex gives way to
f(w) + sum(w) over w >= 0, which has the same minimum; each step solves its quadratic model by non-negative least
squares, and a line search keeps the descent. Chosen because it needs some ten steps of one product of (M, n) with
itself, sets weights to exactly 0, and has no step size to tune; the EM fixed point w <- w * g(w) needs thousands of
steps where a weight goes to 0, and serves as the step where the model fails.

The certificate: with g_m = mean(p_m(y) / sum_k w_k p_k(y)), Jensen's inequality gives f(w) - min f <= ln max_m g_m, and at the
minimum g_m <= 1 with equality where w_m > 0 (the Kuhn-Tucker conditions).
"""

from dataclasses import dataclass

import numpy as np

from analysis.evidence import Evidence
from analysis.selection.chosen import Weighted
from ensemble.errors import KofnError

GAP = 1e-9  # nats
STEPS = 500


@dataclass(frozen=True, eq=False)
class Weights:
    """The weights on the simplex with the lowest NLL on the samples."""

    evidence: Evidence
    name: str = "weights"

    def choose(self, left_out: np.ndarray | None = None) -> Weighted:
        """Return the weights, certified to be within 1e-9 nats of the lowest NLL there is."""
        own = self.evidence.own if left_out is None else self.evidence.own[:, ~left_out]
        return Weighted(best_weights(own))


def best_weights(own: np.ndarray) -> np.ndarray:
    """Return w, float64 (M,), not negative, summing to 1, that minimises -mean ln(w @ own).

    own: float64 (M, n), positive: each member's probability of each sample's true class. Members that are copies of
    each other may share their weight in any way. Raises `KofnError` where the gap is not reached.
    """
    from scipy.linalg import solve_triangular
    from scipy.optimize import nnls

    members, n = own.shape
    weights = np.full(members, 1 / members)
    value = _objective(weights, own)
    for _ in range(STEPS):
        ratios = own / (weights @ own)
        slope = ratios.mean(axis=1)
        if np.log(slope.max()) <= GAP:
            return weights / weights.sum()
        # The model at w: x'Hx / 2 - x'(2 slope - 1) over x >= 0, H = ratios ratios' / n; x = w is its start.
        curve = ratios @ ratios.T / n
        curve[np.diag_indices(members)] *= 1 + 1e-10  # copies of a member leave H singular
        curve[np.diag_indices(members)] += 1e-12 * np.trace(curve)
        try:
            root = np.linalg.cholesky(curve)
            target, _ = nnls(root.T, solve_triangular(root, 2 * slope - 1, lower=True))
        except (np.linalg.LinAlgError, RuntimeError):
            target = weights * slope
        weights, value = _descend(weights, value, target - weights, slope, own)
    gap = float(np.log((own / (weights @ own)).mean(axis=1).max()))
    raise KofnError(f"weights: after {STEPS} steps the NLL may still be {gap:.1e} nats above the lowest; report this.")


def _objective(weights: np.ndarray, own: np.ndarray) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(-np.log(weights @ own).mean() + weights.sum())


def _descend(
    weights: np.ndarray, value: float, step: np.ndarray, slope: np.ndarray, own: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return the weights, and their value, at the first of 1, 1/2, 1/4 ... of the step that descends enough.

    Where none does, an EM step is taken: it never raises the NLL.
    """
    along = float((1 - slope) @ step)
    size = 1.0
    while along < 0 and size > 1e-6:
        tried = np.maximum(weights + size * step, 0)
        found = _objective(tried, own)
        if found <= value + 0.01 * size * along:
            return tried, found
        size /= 2
    # Far from the minimum the EM step, near it (where rounding hides the descent) the step itself if it is no worse.
    tried = weights * slope
    return tried, _objective(tried, own)
