"""Progressive resizing: what sizes training and validation see, what it is refused with, and what it will take."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from studies import few_images
from torch import nn

from ensemble.errors import BadInput
from ensemble.inference.inputs import precision_on
from ensemble.models import NetworkSpec, build_network
from ensemble.study.image_spec import Stage, parse_resizing, side_in_epoch
from ensemble.study.recipe import Plan, Recipe, builtin_plan
from ensemble.study.study import Study
from ensemble.training import estimate as estimates
from ensemble.training import run as training
from ensemble.training.base_plan import begin_study, study_for
from ensemble.training.job import TrainingJob
from ensemble.training.plan_members import TrainingPlan, plan_members
from ensemble.training.run import train_member

CPU = torch.device("cpu")
# Of the digits, which are 8x8 and here enlarged: a grid of 32, 16 and 8 pixels would take a while.
RECIPE = replace(
    builtin_plan("two-cores").base, epochs=4, progressive_resizing="8:2 12:1", input_size=16, warmup_epochs=1
)
STEPS = replace(RECIPE, schedule="step", warmup_epochs=0)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    torch.set_num_threads(1)
    few_images(tmp_path / "few")
    return begin_study(tmp_path / "study", tmp_path / "few")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, int]]:
    """Of every batch that a network is given: whether it learns, and the images' side."""
    found: list[tuple[bool, int]] = []

    def watched(name: str, spec: NetworkSpec) -> nn.Module:
        network = build_network(name, spec)
        network.register_forward_pre_hook(
            lambda module, args: None if args[0].is_meta else found.append((module.training, args[0].shape[-1]))
        )
        return network

    monkeypatch.setattr(training, "build_network", watched)
    return found


def job(study: Study, name: str, recipe: Recipe) -> TrainingJob:
    return TrainingJob(study.root, name, recipe, 1, "cpu", ("val",))


def quiet(_kind: str, _facts: dict[str, Any]) -> None:
    pass


def test_the_notation() -> None:
    assert parse_resizing("") == parse_resizing(" ") == ()
    assert parse_resizing("32:12  48:6") == (Stage(32, 12), Stage(48, 6))
    assert [side_in_epoch("32:2 48:1", epoch) for epoch in range(5)] == [32, 32, 48, 0, 0]
    assert side_in_epoch("", 3) == 0


