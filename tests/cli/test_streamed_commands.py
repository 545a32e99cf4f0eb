"""What is too large to hold stays in its files, and every command says the same of it."""

import json
from pathlib import Path

import numpy as np
import pytest
from studies import drawn

from analysis import saved
from analysis.subsets import score
from cli.combine import combine
from cli.common import run
from cli.exporting import export
from cli.report import report
from ensemble.study.predictions import Predictions, read_predictions
from ensemble.study.study import Study, StudyConfig

C, N = 9, 240
CLASSES = tuple(f"n{i}" for i in range(C))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Five members, two of which have their rows or columns in another order, and a saved ensemble."""
    rng = np.random.default_rng(0)
    made = Study.create(tmp_path_factory.mktemp("streamed") / "study", StudyConfig("toy", None, None, CLASSES, CLASSES))
    labels, ids = rng.integers(0, C, N), np.array([f"s{i}" for i in range(N)])
    for i in range(5):
        probs = drawn(labels, C, i, 1.5).astype(np.float32)
        rows = rng.permutation(N) if i == 1 else np.arange(N)
        columns = rng.permutation(C) if i == 2 else np.arange(C)
        names = tuple(CLASSES[c] for c in columns)
        own = np.argsort(columns)[labels[rows]]
        made.write(Predictions(f"m-{i}", "val", probs[np.ix_(rows, columns)], ids[rows], names, names, own))
    assert run(combine, ["--study", str(made.root), "--members", "m-[0-2]", "--save", "three", "--quiet"]) == 0
    return made


def said(capsys, command, study: Study, *words: str) -> dict:
    capsys.readouterr()
    assert run(command, [*words, "--study", str(study.root), "--json", "--quiet"]) == 0
    return json.loads(capsys.readouterr().out)


def near(found: object, expected: object, path: str = "") -> None:
    """Compare two documents: whole numbers and words as they are, others to 1e-12."""
    if isinstance(expected, dict):
        assert isinstance(found, dict) and found.keys() == expected.keys(), path
        for key in expected:
            near(found[key], expected[key], f"{path}.{key}")
    elif isinstance(expected, list):
        assert isinstance(found, list) and len(found) == len(expected), path
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            near(one, other, f"{path}[{i}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-12), path
    else:
        assert found == expected, path


@pytest.mark.parametrize(
    "words",
    [
        ("combine",),
        ("combine", "--members", "m-*", "--members", "three", "--select", "greedy"),
        ("combine", "--metric", "brier", "--rule", "geometric"),
        ("per-class",),
        ("per-class", "--ensemble", "three"),
        ("confusion",),
        ("calibration",),
        ("diversity",),
        ("errors",),
        ("html",),
    ],
    ids=" ".join,
)
def test_a_command_says_the_same_of_predictions_in_files(
    study: Study, words: tuple[str, ...], capsys, monkeypatch: pytest.MonkeyPatch, undrawn: None
) -> None:
    command, words = (combine, words[1:]) if words[0] == "combine" else (report, words)
    held = said(capsys, command, study, *words)
    monkeypatch.setattr(saved, "MOST_HELD", 0)
    stack, _ = saved.select_stack(study)
    assert stack.streamed
    near(said(capsys, command, study, *words), held)


def test_an_ensemble_saved_or_exported_of_predictions_in_files_is_the_same_to_the_bit(
    study: Study, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for i, most in enumerate((saved.MOST_HELD, 0)):
        monkeypatch.setattr(saved, "MOST_HELD", most)
        said(capsys, combine, study, "--k", "3", "--save", f"saved-{i}")
        said(capsys, export, study, "all", "--out", str(tmp_path / f"{i}.npz"))
        stored = read_predictions(study.predictions_path(f"saved-{i}", "val"))
        exported = np.load(tmp_path / f"{i}.npz")["probs"]
        found.append((stored.probs, exported, stored.parents, stored.made_from))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])
    assert found[0][2:] == found[1][2:]


def test_a_file_with_another_name_is_told_when_it_is_opened(study: Study, tmp_path: Path, capsys, monkeypatch) -> None:
    import shutil

    other = Study.open(shutil.copytree(study.root, tmp_path / "other"))
    path = other.predictions_path("m-0", "val")
    path.rename(path.with_name("m-9.val.h5"))
    monkeypatch.setattr(saved, "MOST_HELD", 0)
    assert run(combine, ["--study", str(other.root)]) == 2
    assert "holds predictions of 'm-0' for 'val', not what its name says" in capsys.readouterr().err


@pytest.mark.parametrize(
    "more", [(), ("--metric", "nll"), ("--max-size", "3"), ("--only-accuracy",), ("--rule", "vote")]
)
def test_without_a_table_ens_combine_shows_the_same(
    tmp_path: Path, more: tuple[str, ...], capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ten members all 1,023 subsets are among those kept, so that honest scores are the same too."""
    rng = np.random.default_rng(1)
    study = Study.create(tmp_path / "study", StudyConfig("toy", None, None, CLASSES, CLASSES))
    labels, ids = rng.integers(0, C, N), np.array([f"s{i}" for i in range(N)])
    for i in range(10):
        study.write(Predictions(f"m-{i}", "val", drawn(labels, C, i, 1.5), ids, CLASSES, CLASSES, labels))
    tabled = said(capsys, combine, study, *more)
    monkeypatch.setattr(score, "MOST_ROWS", 1000)
    found = said(capsys, combine, study, *more)
    assert len(list((study.root / "lattice").glob("*.h5"))) == 1
    for document in (tabled, found):
        document["best"]["honest_how"] = document["best"]["honest_how"].partition("; chosen each time")[0]
        document["shapley"] = {name: s for name, s in document["shapley"].items() if s["all"] is not None}
    if more == ("--only-accuracy",):  # few subsets have all their scores, whatever is asked for
        for document in (tabled, found):
            kept = {"k", "subsets", "mean_accuracy", "min_accuracy", "max_accuracy"}
            document["by_size"] = [{k: s[k] for k in kept} for s in document["by_size"]]
            document["best"] = {k: document["best"][k] for k in ("members", "accuracy", "honest_accuracy")}
            document["shapley"] = document["shapley"]["accuracy"]
    near(found, tabled)
    if more not in ((), ("--only-accuracy",)):
        return
    # Again, it has nothing left to do; and a table that is asked for is made.
    assert said(capsys, combine, study, *more)["best"]["members"] == tabled["best"]["members"]
    said(capsys, combine, study, *more, "--table", str(tmp_path / "table.csv"))
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 1024
