"""A score for a chosen ensemble that does not flatter it: chosen on nine tenths, scored on the tenth, over and over."""

from dataclasses import dataclass

import numpy as np

from analysis.selection.base import Chosen, Selection, Weighted
from analysis.selection.data import SelectionData
from analysis.statistics import Paired, compare_correct, wilson
from ensemble.errors import BadInput
from ensemble.progress import Progress

FOLDS = 10
REPEATS = 5
FEWEST = 20  # samples: two a fold
PATIENCE = 120  # seconds, which five repeats may take by estimate
WIDENING = 1.5
FIRST = 2  # of ten folds, which the forward test chooses on before it scores any


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What a selection scores on samples that it did not choose on.

    scores: float64 (repeats, n), for each repeat and sample what the metric makes of the ensemble that was chosen on
    the folds without that sample. chosen: for each repeat and fold what was chosen without it. folds: int64
    (repeats, n), the fold each sample was held out with.
    """

    metric: str
    scores: np.ndarray
    chosen: tuple[tuple[Chosen, ...], ...]
    folds: np.ndarray

    @property
    def z(self) -> np.ndarray:
        """Each sample's mean over the repeats, float64 (n,)."""
        return self.scores.mean(axis=0)

    @property
    def score(self) -> float:
        """The honest score, mean(z)."""
        return float(self.z.mean())

    @property
    def stability(self) -> float:
        """The share of selections that chose the members that were chosen most often."""
        every = [chosen.members for repeat in self.chosen for chosen in repeat]
        return max(every.count(members) for members in set(every)) / len(every)


@dataclass(frozen=True)
class HonestScore:
    """The honest accuracy of a selection beside its apparent one, as fractions.

    apparent: accuracy of what is chosen on all samples, on these same samples.
    score, low, high: the honest one and its interval at a nominal 95 %; None where there is none.
    how: in words, what `score` is an estimate of, or why there is none.
    """

    apparent: float
    score: float | None
    low: float | None
    high: float | None
    how: str

    @property
    def optimism(self) -> float | None:
        """Apparent minus honest: how much the choice flatters itself."""
        return None if self.score is None else self.apparent - self.score


def cross_validated(
    selection: Selection,
    metric: str = "accuracy",
    folds: int = FOLDS,
    repeats: int = REPEATS,
    progress: Progress | None = None,
) -> CrossValidation:
    """Do the whole selection again on all folds but one, for each fold, and score it on that one; `repeats` times.

    The folds are stratified by class, seeded 0, 1, ... and hang on the samples' ids alone: neither the order of
    the members nor that of the rows changes them, and all selections on the same samples are held out alike.
    Raises `BadInput` for fewer than 20 samples.
    """
    data = selection.data
    _check_enough(data)
    ids = data.ids[data.rows]
    fold = np.array([stratified_folds(data.labels, folds, repeat, ids) for repeat in range(repeats)])
    chosen: list[tuple[Chosen, ...]] = []
    for repeat in range(repeats):
        here = []
        for f in range(folds):
            here.append(selection.choose(fold[repeat] == f))
            if progress:
                progress(repeat * folds + f + 1, repeats * folds)
        chosen.append(tuple(here))
    return scored(data, tuple(chosen), fold, metric)


def scored(
    data: SelectionData, chosen: tuple[tuple[Chosen, ...], ...], folds: np.ndarray, metric: str
) -> CrossValidation:
    """Return what ensembles score on the folds they were chosen without: another metric of what was held out before."""
    scores = np.empty(folds.shape)
    known: dict[bytes, np.ndarray] = {}
    for fold, here, row in zip(folds, chosen, scores, strict=True):
        for f, choice in enumerate(here):
            out = fold == f
            row[out] = _scores(choice, data, out, metric, known)
    return CrossValidation(metric, scores, chosen, folds)


def out_of_fold(data: SelectionData, found: CrossValidation) -> np.ndarray:
    """Return each sample's probabilities by what was chosen without it, in the first repeat: float64 (n, C)."""
    probs = np.empty((data.samples, data.source.classes))
    for f, choice in enumerate(found.chosen[0]):
        out = found.folds[0] == f
        if out.any():
            probs[out] = choice.probs(data.only(out).probs())
    return probs


def _check_enough(data: SelectionData) -> None:
    if data.samples < FEWEST:
        raise BadInput(f"{data.samples} samples are too few to hold out a tenth of; at least {FEWEST} are needed.")


def _scores(
    choice: Chosen, data: SelectionData, out: np.ndarray, metric: str, known: dict[bytes, np.ndarray]
) -> np.ndarray:
    """Return the scores on the samples held out; subsets that are chosen again and again are scored once."""
    if isinstance(choice, Weighted) and choice.equal:
        key = choice.weights.tobytes()
        if key not in known:
            known[key] = choice.scores(data, metric)
        return known[key][out]
    return choice.scores(data.only(out), metric)


def interval(found: CrossValidation, level: float = 0.95) -> tuple[float, float]:
    """Return the low and high end of the honest accuracy's interval; see `docs/honesty.md` for what it covers.

    Wilson's interval for the score as if there were only n / 1.5 samples: the selections share samples, so the honest
    score scatters more than n separate trials do. 1.5 was set by simulation.
    """
    n = found.scores.shape[1] / WIDENING
    low, high = wilson(found.score * n, n, level)
    return float(low), float(high)


