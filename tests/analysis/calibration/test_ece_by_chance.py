"""The ECE that chance alone makes: by hand, by the slow way, and a test that keeps its level."""

import numpy as np
import pytest

from analysis.calibration.calibration import ece_by_chance, measure_calibration


def drawn(n: int, seed: int, at: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from probabilities, and what is said of them: `at` times as sharp."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(4, 0.5), size=n)
    labels = np.array([rng.choice(4, p=row) for row in probs])
    said = probs**at
    return said / said.sum(axis=1, keepdims=True), labels


def test_by_hand() -> None:
    # One sample at .75: right in 3 of 4 draws, |1 - .75| then, else .75, so .375 on average.
    found = ece_by_chance(np.array([[0.75, 0.25]]), 0.75, draws=20_000)
    assert found.mean == pytest.approx(0.375, abs=0.01)
    assert found.p == pytest.approx(0.25, abs=0.01)
    assert ece_by_chance(np.array([[1.0, 0.0]]), 0.0).mean == 0
    assert ece_by_chance(np.array([[1.0, 0.0]]), 0.0).p == 1


def test_against_the_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    probs, _ = drawn(120, 0)
    monkeypatch.setattr("analysis.calibration.calibration._NUMBERS", 1000)
    found = ece_by_chance(probs, 0.1, bins=7, draws=2000)
    rng = np.random.default_rng(9)
    slow = []
    for _ in range(600):
        right = rng.random(120) < probs.max(axis=1)
        labels = np.where(right, probs.argmax(axis=1), (probs.argmax(axis=1) + 1) % 4)
        slow.append(measure_calibration(probs, labels, bins=7).ece)
    assert found.mean == pytest.approx(np.mean(slow), rel=0.05)
    assert found.p == pytest.approx(np.mean(np.array(slow) >= 0.1), abs=0.06)


def test_a_calibrated_predictor_is_seldom_accused_and_a_sharpened_one_is_found_out() -> None:
    p = []
    for seed in range(60):
        probs, labels = drawn(200, seed)
        p.append(ece_by_chance(probs, measure_calibration(probs, labels).ece, draws=99).p)
    assert np.mean(np.array(p) <= 0.05) <= 0.12 and 0.3 < np.mean(p) < 0.7
    probs, labels = drawn(500, 1, at=2.0)
    found = ece_by_chance(probs, measure_calibration(probs, labels).ece)
    assert found.p == 0.001 and found.mean < measure_calibration(probs, labels).ece / 2


def test_the_same_every_time() -> None:
    probs, _ = drawn(50, 0)
    assert ece_by_chance(probs, 0.1) == ece_by_chance(probs, 0.1)
    assert ece_by_chance(probs, 0.1) != ece_by_chance(probs, 0.1, seed=1)
