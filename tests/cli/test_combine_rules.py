"""ens-combine with many members and with the other rules."""

import csv
import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from served import STANDS

from analysis.stack import join
from analysis.subsets import table as table_file
from analysis.subsets.reference import subset_table
from cli.combine import combine
from cli.common import run
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study, StudyConfig
from ensemble.study.tables import read_table

Make = Callable[..., Study]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A function (members, samples, classes) that makes a study."""

    def made(members: int, samples: int, classes: int) -> Study:
        rng = np.random.default_rng(0)
        names = tuple(f"n{i}" for i in range(classes))
        labels, ids = rng.integers(0, classes, samples), np.array([f"s{i}" for i in range(samples)])
        study = Study.create(tmp_path / "study", StudyConfig("imported", None, None, names, names))
        for i in range(members):
            logits = rng.normal(size=(samples, classes))
            logits[np.arange(samples), labels] += 1
            probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            study.write(Predictions(f"m-{i}", "val", probs, ids, names, names, labels))
        return study

    return made


def ask(study: Study, capsys, *options: str) -> tuple[int, str, str]:
    status = run(combine, ["--study", str(study.root), *options])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize("rule", ["geometric", "vote"])
def test_other_rules(make: Make, capsys, tmp_path: Path, rule: str) -> None:
    study = make(4, 80, 7)
    status, out, err = ask(study, capsys, "--rule", rule, "--json", "--table", str(tmp_path / "t.h5"))
    assert status == 0, err
    found = json.loads(out)
    table = subset_table(join(study.select("val")), range(1, 5), rule=rule)
    assert found["rule"] == rule
    assert [s["mean_accuracy"] for s in found["by_size"]] == [s.mean_accuracy for s in table.by_size()]
    assert found["best"]["members"] == list(table.best().members)
    assert (found["best"]["nll"] is None) == (rule == "vote") == (found["by_size"][0]["mean_brier"] is None)
    columns, attributes = read_table(tmp_path / "t.h5")
    assert attributes["rule"] == rule
    assert columns["correct"].tolist() == table.correct.tolist()
    np.testing.assert_array_equal(columns["nll"], table.nll)
    status, out, _ = ask(study, capsys, "--rule", rule)
    assert status == 0
    assert ("NLL -, Brier -" in out) == (rule == "vote")
    assert "nan" not in out


def test_a_geometric_mean_is_saved_as_what_it_is(make: Make, capsys) -> None:
    study = make(3, 50, 5)
    status, _, err = ask(study, capsys, "--rule", "geometric", "--k", "3", "--save", "geo")
    assert status == 0, err
    saved = study.read("geo", "val")
    logs = np.log(join(study.select("val")).probs.astype(np.float64)).mean(axis=0)
    np.testing.assert_allclose(saved.probs, np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True), rtol=1e-6)
    assert saved.attributes["rule"] == "geometric"


@pytest.mark.parametrize(
    ("members", "options", "message"),
    [
        (3, ["--rule", "vote", "--metric", "nll"], "metric 'nll': a vote gives no probabilities; choose by accuracy"),
        (3, ["--rule", "vote", "--save", "x"], "--save: a vote gives no probabilities to keep"),
        (13, ["--rule", "geometric", "--metric", "brier", "--k", "2"], "computed up to 12 members, and there are 13"),
        (3, ["--rule", "geometrc"], "'geometrc' is not one of 'mean', 'geometric', 'vote'"),
        (40, [], "that would be 1,099,511,627,775 subsets of 40 members, which take 43,981.3 GB of memory"),
    ],
)
def test_what_cannot_be_done_is_said(make: Make, capsys, members: int, options: list[str], message: str) -> None:
    status, out, err = ask(make(members, 20, 4), capsys, *options)
    assert status == 2
    assert message in err
    assert out == ""


def test_many_members_by_sizes(make: Make, capsys) -> None:
    study = make(40, 60, 6)
    status, out, err = ask(study, capsys, "--k", "1-3", "--json")
    assert status == 0, err
    found = json.loads(out)
    assert found["subsets"] == 40 + 780 + 9880
    table = subset_table(join(study.select("val")), [1, 2, 3])
    assert [s["max_accuracy"] for s in found["by_size"]] == [s.max_accuracy for s in table.by_size()]


@pytest.mark.parametrize("ending", ["csv", "h5"])
def test_a_long_table_is_written_in_blocks(make: Make, capsys, tmp_path: Path, ending: str, monkeypatch) -> None:
    monkeypatch.setattr(table_file, "ROWS", 300)
    study = make(11, 40, 5)
    path = tmp_path / f"t.{ending}"
    status, _, err = ask(study, capsys, "--table", str(path))
    assert status == 0, err
    table = subset_table(join(study.select("val")), range(1, 12))
    if ending == "csv":
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        masks, members = [int(r["mask"]) for r in rows], [r["members"] for r in rows]
        correct = [int(r["correct"]) for r in rows]
    else:
        columns, _ = read_table(path)
        masks, members, correct = (columns[name].tolist() for name in ("mask", "members", "correct"))
    assert masks == list(range(1, 2**11))
    assert correct == table.correct.tolist()
    assert members == ["+".join(table.members_of(mask)) for mask in masks]


def test_twenty_members_say_what_they_cost_and_can_be_interrupted(make: Make) -> None:
    study = make(20, 3000, 20)
    command = [STANDS.script("ens-combine"), "--study", study.root, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        if line.startswith("Compiling"):
            line = process.stderr.readline()
        assert line == "1,048,575 subsets of 20 members: a table of 42 MB.\n"  # seconds: too few to be said
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted" in json.loads(out)["error"]
    assert "Traceback" not in err
