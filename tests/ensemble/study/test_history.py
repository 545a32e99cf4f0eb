"""Training histories as CSV."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import history

from ensemble.errors import BadInput
from ensemble.study.history import REQUIRED as COLUMNS
from ensemble.study.history import (
    Epoch,
    append_epoch,
    has_epochs,
    history_columns,
    read_epochs,
    read_history,
    rewrite_epochs,
    write_history,
)
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


def test_what_others_keep_by_name(tmp_path: Path) -> None:
    keras: Any = {"epoch": [0, 1, 2], "loss": [3.0, 2.0, None], "val_accuracy": ["0.5", "", 1.0]}
    rows = [dict(zip(keras, values, strict=True)) for values in zip(*keras.values(), strict=True)]
    csv = written(tmp_path, "Epoch, loss,val_accuracy", "0,3,0.5", "1,2,", "2,,1")
    forms: tuple[Any, ...] = (keras, rows, csv)
    for given in forms:
        columns = history_columns(given)
        assert list(columns) == list(COLUMNS)
        assert columns["epoch"].tolist() == [1, 2, 3]  # counted from 1
        np.testing.assert_equal(columns["train_loss"], [3, 2, np.nan])
        np.testing.assert_equal(columns["val_accuracy"], [0.5, np.nan, 1])
        assert np.isnan(columns["learning_rate"]).all()
    assert history_columns({"loss": [2, 1]})["epoch"].tolist() == [1, 2]
    assert history_columns({"epoch": [1, 5], "loss": [2, 1]})["epoch"].tolist() == [1, 5]
    write_history(tmp_path / "history.csv", history_columns(keras) | {"images_seen": np.array([7.0, np.nan, 9.0])})
    text = (tmp_path / "history.csv").read_text().splitlines()
    assert text[1].startswith("1,,3.0,3.0,,,,0.5,,,7,")  # whole numbers of images, nothing where it is not known
    assert text[2].startswith("2,,2.0,2.0,,,,,,,,")
    assert read_history(tmp_path / "history.csv", "m").columns["val_accuracy"][0] == 0.5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "found nothing; name them so"), ({"epoch": [1]}, "found epoch; name them so"), ([], "found nothing"),
        ({"loss": []}, "of one length"), ({"loss": [1, 2], "val_loss": [1]}, "of one length"), ({"x": [1]}, "found x"),
        ({"loss": ["high"]}, "loss: expected a number for every epoch"),
        ({"val_accuracy": [np.nan, 71.5]}, "val_accuracy: expected fractions of 1, found 71.5; divide by 100"),
        ({"accuracy": [-0.1, 1]}, "train_accuracy: expected fractions of 1"),
        ({"epoch": [2, 2], "loss": [1, 1]}, "epoch: expected numbers that increase"),
        ({"epoch": [1, np.nan], "loss": [1, 1]}, "epoch: expected numbers that increase"),
    ],
)  # fmt: skip
def test_what_is_no_history_of_others(given: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        history_columns(given)


def test_images_and_steps_of_the_rate() -> None:
    plain = history("m", [0.1] * 5, rates=[0.1, 0.1, 0.05, 0.05, 0.01])
    assert np.asarray(plain.falls()).tolist() == [2, 4]  # of four changes two: no more than half
    assert history("m", [0.1] * 4, rates=[0.1, 0.05, 0.01, 0.01]).falls() is None  # of three, two
    assert (
        np.asarray(history("m", [0.1] * 3, rates=[0.1, 0.1, 0.1 * (1 - 1e-10)]).falls()).tolist() == []
    )  # rounding is no step
    assert plain.images() is None
    assert np.asarray(plain.images(100)).tolist() == [100, 200, 300, 400, 500]
    assert np.asarray(history("m", [0.1] * 2, seen=[1, 90]).images(100)).tolist() == [1, 90]
    assert np.asarray(history("m", [0.1] * 2, seen=[0, 90]).images(100)).tolist() == [
        100,
        200,
    ]  # not counted from the beginning
    assert history("m", [np.nan, 0.0]).best() == (2, 0.0)


def test_a_history_that_has_just_begun_is_none_yet(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    assert not has_epochs(path)
    for text, has in ((HEADER + "\n", False), (f"{HEADER}\n{row(1, 0.5)}\n", True), ("", True)):  # empty is damaged
        path.write_text(text)
        assert has_epochs(path) is has


def test_lines_carry_checksums_and_their_heading_too(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    rewrite_epochs(path, [Epoch(i, 0.1, 2.5, 2.5, 0.5, 2.5, 2.5, 0.5, 100.0, 1.0) for i in (1, 2, 3)])
    good = path.read_text()
    assert [e.epoch for e in read_epochs(path, 2)] == [1, 2]
    assert [e.images_seen for e in read_epochs(path, 9)] == [0, 0, 0]
    path.write_text(good[: -len(good.splitlines()[-1]) // 2])  # the last line was cut off: what comes before counts
    assert [e.epoch for e in read_epochs(path, 2)] == [1, 2]
    name = good.splitlines()[0].rpartition(",")[2]
    path.write_text(good.replace(name, "x" + name, 1))
    with pytest.raises(BadInput, match=f"line 1: 'x{name}' stands over checksums"):
        read_history(path, "m")
    lines = good.splitlines()
    path.write_text("\n".join([lines[0], lines[1], lines[2] + ",1", lines[3]]) + "\n")
    with pytest.raises(BadInput, match="line 3 does not match its checksum"):
        read_history(path, "m")
    path.write_text(f"{HEADER}\n{row(1, 0.5)}\n{row(2, 'x')}\n")
    with pytest.raises(BadInput, match=r"line 3 is (not an|no) epoch of a history"):
        read_epochs(path, 2)
