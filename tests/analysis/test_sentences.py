"""Sentences that reports print: true in each case in which they can appear."""

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from analysis.ensemble import ensemble_of
from analysis.errors import find_errors
from analysis.sentences import (
    GLOSSARY,
    chance,
    compared,
    flattery,
    many,
    nothing_between,
    oracle,
    p_text,
    power,
    rare_losses,
    span,
    two_gains,
    unequal,
    unequal_groups,
    weak_judges,
    wrong_for_all,
)
from analysis.stack import stack_arrays
from analysis.subsets.reference import subset_preds
from cli.report import report


def second_choices() -> tuple[np.ndarray, np.ndarray]:
    """Three members that put three wrong classes first and the true one, 3, second; and an image all get wrong."""
    probs = np.zeros((3, 2, 4))
    for i in range(3):
        probs[i, 0] = [0.02, 0.02, 0.02, 0.44]
        probs[i, 0, i] = 0.5
        probs[i, 0] /= probs[i, 0].sum()
        probs[i, 1] = [0.7, 0.1, 0.1, 0.1]
    return probs, np.array([3, 3])


def test_the_mean_can_be_right_where_no_member_is() -> None:
    probs, labels = second_choices()
    stack = stack_arrays(probs, labels)
    assert not any((subset_preds(stack, [i]) == labels).any() for i in range(3))
    assert (subset_preds(stack, range(3)) == labels).tolist() == [True, False]
    seen = find_errors(ensemble_of(stack))
    assert (seen.oracle, seen.right.mean()) == (0, 0.5), "better than the oracle"
    told = oracle(seen.oracle, 0.0)
    assert "averaging probabilities can" in told and "No way of combining" not in told and "0.0 %" in told
    none_right = int((seen.members_right == 0).sum())
    assert (none_right, len(seen.suspects)) == (2, 1)
    assert wrong_for_all(none_right, len(seen.suspects), 1, 3) == (
        "1 image that the ensemble and all 3 members get wrong (1 with one and the same class); "
        "on 1 more no member is right, but the ensemble is"
    )


def test_of_one_member_there_is_no_ensemble_beside_it() -> None:
    assert wrong_for_all(5, 5, 5, 1) == "5 images that the member gets wrong"
    assert wrong_for_all(5, 5, 0, 2) == "5 images that the ensemble and all 2 members get wrong"


@pytest.mark.parametrize(("apparent", "honest"), [(0.9, 0.9), (0.9, 0.92), (0.9, 0.8998)])
def test_a_score_that_did_not_fall_is_not_said_to_flatter(apparent: float, honest: float) -> None:
    assert "flatter" not in flattery(apparent, honest, "val") and "no lower than the 90.0 %" in flattery(
        apparent, honest, "val"
    )


def test_a_score_that_fell_is() -> None:
    assert flattery(0.9, 0.88, "val").endswith("its honest score is 88.0 %.") and "flatter" in flattery(
        0.9, 0.88, "val"
    )


def test_a_loss_in_the_test_is_told_of_the_way_and_not_of_the_subset() -> None:
    told = compared("best", 1277, -0.0018, -0.01, 0.006, 20, 22)
    assert told.startswith("Paired test: the best subset and the best member, each chosen anew")
    assert "-0.18 points (-1.00 to +0.60) for the best subset, 20 won and 22 lost." in told
    assert "on the samples it was chosen on" in two_gains("best")


def test_ways_that_weigh_members_are_named() -> None:
    assert unequal(["member", "all", "best"]) == ""
    assert unequal(["best", "greedy"]).startswith("greedy may weigh members unequally, so it may score above")
    assert unequal(["best", "greedy", "weights", "stack"]).startswith("greedy, weights and stacking may weigh")


def test_few_samples_and_an_nll() -> None:
    assert "100 samples may hold none" in rare_losses(("accuracy", "nll"), 100)
    assert rare_losses(("accuracy", "brier"), 100) == "" == rare_losses(("nll",), 250)


def test_small_words() -> None:
    assert (many(1, "class", "classes"), many(2000, "image")) == ("1 class", "2,000 images")
    assert (span(0.1, 0.25), span(None, 0.2)) == ("10.0–25.0", "")
    assert (chance(0.2), chance(0.049)) == (" This may be chance.", "")


def test_the_glossary_of_the_docs_is_the_commands() -> None:
    page = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text(encoding="utf-8")
    entries = dict(re.findall(r"^- \*\*(.+?)\*\*: (.+?)(?=\n- |\Z)", page, re.MULTILINE | re.DOTALL))
    assert {term: " ".join(text.split()) for term, text in entries.items()} == GLOSSARY
    assert list(GLOSSARY) == sorted(GLOSSARY, key=str.casefold)
    told = CliRunner().invoke(report, ["--glossary"]).output
    assert all(f"{term}: " in told for term in GLOSSARY)


def test_groups_of_unequal_size_and_tests_too_small_are_told() -> None:
    assert unequal_groups(20, 20) == unequal_groups(20, 12.5) == ""
    assert "of so unequal size that 3.9 of one size tell as much" in unequal_groups(41, 3.902)
    assert power(0.1234).startswith("A true difference of 12.34 points would be found")
    assert "no true difference, however large" in power(None)


def test_two_ways_that_are_right_on_the_same_samples_are_not_told_apart() -> None:
    told = nothing_between("greedy", 8000)
    assert "greedy selection and the best member" in told
    assert told.endswith("8,000 in all, are right on the same ones: nothing is to be told between them.")


def test_p_values_are_written_as_papers_do() -> None:
    assert [p_text(p) for p in (0.0, 9.5e-6, 0.00099, 0.001, 0.1084, 1.0)] == [
        "p < .001", "p < .001", "p < .001", "p = 0.001", "p = 0.108", "p = 1.000"
    ]  # fmt: skip


def test_weak_members_are_no_judges_of_labels() -> None:
    assert weak_judges(0.6, 3) == ""
    assert weak_judges(0.599, 3).startswith(
        "All 3 members together are right on 59.9 % of the images, too few to judge"
    )
    assert weak_judges(0.5, 2).startswith("Both members together are right on 50.0 %")
    assert weak_judges(0.25, 1).startswith("This member is right on 25.0 % of the images")
