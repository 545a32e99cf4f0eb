"""The front of score against cost: against all pairs of subsets; its honest scores: of choosing within a cost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.metrics import METRICS
from analysis.selection.costs import check_costs, cost_text, front_rows, read_costs, subset_costs
from analysis.stack import stack_arrays
from ensemble.errors import BadInput
from kofn import combine, cost_front, draw, select


def drawn(members: int = 5, n: int = 160, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, n)
    logits = rng.normal(size=(members, n, 4)) + rng.normal(size=(n, 4))
    logits[:, np.arange(n), labels] += np.linspace(1, 2, members)[:, None]
    probs = np.exp(logits)
    return (probs / probs.sum(axis=2, keepdims=True)).astype(np.float32), labels


COSTS = {"m-0": 1.0, "m-1": 2.0, "m-2": 3.5, "m-3": 5.0, "m-4": 9.0}


@pytest.mark.parametrize("metric", ["accuracy", "nll", "macro_f1", "balanced_accuracy"])
@pytest.mark.parametrize("by", ["sum", "max"])
def test_no_other_subset_costs_as_little_and_scores_as_well(metric: str, by: str) -> None:
    probs, labels = drawn()
    stack = stack_arrays(probs, labels)
    front = cost_front(stack, COSTS, by=by, metric=metric)
    table = combine(probs, labels, metrics=[] if metric in METRICS else [metric])
    sign = -1 if metric == "nll" else 1
    add = sum if by == "sum" else max
    every = [(add(COSTS[m] for m in s.members), sign * s.score(metric)) for s in table]
    kept = [
        (cost, score) for cost, score in every
        if not any((c <= cost and v > score + 1e-12) or (c < cost and v > score - 1e-12) for c, v in every)
    ]  # fmt: skip
    found = np.array([(p.cost, sign * p.score) for p in front.points])
    assert found == pytest.approx(np.array(sorted(set(kept))), abs=1e-12)
    for point in front.points:
        assert add(COSTS[m] for m in point.members) == pytest.approx(point.cost)
        assert table.find(point.mask).score(metric) == point.score
    assert front.within(5.0).cost <= 5.0
    assert len(front.to_frame()) == len(front) == len(list(front))


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**32), st.booleans())
def test_a_front_by_pairs(subsets: int, seed: int, higher: bool) -> None:
    """Costs and scores of few values, so with many ties; of equal ones fewest members, lowest NLL, first."""
    rng = np.random.default_rng(seed)
    costs, scores = rng.integers(0, 6, subsets) / 2, rng.integers(0, 6, subsets) / 5
    sizes, nll = rng.integers(1, 4, subsets), rng.integers(0, 3, subsets) / 3
    found = front_rows(scores, costs, sizes, nll, higher)
    loss = -scores if higher else scores
    wanted = []
    for cost in np.unique(costs):
        rows = np.flatnonzero(costs == cost)
        best = loss[rows].min()
        if best < loss[costs < cost].min(initial=np.inf):
            rows = [r for r in rows if loss[r] == best]
            wanted.append(min(rows, key=lambda r: (sizes[r], nll[r], r)))
    assert found.tolist() == wanted


def test_honest_scores_along_it_are_those_of_choosing_within_the_cost() -> None:
    """Each point's is that of `select` with this much to spend."""
    probs, labels = drawn()
    stack = stack_arrays(probs, labels)
    for metric in ("accuracy", "brier", "macro_f1"):
        front = cost_front(stack, COSTS, metric=metric)
        for point in (front.points[0], front.points[2], front.points[-1]):
            alone = select(stack, metric=metric, costs=COSTS, max_cost=point.cost)
            assert alone.members == point.members
            assert alone.result.scores[metric].score == pytest.approx(point.honest.score, rel=1e-6)
            assert alone.result.scores[metric].low == pytest.approx(point.honest.low, rel=1e-5)
            assert alone.front is not None
            assert alone.front.points[-1].mask == point.mask
    assert front.points[0].honest.optimism == pytest.approx(0, abs=0.05)  # one subset: nothing to choose


def test_of_equal_subsets_the_cheaper_is_chosen() -> None:
    probs, labels = drawn(1)
    twice = np.repeat(probs, 2, axis=0)
    assert select(stack_arrays(twice, labels), costs=[2.0, 1.0]).members == ("m-1",)
    assert select(stack_arrays(twice, labels)).members == ("m-0",)


def test_sums_that_differ_by_rounding_are_one_cost() -> None:
    masks = np.arange(1, 8, dtype=np.uint64)
    costs = subset_costs(np.array([0.1, 0.2, 0.3]), masks)
    assert costs[2] == costs[3] == 0.3  # .1 + .2 is .3, not .30000000000000004
    assert subset_costs(np.array([0.1, 0.2, 0.3]), masks, "max").tolist() == [0.1, 0.2, 0.2, 0.3, 0.3, 0.3, 0.3]
    assert subset_costs(np.zeros(3), masks).tolist() == [0] * 7


def test_costs_that_are_none_are_refused(tmp_path) -> None:
    members = ("m-0", "m-1")
    with pytest.raises(BadInput, match="1 of the 2 members have none, 'm-1' for one"):
        check_costs({"m-0": 1}, members)
    for cost in (-1.0, float("nan"), float("inf"), "1", True, 1e-300, 1e308):
        with pytest.raises(BadInput, match=r"costs: 'm-1' has .*, expected a number of 0 or more"):
            check_costs({"m-0": 1, "m-1": cost}, members)  # ty: ignore[invalid-argument-type]
    with pytest.raises(BadInput, match="expected one for each of 2 members"):
        check_costs([1.0], members)
    path = tmp_path / "costs.csv"
    path.write_text("member,cost\nm-0,nan\n")
    with pytest.raises(BadInput, match=r"costs\.csv: 'm-0' has cost 'nan', expected a number"):
        read_costs(path)
    stack = stack_arrays(*drawn())
    with pytest.raises(BadInput, match=r"no subset costs 0.5 or less: the cheapest costs 1; allow more"):
        select(stack, costs=COSTS, max_cost=0.5)
    with pytest.raises(BadInput, match="only the best subset is chosen by its cost"):
        select(stack, "greedy", costs=COSTS)
    with pytest.raises(BadInput, match=r"max_cost=.*: needs what each member costs"):
        select(stack, max_cost=2)
    with pytest.raises(BadInput, match="cost_by: 'mean' is not a way to add up costs"):
        select(stack, costs=COSTS, cost_by="mean")


def test_too_few_samples_have_a_front_without_honest_scores() -> None:
    probs, labels = drawn(3, 12)
    front = cost_front(stack_arrays(probs, labels), [1, 2, 3])
    assert {p.honest.score for p in front.points} == {None}
    assert "too few" in front.points[0].honest.how


def test_it_is_drawn() -> None:
    front = cost_front(stack_arrays(*drawn()), COSTS, what="milliseconds")
    axes = draw(front).figure.axes[0]
    assert axes.get_xlabel() == "Cost: sum of milliseconds"
    assert "Accuracy on arrays (%)" in axes.get_ylabel()
    marks = [line for line in axes.lines if line.get_marker() == "o"]
    assert marks[0].get_ydata().tolist() == pytest.approx([100 * p.score for p in front.points])


def test_a_cost_is_written_as_people_read_it() -> None:
    assert [cost_text(c) for c in (0.01234, 1.5, 999.96, 16530.0, 25890888.0)] == [
        "0.01234", "1.5", "1000", "16,530", "25,890,888",
    ]  # fmt: skip
