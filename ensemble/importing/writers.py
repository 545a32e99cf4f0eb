"""A member's predictions as a file that other programs read, and from which `import_file` makes the same again."""

import csv
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from ensemble.errors import BadInput
from ensemble.importing.layout import lay_out
from ensemble.importing.parquet import require_parquet, write_parquet
from ensemble.importing.tables import Column, Table, column_of, is_row
from ensemble.study.atomic import replacing
from ensemble.study.predictions import Predictions
from ensemble.study.row_probs import RowProbs, row_blocks
from ensemble.study.tabular import escaped, unescaped

# Stands before the classes' headings where one of them could be taken for something else.
PREFIX = "prob:"
GROUP_NUMBERS = 2**22  # of probabilities in a row group of Parquet
FIRST = 1000  # rows by which headings are tried where they are not held


def export_file(path: Path, predictions: Predictions) -> tuple[str, ...]:
    """Write predictions as .npz, .csv or .parquet, by the ending of the name, whole or not at all.

    .npz: probs float32 (N, C), sample_ids, class_ids, class_names, and labels int64 (N,) where they are known, numbers
    of columns, as labels_are says. .csv, .parquet: a row a sample: `id`, `label` (a class id) where they are known, and
    a column a class, headed by its id, or by `prob:` and its id where one could be taken for something else.
    Ids are left out where nobody gave any. In CSV a text that a spreadsheet would take for a formula gets an apostrophe
    in front, and so does one that begins with an apostrophe; numbers have nine digits, which read back as the same
    float32. Reading gives the same predictions again.

    Returns what the format cannot hold of them. Raises `BadInput` as `check_export` does, and where ids could not be
    read back; `StorageError` where the file cannot be written.
    """
    check_export(path)
    lost = []
    if path.suffix.lower() == ".csv" and predictions.class_names != predictions.class_ids:
        lost.append("names of classes (only their ids)")
    if predictions.recipe is not None or predictions.first_layer is not None:
        lost.append("the recipe and the first layer")
    if predictions.parents:
        lost.append("what the ensemble is made of")
    _WRITERS[path.suffix.lower()](path, predictions)
    return tuple(lost)


def check_export(path: Path) -> None:
    """Raise `BadInput` where a name has no known ending, or is a folder, or pyarrow is missing."""
    kind = path.suffix.lower()
    if kind not in _WRITERS:
        raise BadInput(f"{path}: its name must end in {', '.join(_WRITERS)}; for example {path.stem or 'member'}.npz.")
    if path.is_dir():
        raise BadInput(f"{path}: is a folder; name a file in it.")
    if kind == ".parquet":
        require_parquet()


