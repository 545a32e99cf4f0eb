"""Scores of a chosen ensemble that do not flatter it: chosen again and again, scored on samples that did not choose."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from analysis.class_metrics import WHOLE_SET, base_of, is_share, metric_of
from analysis.selection.best import Best, Listed
from analysis.selection.class_sums import pooled, score_of, spread_of, weighted_spread
from analysis.selection.data import Chosen, Selection, SelectionData, Weighted
from analysis.selection.resampling import BOOTSTRAPS, Resamples, bootstraps, forward, k_folds
from analysis.statistics import Paired, compare_correct, design_effect, group_effect, loss_interval, wilson
from ensemble.errors import BadInput
from ensemble.machine import Progress
from ensemble.study.tabular import Rows, Tabular

FOLDS = 10
REPEATS = 5
FEWEST = 20  # samples: two a fold
PATIENCE = 120  # seconds, which five repeats may take by estimate
# Scores scatter a little more than the samples' own variance says, since selections share samples; and what is chosen
# on all of them is another choice than those that were scored. By what the samples' variance and that between choices
# are multiplied was set by simulation (docs/honesty.md, docs/choose.md).
OF_COUNTS, OF_LOSSES, OF_CLASSES = (1.05, 1.5), (1.1, 1.5), (1.1, 2.0)
HALVES = 4  # one bootstrap of half as many blocks to so many whole ones
COUNTED = ("accuracy", "top5")  # metrics that count what is right
AT_ONCE = 32  # ensembles that are scored together
MANY = 2**17  # subsets, from which on half as many bootstraps do


@dataclass(frozen=True, eq=False)
class CrossValidation(Rows):
    """What a selection scores on samples that it did not choose on.

    resamples: what was chosen on and what was scored, again and again. chosen: what was chosen each time.
    z: by metric each sample's mean over the times it was not chosen on, float64 (n,); NaN where it always was. Of a
    metric in which classes count, numbers whose mean is the score and that vary as it does.
    between: by metric the variance, over the times, of the chosen ensembles' scores on all samples: how much hangs on
    which of them it is. variance: of the scores in which classes count, were samples separate.
    lost: of accuracy and top-5, what is lost where half as many samples choose; empty where that was not tried.
    """

    resamples: Resamples
    chosen: tuple[Chosen, ...]
    z: dict[str, np.ndarray]
    between: dict[str, float]
    variance: dict[str, float] = field(default_factory=dict)
    lost: dict[str, float] = field(default_factory=dict)

    def _columns(self) -> dict[str, Any]:
        return dict(self.z)

    def score(self, metric: str = "accuracy") -> float:
        """Return the honest score: the mean of z."""
        return float(np.nanmean(self.z[metric]))

    @property
    def stability(self) -> float:
        """The share of selections that chose the members that were chosen most often."""
        every = [chosen.members for chosen in self.chosen]
        return max(every.count(members) for members in set(every)) / len(every)


@dataclass(frozen=True)
class HonestScore(Tabular):
    """The honest score of a selection beside its apparent one, in the metric's own unit (accuracies as fractions).

    apparent: the metric of what is chosen on all samples, on these same samples.
    score, low, high: the honest one and its interval at a nominal 95 %; None where there is none. There is no interval
    where all samples score alike, which says nothing of how much others may differ.
    how: in words, what `score` is an estimate of, or why there is none.
    effective: as how many separate samples they count where groups belong together; else None.
    """

    apparent: float
    score: float | None
    low: float | None
    high: float | None
    how: str
    metric: str = "accuracy"
    effective: float | None = None

    @property
    def optimism(self) -> float | None:
        """How much better the apparent score is than the honest one: an estimate of how the choice flatters itself."""
        return None if self.score is None else metric_of(self.metric).advantage(self.apparent, self.score)

    @property
    def optimism_interval(self) -> tuple[float, float] | None:
        """The lower and upper end of the optimism, at the interval's level."""
        if self.low is None or self.high is None:
            return None
        ends = (metric_of(self.metric).advantage(self.apparent, end) for end in (self.low, self.high))
        low, high = sorted(ends)
        return low, high


def cross_validated(
    selection: Selection,
    metrics: tuple[str, ...] = ("accuracy",),
    resamples: Resamples | None = None,
    progress: Progress | None = None,
) -> CrossValidation:
    """Do the whole selection again for each resampling, and score it on what that left out.

    resamples: `usual_resamples` unless told. They hang on the samples' ids alone: neither the order of the members nor
    that of the rows changes them, and all selections on the same samples are held out alike.
    Raises `BadInput` for fewer than 20 samples.
    """
    data = selection.data
    check_enough(data)
    resamples = resamples or usual_resamples(selection)
    chosen = choose_again(selection, resamples, progress)
    return of_choices(data, chosen, resamples, metrics, selection.choose)


