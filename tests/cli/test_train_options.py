"""Settings, starts, folds and snapshots of ens-train: as real processes where something is trained."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import call, process
from served import STANDS
from studies import Once

from cli.common import run
from cli.train import train
from ensemble.models import comparable
from ensemble.study.atomic import file_sha256
from ensemble.study.predictions import read_predictions
from ensemble.study.recipe import Recipe
from ensemble.study.study import Study
from ensemble.training.base_plan import plan_of_run
from ensemble.training.plan_members import members_left
from ensemble.training.pool import clear

pytestmark = pytest.mark.usefixtures("tried_briefly")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planned(capsys: pytest.CaptureFixture[str], *args: str) -> list[dict[str, Any]]:
    """Return the members that ens-train would train."""
    assert run(train, ["--dry-run", "--json", *args]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)["members"]


@pytest.fixture(scope="module")
def folded(once: Once) -> Path:
    """A folder with a study of a member and three folds, killed in the second one and gone on with."""
    return once("folded", _folded)


def _folded(folder: Path) -> None:
    folder.mkdir()
    words = ("--variants", "1", "--epochs", "5", "--folds", "3", "--jobs", "1", "--threads", "1")
    args, pipe = [STANDS.script("ens-train"), *words], subprocess.PIPE
    killed = subprocess.Popen(args, cwd=folder, stdout=pipe, stderr=pipe, start_new_session=True)
    member = folder / "study/members/ting-m3-small-0"
    deadline = time.monotonic() + 240
    while not (member / "folds/1/history.csv").exists() and time.monotonic() < deadline:
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.005)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    kept = [member / "weights.safetensors", member / "folds/0/held-out.h5"]
    before = [path.read_bytes() for path in kept]
    assert not (member / "folds/1/held-out.h5").exists()
    # The bare command goes on with what was asked for: the member and its first fold are finished.
    done = process("ens-train", "--json", "--jobs", "1", cwd=folder)
    assert done.status == 0, done.err
    (told,) = done.document["members"]
    assert told["status"] == "skipped"
    assert (told["folds"]["count"], told["folds"]["status"]) == (3, "trained")
    assert "fold 0:" not in done.err
    assert [path.read_bytes() for path in kept] == before
    found = Study.open(folder / "study").read("ting-m3-small-0", "train-oof")
    assert told["folds"]["accuracy"] == pytest.approx(float((found.probs.argmax(1) == found.labels).mean()))


def test_out_of_fold_predictions_are_a_split_like_any_other(folded: Path) -> None:
    study = Study.open(folded / "study")
    assert study.config.splits["train-oof"].definition == "3 stratified folds of train, seed 0"
    found = read_predictions(study.predictions_path("ting-m3-small-0", "train-oof"), extras=True)
    assert sorted(np.bincount(found.extras["fold"]).tolist()) == [66, 67, 67]
    done = call("ens-combine", "--split", "train-oof", "--k", "all", "--json", cwd=folded)
    assert done.document["samples"] == 200


def test_a_second_member_gets_the_same_folds_and_a_first_one_nothing(folded: Path) -> None:
    study = Study.open(folded / "study")
    record = study.config.runs["ting-m3-small"]
    assert record["folds"] == 3
    plan, vary = plan_of_run(record, "study.toml")
    entries = members_left(study, "ting-m3-small", plan, 2, vary, ("val",), folds=3)
    assert [(e.action, e.folds_left) for e in entries] == [("skip", ()), ("train", (0, 1, 2))]


def test_other_folds_are_refused_and_the_pinned_ones_named(
    folded: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folded)
    assert run(train, ["--folds", "4"]) == 2
    said = capsys.readouterr().err
    assert "pins train-oof as '3 stratified folds of train, seed 0'" in said
    assert "ask for --folds 3" in said
    assert run(train, ["--folds", "4", "--name", "other"]) == 2


def test_starting_over_takes_the_folds_along(folded: Path, tmp_path: Path) -> None:
    shutil.copytree(folded / "study", tmp_path / "study")
    study = Study.open(tmp_path / "study")
    clear(study, "ting-m3-small-0")
    assert study.splits() == []
    assert not list((tmp_path / "study/members").iterdir())


@pytest.mark.usefixtures("trained_here")
def test_snapshots_are_members_that_can_be_combined(few: Path, tmp_path: Path) -> None:
    words = ("--data", few, "--recipe", "digits", "--variants", "1", "--threads", "1", "--json")
    done = call("ens-train", *words, "--epochs", "4", "--snapshots", "2", cwd=tmp_path)
    assert done.status == 0, done.err
    (told,) = done.document["members"]
    assert told["predictions"] == [f"study/predictions/ting-m3-small-0-s{i}.val.h5" for i in (1, 2)]
    done = call("ens-combine", "--members", "ting-m3-small-0-s*", "--k", "all", "--json", cwd=tmp_path)
    assert done.document["members"] == ["ting-m3-small-0-s1", "ting-m3-small-0-s2"]
    # The study knows that they are all there, that one's predictions are missing, and to whom they belong.
    study = Study.open(tmp_path / "study")
    plan, vary = plan_of_run(study.config.runs["ting-m3-small"], "study.toml")

    def action() -> str:
        return members_left(study, "ting-m3-small", plan, 1, vary, ("val",))[0].action

    assert action() == "skip"
    study.predictions_path("ting-m3-small-0-s1", "val").unlink()
    assert action() == "predict"
    (study.member_dir("ting-m3-small-0-s2") / "weights.safetensors").unlink()
    assert action() == "train"
    clear(study, "ting-m3-small-0")
    assert study.splits() == []
    assert not list((tmp_path / "study/members").iterdir())


def test_settings_hold_for_every_member(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, "--set", "l2=0.5", "--set", "optimiser=adam", "--set", "nesterov=false", "--variants", "8")
    recipes = [m["recipe"] for m in found]
    assert {(r["l2"], r["optimiser"], r["nesterov"]) for r in recipes} == {(0.5, "adam", False)}
    assert len({r["learning_rate"] for r in recipes}) > 1
    assert list(here.iterdir()) == []


def test_a_shipped_recipe_by_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "m3-improved").mkdir()  # a study of that name is no file of a recipe
    found = planned(capsys, "--recipe", "m3-improved", "--variants", "2", "--epochs", "9")
    assert [m["name"] for m in found] == ["m3-improved-0", "m3-improved-1"]
    assert [found[0]["recipe"][key] for key in ("model", "schedule", "epochs")] == ["ting-m3", "cosine", 9]
    (m4,) = planned(capsys, "--recipe", "ting", "--model", "ting-m4", "--variants", "1")
    assert (m4["name"], m4["recipe"]["epochs"]) == ("ting-m4-0", 150)
    # A file of that name goes before.
    (here / "ting").write_text("epochs = 2\n")
    assert planned(capsys, "--recipe", "ting", "--variants", "1")[0]["recipe"]["epochs"] == 2


def test_weights_are_pinned_by_their_content(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "mine.safetensors").write_bytes(b"only read once a network is trained")
    for args in (("--weights", "mine.safetensors"), ("--set", "weights=mine.safetensors")):
        (member,) = planned(capsys, *args, "--variants", "1")
        assert member["recipe"]["weights"] == str(here / "mine.safetensors")
        assert member["recipe"]["weights_sha256"] == file_sha256(here / "mine.safetensors")
        assert member["comparable"] is True


def test_a_random_start_is_marked_in_the_table(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--model", "basutkar-5", "--variants", "1", "--weights", "random", "--set", "batch_size=2"]
    assert run(train, [*args, "--dry-run"]) == 0
    assert "random start" in capsys.readouterr().out
    assert not comparable(Recipe(model="basutkar-5", weights="random"))
    assert comparable(Recipe(model="basutkar-5", weights="hub"))
    assert comparable(Recipe(model="ting-m1", weights="random"))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--folds", "1"], ["--folds 1", "2 or more"]),
        (["--folds", "300"], ["--folds 300", "200 training images"]),
        (["--folds", "2", "--snapshots", "2"], ["--folds 2", "snapshots"]),
        (["--snapshots", "1"], ["--snapshots 1", "schedule=cosine"]),
        (["--snapshots", "7"], ["snapshots = 7", "set epochs to 28 or 35"]),
        (["--set", "batchsize=3"], ["--set batchsize=3", "batch_size"]),
        (["--set", "batch_size"], ["NAME=VALUE"]),
        (["--set", "batch_size=many"], ["a whole number", "'many'"]),
        (["--set", "nesterov=1"], ["true or false", "'1'"]),
        (["--set", "model=ting-m1"], ["--model ting-m1"]),
        (["--set", "optimiser=lion"], ["optimiser must be one of sgd", "'lion'"]),
        (["--set", "optimiser=adamw"], ["'adamw'", "set l2 = 0"]),
        (["--set", "schedule=plateau"], ["set tune, to 0.1"]),
        (["--weights", "nowhere.pth"], ["--weights nowhere.pth", "no such file", "'hub'"]),
        (["--recipe", "m3-improve"], ["neither a file nor a recipe", "m3-improved"]),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    here: Path, capsys: pytest.CaptureFixture[str], args: list[str], words: list[str]
) -> None:
    assert run(train, args) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "Error: " in line]
    for word in words:
        assert word in line
    assert list(here.iterdir()) == []


def test_unknown_settings_are_refused_by_the_command(tmp_path: Path) -> None:
    done = call("ens-train", "--set", "learning_rat=3", cwd=tmp_path)
    assert done.status == 2
    assert "nearest: learning_rate" in done.err
    assert "Traceback" not in done.err


def test_a_dry_run_tells_what_it_will_take_and_packs_nothing(
    here: Path, tree: Callable[..., Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts of the network by hand; 20 images, two sets, nine tenths of them, 5 epochs; two networks at once."""
    monkeypatch.setenv("ENS_CACHE", str(here / "cache"))
    tree(here / "pets", per_class=10)
    args = ["--data", "pets", "--model", "ting-m1", "--variants", "2", "--epochs", "5", "--jobs", "2", "--set"]
    args.append("tune=0.1")
    assert run(train, ["--dry-run", "--json", *args, "--set", "augment=mirror + flip"]) == 0
    found = json.loads(capsys.readouterr().out)
    convolutions = (5 * 5 * 3 * 16 + 16) + (3 * 3 * 16 * 16 + 16) + (3 * 3 * 16 * 32 + 32)
    for member in found["members"]:
        cost = member["estimate"]
        assert cost["parameters"] == convolutions + (32 * 256 + 256) + (256 * 2 + 2)
        assert cost["seconds"] == pytest.approx(20 * 0.9 * 2 * 5 / cost["images_per_second"])
        assert cost["memory"] > 400 * 2**20
    assert found["seconds"] == pytest.approx(sum(m["estimate"]["seconds"] for m in found["members"]) / 2)
    assert [path.name for path in here.iterdir()] == ["pets"]
    assert run(train, ["--dry-run", *args]) == 0
    said = capsys.readouterr().out
    assert all(words in said for words in ("GFLOP an image", "of memory", "images/s tried out here: about"))


def test_recipes_are_listed_and_shown(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(train, ["--list-recipes"]) == 0
    assert "m3-improved" in capsys.readouterr().out
    assert run(train, ["--show-recipe", "resnet18-64"]) == 0
    (here / "own.toml").write_text(capsys.readouterr().out)
    plain = planned(capsys, "--recipe", "resnet18-64", "--variants", "3")
    own = planned(capsys, "--recipe", "own.toml", "--variants", "3")
    assert [m["recipe"] for m in plain] == [m["recipe"] for m in own]
    assert run(train, ["--show-recipe", "tinge"]) == 2
    assert "is not a recipe that ships; nearest: ting" in capsys.readouterr().err
