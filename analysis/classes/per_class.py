"""How well each class is recognised: recall, precision, F1, hardest first, each with its uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.classes.confusion import confusion_counts, first_names, names_of
from analysis.classes.improved import Agreement, ClassComparison
from analysis.csv_cells import write_csv
from analysis.statistics import class_effects, group_codes, wilson
from ensemble.errors import BadInput
from ensemble.study.predictions import check_columns
from ensemble.study.tabular import Rows, Tabular, html_table, percent

DRAWS = 4000
ODDS_AT_ONCE = 2**22
# Each of a and b is held between this and a thousand times the largest class.
SMALLEST = 0.05
LARGEST = 1000


def worst_share(correct: np.ndarray, samples: np.ndarray, k: int, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Return for each class the share of draws in which it is among the k hardest, float64 (C,); see `end_shares`."""
    return end_shares(correct, samples, k, draws, seed)[0]


def end_shares(
    correct: np.ndarray, samples: np.ndarray, k: int, draws: int = DRAWS, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each class the share of draws in which it is among the k hardest, and among the k easiest.

    correct, samples: int64 (C,); both results float64 (C,). Class c's accuracy is drawn from its posterior
    Beta(a + correct, b + samples - correct), the prior Beta(a, b) fitted across classes by `fit_prior`; in each draw
    the k lowest are the hardest, the k highest the easiest. The shares of the classes that have samples sum to k, or
    to their number where they are fewer. NaN for a class without samples, and everywhere where k is 0. Draws are
    seeded: the same counts give the same shares.
    """
    hard, easy = np.full(len(samples), np.nan), np.full(len(samples), np.nan)
    seen = np.flatnonzero(samples > 0)
    if k < 1 or not seen.size:
        return hard, easy
    right, wrong = correct[seen], samples[seen] - correct[seen]
    a, b = fit_prior(right, wrong)
    rng = np.random.default_rng(seed)
    # A beta variable is G / (G + H) of two gamma variables. Its log-odds are in the same order and, unlike itself,
    # never round to the same number near 0 or 1, so there are no ties to settle.
    odds = rng.standard_gamma(a + right, (draws, len(seen)))
    k = min(k, len(seen))
    hard[seen] = easy[seen] = 0
    step = max(1, ODDS_AT_ONCE // len(seen))
    for start in range(0, draws, step):
        own = np.log(odds[start : start + step])
        own -= np.log(rng.standard_gamma(b + wrong, own.shape))
        ranked = np.argpartition(own, sorted({k - 1, len(seen) - k}), axis=1)
        for shares, part in ((hard, ranked[:, :k]), (easy, ranked[:, len(seen) - k :])):
            shares[seen] += np.bincount(part.ravel(), minlength=len(seen))
    return hard / draws, easy / draws


def fit_prior(right: np.ndarray, wrong: np.ndarray) -> tuple[float, float]:
    """Return (a, b) of the Beta prior under which the counts of all classes are likeliest.

    right, wrong: int64 (C,), at least one sample a class. Maximises sum ln B(a + right, b + wrong) - ln B(a, b), the
    beta-binomial likelihood (J. G. Skellam, JRSS B 10, 1948), over ln a and ln b. Where classes differ no more than
    chance makes them (all alike, or one class only) the likelihood has its maximum at a + b = infinity, where a and b
    only keep their ratio: so neither goes above a thousand times the largest class, which still leaves the data one
    part in a thousand. Neither goes below 0.05, where classes are all right or all wrong.
    """
    from scipy.optimize import minimize
    from scipy.special import betaln, digamma

    right, wrong = right.astype(np.float64), wrong.astype(np.float64)
    total = right + wrong

    def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
        a, b = np.exp(logs)
        value = (betaln(a, b) - betaln(a + right, b + wrong)).mean()
        both = digamma(a + b + total) - digamma(a + b)
        slope = np.array(
            [a * (both - digamma(a + right) + digamma(a)).mean(), b * (both - digamma(b + wrong) + digamma(b)).mean()]
        )
        return float(value), slope

    low, high = np.log(SMALLEST), np.log(LARGEST * total.max())
    mean = np.clip(right.sum() / total.sum(), 0.01, 0.99)
    # The likelihood may be flat far out, and with one sample a class it says nothing of a + b: start from strong,
    # middling and weak priors, and of equally likely ones keep the strongest, which claims least.
    starts = [np.clip(np.log([mean * s, (1 - mean) * s]), low, high) for s in (np.exp(high), total.mean(), 1.0)]
    fits = [
        minimize(loss, s, jac=True, method="L-BFGS-B", bounds=[(low, high)] * 2, options={"ftol": 1e-14, "gtol": 1e-10})
        for s in starts
    ]
    likeliest = min(fit.fun for fit in fits)
    a, b = np.exp(next(fit.x for fit in fits if fit.fun <= likeliest + 1e-9))
    return float(a), float(b)


CONFUSED = 3  # how many of the most frequent wrong answers are kept for a class


@dataclass(frozen=True)
class Confused(Tabular):
    """A wrong answer: the class (its column, id and name) that `count` samples are predicted as."""

    column: int
    id: str
    name: str
    count: int


@dataclass(frozen=True, eq=False)
class PerClass(Rows):
    """One row for each of C classes, hardest first: every field but `worst_k` is in this order.

    Ordered by accuracy, then class id; classes without samples stand last.
    columns: int64 (C,), the class's column, so its place among the sorted ids.
    samples, correct: int64 (C,).
    accuracy, low, high: float64 (C,), the share right and its Wilson 95 % interval; NaN for a class without samples.
    confused_with: up to three wrong answers for each class, the most frequent first, then by class id.
    worst_share, best_share: float64 (C,), the shares of being among the hardest and among the easiest, see
        `analysis.classes.per_class`; NaN for a class without samples, or where worst_k is 0.
    worst_k: min(10, C // 4), how many hardest and how many easiest classes the shares are about.
    predicted: int64 (C,), how many samples are predicted to be of the class.
    precision, precision_low, precision_high: float64 (C,), of the samples predicted to be of the class, the share
        that is, and its Wilson 95 % interval; NaN for a class that is never predicted.
    kappa, mcc: Cohen's kappa and the Matthews correlation coefficient of all classes together; NaN where all samples
        are, or are predicted as, one class.
    effective: float64 (C,), as how many separate samples a class's count where samples belong together in groups, and
        by which its intervals are made; None where all are separate. groups: how many there are.
    f1: float64 (C,), 2 correct / (samples + predicted), the harmonic mean of accuracy and precision: 0 for a class of
        which nothing is right, NaN for one without samples.
    """

    columns: np.ndarray
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    samples: np.ndarray
    correct: np.ndarray
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray
    confused_with: tuple[tuple[Confused, ...], ...]
    worst_share: np.ndarray
    worst_k: int
    best_share: np.ndarray
    predicted: np.ndarray
    precision: np.ndarray
    precision_low: np.ndarray
    precision_high: np.ndarray
    f1: np.ndarray
    kappa: float
    mcc: float
    effective: np.ndarray | None = None
    groups: int | None = None

    def _columns(self) -> dict[str, Any]:
        return self._named(
            "class_ids", "class_names", "samples", "correct", "accuracy", "low", "high", "predicted",
            "precision", "precision_low", "precision_high", "f1", "worst_share", "best_share",
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.columns)

    def _repr_html_(self) -> str:
        rows = [
            (self.class_names[i], self.class_ids[i], int(self.samples[i]), int(self.correct[i]),
             *map(percent, (self.accuracy[i], self.low[i], self.high[i], self.precision[i], self.f1[i])))
            for i in range(len(self))
        ]  # fmt: skip
        columns = ("class", "id", "samples", "right", "%", "95 % from", "to", "precision %", "F1 %")
        return html_table(f"{len(self)} classes, hardest first", columns, rows)

    @property
    def scored(self) -> int:
        """How many classes have samples; they are the first rows."""
        return int((self.samples > 0).sum())

    @property
    def recall(self) -> np.ndarray:
        """The accuracy of a class under its other name, float64 (C,)."""
        return self.accuracy

    @property
    def support(self) -> np.ndarray:
        """The samples of a class under their other name, int64 (C,)."""
        return self.samples

    @property
    def left_out(self) -> tuple[str, ...]:
        """The ids of the classes without samples, which the macro averages leave out."""
        return self.class_ids[self.scored :]

    @property
    def never_predicted(self) -> np.ndarray:
        """The rows of the classes that have samples and that are never predicted, int64."""
        return np.flatnonzero((self.samples > 0) & (self.predicted == 0))

    @property
    def lowest(self) -> int:
        """How many classes share the lowest accuracy."""
        return int((self.accuracy[: self.scored] == self.accuracy[0]).sum())

    @property
    def highest(self) -> int:
        """How many classes share the highest accuracy."""
        return int((self.accuracy[: self.scored] == self.accuracy[self.scored - 1]).sum())

    @property
    def certain(self) -> tuple[int, int]:
        """How many classes are among the `worst_k` hardest, and the easiest, in at least 95 % of draws."""
        hard, easy = (int((s[: self.scored] >= 0.95).sum()) for s in (self.worst_share, self.best_share))
        return hard, easy

    @cached_property
    def hardest_share(self) -> float:
        """The share of draws in which the first class is the hardest of all, see `end_shares`; NaN without samples."""
        counted = self.samples if self.effective is None else self.effective
        right = self.correct * (counted / np.maximum(self.samples, 1))
        return float(worst_share(right, counted, 1)[0]) if len(self) else float("nan")

    @property
    def macro_accuracy(self) -> float:
        """The mean accuracy of the classes that have samples, also called balanced accuracy."""
        return float(self.accuracy[: self.scored].mean())

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that have samples; one that is never predicted counts as 0."""
        return float(self.f1[: self.scored].mean())


def per_class(
    y_true: np.ndarray | Sequence[int] | None,
    y_pred: np.ndarray | Sequence[int],
    class_ids: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    *,
    groups: ArrayLike | None = None,
) -> PerClass:
    """Count, for each class, how many of its samples are right, and what is predicted instead.

    y_true, y_pred: int64 (N,), columns 0..C-1. class_ids, class_names: C each; numbers where there are none.
    groups: (N,), a name or number of what each sample belongs to, such as a patient; intervals are then Wilson's for as
    many samples as have the variance, see `statistics.class_effects`.
    Raises `BadInput` where there are no labels or no samples.
    """
    if y_true is None:
        raise BadInput("the split has no labels, so no class can be scored; name a labelled one, as split=NAME.")
    labels = check_columns(y_true, "per_class: y_true")
    preds = check_columns(y_pred, "per_class: y_pred", len(labels))
    class_ids, class_names = names_of(int(max(preds.max(), labels.max())) + 1, class_ids, class_names)
    c = len(class_ids)
    counts = confusion_counts(labels, preds, c)
    samples, correct, predicted = counts.sum(axis=1), counts.diagonal(), counts.sum(axis=0)
    worst_k = min(10, c // 4)
    effect = effect_of_precision = np.ones(c)
    member_of = None
    if groups is not None:
        member_of = group_codes(groups, len(labels))
        right = (labels == preds).astype(np.float64)
        effect = np.nan_to_num(class_effects(right, labels, member_of, c), nan=1.0)
        effect_of_precision = np.nan_to_num(class_effects(right, preds, member_of, c), nan=1.0)
    hard, easy = end_shares(correct / effect, samples / effect, worst_k)
    low, high = wilson(correct / effect, samples / effect)
    precision_low, precision_high = wilson(correct / effect_of_precision, predicted / effect_of_precision)
    kappa, mcc = _agreement(counts)
    accuracy, precision = _share(correct, samples), _share(correct, predicted)
    f1 = np.where(samples > 0, _share(2 * correct, samples + predicted), np.nan)
    order = np.array(sorted(range(c), key=lambda i: (samples[i] == 0, accuracy[i] if samples[i] else 0, class_ids[i])))
    return PerClass(
        columns=order.astype(np.int64),
        class_ids=tuple(class_ids[i] for i in order),
        class_names=tuple(class_names[i] for i in order),
        samples=samples[order],
        correct=correct[order],
        accuracy=accuracy[order],
        low=low[order],
        high=high[order],
        confused_with=tuple(_confused(counts[i], int(i), class_ids, class_names) for i in order),
        worst_share=hard[order],
        worst_k=worst_k,
        best_share=easy[order],
        predicted=predicted[order],
        precision=precision[order],
        precision_low=precision_low[order],
        precision_high=precision_high[order],
        f1=f1[order],
        kappa=kappa,
        mcc=mcc,
        effective=None if member_of is None else (samples / effect)[order],
        groups=None if member_of is None else int(member_of.max()) + 1,
    )


def _agreement(counts: np.ndarray) -> tuple[float, float]:
    """Return Cohen's kappa and the Matthews correlation of a confusion matrix, int64 (C, C).

    J. Cohen, A coefficient of agreement for nominal scales (1960); of many classes J. Gorodkin, Comparing two
    K-category assignments by a K-category correlation coefficient, Computational Biology and Chemistry 28 (2004).
    NaN where the denominator is 0; scikit-learn's `matthews_corrcoef` is 0 there.
    """
    n, right = int(counts.sum()), int(np.trace(counts))
    true, predicted = (counts.sum(axis=axis).tolist() for axis in (1, 0))
    chance = sum(a * b for a, b in zip(true, predicted, strict=True))
    spread = [n * n - sum(a * a for a in side) for side in (true, predicted)]
    kappa = (n * right - chance) / (n * n - chance) if n * n > chance else float("nan")
    mcc = (n * right - chance) / (spread[0] * spread[1]) ** 0.5 if all(spread) else float("nan")
    return kappa, mcc


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole as float64, NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _confused(row: np.ndarray, own: int, ids: Sequence[str], names: Sequence[str]) -> tuple[Confused, ...]:
    """Return the most frequent wrong answers of one class; row: int64 (C,), how often each class was predicted."""
    others = sorted((int(i) for i in np.flatnonzero(row) if i != own), key=lambda i: (-row[i], ids[i]))
    return tuple(Confused(i, ids[i], names[i], int(row[i])) for i in others[:CONFUSED])


HEADER = (
    "rank", "class_id", "class_name", "samples", "correct", "accuracy", "low", "high", "worst_share",
    "confused_with_id", "confused_with_name", "confused_count", "best_share", "predicted", "precision", "precision_low",
    "precision_high", "f1", "against", "won", "lost", "difference", "p", "q", "smallest_difference",
    "members_disagree", "all_right", "all_wrong", "effective_samples",
)  # fmt: skip


def extremes(value: PerClass, most: int = 10) -> tuple[list[int], list[int]]:
    """Return the rows of the hardest and of the easiest classes, each hardest first, at most `most` of each.

    Classes without samples are in neither. Of 2 * most classes or fewer each is in one of the two; of more, those that
    share the lowest accuracy are none of the easiest.
    """
    hardest = min(most, (value.scored + 1) // 2)
    easiest = min(most, value.scored - (hardest if value.scored <= 2 * most else max(hardest, value.lowest)))
    return list(range(hardest)), list(range(value.scored - easiest, value.scored))


def extreme_titles(value: PerClass, most: int = 10) -> tuple[str, str]:
    """Return what stands over the hardest and over the easiest classes: how many, and how many more are as hard."""
    hardest, easiest = (len(rows) for rows in extremes(value, most))
    if value.lowest == value.scored:
        return f"{hardest} of {value.scored} classes, all of one recall", ""
    low, high = (f", {alike} tied" if alike > shown else "" for alike, shown in
                 ((value.lowest, hardest), (value.highest, easiest)))  # fmt: skip
    return f"Hardest {hardest} of {value.scored} classes{low}", f"Easiest {easiest}{high}"


def short_names(value: PerClass) -> list[str]:
    """Return the first synonym of each class's name, told apart as `analysis.classes.confusion` does."""
    return first_names(value.class_names, value.class_ids)


def write_class_csv(
    path: Path, value: PerClass, changed: ClassComparison | None = None, agreement: Agreement | None = None
) -> None:
    """Write one row a class, hardest first, fractions in full; empty where there is nothing to divide by.

    changed, agreement: of the same classes; their columns are empty where they are not given. Names are harmless to a
    spreadsheet, see `analysis.csv_cells`.
    """
    write_csv(path, HEADER, (_row(value, i, changed, agreement) for i in range(len(value))))


def _row(value: PerClass, i: int, changed: ClassComparison | None, agreement: Agreement | None) -> list[object]:
    wrong = value.confused_with[i][:1]
    own = int(value.columns[i])
    row: list[object] = [i + 1, value.class_ids[i], value.class_names[i], value.samples[i], value.correct[i]]
    row += [column[i] for column in (value.accuracy, value.low, value.high, value.worst_share)]
    row += [wrong[0].id, wrong[0].name, wrong[0].count] if wrong else ["", "", ""]
    row += [value.best_share[i], value.predicted[i]]
    row += [column[i] for column in (value.precision, value.precision_low, value.precision_high, value.f1)]
    if changed is None:
        row += [None] * 7
    else:
        row += [changed.against, changed.won[own], changed.lost[own]]
        row += [column[own] for column in (changed.difference, changed.p, changed.q, changed.smallest)]
    if agreement is None:
        row += [None] * 3
    else:
        row += [column[own] for column in (agreement.disagreement, agreement.all_right, agreement.all_wrong)]
    return [*row, None if value.effective is None else value.effective[i]]
