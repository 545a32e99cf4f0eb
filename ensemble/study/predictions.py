"""What one member predicts for every sample of one split: the value everything else is made of, and its file.

FORMAT.md states the layout.
"""

import contextlib
import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.errors import BadInput
from ensemble.study.arrays import check_text
from ensemble.study.hdf5 import AGAIN, NewFile, OldFile, PlainRows, new_file, opened, refuse_taken
from ensemble.study.names import check_name
from ensemble.study.row_probs import RowProbs, made_rows, row_blocks
from ensemble.study.split import check_ids
from ensemble.study.tabular import Rows

SUM_TOLERANCE = 1e-4
WEIGHT_TOLERANCE = 1e-6
HALF_TOLERANCE = 2e-2  # rows of float16 are off by their rounding, the more the more classes there are
PREDICTIONS = "kofn.predictions"
VERSION = 2
# Tries in a child process a file that others wrote, or an older version of ours.
GAP = 4  # rows that lie further apart than every fourth are read one by one
LARGE = 2**25  # bytes of a file whose probabilities are not read into memory where rows of them will do
_PROBE = "ensemble.study.predictions:probe"
# Rows of probabilities in a chunk.
_ROWS = 1000
# Root attributes that `Predictions` holds as fields; all others go through `Predictions.attributes`.
_FIELDS = (
    "kind", "version", "complete", "member", "split", "member_kind", "ids_given",
    "parents", "weights", "recipe", "data_fingerprint",
)  # fmt: skip
# Attributes that need not be there but whose type is fixed.
_TYPES = {"epoch": int, "seed": int, "view": str, "weights_sha256": str}
# Array -> kind of element (f floating point, i whole numbers, s text) and its axes.
_ARRAYS = {
    "probs": ("f", "NC"),
    "sample": ("s", "N"),
    "class": ("s", "C"),
    "class_name": ("s", "C"),
    "label": ("i", "N"),
    "first_layer": ("f", "oihw"),
    "logits": ("f", "NC"),
    "group": ("s", "N"),
    "fold": ("i", "N"),
}
_REQUIRED = ("probs", "sample", "class")
_EXTRAS = ("logits", "group", "fold")


@dataclass(frozen=True, eq=False)
class Predictions(Rows):
    """Softmax predictions of one member for one split, checked when made.

    probs: float32 (N, C); finite, >= 0, each row summing to 1 within 1e-4. Of predictions that stay in their
    file, and of an ensemble of such, it is a `RowProbs`, whose rows are read and checked, or made, as they are asked
    for.
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

    def _columns(self) -> dict[str, Any]:
        truth = {} if self.labels is None else {"label": np.array(self.class_ids)[self.labels]}
        return {"sample_id": self.sample_ids, **truth, **dict(zip(self.class_ids, self.probs[:].T, strict=True))}

    def __post_init__(self) -> None:
        check_name(self.member, "member")
        check_name(self.split, "split")
        where = f"predictions of {self.member!r} for {self.split!r}"
        made = isinstance(self.probs, RowProbs)
        probs = self.probs if made else np.asarray(self.probs)
        if probs.ndim != 2 or probs.dtype.kind != "f":
            raise BadInput(
                f"{where}: expected probabilities (N, C) in floating point, found {probs.dtype} {probs.shape}."
            )
        if not made:
            probs = np.ascontiguousarray(probs, dtype=np.float32)
        n, c = probs.shape
        if n == 0 or c < 2:
            raise BadInput(f"{where}: expected at least 1 sample and 2 classes, found {n} and {c}.")
        if not made:
            check_rows(probs, where)
        class_ids = tuple(str(i) for i in check_ids(list(self.class_ids), f"{where}, classes"))
        class_names = tuple(str(name) for name in self.class_names)
        check_text(np.asarray(class_names, dtype=np.str_), f"{where}, class names")
        if len(class_ids) != c or len(class_names) != c:
            raise BadInput(f"{where}: {c} columns, but {len(class_ids)} class ids and {len(class_names)} class names.")
        sample_ids = check_ids(self.sample_ids, f"{where}, samples")
        if len(sample_ids) != n:
            raise BadInput(f"{where}: {n} rows, but {len(sample_ids)} sample ids.")
        if self.labels is not None:
            object.__setattr__(self, "labels", check_columns(self.labels, f"{where}, labels", n, c))
        if self.kind not in ("member", "ensemble"):
            raise BadInput(f"{where}: kind must be 'member' or 'ensemble', found {self.kind!r}.")
        check_weights(self.parents, self.weights, where)
        object.__setattr__(self, "probs", probs)
        object.__setattr__(self, "sample_ids", sample_ids)
        object.__setattr__(self, "class_ids", class_ids)
        object.__setattr__(self, "class_names", class_names)

    def __len__(self) -> int:
        return len(self.probs)

    @property
    def made_from(self) -> dict[str, str]:
        """The `predictions_digest` of each member that an ensemble was computed from; empty where it is not known."""
        return _made_from(self.parents, self.attributes)


def _made_from(parents: Sequence[str], attributes: Mapping[str, Any]) -> dict[str, str]:
    digests = attributes.get("made_from", ())
    members = parents or _stacked(attributes)
    return dict(zip(members, (digests,) if isinstance(digests, str) else digests, strict=False))


def _stacked(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the members of a regression, which has no weights and so no parents."""
    return tuple(part for part in str(attributes.get("stacked", "")).split("+") if part)


