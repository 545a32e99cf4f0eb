"""A file of predictions as its parts, whatever it is written in: values, ids, labels, and the columns' names."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ensemble.errors import BadInput
from ensemble.importing.class_columns import Layout
from ensemble.importing.classes import Classes
from ensemble.importing.headings import (
    CLASS_IDS,
    CLASS_NAMES,
    ID,
    LABEL,
    LOGITS,
    NAMES,
    PREDICTION,
    PROBS,
    first_of,
    role_of,
)
from ensemble.importing.labels import one_hot_texts
from ensemble.importing.layout import agree, lay_out
from ensemble.importing.scores import is_score
from ensemble.importing.tables import TABLES, read_table
from ensemble.importing.values import check_logits
from ensemble.study.arrays import NO_PICKLE, check_file, read_lines, read_npy, read_npz, texts_of
from ensemble.study.hdf5 import read_arrays

HDF5 = (".h5", ".hdf5")
READS = (
    "read are .npz and .h5 with 'probs', 'pred_probs' or 'logits', .npy of shape (N, C), .csv, .tsv and .parquet with "
    "a column a class, and predictions files of kofn (.h5)"
)
Arrays = Mapping[str, np.ndarray]
_PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin")


@dataclass(eq=False)
class Parts:
    """What a file holds, as it stands there.

    values: (N, C) where the file is good, which is not checked here; votes: N predicted classes as text in its place;
    predicted: those that stand beside values, which say what a single score a sample (N,) is of.
    ids, labels: N each as text; ids_from, labels_from: what they stood in. columns: labels that are numbers of columns
    for certain, int64 (N,). class_ids, class_names: of the columns, or None; namings: what a table's columns may be
    called, the likeliest first. ignored: what was left out -> why.
    """

    values: np.ndarray | None = None
    logits: bool = False
    votes: Sequence[str] | None = None
    predicted: Sequence[str] | None = None
    ids: list[str] | None = None
    ids_from: str | None = None
    labels: list[str] | None = None
    columns: np.ndarray | None = None
    labels_from: str | None = None
    class_ids: tuple[str, ...] | None = None
    class_names: tuple[str, ...] | None = None
    namings: list[tuple[str, ...]] = field(default_factory=list)
    headings: tuple[str, ...] = ()
    ignored: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_parts(path: Path, *, logits: bool, votes: bool, wanted: Classes | None) -> Parts:
    """Read another program's file; raise `BadInput` where it cannot be read or holds no predictions; no unpickling."""
    kind = path.suffix.lower()
    if kind in _PICKLES:
        raise BadInput(f"{path}: expected arrays, found {kind}; {NO_PICKLE}.")
    if kind == ".npy":
        return _of_values(path, read_npy(path), Parts(logits=logits), votes)
    if kind in (".npz", *HDF5):
        return _of_arrays(path, logits, votes)
    if kind in TABLES:
        return _of_table(path, lay_out(read_table(path), logits=logits, votes=votes, wanted=wanted), logits, votes)
    check_file(path)
    raise BadInput(f"{path}: {kind or 'a file without ending'} cannot be imported; {READS}.")


def _of_values(path: Path, values: np.ndarray, parts: Parts, votes: bool) -> Parts:
    if not values.ndim:
        raise BadInput(f"{path}: expected an array of shape (N, C), found a single {values.dtype}; save (N, C).")
    flat = values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)
    if votes and flat:
        parts.votes = texts_of(values, f"{path}: votes")
    else:
        parts.values = values
    return parts


# -- arrays -------------------------------------------------------------------------------------------------


