"""The best subset of all, exactly."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.metrics import METRICS
from analysis.selection.base import Weighted, of_members
from analysis.selection.data import SelectionData
from analysis.selection.subset_sums import SubsetSums
from analysis.subsets.table import TIE, sizes_of
from ensemble.errors import BadInput


@dataclass(frozen=True, eq=False)
class Best:
    """The subset with the best `metric`, of at most `max_size` members.

    Of equally good ones (counts equal, NLL and Brier within 1e-12) the one with fewer members, then with lower NLL,
    then with the lower mask: as `SubsetTable.best` has it.
    """

    data: SelectionData
    subsets: SubsetSums
    metric: str = "accuracy"
    max_size: int | None = None
    name: str = "best"

    def __post_init__(self) -> None:
        if not self._allowed.size:
            raise BadInput(
                f"no subset has {self.max_size} members or fewer: the smallest that was scored has "
                f"{int(self._sizes.min())}; allow more members, or score smaller sizes too."
            )

    @cached_property
    def _sizes(self) -> np.ndarray:
        return sizes_of(self.subsets.masks)

    @cached_property
    def _allowed(self) -> np.ndarray:
        """Rows of the subsets that may be chosen, int64."""
        return np.flatnonzero(self._sizes <= (self.max_size or self.data.members))

    @cached_property
    def _totals(self) -> np.ndarray:
        return self.subsets.sums(self.metric, np.ones(self.data.samples, dtype=bool))[self._allowed]

    @property
    def seconds(self) -> float:
        """What choosing once takes, roughly: counting all subsets on a tenth of the samples."""
        return 1e-3 + 5e-12 * len(self.subsets.masks) * self.data.samples

    @property
    def choices(self) -> int:
        """How many subsets it chooses from."""
        return len(self._allowed)

    def choose(self, left_out: np.ndarray | None = None) -> Weighted:
        """Return the best subset, by the sums over what is kept, or those over all less what is left out."""
        keep = np.ones(self.data.samples, dtype=bool) if left_out is None else ~left_out
        if left_out is None:
            sums = self._totals
        elif keep.sum() < left_out.sum():
            sums = self.subsets.sums(self.metric, keep)[self._allowed]
        else:
            sums = self._totals - self.subsets.sums(self.metric, left_out)[self._allowed]
        means = sums / keep.sum()
        means = -means if METRICS[self.metric].higher_is_better else means
        rows = self._allowed[means <= means.min() + TIE]
        rows = rows[self._sizes[rows] == self._sizes[rows].min()]
        members, rule = self.data.members, self.data.rule
        subsets = [of_members(_members(int(mask)), members, rule) for mask in self.subsets.masks[rows]]
        if len(subsets) > 1 and self.data.rule.floor is not None:
            nll = np.array([self._nll(subset)[keep].mean() for subset in subsets])
            subsets = [s for s, value in zip(subsets, nll, strict=True) if value <= nll.min() + TIE]
        return subsets[0]

    def _nll(self, subset: Weighted) -> np.ndarray:
        """Return a subset's NLL of each sample, float64 (n,); where it takes all classes to know, once and for all."""
        if self.data.rule.name == "mean":
            return subset.scores(self.data, "nll")
        known: dict[bytes, np.ndarray] = self.__dict__.setdefault("_known", {})
        key = subset.weights.tobytes()
        if key not in known:
            known[key] = subset.scores(self.data, "nll")
        return known[key]


def _members(mask: int) -> tuple[int, ...]:
    return tuple(i for i in range(mask.bit_length()) if mask >> i & 1)
