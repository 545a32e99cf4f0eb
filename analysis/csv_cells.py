"""Rows of text and numbers as a CSV file in which a spreadsheet finds nothing to run."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from analysis.ensemble import Ensemble, normalised
from ensemble.importing.writers import write_rows
from ensemble.study.atomic import write_text
from ensemble.study.row_probs import made_rows
from ensemble.study.tabular import escaped


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a header and rows as UTF-8, whole or not at all; each cell as `cell` has it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([cell(column) for column in header])
    writer.writerows([cell(value) for value in row] for row in rows)
    write_text(path, text.getvalue())


def cell(value: object) -> str:
    """Return a value as a cell: text made `harmless`, numbers in the fewest digits that read back the same.

    NaN and None are empty; true and false are 1 and 0.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return harmless(str(value))
    if isinstance(value, bool | np.bool_):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else repr(float(value))
    return str(value)


def harmless(text: str) -> str:
    """Return `text`, with an apostrophe in front where a spreadsheet would run it, or where one stands there already.

    Control characters, which would drive a terminal that shows the file, become U+FFFD; line breaks and tabs stay.
    """
    shown = "".join(
        c if c in "\t\r\n" or unicodedata.category(c) != "Cc" else "\N{REPLACEMENT CHARACTER}" for c in text
    )
    return escaped(shown)


ANSWERS = ("id", "predicted", "predicted_name", "confidence")


def write_answers(path: Path, ensemble: Ensemble) -> None:
    """Write what an ensemble predicts for each image as CSV, whole or not at all.

    Columns: `ANSWERS`, then the probability of each class, headed by its id. A text that a spreadsheet would take for
    a formula gets an apostrophe in front. Numbers have nine digits, which read back as the same float32.
    """
    stack = ensemble.stack
    probs = made_rows(ensemble.probs.shape, partial(normalised, ensemble.probs))
    confidence = probs[np.arange(len(ensemble)), ensemble.preds].tolist()
    lead = (
        (harmless(i), harmless(stack.class_ids[y]), harmless(stack.class_names[y]), f"{p:.9g}")
        for i, y, p in zip(stack.sample_ids.tolist(), ensemble.preds.tolist(), confidence, strict=True)
    )
    write_rows(path, [*ANSWERS, *map(harmless, stack.class_ids)], lead, probs)
