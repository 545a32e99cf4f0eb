"""Diversity by hand, by the slow formulas of Kuncheva and Whitaker, and of members of which nothing can be said."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import matthews_corrcoef

from analysis.diversity import PAIRWISE, measure_diversity, order_of
from ensemble.errors import BadInput


def slow(one: list[bool], two: list[bool]) -> dict[str, float]:
    """The measures of a pair, from its four counts."""
    n11 = sum(a and b for a, b in zip(one, two, strict=True))
    n10 = sum(a and not b for a, b in zip(one, two, strict=True))
    n01 = sum(b and not a for a, b in zip(one, two, strict=True))
    n00 = len(one) - n11 - n10 - n01
    above, both = n11 * n00 - n01 * n10, n11 * n00 + n01 * n10
    scale = math.sqrt((n11 + n10) * (n01 + n00) * (n11 + n01) * (n10 + n00))
    return {
        "one_right": (n01 + n10) / len(one),
        "double_fault": n00 / len(one),
        "q": above / both if both else math.nan,
        "correlation": above / scale if scale else math.nan,
    }


def drawn(members: int, n: int = 200, c: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, members])
    truth = rng.integers(0, c, n)
    shared = rng.random(n)  # how hard a sample is for all of them
    right = (0.5 * shared + 0.5 * rng.random((members, n))) < rng.uniform(0.4, 0.8, (members, 1))
    return np.where(right, truth, (truth + rng.integers(1, c, (members, n))) % c), truth


def test_hand_worked_pair() -> None:
    # Ten samples: both right on 5, only the first on 2, only the second on 1, neither on 2 (once the same class).
    truth = np.zeros(10, np.int64)
    one = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
    two = np.array([0, 0, 0, 0, 0, 1, 1, 0, 1, 2])
    found = measure_diversity([one, two], truth, ("a", "b"))
    assert found.one_right is not None and found.double_fault is not None
    assert found.q is not None and found.correlation is not None and found.errors is not None
    assert found.disagreement[0, 1] == 0.4  # the three of which one is right, and the last, 1 against 2
    assert found.one_right[0, 1] == pytest.approx(0.3)
    assert found.double_fault[0, 1] == 0.2
    assert found.q[0, 1] == pytest.approx((5 * 2 - 2 * 1) / (5 * 2 + 2 * 1))
    assert found.correlation[0, 1] == pytest.approx((5 * 2 - 2 * 1) / math.sqrt(7 * 3 * 6 * 4))
    assert found.errors == pytest.approx([0.3, 0.4])
    assert found.double_fault.diagonal() == pytest.approx(found.errors)
    assert (found.oracle, found.all_right) == (0.8, 0.5)
    # r is 2, 1 or 0: min(r, 2 - r) is 1 on three of ten samples; r (2 - r) / 4 is 1/4 on the same.
    assert found.entropy == pytest.approx(0.3)
    assert found.variance == pytest.approx(0.3 / 4)
    assert found.mean("q") == found.q[0, 1]


@pytest.mark.parametrize("members", [2, 3, 6, 14])
def test_against_the_slow_formulas(members: int) -> None:
    said, truth = drawn(members)
    found = measure_diversity(said, truth)
    right = (said == truth).tolist()
    for i, j in combinations(range(members), 2):
        expected = slow(right[i], right[j])
        assert found.disagreement[i, j] == found.disagreement[j, i] == np.mean(said[i] != said[j])
        for name, value in expected.items():
            matrix = found.matrix(name)
            assert matrix is not None
            assert matrix[i, j] == pytest.approx(value, abs=1e-12) and matrix[i, j] == matrix[j, i]
        assert expected["correlation"] == pytest.approx(matthews_corrcoef(right[i], right[j]), abs=1e-12)
    counts = np.sum(right, axis=0)
    entropy = np.mean([min(r, members - r) / (members - math.ceil(members / 2)) for r in counts])
    assert found.entropy == pytest.approx(float(entropy))
    assert found.oracle == np.mean([any(column) for column in zip(*right, strict=True)])
    assert found.all_right == np.mean([all(column) for column in zip(*right, strict=True)])
    # Kuncheva and Whitaker, section 2.2.2: the variance is (M - 1) / 2M of the mean pairwise disagreement.
    mean = found.mean("one_right")
    assert mean is not None
    assert found.variance == pytest.approx((members - 1) / (2 * members) * mean, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=20))
def test_bounds(rows: list[tuple[int, int, int]]) -> None:
    one, two, truth = (np.array(column) for column in zip(*rows, strict=True))
    found = measure_diversity([one, two], truth)
    for name, (low, high) in {"q": (-1, 1), "correlation": (-1, 1), "double_fault": (0, 1)}.items():
        matrix = found.matrix(name)
        assert matrix is not None
        value = matrix[0, 1]
        assert math.isnan(value) or low - 1e-12 <= value <= high + 1e-12
        assert math.isnan(value) == (name != "double_fault" and bool(found.undefined))


def test_perfect_members_are_no_crash_and_the_reason_is_told() -> None:
    truth = np.array([0, 1, 2, 0])
    found = measure_diversity([truth, truth, [1, 1, 2, 0], [1, 0, 0, 1]], truth, ("good", "fine", "fair", "bad"))
    assert found.q is not None and found.correlation is not None
    for matrix in (found.q, found.correlation):
        assert np.isnan(matrix[np.ix_([0, 1, 3], [0, 1, 3])]).all()
        assert np.isnan(matrix[2, [0, 1, 3]]).all() and matrix[2, 2] == 1
    assert found.undefined == {
        "good": "right on every sample", "fine": "right on every sample", "bad": "wrong on every sample",
    }  # fmt: skip
    assert found.mean("q") is None
    assert found.mean("disagreement") is not None
    assert found.disagreement[0, 1] == 0


def test_without_labels_there_is_what_needs_none() -> None:
    said, truth = drawn(5)
    found, labelled = measure_diversity(said), measure_diversity(said, truth)
    assert not found.labelled and labelled.labelled
    assert (found.disagreement == labelled.disagreement).all() and (found.order == labelled.order).all()
    for name, (_, needs_labels, _) in PAIRWISE.items():
        assert (found.matrix(name) is None) == needs_labels
    assert found.mean("q") is None and found.oracle is None and found.undefined == {}


def test_one_member() -> None:
    found = measure_diversity([[0, 1, 1]], [0, 1, 0])
    assert found.order.tolist() == [0] and found.disagreement.tolist() == [[0]]
    assert found.mean("disagreement") is None
    assert found.entropy is not None and math.isnan(found.entropy)
    assert found.oracle == found.all_right == pytest.approx(2 / 3)


def test_the_order_puts_likes_together() -> None:
    rng = np.random.default_rng(0)
    families = rng.integers(0, 9, (3, 400))
    said = np.array([np.where(rng.random(400) < 0.1, 9, families[i % 3]) for i in range(12)])
    order = measure_diversity(said).order
    assert sorted(order.tolist()) == list(range(12))
    assert [len({int(i) % 3 for i in order[k : k + 4]}) for k in (0, 4, 8)] == [1, 1, 1]
    assert order[0] < order[-1]
    assert order_of(np.zeros((5, 5))).shape == (5,)
    assert order_of(np.zeros((2, 2))).tolist() == [0, 1]


def test_bad_input() -> None:
    with pytest.raises(BadInput, match=r"expected \(M, N\) predictions and M names, found \(2, 3\) and 1"):
        measure_diversity(np.zeros((2, 3)), members=["a"])
    with pytest.raises(BadInput, match=r"a label for each of 3 samples, found \(2,\)"):
        measure_diversity(np.zeros((2, 3)), [0, 1])
