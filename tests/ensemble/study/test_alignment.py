"""Misaligned rows: the moments by hand and by drawing, what is noticed, and what is not."""

import numpy as np
import pytest

from ensemble.study.alignment import chance_test, find_misaligned

N, C = 600, 5


def members(seed: int, count: int = 4, skew: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Members that err on the same hard samples, and are less confident there; skew: of how unequal classes are."""
    rng = np.random.default_rng(seed)
    share = np.arange(C, 0, -1.0) ** skew
    labels = rng.choice(C, N, p=share / share.sum())
    hard = rng.normal(size=(N, C))
    logits = 1.2 * hard + 0.8 * rng.normal(size=(count, N, C)) + 4 * np.eye(C)[labels]
    probs = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    order = np.argsort(-probs, axis=2)
    return order[..., 0], order[..., 1], probs.max(axis=2), labels


def test_chance_by_hand() -> None:
    # Predicted 3 x a, 1 x b; labelled 2 x a, 2 x b: of the 6 ways to lay the labels 3 agree on 3 samples, 3 on 1.
    test = chance_test(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
    assert (test.observed, test.expected, test.most) == (3, 2.0, 3)
    assert test.sd == pytest.approx(1.0)
    assert test.z == pytest.approx(1.0) and not test.telling
    constant = chance_test(np.zeros(50, np.int64), np.arange(50) % 2)
    assert (constant.sd, constant.telling) == (0, False)


@pytest.mark.parametrize("grouped", [False, True])
def test_moments_are_those_of_rows_paired_at_random(grouped: bool) -> None:
    rng = np.random.default_rng(1)
    a, b, groups = rng.integers(0, 3, 60), rng.choice(3, 60, p=[0.6, 0.3, 0.1]), rng.integers(0, 4, 60)
    test = chance_test(a, b, groups if grouped else None)
    counts = []
    for _ in range(20_000):
        order = rng.permutation(60)
        if grouped:  # stable by group: rows move within their group alone
            order = order[np.argsort(groups[order], kind="stable")][np.argsort(np.argsort(groups, kind="stable"))]
            assert (groups[order] == groups).all()
        counts.append((a == b[order]).sum())
    assert test.expected == pytest.approx(np.mean(counts), abs=0.1)
    assert test.sd == pytest.approx(np.std(counts), rel=0.03)


@pytest.mark.parametrize("skew", [0.0, 3.0])
@pytest.mark.parametrize("labelled", [True, False])
def test_sound_members_are_not_blamed(skew: float, labelled: bool) -> None:
    for seed in range(10):
        preds, second, confidence, labels = members(seed, skew=skew)
        assert find_misaligned(preds, second, confidence, labels if labelled else None, ["a", "b", "c", "d"]) == []


@pytest.mark.parametrize("skew", [0.0, 3.0])
def test_shuffled_rows_are_noticed_also_where_classes_are_unequal(skew: float) -> None:
    for seed in range(10):
        preds, second, confidence, labels = members(seed, skew=skew)
        order = np.random.default_rng(seed).permutation(N)
        preds[2], second[2], confidence[2] = preds[2][order], second[2][order], confidence[2][order]
        (found,) = find_misaligned(preds, second, confidence, labels, ["a", "b", "c", "d"])
        assert (found.member, found.kind) == ("c", "labels")
        assert found.share == (preds[2] == labels).mean() and found.share == pytest.approx(found.expected, abs=0.08)
        assert "c: " in str(found) and "no better than chance" in str(found)
        (found,) = find_misaligned(preds, second, confidence, None, ["a", "b", "c", "d"])
        assert (found.member, found.kind) == ("c", "members")


@pytest.mark.parametrize("labelled", [True, False])
def test_a_member_of_one_class_is_not_blamed_and_hides_no_other(labelled: bool) -> None:
    preds, second, confidence, labels = members(1)
    preds[3], second[3], confidence[3] = 0, 1, 0.8
    given = labels if labelled else None
    assert find_misaligned(preds, second, confidence, given, ["a", "b", "c", "d"]) == []
    order = np.random.default_rng(1).permutation(N)
    preds[2], second[2], confidence[2] = preds[2][order], second[2][order], confidence[2][order]
    assert [f.member for f in find_misaligned(preds, second, confidence, given, ["a", "b", "c", "d"])] == ["c"]


def test_rows_shuffled_among_those_of_their_class_are_noticed_by_the_other_members() -> None:
    for seed in range(10):
        preds, second, confidence, labels = members(seed)
        for c in range(C):
            rows = np.flatnonzero(labels == c)
            order = np.random.default_rng(seed).permutation(rows)
            for side in (preds, second, confidence):
                side[1, rows] = side[1, order]
        (found,) = find_misaligned(preds, second, confidence, labels, ["a", "b", "c", "d"])
        assert (found.member, found.kind) == ("b", "members")
        assert "are its rows of the same samples" in str(found)


def test_a_fifth_of_the_rows_in_another_order_is_noticed_by_confident_contradiction() -> None:
    for seed in range(10):
        preds, second, confidence, labels = members(seed)
        rng = np.random.default_rng(seed)
        rows = rng.choice(N, N // 5, replace=False)
        order = rng.permutation(rows)
        for side in (preds, second, confidence):
            side[0, rows] = side[0, order]
        (found,) = find_misaligned(preds, second, confidence, labels, ["a", "b", "c", "d"])
        assert (found.member, found.kind) == ("a", "rows")
        assert "are some of its rows in another order" in str(found)


def test_too_few_samples_tell_nothing() -> None:
    preds = np.array([[0, 1, 0, 1, 1]])
    assert find_misaligned(preds, 1 - preds, np.ones((1, 5)), np.array([1, 0, 1, 0, 0]), ["a"]) == []
