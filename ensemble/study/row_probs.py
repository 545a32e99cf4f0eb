"""Probabilities (N, C) of which rows are made as they are asked for: of members in files no array of all is held."""

from collections.abc import Callable, Iterator
from typing import cast

import numpy as np

BLOCK_NUMBERS = 2**20  # samples times classes that are made at once


class RowProbs:
    """Probabilities (N, C) that are asked as an array is: probs[rows], or probs[rows, columns] of as many each.

    make: returns some rows, (rows, C); asked twice, to the same bits. It is told a slice, positions int64, or a mask
    bool (N,). dtype: of what it returns.
    """

    ndim = 2

    def __init__(
        self, shape: tuple[int, int], make: Callable[[slice | np.ndarray], np.ndarray], dtype: type = np.float64
    ) -> None:
        self.shape, self.rows, self.dtype = shape, make, np.dtype(dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice | np.ndarray | tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        if not isinstance(key, tuple):
            return self.rows(key)
        rows, columns = np.broadcast_arrays(*key)
        found, step = np.empty(len(rows)), max(1, BLOCK_NUMBERS // self.shape[1])
        for start in range(0, len(rows), step):
            here = slice(start, start + step)
            found[here] = self.rows(rows[here])[np.arange(len(rows[here])), columns[here]]
        return found


def made_rows(
    shape: tuple[int, int], make: Callable[[slice | np.ndarray], np.ndarray], dtype: type = np.float64
) -> np.ndarray:
    """Return a `RowProbs`, which to all who ask it for rows is an array."""
    return cast(np.ndarray, RowProbs(shape, make, dtype))


def row_blocks(probs: np.ndarray | RowProbs, whole: int = 1) -> Iterator[tuple[slice, np.ndarray]]:
    """Give probabilities (N, C), an array or a `RowProbs`, some rows at a time, in order: which, and an array.

    whole: as many rows at a time as are a multiple of it.
    """
    n, c = probs.shape
    rows = whole * max(1, BLOCK_NUMBERS // (c * whole))
    for start in range(0, n, rows):
        here = slice(start, min(start + rows, n))
        yield here, probs[here]
