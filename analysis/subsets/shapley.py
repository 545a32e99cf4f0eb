"""What each member contributes: exact Shapley values, out of the table of every subset."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.metrics import METRICS
from analysis.subsets.table import SubsetTable, sizes_of
from ensemble.errors import BadInput, nearest
from ensemble.study.tabular import Rows

BLOCK_BITS = 18  # subsets that are held at once, as a power of 2


@dataclass(frozen=True)
class Shapley(Rows):
    """How a metric's way from the empty ensemble to all members is shared out among them.

    empty: the metric of the uniform prediction; all: that of all members together; values: member -> its share. They
    sum to all - empty. A lower NLL or Brier score is better, so a member that helps has a negative value there.
    """

    metric: str
    empty: float
    all: float
    values: dict[str, float]

    def _columns(self) -> dict[str, Any]:
        return {"member": list(self.values), self.metric: list(self.values.values())}


def shapley(table: SubsetTable, metric: str = "accuracy") -> Shapley:
    """Return the members' Shapley values of a metric; raise `BadInput` where the table lacks a subset or the metric.

    L. S. Shapley, A value for n-person games (1953): a member's value is what it adds to those before it, v(S + i) -
    v(S), averaged over all orders of the members. With w(s) = s! (M - 1 - s)! / M! that is the sum over subsets with i
    of (w(|S| - 1) + w(|S|)) v(S), less the sum over all subsets, the empty one too, of w(|S|) v(S), where w(M) = 0.
    The first sum is a marginal over the lattice, folded bit by bit for all members at once: 2^M additions, not M!
    orders.
    """
    members = len(table.members)
    if len(table) != 2**members - 1:
        raise BadInput(
            f"Shapley values of {members} members need all {2**members - 1:,} subsets, the table holds {len(table):,}; "
            "score every size."
        )
    scores = table.scores(metric)
    if metric not in METRICS:
        raise BadInput(f"Shapley values: of {metric!r} nothing says what no members have; {nearest(metric, METRICS)}.")
    empty = METRICS[metric].empty(table.classes)
    weight, both = weights_by_size(members)
    low = min(members, BLOCK_BITS)
    sizes = sizes_of(np.arange(2**low, dtype=np.uint64))
    marginals = np.zeros(members)
    folded = np.zeros(2**low)
    everything = 0.0
    for high in range(2 ** (members - low)):
        start = high << low
        # The table has no row for the empty ensemble: mask 1 stands first.
        values = scores[max(0, start - 1) : start - 1 + 2**low]
        values = np.concatenate([[empty], values]) if high == 0 else values
        size = sizes + high.bit_count()
        everything += float((weight[size] * values).sum())
        values = both[size] * values
        folded += values
        total = values.sum()
        for bit in range(low, members):
            if high >> (bit - low) & 1:
                marginals[bit] += total
    for bit in reversed(range(low)):
        half = folded[2**bit :]
        marginals[bit] = half.sum()
        folded = folded[: 2**bit] + half
    values = marginals - everything
    return Shapley(metric, empty, float(scores[-1]), dict(zip(table.members, values.tolist(), strict=True)))


def weights_by_size(members: int) -> tuple[np.ndarray, np.ndarray]:
    """Return w(s), and w(s - 1) + w(s) for what takes part, by size s = 0..M: two float64 (M + 1,); see `shapley`."""
    weight = np.array([1 / (members * math.comb(members - 1, s)) for s in range(members)] + [0.0])
    return weight, np.concatenate([[0.0], weight[:-1]]) + weight
