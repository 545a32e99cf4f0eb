"""Sums over any samples of what every subset scores: what the best subset is chosen by."""

from collections.abc import Callable, Iterable
from itertools import combinations
from typing import Protocol

import numpy as np

from analysis.evidence import Evidence
from analysis.metrics import TOP
from analysis.plain import mask_of


class Tallies(Protocol):
    """S subsets of the members, in increasing order of their masks."""

    @property
    def masks(self) -> np.ndarray:
        """uint64 (S,), increasing."""
        ...

    def sums(self, metric: str, rows: np.ndarray) -> np.ndarray:
        """Return the sum of the metric over `rows`, bool (n,), of each subset: int64 (S,) for counts, else float64."""
        ...


class PlainTallies:
    """Tallies of few subsets: what each of them makes of each sample is kept."""

    def __init__(
        self, evidence: Evidence, sizes: Iterable[int], progress: Callable[[int, int], None] | None = None
    ) -> None:
        chosen = [c for k in sizes for c in combinations(range(evidence.members), k)]
        chosen.sort(key=mask_of)
        self.masks = np.array([mask_of(c) for c in chosen], dtype=np.uint64)
        self._evidence = evidence
        self._shares = np.zeros((len(chosen), evidence.members))
        self._ahead = np.empty((len(chosen), evidence.samples), dtype=np.uint8)
        for row, c in enumerate(chosen):
            self._shares[row, list(c)] = 1 / len(c)
            self._ahead[row] = np.minimum(evidence.ahead(self._shares[row]), TOP)
            if progress:
                progress(row + 1, len(chosen))

    def sums(self, metric: str, rows: np.ndarray) -> np.ndarray:
        """Return the sum of the metric over `rows`, bool (n,), of each subset: int64 (S,) for counts, else float64."""
        if metric == "accuracy":
            return (self._ahead[:, rows] == 0).sum(axis=1)
        if metric == "top5":
            return (self._ahead[:, rows] < TOP).sum(axis=1)
        if metric == "nll":
            return np.array([-np.log(share @ self._evidence.own[:, rows]).sum() for share in self._shares])
        products = self._evidence.only(rows).products
        return np.einsum("si,ij,sj->s", self._shares, products, self._shares)
