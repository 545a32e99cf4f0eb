"""Any two predictors compared: counts worked by hand, other orders and sets of samples, and what cannot be compared."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_rel

from analysis import Ensemble, compare_classes, ensemble_of, paired_test, stack_arrays, versus
from analysis.metrics import METRICS
from ensemble.errors import BadInput


def made(name: str, seed: int, samples: int = 60, skill: float = 1.5) -> Ensemble:
    rng = np.random.default_rng(seed)
    labels = np.arange(samples) % 4
    logits = rng.normal(size=(samples, 4))
    logits[np.arange(samples), labels] += skill
    exp = np.exp(logits)
    return ensemble_of(stack_arrays(exp[None] / exp.sum(axis=1, keepdims=True), labels), name=name)


def picked(ensemble: Ensemble, rows: np.ndarray) -> Ensemble:
    """The ensemble on some of its samples, in any order."""
    stack = ensemble.stack
    assert stack.labels is not None
    own = replace(stack, probs=stack.probs[:, rows], labels=stack.labels[rows], sample_ids=stack.sample_ids[rows])
    return replace(ensemble, stack=own, preds=ensemble.preds[rows], probs=ensemble.probs[rows])


def test_who_is_right_by_hand() -> None:
    labels = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    ours, other = [0, 1, 2, 0, 1, 0, 1, 0], [0, 1, 0, 1, 2, 2, 1, 2]
    one, two = (ensemble_of(stack_arrays(np.eye(3)[p][None], labels), name=n) for n, p in (("a", ours), ("b", other)))
    found = versus(one, two)
    # Both: 0, 1. Only a: 2, 3, 4. Only b: 5. Neither: 6, with the same class, and 7, with two.
    assert (found.both, found.accuracy.won, found.accuracy.lost, found.neither) == (2, 3, 1, 2)
    assert found.won.tolist() == [2, 3, 4]
    assert found.lost.tolist() == [5]
    assert found.both_wrong_otherwise.tolist() == [7]
    assert found.accuracy == paired_test(labels, ours, other)
    assert found.names == ("a", "b")
    assert found.verdict.startswith("Nothing can be told of which is more accurate. A true difference of 62.50 points")
    # Brier scores are 0 or 2: of a two of eight right, 5, of b 3.
    assert (found.brier.one, found.brier.other, found.brier.difference) == (6 / 8, 10 / 8, -0.5)


def test_scores_against_the_metrics_and_scipy() -> None:
    one, other = made("one", 0), made("other", 1, skill=0.5)
    found, labels = versus(one, other), one.stack.require_labels()
    for score in (found.nll, found.brier):
        ours, theirs = (METRICS[score.metric].per_sample(e.probs, labels) for e in (one, other))
        assert (score.one, score.other) == (ours.mean(), theirs.mean())
        assert score.p == pytest.approx(ttest_rel(ours, theirs).pvalue)
        assert score.low < score.difference < score.high < 0
    by_class = compare_classes(labels, one.preds, other.preds)
    assert np.array_equal(found.classes.q, by_class.q)
    turned = versus(other, one)
    assert (turned.nll.difference, turned.accuracy.low) == pytest.approx((-found.nll.difference, -found.accuracy.high))
    assert found.verdict.startswith("one is more accurate than other")
    assert turned.verdict == found.verdict
    same = versus(one, one)
    assert (same.nll.p, same.brier.low, same.accuracy.p) == (1, 0, 1)
    assert same.verdict.startswith("one and one do the same on every sample")


def test_a_difference_alike_in_all_samples_is_no_chance() -> None:
    labels = np.arange(30) % 2
    sure, unsure = (np.where(np.eye(2)[labels] > 0, p, 1 - p)[None] for p in (0.9, 0.6))
    one, other = (ensemble_of(stack_arrays(p, labels), name=n) for p, n in ((sure, "sure"), (unsure, "unsure")))
    found = versus(one, other)
    assert (found.nll.difference, found.nll.p) == (pytest.approx(np.log(0.6 / 0.9), rel=1e-6), 0)
    with pytest.raises(BadInput, match="have one sample in common, which tells no difference from chance"):
        versus(picked(one, np.arange(1)), other)
    assert "no true difference, however large" in versus(picked(one, np.arange(3)), other).verdict


def test_groups_of_the_common_samples() -> None:
    one, other = made("one", 0), made("other", 1, skill=0.5)
    names = [f"patient {i // 6}" for i in range(60)]
    found = versus(one, other, groups=names)
    assert found.accuracy == versus(one, other, groups=np.arange(60) // 6).accuracy
    count = 6 * found.samples / 6 / 6  # ten groups of one size: Student's test of their means
    by_group = [(METRICS["nll"].per_sample(e.probs, e.stack.require_labels())).reshape(10, 6) for e in (one, other)]
    assert count == 10
    known = ttest_rel(*(values.mean(axis=1) for values in by_group)).pvalue
    assert found.nll.p >= known * 0.999  # never less than that of separate samples
    with pytest.raises(BadInput, match="groups of the common samples: all 6 samples are of one group"):
        versus(one, picked(other, np.arange(6)), groups=names)
    with pytest.raises(BadInput, match="groups: 1 of the 60 samples have none, that of row 3 for one"):
        versus(one, other, groups=[None if i == 3 else name for i, name in enumerate(names)])


def test_samples_are_matched_by_id() -> None:
    one, other = made("one", 0), made("other", 1)
    rows = np.random.default_rng(0).permutation(60)[:40]
    found = versus(one, picked(other, rows))
    known = versus(picked(one, np.sort(rows)), picked(other, np.sort(rows)))
    assert found.samples == 40
    assert (found.accuracy, found.nll, found.brier) == (known.accuracy, known.nll, known.brier)
    assert np.array_equal(found.sample_ids, known.sample_ids)


def test_what_cannot_be_compared() -> None:
    one, other = made("one", 0), made("other", 1)
    with pytest.raises(BadInput, match="one and other: have no samples in common"):
        versus(picked(one, np.arange(30)), picked(other, np.arange(30, 60)))
    with pytest.raises(BadInput, match="one and other: have one sample in common"):
        versus(picked(one, np.arange(30)), picked(other, np.arange(29, 60)))
    stack = other.stack
    labels = (stack.require_labels() + 1) % 4
    with pytest.raises(BadInput, match="have other labels for 60 of 60 samples"):
        versus(one, replace(other, stack=replace(stack, labels=labels)))
    with pytest.raises(BadInput, match="have other classes"):
        versus(one, replace(other, stack=replace(stack, class_ids=("a", "b", "c", "d"))))
    with pytest.raises(BadInput, match="only one of them has sample ids"):
        versus(one, replace(other, stack=replace(stack, ids_given=True)))
    with pytest.raises(BadInput, match="has no labels"):
        versus(replace(one, stack=replace(one.stack, labels=None)), other)
