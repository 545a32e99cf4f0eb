"""What a table of subsets will cost, said beforehand: how large it is, and how long it takes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.metrics import rule_of
from analysis.stack import ArraySource, BlockSource
from analysis.subsets import accumulate
from analysis.subsets.engine import ALL, check_metrics, has_geometric, rows_of_block
from analysis.subsets.enumeration import FullLattice, enumerate_subsets
from analysis.subsets.memory import check_memory, peak_bytes, table_bytes
from analysis.subsets.prepare import prepare, question
from analysis.subsets.table import check_sizes, count_subsets
from ensemble.machine import cores

# The model, seconds of one core at about 3 GHz where predictions are easy (about ten rivals a sample): reading and
# pruning a probability; a subset's sample under each metric. Harder ones take up to some thirty times as long.
PRUNE = 2.5e-9
SUBSET = {"accuracy": 4e-11, "top5": 2e-10, "nll": 8e-11, "brier": 0.0}
FIXED = 0.5
FINISH = 5e-8  # a subset, whatever the samples: scores are put in order
CALIBRATION_ROWS = 256
CALIBRATION_PARTS = 4


@dataclass(frozen=True)
class Cost:
    """subsets: rows of the table; bytes: its size in memory; peak: bytes while it is made; seconds: how long it takes.

    measured: whether seconds come from a run on a part of the predictions; else from a model of easy ones.
    """

    subsets: int
    bytes: int
    peak: int
    seconds: float
    measured: bool


def cost(
    members: int,
    samples: int,
    classes: int,
    sizes: Sequence[int] | None = None,
    metrics: Sequence[str] = ALL,
    *,
    source: BlockSource | None = None,
    rule: str = "mean",
    threads: int | None = None,
    tabled: bool = True,
) -> Cost:
    """Say what `lattice_table` will cost.

    With a `source`, 256 of its samples spread over it (of files, from their beginning) are pruned and counted for a few
    parts of the subsets, and the time is scaled up: it depends on how much members disagree, which no formula knows.
    Without one it is a model of easy predictions. tabled: whether a table of them is made. Raises `BadInput` for bad
    sizes, and where a source is to be timed for a table that would not fit into memory.
    """
    sizes = check_sizes(sizes or range(1, members + 1), members)
    wanted, threads = check_metrics(metrics), threads or cores()
    subsets = count_subsets(members, sizes)
    if source is not None:
        if tabled:
            check_memory(members, sizes, wanted)
        seconds = _measured(source, sizes, wanted, rule, threads, tabled)
    else:
        each = sum(SUBSET[name] for name in wanted)
        seconds = FIXED + FINISH * subsets + samples * (members * classes * PRUNE + subsets * each) / threads
    return Cost(
        subsets, table_bytes(subsets, wanted), peak_bytes(members, subsets, wanted), seconds, source is not None
    )


def _measured(
    source: BlockSource, sizes: Sequence[int], metrics: Sequence[str], rule: str, threads: int, tabled: bool
) -> float:
    """Time a part of the samples and of the subsets, and scale up."""
    labels, kind = source.require_labels(), rule_of(rule)
    read = next(iter(source.blocks(rows_of_block(source))))
    held = read.probs.shape[1]
    rows = np.unique(np.linspace(0, held - 1, min(CALIBRATION_ROWS, held)).astype(np.int64))
    part_of = ArraySource(np.ascontiguousarray(read.probs[:, rows]), labels[rows + read.offset], source.members)
    block = next(part_of.blocks(len(rows)))
    enumeration = enumerate_subsets(len(source.members), sizes) if tabled else FullLattice(len(source.members), sizes)
    if isinstance(enumeration, FullLattice):
        total, largest = enumeration.raw // enumeration.block, enumeration.block
    else:
        total, largest = len(enumeration.parts), 0
    parts = np.unique(np.linspace(0, total - 1, min(CALIBRATION_PARTS, total)).astype(np.int64))
    spent, own = {}, np.zeros(largest)
    for _ in range(2):  # the first time loads or compiles
        begun = time.perf_counter()
        ready = prepare(block, part_of.labels, kind, metrics, threads)
        prepared = time.perf_counter() - begun
        asked = [question(ready, np.arange(len(rows)), top) for top in (False, True)[: 1 + ("top5" in metrics)]]
        for part in parts:
            begun = time.perf_counter()
            for q in asked:
                enumeration.count_wrong(int(part), q, 0, len(q.order))
            if ready.true is not None and isinstance(enumeration, FullLattice):
                enumeration.log_sums(int(part), ready.true, own)
            spent[int(part)] = time.perf_counter() - begun
    per_part = sum(spent.values()) / len(parts) / threads
    if ready.true is not None and not isinstance(enumeration, FullLattice):
        per_part *= 1 + SUBSET["nll"] / SUBSET["accuracy"]
    scale = source.samples / len(rows)
    seconds = scale * (prepared + per_part * total) + FINISH * count_subsets(len(source.members), sizes)
    if has_geometric(rule, len(source.members)) and {"nll", "brier"} & set(metrics):
        begun = time.perf_counter()
        accumulate.geometric_sums(part_of, part_of.labels, sizes, len(rows), threads)
        seconds += scale * (time.perf_counter() - begun)
    return seconds


def duration(seconds: float) -> str:
    """Say how long something takes, in a unit that people count in."""
    for most, unit, each in ((120, "seconds", 1), (7200, "minutes", 60), (172_800, "hours", 3600)):
        if seconds < most:
            return f"{seconds / each:,.0f} {unit}"
    return f"{seconds / 86_400:,.0f} days"
