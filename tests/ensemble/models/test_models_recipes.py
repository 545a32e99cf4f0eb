"""The plans that ship for the papers' networks, beside the papers' numbers."""

import tomllib
from importlib.resources import files
from typing import Any

import pytest

from ensemble.models import MODELS, model_named
from ensemble.study import image_spec as augmentation
from ensemble.study import image_spec as normalisation
from ensemble.study.recipe import Plan, Recipe, builtin_plan, variants

SHIPPED = sorted(f.name.removesuffix(".toml") for f in files("ensemble.recipes").iterdir() if f.name.endswith(".toml"))


def plan_of(model: str) -> Plan:
    """The plan of a row, as ens-train puts it together."""
    row = model_named(model)
    return builtin_plan(row.recipe).with_settings(model=model, **row.settings)


def ting(epochs: int = 75) -> dict[str, Any]:
    return {
        "optimiser": "sgd", "learning_rate": 0.01, "momentum": 0.9, "nesterov": True, "schedule": "step",
        "decay_factor": 0.85, "decay_epochs": 10, "l2": 1e-3, "dropout": 0.5, "batch_size": 128, "epochs": epochs,
        "normalise": "mean-image", "augment": "mirror", "weight_decay": 0, "padding": "same",
    }  # fmt: skip


def basutkar(l2: float = 0, dropout: float = 0, epochs: int = 15, weights: str = "") -> dict[str, Any]:
    return {
        "optimiser": "adam", "learning_rate": 1e-4, "epsilon": 1e-7, "batch_size": 64, "epochs": epochs, "l2": l2,
        "weight_decay": 0, "dropout": dropout, "schedule": "step", "decay_factor": 1, "normalise": "unit",
        "augment": "mirror", "augment_val": "mirror", "weights": weights, "frozen_epochs": 0,
        "tune": 0, "input_size": 0,
    }  # fmt: skip


def mkrtchyan(factor: float = 0.1, dropout: float = 0, epochs: int = 20) -> dict[str, Any]:
    return {
        "optimiser": "radam", "learning_rate": 1e-3, "momentum": 0.9, "epsilon": 1e-8, "weight_decay": 1e-4, "l2": 0,
        "batch_size": 256, "epochs": epochs, "augment": "set1 + set2", "augment_val": "", "schedule": "step",
        "decay_factor": factor, "decay_epochs": 7, "dropout": dropout, "weights": "", "input_size": 0,
    }  # fmt: skip


def bastidas() -> dict[str, Any]:
    return {
        "optimiser": "adam", "learning_rate": 1e-3, "schedule": "plateau", "l2": 1e-4, "dropout": 0, "weight_decay": 0,
        "normalise": "mean-image", "augment": "bastidas", "tune": 0.1,
    }  # fmt: skip


def de(epochs: int, frozen: int, rate: float = 0, **more: Any) -> dict[str, Any]:
    return {
        "optimiser": "adam", "learning_rate": 1e-3, "schedule": "step", "decay_factor": 1, "dropout": 0.4, "head": "a",
        "epochs": epochs, "frozen_epochs": frozen, "unfrozen_rate": rate, "input_size": 150, "weights": "hub",
        "l2": 0, "weight_decay": 0, "tune": 0.1, "augment": "de", **more,
    }  # fmt: skip


# The papers' recipes, from the papers and not from the files.
PAPERS: dict[str, dict[str, Any]] = {
    "ting-m1": ting(),
    "ting-m2": ting(),
    "ting-m3": ting(),
    "ting-m4": ting(epochs=150),
    "basutkar-1": basutkar(),
    "basutkar-2": basutkar(l2=0.01),
    "basutkar-3": basutkar(l2=0.01),
    "basutkar-4": basutkar(l2=0.01, dropout=0.5, epochs=25),
    "basutkar-5": basutkar(dropout=0.5, weights="hub"),
    "basutkar-6": basutkar(dropout=0.5, weights="hub"),
    "mkrtchyan-baseline": mkrtchyan(factor=1),
    "mkrtchyan-m4": mkrtchyan(factor=1),
    "mkrtchyan-alexnet": mkrtchyan(dropout=0.5),
    "mkrtchyan-resnet18": mkrtchyan(),
    "mkrtchyan-resnet34": mkrtchyan(),
    "mkrtchyan-resnet34-preact": mkrtchyan(),
    "mkrtchyan-densenet161": mkrtchyan(epochs=8),
    "bastidas-vgg": bastidas(),
    "bastidas-inception": bastidas(),
    "de-vgg16": de(10, 10, normalise="imagenet"),
    "de-resnet50": de(
        20, 20, normalise="imagenet", optimiser="sgd", learning_rate=0.01, momentum=0.9, nesterov=True,
        schedule="inverse", decay=1e-6, decay_factor=0.85,  # which "inverse" does not ask for
    ),
    "de-xception": de(30, 10, 1e-5, normalise="symmetric"),
}  # fmt: skip


