"""One temperature for an ensemble's probabilities, fitted after averaging, and what it does on samples held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arguments import checked, checked_probs
from analysis.metrics import floored
from analysis.selection.resampling import folds_of
from analysis.statistics import group_codes
from ensemble.errors import BadInput
from ensemble.study.row_probs import made_rows, row_blocks
from ensemble.study.tabular import Rows

LOWEST, HIGHEST = 0.05, 20.0
FOLDS = 10
FEWEST = 20  # samples: two a fold
_NEAR = 1e-5  # of 1 / T: a step of Newton's that is no larger ends where the next one would not be seen
_STEPS = 60  # by halving alone the range is narrower than that after 20
_NUMBERS = 100_000  # samples times classes that are worked on at once: they stay in a core's cache


@dataclass(frozen=True, eq=False)
class Temperature(Rows):
    """A temperature and the probabilities it makes.

    value: fitted to all samples: below 1 it sharpens what is underconfident, above 1 it flattens what is overconfident.
    by_fold: float64 (F,), fitted to all samples but a fold's; fold: int64 (N,), which fold a sample is in.
    probs: float64 (N, C), each row by the temperature that was fitted without its fold: scores of these are held out.
    Of an ensemble whose members stay in files it is a `RowProbs`, which makes the rows that it is asked for.
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
    probs, labels = checked(probs, labels, "temperature")
    if len(labels) < FEWEST:
        raise BadInput(f"{len(labels)} samples are too few to fit a temperature; at least {FEWEST} are needed.")
    of = None if groups is None else group_codes(groups, len(labels))
    fold = folds_of(labels, folds, seed, ids, of)
    value, *by_fold = _fitted(probs, labels, fold)
    at = np.array(by_fold)
    each = at[fold]
    if isinstance(probs, np.ndarray):
        return Temperature(value, at, fold, _powers(probs, each))
    made = made_rows(probs.shape, lambda which: _powers(probs[which], each[which]))
    return Temperature(value, at, fold, made)


def tempered(probs: np.ndarray, at: float | np.ndarray) -> np.ndarray:
    """Return softmax(ln(p) / T), float64 (N, C), of `probs` (N, C); `at`: one T, or one for each row.

    p is raised to at least 1e-12 first, so that its logarithm is finite. C. Guo and others, On calibration of modern
    neural networks, ICML 2017, who divide logits: ln(p) is a logit up to a constant of the row, which softmax drops.
    Raises `BadInput` for rows that are no probabilities and for a T that is none.
    """
    if not (np.isfinite(at) & (np.asarray(at) > 0)).all():
        raise BadInput(f"tempered: expected temperatures above 0, finite, found {at!r:.80}.")
    return _powers(checked_probs(probs, "tempered"), at)


def _powers(probs: np.ndarray, at: float | np.ndarray) -> np.ndarray:
    logs = np.log(floored(np.asarray(probs, dtype=np.float64)))
    logs -= logs.max(axis=1, keepdims=True)
    powers = np.exp(logs / np.reshape(at, (-1, 1)))
    return powers / powers.sum(axis=1, keepdims=True)


def fit_temperature(probs: np.ndarray, labels: np.ndarray | Sequence[int]) -> float:
    """Return the T in .05..20 with the lowest NLL of softmax(ln(p) / T), to nine digits or so.

    The NLL is convex in 1 / T, so there is one lowest point. Where it lies outside the range, as it does where
    everything is right, T comes out at the end. probs: floating point (N, C); labels: int64 (N,).
    """
    probs, labels = checked(probs, labels, "temperature")
    return _fitted(probs, labels, np.zeros(len(labels), np.int64), apart=False)[0]


def _fitted(probs: np.ndarray, labels: np.ndarray, fold: np.ndarray, apart: bool = True) -> list[float]:
    """Return the T that is fitted to all samples, and, with `apart`, for each fold that to all samples outside it.

    Newton's method on 1 / T, kept within what is known to hold the lowest point and halved where it is slow. All fits
    are stepped together: what a pass over the samples finds at one T, by fold, serves whichever of them wants it.
    """
    lowest, highest = 1 / HIGHEST, 1 / LOWEST
    known: dict[float, tuple[np.ndarray, np.ndarray]] = {}  # at 1 / T the slope and the curvature of each fit
    fits = range(1 + (int(fold.max()) + 1 if apart else 0))
    found: dict[int, float] = {}
    low, high, at, before = ([value] * len(fits) for value in (lowest, highest, 1.0, np.inf))
    asked = [lowest, 1.0, highest]
    for step in range(_STEPS):
        for point, slopes, curves in zip(asked, *_slopes(probs, labels, fold, asked), strict=True):
            known[point] = _of_fits(slopes, apart), _of_fits(curves, apart)
        for i in (i for i in fits if i not in found):
            if step == 0 and known[highest][0][i] <= 0:  # also where all temperatures are equally good
                found[i] = LOWEST
                continue
            if step == 0 and known[lowest][0][i] >= 0:
                found[i] = HIGHEST
                continue
            slope, curve = known[at[i]][0][i], known[at[i]][1][i]
            low[i], high[i] = (low[i], at[i]) if slope > 0 else (at[i], high[i])
            move = -slope / curve if curve > 0 else np.inf
            if abs(move) <= _NEAR * at[i]:
                found[i] = 1 / (at[i] + move)
                continue
            halved = not low[i] < at[i] + move < high[i] or abs(move) > before[i] / 2
            to = float(np.sqrt(low[i] * high[i])) if halved else at[i] + move
            before[i], at[i] = abs(to - at[i]), to
        asked = sorted({at[i] for i in fits if i not in found} - known.keys())
        if len(found) == len(fits):
            break
    return [found.get(i, 1 / at[i]) for i in fits]


def _of_fits(by_fold: np.ndarray, apart: bool) -> np.ndarray:
    """Return the sum over all samples, and, with `apart`, over those outside each fold: float64 (1 + F,) or (1,)."""
    total = by_fold.sum()
    return np.append(total, total - by_fold if apart else [])


def _slopes(
    probs: np.ndarray, labels: np.ndarray, fold: np.ndarray, points: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the NLL's first and second derivative by 1 / T at each point, summed by fold: two float64 (P, F).

    With l = ln p they are, of a sample, the mean of l under softmax(l / T) less l(y), and the variance of l under it.
    """
    count = int(fold.max()) + 1
    slopes, curves = np.zeros((2, len(points), count))
    step = max(1, _NUMBERS // probs.shape[1])
    for here, rows in row_blocks(probs):
        for start in range(0, len(rows), step):
            part = slice(here.start + start, min(here.start + start + step, here.stop))
            logs = np.log(floored(rows[start : start + step].astype(np.float64)))
            logs -= logs.max(axis=1, keepdims=True)
            own = logs[np.arange(len(logs)), labels[part]]
            for p, point in enumerate(points):
                shares = np.exp(logs * point)
                total = shares.sum(axis=1)
                shares *= logs
                mean = shares.sum(axis=1) / total
                square = np.einsum("nc,nc->n", shares, logs) / total
                slopes[p] += np.bincount(fold[part], weights=mean - own, minlength=count)
                curves[p] += np.bincount(fold[part], weights=square - mean**2, minlength=count)
    return slopes, curves
