"""Each way to choose against brute force or a reference, with ties of every kind."""

from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.metrics import METRICS, predicted, quantise, whole
from analysis.selection.best import Best, LatticeSums, ReferenceSums
from analysis.selection.compare import SelectionResult
from analysis.selection.data import SelectionData, Weighted, of_members, selection_data
from analysis.selection.greedy import Greedy, greedy_order
from analysis.selection.stacking import Stack, fit
from analysis.selection.weights import Weights, best_weights
from analysis.stack import PredictionStack, combined_probs, stack_arrays
from analysis.streamed import stream
from analysis.subsets.reference import subset_table
from cli.combine_text import stopped_early
from ensemble.errors import BadInput
from ensemble.study.predictions import Predictions, write_predictions


def levels(seed: int, members: int = 4, samples: int = 12, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of few levels, so that sums tie."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, (members, samples, classes)) + (rng.random((members, samples, 1)) < 0.1)
    counts[counts.sum(axis=2) == 0] = 1
    return counts / counts.sum(axis=2, keepdims=True), rng.integers(0, classes, samples)


def smooth(seed: int, members: int = 5, samples: int = 200, classes: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    logits = rng.normal(size=(members, samples, classes)) * 1.5
    logits[:, np.arange(samples), labels] += np.linspace(0.5, 1.5, members)[:, None]
    exp = np.exp(logits)
    return exp / exp.sum(axis=2, keepdims=True), labels


def made(probs, labels, rule: str = "mean") -> SelectionData:
    return selection_data(stack_arrays(np.asarray(probs, dtype=np.float32), labels), rule, top5=True)


def whole_stack(e: SelectionData) -> PredictionStack:
    assert isinstance(e.source, PredictionStack)
    return e.source


# The rule of arithmetic for weights


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([0.5, 0.5], [1, 1]),
        ([1.0, 0.0], [1, 0]),
        ([1 / 3, 2 / 3], [1, 2]),
        ([0.35, 0.65], [7, 13]),
        ([0.333, 0.333, 0.334], [333, 333, 334]),
        ([1 / 3] * 3, [1, 1, 1]),
        ([0.5**0.5, 1 - 0.5**0.5], [round(2**26 * 0.5**0.5), round(2**26 * (1 - 0.5**0.5))]),
    ],
)
def test_weights_as_whole_numbers(weights: list[float], expected: list[int]) -> None:
    assert whole(np.array(weights)).tolist() == expected


@settings(max_examples=200)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 5), min_size=4, max_size=4).filter(any))
def test_weighted_decisions_are_exact(seed: int, counts: list[int]) -> None:
    probs, labels = levels(seed)
    e = made(probs, labels)
    sums = np.tensordot(np.array(counts), quantise(e.probs()), axes=1)
    weights = np.array(counts) / sum(counts)
    assert (e.scores(weights, "accuracy") > 0).tolist() == (predicted(sums) == labels).tolist()
    ahead = [
        sum(s[c] > s[y] or (s[c] == s[y] and c < y) for c in range(len(s))) for s, y in zip(sums, labels, strict=True)
    ]
    assert e.ahead(weights).tolist() == [min(a, 5) for a in ahead]


@pytest.mark.parametrize("rule", ["mean", "geometric"])
@pytest.mark.parametrize("metric", METRICS)
def test_scores_of_a_subset_are_those_of_the_table(rule: str, metric: str) -> None:
    e = made(*smooth(1), rule)
    table = subset_table(whole_stack(e), range(1, 6), rule=rule)
    for chosen in [(2,), (0, 3), (0, 1, 2, 3, 4)]:
        ensemble = of_members(chosen, 5, e.rule)
        expected = table.find(sum(1 << i for i in chosen)).score(metric)
        assert ensemble.scores(e, metric).mean() == pytest.approx(expected, abs=1e-12)
        assert ensemble.probs(e.probs()) == pytest.approx(combined_probs(whole_stack(e), chosen, rule))


