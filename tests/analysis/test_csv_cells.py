"""Cells of CSV files: numbers that read back the same, text that a spreadsheet does not run."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.csv_cells import cell, harmless, write_csv


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@x", "\tx", "\rx", "\nx", "＝x", "＋1"])
def test_formulas_are_disarmed(name: str) -> None:
    assert harmless(name) == "'" + name
    assert harmless("x" + name) == "x" + name
    assert cell(np.str_(name)) == "'" + name


def test_numbers_stay_numbers_and_nothing_is_empty() -> None:
    values = (-1, -0.5, np.float64(0.1), np.int64(-3), True, np.bool_(False), None, float("nan"))
    assert [cell(v) for v in values] == ["-1", "-0.5", "0.1", "-3", "1", "0", "", ""]


@given(st.floats(allow_nan=False))
def test_a_number_reads_back_the_same(value: float) -> None:
    assert float(cell(value)) == value


def test_a_file_reads_back(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", ("=a", "b"), [("x, y", 1), ('"', -2.5), ("dog\nhound", None)])
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["'=a", "b"], ["x, y", "1"], ['"', "-2.5"], ["dog\nhound", ""]]


def test_control_characters_cannot_drive_a_terminal() -> None:
    assert harmless("\x1b[31mred\x07") == "\ufffd[31mred\ufffd"
    assert harmless("two\nlines\tand a tab") == "two\nlines\tand a tab"
