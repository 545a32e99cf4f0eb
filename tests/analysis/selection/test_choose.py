"""Choosing as one call: what was chosen, the other ways, the test, and what does not go together."""

import numpy as np
import pytest

from analysis import EnsembleSelection, cross_validate, paired_test, select, shapley, stack_arrays
from analysis.selection.best import Best, ReferenceSums
from analysis.selection.cross_validation import cross_validated, paired, prequential
from analysis.selection.data import selection_data
from analysis.stack import PredictionStack
from analysis.statistics import mcnemar
from ensemble.errors import BadInput


@pytest.fixture(scope="module")
def stack() -> PredictionStack:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 150)
    logits = rng.normal(size=(4, 150, 5))
    logits[:, np.arange(150), labels] += np.linspace(0.5, 2, 4)[:, None]
    exp = np.exp(logits)
    return stack_arrays(exp / exp.sum(axis=2, keepdims=True), labels, ["a", "b", "c", "d"])


@pytest.fixture(scope="module")
def best(stack: PredictionStack) -> EnsembleSelection:
    return select(stack)


def test_the_choice_is_the_tables_best_with_its_honest_score(stack: PredictionStack, best: EnsembleSelection) -> None:
    row = best.table.best()
    assert (best.members, best.scores["accuracy"], best.scores["nll"]) == (row.members, row.accuracy, row.nll)
    assert best.weights == dict.fromkeys(row.members, 1 / row.size)
    selection = Best(selection_data(stack), ReferenceSums(selection_data(stack), [1, 2, 3, 4]))
    assert best.result.honest.score == cross_validated(selection).score() == cross_validate(stack).score()
    assert best.result.choices == 15
    assert (best.result.was_chosen, best.member.name, best.out_of_fold()) == (True, "member", None)
    assert repr(best) == (
        f"EnsembleSelection('best': {row.size} of 4 members, accuracy {row.accuracy:.4f}, "
        f"honest accuracy {best.result.honest.score:.4f})"
    )
    member = Best(selection_data(stack), ReferenceSums(selection_data(stack), [1]), name="member")
    assert best.paired == paired(prequential(selection), prequential(member))
    assert [s.values for s in best.shapley()] == [shapley(best.table, m).values for m in ("accuracy", "nll", "brier")]


def test_the_other_ways_stand_beside_it(stack: PredictionStack, best: EnsembleSelection) -> None:
    assert [way.name for way in best.ways] == ["member", "all", "best", "greedy", "weights"]
    assert best.slow == ("stack",)
    for way in best.ways:
        if way.name in ("greedy", "weights"):
            alone = select(stack, way.name).result
            assert alone.chosen.weights is not None
            assert way.chosen.weights is not None
            assert np.array_equal(alone.chosen.weights, way.chosen.weights)
            assert alone.scores == way.scores


def test_given_weights_choose_nothing(stack: PredictionStack) -> None:
    found = select(stack, weights={"a": 0.25, "d": 0.75}, table=None, sizes=[1, 2])
    assert (found.members, found.weights, found.paired) == (("a", "d"), {"a": 0.25, "d": 0.75}, None)
    assert found.result.honest.score == found.scores["accuracy"]
    assert [way.name for way in found.ways][:4] == ["member", "all", "given", "best"]
    assert found.shapley() == ()


def test_one_member_is_no_choice() -> None:
    probs = np.random.default_rng(1).dirichlet(np.ones(3), (1, 40))
    found = select(stack_arrays(probs, np.arange(40) % 3))
    assert [way.name for way in found.ways] == ["best"]
    assert (found.paired, found.result.was_chosen) == (None, False)


def test_a_regression_is_kept_out_of_fold(stack: PredictionStack) -> None:
    steps = []
    found = select(stack, "stack", progress=lambda done, total: steps.append((done, total)))
    apart = found.out_of_fold()
    assert apart is not None
    assert apart.sum(axis=1) == pytest.approx(1)
    assert (found.weights, found.members) == (None, stack.members)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1][0] == steps[-1][1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"how": "gredy"}, "'gredy' is not a way to choose an ensemble; known: greedy, "),
        ({"how": "weights", "rule": "vote"}, "'weights' combines by the arithmetic mean, and not by the rule 'vote'"),
        ({"how": "stack", "max_size": 2}, "'stack' has no most members"),
        ({"metric": "acc"}, "no metric is called 'acc'"),
        ({"metric": "nll", "rule": "vote"}, "metric 'nll': a vote gives no probabilities"),
        ({"weights": {"e": 1.0}}, "weights: 'e' is not among the members joined"),
        ({"weights": {"a": 0.5}}, "weights: expected weights that sum to 1"),
        ({"sizes": [5]}, "a subset of 4 members has 1 to 4 of them, found size 5"),
        ({"sizes": [3, 4], "max_size": 2}, "no subset has 2 members or fewer"),
        ({"rule": "geo"}, "'geo' is not a rule"),
        ({"groups": [1, 2]}, r"groups: expected one for each of the 150 samples, found the shape \(2,\)"),
        ({"groups": ["a"] * 150}, "groups: all 150 samples are of one group"),
    ],
)
def test_what_does_not_go_together(stack: PredictionStack, options: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        select(stack, **options)
    assert "--" not in str(caught.value)


def test_without_labels(stack: PredictionStack) -> None:
    from dataclasses import replace

    with pytest.raises(BadInput, match="has no labels"):
        select(replace(stack, labels=None))
    with pytest.raises(BadInput, match="19 samples are too few"):
        cross_validate(stack_arrays(stack.probs[:, :19], stack.require_labels()[:19]))


def test_the_paired_test_by_hand() -> None:
    y = [0, 1, 2, 0, 1, 2, 0, 1]
    ours = [0, 1, 2, 0, 1, 2, 1, 0]  # 6 right
    other = [0, 1, 0, 1, 2, 0, 0, 2]  # 3 right, one of them only there
    found = paired_test(y, ours, other)
    assert (found.won, found.lost, found.samples, found.difference) == (4, 1, 8, 3 / 8)
    assert found.p == mcnemar(4, 1) == pytest.approx(2 * (1 + 5 / 2) / 32)
    turned = paired_test(y, other, ours)
    assert (turned.won, turned.lost, turned.difference, turned.p) == (1, 4, -3 / 8, found.p)
    with pytest.raises(BadInput, match=r"other: expected a class for each of 8 samples, .* found int64 \(2,\)"):
        paired_test(y, ours, [0, 1])
    with pytest.raises(BadInput, match="y_true: expected a class for each of N samples"):
        paired_test([], [], [])


def test_one_sample_is_too_few_and_is_said_to_be() -> None:
    found = select(stack_arrays(np.full((2, 1, 3), 1 / 3), np.array([1])))
    assert (found.members, found.paired, found.result.honest.score) == (("m-0",), None, None)
    assert "1 samples are too few" in found.result.honest.how


def test_what_never_varies_has_no_interval() -> None:
    """Of thirty samples all perfectly right it is not known that the Brier score of others is 0."""
    labels = np.arange(30) % 3
    found = select(stack_arrays(np.repeat(np.eye(3)[labels][None], 2, axis=0), labels))
    for result in (found.result, found.ways[1]):
        for metric in ("nll", "brier"):
            score = result.scores[metric]
            assert (score.score, score.low, score.high, score.optimism_interval) == (0, None, None, None)
        assert result.honest.low is not None
        assert result.honest.low < 0.95
