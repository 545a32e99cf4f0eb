"""Training histories as CSV."""

from pathlib import Path

import numpy as np
import pytest

from ensemble.errors import BadInput
from ensemble.study.history import REQUIRED as COLUMNS
from ensemble.study.history import read_history

HEADER = ",".join(COLUMNS)


def written(folder: Path, *lines: str) -> Path:
    path = folder / "history.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def row(epoch: float, val_accuracy: object) -> str:
    return f"{epoch},0.01,2.5,2.75,0.25,2.25,2.5,{val_accuracy},1000.5,0.125"


def test_last_and_best(tmp_path: Path) -> None:
    history = read_history(written(tmp_path, HEADER, row(1, 0.25), row(2, 0.5), row(3, 0.5), row(4, 0.375)), "m3-0")
    assert (history.member, len(history)) == ("m3-0", 4)
    assert history.last() == (4, 0.375)
    assert history.best() == (2, 0.5)  # the first of equal ones
    assert history.columns["val_loss"].tolist() == [2.5] * 4
    assert history.columns["train_accuracy"].dtype == np.float64


def test_what_was_not_measured_is_nan(tmp_path: Path) -> None:
    history = read_history(written(tmp_path, HEADER, row(1, "nan"), row(2, 0.5), row(3, "")), "m")
    assert history.best() == (2, 0.5)
    assert history.last()[0] == 3
    assert np.isnan(history.last()[1])


def test_further_columns_are_kept(tmp_path: Path) -> None:
    history = read_history(written(tmp_path, HEADER + ",grad", row(1, 0.5) + ",7"), "m")
    assert history.columns["grad"].tolist() == [7]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([""], "expected a column 'epoch' in its first line, found none"),
        (["epoch,loss", "1,2"], "expected a column 'learning_rate' in its first line, found epoch, loss"),
        ([HEADER], "holds no epoch yet; train 'm' first"),
        ([HEADER, row(1, 0.5), "2,0.01,2"], "line 3 has 3 values, expected 10"),
        ([HEADER, row(1, "high")], "line 2, val_accuracy: expected a number, found 'high'"),
        ([HEADER, row(2, 0.5), row(1, 0.5)], "epochs must increase"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, lines: list[str], message: str) -> None:
    path = written(tmp_path, *lines)
    with pytest.raises(BadInput) as error:
        read_history(path, "m")
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_a_missing_file_says_why(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"history\.csv: is missing, so 'm' has no training history"):
        read_history(tmp_path / "history.csv", "m")
