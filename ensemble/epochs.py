"""The history of a member, epoch by epoch, as a CSV file that is appended to and survives a kill."""

import csv
import io
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from ensemble.errors import BadInput, storage_error
from ensemble.files import write_text


@dataclass(frozen=True)
class Epoch:
    """One epoch, counted from 1.

    cross_entropy: natural log, mean over images; loss: with the L2 penalty, as Keras prints it. Those of train are
    running means over the epoch's batches, dropout and augmentation on; those of val are after the epoch. Accuracies
    are fractions. images_per_second counts training images over training seconds; `seconds` is the whole epoch.
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


COLUMNS = tuple(field.name for field in fields(Epoch))


def _line(values: tuple) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
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
                found.append(Epoch(**{f.name: f.type(row[f.name]) for f in fields(Epoch)}))  # ty: ignore[not-callable]
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise BadInput(
            f"{path}: line {len(found) + 2} is no epoch of a history ({error!r}); restore the file from a copy, "
            "or start the member over with --force."
        ) from error
    return found


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
