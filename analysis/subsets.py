"""Every subset's scores, by whichever way is faster: the plain one for small jobs, the engine for all others."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from analysis.blocks import BlockSource
from analysis.metrics import METRICS
from analysis.plain import MAX_SUBSETS
from analysis.plain import subset_table as plain_table
from analysis.rules import rule_of
from analysis.sizes import check_sizes, count_subsets
from analysis.stack import PredictionStack
from analysis.table import SubsetTable

# Seen on one core: what the plain way takes for a subset, and for each of its probabilities.
SECONDS_PER_SUBSET = 5e-5
SECONDS_PER_NUMBER = {"mean": 1.5e-9, "geometric": 4e-8, "vote": 1.5e-9}
# The engine loads its compiled code in about half a second, and compiles it, once, in about ten. The choice hangs on
# the job alone, never on what was loaded or compiled before: the last bits of NLL and Brier differ between the ways.
PLAIN_SECONDS = 1.0


def subset_table(
    source: BlockSource,
    sizes: Sequence[int],
    progress: Callable[[int, int], None] | None = None,
    rule: str = "mean",
    metrics: Sequence[str] = tuple(METRICS),
    threads: int | None = None,
) -> SubsetTable:
    """Score every subset whose number of members is in `sizes`, under one of `analysis.rules`.

    source: a `PredictionStack`, an `analysis.blocks.ArraySource`, or files that are read block by block.
    The table is the same to the bit in its counts whichever way it is made, and within 1e-12 in NLL and Brier;
    `analysis.plain` defines them. progress is told samples done, and all. threads: as many as there are cores unless
    told. Raises `BadInput` for sizes outside 1..M, an unknown rule or metric, or a source without labels.
    """
    if isinstance(source, PredictionStack) and plain_is_faster(
        source, check_sizes(sizes, len(source.members)), rule_of(rule).name
    ):
        return plain_table(source, sizes, progress, rule=rule)
    from analysis.lattice.engine import lattice_table

    return lattice_table(source, sizes, rule, metrics, progress, threads)


def plain_is_faster(source: BlockSource, sizes: Sequence[int], rule: str = "mean") -> bool:
    """Say whether the plain way, or little more, is done before the engine has begun."""
    subsets = count_subsets(len(source.members), sizes)
    seconds = subsets * (SECONDS_PER_SUBSET + SECONDS_PER_NUMBER[rule] * source.samples * source.classes)
    return subsets <= MAX_SUBSETS and seconds < PLAIN_SECONDS


def is_compiled() -> bool:
    """Say whether compiled code of the kernels is kept on disk, where it is looked for first."""
    beside = Path(__file__).parent / "lattice" / "__pycache__"
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or beside)
    return next(folder.rglob("kernels.count_wrong-*.nbi"), None) is not None
