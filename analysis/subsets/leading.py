"""Every subset where no table of them would fit: what is shown of them is added up on the way, and the best are kept.

The subsets are gone through in shards of consecutive masks. Of each shard stay sums by size, counts by score, the terms
of the Shapley values, and the subsets that are best so far; shards are merged in their order, so the result does not
hang on threads, nor on how often the work was interrupted.
"""

import hashlib
import math
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from analysis.metrics import rule_of
from analysis.stack import BlockSource
from analysis.subsets import accumulate
from analysis.subsets.beyond import KEPT, Density, LeadingTable
from analysis.subsets.checkpoint import read_checkpoint, write_checkpoint
from analysis.subsets.engine import ALL, check_metrics, rows_of_block, whole_chunks
from analysis.subsets.nll_brier import CHUNK, unpacked
from analysis.subsets.prepare import Prepared, joined, prepare
from analysis.subsets.score import FEWEST_LEADING, MOST_LEADING
from analysis.subsets.shapley import Shapley
from analysis.subsets.shard_sums import BINS, Sums, Task
from analysis.subsets.table import SizeSummary, Subset
from ensemble.errors import BadInput
from ensemble.machine import Progress, cores, one_blas_thread
from ensemble.study.part import Part

SHARD = 2**19  # subsets that are one task
ALONE = 4  # times as many by accuracy alone
SECONDS = 30  # between two checkpoints


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
    task = _task(source, rule, metrics, threads)
    fingerprint = _fingerprint(task, source, rule)
    checkpoint = folder / f"{source.split}-{rule}-{fingerprint[:16]}.h5" if folder else None
    sums = _go_through(task, _all_parts(task), threads or cores(), progress, checkpoint, fingerprint)
    return _table_of(task, sums, source, rule)


