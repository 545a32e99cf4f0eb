"""Which weights are kept: the last, the best on tune, the mean of the last ones; early stopping; going on alike."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ensemble.datasets import load_dataset
from ensemble.errors import BadInput
from ensemble.inference.members import open_member
from ensemble.study.history import Epoch, read_epochs
from ensemble.study.recipe import Recipe, builtin_plan
from ensemble.study.study import Study, config_of
from ensemble.study.weights import load_tensors
from ensemble.training import run as training
from ensemble.training.job import Outcome, TrainingJob
from ensemble.training.kept import best_on_tune, stopped
from ensemble.training.plan_members import MemberPlan
from ensemble.training.pool import finished_outcome
from ensemble.training.run import train_member

RECIPE = replace(builtin_plan("digits").base, epochs=6, tune=0.2)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    torch.set_num_threads(1)
    return Study.create(tmp_path / "study", config_of(load_dataset("digits")))


def train(study: Study, name: str, recipe: Recipe, stop_at: int | None = None) -> Outcome:
    def hear(kind: str, facts: dict[str, Any]) -> None:
        if kind == "epoch" and facts["epoch"] == stop_at:
            raise KeyboardInterrupt

    return train_member(TrainingJob(study.root, name, recipe, 1, "cpu", ("val",)), hear)


def weights(study: Study, name: str) -> dict[str, torch.Tensor]:
    return load_tensors(study.files(name).weights, "kofn.weights")[0]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_best_on_tune_is_what_fewer_epochs_would_have_given(study: Study) -> None:
    recipe = replace(RECIPE, keep="best", learning_rate=0.05)
    outcome = train(study, "chosen", recipe)
    assert outcome.kept is not None
    history = read_epochs(study.files("chosen").history, upto=99)
    accuracies = [e.tune_accuracy for e in history]
    assert outcome.kept == 1 + int(np.argmax(accuracies))
    train(study, "fewer", replace(RECIPE, learning_rate=0.05, epochs=outcome.kept))
    assert same(weights(study, "chosen"), weights(study, "fewer"))
    assert np.array_equal(study.read("chosen", "val").probs, study.read("fewer", "val").probs)
    assert study.read("chosen", "val").attributes["epoch"] == outcome.kept == open_member(study, "chosen", "cpu").epochs
    right = float((study.read("chosen", "val").probs.argmax(1) == study.read("chosen", "val").labels).mean())
    assert right == pytest.approx(history[outcome.kept - 1].val_accuracy, abs=1e-9)
    again = finished_outcome(study, MemberPlan("chosen", recipe, "skip"), ("val",))
    assert (again.kept, again.epochs) == (outcome.kept, 6)


def test_the_average_is_the_mean_of_the_last_weights(study: Study) -> None:
    train(study, "mean", replace(RECIPE, keep="average", average_last=3))
    each = []
    for epochs in (4, 5, 6):
        train(study, f"after-{epochs}", replace(RECIPE, epochs=epochs))
        each.append(weights(study, f"after-{epochs}"))
    for name, tensor in weights(study, "mean").items():
        slow = torch.stack([w[name].double() for w in each]).mean(0)
        assert torch.allclose(tensor.double(), slow, atol=1e-6), name


@pytest.mark.parametrize("keep", ["best", "average"])
def test_a_training_cut_off_keeps_the_same(study: Study, keep: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    recipe = replace(RECIPE, keep=keep, average_last=4 if keep == "average" else 0)
    train(study, "whole", recipe)
    with pytest.raises(KeyboardInterrupt):
        train(study, "cut", recipe, stop_at=5)
    assert train(study, "cut", recipe).status == "resumed"
    assert same(weights(study, "whole"), weights(study, "cut"))
    assert np.array_equal(study.read("whole", "val").probs, study.read("cut", "val").probs)


def test_training_ends_early_where_tune_gets_no_better(study: Study) -> None:
    """With next to no learning the first epoch stays the best: after two more it is over, and a skip says so too."""
    recipe = replace(RECIPE, keep="best", stop_after=2, learning_rate=1e-12, l2=0.0)
    outcome = train(study, "m", recipe)
    assert (outcome.epochs, outcome.kept, outcome.status) == (3, 1, "trained")
    assert train(study, "m", recipe).status == "skipped"
    assert finished_outcome(study, MemberPlan("m", recipe, "skip"), ("val",)).epochs == 3


def epochs(*tune: float) -> list[Epoch]:
    return [Epoch(i, 0.1, 1, 1, 0.5, 1, 1, 0.5, 1, 1, 1, 1.0, a) for i, a in enumerate(tune, 1)]


def test_the_first_of_equal_epochs_is_the_best() -> None:
    assert best_on_tune(epochs(0.1, 0.3, 0.3, 0.2)) == 2
    recipe = replace(RECIPE, stop_after=2)
    assert [stopped(recipe, epochs(*(0.1, 0.3, 0.3, 0.2)[:n])) for n in range(5)] == [False, False, False, False, True]
    assert not stopped(RECIPE, epochs(0.3, 0.2, 0.1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keep": "best", "tune": 0.0}, "look at the accuracy on tune"),
        ({"stop_after": 3, "tune": 0.0}, "set tune, to 0.1 say"),
        ({"keep": "first"}, "keep must be one of last, best, average"),
        ({"average_last": 3}, "average_last is of keep = 'average'"),
        ({"keep": "average", "average_last": 7}, "more than the 6 epochs"),
        ({"precision": "half"}, "precision must be one of auto, float32, bfloat16"),
        ({"keep": "best", "schedule": "cosine", "snapshots": 2}, "snapshots are kept at the end of their cycles"),
    ],
)
def test_what_does_not_go_together(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        replace(RECIPE, **settings)


def test_half_precision_is_another_arithmetic(study: Study) -> None:
    once = replace(RECIPE, epochs=1, tune=0.0)
    train(study, "auto", once)
    train(study, "full", replace(once, precision="float32"))
    train(study, "half", replace(once, precision="bfloat16"))
    assert same(weights(study, "auto"), weights(study, "full"))
    assert not same(weights(study, "auto"), weights(study, "half"))
    images = load_dataset("digits").split("val").images
    assert np.array_equal(open_member(study, "half", "cpu").predict(images), study.read("half", "val").probs)