def check_weights(parents: Sequence[str], weights: Sequence[float], where: str) -> None:
    """Raise `BadInput` unless each parent stands once, with a finite weight of at least 0, and all sum to 1."""
    if len(weights) != len(parents):
        raise BadInput(f"{where}: {len(parents)} parents, but {len(weights)} weights.")
    if len(set(parents)) != len(parents):
        raise BadInput(f"{where}: expected each parent once, found one several times.")
    values = np.asarray(weights, dtype=np.float64)
    if len(values) and not ((values >= 0).all() and abs(float(values.sum()) - 1) <= WEIGHT_TOLERANCE):
        raise BadInput(
            f"{where}: expected weights of at least 0 that sum to 1, found the least {values.min():g} and the sum "
            f"{values.sum():.9g}."
        )


def check_rows(
    probs: np.ndarray, where: str, first: int = 0, tolerance: float = SUM_TOLERANCE,
    advice: str = "save the softmax itself, or import logits with 'ens-import --logits'",
) -> None:  # fmt: skip
    """Raise `BadInput`, naming the first bad row, unless rows of (N, C) are finite, >= 0 and sum to 1.

    first: the number of the first row, where only a part is looked at; tolerance: how far a sum may be from 1;
    advice: what to do next.
    """

    def refuse(bad_rows: np.ndarray, expected: str, found: str, advice: str = advice) -> None:
        raise BadInput(
            f"{where}: {expected}, but {len(bad_rows)} of {len(probs)} rows do not hold, "
            f"row {first + int(bad_rows[0])} first: {found}; {advice}."
        )

    sums = probs.sum(axis=1, dtype=np.float64)
    # A NaN or an infinity makes its row's sum one too, so that most often two passes say all.
    if probs.size and probs.min() >= 0 and (np.abs(sums - 1) <= tolerance).all():
        return
    bad = np.flatnonzero(~np.isfinite(probs).all(axis=1))
    if bad.size:
        row = probs[bad[0]]
        column = int(np.flatnonzero(~np.isfinite(row))[0])
        what = f"{row[column]} in column {column}"
        refuse(bad, "probabilities must be finite", what, "leave these samples out, or predict them again")
    bad = np.flatnonzero((probs < 0).any(axis=1))
    if bad.size:
        refuse(bad, "probabilities must not be negative", f"{float(probs[bad[0]].min()):g}")
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


