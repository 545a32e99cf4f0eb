"""One study, several machines: each trains its part of the networks, and together they train every one once."""

import subprocess
from pathlib import Path

import pytest
from commands import call
from served import STANDS

from ensemble import begin_study, plan_members
from ensemble.errors import BadInput
from ensemble.study.atomic import file_sha256
from ensemble.study.check import check_study
from ensemble.study.part import Part, parse_part, place_of
from ensemble.study.study import Study
from ensemble.training.plan_members import networks_left

TINY = ("--recipe", "digits", "--set", "batch_size=16", "--epochs", "1", "--threads", "1", "--jobs", "1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5/4", "there is no part 5 of 4, they are numbered 1 to 4"),
        ("0/3", "there is no part 0 of 3, they are numbered 1 to 3; add 1 where a scheduler counts from 0"),
        ("3/0", "nothing can be cut into 0 parts"),
        ("a/b", "expected part I of N, written I/N"),
        ("-1/2", "expected part I of N"),
        ("2", "expected part I of N"),
        ("", "expected part I of N"),
    ],
)
def test_what_is_no_part(text: str, message: str) -> None:
    with pytest.raises(BadInput) as error:
        parse_part(text)
    assert f"only={text!r}: " in str(error.value)
    assert message in str(error.value)


def test_a_part_is_dealt_or_cut() -> None:
    assert parse_part(" 2/5 ") == Part(2, 5) == parse_part(Part(2, 5))
    assert parse_part(None) is None
    for count in (1, 2, 3, 7):
        parts = [Part(i + 1, count) for i in range(count)]
        assert [sum(part.has(i) for part in parts) for i in range(10)] == [1] * 10
        assert all(place_of(i, count).has(i) for i in range(10))
        assert [row for part in parts for row in range(10)[part.rows(10)]] == list(range(10))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12])
def test_the_parts_of_a_plan_hold_each_network_once(tmp_path: Path, count: int) -> None:
    study = begin_study(tmp_path / "study")
    whole = plan_members(study, variants=3, folds=3, epochs=1)
    titles = [job.title for job in whole.training_jobs()]
    assert len(titles) == 3 + 9
    found = []
    for number in range(1, count + 1):
        part = plan_members(study, variants=3, folds=3, epochs=1, only=f"{number}/{count}")
        own = [job.title for job in part.training_jobs()]
        assert abs(len(own) - len(titles) / count) < 1
        assert {m.name for m in part if m.action == "elsewhere"} == {t.split()[0] for t in own} - set(own)
        assert [title for title, of in networks_left(part) if str(of) == f"{number}/{count}"] == own
        found += own
    assert sorted(found) == sorted(titles)


def test_starting_over_in_parts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a task that is run again would start over what it had trained"):
        plan_members(begin_study(tmp_path / "study"), only="1/2", force=True)


@pytest.mark.usefixtures("trained_here")
def test_each_takes_its_own_and_the_last_one_says_so(few: Path, tmp_path: Path) -> None:
    words = ("--data", few, *TINY, "--variants", "3")
    first = call("ens-train", *words, "--only", "1/2", "--json", cwd=tmp_path)
    assert first.status == 0, first.err
    assert [(m["name"], m["status"]) for m in first.document["members"]] == [
        ("ting-m3-small-0", "trained"),
        ("ting-m3-small-2", "trained"),
    ]
    assert first.document["missing"] == [{"name": "ting-m3-small-1", "only": "2/2"}]
    assert "not finished yet: ting-m3-small-1 (part 2/2)" in first.err
    assert "ens-combine" not in first.err
    # A task that is run again does nothing; one of more tasks than networks has nothing to do.
    again = call("ens-train", "--only", "1/2", "--json", cwd=tmp_path)
    assert [m["status"] for m in again.document["members"]] == ["skipped", "skipped"]
    idle = call("ens-train", "--only", "5/5", "--json", cwd=tmp_path)
    assert (idle.status, idle.document["members"]) == (0, [])
    last = call("ens-train", "--only", "2/2", "--json", cwd=tmp_path)
    assert [(m["name"], m["status"]) for m in last.document["members"]] == [("ting-m3-small-1", "trained")]
    assert last.document["missing"] == []
    assert "All 3 members are finished" in last.err
    assert "ens-combine --k all" in last.err
    bad = call("ens-train", "--only", "3/2", cwd=tmp_path)
    assert (bad.status, "no part 3 of 2" in bad.err, "--only 3/2" in bad.err) == (2, True, True)


@pytest.mark.usefixtures("trained_here")
def test_parts_make_what_one_machine_makes(few: Path, tmp_path: Path) -> None:
    words = ("--data", few, *TINY, "--variants", "2")
    for only in (("--study", "parts", "--only", "2/2"), ("--study", "parts", "--only", "1/2"), ("--study", "alone")):
        assert call("ens-train", *words, *only, cwd=tmp_path).status == 0
    parts, alone = Study.open(tmp_path / "parts"), Study.open(tmp_path / "alone")
    assert parts.members("val") == alone.members("val") == ["ting-m3-small-0", "ting-m3-small-1"]
    assert check_study(parts.root).findings == []
    for name in parts.members("val"):
        assert file_sha256(parts.files(name).weights) == file_sha256(alone.files(name).weights)
        assert (parts.read(name, "val").probs == alone.read(name, "val").probs).all()


def test_all_begin_the_study_at_once(few: Path, tmp_path: Path) -> None:
    """Four processes, without what trains: each begins the study and writes what it asks of it."""
    code = """
import sys
from ensemble import begin_study, plan_members
study = begin_study("study", sys.argv[1])
plan = plan_members(study, variants=4, epochs=1, only=sys.argv[2])
study.with_config(runs={plan.prefix: plan.record})
print(*[job.title for job in plan.training_jobs()])
"""
    call("ens-data", "pack", few)  # once, and not by each of them
    running = [
        subprocess.Popen(
            [STANDS.script("python"), "-c", code, few, f"{i}/4"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )
        for i in (1, 2, 3, 4)
    ]
    said = [process.communicate()[0].split() for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert said == [[f"ting-m3-small-{i}"] for i in range(4)] or said == [[f"ting-m3-{i}"] for i in range(4)]
    assert [record["members"] for record in Study.open(tmp_path / "study").config.runs.values()] == [4]
