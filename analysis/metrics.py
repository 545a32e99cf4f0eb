"""The one table of metrics: what each is called, which way is better, its bounds, and how it is computed.

Every metric is the mean of one number per sample, so each is defined by those numbers. Axes: N samples, C classes.
`probs` is floating point (N, C) with rows that sum to 1, `labels` int64 (N,).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.arguments import checked
from ensemble.errors import BadInput, nearest
from ensemble.study.row_probs import row_blocks
from ensemble.study.tabular import Tabular

FLOOR = 1e-12
TOP = 5


def correct(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return 1 where the true class is predicted, else 0: float64 (N,).

    The prediction is the lowest-index argmax of rint(2^26 p).
    """
    return (_ahead(probs, labels) == 0).astype(np.float64)


def among_top5(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return 1 where the true class is among the five, else 0: float64 (N,).

    It is where fewer than 5 rivals beat it, by a larger rint(2^26 p) or an equal one and a lower index; with
    five classes or fewer it always is. Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge,
    IJCV 115 (2015), section 4.1; the rule for ties is ours.
    """
    return (_ahead(probs, labels) < TOP).astype(np.float64)


def _ahead(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how many rivals beat the true class of each sample, int64 (N,); some rows at a time."""
    found = np.empty(len(labels), np.int64)
    for here, rows in row_blocks(np.asarray(probs)):
        found[here] = rivals_ahead(quantise(rows), labels[here])
    return found


def negative_log(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return -ln max(p(y), 1e-12), float64 (N,), in nats: the logarithmic score (Good, JRSS B 14, 1952).

    For an ensemble the floor belongs to each MEMBER's p(y), before averaging: see `analysis.subsets.reference`. Given
    the plain mean of members, this function differs from that wherever one of them lies below the floor.
    """
    return -np.log(floored(true_probs(probs, labels)))


def squared_error(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return sum over classes of (p(c) - [c = y])^2, float64 (N,), between 0 and 2.

    G. W. Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78 (1950).
    """
    found = np.empty(len(labels))
    for here, rows in row_blocks(np.asarray(probs)):
        errors = rows.astype(np.float64)
        errors[np.arange(len(errors)), labels[here]] -= 1
        found[here] = np.einsum("nc,nc->n", errors, errors)
    return found


def true_probs(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return p(y), the probability of each sample's true class, float64 (..., N), of probs (..., N, C)."""
    return probs[..., np.arange(len(labels)), labels].astype(np.float64)


def floored(values: np.ndarray) -> np.ndarray:
    """Return probabilities raised to at least 1e-12, so that their logarithm is finite."""
    return np.maximum(values, FLOOR)


def accuracy(probs: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of samples whose true class is predicted; see `correct`.

    probs: floating point (N, C), rows that sum to 1; labels: whole numbers (N,), columns of `probs`. Raises `BadInput`.
    """
    return float(correct(*checked(probs, labels, "accuracy")).mean())


def top5(probs: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of samples whose true class is among the five; see `among_top5`.

    probs: floating point (N, C), rows that sum to 1; labels: whole numbers (N,), columns of `probs`. Raises `BadInput`.
    """
    return float(among_top5(*checked(probs, labels, "top5")).mean())


def nll(probs: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean negative log-likelihood in nats; see `negative_log`.

    probs: floating point (N, C), rows that sum to 1; labels: whole numbers (N,), columns of `probs`. Raises `BadInput`.
    """
    return float(negative_log(*checked(probs, labels, "nll")).mean())


def brier(probs: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean Brier score, summed over classes, 0..2; see `squared_error`.

    probs: floating point (N, C), rows that sum to 1; labels: whole numbers (N,), columns of `probs`. Raises `BadInput`.
    """
    return float(squared_error(*checked(probs, labels, "brier")).mean())


@dataclass(frozen=True)
class Metric(Tabular):
    """One metric.

    name: as in options, JSON and tables; title: as in figures and on a terminal.
    lower, upper: its bounds, whichever end is better.
    empty: C -> its value for the empty ensemble, the uniform prediction over C classes.
    value: (probs, labels) -> the metric; per_sample: the (N,) numbers it is the mean of.
    """

    name: str
    title: str
    higher_is_better: bool
    lower: float
    upper: float
    empty: Callable[[int], float]
    value: Callable[[np.ndarray, np.ndarray], float]
    per_sample: Callable[[np.ndarray, np.ndarray], np.ndarray]

    def advantage(self, a: float, b: float) -> float:
        """Return how much better `a` is than `b`: positive where it is, in the metric's own unit."""
        return a - b if self.higher_is_better else b - a


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "Accuracy", True, 0.0, 1.0, lambda c: 1 / c, accuracy, correct),
        # The empty ensemble knows nothing: a five drawn at random holds the true class in min(5, C) of C cases.
        Metric("top5", "Top-5 accuracy", True, 0.0, 1.0, lambda c: min(TOP, c) / c, top5, among_top5),
        Metric("nll", "NLL (nats)", False, 0.0, -math.log(FLOOR), math.log, nll, negative_log),
        Metric("brier", "Brier score", False, 0.0, 2.0, lambda c: 1 - 1 / c, brier, squared_error),
    )
}


SCALE = 2**26
DENOMINATORS = 1000


def quantise(probs: np.ndarray) -> np.ndarray:
    """Return rint(2^26 p) as int64, of the shape of `probs` (floating point, about 0..1); halves go to even.

    The product is formed in float64, where it is exact for a float32 p.
    """
    return np.rint(np.asarray(probs, dtype=np.float64) * SCALE).astype(np.int64)


def whole(weights: np.ndarray) -> np.ndarray:
    """Return the whole numbers W with which a weighted ensemble sums: int64 (M,); it compares the sums of W q.

    weights: float64 (M,), not negative, summing to 1. W are the numbers of lowest common denominator, up to 1,000,
    that the weights are the shares of (1/3 and 2/3 count as 1 and 2, .35 and .65 as 7 and 13), so that equal weights
    decide as the plain sum does. Where there is no such denominator, W = rint(2^26 w). The sums stay below 2^53.
    """
    shares = np.arange(1, DENOMINATORS + 1)[:, None] * np.asarray(weights, dtype=np.float64)
    counts = np.rint(shares)
    fits = (np.abs(shares - counts) <= 1e-9).all(axis=1)
    chosen = counts[fits.argmax()] if fits.any() else np.rint(np.asarray(weights, dtype=np.float64) * SCALE)
    return chosen.astype(np.int64)


def predicted(sums: np.ndarray) -> np.ndarray:
    """Return the predicted column int64 (N,) of integer sums (N, C): the largest, of equal ones the lowest index."""
    return sums.argmax(axis=1).astype(np.int64)


def rivals_ahead(sums: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return for each sample how many rivals beat its true class y: int64 (N,), 0 where y is predicted.

    A rival c of y beats it by a larger sum, or by an equal sum and a lower index. sums: integers (N, C);
    labels: int64 (N,).
    """
    own = np.take_along_axis(sums, labels[:, None], axis=1)
    before = np.arange(sums.shape[1]) < labels[:, None]
    return ((sums > own) | ((sums == own) & before)).sum(axis=1, dtype=np.int64)


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
        raise BadInput(f"{name!r} is not a rule for combining members; {nearest(name, RULES)}.")
    return RULES[name]
