"""Files of a report on some members do not overwrite those of the whole study, whatever the kind."""

import json
import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from cli.common import run
from cli.report import report
from cli.reports import KINDS
from cli.reports.job import slug
from ensemble.datasets import load_dataset
from ensemble.study.history import REQUIRED as COLUMNS
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study, config_of

NAME = string.ascii_letters + string.digits + "_-"
ONE_FILE_A_MEMBER = {"filters", "layers"}  # the same whichever members are named beside it
LACKING = {"compare", "layers"}  # this study has nothing for them


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two members on the embedded digits, with histories and filters."""
    dataset = load_dataset("digits")
    val = dataset.split("val")
    assert val.labels is not None
    study = Study.create(tmp_path_factory.mktemp("names") / "study", config_of(dataset))
    for i in range(2):
        rng = np.random.default_rng(i)
        logits = rng.normal(size=(len(val.labels), 10)) + 2 * np.eye(10)[val.labels]
        probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        kernels = rng.normal(size=(8, 1, 5, 5)).astype(np.float32)
        ids = study.config.class_ids, study.config.class_names
        study.write(Predictions(f"m3-{i}", "val", probs, val.sample_ids, *ids, val.labels, first_layer=kernels))
        path = study.member_dir(f"m3-{i}") / "history.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [",".join(COLUMNS), *(",".join([str(e)] * len(COLUMNS)) for e in (1, 2))]
        path.write_text("\n".join(rows) + "\n")
    return study


def test_some_members_have_files_of_their_own(
    digits: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def named_only(_figure: Figure, path: Path) -> Path:
        path.touch()
        return path

    monkeypatch.setattr("analysis.figures.style.save", named_only)
    options = ["--members", "m3-1", "--members", "m3-0", "--out", str(tmp_path), "--json"]
    assert run(report, ["all", "--study", str(digits.root), *options]) == 0
    made = json.loads(capsys.readouterr().out)
    assert set(made["skipped"]) <= LACKING
    for kind in set(KINDS) - set(made["skipped"]) - ONE_FILE_A_MEMBER:
        own = made["reports"][kind].get("files", [f"{kind}-m3-0+m3-1.png"])
        assert own and all("-m3-0+m3-1" in Path(name).name for name in own), kind
    others = [p.name for p in tmp_path.iterdir() if "-m3-0+m3-1" not in p.name]
    assert all(name.startswith("filters-") for name in others)


def test_slugs_by_hand() -> None:
    assert slug(()) == ""
    assert slug(("m3-1",)) == "m3-1"
    assert slug(("b", "a", "b")) == "a+b"
    assert slug(("m3-*",)) == "m3-@"
    assert slug(("m3-[!01]?",)) == "m3-(=2101)=3F"
    assert slug(("../../x",)) == "=2E=2E=2F=2E=2E=2Fx"
    assert slug(("猫",)) == "=732B"


def test_a_long_one_is_cut_and_still_its_own() -> None:
    names = [f"{'x' * 90}-{i}" for i in range(20)]
    assert len({slug((name,)) for name in names}) == 20
    assert max(len(slug(names[:k])) for k in range(1, 20)) <= 60


@given(st.lists(st.text(NAME + "*?[]!+@=(/. ", min_size=1, max_size=6), max_size=3),
       st.lists(st.text(NAME + "*?[]!+@=(/. ", min_size=1, max_size=6), max_size=3))  # fmt: skip
def test_other_patterns_another_name(one: list[str], two: list[str]) -> None:
    assert (slug(one) == slug(two)) == (set(one) == set(two))
    assert set(slug(one)) <= set(NAME + "@()=+")
