"""Damaged members are told, left alone, and made again by no more than it takes; what trains is a stand-in here."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from ensemble.datasets import load_dataset
from ensemble.errors import BadInput
from ensemble.study.atomic import file_sha256
from ensemble.study.history import Epoch, rewrite_epochs
from ensemble.study.predictions import Predictions
from ensemble.study.recipe import write_recipe
from ensemble.study.seals import BLANK, write_sealed
from ensemble.study.study import Study, config_of
from ensemble.training import pool
from ensemble.training.damage import check_untaken
from ensemble.training.job import Outcome, TrainingJob
from ensemble.training.plan_members import plan_members

NAME = "ting-m3-small-0"
OVER, LIGHT = "trains the member over, to the same bits", "makes it again without training"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study.create(tmp_path / "study", config_of(load_dataset("digits")))


@pytest.fixture
def go(study: Study, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[str], list[Outcome], list[str]]]:
    """Plan two members and make them; return actions, outcomes, and what was trained or written."""
    val, made = load_dataset("digits").split("val"), list[str]()

    def stand_in(jobs: list[TrainingJob], *_: object) -> list[Outcome]:
        for job in jobs:
            files, recipe = study.files(job.member), job.recipe
            if not files.recipe.exists():
                made.append("recipe")
                write_recipe(files.recipe, recipe, job.threads)
            if not files.weights.exists():
                made.append("weights")
                facts = {"recipe": recipe.as_dict(), "epochs": recipe.epochs, "image_shape": [8, 8, 1],
                         "class_ids": list(val.class_ids)}  # fmt: skip
                content = {"seal": BLANK, "kind": "kofn.weights", "version": 2, "facts": facts}
                kernels = {"network.base.0.weight": np.ones((2, 1, 3, 3), np.float32)}
                write_sealed(files.weights, save(kernels, {"kofn": json.dumps(content)}))
                epochs = [Epoch(i, 0.1, 1, 1, 0.5, 1, 1, 0.5, 9, 1) for i in range(1, recipe.epochs + 1)]
                rewrite_epochs(files.history, epochs)
            if not study.predictions_path(job.member, "val").exists():
                made.append("predictions")
                probs = np.full((len(val), 10), 0.1, np.float32)
                facts = {"weights_sha256": file_sha256(files.weights)}
                study.write(
                    Predictions(job.member, "val", probs, val.sample_ids, val.class_ids, val.class_names, val.labels,
                                recipe={**recipe.as_dict(), "threads": job.threads}, attributes=facts)
                )  # fmt: skip
        return [Outcome(job.title, "trained") for job in jobs]

    monkeypatch.setattr(pool, "run_jobs", stand_in)

    def go(redo: tuple[str, ...] = ()) -> tuple[list[str], list[Outcome], list[str]]:
        plan = plan_members(study, variants=2, epochs=2, device="cpu", redo=redo)
        made.clear()
        outcomes = pool.train_members(study, plan)
        return [member.action for member in plan], outcomes, list(made)

    go()
    return go


@pytest.mark.parametrize(
    ("part", "how", "again"),
    [
        ("weights", OVER, ["recipe", "weights", "predictions"]),
        ("history", OVER, ["recipe", "weights", "predictions"]),
        ("recipe", LIGHT, ["recipe"]),
        ("predictions", LIGHT, ["predictions"]),
    ],
)
def test_a_damaged_part_is_told_and_made_again(study: Study, go: Callable, part: str, how: str, again: list) -> None:
    files, predictions = study.files(NAME), study.predictions_path(NAME, "val")
    path = predictions if part == "predictions" else getattr(files, part)
    whole = {p: p.read_bytes() for p in (files.recipe, files.weights, files.history, predictions)}
    content = bytearray(whole[path])
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    actions, (first, second), made = go()
    assert (actions, first.status, second.status, made) == (["damaged", "skip"], "failed", "skipped", [])
    assert first.error is not None
    assert first.error.startswith(f"{path}: ")
    assert "does not match its checksum" in first.error
    assert f"restore it from a copy, or redo='{NAME}' {how}" in first.error
    assert path.read_bytes() == bytes(content)
    actions, (first, second), made = go(redo=(NAME,))
    assert (actions, first.status, second.status, made) == (["redo", "skip"], "trained", "skipped", again)
    assert {p: p.read_bytes() for p in whole} == whole
    assert go(redo=(NAME,))[0] == ["skip", "skip"]


def test_predictions_of_other_weights_are_made_again(study: Study, go: Callable) -> None:
    there = study.read(NAME, "val")
    study.predictions_path(NAME, "val").unlink()
    study.write(replace(there, attributes={"weights_sha256": "0" * 64}))
    actions, (first, _), _ = go()
    assert actions == ["damaged", "skip"]
    assert "was predicted by other weights than" in str(first.error)
    assert go(redo=(NAME,))[2] == ["predictions"]
    assert go()[0] == ["skip", "skip"]


def test_a_name_that_is_no_member_is_refused(go: Callable) -> None:
    with pytest.raises(BadInput, match=r"redo='other': is none of these members; known: ting-m3-small-"):
        go(redo=("other",))


@pytest.mark.parametrize("damage", ["a changed bit", "a row short"])
def test_a_damaged_history_of_a_member_that_is_not_finished_is_told_and_made_again(
    study: Study, go: Callable, damage: str
) -> None:
    files = study.files(NAME)
    whole = files.weights.read_bytes()
    head = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])["__metadata__"]["kofn"]
    content = {**json.loads(head), "seal": BLANK, "kind": "kofn.checkpoint"}
    write_sealed(files.checkpoint, save({"x": np.ones(1, np.float32)}, {"kofn": json.dumps(content)}))
    files.weights.unlink()
    study.predictions_path(NAME, "val").unlink()
    assert [m.action for m in plan_members(study, variants=2, epochs=2, device="cpu")] == ["resume", "skip"]
    rows = files.history.read_bytes().splitlines(keepends=True)
    files.history.write_bytes(
        b"".join(rows[:-1]) if damage == "a row short" else b"".join(rows).replace(b"0.5", b"0.7")
    )
    actions, (first, _), made = go()
    assert (actions, first.status, made) == (["damaged", "skip"], "failed", [])
    assert str(first.error).startswith(f"{files.history}: ")
    assert f"redo='{NAME}' {OVER}" in str(first.error)
    assert go(redo=(NAME,))[2] == ["recipe", "weights", "predictions"]
    assert go()[0] == ["skip", "skip"]


def test_a_name_that_was_imported_meanwhile_is_not_trained(study: Study) -> None:
    val = load_dataset("digits").split("val")
    probs = np.full((len(val), 10), 0.1, np.float32)
    check_untaken(study, "m-0", ("m-0",))
    study.write(Predictions("m-0", "val", probs, val.sample_ids, val.class_ids, val.class_names, val.labels))
    with pytest.raises(BadInput, match=r"m-0\.val\.h5: is there, and no training of m-0: it was imported"):
        check_untaken(study, "m-0", ("m-0",))
