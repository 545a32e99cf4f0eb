"""Whether samples of another kind are told from the usual ones by how uncertain a predictor is of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.statistics import auroc, auroc_interval
from ensemble.errors import BadInput
from ensemble.study.tabular import Rows

RECALL = 0.95


@dataclass(frozen=True, eq=False)
class ShiftDetection(Rows):
    """How well K scores of certainty tell the samples of a shifted or foreign set from the usual ones.

    scores: K names. auroc: float64 (K,), the share of pairs in which the usual sample is the more certain; low, high:
    float64 (K,), its 95 % interval. fpr: float64 (K,), the share of shifted samples that are at least as certain as
    the threshold which `recall` of the usual ones reach. samples, other_samples: of the usual and the shifted set.
    """

    split: str
    other: str
    scores: tuple[str, ...]
    auroc: np.ndarray
    low: np.ndarray
    high: np.ndarray
    fpr: np.ndarray
    samples: int
    other_samples: int
    recall: float = RECALL

    def _columns(self) -> dict[str, Any]:
        return {"score": np.array(self.scores)} | self._named("auroc", "low", "high", "fpr")


def detect_shift(
    usual: Mapping[str, np.ndarray],
    shifted: Mapping[str, np.ndarray],
    split: str = "val",
    other: str = "shifted",
    recall: float = RECALL,
) -> ShiftDetection:
    """Compare the certainty of usual samples with that of shifted ones.

    usual, shifted: score -> float (N,) and (n,), the higher the more certain; what both have is compared. split, other:
    what the two are. recall: the share of usual samples that is to pass. AUROC and false positive rate as
    D. Hendrycks and K. Gimpel, A baseline for detecting misclassified and out-of-distribution examples, ICLR 2017,
    with the usual samples as the positives. Raises `BadInput` where they share no score, one is empty or not a number.
    """
    names = tuple(name for name in usual if name in shifted)
    if not names or not 0 < recall <= 1:
        raise BadInput(
            f"detect_shift: expected scores that both have and a recall above 0, found "
            f"{', '.join(usual) or 'none'}, {', '.join(shifted) or 'none'} and {recall}."
        )
    areas, spans, rates = [], [], []
    for name in names:
        one, two = (np.asarray(values[name], dtype=np.float64) for values in (usual, shifted))
        if not one.ndim == two.ndim == 1 or not len(one) or not len(two) or np.isnan(one).any() or np.isnan(two).any():
            raise BadInput(
                f"detect_shift: expected numbers (N,) and (n,) of {name}, found {one.shape} and {two.shape}."
            )
        areas.append(auroc(one, two))
        spans.append(auroc_interval(areas[-1], len(one), len(two)))
        reached = np.sort(one)[::-1][int(np.ceil(recall * len(one) - 1e-9)) - 1]
        rates.append(float((two >= reached).mean()))
    low, high = np.array(spans).T
    return ShiftDetection(
        split, other, names, np.array(areas), low, high, np.array(rates), len(one), len(two), recall
    )  # fmt: skip
