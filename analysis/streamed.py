"""Members on disk, joined as `analysis.stack.join` does it without ever holding all of them: read as they are asked."""

import tempfile
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from analysis.stack import Block, PredictionStack, fit, join, stack_of
from ensemble.errors import storage_error
from ensemble.machine import cores, run_all
from ensemble.study.atomic import file_stamp
from ensemble.study.hdf5 import PlainRows
from ensemble.study.predictions import Predictions, RowReader, Rows, reading_rows
from ensemble.study.row_probs import RowProbs

PIECE_BYTES = 2**25  # of all members' probabilities that are read at once


@dataclass(frozen=True, eq=False)
class _Member:
    """A member's rows of the shared samples, int64 (N,), and its columns of the sorted classes, None as they stand."""

    reader: RowReader | np.ndarray
    rows: np.ndarray
    columns: np.ndarray | None

    def read(self, at: slice | np.ndarray) -> np.ndarray:
        """Return the probabilities of some shared samples, float32 (len, C)."""
        at = self.rows[at]
        found = self.reader.take(at) if isinstance(self.reader, RowReader) else self.reader[at]
        return found if self.columns is None else found[:, self.columns]


class StoredProbs:
    """The probabilities of M members for N samples and C classes, float32 (M, N, C), most of them in files.

    It is asked as such an array is, `probs[member, rows]` or `probs[:, rows]`, and gives arrays. Members alone,
    `probs[[0, 2]]`, give another value of this kind. Files stay open, and changes to one are noticed.
    """

    dtype, ndim = np.dtype(np.float32), 3

    def __init__(self, members: Sequence[_Member], classes: int) -> None:
        self._members = tuple(members)
        self.shape = (len(self._members), len(self._members[0].rows), classes)

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i, :] for i in range(len(self)))

    def __getitem__(self, key: tuple) -> np.ndarray:
        """Return the probabilities of a member (rows, C), or of some (M', rows, C): key (members, rows)."""
        which, rows = key
        if isinstance(which, int | np.integer):
            return self._members[which].read(rows)
        chosen = [self._members[i] for i in np.arange(len(self))[which]]
        count = len(np.arange(self.shape[1])[rows]) if isinstance(rows, slice) else len(rows)
        found = np.empty((len(chosen), count, self.shape[2]), np.float32)

        def task(i: int) -> None:
            found[i] = chosen[i].read(rows)

        run_all((partial(task, i) for i in range(len(chosen))), cores() if found.nbytes > 2**22 else 1)
        return found

    def of_members(self, indices: Sequence[int]) -> "StoredProbs":
        """Return those of some members."""
        return StoredProbs([self._members[i] for i in indices], self.shape[2])

    def of_samples(self, rows: np.ndarray) -> "StoredProbs":
        """Return those of some samples, int64 (n,), in that order."""
        return StoredProbs([_Member(m.reader, m.rows[rows], m.columns) for m in self._members], self.shape[2])

    def blocks(self, rows: int) -> Iterator[Block]:
        """Give all samples in order, at most `rows` at a time; files are read some 32 MiB at a time."""
        m, n, c = self.shape
        step = rows * max(1, PIECE_BYTES // (4 * m * c * rows))
        for begin in range(0, n, step):
            piece = self[:, begin : begin + step]
            for start in range(begin, begin + piece.shape[1], rows):
                yield Block(start, min(start + rows, begin + piece.shape[1]), piece, begin)


Opened = tuple[Predictions | Rows, np.ndarray | RowReader]


def stream(paths: Sequence[Path], intersect: bool = False) -> PredictionStack:
    """Join the members in these files by sample id and class id, as `analysis.stack.join` does; see `open_files`."""
    return join_opened(open_files(paths), intersect)


def open_files(paths: Sequence[Path], small: bool = False) -> list[Opened]:
    """Read all of predictions files but the probabilities, and open these.

    A file that is packed, or not of float32, is read into memory where it is `small`, else copied to a temporary one,
    4 N C bytes. Members of the same samples share one array of ids. Raises `BadInput` for what is damaged.
    """
    opened: list[tuple[Rows, np.ndarray | RowReader] | None] = [None] * len(paths)

    def task(i: int) -> None:
        stamp = file_stamp(paths[i]) if paths[i].exists() else None
        rows, probs = _open(paths[i], small)
        opened[i] = replace(rows, stamp=stamp), probs

    # Most of opening a file is its checksum, which holds no lock.
    run_all((partial(task, i) for i in range(len(paths))), cores())
    found = [pair for pair in opened if pair is not None]
    return [(_sharing(rows, found[0][0]), reader) for rows, reader in found]


def _sharing(rows: Rows, first: Rows) -> Rows:
    """Return the rows with the sample ids of others, where they are the same ones."""
    return replace(rows, sample_ids=first.sample_ids) if np.array_equal(rows.sample_ids, first.sample_ids) else rows


def join_opened(opened: Sequence[Opened], intersect: bool = False) -> PredictionStack:
    """Join members whose probabilities are in files, or at hand; raises `BadInput` as `analysis.stack.join` does."""
    joint = fit([rows for rows, _ in opened], intersect)
    every = np.arange(len(joint.class_ids))
    members = [
        _Member(opened[nth][1], rows, None if np.array_equal(columns, every) else columns)
        for nth, rows, columns in zip(joint.order, joint.rows, joint.columns, strict=True)
    ]
    return stack_of(joint, StoredProbs(members, len(every)))


def join_some(predictions: Sequence[Predictions], intersect: bool = False) -> PredictionStack:
    """Join predictions as `analysis.stack.join` does; where some stay in their files, so do the stack's."""
    if any(isinstance(p.probs, RowProbs) for p in predictions):
        return join_opened([(p, p.probs) for p in predictions], intersect)
    return join(predictions, intersect)


def _open(path: Path, small: bool) -> tuple[Rows, np.ndarray | RowReader]:
    with reading_rows(path) as (rows, reader):
        if reader.stays_open:
            return rows, reader
        return rows, reader.read(0, len(reader)) if small else _copied(path, reader)


def _copied(path: Path, reader: RowReader) -> RowReader:
    """Return a reader of a temporary file without a name that holds the rows as they are, gone with the reader."""
    count, columns = len(reader), reader.columns
    step = max(1, PIECE_BYTES // (4 * columns))
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with what reads it
        weakref.finalize(reader, file.close)
        for start in range(0, count, step):
            file.write(np.ascontiguousarray(reader.read(start, min(start + step, count)), "<f4").data)
        file.flush()
    except OSError as error:
        raise storage_error(tempfile.gettempdir(), error) from error
    reader.read_from(PlainRows(path, file.fileno(), np.zeros(1, np.int64), count, columns))
    return reader