class LeadingParts:
    """All subsets of 9 to 32 members in parts that several machines score: their sums, put together without a table.

    source, rule and metrics are as `leading_table` has them; folder: of a study, where each part has a file, which also
    says how far it is, so that a part that was cut off goes on. Raises `BadInput` as `leading_table` does.
    """

    def __init__(
        self, source: BlockSource, folder: Path, rule: str = "mean", metrics: Sequence[str] = ALL,
        threads: int | None = None,
    ) -> None:  # fmt: skip
        self.folder, self.source, self.rule, self._threads = folder, source, rule, threads or cores()
        self.sizes = tuple(range(1, len(source.members) + 1))
        self._task = _task(source, rule, metrics, threads)
        self._fingerprint = _fingerprint(self._task, source, rule)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that are computed."""
        return tuple(self._task.metrics)

    @property
    def blocks(self) -> int:
        """Into how many parts it can be cut at most."""
        return _all_parts(self._task).stop

    def path(self, part: Part) -> Path:
        """Return the file of a part."""
        return self.folder / f"{self._stem}.{part.number}-of-{part.count}.h5"

    @property
    def _stem(self) -> str:
        return f"{self.source.split}-{self.rule}-{self._fingerprint[:16]}"

    def is_done(self, part: Part) -> bool:
        """Say whether a part was scored to its end."""
        found = read_checkpoint(self.path(part), self._of(part))
        return found is not None and found[0] == self._rows(part).stop

    def missing(self, count: int) -> list[Part]:
        """Return those of `count` parts that were not scored to their end."""
        return [part for part in (Part(i + 1, count) for i in range(count)) if not self.is_done(part)]

    def score(self, part: Part, progress: Progress | None = None) -> bool:
        """Score a part, or what is left of it, and keep its sums; return whether there was anything to do."""
        if self.is_done(part):
            return False
        _go_through(self._task, self._rows(part), self._threads, progress, self.path(part), self._of(part))
        return True

    def merge(self) -> LeadingTable:
        """Return what one machine would have found of all subsets: the same counts and subsets to the bit.

        Sums of NLL and Brier score are added in another order, so their means over a size may differ in the last bits.
        Raises `BadInput` where parts are missing, naming them.
        """
        names = (re.fullmatch(rf"{re.escape(self._stem)}\.\d+-of-(\d+)\.h5", f.name) for f in self.folder.glob("*.h5"))
        counts = sorted({int(name[1]) for name in names if name})
        whole = next((count for count in counts if not self.missing(count)), 0)
        if not whole:
            if counts:
                lacking = ", ".join(map(str, self.missing(counts[-1])))
                raise BadInput(f"{self.folder}: of {counts[-1]} parts these are missing: {lacking}; score them first.")
            others = len(list(self.folder.glob("*-of-*.h5")))
            of = f", and {others} of other members, predictions or options" if others else ""
            raise BadInput(f"{self.folder}: has no parts of these subsets{of}; score them with only='I/N'.")
        sums = Sums.none(self._task.members, self._task.samples)
        for part in (Part(i + 1, whole) for i in range(whole)):
            found = read_checkpoint(self.path(part), self._of(part))
            if found is not None:
                sums.add(Sums(**found[1]), self._task.best)
        return _table_of(self._task, sums, self.source, self.rule)

    def _of(self, part: Part) -> str:
        """Return what the file of a part says that it is of, so that none is taken for another."""
        return f"{self._fingerprint} {part}"

    def _rows(self, part: Part) -> slice:
        if self.blocks < part.count:
            raise BadInput(f"only='{part}': {self.blocks:,} blocks of subsets cannot be cut into {part.count} parts.")
        return part.rows(self.blocks)


def _all_parts(task: Task) -> slice:
    return slice(0, 2 ** (task.members - task.bits))


def _task(source: BlockSource, rule: str, metrics: Sequence[str], threads: int | None) -> Task:
    """Return the subsets to go through, once all predictions were read and pruned."""
    labels, kind, wanted = source.require_labels(), rule_of(rule), check_metrics(metrics)
    members = len(source.members)
    if not FEWEST_LEADING <= members <= MOST_LEADING:
        raise BadInput(
            f"{members} members: expected {FEWEST_LEADING} to {MOST_LEADING}; fewer have a table, name fewer of more."
        )
    threads = threads or cores()
    parts: list[Prepared] = []
    waiting: list[np.ndarray] = []
    digest = hashlib.blake2b(digest_size=32)  # the Brier score hangs on all probabilities, the others on what is kept
    products = np.zeros(0)
    for block in whole_chunks(source.blocks(rows_of_block(source))):
        ready = prepare(block, labels, kind, wanted, threads)
        parts.append(replace(ready, products=None))
        if ready.products is not None:
            for own in block.probs[:, block.start - block.offset : block.stop - block.offset]:
                digest.update(np.ascontiguousarray(own).data)
            waiting.append(ready.products)
            if block.stop % CHUNK == 0 or block.stop == source.samples:
                own = accumulate.chunk_sum(np.concatenate(waiting))
                products = products + own if len(products) else own
                waiting.clear()
    gram = unpacked(products, members) if len(products) else None
    return Task(joined(parts), members, source.classes, wanted, gram, digest.hexdigest())


def _go_through(
    task: Task, parts: slice, threads: int, progress: Progress | None, checkpoint: Path | None, fingerprint: str
) -> Sums:
    """Return the sums of some parts of the lattice, from the checkpoint on where there is one."""
    step = max(1, SHARD * (1 if len(task.used) > 1 else ALONE) >> task.bits)
    found = read_checkpoint(checkpoint, fingerprint) if checkpoint else None
    done, arrays = found or (parts.start, {})
    sums = Sums(**arrays) if found else Sums.none(task.members, task.samples)
    tell = progress or (lambda _done, _total: None)
    written = time.monotonic()
    shards: Iterator[int] = iter(range(done, parts.stop, step))
    running: list[tuple[int, Future[Sums]]] = []
    try:
        with one_blas_thread(), ThreadPoolExecutor(threads) as pool:
            try:
                while True:
                    for first in islice(shards, 2 * threads - len(running)):
                        last = min(first + step, parts.stop)
                        running.append((last, pool.submit(task.shard, first, last, task.floor(sums))))
                    if not running:
                        break
                    last, future = running.pop(0)
                    sums.add(future.result(), task.best)
                    done = last
                    tell(done - parts.start << task.bits, parts.stop - parts.start << task.bits)
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


def _fingerprint(task: Task, source: BlockSource, rule: str) -> str:
    """Return the SHA-256 of all that the result hangs on, the same on every machine."""
    facts = ["3", rule, str(KEPT), str(BINS), *task.metrics, *source.members, task.digest]
    digest = hashlib.sha256("\0".join(facts).encode())
    arrays = [task.held.rivals, task.held.starts, task.held.counts, task.held.true]
    for array in (a for a in arrays if a is not None):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _table_of(task: Task, sums: Sums, source: BlockSource, rule: str) -> LeadingTable:
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


def _summaries(task: Task, sums: Sums, table: LeadingTable, metric: str) -> list[SizeSummary]:
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


def _shares(task: Task, sums: Sums, table: LeadingTable, metric: str) -> Shapley:
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
