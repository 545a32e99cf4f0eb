"""Predictions made elsewhere, read from a file of arrays or of our own format, as one member's predictions."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.errors import BadInput
from ensemble.importing.arrays import as_list, read_lines, read_list
from ensemble.importing.readers import HDF5, ID_COLUMNS, LABEL_COLUMNS, READS, read_foreign
from ensemble.study.hdf5 import kind_of
from ensemble.study.predictions import PREDICTIONS, Predictions, check_rows, read_predictions, single_precision
from ensemble.study.split import check_ids

# How far beyond 0 or 1 a value may lie and still pass for rounding.
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Imported:
    """What one file gave: its predictions, how many rows were off by rounding, and what one should know."""

    file: Path
    predictions: Predictions
    clipped_rows: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Classes:
    """The classes of a study, in sorted order of their ids."""

    ids: tuple[str, ...]
    names: tuple[str, ...]


def sorted_classes(ids: Sequence[str], names: Sequence[str]) -> Classes:
    """Return classes in sorted order of their ids."""
    pairs = sorted(zip(ids, names, strict=True))
    return Classes(tuple(i for i, _ in pairs), tuple(name for _, name in pairs))


def import_files(
    paths: Sequence[Path], *, member: str | None = None, study_classes: Classes | None = None, **options: Any
) -> list[Imported]:
    """Read several files with the same options; into a new study the first one's classes count for the others.

    Takes what `import_file` takes, and raises `BadInput` as it does, and where one name is given to several files.
    """
    if member and len(paths) > 1:
        raise BadInput(
            f"--member {member}: names one member, but {len(paths)} files were given; import them one by one."
        )
    found: list[Imported] = []
    for path in paths:
        found.append(import_file(path, member=member, study_classes=study_classes, **options))
        p = found[0].predictions
        study_classes = study_classes or sorted_classes(p.class_ids, p.class_names)
    return found


def import_file(
    path: Path,
    *,
    member: str | None = None,
    split: str | None = None,
    labels: Path | None = None,
    ids: Path | None = None,
    classes: Path | None = None,
    logits: bool = False,
    study_classes: Classes | None = None,
) -> Imported:
    """Read one file of predictions; nothing is written.

    member: default the file's name made legal. split: default what the file says, else "val".
    labels, ids, classes: files that name them; they go before what `path` holds. logits: the values are logits.
    study_classes: those of the study it is meant for; they name the columns where the file does not.
    Raises `BadInput` for whatever cannot be used.
    """
    if path.suffix.lower() in HDF5 and kind_of(path) is not None:
        return _own(path, member, split, labels, [("--ids", ids), ("--classes", classes), ("--logits", logits)])
    values, beside = read_foreign(path, logits)
    name = member or _legal_name(path)
    probs, clipped, raw = _probabilities(values, beside.pop("logits", None) is not None, str(path))
    n, c = probs.shape
    notes: list[str] = []
    class_ids, class_names = _classes(path, c, classes, beside, study_classes, notes)
    sample_ids = _sample_ids(path, n, ids, beside)
    truth, label_ids = _labels(path, labels, beside)
    if label_ids is not None and sample_ids is None:
        sample_ids = check_ids(label_ids, f"{labels}, ids")
        notes.append(f"sample ids were taken from {labels}, row by row")
    elif label_ids is not None and sample_ids is not None and truth is not None:
        truth = _by_id(truth, label_ids, sample_ids, str(labels), str(path))
    if truth is not None:
        where = str(labels or path)
        truth = _columns_of(truth, class_ids, class_names, where)
        if len(truth) != n:
            raise BadInput(f"{where}: expected {n} labels, one for each row of {path}, found {len(truth)}.")
    try:
        predictions = Predictions(
            member=name,
            split=split or "val",
            probs=probs,
            sample_ids=np.arange(n).astype(np.str_) if sample_ids is None else sample_ids,
            class_ids=class_ids,
            class_names=class_names,
            labels=truth,
            ids_given=sample_ids is not None,
            extras={} if raw is None else {"logits": raw},
        )
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    return Imported(path, predictions, clipped, tuple(notes))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of each row, float64 (N, C), of finite logits (N, C); the largest is taken off first."""
    shifted = np.asarray(logits, dtype=np.float64)
    shifted = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def _own(
    path: Path, member: str | None, split: str | None, labels: Path | None, refused: Sequence[tuple[str, object]]
) -> Imported:
    """Read a file of our own format, which names everything itself."""
    if kind_of(path) != PREDICTIONS:
        raise BadInput(f"{path}: is a file of kofn, but not of predictions; {READS}.")
    for option, given in refused:
        if given:
            raise BadInput(f"{path}: is a predictions file, which names its samples and classes; leave out {option}.")
    p = read_predictions(path, extras=True)
    if labels is not None:
        if p.labels is not None:
            raise BadInput(f"{path}: has labels of its own; leave out --labels.")
        truth, ids = read_list(labels, "labels", LABEL_COLUMNS, ID_COLUMNS)
        truth = truth if ids is None else _by_id(truth, ids, p.sample_ids, str(labels), str(path))
        try:
            p = replace(p, labels=_columns_of(truth, p.class_ids, p.class_names, str(labels)))
        except BadInput as error:
            raise BadInput(f"{labels}: {error}") from error
    return Imported(path, replace(p, member=member or p.member, split=split or p.split), 0)


