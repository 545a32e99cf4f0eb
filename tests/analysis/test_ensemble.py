"""What members predict together: by hand, and against the plain way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.ensemble import ensemble_of
from analysis.metrics import RULES, quantise, whole
from analysis.selection.data import combined
from analysis.stack import PredictionStack, stack_arrays
from analysis.subsets.reference import subset_preds
from ensemble.errors import BadInput


def stack_of(probs: np.ndarray, labels: np.ndarray | None = None) -> PredictionStack:
    m, n, c = probs.shape
    ids = tuple(f"c{i}" for i in range(c))
    return PredictionStack(
        np.asarray(probs, np.float32), tuple(f"m-{i}" for i in range(m)), labels,
        np.array([f"s{i}" for i in range(n)]), ids, ids, "new",
    )  # fmt: skip


def test_by_hand() -> None:
    probs = np.array([[[0.75, 0.25], [0.5, 0.5]], [[0.0, 1.0], [0.25, 0.75]]])
    own = ensemble_of(stack_of(probs, np.array([1, 0])), {"m-1": 0.25, "m-0": 0.75})
    np.testing.assert_array_equal(own.weights, [0.75, 0.25])
    np.testing.assert_array_equal(own.probs, [[0.5625, 0.4375], [0.4375, 0.5625]])
    assert own.preds.tolist() == [0, 1]
    np.testing.assert_array_equal(own.confidence, [0.5625, 0.5625])
    assert own.accuracy == 0
    equal = ensemble_of(stack_of(probs))
    np.testing.assert_array_equal(equal.probs, [[0.375, 0.625], [0.375, 0.625]])
    assert equal.accuracy is None


def test_a_tie_is_the_lowest_class_by_whole_numbers() -> None:
    assert ensemble_of(stack_of(np.array([[[0.2, 0.8]], [[0.8, 0.2]]]))).preds.tolist() == [0]
    # The sums of classes 1 and 2 are the same whole number, whatever rounding does to .5 + .4 + .3 and .3 + .4 + .5.
    stack = stack_of(np.array([[[0.2, 0.5, 0.3]], [[0.2, 0.4, 0.4]], [[0.2, 0.3, 0.5]]]))
    assert ensemble_of(stack).preds.tolist() == subset_preds(stack, [0, 1, 2]).tolist() == [1]


@given(st.integers(0, 10**6), st.sampled_from(["mean", "geometric"]), st.integers(1, 4))
def test_equal_weights_are_the_plain_way_and_others_the_slow_one(seed: int, rule: str, m: int) -> None:
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(5), (m, 30)).astype(np.float32)
    stack = stack_of(probs)
    assert ensemble_of(stack, rule=rule).preds.tolist() == subset_preds(stack, range(m), rule).tolist()
    weights = rng.dirichlet(np.ones(m))
    weights[0] += 1 - weights.sum()
    own = ensemble_of(stack, {f"m-{i}": float(w) for i, w in enumerate(weights)}, rule)
    np.testing.assert_allclose(own.probs, combined(probs, weights, RULES[rule]), atol=1e-6)
    numbers = [(int(w), RULES[rule].quantise(p).tolist()) for w, p in zip(whole(weights), probs, strict=True)]
    for row in range(30):
        sums = [sum(count * q[row][c] for count, q in numbers) for c in range(5)]
        assert own.preds[row] == sums.index(max(sums))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    probs = np.random.default_rng(0).dirichlet(np.ones(4), (3, 50))
    one = ensemble_of(stack_of(probs))
    monkeypatch.setattr("analysis.ensemble.BLOCK_NUMBERS", 3 * 4 * 7)
    other = ensemble_of(stack_of(probs))
    np.testing.assert_array_equal(one.probs, other.probs)
    np.testing.assert_array_equal(one.preds, other.preds)
    np.testing.assert_array_equal(one.preds, quantise(one.stack.probs).sum(axis=0).argmax(axis=1))


def test_members_without_a_weight_take_no_part() -> None:
    rng = np.random.default_rng(0)
    stack = stack_arrays(rng.dirichlet(np.ones(4), (3, 50)), rng.integers(0, 4, 50))
    own = ensemble_of(stack, {"m-2": 0.5, "m-0": 0.5})
    assert own.weights is not None
    assert own.weights.tolist() == [0.5, 0, 0.5]
    np.testing.assert_allclose(own.probs, (stack.probs[0].astype(float) + stack.probs[2]) / 2)
    with pytest.raises(BadInput, match="weights: 'm-3' is no member; "):
        ensemble_of(stack, {"m-3": 0.5, "m-0": 0.5})
