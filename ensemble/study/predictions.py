"""What one member says about every sample of one split: the value everything else is made of."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ensemble.errors import BadInput
from ensemble.study.split import check_ids

SUM_TOLERANCE = 1e-4
HALF_TOLERANCE = 2e-2  # rows of float16 are off by their rounding, the more the more classes there are
RESERVED = ("all", "best")  # words of `ens-report --ensemble`
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


def check_name(name: str, what: str) -> str:
    """Return `name` where it can name a member, an ensemble or a split: letters, digits, _ and -, at most 100."""
    if not _NAME.fullmatch(name):
        raise BadInput(f"{what} {name[:120]!r}: use letters, digits, _ and - only, at most 100 of them.")
    if name in RESERVED and what != "split":
        raise BadInput(f"{what} {name!r}: 'ens-report --ensemble {name}' means something else; choose another name.")
    return name


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which m-2 comes before m-10."""
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(part), part) if part.isdigit() else (1, 0, part) for part in parts if part)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Softmax predictions of one member for one split, checked when made.

    probs: float32 (N, C); finite, >= 0, each row summing to 1 within 1e-4.
    sample_ids: str (N,), unique.
    class_ids, class_names: C each, in column order; ids unique.
    labels: int64 (N,), column numbers; None where the split is unlabelled.
    ids_given: False where nobody named the samples and the row number serves as the id.
    kind: "member", or "ensemble" for a saved one; then `parents` and `weights` say what it is made of.
    recipe: what made the member, JSON-like; None where it is not known.
    data_fingerprint: `Dataset.fingerprint` of the images; None where they are not known.
    first_layer: float32 (out, in, height, width), the first convolution's kernels; None where there is none.
    attributes: further root attributes of the file (seed, epoch, ...); unknown ones are kept as they are.
    extras: arrays a file may hold beside these: logits float32 (N, C), group str (N,), fold int64 (N,).
    """

    member: str
    split: str
    probs: np.ndarray
    sample_ids: np.ndarray
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    labels: np.ndarray | None = None
    ids_given: bool = True
    kind: str = "member"
    parents: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    recipe: Mapping[str, Any] | None = None
    data_fingerprint: str | None = None
    first_layer: np.ndarray | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.member, "member")
        check_name(self.split, "split")
        where = f"predictions of {self.member!r} for {self.split!r}"
        probs = np.asarray(self.probs)
        if probs.ndim != 2 or probs.dtype.kind != "f":
            raise BadInput(
                f"{where}: expected probabilities (N, C) in floating point, found {probs.dtype} {probs.shape}."
            )
        probs = np.ascontiguousarray(probs, dtype=np.float32)
        n, c = probs.shape
        if n == 0 or c < 2:
            raise BadInput(f"{where}: expected at least 1 sample and 2 classes, found {n} and {c}.")
        check_rows(probs, where)
        class_ids = tuple(str(i) for i in check_ids(list(self.class_ids), f"{where}, classes"))
        if len(class_ids) != c or len(self.class_names) != c:
            raise BadInput(
                f"{where}: {c} columns, but {len(class_ids)} class ids and {len(self.class_names)} class names."
            )
        sample_ids = check_ids(self.sample_ids, f"{where}, samples")
        if len(sample_ids) != n:
            raise BadInput(f"{where}: {n} rows, but {len(sample_ids)} sample ids.")
        if self.labels is not None:
            object.__setattr__(self, "labels", check_labels(self.labels, n, c, where))
        if self.kind not in ("member", "ensemble"):
            raise BadInput(f"{where}: kind must be 'member' or 'ensemble', found {self.kind!r}.")
        if len(self.weights) != len(self.parents):
            raise BadInput(f"{where}: {len(self.parents)} parents, but {len(self.weights)} weights.")
        object.__setattr__(self, "probs", probs)
        object.__setattr__(self, "sample_ids", sample_ids)
        object.__setattr__(self, "class_ids", class_ids)
        object.__setattr__(self, "class_names", tuple(str(name) for name in self.class_names))

    def __len__(self) -> int:
        return len(self.probs)


def check_rows(probs: np.ndarray, where: str, first: int = 0, tolerance: float = SUM_TOLERANCE) -> None:
    """Raise `BadInput`, naming the first bad row, unless rows of (N, C) are finite, >= 0 and sum to 1.

    first: the number of the first row, where only a part is looked at; tolerance: how far a sum may be from 1.
    """

    def refuse(bad_rows: np.ndarray, expected: str, found: str) -> None:
        raise BadInput(
            f"{where}: {expected}, but {len(bad_rows)} of {len(probs)} rows do not hold, "
            f"row {first + int(bad_rows[0])} first: {found}; "
            "save the softmax itself, or import logits: ens-import --logits."
        )

    bad = np.flatnonzero(~np.isfinite(probs).all(axis=1))
    if bad.size:
        row = probs[bad[0]]
        column = int(np.flatnonzero(~np.isfinite(row))[0])
        refuse(bad, "probabilities must be finite", f"{row[column]} in column {column}")
    bad = np.flatnonzero((probs < 0).any(axis=1))
    if bad.size:
        refuse(bad, "probabilities must not be negative", f"{float(probs[bad[0]].min()):g}")
    sums = probs.sum(axis=1, dtype=np.float64)
    bad = np.flatnonzero(np.abs(sums - 1) > tolerance)
    if bad.size:
        refuse(bad, f"a row must sum to 1 within {tolerance:g}", f"sum {sums[bad[0]]:.6g}")


def single_precision(probs: np.ndarray, where: str, first: int = 0) -> np.ndarray:
    """Return probabilities (N, C) as float32; rows of float16 are renormalised in float64.

    Raises `BadInput`, as `check_rows` does, where a row sums to 1 within neither 1e-4 nor, of float16, 2e-2.
    """
    if probs.dtype == np.float16:
        check_rows(probs, where, first, HALF_TOLERANCE)
        wide = probs.astype(np.float64)
        return (wide / wide.sum(axis=1, keepdims=True)).astype(np.float32)
    with np.errstate(over="ignore"):  # a float64 too large for float32 becomes infinite, and is refused as that
        rows = probs.astype(np.float32, copy=False)
    check_rows(rows, where, first)
    return rows


def check_labels(labels: np.ndarray, n: int, c: int, where: str) -> np.ndarray:
    """Return labels as int64 (n,), each in 0..c-1; raise `BadInput` otherwise."""
    array = np.asarray(labels)
    if array.shape != (n,) or array.dtype.kind not in "iu":
        raise BadInput(f"{where}: expected {n} whole-number labels, found {array.dtype} {array.shape}.")
    array = array.astype(np.int64)
    if array.size and not (array.min() >= 0 and array.max() < c):
        bad = int(np.flatnonzero((array < 0) | (array >= c))[0])
        raise BadInput(f"{where}: labels must lie in 0..{c - 1}, but row {bad} has {int(array[bad])}.")
    return array
