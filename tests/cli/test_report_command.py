"""ens-report as those who script it see it."""

import csv
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Reported, flowing, process
from served import STANDS
from studies import copied, drawn

from analysis.stack import join
from analysis.subsets.reference import subset_preds, subset_table
from analysis.subsets.table import name_set
from cli.common import run
from cli.report import report
from ensemble.datasets import load_dataset
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study, StudyConfig

Ask = Callable[..., tuple[int, str, str]]


def predict(study: Study, name: str, truth: np.ndarray, ids: np.ndarray, seed: int, **more: Any) -> None:
    """Write a member's predictions: the later the class, the more often right."""
    c = len(study.config.class_ids)
    classes = study.config.class_ids, study.config.class_names
    study.write(Predictions(name, "val", drawn(truth, c, seed, 4 * truth / c), ids, *classes, truth, **more))


@pytest.fixture
def imported(tmp_path: Path) -> Study:
    """Two imported members: 43 classes with hostile names, one of them without samples, no ids, no images."""
    names = ("=1+1", "$x$", "\x1b[31mred", "猫", "a, b", *(f"class {i}" for i in range(5, 43)))
    ids = tuple(f"n{i:02}" for i in range(43))
    study = Study.create(tmp_path / "imported", StudyConfig("imported", None, None, ids, names))
    labels = np.repeat(np.arange(42), 10)
    for i in range(2):
        predict(study, f"rf-{i}", labels, np.arange(420).astype(str), i, ids_given=False)
    return study


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Ask:
    def call(study: Study, *options: str) -> tuple[int, str, str]:
        out = () if "--out" in options else ("--out", str(tmp_path / "out"))
        status = run(report, ["--study", str(study.root), *out, *options])
        return status, *capsys.readouterr()

    return call


def document(ask: Ask, study: Study, *options: str) -> dict:
    status, out, err = ask(study, *options, "--json")
    assert status == 0, err
    return json.loads(out)


def test_all_as_a_process(reported: Reported, digits: Study) -> None:
    out, done = reported.folder, reported.done
    assert done.status == 0, done.err
    assert {
        "confused-pairs.csv", "confused-pairs.png", "confusion.csv", "confusion.png", "curve.png", "errors.csv",
        "errors.png", "filters-m3-0.png", "filters-m3-1.png", "filters-m3-2.png", "filters-m3-3.png", "gallery.png",
        "index.html", "per-class.csv", "per-class.png", "per-class-helped.png", "sample.png", "training.png",
    } <= {path.name for path in out.iterdir()}  # fmt: skip
    assert all(path.stat().st_size > 5000 for path in out.glob("*.png"))
    for path in out.iterdir():
        assert str(path) in done.out
    said = done.out.replace(str(out), "").replace(str(digits.root), "")
    told = [line for line in said.splitlines() if not line.startswith(("figure", "table", "page"))]
    assert [line for line in told if len(line) > 80] == []
    tables = [line for line in done.out.splitlines() if "█" in line or "─" in line]
    assert tables and max(map(len, tables)) <= 80
    assert "Traceback" not in done.err and "Warning" not in done.err
    assert f"Next: ens-combine --max-size 3 --save best3 --study {digits.root}" in done.err


def test_the_same_command_writes_the_same_bytes(reported: Reported, documents: Reported) -> None:
    """Once in a process of its own and once in one that does much else."""
    assert documents.done.status == 0, documents.done.err
    made = [
        {path.name: path.read_bytes() for path in one.folder.iterdir() if path.name != "report.pdf"}
        for one in (reported, documents)
    ]
    assert made[0].keys() == made[1].keys() and len(made[0]) >= 20
    assert [name for name in made[0] if made[0][name] != made[1][name]] == []


def test_the_default_folder_is_the_studys_and_svg_has_no_chance_in_it(digits: Study, ask: Ask, tmp_path: Path) -> None:
    study = copied(digits, tmp_path / "study")
    done = process("ens-report", "curve", "--study", study.root, "--json", "--format", "svg")
    assert done.document["files"] == [str(study.root / "report" / "curve.svg")]
    (again,) = document(ask, digits, "curve", "--format", "svg")["files"]
    assert (study.root / "report" / "curve.svg").read_bytes() == Path(again).read_bytes()


