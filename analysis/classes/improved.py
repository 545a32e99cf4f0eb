"""Which classes an ensemble improves, and which it degrades, compared with another ensemble or a single member."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.classes.confusion import names_of
from analysis.statistics import benjamini_hochberg, group_codes, paired_groups, smallest_difference
from ensemble.errors import BadInput
from ensemble.study.predictions import check_columns
from ensemble.study.tabular import Rows

LEVEL = 0.05
MOST = 8  # classes of each kind that are named and drawn


@dataclass(frozen=True, eq=False)
class ClassComparison(Rows):
    """Two predictors class by class, paired by sample; arrays are in column order.

    against: the name of the second; chosen_here: whether it was chosen, as the best of several, on these samples.
    samples, won, lost: int64 (C,), a class's samples, and those that only the first, or only the second, has right.
    difference: float64 (C,), (won - lost) / samples, the first's accuracy less the second's.
    p: float64 (C,), McNemar's mid-p, two-sided, see `analysis.statistics`; of samples in groups Obuchowski's.
    q: float64 (C,), p adjusted by Benjamini and Hochberg over the classes that have samples.
    smallest: float64 (C,), the smallest true difference that would have been found in 80 of 100 such data sets, at
        `level` among so many classes, given on how many samples the two differ.
    All of these but the counts are NaN for a class without samples.
    level: the share of false claims among those made that `q` keeps to, on average.
    """

    against: str
    chosen_here: bool
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    samples: np.ndarray
    won: np.ndarray
    lost: np.ndarray
    difference: np.ndarray
    p: np.ndarray
    q: np.ndarray
    smallest: np.ndarray
    level: float

    def _columns(self) -> dict[str, Any]:
        return self._named("class_ids", "class_names", "samples", "won", "lost", "difference", "p", "q", "smallest")

    @property
    def tested(self) -> int:
        """How many classes have samples."""
        return int((self.samples > 0).sum())

    @property
    def smallest_median(self) -> float:
        """The median of `smallest` over the classes that have samples."""
        return float(np.nanmedian(self.smallest))

    @property
    def improved(self) -> np.ndarray:
        """The columns of the classes that are improved, significantly so, the lowest p first, int64."""
        return self._significant(self.won > self.lost)

    @property
    def degraded(self) -> np.ndarray:
        """The columns of the classes that are degraded, significantly so, the lowest p first, int64."""
        return self._significant(self.won < self.lost)

    def ranked(self, better: bool) -> np.ndarray:
        """Return the columns of all classes with a difference of that sign, the lowest p first, int64."""
        return self._ranked(self.won > self.lost if better else self.won < self.lost)

    def leading(self, better: bool, most: int) -> list[int]:
        """Return the columns of at most `most` classes with a difference of that sign, the largest difference first.

        Of more than `most` those of the lowest p.
        """
        columns = self.ranked(better)[:most].tolist()
        return sorted(columns, key=lambda c: (-abs(self.difference[c]), c))

    def _significant(self, chosen: np.ndarray) -> np.ndarray:
        return self._ranked(chosen & (self.q <= self.level))

    def _ranked(self, chosen: np.ndarray) -> np.ndarray:
        columns = np.flatnonzero(chosen)
        return columns[np.lexsort((columns, -np.abs(self.difference[columns]), self.p[columns]))]


def compare_classes(
    y_true: np.ndarray | Sequence[int],
    y_pred: np.ndarray | Sequence[int],
    y_other: np.ndarray | Sequence[int],
    class_ids: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    *,
    against: str = "the other",
    chosen_here: bool = False,
    level: float = LEVEL,
    groups: ArrayLike | None = None,
) -> ClassComparison:
    """Compare two predictors class by class.

    y_true, y_pred, y_other: whole numbers (N,), columns; what is true, what the one and what the other predicts.
    class_ids, class_names: C each; the columns' numbers where there are none. against: what the other is called;
    chosen_here: whether it was chosen on these samples; level: of false discoveries. groups: (N,), a name or number of
    what each sample belongs to. Raises `BadInput` for shapes that do not fit.

    Each class is a test of its own, so many are made, and chance alone would give some: hence Benjamini and Hochberg.
    Where the second was chosen as the best of several on these samples, its accuracy is flattered: classes found to
    be improved are, if anything, too few, and those found to be degraded too many.
    """
    truth = check_columns(y_true, "compare_classes: y_true")
    ours, theirs = (
        check_columns(values, f"compare_classes: {name}", len(truth))
        for name, values in (("y_pred", y_pred), ("y_other", y_other))
    )
    ids, names = names_of(int(max(truth.max(), ours.max(), theirs.max())) + 1, class_ids, class_names)
    c = len(ids)
    right, other = ours == truth, theirs == truth
    samples = np.bincount(truth, minlength=c)
    won, lost = (np.bincount(truth[only], minlength=c) for only in (right & ~other, other & ~right))
    seen = np.flatnonzero(samples)
    difference, p, q, smallest = (np.full(c, np.nan) for _ in range(4))
    difference[seen] = (won[seen] - lost[seen]) / samples[seen]
    effects = np.ones(c)
    codes = None if groups is None else group_codes(groups, len(truth))
    for i in seen:
        own = truth == i
        effects[i], p[i] = paired_groups(right[own], other[own], None if codes is None else codes[own])
    q[seen] = benjamini_hochberg(p[seen].tolist())
    # The p-value one more class must stay below to be claimed, with as many as are claimed already.
    own = level * max(1, int((q[seen] <= level).sum())) / len(seen)
    smallest[seen] = [_smallest((won[i] + lost[i]) / effects[i], samples[i] / effects[i], own) for i in seen]
    return ClassComparison(against, chosen_here, ids, names, samples, won, lost, difference, p, q, smallest, level)


def _smallest(discordant: float, samples: float, level: float) -> float:
    """Return `smallest_difference`, at least what the fewest samples make that, all won, give a mid-p of `level`.

    Of w all won the mid-p is 2^-w: w = 5 at .05, 12 at .05 / 200. More than 1 where there are not so many samples: no
    difference could be found then.
    """
    return max(smallest_difference(discordant, samples, level), ceil(log2(1 / level)) / samples)


@dataclass(frozen=True, eq=False)
class Agreement(Rows):
    """How M members agree on each class's samples; arrays are float64 (C,) in column order, NaN without samples.

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

    def _columns(self) -> dict[str, Any]:
        return self._named("class_ids", "class_names", "samples", "disagreement", "all_right", "all_wrong")

    def ranked(self, most: bool) -> np.ndarray:
        """Return the columns of the classes with samples by disagreement, the least first unless `most`, int64."""
        columns = np.flatnonzero((self.samples > 0) & ~np.isnan(self.disagreement))
        values = self.disagreement[columns]
        return columns[np.lexsort((columns, -values if most else values))]


def agreement(
    member_preds: np.ndarray | Sequence[Sequence[int]],
    y_true: np.ndarray | Sequence[int],
    class_ids: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
) -> Agreement:
    """Compare members class by class.

    member_preds: whole numbers (M, N), what each member predicts; y_true: (N,). class_ids, class_names: C
    each; the columns' numbers where there are none. Raises `BadInput` for shapes that do not fit.
    """
    truth = check_columns(y_true, "agreement: y_true")
    if not len(member_preds):
        raise BadInput("agreement: expected predictions (M, N) of a member at least, found none.")
    votes = np.stack([
        check_columns(preds, f"agreement: predictions of member {i}", len(truth))
        for i, preds in enumerate(member_preds)
    ])  # fmt: skip
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
