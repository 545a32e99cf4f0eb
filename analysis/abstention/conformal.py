"""Conformal prediction sets: classes enough that the true one is among them as often as promised."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arguments import checked
from analysis.selection.resampling import grouped_folds
from analysis.statistics import class_effects, group_codes, group_effect, wilson
from ensemble.errors import BadInput, nearest
from ensemble.study.tabular import Rows

ALPHA = 0.1
FOLDS = 10
METHODS = ("lac", "aps", "raps")
PENALTIES = (0.001, 0.01, 0.1, 0.2, 0.5)  # RAPS: those tried
TUNED = 5  # RAPS: the part, a fifth, of the calibration samples that its penalty is chosen by
BLOCK_NUMBERS = 2_000_000  # samples times classes that are sorted at once


@dataclass(frozen=True)
class Threshold:
    """What makes sets: classes whose nonconformity is at most `value`; of RAPS with its penalty and free rank.

    samples: how many calibrated it.
    """

    value: float
    samples: int
    penalty: float = 0.0
    free: int = 0


@dataclass(frozen=True, eq=False)
class ConformalSets(Rows):
    """Prediction sets of N samples, each by a threshold that was calibrated without it.

    method: "lac", "aps" or "raps". alpha: the share of sets that may miss. how: "cross-fitted" or "split".
    threshold: calibrated on all N samples, for new ones; see `sets`. seed: of the sets' randomisation.
    sizes: int64 (N,), classes in each set; covered: bool (N,), whether the true one is among them; both of the samples
    that were not calibrated on: all where cross-fitted, the other half where split; rows: int64, their positions.
    labels: int64 (N,), of those samples. class_ids, class_names: C each. groups: int64 (N,), which of those samples
    belong together; None where all are separate.
    """

    method: str
    alpha: float
    how: str
    threshold: Threshold
    seed: int
    rows: np.ndarray
    sizes: np.ndarray
    covered: np.ndarray
    labels: np.ndarray
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    groups: np.ndarray | None = None

    def _columns(self) -> dict[str, Any]:
        classes = self.by_class()
        return {"class_id": np.array(self.class_ids), "class_name": np.array(self.class_names)} | classes

    @property
    def coverage(self) -> float:
        """The share of sets that hold the true class."""
        return float(self.covered.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the coverage, the thresholds as they are; groups count as fewer samples."""
        effect = 1.0
        if self.groups is not None:
            effect = group_effect(self.covered.astype(np.float64), self.groups)
        low, high = wilson(self.covered.sum() / effect, len(self.covered) / effect)
        return float(low), float(high)

    @property
    def mean_size(self) -> float:
        """Classes in a set, on average."""
        return float(self.sizes.mean())

    @property
    def empty(self) -> float:
        """The share of sets without any class."""
        return float((self.sizes == 0).mean())

    @property
    def single(self) -> float:
        """The share of sets with one class."""
        return float((self.sizes == 1).mean())

    def by_size(self) -> np.ndarray:
        """Return how many sets have 0, 1, 2, ... classes and how many of these hold the true one, int64 (K, 2)."""
        counts = np.bincount(self.sizes)
        return np.stack([counts, np.bincount(self.sizes[self.covered], minlength=len(counts))], axis=1)

    def by_class(self) -> dict[str, np.ndarray]:
        """Return for each class samples, coverage with its interval (low, high), and mean size: (C,) each.

        NaN for a class without samples.
        """
        c = len(self.class_ids)
        samples = np.bincount(self.labels, minlength=c)
        hits = np.bincount(self.labels[self.covered], minlength=c)
        effect = np.ones(c)
        if self.groups is not None:
            inside = self.covered.astype(np.float64)
            effect = np.nan_to_num(class_effects(inside, self.labels, self.groups, c), nan=1.0)
        low, high = wilson(hits / effect, samples / effect)
        with np.errstate(invalid="ignore"):
            sizes = np.bincount(self.labels, weights=self.sizes, minlength=c) / samples
            return {"samples": samples, "coverage": hits / samples, "low": low, "high": high, "mean_size": sizes}

    def sets(self, probs: np.ndarray) -> np.ndarray:
        """Return which classes are in the set of each new sample, bool (n, C), of probabilities (n, C)."""
        probs = probs if hasattr(probs, "shape") else np.asarray(probs)
        found = np.empty(probs.shape, dtype=bool)
        for here, inside in self._inside(probs):
            found[here] = inside
        return found

    def measured(self, probs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the size of each new sample's set, int64 (n,), and whether it holds the label, bool (n,)."""
        sizes, covered = np.empty(len(labels), np.int64), np.empty(len(labels), np.bool_)
        for here, inside in self._inside(probs):
            sizes[here], covered[here] = inside.sum(axis=1), inside[np.arange(len(inside)), labels[here]]
        return sizes, covered

    def _inside(self, probs: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Give which classes are in the sets of some new samples at a time: which, and bool (samples, C)."""
        u, by = np.random.default_rng([self.seed, probs.shape[0]]).random(probs.shape[0]), self.threshold
        for here, block in _blocks(probs):
            yield here, _scores(block, self.method, u[here], by.penalty, by.free) <= by.value


def conformal_sets(
    probs: np.ndarray,
    labels: np.ndarray | Sequence[int],
    method: str = "lac",
    alpha: float = ALPHA,
    folds: int | None = FOLDS,
    ids: np.ndarray | None = None,
    class_ids: Sequence[str] = (),
    class_names: Sequence[str] = (),
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> ConformalSets:
    """Make sets of classes that hold the true one in 1 - alpha of new samples, drawn as these are.

    probs: floating point (N, C), of samples that were not trained on; labels: int64 (N,). folds: each part of the
    samples is given sets by what the others calibrate; None: one half calibrates, the other is given sets ("split").
    ids: str (N,), which deal the parts then, whatever the order of rows; class_ids, class_names: C each; seed: deals
    the parts and randomises APS. groups: (N,), a name or number of what each sample belongs to: no sample is then given
    a set that others of its group calibrated, and the promise is of samples of new groups, on average over groups.

    With n samples that calibrate, the threshold is their ceil((n + 1) (1 - alpha))-th smallest nonconformity: V. Vovk,
    A. Gammerman and G. Shafer, Algorithmic Learning in a Random World, 2005. Nonconformity of a class c is
    "lac": 1 - p(c). M. Sadinle, J. Lei and L. Wasserman, JASA 114 (2019). The smallest sets; some may be empty.
    "aps": the probability of all classes before c, by falling probability, and u p(c), u uniform: Y. Romano, M. Sesia
    and E. J. Candes, NeurIPS 2020. Larger sets that come nearer to the level on hard and easy samples alike.
    "raps": that, and a penalty for each rank after the first `free`: A. Angelopoulos and others, ICLR 2021. As there, a
    fifth of the samples that calibrate is set aside: `free` is the rank within which 1 - alpha of them have their true
    class, the penalty is that of five with the smallest sets.
    Raises `BadInput` for what does not fit, another method, and an alpha that so few samples cannot support: n must
    be at least 1 / alpha - 1.
    """
    probs, labels = checked(probs, labels, "conformal_sets")
    n, c = probs.shape
    if method not in METHODS:
        raise BadInput(f"conformal_sets: {method!r} is no method; {nearest(method, METHODS)}.")
    if not 0 < alpha < 1:
        raise BadInput(f"conformal_sets: expected an alpha between 0 and 1, found {alpha}.")
    if folds is not None and folds < 2:
        raise BadInput(f"conformal_sets: expected at least 2 folds, or None for a split, found {folds}.")
    of = None if groups is None else group_codes(groups, n)
    place = _dealt(n, ids, seed, of)  # a random order that hangs on the ids
    part = _parts(place, folds, of)
    held = [1] if folds is None else list(range(int(part.max()) + 1))
    fewest = min(int((part != h).sum()) for h in held)
    least = least_alpha(fewest, method)
    if alpha < least - 1e-12:
        raise BadInput(
            f"conformal_sets: alpha = {alpha:g} is less than {fewest:,} samples that calibrate can support by "
            f"{method}; the least is {rounded_up(least)}; take that, or more samples."
        )
    u = np.empty(n)
    u[np.argsort(place)] = np.random.default_rng([seed, n]).random(n)
    samples = _prepared(probs, labels, method, alpha, u)
    order = np.argsort(place)
    by = [samples.calibrated(order[part[order] != h]) for h in held]
    rows = np.flatnonzero(part == 1) if folds is None else np.arange(n)
    sizes, covered = samples.measured(rows, by, np.zeros(len(rows), np.int64) if folds is None else part)
    ids_ = tuple(class_ids) or tuple(str(i) for i in range(c))
    if len(ids_) != c or (class_names and len(class_names) != c):
        raise BadInput(f"conformal_sets: expected {c} class ids and names, found {len(ids_)} and {len(class_names)}.")
    return ConformalSets(
        method=method,
        alpha=alpha,
        how="split" if folds is None else "cross-fitted",
        threshold=samples.calibrated(order),
        seed=seed,
        rows=rows,
        sizes=sizes,
        covered=covered,
        labels=labels[rows],
        class_ids=ids_,
        class_names=tuple(class_names) or ids_,
        groups=None if of is None else of[rows],
    )


def least_alpha(samples: int, method: str = "lac") -> float:
    """Return the least alpha that so many calibration samples support: 1 / (n + 1), of RAPS without its fifth."""
    return 1 / (samples - (samples // TUNED if method == "raps" else 0) + 1)


def fewest_calibrating(samples: int, folds: int | None = FOLDS) -> int:
    """Return how many of the samples calibrate at least."""
    return samples // 2 + samples % 2 if folds is None else samples - -(-samples // min(folds, samples))


def rounded_up(least: float) -> str:
    """Return a number in four digits, none smaller than it is."""
    scale = 10.0 ** (3 - int(np.floor(np.log10(least))))
    return f"{np.ceil(least * scale) / scale:.4g}"


def _dealt(n: int, ids: np.ndarray | None, seed: int, groups: np.ndarray | None) -> np.ndarray:
    """Return each sample's place in a random order, int64 (n,), which hangs on its id where there are ids.

    Samples of a group stand together in it, the groups by the first of their samples.
    """
    ordered = np.arange(n) if ids is None else np.argsort(ids, kind="stable")
    place = np.empty(n, dtype=np.int64)
    place[ordered] = np.random.default_rng([seed, n, 1]).permutation(n)
    if groups is None:
        return place
    first = np.full(int(groups.max()) + 1, n)
    np.minimum.at(first, groups, place)
    together = np.empty(n, dtype=np.int64)
    together[np.lexsort((place, first[groups]))] = np.arange(n)
    return together


def _parts(place: np.ndarray, folds: int | None, groups: np.ndarray | None) -> np.ndarray:
    """Return which part each sample is of, int64 (n,): of two, the first of which calibrates, or of so many folds."""
    n = len(place)
    if groups is not None:
        count = min(folds or 2, len(np.unique(groups)))
        return grouped_folds(groups, count, place)
    return place * 2 // n if folds is None else place % min(folds, n)


def _blocks(probs: np.ndarray, rows: np.ndarray | None = None) -> Iterator[tuple[Any, np.ndarray]]:
    """Give the probabilities of some rows, all where None, a block at a time as float64, with where they belong."""
    n = probs.shape[0] if rows is None else len(rows)
    step = max(1, BLOCK_NUMBERS // probs.shape[1])
    for start in range(0, n, step):
        here = slice(start, min(start + step, n))
        yield here, probs[here if rows is None else rows[here]].astype(np.float64)


def _ranked(probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return of each class the probability of all before it by falling probability, and its rank, 1 for the first."""
    order = np.argsort(-probs, axis=1, kind="stable")
    falling = np.take_along_axis(probs, order, axis=1)
    before, rank = np.empty_like(probs), np.empty(probs.shape, dtype=np.int64)
    np.put_along_axis(before, order, falling.cumsum(axis=1) - falling, axis=1)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(1, probs.shape[1] + 1), probs.shape), axis=1)
    return before, rank


