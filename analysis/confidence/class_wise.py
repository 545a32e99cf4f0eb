"""Each class's probability against how often it is that class: class-wise calibration, and the Brier score's parts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.confidence.calibration import BINS, bin_of, checked
from analysis.metrics import brier


@dataclass(frozen=True, eq=False)
class BrierParts:
    """A Brier score, summed over classes, as reliability - resolution + uncertainty + residual.

    reliability: how far probabilities are from how often they come true, 0 at best.
    resolution: how far apart the bins' shares are from the share of the class over all samples, the more the better.
    uncertainty: of the labels alone, sum over classes of share (1 - share).
    residual: what the bins leave over: the score less the other three. It is 0 where all probabilities in a bin are
    equal, and else the variance of probabilities within bins less twice their covariance there with the outcome.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float

    @property
    def residual(self) -> float:
        """What the bins leave over."""
        return self.score - (self.reliability - self.resolution + self.uncertainty)


@dataclass(frozen=True, eq=False)
class ClassWise:
    """Samples by the probability of each of C classes, in B bins of equal width over 0..1; bin b is (b/B, (b + 1)/B].

    counts: int64 (C, B), samples in each bin of each class; each row sums to N. sums: float64 (C, B), their summed
    probability of the class. hits: int64 (C, B), how many of them are of the class.
    parts: of the Brier score, on the same bins.
    """

    counts: np.ndarray
    sums: np.ndarray
    hits: np.ndarray
    parts: BrierParts

    @property
    def by_class(self) -> np.ndarray:
        """Each class's calibration error, float64 (C,): over bins the sum of |hits - summed probability|, by N."""
        return np.abs(self.hits - self.sums).sum(axis=1) / self.counts[0].sum()

    @property
    def ece(self) -> float:
        """The class-wise expected calibration error: the mean of `by_class`."""
        return float(self.by_class.mean())


def class_wise(probs: np.ndarray, labels: np.ndarray | Sequence[int], bins: int = BINS) -> ClassWise:
    """Compare each class's probability, one against the rest, with how often samples are of that class.

    probs: floating point (N, C); labels: int64 (N,). Class-wise ECE: M. Kull and others, Beyond temperature scaling,
    NeurIPS 2019, which weighs all classes alike; most probabilities of many classes are near 0, so it falls as classes
    grow in number and compares only predictions of the same classes.

    The Brier score's parts: A. H. Murphy, A new vector partition of the probability score, Journal of Applied
    Meteorology 12 (1973), for one class against the rest, and summed over the classes, as the score is. His partition
    is exact where there is a bin for each different probability; on bins of several there is a residual: D. B.
    Stephenson, C. A. S. Coelho and I. T. Jolliffe, Two extra components in the Brier score decomposition, Weather and
    Forecasting 23 (2008). Raises `BadInput` for shapes that do not fit or fewer than one bin.
    """
    probs, labels = checked(probs, labels, bins)
    n, c = probs.shape
    edges = np.arange(bins + 1) / bins
    counts, hits = np.empty((c, bins), np.int64), np.empty((c, bins), np.int64)
    sums = np.empty((c, bins))
    for column in range(c):
        said = np.minimum(probs[:, column].astype(np.float64), 1.0)
        place = bin_of(said, edges)
        counts[column] = np.bincount(place, minlength=bins)
        sums[column] = np.bincount(place, weights=said, minlength=bins)
        hits[column] = np.bincount(place[labels == column], minlength=bins)
    share = hits.sum(axis=1, keepdims=True) / n
    filled = np.maximum(counts, 1)  # an empty bin adds 0, whatever it is divided by
    parts = BrierParts(
        score=brier(probs, labels),
        reliability=float(((sums - hits) ** 2 / filled).sum() / n),
        resolution=float(((hits - share * counts) ** 2 / filled).sum() / n),
        uncertainty=float((share * (1 - share)).sum()),
    )
    return ClassWise(counts, sums, hits, parts)
