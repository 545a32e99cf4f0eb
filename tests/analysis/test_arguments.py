"""What is no probability, no label and no count is refused by every function of the door that takes arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kofn
from kofn import BadInput

STREAM = np.random.default_rng(5)
PROBS = STREAM.dirichlet(np.ones(4), 40)
LABELS = np.arange(40) % 4
PREDS = PROBS.argmax(axis=1)

OF_PROBS: dict[str, Callable[[Any, Any], Any]] = {
    "accuracy": kofn.accuracy,
    "top5": kofn.top5,
    "nll": kofn.nll,
    "brier": kofn.brier,
    "balanced_accuracy": kofn.balanced_accuracy,
    "macro_f1": kofn.macro_f1,
    "auroc": kofn.auroc,
    "temperature": kofn.temperature,
    "measure_calibration": kofn.measure_calibration,
    "class_wise": kofn.class_wise,
    "conformal_sets": kofn.conformal_sets,
    "calibrated_log_likelihood": kofn.calibrated_log_likelihood,
    "combine": lambda probs, labels: kofn.combine(np.stack([np.asarray(probs)] * 2), labels),
}
OF_CLASSES: dict[str, Callable[[Any, Any], Any]] = {
    "per_class": kofn.per_class,
    "confusion": kofn.confusion,
    "paired_test": lambda true, pred: kofn.paired_test(true, pred, LABELS),
    "compare_classes": lambda true, pred: kofn.compare_classes(true, pred, LABELS),
    "agreement": lambda true, pred: kofn.agreement([LABELS.tolist(), pred], true),
}
NO_PROBS = {
    "logits": np.log(PROBS) * 3,
    "percent": PROBS * 100,
    "whole percent": (PROBS * 100).astype(int),
    "other sums": PROBS * 0.7,
    "negative": PROBS + np.array([0.9, -0.9, 0, 0]),
    "nan": np.where(np.arange(160).reshape(40, 4) == 3, np.nan, PROBS),
    "one number a sample": PROBS[:, 0],
    "three axes": np.stack([PROBS, PROBS]),
    "objects": PROBS.astype(object),
    "none": PROBS[:0],
}
NO_CLASSES = {
    "negative": LABELS - 1,
    "too few": LABELS[:7],
    "one": LABELS[:1],
    "too many": np.r_[LABELS, LABELS],
    "fractions": LABELS + 0.4,
    "text": LABELS.astype(str),
    "booleans": LABELS > 1,
    "one-hot": np.eye(4)[LABELS],
    "a column": LABELS[:, None],
}


@pytest.mark.parametrize("name", OF_PROBS)
def test_probabilities_and_labels(name: str) -> None:
    call = OF_PROBS[name]
    call(PROBS, LABELS)
    call(PROBS.tolist(), LABELS.tolist())
    for what, given in NO_PROBS.items():
        with pytest.raises(BadInput):
            call(given, LABELS)
            pytest.fail(f"{name} takes {what} for probabilities")
    for what, given in (NO_CLASSES | {"beyond the columns": LABELS + 1}).items():
        with pytest.raises(BadInput):
            call(PROBS, given)
            pytest.fail(f"{name} takes {what} for labels")


@pytest.mark.parametrize("name", OF_CLASSES)
def test_classes_as_columns(name: str) -> None:
    call = OF_CLASSES[name]
    call(LABELS, PREDS)
    call(LABELS.tolist(), PREDS.tolist())
    for what, given in NO_CLASSES.items():
        for true, pred in ((given, PREDS), (LABELS, given)):
            with pytest.raises(BadInput):
                call(true, pred)
                pytest.fail(f"{name} takes {what} for classes")


def test_the_message_names_function_row_and_next_move() -> None:
    with pytest.raises(BadInput, match=r"nll: a row must sum to 1 .* row 0 first: sum 100; give the softmax"):
        kofn.nll(NO_PROBS["percent"], LABELS)
    with pytest.raises(BadInput, match=r"brier: labels: expected a class for each of 40 .* found int64 \(7,\)"):
        kofn.brier(PROBS, LABELS[:7])
    with pytest.raises(BadInput, match=r"accuracy: labels: expected .* whole numbers from 0\.\.3, found 4 in row 3"):
        kofn.accuracy(PROBS, LABELS + 1)


def test_rows_of_float16_may_be_off_by_its_rounding() -> None:
    half = PROBS.astype(np.float16)
    assert kofn.nll(half, LABELS) == pytest.approx(kofn.nll(PROBS, LABELS), abs=1e-3)


@pytest.mark.parametrize("counts", [(-1, 3), (1.5, 2), (float("nan"), 1), ("a", 2), (None, 1), (2**60, 1)])
def test_what_is_no_count(counts: Any) -> None:
    with pytest.raises(BadInput, match="mcnemar: expected two counts"):
        kofn.mcnemar(*counts)


@pytest.mark.parametrize("given", [(-1, 3), (5, 3), (1, -1), ("a", 2), ([1, 2, 3], [3, 4]), (1, 2, 0), (1, 2, 1.5)])
def test_what_has_no_interval(given: Any) -> None:
    with pytest.raises(BadInput, match="wilson: expected"):
        kofn.wilson(*given)


@pytest.mark.parametrize("at", [0, -1, float("nan"), float("inf")])
def test_what_is_no_temperature(at: float) -> None:
    with pytest.raises(BadInput, match="tempered: expected temperatures above 0"):
        kofn.tempered(PROBS, at)
    with pytest.raises(BadInput, match="tempered: probabilities must not be negative"):
        kofn.tempered(NO_PROBS["logits"], 2.0)


@pytest.mark.parametrize("sizes", [(1.5,), "ab", True, [], [0], [9]])
def test_what_is_no_size(sizes: Any) -> None:
    with pytest.raises(BadInput, match=r"sizes: expected whole numbers|has 1 to 2 of them"):
        kofn.combine(np.stack([PROBS, PROBS]), LABELS, sizes=sizes)
    assert kofn.combine(np.stack([PROBS, PROBS]), LABELS, sizes=2).masks.tolist() == [3]


def test_what_cannot_be_measured() -> None:
    with pytest.raises(BadInput, match="expected certainties that are numbers"):
        kofn.risk_coverage(np.array(["sure"]), np.array([True]))
    for kernels in (np.ones((2, 3)), np.full((2, 3, 3, 3), np.nan), np.ones((2, 3, 3, 3), int)):
        with pytest.raises(BadInput, match="measure_filters: "):
            kofn.measure_filters(kernels)


@pytest.mark.parametrize(
    "call",
    [kofn.select, kofn.cross_validate, kofn.ensemble_of, kofn.ensemble_diversity, kofn.ambiguity,
     lambda stack: kofn.cost_front(stack, [1.0]), lambda stack: kofn.subset_preds(stack, [0])],
)  # fmt: skip
@pytest.mark.parametrize("given", [PROBS, "study", None, [PROBS, PROBS]])
def test_what_is_no_stack(call: Callable[[Any], Any], given: Any) -> None:
    with pytest.raises(BadInput, match=r"expected a stack of predictions, as join\(study.select\('val'\)\)"):
        call(given)


@pytest.mark.parametrize("given", ["study", ["a", "b"], 3, PROBS, [PROBS]])
def test_what_is_not_joined(given: Any) -> None:
    with pytest.raises(BadInput, match=r"join: expected predictions, as study\.select\('val'\) gives them, found"):
        kofn.join(given)


@pytest.mark.parametrize(
    ("probs", "labels", "message"),
    [
        (LABELS, PROBS, "expected .M, N, C., M members, found int64 .40,.; probs come before labels"),
        (PROBS, LABELS, "expected .M, N, C., M members, found float64 .40, 4.; of one member give .probs."),
        ([PROBS], np.eye(4)[LABELS], "of one-hot rows take argmax"),
        ([PROBS], LABELS / 1, "take astype"),
        ([PROBS], LABELS.astype(str), "give the columns that these names have"),
        ([NO_PROBS["nan"]], LABELS, "leave these samples out"),
    ],
)
def test_what_combine_says_to_do(probs: Any, labels: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        kofn.combine(probs, labels)


@pytest.mark.parametrize(
    "call",
    [kofn.train_members, kofn.plan_members, kofn.histories, kofn.open_ensemble, kofn.select_predictions,
     lambda study: kofn.open_member(study, "m"), lambda study: kofn.predictions_of(study, "m")],
)  # fmt: skip
def test_a_study_may_be_its_folder(call: Callable[[Any], Any], tmp_path: Any) -> None:
    for given in (tmp_path, str(tmp_path)):
        with pytest.raises(BadInput, match=r"is not a study, study\.toml is missing"):
            call(given)
    with pytest.raises(BadInput, match=r"study: expected a study or its folder, found int; see `open_study`"):
        call(3)
