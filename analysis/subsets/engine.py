"""The engine's public face: every subset's table from a source of any length, and a prepared value for questions."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial

import numpy as np

from analysis.metrics import GEOMETRIC_MEMBERS, METRICS, rule_of
from analysis.stack import Block, BlockSource, chosen_rows
from analysis.subsets import accumulate
from analysis.subsets.enumeration import Enumeration, Shard, enumerate_subsets
from analysis.subsets.groups import Groups
from analysis.subsets.memory import check_memory
from analysis.subsets.nll_brier import CHUNK, unpacked
from analysis.subsets.pairs import Pairs
from analysis.subsets.prepare import Prepared, joined, prepare, question
from analysis.subsets.table import SubsetTable, check_sizes, sizes_of
from ensemble.errors import BadInput, nearest
from ensemble.machine import Progress, cores
from ensemble.study.part import Part

BLOCK_BYTES = 2**26  # of probabilities of one block that is read from disk
PENDING = 2**25  # numbers of pruned rivals, 128 MiB: so many are kept before they are counted
ALL = tuple(METRICS)


def lattice_table(
    source: BlockSource,
    sizes: Sequence[int],
    rule: str = "mean",
    metrics: Sequence[str] = ALL,
    progress: Progress | None = None,
    threads: int | None = None,
    block: int | None = None,
    only: Part | None = None,
) -> SubsetTable:
    """Score every subset whose number of members is in `sizes`: what `analysis.subsets.reference` does, at any size.

    Counts are the same to the bit, NLL and Brier within 1e-12, and the same bits for any `threads` and any `block`,
    the number of samples that are read at a time. only: the part of the subsets that is scored, all where it is None.
    Metrics that were not asked for, or that the rule has not, are NaN; accuracy is always there. Memory: the table, a
    block (128 MiB of probabilities unless told), and what pruning leaves of at most 8,192 samples, whatever N is.
    `progress` is told samples done, and N.
    Raises `BadInput` for sizes outside 1..M, an unknown rule or metric, or a source without labels.
    """
    return _table(source, sizes, rule, metrics, progress, threads, block, only=only)


def table_by_group(
    source: BlockSource,
    sizes: Sequence[int],
    group: np.ndarray,
    by: str = "accuracy",
    rule: str = "mean",
    metrics: Sequence[str] = ALL,
    progress: Progress | None = None,
    threads: int | None = None,
) -> tuple[SubsetTable, np.ndarray, np.ndarray, Pairs | None]:
    """Return `lattice_table`, and in how many samples of each group each subset is right: whole numbers (G, S).

    group: int64 (N,) in 0..G-1. by: "accuracy", or "top5". Both are counted in one pass. Samples that every subset has
    right are not among them but, for each group, in the third value, int64 (G,): so a byte holds most counts. Last come
    the pairs of all samples, for a selection by that metric to read; None where NLL was not asked for, or has no
    meaning, and where they take more than 256 MiB.
    """
    keeps = "nll" in check_metrics(metrics) and rule_of(rule).name == "mean"
    groups = Groups(group, METRICS[by].name == "top5", len(source.members) if keeps else 0)
    table = _table(source, sizes, rule, metrics, progress, threads, None, groups)
    return table, groups.right, groups.sure, groups.pairs()


def _table(
    source: BlockSource,
    sizes: Sequence[int],
    rule: str,
    metrics: Sequence[str],
    progress: Progress | None,
    threads: int | None,
    block: int | None,
    groups: Groups | None = None,
    only: Part | None = None,
) -> SubsetTable:
    labels, kind, wanted = source.require_labels(), rule_of(rule), check_metrics(metrics)
    sizes = check_sizes(sizes, len(source.members))
    check_memory(len(source.members), sizes, wanted, 1 if only is None else only.count)
    threads = threads or cores()
    rows = block or rows_of_block(source)
    enumeration = enumerate_subsets(len(source.members), sizes)
    if only is not None:
        if len(enumeration.parts) < only.count:  # too few for the machines to share: score them all, and keep some
            return _table(source, sizes, rule, metrics, progress, threads, block).part(only)
        enumeration = Shard(enumeration, only.rows(len(enumeration.parts)), sizes)
    sums = _Sums(enumeration, "top5" in wanted, source.samples, threads, progress, groups)
    for part in whole_chunks(source.blocks(rows)):
        sums.add(part.stop, prepare(part, labels, kind, wanted, threads))
    sums.finish()
    masks = enumeration.masks
    nll = brier = np.broadcast_to(np.float64("nan"), len(masks))
    if sums.logs is not None:
        nll = _nll(enumeration.arrange(sums.logs), masks, source.samples)
        nll /= source.samples
    if sums.products is not None:
        matrix = unpacked(sums.products, len(source.members))
        brier = _brier(enumeration.arrange(accumulate.forms(enumeration, matrix, threads)), masks)
        brier /= source.samples
    if has_geometric(rule, len(source.members)) and {"nll", "brier"} & set(wanted):
        found = accumulate.geometric_sums(source, labels, sizes, rows, threads, progress=progress)
        chosen = masks.astype(np.int64)
        nll, brier = (
            total[chosen] / source.samples if name in wanted else nll
            for name, total in zip(("nll", "brier"), found, strict=True)
        )
    return SubsetTable(
        masks=masks,
        correct=enumeration.arrange(np.subtract(source.samples, sums.wrong[0], out=sums.wrong[0])),
        top5=enumeration.arrange(np.subtract(source.samples, sums.wrong[1], out=sums.wrong[1]))
        if sums.top
        else np.broadcast_to(np.int64(0), len(masks)),
        nll=nll,
        brier=brier,
        members=source.members,
        samples=source.samples,
        classes=source.classes,
        split=source.split,
        floored=sums.low,
        rule=rule,
        without=() if sums.top else ("top5",),
    )


class _Sums:
    """What adds up over samples; they come in order, and are settled in portions of CHUNK whatever came at a time."""

    def __init__(
        self,
        enumeration: Enumeration,
        top: bool,
        samples: int,
        threads: int,
        progress: Progress | None,
        groups: Groups | None = None,
    ) -> None:
        self.enumeration, self.top, self.samples, self.threads, self.progress = (
            enumeration,
            top,
            samples,
            threads,
            progress,
        )
        self.wrong = [np.zeros(enumeration.raw, np.int64) for _ in range(1 + top)]
        self.logs: np.ndarray | None = None
        self.products: np.ndarray | None = None
        self.low = 0
        self._groups = groups
        self._uncounted: list[Prepared] = []
        self._chunk: list[tuple[np.ndarray | None, np.ndarray | None]] = []
        self._told = 0.0
        if groups is not None:
            groups.begin(enumeration)

    def finish(self) -> None:
        """Add up what was counted by group, once all samples are taken."""
        if self._groups is not None:
            self._groups.finish(self.wrong[int(self._groups.top5)])

    def add(self, stop: int, ready: Prepared) -> None:
        """Take the samples up to `stop`."""
        self.low += ready.low
        self._uncounted.append(ready)
        if self._groups is not None:
            self._groups.keep(ready, stop - len(ready))
        self._chunk.append((ready.true, ready.products))
        whole = stop % CHUNK == 0 or stop == self.samples
        crowded = sum(p.rivals.size for p in self._uncounted) >= PENDING
        if crowded or whole:
            steps = self._steps(stop, len(self.wrong) + (whole and ready.true is not None))
            self._count(stop, steps)
            if whole:
                self._add_up(steps)
        if whole:
            self._told = stop
            if self.progress:
                self.progress(stop, self.samples)

    def _steps(self, stop: int, count: int) -> Iterator[Callable[[float], None] | None]:
        """Give a function for each of `count` steps that is told the step's share that is done."""
        begin, share = self._told, (stop - self._told) / count
        for i in range(count):
            yield partial(self._tell, begin + i * share, share) if self.progress else None
            self._told = begin + (i + 1) * share

    def _tell(self, begin: float, share: float, done: float) -> None:
        if self.progress:
            self.progress(int(begin + done * share), self.samples)

    def _count(self, stop: int, steps: Iterator[Callable[[float], None] | None]) -> None:
        held = joined(self._uncounted)
        self._uncounted.clear()
        everything = np.arange(len(held))
        for i, total in enumerate(self.wrong):
            asked = question(held, everything, top=i == 1)
            if self._groups is not None and self._groups.top5 == (i == 1):
                self._groups.count(asked, stop - len(held), self.threads, next(steps))
            else:
                total += accumulate.count_wrong(self.enumeration, asked, self.threads, next(steps))

    def _add_up(self, steps: Iterator[Callable[[float], None] | None]) -> None:
        true, products = ([part for part in parts if part is not None] for parts in zip(*self._chunk, strict=True))
        self._chunk.clear()
        if true:
            self.logs = np.zeros(self.enumeration.raw) if self.logs is None else self.logs
            accumulate.add_log_sums(self.enumeration, np.concatenate(true), self.logs, self.threads, next(steps))
        if products:
            summed = accumulate.chunk_sum(np.concatenate(products))
            self.products = summed if self.products is None else self.products + summed


