"""ens-check: each kind of damage is found and named, a sound study has none, and nothing is changed."""

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import kofn
from cli.check import check
from cli.combine import combine
from cli.common import run
from ensemble.datasets import load_dataset
from ensemble.errors import BadInput
from ensemble.study.atomic import _here, file_sha256
from ensemble.study.history import Epoch, rewrite_epochs
from ensemble.study.names import MemberFiles
from ensemble.study.predictions import Predictions, read_predictions, write_predictions
from ensemble.study.recipe import Recipe, write_recipe
from ensemble.study.study import Study, config_of
from ensemble.study.weights import keep_first_layer, load_tensors, save_tensors


def epoch(number: int, recall: str = " ".join(["1/2"] * 10)) -> Epoch:
    return Epoch(number, 0.1, 1.0, 1.0, 0.5, 1.0, 1.0, 0.5, 10.0, 1.0, val_recall=recall)


def member(study: Study, name: str, seed: int) -> None:
    """A trained member of the digits with all its parts, its predictions made up."""
    files, val = study.files(name), load_dataset("digits").split("val")
    recipe = Recipe("ting-m3-small", epochs=2, seed=seed)
    write_recipe(files.recipe, recipe, 1)
    rewrite_epochs(files.history, [epoch(1), epoch(2)])
    kernels = np.ones((2, 3, 3, 3), dtype=np.float32)
    keep_first_layer(files.first_layer, "begin", kernels)
    facts = {"member": name, "recipe": recipe.as_dict(), "epochs": 2, "image_shape": [16, 16, 1],
             "class_ids": list(study.config.class_ids)}  # fmt: skip
    save_tensors(files.weights, "kofn.weights", {"network.a": torch.ones(3)}, facts)
    raw = np.random.default_rng(seed).random((len(val), 10))
    study.write(
        Predictions(
            name, "val", raw / raw.sum(axis=1, keepdims=True), val.sample_ids, val.class_ids, val.class_names,
            labels=val.labels, recipe={**recipe.as_dict(), "threads": 1}, data_fingerprint=study.config.fingerprint,
            attributes={"weights_sha256": file_sha256(files.weights)},
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = Study.create(tmp_path_factory.mktemp("check") / "study", config_of(load_dataset("digits")))
    member(study, "m-0", 0)
    member(study, "m-1", 1)
    table = str(study.root / "t.h5")
    assert run(combine, ["--study", str(study.root), "--k", "all", "--table", table, "--quiet"]) == 0
    a, b = study.read("m-0", "val"), study.read("m-1", "val")
    mean = (a.probs.astype(np.float64) + b.probs) / 2
    study.write(Predictions(
        "both", "val", mean, a.sample_ids, a.class_ids, a.class_names, labels=a.labels, kind="ensemble",
        parents=("m-0", "m-1"), weights=(0.5, 0.5), attributes={"rule": "mean"},
    ))  # fmt: skip
    return study.root


@pytest.fixture
def study(sound: Path, tmp_path: Path) -> Study:
    shutil.copytree(sound, tmp_path / "study")
    return Study.open(tmp_path / "study")


def flip(path: Path, place: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 4
    path.write_bytes(data)


def another(study: Study, name: str) -> None:
    """Other predictions under the name, as an import with force would bring."""
    p = study.read(name, "val")
    raw = np.random.default_rng(9).random(p.probs.shape)
    study.write(Predictions(
        name, "val", raw / raw.sum(axis=1, keepdims=True), p.sample_ids, p.class_ids, p.class_names, labels=p.labels,
    ))  # fmt: skip


def of_others(study: Study) -> None:
    both = study.read("both", "val")
    study.write(replace(both, attributes={**both.attributes, "made_from": ("0" * 64, "1" * 64)}))


def other_labels(study: Study) -> None:
    p = study.read("m-1", "val")
    assert p.labels is not None
    labels = np.roll(p.labels, 1)
    write_predictions(study.predictions_path("m-1", "val"), Predictions(
        "m-1", "val", p.probs, p.sample_ids, p.class_ids, p.class_names, labels=labels))  # fmt: skip


def dead_part(study: Study) -> None:
    (study.root / "predictions" / f".m-0.val.h5.{_here()}-999999999-00ff.part").write_bytes(b"x")


def other_weights(study: Study) -> None:
    shutil.copy(study.files("m-1").weights, study.files("m-0").weights)


CASES: dict[str, tuple[Callable[[Study], object], set[str], str]] = {
    "a bit of the weights": (lambda s: flip(s.files("m-0").weights), {"damaged"}, "does not match its checksum"),
    "a bit of a recipe": (lambda s: flip(s.files("m-0").recipe), {"damaged"}, "does not match its checksum"),
    "a bit of a history": (lambda s: flip(s.files("m-0").history, 0.9), {"damaged"}, "checksum"),
    "a bit of the first layer": (lambda s: flip(s.files("m-0").first_layer), {"damaged"}, "does not match"),
    "a bit of predictions": (lambda s: flip(s.predictions_path("m-0", "val")), {"damaged"}, "does not match"),
    "a bit of study.toml": (lambda s: flip(s.path), {"damaged"}, "does not match its checksum"),
    "a bit of the table": (lambda s: flip(s.root / "t.h5"), {"damaged"}, "does not match its checksum"),
    "a line of a history": (
        lambda s: rewrite_epochs(s.files("m-0").history, [epoch(1)]),
        {"mismatch"}, "ends with epoch 1, the weights with 2",
    ),
    "classes of a history": (
        lambda s: rewrite_epochs(s.files("m-0").history, [epoch(1, "1/2 1/2"), epoch(2, "1/2 1/2")]),
        {"mismatch"}, "counts right answers of 2 classes, study.toml pins 10",
    ),
    "right answers of a history": (
        lambda s: rewrite_epochs(s.files("m-0").history, [epoch(1), epoch(2, "1/2 " * 9 + "0/2")]),
        {"mismatch"}, "epoch 2: right answers by class do not add up to its val_accuracy",
    ),
    "weights of another": (other_weights, {"mismatch"}, "was made by another recipe than recipe.toml states"),
    "no weights": (lambda s: s.files("m-0").weights.unlink(), {"missing"}, "is not there, and m-0.val.h5"),
    "another recipe": (
        lambda s: write_recipe(s.files("m-0").recipe, Recipe("ting-m3-small", epochs=2, seed=5), 1),
        {"mismatch"}, "another recipe than .*recipe.toml states",
    ),
    "a member imported anew": (lambda s: another(s, "m-1"), {"stale"}, "is not what its members predict now"),
    "members of other digests": (of_others, {"stale"}, "from other predictions of m-0, m-1 than there are"),
    "a parent is gone": (lambda s: s.predictions_path("m-1", "val").unlink(), {"missing"}, "is made of m-1"),
    "other labels": (other_labels, {"mismatch"}, "labels differ from those of"),
    "a dead writer's file": (dead_part, {"leftover"}, "whose process is gone"),
    "a stray file": (lambda s: (s.root / "predictions/notes").write_text("x"), {"stray"}, "no predictions file"),
    "a stray part": (lambda s: (s.member_dir("m-0") / "copy").write_text("x"), {"stray"}, "not a part of a member"),
    "a pipe": (
        lambda s: (s.predictions_path("m-0", "val").unlink(), os.mkfifo(s.predictions_path("m-0", "val"))),
        {"damaged"}, "",
    ),
}  # fmt: skip


def test_a_sound_study_has_no_finding(study: Study) -> None:
    seen: list[tuple[int, int]] = []
    found = kofn.check_study(str(study.root), lambda done, total: seen.append((done, total)))
    assert found.ok, found.findings
    assert (found.files, found.unsealed) == (13, 0)
    assert seen[-1] == (6, 6)


@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_damage_is_found(case: str, study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    damage, kinds, words = CASES[case]
    damage(study)
    before = {p: p.read_bytes() for p in study.root.rglob("*") if p.is_file()}
    assert run(check, [str(study.root), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert not document["ok"]
    assert kinds <= {f["kind"] for f in document["findings"]}
    assert any(re.search(words, f["what"]) for f in document["findings"]), document["findings"]
    assert all(f["path"] and f["what"] and f["means"] and f["advice"] for f in document["findings"])
    assert before == {p: p.read_bytes() for p in study.root.rglob("*") if p.is_file()}


def test_damaged_weights_are_one_finding_and_their_predictions_stay(study: Study) -> None:
    flip(study.files("m-0").weights)
    found = kofn.check_study(str(study.root))
    assert [f.path for f in found.findings] == [study.files("m-0").weights]


def test_an_ensemble_of_a_damaged_member_is_not_to_be_deleted(study: Study) -> None:
    flip(study.predictions_path("m-0", "val"))
    advice = {f.path.name: f.advice for f in kofn.check_study(str(study.root)).findings}
    assert "delete it" in advice["m-0.val.h5"]
    assert advice.keys() == {"m-0.val.h5"} or advice["both.val.h5"].startswith("see to that file")


def test_a_checkpoint_left_beside_finished_weights_says_nothing_of_the_history(study: Study) -> None:
    files = study.files("m-0")
    tensors, facts = load_tensors(files.weights, "kofn.weights")
    save_tensors(files.checkpoint, "kofn.checkpoint", tensors, {**facts, "epochs": 1})
    assert kofn.check_study(str(study.root)).ok


def test_what_is_damaged_is_told_when_it_is_used(study: Study) -> None:
    flip(study.files("m-0").history, 0.9)
    with pytest.raises(BadInput, match=r"history\.csv: line 3 does not match its checksum"):
        kofn.read_history(study.files("m-0").history, "m-0")
    flip(study.predictions_path("m-0", "val"))
    with pytest.raises(BadInput, match="does not match its checksum"):
        read_predictions(study.predictions_path("m-0", "val"))
    assert MemberFiles(study.member_dir("m-0")).recipe == study.files("m-0").recipe


def test_no_study(tmp_path: Path) -> None:
    assert run(check, [str(tmp_path)]) == 2