def _scores(
    probs: np.ndarray, method: str, u: np.ndarray, penalty: np.ndarray | float = 0.0, free: np.ndarray | int = 0
) -> np.ndarray:
    """Return each class's nonconformity, float64 (n, C); u: (n,); penalty, free: of RAPS, one or (n, 1)."""
    if method == "lac":
        return 1 - probs
    before, rank = _ranked(probs)
    scores = before + u[:, None] * probs
    return scores if method == "aps" else scores + penalty * np.maximum(rank - free, 0)


@dataclass(frozen=True, eq=False)
class _Samples:
    """Samples with the nonconformity of their true class, without RAPS's penalty, and its rank: float64, int64 (N,)."""

    probs: np.ndarray
    labels: np.ndarray
    method: str
    alpha: float
    u: np.ndarray
    own: np.ndarray
    rank: np.ndarray

    def calibrated(self, rows: np.ndarray) -> Threshold:
        """Return the threshold that some samples make; rows: in random order, of which RAPS sets aside the first."""
        if self.method != "raps":
            return Threshold(self._quantile(rows), len(rows))
        tune, rest = rows[: len(rows) // TUNED], rows[len(rows) // TUNED :]
        penalty, free = self._tuned(tune) if len(tune) else (PENALTIES[0], 1)
        return Threshold(self._quantile(rest, penalty, free), len(rest), penalty, free)

    def _tuned(self, rows: np.ndarray) -> tuple[float, int]:
        """Return the penalty with the smallest sets of these samples, and the rank up to which there is none."""
        rows = np.sort(rows)  # in which order they are read from files
        free = int(_nth(self.rank[rows], self.alpha))
        values = [self._quantile(rows, penalty, free) for penalty in PENALTIES]
        sizes = np.zeros(len(PENALTIES), dtype=np.int64)
        for here, block in _blocks(self.probs, rows):
            before, rank = _ranked(block)
            plain = before + self.u[rows[here]][:, None] * block
            beyond = np.maximum(rank - free, 0)
            for i, (penalty, value) in enumerate(zip(PENALTIES, values, strict=True)):
                sizes[i] += int((plain + penalty * beyond <= value).sum())
        return PENALTIES[int(sizes.argmin())], free

    def _quantile(self, rows: np.ndarray, penalty: float = 0.0, free: int = 0) -> float:
        return float(_nth(self.own[rows] + penalty * np.maximum(self.rank[rows] - free, 0), self.alpha))

    def measured(self, rows: np.ndarray, by: Sequence[Threshold], which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the size of the sets of some samples, each by its threshold, and whether they hold the true class."""
        value, penalty = (np.array([getattr(t, name) for t in by])[which, None] for name in ("value", "penalty"))
        free = np.array([t.free for t in by])[which, None]
        sizes, covered = np.empty(len(rows), dtype=np.int64), np.empty(len(rows), dtype=bool)
        for here, block in _blocks(self.probs, rows):
            at = rows[here]
            inside = _scores(block, self.method, self.u[at], penalty[here], free[here]) <= value[here]
            sizes[here], covered[here] = inside.sum(axis=1), inside[np.arange(len(block)), self.labels[at]]
        return sizes, covered


def _prepared(probs: np.ndarray, labels: np.ndarray, method: str, alpha: float, u: np.ndarray) -> _Samples:
    """Return samples with what their true class scores."""
    own, rank = np.empty(len(labels)), np.zeros(len(labels), dtype=np.int64)
    for here, block in _blocks(probs):
        at = np.arange(len(block)), labels[here]
        if method == "lac":
            own[here] = 1 - block[at]
        else:
            before, ranks = _ranked(block)
            own[here], rank[here] = before[at] + u[here] * block[at], ranks[at]
    return _Samples(probs, labels, method, alpha, u, own, rank)


def _nth(values: np.ndarray, alpha: float) -> Any:
    """Return the ceil((n + 1) (1 - alpha))-th smallest, the largest where that is more than n."""
    n = len(values)
    nth = min(int(np.ceil((n + 1) * (1 - alpha) - 1e-9)), n)  # the product may be off by its last digit
    return np.partition(values, nth - 1)[nth - 1]
