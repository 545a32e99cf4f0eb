"""Probabilities (N, C) of which rows are made as they are asked for: of members in files no array of all is held."""

from collections.abc import Iterator

import numpy as np

BLOCK_NUMBERS = 2**20  # samples times classes that are made at once


class RowProbs:
    """Probabilities float64 (N, C) that are asked as an array is: probs[rows], or probs[rows, columns] of as many each.

    A kind of them says in `rows` how its rows are made. Made twice, a row has the same bits.
    """

    dtype, ndim = np.dtype(np.float64), 2

    def __init__(self, samples: int, classes: int) -> None:
        self.shape = (samples, classes)

    def rows(self, which: slice | np.ndarray) -> np.ndarray:
        """Return some rows, float64 (rows, C); which: a slice, positions int64, or a mask bool (N,)."""
        raise NotImplementedError

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


def row_blocks(probs: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Give probabilities (N, C), an array or a `RowProbs`, some rows at a time, in order: which, and an array."""
    n, c = probs.shape
    rows = max(1, BLOCK_NUMBERS // c)
    for start in range(0, n, rows):
        here = slice(start, min(start + rows, n))
        yield here, probs[here]
