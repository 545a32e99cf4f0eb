"""The calibration of an ensemble beside its members: as averaged, by size, and after one temperature."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arguments import checked
from analysis.calibration.calibration import (
    BINS,
    BrierParts,
    Calibration,
    EceByChance,
    bin_of,
    class_wise,
    confidences,
    ece_by_chance,
    measure_calibration,
    reliability,
)
from analysis.calibration.temperature import FEWEST, Temperature, fit_temperature, temperature
from analysis.csv_cells import write_csv
from analysis.ensemble import Ensemble
from analysis.metrics import SCALE, floored, predicted, true_probs
from analysis.stack import PredictionStack
from ensemble.errors import BadInput
from ensemble.machine import Progress
from ensemble.study.row_probs import row_blocks
from ensemble.study.tabular import Rows

MOST = 300  # subsets; where there are more, a sample of each size is taken
WANTED = 20  # subsets of a size in a sample, at least, where there are as many
BLOCK_NUMBERS = 80_000  # samples times classes of a block: its sums stay in a core's cache
COLUMNS = ("accuracy", "confidence", "ece", "nll", "brier")


@dataclass(frozen=True, eq=False)
class CalibrationBySize:
    """Scores of S subsets of M members; the members of a subset are averaged, and nothing else is done to them.

    subsets: S tuples of increasing positions, sorted by size and then position. scores: each of "accuracy",
    "confidence", "ece", "nll" and "brier" -> float64 (S,). bins: of the ECE, of equal width.
    members: M names. split, samples: what was scored.
    """

    subsets: tuple[tuple[int, ...], ...]
    scores: dict[str, np.ndarray]
    bins: int
    members: tuple[str, ...]
    split: str
    samples: int

    @cached_property
    def sizes(self) -> np.ndarray:
        """How many members each subset has, int64 (S,)."""
        return np.array([len(subset) for subset in self.subsets])

    @property
    def ks(self) -> np.ndarray:
        """The sizes there are, int64 (K,), increasing."""
        return np.unique(self.sizes)

    @property
    def counts(self) -> np.ndarray:
        """How many subsets of each size were scored, int64 (K,)."""
        return np.bincount(self.sizes)[self.ks]

    @property
    def sampled(self) -> bool:
        """Whether of some size not all subsets were scored."""
        m = len(self.members)
        return any(count < math.comb(m, int(k)) for k, count in zip(self.ks, self.counts, strict=True))

    @property
    def how(self) -> str:
        """Say which subsets were scored."""
        if not self.sampled:
            return f"all {len(self.subsets):,} subsets"
        m, most = len(self.members), int(self.counts.max())
        every = f"{2**m - 1:,}" if m <= 20 else f"2^{m} - 1"
        return f"{len(self.subsets):,} of {every} subsets, at most {most} of each size, drawn by seed"

    def summary(self, column: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the mean, smallest and largest score of each size: three float64 (K,)."""
        rows = [self.scores[column][self.sizes == k] for k in self.ks]
        mean, low, high = (np.array([f(row) for row in rows]) for f in (np.mean, np.min, np.max))
        return mean, low, high


