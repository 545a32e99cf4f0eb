"""A score for a chosen ensemble that does not flatter it: chosen on nine tenths, scored on the tenth, over and over."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.evidence import Evidence
from analysis.folds import stratified_folds
from analysis.intervals import wilson
from analysis.selection.chosen import Chosen, Selection, Weighted
from ensemble.errors import BadInput

FOLDS = 10
REPEATS = 5
FEWEST = 20  # samples: two a fold
WIDENING = 1.4


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What a selection scores on samples that it did not choose on.

    scores: float64 (repeats, n), for each repeat and sample what the metric makes of the ensemble that was chosen on
    the folds without that sample. chosen: for each repeat and fold the positions of the members that took part.
    """

    metric: str
    scores: np.ndarray
    chosen: tuple[tuple[tuple[int, ...], ...], ...]
    folds: int

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
        every = [members for repeat in self.chosen for members in repeat]
        return max(every.count(members) for members in set(every)) / len(every)


@dataclass(frozen=True)
class Honest:
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


def held_out(
    selection: Selection,
    metric: str = "accuracy",
    folds: int = FOLDS,
    repeats: int = REPEATS,
    progress: Callable[[int, int], None] | None = None,
) -> HeldOut:
    """Do the whole selection again on all folds but one, for each fold, and score it on that one; `repeats` times.

    The folds are stratified by class, seeded 0, 1, ... and hang on the samples' ids alone: neither the order of
    the members nor that of the rows changes them, and all selections on the same samples are held out alike.
    Raises `BadInput` for fewer than 20 samples.
    """
    evidence = selection.evidence
    if evidence.samples < FEWEST:
        raise BadInput(f"{evidence.samples} samples are too few to hold out a tenth of; at least {FEWEST} are needed.")
    ids = evidence.stack.sample_ids[evidence.rows]
    scores = np.empty((repeats, evidence.samples))
    chosen: list[tuple[tuple[int, ...], ...]] = []
    known: dict[bytes, np.ndarray] = {}  # what an ensemble of weights scores on all samples
    for repeat in range(repeats):
        fold = stratified_folds(evidence.labels, folds, repeat, ids)
        members = []
        for f in range(folds):
            out = fold == f
            choice = selection.choose(out)
            members.append(choice.members)
            scores[repeat, out] = _scores(choice, evidence, out, metric, known)
            if progress:
                progress(repeat * folds + f + 1, repeats * folds)
        chosen.append(tuple(members))
    return HeldOut(metric, scores, tuple(chosen), folds)


def _scores(
    choice: Chosen, evidence: Evidence, out: np.ndarray, metric: str, known: dict[bytes, np.ndarray]
) -> np.ndarray:
    """Return the scores on the samples held out; subsets that are chosen again and again are scored once."""
    if isinstance(choice, Weighted) and choice.equal:
        key = choice.weights.tobytes()
        if key not in known:
            known[key] = choice.scores(evidence, metric)
        return known[key][out]
    return choice.scores(evidence.only(out), metric)




def interval(found: HeldOut, level: float = 0.95) -> tuple[float, float]:
    """Return the low and high end of the honest accuracy's interval; see `docs/honesty.md` for what it covers.

    Wilson's interval for the score as if there were only n / 1.4 samples: the selections share samples, so the honest
    score scatters more than n separate trials do. 1.4 was set by simulation.
    """
    n = found.scores.shape[1] / WIDENING
    low, high = wilson(found.score * n, n, level)
    return float(low), float(high)


def honest(
    selection: Selection, chosen: Chosen, progress: Callable[[int, int], None] | None = None
) -> tuple[Honest, HeldOut | None]:
    """Return the honest accuracy of a selection, and what was held out for it; None where samples are too few.

    chosen: what the selection chooses on all samples.
    """
    evidence = selection.evidence
    apparent = float(chosen.scores(evidence, "accuracy").mean())
    if evidence.samples < FEWEST:
        how = f"none: {evidence.samples} samples are too few to hold out a tenth of, at least {FEWEST} are needed"
        return Honest(apparent, None, None, None, how), None
    found = held_out(selection, progress=progress)
    low, high = interval(found)
    return Honest(apparent, found.score, low, high, _how(evidence, found)), found


def fixed(evidence: Evidence, ensemble: Chosen) -> Honest:
    """Return the accuracy of an ensemble that was not chosen on these samples: it flatters nothing as it stands."""
    scores = ensemble.scores(evidence, "accuracy")
    low, high = wilson(scores.sum(), len(scores))
    score = float(scores.mean())
    how = f"nothing was chosen on these {len(scores):,} samples: the accuracy as it is, Wilson's interval"
    return Honest(score, score, float(low), float(high), how)


def _how(evidence: Evidence, found: HeldOut) -> str:
    """Say in a sentence what the honest score is an estimate of."""
    counts = np.bincount(evidence.labels)
    counts = counts[counts > 0]
    few = int((counts < found.folds).sum())
    rare = (
        f"; {few} of {len(counts)} classes have fewer than {found.folds} samples, so not every fold holds them"
        if few
        else ""
    )
    return (
        f"{found.folds} folds x {len(found.scores)}, cross-fitted: an estimate of the accuracy on new samples of what "
        f"this selection chooses on {found.folds - 1}/{found.folds} of these {evidence.samples:,}, the members as they "
        f"are; it covers neither another training of the members nor earlier uses of the split{rare}"
    )
