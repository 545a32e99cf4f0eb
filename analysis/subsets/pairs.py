"""What a selection reads of pruned samples: each pair of a sample and a rival that matters, in a compact form."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from analysis.subsets.prepare import Prepared


@dataclass(frozen=True, eq=False)
class Pairs:
    """R pairs of a sample and a rival.

    margins: int32 (M, R), q(y) - q(c). thresholds: int64 (R,), the smallest weighted sum of margins with which y beats
    the rival: 1 where c < y, else 0. sample: int64 (R,), increasing. top5: whether they are enough for top-5; else for
    accuracy alone. own: float64 (M, N), p(y) of each member, floored at 1e-12; None where it was not kept.
    """

    margins: np.ndarray
    thresholds: np.ndarray
    sample: np.ndarray
    top5: bool
    own: np.ndarray | None = None

    @property
    def nbytes(self) -> int:
        """How much memory they take, beside p(y)."""
        return self.margins.nbytes + self.thresholds.nbytes + self.sample.nbytes


def pairs_of(ready: "Prepared", top5: bool, first: int = 0) -> Pairs:
    """Return the pairs of pruned samples: all that are kept for top-5, those that no other dominates for accuracy.

    A rival that is always ahead is one that all members prefer. first: the number of the first of the samples.
    """
    front, kept, always = ready.counts.T
    if not top5:
        kept, always = np.maximum(front, 0), np.minimum(always, 1)
    before = np.cumsum(kept) - kept
    rows = np.arange(int(kept.sum())) + np.repeat(ready.starts[:-1] - before, kept)
    every = np.arange(first, first + len(ready))
    sample = np.concatenate([np.repeat(every, kept), np.repeat(every, always)])
    order = np.argsort(sample, kind="stable")
    lost = np.full((ready.rivals.shape[1] - 1, int(always.sum())), -1, np.int32)
    margins = np.concatenate([ready.rivals[rows, :-1].T, lost], axis=1)[:, order]
    thresholds = np.concatenate([-ready.rivals[rows, -1].astype(np.int64), np.zeros(lost.shape[1], np.int64)])[order]
    return Pairs(np.ascontiguousarray(margins), thresholds, sample[order], top5)


def gathered(parts: list[Pairs], own: np.ndarray | None = None) -> Pairs:
    """Return the pairs of several blocks as one; the list is emptied on the way, so that little is held twice."""
    count, members, top5 = sum(len(p.sample) for p in parts), len(parts[0].margins), parts[0].top5
    parts.reverse()
    margins, at = np.empty((members, count), np.int32), 0
    thresholds, sample = np.empty(count, np.int64), np.empty(count, np.int64)
    while parts:
        part = parts.pop()
        here = slice(at, at + len(part.sample))
        margins[:, here], thresholds[here], sample[here] = part.margins, part.thresholds, part.sample
        at = here.stop
    return Pairs(margins, thresholds, sample, top5, own)
