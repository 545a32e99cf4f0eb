"""The predictions of several members for the same samples, side by side: joined by sample id and class id."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any, Protocol

import numpy as np

from analysis.arguments import check_kind
from analysis.metrics import floored_logs, quantise, rule_of
from ensemble.errors import BadInput, nearest
from ensemble.study.alignment import Misalignment, find_misaligned
from ensemble.study.names import check_name, natural_key, number_ids
from ensemble.study.predictions import (
    HALF_TOLERANCE,
    SUM_TOLERANCE,
    Predictions,
    check_columns,
    check_rows,
    single_precision,
)
from ensemble.study.row_probs import made_rows
from ensemble.study.tabular import Rows

LOOKED_AT = 20_000  # samples by which misaligned rows are looked for
LOOKED_NUMBERS = 2**20  # of a member's probabilities that are looked at together


@dataclass(frozen=True, eq=False)
class Block:
    """Samples start..stop-1; their rows are probs[:, start - offset : stop - offset].

    probs: floating point (M, rows, C), contiguous in memory; it may hold more rows than the block.
    """

    start: int
    stop: int
    probs: np.ndarray
    offset: int


class BlockSource(Protocol):
    """Members joined on N shared samples: a `PredictionStack` in memory, arrays, or files on disk."""

    @property
    def members(self) -> tuple[str, ...]:
        """M names, in natural order."""
        ...

    @property
    def samples(self) -> int:
        """N, the number of samples."""
        ...

    @property
    def classes(self) -> int:
        """C, the number of classes."""
        ...

    @property
    def split(self) -> str:
        """Of what the predictions are."""
        ...

    def require_labels(self) -> np.ndarray:
        """Return the labels int64 (N,); raise `BadInput` where there are none."""
        ...

    def blocks(self, rows: int) -> Iterator[Block]:
        """Give all samples in order, at most `rows` of them at a time; can be called again."""
        ...


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Arrays handed over as they are.

    probs: (M, N, C) of float16, float32 or float64; rows finite, >= 0, summing to 1 within 1e-4 (of float16, 2e-2).
    labels: whole numbers (N,), columns of `probs`. members: M names; m-0, m-1, ... where none are given.
    Raises `BadInput` where shapes, numbers or names do not fit.
    """

    probs: np.ndarray
    labels: np.ndarray
    members: tuple[str, ...] = ()
    split: str = "val"

    def __post_init__(self) -> None:
        probs = np.ascontiguousarray(self.probs)
        if probs.ndim != 3 or probs.dtype not in (np.float16, np.float32, np.float64):
            raise BadInput(f"expected probabilities (M, N, C) in floating point, found {probs.dtype} {probs.shape}.")
        m, n, c = probs.shape
        if min(m, n) < 1 or c < 2:
            raise BadInput(f"expected at least 1 member, 1 sample and 2 classes, found {m}, {n} and {c}.")
        members = tuple(str(name) for name in self.members) or tuple(f"m-{i}" for i in range(m))
        if len(members) != m or list(members) != sorted(set(members), key=natural_key):
            raise BadInput(f"expected {m} different member names in natural order, found {', '.join(members)}.")
        for name, rows in zip(members, probs, strict=True):
            check_rows(
                rows,
                f"probabilities of {name!r}",
                tolerance=HALF_TOLERANCE if probs.dtype == np.float16 else SUM_TOLERANCE,
            )
        object.__setattr__(self, "probs", probs)
        object.__setattr__(self, "members", members)
        object.__setattr__(self, "labels", check_columns(self.labels, "labels", n, c))

    @property
    def samples(self) -> int:
        """N, the number of samples."""
        return self.probs.shape[1]

    @property
    def classes(self) -> int:
        """C, the number of classes."""
        return self.probs.shape[2]

    def require_labels(self) -> np.ndarray:
        """Return the labels int64 (N,)."""
        return self.labels

    def blocks(self, rows: int) -> Iterator[Block]:
        """Give all samples in order, at most `rows` of them at a time."""
        return whole_blocks(self.probs, rows)


def whole_blocks(probs: np.ndarray, rows: int) -> Iterator[Block]:
    """Cut an array (M, N, C) in memory into blocks, without a copy."""
    samples = probs.shape[1]
    for start in range(0, samples, rows):
        yield Block(start, min(start + rows, samples), probs, 0)


