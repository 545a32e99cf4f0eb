"""NLL and Brier score of every subset under the geometric mean, for few members.

p(c) of a subset of size k is the product of its members' p(c)^(1/k), divided by the sum z of that over the classes. So
each sample costs each subset a pass over the classes: z and the sum of squares, from two tables of half the members.
"""

import numpy as np

from analysis.lattice.kernels import lanes


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
