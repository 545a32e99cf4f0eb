"""Files of predictions that other programs wrote: the (N, C) array in them, and what names its rows and columns."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ensemble.errors import BadInput
from ensemble.importing.arrays import NO_PICKLE, check_file, csv_rows, read_npy, read_npz
from ensemble.importing.parquet import read_parquet
from ensemble.study.hdf5 import read_arrays

HDF5 = (".h5", ".hdf5")
READS = (
    "read are .npz and .h5 with 'probs', 'pred_probs' or 'logits', .npy of shape (N, C), .csv and .parquet with a "
    "column a class, and predictions files of kofn (.h5)"
)
LABEL_COLUMNS = ("label", "labels", "target", "targets", "y_true")
ID_COLUMNS = ("id", "sample_id", "sample_ids", "ids", "image", "image_id", "filename", "file_name")
_PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin")
_PROBS = ("probs", "pred_probs")
_BESIDE = ("labels", "targets", "sample_ids", "class_ids", "class_names")


def read_foreign(path: Path, logits: bool) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the array of a file, and by name what stands beside it.

    The array is (N, C) where the file is good, which is not checked here. Beside it may stand labels, sample_ids,
    class_ids and class_names, and the array itself once more as "logits" where it holds some. logits: it does, whatever
    the file says. Raises `BadInput` for a file that cannot be read or holds no such array; nothing is unpickled.
    """
    kind = path.suffix.lower()
    if kind in _PICKLES:
        raise BadInput(f"{path}: expected arrays, found {kind}; {NO_PICKLE}.")
    if kind == ".npy":
        return _either(path, {"probs": read_npy(path)}, ["probs"], logits)
    if kind == ".npz":
        return _either(path, *read_npz(path, (*_PROBS, "logits", *_BESIDE)), logits)
    if kind in HDF5:
        return _either(path, *read_arrays(path, (*_PROBS, "logits", *_BESIDE)), logits)
    if kind == ".csv":
        return _either(path, *_columns(path, *_read_csv(path)), logits)
    if kind == ".parquet":
        return _either(path, *_columns(path, *read_parquet(path)), logits)
    check_file(path)
    raise BadInput(f"{path}: {kind or 'a file without ending'} cannot be imported; {READS}.")


def _either(
    path: Path, found: dict[str, np.ndarray], names: Sequence[str], logits: bool
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Choose the array; names: of all that the file has."""
    order = ("logits", *_PROBS) if logits else (*_PROBS, "logits")
    chosen = next((name for name in order if name in found), None)
    if chosen is None:
        raise BadInput(
            f"{path}: expected an array 'probs', 'pred_probs' or 'logits', found {', '.join(names[:10]) or 'none'}; "
            "save it with np.savez(FILE, probs=...)."
        )
    beside = {name: array for name, array in found.items() if name not in order}
    if "targets" in beside:
        beside.setdefault("labels", beside.pop("targets"))
    if logits or chosen == "logits":
        beside["logits"] = found[chosen]
    return found[chosen], beside


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return a table's heading, and its columns as text."""
    rows = csv_rows(path)
    if len(rows) < 2:
        raise BadInput(f"{path}: expected a heading and a row a sample, found {len(rows)} lines; check the file.")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(rows[0]):
            raise BadInput(f"{path}: row {number}: expected {len(rows[0])} cells, found {len(row)}; mend the row.")
    return [cell.strip() for cell in rows[0]], [list(column) for column in zip(*rows[1:], strict=True)]


def _columns(
    path: Path, heading: Sequence[str], columns: Sequence[Sequence[object]]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return a table's columns as arrays: ids and labels by their headings, every other a class called by its own."""
    lower = [name.lower() for name in heading]
    ids = next((lower.index(name) for name in ID_COLUMNS if name in lower), None)
    labels = next((lower.index(name) for name in LABEL_COLUMNS if name in lower), None)
    classes = [i for i in range(len(heading)) if i not in (ids, labels)]
    values = np.empty((len(columns[0]) if columns else 0, len(classes)))
    for place, i in enumerate(classes):
        try:
            values[:, place] = np.array(columns[i], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise BadInput(
                f"{path}: column {heading[i]!r}: expected a number in every row, since each column but "
                f"{ID_COLUMNS[0]!r} and {LABEL_COLUMNS[0]!r} is a class, found {error}; drop the column, or mend it."
            ) from error
    # Names alone: a study takes them for its classes' names, or for their ids.
    found = {"probs": values, "class_names": np.array([heading[i] for i in classes], dtype=np.str_)}
    if ids is not None:
        found["sample_ids"] = np.array([str(cell).strip() for cell in columns[ids]], dtype=np.str_)
    if labels is not None:
        found["labels"] = _labels(columns[labels], found["class_names"])
    return found, list(heading)


def _labels(column: Sequence[object], names: np.ndarray) -> np.ndarray:
    """Return labels as class names where all of them are, else as column numbers where all can be, else as text."""
    texts = np.array([str(cell).strip() for cell in column], dtype=np.str_)
    if set(texts.tolist()) <= set(names.tolist()):
        return texts
    try:
        return texts.astype(np.int64)
    except (ValueError, OverflowError):
        return texts