def test_json_of_per_class_is_the_contracts(digits: Study, documents: Reported) -> None:
    found = documents["per-class"]
    assert list(found)[:5] == ["split", "of", "rule", "worst_k", "classes"]
    assert found["of"] == ["m3-0", "m3-1", "m3-2", "m3-3"]
    assert (found["split"], found["rule"], found["worst_k"]) == ("val", "mean", 2)
    keys = ["id", "name", "samples", "correct", "accuracy", "low", "high", "confused_with", "worst_share"]
    assert all(list(c)[: len(keys)] == keys for c in found["classes"])
    assert list(found["classes"][0]["confused_with"][0]) == ["id", "name", "count"]
    stack = join(digits.select("val"))
    right = np.equal(subset_preds(stack, range(4)), stack.require_labels())
    for c in found["classes"]:
        own = np.equal(stack.require_labels(), stack.class_ids.index(c["id"]))
        assert (c["samples"], c["correct"]) == (own.sum(), right[own].sum())
        assert c["accuracy"] == pytest.approx(right[own].mean())
    accuracies = [c["accuracy"] for c in found["classes"]]
    assert accuracies == sorted(accuracies)


@pytest.mark.usefixtures("undrawn")
def test_what_is_found_is_said(digits: Study, documents: Reported, ask: Ask, tmp_path: Path) -> None:
    _, out, err = ask(digits, "per-class")
    first = documents["per-class"]["classes"][0]
    share, low, high = (f"{100 * first[key]:.0f}" for key in ("accuracy", "low", "high"))
    assert (
        f"hardest: {first['name']}, {share} % ({first['correct']} of {first['samples']}; 95 % interval {low}-{high})"
        in out
    )
    assert f"figure: {tmp_path / 'out' / 'per-class.png'}" in out
    assert "Next: ens-report gallery" in err


def test_curve_is_the_table(digits: Study, reported: Reported, documents: Reported) -> None:
    found = documents["curve"]
    table = subset_table(join(digits.select("val")), range(1, 5))
    assert found["subsets"] == 15
    assert [row["mean_accuracy"] for row in found["by_size"]] == [s.mean_accuracy for s in table.by_size()]
    assert found["best"]["members"] == list(table.best().members)
    assert found["best"]["honest_low"] < found["best"]["honest_accuracy"] < found["best"]["honest_high"]
    assert found["best"]["honest_how"].startswith("200 bootstraps")
    named = name_set(table.best().members, table.members)
    assert f"best: {named}, {100 * table.best().accuracy:.1f} % " in reported.done.out


@pytest.mark.usefixtures("undrawn")
def test_best_is_the_tables_best_and_says_that_it_was_chosen_here(digits: Study, ask: Ask, tmp_path: Path) -> None:
    best = subset_table(join(digits.select("val", ["m3-[01]"])), [1, 2]).best()
    found = document(ask, digits, "per-class", "--ensemble", "best", "--member", "m3-0", "--member", "m3-1")
    assert found["of"] == list(best.members)
    _, out, _ = ask(digits, "per-class", "--ensemble", "best")
    assert "These members were chosen on val itself, which is likely to flatter them: m3-" in out
    assert (tmp_path / "out" / "per-class-best.csv").is_file()


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", ["pair", "m3-2"])
def test_a_saved_ensemble_or_a_member_by_name(digits: Study, ask: Ask, tmp_path: Path, name: str) -> None:
    found = document(ask, digits, "per-class", "--ensemble", name)
    assert found["of"] == [name]
    own = digits.read(name, "val")
    right = sum(c["correct"] for c in found["classes"])
    assert right == (own.probs.argmax(axis=1) == own.labels).sum()
    assert (tmp_path / "out" / f"per-class-{name}.png").is_file()


