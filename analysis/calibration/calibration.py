"""How well confidence agrees with accuracy: reliability by bins, and the expected calibration error."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arguments import checked
from analysis.metrics import squared_error
from analysis.statistics import class_effects, group_codes, wilson
from ensemble.errors import BadInput, nearest
from ensemble.study.row_probs import RowProbs, row_blocks
from ensemble.study.tabular import Rows, html_table, percent

BINS = 15
BINNINGS = ("equal", "adaptive")


@dataclass(frozen=True, eq=False)
class Calibration(Rows):
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

    def _columns(self) -> dict[str, Any]:
        scores = {name: getattr(self, name) for name in ("counts", "confidence", "accuracy", "low", "high")}
        return {"from": self.edges[:-1], "to": self.edges[1:], **scores}

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
        """Mean confidence less accuracy: above 0 where it is overconfident, below 0 where underconfident."""
        return self.mean_confidence - self.mean_accuracy

    def _repr_html_(self) -> str:
        rows = [
            (f"{self.edges[b]:.3f} - {self.edges[b + 1]:.3f}", int(self.counts[b]),
             *map(percent, (self.confidence[b], self.accuracy[b], self.low[b], self.high[b])))
            for b in range(len(self.counts))
        ]  # fmt: skip
        title = f"Confidence and accuracy of {self.samples:,} samples: ECE {self.ece:.4f}, {self.binning} bins"
        return html_table(title, ("confidence", "samples", "mean %", "right %", "95 % from", "to"), rows)


def measure_calibration(
    probs: np.ndarray,
    labels: np.ndarray | Sequence[int],
    preds: np.ndarray | None = None,
    bins: int = BINS,
    binning: str = "equal",
    groups: ArrayLike | None = None,
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
    groups: (N,), a name or number of what each sample belongs to; intervals are then Wilson's for as many samples as
    have the variance, see `statistics.class_effects`.
    Raises `BadInput` for shapes that do not fit, fewer than one bin or another binning.
    """
    _check_bins(bins)
    probs, labels = checked(probs, labels, "calibration")
    if binning not in BINNINGS:
        raise BadInput(f"calibration: {binning!r} is not a way to lay bins; {nearest(binning, BINNINGS)}.")
    confidence, likeliest = confidences(probs)
    return reliability(confidence, (likeliest if preds is None else np.asarray(preds)) == labels, bins, binning, groups)