def of_choices(
    data: SelectionData,
    chosen: tuple[Chosen, ...],
    resamples: Resamples,
    metrics: tuple[str, ...],
    on_all: Callable[[], Chosen],
) -> CrossValidation:
    """Score what was chosen in each resampling on what that left out; `on_all` gives what is chosen on all samples."""
    z, between, variance, lost = {}, {}, {}, {}
    resamples, half = resamples.parts()
    chosen, on_half = chosen[: len(resamples)], chosen[len(resamples) :]
    for metric in metrics:
        if base_of(metric) in WHOLE_SET:
            score, between[metric] = pooled(data, chosen, resamples, metric)
            z[metric], variance[metric] = spread_of(data, metric, score, on_all())
            continue
        z[metric], between[metric] = _held_out(data, chosen, resamples, metric)
        if data.class_scale(metric) is not None:
            z[metric], variance[metric] = weighted_spread(data, metric, z[metric])
        elif metric in COUNTED and on_half:
            lost[metric] = float(np.nanmean(z[metric]) - np.nanmean(_held_out(data, on_half, half, metric)[0]))
    return CrossValidation(resamples, chosen, z, between, variance, lost)


def choose_again(selection: Selection, resamples: Resamples, progress: Progress | None = None) -> tuple[Chosen, ...]:
    """Return what is chosen in each resampling."""
    if isinstance(selection, Best):
        return selection.choose_again(resamples, progress)
    chosen = []
    for r in range(len(resamples)):
        chosen.append(selection.choose(resamples.times(r)))
        if progress:
            progress(r + 1, len(resamples))
    return tuple(chosen)


