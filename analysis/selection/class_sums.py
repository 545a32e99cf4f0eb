"""Every subset by a metric in which classes count: weighted sums over samples, macro-F1 and AUROC of whole sets.

How many samples of each class a subset has right is a whole number; classes that count alike are counted together, and
the weighted sum is formed last, in whole numbers wherever these stay below 2^53.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Protocol

import numpy as np

from analysis.class_metrics import (
    WEIGHTED,
    WHOLE_SET,
    base_of,
    class_mean,
    influence,
    is_share,
    ranks,
    ratios,
    title_of,
    whole_set,
)
from analysis.metrics import Rule, floored_logs, predicted, quantise, whole
from analysis.selection.data import Chosen, SelectionData, Weighted, combined, per_sample
from analysis.selection.resampling import Resamples
from analysis.subsets.reference import mask_of
from analysis.subsets.table import check_sizes, count_subsets
from ensemble.errors import BadInput
from ensemble.machine import Progress, one_blas_thread

MOST_SUBSETS = {"macro_f1": 16_383, "auroc": 4_095}  # of 14 and of 12 members
WORK = {"macro_f1": 2e10, "auroc": 2.5e9}  # subsets times samples times classes: about two minutes
FEWEST = 63  # subsets that are always done
IN_FULL = 2**26  # numbers of a table of sums by block that is kept in float64


class Sums(Protocol):
    """S subsets of the members, in increasing order of their masks: `best.SubsetSums`."""

    @property
    def masks(self) -> np.ndarray:
        """uint64 (S,), increasing."""
        ...

    def sums(self, metric: str, rows: np.ndarray) -> np.ndarray:
        """Return the sum of the metric over `rows`, bool (n,), of each subset."""
        ...

    def by_block(self, metric: str, block: np.ndarray) -> np.ndarray:
        """Return the sums over the samples of each block, (G, S)."""
        ...


class WeightedSums:
    """Sums in which samples count by their class, out of plain ones."""

    def __init__(self, plain: Sums, data: SelectionData, metric: str) -> None:
        self.masks = plain.masks
        self._plain, self._metric = plain, per_sample(metric)
        self._scale = data.sample_scale(metric)

    def sums(self, metric: str, rows: np.ndarray) -> np.ndarray:
        """Return the weighted sum over `rows`, bool (n,), of each subset: int64 where it is exact, else float64."""
        assert self._scale is not None
        at_once = getattr(self._plain, "weighted", None)
        if callable(at_once) and self._metric in ("accuracy", "top5"):
            return at_once(self._metric, rows, self._scale)
        total = np.zeros(len(self.masks), self._scale.dtype if is_share(metric) else np.float64)
        for weight in np.unique(self._scale[rows]):
            if weight:
                total = total + weight * self._plain.sums(self._metric, rows & (self._scale == weight))
        return total

    def by_block(self, metric: str, block: np.ndarray) -> np.ndarray:
        """Return the weighted sums over the samples of each block, (G, S): whole numbers where they are exact."""
        assert self._scale is not None
        count = int(block.max()) + 1
        exact = self._scale.dtype.kind == "i" and is_share(metric)
        kind: np.dtype = np.dtype(np.float64 if count * len(self.masks) <= IN_FULL else np.float32)
        if exact:
            kind = np.min_scalar_type(int(np.bincount(block, weights=self._scale).max()))
        found = np.empty((count, len(self.masks)), kind)
        for b in range(count):
            found[b] = self.sums(metric, block == b)
        return found


class WholeSets:
    """Macro-F1 or the mean AUROC of subsets, where each sample counts so many times.

    Raises `BadInput` as `check_whole_set` does.
    """

    def __init__(
        self, data: SelectionData, sizes: Sequence[int], metric: str, progress: Progress | None = None
    ) -> None:
        check_whole_set(metric, data.rule, data.members, sizes, data.samples, data.source.classes)
        masks = sorted(mask_of(c) for k in set(sizes) for c in combinations(range(data.members), k))
        self.masks = np.array(masks, dtype=np.uint64)
        self._data, self._metric, self._progress = data, metric, progress
        self._known: dict[bytes, np.ndarray] = {}

    def scores(self, block: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the metric of each subset in each resampling, float64 (R, S).

        block: int64 (n,) in 0..G-1; times: (R, G), how often the samples of each block count. NaN where no class has
        a value.
        """
        key = block.tobytes() + times.tobytes()
        if key not in self._known:
            self._known[key] = self._computed(block, times)
        return self._known[key]

    def _computed(self, block: np.ndarray, times: np.ndarray) -> np.ndarray:
        data, weights = self._data, class_weights_of(self._data, self._metric)
        probs = data.probs()
        found = np.empty((len(times), len(self.masks)))
        values = _Values(probs, data.rule, base_of(self._metric))
        # In Gray order one subset is a member away from the next, or few.
        rank = _gray_rank(self.masks)
        with one_blas_thread():  # its products are so small that a second thread waits, in CPU time, and does nothing
            for done, s in enumerate(np.argsort(rank)):
                own = values.of(int(self.masks[s]))
                numer, denom = ratios(base_of(self._metric), own, data.labels, probs.shape[2], block, times)
                found[:, s] = class_mean(numer, denom, weights)
                if self._progress:
                    self._progress(done + 1, len(self.masks))
        return found


