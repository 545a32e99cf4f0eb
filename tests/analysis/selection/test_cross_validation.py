"""Honest scores: folds, leakage, reproducibility, and that noise is not taken for skill."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.selection.best import Best, LatticeSums, ReferenceSums
from analysis.selection.cross_validation import (
    CrossValidation,
    cross_validated,
    design_effect,
    fixed,
    honest,
    interval,
    out_of_fold,
    paired,
    prequential,
    score_interval,
)
from analysis.selection.data import Selection, SelectionData, of_members, selection_data
from analysis.selection.greedy import Greedy
from analysis.selection.resampling import (
    Resamples,
    blocks_of,
    bootstraps,
    forward,
    grouped_folds,
    k_folds,
    stratified_folds,
)
from analysis.selection.stacking import Stack
from analysis.selection.weights import Weights
from analysis.stack import PredictionStack, stack_arrays
from analysis.statistics import mean_interval, wilson
from analysis.subsets.score import subset_table
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


@given(st.lists(st.integers(0, 9), min_size=4, max_size=60), st.integers(2, 6), st.integers(0, 3))
def test_folds_keep_groups_together(groups: list[int], folds: int, seed: int) -> None:
    of = np.array(groups)
    if folds > len(set(groups)):
        with pytest.raises(BadInput, match=f"folds: expected 2 to {len(set(groups))}, one for each group, found"):
            grouped_folds(of, folds, seed=seed)
        return
    fold = grouped_folds(of, folds, seed=seed)
    assert all(len(set(fold[of == g])) == 1 for g in set(groups))
    sizes = np.bincount(fold, minlength=folds)
    assert sizes.max() - sizes.min() <= np.bincount(of).max()
    assert set(fold) == set(range(folds))


# Resamples


def test_blocks_are_small_alike_and_hang_on_ids() -> None:
    y = np.arange(730) % 5
    ids = np.array([f"s{i:03d}" for i in range(730)])
    block = blocks_of(y, ids)
    assert set(np.bincount(block)) == {7, 8}
    order = np.random.default_rng(0).permutation(730)
    assert np.array_equal(block[order], blocks_of(y[order], ids[order]))
    assert np.array_equal(np.sort(blocks_of(y[:30], ids[:30])), np.arange(30))
    groups = np.arange(730) // 100
    assert [len(set(groups[blocks_of(y, ids, groups) == b])) for b in range(8)] == [1] * 8


def test_resamples_score_what_they_did_not_choose_on() -> None:
    block = blocks_of(np.arange(60) % 3, np.array([f"{i:02d}" for i in range(60)]))
    for made in (bootstraps(block, 40), k_folds(block, 10, 3), forward(block)):
        assert isinstance(made, Resamples)
        assert not (made.weights * made.tested).any()
        for r in range(len(made)):
            assert np.array_equal(made.times(r)[made.held_out(r)], np.zeros(made.held_out(r).sum()))
    folds = k_folds(block, 10, 3)
    for repeat in range(3):
        assert (folds.tested[10 * repeat : 10 * repeat + 10].sum(axis=0) == 1).all()
    drawn = bootstraps(block, 400)
    assert (drawn.weights.sum(axis=1) == 60).all()
    assert drawn.tested.mean() == pytest.approx((1 - 1 / 60) ** 60, abs=0.01)
    assert np.array_equal(drawn.weights, bootstraps(block, 400).weights)
    two = bootstraps(np.array([0, 1, 0, 1]), 50)
    assert len(two) == 50
    assert two.tested.any(axis=1).all()


# What is held out


class Spy:
    """A selection that remembers on what it was let look."""

    name = "spy"
    seconds = 0.0

    def __init__(self, e: SelectionData) -> None:
        self.data = e
        self.times: list[np.ndarray] = []

    def choose(self, times=None):
        self.times.append(np.ones(self.data.samples, dtype=np.int64) if times is None else times)
        return of_members([0], self.data.members)


def test_every_sample_is_held_out_once_a_repeat() -> None:
    spy = Spy(skilled())
    seen = []
    cross_validated(spy, progress=lambda done, total: seen.append((done, total)))
    assert len(spy.times) == 50
    for repeat in range(5):
        held = [times == 0 for times in spy.times[10 * repeat : 10 * repeat + 10]]
        assert np.array_equal(np.sum(held, axis=0), np.ones(150))
    assert seen[-1] == (50, 50)


def test_the_forward_way_looks_only_back() -> None:
    spy = Spy(skilled())
    found = prequential(spy, folds=10, first=2)
    assert [int(times.sum()) for times in spy.times] == [30, 45, 60, 75, 90, 105, 120, 135]
    for before, after in zip(spy.times, spy.times[1:], strict=False):
        assert (after >= before).all()  # what may be looked at only grows
    assert found.tested.sum() == 120
    assert np.array_equal(found.tested, spy.times[0] == 0)
    alone = spy.choose().scores(spy.data, "accuracy") > 0
    assert np.array_equal(found.correct, alone & found.tested)


@pytest.mark.parametrize("metric", ["accuracy", "top5", "nll", "brier"])
def test_the_best_of_each_resample_as_if_chosen_alone(metric: str) -> None:
    """One product of the blocks' sums gives what choosing on each resample by itself does."""
    e = skilled(samples=130)
    selection = best(e, metric=metric, max_size=3)
    resamples = bootstraps(e.blocks_of_samples, 30)
    found = selection.choose_again(resamples)
    for r, choice in enumerate(found):
        assert choice.members == selection.choose(resamples.times(r)).members
        times = np.repeat(np.arange(130), resamples.times(r))
        table = subset_table(stack_arrays(e.probs()[:, times], e.labels[times]), range(1, 5))
        assert choice.members == table.indices_of(table.best(metric, 3).mask)
    lattice = Best(e, LatticeSums(e, range(1, 5), metric), metric, 3)
    assert [c.members for c in lattice.choose_again(resamples)] == [c.members for c in found]


