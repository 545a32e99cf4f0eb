"""One temperature for an ensemble's probabilities, fitted after averaging, and what it does on samples held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.calibration.calibration import checked
from analysis.metrics import floored
from analysis.selection.resampling import folds_of
from analysis.statistics import group_codes
from ensemble.errors import BadInput
from ensemble.study.tabular import Rows

LOWEST, HIGHEST = 0.05, 20.0
FOLDS = 10
FEWEST = 20  # samples: two a fold
_EXACT = 1e-5  # of ln T
_NUMBERS = 200_000  # samples times classes that are worked on at once


@dataclass(frozen=True, eq=False)
class Temperature(Rows):
    """A temperature and the probabilities it makes.

    value: fitted to all samples: below 1 it sharpens what is underconfident, above 1 it flattens what is overconfident.
    by_fold: float64 (F,), fitted to all samples but a fold's; fold: int64 (N,), which fold a sample is in.
    probs: float64 (N, C), each row by the temperature that was fitted without its fold: scores of these are held out.
    """

    value: float
    by_fold: np.ndarray
    fold: np.ndarray
    probs: np.ndarray

    def _columns(self) -> dict[str, Any]:
        return {"fold": np.arange(len(self.by_fold)), "temperature": self.by_fold}

    @property
    def at_end(self) -> bool:
        """Whether the best temperature lies at the end of the range that is searched, .05 to 20, or beyond it."""
        return self.value in (LOWEST, HIGHEST)


def temperature(
    probs: np.ndarray,
    labels: np.ndarray | Sequence[int],
    ids: np.ndarray | None = None,
    folds: int = FOLDS,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Temperature:
    """Fit a temperature to all samples, and for each of the stratified folds to the samples outside it.

    labels: whole numbers (N,). seed: deals the folds. groups: (N,), a name or number of what each sample belongs to,
    which then stays in one fold.
    probs: floating point (N, C), the members' mean: a temperature of each member before averaging is another thing.
    ids: str (N,), on which the folds then hang; see `analysis.selection.cross_validation`. The classes predicted do not
    change, for a temperature keeps the order of the probabilities. Raises `BadInput` for fewer than 20 samples.
    """
    probs, labels = checked(probs, labels, 1)
    if len(labels) < FEWEST:
        raise BadInput(f"{len(labels)} samples are too few to fit a temperature; at least {FEWEST} are needed.")
    of = None if groups is None else group_codes(groups, len(labels))
    fold = folds_of(labels, folds, seed, ids, of)
    value = fit_temperature(probs, labels)
    by_fold = np.array([fit_temperature(probs[fold != f], labels[fold != f]) for f in range(int(fold.max()) + 1)])
    return Temperature(value, by_fold, fold, tempered(probs, by_fold[fold]))


def tempered(probs: np.ndarray, at: float | np.ndarray) -> np.ndarray:
    """Return softmax(ln(p) / T), float64 (N, C), of `probs` (N, C); `at`: one T, or one for each row.

    p is raised to at least 1e-12 first, so that its logarithm is finite. C. Guo and others, On calibration of modern
    neural networks, ICML 2017, who divide logits: ln(p) is a logit up to a constant of the row, which softmax drops.
    """
    logs = np.log(floored(np.asarray(probs, dtype=np.float64)))
    logs -= logs.max(axis=1, keepdims=True)
    powers = np.exp(logs / np.reshape(at, (-1, 1)))
    return powers / powers.sum(axis=1, keepdims=True)


def fit_temperature(probs: np.ndarray, labels: np.ndarray | Sequence[int]) -> float:
    """Return the T in .05..20 with the lowest NLL of softmax(ln(p) / T), by SciPy's bounded minimiser over ln T.

    The NLL is convex in 1 / T, so there is one lowest point. Where it lies outside the range, as it does where
    everything is right, T comes out at the end. probs: floating point (N, C); labels: int64 (N,).
    """
    from scipy.optimize import minimize_scalar

    probs, labels = checked(probs, labels, 1)
    n, c = probs.shape
    logs = np.log(floored(probs.astype(np.float64)))
    logs -= logs.max(axis=1, keepdims=True)
    own = float(logs[np.arange(n), labels].sum())
    step = max(1, _NUMBERS // c)
    room = np.empty((min(step, n), c))

    def nll(ln_t: float) -> float:
        cold, total = np.exp(-ln_t), 0.0
        for start in range(0, n, step):
            part = logs[start : start + step]
            powers = np.multiply(part, cold, out=room[: len(part)])
            total += float(np.log(np.exp(powers, out=powers).sum(axis=1)).sum())
        return (total - cold * own) / n

    ends = np.log([LOWEST, HIGHEST])
    found = minimize_scalar(nll, bounds=tuple(ends), method="bounded", options={"xatol": _EXACT})
    # The minimiser comes near the ends of its range, and never to them.
    for end, value in zip(ends, (LOWEST, HIGHEST), strict=True):
        if nll(end) <= found.fun:
            return value
    return float(np.exp(found.x))