def test_votes_have_no_likelihood() -> None:
    e = made(*smooth(1), "vote")
    table = subset_table(whole_stack(e), [3], rule="vote")
    assert of_members((0, 1, 2), 5, e.rule).scores(e, "accuracy").mean() == table.find(7).accuracy
    with pytest.raises(BadInput, match="a vote gives no probabilities"):
        of_members((0, 1), 5, e.rule).scores(e, "nll")
    with pytest.raises(BadInput, match="no metric is called 'nlll'"):
        e.scores(np.full(5, 0.2), "nlll")


def test_some_of_the_samples() -> None:
    e = made(*smooth(2))
    keep = np.random.default_rng(0).random(200) < 0.3
    weights = np.array([0.1, 0.2, 0.3, 0.4, 0])
    for metric in METRICS:
        assert e.only(keep).scores(weights, metric) == pytest.approx(e.scores(weights, metric)[keep], abs=1e-15)
    assert e.only(keep).only(np.arange(keep.sum()) < 5).rows.tolist() == np.flatnonzero(keep)[:5].tolist()


def test_files_are_read_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probs, labels = smooth(3)
    ids, classes = np.array([f"s{i}" for i in range(200)]), tuple("abcdef")
    paths = []
    for i, member in enumerate(probs.astype(np.float32)):
        order = np.random.default_rng(i).permutation(200) if i else np.arange(200)
        paths.append(tmp_path / f"m-{i}.h5")
        write_predictions(
            paths[-1], Predictions(f"m-{i}", "val", member[order], ids[order], classes, classes, labels[order])
        )
    monkeypatch.setattr("analysis.selection.data.BLOCK_NUMBERS", 700)
    files, memory = selection_data(stream(paths), top5=True), made(probs, labels)
    assert files.ids.tolist() == ids.tolist()
    weights = np.array([0.1, 0.2, 0.3, 0.4, 0])
    for metric in METRICS:
        assert files.scores(weights, metric) == pytest.approx(memory.scores(weights, metric), abs=1e-12)
    keep = np.arange(200) % 7 == 0
    assert files.only(keep).probs() == pytest.approx(memory.only(keep).probs())
    assert files.products == pytest.approx(memory.products)


# best


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(list(METRICS)), st.sampled_from([None, 1, 2, 3]))
def test_best_agrees_with_the_table(seed: int, metric: str, max_size: int | None) -> None:
    probs, labels = levels(seed)
    e = made(probs, labels)
    selection = Best(e, ReferenceSums(e, range(1, 5)), metric, max_size)
    table = subset_table(whole_stack(e), range(1, 5))
    assert selection.choose().members == table.indices_of(table.best(metric, max_size).mask)
    # With a third left out: as if those samples had never been.
    out = np.arange(len(labels)) % 3 == seed % 3
    part = subset_table(whole_stack(made(probs[:, ~out], labels[~out])), range(1, 5))
    assert selection.choose((~out).astype(np.int64)).members == part.indices_of(part.best(metric, max_size).mask)


@pytest.mark.parametrize(("rule", "metrics"), [("geometric", list(METRICS)), ("vote", ["accuracy", "top5"])])
@pytest.mark.parametrize("kind", [ReferenceSums, LatticeSums])
def test_best_under_other_rules(rule: str, metrics: list[str], kind: type) -> None:
    for seed in range(5):
        e = made(*levels(seed, classes=7), rule)
        table = subset_table(whole_stack(e), range(1, 5), rule=rule)
        for metric in metrics:
            options = () if kind is ReferenceSums else (metric,)
            selection = Best(e, kind(e, range(1, 5), *options), metric)
            assert selection.choose().members == table.indices_of(table.best(metric).mask)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("sizes", [[1, 2, 3, 4, 5], [1], [2, 4]])