def chosen_rows(rows: np.ndarray | Sequence[int] | None, samples: int) -> np.ndarray:
    """Return the positions of some samples, int64, of a mask (N,), of positions, or of None: all.

    A sample named twice counts twice. Raises `BadInput` where a position lies outside 0..N-1.
    """
    if rows is None:
        return np.arange(samples)
    array = np.asarray(rows) if len(rows) else np.empty(0, np.int64)
    if array.dtype == np.bool_ and array.shape == (samples,):
        return np.flatnonzero(array)
    if (
        array.ndim != 1
        or array.dtype.kind not in "iu"
        or (array.size and not 0 <= array.min() <= array.max() < samples)
    ):
        raise BadInput(f"rows: expected a mask of {samples} or positions in 0..{samples - 1}, found {array!r:.100}.")
    return array.astype(np.int64)


@dataclass(frozen=True, eq=False)
class PredictionStack(Rows):
    """Probabilities of M members for N samples and C classes, with ONE set of labels, ids and classes.

    probs: float32 (M, N, C), an array; of predictions too large to hold an `analysis.streamed.StoredProbs`, which
    reads what is asked of it, probs[member, rows] or probs[:, rows].
    members: M names, unique, in natural order; member i is bit i of a subset's mask.
    labels: int64 (N,), columns of `probs`; None where the split is unlabelled.
    sample_ids: str (N,).
    class_ids, class_names: C each, in sorted order of the ids.
    ids_given: False where row numbers serve as ids.
    dropped: for each member how many of its samples the join left out; all 0 unless it was asked to intersect.
    """

    probs: np.ndarray
    members: tuple[str, ...]
    labels: np.ndarray | None
    sample_ids: np.ndarray
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    split: str
    ids_given: bool = True
    dropped: tuple[int, ...] = ()

    def _columns(self) -> dict[str, Any]:
        ids = np.array(self.class_ids)
        truth = {} if self.labels is None else {"label": ids[self.labels]}
        preds = {name: ids[probs.argmax(axis=1)] for name, probs in zip(self.members, self.probs, strict=True)}
        return {"sample_id": self.sample_ids, **truth, **preds}

    def __post_init__(self) -> None:
        m, n, c = self.probs.shape
        if self.probs.dtype != np.float32 or min(m, n) < 1 or c < 2:
            raise BadInput(f"stack: expected float32 (M, N, C), found {self.probs.dtype} {self.probs.shape}.")
        if len(self.members) != m or list(self.members) != sorted(set(self.members), key=natural_key):
            raise BadInput(
                f"stack: expected {m} different member names in natural order, found {', '.join(self.members)}."
            )
        if len(self.sample_ids) != n or len(self.class_ids) != c or len(self.class_names) != c:
            raise BadInput(
                f"stack: {n} rows and {c} columns, but {len(self.sample_ids)} sample ids, "
                f"{len(self.class_ids)} class ids and {len(self.class_names)} class names."
            )
        if self.labels is not None and self.labels.shape != (n,):
            raise BadInput(f"stack: {n} rows, but labels of shape {self.labels.shape}.")
        if not self.dropped:
            object.__setattr__(self, "dropped", (0,) * m)

    @property
    def samples(self) -> int:
        """N, the number of samples."""
        return self.probs.shape[1]

    @property
    def classes(self) -> int:
        """C, the number of classes."""
        return self.probs.shape[2]

    def index(self, member: str) -> int:
        """Return the position of a member; raise `BadInput` naming the nearest."""
        if member not in self.members:
            raise BadInput(f"{member!r} is not among the members joined; {nearest(member, self.members)}.")
        return self.members.index(member)

    def require_labels(self) -> np.ndarray:
        """Return the labels int64 (N,); raise `BadInput` where the split has none."""
        if self.labels is None:
            raise no_labels(self.split)
        return self.labels

    def quantised(self, rows: slice = slice(None)) -> np.ndarray:
        """Return q = rint(2^26 p) as int64 (M, rows, C), all rows unless told; see `analysis.metrics`."""
        return quantise(self.probs[:, rows])

    def blocks(self, rows: int) -> Iterator[Block]:
        """Give all samples in order, at most `rows` of them at a time, without a copy of what is in memory."""
        return whole_blocks(self.probs, rows) if isinstance(self.probs, np.ndarray) else self.probs.blocks(rows)

    @property
    def streamed(self) -> bool:
        """Whether the probabilities are read from files as they are needed, since they may not fit into memory."""
        return not isinstance(self.probs, np.ndarray)

    def of_member(self, i: int) -> np.ndarray:
        """Return a member's probabilities, float32 (N, C): an array, or a `RowProbs` where they stay in a file."""
        if not self.streamed:
            return self.probs[i]
        return made_rows((self.samples, self.classes), lambda which: self.probs[i, which], np.float32)

    def only(self, indices: Sequence[int]) -> "PredictionStack":
        """Return the stack with the members at `indices` alone, in the stack's order."""
        chosen = list(check_indices(indices, len(self.members)))
        if len(chosen) == len(self.members):
            return self
        return replace(
            self,
            probs=self.probs[chosen] if isinstance(self.probs, np.ndarray) else self.probs.of_members(chosen),
            members=tuple(self.members[i] for i in chosen),
            dropped=tuple(self.dropped[i] for i in chosen),
        )

    def aligned(self, to: "PredictionStack") -> "PredictionStack":
        """Return the stack with the samples of another, in its order.

        Raises `BadInput` where it lacks one of them, or has other classes or labels.
        """
        who, whose = " + ".join(self.members), " + ".join(to.members)
        if self.class_ids != to.class_ids:
            raise BadInput(f"{who}: has other classes than {whose}; expected the same class ids.")
        if self.ids_given != to.ids_given:
            raise BadInput(
                f"{who} and {whose}: only one of them has sample ids; import the other again with "
                "'ens-import --ids FILE'."
            )
        at = {str(sample): row for row, sample in enumerate(self.sample_ids)}
        missing = [str(sample) for sample in to.sample_ids if str(sample) not in at]
        if missing:
            raise BadInput(
                f"{who}: lacks {len(missing):,} of the {to.samples:,} samples of {whose}, {missing[0]!r} for one; "
                "intersect=True takes the samples that members have in common."
            )
        rows = np.array([at[str(sample)] for sample in to.sample_ids], dtype=np.int64)
        labels = None if self.labels is None else self.labels[rows]
        if labels is not None and to.labels is not None and not np.array_equal(labels, to.labels):
            raise BadInput(f"{who}: has other labels than {whose} for {int((labels != to.labels).sum()):,} samples.")
        return replace(
            self,
            probs=self.probs[:, rows] if isinstance(self.probs, np.ndarray) else self.probs.of_samples(rows),
            labels=labels if to.labels is None else to.labels,
            sample_ids=to.sample_ids,
        )

    def misaligned(self) -> list[Misalignment]:
        """Return what speaks against members' rows being of the same samples, at most one finding a member.

        Of many samples some 20,000 are looked at, at even distances. See `ensemble.study.alignment` for what is found.
        """
        rows = np.arange(0, self.samples, max(1, self.samples // LOOKED_AT))
        shape = len(self.members), len(rows)
        preds, second, confidence = np.empty(shape, np.int64), np.empty(shape, np.int64), np.empty(shape, np.float32)
        step = max(1, LOOKED_NUMBERS // self.classes)
        for i, start in product(range(len(self.members)), range(0, len(rows), step)):
            here = slice(start, start + step)
            own = self.probs[i, rows[here]]
            every = np.arange(len(own))
            preds[i, here] = first = own.argmax(axis=1)
            confidence[i, here] = own[every, first]
            own[every, first] = -1
            second[i, here] = own.argmax(axis=1)
        labels = None if self.labels is None else self.labels[rows]
        return find_misaligned(preds, second, confidence, labels, self.members)

    def mean_probs(self, indices: Sequence[int] | None = None) -> np.ndarray:
        """Return the members' mean, float64 (N, C); of all members, or of those at `indices`.

        Members are added in the order of the stack. Rows sum to 1 as nearly as the members' own rows do.
        """
        chosen = check_indices(range(len(self.members)) if indices is None else indices, len(self.members))
        total = np.zeros(self.probs.shape[1:], dtype=np.float64)
        for i in chosen:
            total += self.probs[i, :]
        return total / len(chosen)


def no_labels(split: str) -> BadInput:
    """Return the error that says that a split has no labels."""
    return BadInput(
        f"split {split!r} has no labels, so nothing can be scored on it; "
        "name a labelled one, as split=NAME, or import the labels with 'ens-import --labels FILE'."
    )


def check_indices(indices: Sequence[int], members: int) -> tuple[int, ...]:
    """Return the positions of a subset's members in increasing order; raise `BadInput` where it is none.

    A subset has at least one member, each once, at a position in 0..members-1.
    """
    chosen = tuple(sorted(int(i) for i in indices))
    if not chosen or len(set(chosen)) != len(chosen) or not 0 <= chosen[0] <= chosen[-1] < members:
        raise BadInput(f"a subset needs different members at positions 0..{members - 1}, found {list(indices)}.")
    return chosen


class Joinable(Protocol):
    """What members are joined by: a `Predictions`, or a file's `Rows` without its probabilities."""

    @property
    def member(self) -> str: ...  # noqa: D102 - see `Predictions`
    @property
    def split(self) -> str: ...  # noqa: D102
    @property
    def ids_given(self) -> bool: ...  # noqa: D102
    @property
    def sample_ids(self) -> np.ndarray: ...  # noqa: D102
    @property
    def class_ids(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def class_names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def labels(self) -> np.ndarray | None: ...  # noqa: D102
    def __len__(self) -> int: ...


@dataclass(frozen=True, eq=False)
class Joint:
    """How M members fit together.

    order: where each member, in natural order of the names, stood among those that were given.
    rows: for each its rows of the shared samples, int64 (N,); columns: its columns of the sorted classes, int64 (C,).
    All else is as in `PredictionStack`.
    """

    order: tuple[int, ...]
    rows: tuple[np.ndarray, ...]
    columns: tuple[np.ndarray, ...]
    members: tuple[str, ...]
    labels: np.ndarray | None
    sample_ids: np.ndarray
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    split: str
    ids_given: bool
    dropped: tuple[int, ...]


def join(predictions: Sequence[Predictions], intersect: bool = False) -> PredictionStack:
    """Join members by sample id and class id, whatever the order of their rows and columns.

    predictions: one `Predictions` a member, probs (N, C) each. Members come out in natural order of their names, rows
    in the order of the first of them, columns in sorted order of the class ids. Sample ids must be the same set in
    every member; with `intersect` the common ones are taken and `PredictionStack.dropped` says how many each member
    lost. Members whose ids were not given join only with others of that kind, row by row, and only where their labels
    agree.
    Raises `BadInput` naming the two members that do not fit.
    """
    many = isinstance(predictions, Sequence) and not isinstance(predictions, str)
    for item in predictions if many else [predictions]:
        check_kind(item, "join", "predictions, as study.select('val') gives them", "member", "class_ids", "labels")
    joint = fit(predictions, intersect)
    n, c = len(joint.sample_ids), len(joint.class_ids)
    probs = np.empty((len(joint.members), n, c), dtype=np.float32)
    for into, nth, rows, columns in zip(probs, joint.order, joint.rows, joint.columns, strict=True):
        own = predictions[nth].probs
        as_they_are = len(own) == n and np.array_equal(rows, np.arange(n)) and np.array_equal(columns, np.arange(c))
        into[:] = own if as_they_are else own[np.ix_(rows, columns)]
    return stack_of(joint, probs)


def stack_of(joint: Joint, probs: Any) -> PredictionStack:
    """Return members that fit together, with their probabilities (M, N, C), or what reads them."""
    return PredictionStack(
        probs=probs,
        members=joint.members,
        labels=joint.labels,
        sample_ids=joint.sample_ids,
        class_ids=joint.class_ids,
        class_names=joint.class_names,
        split=joint.split,
        ids_given=joint.ids_given,
        dropped=joint.dropped,
    )


def fit(predictions: Sequence[Joinable], intersect: bool = False) -> Joint:
    """Say how members fit together, without a look at their probabilities; see `join`."""
    if not predictions:
        raise BadInput("nothing to join: no member was given.")
    order = sorted(range(len(predictions)), key=lambda i: natural_key(predictions[i].member))
    members = [predictions[i] for i in order]
    _check_comparable(members)
    first = members[0]
    class_ids = tuple(sorted(first.class_ids))
    rows = _rows_by_id(members, intersect) if first.ids_given else [np.arange(len(first))] * len(members)
    columns = [_positions(np.asarray(p.class_ids), np.asarray(class_ids)) for p in members]
    sample_ids = first.sample_ids[rows[0]]
    return Joint(
        order=tuple(order),
        rows=tuple(rows),
        columns=tuple(columns),
        members=tuple(p.member for p in members),
        labels=_shared_labels(members, rows, columns, sample_ids),
        sample_ids=sample_ids,
        class_ids=class_ids,
        class_names=_shared_names(members, columns),
        split=first.split,
        ids_given=first.ids_given,
        dropped=tuple(len(p) - len(r) for p, r in zip(members, rows, strict=True)),
    )


def _check_comparable(members: Sequence[Joinable]) -> None:
    """Raise `BadInput` where two members share a name, or differ in split, classes or kind of ids."""
    first = members[0]
    for before, p in pairwise(members):
        if p.member == before.member:
            raise BadInput(f"member {p.member!r} was given twice; name each member once.")
        if p.split != first.split:
            raise BadInput(
                f"{first.member!r} predicts split {first.split!r} and {p.member!r} split {p.split!r}; "
                "only predictions of one split can be joined."
            )
        if set(p.class_ids) != set(first.class_ids):
            here, there = set(first.class_ids) - set(p.class_ids), set(p.class_ids) - set(first.class_ids)
            raise BadInput(
                f"{first.member!r} has {len(first.class_ids)} classes and {p.member!r} has {len(p.class_ids)}: "
                f"{_count(here)} only in {first.member!r}, {_count(there)} only in {p.member!r}; "
                "members of one ensemble need the same class ids, give them with 'ens-import --classes FILE'."
            )
        if p.ids_given != first.ids_given:
            named, unnamed = (first, p) if first.ids_given else (p, first)
            raise BadInput(
                f"{named.member!r} names its samples and {unnamed.member!r} has row numbers only, so they cannot "
                f"be matched; import {unnamed.member!r} again with 'ens-import --ids FILE'."
            )
        if not p.ids_given and len(p) != len(first):
            raise BadInput(
                f"{first.member!r} has {len(first)} rows and {p.member!r} has {len(p)}, and their samples have no "
                "ids to match them by; import both again with 'ens-import --ids FILE'."
            )


def _rows_by_id(members: Sequence[Joinable], intersect: bool) -> list[np.ndarray]:
    """Return each member's rows for the shared samples, in the order of the first member."""
    first = members[0]
    keep = np.ones(len(first), dtype=bool)
    for p in members[1:]:
        if np.array_equal(p.sample_ids, first.sample_ids):  # as it is most often, and soon seen
            continue
        common = np.isin(first.sample_ids, p.sample_ids)
        missing = first.sample_ids[~common]
        extra = p.sample_ids[~np.isin(p.sample_ids, first.sample_ids)]
        if not intersect and (missing.size or extra.size):
            raise BadInput(
                f"{first.member!r} has {len(first)} samples and {p.member!r} has {len(p)}, not the same ones: "
                f"{_count(missing)} only in {first.member!r}, {_count(extra)} only in {p.member!r}; "
                "intersect=True takes the common ones."
            )
        keep &= common
        if not keep.any():
            raise BadInput(
                f"the members up to {p.member!r} have no sample in common with {first.member!r}; for example "
                f"{str(first.sample_ids[0])!r} against {str(p.sample_ids[0])!r}: check that the ids were made alike."
            )
    wanted = first.sample_ids[keep]
    every = np.arange(len(wanted))  # one for all members whose rows stand as they are wanted
    return [every if np.array_equal(p.sample_ids, wanted) else _positions(p.sample_ids, wanted) for p in members]


def _count(ids: set[str] | np.ndarray) -> str:
    """Say how many ids there are and name the lowest, for an error message."""
    return f"{len(ids)} ({str(min(ids))!r} for one)" if len(ids) else "0"


def _positions(ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return where each of the `wanted` ids stands in `ids`; all of them do."""
    if np.array_equal(ids, wanted):
        return np.arange(len(ids))
    order = np.argsort(ids)
    return order[np.searchsorted(ids, wanted, sorter=order)]


def _shared_labels(
    members: Sequence[Joinable], rows: list[np.ndarray], columns: list[np.ndarray], sample_ids: np.ndarray
) -> np.ndarray | None:
    """Return the labels int64 (N,) in sorted class order, or None; raise `BadInput` where two members differ."""
    shared: np.ndarray | None = None
    source = ""
    for p, own_rows, own_columns in zip(members, rows, columns, strict=True):
        if p.labels is None:
            continue
        new_column = np.argsort(own_columns)  # the inverse permutation: old column -> sorted column
        labels = new_column[p.labels[own_rows]].astype(np.int64)
        if shared is None:
            shared, source = labels, p.member
        differ = np.flatnonzero(labels != shared)
        if differ.size:
            ids = sorted(p.class_ids)
            where = int(differ[0])
            sample = f"sample {str(sample_ids[where])!r}" if p.ids_given else f"row {where}"
            raise BadInput(
                f"{source!r} and {p.member!r} have different labels for {differ.size} of {len(labels)} samples, "
                f"{sample} first: {ids[shared[where]]!r} against {ids[labels[where]]!r}; "
                + (
                    "they were made from different data, import the right labels."
                    if p.ids_given
                    else "their rows are in a different order, import both again with 'ens-import --ids FILE'."
                )
            )
    unlabelled = [p.member for p in members if p.labels is None]
    if shared is not None and unlabelled and not members[0].ids_given:
        raise BadInput(
            f"{unlabelled[0]!r} has neither sample ids nor labels, so nothing shows that its rows are those of "
            f"{source!r}; import it again with 'ens-import --ids FILE' or 'ens-import --labels FILE'."
        )
    return shared


def _shared_names(members: Sequence[Joinable], columns: list[np.ndarray]) -> tuple[str, ...]:
    """Return a name for each class: the first that says more than its id does, else the id."""
    ids = sorted(members[0].class_ids)
    names = [[p.class_names[i] for i in own] for p, own in zip(members, columns, strict=True)]
    return tuple(next((n[j] for n in names if n[j] != ids[j]), ids[j]) for j in range(len(ids)))


def stack_arrays(
    probs: np.ndarray | Sequence[np.ndarray],
    labels: np.ndarray | Sequence[int] | None = None,
    members: Sequence[str] | None = None,
) -> PredictionStack:
    """Return arrays as a stack: what selections, honest scores and reports work on; see `combine`.

    probs: (M, N, C) in floating point, or M arrays (N, C); labels: whole numbers (N,), columns; members: M names,
    m-0, m-1 ... where there are none. Raises `BadInput` naming the member and the row that do not hold.
    Row i of every member is the same sample, column c the same class: nothing here can tell where they are not.
    """
    arrays = [np.asarray(p) for p in probs]
    if arrays and (arrays[0].ndim == 0 or (arrays[0].ndim == 1 and arrays[0].dtype.kind == "f")):
        found = np.asarray(probs)
        advice = "probs come before labels" if found.ndim == 1 else "of one member give [probs]"
        raise BadInput(f"probs: expected (M, N, C), M members, found {found.dtype} {found.shape}; {advice}.")
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
    ids = number_ids(shape[1])
    return PredictionStack(
        probs=np.stack([checked[i] for i in order]),
        members=tuple(names[i] for i in order),
        labels=None if labels is None else check_columns(labels, "labels", *shape),
        sample_ids=np.array([str(i) for i in range(shape[0])]),
        class_ids=ids,
        class_names=ids,
        split="arrays",
        ids_given=False,
    )


def combined_probs(stack: PredictionStack, indices: Sequence[int], rule: str = "mean") -> np.ndarray:
    """Return the probabilities of the members at `indices` together, float64 (N, C).

    mean: the arithmetic mean. geometric: exp of the mean of ln max(p, 2^-26), divided by its sum over the classes.
    Raises `BadInput` for a vote, which has none.
    """
    if rule_of(rule).floor is None:
        raise BadInput("a vote gives no probabilities; combine by the rule mean or geometric.")
    if rule == "mean":
        return stack.mean_probs(indices)
    total = np.zeros(stack.probs.shape[1:])
    for i in sorted(indices):
        total += floored_logs(stack.probs[i, :])
    powers = np.exp(total / len(indices))
    return powers / powers.sum(axis=1, keepdims=True)
