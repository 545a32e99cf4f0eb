"""The temperature: by hand, against a slow grid and scipy's softmax, and held out honestly."""

import numpy as np
import pytest
from scipy.special import softmax

from analysis.calibration.temperature import fit_temperature, temperature, tempered
from analysis.metrics import nll
from analysis.selection.resampling import stratified_folds
from ensemble.errors import BadInput


def drawn(n: int, c: int, at: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from probabilities; what is returned is `at` times colder than the truth."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, c))
    labels = np.array([rng.choice(c, p=row) for row in softmax(logits, axis=1)])
    return softmax(at * logits, axis=1), labels


def test_by_hand() -> None:
    # softmax(ln p / 2) takes square roots: .2 and .8 become 1 and 2 of 3 shares.
    assert tempered(np.array([[0.2, 0.8]]), 2.0) == pytest.approx(np.array([[1 / 3, 2 / 3]]))
    assert tempered(np.array([[0.2, 0.8]]), 0.5) == pytest.approx(np.array([[0.04, 0.64]]) / 0.68)
    assert tempered(np.array([[0.2, 0.8]] * 2), np.array([1.0, 2.0]))[:, 0] == pytest.approx([0.2, 1 / 3])


def test_the_best_temperature_by_hand() -> None:
    # Always .8 for class 0, which is right in 3 of 4: the best says .75, so odds of 4 become 3: T = ln 4 / ln 3.
    probs = np.tile([0.8, 0.2], (40, 1))
    assert fit_temperature(probs, np.array([0, 0, 0, 1] * 10)) == pytest.approx(np.log(4) / np.log(3), abs=1e-9)


def test_zero_is_no_infinity() -> None:
    found = tempered(np.array([[1.0, 0.0]], dtype=np.float32), 3.0)
    assert np.isfinite(found).all() and found[0, 1] == pytest.approx(1e-4, rel=1e-3)  # the cube root of 1e-12


@pytest.mark.parametrize(("at", "c"), [(0.5, 3), (1.0, 10), (2.5, 5)])
def test_against_a_slow_grid(at: float, c: int) -> None:
    probs, labels = drawn(400, c, at)
    found = fit_temperature(probs, labels)
    grid = np.exp(np.linspace(np.log(0.2), np.log(6), 600))
    values = [nll(softmax(np.log(probs) / t, axis=1), labels) for t in grid]
    assert found == pytest.approx(grid[int(np.argmin(values))], rel=0.01)
    assert nll(tempered(probs, found), labels) <= min(values) + 1e-9
    assert found == pytest.approx(at, rel=0.25)  # what the labels were drawn with


def test_the_order_of_probabilities_is_kept() -> None:
    probs, labels = drawn(100, 6, 2.0)
    found = temperature(probs, labels)
    assert (found.probs.argmax(axis=1) == probs.argmax(axis=1)).all()
    assert found.probs.sum(axis=1) == pytest.approx(np.ones(100))
    assert not found.at_end


def test_what_is_held_out_did_not_take_part() -> None:
    """Turn a fold's labels round: its own temperature, and so its probabilities, stay what they were."""
    probs, labels = drawn(120, 4, 2.0)
    ids = np.array([f"s{i}" for i in range(120)])
    before = temperature(probs, labels, ids, folds=5)
    assert (before.fold == stratified_folds(labels, 5, 0, ids)).all()
    for f in range(5):
        out = before.fold == f
        assert before.by_fold[f] == pytest.approx(fit_temperature(probs[~out], labels[~out]), abs=1e-12)
        assert before.probs[out] == pytest.approx(tempered(probs[out], before.by_fold[f]), abs=1e-12)
    assert len(set(before.by_fold)) == 5
    assert before.value == pytest.approx(fit_temperature(probs, labels), abs=1e-12)


def test_the_order_of_the_samples_does_not_matter() -> None:
    probs, labels = drawn(100, 4, 2.0)
    ids = np.array([f"s{i:03}" for i in range(100)])
    there, back = temperature(probs, labels, ids), temperature(probs[::-1], labels[::-1], ids[::-1])
    assert back.probs[::-1] == pytest.approx(there.probs, abs=1e-7)


def test_a_temperature_at_the_end_of_the_range_is_told() -> None:
    right = np.tile([0.9, 0.1], (30, 1))
    found = temperature(right, np.zeros(30, np.int64))
    assert found.at_end and found.value == 0.05
    # A coin whose faces are called .9 and .1 by turns: the flatter the better.
    wrong = np.tile([[0.9, 0.1], [0.1, 0.9]], (15, 1))
    assert temperature(wrong, np.repeat([0, 1], 15)[np.r_[0:30:2, 1:30:2]]).at_end


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    probs, labels = drawn(97, 5, 2.0)
    whole = fit_temperature(probs, labels)
    monkeypatch.setattr("analysis.calibration.temperature._NUMBERS", 50)
    assert fit_temperature(probs, labels) == pytest.approx(whole, abs=1e-6)


def test_too_few() -> None:
    with pytest.raises(BadInput, match="19 samples are too few to fit a temperature; at least 20"):
        temperature(np.full((19, 2), 0.5), np.zeros(19, np.int64))


def test_folds_keep_groups_together() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    probs = rng.dirichlet(np.ones(3), 60)
    names = [f"patient {i % 7}" for i in range(60)]
    found = temperature(probs, labels, groups=names)
    assert len(found.by_fold) == 7  # as many as there are groups
    assert all(len({found.fold[i] for i in range(60) if i % 7 == g}) == 1 for g in range(7))
    out = found.fold == 3
    assert found.by_fold[3] == pytest.approx(fit_temperature(probs[~out], labels[~out]))
