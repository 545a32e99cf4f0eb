"""The calibrated log-likelihood and the deep-ensemble equivalent, against a slow reference."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from studies import drawn

from analysis.calibration.equivalent import calibrated_log_likelihood, deep_ensemble_equivalent
from analysis.ensemble import ensemble_of
from analysis.selection.resampling import stratified_folds
from analysis.stack import stack_arrays
from ensemble.errors import BadInput

LABELS = np.arange(400) % 4
PROBS = drawn(LABELS, 4, 0, 1.5, members=5, common=7)


def test_the_likelihood_is_of_samples_that_did_not_fit_the_temperature() -> None:
    probs = PROBS[0] ** 3 / (PROBS[0] ** 3).sum(axis=1, keepdims=True)  # far too sure
    fold = stratified_folds(LABELS, 2, 0)
    total = 0.0
    for held in range(2):
        logs, y = np.log(probs[fold != held]), LABELS[fold != held]
        at = minimize_scalar(
            lambda t, logs=logs, y=y: -np.mean([row[c] / t - np.log(np.exp(row / t).sum())
                                                for row, c in zip(logs, y, strict=True)]),
            bounds=(0.5, 10), method="bounded",
        ).x  # fmt: skip
        total += sum(row[c] / at - np.log(np.exp(row / at).sum())
                     for row, c in zip(np.log(probs[fold == held]), LABELS[fold == held], strict=True))  # fmt: skip
    found = calibrated_log_likelihood(probs, LABELS)
    assert found == pytest.approx(total / 400, abs=1e-5)
    # A temperature undoes what a temperature did: it compares what is behind it.
    assert found == pytest.approx(calibrated_log_likelihood(PROBS[0], LABELS), abs=1e-3)
    with pytest.raises(BadInput, match="too few to fit a temperature"):
        calibrated_log_likelihood(probs[:10], LABELS[:10])


def test_the_equivalent_of_plain_means_is_their_number() -> None:
    stack = stack_arrays(PROBS, LABELS)
    every = deep_ensemble_equivalent(ensemble_of(stack, name="every"), stack)
    assert every.value == pytest.approx(5) and every.its == pytest.approx(every.mean[-1])
    assert (np.diff(every.mean) > 0).all() and every.subsets.tolist() == [5, 5, 5, 5, 1]
    assert every.mean[0] == pytest.approx(np.mean([calibrated_log_likelihood(p, LABELS, stack.sample_ids)
                                                   for p in stack.probs]))  # fmt: skip
    three = deep_ensemble_equivalent(ensemble_of(stack.only([0, 1, 2]), name="three"), stack)
    assert three.value is not None and 1 < three.value < 5
    place = int(three.value)
    line = every.mean[place - 1] + (three.value - place) * (every.mean[place] - every.mean[place - 1])
    assert line == pytest.approx(three.its)
    poor = stack_arrays(drawn(LABELS, 4, 50, 0.1)[None], LABELS)
    assert deep_ensemble_equivalent(ensemble_of(poor), stack).value == 1
    best = stack_arrays(drawn(LABELS, 4, 51, 6.0)[None], LABELS)
    assert deep_ensemble_equivalent(ensemble_of(best), stack).value is None


def test_copies_count_once_and_other_samples_are_refused() -> None:
    stack = stack_arrays(np.concatenate([PROBS[:2], PROBS[:1]]), LABELS)
    found = deep_ensemble_equivalent(ensemble_of(stack, [0.5, 0.5, 0], name="two"), stack)
    assert found.members == ("m-0", "m-1") and found.value == pytest.approx(2)
    few = stack_arrays(PROBS[:2, :100], LABELS[:100])
    with pytest.raises(BadInput, match="differ in their samples"):
        deep_ensemble_equivalent(ensemble_of(few), stack)
