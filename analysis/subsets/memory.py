"""How much memory a table of subsets takes, and whether this machine has it."""

import os
from collections.abc import Sequence

from analysis.metrics import METRICS
from analysis.subsets.table import count_subsets
from ensemble.errors import BadInput

MASK = COLUMN = 8  # bytes
# While combinations are put in the order of their masks: the order, the masks before, and a column before.
SORTING = 24
# Samples in the making, whatever their number: blocks, pruned rivals, threads.
FIXED = 3 * 2**28


def table_bytes(subsets: int, metrics: Sequence[str]) -> int:
    """Return how many bytes a table of so many subsets takes: a mask, and a column for each metric."""
    return subsets * (MASK + COLUMN * len({*metrics, "accuracy"} & set(METRICS)))


def peak_bytes(members: int, subsets: int, metrics: Sequence[str]) -> int:
    """Return how many bytes are taken at most while the table is made; probabilities in memory come on top."""
    most = table_bytes(subsets, metrics) + FIXED
    return most if subsets == 2**members - 1 else most + subsets * SORTING


def available_bytes() -> int | None:
    """Return how much memory processes could still take, None where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123 - no file of ours
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def check_memory(members: int, sizes: Sequence[int], metrics: Sequence[str], parts: int = 1) -> None:
    """Raise `BadInput` where the table, or one of so many parts of it, would not fit, with what would."""
    free = available_bytes()
    subsets = -(-count_subsets(members, sizes) // parts)
    need = peak_bytes(members, subsets, metrics)
    if free is None or need <= free:
        return
    fits = 0
    while peak_bytes(members, count_subsets(members, range(1, fits + 2)), metrics) <= free:
        fits += 1
    smaller = f"subsets of sizes 1 to {fits}, or for " if fits else ""
    raise BadInput(
        f"that would be {subsets:,} subsets of {members} members, which take {need / 1e9:,.1f} GB of memory where "
        f"{free / 1e9:,.1f} GB are free; ask for {smaller}fewer members."
    )
