"""Groups by a setting: their scores, what else differs, and the test image by image."""

import csv
import math
from pathlib import Path

import pytest
from studies import add, study_at

from analysis.members.compare import Comparison, compare_members, differing, setting_named, text_of, write_compare_csv
from analysis.members.models import members_of
from analysis.report_data import NotAvailable
from analysis.statistics import mcnemar
from ensemble.errors import BadInput


@pytest.fixture
def rates(tmp_path: Path) -> Comparison:
    """Two members at .01 and two at .1, with a dropout each of .4 and .5; one recipe-less."""
    study = study_at(tmp_path / "s")
    for i, (rate, dropout, accuracy, right) in enumerate(
        [(0.01, 0.4, 0.5, 10), (0.01, 0.5, 0.7, 12), (0.1, 0.4, 0.8, 15), (0.1, 0.5, 0.9, 16)]
    ):
        add(study, f"m-{i}", accuracy=[0.95, accuracy], right=right, learning_rate=rate, dropout=dropout, seed=i)
    add(study, "rf", right=12)
    return compare_members(members_of(study, "val"), "lr")


def test_groups_have_means_and_spreads_over_their_runs(rates: Comparison) -> None:
    assert (rates.setting, rates.runs, rates.left_out) == ("learning_rate", 4, ("rf",))
    assert [group.label for group in rates.groups] == ["0.01", "0.1"]
    last = rates.groups[0].spread("last")
    assert (last.n, last.mean, last.low, last.high) == (2, pytest.approx(0.6), 0.5, 0.7)
    assert last.sd == pytest.approx(0.1 * math.sqrt(2))
    assert rates.groups[1].spread("best").mean == pytest.approx(0.95)
    assert rates.groups[0].spread("tune_accuracy").n == 0


def test_a_setting_spread_alike_in_each_group_is_balanced(rates: Comparison) -> None:
    assert rates.confounded == ()
    assert [(o.setting, sorted(o.values[0])) for o in rates.balanced] == [("dropout", ["0.4", "0.5"])]
    assert rates.seeds == (2, 2)


def test_the_test_is_of_equal_numbers_of_members_on_the_same_images(rates: Comparison) -> None:
    (test,) = rates.tests
    assert (test.of_one, test.of_other, test.samples) == (("m-0", "m-1"), ("m-2", "m-3"), 20)
    # Where two members are equally sure of different classes the first class, 0, is said: m-0 and m-1 tie at images 10
    # (of class 0, so right) and 11 (of 1, so wrong), m-2 and m-3 at 15 (of 1): images 0-10 against 0-14.
    assert (test.won, test.lost) == (0, 4)
    assert test.difference == pytest.approx(-0.2)
    assert test.p == test.adjusted == mcnemar(0, 4)


def test_a_setting_that_goes_with_the_groups_is_named(tmp_path: Path) -> None:
    study = study_at(tmp_path)
    add(study, "a", accuracy=[0.5], model="ting-m1", l2=1e-3)
    add(study, "b", accuracy=[0.6], model="ting-m2", l2=1e-4)
    add(study, "c", accuracy=[0.6], model="ting-m2", l2=1e-3)
    found = compare_members(members_of(study, "val"), "block")
    assert found.setting == "model"
    assert [(o.setting, o.values) for o in found.confounded] == [("l2", (("0.001",), ("0.0001", "0.001")))]
    assert (found.balanced, found.tests, found.untested) == (
        (),
        (),
        "fewer than two groups have predictions for this split",
    )
    assert math.isnan(found.groups[0].spread("last").sd)


def test_groups_of_different_size_speak_through_as_many_members(tmp_path: Path) -> None:
    study = study_at(tmp_path)
    for i, rate in enumerate((0.1, 0.1, 0.2)):
        add(study, f"m-{i}", accuracy=[0.5], right=10 + i, learning_rate=rate)
    (test,) = compare_members(members_of(study, "val"), "learning_rate").tests
    assert (test.of_one, test.of_other) == (("m-0",), ("m-2",))


def test_many_groups_are_each_tested_against_the_first(tmp_path: Path) -> None:
    study = study_at(tmp_path)
    for i in range(8):
        add(study, f"m-{i}", accuracy=[0.5], right=10 + i, epochs=1, seed=i, dropout=i / 10)
    tests = compare_members(members_of(study, "val"), "dropout").tests
    assert [(t.one, t.other) for t in tests] == [(f"0.{i}", "0") for i in range(1, 8)]
    assert all(t.adjusted >= t.p for t in tests)


def test_runs_cut_short_or_not_begun_are_told(tmp_path: Path) -> None:
    study = study_at(tmp_path)
    add(study, "a", accuracy=[0.5], epochs=5)
    add(study, "b", accuracy=[0.6], epochs=1)
    add(study, "c", epochs=9)
    found = compare_members(members_of(study, "val"), "epochs")
    assert (found.short, found.untrained, found.runs) == (("a",), ("c",), 2)


@pytest.mark.parametrize(
    ("said", "meant"),
    [("lr", "learning_rate"), ("augmentation", "augment"), ("optimizer", "optimiser"), ("Input-Size", "input_size")],
)
def test_other_spellings(said: str, meant: str) -> None:
    assert setting_named(said) == meant


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    study = study_at(tmp_path)
    add(study, "a", accuracy=[0.5], dropout=0.4)
    add(study, "b", accuracy=[0.6], dropout=0.5, seed=3)
    members = members_of(study, "val")
    assert differing(members) == ["dropout"]
    add(study, "begun", l2=0.5)
    assert differing(members_of(study, "val")) == ["dropout"]
    with pytest.raises(BadInput, match=r"by=.droput.: is not a setting of a recipe; nearest: dropout"):
        compare_members(members, "droput")
    with pytest.raises(NotAvailable, match=r"all 2 members have model ting-m1, .* settings that differ: dropout"):
        compare_members(members, "model")


def test_values_as_text() -> None:
    assert [text_of(v) for v in (1e-4, 0.5, 16, "", None, True)] == ["0.0001", "0.5", "16", "none", "none", "True"]


def test_the_table_has_a_row_a_group(rates: Comparison, tmp_path: Path) -> None:
    write_compare_csv(tmp_path / "c.csv", rates)
    with (tmp_path / "c.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["value"], row["runs"], row["members"]) for row in rows] == [
        ("0.01", "2", "m-0+m-1"),
        ("0.1", "2", "m-2+m-3"),
    ]
    assert float(rows[1]["last_val_accuracy"]) == pytest.approx(0.85)
