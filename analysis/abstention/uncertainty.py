"""Uncertainty of a set of members, in parts, and scores of certainty by which to answer or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import entr, logsumexp

from analysis.arguments import checked_probs
from analysis.ensemble import Ensemble
from ensemble.errors import BadInput
from ensemble.study.row_probs import row_blocks
from ensemble.study.tabular import Rows

BLOCK_NUMBERS = 2_000_000  # members times samples times classes that are worked on at once

# Score -> what it is; the higher the more certain.
SCORES = {
    "confidence": "the probability of what is predicted",
    "margin": "the largest probability less the second",
    "entropy": "minus the entropy of the probabilities (of the mean: total uncertainty)",
    "mean_entropy": "minus the mean of the members' entropies (aleatoric uncertainty)",
    "mutual_information": "minus the total less the aleatoric uncertainty",
    "energy": "the log of the sum of the exponentials of the logits, averaged over members",
}


@dataclass(frozen=True, eq=False)
class UncertaintyParts(Rows):
    """The predictive uncertainty of M members on N samples, in nats: total = aleatoric + mutual_information.

    total: float64 (N,), the entropy of the members' mean. aleatoric: float64 (N,), the mean of their entropies: what
    each of them is unsure of. mutual_information: float64 (N,), between the prediction and which member makes it, the
    epistemic part: what they disagree on, 0 where all say the same.
    """

    total: np.ndarray
    aleatoric: np.ndarray
    mutual_information: np.ndarray

    def _columns(self) -> dict[str, Any]:
        return self._named("total", "aleatoric", "mutual_information")

    def __len__(self) -> int:
        return len(self.total)


def uncertainty_parts(probs: np.ndarray, weights: np.ndarray | Sequence[float] | None = None) -> UncertaintyParts:
    """Split the uncertainty of members into what each is unsure of and what they disagree on.

    probs: floating point (M, N, C), rows that sum to 1; weights: (M,), not negative and summing to 1, equal where None.
    S. Depeweg and others, Decomposition of uncertainty in Bayesian deep learning, ICML 2018; of ensembles
    B. Lakshminarayanan, A. Pritzel and C. Blundell, NeurIPS 2017. Raises `BadInput` for shapes or weights that do not
    fit.
    """
    probs = probs if hasattr(probs, "shape") else np.asarray(probs)  # what stays in files is asked for rows below
    if len(probs.shape) != 3 or 0 in probs.shape:
        raise BadInput(f"uncertainty_parts: expected probabilities (M, N, C), found {probs.shape}.")
    m, n, c = probs.shape
    shares = np.full(m, 1 / m) if weights is None else np.asarray(weights, dtype=np.float64)
    if shares.shape != (m,) or not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-6:
        raise BadInput(f"uncertainty_parts: expected {m} weights that sum to 1, found {shares.tolist()!r:.200}.")
    total, aleatoric = np.zeros(n), np.zeros(n)
    step = max(1, BLOCK_NUMBERS // c)
    for start in range(0, n, step):
        here = slice(start, start + step)
        mean = np.zeros((min(step, n - start), c))
        for i, share in enumerate(shares):
            rows = checked_probs(probs[i, here], f"uncertainty_parts: member {i}, rows from {start}")
            rows = rows.astype(np.float64)
            mean += share * rows
            aleatoric[here] += share * entr(rows).sum(axis=1)
        total[here] = entr(mean).sum(axis=1)
    aleatoric = np.minimum(aleatoric, total)  # entropy is concave; what is left is rounding
    return UncertaintyParts(total, aleatoric, total - aleatoric)


def plain_scores(probs: np.ndarray, preds: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return confidence, margin and minus entropy, float64 (N,) each, of probabilities (N, C).

    preds: int64 (N,), what is predicted, where another rule settles ties than the largest probability.
    """
    found = {name: np.empty(probs.shape[0]) for name in ("confidence", "margin", "entropy")}
    for here, part in row_blocks(probs):
        rows = part.astype(np.float64)
        chosen = rows.argmax(axis=1) if preds is None else preds[here]
        second = np.partition(rows, -2, axis=1)[:, -2:]
        found["confidence"][here] = rows[np.arange(len(rows)), chosen]
        found["margin"][here] = second[:, 1] - second[:, 0]
        found["entropy"][here] = -entr(rows).sum(axis=1)
    return found


def energy(logits: np.ndarray) -> np.ndarray:
    """Return ln sum exp(logits), float64 (N,), of logits (N, C): minus the energy, so high where certain.

    W. Liu and others, Energy-based out-of-distribution detection, NeurIPS 2020, at temperature 1.
    """
    return logsumexp(np.asarray(logits, dtype=np.float64), axis=1)


def ensemble_scores(
    ensemble: Ensemble, logits: Sequence[np.ndarray] | None = None
) -> tuple[dict[str, np.ndarray], UncertaintyParts | None]:
    """Return the scores of certainty of an ensemble, and its uncertainty in parts; None of one member.

    logits: (N, C) of each member, in the stack's order, where all have some. The parts are those of the members' mean
    by their weights, whatever rule combines them; of a regression, which has no weights, of the plain mean.
    """
    scores, parts = plain_scores(ensemble.probs, ensemble.preds), None
    m = len(ensemble.members)
    weights = np.full(m, 1 / m) if ensemble.weights is None else ensemble.weights
    used = np.flatnonzero(weights)
    if len(used) > 1:
        parts = uncertainty_parts(ensemble.stack.only(used.tolist()).probs, weights[used])
        scores |= {"mean_entropy": -parts.aleatoric, "mutual_information": -parts.mutual_information}
    if logits is not None:
        scores["energy"] = np.einsum("m,mn->n", weights, np.array([energy(own) for own in logits]))
    return scores, parts
