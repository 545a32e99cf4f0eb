"""What each class is taken for: counts, rates, the order by clustering, pairs."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from analysis.classes.confusion import (
    HEADER,
    Confusion,
    arranged,
    clustered,
    confused_pairs,
    confusion,
    confusion_counts,
    write_confusion_csv,
    write_pairs_csv,
)
from analysis.statistics import wilson
from ensemble.errors import BadInput

TRUE = [0, 0, 0, 0, 1, 1, 3, 3]
SAID = [0, 0, 1, 1, 0, 1, 2, 2]
NAMES = ("ant", "bee", "cat", "dog")


def planted(classes: int, size: int, seed: int = 0) -> np.ndarray:
    """Counts in which classes are taken for others of their own group of `size` alone; groups are mixed."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(classes) // size
    same = group[:, None] == group
    counts = np.where(same, rng.integers(1, 9, (classes, classes)), 0)
    np.fill_diagonal(counts, 30)
    return counts


def test_hand_worked() -> None:
    value = confusion(TRUE, SAID, "abcd", NAMES, order="id")
    assert value.counts.tolist() == [[2, 2, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 2, 0]]
    assert value.samples.tolist() == [4, 2, 0, 2]
    assert value.predicted.tolist() == [3, 3, 2, 0]
    assert value.rates[[0, 1, 3]].tolist() == [[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 1, 0]]
    assert np.isnan(value.rates[2]).all()  # a class without samples has no rates, not rates of 0
    assert value.errors.tolist() == [[0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 2, 0]]
    assert value.accuracy == 3 / 8
    assert (len(value), value.order.tolist(), value.blocks) == (4, [0, 1, 2, 3], ())


def test_classes_without_names_are_numbers() -> None:
    value = confusion([0, 10], [10, 10])
    assert value.class_ids == value.class_names == tuple(f"{i:02}" for i in range(11))


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60))
def test_against_scikit_learn_and_a_loop(pairs: list[tuple[int, int]]) -> None:
    true, said = (np.array(side) for side in zip(*pairs, strict=True))
    value = confusion(true, said, "abcdefg")
    slow = [[sum(t == i and s == j for t, s in pairs) for j in range(7)] for i in range(7)]
    assert value.counts.tolist() == slow
    assert (value.counts == confusion_matrix(true, said, labels=range(7))).all()
    assert np.nan_to_num(value.rates) == pytest.approx(confusion_matrix(true, said, labels=range(7), normalize="true"))
    assert sorted(value.order) == list(range(7))


def test_groups_stand_together_and_are_blocks() -> None:
    counts = planted(60, 5)
    value = arranged(counts, tuple(f"{i:02}" for i in range(60)), tuple(f"{i:02}" for i in range(60)), "cluster")
    assert [b.stop - b.start for b in value.blocks] == [5] * 12
    assert [b.start for b in value.blocks] == list(range(0, 60, 5))
    for block in value.blocks:
        columns = value.order[block.start : block.stop]
        assert (counts[np.ix_(columns, columns)] > 0).all()  # one planted group
        inside = sum(int(counts[i, j]) for i in columns for j in columns if i != j)
        assert (block.inside, block.errors) == (inside, inside)
        part = {int(i): int(counts[i, columns].sum() + counts[columns, i].sum()) for i in columns}
        assert list(block.typical) == sorted(part, key=lambda i: (-part[i], i))[:3]


def test_neighbours_are_as_near_as_in_no_order_of_three() -> None:
    # b is confused with both a and c, so it stands between them.
    counts = np.array([[5, 3, 0], [2, 5, 2], [0, 3, 5]])
    assert clustered(counts)[0].tolist() in ([0, 1, 2], [2, 1, 0])


@pytest.mark.parametrize("counts", [np.eye(2, dtype=np.int64), np.eye(9, dtype=np.int64) * 3, np.ones((25, 25), int)])
def test_nothing_or_everything_is_confused(counts: np.ndarray) -> None:
    ids = tuple(map(str, range(len(counts))))
    value = arranged(counts, ids, ids, "cluster")
    assert sorted(value.order) == list(range(len(counts)))
    assert arranged(np.eye(30, dtype=np.int64), ids * 30, ids * 30, "cluster").blocks == ()


