"""Copies of a member are named wherever members are listed; what more members would bring leaves them out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import call
from studies import drawn

from analysis.copies import find_copies
from analysis.page.value import page_of
from analysis.page.words import lead
from analysis.report_data import ReportData
from analysis.stack import stack_arrays
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study, StudyConfig

pytestmark = pytest.mark.usefixtures("undrawn")
SAID = "Same predictions under two names: m-1 and m-4."


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Four members and a copy of the second; a saved pair of the first two."""
    ids = tuple(f"n{i}" for i in range(4))
    made = Study.create(tmp_path_factory.mktemp("copies") / "study", StudyConfig("imported", None, None, ids, ids))
    labels = np.arange(200) % 4
    samples = np.array([f"s{i:03d}" for i in range(200)])
    for i, seed in enumerate((0, 1, 2, 3, 1)):
        made.write(Predictions(f"m-{i}", "val", drawn(labels, 4, seed), samples, ids, ids, labels))
    pair = (drawn(labels, 4, 0) + drawn(labels, 4, 1)) / 2
    made.write(Predictions("pair", "val", pair, samples, ids, ids, labels, kind="ensemble", parents=("m-0", "m-1"),
                           weights=(0.5, 0.5)))  # fmt: skip
    return made


def ask(study: Study, out: Path, *words: str) -> tuple[dict[str, Any], str]:
    """A command's document, and what it says."""
    done = call(*words, "--study", study.root, "--json", *(["--out", out] if words[0] == "ens-report" else []))
    said = call(*words, "--study", study.root, *(["--out", out] if words[0] == "ens-report" else []))
    assert done.status == said.status == 0, done.err + said.err
    return json.loads(done.out), " ".join(said.out.split())


@pytest.mark.parametrize(
    "words", [["ens-combine"], *(["ens-report", kind] for kind in ("curve", "diversity", "abstain", "errors"))]
)
def test_copies_are_named(study: Study, tmp_path: Path, words: list[str]) -> None:
    found, said = ask(study, tmp_path, *words)
    assert SAID in said
    if words[-1] != "errors":
        assert found["copies"] == [["m-1", "m-4"]]
    else:
        assert found["label_errors"]["copies"] == ["m-4"] and len(found["label_errors"]["members"]) == 4


def test_none_are_named_where_there_are_none(study: Study, tmp_path: Path) -> None:
    found, said = ask(study, tmp_path, "ens-report", "diversity", "--member", "m-[0-3]")
    assert found["copies"] == [] and "Same predictions" not in said


def test_the_page_names_them(study: Study) -> None:
    assert SAID in lead(page_of(ReportData(study, "val")))
    assert "Same predictions" not in lead(page_of(ReportData(study, "val", ("m-[0-3]",))))


def test_more_members_leave_copies_out(study: Study, tmp_path: Path) -> None:
    found, said = ask(study, tmp_path, "ens-report", "curve")
    more = found["more_members"]["accuracy"]
    assert more["members"] == ["m-0", "m-1", "m-2", "m-3"]
    assert [size["k"] for size in more["sizes"]] == list(range(1, 9))
    assert [size["extrapolated"] for size in more["sizes"]] == [False] * 4 + [True] * 4
    assert "8 would have " + f"{100 * more['sizes'][-1]['mean']:.1f} %" in said
    three, told = ask(study, tmp_path, "ens-report", "curve", "--member", "m-[0-2]")
    assert three["more_members"] is None and "expected at least 4 members that differ, found 3" in told


def test_a_saved_ensembles_equivalent(study: Study, tmp_path: Path) -> None:
    found, said = ask(study, tmp_path, "ens-report", "calibration", "--ensemble", "pair")
    equivalent = found["equivalent"]
    assert equivalent["members"] == ["m-0", "m-1", "m-2", "m-3"] and 1 < equivalent["value"] < 4
    assert f"the plain mean of {equivalent['value']:.2f} members" in said
    plain, told = ask(study, tmp_path, "ens-report", "calibration")
    assert plain["equivalent"] is None and "equivalent" not in told


@pytest.mark.parametrize("classes", [10, 200, 1000])
def test_members_that_learned_next_to_nothing_are_no_copies(classes: int) -> None:
    """Near the uniform row no probability is far from another, whoever predicts it; a half-precision copy is nearer."""
    rng = np.random.default_rng(0)
    one, other = (np.exp(rng.normal(0, 0.02, (500, classes))) for _ in range(2))
    one, other = (rows / rows.sum(axis=1, keepdims=True) for rows in (one, other))
    assert find_copies(stack_arrays([one, other])) == ()
    assert find_copies(stack_arrays([one, other, one])) == ((0, 2),)


@pytest.mark.parametrize("sharpness", [0.5, 2.0, 12.0])
def test_a_copy_in_half_precision_is_one(sharpness: float) -> None:
    rng = np.random.default_rng(1)
    one, other = (np.exp(sharpness * rng.normal(size=(500, 20))) for _ in range(2))
    one, other = (rows / rows.sum(axis=1, keepdims=True) for rows in (one, other))
    half = one.astype(np.float16).astype(np.float64)
    half /= half.sum(axis=1, keepdims=True)
    assert find_copies(stack_arrays([one, other, half])) == ((0, 2),)
