"""Every subset's scores, by whichever way is faster: the plain one for small jobs, the engine for all others."""

import os
from collections.abc import Sequence
from pathlib import Path

from analysis.metrics import METRICS, rule_of
from analysis.stack import BlockSource, PredictionStack
from analysis.subsets.memory import available_bytes, peak_bytes
from analysis.subsets.reference import MAX_SUBSETS
from analysis.subsets.reference import subset_table as reference_table
from analysis.subsets.table import SubsetTable, check_sizes, count_subsets
from ensemble.machine import Progress
from ensemble.study.part import Part

# Seen on one core: what the plain way takes for a subset, and for each of its probabilities.
SECONDS_PER_SUBSET = 5e-5
SECONDS_PER_NUMBER = {"mean": 1.5e-9, "geometric": 4e-8, "vote": 1.5e-9}
# The engine loads its compiled code in about half a second, and compiles it, once, in about ten. The choice hangs on
# the job alone, never on what was loaded or compiled before: the last bits of NLL and Brier differ between the ways.
REFERENCE_SECONDS = 1.0
MOST_ROWS = 2**24
FEWEST_LEADING, MOST_LEADING = 9, 32


def subset_table(
    source: BlockSource,
    sizes: Sequence[int],
    progress: Progress | None = None,
    rule: str = "mean",
    metrics: Sequence[str] = tuple(METRICS),
    threads: int | None = None,
    only: Part | None = None,
) -> SubsetTable:
    """Score every subset whose number of members is in `sizes`, under one of `analysis.metrics`.

    source: a `PredictionStack`, an `analysis.stack.ArraySource`, or files that are read block by block.
    The table is the same to the bit in its counts whichever way it is made, and within 1e-12 in NLL and Brier;
    `analysis.subsets.reference` defines them. metrics: accuracy is always there. progress hears (samples, all of
    them). threads: as many as there are
    cores unless told. only: the part of the subsets that is scored, all where it is None.
    Raises `BadInput` for sizes outside 1..M, an unknown rule or metric, a source without labels, or fewer subsets than
    parts.
    """
    if (
        isinstance(source, PredictionStack)
        and not source.streamed
        and reference_is_faster(source, check_sizes(sizes, len(source.members)), rule_of(rule).name)
    ):
        table = reference_table(source, sizes, progress, rule=rule)
        return table if only is None else table.part(only)
    from analysis.subsets.engine import lattice_table

    return lattice_table(source, sizes, rule, metrics, progress, threads, only=only)


def reference_is_faster(source: BlockSource, sizes: Sequence[int], rule: str = "mean") -> bool:
    """Say whether the plain way, or little more, is done before the engine has begun."""
    subsets = count_subsets(len(source.members), sizes)
    seconds = subsets * (SECONDS_PER_SUBSET + SECONDS_PER_NUMBER[rule_of(rule).name] * source.samples * source.classes)
    return subsets <= MAX_SUBSETS and seconds < REFERENCE_SECONDS


def has_table(members: int, sizes: Sequence[int], metrics: Sequence[str] = tuple(METRICS)) -> bool:
    """Say whether a table of these subsets is made: where there are up to 2^24, or not all sizes, and memory for it.

    Of all sizes of more members `analysis.subsets.leading` keeps the best alone.
    """
    if len(sizes) < members or not FEWEST_LEADING <= members <= MOST_LEADING:
        return True
    count = count_subsets(members, sizes)
    free = available_bytes()
    return count <= MOST_ROWS and (free is None or peak_bytes(members, count, metrics) <= free)


def is_compiled() -> bool:
    """Say whether compiled code of the kernels is kept on disk, where it is looked for first."""
    beside = Path(__file__).parent / "__pycache__"
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or beside)
    return next(folder.rglob("kernels.count_wrong-*.nbi"), None) is not None
