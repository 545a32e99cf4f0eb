"""Would more members help: exact for the Brier score, near for accuracy, and its interval where members are hidden."""

from itertools import combinations

import numpy as np
import pytest
from studies import drawn

from analysis.selection.every_subset import combine
from analysis.stack import stack_arrays
from analysis.subsets.growth import more_members
from ensemble.errors import BadInput

LABELS = np.arange(300) % 5
MANY = drawn(LABELS, 5, 1, 1.5, members=12, common=9)


def mean_over_subsets(metric: str, k: int) -> float:
    """The mean over all subsets of k of all twelve, slowly."""
    found = []
    for subset in combinations(range(12), k):
        mean = MANY[list(subset)].mean(axis=0)
        right = (mean.argmax(axis=1) == LABELS).mean()
        found.append(right if metric == "accuracy" else ((mean - np.eye(5)[LABELS]) ** 2).sum(axis=1).mean())
    return float(np.mean(found))


def test_the_brier_score_is_prolonged_exactly() -> None:
    """a + b/k: from the twelve, of which six are shown, the six's own a and b, worked out from pairs of members."""
    shown = MANY[:6].astype(np.float64)
    errors = shown - np.eye(5)[LABELS]
    products = np.einsum("inc,jnc->ij", errors, errors) / 300
    alone, pairs = np.diag(products).mean(), (products.sum() - np.trace(products)) / 30
    value = more_members(combine(shown, LABELS), "brier")
    assert value.limit == pytest.approx(pairs, abs=1e-6)
    assert value.mean == pytest.approx([(alone + (k - 1) * pairs) / k for k in range(1, 13)], abs=1e-6)
    assert value.gain == pytest.approx((alone - pairs) / 12, abs=1e-6)
    # Members trained alike: over draws of six the mean of all twelve is met.
    rng = np.random.default_rng(0)
    draws = [rng.permutation(12)[:6] for _ in range(40)]
    found = [more_members(combine(MANY[np.sort(d)], LABELS), "brier").mean[-1] for d in draws]
    assert np.mean(found) == pytest.approx(mean_over_subsets("brier", 12), abs=2e-3)


def test_accuracy_where_members_are_hidden() -> None:
    truth = mean_over_subsets("accuracy", 10)
    rng = np.random.default_rng(1)
    held, errors = [], []
    for _ in range(60):
        value = more_members(combine(MANY[np.sort(rng.permutation(12)[:5])], LABELS))
        held.append(value.low[-1] <= truth <= value.high[-1])
        errors.append(value.mean[-1] - truth)
    assert np.mean(held) >= 0.85
    assert abs(np.mean(errors)) < 0.01
    assert np.std(errors) < 0.03


def test_copies_count_once_and_too_few_are_refused() -> None:
    plain = more_members(combine(MANY[:4], LABELS))
    again = stack_arrays(np.concatenate([MANY[:4], MANY[1:2]]), LABELS)
    table = combine(np.concatenate([MANY[:4], MANY[1:2]]), LABELS)
    value = more_members(table, copies=((1, 4),))
    assert value.members == ("m-0", "m-1", "m-2", "m-3") == again.members[:4]
    assert np.array_equal(value.mean, plain.mean)
    assert plain.k.tolist() == list(range(1, 9)) and np.isnan(plain.low[:4]).all()
    assert (plain.low[4:] <= plain.mean[4:]).all() and (plain.mean[4:] <= plain.high[4:]).all()
    with pytest.raises(BadInput, match="expected at least 4 members that differ, found 3"):
        more_members(combine(MANY[:4], LABELS), copies=((0, 3),))
    with pytest.raises(BadInput, match="of every subset of all sizes"):
        more_members(combine(MANY[:4], LABELS, sizes=[1, 2]))
