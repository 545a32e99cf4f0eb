"""How well confidence agrees with accuracy: reliability by bins, and the expected calibration error."""

from dataclasses import dataclass

import numpy as np

from ensemble.errors import BadInput

BINS = 15


@dataclass(frozen=True, eq=False)
class Calibration:
    """Samples by their confidence, in B bins of equal width over 0..1; bin b is (b / B, (b + 1) / B].

    edges: float64 (B + 1,). counts: int64 (B,), samples in each bin. confidence, accuracy: float64 (B,), their means
    there, NaN in an empty bin. ece: the mean of |accuracy - confidence| over bins, weighted by their counts, 0..1.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    ece: float


def calibration(
    probs: np.ndarray, labels: np.ndarray, preds: np.ndarray | None = None, bins: int = BINS
) -> Calibration:
    """Return how well the confidence, the largest probability of a row, agrees with how often it is right.

    probs: floating point (N, C), an ensemble's; labels: int64 (N,); preds: int64 (N,), what was predicted where that is
    settled by another rule than the largest probability, as whole-number sums are. A confidence of a hair above 1
    counts as 1, in the last bin; one of exactly b / B lies in the bin that ends there. M. P. Naeini, G. F. Cooper and
    M. Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, AAAI 2015; 15 bins as C. Guo and
    others, On calibration of modern neural networks, ICML 2017, have it. Raises `BadInput` for fewer than one bin.
    """
    if bins < 1:
        raise BadInput(f"calibration: expected at least one bin, found {bins}.")
    confidence = np.minimum(np.asarray(probs, dtype=np.float64).max(axis=1), 1.0)
    right = (probs.argmax(axis=1) if preds is None else preds) == labels
    edges = np.arange(bins + 1) / bins
    place = np.maximum(np.searchsorted(edges, confidence, side="left") - 1, 0)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        sure = np.bincount(place, weights=confidence, minlength=bins) / counts
        share = np.bincount(place, weights=right, minlength=bins) / counts
    gaps = np.abs(share - sure)[counts > 0]
    return Calibration(edges, counts, sure, share, float((gaps * counts[counts > 0]).sum() / len(labels)))
