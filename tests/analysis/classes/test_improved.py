"""Classes improved and degraded, paired and corrected; classes on which members agree."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.classes.improved import agreement, compare_classes
from analysis.statistics import mcnemar, smallest_difference
from ensemble.errors import BadInput

# 12 of class 0 that only the first has right; class 1: one each way; class 2 absent; class 3: 6 lost.
TRUE = np.array([0] * 20 + [1] * 4 + [3] * 8)
OURS = np.array([0] * 20 + [1, 0, 1, 1] + [0] * 6 + [3, 3])
THEIRS = np.array([0] * 8 + [1] * 12 + [0, 1, 1, 1] + [3] * 8)


def test_hand_worked() -> None:
    value = compare_classes(TRUE, OURS, THEIRS, "abcd", ("ant", "bee", "cat", "dog"), against="m-1", chosen_here=True)
    assert value.samples.tolist() == [20, 4, 0, 8]
    assert value.won.tolist() == [12, 1, 0, 0]
    assert value.lost.tolist() == [0, 1, 0, 6]
    assert value.difference[[0, 1, 3]].tolist() == [0.6, 0, -0.75]
    # Twelve won of twelve: mid-p 2 x (1/2^12) / 2; six lost of six alike.
    assert value.p[[0, 1, 3]].tolist() == [2.0**-12, 1, 2.0**-6]
    # Benjamini and Hochberg over three classes: times 3 / rank.
    assert value.q[[0, 1, 3]].tolist() == pytest.approx([3 * 2.0**-12, 1, 1.5 * 2.0**-6])
    assert np.isnan([value.difference[2], value.p[2], value.q[2], value.smallest[2]]).all()
    assert (value.improved.tolist(), value.degraded.tolist(), value.tested) == ([0], [3], 3)
    assert (value.ranked(True).tolist(), value.ranked(False).tolist()) == ([0], [3])
    assert (value.against, value.chosen_here) == ("m-1", True)


def test_the_leading_classes_stand_by_their_difference() -> None:
    """4 of 4 won is the larger difference and 12 of 20 the smaller p, which decides who is there and not the order."""
    true = np.array([0] * 20 + [1] * 4 + [2] * 2)
    value = compare_classes(true, true, np.array([0] * 8 + [1] * 12 + [0] * 4 + [2, 0]))
    assert value.ranked(True).tolist() == [0, 1, 2]
    assert value.leading(True, 8) == [1, 0, 2]
    assert value.leading(True, 1) == [0]
    assert value.leading(False, 8) == []


def test_the_smallest_difference_counts_how_many_are_tested() -> None:
    value = compare_classes(TRUE, OURS, THEIRS, "abcd")
    # Two of three are claimed, so one more would have to pass .05 x 2 / 3: five won of five do (2^-5 = .031).
    assert value.smallest[0] == pytest.approx(smallest_difference(12, 20, 0.05 * 2 / 3))
    assert value.smallest[1] == pytest.approx(5 / 4)  # not even all four would be enough
    many = np.repeat(np.arange(200), 50)
    same = compare_classes(many, many, many)
    assert same.smallest == pytest.approx(np.full(200, 12 / 50))  # 2^-12 < .05 / 200 < 2^-11
    assert (same.q == 1).all() and not len(same.improved) and not len(same.degraded)


@given(st.integers(0, 2**32 - 1))
def test_against_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true, ours, theirs = rng.integers(0, 4, (3, 60))
    value = compare_classes(true, ours, theirs, "abcde")
    ps = []
    for c in range(4):
        own = [i for i in range(60) if true[i] == c]
        won = sum(ours[i] == c and theirs[i] != c for i in own)
        lost = sum(ours[i] != c and theirs[i] == c for i in own)
        assert (value.samples[c], value.won[c], value.lost[c]) == (len(own), won, lost)
        assert value.p[c] == pytest.approx(mid_p(won, lost)) or not own
        if own:
            ps.append(mcnemar(won, lost))
            assert value.difference[c] == pytest.approx(np.mean(ours[own] == c) - np.mean(theirs[own] == c))
    ordered = sorted(ps)
    adjusted = {p: min(len(ps) * q / (rank + 1) for rank, q in enumerate(ordered) if q >= p) for p in ps}
    for c in range(4):
        if value.samples[c]:
            assert value.q[c] == pytest.approx(min(1, adjusted[float(value.p[c])]))


def mid_p(won: int, lost: int) -> float:
    """Twice the chance of fewer, and once the chance of as many, of the smaller count in tosses of a fair coin."""
    n, least = won + lost, min(won, lost)
    if won == lost:
        return 1.0
    return min(1.0, (2 * sum(comb(n, i) for i in range(least)) + comb(n, least)) / 2**n)


def test_by_chance_alone_few_classes_are_claimed() -> None:
    """Two predictors that are equally good on every class: of 40 such comparisons of 100 classes few claim any."""
    claims = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        true = np.repeat(np.arange(100), 50)
        ours, theirs = (np.where(rng.random(5000) < 0.6, true, (true + 1) % 100) for _ in range(2))
        value = compare_classes(true, ours, theirs)
        claims += bool(len(value.improved) or len(value.degraded))
    assert claims <= 5  # 5 % of 40 is 2; six or more happen to one such test in a hundred


def test_a_difference_of_the_smallest_size_is_mostly_found() -> None:
    n, share, found = 200, 0.3, 0
    rng = np.random.default_rng(0)
    d = smallest_difference(round(share * n), n)
    for _ in range(400):
        draw = rng.random(n)
        won, lost = draw < (share + d) / 2, draw > 1 - (share - d) / 2
        value = compare_classes(np.zeros(n, int), np.where(lost, 1, 0), np.where(won, 1, 0), "ab")
        found += len(value.improved)
    assert 0.74 <= found / 400 <= 0.86


def test_bad_input() -> None:
    with pytest.raises(BadInput, match=r"y_other: expected a class for each of 2 samples, .* found int64 \(1,\)"):
        compare_classes([0, 1], [0, 1], [0])
    with pytest.raises(BadInput, match="predictions of member 0: expected a class for each of 2 samples"):
        agreement(np.array([0, 1]), [0, 1])


def test_agreement_by_hand() -> None:
    said = [[0, 0, 1, 1], [0, 1, 1, 0], [0, 2, 1, 0]]
    value = agreement(said, [0, 0, 1, 1], "abcd")
    # Of class a: one image on which all agree, one on which all three pairs differ; of b: all right, then 2 of 3.
    assert value.disagreement[:2].tolist() == pytest.approx([0.5, 1 / 3])
    assert value.all_right[:2].tolist() == [0.5, 0.5]
    assert value.all_wrong[:2].tolist() == [0, 0]
    assert np.isnan([value.disagreement[2], value.all_right[3], value.all_wrong[2]]).all()
    assert (value.ranked(True).tolist(), value.ranked(False).tolist()) == ([0, 1], [1, 0])


@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_agreement_against_a_loop(members: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    said, true = rng.integers(0, 3, (members, 20)), rng.integers(0, 3, 20)
    value = agreement(said, true, "abc")
    for c in range(3):
        own = [i for i in range(20) if true[i] == c]
        if not own:
            continue
        pairs = [said[a, i] != said[b, i] for i in own for a, b in combinations(range(members), 2)]
        assert (
            np.isnan(value.disagreement[c]) if members == 1 else value.disagreement[c] == pytest.approx(np.mean(pairs))
        )
        assert value.all_right[c] == pytest.approx(np.mean([(said[:, i] == c).all() for i in own]))
        assert value.all_wrong[c] == pytest.approx(np.mean([(said[:, i] != c).all() for i in own]))
