"""ens-predict and ens-export as a person or a script runs them."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from served import STANDS

from analysis.stack import join
from analysis.subsets.reference import subset_preds
from cli.common import run
from cli.exporting import export
from cli.predict import predict
from ensemble.datasets import load_dataset
from ensemble.importing.parse import import_file
from ensemble.study.predictions import Predictions
from ensemble.study.recipe import builtin_plan
from ensemble.study.study import Study, config_of
from ensemble.training.job import TrainingJob
from ensemble.training.run import train_member

VAL = load_dataset("digits").split("val")
LABELS = np.asarray(VAL.labels)
CHOSEN = np.arange(0, 1500, 30)  # of val, written as files


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a study of two members and a saved ensemble, and images of val: flat/, and pets/ by class."""
    folder = tmp_path_factory.mktemp("ready")
    threads = torch.get_num_threads()
    study = Study.create(folder / "study", config_of(load_dataset("digits")))
    recipe = replace(builtin_plan("digits").base, epochs=2)
    for i in range(2):
        job = TrainingJob(study.root, f"m-{i}", replace(recipe, seed=i), threads=1, device="cpu", splits=("val",))
        train_member(job, lambda *_: None)
    first = study.read("m-0", "val")
    study.write(replace(first, member="pair", kind="ensemble", parents=("m-0", "m-1"), weights=(0.25, 0.75)))
    study.write(replace(first, member="vit"))
    (folder / "flat").mkdir()
    for row in CHOSEN:
        image = Image.fromarray(VAL.images[row, ..., 0])
        image.save(folder / "flat" / f"{VAL.sample_ids[row]}.png")
        own = folder / "classes" / str(LABELS[row])
        own.mkdir(parents=True, exist_ok=True)
        image.save(own / f"{VAL.sample_ids[row]}.png")
    yield folder
    torch.set_num_threads(threads)


