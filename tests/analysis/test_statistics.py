"""Wilson's interval against scipy's own; groups of samples, by hand and by how often intervals hold the truth."""

import numpy as np
import pytest
from scipy import stats
from scipy.stats import binomtest

from analysis.selection.cross_validation import score_interval
from analysis.statistics import (
    compare_correct,
    count_groups,
    few_groups,
    group_codes,
    loss_interval,
    mean_interval,
    wilson,
)
from ensemble.errors import BadInput


@pytest.mark.parametrize(("x", "n"), [(0, 50), (1, 50), (25, 50), (49, 50), (50, 50), (0, 1), (1, 1), (4321, 10000)])
def test_against_scipy(x: int, n: int) -> None:
    expected = binomtest(x, n).proportion_ci(method="wilson")
    low, high = wilson(np.array([x]), np.array([n]))
    assert low[0] == pytest.approx(expected.low, abs=1e-12)
    assert high[0] == pytest.approx(expected.high, abs=1e-12)


def test_the_ends_and_no_trials() -> None:
    low, high = wilson(np.array([0, 5, 0]), np.array([5, 5, 0]))
    assert low[0] == 0
    assert high[1] == 1
    assert np.isnan([low[2], high[2]]).all()


def test_hand_worked() -> None:
    # 1 of 50, z = 1.96: (0.02 + 0.0384) / 1.0768 -+ 0.0500...; the usual table gives 0.35 % to 10.50 %.
    low, high = wilson(1, 50)
    assert (round(float(low), 4), round(float(high), 4)) == (0.0035, 0.1050)


def test_another_level() -> None:
    expected = binomtest(7, 20).proportion_ci(0.9, method="wilson")
    assert [float(v) for v in wilson(7, 20, level=0.9)] == pytest.approx([expected.low, expected.high])


@pytest.mark.parametrize(
    "names", [["b", "b", "a"], [7, 7, 2], [1.5, 1.5, -2.0], ["1", "1", 1], np.array(["x", "x", "y"])]
)
def test_groups_are_told_apart_by_name_or_number(names) -> None:
    assert group_codes(names, 3).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["a", None, "b"], "1 of the 3 samples have none, that of row 1 for one"),
        ([1.0, float("nan"), float("nan")], "2 of the 3 samples have none"),
        (np.array([np.nan, 1, 2]), "1 of the 3 samples have none, that of row 0"),
        (["a", "", "b"], "1 of the 3 samples have none"),
        (["a", "a", "a"], "all 3 samples are of one group; two are needed"),
        (["a", "b"], r"expected one for each of the 3 samples, found the shape \(2,\)"),
        (5, r"found the shape \(\)"),
        ([["a"], ["b", "c"], ["a"]], "expected a name or a number for each sample"),
    ],
)
def test_groups_that_are_none_are_refused(names, sentence: str) -> None:
    with pytest.raises(BadInput, match=f"groups: .*{sentence}"):
        group_codes(names, 3)


def test_groups_of_unequal_size_count_as_fewer() -> None:
    assert count_groups(np.repeat(np.arange(12), 5)) == 12
    half = np.repeat(np.arange(41), [40] + [1] * 40)
    assert count_groups(half) == pytest.approx(80**2 / (40**2 + 40))  # 3.9
    assert few_groups(half) > few_groups(np.arange(4))
    assert few_groups(np.arange(10_000)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("truth", "alike", "sizes"),
    [
        pytest.param(0.8, 0.3, [40] + [1] * 40, id="one is half of all: by their number alone 81 of 100"),
        pytest.param(0.95, 0.7, [20] * 10, id="ten, nearly all right: by what they show alone 60 of 100"),
    ],
)
def test_an_interval_holds_where_groups_tell_little(truth: float, alike: float, sizes: list[int]) -> None:
    rng, of = np.random.default_rng(0), 1 / alike - 1
    groups = np.repeat(np.arange(len(sizes)), sizes)
    held = []
    for _ in range(300):
        share = rng.beta(truth * of, (1 - truth) * of, len(sizes))
        right = (rng.random(len(groups)) < share[groups]).astype(float)
        low, high = score_interval(right, "accuracy", block=groups)
        held.append(low <= truth <= high)
    assert np.mean(held) > 0.92


def test_a_loss_interval_counts_one_more_as_bad_as_the_worst() -> None:
    losses = np.array([0.1] * 60 + [0.4] * 39 + [3.0])
    low, high = mean_interval(losses)
    more = np.append(losses, 3.0)
    by_log = more.mean() * np.exp(stats.t.ppf(0.975, 100) * more.std(ddof=1) / 101**0.5 / more.mean())
    assert loss_interval(losses) == pytest.approx((low, max(mean_interval(more)[1], by_log)))
    assert low < losses.mean() < high < max(mean_interval(more)[1], by_log)
    assert loss_interval(np.zeros(30)) == (0, 0) and loss_interval(np.full(30, 0.5)) == (0.5, 0.5)
    assert loss_interval(np.array([0.0] * 9 + [1.0]), effect=9.0)[0] == 0


@pytest.mark.parametrize(("groups", "finds"), [(3, False), (4, True)])
def test_so_few_groups_find_no_difference(groups: int, finds: bool) -> None:
    """The sums of three groups that all agree have p = 2 Phi(-sqrt 3) = .083."""
    one, other = np.ones(40 * groups, dtype=bool), np.tile(np.arange(40) < 10, groups)
    found = compare_correct(one, other, np.repeat(np.arange(groups), 40))
    assert (found.p < 0.05, found.power_80 is not None) == (finds, finds)


def test_a_gain_does_not_make_separate_samples_belong_together() -> None:
    """Thirty groups of twenty separate samples, eighteen points gained: the interval is that without groups, nearly."""
    rng = np.random.default_rng(0)
    kind = rng.choice(3, 600, p=[0.2, 0.02, 0.78])
    one, other, groups = kind != 1, kind != 0, np.repeat(np.arange(30), 20)
    plain, grouped = compare_correct(one, other), compare_correct(one, other, groups)
    assert grouped.high - grouped.low == pytest.approx(plain.high - plain.low, rel=0.25)
    # The test's own variance is that of sums where there is no gain, which the gain enlarges.
    assert plain.p < grouped.p < 1e-3


def test_the_grouped_interval_is_what_the_test_does_not_reject() -> None:
    rng = np.random.default_rng(1)
    rejected = 0
    for _ in range(200):
        sizes = rng.integers(1, 20, 15)
        groups = np.repeat(np.arange(15), sizes)
        leaning = rng.choice([0.05, 0.45, 0.75], 15)[groups]
        one, other = rng.random(len(groups)) < 0.4 + leaning / 2, rng.random(len(groups)) < 0.6 - leaning / 4
        found = compare_correct(one, other, groups)
        rejected += found.p < 0.05
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high)
    assert 20 < rejected < 180
