"""What a Python call is given: probabilities, labels and columns, looked at before anything is counted of them."""

from typing import Any

import numpy as np

from ensemble.errors import BadInput
from ensemble.study.predictions import HALF_TOLERANCE, SUM_TOLERANCE, check_columns, check_rows
from ensemble.study.row_probs import RowProbs


def check_kind(value: Any, where: str, kind: str, *has: str) -> None:
    """Raise `BadInput` where a value has not the attributes of what is wanted; kind: what that is, and who makes it."""
    if not all(hasattr(value, name) for name in has):
        raise BadInput(f"{where}: expected {kind}, found {type(value).__name__}.")


STACK = "a stack of predictions, as join(study.select('val')) and stack_arrays(probs, labels) make it"


def check_stack(value: Any, where: str) -> None:
    """Raise `BadInput` where a value is not a `PredictionStack`, or one whose predictions stay in files."""
    check_kind(value, where, STACK, "members", "labels", "require_labels")


def checked_probs(probs: Any, where: str) -> np.ndarray:
    """Return probabilities (N, C) as a floating-point array; what stays in files was looked at when it was read.

    Raises `BadInput` for another shape or type, and for rows that are no probabilities: not finite, negative, or of
    another sum than 1.
    """
    if isinstance(probs, RowProbs):
        return probs
    array = np.asarray(probs)
    if array.ndim != 2 or array.dtype.kind != "f" or not array.shape[0] or array.shape[1] < 2:
        raise BadInput(
            f"{where}: expected probabilities (N, C) in floating point, of a sample and two classes at least, found "
            f"{array.dtype} {array.shape}."
        )
    tolerance = HALF_TOLERANCE if array.dtype == np.float16 else 2 * SUM_TOLERANCE  # a mean of rows has both roundings
    check_rows(array, where, tolerance=tolerance, advice="give the softmax, not logits, percent or votes")
    return array


def checked(probs: Any, labels: Any, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities (N, C) and labels int64 (N,) in 0..C-1; raise `BadInput` where they are none of these."""
    array = checked_probs(probs, where)
    return array, check_columns(labels, f"{where}: labels", len(array), array.shape[1])
