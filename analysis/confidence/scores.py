"""All that is measured of one predictor's probabilities, in one row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.confidence.calibration import BINS, calibration
from analysis.confidence.class_wise import BrierParts, class_wise
from analysis.metrics import nll


@dataclass(frozen=True, eq=False)
class CalibrationScores:
    """How good and how honest a member's or an ensemble's probabilities are.

    accuracy, confidence: the share right, and the mean of the largest probability. nll: nats. parts: the Brier score
    and what it is made of. ece, adaptive_ece: see `calibration`; class_wise_ece: see `class_wise`.
    All with `bins` bins.
    """

    name: str
    samples: int
    accuracy: float
    confidence: float
    nll: float
    parts: BrierParts
    ece: float
    adaptive_ece: float
    class_wise_ece: float
    bins: int

    @property
    def brier(self) -> float:
        """The Brier score, summed over classes, 0..2."""
        return self.parts.score

    @property
    def gap(self) -> float:
        """Confidence less accuracy: above 0 where it is too sure of itself, below where not sure enough."""
        return self.confidence - self.accuracy


def calibration_scores(
    name: str,
    probs: np.ndarray,
    labels: np.ndarray | Sequence[int],
    preds: np.ndarray | None = None,
    bins: int = BINS,
) -> CalibrationScores:
    """Measure probabilities, floating point (N, C); preds: int64 (N,), see `confidence.calibration`."""
    equal, adaptive = (calibration(probs, labels, preds, bins, binning) for binning in ("equal", "adaptive"))
    by_class = class_wise(probs, labels, bins)
    return CalibrationScores(
        name=name,
        samples=equal.samples,
        accuracy=equal.mean_accuracy,
        confidence=equal.mean_confidence,
        nll=nll(np.asarray(probs), np.asarray(labels)),
        parts=by_class.parts,
        ece=equal.ece,
        adaptive_ece=adaptive.ece,
        class_wise_ece=by_class.ece,
        bins=bins,
    )
