"""Which samples a selection is done on again, and which score it: bootstraps and folds of small blocks of samples.

A block is what is drawn, held out or kept as a whole: about a hundred of them, each with its share of every class. What
subsets score in each block is counted once; every resampling is then a product of that table with the blocks' weights.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.csv_pairs import read_pairs
from analysis.statistics import group_codes
from ensemble.errors import BadInput
from ensemble.study.predictions import read_group

BLOCKS = 100
BOOTSTRAPS = 200


@dataclass(frozen=True, eq=False)
class Resamples:
    """R resamplings of n samples in G blocks.

    block: int64 (n,), which block each sample is in. weights: int64 (R, G), how often each block is chosen on.
    tested: bool (R, G), which blocks score what was chosen, none of them chosen on.
    grouped: whether the samples of a block belong together, and are no separate trials.
    halves: how many of them, the last ones, draw half as many blocks: they tell what fewer samples cost.
    """

    block: np.ndarray
    weights: np.ndarray
    tested: np.ndarray
    grouped: bool = False
    halves: int = 0

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def blocks(self) -> int:
        """G."""
        return self.weights.shape[1]

    def parts(self) -> "tuple[Resamples, Resamples]":
        """Return the resamplings that draw as many blocks as there are, and those that draw half as many."""
        cut = len(self) - self.halves
        whole, half = (
            Resamples(self.block, self.weights[rows], self.tested[rows], self.grouped)
            for rows in (slice(cut), slice(cut, None))
        )
        return whole, half

    def times(self, r: int) -> np.ndarray:
        """Return how often each sample is chosen on, int64 (n,)."""
        return self.weights[r][self.block]

    def held_out(self, r: int) -> np.ndarray:
        """Return which samples score what is chosen, bool (n,)."""
        return self.tested[r][self.block]


def blocks_of(labels: np.ndarray, ids: np.ndarray, groups: np.ndarray | None = None, most: int = BLOCKS) -> np.ndarray:
    """Return each sample's block, int64 (n,) in 0..G-1: of equal size within one, with equal counts of each class.

    labels: int64 (n,). ids: str (n,), which a sample's block hangs on, and not on the row it stands in.
    groups: int64 (n,), what belongs together and stays in one block; then blocks are about as large as each other.
    """
    if len(labels) < 2:
        return np.zeros(len(labels), dtype=np.int64)
    return folds_of(labels, min(most, len(labels)), 0, ids, groups)


def bootstraps(block: np.ndarray, repeats: int = BOOTSTRAPS, seed: int = 0, halves: int = 0) -> Resamples:
    """Draw as many blocks as there are, with replacement; those not drawn score, about 37 of 100.

    B. Efron, Estimating the error rate of a prediction rule, JASA 78 (1983). halves: so often half as many are drawn,
    too, which leaves about 61 of 100.
    """
    count = int(block.max()) + 1

    def drawn(stream: np.random.Generator, blocks: int, times: int) -> np.ndarray:
        found = np.empty((0, count), dtype=np.int64)
        while len(found) < times:  # of two or three blocks all may be drawn, which leaves nothing to score
            weights = stream.multinomial(blocks, np.full(count, 1 / count), size=times)
            found = np.concatenate([found, weights[(weights == 0).any(axis=1)]])
        return found[:times]

    weights = drawn(np.random.default_rng([seed, count]), count, repeats)
    fewer = drawn(np.random.default_rng([seed, count, 2]), max(count // 2, 1), halves)
    weights = np.concatenate([weights, fewer])
    return Resamples(block, weights, weights == 0, halves=len(fewer))


def k_folds(block: np.ndarray, folds: int = 10, repeats: int = 5) -> Resamples:
    """Choose on all folds but one, for each fold; the folds are blocks dealt anew for each repeat."""
    count = int(block.max()) + 1
    if not 2 <= folds <= count:
        raise BadInput(f"folds: expected 2 to {count}, the blocks of samples that there are, found {folds}.")
    tested = np.zeros((repeats * folds, count), dtype=bool)
    for repeat in range(repeats):
        stream = np.random.default_rng([repeat, folds])
        order = np.arange(count) if repeat == 0 else stream.permutation(count)
        tested[repeat * folds + order % folds, np.arange(count)] = True
    return Resamples(block, (~tested).astype(np.int64), tested)


def forward(block: np.ndarray, folds: int = 10, first: int = 2) -> Resamples:
    """Choose on the first folds and score on the next, then choose on these and score on the one after, to the last."""
    count = int(block.max()) + 1
    folds = min(folds, count)
    fold = np.arange(count) % folds
    steps = np.arange(min(first, folds - 1), folds)[:, None]
    return Resamples(block, (fold < steps).astype(np.int64), fold == steps)


def stratified_folds(labels: np.ndarray, folds: int = 10, seed: int = 0, ids: np.ndarray | None = None) -> np.ndarray:
    """Return the fold of each sample, int64 (N,) in 0..folds-1.

    labels: int64 (N,). The samples are shuffled, laid out class after class (the classes shuffled too) and dealt to
    the folds in turn: the sizes of any two folds differ by one at most, and so do their counts of each class.
    With `ids`, str (N,), a sample's fold hangs on its id and not on the row it stands in.
    Raises `BadInput` for fewer than two folds or fewer samples than folds.
    """
    if not 2 <= folds <= len(labels):
        raise BadInput(f"folds: expected 2 to {len(labels)}, one for each sample, found {folds}.")
    stream = np.random.default_rng([seed, folds])
    ordered = np.arange(len(labels)) if ids is None else np.argsort(ids, kind="stable")
    shuffled = ordered[stream.permutation(len(labels))]
    rank = stream.permutation(int(labels.max()) + 1)
    laid_out = shuffled[np.argsort(rank[labels[shuffled]], kind="stable")]
    fold = np.empty(len(labels), dtype=np.int64)
    fold[laid_out] = np.arange(len(labels)) % folds
    return fold


def folds_of(
    labels: np.ndarray, folds: int, seed: int = 0, ids: np.ndarray | None = None, groups: np.ndarray | None = None
) -> np.ndarray:
    """Return the fold of each sample, int64 (N,): with equal counts of each class, or of whole groups, at most as many.

    labels, groups: int64 (N,); ids: str (N,), on which the folds then hang.
    """
    if groups is None:
        return stratified_folds(labels, folds, seed, ids)
    return grouped_folds(groups, min(folds, len(np.unique(groups))), ids, seed)


def grouped_folds(groups: np.ndarray, folds: int, ids: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """Return the fold of each sample, int64 (N,) in 0..folds-1, all samples of a group in one fold.

    groups: int64 (N,). The largest groups are dealt first, each to the smallest fold; groups of one size in an order
    that hangs on the ids of their samples. Raises `BadInput` for fewer than two folds or fewer groups than folds.
    """
    names, of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if not 2 <= folds <= len(names):
        raise BadInput(f"folds: expected 2 to {len(names)}, one for each group, found {folds}.")
    by_id = np.arange(len(groups)) if ids is None else np.argsort(ids, kind="stable")
    _, first = np.unique(of[by_id], return_index=True)
    shuffled = np.argsort(first, kind="stable")[np.random.default_rng([seed, folds]).permutation(len(names))]
    fold = np.empty(len(names), dtype=np.int64)
    held = np.zeros(folds, dtype=np.int64)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold[group] = held.argmin()
        held[fold[group]] += sizes[group]
    return fold[of]


def read_groups(path: str | Path, sample_ids: np.ndarray) -> np.ndarray:
    """Return the group of each sample, str (N,), in the order of `sample_ids`, str (N,).

    path: a CSV file with a heading and the columns `id` and `group`, or predictions (.h5) that hold `group`; it may
    name other samples too. Raises `BadInput` where a sample has no group, an id stands there twice with two
    groups, or all samples are of one group.
    """
    path = Path(path)
    known = _of_predictions(path) if path.suffix.lower() == ".h5" else read_pairs(path, "id", "group")
    missing = [str(sample) for sample in sample_ids if str(sample) not in known]
    if missing:
        raise BadInput(
            f"{path}: has no group for {len(missing):,} of the {len(sample_ids):,} samples, {missing[0]!r} for one; "
            "name every sample, one that belongs to no other with a group of its own."
        )
    groups = np.array([known[str(sample)] for sample in sample_ids])
    nameless = np.flatnonzero(np.char.lower(groups) == "nan")
    if len(nameless):  # written by arrays and tables for what is missing; these samples would be one group
        raise BadInput(
            f"{path}: {str(sample_ids[nameless[0]])!r} has the group {str(groups[nameless[0]])!r}, which stands for "
            f"none, as have {len(nameless):,} of the {len(sample_ids):,} samples; name every sample's group."
        )
    group_codes(groups, len(groups), str(path))
    return groups


def _of_predictions(path: Path) -> dict[str, str]:
    held = read_group(path)
    if held is None:
        raise BadInput(f"{path}: these predictions hold no `group`; give a CSV file with the columns id and group.")
    return held
