"""Recipes, plans and the members drawn from them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.errors import BadInput
from ensemble.study.recipe import Plan, Recipe, builtin_plan, read_plan, read_recipe, variants, write_recipe
from ensemble.training.base_plan import plan_of_run, run_record
from ensemble.training.plan_members import recipe_differences

TING_SIX = [
    (0.01, 1e-3, 0.5),
    (0.01, 1e-4, 0.4),
    (0.02, 1e-3, 0.6),
    (0.02, 1e-4, 0.5),
    (0.005, 1e-5, 0.4),
    (0.01, 3e-3, 0.5),
]


@pytest.mark.parametrize("plan", ["ting", "digits"])
def test_the_six_named_variants(plan: str) -> None:
    assert [(r.learning_rate, r.l2, r.dropout) for r in variants(builtin_plan(plan), 6)] == TING_SIX


def test_the_papers_schedule() -> None:
    recipe = builtin_plan("ting").base
    assert (recipe.momentum, recipe.batch_size, recipe.epochs, recipe.augment) == (0.9, 128, 75, "mirror")
    assert (recipe.schedule, recipe.learning_rate, recipe.decay_factor, recipe.decay_epochs) == ("step", 0.01, 0.85, 10)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["recipe", "seed", "both"]))
def test_more_variants_keep_the_first_ones(few: int, more: int, vary: str) -> None:
    plan = builtin_plan("ting")
    few, more = sorted((few, more))
    assert variants(plan, more, vary)[:few] == variants(plan, few, vary)


def test_drawn_variants_differ_and_lie_in_the_ranges() -> None:
    drawn = variants(builtin_plan("ting"), 60)[6:]
    assert len({(r.learning_rate, r.l2, r.dropout) for r in drawn}) == len(drawn)
    assert all(0.005 <= r.learning_rate <= 0.02 and 1e-5 <= r.l2 <= 1e-2 and 0.4 <= r.dropout <= 0.6 for r in drawn)
    # Even on a logarithmic axis: half of the 54 below the geometric middle of each range, within a few.
    assert 24 <= sum(r.l2 < 10**-3.5 for r in drawn) <= 30
    assert 24 <= sum(r.learning_rate < 0.01 for r in drawn) <= 30


def test_what_varies() -> None:
    plan = builtin_plan("ting").with_settings(seed=7)
    by_recipe, by_seed, by_both = (variants(plan, 3, vary) for vary in ("recipe", "seed", "both"))
    assert [r.seed for r in by_recipe] == [7, 7, 7]
    assert [r.seed for r in by_seed] == [r.seed for r in by_both] == [7, 8, 9]
    assert len({r.l2 for r in by_seed}) == 1
    assert [r.l2 for r in by_both] == [r.l2 for r in by_recipe]


def test_a_pinned_recipe_comes_back(tmp_path: Path) -> None:
    recipe = builtin_plan("ting").base
    write_recipe(tmp_path / "recipe.toml", recipe, threads=3)
    assert read_recipe(tmp_path / "recipe.toml") == (recipe, 3)


def test_a_study_keeps_the_whole_plan() -> None:
    plan = builtin_plan("digits")
    again, vary = plan_of_run(run_record(plan, "both", 12), "study.toml")
    assert vary == "both"
    assert variants(again, 12, "both") == variants(plan, 12, "both")


def test_differences_are_named() -> None:
    one = Recipe(model="ting-m3", epochs=30)
    assert recipe_differences(one, one) == ""
    assert recipe_differences(one, Recipe(model="ting-m3", epochs=5)) == "epochs is 30 there, 5 was asked for"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = 'ting-m3'\nlearning_rat = 0.1", "'learning_rat' is not a setting of a recipe; .*learning_rate"),
        ("model = 'ting-m3'\nepochs = 'many'", "epochs must be of type int, found 'many'"),
        ("model = 'ting-m3'\naugment = 1", "augment must be of type str, found 1"),
        ("model = 'ting-m3'\ndropout = 1.0", "dropout must be at least 0 and below 1, found 1.0"),
        ("model = 'ting-m3'\nl2 = nan", "l2 must be a finite number, found nan"),
        ("model = 'ting-m3'\npadding = 'full'", "padding must be 'same' or 'valid', found 'full'"),
        ("model = 'ting-m3'\n[ranges]\nl2 = [1, 2]", r"ranges.l2 must be \[low, high"),
        ("model = 'ting-m3'\n[ranges]\nl2 = [0, 1, 'log']", "logarithmic, so low must be above 0"),
        ("model = 'ting-m3'\n[[variants]]\nl3 = 1", "variants: 'l3' is not a setting"),
        ("model = ", "expected TOML"),
    ],
)
def test_a_bad_recipe_file_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=rf"(mine\.toml|recipe).*{message}"):
        read_plan(path, lambda model: builtin_plan("ting"))


def test_variants_without_ranges_run_out_in_a_sentence() -> None:
    plan = Plan(base=Recipe(model="ting-m3"), variants=({"l2": 0.1},), source="mine.toml")
    assert len(variants(plan, 1)) == 1
    with pytest.raises(BadInput, match=r"mine.toml: names 1 variants and no \[ranges\] to draw member 1 from"):
        variants(plan, 2)
    with pytest.raises(BadInput, match="variants=0: expected at least 1"):
        variants(plan, 0)


def test_a_file_goes_over_the_shipped_plan(tmp_path: Path) -> None:
    """What it sets holds for every member; what it leaves out is as shipped."""
    path = tmp_path / "mine.toml"
    path.write_text("learning_rate = 0.03\nepochs = 4\n")
    made = variants(read_plan(path, lambda model: builtin_plan("digits")), 12)
    assert {(r.learning_rate, r.epochs, r.batch_size, r.model) for r in made} == {(0.03, 4, 16, "ting-m3-small")}
    assert [(r.l2, r.dropout) for r in made[:6]] == [(l2, dropout) for _, l2, dropout in TING_SIX]
    assert len({r.l2 for r in made[6:]}) == 6


def test_a_file_with_ranges_of_its_own_begins_with_its_base(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("learning_rate = 0.03\n[ranges]\nlearning_rate = [0.01, 0.1, 'log']\n")
    made = variants(read_plan(path, lambda model: builtin_plan("ting")), 4)
    assert made[0] == Recipe(model="ting-m3", learning_rate=0.03)
    assert len({r.learning_rate for r in made}) == 4
    assert {r.l2 for r in made} == {1e-3}
