"""Scores of a chosen ensemble that do not flatter it: chosen again and again, scored on samples that did not choose."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtrit

from analysis.metrics import METRICS
from analysis.selection.best import Best, Listed
from analysis.selection.data import Chosen, Selection, SelectionData, Weighted
from analysis.selection.resampling import BOOTSTRAPS, Resamples, bootstraps, forward, k_folds
from analysis.statistics import Paired, compare_correct, mean_interval, wilson
from ensemble.errors import BadInput
from ensemble.machine import Progress
from ensemble.study.tabular import Rows, Tabular

FOLDS = 10
REPEATS = 5
FEWEST = 20  # samples: two a fold
PATIENCE = 120  # seconds, which five repeats may take by estimate
# Scores scatter a little more than the samples' own variance says, since selections share samples; and what is chosen
# on all of them is another choice than those that were scored. Both factors were set by simulation (docs/honesty.md).
WIDENING = 1.1
BETWEEN = 2.0
AT_ONCE = 32  # ensembles that are scored together
MANY = 2**17  # subsets, from which on half as many bootstraps do


@dataclass(frozen=True, eq=False)
class CrossValidation(Rows):
    """What a selection scores on samples that it did not choose on.

    resamples: what was chosen on and what was scored, again and again. chosen: what was chosen each time.
    z: by metric each sample's mean over the times it was not chosen on, float64 (n,); NaN where it always was.
    between: by metric the variance, over the times, of the chosen ensembles' scores on all samples: how much hangs on
    which of them it is.
    """

    resamples: Resamples
    chosen: tuple[Chosen, ...]
    z: dict[str, np.ndarray]
    between: dict[str, float]

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
    score, low, high: the honest one and its interval at a nominal 95 %; None where there is none.
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
        return None if self.score is None else METRICS[self.metric].advantage(self.apparent, self.score)

    @property
    def optimism_interval(self) -> tuple[float, float] | None:
        """The lower and upper end of the optimism, at the interval's level."""
        if self.low is None or self.high is None:
            return None
        ends = (METRICS[self.metric].advantage(self.apparent, end) for end in (self.low, self.high))
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
    z, between = {}, {}
    for metric in metrics:
        z[metric], between[metric] = _held_out(data, chosen, resamples, metric)
    return CrossValidation(resamples, chosen, z, between)


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
        return replace(bootstraps(block, repeats), grouped=grouped)
    repeats = REPEATS if selection.seconds * FOLDS * REPEATS <= PATIENCE else 1
    if selection.name == "greedy":
        return replace(bootstraps(block, FOLDS * repeats), grouped=grouped)
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
            everywhere[same] = scores.mean()
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

    The variance of the mean of z is that of its samples (of its blocks, where groups belong together), 1.1 times, and
    twice the variance between choices. For accuracy and top-5 it is Wilson's interval for as many samples as have that
    variance; for NLL and Brier score Hall's, which allows for skewness.
    """
    z = found.z[metric]
    kept = ~np.isnan(z)
    block = found.resamples.block[kept] if found.resamples.grouped else None
    return score_interval(z[kept], metric, found.between[metric], block, WIDENING, level)


def score_interval(
    z: np.ndarray,
    metric: str,
    between: float = 0.0,
    block: np.ndarray | None = None,
    widening: float = 1.0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the interval of the mean of z, float64 (n,), whose samples belong together in blocks, if any."""
    n, mean = len(z), float(z.mean())
    effect = widening * design_effect(z, block)
    if block is not None:  # few blocks tell little of how much they vary
        few = max(len(np.unique(block)) - 1, 1)
        effect *= float(stdtrit(few, (1 + level) / 2) / ndtri((1 + level) / 2)) ** 2
    if metric in ("accuracy", "top5"):
        # One sample's worth of variance at least: where all are right, nothing is known of how much scores vary.
        inflation = effect + BETWEEN * between * n / max(mean * (1 - mean), 1 / n)
        low, high = wilson(mean * n / inflation, n / inflation, level)
        return (0.0 if mean <= 0 else float(low)), (1.0 if mean >= 1 else float(high))
    return mean_interval(z, effect, BETWEEN * between, level)


def effective_samples(z: np.ndarray, block: np.ndarray | None) -> float | None:
    """Return as how many separate samples those of z, float64 (n,), count; None without blocks that belong together."""
    if block is None:
        return None
    kept = ~np.isnan(z)
    return int(kept.sum()) / design_effect(z[kept], block[kept])


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
    apparent = {metric: float(chosen.scores(data, metric).mean()) for metric in metrics}
    if data.samples < FEWEST:
        how = f"none: {data.samples} samples are too few to hold out a tenth of, at least {FEWEST} are needed"
        return {m: HonestScore(apparent[m], None, None, None, how, m) for m in metrics}, None
    found = cross_validated(selection, metrics, progress=progress)
    how = _how(data, found)
    if isinstance(selection, Best) and isinstance(selection.subsets, Listed):
        how += f"; chosen each time among the {len(selection.subsets.masks):,} that are best on all samples"
    block = found.resamples.block if found.resamples.grouped else None
    return {
        m: HonestScore(apparent[m], found.score(m), *interval(found, m), how, m, effective_samples(found.z[m], block))
        for m in metrics
    }, found


def fixed(data: SelectionData, ensemble: Chosen, metrics: tuple[str, ...] = ("accuracy",)) -> dict[str, HonestScore]:
    """Return the scores of an ensemble that was not chosen on these samples: they flatter nothing as they stand."""
    how = f"nothing was chosen on these {data.samples:,} samples: the score as it is, Wilson's or Hall's interval"
    block = data.blocks_of_samples if data.groups is not None else None
    found = {}
    for metric in metrics:
        scores = ensemble.scores(data, metric)
        mean = float(scores.mean())
        span = score_interval(scores, metric, block=block)
        found[metric] = HonestScore(mean, mean, *span, how, metric, effective_samples(scores, block))
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
    before it, given the choice: a test that counts samples as separate trials is exact (A. P. Dawid, Present position
    and potential developments: the prequential approach, JRSS A 147, 1984). All selections on the same samples go the
    same way. Raises `BadInput` for fewer than 20 samples.
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
