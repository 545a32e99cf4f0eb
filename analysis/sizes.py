"""How many members subsets have, and how many subsets there are."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from ensemble.errors import BadInput

MAX_MEMBERS = 64  # bits of a mask


def check_sizes(sizes: Iterable[int], members: int) -> list[int]:
    """Return the sizes in increasing order, each once; raise `BadInput` where one is outside 1..M or M is too large."""
    wanted = sorted({int(k) for k in sizes})
    if not wanted or wanted[0] < 1 or wanted[-1] > members:
        found = ", ".join(str(k) for k in wanted if not 1 <= k <= members) or "none"
        raise BadInput(f"a subset of {members} members has 1 to {members} of them, found size {found}.")
    if members > MAX_MEMBERS:
        raise BadInput(f"{members} members are more than the {MAX_MEMBERS} a mask holds; name fewer with --members.")
    return wanted


def count_subsets(members: int, sizes: Sequence[int]) -> int:
    """Return how many subsets of these sizes there are, exactly."""
    return sum(math.comb(members, k) for k in sizes)


def sizes_of(masks: np.ndarray) -> np.ndarray:
    """Return how many bits are set in each mask: uint64 (S,) -> int64 (S,)."""
    table = np.zeros(2**16, np.uint8)
    for bit in range(16):
        table[2**bit : 2 ** (bit + 1)] = table[: 2**bit] + 1
    words = np.ascontiguousarray(masks, dtype=np.uint64).view(np.uint16).reshape(len(masks), 4)
    total = np.zeros(len(masks), np.int64)
    for word in words.T:
        total += table[word]
    return total
