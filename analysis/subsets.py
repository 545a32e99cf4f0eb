"""Every subset's scores, by whichever way is faster: the plain one for small jobs, the engine for all others."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from analysis.blocks import BlockSource
from analysis.metrics import METRICS
from analysis.plain import MAX_SUBSETS
from analysis.plain import subset_table as plain_table
from analysis.sizes import check_sizes, count_subsets
from analysis.stack import PredictionStack
from analysis.table import SubsetTable

# Seen on one core: what the plain way takes for a subset's sample, and for each of its classes.
SECONDS_PER_SAMPLE = 5e-8
SECONDS_PER_CLASS = 1.2e-9
# Before the engine does anything, its compiled code is loaded; where there is none yet, it is compiled.
SECONDS_TO_LOAD = 0.45
SECONDS_TO_COMPILE = 6.0


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
    if isinstance(source, PredictionStack) and plain_is_faster(source, check_sizes(sizes, len(source.members))):
        return plain_table(source, sizes, progress, rule=rule)
    from analysis.lattice.engine import lattice_table

    return lattice_table(source, sizes, rule, metrics, progress, threads)


def plain_is_faster(source: BlockSource, sizes: Sequence[int]) -> bool:
    """Say whether the plain way ends before the engine has begun."""
    subsets = count_subsets(len(source.members), sizes)
    seconds = subsets * source.samples * (SECONDS_PER_SAMPLE + SECONDS_PER_CLASS * source.classes)
    if "analysis.lattice.kernels" in sys.modules:
        return False
    return subsets <= MAX_SUBSETS and seconds < (SECONDS_TO_LOAD if is_compiled() else SECONDS_TO_COMPILE)


def is_compiled() -> bool:
    """Say whether compiled code of the kernels is kept on disk, where it is looked for first."""
    beside = Path(__file__).parent / "lattice" / "__pycache__"
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or beside)
    return next(folder.rglob("kernels.count_wrong-*.nbi"), None) is not None
