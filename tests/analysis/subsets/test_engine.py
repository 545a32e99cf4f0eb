"""Every subset's scores by the engine against the definitions, for all rules, ties, ways and types of number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from subset_cases import RULES, check, random_source, same_table, slow_scores, stack_of, tying_arrays

from analysis.stack import ArraySource
from analysis.subsets import enumeration, kernels
from analysis.subsets.engine import Lattice, lattice_table
from analysis.subsets.enumeration import Combinations, FullLattice
from analysis.subsets.reference import subset_table
from analysis.subsets.table import SubsetTable

# How the bits of a mask are split: all low; some of each kind with few members.
SPLITS = [(8, 7), (2, 1), (1, 2), (3, 0)]


def table_with(source, split: tuple[int, int] | None, rule: str, **options) -> SubsetTable:
    """The engine's table through the full lattice with bits split so, or through combinations where `split` is None."""
    with pytest.MonkeyPatch.context() as patch:
        if split is None:
            patch.setattr(enumeration, "LOW", 0)
            patch.setattr(enumeration, "DEARER", 0)
        else:
            patch.setattr(kernels, "LOW", split[0])
            patch.setattr(kernels, "MIDDLE", split[1])
            patch.setattr(enumeration, "DEARER", 10**9)
        sizes = options.pop("sizes", range(1, len(source.members) + 1))
        return lattice_table(source, sizes, rule, threads=options.pop("threads", 1), **options)


@settings(max_examples=60)
@given(tying_arrays(), st.sampled_from([np.float16, np.float32, np.float64]))
def test_all_rules_and_ways_agree_with_the_definitions(case, kind) -> None:
    probs, labels = case
    source = ArraySource(probs.astype(kind), labels)
    for rule in RULES:
        slow = slow_scores(source.probs, labels, rule)
        for split in (*SPLITS, None):
            if split is None and rule == "geometric":
                continue  # few members always take the full lattice there; its counts are the same kernel
            check(table_with(source, split, rule), slow)


@settings(max_examples=60)
@given(tying_arrays())
def test_the_plain_reference_agrees_with_the_definitions(case) -> None:
    stack = stack_of(*case)
    for rule in RULES:
        check(subset_table(stack, range(1, len(stack.members) + 1), rule=rule), slow_scores(stack.probs, case[1], rule))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("members", "classes", "signal"), [(9, 40, 1.0), (11, 7, 0.2), (10, 2, 0.5), (6, 300, 3.0)])
def test_larger_jobs_agree_with_the_plain_way(rule: str, members: int, classes: int, signal: float) -> None:
    source = random_source(members, 150, classes, seed=members, signal=signal)
    stack = stack_of(source.probs, source.labels)
    plain = subset_table(stack, range(1, members + 1), rule=rule)
    for split in ((8, 7), (4, 3), (3, 2)):
        same_table(table_with(stack, split, rule), plain, bits=False)


@pytest.mark.parametrize("sizes", [[1], [2], [1, 2, 3], [2, 5], [9], [8, 9], [1, 9], list(range(1, 10))])
@pytest.mark.parametrize("rule", ["mean", "vote"])
def test_sizes_by_enumeration_and_out_of_the_full_lattice(sizes: list[int], rule: str) -> None:
    source = random_source(9, 120, 25, seed=4, signal=0.7)
    plain = subset_table(stack_of(source.probs, source.labels), sizes, rule=rule)
    stack = stack_of(source.probs, source.labels)
    same_table(table_with(stack, None, rule, sizes=sizes), plain, bits=False)
    same_table(table_with(stack, (8, 7), rule, sizes=sizes), plain, bits=False)


def test_sixty_members_by_enumeration() -> None:
    source = random_source(60, 40, 12, seed=1, signal=0.3)
    stack = stack_of(source.probs, source.labels)
    same_table(lattice_table(stack, [1, 2]), subset_table(stack, [1, 2]), bits=False)
    # More than 31 members' sums need more than 32 bits: all but one certain of one class, and of another.
    certain = np.zeros((60, 2, 3), np.float32)
    certain[:, 0, 1] = certain[:, 1, 2] = 1
    certain[0, 0] = certain[0, 1] = 0
    certain[0, 0, 0] = certain[0, 1, 1] = 1
    table = lattice_table(stack_of(certain, np.array([1, 1])), [59, 60])
    assert table.correct.tolist() == [1] * 61


