"""Studies and predictions to look at, drawn or trained, each built in one place."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

from ensemble.datasets import load_dataset
from ensemble.errors import KofnError
from ensemble.study.history import REQUIRED as COLUMNS
from ensemble.study.history import History
from ensemble.study.predictions import Predictions
from ensemble.study.recipe import Recipe, write_recipe
from ensemble.study.study import SplitConfig, Study, StudyConfig, config_of
from ensemble.training.job import Outcome, TrainingJob

# See `once` in conftest.py.
Once = Callable[[str, Callable[[Path], object]], Path]


def drawn(
    labels: np.ndarray, classes: int, seed: int | np.random.Generator, skill: float | np.ndarray = 2.0, *,
    members: int | None = None, common: int | None = None,
) -> np.ndarray:  # fmt: skip
    """Return the softmax (N, C), or (M, N, C) for `members`, of normal logits, `skill` more for the true class.

    skill: one number, or (N,); common: the seed of noise that all who name it share, so that they err alike.
    """
    shape = (len(labels), classes)
    logits = np.random.default_rng(seed).normal(size=shape if members is None else (members, *shape))
    if common is not None:
        logits += np.random.default_rng(common).normal(size=shape)
    logits[..., np.arange(len(labels)), labels] += skill
    exp = np.exp(logits)
    return exp / exp.sum(axis=-1, keepdims=True)


def copied(study: Study, root: Path) -> Study:
    """Return a copy of a study that others look at too, to write into."""
    return Study.open(shutil.copytree(study.root, root))


def write_history(study: Study, name: str, epochs: range, best: int) -> None:
    """Write a history whose validation accuracy is 0.8 in the epoch `best`, and a tenth less each epoch away.

    Of ten images of each of the digits two less are right of the first five, and two more of the others.
    """
    path = study.member_dir(name) / "history.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, "val_recall"])
        for epoch in epochs:
            right = 8 - abs(epoch - best)
            recall = " ".join([f"{right - 2}/10"] * 5 + [f"{right + 2}/10"] * 5)
            writer.writerow([epoch, 0.01, 2 / epoch, 2.5 / epoch, 0.5, 2.1, 2.6, right / 10, 100, 1, recall])


def digits_study(root: Path) -> Study:
    """Make four members on the embedded digits, with filters and histories; later classes are easier.

    The fourth is so weak that the best ensemble does without it; the first one's history lacks its first epoch.
    Beside them `pair`, saved of the first two, and `few`, an ensemble of nine samples; m3-0 has an unlabelled test.
    """
    dataset = load_dataset("digits")
    val = dataset.split("val")
    labels = np.asarray(val.labels)
    study = Study.create(root, config_of(dataset))
    classes = study.config.class_ids, study.config.class_names
    for i in range(4):
        name = f"m3-{i}"
        probs = drawn(labels, 10, i, (1.5 + 3 * labels / 10) * (0.2 if i == 3 else 1), common=99)
        kernels = np.random.default_rng(i).normal(size=(8, 1, 5, 5)).astype(np.float32)
        study.write(Predictions(name, "val", probs, val.sample_ids, *classes, labels, first_layer=kernels,
                                recipe={"model": "tiny", "dropout": 0.1 * i}))  # fmt: skip
        write_history(study, name, range(1 if i else 2, 5), best=3)
    one, two = study.read("m3-0", "val"), study.read("m3-1", "val")
    study.write(replace(one, member="pair", probs=(one.probs + two.probs) / 2, kind="ensemble",
                        parents=("m3-0", "m3-1"), weights=(0.5, 0.5)))  # fmt: skip
    nine = replace(one, probs=one.probs[:9], labels=labels[:9], sample_ids=one.sample_ids[:9])
    study.write(replace(nine, member="few", kind="ensemble"))
    study.write(replace(nine, split="test", labels=None))
    return study


def few_images(root: Path) -> None:
    """Write a folder of 48 training and 32 validation images, of the embedded digits 0 to 3: an epoch takes no time."""
    for split, count in (("train", 12), ("val", 8)):
        found = load_dataset("digits").split(split)
        for label in range(4):
            folder = root / split / str(label)
            folder.mkdir(parents=True)
            for row in np.flatnonzero(np.asarray(found.labels) == label)[:count]:
                Image.fromarray(found.images[row, ..., 0]).save(folder / f"{found.sample_ids[row]}.png")


def train_here(jobs: list[TrainingJob], _at_once: int, _on_event: object) -> list[Outcome]:
    """Train in this process, as `run_jobs` does in others, which would load torch anew."""
    from ensemble.training.run import train_member

    outcomes = []
    for job in jobs:
        try:
            outcomes.append(train_member(job, lambda *_: None))
        except KofnError as error:
            outcomes.append(Outcome(job.title, "failed", error=str(error)))
    return outcomes


CLASSES = ("a", "b")
TRUTH = np.arange(20) % 2
LAYERS: list[dict[str, Any]] = [
    {"name": "base.0", "kind": "Conv2d", "output": [4, 8, 8], "parameters": 112, "statistics": 0},
    {"name": "base.1", "kind": "BatchNorm2d", "output": [4, 8, 8], "parameters": 8, "statistics": 8},
    {"name": "base.2", "kind": "ReLU", "output": [4, 8, 8], "parameters": 0, "statistics": 0},
    {"name": "base.3", "kind": "Conv2d", "output": [2, 8, 8], "parameters": 74, "statistics": 0},
    {"name": "head.0", "kind": "Linear", "output": [2], "parameters": 258, "statistics": 0},
]


def study_at(root: Path) -> Study:
    return Study.create(
        root, StudyConfig("toy", None, None, CLASSES, CLASSES, {"train": SplitConfig(100, "", "the train images")})
    )


def add(
    study: Study, name: str, *, accuracy: list[float] | None = None, right: int | None = None, network: bool = False,
    comparable: bool = True, early: bool = False, weights: bool = False, columns: dict[str, Any] | None = None,
    **settings: Any,
) -> None:  # fmt: skip
    """Add a member: a history where `accuracy` by epoch is given, predictions of which the first `right` are right."""
    folder = study.member_dir(name)
    if settings or accuracy is not None:
        folder.mkdir(parents=True, exist_ok=True)
        recipe = Recipe.from_dict({"model": "ting-m1", "epochs": len(accuracy or []) or 3, **settings}, "recipe")
        write_recipe(folder / "recipe.toml", recipe, 1)
    if accuracy is not None:
        with (folder / "history.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*COLUMNS, *(columns or {})])
            for epoch, value in enumerate(accuracy, start=1):
                rate = 0.1 if epoch < 3 else 0.01
                writer.writerow(
                    [epoch, rate, 2 / epoch, 2, value / 2, 1.5, 1.7, value, 100 + epoch, 10, *(columns or {}).values()]
                )
    rng = np.random.default_rng(len(name))
    if network:
        total = {key: sum(layer[key] for layer in LAYERS) for key in ("parameters", "statistics")}
        start = {"from": "random", "comparable": comparable, "loaded": 0, "skipped": 0, "fresh": 5}
        content = {"schema": 1, "model": "ting-m1", **total, "gflops": 0.25, "layers": LAYERS, "start": start}
        (folder / "network.json").write_text(json.dumps(content))
    first = rng.normal(size=(4, 3, 3, 3)).astype(np.float32)
    if early:
        np.savez(folder / "first_layer.npz", begin=first, first=first + 0.1, last=first * 2)
    if weights:
        save_file({"network.base.0.weight": first * 2, "network.base.3.weight": np.ones((2, 4, 3, 3), np.float32)},
                  folder / "weights.safetensors")  # fmt: skip
    if right is not None:
        probs = np.full((20, 2), 0.25, np.float32)
        said = np.where(np.arange(20) < right, TRUTH, 1 - TRUTH)
        probs[np.arange(20), said] = 0.75
        study.write(
            Predictions(name, "val", probs, np.arange(20).astype(str), CLASSES, CLASSES, TRUTH, first_layer=first * 2,
                        attributes=({"epoch": len(accuracy)} if accuracy else {})
                        | ({} if comparable else {"comparable": False}))
        )  # fmt: skip


def history(
    member: str, accuracy: list[float], rates: list[float] | None = None, seen: list[float] | None = None
) -> History:
    """Return a history whose validation accuracy is given by epoch."""
    n = len(accuracy)
    columns = {name: np.full(n, 0.5) for name in COLUMNS}
    columns |= {"epoch": np.arange(1.0, n + 1), "val_accuracy": np.array(accuracy)}
    columns["learning_rate"] = np.full(n, 0.1) if rates is None else np.array(rates)
    if seen is not None:
        columns["images_seen"] = np.array(seen)
    return History(member, columns)
