"""Metrics in which classes count: by hand, beside scikit-learn, and by what must hold of any predictions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from analysis.class_metrics import (
    CLASS_METRICS,
    by_class,
    class_mean,
    class_weights,
    influence,
    ranks,
    ratios,
    read_class_weights,
    scale_of,
    title_of,
    whole_set,
)
from analysis.metrics import predicted, quantise
from ensemble.errors import BadInput
from kofn import auroc, balanced_accuracy, macro_f1, select, stack_arrays

# Three of a, two of b, one of c; b's second is taken for a, c for b.
LABELS = np.array([0, 0, 0, 1, 1, 2])
PROBS = np.array([[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.4, 0.3, 0.3], [0.2, 0.6, 0.2], [0.6, 0.3, 0.1], [0.1, 0.5, 0.4]])


def test_by_hand() -> None:
    assert balanced_accuracy(PROBS, LABELS) == pytest.approx((1 + 1 / 2 + 0) / 3)
    # F1: a 2*3/(3+4), b 2*1/(2+2), c 0.
    assert macro_f1(PROBS, LABELS) == pytest.approx((6 / 7 + 1 / 2) / 3)
    # AUROC of a: its .8, .5, .4 against .2, .6, .1: 3 + 2 + 2 of 9. Of b: .6, .3 against .1, .3, .3, .5: 4 + 1 + 2/2
    # of 8. Of c: .4 against .1, .2, .3, .2, .1: 5 of 5.
    assert auroc(PROBS, LABELS) == pytest.approx((7 / 9 + 6 / 8 + 1) / 3)
    assert by_class("auroc", ranks(PROBS), LABELS, 3) == pytest.approx([7 / 9, 6 / 8, 1])


def test_a_class_without_samples_is_left_out_and_named() -> None:
    probs, labels = np.column_stack([PROBS, np.zeros(6)]), LABELS
    for name, metric in CLASS_METRICS.items():
        assert metric.value(probs, labels) == pytest.approx(metric.value(PROBS, labels)), name
        assert metric.left_out(labels, 4).tolist() == [3]
    same = np.zeros(6, np.int64)
    assert CLASS_METRICS["auroc"].left_out(same, 3).tolist() == [0, 1, 2]
    assert np.isnan(auroc(PROBS, same))
    with pytest.raises(BadInput, match=f"all {len(same)} samples are of the class .* takes samples of two"):
        select(stack_arrays(np.stack([PROBS, PROBS]), same), metric="auroc")
    assert CLASS_METRICS["macro_f1"].left_out(same, 3).tolist() == [1, 2]


@st.composite
def predictions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n, c = draw(st.integers(2, 30)), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    steps = draw(st.sampled_from([4, 10, 1000]))  # few steps: many ties
    probs = rng.integers(1, steps + 1, (n, c)).astype(np.float64)
    return probs / probs.sum(axis=1, keepdims=True), rng.integers(0, c, n)


@pytest.mark.filterwarnings("ignore")  # scikit-learn warns of single classes and of what is never predicted
@given(predictions())
def test_they_are_scikit_learns(made: tuple[np.ndarray, np.ndarray]) -> None:
    probs, labels = made
    preds, seen = predicted(quantise(probs)), np.unique(labels)
    recalls = [(preds[labels == c] == c).mean() for c in seen]
    assert balanced_accuracy(probs, labels) == pytest.approx(np.mean(recalls), abs=1e-12)
    if np.isin(preds, seen).all():
        assert balanced_accuracy(probs, labels) == pytest.approx(balanced_accuracy_score(labels, preds), abs=1e-12)
    expected = f1_score(labels, preds, labels=seen, average="macro", zero_division=0)
    assert macro_f1(probs, labels) == pytest.approx(expected, abs=1e-12)
    if len(seen) > 1:
        areas = [roc_auc_score(labels == c, ranks(probs)[:, c]) for c in seen]
        assert auroc(probs, labels) == pytest.approx(np.mean(areas), abs=1e-12)


@given(predictions(), st.integers(0, 2**32))
def test_weights_of_resampling_are_samples_named_again(made: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    """Samples in blocks that count several times score as the same samples written out do."""
    probs, labels = made
    rng = np.random.default_rng(seed)
    n, c = probs.shape
    block = rng.integers(0, 4, n)
    times = rng.integers(0, 3, (3, 4))
    weights = rng.random(c)
    for metric, values in (("macro_f1", predicted(quantise(probs))), ("auroc", ranks(probs))):
        found = class_mean(*ratios(metric, values, labels, c, block, times), weights)
        for r in range(3):
            again = np.repeat(np.arange(n), times[r][block])
            expected = whole_set(metric, values[again], labels[again], c, weights) if len(again) else np.nan
            assert found[r] == pytest.approx(expected, nan_ok=True, abs=1e-12)


@given(predictions())
def test_influence_is_the_slope_of_a_samples_weight(made: tuple[np.ndarray, np.ndarray]) -> None:
    probs, labels = made
    n, c = probs.shape
    small = 1e-6
    for metric, values in (("macro_f1", predicted(quantise(probs))), ("auroc", ranks(probs))):
        whole = whole_set(metric, values, labels, c)
        if np.isnan(whole):
            continue
        moved = class_mean(*ratios(metric, values, labels, c, np.arange(n), np.ones((n, n)) + small * np.eye(n)))
        found = influence(metric, values, labels, c)
        assert found == pytest.approx((moved - whole) / small, abs=1e-4)
        assert found.sum() == pytest.approx(0, abs=1e-9)


def test_the_aurocs_variance_is_delongs() -> None:
    """Two classes: the variance of the area by placement values, as the paper's formula has it."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [30, 50])
    score = rng.normal(size=80) + labels
    probs = np.column_stack([1 / (1 + np.exp(score)), 1 - 1 / (1 + np.exp(score))])
    own, other = score[labels == 1], score[labels == 0]
    wins = (own[:, None] > other).astype(float)
    ten, one = wins.mean(axis=1), wins.mean(axis=0)
    delong = ten.var() / 50 + one.var() / 30
    # Both classes have the same area here, and their mean moves as each of them does.
    assert (influence("auroc", ranks(probs), labels, 2) ** 2).sum() == pytest.approx(delong)


