"""A member's predictions as a file that other programs read, and from which `import_file` makes the same again."""

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.errors import BadInput
from ensemble.importing.layout import lay_out
from ensemble.importing.parquet import require_parquet, write_parquet
from ensemble.importing.tables import Column, Table, column_of, is_row
from ensemble.study.atomic import replacing
from ensemble.study.predictions import Predictions
from ensemble.study.tabular import escaped, unescaped

# Stands before the classes' headings where one of them could be taken for something else.
PREFIX = "prob:"


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
        writer.writerows([*cells, *(f"{p:.9g}" for p in row.tolist())] for cells, row in zip(lead, probs, strict=True))


def _write_npz(path: Path, p: Predictions) -> None:
    arrays: dict[str, Any] = {"probs": p.probs}
    if p.ids_given:
        arrays["sample_ids"] = p.sample_ids
    arrays["class_ids"] = np.array(p.class_ids, dtype=np.str_)
    arrays["class_names"] = np.array(p.class_names, dtype=np.str_)
    if p.labels is not None:
        arrays |= {"labels": p.labels, "labels_are": np.array("columns")}
    # Through a handle: given a name, numpy would add .npz to that of the temporary file.
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


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
    columns |= {name: np.ascontiguousarray(p.probs[:, i]) for i, name in enumerate(headings)}
    write_parquet(path, [columns], {"member": p.member, "split": p.split, "class_names": list(p.class_names)})


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
    flat = ((p.probs == 0) | (p.probs == 1)).all(axis=0)
    for headings in (p.class_ids, tuple(f"{PREFIX}{i}" for i in p.class_ids)):
        if whole and is_row((*(c.heading for c in lead), *headings), None):
            continue
        classes = []
        for i, heading in enumerate(headings):
            values = p.probs[:, i].astype(np.float64)
            classes.append(Column(heading, values, ["0"] * len(p) if flat[i] else None, whole and bool(flat[i])))
        try:
            found = lay_out(Table(path, (*lead, *classes), len(p)), logits=False, votes=False, wanted=None)
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


_WRITERS: dict[str, Callable[[Path, Predictions], None]] = {
    ".npz": _write_npz,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}
