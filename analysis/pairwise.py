"""Any two predictors on the same samples: who is right where, by how much one is better, and whether that is chance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from analysis.classes.improved import ClassComparison, compare_classes
from analysis.ensemble import BLOCK_NUMBERS, Ensemble
from analysis.metrics import METRICS
from analysis.sentences import p_text, power
from analysis.statistics import (
    Paired,
    compare_correct,
    count_groups,
    design_effect,
    few_groups,
    group_codes,
    mean_interval,
    paired_groups,
)
from ensemble.errors import BadInput
from ensemble.study.tabular import Rows, Tabular


@dataclass(frozen=True)
class MeanDifference(Tabular):
    """The difference of two predictors in a score of every sample, such as NLL: the first's mean less the second's.

    one, other: their means. low, high: the difference's interval at 95 %, which allows for skewness. p: of Student's
    paired test, two-sided; 1 where no sample differs.
    """

    metric: str
    one: float
    other: float
    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, eq=False)
class Versus(Rows):
    """Two predictors on the same N samples.

    names: of the first and of the second. both, neither: how many samples both, or neither of them, has right;
    `accuracy` has how many only one has right.
    classes: the two class by class, with Benjamini and Hochberg's correction over the classes.
    groups: int64 (N,), which samples belong together; None where all are separate.
    sample_ids: str (N,); labels, preds, other: int64 (N,), what is true and what either predicts.
    """

    names: tuple[str, str]
    split: str
    both: int
    neither: int
    accuracy: Paired
    nll: MeanDifference
    brier: MeanDifference
    classes: ClassComparison
    sample_ids: np.ndarray
    labels: np.ndarray
    preds: np.ndarray
    other: np.ndarray
    groups: np.ndarray | None = None

    @property
    def effective(self) -> float | None:
        """As how many separate samples the differences in accuracy count; None where all are separate."""
        if self.groups is None:
            return None
        return self.samples / paired_groups(self.preds == self.labels, self.other == self.labels, self.groups)[0]

    @property
    def samples(self) -> int:
        """N."""
        return len(self.labels)

    @property
    def won(self) -> np.ndarray:
        """Positions of the samples that only the first has right, int64."""
        return np.flatnonzero((self.preds == self.labels) & (self.other != self.labels))

    @property
    def lost(self) -> np.ndarray:
        """Positions of the samples that only the second has right, int64."""
        return np.flatnonzero((self.preds != self.labels) & (self.other == self.labels))

    @property
    def both_wrong_otherwise(self) -> np.ndarray:
        """Positions of the samples that both get wrong, each with another class, int64."""
        return np.flatnonzero((self.preds != self.labels) & (self.other != self.labels) & (self.preds != self.other))

    @property
    def verdict(self) -> str:
        """What can be told of accuracy, in a sentence."""
        test, (one, other) = self.accuracy, self.names
        if not self.nll.low and not self.nll.high and not test.won + test.lost:
            return f"{one} and {other} do the same on every sample, with the same probability of what is true."
        if test.p < 0.05:
            better, worse = (one, other) if test.difference > 0 else (other, one)
            return f"{better} is more accurate than {worse}; chance alone would show as much in {_in_100(test.p)} sets."
        return f"Nothing can be told of which is more accurate. {power(test.power_80)}"

    def _columns(self) -> dict[str, object]:
        ids = np.array(self.classes.class_ids)
        return {
            "id": self.sample_ids,
            "label": ids[self.labels],
            "one": ids[self.preds],
            "other": ids[self.other],
        }

    def __repr__(self) -> str:
        test = self.accuracy
        return (
            f"Versus({self.names[0]!r} against {self.names[1]!r}: {self.samples:,} samples, {test.won:,} won, "
            f"{test.lost:,} lost, {p_text(test.p)})"
        )


def versus(one: Ensemble, other: Ensemble, *, groups: ArrayLike | None = None) -> Versus:
    """Compare two ensembles or members on the labelled samples that both have, joined by sample id and class id.

    groups: (N,), a name or number of what each of the first one's samples belongs to: intervals and tests then count
    what belongs together as such. What is said holds where neither was chosen on these samples; of one that was, its
    accuracy is likely flattered.
    Raises `BadInput` where they have fewer than two samples in common, other classes or labels, or row numbers in place
    of ids in one of them only.
    """
    left, right = one.stack, other.stack
    if left.class_ids != right.class_ids:
        raise BadInput(f"{one.name} and {other.name}: have other classes; expected the same class ids.")
    if left.ids_given != right.ids_given:
        raise BadInput(f"{one.name} and {other.name}: only one of them has sample ids, so they cannot be matched.")
    _, ours, theirs = np.intersect1d(left.sample_ids, right.sample_ids, assume_unique=True, return_indices=True)
    if not len(ours):
        raise BadInput(f"{one.name} and {other.name}: have no samples in common.")
    if len(ours) == 1:
        raise BadInput(
            f"{one.name} and {other.name}: have one sample in common, which tells no difference from chance."
        )
    ours, theirs = ours[order := np.argsort(ours)], theirs[order]
    labels = left.require_labels()[ours]
    unlike = int((labels != right.require_labels()[theirs]).sum())
    if unlike:
        raise BadInput(f"{one.name} and {other.name}: have other labels for {unlike:,} of {len(labels):,} samples.")
    preds, others = one.preds[ours], other.preds[theirs]
    hit, their_hit = preds == labels, others == labels
    names = (one.name, other.name)
    of = None
    if groups is not None:
        of = group_codes(group_codes(groups, left.samples)[ours], len(ours), "groups of the common samples")
    return Versus(
        names=names,
        split=left.split,
        both=int((hit & their_hit).sum()),
        neither=int((~hit & ~their_hit).sum()),
        accuracy=compare_correct(hit, their_hit, of),
        nll=_difference("nll", one, ours, other, theirs, labels, of),
        brier=_difference("brier", one, ours, other, theirs, labels, of),
        classes=compare_classes(labels, preds, others, left.class_ids, left.class_names, against=names[1], groups=of),
        groups=of,
        sample_ids=left.sample_ids[ours],
        labels=labels,
        preds=preds,
        other=others,
    )


def _difference(
    metric: str, one: Ensemble, our_rows: np.ndarray, other: Ensemble, their_rows: np.ndarray, labels: np.ndarray,
    groups: np.ndarray | None,
) -> MeanDifference:  # fmt: skip
    ours, theirs = (_per_sample(metric, *own, labels) for own in ((one, our_rows), (other, their_rows)))
    apart = ours - theirs
    n, mean = len(apart), float(apart.mean())
    effect = design_effect(apart, groups)
    error = float(apart.std(ddof=1)) * (effect / n) ** 0.5 if n > 1 else 0.0
    count = n if groups is None else count_groups(groups)
    low, high = mean_interval(apart, effect if groups is None else effect * few_groups(groups))
    # Where all samples differ alike, by nothing or by as much, the statistic is none or endless.
    t = abs(mean) / error if error > 0 else np.inf if mean and n > 1 else 0.0
    p = 2 * float(stdtr(max(count - 1, 1), -t))
    return MeanDifference(metric, float(ours.mean()), float(theirs.mean()), mean, low, high, p)


def _per_sample(metric: str, ensemble: Ensemble, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    found = np.empty(len(rows))
    step = max(1, BLOCK_NUMBERS // ensemble.stack.classes)
    for start in range(0, len(rows), step):
        here = slice(start, start + step)
        found[here] = METRICS[metric].per_sample(ensemble.probs[rows[here]], labels[here])
    return found


def _in_100(p: float) -> str:
    return f"{100 * p:.1f} of 100" if p >= 0.001 else "fewer than 0.1 of 100"