@pytest.mark.parametrize(
    ("true", "said", "more", "why"),
    [([0, 1], [0], {}, "y_pred: expected a class for each of 2 samples"),
     ([], [], {}, "y_true: expected a class for each of N"),
     ([0.5], [1.0], {}, "y_true: expected a class for .* found float64"),
     ([0, -1], [0, 0], {}, "y_true: expected classes as whole numbers from 0, found -1 in row 1"),
     ([0, 2], [0, 0], {"class_ids": "ab"}, "columns up to 2 are in use, but 2 ids"),
     ([0], [0], {"class_ids": "ab", "class_names": ("x",)}, "2 ids and 1 names"),
     ([0], [0], {"order": "clutser"}, "'clutser' is not an order of classes; known: cluster")],
)  # fmt: skip
def test_bad_input(true: list, said: list, more: dict, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        confusion(true, said, **more)


def test_pairs_by_hand() -> None:
    value = confusion(TRUE, SAID, "abcd", NAMES)
    first, second = confused_pairs(value)
    assert (first.a, first.b) == (0, 1)
    assert [(d.count, d.samples, d.rate) for d in (first.there, first.back, first.both)] == [
        (2, 4, 0.5), (1, 2, 0.5), (3, 6, 0.5)
    ]  # fmt: skip
    assert (first.both.low, first.both.high) == tuple(float(x) for x in wilson(3, 6))
    assert (second.a, second.b) == (3, 2)  # dog was taken for cat, so it stands first
    assert (second.there.count, second.back.count, second.back.samples) == (2, 0, 0)
    assert np.isnan([second.back.rate, second.back.low, second.back.high]).all()
    assert confused_pairs(value, top=1)[0] == first


@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
def test_pairs_against_a_loop(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, (classes, classes))
    counts[rng.integers(classes)] = 0
    counts[0, 0] += 1
    ids = tuple("abcdefghi"[:classes])
    value = arranged(counts, ids, ids, "id")
    slow = []
    for i in range(classes):
        for j in range(i + 1, classes):
            both = int(counts[i, j] + counts[j, i])
            if both:
                of = int(counts[i].sum() + counts[j].sum())
                a, b = (i, j) if counts[i, j] >= counts[j, i] else (j, i)
                slow.append((-both, -both / of, i, j, a, b, int(counts[a, b]), int(counts[b, a]), of))
    found = [(p.a, p.b, p.there.count, p.back.count, p.both.count, p.both.samples) for p in confused_pairs(value)]
    assert found == [(a, b, there, back, -both, of) for both, _, _, _, a, b, there, back, of in sorted(slow)]


def test_files_name_classes_by_id_and_run_nothing(tmp_path: Path) -> None:
    value = confusion(TRUE, SAID, ("=a", "b", "c", "d"), ("=cmd()", "crane", "crane", "dog"))
    write_confusion_csv(tmp_path / "c.csv", value)
    write_pairs_csv(tmp_path / "p.csv", value, confused_pairs(value))
    with (tmp_path / "c.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    ids = ["'=a" if i == 0 else "abcd"[i] for i in value.order]
    assert head == ["true_id", "true_name", *ids]
    assert [row[0] for row in rows] == ids
    at = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert (at["'=a"]["b"], at["b"]["'=a"], at["d"]["c"], at["'=a"]["true_name"]) == ("2", "1", "2", "'=cmd()")
    with (tmp_path / "p.csv").open(newline="") as file:
        pairs = list(csv.DictReader(file))
    assert tuple(pairs[0]) == HEADER
    assert [(p["a_id"], p["b_id"], p["both"], p["a_as_b"], p["b_samples"]) for p in pairs] == [
        ("'=a", "b", "3", "2", "2"), ("d", "c", "2", "2", "0")
    ]  # fmt: skip
    assert (pairs[1]["b_as_a_rate"], float(pairs[0]["rate"])) == ("", 0.5)


def test_counts_of_many_samples() -> None:
    rng = np.random.default_rng(0)
    true, said = rng.integers(0, 50, (2, 10_000))
    slow = np.zeros((50, 50), dtype=np.int64)
    np.add.at(slow, (true, said), 1)
    assert (confusion_counts(true, said, 50) == slow).all()
    assert isinstance(confusion(true, said), Confusion)


def test_pairs_of_groups_have_wider_intervals() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.integers(0, 3, 40), 5)
    preds = np.where(np.repeat(rng.random(40), 5) < 0.5, labels, (labels + 1) % 3)
    value = confusion(labels, preds)
    groups = [f"patient {i // 5}" for i in range(200)]
    for plain, own in zip(
        confused_pairs(value), confused_pairs(value, y_true=labels, y_pred=preds, groups=groups), strict=True
    ):
        assert (own.a, own.b, own.both.rate) == (plain.a, plain.b, plain.both.rate)
        # Five alike count as one: the interval is about sqrt(5) times as wide.
        assert 1.8 < (own.both.high - own.both.low) / (plain.both.high - plain.both.low) < 2.6