def _advice(array: np.ndarray, c: int | None = None) -> str:
    """Return what to do about labels that are none, after a semicolon; "" where nothing is known that helps."""
    if array.ndim == 2 and array.shape[1] == (c or array.shape[1]) > 1:
        return "; of one-hot rows take argmax(axis=1)"
    if array.ndim == 2 and array.shape[1] == 1:
        return "; take ravel()"
    if array.dtype.kind == "f" and array.size and (array == np.floor(array)).all():
        return "; take astype(int)"
    if array.dtype.kind in "US":
        return "; give the columns that these names have, from 0"
    if array.dtype.kind == "b":
        return "; take astype(int)"
    return ""


def check_columns(columns: Any, where: str, samples: int | None = None, classes: int | None = None) -> np.ndarray:
    """Return classes as columns, int64 (N,).

    samples: N, where it is known; classes: C, where it is. Raises `BadInput` for another shape, none at all, what is no
    whole number, and numbers below 0 or beyond C - 1.
    """
    array = np.asarray(columns)
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iu" or len(array) != (samples or len(array)):
        raise BadInput(
            f"{where}: expected a class for each of {samples or 'N'} samples, whole numbers from 0, found "
            f"{array.dtype} {array.shape}{_advice(array, classes)}."
        )
    outside = np.flatnonzero((array < 0) | (array >= (classes or np.inf)))
    if outside.size:
        last = "" if classes is None else f"..{classes - 1}"
        raise BadInput(
            f"{where}: expected classes as whole numbers from 0{last}, found {array[outside[0]]} in row {outside[0]}."
        )
    return array.astype(np.int64, copy=False)


# -- the file ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Rows:
    """Whose predictions a file holds and for which samples, without the probabilities.

    sample_ids: str (N,); labels: whole numbers (N,), positions in `class_ids`, or None. The others as `Predictions`.
    stamp: of the file before it was read, by `file_stamp`; None where that was not asked.
    """

    member: str
    split: str
    kind: str
    ids_given: bool
    sample_ids: np.ndarray
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    labels: np.ndarray | None
    recipe: Mapping[str, Any] | None = None
    first_layer: np.ndarray | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    stamp: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(self.sample_ids)


@dataclass(frozen=True, eq=False)
class Header:
    """What a predictions file says beside its arrays; attributes: those that `Predictions` has no field for."""

    member: str
    split: str
    kind: str
    parents: tuple[str, ...]
    weights: tuple[float, ...]
    attributes: Mapping[str, Any]

    @property
    def members(self) -> tuple[str, ...]:
        """What an ensemble is made of: its parents, or the members that a regression was fitted on."""
        return self.parents or _stacked(self.attributes)

    @property
    def made_from(self) -> dict[str, str]:
        """As `Predictions.made_from`."""
        return _made_from(self.parents, self.attributes)


