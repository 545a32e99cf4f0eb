"""Every subset by metrics in which classes count, against definitions and scikit-learn, and what is chosen by them."""

import warnings
from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from analysis.metrics import METRICS
from analysis.selection.best import LatticeSums, ReferenceSums
from analysis.selection.class_sums import WeightedSums, check_whole_set, most_subsets, values_of
from analysis.selection.data import selection_data
from analysis.selection.resampling import bootstraps
from analysis.stack import combined_probs, stack_arrays
from analysis.subsets.engine import Lattice
from analysis.subsets.reference import mask_of, subset_preds
from ensemble.errors import BadInput
from kofn import combine, cross_validate, select

WEIGHTS = np.array([1, 2, 0.5, 3, 1, 1.25])


def drawn(members: int = 4, n: int = 150, classes: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Members on a long tail: the last class has a few samples."""
    rng = np.random.default_rng(seed)
    shares = 2.0 ** -np.arange(classes)
    labels = rng.choice(classes, n, p=shares / shares.sum())
    labels[:classes] = np.arange(classes)
    logits = rng.normal(size=(members, n, classes)) + rng.normal(size=(n, classes))
    logits[:, np.arange(n), labels] += np.linspace(1, 2, members)[:, None]
    probs = np.exp(logits)
    return (probs / probs.sum(axis=2, keepdims=True)).astype(np.float32), labels


def expected(metric: str, stack, members: tuple[int, ...], rule: str, weights: np.ndarray | None) -> float:
    """The definition, sample by sample and class by class."""
    labels, classes = stack.require_labels(), range(stack.classes)
    preds = subset_preds(stack, members, rule)
    by_class = np.ones(stack.classes) if weights is None else weights
    if metric == "balanced_accuracy":
        return float(np.average([(preds[labels == c] == c).mean() for c in classes], weights=by_class))
    if metric == "macro_f1":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(np.average(f1_score(labels, preds, average=None, labels=list(classes)), weights=by_class))
    if metric == "accuracy":
        return float(accuracy_score(labels, preds, sample_weight=by_class[labels]))
    probs = combined_probs(stack, members, rule)
    if metric == "auroc":
        return float(np.average([roc_auc_score(labels == c, probs[:, c]) for c in classes], weights=by_class))
    return float(np.average(METRICS[metric].per_sample(probs, labels), weights=by_class[labels]))


@pytest.mark.parametrize("rule", ["mean", "geometric", "vote"])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_every_subset_by_its_definition(rule: str, weights: np.ndarray | None) -> None:
    probs, labels = drawn()
    names = ["balanced_accuracy", "macro_f1", "auroc"] + ([] if weights is None else ["accuracy", "nll", "brier"])
    names = [name for name in names if rule != "vote" or name not in ("auroc", "nll", "brier")]
    table = combine(probs, labels, rule=rule, metrics=names, class_weights=weights)
    stack = stack_arrays(probs, labels)
    for name in names:
        found = table.scores(name if weights is None else f"weighted_{name}")
        for row, subset in enumerate(table):
            members = table.indices_of(subset.mask)
            assert found[row] == pytest.approx(expected(name, stack, members, rule, weights), abs=1e-9), (name, members)
    assert table.best(names[0] if weights is None else f"weighted_{names[0]}").others


@pytest.mark.parametrize("metric", ["balanced_accuracy", "weighted_accuracy", "weighted_top5", "weighted_nll"])
def test_the_engine_and_the_reference_sum_alike(metric: str) -> None:
    """Whole numbers to the bit, others to rounding; on all samples, on some, and by block."""
    probs, labels = drawn(5, 120, 7)
    data = selection_data(stack_arrays(probs, labels), top5=True, class_weights=np.arange(1.0, 8.0))
    base = {"balanced_accuracy": "accuracy"}.get(metric, metric.removeprefix("weighted_"))
    for sizes in ([1, 2, 3, 4, 5], [2, 4]):
        slow = WeightedSums(ReferenceSums(data, sizes), data, metric)
        fast = WeightedSums(LatticeSums(data, sizes, base), data, metric)
        assert slow.masks.tolist() == fast.masks.tolist()
        some = np.arange(120) % 3 > 0
        for rows in (np.ones(120, bool), some):
            one, other = slow.sums(metric, rows), fast.sums(metric, rows)
            if metric == "weighted_nll":
                assert one == pytest.approx(other, rel=1e-12)
            else:
                assert one.dtype.kind == other.dtype.kind == "i"
                assert one.tolist() == other.tolist()
        block = data.blocks_of_samples
        assert slow.by_block(metric, block) == pytest.approx(fast.by_block(metric, block), rel=1e-6)


def test_threads_do_not_change_weighted_sums() -> None:
    probs, labels = drawn(17, 40, 5)
    stack = stack_arrays(probs, labels)
    weights = np.random.default_rng(0).random(5)[labels]
    found = [Lattice(stack, metrics=("accuracy",), threads=t).weighted_right(np.arange(40), weights) for t in (1, 3)]
    assert found[0].tobytes() == found[1].tobytes()
    right = (subset_preds(stack, range(17)) == labels).astype(float)
    assert found[0][-1] == pytest.approx(right @ weights)


@pytest.mark.parametrize("metric", ["balanced_accuracy", "macro_f1", "auroc"])
def test_a_choice_in_each_bootstrap_is_the_best_there(metric: str) -> None:
    """Macro-F1, AUROC: each choice scores best on its bootstrap, written out; balanced accuracy: by fixed weights."""
    probs, labels = drawn(3, 90, 4, seed=2)
    stack = stack_arrays(probs, labels)
    found = cross_validate(stack, metric=metric)
    data = selection_data(stack)
    subsets = [c for k in (1, 2, 3) for c in combinations(range(3), k)]
    for r in range(0, len(found.chosen), 40):
        rows = np.repeat(np.arange(90), found.resamples.times(r))
        if metric == "balanced_accuracy":
            share = 1 / np.bincount(labels)[labels]
            scores = [(share * (subset_preds(stack, s) == labels))[rows].sum() for s in subsets]
        else:
            part = stack_arrays(probs[:, rows], labels[rows])
            table = combine(part.probs, part.require_labels(), metrics=[metric])
            scores = [table.find(mask_of(s)).others[metric] for s in subsets]
        chosen = subsets.index(found.chosen[r].members)
        assert scores[chosen] == pytest.approx(max(scores), abs=1e-9)
    assert found.resamples.weights.shape == bootstraps(data.blocks_of_samples).weights.shape
    assert found.score(metric) == pytest.approx(np.nanmean(found.z[metric]))


def test_the_honest_balanced_accuracy_is_the_mean_recall_held_out() -> None:
    probs, labels = drawn(4, 200, 4, seed=3)
    stack = stack_arrays(probs, labels)
    found = cross_validate(stack, metric="balanced_accuracy")
    right = np.zeros(200)
    tested = np.zeros(200)
    for r, chosen in enumerate(found.chosen):
        out = found.resamples.held_out(r)
        right[out] += (subset_preds(stack, chosen.members) == labels)[out]
        tested += out
    z = right / tested
    assert found.score("balanced_accuracy") == pytest.approx(np.mean([z[labels == c].mean() for c in range(4)]))
    assert found.score("accuracy") == pytest.approx(z.mean())


def test_equal_classes_make_it_the_accuracy() -> None:
    probs, _ = drawn(4, 120, 6)
    labels = np.arange(120) % 6
    chosen = select(stack_arrays(probs, labels), metric="balanced_accuracy")
    plain = select(stack_arrays(probs, labels))
    assert chosen.table.scores("balanced_accuracy").tolist() == plain.table.scores("accuracy").tolist()
    assert chosen.members == plain.members
    own = chosen.result.scores["balanced_accuracy"]
    assert own.score == pytest.approx(plain.result.honest.score)


@pytest.mark.parametrize("metric", ["accuracy", "nll", "brier", "balanced_accuracy", "top5"])
def test_greedy_selection_by_weighted_classes(metric: str) -> None:
    """Each round adds what scores best, by the definition of the weighted mean."""
    probs, labels = drawn(4, 100, 6, seed=5)
    stack = stack_arrays(probs, labels)
    found = select(stack, "greedy", metric=metric, class_weights=WEIGHTS)
    name = f"weighted_{metric}"
    singles = [select(stack.only([i]), metric=metric, class_weights=WEIGHTS).scores[name] for i in range(4)]
    better = max if METRICS.get(metric, METRICS["accuracy"]).higher_is_better else min
    sign = 1 if better is max else -1
    assert sign * found.scores[name] >= sign * better(singles) - 1e-12
    assert found.result.apparent == pytest.approx(found.scores[name])


def test_weights_of_an_ensemble_rank_and_predict_as_its_mean_does() -> None:
    probs, labels = drawn(3, 80, 4)
    stack = stack_arrays(probs, labels)
    found = select(stack, weights={"m-0": 0.3, "m-2": 0.7}, metric="auroc")
    mean = 0.3 * probs[0].astype(float) + 0.7 * probs[2]
    areas = [roc_auc_score(labels == c, mean[:, c]) for c in range(4)]
    assert found.scores["auroc"] == pytest.approx(np.mean(areas), abs=1e-9)
    assert values_of(found.result.chosen, found.data, "macro_f1").tolist() == mean.argmax(axis=1).tolist()


def test_copies_of_a_member_change_nothing() -> None:
    probs, labels = drawn(1, 120, 4)
    twice = np.repeat(probs, 2, axis=0)
    for metric in ("balanced_accuracy", "macro_f1", "auroc"):
        found = select(stack_arrays(twice, labels), metric=metric)
        own = found.result.scores[metric]
        assert found.members == ("m-0",)
        assert own.score == pytest.approx(own.apparent, abs=0.05)
        assert own.low is not None
        assert own.high is not None
        assert own.low <= own.apparent <= own.high


def test_what_cannot_be_scored_is_refused() -> None:
    probs, labels = drawn()
    stack = stack_arrays(probs, labels)
    with pytest.raises(BadInput, match="a vote gives no probabilities to rank samples by; choose by macro_f1"):
        select(stack, metric="auroc", rule="vote")
    with pytest.raises(BadInput, match="greedy selection takes metrics that add up over samples; choose by 'best'"):
        select(stack, "greedy", metric="macro_f1")
    with pytest.raises(BadInput, match=r"needs the weights of the classes, as class_weights=\.\.\."):
        select(stack, metric="weighted_accuracy")
    with pytest.raises(BadInput, match=r"no metric is called 'balanced'; .*balanced_accuracy"):
        select(stack, metric="balanced")
    with pytest.raises(BadInput, match="every class that has samples here has weight 0"):
        select(stack_arrays(probs, np.zeros(150, int)), class_weights=[0, 1, 1, 1, 1, 1])
    rule = selection_data(stack).rule
    assert most_subsets("macro_f1", 1000, 10) == 16_383
    assert most_subsets("auroc", 10_000, 200) == 1_250
    with pytest.raises(BadInput, match=r"up to 4,095 subsets .* that would be 8,191; .*1 to 6 members.*12 members"):
        check_whole_set("auroc", rule, 13, range(1, 14), 500, 10)
    check_whole_set("auroc", rule, 12, range(1, 13), 500, 10)
