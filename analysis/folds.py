"""Stratified folds: which tenth of the samples each one is held out with."""

import numpy as np

from ensemble.errors import BadInput


def stratified_folds(labels: np.ndarray, folds: int = 10, seed: int = 0, ids: np.ndarray | None = None) -> np.ndarray:
    """Return the fold of each sample, int64 (N,) in 0..folds-1.

    labels: int64 (N,). The samples are shuffled, laid out class after class (the classes shuffled too) and dealt to
    the folds in turn: the sizes of any two folds differ by one at most, and so do their counts of each class.
    With `ids`, str (N,), a sample's fold hangs on its id and not on the row it stands in.
    Raises `BadInput` for fewer than two folds or fewer samples than folds.
    """
    if not 2 <= folds <= len(labels):
        raise BadInput(f"folds: expected 2 to {len(labels)}, one for each sample, found {folds}.")
    stream = np.random.default_rng([seed, folds])
    ordered = np.arange(len(labels)) if ids is None else np.argsort(ids, kind="stable")
    shuffled = ordered[stream.permutation(len(labels))]
    rank = stream.permutation(int(labels.max()) + 1)
    laid_out = shuffled[np.argsort(rank[labels[shuffled]], kind="stable")]
    fold = np.empty(len(labels), dtype=np.int64)
    fold[laid_out] = np.arange(len(labels)) % folds
    return fold
