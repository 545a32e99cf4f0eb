"""The calibrated log-likelihood, and to how many members of a plain mean an ensemble's is equivalent."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arguments import checked
from analysis.calibration.temperature import FEWEST, fit_temperature, tempered
from analysis.copies import find_copies, independent
from analysis.ensemble import Ensemble
from analysis.metrics import floored, true_probs
from analysis.selection.resampling import folds_of
from analysis.stack import PredictionStack, combined_probs
from analysis.statistics import group_codes
from ensemble.errors import BadInput
from ensemble.machine import Progress
from ensemble.study.tabular import Rows

FOLDS = 2
SUBSETS = 6  # of each size that are looked at, runs of neighbours around a circle


@dataclass(frozen=True, eq=False)
class DeepEnsembleEquivalent(Rows):
    """How many members of a plain mean are as good as an ensemble, by calibrated log-likelihood.

    name: the ensemble's; its: its calibrated log-likelihood, nats a sample, 0 at best. members: M names, those whose
    plain means it is held against. k: int64 (M,), 1..M; mean: float64 (M,), the calibrated log-likelihood of k of them,
    over some subsets; spread: float64 (M,), its standard deviation over these; subsets: int64 (M,), how many.
    value: the k, between whole ones by a straight line, at which the plain mean is as good: 1 where one member alone
    is, None where all M are not.
    """

    name: str
    its: float
    members: tuple[str, ...]
    k: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    subsets: np.ndarray
    value: float | None

    def _columns(self) -> dict[str, Any]:
        return self._named("k", "mean", "spread", "subsets")


def calibrated_log_likelihood(
    probs: np.ndarray,
    labels: np.ndarray,
    ids: np.ndarray | None = None,
    folds: int = FOLDS,
    groups: ArrayLike | None = None,
) -> float:
    """Return the mean ln p(y) after a temperature that was fitted to the other samples: nats, 0 at best.

    probs: floating point (N, C); labels: int64 (N,); ids: str (N,), on which the parts then hang; folds: how many, two
    halves unless told; groups: (N,), what belongs together and stays in one part. Log-likelihoods compare fairly at the
    best temperature of each alone: A. Ashukha, A. Lyzhov, D. Molchanov and D. Vetrov, Pitfalls of in-domain uncertainty
    estimation and ensembling in deep learning, ICLR 2020, with its "test-time cross-validation". Raises `BadInput` for
    fewer than 20 samples.
    """
    probs, labels = checked(probs, labels, "calibrated_log_likelihood")
    if len(labels) < FEWEST:
        raise BadInput(f"{len(labels)} samples are too few to fit a temperature; at least {FEWEST} are needed.")
    fold = folds_of(labels, folds, 0, ids, None if groups is None else group_codes(groups, len(labels)))
    parts = np.arange(int(fold.max()) + 1)
    at = np.array([fit_temperature(probs[kept], labels[kept]) for kept in fold != parts[:, None]])
    return float(np.log(floored(true_probs(tempered(probs, at[fold]), labels))).mean())


def deep_ensemble_equivalent(
    ensemble: Ensemble, stack: PredictionStack, progress: Progress | None = None, groups: ArrayLike | None = None
) -> DeepEnsembleEquivalent:
    """Say to how many members of a plain mean an ensemble is equivalent, by calibrated log-likelihood.

    ensemble: on the samples of `stack`, whose M members are what it is held against; copies of one another count once.
    The least k at which the plain mean of k members reaches the ensemble's calibrated log-likelihood, by a straight
    line between whole k (Ashukha and others, 2020). Of each size up to six subsets are looked at, each member as often
    as any other, and all of them are given the temperature that suits them, cross-fitted over two halves. progress:
    told (done, total) of subsets. groups: (N,), what belongs together and stays in one half. Raises `BadInput` where
    the two differ in samples, there are no labels, or fewer than 20 samples.
    """
    if not np.array_equal(ensemble.stack.sample_ids, stack.sample_ids):
        raise BadInput(f"deep_ensemble_equivalent: {ensemble.name!r} and the members differ in their samples.")
    labels = stack.require_labels()
    counted = independent(find_copies(stack), len(stack.members))
    m = len(counted)
    runs = {k: _runs(counted, k) for k in range(1, m + 1)}
    total, done = sum(map(len, runs.values())), 0
    found: dict[int, list[float]] = {k: [] for k in runs}
    for k, subsets in runs.items():
        for subset in subsets:
            probs = combined_probs(stack, subset, "mean")
            found[k].append(calibrated_log_likelihood(probs, labels, stack.sample_ids, groups=groups))
            done += 1
            if progress:
                progress(done, total)
    its = calibrated_log_likelihood(ensemble.probs, labels, stack.sample_ids, groups=groups)
    mean = np.array([np.mean(found[k]) for k in runs])
    return DeepEnsembleEquivalent(
        name=ensemble.name,
        its=its,
        members=tuple(stack.members[i] for i in counted),
        k=np.arange(1, m + 1),
        mean=mean,
        spread=np.array([np.std(found[k]) for k in runs]),
        subsets=np.array([len(found[k]) for k in runs]),
        value=_reached(mean, its),
    )


def _runs(members: list[int], k: int) -> list[list[int]]:
    """Return up to six subsets of k of the members: runs of neighbours around a circle, their starts evenly apart."""
    m = len(members)
    if k == m:
        return [members]
    count = min(m, SUBSETS)
    starts = [m * i // count for i in range(count)]
    return [sorted(members[(start + i) % m] for i in range(k)) for start in starts]


def _reached(mean: np.ndarray, its: float) -> float | None:
    """Return where the line through the means first reaches a value, counted from 1; None where it never does."""
    there = np.flatnonzero(mean >= its - 1e-12)
    if not len(there):
        return None
    i = int(there[0])
    return 1.0 if i == 0 else i + float((its - mean[i - 1]) / (mean[i] - mean[i - 1]))
