"""What a table will cost is said before it is made, and is about right."""

import time

import pytest
from subset_cases import random_source

from analysis.subsets.cost import cost
from analysis.subsets.engine import lattice_table
from analysis.subsets.memory import available_bytes, peak_bytes, table_bytes
from ensemble.errors import BadInput


def test_bytes_are_those_of_the_columns() -> None:
    table = lattice_table(random_source(5, 20, 3), range(1, 6))
    held = sum(getattr(table, name).nbytes for name in ("masks", "correct", "top5", "nll", "brier"))
    found = cost(5, 20, 3)
    assert (found.subsets, found.bytes) == (31, held) == (31, table_bytes(31, ("accuracy", "top5", "nll", "brier")))
    assert cost(30, 10_000, 200, metrics=["accuracy"]).bytes == (2**30 - 1) * 16
    assert cost(60, 10, 3, [1, 2, 3]).subsets == 36_050
    assert found.peak == peak_bytes(5, 31, ("accuracy", "top5", "nll", "brier")) > found.bytes


def test_a_measured_time_is_of_the_right_order() -> None:
    source = random_source(15, 3000, 30, signal=1.0)
    found = cost(15, 3000, 30, source=source, threads=1)
    assert found.measured
    begun = time.perf_counter()
    lattice_table(source, range(1, 16), threads=1)
    seconds = time.perf_counter() - begun
    assert seconds / 6 < found.seconds < 6 * seconds  # the machine may be shared


def test_time_grows_with_members_samples_and_metrics() -> None:
    seconds = [
        cost(20, 10_000, 200, metrics=["accuracy"]).seconds,
        cost(20, 10_000, 200).seconds,
        cost(20, 50_000, 200).seconds,
        cost(24, 50_000, 200).seconds,
    ]
    assert seconds == sorted(seconds)
    assert not cost(20, 10_000, 200).measured


@pytest.mark.parametrize("rule", ["geometric", "vote"])
def test_other_rules(rule: str) -> None:
    source = random_source(6, 300, 8)
    assert 0 < cost(6, 300, 8, source=source, rule=rule).seconds < 60


def test_bad_input() -> None:
    with pytest.raises(BadInput, match="found size 6"):
        cost(5, 20, 3, [6])


def test_the_system_says_how_much_memory_is_free() -> None:
    free = available_bytes()
    assert free is None or free > 2**24
