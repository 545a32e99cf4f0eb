"""The history of a member, epoch by epoch, as a CSV file that is appended to and survives a kill."""

import csv
import io
import math
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.errors import BadInput, reason_of, storage_error
from ensemble.study.atomic import write_text
from ensemble.study.recalls import EpochRecalls, read_recalls
from ensemble.study.seals import REDO, read_text
from ensemble.study.tabular import Rows, Tabular, html_table


@dataclass(frozen=True)
class Epoch(Tabular):
    """One epoch, counted from 1.

    learning_rate: of the epoch's first update. cross_entropy: natural log, mean over images; loss: with the L2 penalty,
    as Keras prints it, and in train with label smoothing and mixed labels. Those of train are running means over the
    epoch's batches, dropout and augmentation on; those of val and tune are after the epoch. Accuracies are fractions.
    images_per_second counts training images over training seconds; `seconds` is the whole epoch. images_seen: trained
    on since the first epoch, each as often as it was; 0 in histories that do not say. tune: NaN where nothing is held
    out. cpu_seconds: of all threads of the process during the epoch, as the system counts them, which other work on the
    machine lengthens far less than `seconds`; NaN in histories that do not say. val_recall: right answers of images of
    each class on val after the epoch, "45/50 12/50", in the order of the study's class ids; "" where histories lack it.
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
    cpu_seconds: float = math.nan
    val_recall: str = ""


COLUMNS = tuple(field.name for field in fields(Epoch))
RECALL = "val_recall"  # the one column that is no number
CHECK = "crc32"  # the last column: the CRC-32 in hex of all that stands before it in the file


def _line(values: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(["" if value != value else value for value in values])
    return text.getvalue()


def _checked(line: str, crc: int) -> tuple[str, int]:
    """Return a row with its check, and the CRC-32 of all up to its end; crc: of all before it."""
    line = f"{line},"
    end = f"{zlib.crc32(line.encode(), crc):08x}\n"
    return line + end, zlib.crc32((line + end).encode(), crc)


def _text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a history as it stands in a file."""
    text = f"{_line((*columns, CHECK))}\n"
    crc = zlib.crc32(text.encode())
    for row in rows:
        line, crc = _checked(_line(row), crc)
        text += line
    return text


def _rows(path: Path, text: str, upto: int | None = None) -> tuple[list[str], list[list[str]]]:
    """Return heading and rows (`upto` of them at most) without checks; raise `BadInput` where one does not fit."""
    header, rows, crc = [], [], 0
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if upto is not None and len(rows) == upto:
            break
        cells = next(csv.reader([line]), [])
        if number == 1:
            header = cells
        elif header[-1:] == [CHECK]:
            end = line.rfind(",") + 1
            right = f"{zlib.crc32(line[:end].encode(), crc):08x}"
            if len(cells) != len(header) or cells[-1] != right:
                raise BadInput(
                    f"{path}: line {number} does not match its checksum, so it was changed or damaged after it was "
                    f"written; {REDO}."
                )
            rows.append(cells[:-1])
        elif header and header[-1] not in COLUMNS and re.fullmatch("[0-9a-f]{8}", cells[-1] if cells else ""):
            raise BadInput(
                f"{path}: line 1: {header[-1][:40]!r} stands over checksums, so the line was changed or damaged after "
                f"it was written; {REDO}."
            )
        else:
            rows.append(cells)
        crc = zlib.crc32(line.encode(), crc)
    return (header[:-1] if header[-1:] == [CHECK] else header), rows


def read_epochs(path: Path, upto: int) -> list[Epoch]:
    """Read epochs 1 to `upto`; a torn last line beyond them does not matter.

    Returns fewer where the file holds fewer.
    """
    if not path.is_file():
        return []
    found = []
    try:
        header, rows = _rows(path, read_text(path), upto)
        found.extend(_epoch(dict(zip(header, row, strict=True))) for row in rows)
    except (KeyError, TypeError, ValueError, OverflowError, csv.Error) as error:
        raise BadInput(f"{path}: line {len(found) + 2} is not an epoch of a history ({error!r}); {REDO}.") from error
    return found