def _legal_name(path: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-")[:100]
    if not name:
        raise BadInput(f"{path}: its name gives no name for a member; choose one with --member NAME.")
    return name


def _probabilities(values: np.ndarray, are_logits: bool, where: str) -> tuple[np.ndarray, int, np.ndarray | None]:
    """Return probabilities float32 (N, C), how many rows were clipped, and the logits as float32 if these are some."""
    if values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1):
        raise BadInput(
            f"{where}: expected one column per class (N, C), found the shape {values.shape}; for two classes save "
            "both columns, np.stack([1 - p, p], axis=1)."
        )
    if values.ndim != 2 or 0 in values.shape:
        raise BadInput(
            f"{where}: expected one row per sample and one column per class, found the shape {values.shape}."
        )
    if values.dtype.kind != "f" and not (are_logits and values.dtype.kind in "iu"):
        raise BadInput(f"{where}: expected floating point, found {values.dtype}; save the softmax itself.")
    wide = values.astype(np.float64)
    if are_logits:
        if not np.isfinite(wide).all():
            row, column = (int(i) for i in np.argwhere(~np.isfinite(wide))[0])
            raise BadInput(f"{where}: logits must be finite, but row {row} has {wide[row, column]} in column {column}.")
        if wide.min() >= 0 and (np.abs(wide.sum(axis=1) - 1) < 1e-4).all():
            raise BadInput(f"{where}: expected logits, found rows that sum to 1, probabilities; leave out --logits.")
        raw = wide.astype(np.float32)
        return softmax(wide).astype(np.float32), 0, raw if np.isfinite(raw).all() else None
    if values.dtype == np.float16:
        return single_precision(values, where), 0, None
    low, high = wide.min(axis=1), wide.max(axis=1)
    off = ((low < 0) | (high > 1)) & (low >= -ROUNDING) & (high <= 1 + ROUNDING)
    # Rows that are worse are not touched, and refused.
    wide[off] = np.clip(wide[off], 0, 1)
    check_rows(wide, where)
    above = np.flatnonzero((wide > 1 + ROUNDING).any(axis=1))
    if above.size:
        raise BadInput(
            f"{where}: probabilities must not be above 1, but {len(above)} of {len(wide)} rows do not hold, row "
            f"{above[0]} first: {wide[above[0]].max():.8g}; save the softmax itself, or import logits with --logits."
        )
    wide[off] /= wide[off].sum(axis=1, keepdims=True)
    return wide.astype(np.float32), int(off.sum()), None


