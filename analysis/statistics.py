"""Intervals and tests: of a share, of two classifiers on the same samples, of many hypotheses at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, ndtr, ndtri, stdtrit

from ensemble.errors import BadInput, reason_of
from ensemble.study.predictions import check_columns
from ensemble.study.tabular import Tabular


def mcnemar(won: int, lost: int) -> float:
    """Return the two-sided mid-p of won against lost as tosses of a fair coin; 1 where there are none.

    P(fewer than the smaller count) + P(exactly that many) / 2, doubled. Q. McNemar, Psychometrika 12 (1947); the mid-p:
    M. W. Fagerland, S. Lydersen and P. Laake, BMC Medical Research Methodology 13:91 (2013). Raises `BadInput` for
    what is no count.
    """
    if not all(isinstance(count, int | np.integer) and 0 <= count < 2**53 for count in (won, lost)):
        raise BadInput(f"mcnemar: expected two counts, whole numbers of 0 or more, found {won!r} and {lost!r}.")
    if won == lost:
        return 1.0
    fewer, tosses = min(won, lost), won + lost
    below = float(bdtr(fewer - 1, tosses, 0.5)) if fewer else 0.0
    return min(1.0, below + float(bdtr(fewer, tosses, 0.5)))


def tango(
    won: float, lost: float, samples: float, level: float = 0.95, effect: Callable[[float], float] | None = None
) -> tuple[float, float]:
    """Return the score interval of the difference between two paired shares, (won - lost) / samples.

    won, lost: on how many of the samples only the one, or only the other, is right. The ends are the differences d at
    which (won - lost - n d) / sqrt(n (2 q + d (1 - d))) is the normal quantile, q being the likeliest share of `lost`
    given d: T. Tango, Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design, Statistics in Medicine 17 (1998). It holds where few samples differ, and has a width where none do.
    effect: by what the variance of a difference d is larger than that of separate samples; 1 where None.
    """
    limit = float(ndtri((1 + level) / 2))
    low = _tango_end(won, lost, samples, limit, effect)
    return low, -_tango_end(lost, won, samples, limit, None if effect is None else lambda d: effect(-d))


STEPS = 200  # at which an end is looked for from outside, where an effect may turn the statistic


def _tango_end(
    won: float, lost: float, n: float, limit: float, effect: Callable[[float], float] | None = None
) -> float:
    """Return the lower end of the interval, by bisection: the statistic falls from d = -1 to the difference seen."""

    def statistic(d: float) -> float:
        b = (2 * n - won + lost) * d - won - lost
        c = -lost * d * (1 - d)
        q = (max(b * b - 8 * n * c, 0.0) ** 0.5 - b) / (4 * n)
        spread = n * (2 * q + d * (1 - d)) * (1.0 if effect is None else effect(d))
        above = won - lost - n * d
        return above / spread**0.5 if spread > 0 else float("inf") * above if above else 0.0

    low, high = -1.0, (won - lost) / n
    if effect is not None:
        step = (high - low) / STEPS
        while low + step < high and statistic(low + step) > limit:
            low += step
        high = min(low + step, high)
    for _ in range(60):
        middle = (low + high) / 2
        if statistic(middle) > limit:
            low = middle
        else:
            high = middle
    return low


def smallest_difference(discordant: float, samples: float, level: float = 0.05, power: float = 0.8) -> float:
    """Return the true difference in accuracy that McNemar's test at `level` finds with probability `power`.

    discordant: on how many of the samples the two differ. With the share s of them, n samples and normal quantiles
    a and b, d solves d sqrt(n) = a sqrt(s) + b sqrt(s - d^2): R. J. Connor, Biometrics 43 (1987). At least the
    difference that five samples make: fewer, all won, give no p below .05.
    """
    share = discordant / samples
    a, b = float(ndtri(1 - level / 2)), float(ndtri(power))
    # Squared, with u = d sqrt(n): (n + b^2) d^2 - 2 a sqrt(s n) d + (a^2 - b^2) s = 0, and the larger root counts.
    p, q, r = samples + b * b, -2 * a * (share * samples) ** 0.5, (a * a - b * b) * share
    found = (-q + max(q * q - 4 * p * r, 0.0) ** 0.5) / (2 * p)
    return max(found, 5 / samples)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Return p-values adjusted for testing a few hypotheses: no more than 5 % chance of any false claim at .05.

    S. Holm, Scandinavian Journal of Statistics 6 (1979): the i-th smallest of m is multiplied by m - i + 1, none is
    smaller than one before it. float64, in the order given.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> np.ndarray:
    """Return p-values adjusted for testing many: of the claims at .05 no more than 5 % are false on average.

    Y. Benjamini and Y. Hochberg, JRSS B 57 (1995), by SciPy. float64, in the order given.
    """
    from scipy.stats import false_discovery_control

    p = np.asarray(p_values, dtype=np.float64)
    return false_discovery_control(p) if p.size else p


def wilson(successes: ArrayLike, trials: ArrayLike, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper end of Wilson's score interval, float64, of the shape of the counts.

    successes, trials: counts, numbers or arrays of one shape. With n trials, share s and z the normal quantile at (1 +
    level) / 2, the interval is (s + z^2/2n -+ z sqrt(s(1-s)/n + z^2/4n^2)) / (1 + z^2/n). E. B. Wilson, Probable
    inference, the law of succession, and statistical inference, JASA 22 (1927). NaN where there are no trials; exactly
    0 below no success and exactly 1 above no failure. Raises `BadInput` for successes that are negative or more than
    the trials, and for a level that is not between 0 and 1.
    """
    x, n = _counts(successes, trials)
    if not 0 < level < 1:
        raise BadInput(f"wilson: expected a level between 0 and 1, found {level!r}.")
    z2 = float(ndtri((1 + level) / 2)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        share = x / n
        centre = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    nothing = n == 0
    low = np.where(nothing, np.nan, np.where(x == 0, 0.0, centre - half))
    high = np.where(nothing, np.nan, np.where(x == n, 1.0, centre + half))
    return low, high


def _counts(successes: ArrayLike, trials: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return counts as float64 of one shape; a share of an effective number of trials may be a fraction."""
    try:
        x, n = np.broadcast_arrays(np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise BadInput(f"wilson: expected counts of one shape, {reason_of(error)}.") from error
    odd = np.flatnonzero((x < 0) | (x > n * (1 + 1e-9)))
    if odd.size:
        raise BadInput(
            f"wilson: expected successes from 0 to the number of trials, found {x.flat[odd[0]]:g} of "
            f"{n.flat[odd[0]]:g}."
        )
    return np.minimum(x, n), n


def design_effect(z: np.ndarray, block: np.ndarray | None) -> float:
    """Return the variance of the mean of z over what it were if samples had been drawn one by one; at least 1.

    L. Kish, Survey Sampling (1965): the sums of the blocks' deviations vary, n samples' deviations add up.
    """
    if block is None:
        return 1.0
    deviation = z - z.mean()
    single = float((deviation**2).sum())
    sums = np.bincount(block, weights=deviation)
    sums = sums[np.bincount(block) > 0]
    count = len(sums)
    return 1.0 if single == 0 or count < 2 else max(1.0, float((sums**2).sum()) * count / (count - 1) / single)


def group_codes(groups: ArrayLike, samples: int, where: str = "groups") -> np.ndarray:
    """Return which group each sample is of, int64 (N,) in 0..G-1, of a name or a number for each.

    Raises `BadInput`, which begins with `where`, for another length, for a sample without a group (None, NaN or an
    empty name), and for fewer than two groups, which leave nothing to hold out.
    """
    found = np.asarray(groups) if hasattr(groups, "dtype") else np.array(groups, dtype=object)
    if found.shape != (samples,):
        raise BadInput(f"{where}: expected one for each of the {samples:,} samples, found the shape {found.shape}.")
    names = found.tolist()
    try:
        missing = [i for i, name in enumerate(names) if name is None or name != name or name == ""]
        number: dict[object, int] = {}
        codes = np.array([number.setdefault(name, len(number)) for name in names], dtype=np.int64)
    except TypeError as error:  # pandas' NA is neither equal to anything nor not, a list has no hash
        raise BadInput(f"{where}: expected a name or a number for each sample; {error}.") from error
    if missing:
        raise BadInput(
            f"{where}: {len(missing):,} of the {samples:,} samples have none, that of row {missing[0]} for one; name "
            "every sample's, one that belongs to no other with a group of its own."
        )
    if len(number) < 2:
        raise BadInput(f"{where}: all {samples:,} samples are of one group; two are needed to hold one out.")
    return codes


def count_groups(groups: np.ndarray) -> float:
    """Return how many groups of one size tell as much as these of unequal size: N^2 over the sum of squared sizes.

    groups: int64 (N,). A. V. Carter, K. T. Schnepel and D. G. Steigerwald, Asymptotic behavior of a t-test robust to
    cluster heterogeneity, Review of Economics and Statistics 99 (2017). One group that holds half of all counts so that
    there are fewer than four, however many the others are.
    """
    return len(groups) ** 2 / float((np.bincount(groups).astype(np.float64) ** 2).sum())


def few_groups(groups: np.ndarray, level: float = 0.95) -> float:
    """Return by what a variance that few groups tell is widened: Student's quantile over the normal one, squared.

    groups: int64 (N,). E. L. Korn and B. I. Graubard, Confidence intervals for proportions with small expected number
    of positive counts estimated from survey data, Survey Methodology 24 (1998), with `count_groups` for their number.
    """
    upper = (1 + level) / 2
    return float(stdtrit(max(count_groups(groups) - 1, 1), upper) / ndtri(upper)) ** 2


UNTOLD = 0.5  # the correlation within a group of which nothing is known


def class_effects(
    values: np.ndarray, columns: np.ndarray, groups: np.ndarray, classes: int, level: float = 0.95
) -> np.ndarray:
    """Return by what the variance of each class's mean is larger than that of separate samples, float64 (C,).

    values: float64 (N,), such as 1 where a sample is right; columns, groups: int64 (N,), the class and the group of
    each. The design effect 1 + (m - 1) r (L. Kish, Survey Sampling, 1965): m is the mean size of a sample's group
    within its class, r the correlation within groups by analysis of variance, at least 0, over all classes together
    (A. Donner and J. J. Koval, Biometrics 36, 1980), since single classes hold too few groups to tell. Few groups that
    are right or wrong tell little of r, nearly always too little: it is at least what it comes to with one group more
    of which it is known to be a half, beside as many as hold a value on the rarer side of the mean (by simulation,
    docs/honesty.md). Where nothing varies a group counts as one sample. It is widened by `few_groups` where any group
    has two samples of a class, and is NaN for a class without samples.
    """
    count = np.bincount(columns, minlength=classes).astype(np.float64)
    mean = np.bincount(columns, weights=values, minlength=classes) / np.maximum(count, 1)
    _, cell = np.unique(columns * (int(groups.max()) + 1) + groups, return_inverse=True)
    size = np.bincount(cell)
    of = np.empty(len(size), np.int64)
    of[cell] = columns
    within_mean = np.bincount(cell, weights=values) / size
    squares = np.bincount(of, weights=size.astype(np.float64) ** 2, minlength=classes) / np.maximum(count, 1)
    if (size == 1).all():
        return np.where(count > 0, 1.0, np.nan)
    between_freedom = len(size) - int((count > 0).sum())
    between = float((size * (within_mean - mean[of]) ** 2).sum())
    within = float(((values - within_mean[cell]) ** 2).sum()) / (len(values) - len(size))
    correlation = 1.0
    if between_freedom > 0 and between + within > 0:
        between /= between_freedom
        typical = (len(values) - float(squares.sum())) / between_freedom
        correlation = min(1.0, max(0.0, (between - within) / (between + (typical - 1) * within)))
    apart = values - mean[columns]
    telling = min(len(np.unique(groups[apart > 0])), len(np.unique(groups[apart < 0])))
    correlation = max(correlation, (correlation * telling + UNTOLD) / (telling + 1))
    found = (1 + (squares - 1) * correlation) * few_groups(groups, level)
    return np.where(count > 0, found, np.nan)


def group_effect(values: np.ndarray, groups: np.ndarray, level: float = 0.95) -> float:
    """Return by what the variance of the mean is larger than that of separate samples, for an interval at `level`.

    values: float64 (N,); groups: int64 (N,). The larger of `design_effect` with `few_groups`, and `class_effects`.
    """
    alike = class_effects(values, np.zeros(len(values), np.int64), groups, 1, level)[0]
    return max(float(alike), design_effect(values, groups) * few_groups(groups, level))


def mean_interval(
    values: np.ndarray, effect: float = 1.0, extra: float = 0.0, level: float = 0.95
) -> tuple[float, float]:
    """Return the lower and upper end of the interval of a mean, of values float64 (n,) whose distribution is skewed.

    Student's statistic is put through Hall's monotone cubic, which takes skewness away to the second order: P. Hall, On
    the removal of skewness by transformation, JRSS B 54 (1992). effect: by what the variance of the mean is larger than
    that of separate values; extra: what is added to it.
    """
    n = len(values)
    mean = float(values.mean())
    deviation = values - mean
    variance = float((deviation**2).sum()) / max(n - 1, 1)
    error = (effect * variance / n + extra) ** 0.5
    if error == 0 or n < 2:
        return mean, mean
    skewness = float((deviation**3).mean()) / variance**1.5 / n**0.5 if variance > 0 else 0.0
    skewness *= effect**0.5 * (effect * variance / n) ** 0.5 / error  # what is added is not skewed
    ends = []
    limit = float(stdtrit(n - 1, (1 + level) / 2))
    for quantile in (limit, -limit):
        y = quantile
        if abs(skewness) > 1e-9:
            y = 3 / skewness * (float(np.cbrt(1 + skewness * (quantile - skewness / 6))) - 1)
        ends.append(mean - y * error)
    return ends[0], ends[1]


def loss_interval(
    losses: np.ndarray, effect: float = 1.0, extra: float = 0.0, level: float = 0.95
) -> tuple[float, float]:
    """Return the lower and upper end of the interval of a mean of losses, float64 (n,), none of them below 0.

    `mean_interval`, whose upper end misses what few samples do not hold: a next sample is worse than all n with the
    chance 1 / (n + 1), so one more that is as bad as the worst counts too; and it is Student's on the logarithm where
    that is higher. effect, extra and level are as there.
    """
    low, high = mean_interval(losses, effect, extra, level)
    if low == high:
        return low, high
    for values in (losses, np.append(losses, losses.max())):
        n, mean = len(values), float(values.mean())
        error = (effect * float(values.var(ddof=1)) / n + extra) ** 0.5
        by_log = mean * np.exp(float(stdtrit(n - 1, (1 + level) / 2)) * error / mean)
        high = max(high, mean_interval(values, effect, extra, level)[1], float(by_log))
    return max(low, 0.0), high


@dataclass(frozen=True)
class Paired(Tabular):
    """How much better one classifier is than another on the same samples, in accuracy.

    difference, low, high: mean of the samples' differences and Tango's score interval at 95 %, fractions.
    p: McNemar's mid-p, two-sided; of samples in groups Obuchowski's.
    won, lost: how many samples only the one, or only the other, has right.
    smallest: the smallest true difference that a test at 5 % would find in 80 of 100 such data sets; above 1: none.
    samples: how many were tested.
    """

    difference: float
    low: float
    high: float
    p: float
    won: int
    lost: int
    smallest: float
    samples: int

    @property
    def power_80(self) -> float | None:
        """`smallest`, or None where it is more than 1: samples are too few to find any difference."""
        return self.smallest if self.smallest <= 1 else None


FEWEST_GROUPS = 4  # for the sums of groups that all agree to have p < .05: the statistic is at most their root


def compare_correct(one: np.ndarray, other: np.ndarray, groups: np.ndarray | None = None) -> Paired:
    """Compare two classifiers by which samples each has right: bool (N,), in the same order.

    groups: int64 (N,), which samples belong together. Their differences are then summed, and the variance of the sums
    takes the place of that of single samples: N. A. Obuchowski, On the comparison of correlated proportions for
    clustered data, Statistics in Medicine 17 (1998). The interval holds the differences d that her test does not
    reject, with the sums' deviations from d for their variance, at least that of separate samples: without groups it
    is Tango's.
    """
    won, lost, n = int((one & ~other).sum()), int((other & ~one).sum()), len(one)
    effect, p = paired_groups(one, other, groups)
    low, high = tango(won, lost, n, effect=None if groups is None else _effect_around(one, other, groups))
    smallest = smallest_difference((won + lost) / effect, n / effect)
    if groups is not None and len(np.unique(groups)) < FEWEST_GROUPS:
        smallest = np.inf
    return Paired(
        difference=(won - lost) / n,
        low=low,
        high=high,
        p=p,
        won=won,
        lost=lost,
        smallest=smallest,
        samples=n,
    )


def paired_groups(one: np.ndarray, other: np.ndarray, groups: np.ndarray | None) -> tuple[float, float]:
    """Return the design effect and p of two classifiers' difference; without groups 1 and McNemar's mid-p.

    The effect is of the difference seen; the test asks how the sums vary where there is none.
    """
    won, lost = int((one & ~other).sum()), int((other & ~one).sum())
    if groups is None or not won + lost:
        return 1.0, mcnemar(won, lost)
    around = _effect_around(one, other, groups)
    p = 2 * float(ndtr(-abs(won - lost) / (around(0) * (won + lost)) ** 0.5))
    return around((won - lost) / len(one)), min(1.0, p)


def _effect_around(one: np.ndarray, other: np.ndarray, groups: np.ndarray) -> Callable[[float], float]:
    """Return the design effect of a difference in accuracy by what it may be: of the sums' deviations from it."""
    apart = one.astype(np.float64) - other
    sums, sizes = np.bincount(groups, weights=apart), np.bincount(groups)
    won_and_lost, ahead, n = float((apart**2).sum()), float(apart.sum()), len(apart)

    def around(d: float) -> float:
        single = won_and_lost - 2 * d * ahead + n * d * d
        return max(1.0, float(((sums - sizes * d) ** 2).sum()) / single) if single > 0 else 1.0

    return around


def paired_test(y_true: ArrayLike, y_pred: ArrayLike, other: ArrayLike) -> Paired:
    """Compare two classifiers' accuracy on the same samples, which must have chosen neither of them.

    y_true, y_pred, other: whole numbers (N,), the true classes and what each classifier predicts. `difference` is
    positive where `y_pred` is right more often. Raises `BadInput` where the three differ in length or are empty.
    """
    labels = check_columns(y_true, "paired_test: y_true")
    ours, theirs = (
        check_columns(values, f"paired_test: {name}", len(labels))
        for name, values in (("y_pred", y_pred), ("other", other))
    )
    return compare_correct(ours == labels, theirs == labels)


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return the share of pairs in which the positive is larger than the negative, equal ones counted half.

    positive, negative: float (n,) and (m,). The area under the ROC curve; NaN where either is empty. D. Bamber, The
    area above the ordinal dominance graph, Journal of Mathematical Psychology 12 (1975).
    """
    from scipy.stats import rankdata

    n, m = len(positive), len(negative)
    if not n or not m:
        return float("nan")
    ranks = rankdata(np.concatenate([positive, negative]))
    return float((ranks[:n].sum() - n * (n + 1) / 2) / n / m)


def auroc_effect(positive: np.ndarray, negative: np.ndarray, groups: np.ndarray) -> float:
    """Return by what the variance of an AUROC is larger than that of separate samples, of positives and negatives.

    groups: int64 (n + m,), of the positives, then of the negatives. By the groups' sums of the samples' placements, as
    N. A. Obuchowski, Nonparametric analysis of clustered ROC curve data, Biometrics 53 (1997), and `few_groups`; 1
    where either is empty.
    """
    n, m = len(positive), len(negative)
    if not n or not m:
        return 1.0

    def beaten(own: np.ndarray, others: np.ndarray) -> np.ndarray:
        ranked = np.sort(others)
        return (np.searchsorted(ranked, own, "left") + np.searchsorted(ranked, own, "right")) / (2 * len(others))

    above, below = beaten(positive, negative), 1 - beaten(negative, positive)
    moved = np.concatenate([(above - above.mean()) / n, (below - below.mean()) / m])
    return design_effect(moved, groups) * few_groups(groups)


def auroc_interval(area: float, positives: float, negatives: float, level: float = 0.95) -> tuple[float, float]:
    """Return the score interval of an AUROC of so many positives and negatives; NaN where there is none.

    The ends are the areas t at which (area - t)^2 = z^2 V(t), with V(t) = t (1 - t) (1 + k (1 - t) / (2 - t) + k t /
    (1 + t)) / (positives negatives), k = (positives + negatives) / 2 - 1: R. G. Newcombe, Confidence intervals for an
    effect size measure based on the Mann-Whitney statistic, part 2, Statistics in Medicine 25 (2006), method 5. It has
    a width where the two are wholly apart, too.
    """
    if np.isnan(area):
        return area, area
    z2, k = float(ndtri((1 + level) / 2)) ** 2, (positives + negatives) / 2 - 1

    def beyond(t: float) -> bool:
        spread = t * (1 - t) * (1 + k * (1 - t) / (2 - t) + k * t / (1 + t)) / (positives * negatives)
        return (area - t) ** 2 > z2 * spread

    ends = []
    for edge in (0.0, 1.0):
        outside, inside = edge, area
        for _ in range(60):
            middle = (outside + inside) / 2
            outside, inside = (middle, inside) if beyond(middle) else (outside, middle)
        ends.append(edge if area == edge else inside)
    return ends[0], ends[1]