def _epoch(row: dict[str, str]) -> Epoch:
    values: dict[str, Any] = {}
    for f in fields(Epoch):
        if f.name in row or f.default is MISSING:  # what has a default came later, and older files lack it
            text = row[f.name]
            values[f.name] = math.nan if text == "" and f.type is not str else f.type(text)  # ty: ignore[not-callable]
    return Epoch(**values)


def rewrite_epochs(path: Path, epochs: list[Epoch]) -> None:
    """Write the history anew, whole or not at all."""
    write_text(path, _text(COLUMNS, [astuple(epoch) for epoch in epochs]))


def append_epoch(path: Path, epoch: Epoch) -> None:
    """Add one epoch at the end. Not flushed to disk: the checkpoint decides what counts after a kill."""
    try:
        line, _ = _checked(_line(astuple(epoch)), zlib.crc32(path.read_bytes()))
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(line)
    except OSError as error:
        raise storage_error(path, error) from error


def best_epoch(epochs: list[Epoch]) -> Epoch:
    """Return the epoch of the highest validation accuracy, the first of equals."""
    return max(epochs, key=lambda e: (e.val_accuracy, -e.epoch))


# What every history has; a newer trainer writes further columns (images_seen, tune_cross_entropy, tune_accuracy,
# cpu_seconds, val_recall).
REQUIRED = (
    "epoch", "learning_rate", "train_cross_entropy", "train_loss", "train_accuracy", "val_cross_entropy", "val_loss",
    "val_accuracy", "images_per_second", "seconds",
)  # fmt: skip


# How other programs call what a history holds; what they call a loss is taken for the cross-entropy too.
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "epoch": ("epoch",),
    "learning_rate": ("learning_rate", "lr"),
    "train_cross_entropy": ("train_cross_entropy", "train_loss", "loss"),
    "train_loss": ("train_loss", "loss", "train_cross_entropy"),
    "train_accuracy": ("train_accuracy", "train_acc", "accuracy", "acc", "sparse_categorical_accuracy",
                       "categorical_accuracy"),
    "val_cross_entropy": ("val_cross_entropy", "val_loss"),
    "val_loss": ("val_loss", "val_cross_entropy"),
    "val_accuracy": ("val_accuracy", "val_acc", "val_sparse_categorical_accuracy", "val_categorical_accuracy"),
    "images_per_second": ("images_per_second",),
    "seconds": ("seconds", "epoch_time", "time"),
    "images_seen": ("images_seen",),
}  # fmt: skip
Table = Mapping[str, Sequence[float]] | Sequence[Mapping[str, float]] | Sequence[Epoch]


def history_columns(history: "str | Path | Table", where: str = "history") -> dict[str, np.ndarray]:
    """Return columns float64 (E,) as `History` has them of what one's own training loop kept.

    history: the path of a CSV file with a heading, columns by name (as Keras' `fit(...).history`), or a row an epoch.
    Known are the names of `Epoch` and the usual ones (loss, accuracy, val_loss, val_accuracy, lr); what is missing is
    NaN, and epochs count from 1. Raises `BadInput` where nothing in it is known, or an accuracy is no fraction.
    """
    if isinstance(history, str | Path):
        where = str(history)
        lines = csv.DictReader(io.StringIO(read_text(Path(history))))
        try:
            rows: list[Mapping[str, Any]] = list(lines)
        except csv.Error as error:
            raise BadInput(f"{where}: cannot be read as a training history, {error}.") from error
        named = {str(name).strip().lower(): [row[name] for row in rows] for name in lines.fieldnames or ()}
    elif isinstance(history, Mapping):
        named = {str(name).strip().lower(): list(values) for name, values in history.items()}
    else:
        try:
            rows = [vars(row) if isinstance(row, Epoch) else dict(row) for row in history]
        except (TypeError, ValueError) as error:
            raise BadInput(
                f"{where}: expected columns by name, a row an epoch or the path of a CSV file, found "
                f"{type(history).__name__} ({reason_of(error)})."
            ) from error
        named = {str(name).lower(): [row.get(name) for row in rows] for name in (rows[0] if rows else ())}
    found: dict[str, np.ndarray] = {}
    for name, aliases in _ALIASES.items():
        given = next((alias for alias in aliases if alias in named), None)
        if given is not None:
            try:
                found[name] = np.array([math.nan if v in (None, "") else float(v) for v in named[given]])
            except (TypeError, ValueError) as error:
                raise BadInput(f"{where}: {given}: expected a number for every epoch, {error}; mend it.") from error
    lengths = {len(values) for values in found.values()}
    if not found.keys() - {"epoch"} or lengths == {0} or len(lengths) != 1:
        known = ", ".join(named) or "nothing"
        raise BadInput(
            f"{where}: expected columns of one length such as val_accuracy, val_loss, accuracy, loss, found "
            f"{known[:200]}; name them so."
        )
    count = lengths.pop()
    for name in ("train_accuracy", "val_accuracy"):
        values = found.get(name, np.zeros(0))
        if (values[~np.isnan(values)] > 1).any() or (values < 0).any():
            raise BadInput(f"{where}: {name}: expected fractions of 1, found {np.nanmax(values):g}; divide by 100.")
    epochs = found.get("epoch", np.arange(1.0, count + 1))
    if not (np.isfinite(epochs).all() and (np.diff(epochs) > 0).all()):
        raise BadInput(f"{where}: epoch: expected numbers that increase from row to row.")
    found["epoch"] = epochs + 1 if epochs[0] == 0 else epochs
    missing = np.full(count, math.nan)
    return {name: found.get(name, missing) for name in (*REQUIRED, *(n for n in found if n not in REQUIRED))}