def _gray_rank(masks: np.ndarray) -> np.ndarray:
    """Return where each mask, uint64 (S,), stands in the reflected Gray code."""
    rank = masks.copy()
    for shift in (1, 2, 4, 8, 16, 32):
        rank ^= rank >> np.uint64(shift)
    return rank


class _Values:
    """What the metric is made of, subset after subset: running sums of whole numbers, which do not drift."""

    def __init__(self, probs: np.ndarray, rule: Rule, base: str) -> None:
        self.probs, self.rule, self.base = probs, rule, base
        self.total = np.zeros(probs.shape[1:], np.int64)
        self.mask = 0

    def of(self, mask: int) -> np.ndarray:
        """Return a subset's predictions int64 (n,) or scores (n, C)."""
        if self.base == "auroc" and self.rule.name != "mean":
            return subset_values(self.probs, mask, self.rule, self.base)
        numbers = ranks if self.base == "auroc" else self.rule.quantise
        for m, own in enumerate(self.probs):
            if (mask ^ self.mask) >> m & 1:
                self.total += numbers(own) if mask >> m & 1 else -numbers(own)
        self.mask = mask
        return self.total if self.base == "auroc" else predicted(self.total)


def subset_values(probs: np.ndarray, mask: int, rule: Rule, base: str) -> np.ndarray:
    """Return what macro-F1 or the AUROC of a subset is made of: predictions int64 (n,), or scores int64 (n, C).

    Scores are sums of rint(2^50 p) under the arithmetic mean; of the geometric mean, of its normalised probabilities.
    """
    own = probs[[m for m in range(len(probs)) if mask >> m & 1]]
    if base != "auroc":
        return predicted(rule.quantise(own).sum(axis=0))
    if rule.name == "mean":
        return np.sum([ranks(member) for member in own], axis=0)
    powers = np.exp(np.sum([floored_logs(member) for member in own], axis=0) / len(own))
    return ranks(powers / powers.sum(axis=1, keepdims=True))


def values_of(chosen: Chosen, data: SelectionData, metric: str) -> np.ndarray:
    """Return what macro-F1 or the AUROC of an ensemble is made of: predictions int64 (n,), or scores (n, C)."""
    probs, base = data.probs(), base_of(metric)
    if isinstance(chosen, Weighted):
        if chosen.equal:
            return subset_values(probs, mask_of(chosen.members), data.rule, base)
        if base == "auroc":
            return ranks(combined(probs, chosen.weights, data.rule))
        numbers = zip(probs, whole(chosen.weights), strict=True)
        return predicted(np.sum([weight * data.rule.quantise(own) for own, weight in numbers if weight], axis=0))
    own = chosen.probs(probs)
    return ranks(own) if base == "auroc" else predicted(quantise(own))


def class_weights_of(data: SelectionData, metric: str) -> np.ndarray | None:
    """Return the classes' weights in a metric, float64 (C,); None where all count alike."""
    return data.class_weights if metric.startswith(WEIGHTED) else None


def most_subsets(metric: str, samples: int, classes: int) -> int:
    """Return how many subsets are scored by macro-F1 or the mean AUROC at most."""
    base = base_of(metric)
    return min(MOST_SUBSETS[base], max(FEWEST, int(WORK[base] / (samples * classes))))


def check_whole_set(metric: str, rule: Rule, members: int, sizes: Sequence[int], samples: int, classes: int) -> None:
    """Raise `BadInput` where a vote has no such score, or there are more subsets than are scored one by one."""
    if base_of(metric) == "auroc" and rule.floor is None:
        raise BadInput(f"metric {metric!r}: a vote gives no probabilities to rank samples by; choose by macro_f1.")
    asked, most = count_subsets(members, check_sizes(sizes, members)), most_subsets(metric, samples, classes)
    if asked <= most:
        return
    largest = max((k for k in range(1, members + 1) if count_subsets(members, range(1, k + 1)) <= most), default=0)
    fewer = next(m for m in range(members, 0, -1) if 2**m - 1 <= most)
    smaller = f"take subsets of 1 to {largest} members (sizes), or " if largest else "take "
    raise BadInput(
        f"{title_of(metric)} is computed for each subset by itself, up to {most:,} subsets of these {samples:,} "
        f"samples and {classes:,} classes, and that would be {asked:,}; {smaller}{fewer} members, or choose by "
        "balanced_accuracy, which is exact for all."
    )


