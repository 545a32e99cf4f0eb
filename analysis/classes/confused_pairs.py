"""The pairs of classes that are taken for one another most often."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.classes.confusion import Confusion
from analysis.csv_cells import write_csv
from analysis.intervals import wilson

HEADER = (
    "rank", "a_id", "a_name", "b_id", "b_name", "both", "samples", "rate", "low", "high",
    "a_as_b", "a_samples", "a_as_b_rate", "a_as_b_low", "a_as_b_high",
    "b_as_a", "b_samples", "b_as_a_rate", "b_as_a_low", "b_as_a_high",
)  # fmt: skip


@dataclass(frozen=True)
class Direction:
    """How often samples of one class were taken for another: count of samples, and the rate with Wilson's interval.

    Rate and interval are NaN for a class without samples.
    """

    count: int
    samples: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Pair:
    """Two classes, by their columns, and how often they were taken for one another.

    there: samples of a taken for b; back: samples of b taken for a; both: either, of the samples of a and b together.
    a is the class of which more were taken for the other, of equally many the one with the lower column.
    """

    a: int
    b: int
    there: Direction
    back: Direction
    both: Direction


def confused_pairs(value: Confusion, top: int | None = None) -> list[Pair]:
    """Return the pairs with at least one confusion, the most frequent first; at most `top` of them.

    By how many samples of either class were taken for the other, then by their rate, then by the columns. The
    intervals are for a pair that was named beforehand: of the C (C - 1) / 2 pairs the first ones stand first partly
    by chance, so their rates on new samples will on average be lower.
    """
    counts, samples = value.counts, value.samples
    either = np.triu(counts + counts.T, 1)
    low, high = np.nonzero(either)
    together = either[low, high]
    ranked = np.lexsort((high, low, -together / (samples[low] + samples[high]), -together))[:top]
    lower, higher = low[ranked], high[ranked]
    more_back = counts[higher, lower] > counts[lower, higher]
    a, b = np.where(more_back, higher, lower), np.where(more_back, lower, higher)
    there = _directions(counts[a, b], samples[a])
    back = _directions(counts[b, a], samples[b])
    both = _directions(counts[a, b] + counts[b, a], samples[a] + samples[b])
    return [Pair(int(a[i]), int(b[i]), there[i], back[i], both[i]) for i in range(len(a))]


def _directions(counts: np.ndarray, samples: np.ndarray) -> list[Direction]:
    low, high = wilson(counts, samples)
    rates = np.divide(counts, samples, out=np.full(len(counts), np.nan), where=samples > 0)
    return [Direction(int(n), int(of), *(float(x) for x in rest))
            for n, of, *rest in zip(counts, samples, rates, low, high, strict=True)]  # fmt: skip


def write_pairs_csv(path: Path, value: Confusion, pairs: list[Pair]) -> None:
    """Write one row a pair, in the order given."""
    rows = []
    for rank, pair in enumerate(pairs, 1):
        who = [text for i in (pair.a, pair.b) for text in (value.class_ids[i], value.class_names[i])]
        numbers = [(d.count, d.samples, d.rate, d.low, d.high) for d in (pair.both, pair.there, pair.back)]
        rows.append([rank, *who, *(number for part in numbers for number in part)])
    write_csv(path, HEADER, rows)


def write_confusion_csv(path: Path, value: Confusion) -> None:
    """Write the counts: a row a true class and a column for what was said, both in the order shown, named by ids."""
    ids = [value.class_ids[i] for i in value.order]
    counts = value.counts[np.ix_(value.order, value.order)]
    names = [value.class_names[i] for i in value.order]
    write_csv(
        path,
        ("true_id", "true_name", *ids),
        ([own, name, *row] for own, name, row in zip(ids, names, counts.tolist(), strict=True)),
    )