@pytest.mark.parametrize("text", ["32", "32:", ":3", "32:0", "7:1", "32:1.5", "32:2,48:1", "a:b", "-32:1", "10001:1"])
def test_what_is_wrong_is_named(text: str) -> None:
    with pytest.raises(BadInput, match=r"must be written SIDE:EPOCHS, a side of 8 to 10000 .*'32:12 48:6'"):
        Recipe("resnet-small", progressive_resizing=text)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 3}, "takes 3 epochs before the size that is validated, and there are 3; .* epochs to 4 or more"),
        ({"schedule": "cosine", "snapshots": 2}, "goes with neither snapshots"),
        ({"schedule": "step", "warmup_epochs": 0, "frozen_epochs": 1}, "nor frozen_epochs, whose features"),
    ],
)
def test_what_it_does_not_go_with(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        replace(RECIPE, **settings)


def test_training_sees_the_sizes_in_turn_and_validation_the_last(study: Study, seen: list[tuple[bool, int]]) -> None:
    train_member(job(study, "m", RECIPE), quiet)
    # 48 images are a batch, 32 of validation another: after every epoch, and once more for the predictions.
    assert seen == [
        (True, 8), (False, 16), (True, 8), (False, 16), (True, 12), (False, 16), (True, 16), (False, 16), (False, 16)
    ]  # fmt: skip


def test_a_resized_training_cut_off_goes_on_at_its_size(
    study: Study, seen: list[tuple[bool, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)

    def stop(kind: str, facts: dict[str, Any]) -> None:
        if kind == "epoch" and facts["epoch"] == 3:  # in the last epoch of the second size, before its checkpoint
            raise KeyboardInterrupt

    train_member(job(study, "whole", RECIPE), quiet)
    whole = study.read("whole", "val").probs
    with pytest.raises(KeyboardInterrupt):
        train_member(job(study, "cut", RECIPE), stop)
    seen.clear()
    assert train_member(job(study, "cut", RECIPE), quiet).status == "resumed"
    assert [side for learns, side in seen if learns] == [12, 16]
    assert (study.read("cut", "val").probs == whole).all()


def test_a_network_of_one_size_is_refused_before_it_trains(study: Study) -> None:
    recipe = replace(RECIPE, model="ting-m1")
    with pytest.raises(BadInput, match=r"ting-m1: is built for images of 16x16 and cannot take those of 8x8 .*pooling"):
        train_member(job(study, "m", recipe), quiet)
    assert not study.files("m").recipe.exists()
    with pytest.raises(BadInput, match="cannot take those of 8x8"):
        estimates.estimate(planned(study, recipe), study_for(study.root)[1])


def planned(study: Study, recipe: Recipe) -> TrainingPlan:
    return plan_members(study, recipe=Plan(recipe), variants=1, vary="seed", name="m")


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """Images per second by side, in place of what would be measured."""
    known = {8: 400.0, 12: 200.0, 16: 100.0}
    monkeypatch.setattr(estimates, "_rate", lambda _network, _recipe, shape, *_: known[shape[0]])
    return known


def test_the_estimate_counts_each_size_at_its_rate(study: Study, rates: dict[int, float]) -> None:
    plan, dataset = planned(study, RECIPE), study_for(study.root)[1]
    (cost,) = estimates.estimate(plan, dataset).values()
    assert cost.seconds == pytest.approx(48 * (2 / rates[8] + 1 / rates[12] + 1 / rates[16]))
    assert cost.images_per_second == pytest.approx(4 / (2 / 400 + 1 / 200 + 1 / 100))


@pytest.mark.usefixtures("rates")
def test_the_estimate_counts_the_epochs_that_are_left(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = study_for(study.root)[1]
    train_member(job(study, "m-0", STEPS), quiet)
    longer = planned(study, replace(STEPS, epochs=9))
    assert [m.action for m in longer] == ["extend"]
    (cost,) = estimates.estimate(longer, dataset).values()
    assert cost.seconds == pytest.approx(48 * 5 / 100)

    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)

    def stop(kind: str, facts: dict[str, Any]) -> None:
        if kind == "epoch" and facts["epoch"] == 7:  # its checkpoint is of epoch 6
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_member(job(study, "m-0", replace(STEPS, epochs=9)), stop)
    resumed = planned(study, replace(STEPS, epochs=9))
    assert [m.action for m in resumed] == ["resume"]
    assert estimates.estimate(resumed, dataset)["m-0"].seconds == pytest.approx(48 * 3 / 100)


def test_a_rate_is_not_that_of_the_first_update(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library makes code for a shape when it first meets it: here half a second, then 10 images a millisecond."""
    met: set[int] = set()

    def update(_network: object, _optimiser: object, size: int, *_: object) -> float:
        first = size not in met
        met.add(size)
        return 0.5 if first else size / 10_000

    monkeypatch.setattr(estimates, "_update", update)
    monkeypatch.setattr(estimates, "PROBE_SECONDS", 0.6)
    network = build_network("resnet-small", NetworkSpec((16, 16, 1), 4))
    rate = estimates._rate(network, replace(RECIPE, batch_size=32), (16, 16, 1), 4, CPU)
    assert rate == pytest.approx(10_000)
    assert met == {2, 8, 32}


@pytest.mark.parametrize(
    ("precision", "native", "expected"),
    [
        ("auto", True, torch.float32), ("auto", False, torch.float32), ("float32", True, torch.float32),
        ("native", True, torch.bfloat16), ("native", False, torch.float32), ("bfloat16", False, torch.bfloat16),
    ],
)  # fmt: skip
def test_what_a_cpu_computes_in(
    monkeypatch: pytest.MonkeyPatch, precision: str, native: bool, expected: torch.dtype
) -> None:
    """A convolution's own numbers; whether the processor has instructions for it is a question to torch."""
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: native, raising=False)
    with precision_on(CPU, precision)():
        assert nn.Conv2d(1, 2, 3)(torch.zeros(1, 1, 8, 8)).dtype == expected


def test_a_torch_that_cannot_tell_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    with precision_on(CPU, "native")():
        assert nn.Conv2d(1, 2, 3)(torch.zeros(1, 1, 8, 8)).dtype == torch.float32


def test_precision_reaches_training_validation_and_predictions(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[bool, torch.dtype]] = []

    def watched(name: str, spec: NetworkSpec) -> nn.Module:
        network = build_network(name, spec)
        network.register_forward_hook(
            lambda module, _args, out: None if out.is_meta else found.append((module.training, out.dtype))
        )
        return network

    monkeypatch.setattr(training, "build_network", watched)
    small = replace(RECIPE, epochs=1, progressive_resizing="", warmup_epochs=0)
    for precision, dtype in (("auto", torch.float32), ("bfloat16", torch.bfloat16)):
        found.clear()
        train_member(job(study, precision, replace(small, precision=precision)), quiet)
        assert found == [(True, dtype), (False, dtype), (False, dtype)]
        assert study.read(precision, "val").probs.dtype == "float32"
