"""Counts by group of samples, made with a table of subsets, and what a selection reads besides."""

import numpy as np

from analysis.subsets import accumulate
from analysis.subsets.enumeration import Enumeration
from analysis.subsets.pairs import Pairs, gathered, pairs_of
from analysis.subsets.prepare import Prepared, Question

MOST_KEPT = 2**28  # bytes of pairs that a table leaves for a selection


class Groups:
    """How many samples of each of G groups each subset has right: whole numbers (G, S), in the smallest type.

    group: int64 (N,), of each sample, 0..G-1. top5: whether among the five is meant, else first. members: of those
    whose p(y) is kept with the pairs; 0 where nothing is kept.
    """

    def __init__(self, group: np.ndarray, top5: bool, members: int) -> None:
        self.group, self.top5 = group, top5
        self.sure, self._open = np.zeros((2, int(group.max()) + 1), np.int64)
        self._own = np.empty((members, len(group)))
        self._kept: list[Pairs] | None = [] if members else None
        self._never = 0

    def begin(self, enumeration: Enumeration) -> None:
        """Count for these subsets."""
        self._enumeration = enumeration
        self._counts = np.zeros((len(self.sure), enumeration.raw), np.uint8)

    def keep(self, ready: Prepared, first: int) -> None:
        """Keep what a selection reads of some samples, from the sample `first` on."""
        if self._kept is None or ready.true is None:
            return
        self._own[:, first : first + len(ready)] = ready.true.T
        self._kept.append(pairs_of(ready, self.top5, first))
        if sum(pairs.nbytes for pairs in self._kept) > MOST_KEPT:
            self._kept = None

    def count(self, asked: Question, first: int, threads: int, tick: accumulate.Tick | None) -> None:
        """Count some samples, from the sample `first` on."""
        own = self.group[first : first + len(asked.starts)]
        every, settled, never = (
            np.bincount(own[rows], minlength=len(self.sure)) for rows in (slice(None), asked.order, asked.never)
        )
        self._open += settled
        self.sure += every - settled - never
        self._never += asked.wrong
        kind = np.min_scalar_type(int(self._open.max()))
        if kind.itemsize > self._counts.itemsize:
            self._counts = self._counts.astype(kind)
        accumulate.count_by_group(self._enumeration, asked, own, self._counts, threads, tick)

    def finish(self, wrong: np.ndarray) -> None:
        """Write for every subset the samples it has wrong, int64 (raw,), and turn the counts into right ones."""
        most = self._open.astype(self._counts.dtype)[:, None]
        for part in self._enumeration.parts:
            own = self._counts[:, part]
            wrong[part] = own.sum(axis=0, dtype=np.int64) + self._never
            np.subtract(most, own, out=own)

    @property
    def right(self) -> np.ndarray:
        """How many of each group each subset has right, (G, S); those that all have right, `sure`, not among them."""
        return self._enumeration.arrange_rows(self._counts)

    def pairs(self) -> Pairs | None:
        """Return the pairs of all samples, once; None where they were not kept."""
        return gathered(self._kept, self._own) if self._kept else None