def test_samples_that_count_twice_are_there_twice() -> None:
    e = skilled(samples=40)
    times = np.random.default_rng(0).integers(0, 4, 40)
    rows = np.repeat(np.arange(40), times)
    again = selection_data(stack_arrays(e.probs()[:, rows], e.labels[rows]), top5=True)
    part = e.only(times)
    weights = np.array([0.5, 0.25, 0.25, 0])
    for metric in ("accuracy", "top5", "nll", "brier"):
        assert part.scores(weights, metric) == pytest.approx(again.scores(weights, metric), abs=1e-6)
    assert part.products == pytest.approx(again.products)


@pytest.mark.parametrize("name", SELECTIONS)
def test_what_is_left_out_cannot_matter(name: str) -> None:
    """A selection that peeks is found: the labels that are left out are all changed, and nothing may change."""
    e = skilled()
    out = np.arange(150) % 5 == 0
    labels = e.labels.copy()
    labels[out] = (labels[out] + 1) % 5
    other = selection_data(stack_arrays(e.probs(), labels))
    one, two = (SELECTIONS[name](x).choose((~out).astype(np.int64)) for x in (e, other))
    assert np.array_equal(one.probs(e.probs()), two.probs(e.probs()))


class Peeking(Best):
    """The defect the next test must catch: it chooses on all samples whatever is left out."""

    def choose_again(self, resamples, progress=None):
        return (self.choose(),) * len(resamples)


def test_noise_is_at_chance_when_it_is_held_out() -> None:
    apparent, true, peeked = [], [], []
    for seed in range(12):
        e = noise(seed=seed)
        selection = best(e)
        apparent.append(selection.choose().scores(e, "accuracy").mean())
        true.append(cross_validated(selection).score())
        peeked.append(cross_validated(Peeking(e, selection.subsets)).score())
    assert np.mean(apparent) > 0.33
    assert np.mean(true) == pytest.approx(0.25, abs=0.05)
    assert np.mean(peeked) == pytest.approx(np.mean(apparent), abs=0.01)


