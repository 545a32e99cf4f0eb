"""Honest scores: folds, leakage, reproducibility, and that noise is not taken for skill."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.selection.base import Selection, of_members
from analysis.selection.best import Best
from analysis.selection.cross_validation import (
    cross_validated,
    fixed,
    honest,
    interval,
    paired,
    prequential,
    stratified_folds,
)
from analysis.selection.data import SelectionData, selection_data
from analysis.selection.greedy import Greedy
from analysis.selection.stacking import Stack
from analysis.selection.subset_sums import ReferenceSums
from analysis.selection.weights import Weights
from analysis.stack import PredictionStack, stack_arrays
from analysis.statistics import wilson
from ensemble.errors import BadInput


def noise(members: int = 8, samples: int = 120, classes: int = 4, seed: int = 0) -> SelectionData:
    """Members that know nothing."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(classes), (members, samples))
    return selection_data(stack_arrays(probs, rng.integers(0, classes, samples)))


def skilled(seed: int = 0, members: int = 4, samples: int = 150, classes: int = 5) -> SelectionData:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    logits = rng.normal(size=(members, samples, classes))
    logits[:, np.arange(samples), labels] += np.linspace(0.5, 2, members)[:, None]
    exp = np.exp(logits)
    return selection_data(stack_arrays(exp / exp.sum(axis=2, keepdims=True), labels), top5=True)


def best(e: SelectionData, **options) -> Best:
    return Best(e, ReferenceSums(e, range(1, e.members + 1)), **options)


SELECTIONS = {"best": best, "greedy": lambda e: Greedy(e, rounds=20), "weights": Weights, "stack": Stack}


# Folds


@given(st.lists(st.integers(0, 5), min_size=2, max_size=80), st.integers(2, 12), st.integers(0, 5))
def test_folds_are_stratified(labels: list[int], folds: int, seed: int) -> None:
    y = np.array(labels)
    if folds > len(y):
        with pytest.raises(BadInput, match=f"folds: expected 2 to {len(y)}, one for each sample, found {folds}"):
            stratified_folds(y, folds, seed)
        return
    fold = stratified_folds(y, folds, seed)
    for part in (fold, *(fold[y == c] for c in np.unique(y))):
        counts = np.bincount(part, minlength=folds)
        assert counts.max() - counts.min() <= 1
    assert np.array_equal(fold, stratified_folds(y, folds, seed))


def test_folds_differ_by_seed_and_hang_on_ids() -> None:
    y = np.arange(100) % 3
    ids = np.array([f"s{i:03d}" for i in range(100)])
    fold = stratified_folds(y, 10, 0, ids)
    assert (fold != stratified_folds(y, 10, 1, ids)).any()
    order = np.random.default_rng(0).permutation(100)
    assert np.array_equal(fold[order], stratified_folds(y[order], 10, 0, ids[order]))


# What is held out


class Spy:
    """A selection that remembers on what it was let look."""

    name = "spy"
    seconds = 0.0

    def __init__(self, e: SelectionData) -> None:
        self.data = e
        self.left_out: list[np.ndarray] = []

    def choose(self, left_out=None):
        self.left_out.append(np.zeros(self.data.samples, dtype=bool) if left_out is None else left_out)
        return of_members([0], self.data.members)


def test_every_sample_is_held_out_once_a_repeat() -> None:
    spy = Spy(skilled())
    seen = []
    cross_validated(spy, folds=10, repeats=3, progress=lambda done, total: seen.append((done, total)))
    assert len(spy.left_out) == 30
    for repeat in range(3):
        assert np.array_equal(np.sum(spy.left_out[10 * repeat : 10 * repeat + 10], axis=0), np.ones(150))
    assert seen[-1] == (30, 30)


