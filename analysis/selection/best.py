"""The best subset of all, exactly."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

from analysis.class_metrics import base_of, is_plain, is_share, metric_of
from analysis.metrics import METRICS, TOP
from analysis.selection.class_sums import WeightedSums, WholeSets
from analysis.selection.data import SelectionData, Weighted, of_members, per_sample
from analysis.selection.resampling import Resamples
from analysis.stack import BlockSource
from analysis.subsets.reference import mask_of
from analysis.subsets.score import reference_is_faster
from analysis.subsets.table import TIE, SubsetTable, count_subsets, sizes_of
from ensemble.errors import BadInput
from ensemble.machine import Progress, cores, in_order, one_blas_thread

if TYPE_CHECKING:
    from analysis.subsets.engine import Lattice
    from analysis.subsets.pairs import Pairs

LISTED_NUMBERS = 2**21  # subsets times samples that are scored together
MOST_BYTES = 2**29  # of counts by block that are made with the table


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
    few = reference_is_faster(data.source, list(sizes))
    plain = ReferenceSums(data, sizes) if few else LatticeSums(data, sizes, per_sample(metric))
    return plain if data.class_scale(metric) is None else WeightedSums(plain, data, metric)


def scores_of_subsets(subsets: "SubsetSums | WholeSets", data: SelectionData, metric: str) -> np.ndarray:
    """Return a metric of each subset on all samples, float64 (S,)."""
    if isinstance(subsets, WholeSets):
        return subsets.scores(np.zeros(data.samples, np.int64), np.ones((1, 1), np.int64))[0]
    scale = data.sample_scale(metric)
    total = data.samples if scale is None else scale.sum()
    return subsets.sums(metric, np.ones(data.samples, dtype=bool)) / total


class LatticeSums:
    """Sums by the engine: the source is pruned once, and each question counted anew."""

    def __init__(self, data: SelectionData, sizes: Sequence[int], metric: str) -> None:
        from analysis.subsets.enumeration import enumerate_subsets

        self._asked = data.source, data.rule.name, sizes, ("accuracy", metric)
        self.masks = enumerate_subsets(data.members, list(sizes)).masks

    @cached_property
    def _lattice(self) -> "Lattice":
        from analysis.subsets.engine import Lattice

        return Lattice(*self._asked)  # reads and prunes the whole source, so only when it is asked

    def sums(self, metric: str, rows: np.ndarray) -> np.ndarray:
        """Return the sum of the metric over `rows`, bool (n,), of each subset: int64 (S,) for counts, else float64."""
        ask = {"accuracy": "correct", "top5": "top5", "nll": "nll_sums", "brier": "brier_sums"}[metric]
        return getattr(self._lattice, ask)(rows)

    def weighted(self, metric: str, rows: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Return the sum of `scale`, (n,), over the `rows` that each subset has right, (S,)."""
        return self._lattice.weighted_right(rows, scale, metric == "top5")

    def by_block(self, metric: str, block: np.ndarray) -> np.ndarray:
        """Return the sums over the samples of each block, (G, S), in the smallest type that holds them."""
        count = int(block.max()) + 1
        kind = np.min_scalar_type(int(np.bincount(block).max())) if metric in ("accuracy", "top5") else np.float32
        found = np.empty((count, len(self.masks)), kind)
        for b in range(count):
            found[b] = self.sums(metric, block == b)
        return found


@dataclass(frozen=True, eq=False)
class Counted:
    """Subsets of a table whose counts by block of samples were made with it; see `score_by_block`.

    right: whole numbers (G, S), how many samples of each block a subset has right by `metric`, those not counted that
    every subset has right: int64 (G,) in `sure`. block: int64 (n,).
    held: the pairs of all samples for a selection, None where they were not kept.
    """

    table: SubsetTable
    metric: str
    right: np.ndarray
    block: np.ndarray
    sure: np.ndarray
    held: "Pairs | None" = None

    @property
    def masks(self) -> np.ndarray:
        """uint64 (S,), increasing."""
        return self.table.masks

    def sums(self, metric: str, rows: np.ndarray) -> np.ndarray:
        """Return how many of `rows`, bool (n,), each subset has right: int64 (S,); whole blocks alone can be asked."""
        asked = np.bincount(self.block[rows], minlength=len(self.right))
        whole = asked == np.bincount(self.block, minlength=len(self.right))
        if metric != self.metric or (asked[~whole] > 0).any():
            raise BadInput(f"these subsets were counted by {self.metric}, block by block; ask for nothing else.")
        if whole.all():
            return self.table.correct if metric == "accuracy" else self.table.top5
        return self.right[whole].sum(axis=0, dtype=np.int64) + int(self.sure[whole].sum())

    def by_block(self, metric: str, block: np.ndarray) -> np.ndarray:
        """Return the counts of each block, (G, S), as they were made: less of each what all subsets have right."""
        if metric != self.metric or not np.array_equal(block, self.block):
            raise BadInput(f"these subsets were counted by {self.metric}, block by block; ask for nothing else.")
        return self.right


