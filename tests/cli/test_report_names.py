"""Files of a report on some members do not overwrite those of the whole study, whatever the kind."""

import string
from pathlib import Path

import pytest
from commands import call
from hypothesis import given
from hypothesis import strategies as st

from cli.reports import KINDS
from cli.reports.job import slug
from ensemble.study.study import Study

NAME = string.ascii_letters + string.digits + "_-"
ONE_FILE_A_MEMBER = {"filters", "layers"}  # the same whichever members are named beside it
LACKING = {"compare", "cost", "layers", "papers"}  # this study has nothing for them


@pytest.mark.usefixtures("undrawn")
def test_some_members_have_files_of_their_own(digits: Study, tmp_path: Path) -> None:
    words = ("--members", "m3-1", "--members", "m3-0", "--out", tmp_path, "--json")
    made = call("ens-report", "all", "--study", digits.root, *words).document
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