def score_of(chosen: Chosen, data: SelectionData, metric: str) -> float:
    """Return any metric of an ensemble on all samples of the data."""
    if base_of(metric) in WHOLE_SET:
        values, weights = values_of(chosen, data, metric), class_weights_of(data, metric)
        return whole_set(base_of(metric), values, data.labels, data.source.classes, weights)
    return float(data.mean_of(metric, chosen.scores(data, metric)))


def pooled(data: SelectionData, chosen: Sequence[Chosen], resamples: Resamples, metric: str) -> tuple[float, float]:
    """Return macro-F1 or the mean AUROC of what was chosen on the samples it was not chosen on, and how far it varies.

    Each class's numerators and denominators are added over the resamplings, and divided then: a class that is rare
    weighs no more where chance leaves few of its samples. The second number is the variance between the chosen
    ensembles' scores on all samples.
    """
    base, weights, classes = base_of(metric), class_weights_of(data, metric), data.source.classes
    numer, denom = np.zeros((2, classes))
    everywhere = np.zeros(len(chosen))
    alike: dict[object, list[int]] = {}
    for r, choice in enumerate(chosen):
        alike.setdefault(choice.weights.tobytes() if isinstance(choice, Weighted) else r, []).append(r)
    with one_blas_thread():
        for same in alike.values():
            values = values_of(chosen[same[0]], data, metric)
            everywhere[same] = whole_set(base, values, data.labels, classes, weights)
            found = ratios(base, values, data.labels, classes, resamples.block, resamples.tested[same])
            numer, denom = numer + found[0].sum(axis=0), denom + found[1].sum(axis=0)
    return float(class_mean(numer, denom, weights)), float(everywhere.var())


PRIOR = 2.0  # samples by which a class's recall is drawn towards the mean, where its variance is estimated


def spread_of(data: SelectionData, metric: str, score: float, chosen: Chosen) -> tuple[np.ndarray, float]:
    """Return numbers (n,) whose mean is `score` and that vary as macro-F1 or the AUROC does, and its variance.

    The variance is at least that of as many separate answers of that score: for macro-F1 a share's, p (1 - p) / n, for
    the AUROC that of J. A. Hanley and B. J. McNeil, Radiology 143 (1982), which holds where no sample is out of place.
    """
    base, weights = base_of(metric), class_weights_of(data, metric)
    n, counts = data.samples, np.bincount(data.labels, minlength=data.source.classes)
    moved = influence(base, values_of(chosen, data, metric), data.labels, data.source.classes, weights)
    own = counts[(counts > 0) & (counts < n)].astype(np.float64)
    share = np.ones(len(counts)) if weights is None else weights
    share = share[(counts > 0) & (counts < n)]
    if base == "macro_f1" or not share.sum():
        least = score * (1 - score) / n
    else:
        one, two, square = score / (2 - score), 2 * score**2 / (1 + score), score**2
        rest = n - own
        each = (score * (1 - score) + (own - 1) * (one - square) + (rest - 1) * (two - square)) / (own * rest)
        least = float((share / share.sum()) ** 2 @ each)
    return score + n * moved, max(float(moved @ moved), least)


def weighted_spread(data: SelectionData, metric: str, z: np.ndarray) -> tuple[np.ndarray, float]:
    """Return numbers (n,) whose mean is the weighted mean of z, float64 (n,), and that vary as it does; its variance.

    z may be NaN, and stays so. For the balanced accuracy classes are strata: how many samples a class has says nothing,
    so only deviations from a class's own mean count. A class's mean is drawn towards that of all by two samples before
    its variance is taken: two of two right do not show that a class is always right.
    """
    scale, labels, classes = data.sample_scale(metric), data.labels, data.source.classes
    assert scale is not None
    kept = ~np.isnan(z)
    n = int(kept.sum())
    share = np.where(kept, scale, 0.0)
    share = share / share.sum()
    score = float(share[kept] @ z[kept])
    count = np.bincount(labels[kept], minlength=classes)
    mean = np.bincount(labels[kept], weights=z[kept], minlength=classes) / np.maximum(count, 1)
    centre = mean[labels] if base_of(metric) == "balanced_accuracy" else score
    values = score + n * share * (z - centre)
    if per_sample(metric) not in ("accuracy", "top5"):
        return values, float(((values[kept] - score) ** 2).sum()) / n**2
    drawn = (mean * count + PRIOR * score) / (count + PRIOR)
    each = drawn * (1 - drawn) + (0 if base_of(metric) == "balanced_accuracy" else (drawn - score) ** 2)
    return values, float(each[labels] @ share**2)
