"""When an ensemble had better not answer: its curves, its sets and its uncertainty, beside its members'."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.abstention.conformal import (
    ALPHA,
    FOLDS,
    METHODS,
    ConformalSets,
    conformal_sets,
    fewest_calibrating,
    least_alpha,
    rounded_up,
)
from analysis.abstention.selective import RiskCoverage, risk_coverage
from analysis.abstention.shifted import ShiftDetection, detect_shift
from analysis.abstention.uncertainty import UncertaintyParts, energy, ensemble_scores, plain_scores
from analysis.csv_cells import write_csv
from analysis.ensemble import Ensemble
from analysis.stack import PredictionStack
from analysis.statistics import group_codes
from ensemble.errors import BadInput
from ensemble.machine import Progress
from ensemble.study.predictions import read_logits, read_rows
from ensemble.study.study import Study
from ensemble.study.tabular import Rows

WAYS: Mapping[str, int | None] = {"cross-fitted": FOLDS, "split": None}


@dataclass(frozen=True, eq=False)
class ShiftedSplit(Rows):
    """A shifted or foreign split beside the usual one.

    detection: whether its samples are told from the usual ones, by each score. parts: their uncertainty; None of one
    member. curve: by confidence, and coverage and size of the usual split's sets there, by method; None and empty where
    it has no labels.
    """

    detection: ShiftDetection
    parts: UncertaintyParts | None
    curve: RiskCoverage | None
    coverage: Mapping[str, float]
    mean_size: Mapping[str, float]

    def _columns(self) -> dict[str, Any]:
        return self.detection._columns()


@dataclass(frozen=True, eq=False)
class EnsembleAbstention(Rows):
    """When an ensemble had better not answer.

    ensemble: whom it is about. certainty: score -> float64 (N,), the higher the more certain. curves: score -> the
    risk-coverage curve of the ensemble; members: the same of each member alone, empty where the ensemble is its only
    member. parts: the uncertainty in parts; None of one member.
    sets: conformal sets of the ensemble, each method cross-fitted and split; member_sets: of each member, cross-fitted.
    Both are empty where samples are too few for `alpha`, and `lacking` says so. shifted: other splits.
    """

    ensemble: Ensemble
    certainty: Mapping[str, np.ndarray]
    curves: Mapping[str, RiskCoverage]
    members: tuple[Mapping[str, RiskCoverage], ...]
    parts: UncertaintyParts | None
    alpha: float
    sets: tuple[ConformalSets, ...]
    member_sets: tuple[tuple[ConformalSets, ...], ...]
    lacking: str
    shifted: tuple[ShiftedSplit, ...]

    def _columns(self) -> dict[str, Any]:
        every = [curve for curves in (self.curves, *self.members) for curve in curves.values()]
        names = ("name", "score", "samples", "errors", "aurc", "least_aurc", "excess_aurc", "auroc", "low", "high")
        return {name: [getattr(curve, name) for curve in every] for name in names}

    @property
    def best(self) -> RiskCoverage:
        """The ensemble's curve with the lowest AURC, of equal ones the first."""
        return min(self.curves.values(), key=lambda curve: curve.aurc)

    def found(self, method: str, how: str = "cross-fitted") -> ConformalSets | None:
        """Return the ensemble's sets of one method; None where there are none."""
        return next((s for s in self.sets if (s.method, s.how) == (method, how)), None)