@pytest.mark.usefixtures("undrawn")
def test_training_names_last_and_best(digits: Study, documents: Reported, ask: Ask, tmp_path: Path) -> None:
    found = document(ask, digits, "training", "--member", "m3-1")
    files = ("training-m3-1.png", "training-classes-m3-1.png", "training-classes-m3-1.csv")
    assert found["files"] == [str(tmp_path / "out" / file) for file in files]
    assert [(c["name"], c["first"], c["last"], c["shown"]) for c in found["classes"]["classes"][4:6]] == [
        ("4", 0.4, 0.5, "all"), ("5", 0.8, 0.9, "all"),
    ]  # fmt: skip
    (member,) = found["members"]
    assert member["last"]["val_accuracy"] == pytest.approx(0.7)
    assert member["best"] == {"epoch": 3, "val_accuracy": pytest.approx(0.8)}
    assert [m["name"] for m in documents["training"]["members"]] == [f"m3-{i}" for i in range(4)]


@pytest.mark.usefixtures("undrawn")
def test_filters_in_both_scales(digits: Study, ask: Ask, tmp_path: Path) -> None:
    kernels = digits.read("m3-2", "val").first_layer
    assert kernels is not None
    found = document(ask, digits, "filters", "--member", "m3-2", "--scale", "shared")
    assert found["members"][0]["kernels"] == [8, 1, 5, 5]
    assert found["members"][0]["limit"] == pytest.approx(float(np.abs(kernels).max()))
    assert found["files"] == [str(tmp_path / "out" / "filters-m3-2-shared.png")]
    _, out, _ = ask(digits, "filters", "--member", "m3-2")
    assert "m3-2: 8 kernels 5×5×1; each filter from its smallest to its largest weight\nfigure: " in out


@pytest.mark.usefixtures("undrawn")
def test_gallery_shows_hardest_and_easiest_or_what_is_asked(
    digits: Study, documents: Reported, ask: Ask, tmp_path: Path
) -> None:
    classes, found = documents["per-class"]["classes"], documents["gallery"]
    assert [c["id"] for c in found["classes"]] == [classes[0]["id"], classes[-1]["id"]]
    assert all(len(c["images"]) == 8 for c in found["classes"])
    asked = document(ask, digits, "gallery", "--class", "7", "--class", "2", "--class", "7", "--images", "3")
    assert [c["id"] for c in asked["classes"]] == ["7", "2"]
    assert asked["files"] == [str(tmp_path / "out" / "gallery-7-2.png")]
    val = load_dataset("digits").split("val")
    probs = join(digits.select("val")).mean_probs()
    at = {str(sample): row for row, sample in enumerate(val.sample_ids)}
    for image in asked["classes"][0]["images"]:
        row = at[image["sample_id"]]
        assert val.labels is not None and val.labels[row] == 7
        assert image["right"] == (image["said"]["id"] == "7")
        assert image["said_probability"] == pytest.approx(probs[row].max())
        assert image["true_probability"] == pytest.approx(probs[row, 7])


