"""Doubted labels: both variants by hand, slowly and against the authors' library; copies count once."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import drawn

from analysis.copies import copies_words, find_copies, independent
from analysis.ensemble import ensemble_of
from analysis.label_errors import (
    confident_joint,
    confidently_other,
    find_label_errors,
    prune_by_noise_rate,
    write_label_errors_csv,
)
from analysis.stack import stack_arrays


def noisy(seed: int, n: int = 300, c: int = 4, wrong: float = 0.1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, labels of which some are wrong, and which."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, c, n)
    planted = rng.random(n) < wrong
    labels = np.where(planted, (truth + rng.integers(1, c, n)) % c, truth)
    return drawn(truth, c, seed + 1, 2.5), labels, planted


def test_a_joint_worked_by_hand() -> None:
    probs = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])
    labels = np.array([0, 0, 0, 1, 1, 1])
    # Thresholds: 2.0 / 3 for class 0 and 1.7 / 3 for class 1; every sample reaches one of them.
    assert confidently_other(probs, labels).tolist() == [False, False, True, False, False, True]
    assert confident_joint(probs, labels).tolist() == [[2, 1], [1, 2]]
    assert prune_by_noise_rate(probs, labels).tolist() == [False, False, True, False, False, True]
    # Of six labelled 0 two are not confident at all: three, one and their remainder make five and one.
    more = np.concatenate([probs, [[0.6, 0.4], [0.62, 0.38]]])
    both = np.append(labels, [0, 0])
    assert confident_joint(more, both).sum(axis=1).tolist() == [5, 3]


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_noise_rates_prune_what_the_joint_expects(seed: int) -> None:
    probs, labels, _ = noisy(seed, 60, 3)
    joint = confident_joint(probs, labels)
    assert joint.sum(axis=1).tolist() == np.bincount(labels, minlength=3).tolist()
    slow = np.zeros(60, dtype=bool)
    for i in range(3):
        rows = [r for r in range(60) if labels[r] == i]
        for j in range(3):
            if j != i:
                most = sorted(rows, key=lambda r: probs[r, i] - probs[r, j])
                slow[most[: joint[i, j]]] = True
    slow &= probs.argmax(axis=1) != labels
    found = prune_by_noise_rate(probs, labels)
    assert found.tolist() == slow.tolist()
    order = np.random.default_rng(seed).permutation(60)
    assert prune_by_noise_rate(probs[order], labels[order]).tolist() == found[order].tolist()


def test_both_are_cleanlabs() -> None:
    """The same samples as cleanlab 2 finds; skipped where it is not installed."""
    filters = pytest.importorskip("cleanlab.filter")
    probs, labels, _ = noisy(3, 400, 5)
    for ours, name in ((prune_by_noise_rate(probs, labels), "prune_by_noise_rate"),
                       (confidently_other(probs, labels), "confident_learning")):  # fmt: skip
        theirs = filters.find_label_issues(labels, probs, filter_by=name, n_jobs=1)
        assert ours.tolist() == (theirs & (probs.argmax(axis=1) != labels) if "rate" in name else theirs).tolist()


def test_planted_errors_lead_the_list_and_copies_count_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 400)
    planted = rng.choice(400, 30, replace=False)
    labels = truth.copy()
    labels[planted] = (truth[planted] + 1) % 5
    members = [drawn(truth, 5, i, 3.0) for i in range(4)]
    half = members[0].astype(np.float16).astype(np.float64)
    half /= half.sum(axis=1, keepdims=True)
    stack = stack_arrays(np.stack([*members, members[0], half]), labels)
    value = find_label_errors(ensemble_of(stack))
    assert value.members == ("m-0", "m-1", "m-2", "m-3") and value.copies == ("m-4", "m-5")
    votes = value.votes["prune_by_noise_rate"][value.rows]
    assert votes.max() <= 4 and (np.diff(votes) <= 0).all()
    assert np.isin(value.rows[:20], planted).mean() > 0.85
    alone = [prune_by_noise_rate(stack.probs[i], labels) for i in range(4)]
    assert value.votes["prune_by_noise_rate"].tolist() == np.sum(alone, axis=0).tolist()
    write_label_errors_csv(tmp_path / "l.csv", value)
    rows = list(csv.DictReader((tmp_path / "l.csv").read_text().splitlines()))
    assert [row["sample_id"] for row in rows] == stack.sample_ids[value.rows].tolist()
    assert [int(row["members_agree"]) for row in rows] == votes.tolist()
    assert len(value) == len(value.to_frame()) == len(rows)


def test_copies_are_found_whatever_the_rounding_and_good_networks_are_none() -> None:
    labels = np.arange(500) % 5
    good = [drawn(labels, 5, i, 9.0) for i in range(3)]  # nearly always right, and sure of it
    assert find_copies(stack_arrays(np.stack(good), labels)) == ()
    half = good[0].astype(np.float16).astype(np.float64)
    half /= half.sum(axis=1, keepdims=True)
    stack = stack_arrays(np.stack([good[0], good[1], half, good[2], good[1]]), labels)
    copies = find_copies(stack)
    assert copies == ((0, 2), (1, 4))
    assert independent(copies, 5) == [0, 1, 3]
    said = copies_words(copies, stack.members)
    assert (
        said.startswith("Same predictions under two names: m-0 and m-2; m-1 and m-4.")
        and "the 5 names have only 3 different predictions" in said
    )
    assert copies_words((), stack.members) == ""
    poor = [drawn(labels, 5, i, 0.3) for i in range(2)]
    nearly = 0.995 * poor[0] + 0.005 * poor[1]  # of another training nobody would ask
    assert find_copies(stack_arrays(np.stack([*poor, nearly]), labels)) == ((0, 2),)
    three = find_copies(stack_arrays(np.stack([poor[0]] * 3), labels))
    assert three == ((0, 1, 2),) and "several names: m-0, m-1 and m-2" in copies_words(three, ("m-0", "m-1", "m-2"))