@pytest.mark.parametrize("name", ["greedy", "weights", "stack"])
def test_noise_is_at_chance_by_every_selection(name: str) -> None:
    gaps, true = [], []
    for seed in range(8):
        selection = SELECTIONS[name](noise(members=4, seed=seed))
        found = cross_validated(selection, resamples=k_folds(selection.data.blocks_of_samples, 10, 1)).score()
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
    for seed in range(100):
        e = toss(seed)
        selection, member = best(e), Best(e, ReferenceSums(e, [1]))
        found = cross_validated(selection)
        low, high = interval(found)
        covered.append(low <= 0.8 <= high)
        bias.append(found.score() - 0.8)
        flattery.append(selection.choose().scores(e, "accuracy").mean() - 0.8)
        claimed.append(paired(prequential(selection), prequential(member)).p < 0.05)
    assert np.mean(flattery) > 0.02
    assert abs(np.mean(bias)) < 0.01
    assert np.mean(covered) > 0.91
    assert np.mean(claimed) < 0.10


def test_the_upper_end_is_raised_by_what_half_the_samples_lose() -> None:
    e = skilled()
    resamples = bootstraps(e.blocks_of_samples, 40, halves=10)
    assert np.array_equal(resamples.weights[:40], bootstraps(e.blocks_of_samples, 40).weights)
    assert (resamples.weights[40:].sum(axis=1) == resamples.blocks // 2).all()
    found, whole = (cross_validated(best(e), resamples=r) for r in (resamples, resamples.parts()[0]))
    assert len(found.chosen) == len(found.resamples) == 40 and np.array_equal(found.z["accuracy"], whole.z["accuracy"])
    # By hand: half the samples choose, and what they choose is scored on the rest.
    total, times = np.zeros((2, e.samples))
    for r in range(40, 50):
        out = resamples.held_out(r)
        total[out] += best(e).choose(resamples.times(r)).scores(e.only(out), "accuracy")
        times[out] += 1
    assert found.lost["accuracy"] == pytest.approx(whole.score() - np.mean(total / times))
    low, high = interval(whole)
    assert interval(found) == pytest.approx((low, high + max(found.lost["accuracy"], 0)))
    assert interval(replace(found, lost={"accuracy": -0.1})) == (low, high)
    assert interval(replace(found, lost={"accuracy": 0.9})) == (low, 1.0)


def test_the_variance_is_that_of_what_was_held_out() -> None:
    """Wilson's, for as many samples as the mean of z varies like, and 1.5 times the variance between choices."""
    found = replace(cross_validated(best(skilled())), lost={}, between={"accuracy": 0.0001})
    z, n = found.z["accuracy"], len(found.z["accuracy"])
    like = z.mean() * (1 - z.mean()) / (1.05 * z.var() / n + 1.5 * 0.0001)
    assert interval(found) == pytest.approx(tuple(map(float, wilson(z.mean() * like, like))))


# The score


def test_nothing_to_choose_from_is_the_accuracy_itself() -> None:
    e = skilled(members=1)
    selection = best(e)
    scores, held = honest(selection, selection.choose())
    found = scores["accuracy"]
    assert found.score == found.apparent
    assert found.optimism == 0
    assert held is not None
    assert set(np.unique(held.z["accuracy"])) <= {0.0, 1.0}
    assert (held.stability, held.between["accuracy"]) == pytest.approx((1, 0))


@pytest.mark.parametrize("name", SELECTIONS)
def test_the_same_again_and_unchanged_by_the_order_of_members(name: str) -> None:
    def z(e: SelectionData) -> np.ndarray:
        resamples = k_folds(e.blocks_of_samples, 10, 2) if name != "best" else None
        return cross_validated(SELECTIONS[name](e), resamples=resamples).z["accuracy"]

    e = skilled(members=4)
    one = z(e)
    assert np.array_equal(one, z(e))
    assert one == pytest.approx(z(selection_data(stack_arrays(e.probs()[[2, 0, 3, 1]], e.labels))))


def test_unchanged_by_the_order_of_samples() -> None:
    e = skilled()
    order = np.random.default_rng(0).permutation(150)
    assert isinstance(e.source, PredictionStack)
    turned = replace(e.source, probs=e.probs()[:, order], labels=e.labels[order], sample_ids=e.ids[order])
    one, other = cross_validated(best(e)), cross_validated(best(selection_data(turned)))
    assert np.array_equal(one.z["accuracy"][order], other.z["accuracy"])


def test_every_metric_is_held_out() -> None:
    e = skilled()
    for metric in ("accuracy", "nll", "brier", "top5"):
        selection = best(e, metric=metric)
        scores, held = honest(selection, selection.choose(), ("accuracy", metric))
        found = scores[metric]
        assert held is not None
        assert found.score == held.score(metric) == pytest.approx(found.apparent, abs=0.05)
        assert found.score is not None
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.score <= found.high
        sign = 1 if metric in ("accuracy", "top5") else -1
        assert found.optimism == pytest.approx(sign * (found.apparent - found.score))
        assert found.optimism_interval == pytest.approx(
            sorted((sign * (found.apparent - found.low), sign * (found.apparent - found.high)))
        )


def test_z_by_hand() -> None:
    """Two resamples of three blocks of one sample; each sample's mean over the times it was not chosen on."""
    e = skilled(samples=40)
    resamples = bootstraps(e.blocks_of_samples, 60)
    found = cross_validated(best(e), ("nll",), resamples)
    for i in (0, 7, 39):
        held = [c.scores(e, "nll")[i] for r, c in enumerate(found.chosen) if resamples.held_out(r)[i]]
        assert found.z["nll"][i] == pytest.approx(np.mean(held))
    everywhere = [c.scores(e, "nll").mean() for c in found.chosen]
    assert found.between["nll"] == pytest.approx(np.var(everywhere))


def test_the_interval_is_wilsons_at_fewer_samples() -> None:
    z = np.array([1.0] * 90 + [0.5] * 10 + [0.0] * 50)  # mean .6333
    assert score_interval(z, "accuracy") == pytest.approx(tuple(map(float, wilson(95, 150))))
    # The variance is 1.1 times as large, and .0006 is added: as much as .0006 x 150 / (.6333 x .3667).
    inflation = 1.1 + 0.0006 * 150 / (95 / 150 * 55 / 150)
    expected = wilson(95 / inflation, 150 / inflation)
    assert score_interval(z, "accuracy", 0.0006, None, 1.1) == pytest.approx(tuple(map(float, expected)))
    assert score_interval(np.ones(80), "accuracy", 0.0, None, 1.1)[1] == 1.0
    assert score_interval(np.zeros(80), "accuracy", 0.0, None, 1.1)[0] == 0.0


def test_the_interval_of_a_mean() -> None:
    rng = np.random.default_rng(0)
    even = rng.normal(size=4001)
    even -= even.mean()
    even = np.concatenate([even, -even])  # without skewness it is Student's
    error = (even @ even / 8001 / 8002) ** 0.5
    assert mean_interval(even) == pytest.approx((-1.960 * error, 1.960 * error), rel=1e-3)
    wide = mean_interval(even, 4.0)
    assert wide == pytest.approx((-3.92 * error, 3.92 * error), rel=1e-3)
    assert mean_interval(even, 1.0, 3 * error**2) == pytest.approx(wide)
    assert mean_interval(np.ones(5)) == (1, 1)
    # Of a skewed distribution it covers where Student's falls short on one side.
    drawn = rng.exponential(size=(3000, 25)) ** 2  # mean 2
    high = np.array([mean_interval(x)[1] for x in drawn])
    assert np.mean(high < 2) < 0.15
    plain = drawn.mean(axis=1) + 2.064 * drawn.std(axis=1, ddof=1) / 5
    assert np.mean(high < 2) < 0.8 * np.mean(plain < 2)


def test_the_design_effect_by_hand() -> None:
    # Four blocks of two equal samples are four trials: the effect is 2 x 4/3, by the unbiased variance of four.
    z = np.repeat([1.0, 0.0, 1.0, 0.0], 2)
    assert design_effect(z, np.repeat(np.arange(4), 2)) == pytest.approx(2 * 4 / 3)
    assert design_effect(z, None) == 1
    assert design_effect(np.ones(4), np.arange(4)) == 1


def test_what_it_is_an_estimate_of() -> None:
    e = skilled()
    for name, start, on in (
        ("best", "200 bootstraps of 100 blocks, scored on the samples not drawn", "as many samples as these 150"),
        ("greedy", "50 bootstraps of 100 blocks, scored on the samples not drawn", "as many samples as these 150"),
        ("weights", "10 folds x 5, cross-fitted", "9/10 of these 150 samples"),
    ):
        selection = SELECTIONS[name](e)
        found = honest(selection, selection.choose())[0]["accuracy"]
        assert found.how.startswith(f"{start}: an estimate of the score on new samples of what this selection chooses")
        assert f"{on}, the members as they are; it covers neither another training" in found.how
        assert "fewer than" not in found.how


def test_a_regression_out_of_fold() -> None:
    e = skilled(samples=60)
    selection = Stack(e)
    found: CrossValidation = cross_validated(selection, resamples=k_folds(e.blocks_of_samples, 5, 1))
    probs = out_of_fold(e, found)
    for r in range(5):
        out = found.resamples.held_out(r)
        alone = selection.choose((~out).astype(np.int64)).probs(e.probs()[:, out])
        assert probs[out] == pytest.approx(alone)


def test_rare_classes_are_told() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0] * 30 + [1] * 9 + [2] * 1)
    e = selection_data(stack_arrays(rng.dirichlet(np.ones(4), (3, 40)), labels))
    for name, told in (
        ("weights", "2 of 3 classes have fewer than 10 samples, so not every fold holds them"),
        ("best", "1 of 3 classes have one sample alone, so not every bootstrap holds them"),
    ):
        selection = SELECTIONS[name](e)
        assert told in honest(selection, selection.choose())[0]["accuracy"].how


