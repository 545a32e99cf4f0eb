"""The history of a member, epoch by epoch, as a CSV file that is appended to and survives a kill."""

import csv
import io
import math
from dataclasses import MISSING, astuple, dataclass, fields
from pathlib import Path
from typing import Any

from ensemble.errors import BadInput, storage_error
from ensemble.files import write_text


@dataclass(frozen=True)
class Epoch:
    """One epoch, counted from 1.

    learning_rate: of the epoch's first update. cross_entropy: natural log, mean over images; loss: with the L2 penalty,
    as Keras prints it, and in train with label smoothing and mixed labels. Those of train are running means over the
    epoch's batches, dropout and augmentation on; those of val and tune are after the epoch. Accuracies are fractions.
    images_per_second counts training images over training seconds; `seconds` is the whole epoch. images_seen: trained
    on since the first epoch, each as often as it was; 0 in histories that do not say. tune: NaN where nothing is held
    out.
    """

    epoch: int
    learning_rate: float
    train_cross_entropy: float
    train_loss: float
    train_accuracy: float
    val_cross_entropy: float
    val_loss: float
    val_accuracy: float
    images_per_second: float
    seconds: float
    images_seen: int = 0
    tune_cross_entropy: float = math.nan
    tune_accuracy: float = math.nan


COLUMNS = tuple(field.name for field in fields(Epoch))


def _line(values: tuple) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(["" if value != value else value for value in values])
    return text.getvalue()


def read_epochs(path: Path, upto: int) -> list[Epoch]:
    """Read epochs 1 to `upto`; a torn last line beyond them does not matter.

    Returns fewer where the file holds fewer.
    """
    if not path.is_file():
        return []
    found = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if len(found) == upto:
                    break
                found.append(_epoch(row))
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise BadInput(
            f"{path}: line {len(found) + 2} is no epoch of a history ({error!r}); restore the file from a copy, "
            "or start the member over with --force."
        ) from error
    return found


def _epoch(row: dict[str, str]) -> Epoch:
    values: dict[str, Any] = {}
    for f in fields(Epoch):
        if f.name in row or f.default is MISSING:  # what has a default came later, and older files lack it
            values[f.name] = math.nan if row[f.name] == "" else f.type(row[f.name])  # ty: ignore[not-callable]
    return Epoch(**values)


def rewrite_epochs(path: Path, epochs: list[Epoch]) -> None:
    """Write the history anew, whole or not at all."""
    write_text(path, _line(COLUMNS) + "".join(_line(astuple(epoch)) for epoch in epochs))


def append_epoch(path: Path, epoch: Epoch) -> None:
    """Add one epoch at the end. Not flushed to disk: the checkpoint decides what counts after a kill."""
    try:
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(_line(astuple(epoch)))
    except OSError as error:
        raise storage_error(path, error) from error


def best_epoch(epochs: list[Epoch]) -> Epoch:
    """Return the epoch of the highest validation accuracy, the first of equals."""
    return max(epochs, key=lambda e: (e.val_accuracy, -e.epoch))
