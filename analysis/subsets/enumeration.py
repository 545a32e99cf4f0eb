"""The two ways through the subsets: all of them as numbers of M bits, or the combinations of a few sizes.

A way cuts its subsets into parts that are short tasks of their own, and lays its results out in an order of its own,
its raw order, of which `arrange` makes the one of increasing masks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from analysis.subsets.combinations import (
    count_wrong_after,
    firsts_of,
    log_sums_after,
    masks_of,
    prefixes_of,
    quadratic_forms_after,
)
from analysis.subsets.kernels import LOW, count_wrong, count_wrong_by_group, split_bits
from analysis.subsets.nll_brier import log_sums, quadratic_forms
from analysis.subsets.prepare import Question
from analysis.subsets.table import count_subsets, sizes_of

MOST_BITS = 30  # members of a full lattice: 2^30 counts take 8 GiB
# A subset costs about so many times more where combinations are enumerated.
DEARER = 16
PART = 2**14  # combinations of a part


class Enumeration(Protocol):
    """A way through some subsets."""

    @property
    def raw(self) -> int:
        """How many numbers its raw order has."""
        ...

    @property
    def parts(self) -> Sequence[slice]:
        """Where its raw order is cut."""
        ...

    @property
    def masks(self) -> np.ndarray:
        """The subsets' masks, uint64, increasing."""
        ...

    def arrange(self, raw: np.ndarray) -> np.ndarray:
        """Return numbers in raw order in the order of increasing masks."""
        ...

    def arrange_rows(self, raw: np.ndarray) -> np.ndarray:
        """Return rows of numbers in raw order, (G, raw), in the order of increasing masks: (G, S)."""
        ...

    def masks_of(self, part: int) -> np.ndarray:
        """Return the masks of a part in raw order, uint64 (len,), those of sizes that were not asked for among them."""
        ...

    def count_wrong(self, part: int, question: Question, begin: int, end: int) -> np.ndarray:
        """Count the wrong among order[begin:end] for the subsets of a part: int32 (len,), raw order."""
        ...

    def count_by_group(
        self, part: int, question: Question, edges: np.ndarray, groups: range, out: np.ndarray, at: int
    ) -> None:
        """Add to out (G, raw), from column `at` on, for a part and some groups the wrong among order[edges[g:g+2]]."""
        ...

    def log_sums(self, part: int, true: np.ndarray, out: np.ndarray) -> None:
        """Add to out (len,), the part's own, its sums of ln(sum of p(y)) over samples: true (n, M)."""
        ...

    def forms(self, part: int, gram: np.ndarray, out: np.ndarray) -> None:
        """Write to out (len,), the part's own, its sums over each subset's entries of gram (M, M)."""
        ...


