"""The door for plain arrays: from probabilities and labels to the table of every subset, without files or commands."""

from collections.abc import Iterable, Sequence

import numpy as np

from analysis.stack import PredictionStack
from analysis.subsets.table import SubsetTable
from ensemble.errors import BadInput
from ensemble.study.predictions import check_labels, check_name, natural_key, single_precision


def combine(
    probs: np.ndarray | Sequence[np.ndarray],
    labels: np.ndarray | Sequence[int],
    members: Sequence[str] | None = None,
    sizes: Iterable[int] | None = None,
    rule: str = "mean",
) -> SubsetTable:
    """Return the scores of every subset of the members, or of those with one of `sizes` members.

    probs: (M, N, C) in floating point, or M arrays (N, C); rows finite, >= 0, summing to 1 within 1e-4 (of float16,
    2e-2, and renormalised). They are rounded to float32, as files hold them.
    labels: whole numbers (N,), the column of each sample's true class.
    members: M names; m-0, m-1 ... where there are none. Bit i of a mask is the i-th name in natural order.
    rule: "mean", "geometric" or "vote", see `analysis.rules`.
    Raises `BadInput` naming the member and the row that do not hold.
    """
    from analysis.subsets.score import subset_table

    stack = stack_arrays(probs, labels, members)
    return subset_table(stack, list(range(1, len(stack.members) + 1) if sizes is None else sizes), rule=rule)


def stack_arrays(
    probs: np.ndarray | Sequence[np.ndarray],
    labels: np.ndarray | Sequence[int] | None = None,
    members: Sequence[str] | None = None,
) -> PredictionStack:
    """Return arrays as a stack: what selections, honest scores and reports work on; see `combine`.

    Row i of every member is the same sample, column c the same class: nothing here can tell where they are not.
    """
    arrays = [np.asarray(p) for p in probs]
    names = [f"m-{i}" for i in range(len(arrays))] if members is None else [str(m) for m in members]
    if not arrays:
        raise BadInput("probs: expected (M, N, C) with at least one member, found none.")
    if len(names) != len(arrays):
        raise BadInput(f"probs: hold {len(arrays)} members, but {len(names)} names were given.")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInput(f"members: {twice!r} was given twice; name each member once.")
    shape = arrays[0].shape
    checked = []
    for name, array in zip(names, arrays, strict=True):
        check_name(name, "member")
        where = f"probs of {name!r}"
        if array.ndim != 2 or array.dtype.kind != "f":
            raise BadInput(f"{where}: expected (N, C) in floating point, found {array.dtype} {array.shape}.")
        if array.shape != shape:
            raise BadInput(f"{where}: {array.shape}, but {names[0]!r} has {shape}; all must have the same (N, C).")
        if shape[0] < 1 or shape[1] < 2:
            raise BadInput(f"{where}: expected at least 1 sample and 2 classes, found {shape[0]} and {shape[1]}.")
        checked.append(single_precision(array, where))
    order = sorted(range(len(names)), key=lambda i: natural_key(names[i]))
    digits = len(str(shape[1] - 1))
    ids = tuple(f"{c:0{digits}d}" for c in range(shape[1]))
    return PredictionStack(
        probs=np.stack([checked[i] for i in order]),
        members=tuple(names[i] for i in order),
        labels=None if labels is None else check_labels(np.asarray(labels), *shape, "labels"),
        sample_ids=np.array([str(i) for i in range(shape[0])]),
        class_ids=ids,
        class_names=ids,
        split="arrays",
        ids_given=False,
    )
