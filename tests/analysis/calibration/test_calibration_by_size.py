"""Calibration of subsets by size: every subset against `calibration` and the table."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from analysis.calibration.calibration import measure_calibration
from analysis.calibration.of_ensemble import calibration_by_size, calibration_scores, choose_subsets
from analysis.stack import PredictionStack
from analysis.subsets.reference import mask_of, subset_preds, subset_table
from ensemble.errors import BadInput


def stack_of(members: int, classes: int, samples: int, seed: int = 0) -> PredictionStack:
    rng = np.random.default_rng([seed, members, classes])
    labels = np.arange(samples) % classes
    logits = 1.5 * rng.normal(size=(members, samples, classes)) + 3 * np.eye(classes)[labels] * rng.random((samples, 1))
    probs = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    ids = tuple(f"n{i:03}" for i in range(classes))
    names = tuple(f"m-{i}" for i in range(members))
    return PredictionStack(probs.astype(np.float32), names, labels, np.arange(samples).astype(str), ids, ids, "val")


@pytest.mark.parametrize(("members", "classes"), [(1, 3), (2, 10), (5, 4), (4, 200)])
def test_every_subset_is_what_it_is_alone(members: int, classes: int) -> None:
    stack = stack_of(members, classes, 500)
    labels = stack.require_labels()
    found = calibration_by_size(stack, bins=10)
    table = subset_table(stack, range(1, members + 1))
    assert len(found.subsets) == 2**members - 1 and not found.sampled
    assert found.how == f"all {2**members - 1} subsets"
    for row, subset in enumerate(found.subsets):
        alone = measure_calibration(stack.mean_probs(subset), labels, subset_preds(stack, subset), bins=10)
        own = table.find(mask_of(subset))
        assert found.scores["ece"][row] == pytest.approx(alone.ece, abs=1e-7)
        assert found.scores["confidence"][row] == pytest.approx(alone.mean_confidence, abs=1e-8)
        assert found.scores["accuracy"][row] == own.accuracy
        assert found.scores["nll"][row] == pytest.approx(own.nll, abs=1e-12)
        assert found.scores["brier"][row] == pytest.approx(own.brier, abs=1e-12)


def test_the_last_row_is_the_ensembles() -> None:
    stack = stack_of(4, 6, 300)
    scores = calibration_scores("all", stack.mean_probs(), stack.require_labels(), subset_preds(stack, range(4)))
    found = calibration_by_size(stack)
    for name in found.scores:
        assert found.scores[name][-1] == pytest.approx(getattr(scores, name), abs=1e-7), name


def test_summaries_by_size() -> None:
    found = calibration_by_size(stack_of(5, 4, 200))
    assert found.ks.tolist() == [1, 2, 3, 4, 5] and found.counts.tolist() == [5, 10, 10, 5, 1]
    mean, low, high = found.summary("nll")
    own = found.scores["nll"][found.sizes == 2]
    assert (mean[1], low[1], high[1]) == (own.mean(), own.min(), own.max())
    # Jensen: the mean over k-subsets never rises with k.
    assert (np.diff(mean) <= 1e-9).all() and (np.diff(found.summary("brier")[0]) <= 1e-9).all()


def test_averaging_alone_makes_less_sure() -> None:
    """Members who are honest one by one: the ensemble says less than it knows (Rahaman and Thiery, NeurIPS 2021)."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 4000)
    seen = np.where(labels == 1, 1.0, -1.0) + rng.normal(size=(6, 4000)) * 1.5
    one = 1 / (1 + np.exp(-2 * seen / 1.5**2))
    probs = np.stack([1 - one, one], axis=2).astype(np.float32)
    names, ids = tuple(f"m-{i}" for i in range(6)), ("a", "b")
    found = calibration_by_size(PredictionStack(probs, names, labels, np.arange(4000).astype(str), ids, ids, "val"))
    gaps = found.summary("confidence")[0] - found.summary("accuracy")[0]
    assert abs(gaps[0]) < 0.02 and (np.diff(gaps) < 0).all() and gaps[-1] < -0.1
    assert found.summary("ece")[0][-1] > 3 * found.summary("ece")[0][0]


@pytest.mark.parametrize("members", [1, 2, 8])
def test_few_members_have_all_subsets(members: int) -> None:
    expected = {c for k in range(1, members + 1) for c in combinations(range(members), k)}
    assert {tuple(sorted(s)) for s in choose_subsets(members)} == expected


@pytest.mark.parametrize("members", [9, 14, 30, 70])
def test_a_sample_is_seeded_balanced_and_small(members: int) -> None:
    chosen = choose_subsets(members)
    assert chosen == choose_subsets(members) and chosen != choose_subsets(members, seed=1)
    sets = [frozenset(order) for order in chosen]
    assert len(set(sets)) == len(sets) <= 25 * members + members**2
    sizes = np.bincount([len(s) for s in sets])[1:]
    assert sizes[0] == members and sizes[-1] == 1 and sizes.max() <= max(28, members)
    assert sizes[1:-2].min() >= min(20, members)
    if members >= 20:  # one circle: each member takes part equally often in each size but the last
        for k in range(1, members):
            assert {sum(i in s for s in sets if len(s) == k) for i in range(members)} == {k}


def test_a_sample_is_told_and_scored_rightly() -> None:
    stack = stack_of(9, 3, 60)
    found = calibration_by_size(stack)
    assert found.sampled and "of 511 subsets, at most 27 of each size, drawn by seed" in found.how
    for row in (0, 40, len(found.subsets) - 1):
        subset = found.subsets[row]
        alone = measure_calibration(stack.mean_probs(subset), stack.require_labels(), subset_preds(stack, subset))
        assert found.scores["ece"][row] == pytest.approx(alone.ece, abs=1e-7)


def test_more_members_than_32_bits_hold() -> None:
    stack = stack_of(33, 2, 20)
    sure = replace(stack, probs=np.repeat(np.eye(2, dtype=np.float32)[stack.require_labels()][None], 33, axis=0))
    for own in (stack, sure):
        found = calibration_by_size(own)
        whole = measure_calibration(own.mean_probs(), own.require_labels(), subset_preds(own, range(33)))
        assert found.scores["ece"][-1] == pytest.approx(whole.ece, abs=1e-6)
    assert found.scores["accuracy"][-1] == 1 and found.scores["ece"][-1] == 0


def test_each_members_zero_is_floored_before_averaging() -> None:
    stack = stack_of(2, 3, 30)
    wrong = np.eye(3, dtype=np.float32)[(stack.require_labels() + 1) % 3]
    both = replace(stack, probs=np.stack([wrong, stack.probs[0]]))
    found = calibration_by_size(both)
    table = subset_table(both, [1, 2])
    assert found.scores["nll"] == pytest.approx([table.find(mask).nll for mask in (1, 2, 3)], abs=1e-12)
    assert found.scores["nll"][0] == pytest.approx(-np.log(1e-12))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stack, told = stack_of(3, 4, 101), []
    whole = calibration_by_size(stack)
    monkeypatch.setattr("analysis.calibration.of_ensemble.BLOCK_NUMBERS", 40)
    parts = calibration_by_size(stack, progress=lambda done, total: told.append((done, total)))
    for name in whole.scores:
        assert parts.scores[name] == pytest.approx(whole.scores[name], abs=1e-12)
    assert told[0] == (10, 101) and told[-1] == (101, 101)


def test_no_bins() -> None:
    with pytest.raises(BadInput, match="at least one bin"):
        calibration_by_size(stack_of(2, 2, 5), bins=0)