def write_rows(path: Path, header: Sequence[str], lead: Iterable[Sequence[str]], probs: np.ndarray) -> None:
    """Write CSV: a header, and in each row some texts and then probabilities in nine digits, whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        # A row at a time: as text all of them take ten times the room.
        rows = (row for _, block in row_blocks(probs) for row in block)
        writer.writerows([*cells, *(f"{p:.9g}" for p in row.tolist())] for cells, row in zip(lead, rows, strict=True))


def _write_npz(path: Path, p: Predictions) -> None:
    arrays: dict[str, Any] = {"probs": p.probs}
    if p.ids_given:
        arrays["sample_ids"] = p.sample_ids
    arrays["class_ids"] = np.array(p.class_ids, dtype=np.str_)
    arrays["class_names"] = np.array(p.class_names, dtype=np.str_)
    if p.labels is not None:
        arrays |= {"labels": p.labels, "labels_are": np.array("columns")}
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as whole:
        for name, array in arrays.items():
            with whole.open(f"{name}.npy", "w", force_zip64=True) as file:
                _write_npy(file, array)


def _write_npy(file: IO[bytes], array: "np.ndarray | RowProbs") -> None:
    """Write an array as .npy; of probabilities that are made as they are asked for some rows at a time."""
    if isinstance(array, np.ndarray):
        np.lib.format.write_array(file, array, allow_pickle=False)
        return
    kind = np.lib.format.dtype_to_descr(array.dtype)
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": array.shape})
    for _, rows in row_blocks(array):
        file.write(np.ascontiguousarray(rows).data)


def _write_csv(path: Path, p: Predictions) -> None:
    for text in (*p.class_ids, *(p.sample_ids.tolist() if p.ids_given else ())):
        if unescaped(escaped(text).strip()) != text or "\0" in text or "\r" in text:
            raise BadInput(f"{path}: CSV cannot hold {text!r} and give it back the same; export to .npz.")
    lead = _lead(p)
    headings = _headings(path, p, [column_of(name, cells) for name, cells in lead.items()], whole=True)
    cells = zip(*([escaped(cell) for cell in cells] for cells in lead.values()), strict=True)
    rows = cells if lead else ([] for _ in range(len(p)))
    write_rows(path, [*lead, *map(escaped, headings)], rows, p.probs)


def _write_parquet(path: Path, p: Predictions) -> None:
    lead = _lead(p)
    headings = _headings(path, p, [Column(name, None, cells) for name, cells in lead.items()], whole=False)
    columns = {name: np.array(cells, dtype=np.str_) for name, cells in lead.items()}

    def groups() -> Iterator[dict[str, np.ndarray]]:
        for here, rows in row_blocks(p.probs, max(1, GROUP_NUMBERS // p.probs.shape[1])):
            yield {name: cells[here] for name, cells in columns.items()} | {
                name: np.ascontiguousarray(rows[:, i]) for i, name in enumerate(headings)
            }

    write_parquet(path, groups(), {"member": p.member, "split": p.split, "class_names": list(p.class_names)})


def _lead(p: Predictions) -> dict[str, list[str]]:
    """Return the columns before the classes' as text."""
    lead: dict[str, list[str]] = {}
    if p.ids_given:
        lead["id"] = p.sample_ids.tolist()
    if p.labels is not None:
        lead["label"] = np.asarray(p.class_ids)[p.labels].tolist()
    return lead


def _headings(path: Path, p: Predictions, lead: Sequence[Column], *, whole: bool) -> tuple[str, ...]:
    """Return headings from which the classes are read back: their ids, or these behind `PREFIX`.

    whole: numbers such as 0 and 1 are written as whole ones.
    """
    rows, flat = _telling(p.probs)
    probs = p.probs[rows]
    lead = [_some(column, rows) for column in lead]
    for headings in (p.class_ids, tuple(f"{PREFIX}{i}" for i in p.class_ids)):
        if whole and is_row((*(c.heading for c in lead), *headings), None):
            continue
        classes = []
        for i, heading in enumerate(headings):
            values = probs[:, i].astype(np.float64)
            classes.append(Column(heading, values, ["0"] * len(rows) if flat[i] else None, whole and bool(flat[i])))
        try:
            found = lay_out(Table(path, (*lead, *classes), len(rows)), logits=False, votes=False, wanted=None)
        except BadInput:
            continue
        named = {c.heading for c in (found.ids, found.labels) if c is not None}
        if (
            found.namings[:1] == [p.class_ids]
            and len(found.classes) == len(classes)
            and named == {c.heading for c in lead}
        ):
            return headings
    raise BadInput(f"{path}: ids such as {p.sample_ids[0]!r} would not be read back from a table; export to .npz.")


def _telling(probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows that tell as much of the columns as all do, int64, and which columns are of 0 and 1, bool (C,).

    They are all rows of an array; else the first ones, and of each column the first with another number.
    """
    n, c = probs.shape
    other = np.full(c, n)
    for here, rows in row_blocks(probs):
        found = (rows != 0) & (rows != 1)
        other = np.where((other == n) & found.any(axis=0), here.start + found.argmax(axis=0), other)
    flat = other == n
    if isinstance(probs, np.ndarray):
        return np.arange(n), flat
    return np.union1d(np.arange(min(n, FIRST)), other[~flat]), flat


def _some(column: Column, rows: np.ndarray) -> Column:
    texts = None if column.texts is None else [column.texts[i] for i in rows]
    return replace(column, numbers=None if column.numbers is None else column.numbers[rows], texts=texts)


_WRITERS: dict[str, Callable[[Path, Predictions], None]] = {
    ".npz": _write_npz,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}