def _classes(
    path: Path,
    c: int,
    file: Path | None,
    beside: dict[str, np.ndarray],
    study: Classes | None,
    notes: list[str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return ids and names of the columns: from --classes, the file itself, the study, or their numbers."""
    given = _given_classes(path, file, beside, study)
    if given is not None:
        ids, names, where = given
        if len(ids) != c:
            raise BadInput(f"{where}: expected {c} classes, one for each column of {path}, found {len(ids)}.")
        check_ids(list(ids), f"{where}, classes")
    elif study is not None:
        if len(study.ids) != c:
            raise BadInput(
                f"{path}: expected {len(study.ids)} columns, the study's classes, found {c}; name another study."
            )
        if study.ids != _numbered(c):
            notes.append(
                f"its columns were taken for the study's {c} classes in sorted order, {study.ids[0]} to "
                f"{study.ids[-1]}; if they stand in another, name them with --classes"
            )
        return study.ids, study.names
    else:
        ids = names = _numbered(c)
    if study is not None and set(ids) != set(study.ids):
        here, there = sorted(set(ids) - set(study.ids)), sorted(set(study.ids) - set(ids))
        differ = f"{here[0]!r} is not among the study's" if here else f"{there[0]!r} is missing"
        raise BadInput(
            f"{path}: expected the study's {len(study.ids)} classes, found {len(ids)} of which {len(here)} are others: "
            f"{differ}; name the columns as the study does with --classes, or name another study."
        )
    return ids, names


def _numbered(c: int) -> tuple[str, ...]:
    """Return column numbers as ids, padded with zeros so that sorted order is the order of columns."""
    width = max(3, len(str(c - 1)))
    return tuple(f"{i:0{width}d}" for i in range(c))


def _given_classes(
    path: Path, file: Path | None, beside: dict[str, np.ndarray], study: Classes | None
) -> tuple[tuple[str, ...], tuple[str, ...], str] | None:
    """Return ids, names and their source as the user gave them, or None."""
    if file is not None:
        pairs = [line.split("\t", 1) for line in read_lines(file)]
        return tuple(p[0].strip() for p in pairs), tuple(p[-1].strip() or p[0].strip() for p in pairs), str(file)
    names = beside.get("class_names")
    listed = None if names is None else tuple(str(name) for name in as_list(names, f"{path}: class_names"))
    if "class_ids" in beside:
        ids = tuple(str(i) for i in as_list(beside["class_ids"], f"{path}: class_ids"))
        if listed is not None and len(listed) != len(ids):
            raise BadInput(f"{path}: class_names: expected {len(ids)}, as many as class_ids, found {len(listed)}.")
        return ids, listed or ids, f"{path}: class_ids"
    if listed is None:
        return None
    twice = next((name for name, count in Counter(listed).items() if count > 1), None)
    if twice is not None:
        raise BadInput(
            f"{path}: class_names: {twice!r} names several columns; save class_ids too, one of its own for each."
        )
    # Names alone: they are the study's names, or they serve as ids.
    if study is not None and len(set(study.names)) == len(study.names) and set(listed) == set(study.names):
        by_name = dict(zip(study.names, study.ids, strict=True))
        return tuple(by_name[name] for name in listed), listed, f"{path}: class_names"
    return listed, listed, f"{path}: class_names"


def _sample_ids(path: Path, n: int, file: Path | None, beside: dict[str, np.ndarray]) -> np.ndarray | None:
    """Return the ids that were given, str (N,), or None."""
    if file is not None:
        ids, where = read_list(file, "sample ids", ID_COLUMNS, numbers=False)[0].astype(np.str_), str(file)
    elif "sample_ids" in beside:
        ids, where = as_list(beside["sample_ids"], f"{path}: sample_ids").astype(np.str_), f"{path}: sample_ids"
    else:
        return None
    if len(ids) != n:
        raise BadInput(f"{where}: expected {n} ids, one for each row of {path}, found {len(ids)}.")
    return check_ids(ids, where)


def _labels(
    path: Path, file: Path | None, beside: dict[str, np.ndarray]
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return labels as they were given, numbers or text, and the ids beside them; None where there are none."""
    if file is not None:
        return read_list(file, "labels", LABEL_COLUMNS, ID_COLUMNS)
    if "labels" in beside:
        return as_list(beside["labels"], f"{path}: labels"), None
    return None, None


def _by_id(labels: np.ndarray, label_ids: np.ndarray, sample_ids: np.ndarray, where: str, path: str) -> np.ndarray:
    """Return the labels in the order of `sample_ids`, each of which must stand in `label_ids`."""
    position = {str(i): row for row, i in enumerate(check_ids(label_ids, f"{where}, ids"))}
    wanted = [str(i) for i in sample_ids]
    missing = [i for i in wanted if i not in position]
    if missing:
        raise BadInput(
            f"{where}: expected a label for each sample of {path}, found none for {len(missing)}, {missing[0]!r} "
            "first; add them, or check that both name their samples alike."
        )
    return labels[[position[i] for i in wanted]]


def _columns_of(labels: np.ndarray, ids: tuple[str, ...], names: tuple[str, ...], where: str) -> np.ndarray:
    """Return labels as column numbers int64 (N,): numbers as they are, text as class ids or else names."""
    if labels.dtype.kind in "iu":
        return labels.astype(np.int64)
    columns = {i: column for column, i in enumerate(ids)}
    if len(set(names)) == len(names):
        columns = {name: column for column, name in enumerate(names)} | columns
    unknown = np.flatnonzero([str(label) not in columns for label in labels])
    if unknown.size:
        raise BadInput(
            f"{where}: labels must be column numbers or class ids, but {unknown.size} are neither, "
            f"{str(labels[unknown[0]])!r} in row {int(unknown[0])} first; name the classes with --classes."
        )
    return np.array([columns[str(label)] for label in labels], dtype=np.int64)
