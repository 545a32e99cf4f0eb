"""Classes from the hardest to the easiest, and how sure that order is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score, matthews_corrcoef, precision_recall_fscore_support

from analysis.classes.per_class import end_shares, fit_prior, per_class, worst_share
from analysis.statistics import class_effects, few_groups, wilson
from ensemble.errors import BadInput

IDS = ("n1", "n2", "n3", "n4")
NAMES = ("ant", "bee", "cat", "dog")


def test_hand_worked() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 3, 3])
    preds = np.array([0, 0, 0, 1, 3, 3, 3, 2])
    value = per_class(labels, preds, IDS, NAMES)
    assert value.class_names == ("bee", "dog", "ant", "cat")  # cat has no samples, so it stands last
    assert value.class_ids == ("n2", "n4", "n1", "n3")
    assert value.columns.tolist() == [1, 3, 0, 2]
    assert value.samples.tolist() == [2, 2, 4, 0]
    assert value.correct.tolist() == [0, 1, 3, 0]
    assert value.accuracy[:3].tolist() == [0, 0.5, 0.75]
    assert np.isnan([value.accuracy[3], value.low[3], value.high[3], value.worst_share[3]]).all()
    assert [(c.name, c.id, c.column, c.count) for c in value.confused_with[0]] == [("dog", "n4", 3, 2)]
    assert value.confused_with[3] == ()
    assert value.low[0] == 0
    assert (value.worst_k, value.scored, len(value)) == (1, 3, 4)
    assert value.worst_share[:3].sum() == pytest.approx(1)


def test_equal_accuracies_stand_in_order_of_class_id() -> None:
    value = per_class(np.array([0, 1, 2, 3]), np.array([1, 0, 3, 3]), IDS, NAMES)
    assert value.class_ids == ("n1", "n2", "n3", "n4")


def test_the_three_most_frequent_wrong_answers_then_by_id() -> None:
    ids = tuple("abcde")
    preds = np.array([4, 4, 3, 2, 1, 1, 0])
    value = per_class(np.zeros(7, dtype=np.int64), preds, ids, ids)
    assert [(c.id, c.count) for c in value.confused_with[0]] == [("b", 2), ("e", 2), ("c", 1)]


def test_fewer_than_four_classes_have_no_hardest() -> None:
    value = per_class(np.array([0, 0]), np.array([0, 1]), IDS[:3], NAMES[:3])
    assert value.worst_k == 0
    assert np.isnan(value.worst_share).all()


def test_labels_are_needed() -> None:
    with pytest.raises(BadInput, match="has no labels, so no class can be scored"):
        per_class(None, np.array([0]), IDS, NAMES)


def lowest_share(a: np.ndarray, b: np.ndarray, k: int) -> np.ndarray:
    """Probability that each of the Beta(a_i, b_i) is among the k lowest, by integrating over its value."""
    t = (np.arange(20_000) + 0.5) / 20_000
    below = [stats.beta.cdf(t, x, y) for x, y in zip(a, b, strict=True)]
    shares = []
    for i in range(len(a)):
        # Chance that j of the others lie below t, for j = 0..k-1, built up one class at a time.
        chance = np.zeros((k, len(t)))
        chance[0] = 1
        for other in (below[j] for j in range(len(a)) if j != i):
            moved = np.vstack([np.zeros_like(t), chance[:-1]])
            chance = chance * (1 - other) + moved * other
        shares.append((stats.beta.pdf(t, a[i], b[i]) * chance.sum(axis=0)).mean())
    return np.array(shares)


def test_the_hardest_class_is_so_with_its_share_of_draws() -> None:
    """Five of ten right against six of ten, and eight against none: by a sample of the posterior of its own."""
    labels = np.repeat([0, 1, 2], 10)
    for right in ((5, 6, 10), (8, 0, 9)):
        preds = np.concatenate([np.where(np.arange(10) < r, c, (c + 1) % 3) for c, r in enumerate(right)])
        value = per_class(labels, preds)
        a, b = fit_prior(np.array(right), 10 - np.array(right))
        draws = np.random.default_rng(5).beta(a + np.array(right), b + 10 - np.array(right), (100_000, 3))
        share = (draws.argmin(axis=1) == value.columns[0]).mean()
        assert value.hardest_share == pytest.approx(share, abs=0.025)
    assert per_class(labels, preds, groups=np.arange(30)).hardest_share == pytest.approx(value.hardest_share, abs=0.025)


@pytest.mark.parametrize("k", [1, 2])
def test_worst_share_against_integration(k: int) -> None:
    correct, samples = np.array([3, 5, 6, 9, 14, 15]), np.array([10, 10, 20, 12, 20, 20])
    a, b = fit_prior(correct, samples - correct)
    expected = lowest_share(a + correct, b + samples - correct, k)
    assert expected.sum() == pytest.approx(k, abs=1e-3)
    found = worst_share(correct, samples, k)
    assert found == pytest.approx(expected, abs=4 * 0.5 / np.sqrt(4000))
    assert found.sum() == pytest.approx(k)
    assert np.array_equal(found, worst_share(correct, samples, k))  # seeded


def likelihood(a: float, b: float, right: np.ndarray, wrong: np.ndarray) -> float:
    return stats.betabinom.logpmf(right, right + wrong, a, b).sum()


@settings(max_examples=25)
@given(st.lists(st.integers(0, 12), min_size=3, max_size=12), st.integers(0, 2**32 - 1))
def test_no_prior_on_a_grid_is_likelier(right: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.array(right)
    y = rng.integers(0, 12, len(x)) + (x == 0)
    a, b = fit_prior(x, y)
    top = 1000 * (x + y).max()
    assert 0.05 - 1e-9 <= min(a, b) <= max(a, b) <= top * (1 + 1e-9)
    fitted = likelihood(a, b, x, y)
    grid = np.geomspace(0.05, top, 15)
    assert fitted >= max(likelihood(p, q, x, y) for p in grid for q in grid) - 1e-6


def test_a_known_prior_is_found_again() -> None:
    rng = np.random.default_rng(5)
    right = rng.binomial(50, rng.beta(4, 6, 2000))
    a, b = fit_prior(right, 50 - right)
    assert (a, b) == (pytest.approx(4, rel=0.1), pytest.approx(6, rel=0.1))


@pytest.mark.parametrize("right", [0, 20, 50])
def test_classes_that_are_all_alike_share_alike(right: int) -> None:
    # The likelihood only grows with a + b here: the cap holds it, and no class is told from another.
    correct, samples = np.full(40, right), np.full(40, 50)
    a, b = fit_prior(correct, samples - correct)
    assert np.isfinite([a, b]).all()
    assert max(a, b) <= 50_000 * (1 + 1e-9)
    assert worst_share(correct, samples, 10) == pytest.approx(np.full(40, 0.25), abs=0.035)


def test_one_sample_a_class_says_almost_nothing() -> None:
    correct = np.array([0, 1] * 20)
    shares = worst_share(correct, np.ones(40, dtype=np.int64), 10)
    assert shares == pytest.approx(np.full(40, 0.25), abs=0.04)


def test_a_class_far_below_the_others_is_surely_the_hardest() -> None:
    correct = np.array([1, *[40] * 19])
    shares = worst_share(correct, np.full(20, 50), 1)
    assert shares[0] > 0.999


def test_no_samples_at_all() -> None:
    assert np.isnan(worst_share(np.zeros(8, dtype=np.int64), np.zeros(8, dtype=np.int64), 2)).all()
    few = worst_share(np.array([1, 0, 0, 0, 0, 0, 0, 0]), np.array([2, 0, 0, 0, 0, 0, 0, 0]), 2)
    assert few[0] == 1
    assert np.isnan(few[1:]).all()


def test_precision_and_f1_by_hand() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 3, 3])
    preds = np.array([0, 0, 0, 1, 3, 3, 3, 2])
    value = per_class(labels, preds, IDS, NAMES)  # bee, dog, ant, cat
    assert value.predicted.tolist() == [1, 3, 3, 1]
    assert value.precision.tolist() == [0, 1 / 3, 1, 0]  # cat has no samples, yet was said: its precision is 0
    assert value.f1[:3].tolist() == [0, 0.4, 6 / 7]
    assert np.isnan(value.f1[3])
    low, high = wilson(1, 3)
    assert (value.precision_low[1], value.precision_high[1]) == (low, high)
    assert value.macro_f1 == pytest.approx((0.4 + 6 / 7) / 3)
    assert value.macro_accuracy == pytest.approx(1.25 / 3)
    assert (value.recall is value.accuracy, value.support is value.samples) == (True, True)


def test_absent_and_never_said_are_nan_and_not_a_division_by_nothing() -> None:
    value = per_class(np.array([0, 1, 0]), np.array([0, 0, 2]), IDS, NAMES)  # bee never said, cat absent, dog neither
    at = {name: i for i, name in enumerate(value.class_names)}
    assert np.isnan(value.precision[at["bee"]]) and value.f1[at["bee"]] == 0
    assert value.precision[at["cat"]] == 0 and np.isnan(value.accuracy[at["cat"]])
    assert np.isnan([value.precision[at["dog"]], value.f1[at["dog"]], value.precision_low[at["dog"]]]).all()
    assert value.never_predicted.tolist() == [at["bee"]]


def test_arrays_alone_are_enough() -> None:
    value = per_class(np.array([0, 10, 10]), np.array([0, 10, 1]))
    assert value.class_ids[:2] == ("10", "00")
    with pytest.raises(BadInput, match="y_pred: expected a class for each of 2 samples"):
        per_class(np.array([0, 1]), np.array([0]))
    with pytest.raises(BadInput, match="columns up to 2 are in use, but 2 ids and 2 names"):
        per_class(np.array([0]), np.array([2]), ("a", "b"), ("a", "b"))


@settings(max_examples=10)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=50))
def test_scores_are_scikit_learns_where_it_defines_them(pairs: list[tuple[int, int]]) -> None:
    labels, preds = (np.array(side) for side in zip(*pairs, strict=True))
    ids = tuple("abcdef")
    value = per_class(labels, preds, ids, ids)
    precision, recall, f1, support = (
        np.asarray(part)[value.columns]
        for part in precision_recall_fscore_support(labels, preds, labels=range(6), zero_division=np.nan)
    )
    assert (support == value.samples).all()
    np.testing.assert_allclose(value.precision, precision, rtol=1e-12)
    np.testing.assert_allclose(value.accuracy, recall, rtol=1e-12)
    # A class without samples has no F1 here; scikit-learn calls it 0 where it was said.
    np.testing.assert_allclose(value.f1, np.where(support > 0, f1, np.nan), rtol=1e-12)


def test_the_easiest_are_the_hardest_turned_over() -> None:
    correct, samples = np.array([3, 5, 6, 9, 14, 15]), np.array([10, 10, 20, 12, 20, 20])
    hard, easy = end_shares(correct, samples, 2)
    turned_hard, turned_easy = end_shares(samples - correct, samples, 2)
    tolerance = 4 * np.sqrt(0.5 / 4000)
    assert easy == pytest.approx(turned_hard, abs=tolerance)
    assert hard == pytest.approx(turned_easy, abs=tolerance)
    assert easy.sum() == pytest.approx(2)
    a, b = fit_prior(correct, samples - correct)
    # Among the 2 highest: not among the 4 lowest.
    assert easy == pytest.approx(1 - lowest_share(a + correct, b + samples - correct, 4), abs=tolerance)


def test_of_few_classes_all_are_among_both_ends() -> None:
    hard, easy = end_shares(np.array([1, 0, 3, 0]), np.array([2, 0, 4, 0]), 3)
    assert np.array_equal(hard, easy, equal_nan=True)
    assert hard[[0, 2]].tolist() == [1, 1]
    assert np.isnan(easy[[1, 3]]).all()


def test_classes_that_are_hard_in_almost_all_draws_are_counted() -> None:
    labels = np.repeat(np.arange(8), 100)
    right = np.concatenate([np.arange(100) < n for n in (5, 5, 60, 60, 60, 60, 98, 98)])
    value = per_class(labels, np.where(right, labels, (labels + 1) % 8))
    assert (value.worst_k, value.lowest, value.certain) == (2, 2, (2, 2))
    slow = [sum(s >= 0.95 for s in shares) for shares in (value.worst_share, value.best_share)]
    assert list(value.certain) == slow


def test_kappa_and_matthews_correlation_by_hand() -> None:
    # 6 of 8 right; by chance (4 x 5 + 4 x 3) / 64 = 1/2.
    value = per_class(np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 0, 1, 1, 1, 0, 0]), IDS[:2], NAMES[:2])
    assert value.kappa == pytest.approx((5 / 8 - 1 / 2) / (1 - 1 / 2))
    assert value.mcc == pytest.approx((3 * 2 - 1 * 2) / np.sqrt(5 * 4 * 4 * 3))
    alone = per_class(np.zeros(3, int), np.zeros(3, int), IDS[:2], NAMES[:2])
    assert np.isnan([alone.kappa, alone.mcc]).all()


@given(st.integers(1, 60), st.integers(2, 6), st.integers(0, 2**32))
def test_kappa_and_matthews_correlation_are_scikit_learns(n: int, c: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, preds = rng.integers(0, c, (2, n))
    value = per_class(labels, preds, tuple("abcdef"[:c]), tuple("abcdef"[:c]))
    if not np.isnan(value.kappa):
        assert value.kappa == pytest.approx(cohen_kappa_score(labels, preds))
    if not np.isnan(value.mcc):
        assert value.mcc == pytest.approx(matthews_corrcoef(labels, preds))
    assert np.isnan(value.kappa) == (len({*labels, *preds}) == 1)
    assert set(value.left_out) == {"abcdef"[i] for i in range(c) if i not in labels}


def test_groups_of_one_sample_change_nothing_but_for_the_note() -> None:
    rng = np.random.default_rng(0)
    labels, preds = rng.integers(0, 4, (2, 80))
    plain, grouped = (per_class(labels, preds, IDS, NAMES, groups=g) for g in (None, np.arange(80)))
    assert grouped.low.tolist() == plain.low.tolist()
    assert grouped.precision_high.tolist() == plain.precision_high.tolist()
    assert (plain.effective, plain.groups, grouped.groups) == (None, None, 80)
    assert grouped.effective is not None
    assert grouped.effective.tolist() == grouped.samples.tolist()


def test_the_design_effect_of_classes_by_hand() -> None:
    """Groups of four that are all right or all wrong: each counts as one sample, but for what few groups tell."""
    groups = np.repeat(np.arange(20), 4)
    columns = np.repeat([0, 1], 40)
    values = np.repeat(np.arange(20) % 2, 4).astype(float)
    assert class_effects(values, columns, groups, 3)[:2] == pytest.approx(4 * few_groups(groups))
    assert np.isnan(class_effects(values, columns, groups, 3)[2])
    # Half of each group right: no more alike than others, and all 20 groups tell it beside one that is half alike.
    values = np.tile([0.0, 1.0, 0.0, 1.0], 20)
    assert class_effects(values, columns, groups, 2) == pytest.approx((1 + 3 * 0.5 / 21) * few_groups(groups))
    # Two of 20 groups with an error each: they are all that tells it.
    values = np.ones(80)
    values[[0, 4]] = 0
    assert class_effects(values, columns, groups, 2)[0] == pytest.approx((1 + 3 * 0.5 / 3) * few_groups(groups))
    # All right: nothing is known of how alike they are, so a group counts as one.
    assert class_effects(np.ones(80), columns, groups, 2) == pytest.approx(4 * few_groups(groups))


def test_intervals_of_groups_hold_where_plain_ones_do_not() -> None:
    """Frames of a video are all but alike: the plain interval misses the truth often, the grouped one seldom."""
    rng = np.random.default_rng(1)
    held = np.zeros((2, 3))
    for _ in range(150):
        videos, frames = 60, 8
        labels = np.repeat(rng.integers(0, 3, videos), frames)
        skill = np.array([0.5, 0.7, 0.9])[labels]
        own = np.repeat(rng.random(videos), frames)
        right = np.where(rng.random(len(labels)) < 0.9, own, rng.random(len(labels))) < skill
        preds = np.where(right, labels, (labels + 1) % 3)
        groups = np.repeat(np.arange(videos), frames)
        for i, given_groups in enumerate((None, groups)):
            value = per_class(labels, preds, IDS[:3], NAMES[:3], groups=given_groups)
            truth = np.array([0.5, 0.7, 0.9])[value.columns]
            held[i, value.columns] += (value.low <= truth) & (truth <= value.high)
    assert held[0].max() < 0.75 * 150
    assert held[1].min() > 0.9 * 150


def test_groups_must_be_one_for_each_sample() -> None:
    with pytest.raises(BadInput, match=r"groups: expected one for each of the 2 samples, found the shape \(3,\)"):
        per_class(np.array([0, 1]), np.array([0, 1]), groups=[1, 2, 3])
