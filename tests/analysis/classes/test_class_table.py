"""Lists of classes: extremes, names, CSV."""

import csv
from pathlib import Path

import numpy as np
import pytest

from analysis.classes.improved import agreement, compare_classes
from analysis.classes.per_class import (
    HEADER,
    PerClass,
    extreme_titles,
    extremes,
    per_class,
    short_names,
    write_class_csv,
)


def classes(count: int, unseen: int = 0, names: tuple[str, ...] | None = None) -> PerClass:
    """Class i is right i times of `count`; the last `unseen` classes have no samples."""
    seen = count - unseen
    labels = np.repeat(np.arange(seen), count)
    preds = np.where(np.arange(len(labels)) % count < labels, labels, (labels + 1) % count)
    ids = tuple(f"n{i:03}" for i in range(count))
    return per_class(labels, preds, ids, names or ids)


@pytest.mark.parametrize(
    ("count", "unseen", "hardest", "easiest"),
    [(1, 0, [0], []), (2, 0, [0], [1]), (9, 0, range(5), range(5, 9)), (9, 4, range(3), range(3, 5)),
     (20, 0, range(10), range(10, 20)), (50, 0, range(10), range(40, 50)), (50, 20, range(10), range(20, 30))],
)  # fmt: skip
def test_extremes_never_overlap_nor_hold_a_class_without_samples(count: int, unseen: int, hardest, easiest) -> None:
    assert extremes(classes(max(count, 2), unseen + max(count, 2) - count)) == (list(hardest), list(easiest))


def test_classes_of_the_lowest_recall_are_none_of_the_easiest() -> None:
    """Of a near-chance study: 26 of 30 classes are never right."""
    labels = np.repeat(np.arange(30), 2)
    ids = tuple(f"n{i:02}" for i in range(30))
    value = per_class(labels, np.where(labels >= 26, labels, 0), ids, ids)
    assert value.correct.tolist() == [0] * 25 + [2] * 5, "the first class is right by always being predicted"
    assert extremes(value) == (list(range(10)), list(range(25, 30)))
    assert extreme_titles(value) == ("Hardest 10 of 30 classes, 25 tied", "Easiest 5")
    assert extreme_titles(per_class(labels, np.full(60, 5), ids, ids)) == (
        "Hardest 10 of 30 classes, 29 tied",
        "Easiest 1",
    )
    assert extreme_titles(per_class(labels, labels, ids, ids)) == ("10 of 30 classes, all of one recall", "")
    assert extreme_titles(classes(40)) == ("Hardest 10 of 40 classes", "Easiest 10")


def test_short_names_tell_classes_apart() -> None:
    value = classes(4, names=("crane, a bird", "crane, a machine", "dog, hound", ""))
    assert sorted(short_names(value)) == ["crane (n000)", "crane (n001)", "dog", "n003"]


def test_csv_holds_every_class_hardest_first(tmp_path: Path) -> None:
    names = ("=1+1", 'a "quoted", name', "dog\nhound", "猫", "never seen")
    value = classes(5, unseen=1, names=names)
    write_class_csv(tmp_path / "c.csv", value)
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == HEADER
    assert [row[2] for row in rows[1:]] == ["'=1+1", *names[1:]]
    assert [float(row[5]) for row in rows[1:5]] == value.accuracy[:4].tolist()
    assert [float(row[6]) for row in rows[1:5]] == value.low[:4].tolist()
    assert rows[1][9:12] == ["n001", names[1], "5"]
    assert rows[5][3:12] == ["0", "0", "", "", "", "", "", "", ""]
    # Of class 3, the last seen, 2 of 5 go on to class 4.
    assert rows[5][13:] == ["2", "0.0", *[repr(float(x)) for x in (value.precision_low[4], value.precision_high[4])],
                            *[""] * 12]  # fmt: skip
    assert [row[17] for row in rows[1:]] == [repr(x) for x in value.f1[:4].tolist()] + [""]


def test_csv_tells_who_is_helped_and_who_agrees_by_class(tmp_path: Path) -> None:
    labels = np.array([0, 0, 1, 1, 1, 2])
    ours, theirs = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 0, 1, 1, 1, 2])
    ids = ("a", "b", "c")
    value = per_class(labels, ours, ids, ids)
    write_class_csv(
        tmp_path / "c.csv", value, compare_classes(labels, ours, theirs, ids, against="m-1"),
        agreement(np.stack([ours, theirs]), labels, ids),
    )  # fmt: skip
    with (tmp_path / "c.csv").open(newline="") as file:
        rows = {row["class_id"]: row for row in csv.DictReader(file)}
    assert [(rows[i]["against"], rows[i]["won"], rows[i]["lost"]) for i in ids] == [
        ("m-1", "1", "0"), ("m-1", "0", "1"), ("m-1", "0", "0")
    ]  # fmt: skip
    assert [float(rows[i]["difference"]) for i in ids] == [0.5, -1 / 3, 0]
    assert [float(rows[i]["members_disagree"]) for i in ids] == [0.5, 1 / 3, 0]
    assert [float(rows[i]["all_right"]) for i in ids] == [0.5, 2 / 3, 1]
