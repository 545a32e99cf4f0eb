"""Metrics in which classes count, and not samples alike: balanced accuracy, macro-F1, mean AUROC, weights of classes.

Each is a mean over classes of a ratio. A class for which the ratio has no denominator (no samples of it; for the AUROC
no others either) is left out of the mean, and `ClassMetric.left_out` names it.
Axes: N samples, C classes, G blocks of samples, R resamplings.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from analysis.arguments import checked
from analysis.csv_pairs import is_amount, read_numbers
from analysis.metrics import METRICS, Metric, predicted, quantise
from ensemble.errors import BadInput, nearest
from ensemble.study.tabular import Tabular

WEIGHTED = "weighted_"  # before the name of a metric in which classes have weights of their own
EXACT = 2**53  # whole numbers up to it are exact in float64
MOST_DENOMINATOR = 10_000  # of a class's weight, which is then taken as a fraction
SHARES = ("accuracy", "top5", "balanced_accuracy", "macro_f1", "auroc")  # from 0 to 1, more is better

Ratios = tuple[np.ndarray, np.ndarray]


def balanced_accuracy(probs: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean recall of the classes that have samples, as scikit-learn's `balanced_accuracy_score`.

    probs: floating point (N, C); labels: whole numbers (N,), columns of `probs`. K. H. Brodersen, C. S. Ong, K. E.
    Stephan and J. M. Buhmann, The balanced accuracy and its posterior distribution, ICPR 2010.
    Raises `BadInput`.
    """
    probs, labels = checked(probs, labels, "balanced_accuracy")
    preds = predicted(quantise(probs))
    samples = np.bincount(labels, minlength=probs.shape[1])
    right = np.bincount(labels[preds == labels], minlength=probs.shape[1])
    return float((right[samples > 0] / samples[samples > 0]).mean())


