"""A study's folder: what is pinned, which members there are, and files that are not what they say."""

from pathlib import Path

import numpy as np
import pytest

from ensemble.datasets import load_dataset
from ensemble.errors import BadInput
from ensemble.study.names import natural_key
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study, StudyConfig, config_of, ids_digest

PIN = StudyConfig(data="imported", source=None, fingerprint=None, class_ids=("a", "b"), class_names=("a", "b"))


def some(member: str, split: str = "val", kind: str = "member") -> Predictions:
    return Predictions(
        member=member, split=split, probs=np.array([[0.25, 0.75], [1, 0]], np.float32), sample_ids=np.array(["x", "y"]),
        class_ids=("a", "b"), class_names=("a", "b"), labels=np.array([1, 0]), kind=kind,
    )  # fmt: skip


def test_a_pin_comes_back(tmp_path: Path) -> None:
    config = config_of(load_dataset("digits"))
    study = Study.create(tmp_path, config).with_config(runs={"m": {"model": "ting-m3", "l2": 0.1}})
    again = Study.open(tmp_path).config
    assert again == study.config
    assert again.splits["val"].samples == 1597
    assert again.runs == {"m": {"model": "ting-m3", "l2": 0.1}}


def test_members_stand_in_natural_order_and_ensembles_take_part_only_when_named(tmp_path: Path) -> None:
    study = Study.create(tmp_path, PIN)
    for name in ("m-10", "m-2", "other"):
        study.write(some(name))
    study.write(some("best3", kind="ensemble"))
    study.write(some("m-2", split="test"))
    assert study.splits() == ["test", "val"]
    assert study.members("val") == ["best3", "m-2", "m-10", "other"]
    assert [p.member for p in study.select("val")] == ["m-2", "m-10", "other"]
    assert [p.member for p in study.select("val", ["m-*", "best3"])] == ["best3", "m-2", "m-10"]
    assert natural_key("m-2") < natural_key("m-10")


def test_the_digest_does_not_depend_on_order() -> None:
    ids, labels = np.array(["x", "y", "z"]), np.array([0, 1, 1])
    turned = [2, 0, 1]
    assert ids_digest(ids, labels, ("a", "b")) == ids_digest(ids[turned], labels[turned], ("a", "b"))
    assert ids_digest(ids, labels, ("a", "b")) != ids_digest(ids, labels[turned], ("a", "b"))
    assert ids_digest(ids, None, ("a", "b")) != ids_digest(ids, labels, ("a", "b"))


def test_what_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"is not a study, study.toml is missing; begin one with 'ens-train"):
        Study.open(tmp_path)
    study = Study.create(tmp_path, PIN)
    with pytest.raises(BadInput, match=r"has no predictions for split 'val'; .*run ens-train or ens-import first"):
        study.select("val")
    study.write(some("m-0"))
    with pytest.raises(BadInput, match=r"has no predictions of 'm-1' for split 'val'; known: m-0"):
        study.read("m-1", "val")
    with pytest.raises(BadInput, match=r"no member matches 'n-[*]' for split 'val'; known: m-0"):
        study.select("val", ["n-*"])
    with pytest.raises(BadInput, match=r"no predictions for split 'test'; splits with predictions: val"):
        study.select("test")


@pytest.mark.parametrize("text", ["", "schema = 2", "schema = 1", "not toml ="])
def test_a_study_file_that_cannot_be_understood_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(
        BadInput, match=r"study\.toml: (cannot be read as a study|schema: expected|data: expected|has schema 2)"
    ):
        Study.open(tmp_path)


def test_a_renamed_file_is_refused(tmp_path: Path) -> None:
    study = Study.create(tmp_path, PIN)
    path = study.write(some("m-0"))
    path.rename(path.with_name("m-1.val.h5"))
    with pytest.raises(BadInput, match=r"m-1.val.h5: holds predictions of 'm-0' for 'val', not what its name says"):
        study.read("m-1", "val")


@pytest.mark.parametrize("name", ["all", "best"])
def test_words_of_the_reports_name_no_member(name: str) -> None:
    with pytest.raises(BadInput, match=rf"member '{name}': 'ens-report --ensemble {name}' means something else"):
        some(name)


@pytest.mark.parametrize("name", ["", "a.b", "a/b", "..", "a b", "ä", "x" * 101, "a\n"])
def test_names_that_could_lead_astray_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=r"use letters, digits, _ and - only"):
        Study.create(tmp_path, PIN).predictions_path(name, "val")
