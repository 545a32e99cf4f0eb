"""The ensembles that were chosen by their score, each with a score beside it that does not flatter."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.calibration.calibration import BINS, Calibration, reliability
from analysis.metrics import SCALE, predicted
from analysis.selection.best import Best, Counted, Listed, SubsetSums, sums_of
from analysis.selection.compare import (
    MOMENT,
    SelectionResult,
    beside,
    evaluate_selection,
    everyone,
    selection_of,
    unchosen,
)
from analysis.selection.cross_validation import FOLDS, REPEATS, HonestScore
from analysis.selection.data import Selection, SelectionData
from analysis.stack import PredictionStack
from analysis.subsets.beyond import LeadingTable
from analysis.subsets.reference import mask_of
from analysis.subsets.table import SubsetTable, count_subsets, sizes_of
from ensemble.machine import Progress

MOST_KEPT = 2**17  # subsets, of which each block's counts are kept: 13 MB, eight times that in large blocks


@dataclass(frozen=True, eq=False)
class Choice:
    """One way to choose and what came of it.

    name: "best" of all subsets, "size" for the best of one size, "member" for the best single one, "all" for nothing
    chosen, or "greedy", "weights", "stack". size: how many members a subset has that may be chosen, None where that is
    open. mask: the subset chosen, None where its members' weights differ. weights: member positions to weights, None
    for a subset and for a regression. stability: the share of the folds' selections that chose the same members.
    """

    name: str
    size: int | None
    mask: int | None
    weights: dict[int, float] | None
    honest: HonestScore
    stability: float | None


class Kept:
    """Sums that remember what each block of samples holds: every way to choose asks for the same ones."""

    def __init__(self, whole: SubsetSums) -> None:
        self._whole = whole
        self.masks = whole.masks
        self._known: dict[str, np.ndarray] = {}

    def sums(self, metric: str, rows: np.ndarray) -> np.ndarray:
        """Return the sum of the metric over `rows`, bool (n,), of each subset."""
        return self._whole.sums(metric, rows)

    def by_block(self, metric: str, block: np.ndarray) -> np.ndarray:
        """Return the sums over the samples of each block, (G, S); the blocks are always the same."""
        if metric not in self._known:
            self._known[metric] = self._whole.by_block(metric, block)
        return self._known[metric]


class OfSize:
    """The sums of the subsets of one size, out of those of all."""

    def __init__(self, whole: SubsetSums, size: int) -> None:
        self._whole = whole
        self._rows = np.flatnonzero(sizes_of(whole.masks) == size)
        self.masks = whole.masks[self._rows]

    def sums(self, metric: str, rows: np.ndarray) -> np.ndarray:
        """Return the sum of the metric over `rows`, bool (n,), of each subset."""
        return self._whole.sums(metric, rows)[self._rows]

    def by_block(self, metric: str, block: np.ndarray) -> np.ndarray:
        """Return the sums over the samples of each block, (G, S)."""
        return np.ascontiguousarray(self._whole.by_block(metric, block)[:, self._rows])


def best_of_all(seen: SelectionData, table: SubsetTable, counted: Counted | None = None) -> Best:
    """Return the choice of the best of all subsets; its sums are kept for the other choices that ask for them.

    seen: the data of every member on the split; table: of all subsets, or a `LeadingTable`, as `select` has it;
    counted: the same by block of samples, where it is there.
    """
    every = range(1, seen.members + 1)
    if isinstance(table, LeadingTable):
        return Best(seen, Listed(seen, table, "accuracy", table.leading("accuracy")))
    if counted is None and 2**seen.members > MOST_KEPT:
        return Best(seen, sums_of(seen, every))
    return Best(seen, counted or Kept(sums_of(seen, every)))


def choices(best: Best, progress: Progress | None = None) -> tuple[Choice, ...]:
    """Return the choices worth naming: the best, the best of each size, all members, and what else takes a moment.

    best: of all subsets, by `best_of_all`. progress: told how many were made, and how many there are. What would take
    more than a moment by estimate is left out.
    """
    seen = best.data
    selections = _selections(best)
    found = []
    for done, (name, size, selection) in enumerate(selections):
        found.append(_choice(name, size, evaluate_selection(selection)))
        if progress:
            progress(done + 1, len(selections))
    found.append(_choice("all", seen.members, unchosen("all", seen, everyone(seen))))
    return tuple(found)


def _selections(best: Best) -> list[tuple[str, int | None, Selection]]:
    """Return the ways to choose, each with its name and the size it is bound to."""
    seen, kept = best.data, best.subsets
    members = seen.members
    every = range(1, members + 1)
    if members < 2:
        return []
    found: list[tuple[str, int | None, Selection]] = [("best", None, best)]
    for k in every[:-1]:
        if count_subsets(members, [k]) > MOST_KEPT and isinstance(kept, Listed):
            continue
        known = isinstance(kept, Kept | Counted)
        selection = Best(seen, OfSize(kept, k)) if known else selection_of("best", seen, [k])
        if selection.seconds * FOLDS * REPEATS <= MOMENT:
            found.append(("member" if k == 1 else "size", k, selection))
    return found + [(s.name, None, s) for s in beside("best", seen, every, "accuracy", None)[0]]


def _choice(name: str, size: int | None, made: SelectionResult) -> Choice:
    weights = made.chosen.weights
    own = None if weights is None else weights[weights > 0]
    subset = own is not None and bool((own == own[0]).all()) and name in ("best", "size", "member", "all")
    return Choice(
        name=name,
        size=size,
        mask=mask_of(made.chosen.members) if subset else None,
        weights=None if weights is None or subset else {i: float(weights[i]) for i in made.chosen.members},
        honest=made.honest,
        stability=None if made.held is None else made.held.stability,
    )


EVERY = 6  # members, up to which every subset has its panels
_NUMBERS = 100_000  # samples times classes of a block: a subset's sums stay in a core's cache


@dataclass(frozen=True, eq=False)
class Panels:
    """What P subsets say of N samples, which stand in the order of their classes.

    masks: P of them, increasing. rows: int64 (N,), where each sample stands in the stack: sorted by label.
    starts: int64 (C + 1,), the samples of class c are starts[c] to starts[c + 1].
    preds: int64 (P, N), by the one rule of arithmetic. confidence, truth: float64 (P, N), the mean probability of
    what is predicted and of the true class. calibrations: P of them, of the largest mean probability.
    """

    masks: tuple[int, ...]
    rows: np.ndarray
    starts: np.ndarray
    preds: np.ndarray
    confidence: np.ndarray
    truth: np.ndarray
    calibrations: tuple[Calibration, ...]

    @property
    def labels(self) -> np.ndarray:
        """Each sample's class, int64 (N,)."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def place(self, mask: int) -> int:
        """Return which of the P subsets this is."""
        return self.masks.index(mask)

    def only(self, kept: np.ndarray) -> "Panels":
        """Return what they say of some samples, `kept`: int64, increasing; calibration stays that of all."""
        counts = np.bincount(self.labels[kept], minlength=len(self.starts) - 1)
        return replace(
            self, rows=self.rows[kept], starts=np.concatenate([[0], np.cumsum(counts)]), preds=self.preds[:, kept],
            confidence=self.confidence[:, kept], truth=self.truth[:, kept],
        )  # fmt: skip


