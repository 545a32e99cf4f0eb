"""What members say together: the weighted mean of their probabilities, and the class they predict."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.evidence import combined
from analysis.fixed_point import predicted, whole
from analysis.rules import rule_of
from analysis.stack import PredictionStack

BLOCK_NUMBERS = 4_000_000  # members times samples times classes that are summed at once


@dataclass(frozen=True, eq=False)
class Together:
    """An ensemble's predictions.

    probs: float64 (N, C), rows summing to 1. preds: int64 (N,), the classes predicted, by the one rule of arithmetic.
    weights: float64 (M,), of the stack's members, in its order.
    """

    stack: PredictionStack
    weights: np.ndarray
    rule: str
    probs: np.ndarray
    preds: np.ndarray

    @property
    def confidence(self) -> np.ndarray:
        """The probability of what is predicted, float64 (N,)."""
        return np.take_along_axis(self.probs, self.preds[:, None], axis=1)[:, 0]

    def accuracy(self) -> float | None:
        """Return the share that is predicted rightly; None where the samples have no labels."""
        labels = self.stack.labels
        return None if labels is None else float((self.preds == labels).mean())


def together(stack: PredictionStack, weights: Mapping[str, float] | None = None, rule: str = "mean") -> Together:
    """Return what the members of a stack say together.

    weights: of each member by name, not negative, summing to 1; equal ones where None. rule: "mean" or "geometric" of
    `analysis.rules`. The class predicted is the lowest-index argmax of the members' whole numbers, each times its whole
    weight (`fixed_point.whole`); with equal weights that is the plain sum.
    """
    kind, m = rule_of(rule), len(stack.members)
    shares = np.full(m, 1 / m) if weights is None else np.array([weights[name] for name in stack.members])
    counts = whole(shares)
    probs = np.empty(stack.probs.shape[1:])
    preds = np.empty(stack.samples, dtype=np.int64)
    rows = max(1, BLOCK_NUMBERS // (m * stack.classes))
    for start in range(0, stack.samples, rows):
        here = slice(start, start + rows)
        part = stack.probs[:, here]
        sums = np.zeros(part.shape[1:], dtype=np.int64)
        for member, count in zip(part, counts, strict=True):
            if count:
                sums += count * kind.quantise(member)
        preds[here] = predicted(sums)
        own = combined(part, shares, kind)
        probs[here] = own / own.sum(axis=1, keepdims=True)
    return Together(stack, shares, rule, probs, preds)
