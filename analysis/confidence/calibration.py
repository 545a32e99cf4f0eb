"""How well confidence agrees with accuracy: reliability by bins, and the expected calibration error."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.intervals import wilson
from analysis.notebook import html_table, percent
from ensemble.errors import BadInput, nearest

BINS = 15
BINNINGS = ("equal", "adaptive")


@dataclass(frozen=True, eq=False)
class Calibration:
    """Samples by their confidence, in B bins; bin b is (edges[b], edges[b + 1]].

    edges: float64 (B + 1,). counts: int64 (B,), samples in each bin. confidence, accuracy: float64 (B,), their means
    there; low, high: float64 (B,), Wilson's 95 % interval of that accuracy; all four NaN in an empty bin.
    ece: the mean of |accuracy - confidence| over bins, weighted by their counts, 0..1.
    binning: "equal", bins of equal width, or "adaptive", bins of as many samples each.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray
    ece: float
    binning: str

    @property
    def samples(self) -> int:
        """N."""
        return int(self.counts.sum())

    @property
    def mean_confidence(self) -> float:
        """The mean confidence of all samples."""
        return _mean(self.confidence, self.counts)

    @property
    def mean_accuracy(self) -> float:
        """The share of all samples that is right."""
        return _mean(self.accuracy, self.counts)

    @property
    def gap(self) -> float:
        """Mean confidence less accuracy: above 0 where it is too sure of itself, below where not sure enough."""
        return self.mean_confidence - self.mean_accuracy

    def _repr_html_(self) -> str:
        rows = [
            (f"{self.edges[b]:.3f} - {self.edges[b + 1]:.3f}", int(self.counts[b]),
             *map(percent, (self.confidence[b], self.accuracy[b], self.low[b], self.high[b])))
            for b in range(len(self.counts))
        ]  # fmt: skip
        title = f"Confidence and accuracy of {self.samples:,} samples: ECE {self.ece:.4f}, {self.binning} bins"
        return html_table(title, ("confidence", "samples", "mean %", "right %", "95 % from", "to"), rows)


def calibration(
    probs: np.ndarray,
    labels: np.ndarray | Sequence[int],
    preds: np.ndarray | None = None,
    bins: int = BINS,
    binning: str = "equal",
) -> Calibration:
    """Return how well the confidence, the largest probability of a row, agrees with how often it is right.

    probs: floating point (N, C), an ensemble's; labels: int64 (N,); preds: int64 (N,), what was predicted where that is
    settled by another rule than the largest probability, as whole-number sums are. A confidence of a hair above 1
    counts as 1, in the last bin; one that is exactly an edge lies in the bin that ends there.

    binning "equal": B bins of equal width over 0..1. M. P. Naeini, G. F. Cooper and M. Hauskrecht, Obtaining well
    calibrated probabilities using Bayesian binning, AAAI 2015; 15 bins as C. Guo and others, On calibration of modern
    neural networks, ICML 2017, have it.
    binning "adaptive": bin b ends with the confidence of rank ceil(b N / B), so that bins hold as many samples each, to
    one; equal confidences stay together, in fewer bins if need be, and the order of the samples does not matter.
    K. Nguyen and B. O'Connor, Posterior calibration and exploratory analysis for NLP models, EMNLP 2015.
    Raises `BadInput` for shapes that do not fit, fewer than one bin or another binning.
    """
    probs, labels = checked(probs, labels, bins)
    if binning not in BINNINGS:
        raise BadInput(f"calibration: {binning!r} is no way to lay bins; {nearest(binning, BINNINGS)}.")
    confidence = np.minimum(probs.max(axis=1).astype(np.float64), 1.0)
    right = (probs.argmax(axis=1) if preds is None else np.asarray(preds)) == labels
    edges = np.arange(bins + 1) / bins if binning == "equal" else equal_mass(confidence, bins)
    place = bin_of(confidence, edges)
    counts = np.bincount(place, minlength=len(edges) - 1)
    correct = np.bincount(place, weights=right, minlength=len(counts))
    with np.errstate(invalid="ignore"):
        sure = np.bincount(place, weights=confidence, minlength=len(counts)) / counts
        share = correct / counts
    low, high = wilson(correct, counts)
    gaps = np.abs(share - sure)[counts > 0]
    ece = float((gaps * counts[counts > 0]).sum() / len(labels))
    return Calibration(edges, counts, sure, share, low, high, ece, binning)


def bin_of(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the bin (edges[b], edges[b + 1]] of each value, int64; one at or below the first edge is in the first."""
    return np.maximum(np.searchsorted(edges, values, side="left") - 1, 0)


def equal_mass(values: np.ndarray, bins: int) -> np.ndarray:
    """Return the edges of at most `bins` bins that hold as many of the values each, float64; see `calibration`."""
    ranks = -(-np.arange(1, bins + 1) * len(values) // bins)
    return np.unique(np.concatenate([[0.0], np.sort(values)[np.maximum(ranks, 1) - 1]]))


def checked(probs: np.ndarray, labels: np.ndarray | Sequence[int], bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and labels as arrays; raise `BadInput` where they do not fit, or for fewer than one bin."""
    if bins < 1:
        raise BadInput(f"calibration: expected at least one bin, found {bins}.")
    probs, labels = np.asarray(probs), np.asarray(labels)
    if probs.ndim != 2 or labels.shape != probs.shape[:1] or not labels.size:
        raise BadInput(
            f"calibration: expected probabilities (N, C) and N labels, found {probs.shape} and {labels.shape}."
        )
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= probs.shape[1]:
        raise BadInput(f"calibration: expected labels that are columns, whole numbers in 0..{probs.shape[1] - 1}.")
    return probs, labels


def _mean(values: np.ndarray, counts: np.ndarray) -> float:
    there = counts > 0
    return float((values[there] * counts[there]).sum() / counts.sum())
