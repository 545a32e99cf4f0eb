"""The trainer: the arithmetic of a step, and the same bits however often it is cut off."""

import csv
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ensemble.datasets import load_dataset
from ensemble.errors import BadInput, KofnError
from ensemble.inference.inputs import Batches, evaluate, fit_inputs, precision_on, predict_probs
from ensemble.models import NetworkSpec, build_network
from ensemble.study.atomic import locked
from ensemble.study.history import COLUMNS, Epoch, best_epoch, read_epochs
from ensemble.study.recipe import Recipe, builtin_plan
from ensemble.study.study import Study, config_of
from ensemble.study.weights import load_tensors, save_tensors
from ensemble.training import run as trainer
from ensemble.training import run as training
from ensemble.training.augment import mirror
from ensemble.training.job import Outcome, TrainingJob
from ensemble.training.pool import run_jobs

CPU = torch.device("cpu")
SHORT = replace(builtin_plan("digits").base, epochs=3, ema=0.0)


def quiet(kind: str, facts: dict[str, Any]) -> None:
    pass


@pytest.fixture
def study(tmp_path: Path, few: Path) -> Study:
    """Of a handful of images: for what holds of any."""
    return Study.create(tmp_path / "study", config_of(load_dataset(few)))


@pytest.fixture
def of_digits(tmp_path: Path) -> Study:
    return Study.create(tmp_path / "study", config_of(load_dataset("digits")))


def job(study: Study, member: str, recipe: Recipe = SHORT, splits: tuple[str, ...] = ("val",)) -> TrainingJob:
    return TrainingJob(study.root, member, recipe, threads=1, device="cpu", splits=splits)


def weights(study: Study, member: str) -> dict[str, torch.Tensor]:
    return load_tensors(study.member_dir(member) / "weights.safetensors", "kofn.weights")[0]


def same_bits(study: Study, one: str, other: str) -> bool:
    a, b = weights(study, one), weights(study, other)
    equal = a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    return equal and np.array_equal(study.read(one, "val").probs, study.read(other, "val").probs)


def scores(study: Study, member: str) -> list[tuple]:
    """The history without what a clock says."""
    epochs = read_epochs(study.member_dir(member) / "history.csv", upto=10**6)
    clocks = ("images_per_second", "seconds", "cpu_seconds")
    return [tuple(str(getattr(e, c)) for c in COLUMNS if c not in clocks) for e in epochs]


def test_the_normaliser_by_hand() -> None:
    images = np.array([[[[0], [10]]], [[[20], [30]]]], dtype=np.uint8)  # (2, 1, 2, 1)
    normalise = fit_inputs(images, block=1)
    assert normalise.mean.flatten().tolist() == [10, 20]
    assert float(normalise.std) == 10  # every pixel is 10 off its mean
    inputs = normalise(torch.from_numpy(images))
    assert inputs.shape == (2, 1, 1, 2)
    assert inputs.flatten().tolist() == [-1, -1, 1, 1]


def test_images_of_one_colour_stay_finite() -> None:
    images = np.full((3, 2, 2, 3), 7, dtype=np.uint8)
    assert not fit_inputs(images)(torch.from_numpy(images)).any()


def test_inputs_lie_in_memory_as_channels_last() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)
    inputs = fit_inputs(images)(torch.from_numpy(images))
    assert inputs.shape == (4, 3, 6, 5)
    assert inputs.is_contiguous(memory_format=torch.channels_last)


def test_mirror_flips_half_of_the_images_and_only_left_to_right() -> None:
    torch.manual_seed(0)
    inputs = torch.arange(1000 * 3 * 2 * 4.0).reshape(1000, 3, 2, 4)
    out = mirror(inputs)
    kept = (out == inputs).flatten(1).all(1)
    flipped = (out == inputs.flip(3)).flatten(1).all(1)
    assert bool((kept ^ flipped).all())
    assert 440 <= int(flipped.sum()) <= 560