class Listed:
    """The subsets of a table that holds the best alone; each is asked about every sample."""

    def __init__(self, data: SelectionData, table: SubsetTable, metric: str, rows: np.ndarray) -> None:
        self.table, self.metric, self.masks = table, metric, table.masks[rows]
        self._data = data

    def sums(self, metric: str, rows: np.ndarray) -> np.ndarray:
        """Return the sum of the metric over `rows`, bool (n,), of each subset: float64 (S,)."""
        return np.concatenate([scores[:, rows].sum(axis=1) for scores in self._scores(metric)])

    def by_block(self, metric: str, block: np.ndarray) -> np.ndarray:
        """Return the sums over the samples of each block, float64 (G, S)."""
        order = np.argsort(block, kind="stable")
        starts = np.searchsorted(block[order], np.arange(int(block.max()) + 1))
        parts = [np.add.reduceat(scores[:, order], starts, axis=1) for scores in self._scores(metric)]
        return np.ascontiguousarray(np.concatenate(parts).T)

    def _scores(self, metric: str) -> Iterator[np.ndarray]:
        """Give the scores of some subsets at a time of every sample, float64 (subsets, n)."""
        data, members = self._data, self._data.members
        step = max(1, LISTED_NUMBERS // data.samples)
        starts = np.searchsorted(data.sample, np.arange(data.samples + 1))
        rivals = np.ascontiguousarray(np.vstack([data.margins, -data.thresholds]).T.astype(np.int32))
        for start in range(0, len(self.masks), step):
            masks = self.masks[start : start + step]
            if metric == "accuracy":
                from analysis.subsets.kernels import decide

                right = np.ones((len(masks), data.samples), np.bool_)
                decide(rivals, starts, np.diff(starts), masks, right)
                yield right.astype(np.float64)
            else:
                bits = (masks[:, None] >> np.arange(members, dtype=np.uint64) & np.uint64(1)).astype(np.float64)
                yield data.scores_of(bits / bits.sum(axis=1, keepdims=True), metric)


def score_by_block(
    source: BlockSource,
    sizes: Sequence[int],
    block: np.ndarray,
    metric: str = "accuracy",
    rule: str = "mean",
    metrics: Sequence[str] = tuple(METRICS),
    progress: Progress | None = None,
) -> Counted | None:
    """Return the table of all subsets of these sizes, counted by block of samples; None where that has no use.

    It has none for few subsets, which the plain way scores, for a metric that is no count, and where the counts would
    take more than 512 MB. block: int64 (N,) in 0..G-1. progress: told samples done, and all.
    """
    bytes_each = np.min_scalar_type(int(np.bincount(block).max())).itemsize
    counts = (int(block.max()) + 1) * bytes_each * count_subsets(len(source.members), list(sizes))
    if metric not in ("accuracy", "top5") or counts > MOST_BYTES or reference_is_faster(source, list(sizes), rule):
        return None
    from analysis.subsets.engine import table_by_group

    table, right, sure, held = table_by_group(source, sizes, block, metric, rule, (*metrics, metric), progress)
    return Counted(table, metric, right, block, sure, held)


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


COLUMNS = 2**13  # subsets whose sums in all resamplings are formed at a time


@dataclass(frozen=True, eq=False)
class Best:
    """The subset with the best `metric`, of at most `max_size` members.

    Of equally good ones (counts equal, NLL and Brier within 1e-12) the one with fewer members, then with lower NLL,
    then with the lower mask: as `SubsetTable.best` has it. costs: float64 (S,), of each subset; then none that costs
    more than `max_cost` is chosen, and of equally good ones the cheapest goes first.
    """

    data: SelectionData
    subsets: SubsetSums | WholeSets
    metric: str = "accuracy"
    max_size: int | None = None
    name: str = "best"
    costs: np.ndarray | None = None
    max_cost: float | None = None

    def __post_init__(self) -> None:
        if self.costs is not None and self.max_cost is not None and not (self.costs <= self.max_cost).any():
            raise BadInput(
                f"no subset costs {self.max_cost:g} or less: the cheapest costs {self.costs.min():g}; allow more."
            )
        if not self.allowed.size:
            raise BadInput(
                f"no subset has {self.max_size} members or fewer: the smallest that was scored has "
                f"{int(self._sizes.min())}; allow more members, or score smaller sizes too."
            )

    @cached_property
    def _sizes(self) -> np.ndarray:
        return sizes_of(self.subsets.masks)

    @cached_property
    def allowed(self) -> np.ndarray:
        """Rows of the subsets that may be chosen, int64, the cheaper ones first."""
        allowed = self._sizes <= (self.max_size or self.data.members)
        if self.costs is None:
            return np.flatnonzero(allowed)
        rows = np.flatnonzero(allowed & (self.costs <= (np.inf if self.max_cost is None else self.max_cost)))
        return rows[np.argsort(self.costs[rows], kind="stable")]

    @cached_property
    def _by_block(self) -> np.ndarray:
        """The sums of the subsets that may be chosen in each block of samples, (G, S)."""
        assert not isinstance(self.subsets, WholeSets)
        found = self.subsets.by_block(self.metric, self.data.blocks_of_samples)
        plain = self.costs is None and len(self.allowed) == found.shape[1]
        return found if plain else np.ascontiguousarray(found[:, self.allowed])

    @property
    def seconds(self) -> float:
        """What choosing once takes, roughly, of many times: its share of the blocks' sums and of their products."""
        samples, subsets = self.data.samples, len(self.subsets.masks)
        if isinstance(self.subsets, WholeSets):
            each = {"macro_f1": 1e-8, "auroc": 5e-8}[base_of(self.metric)]
            return 1e-3 + subsets * self.data.source.classes * (2e-6 + each * samples) / 50
        return 1e-3 + 4e-8 * subsets + 1e-12 * subsets * samples

    @property
    def choices(self) -> int:
        """How many subsets it chooses from."""
        if isinstance(self.subsets, Listed):
            return count_subsets(self.data.members, range(1, (self.max_size or self.data.members) + 1))
        return len(self.allowed)

    def choose(self, times: np.ndarray | None = None) -> Weighted:
        """Return the best subset where each sample counts so many times, int64 (n,); once if None."""
        counts = np.ones(self.data.samples, dtype=np.int64) if times is None else times
        if isinstance(self.subsets, WholeSets):
            different, block = np.unique(counts, return_inverse=True)
            means = self.subsets.scores(block, different[None])[0, self.allowed]
        else:
            sums = np.zeros(len(self.subsets.masks))
            for count in range(1, int(counts.max()) + 1):
                if (rows := counts >= count).any():
                    sums = sums + self.subsets.sums(self.metric, rows)
            scale = self.data.sample_scale(self.metric)
            means = sums[self.allowed] / (counts.sum() if scale is None else counts @ scale)
        return self._of(self._least(means), counts)

    def _least(self, means: np.ndarray) -> np.ndarray:
        """Return the positions of the best of some means, those that are equal within 1e-12."""
        # Where no class has a value, as where a part of the samples is of one class, all are equally good.
        losses = _no_nan(-means if metric_of(self.metric).higher_is_better else means)
        return np.flatnonzero(losses <= losses.min() + TIE)

    def choose_again(self, resamples: Resamples, progress: Progress | None = None) -> tuple[Weighted, ...]:
        """Return the best subset in each resampling of the data's own blocks; sums are taken block by block, once."""
        return self.choose_within(resamples, [len(self.allowed)], progress)[0]

    def choose_within(
        self, resamples: Resamples, firsts: Sequence[int], progress: Progress | None = None
    ) -> list[tuple[Weighted, ...]]:
        """Return the best in each resampling out of the first so many subsets that may be chosen, the cheapest ones.

        firsts: increasing; for each of them R choices. Of equally good subsets the cheaper one is taken.
        """
        least = np.full(len(resamples), np.inf)
        tied: list[list[np.ndarray]] = [[] for _ in range(len(resamples))]
        found: list[tuple[Weighted, ...]] = []
        edges = sorted({0, *range(0, firsts[-1], COLUMNS), *firsts})
        slack, losses = self._losses(resamples)

        def portion(start: int, stop: int) -> tuple[int, int, np.ndarray, np.ndarray]:
            sums = losses(start, stop)
            return start, stop, sums, sums.min(axis=1)

        with one_blas_thread():
            for start, stop, sums, lowest in in_order((partial(portion, *ends) for ends in pairwise(edges)), cores()):
                for r in np.flatnonzero(lowest <= least + slack):
                    if lowest[r] < least[r] - slack:
                        tied[r].clear()
                    least[r] = min(lowest[r], least[r])
                    tied[r].append(start + np.flatnonzero(sums[r] <= least[r] + slack))
                if progress:
                    progress(stop, len(self.allowed))
                if stop in firsts:
                    found.append(
                        tuple(self._of(np.concatenate(rows), resamples.times(r)) for r, rows in enumerate(tied))
                    )
        return found

    def _losses(self, resamples: Resamples) -> tuple[float, Callable[[int, int], np.ndarray]]:
        """Return how far equal sums may lie apart, and what gives the losses of subsets start..stop-1: (R, subsets).

        They are right up to a number that is the same for all subsets in a resampling.
        """
        sign = -1 if metric_of(self.metric).higher_is_better else 1
        if isinstance(self.subsets, WholeSets):
            scores = _no_nan(sign * self.subsets.scores(resamples.block, resamples.weights)[:, self.allowed])
            return TIE, lambda start, stop: scores[:, start:stop]
        table = self._by_block
        # Whole numbers below 2^24 are exact in 32 bits; sums of others may come out in another last digit.
        exact, slack = np.float32, 0.0
        if table.dtype.kind in "iu":
            most = int(table.max(initial=0)) * int(resamples.weights.sum(axis=1).max())
            exact = np.float32 if most < 2**24 else np.float64
        elif not is_plain(self.metric) and is_share(self.metric):
            exact = table.dtype.type  # weights of classes that are no whole numbers: equal sums differ in last digits
            slack = (1e-12 if exact is np.float64 else 1e-6) * float(table.sum(axis=0).max())
        weights = sign * resamples.weights.astype(exact)
        return slack, lambda start, stop: weights @ table[:, start:stop].astype(exact)

    def _of(self, tied: np.ndarray, times: np.ndarray) -> Weighted:
        """Return the one of equally good subsets (positions among those allowed) that is to be taken."""
        rows = self.allowed[tied]
        if self.costs is not None:
            rows = np.sort(rows[self.costs[rows] == self.costs[rows].min()])
        rows = rows[self._sizes[rows] == self._sizes[rows].min()]
        if len(rows) > 1 and self.data.rule.floor is not None:
            nll = self._nlls(rows, times)
            rows = rows[nll <= nll.min() + TIE]
        return of_members(_members(int(self.subsets.masks[rows[0]])), self.data.members, self.data.rule)

    def _nlls(self, rows: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the NLL of some subsets of one size, float64."""
        members = np.array([_members(int(mask)) for mask in self.subsets.masks[rows]])
        if self.data.rule.name == "mean":
            return np.array([-np.log(self.data.own[list(m)].mean(axis=0)) @ times for m in members]) / times.sum()
        return np.array([self._nll(tuple(m)) @ times for m in members]) / times.sum()

    def _nll(self, members: tuple[int, ...]) -> np.ndarray:
        """Return a subset's NLL of each sample, float64 (n,), where it takes all classes to know, once and for all."""
        known: dict[tuple[int, ...], np.ndarray] = self.__dict__.setdefault("_known", {})
        if members not in known:
            known[members] = of_members(members, self.data.members, self.data.rule).scores(self.data, "nll")
        return known[members]


def _no_nan(losses: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(losses), np.inf, losses)


def _members(mask: int) -> tuple[int, ...]:
    return tuple(i for i in range(mask.bit_length()) if mask >> i & 1)
