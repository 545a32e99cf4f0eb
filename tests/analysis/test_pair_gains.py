"""Pairs' gains: by hand, against the table, and the rank correlation against scipy's."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from analysis.diversity import PairGains, measure_diversity, pair_gains
from analysis.stack import PredictionStack, stack_arrays
from analysis.subsets.reference import subset_preds, subset_table


def gains_of(stack: PredictionStack) -> PairGains:
    m = len(stack.members)
    said = np.stack([subset_preds(stack, [i]) for i in range(m)])
    return pair_gains(subset_table(stack, [1, 2][:m]), measure_diversity(said, stack.require_labels(), stack.members))


def drawn(members: int, n: int = 200) -> PredictionStack:
    rng = np.random.default_rng(members)
    labels = rng.integers(0, 4, n)
    logits = rng.normal(size=(members, n, 4)) + np.eye(4)[labels] * rng.uniform(0.5, 3, (members, 1, 1))
    return stack_arrays(np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True), labels)


def test_by_hand() -> None:
    # The first is right on both samples of three, the second on one; their mean on two: (.9+.2)/2 > .5, and so on.
    a = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]
    b = [[0.2, 0.8], [0.9, 0.1], [0.9, 0.1]]
    found = gains_of(stack_arrays(np.array([a, b]), [0, 0, 0]))
    assert found.pairs.tolist() == [[0, 1]]
    assert found.accuracy == pytest.approx([1.0])
    assert found.better == pytest.approx([2 / 3])
    assert found.gain == pytest.approx([1 / 3])
    assert found.disagreement == pytest.approx([2 / 3])
    assert found.correlation is None and not found.worse.any()


@pytest.mark.parametrize("members", [3, 4, 14])
def test_every_pair_is_the_tables(members: int) -> None:
    stack = drawn(members)
    found, table = gains_of(stack), subset_table(stack, [1, 2])
    assert len(found.pairs) == members * (members - 1) // 2
    for row, (i, j) in enumerate(found.pairs):
        assert found.gain[row] == pytest.approx(table.gain(table.find(1 << int(i) | 1 << int(j))), abs=1e-12)
        said = [subset_preds(stack, [int(k)]) for k in (i, j)]
        assert found.disagreement[row] == np.mean(said[0] != said[1])
    if members < 4:
        assert found.correlation is None
    else:
        assert found.correlation == pytest.approx(float(spearmanr(found.disagreement, found.gain).statistic))


def test_one_member_has_no_pairs() -> None:
    found = gains_of(drawn(1))
    assert found.pairs.shape == (0, 2) and found.gain.shape == (0,) and found.correlation is None


def test_nothing_that_varies_has_no_rank_correlation() -> None:
    same = drawn(1).probs[0]
    found = gains_of(stack_arrays(np.stack([same] * 4), drawn(1).require_labels()))
    assert len(found.pairs) == 6 and found.correlation is None
    assert (found.gain == 0).all() and not found.worse.any()
