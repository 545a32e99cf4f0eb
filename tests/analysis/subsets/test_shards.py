"""A table of subsets scored in parts by several machines is the table that one makes, to the bit."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from commands import call
from studies import copied
from subset_cases import random_source, stack_of

from analysis.saved import select_stack
from analysis.stack import PredictionStack
from analysis.subsets import enumeration, kernels, score, shard_sums, shards
from analysis.subsets.engine import lattice_table
from analysis.subsets.score import subset_table
from analysis.subsets.shards import parts_of, shards_of, tasks_of
from analysis.subsets.table import SubsetTable
from ensemble.errors import BadInput
from ensemble.study.part import Part
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study, StudyConfig


def equal(one: SubsetTable, other: SubsetTable) -> bool:
    columns = ("masks", "correct", "top5", "nll", "brier")
    same = all(np.array_equal(getattr(one, c), getattr(other, c), equal_nan=c in ("nll", "brier")) for c in columns)
    facts = ("members", "samples", "classes", "split", "floored", "rule", "without")
    return same and all(getattr(one, name) == getattr(other, name) for name in facts)


@pytest.fixture
def stack() -> PredictionStack:
    source = random_source(7, 90, 12, seed=3)
    return stack_of(source.probs, source.labels)


@pytest.mark.parametrize("rule", ["mean", "geometric", "vote"])
@pytest.mark.parametrize("sizes", [range(1, 8), range(2, 4)])
@pytest.mark.parametrize("way", ["lattice", "combinations", "reference"])
def test_shards_are_the_single_run(
    stack: PredictionStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, sizes: range, way: str
) -> None:
    if way == "combinations":
        monkeypatch.setattr(enumeration, "LOW", 0)
        monkeypatch.setattr(enumeration, "DEARER", 0)
        monkeypatch.setattr(enumeration, "PART", 6)
    if way == "lattice":  # 16 parts of eight subsets
        monkeypatch.setattr(kernels, "LOW", 2)
        monkeypatch.setattr(kernels, "MIDDLE", 1)
        monkeypatch.setattr(enumeration, "DEARER", 10**9)
    make = subset_table if way == "reference" else lattice_table
    whole = make(stack, sizes, rule=rule)
    for count in (1, 3, 5):
        parts = shards_of(tmp_path / str(count), stack, sizes, rule)
        lengths = []
        for number in range(count, 0, -1):  # in whatever order
            assert str(Part(number, count)) in map(str, parts.missing(count))
            part = make(stack, sizes, rule=rule, only=Part(number, count))
            lengths.append(len(part))
            parts.write(Part(number, count), part)
        assert sum(lengths) == len(whole)
        assert min(lengths) > 0
        assert equal(parts.merge(), whole)


def test_shards_of_other_settings_are_refused_and_what_differs_is_named(stack: PredictionStack, tmp_path: Path) -> None:
    mine = shards_of(tmp_path, stack, range(1, 8), "mean")
    for number in (1, 2):
        mine.write(Part(number, 2), subset_table(stack, range(1, 8), only=Part(number, 2)))
    with pytest.raises(BadInput, match=r"rule is mean there, vote was asked for; score them with only='I/N'"):
        shards_of(tmp_path, stack, range(1, 8), "vote").merge()
    with pytest.raises(BadInput, match=r"sizes is 1,2,3,4,5,6,7 there, 2,3 was asked for"):
        shards_of(tmp_path, stack, range(2, 4), "mean").merge()
    other = random_source(7, 90, 12, seed=4)
    with pytest.raises(BadInput, match="probabilities or labels are others"):
        shards_of(tmp_path, stack_of(other.probs, other.labels), range(1, 8), "mean").merge()
    # One that bears this table's name and is another's.
    theirs = shards_of(tmp_path / "theirs", stack, range(1, 8), "vote")
    foreign = theirs.write(Part(2, 2), subset_table(stack, range(1, 8), rule="vote", only=Part(2, 2)))
    mine.path(Part(2, 2)).write_bytes(foreign.read_bytes())
    with pytest.raises(BadInput, match=r"2-of-2\.h5: is not a part of this table: rule is vote there, mean was asked"):
        mine.merge()
    # A part under another's name, and one that is cut short: told, and scored again.
    for spoiled, told in (
        (mine.path(Part(1, 2)).read_bytes(), r"2-of-2\.h5: holds part 1/2, and not what its name says; score part 2/2"),
        (mine.path(Part(1, 2)).read_bytes()[:2000], "does not match its checksum"),
    ):
        mine.path(Part(2, 2)).write_bytes(spoiled)
        with pytest.raises(BadInput, match=told):
            mine.merge()
        assert mine.score(Part(2, 2))
        assert not mine.score(Part(2, 2))
    assert equal(mine.merge(), subset_table(stack, range(1, 8)))
    mine.path(Part(2, 2)).unlink()
    with pytest.raises(BadInput, match="of 2 parts these are missing: 2/2; score them first"):
        mine.merge()
    with pytest.raises(BadInput, match="has no parts of this table; score them"):
        shards_of(tmp_path / "none", stack, range(1, 8), "mean").merge()
    with pytest.raises(BadInput, match="127 subsets cannot be cut into 128 parts"):
        subset_table(stack, range(1, 8), only=Part(1, 128))


def test_the_command_in_parts_says_what_it_says_in_one(digits: Study, tmp_path: Path) -> None:
    study = copied(digits, tmp_path / "study")
    words = ("--study", study.root, "--json")
    first = call("ens-combine", *words, "--only", "2/3")
    assert (first.status, first.document["only"], first.document["missing"]) == (0, "2/3", ["1/3", "3/3"])
    early = call("ens-combine", *words, "--merge")
    assert (early.status, "of 3 parts these are missing: 1/3, 3/3" in early.err) == (2, True)
    assert call("ens-combine", *words, "--only", "1/3").status == 0
    last = call("ens-combine", *words, "--only", "3/3")
    assert "All 3 parts are there" in last.err
    assert "scored before" in call("ens-combine", *words, "--only", "3/3").err
    merged = call("ens-combine", *words, "--merge", "--table", tmp_path / "merged.csv")
    alone = call("ens-combine", *words, "--table", tmp_path / "alone.csv")
    assert (merged.status, merged.out) == (0, alone.out)
    assert (tmp_path / "merged.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()
    assert call("ens-check", study.root).status == call("ens-check", digits.root).status
    refused = call("ens-combine", *words, "--only", "1/3", "--save", "x")
    assert (refused.status, "--save is of all of them" in refused.err) == (2, True)
    bad = call("ens-combine", *words, "--only", "4/3")
    assert (bad.status, "--only 4/3: there is no part 4 of 3" in bad.err) == (2, True)


def test_the_parts_that_a_cluster_is_given_are_those_that_are_missing(digits: Study, tmp_path: Path) -> None:
    study = copied(digits, tmp_path / "study")
    stack, _ = select_stack(study)
    parts = parts_of(study.root, stack, range(1, 3), "mean")
    parts.score(Part(2, 3))
    tasks = tasks_of(study.root, parts, 3)
    assert [name for name, _ in tasks] == ["part 1/3", "part 3/3"]
    for _, task in pickle.loads(pickle.dumps(tasks)):  # as they go to another machine
        task()
    assert tasks_of(study.root, parts, 3) == []
    assert equal(parts.merge(), subset_table(stack, range(1, 3)))


def test_the_command_in_parts_without_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (score, shards):
        monkeypatch.setattr(module, "MOST_ROWS", 2**8)
    monkeypatch.setattr(shard_sums, "KEPT", 50)
    monkeypatch.setattr(kernels, "LOW", 4)
    monkeypatch.setattr(kernels, "MIDDLE", 2)
    source = random_source(9, 60, 4, seed=1)
    names = tuple("abcd")
    study = Study.create(tmp_path / "study", StudyConfig("imported", None, None, names, names))
    ids = np.array([f"s{i}" for i in range(60)])
    for name, probs in zip(source.members, source.probs, strict=True):
        study.write(Predictions(name, "val", probs, ids, names, names, source.labels))
    words = ("--study", study.root, "--json", "--only-accuracy")
    first = call("ens-combine", *words, "--only", "1/2")
    assert (first.status, first.document["missing"]) == (0, ["2/2"])
    assert "these are missing: 2/2" in call("ens-combine", *words, "--merge").err
    assert "All 2 parts are there" in call("ens-combine", *words, "--only", "2/2").err
    assert "scored before" in call("ens-combine", *words, "--only", "2/2").err
    merged, alone = call("ens-combine", *words, "--merge"), call("ens-combine", *words)
    assert (merged.status, merged.out) == (0, alone.out)
    assert merged.document["subsets"] == 511
    table = call("ens-combine", *words, "--merge", "--table", tmp_path / "all.csv")
    assert (table.status, "--table: of 511 subsets in parts sums are kept, and no rows" in table.err) == (2, True)
