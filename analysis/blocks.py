"""Members' probabilities in blocks of samples, wherever they lie: what the engine reads, once or a few times."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ensemble.errors import BadInput
from ensemble.predictions import HALF_TOLERANCE, SUM_TOLERANCE, check_labels, check_rows, natural_key


@dataclass(frozen=True, eq=False)
class Block:
    """Samples start..stop-1; their rows are probs[:, start - offset : stop - offset].

    probs: floating point (M, rows, C), contiguous in memory; it may hold more rows than the block.
    """

    start: int
    stop: int
    probs: np.ndarray
    offset: int


class BlockSource(Protocol):
    """Members joined on N shared samples: a `PredictionStack` in memory, arrays, or files on disk."""

    @property
    def members(self) -> tuple[str, ...]:
        """M names, in natural order."""
        ...

    @property
    def samples(self) -> int:
        """N, the number of samples."""
        ...

    @property
    def classes(self) -> int:
        """C, the number of classes."""
        ...

    @property
    def split(self) -> str:
        """Of what the predictions are."""
        ...

    def require_labels(self) -> np.ndarray:
        """Return the labels int64 (N,); raise `BadInput` where there are none."""
        ...

    def blocks(self, rows: int) -> Iterator[Block]:
        """Give all samples in order, at most `rows` of them at a time; can be called again."""
        ...


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Arrays handed over as they are.

    probs: (M, N, C) of float16, float32 or float64; rows finite, >= 0, summing to 1 within 1e-4 (of float16, 2e-2).
    labels: whole numbers (N,), columns of `probs`. members: M names; m-0, m-1, ... where none are given.
    Raises `BadInput` where shapes, numbers or names do not fit.
    """

    probs: np.ndarray
    labels: np.ndarray
    members: tuple[str, ...] = ()
    split: str = "val"

    def __post_init__(self) -> None:
        probs = np.ascontiguousarray(self.probs)
        if probs.ndim != 3 or probs.dtype not in (np.float16, np.float32, np.float64):
            raise BadInput(f"expected probabilities (M, N, C) in floating point, found {probs.dtype} {probs.shape}.")
        m, n, c = probs.shape
        if min(m, n) < 1 or c < 2:
            raise BadInput(f"expected at least 1 member, 1 sample and 2 classes, found {m}, {n} and {c}.")
        members = tuple(str(name) for name in self.members) or tuple(f"m-{i}" for i in range(m))
        if len(members) != m or list(members) != sorted(set(members), key=natural_key):
            raise BadInput(f"expected {m} different member names in natural order, found {', '.join(members)}.")
        for name, rows in zip(members, probs, strict=True):
            check_rows(
                rows,
                f"probabilities of {name!r}",
                tolerance=HALF_TOLERANCE if probs.dtype == np.float16 else SUM_TOLERANCE,
            )
        object.__setattr__(self, "probs", probs)
        object.__setattr__(self, "members", members)
        object.__setattr__(self, "labels", check_labels(self.labels, n, c, "labels"))

    @property
    def samples(self) -> int:
        """N, the number of samples."""
        return self.probs.shape[1]

    @property
    def classes(self) -> int:
        """C, the number of classes."""
        return self.probs.shape[2]

    def require_labels(self) -> np.ndarray:
        """Return the labels int64 (N,)."""
        return self.labels

    def blocks(self, rows: int) -> Iterator[Block]:
        """Give all samples in order, at most `rows` of them at a time."""
        return whole_blocks(self.probs, rows)


def whole_blocks(probs: np.ndarray, rows: int) -> Iterator[Block]:
    """Cut an array (M, N, C) in memory into blocks, without a copy."""
    samples = probs.shape[1]
    for start in range(0, samples, rows):
        yield Block(start, min(start + rows, samples), probs, 0)


def chosen_rows(rows: np.ndarray | Sequence[int] | None, samples: int) -> np.ndarray:
    """Return the positions of some samples, int64, of a mask (N,), of positions, or of None: all.

    A sample named twice counts twice. Raises `BadInput` where a position lies outside 0..N-1.
    """
    if rows is None:
        return np.arange(samples)
    array = np.asarray(rows) if len(rows) else np.empty(0, np.int64)
    if array.dtype == np.bool_ and array.shape == (samples,):
        return np.flatnonzero(array)
    if (
        array.ndim != 1
        or array.dtype.kind not in "iu"
        or (array.size and not 0 <= array.min() <= array.max() < samples)
    ):
        raise BadInput(f"rows: expected a mask of {samples} or positions in 0..{samples - 1}, found {array!r:.100}.")
    return array.astype(np.int64)
