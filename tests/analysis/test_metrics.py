"""The table of metrics, and the functions it names."""

import math

import numpy as np
import pytest

from analysis.metrics import METRICS, RULES, accuracy, brier, nll, top5

PROBS = np.array([[0.5, 0.25, 0.25], [0.5, 0.5, 0.0], [0.0, 0.25, 0.75]])
LABELS = np.array([0, 1, 0])


def test_hand_worked_numbers() -> None:
    assert accuracy(PROBS, LABELS) == 1 / 3  # the tie in the second row goes to class 0
    assert top5(PROBS, LABELS) == 1
    assert nll(PROBS, LABELS) == pytest.approx((2 * math.log(2) + 12 * math.log(10)) / 3)
    assert brier(PROBS, LABELS) == pytest.approx((0.375 + 0.5 + (1 + 0.0625 + 0.5625)) / 3)


def test_top5_of_few_classes_is_always_one() -> None:
    assert top5(np.full((3, 5), 0.2), np.array([4, 3, 0])) == 1
    assert top5(np.full((3, 6), 1 / 6), np.array([5, 3, 0])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("classes", [2, 3, 10, 200])
def test_the_empty_ensemble_is_the_uniform_prediction(classes: int) -> None:
    # Over labels that are spread evenly, the uniform prediction scores what the table says, ties included.
    uniform, labels = np.full((classes, classes), 1 / classes), np.arange(classes)
    for metric in METRICS.values():
        assert metric.value(uniform, labels) == pytest.approx(metric.empty(classes)), metric.name
    assert METRICS["accuracy"].empty(200) == 1 / 200
    assert METRICS["top5"].empty(3) == 1
    assert METRICS["nll"].empty(10) == math.log(10)
    assert METRICS["brier"].empty(4) == 0.75


def test_the_table() -> None:
    assert list(METRICS) == ["accuracy", "top5", "nll", "brier"]
    assert [m.higher_is_better for m in METRICS.values()] == [True, True, False, False]
    assert all(name == m.name for name, m in METRICS.items())
    assert METRICS["nll"].advantage(1.0, 1.5) == 0.5
    assert METRICS["accuracy"].advantage(0.75, 0.5) == 0.25


def test_bounds_are_reached() -> None:
    best, worst = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    label = np.array([0])
    for metric in METRICS.values():
        ends = [metric.lower, metric.upper] if metric.higher_is_better else [metric.upper, metric.lower]
        found = [metric.value(worst, label), metric.value(best, label)]
        assert found == (pytest.approx(ends) if metric.name != "top5" else [1, 1]), metric.name
        assert metric.per_sample(best, label).shape == (1,)


def test_the_whole_numbers_of_each_rule_by_hand() -> None:
    """2^26 p; 2^21 ln p, of a p that is 2^-26 at least; 2^20 p, and 2^26 more for the class with the largest p."""
    probs = np.array([[0.5, 0.25, 0.25], [0.125, 0.875, 0.0]])
    assert RULES["mean"].quantise(probs).tolist() == [[33554432, 16777216, 16777216], [8388608, 58720256, 0]]
    half = 1453635  # 2^21 ln 2 = 1453634.99, and the others are 2, 3 and 26 of it
    assert RULES["geometric"].quantise(probs).tolist() == [
        [-half, -2907270, -2907270], [-4360905, -280036, -37794510]
    ]  # fmt: skip
    assert RULES["vote"].quantise(probs).tolist() == [[67633152, 262144, 262144], [131072, 68026368, 0]]
    members = np.stack([probs, probs[::-1], probs])  # (M, N, C)
    assert np.array_equal(RULES["vote"].quantise(members), [RULES["vote"].quantise(p) for p in members])
