"""Every subset where no table of them would fit: what is shown of them is added up on the way, and the best are kept.

The subsets are gone through in shards of consecutive masks. Of each shard stay sums by size, counts by score, the terms
of the Shapley values, and the subsets that are best so far; shards are merged in their order, so the result does not
hang on threads, nor on how often the work was interrupted.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from analysis.metrics import METRICS, rule_of
from analysis.stack import BlockSource
from analysis.subsets import accumulate
from analysis.subsets.beyond import KEPT, Density, LeadingTable
from analysis.subsets.checkpoint import read_checkpoint, write_checkpoint
from analysis.subsets.engine import ALL, check_metrics, rows_of_block, whole_chunks
from analysis.subsets.enumeration import FullLattice
from analysis.subsets.nll_brier import CHUNK, unpacked
from analysis.subsets.prepare import Prepared, joined, prepare, question
from analysis.subsets.score import FEWEST_LEADING, MOST_LEADING
from analysis.subsets.shapley import Shapley, weights_by_size
from analysis.subsets.table import TIE, SizeSummary, Subset, sizes_of
from analysis.subsets.tally import below, tally
from ensemble.errors import BadInput
from ensemble.machine import Progress, cores, one_blas_thread

BINS = 1024  # of a score, for the figure
SHARD = 2**19  # subsets that are one task
ALONE = 4  # times as many by accuracy alone
SECONDS = 30  # between two checkpoints


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


class _Task:
    """The subsets of some samples, shard by shard."""

    def __init__(self, held: Prepared, members: int, classes: int, metrics: Sequence[str], gram: np.ndarray | None):
        self.held, self.members, self.samples, self.metrics = held, members, len(held), metrics
        everything = np.arange(len(held))
        self.lattice = FullLattice(members, range(1, members + 1))
        self.asked = [question(held, everything, top) for top in (False, True)[: 1 + ("top5" in metrics)]]
        self.gram = gram
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

    @property
    def shards(self) -> int:
        """How many parts of the lattice are one task."""
        return max(1, SHARD * (1 if len(self.used) > 1 else ALONE) >> self.bits)

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
            least = np.minimum.reduceat(losses[self.order, i], self.starts)
            marked |= losses[:, i] <= least[self.low_sizes] + TIE
        if marked.sum() > 4 * KEPT:  # nearly all are equally good: the first ones will do
            marked[np.flatnonzero(marked)[4 * KEPT :]] = False
        return marked

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


def leading_table(
    source: BlockSource,
    rule: str = "mean",
    metrics: Sequence[str] = ALL,
    progress: Progress | None = None,
    threads: int | None = None,
    folder: Path | None = None,
) -> LeadingTable:
    """Score every subset of up to 32 members without a table of them; see `LeadingTable`.

    source: labelled predictions, a `PredictionStack` or an `analysis.stack.ArraySource`. rule: how members are
    combined, see `analysis.metrics`. metrics: that are computed, accuracy among them. threads: as many as there are
    cores unless told. Counts, NLL and Brier score of the subsets that are kept are those of `lattice_table`, to the
    bit. folder: where a file says, twice a minute and when the work is interrupted, how far it is; named for the
    predictions and options, so that another run of the same goes on from it. Memory: what pruning leaves of all
    samples, some hundred bytes each.
    progress: told subsets done, and all. Raises `BadInput` as `lattice_table` does.
    """
    labels, kind, wanted = source.require_labels(), rule_of(rule), check_metrics(metrics)
    members = len(source.members)
    if not FEWEST_LEADING <= members <= MOST_LEADING:
        raise BadInput(
            f"{members} members: expected {FEWEST_LEADING} to {MOST_LEADING}; fewer have a table, name fewer of more."
        )
    threads = threads or cores()
    parts: list[Prepared] = []
    waiting: list[np.ndarray] = []
    products = np.zeros(0)
    for block in whole_chunks(source.blocks(rows_of_block(source))):
        ready = prepare(block, labels, kind, wanted, threads)
        parts.append(replace(ready, products=None))
        if ready.products is not None:
            waiting.append(ready.products)
            if block.stop % CHUNK == 0 or block.stop == source.samples:
                own = accumulate.chunk_sum(np.concatenate(waiting))
                products = products + own if len(products) else own
                waiting.clear()
    gram = unpacked(products, members) if len(products) else None
    task = _Task(joined(parts), members, source.classes, wanted, gram)
    fingerprint = _fingerprint(task, source, rule)
    checkpoint = folder / f"{source.split}-{rule}-{fingerprint[:16]}.h5" if folder else None
    sums = _go_through(task, threads, progress, checkpoint, fingerprint)
    return _table_of(task, sums, source, rule)


def _go_through(
    task: _Task, threads: int, progress: Progress | None, checkpoint: Path | None, fingerprint: str
) -> Sums:
    """Return the sums of all shards, from the checkpoint on where there is one."""
    total = 2 ** (task.members - task.bits)
    step = task.shards
    found = read_checkpoint(checkpoint, fingerprint) if checkpoint else None
    done, arrays = found or (0, {})
    sums = Sums(**arrays) if found else Sums.none(task.members, task.samples)
    tell = progress or (lambda _done, _total: None)
    written = time.monotonic()
    shards: Iterator[int] = iter(range(done, total, step))
    running: list[tuple[int, Future[Sums]]] = []
    try:
        with one_blas_thread(), ThreadPoolExecutor(threads) as pool:
            try:
                while True:
                    for first in islice(shards, 2 * threads - len(running)):
                        last = min(first + step, total)
                        running.append((last, pool.submit(task.shard, first, last, task.floor(sums))))
                    if not running:
                        break
                    last, future = running.pop(0)
                    sums.add(future.result(), task.best)
                    done = last
                    tell(done << task.bits, total << task.bits)
                    if checkpoint and time.monotonic() - written > SECONDS:
                        write_checkpoint(checkpoint, fingerprint, done, vars(sums))
                        written = time.monotonic()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        if checkpoint and (found is None or done > found[0]):
            write_checkpoint(checkpoint, fingerprint, done, vars(sums))
    return sums


def _fingerprint(task: _Task, source: BlockSource, rule: str) -> str:
    """Return the SHA-256 of all that the result hangs on."""
    digest = hashlib.sha256("\0".join(["2", rule, str(KEPT), str(BINS), *task.metrics, *source.members, ""]).encode())
    arrays = [task.held.rivals, task.held.starts, task.held.counts, task.held.true, task.gram]
    for array in (a for a in arrays if a is not None):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _table_of(task: _Task, sums: Sums, source: BlockSource, rule: str) -> LeadingTable:
    whole = np.nan_to_num(sums.values[:, :2]).astype(np.int64)
    table = LeadingTable(
        masks=sums.kept,
        correct=np.ascontiguousarray(whole[:, 0]),
        top5=np.ascontiguousarray(whole[:, 1]),
        nll=np.ascontiguousarray(sums.values[:, 2]),
        brier=np.ascontiguousarray(sums.values[:, 3]),
        members=source.members,
        samples=source.samples,
        classes=source.classes,
        split=source.split,
        floored=task.held.low,
        rule=rule,
        without=() if 1 in task.used else ("top5",),
        total=2**task.members - 1,
    )
    used = [ALL[i] for i in task.used]
    return replace(
        table,
        summaries={name: _summaries(task, sums, table, name) for name in used},
        contributions={name: _shares(task, sums, table, name) for name in used},
        densities={name: Density(*task.ends[ALL.index(name)], sums.density[ALL.index(name)]) for name in used},
    )


def _summaries(task: _Task, sums: Sums, table: LeadingTable, metric: str) -> list[SizeSummary]:
    numbers = [math.comb(task.members, k) for k in range(task.members + 1)]

    def means(k: int) -> list[float]:
        found = [
            (numbers[k] * possible - int(sums.total[i, k])) / (numbers[k] * task.samples)
            for i, possible in enumerate([*task.possible, 0][:2])
        ]
        found += (sums.scores[:, k] / numbers[k]).tolist()
        return [mean if i in task.used else math.nan for i, mean in enumerate(found)]

    def ends(k: int, i: int) -> tuple[float, float]:
        if i >= 2:
            return float(sums.lowest[i - 2, k]), float(sums.highest[i - 2, k])
        low, high = (task.possible[i] - int(of[i, k]) for of in (sums.most, sums.least))
        return low / task.samples, high / task.samples

    i = ALL.index(metric)
    return [
        SizeSummary(
            k=k,
            subsets=numbers[k],
            mean_accuracy=means(k)[0],
            min_accuracy=ends(k, 0)[0],
            max_accuracy=ends(k, 0)[1],
            mean_top5=means(k)[1],
            mean_nll=means(k)[2],
            mean_brier=means(k)[3],
            best=_best_of(table, metric, k),
            mean_score=means(k)[i],
            min_score=ends(k, i)[0],
            max_score=ends(k, i)[1],
        )
        for k in range(1, task.members + 1)
    ]


def _best_of(table: LeadingTable, metric: str, size: int) -> Subset:
    return table.subset(table._best_of(np.flatnonzero(table.sizes == size), metric))


def _shares(task: _Task, sums: Sums, table: LeadingTable, metric: str) -> Shapley:
    i = ALL.index(metric)
    if i >= 2:
        marginals, everything = sums.marginals[i - 2], float(sums.everything[i - 2])
    else:
        # Of the subsets of each size, and of those with a member, the scores' sum: whole numbers until here.
        number = np.array([math.comb(task.members, k) for k in range(task.members + 1)], np.float64)
        within = np.array([math.comb(task.members - 1, k - 1) if k else 0 for k in range(task.members + 1)], np.float64)
        by_size = (number * task.possible[i] - sums.total[i]) / task.samples
        by_size[0] = task.empty[i]
        everything = float(task.weight @ by_size)
        marginals = (within * task.possible[i] - sums.by_member[i]) / task.samples @ task.both
    values = dict(zip(table.members, (marginals - everything).tolist(), strict=True))
    return Shapley(metric, task.empty[i], float(table.scores(metric)[-1]), values)
