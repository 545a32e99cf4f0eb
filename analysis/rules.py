"""The one table of rules by which members are combined, each as whole numbers that are added.

An ensemble's prediction is the lowest-index argmax of the sum of its members' q, whatever the rule; see
`analysis.metrics`. Rules differ in q, and in whether the ensemble has probabilities that NLL and Brier can score.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.metrics import FLOOR, SCALE, quantise
from ensemble.errors import BadInput, nearest

if TYPE_CHECKING:
    from analysis.stack import PredictionStack

LOG_FLOOR = 2.0**-26
LOG_SCALE = 2**21
VOTE_SCALE = 2**20
# With more members every subset's normaliser over all classes would be too much work.
GEOMETRIC_MEMBERS = 12


def quantise_logs(probs: np.ndarray) -> np.ndarray:
    """Return rint(2^21 ln max(p, 2^-26)) as int64, of the shape of `probs`: the geometric mean's whole numbers."""
    return np.rint(floored_logs(probs) * LOG_SCALE).astype(np.int64)


def quantise_votes(probs: np.ndarray) -> np.ndarray:
    """Return 2^26 for the class a member predicts, plus rint(2^20 p), as int64 (..., C).

    So the class with most votes wins; of equally many the one with the larger sum of probabilities.
    """
    q = np.rint(np.asarray(probs, dtype=np.float64) * VOTE_SCALE).astype(np.int64)
    winner = quantise(probs).argmax(axis=-1)[..., None]
    np.put_along_axis(q, winner, np.take_along_axis(q, winner, axis=-1) + SCALE, axis=-1)
    return q


def floored_logs(probs: np.ndarray) -> np.ndarray:
    """Return ln max(p, 2^-26), float64, of the shape of `probs`."""
    return np.log(np.maximum(np.ascontiguousarray(probs, dtype=np.float64), LOG_FLOOR))


@dataclass(frozen=True)
class Rule:
    """A rule: its name in options and files, what it is in words, and its whole numbers.

    quantise: probs (..., C) -> int64 (..., C); at most 2^26 + 2^20 and a little in size, so that 31 fit into 32 bits.
    floor: what a member's p(y) is raised to before NLL; None where the ensemble has no probabilities.
    """

    name: str
    title: str
    quantise: Callable[[np.ndarray], np.ndarray]
    floor: float | None


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("mean", "the arithmetic mean of their probabilities", quantise, FLOOR),
        Rule("geometric", "the geometric mean of their probabilities", quantise_logs, LOG_FLOOR),
        Rule("vote", "plurality of their votes", quantise_votes, None),
    )
}


def rule_of(name: str) -> Rule:
    """Return the rule called `name`; raise `BadInput` naming the nearest."""
    if name not in RULES:
        raise BadInput(f"{name!r} is no rule for combining members; {nearest(name, RULES)}.")
    return RULES[name]


def combined_probs(stack: "PredictionStack", indices: Sequence[int], rule: str = "mean") -> np.ndarray:
    """Return the probabilities of the members at `indices` together, float64 (N, C).

    mean: the arithmetic mean. geometric: exp of the mean of ln max(p, 2^-26), divided by its sum over the classes.
    Raises `BadInput` for a vote, which has none.
    """
    if rule_of(rule).floor is None:
        raise BadInput("a vote gives no probabilities; combine by the rule mean or geometric.")
    if rule == "mean":
        return stack.mean_probs(indices)
    total = np.zeros(stack.probs.shape[1:])
    for i in sorted(indices):
        total += floored_logs(stack.probs[i])
    powers = np.exp(total / len(indices))
    return powers / powers.sum(axis=1, keepdims=True)