def test_batches_choose_rows_of_a_memory_map(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (10, 2, 2, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    batches = Batches(np.load(tmp_path / "images.npy", mmap_mode="r"), None, CPU)
    assert np.array_equal(batches.images(torch.tensor([7, 0, 7])).numpy(), images[[7, 0, 7]])


def slow_training(recipe: Recipe, epochs: int) -> dict[str, torch.Tensor]:
    """The same training written out: Nesterov's update by hand, the penalty inside the loss, Keras' order."""
    dataset = load_dataset("digits")
    train = dataset.split("train")
    images = train.images.astype(np.float64)
    mean = images.mean(axis=0)
    std = np.sqrt(((images - mean) ** 2).mean())
    x = torch.from_numpy(((images - mean) / std).astype(np.float32)).permute(0, 3, 1, 2)
    y = torch.from_numpy(train.labels)
    torch.manual_seed(recipe.seed)
    network = build_network(recipe.model, NetworkSpec((16, 16, 1), 10, dropout=recipe.dropout))
    velocity = {name: torch.zeros_like(p) for name, p in network.named_parameters()}
    for epoch in range(epochs):
        torch.manual_seed((recipe.seed << 20) + epoch + 1)
        rate = recipe.learning_rate * recipe.decay_factor ** (epoch // recipe.decay_epochs)
        order = torch.randperm(len(y))
        for start in range(0, len(y), recipe.batch_size):
            rows = order[start : start + recipe.batch_size]
            penalty = sum((m.weight**2).sum() for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear))
            loss = F.cross_entropy(network(x[rows]), y[rows]) + recipe.l2 * penalty
            gradients = torch.autograd.grad(loss, list(network.parameters()))
            with torch.no_grad():
                for (name, p), g in zip(network.named_parameters(), gradients, strict=True):
                    velocity[name] = recipe.momentum * velocity[name] + g
                    p -= rate * (g + recipe.momentum * velocity[name])
    return {name: p.detach() for name, p in network.named_parameters()}


def test_training_equals_the_update_written_out(of_digits: Study) -> None:
    recipe = replace(SHORT, epochs=2, decay_epochs=1, l2=0.01)
    trainer.train_member(job(of_digits, "m", recipe), quiet)
    expected = slow_training(recipe, epochs=2)
    found = weights(of_digits, "m")
    for name, tensor in expected.items():
        assert torch.allclose(found[f"network.{name}"], tensor, rtol=1e-3, atol=1e-5), name


def test_history_says_what_the_predictions_say(of_digits: Study) -> None:
    outcome = trainer.train_member(job(of_digits, "m", splits=("val", "train")), quiet)
    assert outcome.status == "trained"
    with (of_digits.member_dir("m") / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    val, train = of_digits.read("m", "val"), of_digits.read("m", "train")
    assert (len(val), len(train)) == (1597, 200)
    last = rows[-1]
    assert float(last["val_accuracy"]) == pytest.approx(float((val.probs.argmax(1) == val.labels).mean()), abs=1e-9)
    assert val.labels is not None
    truth = np.take_along_axis(val.probs.astype(np.float64), val.labels[:, None], 1)
    assert float(last["val_cross_entropy"]) == pytest.approx(float(-np.log(truth).mean()), rel=1e-4)
    hits = val.probs.argmax(1) == val.labels
    assert last["val_recall"] == " ".join(f"{hits[val.labels == c].sum()}/{(val.labels == c).sum()}" for c in range(10))
    # The penalty by hand: lam times the squares of the kernels alone.
    kernels = [t.double() for name, t in weights(of_digits, "m").items() if name.endswith("weight")]
    penalty = SHORT.l2 * sum(float((w**2).sum()) for w in kernels)
    assert float(last["val_loss"]) - float(last["val_cross_entropy"]) == pytest.approx(penalty, rel=1e-4)
    assert float(last["train_loss"]) > float(last["train_cross_entropy"])
    assert val.first_layer is not None
    assert np.array_equal(val.first_layer, weights(of_digits, "m")["network.base.0.weight"].numpy())
    assert val.recipe is not None
    assert val.recipe["threads"] == 1
    assert val.attributes["epoch"] == 3
    assert outcome.last is not None
    assert outcome.last.val_accuracy == float(last["val_accuracy"])


def test_the_best_epoch_is_the_first_of_the_highest() -> None:
    make = lambda n, acc: Epoch(n, 0.1, 1, 1, 0.5, 1, 1, acc, 1, 1)  # noqa: E731
    assert best_epoch([make(1, 0.2), make(2, 0.7), make(3, 0.7), make(4, 0.5)]).epoch == 2


class Cut(Exception):
    """Stands for whatever ends a process between two epochs."""


def cut_after(epoch: int) -> Callable[[str, dict[str, Any]], None]:
    def report(kind: str, facts: dict[str, Any]) -> None:
        if kind == "epoch" and facts["epoch"] == epoch:
            raise Cut

    return report


# What a training may have to remember, beside SGD's momentum.
REMEMBERING = {
    "adam": {"optimiser": "adam"},
    "radam": {"optimiser": "radam"},
    "nadam": {"optimiser": "nadam"},
    "rmsprop": {"optimiser": "rmsprop", "learning_rate": 1e-3},
    "ema": {"ema": 0.9},
    "ema-corrected": {"ema": 0.99, "ema_corrected": True},
    "plateau": {"schedule": "plateau", "tune": 0.1, "patience": 1, "decay_factor": 0.1},
    "cosine": {"schedule": "cosine", "warmup_epochs": 1, "augment": "mirror + rotate:10", "mixup": 0.2},
    "linear": {"schedule": "linear", "warmup_epochs": 1},
    "snapshots": {"schedule": "cosine", "snapshots": 2},
    "frozen": {"frozen_epochs": 3, "unfrozen_rate": 1e-3, "optimiser": "adam"},
}


@pytest.mark.parametrize(
    ("settings", "cuts"), [({}, (1,)), ({}, (2,)), *((settings, (2, 3)) for settings in [{}, *REMEMBERING.values()])],
    ids=["early", "once", "sgd", *REMEMBERING],
)  # fmt: skip
def test_a_cut_run_ends_with_the_same_bits(
    study: Study, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], cuts: tuple[int, ...]
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    recipe = replace(SHORT, epochs=4, **settings)
    trainer.train_member(job(study, "whole", recipe), quiet)
    for epoch in cuts:
        with pytest.raises(Cut):
            trainer.train_member(job(study, "cut", recipe), cut_after(epoch))
        assert not study.predictions_path(recipe.outputs("cut")[-1], "val").exists()
    outcome = trainer.train_member(job(study, "cut", recipe), quiet)
    # Cut in its first epoch there is no checkpoint yet, and the member begins anew.
    assert outcome.status == ("trained" if cuts == (1,) else "resumed")
    for whole, cut in zip(recipe.outputs("whole"), recipe.outputs("cut"), strict=True):
        assert same_bits(study, whole, cut)
    assert scores(study, "whole") == scores(study, "cut")
    # The state after the last epoch stays where more epochs could go on from it.
    assert study.files("cut").checkpoint.exists() == (recipe.schedule not in ("cosine", "linear"))
    assert trainer.train_member(job(study, "cut", recipe), quiet).status == "skipped"


def test_a_split_that_is_missing_is_predicted_from_the_weights(of_digits: Study) -> None:
    recipe = replace(SHORT, schedule="cosine")
    trainer.train_member(job(of_digits, "m", recipe), quiet)
    before = of_digits.read("m", "val").probs
    of_digits.predictions_path("m", "val").unlink()
    left = of_digits.files("m").checkpoint  # by a run that was killed between the weights and their predictions
    left.write_bytes(b"")
    trainer.train_member(job(of_digits, "m", recipe, splits=("val", "train")), quiet)
    assert not left.exists()
    assert np.array_equal(of_digits.read("m", "val").probs, before)
    assert len(of_digits.read("m", "train")) == 200


def test_seeds_decide(study: Study) -> None:
    for member, seed in (("a", 0), ("b", 0), ("c", 1)):
        trainer.train_member(job(study, member, replace(SHORT, epochs=1, seed=seed)), quiet)
    assert same_bits(study, "a", "b")
    assert not same_bits(study, "a", "c")


def test_a_member_in_training_is_not_trained_twice(study: Study) -> None:
    with locked(study.member_dir("m") / "lock"), pytest.raises(KofnError, match=r"another process is training m"):
        trainer.train_member(job(study, "m"), quiet)


def test_a_loss_that_is_no_number_is_said(study: Study) -> None:
    wild = replace(SHORT, learning_rate=1e6, epochs=2)
    with pytest.raises(
        KofnError, match=r"m: the loss is no longer a number in epoch 1; .* learning_rate is too large, 1e.06 here"
    ):
        trainer.train_member(job(study, "m", wild), quiet)
    assert not study.predictions_path("m", "val").exists()


def test_changed_images_are_refused(study: Study) -> None:
    changed = study.with_config(fingerprint="0" * 64)
    with pytest.raises(BadInput, match=r"the images changed since the study was begun"):
        trainer.train_member(job(changed, "m"), quiet)


@pytest.mark.parametrize("damage", ["truncate", "kind", "shape", "garbage"])
def test_damaged_weights_are_refused_by_name(study: Study, damage: str) -> None:
    trainer.train_member(job(study, "m", replace(SHORT, epochs=1)), quiet)
    study.predictions_path("m", "val").unlink()
    path = study.member_dir("m") / "weights.safetensors"
    tensors, facts = load_tensors(path, "kofn.weights")
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "garbage":
        path.write_bytes(b"\x80\x04not a tensor file")
    elif damage == "kind":
        save_tensors(path, "kofn.checkpoint", tensors, facts)
    else:
        save_tensors(path, "kofn.weights", {**tensors, "network.base.0.weight": torch.zeros(2, 2)}, facts)
    with pytest.raises(BadInput, match=r"weights\.safetensors: (cannot be read|expected kind|does not)"):
        trainer.train_member(job(study, "m", replace(SHORT, epochs=1)), quiet)


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(BadInput, match=r"device='gpu': cannot be used here"):
        trainer.resolve_device("gpu")


def test_evaluate_and_predict_agree_across_batches() -> None:
    dataset = load_dataset("digits")
    val = dataset.split("val")
    torch.manual_seed(0)
    network = build_network("ting-m3-small", NetworkSpec((16, 16, 1), 10))
    normalise = fit_inputs(dataset.split("train").images)
    batches = Batches(val.images, val.labels, CPU)
    probs = predict_probs(network, batches, normalise, precision_on(CPU))
    assert probs.shape == (1597, 10)
    assert np.abs(probs.sum(1) - 1).max() < 1e-5
    loss, accuracy, right = evaluate(network, batches, normalise, precision_on(CPU))
    assert right.tolist() == (probs.argmax(1) == val.labels).tolist()
    assert accuracy == pytest.approx(float((probs.argmax(1) == val.labels).mean()), abs=1e-9)
    rows = np.arange(len(val))
    assert loss == pytest.approx(float(-np.log(probs[rows, val.labels].astype(np.float64)).mean()), rel=1e-5)


def test_processes_that_die_are_replaced_and_give_the_same_bits(study: Study) -> None:
    """Two members in two processes, one killed with -9 in mid-training, against one after another in this one."""
    recipe = replace(SHORT, epochs=6)
    names = ("a", "b")
    killed: list[int] = []

    def watch(member: str, kind: str, facts: dict[str, Any]) -> None:
        if kind == "epoch" and member == "a" and not killed:
            killed.append(_children()[0])
            os.kill(killed[0], signal.SIGKILL)
        if kind == "died":
            assert facts["how"].startswith("was ended by SIGKILL")
            events.append(member)

    events: list[str] = []
    jobs = [replace(job(study, name, replace(recipe, seed=i))) for i, name in enumerate(names)]
    outcomes = run_jobs(jobs, 2, watch)
    assert [o.status for o in outcomes] in (["trained", "trained"], ["resumed", "trained"], ["trained", "resumed"])
    assert len(events) == 1
    for i, name in enumerate(names):
        trainer.train_member(job(study, f"{name}-alone", replace(recipe, seed=i)), quiet)
        assert same_bits(study, name, f"{name}-alone")


def _children() -> list[int]:
    me = os.getpid()
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
        cmdline = (entry.parent / "cmdline").read_bytes()
        if int(fields[1]) == me and b"spawn_main" in cmdline:
            found.append(int(entry.parent.name))
    return found


@pytest.mark.usefixtures("workers_at_once")
def test_an_error_is_not_tried_again_and_the_others_go_on(study: Study) -> None:
    starts: list[str] = []

    def watch(member: str, kind: str, facts: dict[str, Any]) -> None:
        if kind == "start":
            starts.append(member)

    wild = replace(SHORT, learning_rate=1e6)
    outcomes: list[Outcome] = run_jobs([job(study, "wild", wild), job(study, "tame")], 1, watch)
    assert [o.status for o in outcomes] == ["failed", "trained"]
    assert "no longer a number" in str(outcomes[0].error)
    assert starts == ["wild", "tame"]


def test_a_damaged_history_is_refused_by_line(study: Study) -> None:
    trainer.train_member(job(study, "m", replace(SHORT, epochs=2)), quiet)
    path = study.member_dir("m") / "history.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1], lines[2].replace(".", "?")]))
    with pytest.raises(
        BadInput, match=r"history\.csv: line 3 (is not an epoch of a history|does not match its checksum)"
    ):
        trainer.train_member(job(study, "m", replace(SHORT, epochs=2)), quiet)