def test_sums_by_the_reference_and_by_the_engine(metric: str, sizes: list[int]) -> None:
    e = made(*smooth(3, classes=8))
    plain, engine = ReferenceSums(e, sizes), LatticeSums(e, sizes, metric)
    assert np.array_equal(plain.masks, engine.masks)
    rows = np.random.default_rng(0).random(200) < 0.4
    assert plain.sums(metric, rows) == pytest.approx(engine.sums(metric, rows), rel=1e-12)
    table = subset_table(whole_stack(e), sizes)
    every = np.ones(200, dtype=bool)
    assert plain.sums(metric, every) / 200 == pytest.approx(table.scores(metric), rel=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 5), min_size=4, max_size=4).filter(any), st.booleans())
def test_pruned_evidence_says_the_same(seed: int, counts: list[int], top5: bool) -> None:
    stack = stack_arrays(*levels(seed, classes=8))
    weights = np.array(counts) / sum(counts)
    for rule in ("mean", "geometric", "vote"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("analysis.selection.data.COMPILED_MEMBERS", 0)
            plain, few = (selection_data(stack, rule, top5=every) for every in (True, False))
            patch.setattr("analysis.selection.data.COMPILED_MEMBERS", 31)
            patch.setattr("analysis.selection.data.LARGE", 0)
            pruned = selection_data(stack, rule, top5=top5)
        assert len(pruned.sample) <= len(plain.sample) or pruned.counted == 5
        assert np.array_equal(pruned.ahead(weights), np.minimum(plain.ahead(weights), pruned.counted))
        assert len(few.sample) <= len(plain.sample)
        assert np.array_equal(few.ahead(weights), np.minimum(plain.ahead(weights), 1))
        keep = np.arange(plain.samples) % 3 > 0
        assert np.array_equal(pruned.only(keep).ahead(weights), pruned.ahead(weights)[keep])
    if not top5:
        with pytest.raises(BadInput, match="top5=True"):
            pruned.scores(weights, "top5")


def test_no_subset_so_small() -> None:
    e = made(*levels(0))
    with pytest.raises(
        BadInput, match=r"no subset has 2 members or fewer: the smallest that was scored has 3; allow more members"
    ):
        Best(e, ReferenceSums(e, [3, 4]), max_size=2)


# greedy


def slow_greedy(probs: np.ndarray, labels: np.ndarray, metric: str, rounds: int, max_size: int | None) -> list[int]:
    """Caruana's loop as it is written, every ensemble formed anew."""
    probs = probs.astype(np.float32)
    order: list[int] = []
    trajectory: list[float] = []

    def loss(indices: list[int], which: str) -> float:
        counts = np.bincount(indices, minlength=len(probs))
        sums = np.tensordot(counts, quantise(probs), axes=1)
        own = sums[np.arange(len(labels)), labels]
        before = np.arange(sums.shape[1]) < labels[:, None]
        ahead = ((sums > own[:, None]) | ((sums == own[:, None]) & before)).sum(axis=1)
        mean = np.tensordot(counts / len(indices), probs.astype(np.float64), axes=1)
        if which == "accuracy":
            return float((ahead > 0).mean())
        if which == "top5":
            return float((ahead >= 5).mean())
        if which == "brier":
            return METRICS["brier"].value(mean, labels)
        floored = np.maximum(probs.astype(np.float64)[:, np.arange(len(labels)), labels], 1e-12)
        return float(-np.log(counts / len(indices) @ floored).mean())

    for _ in range(rounds):
        candidates = [m for m in range(len(probs)) if max_size is None or len({*order, m}) <= max_size]
        losses = {m: loss([*order, m], metric) for m in candidates}
        tied = [m for m in candidates if losses[m] <= min(losses.values()) + 1e-12]
        tied = [m for m in tied if m in order] or tied
        nll = {m: loss([*order, m], "nll") for m in tied}
        tied = [m for m in tied if nll[m] <= min(nll.values()) + 1e-12]
        order.append(tied[0])
        trajectory.append(losses[tied[0]])
    kept = next(i for i, t in enumerate(trajectory) if t <= min(trajectory) + 1e-12)
    return order[: kept + 1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(list(METRICS)), st.sampled_from([None, 1, 2]), st.booleans())
def test_greedy_agrees_with_the_slow_loop(seed: int, metric: str, max_size: int | None, ties: bool) -> None:
    probs, labels = levels(seed, classes=7) if ties else smooth(seed, samples=30, classes=7)
    order, scores = greedy_order(made(probs, labels), metric, 12, max_size)
    assert order == slow_greedy(probs, labels, metric, 12, max_size)
    weights = np.bincount(order, minlength=len(probs)) / len(order)
    assert made(probs, labels).scores(weights, metric).mean() == pytest.approx(scores[-1], abs=1e-12)


def test_greedy_by_hand() -> None:
    # a is right on samples 0-2, b on 3; of both together two thirds a has all four.
    a = [[0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.4, 0.6]]
    b = [[0.1, 0.9], [0.1, 0.9], [0.1, 0.9], [0.9, 0.1]]
    order, scores = greedy_order(made([a, b], [0, 0, 0, 0]))
    assert order == [0, 0, 1]
    assert scores == [0.75, 0.75, 1.0]
    found = Greedy(made([a, b], [0, 0, 0, 0])).choose()
    assert found.weights.tolist() == [2 / 3, 1 / 3]
    assert not found.equal


def test_greedy_of_one_member_and_an_unknown_metric() -> None:
    probs, labels = smooth(0, members=1)
    assert greedy_order(made(probs, labels))[0] == [0]
    with pytest.raises(BadInput, match=r"greedy selection by 'acuracy': .*accuracy"):
        greedy_order(made(probs, labels), "acuracy")


# weights


def test_weights_by_hand() -> None:
    # One of two samples each: by symmetry half and half; with three of four, -(3 ln w + ln(1 - w)) / 4 has w = 3/4.
    assert best_weights(np.array([[1.0, 1e-12], [1e-12, 1.0]])) == pytest.approx([0.5, 0.5])
    assert best_weights(np.array([[1, 1, 1, 1e-12], [1e-12, 1e-12, 1e-12, 1]])) == pytest.approx([0.75, 0.25], abs=1e-4)
    assert best_weights(np.array([[0.9, 0.8], [0.3, 0.2]])).tolist() == [1, 0]
    assert best_weights(np.array([[0.3, 0.2]])).tolist() == [1]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 7), st.integers(1, 40), st.sampled_from([0.1, 1.0, 10.0]))