class FullLattice:
    """All subsets of M members; raw order is that of masks, from the empty one on."""

    def __init__(self, members: int, sizes: Sequence[int]) -> None:
        self.members = members
        self.low, self.middle, high = split_bits(members)
        self.raw = 2**members
        self.block = 2 ** (self.low + self.middle)
        self.sizes = sizes
        self._high = high

    @cached_property
    def parts(self) -> list[slice]:
        """Where its raw order is cut."""
        return [slice(i * self.block, (i + 1) * self.block) for i in range(2**self._high)]

    @cached_property
    def _chosen(self) -> np.ndarray | slice:
        if len(self.sizes) == self.members:
            return slice(1, None)
        return np.flatnonzero(np.isin(sizes_of(np.arange(self.raw, dtype=np.uint64)), self.sizes))

    @property
    def masks(self) -> np.ndarray:
        """The subsets' masks, uint64, increasing."""
        if isinstance(self._chosen, slice):
            return np.arange(1, self.raw, dtype=np.uint64)
        return self._chosen.astype(np.uint64)

    def arrange(self, raw: np.ndarray) -> np.ndarray:
        """Return numbers in raw order in the order of increasing masks."""
        return raw[self._chosen]

    def arrange_rows(self, raw: np.ndarray) -> np.ndarray:
        """Return rows of numbers in the order of increasing masks."""
        return raw[:, self._chosen]

    def masks_of(self, part: int) -> np.ndarray:
        """Return the masks of a part; see `Enumeration`."""
        where = self.parts[part]
        return np.arange(where.start, where.stop, dtype=np.uint64)

    def count_wrong(self, part: int, question: Question, begin: int, end: int) -> np.ndarray:
        """Count the wrong for a part; see `Enumeration`."""
        wrong = np.zeros((1, 2**self.middle, 2**self.low), np.int32)
        q = question
        count_wrong(q.rivals, q.starts, q.ends, q.limits, q.order, begin, end, self.low, self.middle, part, wrong)
        return wrong.reshape(-1)

    def count_by_group(
        self, part: int, question: Question, edges: np.ndarray, groups: range, out: np.ndarray, at: int
    ) -> None:
        """Count the wrong for a part, group by group; see `Enumeration`."""
        q, first, last = question, groups.start, groups.stop
        low, middle = self.low, self.middle
        count_wrong_by_group(
            q.rivals, q.starts, q.ends, q.limits, q.order, edges, first, last, low, middle, part, out, at
        )  # fmt: skip

    def log_sums(self, part: int, true: np.ndarray, out: np.ndarray) -> None:
        """Add a part's sums of logarithms; see `Enumeration`."""
        log_sums(true, self.low, self.middle, part, out.reshape(1, 2**self.middle, 2**self.low))

    def forms(self, part: int, gram: np.ndarray, out: np.ndarray) -> None:
        """Write a part's quadratic forms; see `Enumeration`."""
        quadratic_forms(gram, self.low, part << self.middle, out.reshape(-1, 2**self.low))


@dataclass(frozen=True)
class _Run:
    """Prefixes of one size, and the slice of the raw order their subsets take."""

    prefixes: np.ndarray
    where: slice


class Combinations:
    """The subsets of a few sizes; raw order is by size, then lexicographic."""

    def __init__(self, members: int, sizes: Sequence[int]) -> None:
        self.members = members
        self.raw = count_subsets(members, sizes)
        self._runs: list[_Run] = []
        at = 0
        for k in sizes:
            prefixes = prefixes_of(members, k)
            ends = np.cumsum(members - firsts_of(prefixes))
            cuts = np.unique(np.searchsorted(ends, np.arange(PART, ends[-1] + PART, PART), side="left") + 1)
            begin = 0
            for cut in np.minimum(cuts, len(prefixes)).tolist():
                if cut > begin:
                    stop = at + int(ends[cut - 1])
                    start = at + (int(ends[begin - 1]) if begin else 0)
                    self._runs.append(_Run(prefixes[begin:cut], slice(start, stop)))
                    begin = cut
            at += int(ends[-1])
        self.parts = [run.where for run in self._runs]

    @cached_property
    def _order(self) -> np.ndarray:
        return np.argsort(self._masks, kind="stable")

    @cached_property
    def _masks(self) -> np.ndarray:
        return np.concatenate([self.masks_of(part) for part in range(len(self._runs))])

    @property
    def masks(self) -> np.ndarray:
        """The subsets' masks, uint64, increasing."""
        return self._masks[self._order]

    def arrange(self, raw: np.ndarray) -> np.ndarray:
        """Return numbers in raw order in the order of increasing masks."""
        return raw[self._order]

    def arrange_rows(self, raw: np.ndarray) -> np.ndarray:
        """Return rows of numbers in the order of increasing masks."""
        return raw[:, self._order]

    def masks_of(self, part: int) -> np.ndarray:
        """Return the masks of a part; see `Enumeration`."""
        return masks_of(self._runs[part].prefixes, self.members)

    def count_wrong(self, part: int, question: Question, begin: int, end: int) -> np.ndarray:
        """Count the wrong for a part; see `Enumeration`."""
        run, q = self._runs[part], question
        wrong = np.zeros(run.where.stop - run.where.start, np.int32)
        count_wrong_after(q.rivals, q.starts, q.ends, q.limits, q.order, begin, end, run.prefixes, wrong)
        return wrong

    def count_by_group(
        self, part: int, question: Question, edges: np.ndarray, groups: range, out: np.ndarray, at: int
    ) -> None:
        """Count the wrong for a part, group by group; see `Enumeration`."""
        size = self._runs[part].where.stop - self._runs[part].where.start
        for g in groups:
            out[g, at : at + size] += self.count_wrong(part, question, int(edges[g]), int(edges[g + 1])).astype(
                out.dtype
            )

    def log_sums(self, part: int, true: np.ndarray, out: np.ndarray) -> None:
        """Add a part's sums of logarithms; see `Enumeration`."""
        log_sums_after(true, self._runs[part].prefixes, out)

    def forms(self, part: int, gram: np.ndarray, out: np.ndarray) -> None:
        """Write a part's quadratic forms; see `Enumeration`."""
        quadratic_forms_after(gram, self._runs[part].prefixes, out)


