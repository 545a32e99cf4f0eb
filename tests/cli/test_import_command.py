"""`ens-import`: what it prints, and bad input, which is named, exits with 2 and writes nothing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Done, call, process

from ensemble.study.study import Study

P = np.array([[0.5, 0.25, 0.25], [0, 1, 0], [0.125, 0.125, 0.75], [0.25, 0.5, 0.25]])
Y = [0, 1, 2, 0]


def ens_import(folder: Path, *arguments: str) -> Done:
    return call("ens-import", *arguments, cwd=folder)


def npz(folder: Path, name: str, **content: Any) -> str:
    content = {"probs": P, "labels": Y, "sample_ids": list("abcd")} | content
    np.savez(folder / name, **content)
    return name


def test_a_process_prints_table_and_next_command_and_writes_files(tmp_path: Path) -> None:
    names = npz(tmp_path, "vit.npz"), npz(tmp_path, "cnn.npz", probs=P[:, ::-1])
    done = process("ens-import", *names, cwd=tmp_path)
    assert done.status == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    assert ["vit", "val", "4", "3", "75.00%", "imported"] in lines
    assert ["cnn", "val", "4", "3", "25.00%", "imported"] in lines
    assert "Next: ens-combine --k all" in done.err
    assert "cnn.npz: 25.00% right is no better than chance" in done.err
    assert Study.open(tmp_path / "study").members("val") == ["cnn", "vit"]


def test_json(tmp_path: Path) -> None:
    probs = P.copy()
    probs[1] = [-5e-7, 1.0000005, 0]
    done = ens_import(tmp_path, npz(tmp_path, "vit.npz", probs=probs), "--split", "test", "--study", "s", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out) == {
        "schema": 1,
        "study": "s",
        "members": [
            {
                "name": "vit", "split": "test", "file": "vit.npz", "status": "imported", "samples": 4, "classes": 3,
                "accuracy": 0.75, "clipped_rows": 1, "rounded_rows": 1, "dropped_rows": 0,
                "columns": {"classes": ["000", "001", "002"], "ids": "array 'sample_ids'",
                            "labels": "array 'labels'", "ignored": []},
                "notes": [], "predictions": "s/predictions/vit.test.h5",
            }
        ],
        "warnings": [],
    }  # fmt: skip
    assert "1 of 4 rows were off by rounding, by at most 5e-07; 1 of them clipped and renormalised" in done.err
    assert "Next: ens-report per-class --member vit --split test --study s" in done.err


def test_unlabelled(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", P)
    done = ens_import(tmp_path, "m.npy", "--json")
    assert json.loads(done.out)["members"][0]["accuracy"] is None
    assert "has no labels, so it cannot be scored; give them with --labels" in done.err


BAD: dict[str, tuple[list[str], str]] = {
    "no file": ([], "Missing argument 'FILE...'"),
    "absent": (["good.npz", "absent.npz"], "absent.npz: cannot be read, no such file"),
    "NaN": (["good.npz", "nan.npz"], "nan.npz: probabilities must be finite, but 1 of 4 rows do not hold, row 0 first"),
    "logits": (["good.npz", "logits.npy"], "in row 0; they look like logits: take their softmax with --logits"),
    "sums": (["good.npz", "sums.npz"], "sums.npz: a row must sum to 1 within 0.0001, but 4 of 4 rows do not hold"),
    "classes": (["good.npz", "two.npz"], "two.npz: expected 3 columns, the study's classes, found 2"),
    "labels": (["good.npz", "other.npz"], "found 1 of 4 that differ, sample 'b' first: '000' here, '001' there"),
    "ids": (
        ["good.npz", "twice.npz"],
        "array 'sample_ids': ids must be unique, but 1 stand more than once, 'a'",
    ),
    "cut": (["good.npz", "cut.h5"], "cut.h5: expected a whole HDF5 file, found one that is cut short"),
    "pickle": (["good.npz", "model.pkl"], "model.pkl: expected arrays, found .pkl; pickles are never read"),
    "another kind": (["p.xlsx"], "p.xlsx: .xlsx cannot be imported; read are .npz"),
    "name": (["good.npz", "--member", "a.b"], "member 'a.b': use letters, digits, _ and - only"),
    "split": (["good.npz", "--split", "../up"], "split '../up': use letters"),
    "one name": (["good.npz", "nan.npz", "--member", "m"], "--member m: names one member, but 2 files were given"),
    "same": (["good.npz", "good.npz"], "good.npz and good.npz: both would become member 'good'"),
    "option": (["good.npz", "--lables", "y.txt"], "--labels"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("begun", [False, True], ids=["no study", "a study"])
def test_bad_input(case: str, begun: bool, tmp_path: Path) -> None:
    nan = P.copy()
    nan[0, 0] = np.nan
    npz(tmp_path, "good.npz")
    npz(tmp_path, "nan.npz", probs=nan)
    npz(tmp_path, "sums.npz", probs=P / 2)
    npz(tmp_path, "two.npz", probs=np.full((4, 2), 0.5), labels=[0, 1, 1, 0])
    npz(tmp_path, "other.npz", labels=[0, 0, 2, 0])
    npz(tmp_path, "twice.npz", sample_ids=list("abca"))
    np.save(tmp_path / "logits.npy", np.log(P + 1e-3))
    frozen = Path(__file__).parents[1] / "data/format-v1/member.h5"
    (tmp_path / "cut.h5").write_bytes(frozen.read_bytes()[:5000])
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04.")
    (tmp_path / "p.xlsx").write_text("1,2\n")
    if begun:
        assert ens_import(tmp_path, npz(tmp_path, "first.npz")).status == 0
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    arguments, message = BAD[case]
    done = ens_import(tmp_path, *arguments)

    assert done.status == 2
    assert done.out == ""
    assert message in done.err
    assert "Traceback" not in done.err
    assert done.err.count("\n") == 1
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_existing_member_needs_force(tmp_path: Path) -> None:
    npz(tmp_path, "m.npz")
    assert ens_import(tmp_path, "m.npz").status == 0
    npz(tmp_path, "m.npz", probs=P[:, ::-1])
    refused = ens_import(tmp_path, "m.npz", "--json")
    assert refused.status == 2
    document = json.loads(refused.out)
    assert document["schema"] == 1
    assert "member 'm' is there already for split 'val'" in document["error"]
    assert ens_import(tmp_path, "m.npz", "--force").status == 0
    assert Study.open(tmp_path / "study").read("m", "val").probs.tolist() == P[:, ::-1].tolist()


def test_a_folder_that_may_not_be_made(tmp_path: Path) -> None:
    npz(tmp_path, "m.npz")
    (tmp_path / "file").write_text("x")
    done = ens_import(tmp_path, "m.npz", "--study", "file/study")
    assert done.status == 2
    assert "cannot be written, not a directory" in done.err