def panel_masks(table: SubsetTable, also: Sequence[int] = ()) -> tuple[int, ...]:
    """Return the subsets that get panels: all of them up to six members.

    Of more members it is the single ones, the best of each size by accuracy, all together, and those in `also`.
    """
    members = len(table.members)
    if members <= EVERY:
        return tuple(int(mask) for mask in table.masks)
    best = {summary.best.mask for summary in table.by_size()}
    return tuple(sorted(best | {1 << i for i in range(members)} | {2**members - 1} | set(also)))


def panels(stack: PredictionStack, masks: Sequence[int]) -> Panels:
    """Ask the subsets with these masks about every sample.

    stack: labelled. Members are added in their order, as `PredictionStack.mean_probs` does.
    """
    labels = stack.require_labels()
    rows = np.argsort(labels, kind="stable")
    places = np.empty(len(rows), np.int64)
    places[rows] = np.arange(len(rows))
    p, n = len(masks), stack.samples
    preds = np.empty((p, n), np.int64)
    largest, confidence, truth = (np.empty((p, n)) for _ in range(3))
    step = max(1, _NUMBERS // stack.classes)
    for start in range(0, n, step):
        # In the stack's order, since its probabilities may lie in files.
        own = slice(start, min(start + step, n))
        here, y = places[own], labels[own]
        at = np.arange(len(y))
        probs = stack.probs[:, own].astype(np.float64)
        # Sums of q are what decides, sums of p what is shown: both of a subset are made from one with a member fewer.
        counts = np.rint(probs * SCALE).astype(np.int64 if len(probs) > 31 else np.int32)
        known: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for place, mask in enumerate(masks):
            whole, means = _sums(mask, counts, probs, known)
            size = mask.bit_count()
            preds[place, here] = column = predicted(whole)
            confidence[place, here] = means[at, column] / size
            truth[place, here] = means[at, y] / size
            largest[place, here] = means.max(axis=1) / size
    own = labels[rows]
    starts = np.searchsorted(own, np.arange(stack.classes + 1))
    reliabilities = tuple(reliability(np.minimum(largest[i], 1.0), preds[i] == own, BINS) for i in range(p))
    return Panels(tuple(masks), rows, starts, preds, confidence, truth, reliabilities)


def _sums(
    mask: int, counts: np.ndarray, probs: np.ndarray, known: dict[int, tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums over a subset's members of their whole numbers and of their probabilities, (rows, C) each."""
    last = mask.bit_length() - 1
    before = known.get(mask ^ 1 << last)
    if before is None:
        chosen = [i for i in range(last) if mask >> i & 1]
        before = sum((counts[i] for i in chosen), np.zeros_like(counts[0])), sum((probs[i] for i in chosen), 0.0)
    known[mask] = before[0] + counts[last], before[1] + probs[last]
    return known[mask]
