"""ens-report versus as those who script it see it."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from studies import add, study_at

from analysis import paired_test
from cli.common import run
from cli.report import report
from ensemble.study.study import Study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = study_at(tmp_path_factory.mktemp("versus") / "study")
    add(made, "good", right=18)
    add(made, "bad", right=4)
    return made


def ask(study: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path, *words: str) -> tuple[int, str, str]:
    status = run(report, ["versus", "--study", str(study.root), "--out", str(tmp_path), *words])
    out, err = capsys.readouterr()
    return status, " ".join(out.split()), err


def test_two_members(study: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    one, other = study.read("good", "val"), study.read("bad", "val")
    labels, preds, others = one.labels, one.probs.argmax(axis=1), other.probs.argmax(axis=1)
    assert labels is not None
    known = paired_test(labels, preds, others)
    status, out, err = ask(study, capsys, tmp_path, "good", "bad", "--json")
    assert status == 0, err
    found: dict[str, Any] = json.loads(out)
    assert (found["one"], found["other"], found["samples"]) == ("good", "bad", len(labels))
    assert (found["only_one"], found["only_other"]) == (known.won, known.lost)
    assert found["both"] + found["neither"] + known.won + known.lost == len(labels)
    assert found["accuracy"]["p"] == known.p
    assert found["accuracy"]["one"] - found["accuracy"]["other"] == pytest.approx(known.difference)
    assert found["verdict"].startswith("good is more accurate than bad")
    assert len(found["won"]) == known.won
    with Path(found["files"][0]).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows if row["right"] == "one"] == found["won"]
    assert all(row["good"] == row["label"] != row["bad"] for row in rows if row["right"] == "one")
    status, out, _ = ask(study, capsys, tmp_path, "good", "bad")
    assert status == 0
    assert f"good against bad, {len(labels)} samples of val" in out
    assert f"good right {found['both']} {known.won} bad? wrong".removesuffix(" bad? wrong") in out
    assert "(McNemar, mid-p)" in out
    assert "lower is better" in out


def test_a_member_of_another_study_and_the_best(
    study: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, out, err = ask(study, capsys, tmp_path, "good", f"{study.root}:good")
    assert status == 0, err
    assert "do the same on every sample, with the same probability of what is true" in out
    status, out, err = ask(study, capsys, tmp_path, "best", "bad")
    assert status == 0, err
    assert "The best subset was chosen on val itself, which is likely to flatter it here." in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["good"], "expected two predictors to compare, found 1"),
        (["good", "bad", "all"], "expected two predictors to compare, found 3"),
        (["good", "good"], "expected two different predictors, found 'good' twice"),
        (["good", "baad"], "has no member or saved ensemble 'baad'"),
        (["good", "/nowhere:bad"], "is not a study"),
    ],
)
def test_what_cannot_be_compared(
    study: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], message: str
) -> None:
    status, out, err = ask(study, capsys, tmp_path, *words)
    assert (status, out) == (2, "")
    assert message in err