class RowReader:
    """The probabilities of a predictions file, a run of rows at a time; each row is checked once.

    stays_open: whether it can be asked when the file is closed again, since its rows lie in the file as they are.
    """

    def __init__(self, path: Path, file: OldFile, rows: int, columns: int) -> None:
        self.path, self.columns = path, columns
        self._file, self._plain = file, file.plain_rows("probs")
        self.stays_open = self._plain is not None
        self._good = np.zeros(rows, np.bool_)

    def __len__(self) -> int:
        return len(self._good)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return rows start..stop-1 as float32 (rows, C); raise `BadInput` where they are no probabilities."""
        where = f"{self.path}: probs"
        if self._plain is None:
            found = single_precision(self._file.load("probs", slice(start, stop)), where, start)
        else:
            found = self._plain.read(start, stop)
            if not self._good[start:stop].all():
                check_rows(found, where, start)
        self._good[start:stop] = True
        return found

    def take(self, which: slice | np.ndarray) -> np.ndarray:
        """Return some rows, float32 (rows, C): a slice of them, positions int64 in any order, or a mask bool (N,)."""
        at = np.arange(len(self))[which]
        if not len(at):
            return np.empty((0, self.columns), np.float32)
        first, last = int(at.min()), int(at.max())
        if last - first < GAP * len(at):
            found = self.read(first, last + 1)
            return found if len(found) == len(at) and (np.diff(at) == 1).all() else found[at - first]
        found = np.empty((len(at), self.columns), np.float32)
        order = np.argsort(at)
        for run in np.split(order, np.flatnonzero(np.diff(at[order]) != 1) + 1):
            begin = int(at[run[0]])
            found[run] = self.read(begin, begin + len(run))
        return found

    def read_from(self, plain: PlainRows) -> None:
        """Read from a copy from now on."""
        self._plain, self.stays_open = plain, True


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions, whole or not at all.

    Raises `StorageError` where the disk is full or may not be written, and `BadInput` where a text, an attribute
    or an extra array cannot be stored.
    """
    p = predictions
    refuse_taken(path, p.attributes, _FIELDS)
    attributes: dict[str, Any] = {
        "member": p.member,
        "split": p.split,
        "member_kind": p.kind,
        "ids_given": int(p.ids_given),
    }
    if p.parents:
        attributes |= {"parents": list(p.parents), "weights": np.asarray(p.weights, dtype=np.float64)}
    if p.recipe is not None:
        attributes["recipe"] = json.dumps(dict(p.recipe), ensure_ascii=False)
    if p.data_fingerprint is not None:
        attributes["data_fingerprint"] = p.data_fingerprint
    chunks = (min(_ROWS, len(p)), p.probs.shape[1])
    large = isinstance(p.probs, RowProbs) or p.probs.nbytes >= LARGE
    with new_file(path, PREDICTIONS, VERSION, attributes | dict(p.attributes), large=large) as file:
        file.put("sample", p.sample_ids)
        file.put("class", p.class_ids)
        file.put("probs", p.probs, ["sample", "class"], chunks=chunks, fill=np.float32(np.nan))
        file.put("class_name", p.class_names, ["class"])
        if p.labels is not None:
            file.put("label", p.labels, ["sample"])
        for name, values in p.extras.items():
            _put_extra(file, p, name, values)
        if p.first_layer is not None:
            kernels = np.asarray(p.first_layer, dtype=np.float32)
            axes = ("filter", "channel", "kernel_row", "kernel_column")
            for axis, length in zip(axes, kernels.shape, strict=True):  # xarray wants every axis named
                file.put(axis, np.arange(length))
            file.put("first_layer", kernels, axes, chunks=kernels.shape)


def _put_extra(file: NewFile, p: Predictions, name: str, values: np.ndarray) -> None:
    """Store one of the arrays that a file may hold beside the probabilities."""
    if name not in _EXTRAS:
        raise BadInput(f"{file.path}: extras may be {', '.join(_EXTRAS)}, found {name!r}; keep it elsewhere.")
    kind, axes = _ARRAYS[name]
    shape = p.probs.shape[: len(axes)]
    values = np.asarray(values)
    if values.shape != shape:
        raise BadInput(f"{file.path}: {name}: expected the shape {shape}, found {values.shape}.")
    values = values.astype({"f": np.float32, "i": np.int64, "s": np.str_}[kind])
    chunks = (min(_ROWS, len(p)), shape[1]) if kind == "f" else None
    file.put(name, values, ["sample", "class"][: len(axes)], chunks=chunks)


def read_predictions(path: Path, *, extras: bool = False) -> Predictions:
    """Read a predictions file; nothing of it is believed before it was checked.

    extras: also read the arrays `logits`, `group` and `fold` where the file has them; they can be as large as
    the probabilities. Raises `BadInput` for whatever is wrong with the file.
    """
    attributes, arrays = _read(path, [name for name in _ARRAYS if extras or name not in _EXTRAS])
    return _predictions(path, attributes, arrays, arrays["probs"])


def open_predictions(path: Path) -> Predictions:
    """Read a predictions file but for its probabilities, which are read as they are asked for, where it is large.

    A file that is packed, or not of float32, is read as a whole. Raises `BadInput` for whatever is wrong with the file.
    """
    if not path.is_file() or path.stat().st_size < LARGE:
        return read_predictions(path)
    with opened(path, PREDICTIONS, VERSION, probe=_PROBE) as file:
        names = [name for name in _checked(path, file) if name not in ("probs", *_EXTRAS)]
        arrays = {name: file.load(name) for name in names}
        reader = RowReader(path, file, len(arrays["sample"]), len(arrays["class"]))
        probs = made_rows((len(reader), reader.columns), reader.take, np.float32)
        return _predictions(path, file.attributes, arrays, probs if reader.stays_open else file.load("probs"))