def write_history(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write a history of any columns, those of `REQUIRED` among them, whole or not at all."""
    names, whole = list(columns), ("epoch", "images_seen")
    lists = [np.asarray(column).tolist() for column in columns.values()]
    rows = [
        [int(v) if n in whole and v == v else v for n, v in zip(names, values, strict=True)]
        for values in zip(*lists, strict=True)
    ]
    write_text(path, _text(names, rows))


@dataclass(frozen=True, eq=False)
class History(Rows):
    """What was measured after each of E epochs.

    columns: name -> float64 (E,), at least those of `REQUIRED`. Epochs count from 1; losses are in nats, `*_loss` is
    cross-entropy plus the L2 penalty; accuracies are fractions; NaN where something was not measured.
    recalls: those of each class on val, where the history has them.
    """

    member: str
    columns: Mapping[str, np.ndarray]
    recalls: EpochRecalls | None = None

    def _columns(self) -> dict[str, np.ndarray]:
        return dict(self.columns)

    def __len__(self) -> int:
        return len(self.columns["epoch"])

    def _repr_html_(self) -> str:
        names = [n for n in REQUIRED if n in self.columns]
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
    """Read `members/<name>/history.csv` at `path`; raise `BadInput` naming the file and line where it is not one.

    member: whose it is.
    """
    try:
        if not path.exists():
            raise BadInput(
                f"{path}: is missing, so {member!r} has no training history; members that were imported have none."
            )
        header, rows = _rows(path, read_text(path))
    except csv.Error as error:
        raise BadInput(f"{path}: cannot be read as a training history, {error}.") from error
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise BadInput(
            f"{path}: expected a column {missing[0]!r} in its first line, found {', '.join(header)[:200] or 'none'}."
        )
    if not rows:
        raise BadInput(f"{path}: holds no epoch yet; train {member!r} first.")
    values = np.empty((len(rows), len(header)))
    counted = header.index(RECALL) if RECALL in header else -1
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise BadInput(
                f"{path}: line {number} has {len(row)} values, expected {len(header)}; train {member!r} again."
            )
        for j, cell in enumerate(row):
            if j == counted:
                continue
            try:
                values[number - 2, j] = float(cell) if cell else np.nan
            except ValueError as error:
                raise BadInput(
                    f"{path}: line {number}, {header[j]}: expected a number, found {cell[:40]!r}."
                ) from error
    epochs = values[:, header.index("epoch")]
    if not (np.isfinite(epochs).all() and (np.diff(epochs) > 0).all()):
        raise BadInput(f"{path}: epochs must increase from line to line; train {member!r} again.")
    try:
        recalls = None if counted < 0 else read_recalls([row[counted] for row in rows])
    except ValueError as error:
        raise BadInput(f"{path}: {RECALL}: {error}; {REDO}.") from error
    columns = {name: values[:, j].copy() for j, name in enumerate(header) if j != counted}
    return History(member=member, columns=columns, recalls=recalls)
