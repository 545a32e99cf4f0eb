"""Counts by group of samples that are made with the table, and what a selection reads of them."""

import numpy as np
import pytest
from subset_cases import random_source, same_table, stack_of

from analysis.selection import best
from analysis.selection.best import Best, LatticeSums, score_by_block
from analysis.selection.cross_validation import usual_resamples
from analysis.selection.data import selection_data
from analysis.subsets.engine import Lattice, lattice_table, table_by_group
from ensemble.errors import BadInput


@pytest.mark.parametrize(("members", "sizes"), [(5, range(1, 6)), (11, range(1, 12)), (16, range(1, 17)), (18, [2, 3])])
@pytest.mark.parametrize("by", ["accuracy", "top5"])
def test_groups_add_up_to_the_table(members: int, sizes: range, by: str) -> None:
    source = random_source(members, 400, 8, seed=members, signal=0.4)
    group = np.random.default_rng(0).integers(0, 7, 400)
    group[group == 3] = 4  # a group may be empty
    table, right, sure, _ = table_by_group(source, sizes, group, by, threads=3)
    same_table(table, lattice_table(source, sizes))
    lattice = Lattice(source, sizes=sizes)
    asked = lattice.correct if by == "accuracy" else lattice.top5
    assert right.dtype == np.uint8
    for g in range(7):
        np.testing.assert_array_equal(right[g] + sure[g], asked(np.flatnonzero(group == g)))


def test_groups_of_more_samples_than_a_byte_counts_and_of_several_portions() -> None:
    source = random_source(9, 9000, 3, seed=1, signal=0.5)
    group = np.arange(9000) % 2
    table, right, sure, _ = table_by_group(source, range(1, 10), group)
    assert right.dtype == np.uint16
    np.testing.assert_array_equal(right.sum(axis=0) + sure.sum(), table.correct)
    np.testing.assert_array_equal(right[1] + sure[1], Lattice(source).correct(group == 1))


@pytest.mark.parametrize("metric", ["accuracy", "top5"])
def test_a_selection_chooses_the_same_of_counts_made_with_the_table(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = random_source(9, 300, 8, seed=2, signal=0.4)
    stack = stack_of(source.probs, source.labels)
    monkeypatch.setattr(best, "reference_is_faster", lambda *_: False)
    plain = selection_data(stack, top5=True)
    counted = score_by_block(stack, range(1, 10), plain.blocks_of_samples, metric)
    assert counted is not None
    held = selection_data(stack, top5=metric == "top5", held=counted.held)
    np.testing.assert_array_equal(held.own, plain.own)
    for weights in (np.full(9, 1 / 9), np.eye(9)[4], np.random.default_rng(0).dirichlet(np.ones(9))):
        np.testing.assert_array_equal(held.scores(weights, metric), plain.scores(weights, metric))
    one, other = Best(held, counted, metric), Best(plain, LatticeSums(plain, range(1, 10), metric), metric)
    assert one.choose().members == other.choose().members
    resamples = usual_resamples(one)
    ours, theirs = one.choose_again(resamples), other.choose_again(resamples)
    assert [c.members for c in ours] == [c.members for c in theirs]
    with pytest.raises(BadInput, match="counted by"):
        counted.sums("nll", np.ones(300, bool))
    with pytest.raises(BadInput, match="block by block"):
        counted.sums(metric, np.arange(300) < 10)
