"""`ens-report abstain`: what it prints, writes and refuses."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import Done, call
from studies import drawn

from analysis.abstention.of_ensemble import ensemble_abstention, logits_of
from analysis.ensemble import ensemble_of
from analysis.stack import join
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study, StudyConfig

pytestmark = pytest.mark.usefixtures("undrawn")
LABELS = np.arange(240) % 4
IDS = np.array([f"s{i:03d}" for i in range(240)])
CLASSES = tuple(f"n{i}" for i in range(4))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Three members with logits on val and blurred (rows and columns in another order), a saved pair; few and test."""
    made = Study.create(tmp_path_factory.mktemp("abstain") / "study",
                        StudyConfig("imported", None, None, CLASSES, CLASSES))  # fmt: skip
    for i in range(3):
        probs = drawn(LABELS, 4, i, 2.0).astype(np.float32)
        own = Predictions(f"m-{i}", "val", probs, IDS, CLASSES, CLASSES, LABELS,
                          extras={"logits": np.log(probs) + 2})  # fmt: skip
        back, turned = np.arange(240)[::-1], [2, 0, 3, 1]
        made.write(own)
        blurred = drawn(LABELS, 4, 10 + i, 0.3).astype(np.float32)
        logits = np.log(blurred) + 1
        names = tuple(CLASSES[c] for c in turned)
        place = np.array([turned.index(y) for y in range(4)])
        made.write(Predictions(f"m-{i}", "blurred", blurred[back][:, turned], IDS[back], names, names,
                               place[LABELS[back]], extras={"logits": logits[back][:, turned]}))  # fmt: skip
        made.write(replace(own, split="few", probs=probs[:12], labels=LABELS[:12], sample_ids=IDS[:12], extras={}))
        made.write(replace(own, split="test", labels=None, extras={}))
        if i < 2:
            made.write(replace(own, split="foreign", labels=None, extras={}))
    return made


def ask(study: Study, out: Path, *words: str | Path, status: int = 0) -> Done:
    done = call("ens-report", "abstain", *words, "--study", study.root, "--out", out)
    assert done.status == status, done.err
    return done


def document(study: Study, out: Path, *words: str | Path) -> dict:
    return json.loads(ask(study, out, "--json", *words).out)


def test_the_document_is_the_value(study: Study, tmp_path: Path) -> None:
    found = document(study, tmp_path)
    ensemble = ensemble_of(join(study.select("val")))
    other = ensemble_of(join(study.select("blurred")))
    logits = [logits_of(study, ensemble.stack), logits_of(study, other.stack)]
    value = ensemble_abstention(ensemble, shifted=[other], logits=logits)
    assert [s["score"] for s in found["scores"]] == list(value.curves)
    assert [s["aurc"] for s in found["scores"]] == [c.aurc for c in value.curves.values()]
    # The softmax of ln p + 2 is p: each member's energy is 2, whatever order rows and columns have.
    assert value.certainty["energy"] == pytest.approx(np.full(240, 2), abs=1e-5)
    detection = value.shifted[0].detection
    energy = detection.scores.index("energy")
    assert detection.auroc[energy] == 1.0 and detection.fpr[energy] == 0.0
    assert [s["auroc"] for s in found["shifted"][0]["scores"]] == detection.auroc.tolist()
    assert found["shifted"][0]["labelled"]["accuracy"] == pytest.approx(other.accuracy)
    assert len(found["sets"]) == 6 and found["sets"][0]["how"] == "cross-fitted"
    assert found["sets"][0]["coverage"] == value.sets[0].coverage
    assert [m["name"] for m in found["members"]] == ["m-0", "m-1", "m-2"]
    assert found["skipped"][0].startswith("foreign: ")  # m-2 is not there
    names = [Path(file).name for file in found["files"]]
    assert names == ["abstain.png", "abstain-sets.png", "abstain.csv", "abstain-samples.csv", "abstain-classes.csv"]
    rows = list(csv.DictReader((tmp_path / "abstain-samples.csv").read_text().splitlines()))
    assert len(rows) == 240
    assert [float(r["confidence"]) for r in rows] == sorted(ensemble.confidence)
    assert sum(r["right"] == "1" for r in rows) == (ensemble.preds == LABELS).sum()
    first = next(csv.DictReader((tmp_path / "abstain.csv").read_text().splitlines()))
    assert (first["kind"], float(first["aurc"])) == ("ensemble", value.curves["confidence"].aurc)


