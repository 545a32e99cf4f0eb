"""How well each class is told from the others, hardest first, with how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.hardest import worst_share
from analysis.intervals import wilson
from ensemble.errors import BadInput

CONFUSED = 3  # how many of the most frequent wrong answers are kept for a class


@dataclass(frozen=True)
class Confused:
    """A wrong answer: the class (its column, id and name) that `count` samples were taken for."""

    column: int
    id: str
    name: str
    count: int


@dataclass(frozen=True, eq=False)
class PerClass:
    """One row for each of C classes, hardest first: every field but `worst_k` is in this order.

    Ordered by accuracy, then class id; classes without samples stand last.
    columns: int64 (C,), the class's column, so its place among the sorted ids.
    samples, correct: int64 (C,).
    accuracy, low, high: float64 (C,), the share right and its Wilson 95 % interval; NaN for a class without samples.
    confused_with: up to three wrong answers for each class, the most frequent first, then by class id.
    worst_share: float64 (C,), see `analysis.hardest`; NaN for a class without samples, or where worst_k is 0.
    worst_k: min(10, C // 4), how many hardest classes `worst_share` is about.
    """

    columns: np.ndarray
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    samples: np.ndarray
    correct: np.ndarray
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray
    confused_with: tuple[tuple[Confused, ...], ...]
    worst_share: np.ndarray
    worst_k: int

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def scored(self) -> int:
        """How many classes have samples; they are the first rows."""
        return int((self.samples > 0).sum())


def per_class(
    preds: np.ndarray, labels: np.ndarray | None, class_ids: Sequence[str], class_names: Sequence[str]
) -> PerClass:
    """Count, for each class, how many of its samples are right, and what is said instead.

    preds, labels: int64 (N,), columns 0..C-1. Raises `BadInput` where there are no labels.
    """
    if labels is None:
        raise BadInput("the split has no labels, so no class can be scored; name a labelled split with --split.")
    c = len(class_ids)
    if len(preds) != len(labels) or len(class_names) != c:
        raise BadInput(f"per class: {len(preds)} predictions, {len(labels)} labels, {c} ids, {len(class_names)} names.")
    counts = np.zeros((c, c), dtype=np.int64)  # true class by predicted class
    np.add.at(counts, (labels, preds), 1)
    samples, correct = counts.sum(axis=1), counts.diagonal()
    worst_k = min(10, c // 4)
    share = worst_share(correct, samples, worst_k)
    low, high = wilson(correct, samples)
    accuracy = np.full(c, np.nan)
    np.divide(correct, samples, out=accuracy, where=samples > 0)
    order = np.array(sorted(range(c), key=lambda i: (samples[i] == 0, accuracy[i] if samples[i] else 0, class_ids[i])))
    return PerClass(
        columns=order.astype(np.int64),
        class_ids=tuple(class_ids[i] for i in order),
        class_names=tuple(class_names[i] for i in order),
        samples=samples[order],
        correct=correct[order],
        accuracy=accuracy[order],
        low=low[order],
        high=high[order],
        confused_with=tuple(_confused(counts[i], int(i), class_ids, class_names) for i in order),
        worst_share=share[order],
        worst_k=worst_k,
    )


def _confused(row: np.ndarray, own: int, ids: Sequence[str], names: Sequence[str]) -> tuple[Confused, ...]:
    """Return the most frequent wrong answers of one class; row: int64 (C,), how often each class was predicted."""
    others = sorted((int(i) for i in np.flatnonzero(row) if i != own), key=lambda i: (-row[i], ids[i]))
    return tuple(Confused(i, ids[i], names[i], int(row[i])) for i in others[:CONFUSED])
