"""ECE against hand-worked numbers, slow references, scikit-learn, and the edges that others get wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from analysis.calibration.calibration import measure_calibration
from analysis.statistics import wilson
from ensemble.errors import BadInput


def slow(confidences: list[float], right: list[bool], bins: int) -> float:
    total = 0.0
    for b in range(bins):
        inside = [i for i, c in enumerate(confidences) if b / bins < min(c, 1.0) <= (b + 1) / bins]
        if inside:
            share = sum(right[i] for i in inside) / len(inside)
            total += len(inside) * abs(share - sum(min(confidences[i], 1.0) for i in inside) / len(inside))
    return total / len(confidences)


def slow_adaptive(confidences: list[float], right: list[bool], bins: int) -> float:
    """Sort, cut after every rank ceil(b N / B), and let equal confidences stay with the first of them."""
    order = sorted(range(len(right)), key=lambda i: confidences[i])
    ends = [confidences[order[-(-b * len(order) // bins) - 1]] for b in range(1, bins + 1)]
    groups: dict[float, list[int]] = {}
    for i in order:
        groups.setdefault(next(end for end in ends if confidences[i] <= end), []).append(i)
    return sum(abs(sum(right[i] - confidences[i] for i in group)) for group in groups.values()) / len(order)


def binary(confidences: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    probs = np.array([[c, 1 - c] for c in confidences])
    return probs, np.array([0 if r else 1 for r in right])


SAMPLES = st.lists(st.tuples(st.integers(20, 40), st.booleans()), min_size=1, max_size=30)
BIN_COUNTS = st.sampled_from([1, 3, 4, 8, 15])


def test_hand_worked_numbers() -> None:
    # Two bins. (.5, 1]: confidences .75 and .875, one right: |.5 - .8125|; .5 lies in (0, .5], right: |1 - .5|.
    probs = np.array([[0.75, 0.25], [0.125, 0.875], [0.5, 0.5]])
    found = measure_calibration(probs, np.array([0, 0, 0]), bins=2)
    assert found.counts.tolist() == [1, 2]
    assert found.confidence.tolist() == [0.5, 0.8125]
    assert found.accuracy.tolist() == [1, 0.5]
    assert found.ece == pytest.approx((0.5 + 2 * 0.3125) / 3)
    assert (found.low[1], found.high[1]) == (float(wilson(1, 2)[0]), float(wilson(1, 2)[1]))
    assert (found.mean_confidence, found.mean_accuracy) == (pytest.approx(2.125 / 3), pytest.approx(2 / 3))
    assert found.gap == pytest.approx(0.125 / 3)


def test_hand_worked_adaptive_bins() -> None:
    # Five samples in two bins: ranks 3 and 5. Confidences .5 .6 .7 | .8 .9; two of the first three are right, one of
    # the others: |2/3 - .6| * 3 + |1/2 - .85| * 2 over 5.
    probs, labels = binary([0.9, 0.5, 0.8, 0.6, 0.7], [True, True, False, True, False])
    found = measure_calibration(probs, labels, preds=np.zeros(5, np.int64), bins=2, binning="adaptive")
    assert found.counts.tolist() == [3, 2]
    assert found.edges.tolist() == [0, 0.7, 0.9]
    assert found.ece == pytest.approx((0.2 + 0.7) / 5)


def test_adaptive_bins_hold_as_many_samples_each() -> None:
    for n, bins in ((100, 15), (7, 15), (1000, 7), (15, 15)):
        sure = np.random.default_rng(n).uniform(0.5, 1, n)
        found = measure_calibration(
            np.stack([sure, 1 - sure], axis=1), np.zeros(n, np.int64), bins=bins, binning="adaptive"
        )
        assert found.counts.sum() == n and len(found.counts) == min(n, bins)
        assert found.counts.max() - found.counts.min() <= 1


def test_equal_confidences_stay_together_whatever_the_order() -> None:
    probs, labels = binary([0.75] * 10 + [0.8, 0.9], [True] * 5 + [False] * 5 + [True, False])
    found = measure_calibration(probs, labels, preds=np.zeros(12, np.int64), bins=3, binning="adaptive")
    assert found.counts.tolist() == [10, 2]
    turned = measure_calibration(probs[::-1], labels[::-1], preds=np.zeros(12, np.int64), bins=3, binning="adaptive")
    assert turned.counts.tolist() == [10, 2] and turned.ece == pytest.approx(found.ece, abs=1e-15)


@pytest.mark.parametrize("binning", ["equal", "adaptive"])
def test_certainty_lies_in_the_last_bin(binning: str) -> None:
    """torchmetrics issue 3510: a confidence of exactly 1.0 fell into a bin of its own, or out of all."""
    probs = np.array([[1.0, 0.0], [np.float32(1) + np.float32(1e-6), 0.0]])
    found = measure_calibration(probs, np.array([0, 1]), binning=binning)
    assert found.counts[-1] == 2 and found.counts.sum() == 2
    assert found.confidence[-1] == 1
    assert found.ece == 0.5
    assert len(found.counts) == (15 if binning == "equal" else 1)
    assert binning == "adaptive" or np.isnan(found.accuracy[0])


def test_all_certain_and_right_is_no_error_at_all() -> None:
    probs = np.eye(3)[[0, 1, 2, 0]]
    assert measure_calibration(probs, np.array([0, 1, 2, 0])).ece == 0
    assert measure_calibration(probs, np.array([0, 1, 2, 0]), binning="adaptive").ece == 0


def test_a_bin_ends_with_its_upper_edge() -> None:
    for b in range(1, 16):
        row = np.array([[b / 15, *([(1 - b / 15) / 40] * 40)]])
        assert measure_calibration(row, np.array([0])).counts[max(b - 1, 0)] == 1 or b / 15 < (1 - b / 15) / 40


@given(SAMPLES, BIN_COUNTS)
def test_against_the_slow_reference(samples: list[tuple[int, bool]], bins: int) -> None:
    confidences = [c / 40 for c, _ in samples]
    right = [r for _, r in samples]
    probs, labels = binary(confidences, right)
    preds = np.zeros(len(right), dtype=np.int64)
    found = measure_calibration(probs, labels, preds=preds, bins=bins)
    assert found.ece == pytest.approx(slow(confidences, right, bins), abs=1e-12)
    assert found.counts.sum() == len(samples)
    adaptive = measure_calibration(probs, labels, preds=preds, bins=bins, binning="adaptive")
    assert adaptive.ece == pytest.approx(slow_adaptive(confidences, right, bins), abs=1e-12)
    assert (adaptive.counts > 0).all() and adaptive.counts.sum() == len(samples)


def test_scikit_learns_curve() -> None:
    """Its bins are (lo, hi] too, so confidences that are edges, and certainty, go where ours go."""
    rng = np.random.default_rng(4)
    sure = np.concatenate([rng.uniform(0.5, 1, 500), np.arange(5, 11) / 10, [1.0, 1.0]])
    right = rng.random(len(sure)) < sure
    probs = np.stack([sure, 1 - sure], axis=1)
    found = measure_calibration(probs, np.where(right, 0, 1), preds=np.zeros(len(sure), np.int64), bins=10)
    share, mean = calibration_curve(right, sure, n_bins=10)
    there = found.counts > 0
    assert found.accuracy[there] == pytest.approx(share)
    assert found.confidence[there] == pytest.approx(mean)


def test_what_is_predicted_follows_the_rule_that_is_given() -> None:
    """Where the whole numbers of two classes are equal, the lower index is said, whatever the floats say."""
    probs = np.array([[0.5 - 1e-12, 0.5 + 1e-12]])
    assert measure_calibration(probs, np.array([0])).mean_accuracy == 0
    assert measure_calibration(probs, np.array([0]), preds=np.array([0])).mean_accuracy == 1


def test_float32_is_summed_in_float64() -> None:
    probs = np.full((100_000, 2), np.float32(0.6))
    probs[:, 1] = np.float32(0.4)
    assert measure_calibration(probs, np.zeros(100_000, np.int64)).ece == pytest.approx(
        1 - float(np.float32(0.6)), abs=1e-12
    )


def test_a_notebook_shows_the_bins() -> None:
    found = measure_calibration(np.array([[0.75, 0.25], [0.5, 0.5]]), [0, 1], bins=2)
    html = found._repr_html_()
    assert "0.500 - 1.000" in html and "ECE" in html and "75.0" in html


def test_bad_input() -> None:
    half = np.array([[0.5, 0.5]])
    with pytest.raises(BadInput, match="at least one bin, a whole number, found 0"):
        measure_calibration(half, np.array([0]), bins=0)
    with pytest.raises(BadInput, match=r"'adaptiv' is not a way to lay bins; .*adaptive"):
        measure_calibration(half, np.array([0]), binning="adaptiv")
    with pytest.raises(BadInput, match=r"labels: expected a class for each of 1 samples, .* found int64 \(2,\)"):
        measure_calibration(half, np.array([0, 1]))
    with pytest.raises(BadInput, match=r"whole numbers from 0\.\.1, found 2 in row 0"):
        measure_calibration(half, np.array([2]))


def test_intervals_of_groups() -> None:
    """Frames of a video that are all alike count as one; what is seen stays as it is."""
    rng = np.random.default_rng(0)
    own = rng.dirichlet(np.ones(3), 60)
    labels = np.array([rng.choice(3, p=p) for p in own])
    one = measure_calibration(own, labels, bins=4)
    five = measure_calibration(np.repeat(own, 5, axis=0), np.repeat(labels, 5), bins=4, groups=np.repeat(range(60), 5))
    np.testing.assert_allclose(five.accuracy, one.accuracy)
    np.testing.assert_allclose(five.high - five.low, one.high - one.low, rtol=0.06)
    plain = measure_calibration(np.repeat(own, 5, axis=0), np.repeat(labels, 5), bins=4)
    there = plain.counts > 0
    assert ((plain.high - plain.low)[there] < 0.6 * (five.high - five.low)[there]).all()
