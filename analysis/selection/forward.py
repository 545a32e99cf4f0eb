"""The forward test: what one way to choose gains over another, on samples that come after those it chose on."""

from dataclasses import dataclass

import numpy as np

from analysis.selection.base import Chosen, Selection
from analysis.selection.cross_validation import check_enough, choose_again
from analysis.selection.resampling import forward
from analysis.statistics import Paired, compare_correct
from ensemble.errors import BadInput

FOLDS = 10
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


def prequential(selection: Selection, folds: int = FOLDS, first: int = FIRST) -> Prequential:
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
