"""The ambiguity decomposition: by hand, by the slow way, and the identity itself to 1e-12."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.diversity import ambiguity
from analysis.metrics import brier
from analysis.stack import PredictionStack, stack_arrays


def drawn(members: int, n: int, c: int) -> PredictionStack:
    rng = np.random.default_rng([members, n, c])
    return stack_arrays(rng.dirichlet(np.full(c, 0.3), size=(members, n)).astype(np.float32), rng.integers(0, c, n))


def test_by_hand() -> None:
    # Two members say 1 and .5 of the true class: Brier 0 and .5, their mean .75: Brier .125; each is .25 off in both.
    found = ambiguity(stack_arrays(np.array([[[1.0, 0.0]], [[0.5, 0.5]]]), [0]))
    assert found.members is not None
    assert found.members.tolist() == [0, 0.5]
    assert found.ensemble == 0.125
    assert found.spread.tolist() == [0.125, 0.125]
    assert found.members.mean() - found.ambiguity == found.ensemble


@pytest.mark.parametrize(("members", "n", "c"), [(1, 50, 3), (2, 100, 10), (14, 300, 10), (30, 40, 200)])
def test_exact_and_each_term_is_what_it_says(members: int, n: int, c: int) -> None:
    stack = drawn(members, n, c)
    labels, found = stack.require_labels(), ambiguity(stack)
    assert found.members is not None and found.ensemble is not None
    assert abs(found.ensemble - (found.members.mean() - found.ambiguity)) < 1e-12
    assert found.members == pytest.approx([brier(p.astype(np.float64), labels) for p in stack.probs], abs=1e-12)
    assert found.ensemble == pytest.approx(brier(stack.mean_probs(), labels), abs=1e-12)
    mean = stack.mean_probs()
    slow = [np.mean([sum((p[i] - mean[i]) ** 2) for i in range(n)]) for p in stack.probs.astype(np.float64)]
    assert found.spread == pytest.approx(slow, abs=1e-12)


def test_labels_are_needed_for_the_scores_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = drawn(4, 101, 5)
    found, bare = ambiguity(stack), ambiguity(replace(stack, labels=None))
    assert (bare.members, bare.ensemble) == (None, None)
    assert (bare.spread == found.spread).all()
    monkeypatch.setattr("analysis.diversity.BLOCK_NUMBERS", 60)
    assert ambiguity(stack).spread == pytest.approx(found.spread, abs=1e-12)
