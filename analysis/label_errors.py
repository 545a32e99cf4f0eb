"""Samples whose label confident learning doubts: by two of its variants, and by how many members agree."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.copies import find_copies, independent
from analysis.csv_cells import write_csv
from analysis.ensemble import Ensemble
from ensemble.study.row_probs import row_blocks
from ensemble.study.tabular import Rows

VARIANTS = ("confident_joint", "prune_by_noise_rate")
HEADER = (
    "rank", "sample_id", "label_id", "label_name", "suggested_id", "suggested_name", "members_agree", "members",
    "ensemble_confident_joint", "ensemble_prune_by_noise_rate", "margin",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class LabelErrors(Rows):
    """Samples whose label is doubted, of N, by M' independent members.

    members: names of those that count, one of each group of copies; copies: what was left out of them.
    votes: by variant int64 (N,), how many of these members doubt the label. ensemble: by variant bool (N,), whether
    the ensemble does. margin: float64 (N,), its probability of the class that it predicts less that of the label.
    suggested: int64 (N,), that class. rows: int64, the samples that the ensemble or a member doubts by
    "prune_by_noise_rate", most members first, then by falling margin, then id. sample_ids: str (N,);
    labels: int64 (N,); class_ids, class_names: C each.
    """

    members: tuple[str, ...]
    copies: tuple[str, ...]
    votes: dict[str, np.ndarray]
    ensemble: dict[str, np.ndarray]
    margin: np.ndarray
    suggested: np.ndarray
    rows: np.ndarray
    sample_ids: np.ndarray
    labels: np.ndarray
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]

    def _columns(self) -> dict[str, Any]:
        ids, at = np.array(self.class_ids), self.rows
        return {
            "sample_id": self.sample_ids[at], "label": ids[self.labels[at]], "suggested": ids[self.suggested[at]],
            "members_agree": self.votes["prune_by_noise_rate"][at], "margin": self.margin[at],
        }  # fmt: skip

    def __len__(self) -> int:
        return len(self.rows)


def find_label_errors(ensemble: Ensemble) -> LabelErrors:
    """Return the samples whose label the members of an ensemble doubt, those that most members agree on first.

    Each member is asked alone, and copies of one another count once: ten names for one network are one opinion.
    Raises `BadInput` where there are no labels. It asks for probabilities of samples that were not trained on.
    """
    stack = ensemble.stack
    labels = stack.require_labels()
    copies = find_copies(stack)
    counted = independent(copies, len(stack.members))
    votes = {variant: np.zeros(stack.samples, dtype=np.int64) for variant in VARIANTS}
    for i in counted:
        for variant, flags in doubted(stack.of_member(i), labels).items():
            votes[variant] += flags
    own = doubted(ensemble.probs, labels)
    margin = ensemble.confidence - ensemble.probability(labels)
    listed = np.flatnonzero((votes["prune_by_noise_rate"] > 0) | own["prune_by_noise_rate"])
    order = np.lexsort((stack.sample_ids[listed], -margin[listed], -votes["prune_by_noise_rate"][listed]))
    return LabelErrors(
        members=tuple(stack.members[i] for i in counted),
        copies=tuple(stack.members[i] for i in range(len(stack.members)) if i not in counted),
        votes=votes,
        ensemble=own,
        margin=margin,
        suggested=ensemble.preds,
        rows=listed[order],
        sample_ids=stack.sample_ids,
        labels=labels,
        class_ids=tuple(stack.class_ids),
        class_names=tuple(stack.class_names),
    )


def doubted(probs: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Return by variant which samples' labels are doubted, bool (N,), of probs (N, C) and labels int64 (N,)."""
    joint = confident_joint(probs, labels)
    return {
        "confident_joint": confidently_other(probs, labels),
        "prune_by_noise_rate": prune_by_noise_rate(probs, labels, joint),
    }


