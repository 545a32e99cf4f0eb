"""On which classes members agree, and on which they do not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.classes.confusion import names_of
from ensemble.errors import BadInput


@dataclass(frozen=True, eq=False)
class Agreement:
    """What M members said of each class's samples; arrays are float64 (C,) in column order, NaN without samples.

    samples: int64 (C,). disagreement: the mean over samples and pairs of members of "they say different classes"; NaN
    for one member. all_right, all_wrong: the shares of samples that every member has right, and that every one has
    wrong.
    """

    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    members: int
    samples: np.ndarray
    disagreement: np.ndarray
    all_right: np.ndarray
    all_wrong: np.ndarray

    def ranked(self, most: bool) -> np.ndarray:
        """Return the columns of the classes with samples by disagreement, the least first unless `most`, int64."""
        columns = np.flatnonzero((self.samples > 0) & ~np.isnan(self.disagreement))
        values = self.disagreement[columns]
        return columns[np.lexsort((columns, -values if most else values))]


def agreement(
    said: np.ndarray | Sequence[Sequence[int]],
    y_true: np.ndarray | Sequence[int],
    class_ids: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
) -> Agreement:
    """Compare members class by class.

    said: whole numbers (M, N), what each member said; y_true: (N,).
    """
    votes, truth = np.asarray(said), np.asarray(y_true)
    if votes.ndim != 2 or truth.shape != votes.shape[1:] or not votes.size:
        raise BadInput(f"agreement: expected (M, N) answers and (N,) labels, found {votes.shape} and {truth.shape}.")
    ids, names = names_of(int(max(truth.max(), votes.max())) + 1, class_ids, class_names)
    m, c = len(votes), len(ids)
    samples = np.bincount(truth, minlength=c)
    right = (votes == truth).sum(axis=0)

    def share(of_sample: np.ndarray) -> np.ndarray:
        total = np.bincount(truth, weights=of_sample, minlength=c)
        return np.divide(total, samples, out=np.full(c, np.nan), where=samples > 0)

    apart = np.full(c, np.nan)
    if m > 1:
        differ = sum((votes[i + 1 :] != votes[i]).sum(axis=0) for i in range(m - 1))
        apart = share(np.asarray(differ) / (m * (m - 1) / 2))
    return Agreement(ids, names, m, samples, apart, share(right == m), share(right == 0))
