"""Every subset's scores against hand-worked numbers and a slow reference in exact fractions."""

import math
from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.metrics import quantise
from analysis.stack import PredictionStack
from analysis.subsets.reference import MAX_SUBSETS, count_subsets, subset_preds, subset_table
from ensemble.errors import BadInput


def stack_of(probs, labels, names=None) -> PredictionStack:
    probs = np.asarray(probs, dtype=np.float32)
    m, n, c = probs.shape
    return PredictionStack(
        probs=probs,
        members=tuple(names or (f"m-{i}" for i in range(m))),
        labels=None if labels is None else np.asarray(labels, dtype=np.int64),
        sample_ids=np.array([f"s{i}" for i in range(n)]),
        class_ids=tuple(f"c{i:03d}" for i in range(c)),
        class_names=tuple(f"c{i:03d}" for i in range(c)),
        split="val",
    )


def random_stack(members: int, samples: int, classes: int, seed: int = 0) -> PredictionStack:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    logits = rng.normal(size=(members, samples, classes)) * 2
    logits[:, np.arange(samples), labels] += 2
    exp = np.exp(logits)
    return stack_of(exp / exp.sum(axis=2, keepdims=True), labels)


def slow_scores(stack: PredictionStack, members: tuple[int, ...]) -> dict:
    """The definition, sample by sample, in whole numbers and fractions."""
    right = top5 = 0
    nll, brier, preds = [], Fraction(0), []
    for n in range(stack.samples):
        y = int(stack.require_labels()[n])
        rows = [[Fraction(float(p)) for p in stack.probs[m, n]] for m in members]
        sums = [sum(round(2**26 * row[c]) for row in rows) for c in range(stack.classes)]
        ranked = sorted(range(stack.classes), key=lambda c: (-sums[c], c))
        preds.append(ranked[0])
        right += ranked[0] == y
        top5 += y in ranked[:5]
        nll.append(-math.log(math.fsum(max(float(row[y]), 1e-12) for row in rows) / len(rows)))
        mean = [sum(row[c] for row in rows) / len(rows) for c in range(stack.classes)]
        brier += sum((mean[c] - (c == y)) ** 2 for c in range(stack.classes))
    return {
        "correct": right,
        "top5": top5,
        "nll": math.fsum(nll) / stack.samples,
        "brier": float(brier / stack.samples),
        "preds": preds,
    }


@st.composite
def tying_stacks(draw) -> PredictionStack:
    """Small stacks full of ties: few levels, zeros and ones, uniform members, members that stand twice."""
    m, n = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    c = draw(st.sampled_from([2, 3, 5, 6, 8]))
    row = st.lists(st.integers(0, 3), min_size=c, max_size=c).map(lambda r: r if sum(r) else [1] * c)
    members = []
    for _ in range(m):
        kind = draw(st.sampled_from(["levels", "levels", "uniform", "again", "one-hot"]))
        if kind == "again" and members:
            members.append(members[draw(st.integers(0, len(members) - 1))])
        elif kind == "uniform":
            members.append([[1] * c] * n)
        elif kind == "one-hot":
            members.append(
                [[int(j == k) for j in range(c)] for k in draw(st.lists(st.integers(0, c - 1), min_size=n, max_size=n))]
            )
        else:
            members.append(draw(st.lists(row, min_size=n, max_size=n)))
    weights = np.array(members, dtype=np.float64)
    labels = draw(st.lists(st.integers(0, c - 1), min_size=n, max_size=n))
    return stack_of(weights / weights.sum(axis=2, keepdims=True), labels)


@settings(max_examples=300)
@given(tying_stacks(), st.integers(1, 5))
def test_every_subset_agrees_with_the_slow_reference(stack: PredictionStack, block: int) -> None:
    members = len(stack.members)
    table = subset_table(stack, range(1, members + 1), block=block)
    assert table.masks.tolist() == list(range(1, 2**members))
    for row in table.rows():
        indices = tuple(i for i in range(members) if row.mask >> i & 1)
        slow = slow_scores(stack, indices)
        assert (row.size, row.correct) == (len(indices), slow["correct"])
        assert round(row.top5 * stack.samples) == slow["top5"]
        assert row.nll == pytest.approx(slow["nll"], rel=1e-12, abs=1e-12)
        assert row.brier == pytest.approx(slow["brier"], rel=1e-9, abs=1e-12)
        assert subset_preds(stack, indices).tolist() == slow["preds"]


