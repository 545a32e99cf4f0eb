"""The calibration of an ensemble beside its members: as averaged, by size, and after one temperature."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.calibration.by_size import CalibrationBySize, calibration_by_size
from analysis.calibration.calibration import (
    BINS,
    BrierParts,
    Calibration,
    EceByChance,
    class_wise,
    ece_by_chance,
    measure_calibration,
)
from analysis.calibration.temperature import FEWEST, Temperature, fit_temperature, temperature
from analysis.csv_cells import write_csv
from analysis.ensemble import Ensemble
from analysis.metrics import nll
from ensemble.progress import Progress
from ensemble.study.tabular import Rows


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
        """Confidence less accuracy: above 0 where it is overconfident, below 0 where underconfident."""
        return self.confidence - self.accuracy


def calibration_scores(
    name: str,
    probs: np.ndarray,
    labels: np.ndarray | Sequence[int],
    preds: np.ndarray | None = None,
    bins: int = BINS,
) -> CalibrationScores:
    """Measure probabilities, floating point (N, C); preds: int64 (N,), see `confidence.calibration`."""
    equal, adaptive = (measure_calibration(probs, labels, preds, bins, binning) for binning in ("equal", "adaptive"))
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


HEADER = (
    "name", "kind", "samples", "accuracy", "confidence", "nll", "brier", "ece", "adaptive_ece", "class_wise_ece",
    "bins", "reliability", "resolution", "uncertainty", "residual", "temperature",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class EnsembleCalibration(Rows):
    """What is known of the probabilities of an ensemble and of its members.

    ensemble: the scores as averaged; chance: the ECE it would have if exactly calibrated; reliability: its bins.
    members, temperatures: the scores of each member alone and the temperature that suits it best, fitted to all
    samples; both empty where the ensemble is its only member. temperature: of the ensemble, cross-fitted; after,
    reliability_after: the scores and bins of the samples held out. All three are None where samples are too few, fewer
    than 20, and temperatures then empty. by_size: None where there is one member.
    """

    ensemble: CalibrationScores
    chance: EceByChance
    reliability: Calibration
    members: tuple[CalibrationScores, ...]
    temperatures: tuple[float, ...]
    temperature: Temperature | None
    after: CalibrationScores | None
    reliability_after: Calibration | None
    by_size: CalibrationBySize | None

    def _columns(self) -> dict[str, Any]:
        scores = [self.ensemble, *([] if self.after is None else [self.after]), *self.members]
        names = ("name", "samples", "accuracy", "confidence", "nll", "brier", "ece", "adaptive_ece", "class_wise_ece")
        return {name: [getattr(score, name) for score in scores] for name in names}


def ensemble_calibration(
    ensemble: Ensemble,
    bins: int = BINS,
    binning: str = "equal",
    progress: Progress | None = None,
) -> EnsembleCalibration:
    """Measure an ensemble; bins, binning: of the reliability, see `measure_calibration`; progress: samples by size."""
    stack = ensemble.stack
    labels = stack.require_labels()
    enough = len(labels) >= FEWEST
    found = temperature(ensemble.probs, labels, stack.sample_ids) if enough else None
    several = len(stack.members) > 1
    probs = [member.astype(np.float64) for member in stack.probs] if several else []
    scores = calibration_scores(ensemble.name, ensemble.probs, labels, ensemble.preds, bins)
    return EnsembleCalibration(
        ensemble=scores,
        chance=ece_by_chance(ensemble.probs, scores.ece, bins),
        reliability=measure_calibration(ensemble.probs, labels, ensemble.preds, bins, binning),
        members=tuple(
            calibration_scores(name, own, labels, preds, bins)
            for name, own, preds in zip(stack.members, probs, ensemble.member_preds if several else (), strict=several)
        ),
        temperatures=tuple(fit_temperature(own, labels) for own in probs) if enough else (),
        temperature=found,
        after=None if found is None else calibration_scores(ensemble.name, found.probs, labels, ensemble.preds, bins),
        reliability_after=None
        if found is None
        else measure_calibration(found.probs, labels, ensemble.preds, bins, binning),
        by_size=calibration_by_size(stack, bins, progress) if several else None,
    )


def write_calibration_csv(path: Path, value: EnsembleCalibration) -> None:
    """Write a row for the ensemble, one for it after its temperature, and one for each member; fractions in full."""
    rows = [_row(value.ensemble, "ensemble", None)]
    if value.after is not None and value.temperature is not None:
        rows.append(_row(value.after, "ensemble after temperature, held out", value.temperature.value))
    best = value.temperatures or (None,) * len(value.members)
    rows += [_row(scores, "member", own) for scores, own in zip(value.members, best, strict=True)]
    write_csv(path, HEADER, rows)


def _row(scores: CalibrationScores, kind: str, best: float | None) -> list[object]:
    parts = scores.parts
    return [
        scores.name, kind, scores.samples, scores.accuracy, scores.confidence, scores.nll, scores.brier, scores.ece,
        scores.adaptive_ece, scores.class_wise_ece, scores.bins, parts.reliability, parts.resolution, parts.uncertainty,
        parts.residual, best,
    ]  # fmt: skip
