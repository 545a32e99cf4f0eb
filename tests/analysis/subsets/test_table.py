"""The table of subsets: choosing, summarising, writing."""

import csv
import importlib.util

import numpy as np
import pytest

from analysis.subsets.table import SubsetTable, write_subset_table
from ensemble.errors import BadInput


def table_of(masks, correct, nll=None, brier=None, top5=None, members=("a", "b", "c"), samples=10) -> SubsetTable:
    s = len(masks)
    return SubsetTable(
        masks=np.array(masks, dtype=np.uint64),
        correct=np.array(correct, dtype=np.int64),
        top5=np.array(top5 or [samples] * s, dtype=np.int64),
        nll=np.array(nll or [1.0] * s, dtype=np.float64),
        brier=np.array(brier or [0.5] * s, dtype=np.float64),
        members=members,
        samples=samples,
        classes=4,
        split="val",
    )


COLUMNS = ["mask", "members", "size", "correct", "accuracy", "top5", "nll", "brier"]
ALL = [1, 2, 3, 4, 5, 6, 7]


def test_the_best_by_each_metric() -> None:
    table = table_of(ALL, [1, 2, 3, 4, 9, 6, 7], nll=[7, 6, 5, 4, 3, 1, 2], brier=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    assert table.best().members == ("a", "c")
    assert table.best("nll").mask == 6
    assert table.best("brier").mask == 1
    assert table.best("accuracy", max_size=1).members == ("c",)
    assert table.best().accuracy == 0.9


def test_ties_go_to_fewer_members_then_lower_nll_then_lower_mask() -> None:
    assert table_of(ALL, [1, 1, 8, 1, 8, 8, 8], nll=[1, 1, 2, 1, 2, 2, 0.5]).best().mask == 3
    assert table_of(ALL, [1, 1, 8, 1, 8, 8, 8], nll=[1, 1, 2, 1, 1.5, 2, 0.5]).best().mask == 5
    assert table_of(ALL, [8] * 7).best().mask == 1
    # Differences that only rounding makes do not count.
    assert table_of(ALL, [8] * 7, nll=[2, 2, 2, 1, 1, 1, 1 - 1e-15]).best("nll").mask == 4


def test_by_size() -> None:
    table = table_of(ALL, [1, 2, 6, 3, 7, 5, 9], nll=[3, 4, 2, 5, 2.5, 3, 1], top5=[8, 9, 9, 10, 9, 9, 10])
    one, two, three = table.by_size()
    assert (one.k, one.subsets, one.mean_accuracy, one.min_accuracy, one.max_accuracy) == (1, 3, 0.2, 0.1, 0.3)
    assert (one.mean_top5, one.mean_nll, one.mean_brier) == (pytest.approx(0.9), 4, 0.5)
    assert (two.k, two.subsets, two.best.members) == (2, 3, ("a", "c"))
    assert two.mean_accuracy == pytest.approx(0.6)
    assert (three.k, three.subsets, three.best.members) == (3, 1, ("a", "b", "c"))
    assert table.by_size("nll")[1].best.members == ("a", "b")


def test_gain_is_over_the_subset_s_own_best_member() -> None:
    table = table_of(ALL, [1, 2, 6, 9, 7, 5, 9], nll=[3, 4, 2, 5, 2.5, 3, 1])
    assert table.gain(table.find(3)) == pytest.approx(0.4)
    assert table.gain(table.find(5)) == pytest.approx(-0.2)
    assert table.gain(table.find(3), "nll") == 1
    assert table.single_best().members == ("c",)
    with pytest.raises(BadInput, match="holds no subset of a"):
        table_of([3], [5]).gain(table_of([3], [5]).find(3))
    with pytest.raises(BadInput, match="holds no single members"):
        table_of([3], [5]).single_best()


def test_members_of_a_mask() -> None:
    table = table_of(ALL, [0] * 7)
    assert table.members_of(5) == ("a", "c")
    assert table.indices_of(6) == (1, 2)
    assert table.sizes.tolist() == [1, 1, 2, 1, 2, 2, 3]


def test_a_budget_below_every_subset_is_refused() -> None:
    with pytest.raises(BadInput, match="no subset has 1 members or fewer: the smallest that was scored has 2"):
        table_of([3, 5], [1, 2]).best(max_size=1)


def test_an_unknown_metric_names_the_known_ones() -> None:
    with pytest.raises(BadInput, match="'acc' is no metric; known: accuracy"):
        table_of([1], [1]).best("acc")


@pytest.mark.parametrize("masks", [[], [0, 1], [2, 1], [1, 1], [8]])
def test_masks_are_checked(masks: list[int]) -> None:
    with pytest.raises(BadInput, match="subset table"):
        table_of(masks, [1] * len(masks))


def test_csv(tmp_path) -> None:
    path = tmp_path / "new" / "subsets.csv"
    table = table_of([1, 2, 3], [1, 2, 3], nll=[0.1 + 0.2, 1.0, 1e-9], members=("m3-0", "m3-1"))
    write_subset_table(path, table)
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == COLUMNS
    assert rows[3] == ["3", "m3-0+m3-1", "2", "3", "0.3", "1.0", "1e-09", "0.5"]
    assert [float(row[6]) for row in rows[1:]] == table.nll.tolist()  # to the last bit
    assert [p.name for p in path.parent.iterdir()] == ["subsets.csv"]


def test_h5(tmp_path) -> None:
    from ensemble.study.tables import read_table

    table = table_of([1, 3], [1, 2], members=("m3-0", "m3-1"))
    write_subset_table(tmp_path / "t.h5", table)
    columns, attributes = read_table(tmp_path / "t.h5")
    assert columns["mask"].tolist() == [1, 3]
    assert columns["members"].tolist() == ["m3-0", "m3-0+m3-1"]
    assert columns["correct"].tolist() == [1, 2]
    assert (attributes["split"], attributes["rule"], attributes["samples"]) == ("val", "mean", 10)


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is there")
def test_parquet_without_pyarrow_says_what_to_install(tmp_path) -> None:
    with pytest.raises(BadInput, match="run 'pip install pyarrow'"):
        write_subset_table(tmp_path / "t.parquet", table_of([1], [1]))
    assert not list(tmp_path.iterdir())


def test_parquet(tmp_path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_subset_table(tmp_path / "t.parquet", table_of([1, 3], [1, 2]))
    rows = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    expected = [3, "a+b", 2, 2, 0.2, 1.0, 1.0, 0.5]
    assert rows[1] == dict(zip(COLUMNS, expected, strict=True))


@pytest.mark.parametrize("name", ["t.xls", "t", "folder.csv"])
def test_other_names_are_refused(tmp_path, name: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(BadInput, match=r"must end in \.csv, \.parquet, \.h5|is a folder"):
        write_subset_table(tmp_path / name, table_of([1], [1]))
