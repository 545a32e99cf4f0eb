"""The negative log-likelihood of every subset, from the true class's probabilities alone.

A subset's NLL is the sum over samples of ln(k / sum of its members' p(y)). The sums of many samples are multiplied and
one logarithm is taken of the product; before it can leave the range of float64, its exponent is moved to a whole
number, which loses nothing. A product is formed in the order of the samples, by eights, and a subset's sum in the
order of its bits, so the bits of the result do not depend on threads or blocks.
"""

import math

import numpy as np

from analysis.subsets.kernels import compiled, lanes, subset_sums

CHUNK = 8192  # samples of one product; always cut at multiples of it, counted from the first sample
_LN2 = math.log(2)
_FRACTION = 0x000FFFFFFFFFFFFF
_ONE = 0x3FF0000000000000


@compiled
def renormalise(product, bits, exponents):
    """Move the exponents of positive numbers to `exponents`; `bits` is the memory of `product` seen as int64."""
    for x in range(len(product)):
        exponents[x] += (bits[x] >> 52) - 1023
        bits[x] = bits[x] & _FRACTION | _ONE


@compiled
def log_sums(true, low, middle, first_block, out):
    """Add to `out` the sum over samples of ln(sum of p(y)) of each subset of some blocks; of the empty one nonsense.

    true: float64 (n, M), at least 1e-12 each, n at most CHUNK. out: float64 (blocks, 2^middle, 2^low).
    """
    samples, members = true.shape
    tables = np.zeros((8, 1 << low))
    offsets = np.zeros((8, 1 << middle))
    product = np.empty((1 << middle, 1 << low))
    bits = product.view(np.int64)
    exponents = np.empty((1 << middle, 1 << low), np.int64)
    for block in range(out.shape[0]):
        product[:] = 1
        exponents[:] = 0
        high_mask = first_block + block
        for n in range(0, samples, 8):
            group = min(8, samples - n)
            for g in range(group):
                high = 0.0
                for m in range(low + middle, members):
                    if high_mask >> (m - low - middle) & 1:
                        high += true[n + g, m]
                offsets[g, 0] = high
                subset_sums(true[n + g], low, middle, offsets[g])
                subset_sums(true[n + g], 0, low, tables[g])
            for t in range(1 << middle):
                ours = product[t]
                if group == 8:
                    a, b, c, d = tables[0], tables[1], tables[2], tables[3]
                    e, f, g_, h = tables[4], tables[5], tables[6], tables[7]
                    oa, ob, oc, od = offsets[0, t], offsets[1, t], offsets[2, t], offsets[3, t]
                    oe, of, og, oh = offsets[4, t], offsets[5, t], offsets[6, t], offsets[7, t]
                    for x in range(1 << low):
                        ours[x] *= (((a[x] + oa) * (b[x] + ob)) * ((c[x] + oc) * (d[x] + od))) * (
                            ((e[x] + oe) * (f[x] + of)) * ((g_[x] + og) * (h[x] + oh))
                        )
                else:
                    for g in range(group):
                        table, offset = tables[g], offsets[g, t]
                        for x in range(1 << low):
                            ours[x] *= table[x] + offset
                # 16 factors of 1e-12 and more stay far above the smallest float64.
                if n & 15 == 8 or n + 8 >= samples:
                    renormalise(ours, bits[t], exponents[t])
        for t in range(1 << middle):
            for x in range(1 << low):
                out[block, t, x] += exponents[t, x] * _LN2 + np.log(product[t, x])


@lanes
def add_sums(powers, labels, size, nll, brier):
    """Add to nll and brier (2^M,) the sums over samples, for the subsets of `size` members; sample after sample.

    powers: float64 (M, rows, C), max(p, 2^-26)^(1 / size). labels: int64 (rows,).
    """
    members, rows, classes = powers.shape
    low = members // 2
    tables = np.empty((2, 1 << (members - low), classes))
    counts = np.empty(1 << (members - low), np.int64)
    counts[0] = 0
    for x in range(1, len(counts)):
        counts[x] = counts[x >> 1] + (x & 1)
    for n in range(rows):
        y = labels[n]
        for half in range(2):
            first = half * low
            table = tables[half]
            for c in range(classes):
                table[0, c] = 1
            for b in range(members - low if half else low):
                for x in range(1 << b):
                    for c in range(classes):
                        table[(1 << b) + x, c] = table[x, c] * powers[first + b, n, c]
        for high in range(1 << (members - low)):
            for x in range(1 << low):
                if counts[high] + counts[x] != size:
                    continue
                total = 0.0
                squares = 0.0
                for c in range(classes):
                    value = tables[0, x, c] * tables[1, high, c]
                    total += value
                    squares += value * value
                own = tables[0, x, y] * tables[1, high, y] / total
                nll[high << low | x] -= np.log(own)
                brier[high << low | x] += squares / (total * total) - 2 * own + 1


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