def _predictions(
    path: Path, attributes: Mapping[str, Any], arrays: Mapping[str, np.ndarray], probs: np.ndarray
) -> Predictions:
    for name, kind in _TYPES.items():
        if name in attributes:
            _typed(path, attributes, name, kind)
    parents, weights = _parents(path, attributes)
    fingerprint = _typed(path, attributes, "data_fingerprint", str) if "data_fingerprint" in attributes else None
    shared = _shared(path, attributes, arrays)
    with np.errstate(over="ignore"):  # a float64 too large for float32 becomes infinite, and is refused as that
        single = {n: a.astype(np.float32, copy=False) for n, a in arrays.items() if a.dtype.kind == "f"}
    try:
        return Predictions(
            **shared,
            # Rows of float32 are checked by the value itself.
            probs=probs if probs.dtype == np.float32 else single_precision(probs, "probs"),
            class_names=tuple(arrays.get("class_name", arrays["class"]).tolist()),
            parents=parents,
            weights=weights,
            recipe=_recipe(path, attributes),
            data_fingerprint=fingerprint,
            first_layer=single.get("first_layer"),
            attributes={name: value for name, value in attributes.items() if name not in _FIELDS},
            extras={name: single.get(name, arrays[name]) for name in _EXTRAS if name in arrays},
        )
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error


def read_logits(path: Path) -> np.ndarray | None:
    """Read the logits floating point (N, C) of a predictions file, in its own rows and columns; None without any."""
    return _read(path, ["logits"])[1].get("logits")


def read_group(path: Path) -> dict[str, str] | None:
    """Read which group each sample of a predictions file is of, by sample id; None where it does not say."""
    arrays = _read(path, ["sample", "group"])[1]
    return dict(zip(arrays["sample"].tolist(), arrays["group"].tolist(), strict=True)) if "group" in arrays else None


def probe(path: Path) -> tuple[None, dict[str, np.ndarray]]:
    """Read all of a predictions file for nothing but to see that it can be done, in a child process."""
    read_predictions(path, extras=True)
    return None, {}


def predictions_digest(predictions: Predictions) -> str:
    """Return the SHA-256 (hex) of what is predicted: class ids, sample ids and probabilities, in their order."""
    digest = hashlib.sha256()
    for texts in (predictions.class_ids, predictions.sample_ids.tolist()):
        digest.update("\0".join([*texts, ""]).encode())
    for _, rows in row_blocks(predictions.probs):
        digest.update(np.ascontiguousarray(rows, dtype="<f4").data)
    return digest.hexdigest()


def read_header(path: Path) -> Header:
    """Read what a predictions file says beside its arrays; raises `BadInput` as `read_predictions` does."""
    attributes, _ = _read(path, ())
    texts = (_typed(path, attributes, name, str) for name in ("member", "split", "member_kind"))
    parents, weights = _parents(path, attributes)
    if len(weights) != len(parents):
        raise BadInput(f"{path}: {len(parents)} parents, but {len(weights)} weights; {AGAIN}.")
    return Header(*texts, parents, weights, {n: v for n, v in attributes.items() if n not in _FIELDS})


def read_rows(path: Path) -> Rows:
    """Read all of a predictions file but its probabilities; raises `BadInput` as `read_predictions` does."""
    with opened(path, PREDICTIONS, VERSION, probe=_PROBE) as file:
        return _rows(path, file, _checked(path, file))


@contextlib.contextmanager
def reading_rows(path: Path) -> Generator[tuple[Rows, RowReader]]:
    """Open a predictions file to read its rows bit by bit; raises `BadInput` as `read_predictions` does."""
    with opened(path, PREDICTIONS, VERSION, probe=_PROBE) as file:
        rows = _rows(path, file, _checked(path, file))
        yield rows, RowReader(path, file, len(rows), len(rows.class_ids))