@pytest.mark.parametrize("model", PAPERS)
def test_the_papers_numbers(model: str) -> None:
    recipe = plan_of(model).base.as_dict()
    assert {key: recipe[key] for key in PAPERS[model]} == PAPERS[model]
    for later in ("mixup", "cutmix", "label_smoothing", "ema", "warmup_epochs", "snapshots"):
        assert not recipe[later]


def test_every_row_of_the_papers_is_there() -> None:
    assert set(PAPERS) == {m.name for m in MODELS.values() if m.paper != "none" and m.reported}
    assert len(PAPERS) == 22


def test_head_b() -> None:
    recipe = builtin_plan("de-xception-b").base.as_dict()
    expected = de(30, 10, 1e-5, head="b", dropout=0.65, augment="de-more", normalise="symmetric")
    assert {key: recipe[key] for key in expected} == expected


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_plan_is_complete_on_its_own(name: str) -> None:
    content = tomllib.loads((files("ensemble.recipes") / f"{name}.toml").read_text(encoding="utf-8"))
    plan = builtin_plan(name)
    row = model_named(plan.base.model)
    assert len(content["about"].strip().splitlines()) >= 3
    # What the row would set is set here too, so that `--recipe NAME` needs no --model.
    assert plan.with_settings(**row.settings if row.recipe == name else {}) == plan
    for recipe in (plan.base, *variants(plan, 6)):
        assert augmentation.parse_augment(recipe.augment)
        normalisation.parse_normalise(recipe.normalise)
        assert recipe.schedule != "plateau" or recipe.tune
        assert recipe.frozen_epochs <= recipe.epochs
        assert recipe.warmup_epochs < recipe.epochs


@pytest.mark.parametrize("model", MODELS)
def test_more_members_keep_what_the_network_can_honour(model: str) -> None:
    """Networks without dropout are given none, whichever member; six members differ."""
    made = variants(plan_of(model), 6)
    assert len(set(made)) == 6
    if not plan_of(model).base.dropout:
        assert {recipe.dropout for recipe in made} == {0.0}
    row = MODELS[model]
    assert bool(made[0].weights) == row.pretrained
    assert (row.input, made[0].input_size) in ((64, 0), (150, 150), (16, 0))


def test_the_baselines_comparisons() -> None:
    found = [(r.augment, r.augment_val, r.learning_rate) for r in variants(plan_of("mkrtchyan-baseline"), 3)]
    assert found == [
        ("set1 + set2", "", 1e-3), ("set1", "centre-crop:56", 1e-3), ("set1 + set2", "", 1e-4)
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["m3-improved", "resnet18-64"])
def test_the_improved_recipes_train_as_today(name: str) -> None:
    plan = builtin_plan(name)
    recipe = plan.base
    assert recipe.schedule == "cosine" and recipe.warmup_epochs > 0
    assert recipe.label_smoothing > 0 and recipe.ema > 0
    assert [op.name for op in augmentation.parse_augment(recipe.augment)[0]] == ["mirror", "crop", "erase"]
    about = tomllib.loads((files("ensemble.recipes") / f"{name}.toml").read_text(encoding="utf-8"))["about"]
    assert "Time and accuracy:" in about


def test_a_hubs_network_goes_over_the_hubs_plan() -> None:
    recipe = plan_of("timm/legacy_xception").base
    assert (recipe.input_size, recipe.normalise, recipe.optimiser) == (299, "symmetric", "adamw")
    assert isinstance(recipe, Recipe) and recipe.model == "timm/legacy_xception"