def test_no_weights_are_better(seed: int, members: int, samples: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    own = np.maximum(np.exp(-rng.exponential(spread, (members, samples))), 1e-12)
    if seed % 3 == 0:
        own[rng.random(own.shape) < 0.3] = 1e-12
    if seed % 5 == 0:
        own[-1] = own[0]
    weights = best_weights(own)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    lowest = -np.log(weights @ own).mean()
    for other in rng.dirichlet(np.full(members, 0.5), 50):
        assert lowest <= -np.log(other @ own).mean() + 2e-9
    # The Kuhn-Tucker conditions: no member's slope is above 1, and those that take part have slope 1.
    slope = (own / (weights @ own)).mean(axis=1)
    assert slope.max() <= 1 + 2e-9


def test_weights_left_out() -> None:
    probs, labels = smooth(4)
    out = np.arange(200) % 4 == 0
    e = made(probs, labels)
    assert Weights(e).choose((~out).astype(np.int64)).weights == pytest.approx(
        Weights(made(probs[:, ~out], labels[~out])).choose().weights
    )


# stack


def test_stacking_learns_what_a_mean_cannot() -> None:
    # The only member says class c + 1 where it is c: a mean of it is always wrong, a regression on it is right.
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 400)
    probs = np.full((1, 400, 4), 0.1)
    probs[0, np.arange(400), (labels + 1) % 4] = 0.7
    e = made(probs, labels)
    assert of_members([0], 1).scores(e, "accuracy").mean() == 0
    found = Stack(e).choose((np.arange(400) >= 200).astype(np.int64))
    assert found.scores(e, "accuracy")[:200].mean() == 1
    assert found.weights is None
    assert found.members == (0,)


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_stacking_is_the_regression_of_scikit_learn(classes: int) -> None:
    from sklearn.linear_model import LogisticRegression

    probs, labels = smooth(5, classes=classes)
    found = fit(probs.astype(np.float32), labels)
    features = np.log(probs.astype(np.float32).astype(np.float64)).transpose(1, 0, 2).reshape(200, -1)
    model = LogisticRegression(C=0.01, max_iter=100).fit(features, labels)
    assert found.probs(probs.astype(np.float32)) == pytest.approx(model.predict_proba(features))


