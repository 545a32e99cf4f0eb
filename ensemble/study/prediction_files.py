"""Predictions and subset tables as files, version 1 of the layout that FORMAT.md states."""

import contextlib
import itertools
import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.errors import BadInput
from ensemble.study.hdf5 import AGAIN, NewFile, OldFile, new_file, opened
from ensemble.study.predictions import Predictions, check_labels, single_precision
from ensemble.study.split import check_ids

PREDICTIONS = "kofn.predictions"
SUBSETS = "kofn.subsets"
VERSION = 1

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
_TABLE_FIELDS = ("kind", "version", "complete", "columns")


@dataclass(frozen=True, eq=False)
class Rows:
    """Whose predictions a file holds and for which samples, without the probabilities.

    sample_ids: str (N,); labels: whole numbers (N,), positions in `class_ids`, or None.
    """

    member: str
    split: str
    kind: str
    ids_given: bool
    sample_ids: np.ndarray
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    labels: np.ndarray | None

    def __len__(self) -> int:
        return len(self.sample_ids)


@dataclass(frozen=True, eq=False)
class RowReader:
    """The probabilities of an open predictions file, a run of rows at a time."""

    path: Path
    file: OldFile

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return rows start..stop-1 as float32 (rows, C); raise `BadInput` where they are no probabilities."""
        return single_precision(self.file.load("probs", slice(start, stop)), f"{self.path}: probs", start)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions, whole or not at all.

    Raises `StorageError` where the disk is full or may not be written, and `BadInput` where a text, an attribute
    or an extra array cannot be stored.
    """
    p = predictions
    _refuse_taken(path, p.attributes, _FIELDS)
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
    with new_file(path, PREDICTIONS, VERSION, attributes | dict(p.attributes)) as file:
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
    for name, kind in _TYPES.items():
        if name in attributes:
            _typed(path, attributes, name, kind)
    parents, weights = _parents(path, attributes)
    fingerprint = _typed(path, attributes, "data_fingerprint", str) if "data_fingerprint" in attributes else None
    shared = _shared(path, attributes, arrays)
    with np.errstate(over="ignore"):  # a float64 too large for float32 becomes infinite, and is refused as that
        single = {name: a.astype(np.float32) for name, a in arrays.items() if a.dtype.kind == "f"}
    try:
        return Predictions(
            **shared,
            probs=single_precision(arrays["probs"], "probs") if arrays["probs"].ndim == 2 else single["probs"],
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


def read_rows(path: Path) -> Rows:
    """Read all of a predictions file but its probabilities; raises `BadInput` as `read_predictions` does."""
    attributes, arrays = _read(path, ["sample", "class", "class_name", "label"])
    names = tuple(arrays.get("class_name", arrays["class"]).tolist())
    rows = Rows(**_shared(path, attributes, arrays), class_names=names)
    check_ids(rows.sample_ids, f"{path}: sample")
    check_ids(list(rows.class_ids), f"{path}: class")
    if rows.labels is not None:
        check_labels(rows.labels, len(rows.sample_ids), len(rows.class_ids), f"{path}: label")
    return rows


@contextlib.contextmanager
def reading_rows(path: Path) -> Generator[RowReader]:
    """Open a predictions file to read its rows bit by bit; raises `BadInput` as `read_predictions` does."""
    with opened(path, PREDICTIONS, VERSION) as file:
        _checked(path, file)
        yield RowReader(path, file)


def write_table(path: Path, columns: Mapping[str, np.ndarray | Sequence[str]], attributes: Mapping[str, Any]) -> None:
    """Write a table of subsets, whole or not at all.

    columns: name -> (S,) numbers or text, in order; the first one, the mask, names the rows.
    attributes: numbers, text, or lists of these. Raises `StorageError`, or `BadInput` for what cannot be stored.
    """
    _refuse_taken(path, attributes, _TABLE_FIELDS)
    first, *others = _check_lengths(path, {name: len(column) for name, column in columns.items()})
    with new_file(path, SUBSETS, VERSION, {"columns": list(columns), **attributes}) as file:
        file.put(first, columns[first])
        for name in others:
            file.put(name, columns[name], [first])


def write_table_blocks(
    path: Path,
    blocks: Iterable[Mapping[str, np.ndarray]],
    rows: int,
    widths: Mapping[str, int],
    attributes: Mapping[str, Any],
) -> None:
    """Write a table of subsets whose rows come in blocks; else as `write_table`.

    rows: of all blocks together, S; widths: for each column of text the most bytes that one of its texts takes.
    """
    _refuse_taken(path, attributes, _TABLE_FIELDS)
    waiting = iter(blocks)
    first = next(waiting)
    names = _check_lengths(path, {name: len(column) for name, column in first.items()})
    with new_file(path, SUBSETS, VERSION, {"columns": names, **attributes}) as file:
        for name in names:
            file.make(name, rows, first[name].dtype, widths.get(name), [] if name == names[0] else [names[0]])
        done = 0
        for block in itertools.chain([first], waiting):
            for name in names:
                file.fill(name, done, block[name])
            done += len(block[names[0]])


def read_table(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return a table's columns, name -> (S,) array, and its attributes; raises `BadInput` for a bad file."""
    with opened(path, SUBSETS, VERSION) as file:
        names = file.attributes.get("columns")
        if not isinstance(names, tuple):
            raise BadInput(f"{path}: columns: expected a list of names, found {names!r}; {AGAIN}.")
        _check_lengths(path, {name: file.check(name, "fis", 1)[0] for name in names})
        columns = {name: file.load(name) for name in names}
        return columns, {name: value for name, value in file.attributes.items() if name not in _TABLE_FIELDS}


def _check_lengths(path: Path, lengths: Mapping[str, int]) -> list[str]:
    if len(set(lengths.values())) != 1:
        raise BadInput(f"{path}: expected columns of one length, found {dict(lengths) or 'no column'}; {AGAIN}.")
    return list(lengths)


def _refuse_taken(path: Path, attributes: Mapping[str, Any], own: Sequence[str]) -> None:
    for name in attributes:
        if name in own:
            raise BadInput(f"{path}: attribute {name!r} is the format's own; give yours another name.")


def _read(path: Path, wanted: Sequence[str]) -> tuple[Mapping[str, Any], dict[str, np.ndarray]]:
    """Return the root attributes and those wanted arrays that are there; all are checked before one is read."""
    with opened(path, PREDICTIONS, VERSION) as file:
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
