"""The best of all subsets, as a table, and what was added up over all of them; `analysis.subsets.leading` makes it."""

from dataclasses import dataclass, field

import numpy as np

from analysis.metrics import METRICS
from analysis.subsets.shapley import Shapley
from analysis.subsets.table import SizeSummary, SubsetTable

KEPT = 4096  # of the best subsets by each metric


@dataclass(frozen=True, eq=False)
class Density:
    """How many subsets of each size have a score in each of B bins of equal width, low to high: int64 (M + 1, B)."""

    low: float
    high: float
    counts: np.ndarray


@dataclass(frozen=True, eq=False)
class LeadingTable(SubsetTable):
    """The best of all 2^M - 1 subsets by each metric, as a table, and what was added up over all of them.

    Its rows are the `KEPT` best by each metric, the best of each size by each, every single member, and all together.
    total: how many subsets were scored. summaries: by metric the sizes, whose best is best by it.
    contributions: by metric the members' Shapley values. densities: by metric, of all subsets.
    """

    total: int = 0
    summaries: dict[str, list[SizeSummary]] = field(default_factory=dict)
    contributions: dict[str, Shapley] = field(default_factory=dict)
    densities: dict[str, Density] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many subsets were scored, kept or not."""
        return self.total

    def leading(self, metric: str) -> np.ndarray:
        """Return the rows of the `KEPT` best by a metric, increasing, int64: what a choice is made from again."""
        loss = self.scores(metric) * (-1 if METRICS[metric].higher_is_better else 1)
        return np.sort(np.lexsort((self.masks, loss))[:KEPT])

    def by_size(self, metric: str = "accuracy") -> list[SizeSummary]:
        """Return a summary of all subsets of each size."""
        if metric not in self.summaries:
            return super().by_size(metric)  # says what is wrong
        return self.summaries[metric]
