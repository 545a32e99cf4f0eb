"""The whole way on real Tiny ImageNet, cut down: train, combine, report, as a person would."""

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import process
from PIL import Image

from ensemble.study.study import Study


def run(name: str, *words: str | Path, cwd: Path) -> dict[str, Any]:
    done = process(name, *words, "--json", cwd=cwd)
    assert done.status == 0, done.err
    return done.document


@pytest.fixture(scope="module")
def few_classes(tiny_imagenet_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten classes of the sample as a zip of the official layout: enough to learn from, quick enough for a test."""
    folder = tmp_path_factory.mktemp("real")
    path = folder / "tiny.zip"
    with zipfile.ZipFile(tiny_imagenet_sample) as whole, zipfile.ZipFile(path, "w") as part:
        top = "tiny-imagenet-200/"
        wnids = sorted(whole.read(top + "wnids.txt").decode().split())[::20]
        notes = whole.read(top + "val/val_annotations.txt").decode().splitlines(keepends=True)
        kept = [line for line in notes if line.split("\t")[1] in wnids]
        images = {line.split("\t")[0] for line in kept}
        for name in whole.namelist():
            where = name.removeprefix(top).split("/")
            if (
                (where[0] == "train" and where[1] in wnids and name.endswith(".JPEG"))
                or (where[:2] == ["val", "images"] and where[-1] in images)
                or (where[0] == "test" and where[-1] in ("test_0.JPEG", "test_1.JPEG"))
            ):
                part.writestr(name, whole.read(name))
        part.writestr(top + "wnids.txt", "\n".join(wnids))
        part.writestr(top + "val/val_annotations.txt", "".join(kept))
        part.writestr(top + "words.txt", whole.read(top + "words.txt"))
    return path


def test_from_real_images_to_every_subset_and_pictures(few_classes: Path) -> None:
    folder = few_classes.parent
    words = ("--variants", "3", "--epochs", "4", "--set", "batch_size=20")
    trained = run("ens-train", "--data", few_classes, "--model", "ting-m1", *words, cwd=folder)
    assert [m["status"] for m in trained["members"]] == ["trained"] * 3
    combined = run("ens-combine", "--k", "all", cwd=folder)
    assert (combined["samples"], combined["classes"], combined["subsets"]) == (100, 10, 7)
    # Chance is 10 %; 400 images, 4 epochs of 20 steps, teach M1 clearly more.
    assert combined["by_size"][2]["mean_accuracy"] >= 0.2
    # The unlabelled test images are predicted without being asked.
    study = Study.open(folder / "study")
    test = study.read("ting-m1-0", "test")
    assert test.labels is None
    assert test.probs.shape == (2, 10)
    assert list(test.sample_ids) == ["images/test_0", "images/test_1"]
    report = run("ens-report", "all", cwd=folder)
    assert report["schema"] == 1
    written = {p.name for p in (folder / "study" / "report").iterdir()}
    assert {
        "per-class.png",
        "per-class.csv",
        "curve.png",
        "training.png",
        "gallery.png",
        "filters-ting-m1-0.png",
    } <= written
    for name in [name for name in written if name.endswith(".png")]:
        pixels = np.asarray(Image.open(folder / "study" / "report" / name).convert("L"))
        assert pixels.std() > 10, f"{name} is empty"
    classes = run("ens-report", "per-class", cwd=folder)["classes"]
    assert len(classes) == 10
    assert all(c["id"].startswith("n") and c["name"] != c["id"] and c["samples"] == 10 for c in classes)
    assert [c["accuracy"] for c in classes] == sorted(c["accuracy"] for c in classes)


def test_a_gallery_whose_images_are_gone_says_so(few_classes: Path, tmp_path: Path) -> None:
    folder = few_classes.parent
    if not (folder / "study").exists():
        run("ens-train", "--data", few_classes, "--model", "ting-m1", "--variants", "1", "--epochs", "1", cwd=folder)
    shutil.copytree(folder / "study", tmp_path / "study")
    hidden = few_classes.rename(folder / "hidden.zip")
    try:
        done = process("ens-report", "gallery", cwd=tmp_path)
    finally:
        hidden.rename(few_classes)
    assert done.status == 2
    assert "tiny.zip" in done.err
    assert "Traceback" not in done.err
