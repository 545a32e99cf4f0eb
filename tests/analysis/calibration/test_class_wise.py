"""Class-wise ECE and the Brier score's parts: by hand, by the slow way, and by scikit-learn where it has the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from analysis.calibration.calibration import class_wise
from ensemble.errors import BadInput


def drawn(n: int, c: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(c, 0.4), size=n)
    return probs, np.array([rng.choice(c, p=row) for row in probs])


def slow(probs: np.ndarray, labels: np.ndarray, bins: int) -> dict[str, float]:
    """Kull's and Murphy's formulas, class by class and bin by bin, with Stephenson's two terms for what is within."""
    n, c = probs.shape
    found = dict.fromkeys(("ece", "reliability", "resolution", "uncertainty", "within"), 0.0)
    for k in range(c):
        p, o = probs[:, k], (labels == k).astype(float)
        found["uncertainty"] += o.mean() * (1 - o.mean())
        for b in range(bins):
            inside = ((p > b / bins) | (b == 0)) & (p <= (b + 1) / bins)
            if not inside.any():
                continue
            weight, mean, share = inside.mean(), p[inside].mean(), o[inside].mean()
            found["ece"] += weight * abs(mean - share) / c
            found["reliability"] += weight * (mean - share) ** 2
            found["resolution"] += weight * (share - o.mean()) ** 2
            found["within"] += ((p[inside] - mean) ** 2 - 2 * (o[inside] - share) * (p[inside] - mean)).sum() / n
    return found


def test_hand_worked_class_wise_ece() -> None:
    # Two bins, two classes. Class 0: .25 and .5 in the first, one of them is of it: |1 - .75|; .75 in the second, not
    # of it: |0 - .75|. Class 1: .5 and .25 in the first, one of them is of it; .75 in the second, of it: |1 - .75|.
    probs = np.array([[0.25, 0.75], [0.5, 0.5], [0.75, 0.25]])
    found = class_wise(probs, np.array([1, 0, 1]), bins=2)
    assert found.counts.tolist() == [[2, 1], [2, 1]]
    assert found.hits.tolist() == [[1, 0], [1, 1]]
    assert found.sums.tolist() == [[0.75, 0.75], [0.75, 0.75]]
    assert found.by_class == pytest.approx([(0.25 + 0.75) / 3, (0.25 + 0.25) / 3])
    assert found.ece == pytest.approx(0.25)


def test_hand_worked_brier_parts() -> None:
    # Forecasts .25 (twice, once right) and .75 (once, right), of class 0: a bin for each, so Murphy's is exact.
    probs = np.array([[0.25, 0.75], [0.25, 0.75], [0.75, 0.25]])
    parts = class_wise(probs, np.array([0, 1, 0]), bins=2).parts
    # Both classes alike: reliability (2 (.5 - .25)^2 + (1 - .75)^2) / 3, resolution (2 (.5 - 2/3)^2 + (1 - 2/3)^2) / 3.
    assert parts.reliability == pytest.approx(2 * 0.1875 / 3)
    assert parts.resolution == pytest.approx(2 * (1 / 18 + 1 / 9) / 3)
    assert parts.uncertainty == pytest.approx(2 * 2 / 9)
    assert parts.score == pytest.approx(2 * (0.5625 + 0.0625 + 0.0625) / 3)
    assert parts.residual == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(("n", "c", "bins"), [(40, 2, 5), (300, 10, 15), (60, 30, 1), (5, 3, 15)])
def test_against_the_slow_reference(n: int, c: int, bins: int) -> None:
    probs, labels = drawn(n, c)
    found, expected = class_wise(probs, labels, bins), slow(probs, labels, bins)
    assert found.ece == pytest.approx(expected["ece"], abs=1e-13)
    for name in ("reliability", "resolution", "uncertainty"):
        assert getattr(found.parts, name) == pytest.approx(expected[name], abs=1e-13)
    assert found.parts.residual == pytest.approx(expected["within"], abs=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 40))
def test_exact_where_each_bin_holds_one_probability(seed: int, c: int, n: int) -> None:
    """Murphy's partition: probabilities of twentieths, twenty bins, no residual."""
    rng = np.random.default_rng(seed)
    probs = rng.multinomial(20, np.full(c, 1 / c), size=n) / 20
    parts = class_wise(np.where(probs == 0, 0.0, probs), rng.integers(0, c, n), bins=40).parts
    assert parts.residual == pytest.approx(0, abs=1e-12)
    assert min(parts.reliability, parts.resolution, parts.uncertainty) >= 0


def test_scikit_learns_score() -> None:
    probs, labels = drawn(200, 2)
    assert class_wise(probs, labels).parts.score / 2 == pytest.approx(brier_score_loss(labels, probs[:, 1]))


def test_certainty_and_impossibility_have_bins() -> None:
    found = class_wise(np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32), np.array([0, 1]))
    assert found.counts[:, [0, -1]].tolist() == [[1, 1], [1, 1]]
    assert found.ece == 0
    assert (found.parts.score, found.parts.resolution) == (0, found.parts.uncertainty)


def test_bad_input() -> None:
    with pytest.raises(BadInput, match="at least one bin"):
        class_wise(np.array([[0.5, 0.5]]), np.array([0]), bins=0)
