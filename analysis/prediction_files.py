"""Predictions as files for other programs: what is predicted for new images, and a member's probabilities."""

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.csv_cells import harmless
from analysis.ensemble import Ensemble
from ensemble.errors import BadInput
from ensemble.importing.parquet import require_parquet, write_parquet
from ensemble.study.atomic import replacing
from ensemble.study.predictions import Predictions

ANSWERS = ("id", "predicted", "predicted_name", "confidence")


def write_answers(path: Path, ensemble: Ensemble) -> None:
    """Write what an ensemble predicts for each image as CSV, whole or not at all.

    Columns: `ANSWERS`, then the probability of each class, headed by its id. A text that a spreadsheet would take for
    a formula gets an apostrophe in front. Numbers have nine digits, which read back as the same float32.
    """
    stack = ensemble.stack
    probs = ensemble.probs / ensemble.probs.sum(axis=1, keepdims=True)
    confidence = np.take_along_axis(probs, ensemble.preds[:, None], axis=1)[:, 0].tolist()
    lead = (
        (harmless(i), harmless(stack.class_ids[y]), harmless(stack.class_names[y]), f"{p:.9g}")
        for i, y, p in zip(stack.sample_ids.tolist(), ensemble.preds.tolist(), confidence, strict=True)
    )
    _write_rows(path, [*ANSWERS, *map(harmless, stack.class_ids)], lead, probs)


def export(path: Path, predictions: Predictions) -> None:
    """Write predictions as .npz, .csv or .parquet, by the ending of the name, whole or not at all.

    .npz: probs float32 (N, C), sample_ids, class_ids, class_names, and labels int64 (N,) where they are known.
    .csv, .parquet: a row a sample: `id`, `label` (a class id) where they are known, and a column a class, headed by its
    id. `ens-import` reads all three. In CSV a text that a spreadsheet would take for a formula gets an apostrophe in
    front. Raises `BadInput` as `check_export` does, `StorageError` where the file cannot be written.
    """
    check_export(path, predictions.class_ids)
    _WRITERS[path.suffix.lower()](path, predictions)


def check_export(path: Path, class_ids: Sequence[str] = ()) -> None:
    """Raise `BadInput` where a name has no known ending, is a folder, or cannot hold these classes."""
    kind = path.suffix.lower()
    if kind not in _WRITERS:
        raise BadInput(f"{path}: its name must end in {', '.join(_WRITERS)}; for example {path.stem or 'member'}.npz.")
    if path.is_dir():
        raise BadInput(f"{path}: is a folder; name a file in it.")
    if kind == ".parquet":
        require_parquet()
    if kind != ".npz" and (taken := [c for c in class_ids if c.lower() in ("id", "label")]):
        raise BadInput(f"{path}: a class is called {taken[0]!r}, as a column of its own is; export to .npz.")


def _write_npz(path: Path, p: Predictions) -> None:
    arrays: dict[str, Any] = {
        "probs": p.probs,
        "sample_ids": p.sample_ids,
        "class_ids": np.array(p.class_ids, dtype=np.str_),
        "class_names": np.array(p.class_names, dtype=np.str_),
    }
    if p.labels is not None:
        arrays["labels"] = p.labels
    # Through a handle: given a name, numpy would add .npz to that of the temporary file.
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def _write_csv(path: Path, p: Predictions) -> None:
    columns = [p.sample_ids.tolist()] + ([] if p.labels is None else [_label_ids(p).tolist()])
    lead = ([harmless(cell) for cell in cells] for cells in zip(*columns, strict=True))
    heads = ["id"] + ([] if p.labels is None else ["label"])
    _write_rows(path, [*heads, *map(harmless, p.class_ids)], lead, p.probs)


def _write_parquet(path: Path, p: Predictions) -> None:
    columns: dict[str, np.ndarray] = {"id": p.sample_ids}
    if p.labels is not None:
        columns["label"] = _label_ids(p)
    columns |= {c: np.ascontiguousarray(p.probs[:, i]) for i, c in enumerate(p.class_ids)}
    write_parquet(path, [columns], {"member": p.member, "split": p.split})


def _label_ids(p: Predictions) -> np.ndarray:
    return np.asarray(p.class_ids)[p.labels]


def _write_rows(path: Path, header: Sequence[str], lead: Iterable[Sequence[str]], probs: np.ndarray) -> None:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        # A row at a time: as text all of them take ten times the room.
        writer.writerows([*cells, *(f"{p:.9g}" for p in row.tolist())] for cells, row in zip(lead, probs, strict=True))


_WRITERS: dict[str, Callable[[Path, Predictions], None]] = {
    ".npz": _write_npz,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}
