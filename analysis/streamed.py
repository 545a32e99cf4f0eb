"""Members on disk as a source of blocks: joined like `analysis.stack.join`, without ever holding all of them."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.stack import Block, Joint, fit, no_labels
from ensemble.errors import storage_error
from ensemble.study.predictions import RowReader, read_rows, reading_rows

PIECE_BYTES = 2**24  # of a file that is read at once while its rows are put in order


@dataclass(frozen=True, eq=False)
class StreamedStack:
    """M members on N shared samples, their probabilities in files.

    A member whose rows stand in another order than the first one's is copied once, in order, to a temporary file
    for as long as blocks are read: 4 N C bytes of disk.
    """

    paths: tuple[Path, ...]
    joint: Joint

    @property
    def members(self) -> tuple[str, ...]:
        """M names, in natural order."""
        return self.joint.members

    @property
    def samples(self) -> int:
        """N, the number of shared samples."""
        return len(self.joint.sample_ids)

    @property
    def sample_ids(self) -> np.ndarray:
        """The shared samples' ids, str (N,)."""
        return self.joint.sample_ids

    @property
    def classes(self) -> int:
        """C, the number of classes."""
        return len(self.joint.class_ids)

    @property
    def split(self) -> str:
        """Of what the predictions are."""
        return self.joint.split

    def require_labels(self) -> np.ndarray:
        """Return the labels int64 (N,); raise `BadInput` where the split has none."""
        if self.joint.labels is None:
            raise no_labels(self.split)
        return self.joint.labels

    def blocks(self, rows: int) -> Iterator[Block]:
        """Give all samples in order, at most `rows` of them at a time; raise `BadInput` for a file that is damaged."""
        with contextlib.ExitStack() as stack:
            readers = [
                stack.enter_context(_in_order(path, own, columns))
                for path, own, columns in zip(self.paths, self.joint.rows, self.joint.columns, strict=True)
            ]
            for start in range(0, self.samples, rows):
                stop = min(start + rows, self.samples)
                probs = np.empty((len(readers), stop - start, self.classes), np.float32)
                for into, read in zip(probs, readers, strict=True):
                    into[:] = read(start, stop)
                yield Block(start, stop, probs, start)


def stream(paths: Sequence[Path], intersect: bool = False) -> StreamedStack:
    """Join the members in these files by sample id and class id; raises `BadInput` as `analysis.stack.join` does."""
    joint = fit([read_rows(path) for path in paths], intersect)
    return StreamedStack(tuple(paths[i] for i in joint.order), joint)


Read = Callable[[int, int], np.ndarray]


@contextlib.contextmanager
def _in_order(path: Path, rows: np.ndarray, columns: np.ndarray) -> Generator[Read]:
    """Give a function (start, stop) -> float32 (stop - start, C) that reads shared samples of one member."""
    sorted_classes = bool((columns == np.arange(len(columns))).all())
    with reading_rows(path) as reader:

        def arranged(probs: np.ndarray) -> np.ndarray:
            return probs if sorted_classes else probs[:, columns]

        if (np.diff(rows) > 0).all():
            yield lambda start, stop: arranged(_increasing(reader, rows[start:stop]))
            return
        with _temporary() as copy:
            width = 4 * len(columns)
            _put_in_order(reader, rows, arranged, copy, width)

            def read(start: int, stop: int) -> np.ndarray:
                data = os.pread(copy, (stop - start) * width, start * width)
                return np.frombuffer(data, np.float32).reshape(stop - start, -1)

            yield read


@contextlib.contextmanager
def _temporary() -> Generator[int]:
    """Give the descriptor of a file without a name, gone when it is closed."""
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
    except OSError as error:
        raise storage_error(tempfile.gettempdir(), error) from error
    with file:
        yield file.fileno()


def _increasing(reader: RowReader, rows: np.ndarray) -> np.ndarray:
    """Read rows that increase: in one piece, or in some where many between them are not wanted."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 == len(rows):
        return reader.read(first, last + 1)
    found = []
    step = max(1, 2 * len(rows))
    for start in range(first, last + 1, step):
        here = rows[(rows >= start) & (rows < start + step)]
        if len(here):
            found.append(reader.read(int(here[0]), int(here[-1]) + 1)[here - here[0]])
    return np.concatenate(found)


def _put_in_order(
    reader: RowReader, rows: np.ndarray, arranged: Callable[[np.ndarray], np.ndarray], copy: int, width: int
) -> None:
    """Read a file from front to back and write the rows that are wanted where they belong."""
    order = np.argsort(rows)
    wanted = rows[order]
    step = max(1, PIECE_BYTES // width)
    for begin in range(0, len(wanted), step):
        here = order[begin : begin + step]
        probs = np.ascontiguousarray(arranged(_increasing(reader, wanted[begin : begin + step])))
        try:
            for target, row in zip(here.tolist(), probs, strict=True):
                os.pwrite(copy, row.data, target * width)
        except OSError as error:
            raise storage_error(tempfile.gettempdir(), error) from error