class Lattice:
    """A source that is pruned once, of which counts can then be asked for any group of samples.

    Subsets stand in increasing order of `masks`, uint64 (S,): all 2^M - 1, or those of the given sizes. `rows` in
    every question is a mask bool (N,) or positions; all samples where it is None; a sample named twice counts twice.
    It keeps, a sample, the rivals that pruning leaves (4 M bytes each) and 4 M^2 bytes for the Brier score.
    Raises `BadInput` as `lattice_table` does.
    """

    def __init__(
        self,
        source: BlockSource,
        rule: str = "mean",
        sizes: Sequence[int] | None = None,
        metrics: Sequence[str] = ALL,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.source = source
        self.members, self.samples, self.classes = source.members, source.samples, source.classes
        self.labels = source.require_labels()
        self.rule = rule_of(rule).name
        self.metrics = check_metrics(metrics)
        self.sizes = check_sizes(sizes or range(1, len(self.members) + 1), len(self.members))
        self.threads = threads or cores()
        check_memory(len(self.members), self.sizes, self.metrics)
        self._enumeration = enumerate_subsets(len(self.members), self.sizes)
        parts = []
        for block in source.blocks(rows_of_block(source)):
            parts.append(prepare(block, self.labels, rule_of(rule), self.metrics, self.threads))
            if progress:
                progress(block.stop, self.samples)
        self._held = joined(parts)

    @cached_property
    def masks(self) -> np.ndarray:
        """The subsets' masks, uint64 (S,), increasing."""
        return self._enumeration.masks

    def correct(self, rows: np.ndarray | Sequence[int] | None = None) -> np.ndarray:
        """Return how many of the samples each subset has right: int64 (S,)."""
        return self._right(chosen_rows(rows, self.samples), top=False)

    def top5(self, rows: np.ndarray | Sequence[int] | None = None) -> np.ndarray:
        """Return in how many of the samples each subset has the true class among the five: int64 (S,)."""
        self._require("top5")
        return self._right(chosen_rows(rows, self.samples), top=True)

    def _right(self, rows: np.ndarray, top: bool) -> np.ndarray:
        wrong = accumulate.count_wrong(self._enumeration, question(self._held, rows, top), self.threads)
        return len(rows) - self._enumeration.arrange(wrong)

    def weighted_right(self, rows: np.ndarray, weights: np.ndarray, top: bool = False) -> np.ndarray:
        """Return the sum of the weights of the samples that each subset has right, or among the five: (S,).

        weights: (N,) of few different values, in whose type the sum comes. Samples of one weight are counted together,
        in whole numbers.
        """
        if top:
            self._require("top5")
        chosen = chosen_rows(rows, self.samples)
        chosen = chosen[np.argsort(weights[chosen], kind="stable")]
        parts = np.split(chosen, np.flatnonzero(np.diff(weights[chosen])) + 1)
        asked = [(question(self._held, part, top), weights[part[0]]) for part in parts if len(part)]
        lost = accumulate.weigh_wrong(self._enumeration, asked, weights.dtype, self.threads)
        return weights[chosen].sum() - self._enumeration.arrange(lost)

    def nll_sums(self, rows: np.ndarray | Sequence[int] | None = None) -> np.ndarray:
        """Return each subset's sum of NLL over the samples, float64 (S,); NaN where the rule has none."""
        self._require("nll")
        chosen = chosen_rows(rows, self.samples)
        if self._held.true is not None:
            logs = accumulate.log_sums(self._enumeration, self._held.true[chosen], self.threads)
            return _nll(self._enumeration.arrange(logs), self.masks, len(chosen))
        return self._geometric(chosen)[0]

    def brier_sums(self, rows: np.ndarray | Sequence[int] | None = None) -> np.ndarray:
        """Return each subset's sum of Brier scores over the samples, float64 (S,); NaN where the rule has none."""
        self._require("brier")
        chosen = chosen_rows(rows, self.samples)
        if self._held.products is not None:
            matrix = accumulate.gram(self._held.products[chosen], len(self.members))
            return _brier(
                self._enumeration.arrange(accumulate.forms(self._enumeration, matrix, self.threads)), self.masks
            )
        return self._geometric(chosen)[1]

    def _geometric(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not has_geometric(self.rule, len(self.members)):
            nothing = np.full(len(self.masks), np.nan)
            return nothing, nothing
        times = np.bincount(rows, minlength=self.samples)
        nll, brier = accumulate.geometric_sums(
            self.source, self.labels, self.sizes, rows_of_block(self.source), self.threads, times
        )
        chosen = self.masks.astype(np.int64)
        return nll[chosen], brier[chosen]

    def per_class(self, masks: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Return how many samples of each class some subsets have right: int64 (S, C).

        masks: those of the subsets, each 1..2^M - 1, in any order; all that were prepared where it is None.
        """
        if masks is not None:
            return accumulate.correct_by_class(self._asked(masks), self._held, self.labels, self.classes)
        counts = np.zeros((len(self.masks), self.classes), np.int64)
        for c in np.unique(self.labels):
            counts[:, c] = self._right(np.flatnonzero(self.labels == c), top=False)
        return counts

    def right(self, masks: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return which samples some subsets have right: bool (S, N)."""
        return accumulate.right_of(self._asked(masks), self._held)

    def _asked(self, masks: Sequence[int] | np.ndarray) -> np.ndarray:
        asked = [int(mask) for mask in masks]
        most = 2 ** len(self.members) - 1
        for mask in asked:
            if not 1 <= mask <= most:
                raise BadInput(f"a mask of {len(self.members)} members lies in 1..{most}, found {mask}.")
        return np.array(asked, np.uint64)

    def _require(self, metric: str) -> None:
        if metric not in self.metrics:
            raise BadInput(
                f"this lattice was prepared for {', '.join(self.metrics)}; name {metric!r} among its metrics."
            )


def check_metrics(metrics: Sequence[str]) -> tuple[str, ...]:
    """Return the metrics in the order of their table, accuracy among them; raise `BadInput` for an unknown one."""
    for name in metrics:
        if name not in METRICS:
            raise BadInput(f"{name!r} is no metric; {nearest(name, METRICS)}.")
    return tuple(name for name in METRICS if name in metrics or name == "accuracy")


def has_geometric(rule: str, members: int) -> bool:
    """Say whether NLL and Brier come from the normaliser over all classes."""
    return rule == "geometric" and members <= GEOMETRIC_MEMBERS


def rows_of_block(source: BlockSource) -> int:
    """Return how many samples are looked at together: about 64 MiB of probabilities."""
    return max(1, min(CHUNK, BLOCK_BYTES // (4 * len(source.members) * source.classes)))


def whole_chunks(blocks: Iterator[Block]) -> Iterator[Block]:
    """Cut blocks where a multiple of CHUNK lies inside."""
    for block in blocks:
        start = block.start
        while start < block.stop:
            stop = min(block.stop, (start // CHUNK + 1) * CHUNK)
            yield Block(start, stop, block.probs, block.offset)
            start = stop


def _nll(logs: np.ndarray, masks: np.ndarray, samples: int) -> np.ndarray:
    """Turn sums of ln(sum of p(y)), in place, into sums of NLL: the mean's logarithm is smaller by ln k."""
    sizes = np.arange(65)
    sizes[0] = 1
    shift = samples * np.log(sizes)
    for part in _portions(logs):
        np.subtract(shift[sizes_of(masks[part])], logs[part], out=logs[part])
    return logs


def _brier(sums: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Turn sums over a Gram matrix's entries, in place, into sums of Brier scores: divided by k^2."""
    for part in _portions(sums):
        sums[part] /= sizes_of(masks[part]) ** 2
    return sums


def _portions(array: np.ndarray) -> Iterator[slice]:
    """Cut a long array into slices that stay in the processor's cache."""
    return (slice(i, i + 2**16) for i in range(0, len(array), 2**16))
