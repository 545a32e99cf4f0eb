"""What averaging alone does to calibration: subsets of each size k, untouched by any temperature."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from analysis.calibration.calibration import BINS, bin_of
from analysis.metrics import SCALE, floored, predicted, true_probs
from analysis.stack import PredictionStack
from ensemble.errors import BadInput
from ensemble.progress import Progress

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
    step = max(1, BLOCK_NUMBERS // stack.classes)
    for start in range(0, n, step):
        here = slice(start, min(start + step, n))
        y = labels[here]
        errors = stack.probs[:, here].astype(np.float64)
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
    own = floored(true_probs(stack.probs, labels))
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
