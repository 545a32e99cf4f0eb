"""What may not change a subset's score: threads, blocks, the order of members; and what must hold of all scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from subset_cases import RULES, random_source, same_table, tying_arrays

from analysis.stack import ArraySource
from analysis.subsets import accumulate, engine, prepare
from analysis.subsets.engine import Lattice, lattice_table
from analysis.subsets.table import sizes_of


@pytest.mark.parametrize("rule", RULES)
def test_threads_and_blocks_give_the_same_bits(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = random_source(6, 700, 6, seed=1, signal=0.3)
    one = lattice_table(source, range(1, 7), rule, threads=1)
    for threads, block in ((1, 1), (2, 100), (3, 128), (5, 699), (1, 5000)):
        same_table(lattice_table(source, range(1, 7), rule, threads=threads, block=block), one)
    monkeypatch.setattr(accumulate, "RIVALS", 10)
    monkeypatch.setattr(prepare, "CAPACITY", 8)
    monkeypatch.setattr(engine, "PENDING", 50)
    same_table(lattice_table(source, range(1, 7), rule, threads=2, block=37), one)


def test_more_samples_than_a_portion_holds() -> None:
    """Products of NLL and sums of Brier are cut at multiples of 8,192, however the samples came."""
    source = random_source(3, 20_000, 3, seed=2, signal=0.5)
    one = lattice_table(source, range(1, 4), threads=1)
    for block in (999, 8192, 10_000, 20_000):
        same_table(lattice_table(source, range(1, 4), threads=2, block=block), one)
    lattice = Lattice(source)
    np.testing.assert_array_equal(lattice.nll_sums() / 20_000, one.nll)
    np.testing.assert_array_equal(lattice.brier_sums() / 20_000, one.brier)
    mean = np.maximum(source.probs[:, np.arange(20_000), source.labels].astype(np.float64), 1e-12).mean(axis=0)
    assert one.nll[-1] == pytest.approx(-np.log(mean).mean(), rel=1e-13)


def test_products_of_the_smallest_and_largest_sums_stay_in_range() -> None:
    for p in (0.0, 1.0):
        probs = np.full((3, 500, 2), [1 - p, p])
        table = lattice_table(ArraySource(probs, np.ones(500, np.int64)), [1, 2, 3], threads=1)
        np.testing.assert_allclose(table.nll, -np.log(max(p, 1e-12)), rtol=1e-14, atol=1e-14)


@settings(max_examples=60)
@given(tying_arrays(), st.randoms())
def test_a_permutation_of_the_members_changes_nothing(case, random) -> None:
    probs, labels = case
    m = len(probs)
    order = list(range(m))
    random.shuffle(order)
    for rule in RULES:
        here = lattice_table(ArraySource(probs, labels), range(1, m + 1), rule, threads=1)
        there = lattice_table(ArraySource(probs[order], labels), range(1, m + 1), rule, threads=1)
        # Bit i of the second is member order[i].
        moved = [sum(1 << order[i] for i in range(m) if mask >> i & 1) - 1 for mask in range(1, 2**m)]
        assert there.correct.tolist() == here.correct[moved].tolist()
        assert there.top5.tolist() == here.top5[moved].tolist()
        np.testing.assert_allclose(there.nll, here.nll[moved], rtol=0, atol=1e-12)
        np.testing.assert_allclose(there.brier, here.brier[moved], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("rule", "metrics"), [("mean", ("nll", "brier")), ("geometric", ("nll",))])
def test_the_mean_over_subsets_of_a_size_never_rises_with_the_size(rule: str, metrics: tuple[str, ...]) -> None:
    """Jensen's inequality, to 1e-9; design's words for it are about the mean over all k-subsets."""
    for seed in range(5):
        table = lattice_table(random_source(8, 60, 5, seed=seed, signal=0.2), range(1, 9), rule, threads=1)
        for metric in metrics:
            means = [table.scores(metric)[table.sizes == k].mean() for k in range(1, 9)]
            assert (np.diff(means) <= 1e-9).all()


def test_sums_of_lattice_sizes() -> None:
    masks = np.array([1, 3, 2**20 + 5, 2**63 + 2**40 + 1, 2**64 - 1], np.uint64)
    assert sizes_of(masks).tolist() == [1, 2, 3, 3, 64]


def test_a_duplicated_member_counts_like_the_other() -> None:
    source = random_source(3, 80, 6, seed=5, signal=0.2)
    twice = ArraySource(source.probs[[0, 0, 1, 2]], source.labels)
    table = lattice_table(twice, range(1, 5), threads=1)
    assert table.find(0b0001).correct == table.find(0b0010).correct == table.find(0b0011).correct
    assert table.find(0b0101).correct == table.find(0b0110).correct
