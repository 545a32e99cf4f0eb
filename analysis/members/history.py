"""A member's training history, epoch by epoch, as its trainer wrote it."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.notebook import html_table
from ensemble.errors import BadInput

# What every history has; a newer trainer writes further columns (images_seen, tune_cross_entropy, tune_accuracy).
COLUMNS = (
    "epoch", "learning_rate", "train_cross_entropy", "train_loss", "train_accuracy", "val_cross_entropy", "val_loss",
    "val_accuracy", "images_per_second", "seconds",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class History:
    """What was measured after each of E epochs.

    columns: name -> float64 (E,), at least those of `COLUMNS`. Epochs count from 1; losses are in nats, `*_loss` is
    cross-entropy plus the L2 penalty; accuracies are fractions; NaN where something was not measured.
    """

    member: str
    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.columns["epoch"])

    def _repr_html_(self) -> str:
        names = [n for n in COLUMNS if n in self.columns]
        rows = [tuple(f"{self.columns[n][i]:.4g}" for n in names) for i in range(len(self))]
        return html_table(f"Training of {self.member}", names, rows)

    def last(self) -> tuple[int, float]:
        """Return the last epoch and its validation accuracy, NaN where it was not measured."""
        return self._at(len(self) - 1)

    def best(self) -> tuple[int, float]:
        """Return the epoch of highest validation accuracy, the first of equal ones, and that accuracy.

        Choosing the epoch on the split that is then reported flatters: show `last` beside it.
        """
        accuracy = self.columns["val_accuracy"]
        measured = ~np.isnan(accuracy)
        return self._at(int(np.argmax(np.where(measured, accuracy, -np.inf))))

    def images(self, train: int | None = None) -> np.ndarray | None:
        """Return how many images were seen by the end of each epoch, float64 (E,); None where that is not known.

        train: how many images an epoch held, for histories that do not say (no column images_seen, or zeros in it).
        """
        seen = self.columns.get("images_seen")
        if seen is not None and (seen > 0).all():
            return seen
        return None if train is None else self.columns["epoch"] * float(train)

    def falls(self) -> np.ndarray | None:
        """Return the rows that began at a lower learning rate than the row before, int64 (D,): the schedule's steps.

        None where the rate falls in more than half of all epochs: then it has no steps that one could mark.
        """
        rate = self.columns["learning_rate"]
        lower = np.flatnonzero(np.diff(rate) < -1e-9 * rate[:-1]) + 1
        return None if 2 * len(lower) > len(rate) - 1 else lower

    def _at(self, row: int) -> tuple[int, float]:
        return int(self.columns["epoch"][row]), float(self.columns["val_accuracy"][row])


def has_epochs(path: Path) -> bool:
    """Say whether a history is there and has more than its first line: one that has just begun is no defect."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return len(file.read(4096).splitlines()) != 1


def read_history(path: Path, member: str) -> History:
    """Read `members/<name>/history.csv`; raise `BadInput` naming the file and line where it is not one."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError as error:
        raise BadInput(
            f"{path}: is missing, so {member!r} has no training history; members that were imported have none."
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: cannot be read as a training history, {error}.") from error
    header = rows[0] if rows else []
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise BadInput(
            f"{path}: expected a column {missing[0]!r} in its first line, found {', '.join(header)[:200] or 'none'}."
        )
    if len(rows) < 2:
        raise BadInput(f"{path}: holds no epoch yet; train {member!r} first.")
    values = np.empty((len(rows) - 1, len(header)))
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise BadInput(
                f"{path}: line {number} has {len(row)} values, expected {len(header)}; train {member!r} again."
            )
        for j, cell in enumerate(row):
            try:
                values[number - 2, j] = float(cell) if cell else np.nan
            except ValueError as error:
                raise BadInput(
                    f"{path}: line {number}, {header[j]}: expected a number, found {cell[:40]!r}."
                ) from error
    epochs = values[:, header.index("epoch")]
    if not (np.isfinite(epochs).all() and (np.diff(epochs) > 0).all()):
        raise BadInput(f"{path}: epochs must increase from line to line; train {member!r} again.")
    return History(member=member, columns={name: values[:, j].copy() for j, name in enumerate(header)})
