"""What is added up of the counts of a block of subsets where no row of a table is kept for them, in whole numbers."""

import numpy as np

from analysis.subsets.kernels import compiled


@compiled
def tally(wrong, low_sizes, order, starts, high, bins, total, least, first, most, density, members):
    """Add up how many samples the subsets of a block have wrong.

    wrong: int32 (2^middle, 2^low), by mask. low_sizes: int64 (2^max(low, middle),), how many bits a number has set.
    order: int64 (2^low,), the masks of the low bits by size, those of size k from starts[k] to starts[k + 1].
    high: the mask of the high bits. bins: int64, the bin of the density that each count belongs to.
    By size, M + 1 of them, it adds to total int64, to density int64 (M + 1, B), and to members int64 (M, M + 1) what
    subsets with a member have wrong; and lowers least, int64, with `first`, int64, the lowest mask that has it, and
    raises most.
    """
    rows, columns = wrong.shape
    low, middle, above = len(starts) - 2, 0, 0
    while 1 << middle < rows:
        middle += 1
    while high >> above:
        above += 1
    high_size = 0
    for b in range(above):
        high_size += high >> b & 1
    by_size = np.zeros(low + middle + 1, np.int64)
    folded = np.zeros((middle + 1, columns), np.int64)
    for t in range(rows):
        row, size = wrong[t], low_sizes[t]
        ours = folded[size]
        for x in range(columns):
            ours[x] += row[x]
        for k in range(low + 1):
            s = high_size + size + k
            counts = density[s]
            own, lowest, highest = np.int64(0), row[order[starts[k]]], row[order[starts[k]]]
            for j in range(starts[k], starts[k + 1]):
                w = row[order[j]]
                own += w
                lowest, highest = min(lowest, w), max(highest, w)
                counts[bins[w]] += 1
            by_size[size + k] += own
            for b in range(middle):
                if t >> b & 1:
                    members[low + b, s] += own
            most[s] = max(most[s], highest)
            if lowest < least[s]:
                least[s] = lowest
                mask = np.int64(columns)
                for j in range(starts[k], starts[k + 1]):
                    if row[order[j]] == lowest:
                        mask = min(mask, order[j])
                first[s] = (high << (low + middle)) | (t << low) | mask
    for size in range(middle + 1):
        for x in range(columns):
            for b in range(low):
                if x >> b & 1:
                    members[b, high_size + size + low_sizes[x]] += folded[size, x]
    for size in range(low + middle + 1):
        total[high_size + size] += by_size[size]
        for b in range(above):
            if high >> b & 1:
                members[low + middle + b, high_size + size] += by_size[size]


@compiled
def below(wrong, floor, out):
    """Write the positions of the counts below `floor` to out, int64, and return how many they are; it may be full."""
    count = 0
    for x in range(len(wrong)):
        if wrong[x] < floor:
            if count < len(out):
                out[count] = x
            count += 1
    return count