def read_named(path: Path, wanted: Sequence[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return those of the wanted arrays that a .npz or HDF5 file has, and the names of all it has."""
    return (read_npz if path.suffix.lower() == ".npz" else read_arrays)(path, wanted)


def _of_arrays(path: Path, logits: bool, votes: bool) -> Parts:
    _, names = read_named(path, ())
    order = (*LOGITS, *PROBS) if logits else (*PROBS, *LOGITS)
    if votes:
        order = (*NAMES[PREDICTION], *order)
    candidates = first_of(names, order)
    ids, labels = first_of(names, NAMES[ID]), first_of(names, NAMES[LABEL])
    class_ids, class_names = first_of(names, CLASS_IDS), first_of(names, CLASS_NAMES)
    beside = {*ids, *labels, *class_ids, *class_names}
    # In one go, since a child process reads HDF5.
    rest = [name for name in names if name not in beside]
    if not candidates and len(rest) == 1:
        candidates = rest
    candidates = [name for name in candidates if name not in beside]
    arrays, _ = read_named(path, [*candidates, *beside, *(["labels_are"] if "labels_are" in names else [])])
    chosen, values = _choose(arrays, candidates, votes)
    if chosen is None:
        raise BadInput(
            f"{path}: expected an array 'probs', 'pred_probs' or 'logits', found {', '.join(names[:10]) or 'none'}; "
            "save it with np.savez(FILE, probs=...)."
        )
    assert values is not None
    parts = Parts(logits=logits or chosen in first_of(names, LOGITS))
    if chosen not in ("probs", "logits", "pred_probs"):
        parts.notes.append(f"array {chosen!r} was taken for the {'logits' if parts.logits else 'probabilities'}")
    _of_values(path, values, parts, votes)
    raw = next((name for name in first_of(names, LOGITS) if name in arrays), None)
    if not parts.logits and parts.values is not None and raw is not None:
        check_logits(values, arrays[raw], str(path), (f"array {chosen!r}", f"array {raw!r}"))
    n, c = len(values), values.shape[1] if values.ndim == 2 else 0
    used = {chosen, "labels_are"}
    for name in ids:
        found = arrays[name]
        if found.ndim in (1, 2) and (name in ("sample_ids", "ids") or len(found) == n):
            parts.ids, parts.ids_from = texts_of(found, f"{path}: {name}"), f"array {name!r}"
            used.add(name)
            break
    _class_arrays(path, arrays, parts, class_ids, class_names, c, used)
    _label_arrays(path, arrays, parts, labels, used)
    parts.ignored |= {name: "an array of another name" for name in names if name not in used}
    said = [name for name in first_of(names, NAMES[PREDICTION]) if name not in used]
    if said and parts.values is not None and is_score(parts.values):
        told = read_named(path, said[:1])[0][said[0]]
        parts.predicted = texts_of(told, f"{path}: {said[0]}") if told.ndim == 1 and len(told) == n else None
    return parts


def _choose(
    arrays: Mapping[str, np.ndarray], candidates: Sequence[str], votes: bool
) -> tuple[str | None, np.ndarray | None]:
    """Return the first array that has rows and columns (or is a list, where votes are meant); else the first."""
    first = None
    for name in candidates:
        values = arrays.get(name)
        if values is None:
            continue
        first = first or (name, values)
        if values.ndim == (1 if votes else 2):
            return name, values
    return first or (None, None)


def _class_arrays(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    parts: Parts,
    class_ids: Sequence[str],
    class_names: Sequence[str],
    c: int,
    used: set[str],
) -> None:
    for attribute, names in (("class_ids", class_ids), ("class_names", class_names)):
        for name in names:
            found = arrays[name]
            if name not in ("class_ids", "class_names") and (found.ndim != 1 or (c and len(found) != c)):
                continue
            setattr(parts, attribute, tuple(texts_of(found, f"{path}: {name}")))
            used.add(name)
            break
    ids, called = parts.class_ids, parts.class_names
    if ids is not None and called is not None and len(ids) != len(called):
        raise BadInput(f"{path}: class_names: expected {len(ids)}, as many as class_ids, found {len(called)}.")


def _label_arrays(path: Path, arrays: Arrays, parts: Parts, names: Sequence[str], used: set[str]) -> None:
    found: dict[str, tuple[list[str] | None, np.ndarray | None]] = {}
    for name in names:
        array = arrays[name]
        used.add(name)
        where = f"{path}: {name}"
        if array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind in "fiub":
            texts = one_hot_texts(array.astype(np.float64), [str(i) for i in range(array.shape[1])], where)
            found[name] = None, np.array([int(t) if t else -1 for t in texts], dtype=np.int64)
        else:
            found[name] = texts_of(array, where), None
    for name, (texts, columns) in found.items():
        if parts.labels_from is None:
            parts.labels, parts.columns, parts.labels_from = texts, columns, f"array {name!r}"
        elif texts is None or parts.labels is None or len(texts) != len(parts.labels):
            continue
        elif not agree(parts.labels, texts):
            raise BadInput(
                f"{path}: {parts.labels_from} and array {name!r} both look like true labels, and they differ; leave "
                "one out, or give the labels with labels=FILE."
            )
    if "labels_are" in arrays and parts.labels is not None:
        said = texts_of(np.atleast_1d(arrays["labels_are"]), f"{path}: labels_are")
        if said == ["columns"]:
            parts.columns, parts.labels = np.array([int(t) if t else -1 for t in parts.labels], dtype=np.int64), None


# -- tables -------------------------------------------------------------------------------------------------


def _of_table(path: Path, found: Layout, logits: bool, votes: bool) -> Parts:
    parts = Parts(logits=logits, namings=found.namings, ignored=dict(found.ignored), notes=list(found.table.notes))
    parts.headings = tuple(column.heading for column in found.classes)
    if found.ids is not None:
        parts.ids, parts.ids_from = found.ids.texts, f"column {found.ids.heading!r}"
    if found.labels is not None:
        parts.labels, parts.labels_from = found.labels.texts, f"column {found.labels.heading!r}"
    elif found.one_hot:
        values = np.stack([c.numbers for c in found.one_hot if c.numbers is not None], axis=1)
        parts.labels = one_hot_texts(values, found.label_names, str(path))
        parts.labels_from = f"columns {found.one_hot[0].heading!r} to {found.one_hot[-1].heading!r}"
    if votes and found.predictions is not None:
        parts.votes = found.predictions.texts
        if role_of(found.predictions.heading) == LABEL:
            parts.notes.append(f"votes were taken from column {found.predictions.heading!r}, the only one that can be")
        parts.ignored.pop(found.predictions.heading, None)
        parts.namings, parts.headings = [], ()
    elif not found.classes and (why := _no_row_a_sample(found)):
        raise BadInput(f"{path}: {why}")
    elif found.score is not None:
        assert found.score.numbers is not None
        parts.values, parts.namings, parts.headings = found.score.numbers, [], (found.score.heading,)
        parts.predicted = None if found.predictions is None else found.predictions.texts
    elif not found.classes:
        if found.predictions is not None:
            raise BadInput(
                f"{path}: column {found.predictions.heading!r} holds predicted classes, and no column holds "
                "probabilities; they take part with 'ens-combine --rule vote' and in accuracies: take them with "
                "votes=True."
            )
        listed = ", ".join(repr(c.heading) for c in found.table.columns[:10])
        end = ""
        if found.labels is not None:
            end = f"; if {found.labels.heading!r} holds what was predicted, take it with votes=True"
        raise BadInput(
            f"{path}: expected a column of numbers for each class, found {listed}; save the softmax itself{end}."
        )
    else:
        parts.values = found.values()
        if all(c.whole for c in found.classes):
            parts.values = parts.values if np.isnan(parts.values).any() else parts.values.astype(np.int64)
    if found.table.headless:
        parts.namings = []
    names = found.table.class_names
    if names is not None and len(names) == len(found.classes) and parts.votes is None:
        parts.class_names = tuple(names)
    return parts


def _no_row_a_sample(found: Layout) -> str:
    """Say how else predictions are written in a table that has no columns of classes; "" where it is not seen."""
    for column in found.table.columns:
        cells = column.texts if column.numbers is None else None
        if cells and all(cell[:1] in "[(" and cell[-1:] in "])" for cell in cells):
            return (
                f"column {column.heading!r}: expected a number in each cell, and a column a class, found lists "
                f"({cells[0][:30]} ...); save each of their values in a column of its own."
            )
    ids, classes = found.ids, found.labels or found.predictions
    if ids is not None and classes is not None:
        samples, named = len(set(ids.texts or ())), len(set(classes.texts or ()))
        if named > 1 and samples * named == found.table.rows:
            return (
                f"expected a row a sample, found {named} rows of each, one a class ({classes.heading!r}); make each "
                f"class a column: in pandas, pivot(index={ids.heading!r}, columns={classes.heading!r}, values=...)."
            )
    return ""


# -- lists --------------------------------------------------------------------------------------------------


def read_ids(path: Path) -> list[str]:
    """Return a list of sample ids, one a line (.txt), a column of a table, or an array (.npy)."""
    kind = path.suffix.lower()
    if kind == ".npy":
        return texts_of(read_npy(path), str(path))
    if kind == ".txt":
        found = [line.strip() for line in read_lines(path)]
    else:
        table = read_table(path)
        if len(table.columns) == 1:
            (column,) = table.columns
            texts = column.texts or []
            found = texts if first_of([column.heading], NAMES[ID]) else [column.heading, *texts]
        else:
            layout = lay_out(table, logits=True, votes=True, wanted=None)
            if layout.ids is None or layout.ids.texts is None:
                listed = ", ".join(c.heading for c in table.columns)
                raise BadInput(f"{path}: expected a column 'id', found {listed}; call the column of the ids so.")
            found = layout.ids.texts
    if not found:
        raise BadInput(f"{path}: expected sample ids, one a line, found none; check the file.")
    return found


def read_classes(path: Path) -> Classes:
    """Return classes in the order of columns: lines `id` or `id<TAB>name`, a table, an array, or JSON.

    A table of two columns holds ids (or the columns' numbers, which must count up) and names; JSON a list of names, or
    an object name -> number or number -> name, as Keras and timm write it. Raises `BadInput`.
    """
    kind = path.suffix.lower()
    if kind == ".npy":
        ids = tuple(t.strip() for t in texts_of(read_npy(path), str(path)))
        return Classes(ids, ids)
    if kind == ".json":
        return _json_classes(path)
    rows = [line.split("\t", 1) for line in read_lines(path)]
    if kind in (".csv", ".tsv"):
        table = read_table(path)
        if len(table.columns) > 1:
            return _table_classes(path, [(c.heading, c.texts or []) for c in table.columns])
        heading, texts = table.columns[0].heading, table.columns[0].texts or []
        usual = first_of([heading], (*CLASS_IDS, *CLASS_NAMES, *NAMES[ID], *NAMES[LABEL]))
        rows = [[text] for text in (texts if usual else [heading, *texts])]
    ids = tuple(row[0].strip() for row in rows)
    return Classes(ids, tuple(row[-1].strip() or i for row, i in zip(rows, ids, strict=True)))


def _table_classes(path: Path, columns: Sequence[tuple[str, Sequence[str]]]) -> Classes:
    headings = [heading for heading, _ in columns]
    usual = (*CLASS_IDS, *CLASS_NAMES, *NAMES[ID], *NAMES[LABEL], "index", "idx", "wnid", "number", "description")
    headed = bool(first_of(headings, usual))
    listed = [list(texts) if headed else [heading, *texts] for heading, texts in columns[:2]]
    (first, second) = listed
    if all(t.isdigit() for t in second) and not all(t.isdigit() for t in first):
        first, second = second, first
    numbers = [int(t) for t in first if t.isdigit()]
    if len(numbers) == len(first) and numbers != sorted(numbers):
        raise BadInput(
            f"{path}: expected the classes in the order of columns, found the numbers {numbers[:3]}; sort them."
        )
    return Classes(tuple(first), tuple(name or i for name, i in zip(second, first, strict=True)))


def _json_classes(path: Path) -> Classes:
    check_file(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: expected JSON, found {' '.join(str(error).split())[:100]}; mend the file.") from error
    if isinstance(content, Mapping) and content:
        if all(type(v) is int for v in content.values()):
            content = {str(number): name for name, number in content.items()}
        if sorted(content, key=lambda k: (len(k), k)) == [str(i) for i in range(len(content))]:
            content = [content[str(i)] for i in range(len(content))]
    if not isinstance(content, list) or not all(isinstance(v, str | int) for v in content):
        raise BadInput(f"{path}: expected a list of class names, or name -> number from 0; save it so.")
    ids = tuple(str(v) for v in content)
    return Classes(ids, ids)
