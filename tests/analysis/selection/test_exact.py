"""The most accurate subset by an integer programme, beside all subsets, one after another."""

import numpy as np
import pytest
from subset_cases import random_source

from analysis.selection import exact
from analysis.selection.data import selection_data
from analysis.selection.exact import exact_best
from analysis.subsets.engine import lattice_table
from ensemble.errors import BadInput


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("most", [1, 2, 3, 7])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_subset_is_better_than_the_one_that_is_proven_best(
    most: int, seed: int, counted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact, "MOST_COMPARISONS", 2**34 if counted else 0)
    source = random_source(7, 40, 4, seed=seed, signal=0.4)
    table = lattice_table(source, range(1, most + 1))
    found = exact_best(selection_data(source), most, seconds=60)
    assert found.proven
    assert found.gap == 0
    assert found.correct == found.bound == table.correct.max()
    mask = sum(1 << i for i in found.members)
    assert table.find(mask).correct == found.correct
    assert len(found.members) <= most
    assert found.greedy <= found.correct


def test_ties_between_classes_count_as_the_kernels_count_them() -> None:
    """Two members that cancel out leave a tie, which the lower class wins."""
    probs = np.array([[[0.25, 0.75], [0.75, 0.25]], [[0.75, 0.25], [0.25, 0.75]]], np.float32)
    from analysis.stack import ArraySource

    labels = np.array([0, 0])
    found = exact_best(selection_data(ArraySource(probs, labels)))
    assert (found.members, found.correct, found.proven) == ((0, 1), 2, True)
    assert exact_best(selection_data(ArraySource(probs, labels)), 1).correct == 1


def test_a_search_that_is_cut_short_says_what_it_does_not_exclude(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "MOST_COMPARISONS", 0)
    source = random_source(30, 250, 6, seed=2, signal=0.3)
    found = exact_best(selection_data(source), 5, seconds=0.01)
    assert found.greedy <= found.correct <= found.bound <= 250
    assert found.gap == (found.bound - found.correct) / 250
    weights = np.zeros(30)
    weights[list(found.members)] = 1 / len(found.members)
    assert selection_data(source).scores(weights, "accuracy").sum() == found.correct


def test_a_budget_of_no_member_is_refused() -> None:
    with pytest.raises(BadInput, match="expected a budget of at least 1 member, found max_size=0"):
        exact_best(selection_data(random_source(3, 20, 3)), 0)


def test_the_best_two_of_a_hundred_members() -> None:
    """More members than a mask has bits; the two of which each is sure where the other errs are found."""
    from analysis.stack import ArraySource

    rng = np.random.default_rng(0)
    labels, told = rng.integers(0, 3, 60), rng.integers(0, 3, (100, 60))
    probs = np.full((100, 60, 3), 0.1, np.float32)
    np.put_along_axis(probs, told[:, :, None], 0.8, axis=2)
    for member, rows in ((37, np.arange(30)), (81, np.arange(30, 60))):
        probs[member, rows] = 0.0005
        probs[member, rows, labels[rows]] = 0.999
    found = exact_best(selection_data(ArraySource(probs, labels)), 2)
    assert (found.members, found.correct, found.proven) == ((37, 81), 60, True)