@pytest.fixture
def here(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the folder one is in."""
    folder = shutil.copytree(ready, tmp_path / "here")
    monkeypatch.chdir(folder)
    return folder


def asked(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[dict[str, Any], str]:
    """Run ens-predict in this process; return its document and what it said beside."""
    status = run(predict, [*args, "--threads", "1", "--json"])
    out, err = capsys.readouterr()
    assert status == 0, err
    return json.loads(out), err


def stored(split: str = "val", members: tuple[str, ...] = ("m-0", "m-1")) -> tuple[Predictions, ...]:
    study = Study.open(Path("study"))
    return tuple(study.read(name, split) for name in members)


def test_a_process_says_what_it_sees(here: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ENS_")}
    done = subprocess.run(
        [STANDS.script("ens-predict"), "--data", "classes", "--out", "new/said.csv", "--tta", "mirror"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = done.stdout
    assert f"50 images of {here / 'classes'}, labelled" in text
    assert "predicted by 2 members (m-0, m-1), the mean of their probabilities" in text
    assert "--tta mirror: each image and its mirror image; the mean of 2 softmax probabilities" in text
    assert "The first 5\n" in text
    assert "image   predicted  confidence  is" in text
    assert "right together: " in text
    assert "% of 50 images; without --tta " in text
    assert "Left out, being predictions without a network: vit." in done.stderr
    assert "Wrote 50 predictions to new/said.csv." in done.stderr
    with (here / "new/said.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["id", "predicted", "predicted_name", "confidence", *"0123456789"]
    assert [row[0] for row in rows] == sorted(f"{LABELS[r]}/{VAL.sample_ids[r]}" for r in CHOSEN)


def test_files_give_what_is_stored_for_the_same_images(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    val = stored()
    for folder, ids in (
        ("flat", VAL.sample_ids),
        ("classes", [f"{y}/{i}" for y, i in zip(LABELS, VAL.sample_ids, strict=True)]),
    ):
        found, err = asked(capsys, "--data", folder, "--split", folder)
        assert "Kept as split" in err
        at = {i: row for row, i in enumerate(np.asarray(ids).tolist())}
        for p, before in zip(stored(folder), val, strict=True):
            rows = [at[i] for i in p.sample_ids.tolist()]
            assert sorted(rows) == CHOSEN.tolist()
            np.testing.assert_array_equal(p.probs, before.probs[rows])
            assert p.recipe == before.recipe
            np.testing.assert_array_equal(p.first_layer, before.first_layer)
            assert p.attributes == before.attributes
            assert (p.labels is None) == (folder == "flat")
            if p.labels is not None:
                np.testing.assert_array_equal(p.labels, LABELS[rows])
        assert found["labelled"] == (folder == "classes")
    own = join(stored("classes"))
    right = (subset_preds(own, [0, 1]) == own.labels).mean()
    assert found["accuracy"] == found["accuracy_without_tta"] == right
    pinned = Study.open(Path("study")).config.splits["classes"]
    assert (pinned.samples, pinned.definition) == (50, f"50 images of {here / 'classes'}")


def test_a_kept_split_can_be_combined_and_reported_on(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from cli.combine import combine
    from cli.report import report

    _, err = asked(capsys, "--data", "classes", "--split", "classes", "--ensemble", "pair")
    assert "Next: ens-combine --split classes" in err
    assert run(combine, ["--split", "classes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 50
    assert run(report, ["per-class", "--split", "classes", "--ensemble", "pair", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["of"] == ["pair"]


def test_a_saved_ensemble_speaks_with_its_weights(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = asked(capsys, "--data", "flat", "--split", "flat", "--ensemble", "pair", "--out", "pair.csv")
    assert (found["ensemble"], found["rule"], found["weights"]) == ("pair", "mean", {"m-0": 0.25, "m-1": 0.75})
    assert found["files"] == [f"study/predictions/{m}.flat.h5" for m in ("m-0", "m-1", "pair")] + ["pair.csv"]
    one, two, pair = stored("flat", ("m-0", "m-1", "pair"))
    wanted = 0.25 * one.probs.astype(np.float64) + 0.75 * two.probs.astype(np.float64)
    np.testing.assert_allclose(pair.probs, wanted, atol=1e-6)
    assert (pair.kind, pair.parents, pair.weights) == ("ensemble", ("m-0", "m-1"), (0.25, 0.75))
    q = [np.rint(2**26 * p.probs.astype(np.float64)).astype(np.int64) for p in (one, two)]
    preds = (q[0] + 3 * q[1]).argmax(axis=1)
    with Path("pair.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["predicted"] for row in rows] == [VAL.class_ids[y] for y in preds]
    np.testing.assert_allclose([float(row["confidence"]) for row in rows], wanted[np.arange(50), preds], atol=1e-6)
    assert found["first"][0] == {
        "id": rows[0]["id"], "predicted": rows[0]["predicted"], "name": rows[0]["predicted_name"],
        "confidence": pytest.approx(float(rows[0]["confidence"])), "label": None,
    }  # fmt: skip


def test_views_are_named_in_what_is_kept(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = asked(capsys, "--part", "val", "--split", "val-crops", "--tta", "crops5", "--member", "m-1")
    (p,) = stored("val-crops", ("m-1",))
    assert p.attributes["view"] == found["tta"] == "crops5"
    assert found["accuracy"] == (p.probs.argmax(axis=1) == p.labels).mean()
    (val,) = stored("val", ("m-1",))
    assert found["accuracy_without_tta"] == (val.probs.argmax(axis=1) == val.labels).mean()
    assert found["accuracy"] != found["accuracy_without_tta"]
    assert (found["part"], found["split"], found["samples"]) == ("val", "val-crops", 1597)
    assert p.data_fingerprint == val.data_fingerprint
    assert Study.open(Path("study")).config.splits["val-crops"].definition == "1,597 images of digits, its val split"


def test_one_photograph(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)).save("photo.jpg")
    before = sorted(here.rglob("*"))
    assert run(predict, ["--data", "photo.jpg"]) == 0
    out, err = capsys.readouterr()
    assert f"1 image of {here / 'photo.jpg'}, unlabelled" in out
    assert "1 image in colour was made grey." in err
    assert "1 image was resized and cut to 16 x 16." in err
    assert "Nothing was kept: --out FILE" in err
    assert sorted(here.rglob("*")) == before


def test_unreadable_images_are_left_out_only_when_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "flat/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert run(predict, ["--data", "flat", "--split", "flat", "--out", "x.csv"]) == 2
    err = capsys.readouterr().err
    assert "1 of 51 images cannot be read: " in err
    assert "broken.png: expected an image (" in err
    assert not (here / "x.csv").exists()
    assert Study.open(Path("study")).members("flat") == []
    found, err = asked(capsys, "--data", "flat", "--split", "flat", "--out", "x.csv", "--skip-unreadable")
    assert "Warning: left out: " in err
    assert found["samples"] == 50
    assert len(stored("flat")[0]) == 50


def test_the_challenges_file(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ensemble.datasets.submission.IMAGES", 12)
    study = Study.open(Path("study"))
    assert run(predict, ["--part", "val", "--format", "tiny-imagenet", "--out", "s.txt"]) == 2
    assert "has the class '0'; use --format csv" in capsys.readouterr().err
    # The same study with WordNet's ids in place of 0 to 9.
    wnids = [f"n0000000{c}" for c in study.config.class_ids]
    for path in (here / "study/members").glob("*/weights.safetensors"):
        _rename_classes(path, wnids)
    text = (here / "study/study.toml").read_text().split("\n", 1)[1]  # less its checksum
    start, end = text.index("class_ids"), text.index("class_names")
    (here / "study/study.toml").write_text(f"{text[:start]}class_ids = {json.dumps(wnids)}\n{text[end:]}")
    (here / "test/images").mkdir(parents=True)
    for i in range(12):
        shutil.copy(here / f"flat/{VAL.sample_ids[CHOSEN[i]]}.png", here / f"test/images/test_{i}.png")
    asked(capsys, "--data", "test", "--format", "tiny-imagenet", "--out", "s.txt")
    preds = subset_preds(join(stored()), [0, 1])[CHOSEN[:12]]
    assert Path("s.txt").read_text() == "".join(f"test_{i}.JPEG n0000000{y}\n" for i, y in enumerate(preds))
    asked(capsys, "--data", "test", "--format", "tiny-imagenet", "--out", "s.txt")  # its own file is replaced
    assert run(predict, ["--data", "flat", "--format", "tiny-imagenet", "--out", "s.txt"]) == 2
    assert "is for the official test images test_0 to test_11, and 50 of these 50 are none" in capsys.readouterr().err


def _rename_classes(path: Path, ids: list[str]) -> None:
    from ensemble.study.weights import load_tensors, save_tensors

    tensors, facts = load_tensors(path, "kofn.weights")
    save_tensors(path, "kofn.weights", tensors, facts | {"class_ids": ids})


BAD: dict[str, tuple[list[str], str]] = {
    "no study": (["--study", "none"], "none: is not a study"),
    "tta": (["--tta", "mirors"], "--tta mirors: is not known; known: mirror, "),
    "member": (["--member", "m-7"], "no member matches 'm-7'; known: m-"),
    "imported": (["--member", "vit"], "'vit' is predictions only"),
    "ensemble": (["--ensemble", "pairs"], "has no saved ensemble 'pairs'; known: pair, "),
    "two answers": (["--ensemble", "pair", "--member", "m-0"], "--ensemble names who predicts, and so does --member"),
    "no part": ([], "digits: has the splits train, val; say which one with --part NAME."),
    "part": (["--part", "vall"], "digits: has no split 'vall', but the splits train, val"),
    "no data": (["--data", "nowhere"], "nowhere: there is no such file or folder"),
    "no images": (["--data", "study"], "study: holds no images among its "),
    "val": (["--split", "val"], "--split val: is a split that members are trained or judged on"),
    "split": (["--data", "flat", "--split", "a b"], "split 'a b': use letters"),
    "format": (["--data", "flat", "--format", "tiny-imagenet"], "--format tiny-imagenet is of a file; name it with"),
    "ending": (["--data", "flat", "--out", "x.txt"], "--out x.txt: --format csv writes .csv; name it x.csv."),
    "folder": (["--data", "flat", "--out", "flat"], "--out flat: is a folder; name a file in it."),
    "overwrite": (["--data", "flat", "--out", "mine.csv"], "--out mine.csv: is there already, and not written by ens-"),
    "a file is no folder": (["--data", "flat", "--out", "mine.csv/x.csv"], "mine.csv: cannot be written"),
    "device": (["--data", "flat", "--device", "abacus"], "--device abacus: cannot be used here"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "mine.csv").write_text("name,score\nx,1\n")
    before = {p: p.read_bytes() for p in here.rglob("*") if p.is_file()}
    arguments, message = BAD[case]
    assert run(predict, [*arguments, "--json"]) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert err.count("\n") == 1
    assert message in json.loads(out)["error"]
    assert {p: p.read_bytes() for p in here.rglob("*") if p.is_file()} == before


def test_a_split_of_other_images_is_refused_before_anything_is_predicted(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(capsys, "--data", "flat", "--split", "new")
    (here / f"flat/{VAL.sample_ids[0]}.png").unlink()
    assert run(predict, ["--data", "flat", "--split", "new"]) == 2
    assert "has it with 50 images" in capsys.readouterr().err
    Image.new("L", (16, 16)).save(here / f"flat/{VAL.sample_ids[0]}.png")
    assert run(predict, ["--data", "flat", "--split", "new"]) == 2
    assert "images of the same names, but other pixels than " in capsys.readouterr().err


def test_without_torch_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "sys.argv = ['ens-predict', '--data', 'x']\n"
        "from cli.predict import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "Error: ens-predict runs networks, and torch is missing: pip install 'kofn[train]'.\n"


def test_export(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(export, ["m-0", "--out", "m.npz", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": 1, "study": "study", "name": "m-0", "split": "val", "samples": 1597, "classes": 10,
        "labelled": True, "parents": [], "file": "m.npz",
        "definition": {"name": "m-0", "members": ["m-0"], "rule": "mean", "weights": {"m-0": 1.0}, "selection": None,
                       "chosen_on": None, "changed": []},
    }  # fmt: skip
    (val,) = stored("val", ("m-0",))
    np.testing.assert_array_equal(import_file(Path("m.npz")).predictions.probs, val.probs)
    assert run(export, ["all", "--out", "mean.csv"]) == 0
    mean = import_file(Path("mean.csv")).predictions.probs
    both = np.mean([p.probs.astype(np.float64) for p in (*stored(), val)], axis=0)  # vit is m-0 once more
    np.testing.assert_allclose(mean, both, atol=1e-7)
    assert "mean.csv: 1,597 x 10 probabilities of all on val" in capsys.readouterr().out
    for arguments, message in (
        (
            ["m-7", "--out", "m.npz"],
            "has no member or saved ensemble 'm-7' for split 'val'; besides 'all' and 'best', ",
        ),
        (["m-0", "--out", "m.xlsx"], "m.xlsx: its name must end in .npz, .csv, .parquet"),
        (
            ["m-0", "--split", "test", "--out", "m.npz"],
            "has no predictions for split 'test'; splits with predictions: val",
        ),
        (["m-0", "--out", "m.npz/x.csv"], "m.npz/x.csv: cannot be written"),
    ):
        assert run(export, arguments) == 2
        assert message in capsys.readouterr().err
