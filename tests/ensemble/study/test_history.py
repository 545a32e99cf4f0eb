"""Training histories as CSV."""

from pathlib import Path

import numpy as np
import pytest

from ensemble.errors import BadInput
from ensemble.study.history import REQUIRED as COLUMNS
from ensemble.study.history import Epoch, append_epoch, read_epochs, read_history, rewrite_epochs
from ensemble.study.recalls import recall_text

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


def test_right_answers_by_class(tmp_path: Path) -> None:
    """By hand: of classes 0, 0, 1, 3 the first, third and fourth are right; class 2 has no images."""
    labels, right = np.array([0, 0, 1, 3]), np.array([True, False, True, True])
    assert recall_text(labels, right, 4) == "1/2 1/1 0/0 1/1"
    path = written(tmp_path, HEADER, row(1, 0.5))  # as older versions wrote it, without the column
    old = read_epochs(path, upto=9)
    assert old[0].val_recall == ""
    assert read_history(path, "m").recalls is None
    rewrite_epochs(path, old)  # a training that goes on
    append_epoch(path, Epoch(2, 0.01, 2.5, 2.75, 0.25, 2.25, 2.5, 0.75, 9, 1, val_recall="1/2 1/1 0/0 1/1"))
    assert [e.val_recall for e in read_epochs(path, upto=9)] == ["", "1/2 1/1 0/0 1/1"]
    history = read_history(path, "m")
    assert history.recalls is not None
    assert history.columns["val_accuracy"].tolist() == [0.5, 0.75]
    assert "val_recall" not in history.columns
    assert history.recalls.samples.tolist() == [2, 1, 0, 1]
    nan = np.nan
    np.testing.assert_equal(history.recalls.recall, [[nan] * 4, [0.5, 1, nan, 1]])
    path.write_text(path.read_text().replace("1/2 1/1", "2/2 1/1"))
    with pytest.raises(BadInput, match="line 3 does not match its checksum"):
        read_history(path, "m")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1/2 x"], "line 2: expected right answers of images by class"),
        (["3/2"], "line 2: expected no more right answers than images"),
        (["1/2 1/1", "1/2"], "line 3: expected the images of each class that line 2 has"),
        (["", "1/2", "1/3"], "line 4: expected the images of each class that line 3 has"),
    ],
)
def test_right_answers_that_cannot_be(tmp_path: Path, cells: list[str], message: str) -> None:
    path = written(tmp_path, f"{HEADER},val_recall", *(f"{row(i, 0.5)},{c}" for i, c in enumerate(cells, 1)))
    with pytest.raises(BadInput, match=f"history.csv: val_recall: {message}"):
        read_history(path, "m")


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
