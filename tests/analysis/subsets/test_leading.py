"""All subsets without a table: what is added up and kept is what a table of them says."""

from pathlib import Path

import numpy as np
import pytest
from subset_cases import random_source

from analysis.metrics import METRICS
from analysis.subsets import leading
from analysis.subsets.beyond import LeadingTable
from analysis.subsets.engine import lattice_table
from analysis.subsets.leading import LeadingParts, leading_table
from analysis.subsets.shapley import shapley
from analysis.subsets.table import SubsetTable
from ensemble.errors import BadInput
from ensemble.study.part import Part

MEMBERS = 17
SIZES = (
    "k", "subsets", "mean_accuracy", "min_accuracy", "max_accuracy", "mean_top5", "min_score", "max_score", "best",
)  # fmt: skip


@pytest.fixture(scope="module")
def both() -> tuple[SubsetTable, LeadingTable]:
    source = random_source(MEMBERS, 300, 7, seed=5, signal=0.5)
    return lattice_table(source, range(1, MEMBERS + 1)), leading_table(source)


def test_the_best_few_thousand_by_each_metric_are_kept_with_their_very_scores(both) -> None:
    table, found = both
    assert found.count == len(table) == 2**MEMBERS - 1
    rows = np.searchsorted(table.masks, found.masks)
    assert (table.masks[rows] == found.masks).all()
    assert len(found) < 20_000
    for name in ("correct", "top5", "nll", "brier"):
        np.testing.assert_array_equal(getattr(found, name), getattr(table, name)[rows])
    for metric in METRICS:
        loss = table.scores(metric) * (-1 if METRICS[metric].higher_is_better else 1)
        best = np.lexsort((table.masks, loss))[: leading.KEPT]
        assert set(best.tolist()) <= set(rows.tolist())
        for most in (None, 1, 4):
            assert found.best(metric, most) == table.best(metric, most)


def test_sizes_and_shapley_values_are_those_of_the_table(both) -> None:
    table, found = both
    for metric in METRICS:
        for ours, theirs in zip(found.by_size(metric), table.by_size(metric), strict=True):
            for name in (
                "k",
                "subsets",
                "mean_accuracy",
                "min_accuracy",
                "max_accuracy",
                "mean_top5",
                "min_score",
                "max_score",
                "best",
            ):
                assert getattr(ours, name) == getattr(theirs, name)
            assert ours.mean_nll == pytest.approx(theirs.mean_nll, abs=1e-12)
            assert ours.mean_brier == pytest.approx(theirs.mean_brier, abs=1e-12)
        assert found.contributions[metric].values == pytest.approx(shapley(table, metric).values, abs=1e-12)
        assert found.contributions[metric].all == shapley(table, metric).all


def test_the_density_counts_every_subset_by_size_and_score(both) -> None:
    table, found = both
    for metric in METRICS:
        density = found.densities[metric]
        assert density.counts.sum(axis=1)[1:].tolist() == [s.subsets for s in table.by_size()]
        scores = table.scores(metric)[table.sizes == 5]
        expected, _ = np.histogram(scores, bins=leading.BINS, range=(density.low, density.high))
        assert np.abs(density.counts[5] - expected).sum() <= 4  # a score on an edge may fall to either side