def test_too_few_samples_are_told() -> None:
    e = noise(members=2, samples=19)
    scores, held = honest(best(e), best(e).choose())
    found = scores["accuracy"]
    assert (found.score, found.low, found.high, found.optimism, held) == (None, None, None, None, None)
    assert found.optimism_interval is None
    assert found.how == "none: 19 samples are too few to hold out a tenth of, at least 20 are needed"
    for way in (cross_validated, prequential):
        with pytest.raises(BadInput, match="19 samples are too few to hold out a tenth of; at least 20"):
            way(best(e))


def test_an_ensemble_that_was_not_chosen() -> None:
    e = skilled()
    found = fixed(e, of_members([0, 1], 4), ("accuracy", "nll"))
    accuracy = found["accuracy"]
    low, high = wilson(round(150 * accuracy.apparent), 150)
    assert accuracy.score == accuracy.apparent
    assert (accuracy.low, accuracy.high) == pytest.approx((float(low), float(high)))
    assert accuracy.how.startswith("nothing was chosen on these 150 samples")
    assert found["nll"].low == mean_interval(of_members([0, 1], 4).scores(e, "nll"))[0]


def test_groups_are_never_torn() -> None:
    """Every image is there eight times: plainly resampled, what chose it scores it, and the interval is too narrow."""
    rng = np.random.default_rng(0)
    base = noise(members=6, samples=60)
    groups = np.repeat(np.arange(60), 8)
    probs = np.repeat(base.probs(), 8, axis=1) + rng.uniform(0, 1e-6, (6, 480, 4))
    stack = stack_arrays(probs / probs.sum(axis=2, keepdims=True), base.labels[groups])
    plain, grouped = selection_data(stack), selection_data(stack, groups=groups)
    torn, whole = (cross_validated(best(e)) for e in (plain, grouped))
    for r in range(len(whole.resamples)):
        out = whole.resamples.held_out(r)
        assert all(len(set(out[groups == g])) == 1 for g in range(60))
    assert torn.score() > 0.3 > whole.score()  # the truth is .25
    low, high = interval(whole)
    assert low < 0.25 < high
    assert high - low > 2 * np.subtract(*interval(torn)[::-1])
    alone = fixed(grouped, of_members([0], 6))["accuracy"]
    known = fixed(base, of_members([0], 6))["accuracy"]
    assert None not in (alone.low, known.low)
    assert (alone.low, alone.high) == pytest.approx((known.low, known.high), abs=0.02)


def test_the_protocol() -> None:
    for make in SELECTIONS.values():
        selection: Selection = make(skilled(samples=30))
        assert selection.name in SELECTIONS
