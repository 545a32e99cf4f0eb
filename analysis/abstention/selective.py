"""Selective prediction: how often what is answered is wrong, when the least certain samples are left unanswered."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics import auroc, auroc_effect, auroc_interval, group_codes
from ensemble.errors import BadInput
from ensemble.study.tabular import Rows


@dataclass(frozen=True, eq=False, repr=False)
class RiskCoverage(Rows):
    """The risk-coverage curve of N samples, by a score of certainty.

    name: who predicts; score: which certainty. samples: N; errors: E, how many are wrong.
    coverage: float64 (N,), i / N for i = 1..N. risk: float64 (N,), the share of errors among the i most certain; within
    equal certainties the mean over all their orders, so it does not depend on the order of the samples.
    certainty: float64 (N,), that of the i-th most certain sample. ends: bool (N,), where the next one is less certain:
    no threshold stops at another place.
    auroc: that an error is less certain than what is right, with low and high, its 95 % interval (Newcombe), which
    counts groups of samples as they were given; NaN where all or none is wrong.
    """

    name: str
    score: str
    samples: int
    errors: int
    coverage: np.ndarray
    risk: np.ndarray
    certainty: np.ndarray
    ends: np.ndarray
    auroc: float
    low: float
    high: float

    def _columns(self) -> dict[str, Any]:
        return self._named("coverage", "risk", "certainty")

    def __len__(self) -> int:
        return self.samples

    def __repr__(self) -> str:
        return (
            f"RiskCoverage({self.name!r} by {self.score}: {self.samples:,} samples, AURC {self.aurc:.4f}, "
            f"AUROC of errors {self.auroc:.4f})"
        )

    @cached_property
    def aurc(self) -> float:
        """The area under the curve: the mean of `risk`, 0 at best."""
        return float(self.risk.mean())

    @cached_property
    def least_aurc(self) -> float:
        """The area if every error were less certain than everything that is right."""
        i = np.arange(1, self.samples + 1)
        return float((np.maximum(i - (self.samples - self.errors), 0) / i).mean())

    @property
    def excess_aurc(self) -> float:
        """The area above the least that so many errors allow."""
        return self.aurc - self.least_aurc

    def risk_at(self, coverage: float) -> float:
        """Return the risk where the most certain `coverage` of the samples, at least one, are answered: a fraction.

        Raises `BadInput` for a coverage outside 0..1.
        """
        if not 0 <= coverage <= 1:
            raise BadInput(f"risk_at: expected a coverage in 0..1, found {coverage}.")
        return float(self.risk[max(int(np.ceil(coverage * self.samples - 1e-9)), 1) - 1])

    def coverage_at(self, risk: float) -> tuple[float, float]:
        """Return the largest coverage whose risk is at most `risk`, and the certainty from which on to answer.

        It is the largest on these samples, chosen on them; coverage 0 and an infinite certainty where there is none.
        """
        there = np.flatnonzero(self.ends & (self.risk <= risk + 1e-12))
        return (float(self.coverage[there[-1]]), float(self.certainty[there[-1]])) if len(there) else (0.0, np.inf)


def risk_coverage(
    certainty: np.ndarray | Sequence[float],
    correct: np.ndarray | Sequence[bool],
    score: str = "confidence",
    name: str = "",
    groups: ArrayLike | None = None,
) -> RiskCoverage:
    """Return the risk-coverage curve of predictions: the error rate among the most certain, for every number of them.

    certainty: float (N,), the higher the more certain: a confidence, or minus an entropy. correct: bool (N,), which
    predictions are right. score, name: what the certainty is, and whose. groups: (N,), a name or number of what each
    sample belongs to. R. El-Yaniv and Y. Wiener, On the foundations
    of noise-free selective classification, JMLR 11 (2010); the area AURC and its excess: Y. Geifman, G. Uziel and
    R. El-Yaniv, Bias-reduced uncertainty estimation for deep neural classifiers, ICLR 2019. Raises `BadInput` where
    the two differ in length, are empty, or a certainty is no number.
    """
    values, right = np.asarray(certainty), np.asarray(correct)
    if values.dtype.kind not in "fiu":
        raise BadInput(f"risk_coverage: expected certainties that are numbers, found {values.dtype}.")
    values = values.astype(np.float64)
    if values.ndim != 1 or values.shape != right.shape or not values.size or right.dtype != np.bool_:
        raise BadInput(
            f"risk_coverage: expected a certainty and whether it is right (bool) for each of N samples, found "
            f"{values.shape} and {right.dtype} {right.shape}."
        )
    if np.isnan(values).any():
        raise BadInput(f"risk_coverage: expected numbers, found {int(np.isnan(values).sum())} NaN among certainties.")
    n = len(values)
    order = np.argsort(-values, kind="stable")
    values, wrong = values[order], ~right[order]
    ends = np.append(values[1:] != values[:-1], True)
    stops = np.flatnonzero(ends) + 1
    sizes = np.diff(stops, prepend=0)
    found = np.diff(wrong.cumsum()[stops - 1], prepend=0)
    # Within equal certainties errors come evenly: the mean over their orders.
    i = np.arange(1, n + 1)
    risk = np.cumsum(np.repeat(found / sizes, sizes)) / i
    risk[stops - 1] = wrong.cumsum()[stops - 1] / stops
    area = auroc(values[~wrong], values[wrong])
    effect = 1.0
    if groups is not None:
        of = group_codes(groups, n)[order]
        effect = auroc_effect(values[~wrong], values[wrong], np.concatenate([of[~wrong], of[wrong]]))
    low, high = auroc_interval(area, float(n - wrong.sum()) / effect, float(wrong.sum()) / effect)
    return RiskCoverage(name, score, n, int(wrong.sum()), i / n, risk, values, ends, area, low, high)