def test_where_many_are_equally_good_the_best_of_each_size_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of few samples thousands of one size are right equally often; those that are kept of them are not the first."""
    monkeypatch.setattr("analysis.subsets.shard_sums.KEPT", 4)
    monkeypatch.setattr(leading, "SHARD", 1)
    source = random_source(MEMBERS, 15, 6, seed=0, signal=1.0)
    table, found = lattice_table(source, range(1, MEMBERS + 1)), leading_table(source, threads=1)
    for metric in METRICS:
        assert [size.best for size in found.by_size(metric)] == [size.best for size in table.by_size(metric)]


def test_an_interrupted_run_goes_on_to_the_same_bits(both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = random_source(MEMBERS, 300, 7, seed=5, signal=0.5)
    monkeypatch.setattr(leading, "SHARD", 2**15)
    told: list[int] = []

    def interrupt(done: int, total: int) -> None:
        assert total == 2**MEMBERS
        told.append(done)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leading_table(source, progress=interrupt, folder=tmp_path)
    [path] = tmp_path.glob("val-mean-*.h5")
    told.clear()
    again = leading_table(source, progress=lambda done, _total: told.append(done), folder=tmp_path, threads=3)
    assert told == [3 * 2**15, 4 * 2**15]
    whole = leading_table(source)
    np.testing.assert_array_equal(again.masks, whole.masks)
    np.testing.assert_array_equal(again.nll, whole.nll)
    assert again.by_size() == whole.by_size()
    # Done: asked again it has nothing to do.
    told.clear()
    leading_table(source, progress=lambda done, _total: told.append(done), folder=tmp_path)
    assert told == []
    # Other options are another file.
    leading_table(source, metrics=["accuracy"], folder=tmp_path)
    assert len(list(tmp_path.glob("val-mean-*.h5"))) == 2
    data = bytearray(path.read_bytes())
    data[-100] ^= 255
    path.write_bytes(data)
    with pytest.raises(BadInput, match="does not match its checksum"):
        leading_table(source, folder=tmp_path)


@pytest.mark.parametrize("rule", ["vote", "geometric"])
def test_rules_without_probabilities_have_counts_alone(rule: str) -> None:
    source = random_source(13, 120, 5, seed=1, signal=0.5)
    table, found = lattice_table(source, range(1, 14), rule), leading_table(source, rule)
    assert found.best() == pytest.approx(table.best(), nan_ok=True) or found.best().mask == table.best().mask
    assert set(found.contributions) == {"accuracy", "top5"}
    assert [s.max_accuracy for s in found.by_size()] == [s.max_accuracy for s in table.by_size()]


@pytest.mark.parametrize(("samples", "signal"), [(300, 0.5), (40, 1.5)])  # of the latter thousands are equally good
@pytest.mark.parametrize("shard", [2**15, 2**19])
def test_accuracy_alone_is_what_the_table_says(
    samples: int, signal: float, shard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leading, "SHARD", shard)
    monkeypatch.setattr(leading, "ALONE", 1)
    source = random_source(MEMBERS, samples, 7, seed=8, signal=signal)
    table = lattice_table(source, range(1, MEMBERS + 1), metrics=["accuracy"])
    found = leading_table(source, metrics=["accuracy"], threads=2)
    rows = np.searchsorted(table.masks, found.masks)
    np.testing.assert_array_equal(table.masks[rows], found.masks)
    np.testing.assert_array_equal(table.correct[rows], found.correct)
    best = np.lexsort((table.masks, -table.correct))[: leading.KEPT]
    assert set(best.tolist()) <= set(rows.tolist())
    assert {1 << i for i in range(MEMBERS)} | {2**MEMBERS - 1} <= set(found.masks.tolist())
    for ours, theirs in zip(found.by_size(), table.by_size(), strict=True):
        assert all(getattr(ours, name) == getattr(theirs, name) for name in SIZES if name not in ("mean_top5", "best"))
        assert ours.best.mask == theirs.best.mask
        scores = table.scores("accuracy")[table.sizes == ours.k]
        bins = np.minimum((scores * leading.BINS).astype(int), leading.BINS - 1)
        counted = found.densities["accuracy"].counts[ours.k]
        np.testing.assert_array_equal(counted, np.bincount(bins, minlength=leading.BINS))
    theirs = shapley(table, "accuracy")
    assert found.contributions["accuracy"].values == pytest.approx(theirs.values, abs=1e-12)


@pytest.mark.parametrize("metrics", [("accuracy",), tuple(METRICS)])
def test_parts_of_several_machines_are_the_single_run(
    metrics: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leading, "SHARD", 2**15)
    monkeypatch.setattr(leading, "ALONE", 1)
    source = random_source(MEMBERS, 120, 7, seed=3, signal=0.8)
    whole = leading_table(source, metrics=metrics)
    mine = LeadingParts(source, tmp_path, metrics=metrics)
    assert mine.score(Part(3, 3))

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # of two blocks one is done
        mine.score(Part(2, 2), interrupt)
    assert mine.path(Part(2, 2)).is_file()
    told: list[tuple[int, int]] = []
    assert mine.score(Part(2, 2), lambda *done: told.append(done))
    assert told == [(2 * 2**15, 2 * 2**15)]
    with pytest.raises(BadInput, match="of 3 parts these are missing: 1/3, 2/3; score them first"):
        mine.merge()
    assert mine.score(Part(1, 3))
    assert mine.score(Part(2, 3))
    assert not mine.score(Part(2, 3))
    kept = mine.path(Part(2, 3)).read_bytes()
    mine.path(Part(2, 3)).write_bytes(mine.path(Part(1, 3)).read_bytes())
    with pytest.raises(BadInput, match=r"2-of-3\.h5: is of other predictions, options or parts than these"):
        mine.score(Part(2, 3))
    mine.path(Part(2, 3)).write_bytes(kept)
    merged = LeadingParts(source, tmp_path, metrics=metrics).merge()
    for name in ("masks", "correct", "top5", "nll", "brier"):
        np.testing.assert_array_equal(getattr(merged, name), getattr(whole, name))
    for metric in metrics:
        np.testing.assert_array_equal(merged.densities[metric].counts, whole.densities[metric].counts)
        assert merged.contributions[metric].values == pytest.approx(whole.contributions[metric].values, abs=1e-12)
        for ours, theirs in zip(merged.by_size(metric), whole.by_size(metric), strict=True):
            assert ours.best.mask == theirs.best.mask
            assert (ours.mean_accuracy, ours.min_score, ours.max_score) == (
                theirs.mean_accuracy, theirs.min_score, theirs.max_score,
            )  # fmt: skip
            assert ours.mean_nll == pytest.approx(theirs.mean_nll, abs=1e-12, nan_ok=True)
    other = random_source(MEMBERS, 120, 7, seed=4, signal=0.8)
    with pytest.raises(BadInput, match="no parts of these subsets, and 4 of other members, predictions or options"):
        LeadingParts(other, tmp_path, metrics=metrics).merge()
    with pytest.raises(BadInput, match=r"only='1/5': 4 blocks of subsets cannot be cut into 5 parts"):
        mine.score(Part(1, 5))


def test_few_and_very_many_members_are_refused() -> None:
    with pytest.raises(BadInput, match="8 members: expected 9 to 32"):
        leading_table(random_source(8, 20, 3))
    with pytest.raises(BadInput, match="33 members: expected 9 to 32"):
        leading_table(random_source(33, 20, 3))
