"""Errors sample by sample: suspects, rescued and spoiled ones, the oracle, the draw, and their galleries."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.classes.confusion import confused_pairs, confusion
from analysis.ensemble import Ensemble, ensemble_of
from analysis.errors import HEADER, find_errors, write_errors_csv
from analysis.images.gallery import error_gallery, pair_gallery, sample_grid
from analysis.label_errors import confidently_other
from analysis.stack import stack_arrays
from ensemble.errors import BadInput
from ensemble.study.split import Split

A, B, C = [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]
LEAN = [0.4, 0.35, 0.25]  # says A, all but


def hand() -> Ensemble:
    """Three members; the truth is class 0 of all but the last sample, which is of class 1.

    0: all right. 1: all say 1. 2: wrong in three ways that differ. 3: one surely right, two leaning to 1 (rescued).
    4: two lean to 0, the third surely 1 (spoiled, although most are right). 5: only the best member right (spoiled).
    6: of class 1, all right.
    """
    lean_b = [0.35, 0.4, 0.25]
    probs = np.array([
        [A, B, B, A, LEAN, A, B],
        [A, B, C, lean_b, LEAN, C, B],
        [A, B, B, lean_b, B, C, B],
    ])  # fmt: skip
    return ensemble_of(stack_arrays(probs, [0, 0, 0, 0, 0, 0, 1]))


def test_hand_worked() -> None:
    value = find_errors(hand(), samples=4, seed=1)
    assert value.best_member == "m-0"
    assert value.right.tolist() == [True, False, False, True, False, False, True]
    assert value.members_right.tolist() == [3, 0, 0, 1, 2, 1, 3]
    assert value.suspects.tolist() == [1, 2]  # all say the same before a wider margin would count
    assert value.unanimous.tolist() == [True, True, False, False, False, False, True]
    assert value.rescued.tolist() == [3]
    assert value.spoiled.tolist() == [4, 5]
    assert value.majority_right[value.spoiled].tolist() == [True, False]
    assert value.best_right[value.spoiled].tolist() == [True, True]
    assert value.oracle == pytest.approx(5 / 7)
    assert value.by_members_right().tolist() == [[2, 0], [1, 1], [1, 0], [0, 2]]
    assert value.margin == pytest.approx([0, 0.7, 1.7 / 3 - 0.1, 0, 0.5 - 0.3, 1.7 / 3 - 1 / 3, 0], abs=1e-6)
    assert value.confidence[4] == pytest.approx(0.5)


def test_the_draw_is_seeded_without_repeats_and_all_where_there_are_fewer() -> None:
    one, same, other = (find_errors(hand(), 4, seed).drawn.tolist() for seed in (1, 1, 2))
    assert one == same != other
    assert len(set(one)) == 4
    everything = find_errors(hand(), 1000)
    assert sorted(everything.drawn) == list(range(7))
    assert set(everything.drawn_errors()) == {1, 2, 4, 5}
    with pytest.raises(BadInput, match="at least 1 sample to draw, found 0"):
        find_errors(hand(), 0)


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_against_a_loop(members: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(4), (members, 30))
    labels = rng.integers(0, 4, 30)
    group = ensemble_of(stack_arrays(probs, labels))
    value = find_errors(group, 10, seed)
    said = probs.argmax(axis=2)
    best = max(range(members), key=lambda m: ((said[m] == labels).sum(), -m))
    lists: dict[str, set[int]] = {"suspects": set(), "rescued": set(), "spoiled": set()}
    for i in range(30):
        right = sum(said[m, i] == labels[i] for m in range(members))
        ok = group.preds[i] == labels[i]
        if right == 0 and not ok:
            lists["suspects"].add(i)
        if ok and members - right > members / 2:
            lists["rescued"].add(i)
        if not ok and members > 1 and (said[best, i] == labels[i] or right > members / 2):
            lists["spoiled"].add(i)
        assert value.unanimous[i] == (len({said[m, i] for m in range(members)}) == 1)
    assert {name: set(map(int, getattr(value, name))) for name in lists} == lists
    assert value.oracle == pytest.approx(np.mean([(said[:, i] == labels[i]).any() for i in range(30)]))
    assert value.by_members_right().sum() == 30
    keys = [(not value.unanimous[i], -value.margin[i], str(value.sample_ids[i])) for i in value.suspects]
    assert keys == sorted(keys)


def test_confident_learning_by_hand() -> None:
    probs = np.array([[0.9, 0.1], [0.7, 0.3], [0.35, 0.65], [0.2, 0.8], [0.4, 0.6]])
    labels = np.array([0, 0, 0, 1, 1])
    # Thresholds: class 0 (.9 + .7 + .35) / 3 = .65, class 1 (.8 + .6) / 2 = .7. Of the third, labelled 0, neither
    # class reaches its threshold (.35 < .65, .65 < .7).
    assert confidently_other(probs, labels).tolist() == [False] * 5
    labels = np.array([0, 0, 1, 1, 0])
    # Class 0: (.9 + .7 + .4) / 3 = .667, class 1: (.65 + .8) / 2 = .725.
    assert confidently_other(probs, labels).tolist() == [False] * 5
    assert confidently_other(np.array([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8]]), np.array([0, 0, 1])).tolist() == [
        False, True, False
    ]  # fmt: skip


@given(st.integers(0, 2**32 - 1))
def test_confident_learning_against_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probs, labels = rng.dirichlet(np.ones(4) / 2, 40), rng.integers(0, 3, 40)  # class 3 has no samples
    thresholds = {c: np.mean([probs[i, c] for i in range(40) if labels[i] == c]) for c in set(labels.tolist())}
    slow = []
    for i in range(40):
        reached = [c for c in thresholds if probs[i, c] >= thresholds[c] - 1e-12]
        slow.append(bool(reached) and max(reached, key=lambda c: probs[i, c]) != labels[i])
    assert confidently_other(probs, labels).tolist() == slow


def test_planted_wrong_labels_stand_first() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 500)
    probs = np.stack([rng.dirichlet(np.ones(5), 500) * 0.5 + 0.5 * np.eye(5)[truth] for _ in range(3)])
    labels = truth.copy()
    planted = rng.permutation(500)[:20]
    labels[planted] = (truth[planted] + 1) % 5
    value = find_errors(ensemble_of(stack_arrays(probs, labels)))
    assert set(value.suspects[:18]) <= set(planted)
    assert value.likely[planted].mean() > 0.7
    assert value.likely[np.setdiff1d(np.arange(500), planted)].mean() < 0.05


def test_csv_holds_what_is_wrong_rescued_or_drawn(tmp_path: Path) -> None:
    value = find_errors(hand(), samples=2, seed=0)
    write_errors_csv(tmp_path / "e.csv", value)
    with (tmp_path / "e.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == HEADER
    assert {row["sample_id"] for row in rows} == {"1", "2", "3", "4", "5"} | {str(i) for i in value.drawn}
    at = {row["sample_id"]: row for row in rows}
    assert (at["1"]["suspect_rank"], at["2"]["suspect_rank"], at["3"]["suspect_rank"]) == ("1", "2", "")
    assert [at[i]["rescued"] + at[i]["spoiled"] + at[i]["spoiled_a_majority"] for i in "12345"] == [
        "000", "000", "100", "011", "010"
    ]  # fmt: skip
    assert (at["1"]["true_id"], at["1"]["predicted_id"], at["1"]["members_right"], at["1"]["members"]) == (
        "0",
        "1",
        "0",
        "3",
    )
    assert {row["sample_id"] for row in rows if row["drawn"] == "1"} == {str(i) for i in value.drawn}
    margins = [float(row["margin"]) for row in rows]
    assert margins == sorted(margins, reverse=True)


def images(count: int, classes: int = 3, each: int = 0) -> Split:
    """Images whose pixels hold their position; with `each`, that many of each class in turn."""
    pixels = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    labels = np.arange(count) // each % classes if each else None
    ids = tuple(map(str, range(classes)))
    return Split("val", pixels, labels, np.arange(count).astype(str), ids, ids)


@pytest.mark.parametrize(("kind", "rows"), [("suspects", [1, 2]), ("rescued", [3]), ("spoiled", [4, 5])])
def test_galleries_show_the_first_of_a_kind(kind: str, rows: list[int]) -> None:
    value = find_errors(hand())
    shown = error_gallery(value, images(7), kind, images=1)
    assert (shown.rows.tolist(), shown.images[:, 0, 0, 0].tolist(), shown.of) == (rows[:1], rows[:1], len(rows))
    assert error_gallery(value, images(7), kind).rows.tolist() == rows


def test_galleries_refuse_what_they_do_not_know() -> None:
    value = find_errors(hand())
    with pytest.raises(BadInput, match="'suspect' is not a kind of errors; known: suspects"):
        error_gallery(value, images(7), "suspect")
    with pytest.raises(BadInput, match="lacks 1 of 2 predicted samples, '2' for one"):
        error_gallery(value, images(2), "suspects")


def test_pairs_are_shown_with_both_classes_the_surest_first() -> None:
    probs = np.array([[A, LEAN, B, [0.2, 0.7, 0.1], C, B, A]])
    group = ensemble_of(stack_arrays(probs, [0, 0, 0, 0, 0, 1, 1]))
    pairs = confused_pairs(confusion(group.stack.require_labels(), group.preds, "012"))
    shelf, last = pair_gallery(group, images(7), pairs, images=2).shelves
    assert (shelf.pair.a, shelf.pair.b) == (0, 1)
    assert shelf.there.sample_ids.tolist() == ["2", "3"]
    assert shelf.there.confidence == pytest.approx([0.8, 0.7])
    assert shelf.there.true_probability == pytest.approx([0.1, 0.2])
    assert shelf.back.images[:, 0, 0, 0].tolist() == [6]
    assert shelf.a_right.sample_ids.tolist() == ["0", "1"]
    assert shelf.b_right.sample_ids.tolist() == ["5"]
    assert (len(last.there), len(last.back), len(last.b_right)) == (1, 0, 0)


def test_members_are_aligned_by_sample_id() -> None:
    stack = hand().stack
    turned = replace(
        stack, probs=stack.probs[:, ::-1], labels=stack.require_labels()[::-1], sample_ids=stack.sample_ids[::-1]
    )
    back = turned.aligned(stack)
    assert (back.probs == stack.probs).all() and (back.sample_ids == stack.sample_ids).all()
    with pytest.raises(BadInput, match="has other labels than"):
        stack_arrays(stack.probs, [1, 0, 0, 0, 0, 0, 1]).aligned(stack)
    with pytest.raises(BadInput, match=r"lacks 1 of the 7 samples of .*, '6' for one"):
        stack_arrays(stack.probs[:, :6], stack.require_labels()[:6]).aligned(stack)


def test_a_grid_is_seeded_and_takes_all_where_there_are_fewer() -> None:
    split = images(40, 4, each=10)
    one, same, other = (sample_grid(split, 2, 3, seed) for seed in (0, 0, 5))
    assert [ids.tolist() for ids in one.sample_ids] == [ids.tolist() for ids in same.sample_ids]
    assert [ids.tolist() for ids in one.sample_ids] != [ids.tolist() for ids in other.sample_ids]
    assert (len(one.class_ids), one.of, one.seed) == (2, 4, 0)
    for class_id, ids, pixels in zip(one.class_ids, one.sample_ids, one.images, strict=True):
        assert [int(i) // 10 for i in ids] == [int(class_id)] * 3
        assert pixels[:, 0, 0, 0].tolist() == [int(i) for i in ids]
    everything = sample_grid(split, 99, 99)
    assert everything.class_ids == ("0", "1", "2", "3")
    assert [len(pixels) for pixels in everything.images] == [10] * 4
    assert sample_grid(split, classes=[3, 0]).class_ids == ("3", "0")


def test_a_grid_needs_labels() -> None:
    with pytest.raises(BadInput, match="split 'val' is unlabelled"):
        sample_grid(images(4))
    with pytest.raises(BadInput, match="at least 1 class and 1 image of each, found 0 and 8"):
        sample_grid(images(4, each=1), rows=0)