@given(st.lists(st.integers(0, 60), min_size=2, max_size=12).filter(any), st.integers(0, 2**32))
def test_scales_are_whole_numbers_in_the_right_proportion(counts: list[int], seed: int) -> None:
    own = np.random.default_rng(seed).integers(0, 20, len(counts)) / 4
    if not own[np.array(counts) > 0].any():
        return
    scale = scale_of("weighted_balanced_accuracy", np.array(counts), own)
    assert scale is not None
    assert scale.dtype == np.int64
    wanted = [Fraction(float(v)) / n if n else Fraction(0) for v, n in zip(own, counts, strict=True)]
    assert [Fraction(int(s)) * sum(wanted) for s in scale] == [w * int(scale.sum()) for w in wanted]


def scaled(metric: str, counts: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    found = scale_of(metric, counts, weights)
    assert found is not None
    return found


def test_scales_by_hand() -> None:
    counts = np.array([3, 4, 0, 10])
    assert scaled("balanced_accuracy", counts).tolist() == [20, 15, 0, 6]
    assert scaled("weighted_accuracy", counts, np.array([1, 2.5, 1, 0.5])).tolist() == [2, 5, 0, 1]
    assert scale_of("accuracy", counts) is None
    assert scale_of("auroc", counts) is None
    # No fraction of a small denominator: as they are, the largest 1.
    found = scaled("weighted_accuracy", counts, np.array([np.pi, 1, 1, 1]))
    assert found.tolist() == pytest.approx([1, 1 / np.pi, 0, 1 / np.pi])
    # Class sizes whose common multiple is beyond whole numbers that float64 holds.
    primes = np.array([9973, 9967, 9949, 9941, 9931])
    assert scaled("balanced_accuracy", primes).dtype == np.float64


def test_titles_say_when_classes_are_weighted() -> None:
    assert title_of("weighted_balanced_accuracy") == "Class-weighted balanced accuracy"
    assert title_of("weighted_nll") == "Class-weighted NLL (nats)"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("class,weight\na,1\n", "2 of 3 classes have no weight, 'b' for one"),
        ("class,weight\na,1\nb,1\nd,1\n", "'d' is no class; .*did you mean|'d' is no class"),
        ("class,weight\na,1\nb,-1\nc,1\n", "'b' has weight '-1', expected a number of 0 or more"),
        ("class,weight\na,0\nb,0\nc,0\n", "all are 0, so nothing counts"),
        ("class,weight\na,nan\nb,1\nc,1\n", "'a' has weight 'nan', expected a number"),
        ("class,weight\na,one\n", "'a' has weight 'one', expected a number"),
        ("class,weight\na,1\nb,1\nc,1\ndog,2\n", "weights.csv: 'dog' has two weights, by its id and by its name"),
        ("class,weight\na,1\na,2\n", "line 3: 'a' has weight '1' above"),
        ("name,weight\na,1\n", "expected a heading with the columns class and weight, found name, weight"),
    ],
)
def test_weights_that_are_none_are_refused(tmp_path, content: str, sentence: str) -> None:
    path = tmp_path / "weights.csv"
    path.write_text(content)
    with pytest.raises(BadInput, match=sentence):
        class_weights(read_class_weights(path), ["a", "b", "c"], ["cat", "dog", "cow"], str(path))


def test_weights_may_name_classes_by_their_names() -> None:
    assert class_weights({"cat": 1, "b": 2, "cow": 0.5}, ["a", "b", "c"], ["cat", "dog", "cow"]).tolist() == [1, 2, 0.5]
    assert class_weights([1, 2, 3], ["a", "b", "c"]).tolist() == [1, 2, 3]
    with pytest.raises(BadInput, match=r"one for each of 3 classes, found \(2,\)"):
        class_weights([1, 2], ["a", "b", "c"])


@pytest.mark.parametrize("weight", [1e-300, 1e200])
def test_weights_beyond_what_sums_can_hold_are_refused(weight: float) -> None:
    with pytest.raises(BadInput, match=r"class_weights: 'a' has 1e.*, expected a number of 0 or more, up to 1e100"):
        class_weights([weight, 1, 1], ["a", "b", "c"])


@pytest.mark.parametrize("scale", [1e-90, 1e90])
def test_only_the_proportion_of_weights_counts(scale: float) -> None:
    """Sums by block are kept in float32, in which 1e90 is infinite and 1e-90 is 0."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    probs = rng.dirichlet(np.ones(3), (3, 60)) + 0.4 * np.eye(3)[labels]
    stack = stack_arrays(probs / probs.sum(axis=2, keepdims=True), labels)
    own, scaled = (select(stack, metric="nll", class_weights=np.array([1, np.pi, 2]) * s) for s in (1, scale))
    assert scaled.members == own.members
    assert scaled.result.scores["weighted_nll"].score == pytest.approx(own.result.scores["weighted_nll"].score)
