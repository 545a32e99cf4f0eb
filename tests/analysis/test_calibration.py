"""ECE against hand-worked numbers, a slow reference, and the edges that others get wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.calibration import calibration
from ensemble.errors import BadInput


def slow(confidences: list[float], right: list[bool], bins: int) -> float:
    total = 0.0
    for b in range(bins):
        inside = [i for i, c in enumerate(confidences) if b / bins < min(c, 1.0) <= (b + 1) / bins]
        if inside:
            share = sum(right[i] for i in inside) / len(inside)
            total += len(inside) * abs(share - sum(min(confidences[i], 1.0) for i in inside) / len(inside))
    return total / len(confidences)


def test_hand_worked_numbers() -> None:
    # Two bins. (.5, 1]: confidences .75 and .875, one right: |.5 - .8125|; .5 lies in (0, .5], right: |1 - .5|.
    probs = np.array([[0.75, 0.25], [0.125, 0.875], [0.5, 0.5]])
    found = calibration(probs, np.array([0, 0, 0]), bins=2)
    assert found.counts.tolist() == [1, 2]
    assert found.confidence.tolist() == [0.5, 0.8125]
    assert found.accuracy.tolist() == [1, 0.5]
    assert found.ece == pytest.approx((0.5 + 2 * 0.3125) / 3)


def test_certainty_lies_in_the_last_bin() -> None:
    probs = np.array([[1.0, 0.0], [np.float32(1) + np.float32(1e-6), 0.0]])
    found = calibration(probs, np.array([0, 1]))
    assert len(found.counts) == 15
    assert found.counts[-1] == 2
    assert found.confidence[-1] == 1
    assert found.ece == 0.5
    assert np.isnan(found.accuracy[0])


def test_a_bin_ends_with_its_upper_edge() -> None:
    for b in range(1, 16):
        row = np.array([[b / 15, *([(1 - b / 15) / 40] * 40)]])
        assert calibration(row, np.array([0])).counts[max(b - 1, 0)] == 1 or b / 15 < (1 - b / 15) / 40


@given(
    st.lists(st.tuples(st.integers(20, 40), st.booleans()), min_size=1, max_size=30), st.sampled_from([1, 3, 4, 8, 15])
)
def test_against_the_slow_reference(samples: list[tuple[int, bool]], bins: int) -> None:
    confidences = [c / 40 for c, _ in samples]
    right = [r for _, r in samples]
    probs = np.array([[c, 1 - c] for c in confidences])
    labels = np.array([0 if r else 1 for r in right])
    found = calibration(probs, labels, preds=np.zeros(len(right), dtype=np.int64), bins=bins)
    assert found.ece == pytest.approx(slow(confidences, right, bins), abs=1e-12)
    assert found.counts.sum() == len(samples)


def test_float32_is_summed_in_float64() -> None:
    probs = np.full((100_000, 2), np.float32(0.6))
    probs[:, 1] = np.float32(0.4)
    assert calibration(probs, np.zeros(100_000, np.int64)).ece == pytest.approx(1 - float(np.float32(0.6)), abs=1e-12)


def test_no_bins() -> None:
    with pytest.raises(BadInput, match="at least one bin, found 0"):
        calibration(np.array([[0.5, 0.5]]), np.array([0]), bins=0)