def test_thirty_one_members_of_the_largest_sums_fit_into_32_bits() -> None:
    probs = np.zeros((31, 2, 2), np.float32)
    probs[:, 0, 1] = probs[:, 1, 0] = 1.00009  # as far above 1 as a row may be
    stack = stack_of(probs, np.array([1, 1]))
    for rule in RULES:
        assert lattice_table(stack, [30, 31], rule=rule).correct.tolist() == [1] * 32


@pytest.mark.parametrize(("members", "sizes", "way"), [
    (6, [1], FullLattice), (20, range(1, 21), FullLattice), (20, [10], FullLattice), (20, [1, 2], Combinations),
    (30, range(1, 31), FullLattice), (31, [1, 2], Combinations), (60, [3], Combinations),
])  # fmt: skip
def test_the_way_that_is_less_work_is_taken(members: int, sizes, way: type) -> None:
    assert isinstance(enumeration.enumerate_subsets(members, list(sizes)), way)


@settings(max_examples=60)
@given(tying_arrays(), st.data())
def test_a_prepared_lattice_answers_for_any_rows(case, data) -> None:
    probs, labels = case
    source = ArraySource(probs, labels)
    rows = data.draw(st.lists(st.integers(0, len(labels) - 1), min_size=1, max_size=6))
    for rule in RULES:
        lattice = Lattice(source, rule, threads=1)
        slow = slow_scores(probs[:, rows], labels[rows], rule)
        assert lattice.masks.tolist() == sorted(slow)
        expected = np.array([slow[int(mask)] for mask in lattice.masks]).T
        assert lattice.correct(rows).tolist() == expected[0].tolist()
        assert lattice.top5(rows).tolist() == expected[1].tolist()
        assert lattice.right(lattice.masks)[:, rows].sum(axis=1).tolist() == expected[0].tolist()
        np.testing.assert_allclose(lattice.nll_sums(rows), expected[2] * len(rows), rtol=1e-12, atol=1e-11)
        np.testing.assert_allclose(lattice.brier_sums(rows), expected[3] * len(rows), rtol=1e-12, atol=1e-11)


def test_rows_as_a_mask_and_folds_that_add_up() -> None:
    source = random_source(7, 200, 9, seed=2, signal=0.5)
    lattice = Lattice(source, threads=2)
    fold = np.arange(200) % 10
    table = lattice_table(source, range(1, 8))
    np.testing.assert_array_equal(sum(lattice.correct(fold == f) for f in range(10)), table.correct)
    np.testing.assert_array_equal(sum(lattice.top5(fold == f) for f in range(10)), table.top5)
    np.testing.assert_allclose(sum(lattice.nll_sums(fold == f) for f in range(10)) / 200, table.nll, atol=1e-12)
    np.testing.assert_allclose(sum(lattice.brier_sums(fold == f) for f in range(10)) / 200, table.brier, atol=1e-12)
    assert lattice.correct([]).tolist() == [0] * 127


@pytest.mark.parametrize("rule", RULES)
def test_per_class_counts_of_named_subsets_and_of_all(rule: str) -> None:
    source = random_source(6, 150, 11, seed=3, signal=0.5)
    labels = np.where(source.labels == 4, 5, source.labels)  # nobody is of class 4
    source = ArraySource(source.probs, labels)
    lattice = Lattice(source, rule, threads=1)
    everything = lattice.per_class()
    np.testing.assert_array_equal(everything.sum(axis=1), lattice.correct())
    assert everything[:, 4].max() == 0
    masks = [63, 1, 22]
    np.testing.assert_array_equal(lattice.per_class(masks), everything[[62, 0, 21]])
    right = lattice.right(masks)
    assert right.shape == (3, 150)
    for row, mask in zip(right, masks, strict=True):
        chosen = [i for i in range(6) if mask >> i & 1]
        for n in range(150):
            alone = slow_scores(source.probs[chosen, n : n + 1], labels[n : n + 1], rule)
            assert row[n] == (alone[2 ** len(chosen) - 1][0] == 1)


def test_only_what_was_asked_for() -> None:
    source = random_source(4, 30, 8)
    table = lattice_table(source, range(1, 5), metrics=["accuracy"])
    full = lattice_table(source, range(1, 5))
    assert table.correct.tolist() == full.correct.tolist()
    assert all(np.isnan(table.scores(name)).all() for name in ("top5", "nll", "brier"))
    assert np.isnan(table.by_size()[0].mean_top5)
    assert table.best().mask == min(
        full.masks[full.correct == full.correct.max()], key=lambda mask: (int(mask).bit_count(), mask)
    )
    np.testing.assert_array_equal(lattice_table(source, [2], metrics=["nll"]).nll, lattice_table(source, [2]).nll)
