"""Joining members by sample id and class id."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.stack import PredictionStack, join, stack_arrays
from analysis.subsets.reference import subset_table
from ensemble.errors import BadInput
from ensemble.study.predictions import Predictions

CLASSES = ("ant", "bee", "cat")


def member(name, rows, ids=None, classes=CLASSES, labels=None, **more) -> Predictions:
    rows = np.asarray(rows, dtype=np.float32)
    return Predictions(
        member=name,
        split=more.pop("split", "val"),
        probs=rows,
        sample_ids=np.array(ids if ids is not None else [str(i) for i in range(len(rows))]),
        class_ids=tuple(classes),
        class_names=tuple(more.pop("names", classes)),
        labels=None if labels is None else np.array(labels),
        **more,
    )


A = [[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]]
B = [[0.0, 1.0, 0.0], [0.25, 0.25, 0.5]]


def test_rows_and_columns_are_matched_by_name() -> None:
    a = member("m-10", A, ids=["x", "y"], labels=[0, 2])
    # The same samples and classes in another order: rows y, x and columns cat, ant, bee.
    b = member(
        "m-9", [[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]], ids=["y", "x"], classes=("cat", "ant", "bee"), labels=[0, 1]
    )
    stack = join([a, b])
    assert stack.members == ("m-9", "m-10")  # natural order
    assert stack.sample_ids.tolist() == ["y", "x"]  # the order of the first of them
    assert stack.class_ids == CLASSES
    assert stack.probs.dtype == np.float32
    assert stack.probs[0].tolist() == [[0.25, 0.25, 0.5], [0.0, 1.0, 0.0]]
    assert stack.probs[1].tolist() == [A[1], A[0]]
    assert stack.require_labels().tolist() == [2, 0]
    assert (stack.samples, stack.classes, stack.split, stack.dropped) == (2, 3, "val", (0, 0))


def test_one_member_alone() -> None:
    stack = join([member("solo", A, labels=[0, 1])])
    assert stack.probs.shape == (1, 2, 3)
    assert stack.mean_probs().tolist() == A


def test_mean_and_quantised() -> None:
    stack = join([member("a", A), member("b", B)])
    assert stack.mean_probs().dtype == np.float64
    assert stack.mean_probs().tolist() == [[0.25, 0.625, 0.125], [0.1875, 0.5, 0.3125]]
    assert stack.mean_probs([1]).tolist() == B
    assert stack.quantised().tolist() == (stack.probs.astype(np.float64) * 2**26).astype(int).tolist()
    assert stack.quantised(slice(1, 2)).shape == (2, 1, 3)


@given(st.permutations(range(3)), st.permutations(range(5)), st.permutations(range(4)), st.integers(0, 2**32 - 1))
def test_permutations_change_no_score(members: list[int], rows: list[int], columns: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(4), size=(3, 5))
    labels = rng.integers(0, 4, 5)
    ids, classes = np.array([f"s{i}" for i in range(5)]), np.array(["d", "a", "c", "b"])
    plain = [member(f"m{i}", probs[i], ids, classes, labels) for i in range(3)]
    turned = [
        member(f"m{i}", probs[i][np.ix_(rows, columns)], ids[rows], classes[columns], np.argsort(columns)[labels[rows]])
        if i != 1
        else plain[1]
        for i in members
    ]
    one, other = (subset_table(join(p), [1, 2, 3]) for p in (plain, turned))
    for name in ("masks", "correct", "top5"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    assert other.nll == pytest.approx(one.nll, abs=1e-12)
    assert other.brier == pytest.approx(one.brier, abs=1e-12)


def test_different_samples_are_refused_with_counts_and_the_way_out() -> None:
    a, b = member("a", A, ids=["x", "y"]), member("b", [*B, B[0]], ids=["y", "z", "w"])
    with pytest.raises(BadInput) as error:
        join([a, b])
    assert str(error.value) == (
        "'a' has 2 samples and 'b' has 3, not the same ones: 1 ('x' for one) only in 'a', 2 ('w' for one) only in 'b'; "
        "intersect=True takes the common ones."
    )


def test_intersect_takes_the_common_samples_and_says_what_is_lost() -> None:
    a = member("a", A, ids=["x", "y"], labels=[0, 1])
    b = member("b", [*B, B[0]], ids=["y", "z", "w"], labels=[1, 1, 1])
    stack = join([a, b], intersect=True)
    assert stack.sample_ids.tolist() == ["y"]
    assert stack.dropped == (1, 2)
    assert stack.require_labels().tolist() == [1]
    assert stack.probs[:, 0].tolist() == [A[1], B[0]]


def test_samples_in_common_are_those_of_every_member() -> None:
    a = member("a", [*A, *B], ids=["w", "x", "y", "z"])
    b = member("b", [*A, B[0]], ids=["x", "y", "w"])
    c = member("c", [B[0], *A], ids=["z", "y", "x"])
    stack = join([a, b, c], intersect=True)
    assert stack.sample_ids.tolist() == ["x", "y"]
    assert stack.dropped == (2, 1, 1)
    assert stack.probs.tolist() == [[A[1], B[0]], [A[0], A[1]], [A[1], A[0]]]


def test_nothing_in_common_is_refused_even_then() -> None:
    with pytest.raises(BadInput, match=r"no sample in common with 'a'; for example 'x' against 'p'"):
        join([member("a", A, ids=["x", "y"]), member("b", B, ids=["p", "q"])], intersect=True)


def test_other_classes_are_refused() -> None:
    with pytest.raises(BadInput, match=r"'a' has 3 classes and 'b' has 3: 1 \('cat' for one\) only in 'a', 1 \('dog'"):
        join([member("a", A), member("b", B, classes=("ant", "bee", "dog"))])


def test_other_labels_of_the_same_id_are_refused() -> None:
    a = member("a", A, ids=["x", "y"], labels=[0, 1])
    b = member("b", B, ids=["y", "x"], labels=[2, 0])
    with pytest.raises(BadInput, match=r"different labels for 1 of 2 samples, sample 'y' first: 'bee' against 'cat'"):
        join([a, b])


def test_labels_come_from_whoever_has_them() -> None:
    a, b = member("a", A, ids=["x", "y"]), member("b", B, ids=["y", "x"], labels=[2, 0])
    assert join([a, b]).require_labels().tolist() == [0, 2]
    assert join([a]).labels is None


def test_row_numbers_join_only_with_row_numbers() -> None:
    named, unnamed = member("a", A, ids=["0", "1"], labels=[0, 1]), member("b", B, labels=[0, 1], ids_given=False)
    with pytest.raises(BadInput, match=r"'a' names its samples and 'b' has row numbers only.*import 'b' again.*--ids"):
        join([named, unnamed])


def test_row_numbers_join_where_labels_agree() -> None:
    a, b = (member(n, p, labels=[0, 1], ids_given=False) for n, p in (("a", A), ("b", B)))
    stack = join([a, b])
    assert not stack.ids_given
    assert stack.probs.tolist() == [A, B]
    with pytest.raises(BadInput, match=r"row 1 first: 'bee' against 'cat'; their rows are in a different order"):
        join([a, member("b", B, labels=[0, 2], ids_given=False)])
    with pytest.raises(BadInput, match="'b' has neither sample ids nor labels"):
        join([a, member("b", B, ids_given=False)])
    with pytest.raises(BadInput, match="'a' has 2 rows and 'b' has 1"):
        join([a, member("b", B[:1], labels=[0], ids_given=False)], intersect=True)


def test_two_members_of_one_name_and_two_splits_are_refused() -> None:
    with pytest.raises(BadInput, match="member 'a' was given twice"):
        join([member("a", A), member("a", B)])
    with pytest.raises(BadInput, match="'a' predicts split 'val' and 'b' split 'test'"):
        join([member("a", A), member("b", B, split="test")])
    with pytest.raises(BadInput, match="no member was given"):
        join([])


def test_class_names_come_from_whoever_knows_them() -> None:
    stack = join([member("a", A), member("b", B, classes=("cat", "bee", "ant"), names=("tabby", "bee", "ant"))])
    assert stack.class_names == ("ant", "bee", "tabby")


def test_an_unknown_member_is_named_with_the_nearest() -> None:
    with pytest.raises(BadInput, match="'m3-9' is not among the members joined; known: m3-0"):
        join([member("m3-0", A)]).index("m3-9")


def test_a_stack_checks_itself() -> None:
    good = join([member("a", A), member("b", B)])
    with pytest.raises(BadInput, match="natural order, found b, a"):
        PredictionStack(good.probs, ("b", "a"), None, good.sample_ids, CLASSES, CLASSES, "val")
    with pytest.raises(BadInput, match=r"float32 \(M, N, C\), found float64"):
        PredictionStack(good.probs.astype(float), ("a", "b"), None, good.sample_ids, CLASSES, CLASSES, "val")


def test_rows_of_other_samples_are_noticed() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 400)
    logits = rng.normal(size=(400, 4)) + rng.normal(size=(3, 400, 4)) + 3 * np.eye(4)[truth]
    probs = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    assert stack_arrays(probs, truth).misaligned() == []
    probs[1] = np.roll(probs[1], 1, axis=0)
    (found,) = stack_arrays(probs, truth).misaligned()
    assert (found.member, found.kind) == ("m-1", "labels")
    (found,) = stack_arrays(probs).misaligned()
    assert (found.member, found.kind) == ("m-1", "members")


def test_half_precision_is_made_to_sum_to_one() -> None:
    """float16 rounds a probability by up to 2.4e-4: as float32, rows of it are off by more than their own rounding."""
    probs = np.random.default_rng(0).dirichlet(np.ones(20), 50).astype(np.float16)
    wide = probs.astype(np.float64)
    (found,) = stack_arrays([probs]).probs
    assert found == pytest.approx(wide / wide.sum(axis=1, keepdims=True), abs=1e-7)
    assert np.abs(found.sum(axis=1, dtype=np.float64) - 1).max() < 1e-6 < np.abs(wide.sum(axis=1) - 1).max()