def test_hand_worked_numbers() -> None:
    # Two members, two samples, three classes; all numbers are exact in binary.
    a = [[0.5, 0.25, 0.25], [0.25, 0.75, 0.0]]
    b = [[0.0, 0.75, 0.25], [0.75, 0.25, 0.0]]
    table = subset_table(stack_of([a, b], [0, 1]), [1, 2])
    assert table.masks.dtype == np.uint64
    assert table.masks.tolist() == [1, 2, 3]
    # Together: (.25, .5, .25) is wrong; (.5, .5, 0) is a tie, which the lower index wins, so it is wrong too.
    assert table.correct.tolist() == [2, 0, 0]
    assert table.top5.tolist() == [2, 2, 2]
    assert table.nll.tolist() == pytest.approx([
        -(math.log(0.5) + math.log(0.75)) / 2,
        -(math.log(1e-12) + math.log(0.25)) / 2,  # b gives the first sample's class no chance at all
        -(math.log((0.5 + 1e-12) / 2) + math.log(0.5)) / 2,
    ])  # fmt: skip
    assert table.brier.tolist() == pytest.approx([
        ((0.25 + 0.0625 + 0.0625) + (0.0625 + 0.0625)) / 2,
        ((1 + 0.5625 + 0.0625) + (0.5625 + 0.5625)) / 2,
        ((0.5625 + 0.25 + 0.0625) + (0.25 + 0.25)) / 2,
    ])  # fmt: skip
    assert table.floored == 1


def test_top5_needs_fewer_than_five_rivals_ahead() -> None:
    # Class 5 ties with classes 0..4, which have lower indices: five rivals are ahead. Class 4 has four.
    uniform = np.full((1, 2, 8), 1 / 8)
    assert subset_table(stack_of(uniform, [5, 4]), [1]).top5.tolist() == [1]
    # A larger sum is ahead whatever its index; equal sums of a higher index are not.
    row = [0.125, 0.0625, 0.0625, 0.0625, 0.0625, 0.125, 0.25, 0.25]
    assert subset_table(stack_of([[row, row]], [1, 2]), [1]).top5.tolist() == [1]


def test_quantising_rounds_halves_to_even_and_keeps_the_shape() -> None:
    probs = np.array([[0.5, 0.5, 2**-27, 3 * 2**-27]], dtype=np.float32)
    q = quantise(probs)
    assert q.dtype == np.int64
    assert q.tolist() == [[2**25, 2**25, 0, 2]]


def test_a_difference_below_half_a_unit_is_a_tie() -> None:
    # Class 1 is ahead by 2^-28, which float32 holds and 2^-26 does not: class 0 is predicted.
    row = np.full(32, 1 / 32)
    row[1] += 2**-28
    stack = stack_of([[row]], [0])
    assert stack.probs[0, 0].argmax() == 1
    assert subset_preds(stack, [0]).tolist() == [0]
    assert subset_table(stack, [1]).correct.tolist() == [1]


@pytest.mark.parametrize("sizes", [[1], [3], [2, 4], [5], [1, 5], [4, 5]])
def test_only_the_sizes_asked_for(sizes: list[int]) -> None:
    stack = random_stack(5, 40, 7)
    whole, part = subset_table(stack, range(1, 6)), subset_table(stack, sizes)
    keep = np.isin(whole.sizes, sizes)
    assert len(part) == count_subsets(5, sizes) == keep.sum()
    for name in ("masks", "correct", "top5", "nll", "brier"):
        assert np.array_equal(getattr(part, name), getattr(whole, name)[keep]), name


