"""Shapley values against hand-worked numbers and against all n! orders."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.metrics import METRICS
from analysis.subsets import shapley as shapley_module
from analysis.subsets.reference import subset_table
from analysis.subsets.shapley import shapley
from analysis.subsets.table import SubsetTable
from ensemble.errors import BadInput


def table_of(correct, samples: int = 100, classes: int = 4, nll=None, brier=None) -> SubsetTable:
    correct = np.asarray(correct, dtype=np.int64)
    members = int(math.log2(len(correct) + 1))
    empty = np.zeros(len(correct))
    return SubsetTable(
        masks=np.arange(1, len(correct) + 1, dtype=np.uint64), correct=correct, top5=correct,
        nll=empty if nll is None else np.asarray(nll), brier=empty if brier is None else np.asarray(brier),
        members=tuple(f"m-{i}" for i in range(members)), samples=samples, classes=classes, split="val",
    )  # fmt: skip


def by_orders(table: SubsetTable, metric: str) -> list[float]:
    """The definition: what a member adds to those before it, averaged over all orders."""
    members = len(table.members)
    value = [METRICS[metric].empty(table.classes), *table.scores(metric)]
    added = np.zeros(members)
    orders = list(permutations(range(members)))
    for order in orders:
        mask = 0
        for member in order:
            added[member] += value[mask | 1 << member] - value[mask]
            mask |= 1 << member
    return (added / len(orders)).tolist()


def test_hand_worked_numbers() -> None:
    # Empty .25; a .5, b .7, both .8. a: (.25 + .1) / 2; b: (.45 + .3) / 2.
    found = shapley(table_of([50, 70, 80]), "accuracy")
    assert (found.empty, found.all) == (0.25, 0.8)
    assert found.values == pytest.approx({"m-0": 0.175, "m-1": 0.375})


def test_the_empty_ensemble_is_uniform() -> None:
    table = table_of([1, 1, 1], nll=[1.0, 2.0, 0.5], brier=[0.4, 0.6, 0.3])
    assert shapley(table, "nll").empty == math.log(4)
    assert shapley(table, "brier").empty == 0.75
    assert shapley(table, "nll").values["m-0"] == pytest.approx(((1 - math.log(4)) + (0.5 - 2)) / 2)


@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_against_all_orders(members: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = 2**members - 1
    table = table_of(rng.integers(0, 101, size), nll=rng.exponential(size=size), brier=2 * rng.random(size))
    for metric in ("accuracy", "nll", "brier"):
        found = shapley(table, metric)
        assert list(found.values.values()) == pytest.approx(by_orders(table, metric), abs=1e-12)
        assert sum(found.values.values()) == pytest.approx(found.all - found.empty, abs=1e-12)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(np.random.default_rng(0).integers(0, 101, 2**7 - 1))
    whole = shapley(table, "accuracy").values
    for bits in (0, 1, 3, 6):
        monkeypatch.setattr(shapley_module, "BLOCK_BITS", bits)
        assert shapley(table, "accuracy").values == pytest.approx(whole, abs=1e-14)


def test_copies_share_alike_and_the_useless_get_nothing() -> None:
    # Member 2 never changes a score; members 0 and 1 are copies.
    correct = [60, 60, 60, 25, 60, 60, 60]
    found = shapley(table_of(correct), "accuracy").values
    assert found["m-0"] == pytest.approx(found["m-1"])
    assert found["m-2"] == pytest.approx(0, abs=1e-15)


def test_real_predictions_sum_to_the_whole() -> None:
    rng = np.random.default_rng(3)
    from analysis.stack import stack_arrays

    table = subset_table(stack_arrays(rng.dirichlet(np.ones(5), (6, 80)), rng.integers(0, 5, 80)), range(1, 7))
    for metric in ("accuracy", "nll", "brier"):
        found = shapley(table, metric)
        assert sum(found.values.values()) == pytest.approx(found.all - found.empty, abs=1e-12)


def test_a_part_of_the_table_is_refused() -> None:
    rng = np.random.default_rng(3)
    from analysis import combine

    table = combine(rng.dirichlet(np.ones(3), (4, 9)), rng.integers(0, 3, 9), sizes=[1, 2])
    with pytest.raises(BadInput, match=r"of 4 members need all 15 subsets, the table holds 10; score every size"):
        shapley(table, "accuracy")