def usual_resamples(selection: Selection) -> Resamples:
    """Return the resampling that was best by simulation: bootstraps for subsets and greedy selection, else ten folds.

    Weights and regressions are fitted, and to fewer separate samples they are worse; a subset is only picked. Where
    five repeats of the folds, or as many bootstraps, would take minutes there is a fifth of them.
    """
    block = selection.data.blocks_of_samples
    grouped = selection.data.groups is not None
    if isinstance(selection, Best):
        repeats = BOOTSTRAPS if selection.choices <= MANY else BOOTSTRAPS // 2
        return replace(bootstraps(block, repeats, halves=repeats // HALVES), grouped=grouped)
    repeats = REPEATS if selection.seconds * FOLDS * REPEATS <= PATIENCE else 1
    if selection.name == "greedy":
        return replace(bootstraps(block, FOLDS * repeats, halves=FOLDS * repeats // HALVES), grouped=grouped)
    return replace(k_folds(block, min(FOLDS, int(block.max()) + 1), repeats), grouped=grouped)


def _held_out(
    data: SelectionData, chosen: tuple[Chosen, ...], resamples: Resamples, metric: str
) -> tuple[np.ndarray, float]:
    """Return z and the variance between choices."""
    block = resamples.block
    times = resamples.tested.sum(axis=0)[block]
    total = np.zeros(data.samples)
    everywhere = np.zeros(len(chosen))
    alike: dict[bytes, list[int]] = {}
    for r, choice in enumerate(chosen):
        if isinstance(choice, Weighted):
            alike.setdefault(choice.weights.tobytes(), []).append(r)
        else:  # a regression is dear to ask, and one is much like another
            out = resamples.held_out(r)
            total[out] += choice.scores(data.only(out), metric)
    distinct = list(alike.values())  # what is chosen again and again is scored once
    for start in range(0, len(distinct), AT_ONCE):
        part = distinct[start : start + AT_ONCE]
        weights = np.array([np.asarray(chosen[same[0]].weights) for same in part])
        for same, scores in zip(part, data.scores_of(weights, metric), strict=True):
            everywhere[same] = data.mean_of(metric, scores)
            total += resamples.tested[same].sum(axis=0)[block] * scores
    with np.errstate(invalid="ignore"):
        return total / times, float(everywhere.var())


def out_of_fold(data: SelectionData, found: CrossValidation) -> np.ndarray:
    """Return each sample's probabilities by what was chosen without it, in the first repeat of the folds: (n, C)."""
    probs = np.empty((data.samples, data.source.classes))
    filled = np.zeros(data.samples, dtype=bool)
    for r, choice in enumerate(found.chosen):
        out = found.resamples.held_out(r) & ~filled
        if out.any():
            probs[out] = choice.probs(data.only(out).probs())
            filled |= out
        if filled.all():
            break
    return probs


def check_enough(data: SelectionData) -> None:
    """Raise `BadInput` where samples are too few to hold some out."""
    if data.samples < FEWEST:
        raise BadInput(f"{data.samples} samples are too few to hold out a tenth of; at least {FEWEST} are needed.")


def interval(found: CrossValidation, metric: str = "accuracy", level: float = 0.95) -> tuple[float, float]:
    """Return the low and high end of the honest score's interval; see `docs/honesty.md` for what it covers.

    The variance of the mean of z is that of its samples (of its blocks, where groups belong together), 1.05 or 1.1
    times, and 1.5 or 2 times the variance between choices. For accuracy and top-5 it is Wilson's interval for as many
    samples as have that variance; for NLL and Brier score `loss_interval`, which allows for skewness. Of metrics in
    which classes count the variance is that of `CrossValidation.variance`.
    A bootstrap chooses as on about half as many samples, so where one subset is truly best it is missed more often than
    by a choice on all, and the score is too low. The upper end of accuracy and top-5 is raised by
    `CrossValidation.lost`, what the score loses from a half to a third of the samples; where nothing is lost it stays.
    """
    z = found.z[metric]
    kept = ~np.isnan(z)
    block = found.resamples.block[kept] if found.resamples.grouped else None
    variance = found.variance.get(metric)
    widening, hanging = OF_CLASSES if is_share(metric) else OF_LOSSES
    if metric in COUNTED:  # means over choices, which vary less than one choice's right or wrong
        variance, (widening, hanging) = float(z[kept].var()) / int(kept.sum()), OF_COUNTS
    low, high = score_interval(z[kept], metric, hanging * found.between[metric], block, widening, level, variance)
    return low, min(high + max(found.lost.get(metric, 0.0), 0.0), 1.0) if metric in COUNTED else high


def score_interval(
    z: np.ndarray,
    metric: str,
    between: float = 0.0,
    block: np.ndarray | None = None,
    widening: float = 1.0,
    level: float = 0.95,
    variance: float | None = None,
) -> tuple[float, float]:
    """Return the interval of the mean of z, float64 (n,), whose samples belong together in blocks, if any.

    variance: of the mean, were samples separate; by default that of a share, or that of z. between: what is added.
    """
    n, mean = len(z), float(z.mean())
    effect = widening if block is None else widening * group_effect(z, block, level)
    if is_share(metric):
        # One sample's worth of variance at least: where all are right, nothing is known of how much scores vary.
        single = max(mean * (1 - mean), 1 / n)
        ratio = 1.0 if variance is None else max(variance * n, 1 / n) / single
        inflation = effect * ratio + between * n / single
        low, high = wilson(mean * n / inflation, n / inflation, level)
        return (0.0 if mean <= 0 else float(low)), (1.0 if mean >= 1 else float(high))
    return loss_interval(z, effect, between, level)


def effective_samples(z: np.ndarray, block: np.ndarray | None) -> float | None:
    """Return as how many separate samples those of z, float64 (n,), count; None without blocks that belong together."""
    if block is None:
        return None
    kept = ~np.isnan(z)
    return int(kept.sum()) / design_effect(z[kept], block[kept])


def honest(
    selection: Selection,
    chosen: Chosen,
    metrics: tuple[str, ...] = ("accuracy",),
    progress: Progress | None = None,
) -> tuple[dict[str, HonestScore], CrossValidation | None]:
    """Return the honest scores of a selection by metric, and what was held out for them; None for too few samples.

    chosen: what the selection chooses on all samples. Where five repeats would take minutes there is one, and `how`
    says so.
    """
    data = selection.data
    apparent = {metric: score_of(chosen, data, metric) for metric in metrics}
    if data.samples < FEWEST:
        return none_for(data, apparent), None
    found = cross_validated(selection, metrics, progress=progress)
    among = ""
    if isinstance(selection, Best) and isinstance(selection.subsets, Listed):
        among = f"; chosen each time among the {len(selection.subsets.masks):,} that are best on all samples"
    return honest_scores(data, found, apparent, among), found


def honest_scores(
    data: SelectionData, found: CrossValidation, apparent: dict[str, float], among: str = ""
) -> dict[str, HonestScore]:
    """Return the honest scores, with their intervals, of what was held out, beside the apparent ones by metric.

    among: what else `how` says.
    """
    how = _how(data, found) + among
    block = found.resamples.block if found.resamples.grouped else None
    return {
        m: HonestScore(
            apparent[m],
            found.score(m),
            *_span(interval(found, m)),
            how,
            m,
            effective_samples(found.z[m], block),
        )
        for m in apparent
    }


def _span(ends: tuple[float, float]) -> tuple[float, float] | tuple[None, None]:
    return ends if ends[0] < ends[1] else (None, None)


def none_for(data: SelectionData, apparent: dict[str, float]) -> dict[str, HonestScore]:
    """Return what stands in place of honest scores where samples are too few."""
    how = f"none: {data.samples} samples are too few to hold out a tenth of, at least {FEWEST} are needed"
    return {m: HonestScore(apparent[m], None, None, None, how, m) for m in apparent}


def fixed(data: SelectionData, ensemble: Chosen, metrics: tuple[str, ...] = ("accuracy",)) -> dict[str, HonestScore]:
    """Return the scores of an ensemble that was not chosen on these samples: they flatter nothing as they stand."""
    how = f"nothing was chosen on these {data.samples:,} samples: the score as it is, Wilson's or Hall's interval"
    block = data.blocks_of_samples if data.groups is not None else None
    found = {}
    for metric in metrics:
        mean, variance = score_of(ensemble, data, metric), None
        if base_of(metric) in WHOLE_SET:
            scores, variance = spread_of(data, metric, mean, ensemble)
        else:
            scores = ensemble.scores(data, metric)
            if data.class_scale(metric) is not None:
                scores, variance = weighted_spread(data, metric, scores)
        span = score_interval(scores, metric, block=block, variance=variance)
        found[metric] = HonestScore(mean, mean, *_span(span), how, metric, effective_samples(scores, block))
    return found


def _how(data: SelectionData, found: CrossValidation) -> str:
    """Say in a sentence what the honest score is an estimate of."""
    resamples = found.resamples
    counts = np.bincount(data.labels)
    counts = counts[counts > 0]
    if resamples.weights.max() > 1:
        way = f"{len(resamples)} bootstraps of {resamples.blocks} blocks, scored on the samples not drawn"
        on, least = f"as many samples as these {data.samples:,}", 2
        rare = "have one sample alone, so not every bootstrap holds them"
    else:
        folds = round(1 / float(resamples.tested.mean()))
        way = f"{folds} folds x {len(resamples) // folds}, cross-fitted"
        on, least = f"{folds - 1}/{folds} of these {data.samples:,} samples", folds
        rare = f"have fewer than {folds} samples, so not every fold holds them"
    few = int((counts < least).sum())
    return (
        f"{way}: an estimate of the score on new samples of what this selection chooses on {on}, the members as they "
        f"are; it covers neither another training of the members nor earlier uses of the split"
        + (f"; {len(np.unique(data.groups)):,} groups are kept together" if data.groups is not None else "")
        + (f"; {few} of {len(counts)} classes {rare}" if few else "")
    )


FORWARD_FOLDS = 10
FIRST = 2  # folds, which the forward test chooses on before it scores any


@dataclass(frozen=True, eq=False)
class Prequential:
    """What a selection scores on samples that come after those it chose on.

    correct: bool (n,), whether the ensemble chosen on the folds before a sample's own has it right; tested: bool (n,),
    False for the samples of the first folds, which were only chosen on. chosen: what was chosen, fold after fold.
    groups: int64 (n,), which samples belong together; None where all are separate.
    """

    correct: np.ndarray
    tested: np.ndarray
    chosen: tuple[Chosen, ...]
    groups: np.ndarray | None = None


def prequential(selection: Selection, folds: int = FORWARD_FOLDS, first: int = FIRST) -> Prequential:
    """Choose on the first folds and score on the next, then choose on these and score on the one after, to the last.

    Unlike in cross-fitting no sample is scored after it was chosen on, so whether it is right is independent of those
    before it, given the choice: a test that counts samples as separate trials holds its level (A. P. Dawid, Present
    position and potential developments: the prequential approach, JRSS A 147, 1984). All selections on the same
    samples go the same way. Raises `BadInput` for fewer than 20 samples.
    """
    data = selection.data
    check_enough(data)
    steps = forward(data.blocks_of_samples, folds, first)
    chosen = choose_again(selection, steps)
    correct, tested = np.zeros((2, data.samples), dtype=bool)
    for step, choice in enumerate(chosen):
        out = steps.held_out(step)
        tested |= out
        correct[out] = choice.scores(data.only(out), "accuracy") > 0
    return Prequential(correct, tested, chosen, data.groups)


def paired(one: Prequential, other: Prequential) -> Paired:
    """Compare two selections that went forward through the same samples in the same order.

    On cross-fitted predictions the same test is wrong: every sample helps to choose what is scored on the others, and
    where no subset was truly better it claimed a difference in 24 to 42 of 100 data sets, not in 5 (docs/honesty.md).
    Raises `BadInput` where the two did not test the same samples.
    """
    if not np.array_equal(one.tested, other.tested):
        raise BadInput("paired: expected two selections that were tested on the same samples.")
    groups = None if one.groups is None else one.groups[one.tested]
    return compare_correct(one.correct[one.tested], other.correct[other.tested], groups)