@pytest.mark.parametrize("block", [1, 3, 64, 1000])
def test_blocks_change_no_bit(block: int) -> None:
    stack = random_stack(4, 130, 9)
    one, other = subset_table(stack, range(1, 5)), subset_table(stack, range(1, 5), block=block)
    for name in ("masks", "correct", "top5", "nll", "brier"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_more_than_31_members_use_wider_sums() -> None:
    # 40 members agree on class 1 with certainty: 40 * 2^26 does not fit into 32 bits.
    probs = np.zeros((40, 3, 2))
    probs[:, :, 1] = 1
    table = subset_table(stack_of(probs, [1, 1, 0]), [40])
    assert table.masks.tolist() == [2**40 - 1]
    assert table.correct.tolist() == [2]


def test_31_certain_members_fit() -> None:
    probs = np.zeros((31, 4, 2))
    probs[:, :, 1] = 1
    assert subset_table(stack_of(probs, [1, 1, 0, 1]), [31]).correct.tolist() == [3]


@pytest.mark.parametrize("seed", range(3))
def test_mean_nll_and_mean_brier_never_rise_with_k(seed: int) -> None:
    table = subset_table(random_stack(6, 60, 5, seed), range(1, 7))
    summary = table.by_size()
    for before, after in pairwise(summary):
        assert after.mean_nll <= before.mean_nll + 1e-9
        assert after.mean_brier <= before.mean_brier + 1e-9


def test_the_order_of_members_changes_only_the_masks() -> None:
    stack = random_stack(5, 80, 6)
    order = [3, 0, 4, 2, 1]
    turned = stack_of(stack.probs[order], stack.labels)
    one, other = subset_table(stack, range(1, 6)), subset_table(turned, range(1, 6))
    for row in one.rows():
        mask = sum(1 << order.index(i) for i in range(5) if row.mask >> i & 1)
        twin = other.find(mask)
        assert (twin.correct, twin.top5) == (row.correct, row.top5)
        assert twin.nll == pytest.approx(row.nll, abs=1e-12)
        assert twin.brier == pytest.approx(row.brier, abs=1e-12)


def test_progress_is_told_up_to_the_end() -> None:
    seen = []
    subset_table(random_stack(2, 25, 4), [1, 2], lambda done, total: seen.append((done, total)), block=10)
    assert seen == [(10, 25), (20, 25), (25, 25)]


def test_without_labels_nothing_is_scored() -> None:
    with pytest.raises(BadInput, match=r"split 'val' has no labels, so nothing can be scored.*split=NAME"):
        subset_table(stack_of([[[0.5, 0.5]]], None), [1])
    assert subset_preds(stack_of([[[0.25, 0.75]]], None), [0]).tolist() == [1]


@pytest.mark.parametrize("sizes", [[], [0], [3], [1, 9]])
def test_sizes_must_lie_within_the_members(sizes: list[int]) -> None:
    with pytest.raises(BadInput, match="a subset of 2 members has 1 to 2 of them, found size"):
        subset_table(random_stack(2, 3, 3), sizes)


def test_too_many_subsets_are_refused_with_their_number() -> None:
    stack = stack_of(np.full((17, 1, 2), 0.5), [0])
    with pytest.raises(BadInput, match=r"131,071 subsets of 17 members, about \d+ minutes.*of sizes 1 to 3"):
        subset_table(stack, range(1, 18))
    assert count_subsets(16, range(1, 17)) == 65_535 <= MAX_SUBSETS


@pytest.mark.parametrize("indices", [[], [0, 0], [2], [-1]])
def test_a_subset_needs_different_members_that_exist(indices: list[int]) -> None:
    with pytest.raises(BadInput, match=r"different members at positions 0\.\.1"):
        subset_preds(random_stack(2, 3, 3), indices)


def test_against_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    stack = random_stack(4, 200, 8)
    table = subset_table(stack, range(1, 5))
    for chosen in combinations(range(4), 3):
        row = table.find(sum(1 << i for i in chosen))
        mean = stack.probs[list(chosen)].astype(np.float64).mean(axis=0)
        mean /= mean.sum(axis=1, keepdims=True)
        classes = range(8)
        assert row.accuracy == metrics.accuracy_score(stack.labels, mean.argmax(axis=1))
        assert row.top5 == metrics.top_k_accuracy_score(stack.labels, mean, k=5, labels=classes)
        assert row.nll == pytest.approx(metrics.log_loss(stack.labels, mean, labels=classes), abs=1e-6)
        # scikit-learn's binary score counts one class of the two; each class against the rest adds up to ours.
        per_class = [metrics.brier_score_loss(stack.labels == c, mean[:, c]) for c in classes]
        assert row.brier == pytest.approx(sum(per_class), abs=1e-6)