def ensemble_abstention(
    ensemble: Ensemble,
    alpha: float | None = None,
    shifted: Sequence[Ensemble] = (),
    logits: Sequence[Sequence[np.ndarray] | None] = (),
    progress: Progress | None = None,
    groups: ArrayLike | None = None,
) -> EnsembleAbstention:
    """Measure when an ensemble had better not answer.

    alpha: the share of conformal sets that may miss the true class; where None, 0.1, and no sets where the samples are
    too few for it. shifted: the same ensemble on other splits, labelled or not. logits: (N, C) of each member, in the
    stack's order, for the energy; one entry for the ensemble and one for each of `shifted`, None where there are none.
    progress: told (done, total) of predictors. groups: (N,), a name or number of what each sample belongs to: sets are
    then given by other groups, and intervals count samples so, but for those of other splits.
    Raises `BadInput` where there are no labels, and for an alpha that so few samples cannot support.
    """
    stack = ensemble.stack
    labels = stack.require_labels()
    logits = [*logits, *[None] * (1 + len(shifted) - len(logits))]
    scores, parts = ensemble_scores(ensemble, logits[0])
    right = ensemble.preds == labels
    several = len(stack.members) > 1
    own_logits = logits[0] if several else None
    members, member_sets = [], []
    of = None if groups is None else group_codes(groups, stack.samples)
    sets, lacking = _sets(ensemble.probs, stack, alpha, tuple(WAYS), of)
    for i, name in enumerate(stack.members if several else ()):
        preds = ensemble.member_preds[i]
        own = plain_scores(stack.of_member(i), preds)
        if own_logits is not None:
            own |= {"energy": energy(own_logits[i])}
        members.append({key: risk_coverage(v, preds == labels, key, name, of) for key, v in own.items()})
        if sets:
            member_sets.append(_sets(stack.of_member(i), stack, alpha, ("cross-fitted",), of)[0])
        if progress:
            progress(i + 1, len(stack.members))
    return EnsembleAbstention(
        ensemble=ensemble,
        certainty=scores,
        curves={key: risk_coverage(values, right, key, ensemble.name, of) for key, values in scores.items()},
        members=tuple(members),
        parts=parts,
        alpha=ALPHA if alpha is None else alpha,
        sets=sets,
        member_sets=tuple(member_sets),
        lacking=lacking,
        shifted=tuple(
            _shifted(ensemble, scores, sets, other, own) for other, own in zip(shifted, logits[1:], strict=True)
        ),
    )


def _sets(
    probs: np.ndarray, stack: PredictionStack, alpha: float | None, ways: Sequence[str], groups: np.ndarray | None
) -> tuple[tuple[ConformalSets, ...], str]:
    """Return sets by each method and way; none, and why, where nobody asked for an alpha and samples are too few."""
    labels = stack.require_labels()
    at = ALPHA if alpha is None else alpha
    n = stack.samples
    if not 0 < at < 1:
        raise BadInput(f"alpha={at:g}: expected a share of sets that may miss, above 0 and below 1.")
    if not _supported(n, at):
        if alpha is None:
            are = "sample is" if n == 1 else "samples are"
            return (), f"{n} {are} too few for sets that miss {at:.0%}; at least {_needed(at)} are needed."
        raise BadInput(
            f"alpha={at:g}: {n:,} samples are too few for sets that miss so seldom; the least that all methods can "
            f"keep to is {rounded_up(_least(n))}; take that, or more samples."
        )
    ids = stack.sample_ids if stack.ids_given else None
    try:
        return tuple(
            conformal_sets(probs, labels, method, at, WAYS[way], ids, stack.class_ids, stack.class_names, groups=groups)
            for method in METHODS
            for way in ways
        ), ""
    except BadInput as few:
        if alpha is not None or groups is None:
            raise
        return (), f"groups that are kept together leave too few samples: {few}"


def _supported(n: int, alpha: float) -> bool:
    """Say whether every method and way can keep to alpha on n samples."""
    return n > 1 and alpha >= _least(n) - 1e-12


def _least(n: int) -> float:
    """Return the least alpha that every method and way can keep to on n samples."""
    return max(least_alpha(fewest_calibrating(n, way), method) for way in WAYS.values() for method in METHODS)


def _needed(alpha: float) -> int:
    """Return from how many samples on every method and way can keep to alpha."""
    return next(n for n in count(2) if _supported(n, alpha))


