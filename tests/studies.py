"""A study whose members differ in known ways, for the reports that compare them."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from ensemble.study.history import REQUIRED as COLUMNS
from ensemble.study.history import History
from ensemble.study.predictions import Predictions
from ensemble.study.recipe import Recipe, write_recipe
from ensemble.study.study import SplitConfig, Study, StudyConfig

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
                        attributes={} if comparable else {"comparable": False})
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