def test_stacking_with_absent_classes() -> None:
    probs, labels = smooth(6)
    for seen in ([0, 3, 5], [2, 4], [1]):
        keep = np.isin(labels, seen)
        found = fit(probs[:, keep], labels[keep])
        said = found.probs(probs)
        assert said.sum(axis=1) == pytest.approx(1)
        assert np.flatnonzero(said.sum(axis=0)).tolist() == seen


def test_certain_members_do_not_break_stacking() -> None:
    probs = np.zeros((2, 30, 3))
    labels = np.arange(30) % 3
    probs[:, np.arange(30), labels] = 1
    assert Stack(made(probs, labels)).choose().scores(made(probs, labels), "accuracy").mean() == 1


def test_equal_weights() -> None:
    assert Weighted(np.array([0.5, 0, 0.5])).equal
    assert Weighted(np.array([0.5, 0, 0.5])).members == (0, 2)
    assert not Weighted(np.array([0.4, 0.6])).equal


def test_brute_force_over_all_small_ensembles() -> None:
    # Greedy cannot beat the best of all multisets of four, nor best that; and best is the best of all subsets.
    probs, labels = smooth(8, members=3, samples=40)
    e = made(probs, labels)
    top = max(e.scores(np.array(c) / sum(c), "accuracy").mean() for c in product(range(5), repeat=3) if 0 < sum(c) <= 4)
    assert greedy_order(e, rounds=4)[1][-1] <= top
    best = Best(e, ReferenceSums(e, range(1, 4))).choose()
    every = [of_members(c, 3) for k in (1, 2, 3) for c in combinations(range(3), k)]
    assert best.scores(e, "accuracy").mean() == max(s.scores(e, "accuracy").mean() for s in every) <= top


def test_subsets_of_nearly_all_of_many_members_need_no_walk_through_the_others() -> None:
    # 2^26 prefixes lie below the one subset of all 26; a walk through them would not end.
    rng = np.random.default_rng(0)
    probs, labels = rng.dirichlet(np.ones(3), (26, 12)).astype(np.float32), rng.integers(0, 3, 12)
    found = ReferenceSums(made(probs, labels), [26])
    right = int((probs.astype(np.float64).mean(axis=0).argmax(axis=1) == labels).sum())
    assert found.sums("accuracy", np.ones(12, dtype=bool)).tolist() == [right]


def test_stacking_says_when_it_was_stopped_early(monkeypatch: pytest.MonkeyPatch) -> None:
    probs, labels = smooth(6)
    whole = fit(probs, labels)
    assert whole.converged
    assert 0 < whole.steps < 100
    monkeypatch.setattr("analysis.selection.stacking.STEPS", 2)
    stopped = fit(probs, labels)
    assert (stopped.converged, stopped.steps) == (False, 2)
    result = SelectionResult("stack", stopped, "accuracy", {}, None, None)
    assert stopped_early(result).startswith("Stacking was stopped after 2 steps, before it had converged")
    assert stopped_early(SelectionResult("stack", whole, "accuracy", {}, None, None)) == ""