def _shifted(
    usual: Ensemble,
    scores: Mapping[str, np.ndarray],
    sets: Sequence[ConformalSets],
    other: Ensemble,
    logits: Sequence[np.ndarray] | None,
) -> ShiftedSplit:
    """Return another split beside the usual one."""
    if usual.stack.class_ids != other.stack.class_ids:
        raise BadInput(f"{other.split}: has other classes than {usual.split}; expected the same class ids.")
    found, parts = ensemble_scores(other, logits)
    labels, curve, coverage, size = other.stack.labels, None, {}, {}
    if labels is not None:
        curve = risk_coverage(found["confidence"], other.preds == labels, "confidence", other.name)
        for own in sets:
            if own.how == "cross-fitted":
                sizes, covered = own.measured(other.probs, labels)
                coverage[own.method], size[own.method] = float(covered.mean()), float(sizes.mean())
    return ShiftedSplit(detect_shift(scores, found, usual.split, other.split), parts, curve, coverage, size)


def logits_of(study: Study, stack: PredictionStack) -> list[np.ndarray] | None:
    """Return each member's logits float32 (N, C), by the rows and columns of a stack; None where one has none."""
    found = []
    for member in stack.members:
        path = study.predictions_path(member, stack.split)
        logits = read_logits(path) if path.is_file() else None
        if logits is None:
            return None
        rows = read_rows(path)
        at = {str(sample): row for row, sample in enumerate(rows.sample_ids)}
        column = {name: c for c, name in enumerate(rows.class_ids)}
        order = [at[str(sample)] for sample in stack.sample_ids]
        found.append(logits[np.ix_(order, [column[name] for name in stack.class_ids])])
    return found


HEADER = (
    "name", "kind", "score", "samples", "errors", "aurc", "least_aurc", "excess_aurc", "auroc", "auroc_low",
    "auroc_high",
)  # fmt: skip
CLASS_HEADER = ("method", "how", "alpha", "class_id", "class_name", "samples", "coverage", "low", "high", "mean_size")


def write_abstention_csv(path: Path, value: EnsembleAbstention) -> None:
    """Write a row for each predictor and score: the ensemble first, then each member."""
    rows = [("ensemble", curve) for curve in value.curves.values()]
    rows += [("member", curve) for curves in value.members for curve in curves.values()]
    write_csv(
        path,
        HEADER,
        (
            (c.name, kind, c.score, c.samples, c.errors, c.aurc, c.least_aurc, c.excess_aurc, c.auroc, c.low, c.high)
            for kind, c in rows
        ),
    )


def write_sets_csv(path: Path, value: EnsembleAbstention) -> None:
    """Write a row for each method, way and class: how often the ensemble's sets hold it, and how large they are."""
    rows = []
    for found in value.sets:
        columns = found.by_class()
        for i, (key, name) in enumerate(zip(found.class_ids, found.class_names, strict=True)):
            rows.append((found.method, found.how, found.alpha, key, name, *(column[i] for column in columns.values())))
    write_csv(path, CLASS_HEADER, rows)


def write_samples_csv(path: Path, value: EnsembleAbstention) -> None:
    """Write a row for each sample, the least certain first: what is predicted, each certainty, and the sets' sizes."""
    ensemble = value.ensemble
    stack, labels = ensemble.stack, ensemble.stack.require_labels()
    order = np.lexsort((stack.sample_ids, value.certainty["confidence"]))
    columns = dict(value.certainty)
    columns |= {f"set_size_{s.method}": s.sizes for s in value.sets if s.how == "cross-fitted"}
    columns |= {f"in_set_{s.method}": s.covered for s in value.sets if s.how == "cross-fitted"}
    write_csv(
        path,
        ("sample_id", "true_id", "predicted_id", "right", *columns),
        (
            (
                str(stack.sample_ids[i]), stack.class_ids[labels[i]], stack.class_ids[ensemble.preds[i]],
                ensemble.preds[i] == labels[i], *(column[i] for column in columns.values()),
            )
            for i in order
        ),
    )  # fmt: skip
