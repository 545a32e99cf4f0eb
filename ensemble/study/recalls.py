"""How many images of each class were right after each epoch, and how a history writes it: a cell "45/50 12/50"."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ensemble.study.tabular import Rows


@dataclass(frozen=True, eq=False)
class EpochRecalls(Rows):
    """Right answers by class on val after each of E epochs, C classes in the order of the study's class ids.

    correct: float64 (E, C), whole numbers; NaN in epochs whose row does not say. samples: int64 (C,), images a class.
    """

    correct: np.ndarray
    samples: np.ndarray

    def _columns(self) -> dict[str, np.ndarray]:
        return {f"class_{c}": self.recall[:, c] for c in range(len(self.samples))}

    @property
    def recall(self) -> np.ndarray:
        """Return the share of each class's images that was right, float64 (E, C); NaN for a class without images."""
        return self.correct / np.where(self.samples > 0, self.samples, np.nan)


def recall_text(labels: np.ndarray, right: np.ndarray, classes: int) -> str:
    """Return the cell of an epoch; labels: int64 (N,); right: bool (N,), whether each was predicted."""
    of = np.bincount(labels, minlength=classes)
    correct = np.bincount(labels[right], minlength=classes)
    return " ".join(f"{c}/{n}" for c, n in zip(correct.tolist(), of.tolist(), strict=True))


def read_recalls(cells: Sequence[str]) -> EpochRecalls | None:
    """Return what the cells of E epochs say, those that are empty as NaN; None where all are.

    Raises `ValueError` where a cell is none, or the number of classes or of their images changes from row to row.
    """
    samples: np.ndarray | None = None
    first = 0
    correct: list[np.ndarray | None] = []
    for number, cell in enumerate(cells, start=2):
        if not cell:
            correct.append(None)
            continue
        if not re.fullmatch(r"\d{1,9}/\d{1,9}( \d{1,9}/\d{1,9})*", cell, re.ASCII):
            raise ValueError(f"line {number}: expected right answers of images by class such as '45/50 12/50'")
        counts = np.array(cell.replace("/", " ").split(), dtype=np.int64).reshape(-1, 2)
        if samples is None:
            samples, first = counts[:, 1], number
        if not np.array_equal(counts[:, 1], samples):
            raise ValueError(f"line {number}: expected the images of each class that line {first} has")
        if (counts[:, 0] > samples).any():
            raise ValueError(f"line {number}: expected no more right answers than images of a class")
        correct.append(counts[:, 0])
    if samples is None:
        return None
    missing = np.full(len(samples), np.nan)
    return EpochRecalls(np.array([missing if c is None else c for c in correct], dtype=np.float64), samples)