@pytest.mark.parametrize(("kind", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_pictures_are_of_the_format_asked_for(digits: Study, ask: Ask, kind: str, start: bytes) -> None:
    (file,) = document(ask, digits, "curve", "--format", kind)["files"]
    assert file.endswith(f"curve.{kind}")
    assert Path(file).read_bytes().startswith(start)


@pytest.mark.usefixtures("undrawn")
def test_what_imported_members_lack_is_skipped_in_a_sentence(imported: Study, ask: Ask, tmp_path: Path) -> None:
    status, out, _ = ask(imported, "all")
    assert status == 0
    out = " ".join(out.split())
    assert "skipped: " in out and "no member has a training history; members that were imported have none." in out
    assert "no first-layer kernels are known of rf-0, rf-1" in out
    assert "holds predictions that were imported, and no images are known for them" in out
    assert "1 of 43 classes without images on val" in out
    assert "\x1b" not in out
    found = document(ask, imported, "all")
    assert {"training", "filters", "gallery", "sample"} <= set(found["skipped"])
    assert found["reports"]["training"] is None
    assert found["reports"]["per-class"]["classes"][-1]["accuracy"] is None
    with (tmp_path / "out" / "per-class.csv").open(newline="", encoding="utf-8") as file:
        assert "'=1+1" in [row["class_name"] for row in csv.DictReader(file)]
    # Asked for alone, what cannot be made is an error.
    assert ask(imported, "gallery")[0] == 2


def test_a_single_member_has_a_curve_of_one_point(imported: Study, ask: Ask) -> None:
    found = document(ask, imported, "curve", "--member", "rf-0")
    assert (found["subsets"], found["members"]) == (1, ["rf-0"])


BAD = [
    (("per-clas",), "no report is called 'per-clas'; nearest: per-class"),
    (("per-class", "--split", "tset"), "has no predictions for split 'tset'; splits with predictions: test, val."),
    (("per-class", "--split", "test"), "split 'test' has no labels, so nothing can be scored on it"),
    (("curve", "--member", "m3-9"), "no member matches 'm3-9' for split 'val'; known: m3-"),
    (("training", "--member", "m9"), "no member matches 'm9'; known: m3-"),
    (("training", "--member", "pair"), "'pair' has no training history"),
    (("per-class", "--ensemble", "m33"), "no member or saved ensemble 'm33' for split 'val'; besides 'all' and"),
    (("gallery", "--class", "77"), "no class '77', by id or by name; known: 7"),
    (("all", "--class", "77"), "no class '77'"),
    (("curve", "--scale", "shared"), "--scale is for filters, not for curve."),
    (("filters", "--class", "7"), "--class is for gallery and sample, not for filters."),
    (("gallery", "--images", "0"), "0 is not in the range"),
    (("curve", "--format", "gif"), "'gif' is not one of"),
    ((), "Missing argument 'KIND'"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "said"), BAD)
def test_bad_input_is_named_in_a_sentence_and_nothing_is_written(
    digits: Study, ask: Ask, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    status, out, err = ask(digits, *options)
    assert (status, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
    assert not list(tmp_path.glob("out/*"))
    status, out, _ = ask(digits, *options, "--json")
    assert status == 2
    assert said in json.loads(out)["error"]


def test_no_study(tmp_path: Path, ask: Ask) -> None:
    status, _, err = ask(Study(tmp_path / "none", StudyConfig("", None, None, (), ())), "all")
    assert status == 2
    assert "is not a study, study.toml is missing; begin one with 'ens-train" in err


def test_a_study_without_predictions(tmp_path: Path, ask: Ask) -> None:
    empty = Study.create(tmp_path / "empty", StudyConfig("imported", None, None, ("a", "b"), ("a", "b")))
    status, _, err = ask(empty, "all")
    assert status == 2
    assert "none yet, run ens-train or ens-import first" in err


def test_a_folder_that_cannot_be_written(digits: Study, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    status, _, err = ask(digits, "curve", "--out", str(tmp_path / "file"))
    assert (status, "is a file, expected a folder for the report" in err) == (2, True)
    status, _, err = ask(digits, "curve", "--out", str(tmp_path / "file" / "below"))
    assert (status, "cannot be written, not a directory" in err) == (2, True)
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_without_permission(digits: Study, ask: Ask, tmp_path: Path, monkeypatch) -> None:
    # The one who runs the tests may be allowed everything, so the answer of the system is given by hand.
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: access(path, mode) and not (mode & os.W_OK))
    status, _, err = ask(digits, "curve", "--out", str(tmp_path))
    assert status == 2
    assert f"{tmp_path}: cannot be written, permission denied; choose a folder you may write to" in err


def test_images_that_are_gone_or_changed(digits: Study, ask: Ask, tmp_path: Path) -> None:
    gone = replace(digits.config, source=str(tmp_path / "gone.zip"))
    changed = replace(digits.config, fingerprint="0" * 64)
    for config, said in ((gone, "cannot be read: "), (changed, "the images have changed since the study was begun")):
        study = Study.create(tmp_path / said.split()[-1], config)
        (study.root / "predictions").mkdir(exist_ok=True)
        source = digits.predictions_path("m3-0", "val")
        study.predictions_path("m3-0", "val").write_bytes(source.read_bytes())
        status, _, err = ask(study, "gallery")
        assert (status, said in err) == (2, True), err


def test_predictions_without_ids_have_no_images(digits: Study, ask: Ask, tmp_path: Path) -> None:
    study = Study.create(tmp_path / "rows", digits.config)
    one = digits.read("m3-0", "val")
    study.write(replace(one, ids_given=False, sample_ids=np.arange(len(one)).astype(str)))
    status, _, err = ask(study, "gallery")
    assert (status, "row numbers instead of sample ids" in err) == (2, True)


@pytest.mark.usefixtures("undrawn")
def test_members_of_different_samples_need_intersect(digits: Study, ask: Ask, tmp_path: Path) -> None:
    study = Study.create(tmp_path / "some", digits.config)
    one, two = digits.read("m3-0", "val"), digits.read("m3-1", "val")
    assert two.labels is not None
    study.write(one)
    study.write(replace(two, probs=two.probs[:99], labels=two.labels[:99], sample_ids=two.sample_ids[:99]))
    status, _, err = ask(study, "per-class")
    assert (status, "--intersect takes the common ones" in err) == (2, True)
    status, _, err = ask(study, "per-class", "--intersect")
    assert status == 0
    assert "the members share 99 samples, which are reported on; left out: m3-0 1,498" in err


@pytest.mark.usefixtures("undrawn")
def test_too_many_subsets_are_refused_with_the_way_out(tmp_path: Path, ask: Ask) -> None:
    study = Study.create(tmp_path / "many", StudyConfig("imported", None, None, ("a", "b"), ("a", "b")))
    for i in range(21):
        predict(study, f"m-{i}", np.array([0, 1, 1]), np.array(["x", "y", "z"]), i)
    status, _, err = ask(study, "curve")
    assert status == 2
    assert "21 members have 2,097,151 subsets" in err
    assert "name fewer members, as --member NAME" in err
    status, out, _ = ask(study, "all")
    assert status == 0
    assert "skipped: 21 members have 2,097,151 subsets" in out


def test_a_reader_that_has_had_enough_does_not_stop_the_pictures(tmp_path: Path) -> None:
    """`ens-report all | head -1`: the pipe closes after a line, and every picture is written all the same."""
    study = Study.create(tmp_path / "study", StudyConfig("imported", None, None, ("a", "b"), ("a", "b")))
    predict(study, "m", np.arange(60) % 2, np.arange(60).astype(str), 0)
    line = f"{STANDS.script('ens-report')} all --study {study.root} --out {tmp_path / 'piped'} | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    # In the order they are made: the first, some between, and the last.
    made = {p.name for p in (tmp_path / "piped").iterdir()}
    assert {"per-class.png", "curve.png", "confusion.png", "calibration.png", "errors.png", "index.html"} <= made


@pytest.mark.usefixtures("undrawn")
def test_ties_for_the_hardest_are_told(ask: Ask, tmp_path: Path) -> None:
    """Thirty classes of whom none is ever right: which ten are shown says nothing of them."""
    ids = tuple(f"n{i:02}" for i in range(32))
    study = Study.create(tmp_path / "tied", StudyConfig("imported", None, None, ids, ids))
    truth = np.repeat(np.arange(32), 3)
    probs = np.full((96, 32), 0.01)
    probs[:, 31] = 1 - 0.31  # everything is said to be the last class
    study.write(Predictions("m", "val", probs, np.arange(96).astype(str), ids, ids, truth))
    status, out, _ = ask(study, "per-class")
    assert status == 0
    assert "31 classes share the lowest recall; which of them are shown is the order of their ids." in flowing(out)
    assert "Hardest 10 of 32 classes, 31 tied" in out and "Easiest 1\n" in out