def confidences(probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return of each row of probs (N, C) the largest probability, float64 (N,) of at most 1, and whose it is."""
    confidence, likeliest = np.empty(len(probs)), np.empty(len(probs), np.int64)
    for here, rows in row_blocks(probs):
        confidence[here], likeliest[here] = rows.max(axis=1), rows.argmax(axis=1)
    return np.minimum(confidence, 1.0), likeliest


def reliability(
    confidence: np.ndarray, right: np.ndarray, bins: int, binning: str = "equal", groups: ArrayLike | None = None
) -> Calibration:
    """Return `measure_calibration` of confidences float64 (N,), and whether each sample is right, bool (N,)."""
    edges = np.arange(bins + 1) / bins if binning == "equal" else equal_mass(confidence, bins)
    place = bin_of(confidence, edges)
    counts = np.bincount(place, minlength=len(edges) - 1)
    correct = np.bincount(place, weights=right, minlength=len(counts))
    with np.errstate(invalid="ignore"):
        means = np.bincount(place, weights=confidence, minlength=len(counts)) / counts
        share = correct / counts
    effect = np.ones(len(counts))
    if groups is not None:
        of = group_codes(groups, len(right))
        effect = np.nan_to_num(class_effects(right.astype(np.float64), place, of, len(counts)), nan=1.0)
    low, high = wilson(correct / effect, counts / effect)
    gaps = np.abs(share - means)[counts > 0]
    ece = float((gaps * counts[counts > 0]).sum() / len(right))
    return Calibration(edges, counts, means, share, low, high, ece, binning)


def bin_of(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the bin (edges[b], edges[b + 1]] of each value, int64; one at or below the first edge is in the first."""
    return np.maximum(np.searchsorted(edges, values, side="left") - 1, 0)


def equal_mass(values: np.ndarray, bins: int) -> np.ndarray:
    """Return the edges of at most `bins` bins that hold as many of the values each, float64; see `calibration`."""
    ranks = -(-np.arange(1, bins + 1) * len(values) // bins)
    return np.unique(np.concatenate([[0.0], np.sort(values)[np.maximum(ranks, 1) - 1]]))


def _check_bins(bins: int) -> None:
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or bins < 1:
        raise BadInput(f"calibration: expected at least one bin, a whole number, found {bins!r}.")


def _mean(values: np.ndarray, counts: np.ndarray) -> float:
    there = counts > 0
    return float((values[there] * counts[there]).sum() / counts.sum())


DRAWS = 999
_NUMBERS = 1_000_000  # draws times samples that are held at once


@dataclass(frozen=True)
class EceByChance:
    """The ECE of outcomes drawn as the confidence says, over `draws` draws.

    mean: their mean, which a calibrated predictor has by chance alone. p: the share of draws, the observed one counted
    among them, with an ECE of at least the observed: a small one says that it is not calibrated, a large one says
    nothing.
    """

    mean: float
    p: float
    draws: int


def ece_by_chance(probs: np.ndarray, ece: float, bins: int = BINS, draws: int = DRAWS, seed: int = 0) -> EceByChance:
    """Draw whether each sample is right with the probability that its confidence says, again and again.

    probs: floating point (N, C); ece: what was observed with so many bins of equal width. The consistency resampling of
    J. Bröcker and L. A. Smith, Increasing the reliability of reliability diagrams, Weather and Forecasting 22 (2007),
    as J. Vaicenavicius and others, Evaluating model calibration in classification, AISTATS 2019, use it for the ECE.
    """
    confidence = np.sort(confidences(probs if isinstance(probs, RowProbs) else np.asarray(probs))[0])
    place = bin_of(confidence, np.arange(bins + 1) / bins)
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    expected = np.add.reduceat(confidence, starts)
    stream, n = np.random.default_rng(seed), len(confidence)
    step = max(1, _NUMBERS // n)
    found = np.concatenate([
        np.abs(np.add.reduceat(stream.random((min(step, draws - done), n)) < confidence, starts, axis=1, dtype=np.int64)
               - expected).sum(axis=1) / n
        for done in range(0, draws, step)
    ])  # fmt: skip
    return EceByChance(float(found.mean()), float((1 + (found >= ece - 1e-12).sum()) / (draws + 1)), draws)


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
class ClassWise(Rows):
    """Samples by the probability of each of C classes, in B bins of equal width over 0..1; bin b is (b/B, (b + 1)/B].

    counts: int64 (C, B), samples in each bin of each class; each row sums to N. sums: float64 (C, B), their summed
    probability of the class. hits: int64 (C, B), how many of them are of the class.
    parts: of the Brier score, on the same bins.
    """

    counts: np.ndarray
    sums: np.ndarray
    hits: np.ndarray
    parts: BrierParts

    def _columns(self) -> dict[str, Any]:
        classes, bins = self.counts.shape
        return {
            "class": np.repeat(np.arange(classes), bins), "bin": np.tile(np.arange(bins), classes),
            "counts": self.counts.ravel(), "sums": self.sums.ravel(), "hits": self.hits.ravel(),
        }  # fmt: skip

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
    _check_bins(bins)
    probs, labels = checked(probs, labels, "calibration")
    n, c = probs.shape
    edges = np.arange(bins + 1) / bins
    counts, hits = np.zeros((2, c, bins), np.int64)
    sums, errors = np.zeros((c, bins)), np.empty(n)
    for here, rows in row_blocks(probs):
        own = np.minimum(rows.astype(np.float64), 1.0)
        place = bin_of(own, edges) + bins * np.arange(c)
        counts += np.bincount(place.ravel(), minlength=c * bins).reshape(c, bins)
        sums += np.bincount(place.ravel(), weights=own.ravel(), minlength=c * bins).reshape(c, bins)
        y = labels[here]
        hits += np.bincount(place[np.arange(len(y)), y], minlength=c * bins).reshape(c, bins)
        errors[here] = squared_error(rows, y)
    share = hits.sum(axis=1, keepdims=True) / n
    filled = np.maximum(counts, 1)  # an empty bin adds 0, whatever it is divided by
    parts = BrierParts(
        score=float(errors.mean()),
        reliability=float(((sums - hits) ** 2 / filled).sum() / n),
        resolution=float(((hits - share * counts) ** 2 / filled).sum() / n),
        uncertainty=float((share * (1 - share)).sum()),
    )
    return ClassWise(counts, sums, hits, parts)
