"""What every subset scores on any samples, by which the best subset is chosen: sums over all, and block by block."""

from collections.abc import Sequence
from itertools import combinations
from typing import Protocol

import numpy as np

from analysis.metrics import TOP
from analysis.selection.data import SelectionData
from analysis.subsets.reference import mask_of
from analysis.subsets.score import reference_is_faster

MOST_BYTES = 2**29  # of a table of subsets by blocks, where blocks could be fewer


class SubsetSums(Protocol):
    """S subsets of the members, in increasing order of their masks."""

    @property
    def masks(self) -> np.ndarray:
        """uint64 (S,), increasing."""
        ...

    def sums(self, metric: str, rows: np.ndarray) -> np.ndarray:
        """Return the sum of the metric over `rows`, bool (n,), of each subset: int64 (S,) for counts, else float64."""
        ...

    def by_block(self, metric: str, block: np.ndarray) -> np.ndarray:
        """Return the sums over the samples of each block, (G, S); block: int64 (n,) in 0..G-1."""
        ...


def sums_of(data: SelectionData, sizes: Sequence[int], metric: str = "accuracy") -> SubsetSums:
    """Return the sums of all subsets of these sizes: by the reference for few of them, by the engine for many."""
    data.require(metric)
    if reference_is_faster(data.source, list(sizes)):
        return ReferenceSums(data, sizes)
    return LatticeSums(data, sizes, metric)


class LatticeSums:
    """Sums by the engine: the source is pruned once, and each question counted anew."""

    def __init__(self, data: SelectionData, sizes: Sequence[int], metric: str) -> None:
        from analysis.subsets.engine import Lattice

        self._lattice = Lattice(data.source, data.rule.name, sizes, ("accuracy", metric))
        self.masks = self._lattice.masks

    def sums(self, metric: str, rows: np.ndarray) -> np.ndarray:
        """Return the sum of the metric over `rows`, bool (n,), of each subset: int64 (S,) for counts, else float64."""
        ask = {"accuracy": "correct", "top5": "top5", "nll": "nll_sums", "brier": "brier_sums"}[metric]
        return getattr(self._lattice, ask)(rows)

    def by_block(self, metric: str, block: np.ndarray) -> np.ndarray:
        """Return the sums over the samples of each block, (G, S), in the smallest type that holds them."""
        count = int(block.max()) + 1
        kind = np.min_scalar_type(int(np.bincount(block).max())) if metric in ("accuracy", "top5") else np.float32
        found = np.empty((count, len(self.masks)), kind)
        for b in range(count):
            found[b] = self.sums(metric, block == b)
        return found


class ReferenceSums:
    """Sums of few subsets: what each of them makes of each sample is kept."""

    def __init__(self, data: SelectionData, sizes: Sequence[int]) -> None:
        members, wanted = data.members, set(sizes)
        masks = sorted(mask_of(c) for k in wanted for c in combinations(range(members), k))
        self.masks = np.array(masks, dtype=np.uint64)
        chosen = (self.masks[:, None] >> np.arange(members, dtype=np.uint64) & np.uint64(1)).astype(np.float64)
        self._shares = chosen / chosen.sum(axis=1, keepdims=True)
        self._data = data
        self._ahead = np.empty((len(self.masks), data.samples), dtype=np.uint8)
        position = {int(mask): i for i, mask in enumerate(self.masks)}

        def extend(sums: np.ndarray, mask: int, first: int) -> None:
            """Visit every subset that adds members from `first` on; each is one addition away from its parent."""
            size = mask.bit_count() + 1
            for m in range(first, members):
                if not any(size <= k <= size + members - m - 1 for k in wanted):
                    continue  # too few members are left to reach a wanted size: all 22 of 22 have one way to them
                own = sums + data.margins[m]
                row = position.get(mask | 1 << m)
                if row is not None:
                    lost = np.bincount(data.sample[own < 0], minlength=data.samples)
                    self._ahead[row] = np.minimum(lost, TOP)
                if size < max(wanted):
                    extend(own, mask | 1 << m, m + 1)

        # 31 members' margins fit into 32 bits.
        extend(-data.thresholds.astype(np.int32 if members <= 31 else np.int64), 0, 0)

    def sums(self, metric: str, rows: np.ndarray) -> np.ndarray:
        """Return the sum of the metric over `rows`, bool (n,), of each subset: int64 (S,) for counts, else float64."""
        if metric in ("accuracy", "top5"):
            return (self._ahead[:, rows] < (1 if metric == "accuracy" else TOP)).sum(axis=1)
        part = self._data.only(rows)
        if metric == "brier" and part.rule.name == "mean":
            return np.einsum("si,ij,sj->s", self._shares, part.products, self._shares)
        return np.array([part.scores(share, metric).sum() for share in self._shares])

    def by_block(self, metric: str, block: np.ndarray) -> np.ndarray:
        """Return the sums over the samples of each block, (G, S): int64 for counts, else float64."""
        order = np.argsort(block, kind="stable")
        starts = np.searchsorted(block[order], np.arange(int(block.max()) + 1))
        if metric in ("accuracy", "top5"):
            right = self._ahead[:, order] < (1 if metric == "accuracy" else TOP)
            return np.ascontiguousarray(np.add.reduceat(right, starts, axis=1, dtype=np.int64).T)
        found = np.empty((len(starts), len(self.masks)))
        for s, share in enumerate(self._shares):
            found[:, s] = np.add.reduceat(self._data.scores(share, metric)[order], starts)
        return found
