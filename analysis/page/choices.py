"""The ensembles that were chosen by their score, each with a score beside it that does not flatter."""

from dataclasses import dataclass

import numpy as np

from analysis.selection.base import Selection
from analysis.selection.best import Best
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
from analysis.selection.data import SelectionData
from analysis.selection.subset_sums import SubsetSums, sums_of
from analysis.subsets.reference import mask_of
from analysis.subsets.table import sizes_of
from ensemble.progress import Progress

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


def choices(seen: SelectionData, progress: Progress | None = None) -> tuple[Choice, ...]:
    """Return the choices worth naming: the best, the best of each size, all members, and what else takes a moment.

    seen: the data of every member on the split. progress: told how many were made, and how many there are. What
    would take more than a moment by estimate is left out.
    """
    selections = _selections(seen)
    found = []
    for done, (name, size, selection) in enumerate(selections):
        found.append(_choice(name, size, evaluate_selection(selection)))
        if progress:
            progress(done + 1, len(selections))
    found.append(_choice("all", seen.members, unchosen("all", seen, everyone(seen))))
    return tuple(found)


def _selections(seen: SelectionData) -> list[tuple[str, int | None, Selection]]:
    """Return the ways to choose, each with its name and the size it is bound to."""
    members = seen.members
    every = range(1, members + 1)
    if members < 2:
        return []
    kept = Kept(sums_of(seen, every)) if 2**members <= MOST_KEPT else None
    best = selection_of("best", seen, every) if kept is None else Best(seen, kept)
    found: list[tuple[str, int | None, Selection]] = [("best", None, best)]
    for k in every[:-1]:
        selection = selection_of("best", seen, [k]) if kept is None else Best(seen, OfSize(kept, k))
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