def calibration_by_size(
    stack: PredictionStack,
    bins: int = BINS,
    progress: Progress | None = None,
    seed: int = 0,
) -> CalibrationBySize:
    """Score subsets of each size: all where there are at most 300, else some of each size, see `choose_subsets`.

    Predictions are those of the whole-number sums, and the confidence is the largest sum over k 2^26, within 2^-27 of
    the largest mean probability; NLL and Brier score are as in `analysis.subsets.reference`. progress is told samples
    done, and all. Raises `BadInput` where the stack has no labels, or for fewer than one bin.
    """
    labels = stack.require_labels()
    if bins < 1:
        raise BadInput(f"calibration: expected at least one bin, found {bins}.")
    orders = choose_subsets(len(stack.members), seed)
    subsets = sorted((tuple(sorted(order)) for order in orders), key=lambda s: (len(s), s))
    row_of = {subset: row for row, subset in enumerate(subsets)}
    rows = [row_of[tuple(sorted(order))] for order in orders]
    edges = np.arange(bins + 1) / bins
    s, n = len(subsets), stack.samples
    counts, summed, right = np.zeros((s, bins)), np.zeros((s, bins)), np.zeros((s, bins))
    products = np.zeros((len(stack.members), len(stack.members)))
    own = np.empty((len(stack.members), n))
    step = max(1, BLOCK_NUMBERS // stack.classes)
    for start in range(0, n, step):
        here = slice(start, min(start + step, n))
        y = labels[here]
        errors = stack.probs[:, here].astype(np.float64)
        own[:, here] = floored(true_probs(errors, y))
        errors[:, np.arange(len(y)), y] -= 1
        flat = errors.reshape(len(errors), -1)
        products += flat @ flat.T
        for row, k, sums in zip(rows, map(len, orders), _sums(orders, stack.quantised(here)), strict=True):
            preds = predicted(sums)
            confidence = np.minimum(np.take_along_axis(sums, preds[:, None], axis=1)[:, 0] / (k * SCALE), 1.0)
            place = bin_of(confidence, edges)
            counts[row] += np.bincount(place, minlength=bins)
            summed[row] += np.bincount(place, weights=confidence, minlength=bins)
            right[row] += np.bincount(place[preds == y], minlength=bins)
        if progress:
            progress(here.stop, n)
    return CalibrationBySize(
        subsets=tuple(subsets),
        scores={
            "accuracy": right.sum(axis=1) / n,
            "confidence": summed.sum(axis=1) / n,
            "ece": np.abs(right - summed).sum(axis=1) / n,
            "nll": np.array([-np.log(own[list(subset)].mean(axis=0)).mean() for subset in subsets]),
            "brier": np.array([products[np.ix_(subset, subset)].mean() / n for subset in subsets]),
        },
        bins=bins,
        members=stack.members,
        split=stack.split,
        samples=n,
    )


def choose_subsets(members: int, seed: int = 0) -> list[tuple[int, ...]]:
    """Return the subsets that are scored, members in some order, so that each is soon reached from one before it.

    All of them where there are at most 300. Else the members are put in a random order around a circle, and of each
    size the runs of neighbours are taken, so that every member takes part equally often; and again with other orders
    until there are 20 of each size, or all.
    """
    if 2**members - 1 <= MOST:
        return sorted(subset for k in range(1, members + 1) for subset in combinations(range(members), k))
    stream = np.random.default_rng([seed, members])
    chosen: dict[frozenset[int], tuple[int, ...]] = {}
    for _ in range(max(1, -(-WANTED // members))):
        circle = [int(i) for i in stream.permutation(members)] * 2
        for start in range(members):
            for k in range(1, members + 1):
                run = tuple(circle[start : start + k])
                chosen.setdefault(frozenset(run), run)
    return sorted(chosen.values())


def _sums(orders: Sequence[tuple[int, ...]], q: np.ndarray) -> Iterator[np.ndarray]:
    """Give the sum of q (M, rows, C) over each order's members: one addition for each member not shared with the last.

    orders: sorted, so that those which begin alike stand together. What is given may be overwritten later.
    """
    # 31 members' sums fit into 32 bits, which halves the memory to walk through.
    q = q.astype(np.int32) if len(q) <= 31 else q
    sums = np.empty((1 + max(map(len, orders)), *q.shape[1:]), dtype=q.dtype)
    sums[0] = 0
    before: tuple[int, ...] = ()
    for order in orders:
        shared = 0
        while shared < min(len(before), len(order)) and before[shared] == order[shared]:
            shared += 1
        for depth in range(shared, len(order)):
            np.add(sums[depth], q[order[depth]], out=sums[depth + 1])
        before = order
        yield sums[len(order)]


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
    probs, labels = checked(probs, labels, name)
    confidence, likeliest = confidences(probs)
    right = (likeliest if preds is None else preds) == labels
    equal, adaptive = (reliability(confidence, right, bins, binning) for binning in ("equal", "adaptive"))
    by_class = class_wise(probs, labels, bins)
    own = np.concatenate([true_probs(rows, labels[here]) for here, rows in row_blocks(probs)])
    return CalibrationScores(
        name=name,
        samples=equal.samples,
        accuracy=equal.mean_accuracy,
        confidence=equal.mean_confidence,
        nll=float(-np.log(floored(own)).mean()),
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
    groups: ArrayLike | None = None,
) -> EnsembleCalibration:
    """Measure an ensemble; bins, binning: of the reliability, see `measure_calibration`; progress: samples by size.

    groups: (N,), a name or number of what each sample belongs to: the temperature's folds keep them together, and the
    reliability's intervals count them so. What chance gives the ECE is of separate samples.
    """
    stack = ensemble.stack
    labels = stack.require_labels()
    enough = len(labels) >= FEWEST
    probs = ensemble.probs
    found = temperature(probs, labels, stack.sample_ids, groups=groups) if enough else None
    several = len(stack.members) > 1
    scores = calibration_scores(ensemble.name, probs, labels, ensemble.preds, bins)
    members, temperatures = [], []
    for i, name in enumerate(stack.members if several else ()):
        own = stack.of_member(i)
        members.append(calibration_scores(name, own, labels, ensemble.member_preds[i], bins))
        temperatures += [fit_temperature(own, labels)] if enough else []
    return EnsembleCalibration(
        ensemble=scores,
        chance=ece_by_chance(probs, scores.ece, bins),
        reliability=measure_calibration(probs, labels, ensemble.preds, bins, binning, groups),
        members=tuple(members),
        temperatures=tuple(temperatures),
        temperature=found,
        after=None if found is None else calibration_scores(ensemble.name, found.probs, labels, ensemble.preds, bins),
        reliability_after=None
        if found is None
        else measure_calibration(found.probs, labels, ensemble.preds, bins, binning, groups),
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