def macro_f1(probs: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean F1 of the classes that have samples; F1 is 2 right / (samples + predicted).

    probs: floating point (N, C); labels: whole numbers (N,), columns of `probs`. It is scikit-learn's `f1_score` with
    `average="macro"` and the classes that have samples as `labels`. Raises `BadInput`.
    """
    probs, labels = checked(probs, labels, "macro_f1")
    return whole_set("macro_f1", predicted(quantise(probs)), labels, probs.shape[1])


def auroc(probs: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean over classes of the area under the ROC curve of one class against the rest; ties count half.

    probs: floating point (N, C); labels: whole numbers (N,), columns of `probs`. A class without samples, or of which
    all samples are, has none and is left out. It is scikit-learn's `roc_auc_score` with `multi_class="ovr"`. J. A.
    Hanley and B. J. McNeil, The meaning and use of the area under a ROC curve, Radiology 143 (1982).
    NaN where no class has one. Raises `BadInput`.
    """
    probs, labels = checked(probs, labels, "auroc")
    return whole_set("auroc", ranks(probs), labels, probs.shape[1])


@dataclass(frozen=True)
class ClassMetric(Tabular):
    """A metric that is a mean over classes, and has no number for each sample; the fields are those of `Metric`.

    value: (probs, labels) -> the metric, of floating point (N, C) and whole numbers (N,).
    """

    name: str
    title: str
    value: Callable[[np.ndarray, np.ndarray], float]
    higher_is_better: bool = True
    lower: float = 0.0
    upper: float = 1.0

    def advantage(self, a: float, b: float) -> float:
        """Return how much better `a` is than `b`."""
        return a - b

    def left_out(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Return the columns of the classes that the mean leaves out, int64; labels: int64 (N,)."""
        counts = np.bincount(labels, minlength=classes)
        return np.flatnonzero((counts == 0) | ((counts == len(labels)) & (self.name == "auroc")))


CLASS_METRICS: dict[str, ClassMetric] = {
    metric.name: metric
    for metric in (
        ClassMetric("balanced_accuracy", "Balanced accuracy", balanced_accuracy),
        ClassMetric("macro_f1", "Macro-F1", macro_f1),
        ClassMetric("auroc", "Mean AUROC", auroc),
    )
}
WHOLE_SET = ("macro_f1", "auroc")  # known of a whole set of samples alone


def base_of(metric: str) -> str:
    """Return the name of a metric without the mark of weighted classes."""
    return metric.removeprefix(WEIGHTED)


def metric_of(metric: str) -> Metric | ClassMetric:
    """Return the metric of this name, `weighted_` before it or not; raise `BadInput` naming the nearest."""
    known: dict[str, Metric | ClassMetric] = {**METRICS, **CLASS_METRICS}
    if base_of(metric) not in known:
        raise BadInput(f"no metric is called {metric!r}; {nearest(metric, known)}.")
    return known[base_of(metric)]


def title_of(metric: str) -> str:
    """Return a metric's title; of weighted classes it says so."""
    title = metric_of(metric).title
    if not metric.startswith(WEIGHTED):
        return title
    return f"Class-weighted {title if title[:2].isupper() else title[0].lower() + title[1:]}"


def is_share(metric: str) -> bool:
    """Say whether a metric is a share that is shown in percent."""
    return base_of(metric) in SHARES


def is_plain(metric: str) -> bool:
    """Say whether every sample counts alike in it."""
    return metric in METRICS


def scale_of(metric: str, counts: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray | None:
    """Return what a sample of each class counts in a metric, (C,), up to a common factor; None where all count alike.

    counts: int64 (C,), the samples of each class. weights: float64 (C,), the classes' own weights v; 1 where None. It
    is v for a metric of samples and v / n for the balanced accuracy; 0 for a class without samples. Whole numbers,
    int64, wherever their sum over samples stays below 2^53, so that sums of counts are exact: then weights are taken
    as fractions with denominators up to 10,000. Else float64.
    """
    base = base_of(metric)
    if base in WHOLE_SET or (base != "balanced_accuracy" and not metric.startswith(WEIGHTED)):
        return None
    own = np.ones(len(counts)) if weights is None or not metric.startswith(WEIGHTED) else weights
    size = np.maximum(counts, 1) if base == "balanced_accuracy" else np.ones(len(counts), np.int64)
    seen = counts > 0
    scale = np.where(seen, own / size, 0.0)
    scale = scale / (scale.max() or 1.0)  # sums of it are kept in float32 too
    fractions = [Fraction(float(v)).limit_denominator(MOST_DENOMINATOR) for v in own[seen]]
    if any(abs(float(f) - v) > 1e-12 * v for f, v in zip(fractions, own[seen], strict=True)):
        return scale
    fractions = [f / int(n) for f, n in zip(fractions, size[seen], strict=True)]
    common = lcm(*(f.denominator for f in fractions))
    shared = gcd(*(int(f * common) for f in fractions)) or 1
    found = [int(f * common) // shared for f in fractions]
    if sum(w * int(n) for w, n in zip(found, counts[seen], strict=True)) >= EXACT:
        return scale
    exact = np.zeros(len(counts), np.int64)
    exact[seen] = found
    return exact


def ranks(probs: np.ndarray) -> np.ndarray:
    """Return rint(2^50 p) as int64, by which the AUROC ranks samples: exact for float32 above 2^-26."""
    return np.rint(np.asarray(probs, dtype=np.float64) * 2.0**50).astype(np.int64)


def whole_set(
    metric: str, values: np.ndarray, labels: np.ndarray, classes: int, weights: np.ndarray | None = None
) -> float:
    """Return macro-F1 of predictions (N,), or the mean AUROC of scores (N, C), on all samples."""
    block = np.zeros(len(labels), np.int64)
    return float(class_mean(*ratios(metric, values, labels, classes, block, np.ones((1, 1))), weights)[0])


def by_class(metric: str, values: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return F1 or AUROC of each class on all samples, float64 (C,); NaN for a class that is left out."""
    numer, denom = ratios(metric, values, labels, classes, np.zeros(len(labels), np.int64), np.ones((1, 1)))
    return np.divide(numer[0], denom[0], out=np.full(classes, np.nan), where=denom[0] > 0)


def ratios(
    metric: str, values: np.ndarray, labels: np.ndarray, classes: int, block: np.ndarray, times: np.ndarray
) -> Ratios:
    """Return numerator and denominator of each class in each resampling, two float64 (R, C).

    values: preds int64 (N,) for macro-F1, scores (N, C) for the AUROC. block: int64 (N,) in 0..G-1; times: (R, G), how
    often each block counts. The denominator is 0 for a class that is left out. All are whole numbers, or halves.
    """
    times = times.astype(np.float64)
    count = times.shape[1]
    samples = _cells(block, labels, count, classes)
    if metric == "macro_f1":
        right = values == labels
        denom = times @ (samples + _cells(block, values, count, classes))
        return 2 * (times @ _cells(block[right], labels[right], count, classes)), np.where(
            times @ samples > 0, denom, 0.0
        )
    numer = np.zeros((len(times), classes))
    positive = times @ samples
    for c in np.flatnonzero(samples.sum(axis=0)):
        own = np.flatnonzero(labels == c)
        own = own[np.argsort(values[own, c], kind="stable")]
        below = _below(values[own, c], values[:, c], labels != c, block, count)
        together = np.zeros((count, count))
        np.add.at(together, block[own], below)
        numer[:, c] = ((times @ together) * times).sum(axis=1)
    return numer, positive * ((times @ samples.sum(axis=1))[:, None] - positive)


def _cells(block: np.ndarray, column: np.ndarray, blocks: int, classes: int) -> np.ndarray:
    """Count samples by block and class, float64 (G, C)."""
    return np.bincount(block * classes + column, minlength=blocks * classes).reshape(blocks, classes).astype(np.float64)


def _below(own: np.ndarray, scores: np.ndarray, others: np.ndarray, block: np.ndarray, blocks: int) -> np.ndarray:
    """Count by block the other samples that each of a class's own stands above, ties as half: float64 (own, G).

    own: the scores of the class's samples, increasing; scores: (N,) of all; others: bool (N,).
    """
    rest, where = scores[others], block[others]
    width = len(own) + 1
    found = np.zeros((blocks, width))
    for side in ("left", "right"):
        place = np.searchsorted(own, rest, side=side)
        found += np.bincount(where * width + place, minlength=blocks * width).reshape(blocks, width)
    return found.cumsum(axis=1)[:, :-1].T / 2


def class_mean(numer: np.ndarray, denom: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the weighted mean over classes of the ratios (..., C) that have a denominator; NaN where none has."""
    there = denom > 0
    value = np.divide(numer, denom, out=np.zeros(numer.shape), where=there)
    share = there * (np.ones(numer.shape[-1]) if weights is None else weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (value * share).sum(axis=-1) / share.sum(axis=-1)


def influence(
    metric: str, values: np.ndarray, labels: np.ndarray, classes: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return by how much each sample moves macro-F1 or the mean AUROC, float64 (N,): their squares add to its variance.

    Of the AUROC they are the placement values of E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, Biometrics 44
    (1988); of F1 the derivative of the ratio.
    """
    own = by_class(metric, values, labels, classes)
    share = np.where(np.isnan(own), 0.0, 1.0 if weights is None else weights)
    share = share / (share.sum() or 1.0)
    counts = np.bincount(labels, minlength=classes)
    found = np.zeros(len(labels))
    if metric == "macro_f1":
        total = np.maximum(counts + np.bincount(values, minlength=classes), 1)
        each = np.nan_to_num(own) * share / total
        return 2 * (values == labels) * (share / total)[labels] - each[labels] - each[values]
    nowhere = np.zeros(len(labels), np.int64)
    for c in np.flatnonzero(share):
        mine = labels == c
        order = np.flatnonzero(mine)[np.argsort(values[mine, c], kind="stable")]
        sorted_own = values[order, c]
        rest = len(labels) - len(order)
        above = _below(sorted_own, values[:, c], ~mine, nowhere, 1)[:, 0] / rest
        found[order] += share[c] * (above - own[c]) / len(order)
        beaten = sum(np.searchsorted(sorted_own, values[~mine, c], side=side) for side in ("left", "right"))
        found[~mine] += share[c] * (1 - beaten / (2 * len(order)) - own[c]) / rest
    return found


def read_class_weights(path: str | Path) -> dict[str, float]:
    """Return the weights of classes, by id or name, of a CSV file with the columns class and weight."""
    return read_numbers(path, "class", "weight")


def class_weights(
    weights: Mapping[str, float] | ArrayLike,
    class_ids: Sequence[str],
    class_names: Sequence[str] = (),
    where: str = "class_weights",
) -> np.ndarray:
    """Return the weight of each class, float64 (C,), of a mapping from ids or names, or of numbers (C,).

    Raises `BadInput` where a class has none or is unknown, two differ of one class, a weight is negative or no number,
    or all are 0; it begins with `where`, such as the file they are of.
    """
    if isinstance(weights, Mapping):
        at = {str(name): i for i, name in reversed(list(enumerate(class_names)))} | {
            str(name): i for i, name in enumerate(class_ids)
        }
        found = np.full(len(class_ids), np.nan)
        for name, weight in weights.items():
            if str(name) not in at:
                raise BadInput(f"{where}: {name!r} is no class; {nearest(str(name), at)}.")
            value, column = _weight(str(name), weight, where), at[str(name)]
            if not np.isnan(found[column]) and found[column] != value:
                raise BadInput(f"{where}: {name!r} has two weights, by its id and by its name; leave one out.")
            found[column] = value
        missing = [class_ids[i] for i in np.flatnonzero(np.isnan(found))]
        if missing:
            raise BadInput(
                f"{where}: {len(missing):,} of {len(class_ids):,} classes have no weight, {missing[0]!r} for "
                "one; name every class, with 1 where it counts as usual."
            )
    else:
        given = np.asarray(weights)
        if given.shape != (len(class_ids),):
            raise BadInput(f"{where}: expected one for each of {len(class_ids)} classes, found {given.shape}.")
        found = np.array([_weight(name, weight, where) for name, weight in zip(class_ids, given.tolist(), strict=True)])
    if not found.any():
        raise BadInput(f"{where}: all are 0, so nothing counts; give a class a weight above 0.")
    return found


def _weight(name: str, weight: object, where: str) -> float:
    try:
        value = float(weight)  # ty: ignore[invalid-argument-type]
    except (TypeError, ValueError):
        value = float("nan")
    if not is_amount(value):
        raise BadInput(f"{where}: {name!r} has {weight!r}, expected a number of 0 or more, up to 1e100.")
    return value