def test_the_forward_way_looks_only_back() -> None:
    spy = Spy(skilled())
    found = prequential(spy, folds=10, first=2)
    assert [int(out.sum()) for out in spy.left_out] == [120, 105, 90, 75, 60, 45, 30, 15]
    for before, after in zip(spy.left_out, spy.left_out[1:], strict=False):
        assert (before | ~after).all()  # what may be looked at only grows
    assert found.tested.sum() == 120
    assert np.array_equal(found.tested, spy.left_out[0])
    alone = spy.choose().scores(spy.data, "accuracy") > 0
    assert np.array_equal(found.correct, alone & found.tested)


@pytest.mark.parametrize("name", SELECTIONS)
def test_what_is_left_out_cannot_matter(name: str) -> None:
    """A selection that peeks is found: the labels that are left out are all changed, and nothing may change."""
    e = skilled()
    out = np.arange(150) % 5 == 0
    labels = e.labels.copy()
    labels[out] = (labels[out] + 1) % 5
    other = selection_data(stack_arrays(e.probs(), labels))
    one, two = (SELECTIONS[name](x).choose(out) for x in (e, other))
    assert np.array_equal(one.probs(e.probs()), two.probs(e.probs()))


class Peeking(Best):
    """The defect the next test must catch: it chooses on all samples whatever is left out."""

    def choose(self, left_out=None):
        return super().choose()


def test_noise_is_at_chance_when_it_is_held_out() -> None:
    apparent, true, peeked = [], [], []
    for seed in range(12):
        e = noise(seed=seed)
        selection = best(e)
        apparent.append(selection.choose().scores(e, "accuracy").mean())
        true.append(cross_validated(selection, repeats=2).score)
        peeked.append(cross_validated(Peeking(e, selection.subsets), repeats=2).score)
    assert np.mean(apparent) > 0.33
    assert np.mean(true) == pytest.approx(0.25, abs=0.05)
    assert np.mean(peeked) == pytest.approx(np.mean(apparent))


@pytest.mark.parametrize("name", ["greedy", "weights", "stack"])
def test_noise_is_at_chance_by_every_selection(name: str) -> None:
    gaps, true = [], []
    for seed in range(8):
        selection = SELECTIONS[name](noise(members=4, seed=seed))
        found = cross_validated(selection, repeats=1).score
        true.append(found)
        gaps.append(selection.choose().scores(selection.data, "accuracy").mean() - found)
    assert np.mean(true) == pytest.approx(0.25, abs=0.05)
    assert np.mean(gaps) > 0.005