def _confident(probs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return of each sample the likeliest class that reaches its threshold, int64 (N,), and whether there is one."""
    n, c = probs.shape
    samples = np.bincount(labels, minlength=c)
    total = np.bincount(labels, weights=probs[np.arange(n), labels], minlength=c)
    thresholds = np.divide(total, samples, out=np.full(c, np.inf), where=samples > 0)
    # A mean of equal numbers may be off by their last digit.
    likeliest, there = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.bool_)
    for here, part in row_blocks(probs):
        reached = np.where(part >= thresholds - 1e-12, part, -1.0)
        likeliest[here], there[here] = reached.argmax(axis=1), reached.max(axis=1) >= 0
    return likeliest, there


def confidently_other(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which samples confident learning counts as of another class than their label, bool (N,).

    probs: floats (N, C); labels: int64 (N,). Class c's threshold is the mean of p(c) over the samples labelled c; of
    the classes whose probability reaches their threshold the likeliest is taken, and a sample of which that is not the
    label stands off the diagonal of the confident joint. C. G. Northcutt, L. Jiang and I. L. Chuang, Confident
    learning: estimating uncertainty in dataset labels, JAIR 70 (2021), eq. 1 and 2. It asks for probabilities of
    samples that were not trained on. A class without samples has no threshold, and nothing is counted for it.
    """
    likeliest, there = _confident(probs, labels)
    return there & (likeliest != labels)


def confident_joint(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how many samples of each label (row) are of each class (column) by estimate, int64 (C, C).

    Counts of the confident joint, each row scaled to as many samples as have that label and rounded so that it still
    sums to them (the largest remainders up): Northcutt and others (2021), eq. 3. As in their library at least one
    sample of each label counts as of its class.
    """
    c = probs.shape[1]
    likeliest, there = _confident(probs, labels)
    counts = np.bincount(labels[there] * c + likeliest[there], minlength=c * c).reshape(c, c).astype(np.float64)
    samples = np.bincount(labels, minlength=c)
    np.fill_diagonal(counts, np.maximum(np.diag(counts), 1))
    shares = counts / counts.sum(axis=1, keepdims=True) * samples[:, None]
    floor = np.floor(shares + 1e-9).astype(np.int64)
    for row in np.flatnonzero(floor.sum(axis=1) < samples):
        missing = samples[row] - floor[row].sum()
        up = np.argsort(-(shares[row] - floor[row]), kind="stable")[:missing]
        floor[row, up] += 1
    return floor


def prune_by_noise_rate(probs: np.ndarray, labels: np.ndarray, joint: np.ndarray | None = None) -> np.ndarray:
    """Return which labels are doubted by the noise rates of the estimated joint, bool (N,).

    For each label i and class j as many samples labelled i as the joint has there, those with the largest p(j) - p(i):
    Northcutt and others (2021), section 4.1, "prune by noise rate", and the default of their library. A sample that is
    predicted as its label is never doubted. It finds what the counts expect, near misses of the threshold too, and so
    more or fewer than stand off the diagonal. joint: int64 (C, C), `confident_joint` unless given.
    """
    joint = confident_joint(probs, labels) if joint is None else joint
    found = np.zeros(len(labels), dtype=bool)
    for i in np.flatnonzero((joint - np.diag(np.diag(joint))).any(axis=1)):
        rows = np.flatnonzero(labels == i)
        own = probs[rows]
        for j in np.flatnonzero(joint[i]):
            if j != i:
                margin = own[:, j] - own[:, i]
                least = -np.partition(-margin, joint[i, j] - 1)[joint[i, j] - 1]
                found[rows[margin >= least]] = True
    for here, part in row_blocks(probs):
        found[here] &= part.argmax(axis=1) != labels[here]
    return found


def write_label_errors_csv(path: Path, value: LabelErrors) -> None:
    """Write a row for each doubted sample, in the order of `rows`."""
    ids, names = value.class_ids, value.class_names
    write_csv(
        path,
        HEADER,
        (
            (
                rank, str(value.sample_ids[i]), ids[value.labels[i]], names[value.labels[i]], ids[value.suggested[i]],
                names[value.suggested[i]], value.votes["prune_by_noise_rate"][i], len(value.members),
                value.ensemble["confident_joint"][i], value.ensemble["prune_by_noise_rate"][i], value.margin[i],
            )
            for rank, i in enumerate(value.rows, 1)
        ),
    )  # fmt: skip
