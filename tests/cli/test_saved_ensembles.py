"""An ensemble chosen on one split lives on the others: through the commands, imported members, as a team does it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.ensemble import chosen_ensemble
from cli.combine import combine
from cli.common import run
from cli.exporting import export
from cli.importing import import_
from cli.report import report
from ensemble.importing.parse import import_file

CLASSES = np.array(["ant", "bee", "cow", "dog"])
WEIGHTS = {"ada": 0.5, "bob": 0.3, "cy": 0.2}


def write(folder: Path, split: str, n: int, labelled: bool, seed: int = 0) -> None:
    """A file a member, its rows and columns in an order of its own."""
    folder.mkdir(exist_ok=True)
    truth = np.random.default_rng(n).integers(0, 4, n)
    hard = np.random.default_rng([n, 1]).normal(size=(n, 4))
    for i, name in enumerate(WEIGHTS):
        rng = np.random.default_rng([n, i, seed])
        logits = hard + rng.normal(size=(n, 4)) + 2 * np.eye(4)[truth]
        probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        rows, columns = rng.permutation(n), rng.permutation(4)
        arrays = {"probs": probs[rows][:, columns].astype(np.float32), "class_names": CLASSES[columns],
                  "sample_ids": np.array([f"{split}-{k}" for k in rows])}  # fmt: skip
        if labelled:
            arrays["labels"] = np.argsort(columns)[truth[rows]]
        np.savez(folder / f"{name}.npz", **arrays)  # ty: ignore[invalid-argument-type]


def by_hand(folder: Path, ids: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """The weighted mean out of the files themselves."""
    total = np.zeros((len(ids), 4))
    for name, weight in WEIGHTS.items():
        file = np.load(folder / f"{name}.npz")
        rows = [file["sample_ids"].tolist().index(i) for i in ids]
        columns = [file["class_names"].tolist().index(c) for c in classes]
        total += weight * file["probs"][np.ix_(rows, columns)]
    return total


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study with three imported members on val, test and shifted, and a blend of them that was given on val."""
    monkeypatch.chdir(tmp_path)
    for split, n, labelled in (("val", 120, True), ("test", 80, False), ("shifted", 60, True)):
        write(tmp_path / split, split, n, labelled)
    files = [f"val/{name}.npz" for name in WEIGHTS]
    assert run(import_, files) == 0
    weights = ",".join(f"{name}={weight}" for name, weight in WEIGHTS.items())
    assert run(combine, ["--weights", weights, "--save", "blend"]) == 0
    for split in ("test", "shifted"):
        assert run(import_, [*(f"{split}/{name}.npz" for name in WEIGHTS), "--split", split]) == 0
    return tmp_path


@pytest.mark.parametrize("ending", ["npz", "csv"])
def test_chosen_on_val_and_exported_on_test(chosen: Path, capsys: pytest.CaptureFixture[str], ending: str) -> None:
    capsys.readouterr()
    assert run(export, ["blend", "--split", "test", "--out", f"blend.{ending}", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["labelled"], found["samples"], found["parents"]) == (False, 80, list(WEIGHTS))
    assert found["definition"] == {
        "name": "blend", "members": list(WEIGHTS), "rule": "mean", "weights": WEIGHTS, "selection": "given",
        "chosen_on": "val", "changed": [],
    }  # fmt: skip
    back = import_file(Path(f"blend.{ending}")).predictions
    assert back.probs == pytest.approx(by_hand(chosen / "test", back.sample_ids, back.class_ids), abs=1e-6)


def test_reported_and_combined_on_another_labelled_split(chosen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    asked = ["confusion", "--ensemble", "blend", "--split", "shifted", "--json"]
    assert run(report, asked) == 0
    found = json.loads(capsys.readouterr().out)
    truth = np.random.default_rng(60).integers(0, 4, 60)
    ids = np.array([f"shifted-{i}" for i in range(60)])
    probs = by_hand(chosen / "shifted", ids, tuple(CLASSES))
    assert found["accuracy"] == pytest.approx((probs.argmax(axis=1) == truth).mean())
    assert (found["split"], found["of"], found["definition"]["chosen_on"]) == ("shifted", ["blend"], "val")
    assert run(combine, ["--split", "shifted", "--members", "blend", "--members", "ada", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["members"] == ["ada", "blend"]


def test_imported_anew_it_is_computed_anew_and_said(chosen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(chosen / "val", "val", 120, True, seed=9)
    assert run(import_, ["val/bob.npz", "--force"]) == 0
    capsys.readouterr()
    assert run(export, ["blend", "--out", "blend.npz", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["definition"]["changed"] == ["bob"]
    assert "blend is computed from what its members predict now; predictions of bob for val have changed" in err
    file = np.load("blend.npz")
    write(chosen / "old", "val", 120, True)
    (chosen / "old" / "bob.npz").write_bytes((chosen / "val" / "bob.npz").read_bytes())
    wanted = by_hand(chosen / "old", file["sample_ids"], tuple(file["class_ids"].tolist()))
    assert file["probs"] == pytest.approx(wanted, abs=1e-6)


def test_what_is_replaced_while_it_is_combined_is_not_saved(
    chosen: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(chosen / "val", "val", 120, True, seed=9)

    def slow(*given: Any) -> Any:  # another process imports meanwhile
        assert run(import_, ["val/bob.npz", "--force"]) == 0
        return chosen_ensemble(*given)

    monkeypatch.setattr("analysis.ensemble.chosen_ensemble", slow)
    assert run(combine, ["--k", "1", "--save", "late"]) == 2
    assert "bob.val.h5: was replaced while it was combined; run the same command again" in capsys.readouterr().err
    assert not (chosen / "study/predictions/late.val.h5").exists()


def test_a_member_without_predictions_there_is_named(chosen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (chosen / "study" / "predictions" / "cy.test.h5").unlink()
    assert run(export, ["blend", "--split", "test", "--out", "blend.npz"]) == 2
    err = capsys.readouterr().err
    assert "'blend' is made of ada, bob, cy, and cy has no predictions for split 'test'" in err
    assert "Traceback" not in err
