"""The Brier score of every subset, from the inner products of the members' errors.

A member's error is e(c) = p(c) - [c = y]; a subset's error is the mean of its members', so its Brier score is the mean
of the entries of their Gram matrix: nothing is left to do per sample once that is summed.
"""

import numpy as np

from analysis.subsets.kernels import compiled, lanes, subset_sums


@lanes
def error_products(probs, first_row, labels, out):
    """Write the members' <e_i, e_j>, j <= i, for the rows of probs (M, rows, C) from first_row on.

    labels: int64 (n,). out: float64 (n, M (M + 1) / 2).
    """
    members, _, classes = probs.shape
    errors = np.empty((members, classes))
    for n in range(len(labels)):
        for m in range(members):
            for c in range(classes):
                errors[m, c] = probs[m, first_row + n, c]
            errors[m, labels[n]] -= 1
        pair = 0
        for i in range(members):
            for j in range(i + 1):
                total = 0.0
                for c in range(classes):
                    total += errors[i, c] * errors[j, c]
                out[n, pair] = total
                pair += 1


@compiled
def add_up(rows, out):
    """Add rows (n, P) to out (P,), in their order."""
    for n in range(len(rows)):
        for p in range(len(out)):
            out[p] += rows[n, p]


def unpacked(pairs: np.ndarray, members: int) -> np.ndarray:
    """Return the symmetric matrix (M, M) of its lower triangle (pairs,), row by row."""
    gram = np.zeros((members, members))
    rows, columns = np.tril_indices(members)
    gram[rows, columns] = gram[columns, rows] = pairs
    return gram


@compiled
def quadratic_forms(gram, low, first, out):
    """Write the sum of the entries of each subset's part of gram (M, M): out (blocks, 2^low), blocks from `first`."""
    members = len(gram)
    inside = np.zeros(1 << low)
    for b in range(low):
        cross = np.zeros(1 << b)
        subset_sums(gram[b], 0, b, cross)
        for x in range(1 << b):
            inside[(1 << b) + x] = inside[x] + (gram[b, b] + 2 * cross[x])
    between = np.empty(low)
    cross = np.zeros(1 << low)
    for block in range(out.shape[0]):
        own = 0.0
        between[:] = 0
        for i in range(low, members):
            if (first + block) >> (i - low) & 1:
                for j in range(low, i):
                    if (first + block) >> (j - low) & 1:
                        own += 2 * gram[i, j]
                own += gram[i, i]
                for j in range(low):
                    between[j] += gram[i, j]
        subset_sums(between, 0, low, cross)
        for x in range(1 << low):
            out[block, x] = inside[x] + (own + 2 * cross[x])
