"""Sums over shards of the lattice of subsets, where no row is kept of each: what `analysis.subsets.leading` adds up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.metrics import METRICS
from analysis.subsets.beyond import KEPT
from analysis.subsets.engine import ALL
from analysis.subsets.enumeration import FullLattice
from analysis.subsets.nll_brier import CHUNK
from analysis.subsets.prepare import Prepared, question
from analysis.subsets.shapley import weights_by_size
from analysis.subsets.table import TIE, sizes_of
from analysis.subsets.tally import below, tally

BINS = 1024  # of a score, for the figure


@dataclass(eq=False)
class Sums:
    """What is known of the subsets so far. Axes: M + 1 sizes, M members, B bins, S' subsets kept.

    Of the two counts, accuracy and top-5, how many samples are wrong that are not so in every subset:
    total, least, most: int64 (2, M + 1), by size; first: int64 (2, M + 1), the lowest mask that has the least;
    by_member: int64 (2, M, M + 1), the total of the subsets with a member.
    Of NLL and Brier score: scores, lowest, highest: float64 (2, M + 1); marginals: float64 (2, M), everything: float64
    (2,), terms of the Shapley values. density: int64 (4, M + 1, B), of all metrics.
    kept: uint64 (S',), increasing; values: float64 (S', 4), their right and top-5 counts, NLL and Brier score.
    """

    total: np.ndarray
    least: np.ndarray
    most: np.ndarray
    first: np.ndarray
    by_member: np.ndarray
    scores: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    marginals: np.ndarray
    everything: np.ndarray
    density: np.ndarray
    kept: np.ndarray
    values: np.ndarray

    @classmethod
    def none(cls, members: int, samples: int) -> "Sums":
        """Return the sums of no subset."""
        by_size = (2, members + 1)
        return cls(
            np.zeros(by_size, np.int64), np.full(by_size, samples + 1, np.int64), np.full(by_size, -1, np.int64),
            np.zeros(by_size, np.int64), np.zeros((2, members, members + 1), np.int64), np.zeros(by_size),
            np.full(by_size, np.inf), np.full(by_size, -np.inf), np.zeros((2, members)), np.zeros(2),
            np.zeros((len(ALL), members + 1, BINS), np.int64), np.empty(0, np.uint64), np.empty((0, 4)),
        )  # fmt: skip

    def add(self, other: "Sums", best: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
        """Take in those of other subsets, with higher masks; best: which of those kept stay, given masks and values."""
        for name in ("total", "by_member", "scores", "density", "marginals", "everything"):
            getattr(self, name)[...] += getattr(other, name)
        np.copyto(self.first, other.first, where=other.least < self.least)
        np.minimum(self.least, other.least, out=self.least)
        np.maximum(self.most, other.most, out=self.most)
        np.minimum(self.lowest, other.lowest, out=self.lowest)
        np.maximum(self.highest, other.highest, out=self.highest)
        masks = np.concatenate([self.kept, other.kept])
        values = np.concatenate([self.values, other.values])
        stay = best(masks, values)
        self.kept, self.values = masks[stay], values[stay]


class Task:
    """The subsets of some samples, shard by shard; digest: of their probabilities, where the Brier score is asked."""

    def __init__(
        self, held: Prepared, members: int, classes: int, metrics: Sequence[str], gram: np.ndarray | None, digest: str
    ) -> None:
        self.held, self.members, self.samples, self.metrics = held, members, len(held), metrics
        everything = np.arange(len(held))
        self.lattice = FullLattice(members, range(1, members + 1))
        self.asked = [question(held, everything, top) for top in (False, True)[: 1 + ("top5" in metrics)]]
        self.gram, self.digest = gram, digest
        low = self.lattice.low + self.lattice.middle
        self.bits = low
        self.low_sizes = np.bitwise_count(np.arange(2**low, dtype=np.uint64)).astype(np.int64)
        self.order = np.argsort(self.low_sizes, kind="stable")
        self.starts = np.searchsorted(self.low_sizes[self.order], np.arange(low + 1))
        row = np.argsort(self.low_sizes[: 2**self.lattice.low], kind="stable")
        ends = np.searchsorted(self.low_sizes[row], np.arange(self.lattice.low + 2))
        self.by_row = row, ends
        self.inside = (np.arange(2**low)[:, None] >> np.arange(low) & 1).astype(np.float64)
        self.weight, self.both = weights_by_size(members)
        self.empty = [METRICS[name].empty(classes) for name in ALL]
        # Jensen: the mean's NLL and Brier score are at most the members' largest.
        nll = 1.0 if held.true is None else float((-np.log(held.true)).mean(axis=0).max())
        brier = 2.0 if gram is None else float(gram.diagonal().max() / self.samples)
        self.ends = [(0.0, 1.0), (0.0, 1.0), (0.0, max(nll, 1e-12)), (0.0, max(brier, 1e-12))]
        self.used = [i for i, name in enumerate(ALL) if name in metrics and (i < 2 or held.true is not None)]
        self.possible = [self.samples - asked.wrong for asked in self.asked]  # right in some subset
        self.bins = [
            self._bin(i, (possible - np.arange(len(asked.order) + 1)) / self.samples)
            for i, (asked, possible) in enumerate(zip(self.asked, self.possible, strict=True))
        ]

    def shard(self, first: int, last: int, floor: np.ndarray) -> Sums:
        """Return the sums of some parts of the lattice; floor: float64 (4,), losses above which none is kept."""
        sums = Sums.none(self.members, self.samples)
        if self.used == [0]:
            masks, rows = self._counted(sums, first, last, floor[0])
        else:
            kept, values = [], []
            for part in range(first, last):
                found = self._values(sums, part)
                losses = self.losses(found)
                if part == 0:
                    losses[0] = np.inf
                stay = np.flatnonzero((losses <= floor).any(axis=1) | self._best_of_sizes(losses))
                kept.append(np.uint64(part << self.bits) + stay.astype(np.uint64))
                values.append(found[stay])
                self._add(sums, part, found)
            masks, rows = np.concatenate(kept), np.concatenate(values)
        stay = self.best(masks, rows)
        return replace(sums, kept=masks[stay], values=rows[stay])

    def _counted(self, sums: Sums, first: int, last: int, floor: float) -> tuple[np.ndarray, np.ndarray]:
        """Add up some parts by accuracy alone; return what may stay of them: masks, and values (S', 4).

        Of equally good subsets those with lower masks stay, so once enough are kept only better ones are looked for.
        """
        most = int(min(self.possible[0] + floor, len(self.asked[0].order)))
        few = 0 if np.isfinite(floor) else 1
        masks, wrong = np.empty(0, np.int64), np.empty(0, np.int64)
        found = np.empty(2**self.bits, np.int64)
        every = 2**self.members - 1
        for part in range(first, last):
            start, counts = part << self.bits, self._count(sums, part, 0)
            count = below(counts, most + few, found)
            alone = [1 << b for b in range(self.bits)] * (part == 0) + [0] * (part.bit_count() == 1)
            alone += [every - start] * (part == every >> self.bits)
            rows = np.union1d(found[:count], np.array(alone, np.int64))
            rows = rows[rows + start > 0]
            masks, wrong = np.append(masks, start + rows), np.append(wrong, counts[rows])
            if len(masks) > 4 * KEPT:
                order = np.lexsort((masks, wrong))
                sizes = sizes_of(masks.astype(np.uint64))
                stay = np.isin(np.arange(len(masks)), order[:KEPT]) | (sizes == 1) | (sizes == self.members)
                most, few = int(wrong[order[KEPT - 1]]), 0
                masks, wrong = masks[stay], wrong[stay]
        there = sums.least[0] <= self.samples
        masks = np.append(masks, sums.first[0][there])
        wrong = np.append(wrong, sums.least[0][there])
        masks, places = np.unique(masks, return_index=True)
        values = np.full((len(masks), 4), np.nan)
        values[:, 0] = self.possible[0] - wrong[places]
        return masks.astype(np.uint64), values

    def _count(self, sums: Sums, part: int, i: int) -> np.ndarray:
        """Add up how many of the undecided samples the subsets of a part have wrong, and return it: int32 (2^bits,)."""
        asked, low = self.asked[i], self.lattice.low
        wrong = self.lattice.count_wrong(part, asked, 0, len(asked.order))
        tally(
            wrong.reshape(-1, 2**low), self.low_sizes, *self.by_row, part, self.bins[i], sums.total[i], sums.least[i],
            sums.first[i], sums.most[i], sums.density[i], sums.by_member[i],
        )  # fmt: skip
        return wrong

    def _values(self, sums: Sums, part: int) -> np.ndarray:
        """Return of each subset of a part right and top-5 counts, NLL and Brier score: float64 (2^bits, 4)."""
        found = np.full((2**self.bits, 4), np.nan)
        for i, possible in enumerate(self.possible):
            found[:, i] = possible - self._count(sums, part, i)
        sizes = np.maximum(self.low_sizes + part.bit_count(), 1)
        if 2 in self.used and self.held.true is not None:
            own = np.zeros(2**self.bits)
            for start in range(0, self.samples, CHUNK):
                self.lattice.log_sums(part, self.held.true[start : start + CHUNK], own)
            found[:, 2] = (self.samples * np.log(sizes) - own) / self.samples
        if 3 in self.used and self.gram is not None:
            own = np.zeros(2**self.bits)
            self.lattice.forms(part, self.gram, own)
            found[:, 3] = own / sizes**2 / self.samples
        return found

    def losses(self, values: np.ndarray) -> np.ndarray:
        """Return what is the lower the better by each metric, infinite where it is not computed: float64 (rows, 4)."""
        losses = values * np.array([-1.0, -1.0, 1.0, 1.0])
        losses[:, [i for i in range(4) if i not in self.used]] = np.inf
        return losses

    def _best_of_sizes(self, losses: np.ndarray) -> np.ndarray:
        """Mark the subsets of a part that are best of their size by some metric, as nearly as ties are told apart."""
        marked = np.zeros(len(losses), np.bool_)
        for i in self.used:
            own = self._least_of_sizes(losses[:, i])
            if 2 in self.used:  # of equally good ones that with the lowest NLL is the best
                own &= self._least_of_sizes(np.where(own, losses[:, 2], np.inf))
            if own.sum() > KEPT:  # nearly all are equally good: the first of each size will do
                rows = np.flatnonzero(own)
                own[:] = False
                own[rows[np.unique(self.low_sizes[rows], return_index=True)[1]]] = True
            marked |= own
        return marked

    def _least_of_sizes(self, losses: np.ndarray) -> np.ndarray:
        least = np.minimum.reduceat(losses[self.order], self.starts)
        return losses <= least[self.low_sizes] + TIE

    def _bin(self, i: int, scores: np.ndarray) -> np.ndarray:
        """Return the bin of the density that each score by a metric belongs to, int64."""
        low, high = self.ends[i]
        return np.clip((scores - low) * (BINS / (high - low)), 0, BINS - 1).astype(np.int64)

    def _add(self, sums: Sums, part: int, found: np.ndarray) -> None:
        """Add up NLL and Brier score."""
        high = part.bit_count()
        here = slice(high, high + self.bits + 1)
        sizes = self.low_sizes + high
        for i in (i for i in self.used if i >= 2):
            score, own = found[:, i], i - 2
            if part == 0:
                score[0] = self.empty[i]
            ordered = score[self.order]
            sums.lowest[own, here] = np.minimum(sums.lowest[own, here], np.minimum.reduceat(ordered, self.starts))
            sums.highest[own, here] = np.maximum(sums.highest[own, here], np.maximum.reduceat(ordered, self.starts))
            sums.scores[own, here] += np.add.reduceat(ordered, self.starts)
            table = np.bincount(self.low_sizes * BINS + self._bin(i, score), minlength=(self.bits + 1) * BINS)
            sums.density[i, here] += table.reshape(-1, BINS)
            sums.everything[own] += float((self.weight[sizes] * score).sum())
            shared = self.both[sizes] * score
            sums.marginals[own, : self.bits] += shared @ self.inside
            whole = float(shared.sum())
            for bit in range(self.members - self.bits):
                if part >> bit & 1:
                    sums.marginals[own, self.bits + bit] += whole

    def best(self, masks: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return which subsets stay: the best by each metric, of equal ones the lower masks, and the best by size."""
        losses, sizes = self.losses(values), sizes_of(masks)
        stay = np.zeros(len(masks), np.bool_)
        for i in self.used:
            order = np.lexsort((masks, losses[:, i]))
            stay[order[:KEPT]] = True
            second = losses[:, 2] if 2 in self.used else np.zeros(len(masks))
            order = np.lexsort((masks, second, losses[:, i], sizes))
            stay[order[np.flatnonzero(np.diff(sizes[order], prepend=-1))]] = True
        stay |= (sizes == 1) | (sizes == self.members)
        stay &= masks > 0
        return np.flatnonzero(stay)

    def floor(self, sums: Sums) -> np.ndarray:
        """Return the loss by each metric above which a subset is not among the best any more: float64 (4,)."""
        if len(sums.kept) < KEPT:
            return np.full(4, np.inf)
        losses = self.losses(sums.values)
        floor = np.partition(losses, KEPT - 1, axis=0)[KEPT - 1]
        return np.where(np.isfinite(floor), floor, -np.inf)
