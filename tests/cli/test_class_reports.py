"""ens-report per-class, confusion, errors and sample as those who script them see them."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import Reported
from studies import drawn

from analysis.classes.confusion import confused_pairs, confusion
from analysis.classes.improved import compare_classes
from analysis.ensemble import ensemble_of
from analysis.errors import find_errors
from analysis.report_data import ReportData
from analysis.stack import join
from cli.common import run
from cli.report import report
from ensemble.datasets import load_dataset
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study, StudyConfig

Ask = Callable[..., tuple[int, str, str]]
HOSTILE = ("</script><img src=x onerror=alert(1)>", "=cmd()", "x" * 300, "مرحبا", "😀", "\x1b[31mred", "$x_1$", "crane",
           "crane", "")  # fmt: skip


@pytest.fixture
def hostile(tmp_path: Path) -> Study:
    """Two imported members: ten classes with hostile names, one of them without samples; no images."""
    ids = tuple(f"n{i}" for i in range(10))
    study = Study.create(tmp_path / "imported", StudyConfig("imported", None, None, ids, HOSTILE))
    labels = np.repeat(np.arange(9), 10)
    for i in range(2):
        probs = drawn(labels, 10, i, 1 + 4 * labels / 10, common=99)
        rows = np.array([f"=s{j}" for j in range(90)])
        study.write(Predictions(f"rf-{i}", "val", probs, rows, ids, HOSTILE, labels))
    return study


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Ask:
    def call(study: Study, *options: str) -> tuple[int, str, str]:
        where = () if "--out" in options else ("--out", str(tmp_path / "out"))
        status = run(report, ["--study", str(study.root), *where, *options])
        out, err = capsys.readouterr()
        return status, out, err

    return call


def flat(text: str) -> str:
    """Sentences without the breaks that fit them to a terminal."""
    return " ".join(text.split())


def document(ask: Ask, study: Study, *options: str) -> dict:
    status, out, err = ask(study, *options, "--json")
    assert status == 0, err
    return json.loads(out)


def test_per_class_adds_its_fields_to_the_contract(digits: Study, documents: Reported) -> None:
    found = documents["per-class"]
    assert {"split", "of", "rule", "worst_k", "classes"} <= set(found)
    assert list(found["classes"][0])[:9] == [
        "id", "name", "samples", "correct", "accuracy", "low", "high", "confused_with", "worst_share"
    ]  # fmt: skip
    stack = join(digits.select("val"))
    group = ensemble_of(stack)
    best = group.best_member
    value = compare_classes(stack.require_labels(), group.preds, group.member_preds[best], stack.class_ids)
    for own in found["classes"]:
        c = stack.class_ids.index(own["id"])
        assert own["said"] == (group.preds == c).sum()
        assert own["precision"] == pytest.approx((stack.require_labels()[group.preds == c] == c).mean())
        assert own["against"]["won"] == value.won[c]
        assert own["against"]["q"] == pytest.approx(value.q[c])
        assert own["members"]["all_wrong"] == pytest.approx(
            (group.member_preds[:, stack.require_labels() == c] != c).all(axis=0).mean()
        )
    assert sum(own["best_share"] for own in found["classes"]) == pytest.approx(found["worst_k"])
    assert found["against"]["name"] == stack.members[best]
    assert found["against"]["chosen_here"] is True
    assert found["against"]["helped"] == [stack.class_ids[c] for c in value.improved]
    names = ("per-class.png", "per-class-helped.png", "per-class.csv")
    assert found["files"] == [str(documents.folder / name) for name in names]


@pytest.mark.usefixtures("undrawn")
def test_who_is_compared_with_is_said(digits: Study, ask: Ask, tmp_path: Path) -> None:
    _, out, _ = ask(digits, "per-class")
    out = flat(out)
    assert "was chosen as the best on these very images, which is likely to flatter it" in " ".join(out.split())
    assert "McNemar's mid-p; Benjamini-Hochberg at 5 %" in out
    assert "members differ least on " in out
    named = document(ask, digits, "per-class", "--against", "m3-2")
    assert (named["against"]["name"], named["against"]["chosen_here"]) == ("m3-2", False)
    assert (tmp_path / "out" / "per-class-helped-against-m3-2.png").is_file()
    assert document(ask, digits, "per-class", "--against", "pair")["against"]["name"] == "pair"
    alone = document(ask, digits, "per-class", "--ensemble", "m3-0")
    assert (alone["against"], alone["classes"][0]["against"], alone["classes"][0]["members"]) == (None, None, None)
    saved = document(ask, digits, "per-class", "--ensemble", "pair")
    assert saved["of"] == ["pair"]
    assert saved["members"] == ["m3-0", "m3-1"]  # its parents
    assert saved["against"]["name"] in saved["members"]


@pytest.mark.usefixtures("undrawn")
def test_confusion_is_its_value(digits: Study, documents: Reported, ask: Ask) -> None:
    found = documents["confusion"]
    ensemble = ReportData(digits, "val").ensemble
    stack = ensemble.stack
    value = confusion(stack.require_labels(), ensemble.preds, stack.class_ids, stack.class_names)
    assert [c["id"] for c in found["classes"]] == [value.class_ids[i] for i in value.order]
    assert found["counts"] == value.counts[np.ix_(value.order, value.order)].tolist()
    assert (found["order"], found["samples"], found["accuracy"]) == ("cluster", 1597, pytest.approx(value.accuracy))
    pairs = confused_pairs(value, 10)
    assert [(p["a"]["id"], p["b"]["id"], p["both"]["count"]) for p in found["pairs"]] == [
        (value.class_ids[p.a], value.class_ids[p.b], p.both.count) for p in pairs
    ]
    assert found["pairs"][0]["a_as_b"]["low"] == pytest.approx(pairs[0].there.low)
    assert (found["without_images"], found["clusters"]) == (None, [])
    names = ("confusion.png", "confused-pairs.png", "confusion.csv", "confused-pairs.csv")
    assert found["files"] == [str(documents.folder / name) for name in names]
    assert all(Path(file).stat().st_size > 300 for file in found["files"])
    by_id = document(ask, digits, "confusion", "--order", "id", "--top", "3")
    assert by_id["pairs"] == found["pairs"][:3]
    assert [c["id"] for c in by_id["classes"]] == list(value.class_ids)
    assert by_id["files"][0].endswith("confusion-by-id.png")


@pytest.mark.usefixtures("undrawn")
def test_errors_are_their_value(digits: Study, ask: Ask, tmp_path: Path) -> None:
    found = document(ask, digits, "errors", "--samples", "50", "--seed", "3", "--images", "2")
    value = find_errors(ensemble_of(join(digits.select("val"))), 50, 3)
    assert found["oracle"] == pytest.approx(value.oracle)
    assert [row["samples"] for row in found["by_members_right"]] == value.by_members_right().sum(axis=1).tolist()
    for kind in ("suspects", "rescued", "spoiled"):
        rows = getattr(value, kind)
        assert found[kind]["count"] == len(rows)
        assert [i["sample_id"] for i in found[kind]["images"]] == value.sample_ids[rows[:50]].tolist()
    drawn = found["drawn"]
    assert (drawn["samples"], drawn["seed"], drawn["correct"]) == (50, 3, int(value.right[value.drawn].sum()))
    assert [i["sample_id"] for i in drawn["images"]] == value.sample_ids[value.drawn_errors()].tolist()
    assert drawn["low"] < drawn["accuracy"] < drawn["high"]
    kinds = ("", "-suspects", "-rescued", "-spoiled", "-drawn")
    names = (*(f"errors{kind}.png" for kind in kinds), "errors.csv", "label-errors.csv")
    assert found["files"] == [str(tmp_path / "out" / name) for name in names]
    assert all(Path(file).is_file() for file in found["files"])
    again = document(ask, digits, "errors", "--samples", "50", "--seed", "3")
    assert again["drawn"] == drawn
    with (tmp_path / "out" / "errors.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(row["drawn"] == "1" for row in rows) == 50
    assert sum(row["right"] == "0" for row in rows) == int((~value.right).sum())


@pytest.mark.usefixtures("undrawn")
def test_errors_of_a_saved_ensemble_are_beside_its_parents(digits: Study, ask: Ask) -> None:
    found = document(ask, digits, "errors", "--ensemble", "pair")
    assert (found["of"], found["members"]) == (["pair"], ["m3-0", "m3-1"])
    alone = document(ask, digits, "errors", "--ensemble", "m3-1")
    assert (alone["members"], alone["rescued"]["count"], alone["spoiled"]["count"]) == (["m3-1"], 0, 0)
    assert alone["oracle"] == alone["accuracy"]


@pytest.mark.usefixtures("undrawn")
def test_what_errors_say(digits: Study, ask: Ask) -> None:
    _, out, err = ask(digits, "errors")
    out = flat(out)
    assert "At least one member is right on " in out
    assert "These are candidates for a wrong label, no more." in out
    assert "drawn: 1,000 images with seed 0, " in out
    assert "Next: ens-report confusion" in err


@pytest.mark.usefixtures("undrawn")
def test_sample_shows_classes_whatever_was_said(digits: Study, ask: Ask, tmp_path: Path) -> None:
    found = document(ask, digits, "sample", "--rows", "4", "--images", "3", "--seed", "1")
    split = load_dataset("digits").split("val")
    assert split.labels is not None
    truth = dict(zip(split.sample_ids.tolist(), split.labels.tolist(), strict=True))
    assert [len(c["sample_ids"]) for c in found["classes"]] == [3] * 4
    assert all(truth[i] == int(c["id"]) for c in found["classes"] for i in c["sample_ids"])
    assert document(ask, digits, "sample", "--rows", "4", "--images", "3", "--seed", "1") == found
    assert found["files"] == [str(tmp_path / "out" / "sample.png")]
    # Of a split that nobody predicted too.
    assert document(ask, digits, "sample", "--split", "train", "--class", "7")["classes"][0]["id"] == "7"
    assert (tmp_path / "out" / "sample-train-7.png").is_file()


@pytest.mark.usefixtures("undrawn")
def test_hostile_names_drive_neither_terminal_nor_spreadsheet_nor_files(
    hostile: Study, ask: Ask, tmp_path: Path
) -> None:
    for kind in ("per-class", "confusion", "errors"):
        status, out, err = ask(hostile, kind)
        assert status == 0, err
        assert "\x1b" not in out
        # Said so, since click itself takes whole escapes off where no terminal listens.
        assert kind != "per-class" or "\N{REPLACEMENT CHARACTER}[31mred" in out
    assert "(n7)" in out or "(n8)" in out  # two classes of one name
    folder = tmp_path / "out"
    assert {p.name for p in folder.iterdir()} == {
        "per-class.png", "per-class-helped.png", "per-class.csv", "confusion.png", "confusion.csv",
        "confused-pairs.csv", "errors.png", "errors.csv", "label-errors.csv",
    }  # fmt: skip
    for path in folder.glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert "'=cmd()" in cells
        numbers = [c for c in cells if c[:1] in "+-" and c]
        assert all(float(c) < 0 for c in numbers)
        assert not [c for c in cells if c[:1] in ("=", "@", "\t", "\r")]
    found = document(ask, hostile, "confusion")
    assert "holds predictions that were imported, and no images are known for them" in found["without_images"]
    assert document(ask, hostile, "errors")["without_images"] == found["without_images"]
    absent = next(c for c in document(ask, hostile, "per-class")["classes"] if c["id"] == "n9")
    assert [absent[k] for k in ("accuracy", "low", "f1", "worst_share", "best_share")] == [None] * 5
    assert absent["against"]["p"] is None and absent["members"]["disagreement"] is None
    status, _, err = ask(hostile, "sample")
    assert (status, "no images are known for them" in err) == (2, True)


BAD = [
    (("per-class", "--against", "m3-9"), "no member or saved ensemble 'm3-9' for split 'val' to compare with; known: "),
    (("per-class", "--against", "few"), "few: lacks 1,588 of the 1,597 samples of m3-0 + m3-1 + m3-2 + m3-3"),
    (("confusion", "--top", "0"), "0 is not in the range"),
    (("confusion", "--order", "name"), "'name' is not one of"),
    (("errors", "--samples", "0"), "0 is not in the range"),
    (("errors", "--seed", "-1"), "-1 is not in the range"),
    (("sample", "--rows", "0"), "0 is not in the range"),
    (("sample", "--split", "tset"), "has no images for split 'tset'; it has train, val."),
    (("sample", "--class", "77"), "no class '77', by id or by name"),
    (("curve", "--against", "m3-0"), "--against is for per-class, not for curve."),
    (("per-class", "--top", "3"), "--top is for confusion, not for per-class."),
]  # fmt: skip


@pytest.mark.parametrize(("options", "said"), BAD)
def test_bad_input_is_named_in_a_sentence_and_nothing_is_written(
    digits: Study, ask: Ask, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    status, out, err = ask(digits, *options)
    assert (status, out) == (2, "")
    assert said in err
    assert not list(tmp_path.glob("out/*"))
