"""The weights that minimise the NLL: a convex problem, solved to a certified gap.

f(w) = -mean ln(sum_m w_m p_m(y)) over the simplex is convex: it is the likelihood of a mixture in its proportions.
Sequential quadratic programming as in Kim, Carbonetto, Stephens and Anitescu, "A fast algorithm for maximum likelihood
estimation of mixture proportions using sequential quadratic programming", JCGS 29 (2020): the simplex gives way to
f(w) + sum(w) over w >= 0, which has the same minimum; each step solves its quadratic model by non-negative least
squares, and a line search keeps the descent. Chosen because it needs some ten steps of one product of (M, n) with
itself, sets weights to exactly 0, and has no step size to tune. It starts from twenty steps of the EM fixed point
w <- w * g(w), which alone would need thousands where a weight goes to 0.

The certificate: with g_m = mean(p_m(y) / sum_k w_k p_k(y)), Jensen's inequality gives f(w) - min f <= ln max_m g_m,
and at the minimum g_m <= 1 with equality where w_m > 0 (the Kuhn-Tucker conditions).
"""

from dataclasses import dataclass

import numpy as np

from analysis.selection.data import SelectionData, Weighted
from ensemble.errors import KofnError

GAP = 1e-9  # nats
EM_STEPS = 20  # they bring the weights near, and set none to 0
STEPS = 200
NOTHING = 1e-6  # a weight below it is left away where the certificate still holds


@dataclass(frozen=True, eq=False)
class Weights:
    """The weights on the simplex with the lowest NLL on the samples."""

    data: SelectionData
    name: str = "weights"

    @property
    def seconds(self) -> float:
        """What choosing once takes, roughly."""
        return 5e-4 + self.data.samples * self.data.members * (1.1e-7 + 1e-8 * self.data.members)

    def choose(self, times: np.ndarray | None = None) -> Weighted:
        """Return the weights, certified to be within 1e-9 nats of the lowest NLL there is."""
        return Weighted(best_weights(self.data.own if times is None else np.repeat(self.data.own, times, axis=1)))


def best_weights(own: np.ndarray) -> np.ndarray:
    """Return w, float64 (M,), not negative, summing to 1, that minimises -mean ln(w @ own).

    own: float64 (M, n), positive: each member's probability of each sample's true class. Members that are copies of
    each other may share their weight in any way. Raises `KofnError` where the gap is not reached.
    """
    from scipy.linalg import solve_triangular
    from scipy.optimize import nnls

    members, n = own.shape
    weights = np.full(members, 1 / members)
    for _ in range(EM_STEPS):
        weights = weights * (own / (weights @ own)).mean(axis=1)
    for _ in range(STEPS):
        ratios = own / (weights @ own)
        slope = ratios.mean(axis=1)
        gap = float(np.log(slope.max()))
        if gap <= GAP:
            few = np.where(weights < NOTHING, 0, weights) / weights[weights >= NOTHING].sum()
            return few if np.log((own / (few @ own)).mean(axis=1).max()) <= GAP else weights
        # The model at w: x'Hx / 2 - x'(2 slope - 1) over x >= 0, H = ratios ratios' / n.
        curve = ratios @ ratios.T / n
        curve[np.diag_indices(members)] *= 1 + 1e-10  # copies of a member leave H singular
        root = np.linalg.cholesky(curve)
        target, _ = nnls(root.T, solve_triangular(root, 2 * slope - 1, lower=True))
        vertex = np.zeros(members)
        vertex[slope.argmax()] = 1
        # Where the model misleads, a step towards the member with the steepest slope still descends.
        found = _descend(weights, target, slope, own, 1e-3)
        found = _descend(weights, vertex, slope, own, 1e-15) if found is None else found
        if found is None:
            break
        weights = found / found.sum()
    raise KofnError(f"weights: the NLL may still be {gap:.1e} nats above the lowest there is; please report this.")


def _descend(
    weights: np.ndarray, target: np.ndarray, slope: np.ndarray, own: np.ndarray, least: float
) -> np.ndarray | None:
    """Return the first point at 1, 1/2, 1/4 ... of the way to the target that descends enough, down to `least`.

    None where there is none. The weights sum to 1; rounding forgives a rise of a few last digits near the minimum.
    """
    step = target - weights
    along = float((1 - slope) @ step)
    value = -np.log(weights @ own).mean() + 1
    size = 1.0
    while along < 0 and size >= least:
        tried = np.maximum(weights + size * step, 0)
        mixture = tried @ own
        enough = value + 0.01 * size * along + 1e-14 * abs(value)
        if mixture.min() > 0 and -np.log(mixture).mean() + tried.sum() <= enough:
            return tried
        size /= 2
    return None