def toss(seed: int) -> SelectionData:
    """No subset is truly better than another: on 40 % of the samples the label is a toss, and every accuracy .8."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, 150)
    other = (labels + rng.integers(1, 4, 150)) % 4
    easy = rng.random(150) < 0.6
    said = rng.normal(size=150) + rng.normal(size=(4, 150))
    logits = np.zeros((4, 150, 4))
    logits[:, np.arange(150), labels] += np.where(easy, 4, 2 + said)
    logits[:, np.arange(150), other] += np.where(easy, 0, 2 - said)
    exp = np.exp(logits)
    return selection_data(stack_arrays(exp / exp.sum(axis=2, keepdims=True), labels))


def test_the_interval_covers_and_the_test_keeps_its_level() -> None:
    covered, claimed, bias, flattery = [], [], [], []
    for seed in range(150):
        e = toss(seed)
        selection, member = best(e), Best(e, ReferenceSums(e, [1]))
        found = cross_validated(selection)
        low, high = interval(found)
        covered.append(low <= 0.8 <= high)
        bias.append(found.score - 0.8)
        flattery.append(selection.choose().scores(e, "accuracy").mean() - 0.8)
        claimed.append(paired(prequential(selection), prequential(member)).p < 0.05)
    assert np.mean(flattery) > 0.02
    assert abs(np.mean(bias)) < 0.01
    assert np.mean(covered) > 0.91
    assert np.mean(claimed) < 0.10


# The score


def test_nothing_to_choose_from_is_the_accuracy_itself() -> None:
    e = skilled(members=1)
    selection = best(e)
    found, held = honest(selection, selection.choose())
    assert found.score == found.apparent
    assert found.optimism == 0
    assert held is not None
    assert set(np.unique(held.z)) <= {0.0, 1.0}
    assert held.stability == 1


@pytest.mark.parametrize("name", SELECTIONS)
def test_the_same_again_and_unchanged_by_the_order_of_members(name: str) -> None:
    e = skilled(members=4)
    one = cross_validated(SELECTIONS[name](e), repeats=2)
    assert np.array_equal(one.scores, cross_validated(SELECTIONS[name](e), repeats=2).scores)
    turned = selection_data(stack_arrays(e.probs()[[2, 0, 3, 1]], e.labels))
    other = cross_validated(SELECTIONS[name](turned), repeats=2)
    assert one.scores == pytest.approx(other.scores)


def test_unchanged_by_the_order_of_samples() -> None:
    from dataclasses import replace

    e = skilled()
    order = np.random.default_rng(0).permutation(150)
    assert isinstance(e.source, PredictionStack)
    turned = replace(e.source, probs=e.probs()[:, order], labels=e.labels[order], sample_ids=e.ids[order])
    one, other = cross_validated(best(e)), cross_validated(best(selection_data(turned)))
    assert np.array_equal(one.scores[:, order], other.scores)


def test_other_metrics_are_held_out_too() -> None:
    e = skilled()
    for metric in ("nll", "brier", "top5"):
        found = cross_validated(best(e, metric=metric), metric, repeats=1)
        ensemble = best(e, metric=metric).choose()
        assert found.score == pytest.approx(ensemble.scores(e, metric).mean(), abs=0.05)


def test_the_interval_is_wilsons_at_two_thirds_of_the_samples() -> None:
    found = cross_validated(best(skilled()))
    low, high = interval(found)
    expected = wilson(found.score * 100, 100)
    assert (low, high) == pytest.approx((float(expected[0]), float(expected[1])))
    assert low < found.score < high


def test_what_it_is_an_estimate_of() -> None:
    e = skilled()
    selection = best(e)
    found, _ = honest(selection, selection.choose())
    assert found.how.startswith("10 folds x 5, cross-fitted: an estimate of the accuracy on new samples of what this")
    assert "9/10 of these 150, the members as they are; it covers neither another training" in found.how
    assert "fewer than" not in found.how
    assert found.score is not None
    assert found.optimism == found.apparent - found.score


def test_rare_classes_are_told() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0] * 30 + [1] * 9 + [2] * 1)
    e = selection_data(stack_arrays(rng.dirichlet(np.ones(4), (3, 40)), labels))
    for name, make in SELECTIONS.items():
        selection = make(e)
        found, held = honest(selection, selection.choose())
        assert held is not None, name
        assert "2 of 3 classes have fewer than 10 samples, so not every fold holds them" in found.how


def test_too_few_samples_are_told() -> None:
    e = noise(members=2, samples=19)
    found, held = honest(best(e), best(e).choose())
    assert (found.score, found.low, found.high, found.optimism, held) == (None, None, None, None, None)
    assert found.how == "none: 19 samples are too few to hold out a tenth of, at least 20 are needed"
    for way in (cross_validated, prequential):
        with pytest.raises(BadInput, match="19 samples are too few to hold out a tenth of; at least 20"):
            way(best(e))


def test_an_ensemble_that_was_not_chosen() -> None:
    e = skilled()
    found = fixed(e, of_members([0, 1], 4))
    low, high = wilson(round(150 * found.apparent), 150)
    assert found.score == found.apparent
    assert (found.low, found.high) == (float(low), float(high))
    assert found.how.startswith("nothing was chosen on these 150 samples")


def test_the_protocol() -> None:
    for make in SELECTIONS.values():
        selection: Selection = make(skilled(samples=30))
        assert selection.name in SELECTIONS