def test_what_is_said_is_what_is_found(study: Study, tmp_path: Path) -> None:
    found = document(study, tmp_path)
    out = ask(study, tmp_path).out
    assert f"{100 * found['scores'][0]['aurc']:.2f}" in out and f"{found['scores'][0]['auroc']:.3f} (" in out
    assert f"LAC's sets have {found['sets'][0]['mean_size']:.2f} classes on average" in out
    assert f"{found['uncertainty']['wrong']['mutual_information']:.4f}" in out
    assert f"blurred: {100 * found['shifted'][0]['labelled']['accuracy']:.1f} % right" in out
    assert "left out: foreign: " in out


def test_files_of_foreign_samples(study: Study, tmp_path: Path) -> None:
    far = [drawn(np.zeros(30, int), 4, 40 + i, 0.0) for i in range(3)]
    for i, probs in enumerate(far):
        np.savez(tmp_path / f"m-{i}.npz", probs=probs, class_ids=CLASSES)
    np.savez(tmp_path / "foreign-mean.npz", probs=np.mean(far, axis=0), class_ids=CLASSES)
    every = [word for i in range(3) for word in ("--shifted", tmp_path / f"m-{i}.npz")]
    found = document(study, tmp_path, *every)["shifted"]
    assert [(s["split"], s["samples"], s["labelled"]) for s in found] == [("3 files", 30, None)]
    # Of each member there is disagreement too; of the ensemble's own probabilities there is none.
    assert "mutual_information" in [s["score"] for s in found[0]["scores"]]
    one = document(study, tmp_path, "--shifted", tmp_path / "foreign-mean.npz")["shifted"][0]
    assert [s["score"] for s in one["scores"]] == ["confidence", "margin", "entropy"]
    assert one["scores"][0]["auroc"] == pytest.approx(found[0]["scores"][0]["auroc"])
    assert one["uncertainty"] is None
    two = [word for i in range(2) for word in ("--shifted", tmp_path / f"m-{i}.npz")]
    err = ask(study, tmp_path, *two, status=2).err
    assert "or one for each of its members (m-0, m-1, m-2), found m-0, m-1" in " ".join(err.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--alpha", "0.001"], "too few for sets that miss so seldom; the least that all methods can keep to is 0.0"),
        (
            ["--split", "few", "--alpha", "0.1"],
            "--alpha 0.1: 12 samples are too few for sets that miss so seldom; the least that all methods can keep to",
        ),
        (["--split", "test"], "has no labels"),
        (["--shifted", "val"], "is the split that is reported on"),
        (["--shifted", "nowhere"], "is neither a file nor a split of the study; it has blurred, few"),
        (["--shifted", "foreign"], "has no predictions of 'm-2' for split 'foreign'"),
        (["--alpha", "1"], "--alpha"),
    ],
)
def test_bad_input(study: Study, tmp_path: Path, words: list[str], said: str) -> None:
    assert said in " ".join(ask(study, tmp_path, *words, status=2).err.split())


def test_too_few_samples_and_one_member(study: Study, tmp_path: Path) -> None:
    found = document(study, tmp_path, "--split", "few", "--shifted", "blurred")
    assert found["sets"] == [] and "12 samples are too few" in found["lacking"]
    assert "No conformal sets: 12 samples are too few" in ask(study, tmp_path, "--split", "few").out
    alone = document(study, tmp_path, "--ensemble", "m-1", "--alpha", "0.2")
    assert alone["members"] == [] and alone["uncertainty"] is None
    assert "abstain-m-1-alpha-0.2.csv" in {Path(file).name for file in alone["files"]}
    assert "One member: its uncertainty has no parts" in ask(study, tmp_path, "--ensemble", "m-1").out