def _rows(path: Path, file: OldFile, present: Sequence[str]) -> Rows:
    wanted = ("sample", "class", "class_name", "label", "first_layer")
    arrays = {name: file.load(name) for name in present if name in wanted}
    attributes = file.attributes
    layer = arrays.get("first_layer")
    rows = Rows(
        **_shared(path, attributes, arrays),
        class_names=tuple(arrays.get("class_name", arrays["class"]).tolist()),
        recipe=_recipe(path, attributes),
        first_layer=None if layer is None else layer.astype(np.float32, copy=False),
        attributes={name: value for name, value in attributes.items() if name not in _FIELDS},
    )
    check_ids(rows.sample_ids, f"{path}: sample")
    check_ids(list(rows.class_ids), f"{path}: class")
    if rows.labels is not None:
        check_columns(rows.labels, f"{path}: label", len(rows.sample_ids), len(rows.class_ids))
    return rows


def _read(path: Path, wanted: Sequence[str]) -> tuple[Mapping[str, Any], dict[str, np.ndarray]]:
    """Return the root attributes and those wanted arrays that are there; all are checked before one is read."""
    with opened(path, PREDICTIONS, VERSION, probe=_PROBE) as file:
        present = _checked(path, file)
        return file.attributes, {name: file.load(name) for name in present if name in wanted}


def _checked(path: Path, file: OldFile) -> list[str]:
    """Return the arrays that are there, once their types and shapes were found good."""
    present = [name for name in _ARRAYS if name in _REQUIRED or name in file]
    shapes = {name: file.check(name, _ARRAYS[name][0], len(_ARRAYS[name][1])) for name in present}
    lengths = dict(zip("NC", shapes["probs"], strict=True))
    for name, shape in shapes.items():
        axes = _ARRAYS[name][1]
        expected = tuple(lengths.get(axis, length) for axis, length in zip(axes, shape, strict=True))
        if shape != expected:
            raise BadInput(
                f"{path}: {name}: expected the shape {expected} beside probs {shapes['probs']}, found {shape}; {AGAIN}."
            )
    return present


def _shared(path: Path, attributes: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return what `Rows` and `Predictions` have in common."""
    given = attributes.get("ids_given")
    if type(given) not in (int, bool) or given not in (0, 1):
        raise BadInput(f"{path}: ids_given: expected 0 or 1, found {given!r}; {AGAIN}.")
    return {
        "member": _typed(path, attributes, "member", str),
        "split": _typed(path, attributes, "split", str),
        "kind": _typed(path, attributes, "member_kind", str),
        "ids_given": bool(given),
        "sample_ids": arrays["sample"],
        "class_ids": tuple(arrays["class"].tolist()),
        "labels": arrays.get("label"),
    }


def _typed(path: Path, attributes: Mapping[str, Any], name: str, kind: type) -> Any:
    value = attributes.get(name)
    if type(value) is not kind:
        wanted, found = "text" if kind is str else "a whole number", "none" if value is None else repr(value)
        raise BadInput(f"{path}: {name}: expected {wanted}, found {found}; {AGAIN}.")
    return value


def _recipe(path: Path, attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    if "recipe" not in attributes:
        return None
    try:
        recipe = json.loads(_typed(path, attributes, "recipe", str))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: recipe: expected JSON, found something else ({error}); {AGAIN}.") from error
    if not isinstance(recipe, dict):
        raise BadInput(f"{path}: recipe: expected a JSON object, found {type(recipe).__name__}; {AGAIN}.")
    return recipe


def _parents(path: Path, attributes: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return what an ensemble was made of, and the weights."""
    parents, weights = attributes.get("parents", ()), np.asarray(attributes.get("weights", ()))
    if not isinstance(parents, tuple):
        raise BadInput(f"{path}: parents: expected a list of names, found {parents!r}; {AGAIN}.")
    if weights.ndim != 1 or weights.dtype.kind not in "fiu" or not np.isfinite(weights).all():
        raise BadInput(f"{path}: weights: expected a list of finite numbers, found {weights.tolist()!r}; {AGAIN}.")
    return parents, tuple(float(weight) for weight in weights)