class Shard:
    """A run of the parts of a way through the subsets: what one machine of several counts."""

    def __init__(self, whole: Enumeration, rows: slice, sizes: Sequence[int]) -> None:
        self._whole, self._first, self._sizes = whole, rows.start, sizes
        chosen = whole.parts[rows]
        begin = chosen[0].start
        self.parts = [slice(part.start - begin, part.stop - begin) for part in chosen]
        self.raw = self.parts[-1].stop

    @cached_property
    def _raw_masks(self) -> np.ndarray:
        return np.concatenate([self.masks_of(part) for part in range(len(self.parts))])

    @cached_property
    def _order(self) -> np.ndarray:
        chosen = np.flatnonzero(np.isin(sizes_of(self._raw_masks), self._sizes))
        return chosen[np.argsort(self._raw_masks[chosen], kind="stable")]

    @property
    def masks(self) -> np.ndarray:
        """The subsets' masks, uint64, increasing."""
        return self._raw_masks[self._order]

    def arrange(self, raw: np.ndarray) -> np.ndarray:
        """Return numbers in raw order in the order of increasing masks."""
        return raw[self._order]

    def arrange_rows(self, raw: np.ndarray) -> np.ndarray:
        """Return rows of numbers in the order of increasing masks."""
        return raw[:, self._order]

    def masks_of(self, part: int) -> np.ndarray:
        """Return the masks of a part; see `Enumeration`."""
        return self._whole.masks_of(self._first + part)

    def count_by_group(
        self, part: int, question: Question, edges: np.ndarray, groups: range, out: np.ndarray, at: int
    ) -> None:
        """Count the wrong for a part, group by group; see `Enumeration`."""
        self._whole.count_by_group(self._first + part, question, edges, groups, out, at)

    def count_wrong(self, part: int, question: Question, begin: int, end: int) -> np.ndarray:
        """Count the wrong for a part; see `Enumeration`."""
        return self._whole.count_wrong(self._first + part, question, begin, end)

    def log_sums(self, part: int, true: np.ndarray, out: np.ndarray) -> None:
        """Add a part's sums of logarithms; see `Enumeration`."""
        self._whole.log_sums(self._first + part, true, out)

    def forms(self, part: int, gram: np.ndarray, out: np.ndarray) -> None:
        """Write a part's quadratic forms; see `Enumeration`."""
        self._whole.forms(self._first + part, gram, out)


def enumerate_subsets(members: int, sizes: Sequence[int]) -> Enumeration:
    """Choose the way that is less work; `sizes` are increasing and lie in 1..members."""
    if members <= LOW or (members <= MOST_BITS and DEARER * count_subsets(members, sizes) >= 2**members):
        return FullLattice(members, sizes)
    return Combinations(members, sizes)
