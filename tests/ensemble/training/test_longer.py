"""More epochs for a member that is finished: the bits of a training that had them from the start, or a refusal."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from studies import few_images

from ensemble.errors import BadInput
from ensemble.study.history import read_epochs
from ensemble.study.recipe import Plan, Recipe, builtin_plan
from ensemble.study.study import Study
from ensemble.study.weights import load_tensors
from ensemble.training import run as training
from ensemble.training.base_plan import begin_study
from ensemble.training.job import TrainingJob
from ensemble.training.plan_members import plan_members
from ensemble.training.run import train_member

RECIPE = replace(builtin_plan("digits").base, epochs=3, ema=0.0)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    torch.set_num_threads(1)
    few_images(tmp_path / "few")
    return begin_study(tmp_path / "study", tmp_path / "few")


def train(study: Study, name: str, recipe: Recipe, stop_at: int | None = None) -> str:
    def hear(kind: str, facts: dict[str, Any]) -> None:
        if kind == "epoch" and facts["epoch"] == stop_at:
            raise KeyboardInterrupt

    return train_member(TrainingJob(study.root, name, recipe, 1, "cpu", ("val",)), hear).status


def plan(study: Study, recipe: Recipe, **asked: Any) -> list[str]:
    return [m.action for m in plan_members(study, recipe=Plan(recipe), variants=1, vary="seed", name="m", **asked)]


def bits(study: Study, name: str) -> list[np.ndarray]:
    tensors = load_tensors(study.files(name).weights, "kofn.weights")[0]
    losses = [[e.train_loss, e.val_loss] for e in read_epochs(study.files(name).history, upto=99)]
    return [*(t.numpy() for t in tensors.values()), study.read(name, "val").probs, np.array(losses)]


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"ema": 0.9}, {"optimiser": "radam", "l2": 0.0}, {"keep": "best", "tune": 0.25},
        {"keep": "average", "average_last": 2}, {"schedule": "plateau", "tune": 0.25, "patience": 1},
        {"schedule": "inverse", "decay": 0.1}, {"frozen_epochs": 2},
    ],
    ids=lambda settings: "-".join(settings) or "step",
)  # fmt: skip
def test_going_on_gives_the_bits_of_a_longer_training(study: Study, settings: dict[str, Any]) -> None:
    short, long = replace(RECIPE, **settings), replace(RECIPE, **settings, epochs=6)
    train(study, "m-0", short)
    assert plan(study, long) == ["extend"]
    assert study.files("m-0").weights.exists()  # planning changes nothing
    assert train(study, "m-0", long) == "resumed"
    train(study, "whole", long)
    assert all(np.array_equal(a, b) for a, b in zip(bits(study, "m-0"), bits(study, "whole"), strict=True))
    assert plan(study, long) == ["skip"]


def test_an_extension_cut_off_goes_on(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    long = replace(RECIPE, epochs=7)
    train(study, "m-0", RECIPE)
    for epoch in (4, 6):  # in the first epoch of more, and in a later one
        with pytest.raises(KeyboardInterrupt):
            train(study, "m-0", long, stop_at=epoch)
        assert not study.predictions_path("m-0", "val").exists()
        assert plan(study, long) == ["resume"]
    train(study, "m-0", long)
    train(study, "whole", long)
    assert all(np.array_equal(a, b) for a, b in zip(bits(study, "m-0"), bits(study, "whole"), strict=True))


def test_a_training_killed_before_its_weights_ends_all_the_same(study: Study) -> None:
    train(study, "m-0", RECIPE)
    before = bits(study, "m-0")
    study.files("m-0").weights.unlink()
    study.predictions_path("m-0", "val").unlink()
    assert train(study, "m-0", RECIPE) == "resumed"
    assert all(np.array_equal(a, b) for a, b in zip(bits(study, "m-0"), before, strict=True))


@pytest.mark.parametrize(
    ("settings", "epochs", "message"),
    [
        ({}, 2, "member m-0 was trained for 3 epochs and 2 were asked for, but its weights of epoch 2 are not kept; "
         "ask for 3 epochs, choose another name=..., or force=True"),
        ({"schedule": "cosine"}, 6, "has a cosine decay that ends at epoch 3, and with 6 epochs every learning rate"),
        ({"schedule": "linear"}, 6, "has a linear decay that ends at epoch 3, and with 6 epochs every learning rate"),
        ({"keep": "average"}, 3 + 1, "and their weights are not kept; with 5 epochs or more it can go on"),
        ({"keep": "best", "stop_after": 1, "tune": 0.25, "learning_rate": 1e-12, "l2": 0.0}, 6,
         "ended before epoch 3, when tune stood still .stop_after., and would end there again"),
    ],
    ids=["shorter", "cosine", "linear", "average", "stopped"],
)  # fmt: skip
def test_what_cannot_go_on_says_why(study: Study, settings: dict[str, Any], epochs: int, message: str) -> None:
    recipe = replace(RECIPE, **settings)
    if recipe.keep == "average":
        recipe = replace(recipe, average_last=2)
    train(study, "m-0", recipe)
    with pytest.raises(BadInput, match=message):
        plan(study, replace(recipe, epochs=epochs))


def test_without_its_state_it_cannot_go_on(study: Study) -> None:
    train(study, "m-0", RECIPE)
    study.files("m-0").checkpoint.unlink()
    with pytest.raises(BadInput, match="keeps no state to go on from"):
        plan(study, replace(RECIPE, epochs=6))
    assert plan(study, RECIPE) == ["skip"]
    assert plan(study, replace(RECIPE, epochs=6), force=True) == ["train"]