def honest(
    selection: Selection, chosen: Chosen, progress: Progress | None = None
) -> tuple[HonestScore, CrossValidation | None]:
    """Return the honest accuracy of a selection, and what was held out for it; None where samples are too few.

    chosen: what the selection chooses on all samples. Where five repeats would take minutes there is one, and `how`
    says so.
    """
    data = selection.data
    apparent = float(chosen.scores(data, "accuracy").mean())
    if data.samples < FEWEST:
        how = f"none: {data.samples} samples are too few to hold out a tenth of, at least {FEWEST} are needed"
        return HonestScore(apparent, None, None, None, how), None
    repeats = REPEATS if selection.seconds * FOLDS * REPEATS <= PATIENCE else 1
    found = cross_validated(selection, repeats=repeats, progress=progress)
    low, high = interval(found)
    return HonestScore(apparent, found.score, low, high, _how(data, found)), found


def fixed(data: SelectionData, ensemble: Chosen) -> HonestScore:
    """Return the accuracy of an ensemble that was not chosen on these samples: it flatters nothing as it stands."""
    scores = ensemble.scores(data, "accuracy")
    low, high = wilson(scores.sum(), len(scores))
    score = float(scores.mean())
    how = f"nothing was chosen on these {len(scores):,} samples: the accuracy as it is, Wilson's interval"
    return HonestScore(score, score, float(low), float(high), how)


def _how(data: SelectionData, found: CrossValidation) -> str:
    """Say in a sentence what the honest score is an estimate of."""
    counts = np.bincount(data.labels)
    counts = counts[counts > 0]
    folds = int(found.folds.max()) + 1
    few = int((counts < folds).sum())
    rare = (
        f"; {few} of {len(counts)} classes have fewer than {folds} samples, so not every fold holds them" if few else ""
    )
    return (
        f"{folds} folds x {len(found.scores)}, cross-fitted: an estimate of the accuracy on new samples of what "
        f"this selection chooses on {folds - 1}/{folds} of these {data.samples:,}, the members as they "
        f"are; it covers neither another training of the members nor earlier uses of the split{rare}"
    )


@dataclass(frozen=True, eq=False)
class Prequential:
    """What a selection scores on samples that come after those it chose on.

    correct: bool (n,), whether the ensemble chosen on the folds before a sample's own has it right; tested: bool (n,),
    False for the samples of the first folds, which were only chosen on. chosen: what was chosen, fold after fold.
    """

    correct: np.ndarray
    tested: np.ndarray
    chosen: tuple[Chosen, ...]


def prequential(selection: Selection, folds: int = FOLDS, first: int = FIRST) -> Prequential:
    """Choose on the first folds and score on the next, then choose on these and score on the one after, to the last.

    Unlike in cross-fitting no sample is scored after it was chosen on, so whether it is right is independent of those
    before it, given the choice: a test that counts samples as separate trials is exact (A. P. Dawid, Present position
    and potential developments: the prequential approach, JRSS A 147, 1984). All selections on the same samples go the
    same way. Raises `BadInput` for fewer than 20 samples.
    """
    data = selection.data
    _check_enough(data)
    fold = stratified_folds(data.labels, folds, 0, data.ids[data.rows])
    correct = np.zeros(data.samples, dtype=bool)
    chosen = []
    for f in range(first, folds):
        out = fold == f
        chosen.append(selection.choose(fold >= f))
        correct[out] = chosen[-1].scores(data.only(out), "accuracy") > 0
    return Prequential(correct, fold >= first, tuple(chosen))


def stratified_folds(labels: np.ndarray, folds: int = 10, seed: int = 0, ids: np.ndarray | None = None) -> np.ndarray:
    """Return the fold of each sample, int64 (N,) in 0..folds-1.

    labels: int64 (N,). The samples are shuffled, laid out class after class (the classes shuffled too) and dealt to
    the folds in turn: the sizes of any two folds differ by one at most, and so do their counts of each class.
    With `ids`, str (N,), a sample's fold hangs on its id and not on the row it stands in.
    Raises `BadInput` for fewer than two folds or fewer samples than folds.
    """
    if not 2 <= folds <= len(labels):
        raise BadInput(f"folds: expected 2 to {len(labels)}, one for each sample, found {folds}.")
    stream = np.random.default_rng([seed, folds])
    ordered = np.arange(len(labels)) if ids is None else np.argsort(ids, kind="stable")
    shuffled = ordered[stream.permutation(len(labels))]
    rank = stream.permutation(int(labels.max()) + 1)
    laid_out = shuffled[np.argsort(rank[labels[shuffled]], kind="stable")]
    fold = np.empty(len(labels), dtype=np.int64)
    fold[laid_out] = np.arange(len(labels)) % folds
    return fold


def paired(one: Prequential, other: Prequential) -> Paired:
    """Compare two selections that went forward through the same samples in the same order.

    On cross-fitted predictions the same test is wrong: every sample helps to choose what is scored on the others, and
    where no subset was truly better it claimed a difference in 24 to 42 of 100 data sets, not in 5 (docs/honesty.md).
    Raises `BadInput` where the two did not test the same samples.
    """
    if not np.array_equal(one.tested, other.tested):
        raise BadInput("paired: expected two selections that were tested on the same samples.")
    return compare_correct(one.correct[one.tested], other.correct[other.tested])
