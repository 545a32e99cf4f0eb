"""The same scores for the subsets of a few sizes, one after another, where all subsets would be too many.

Subsets of size k come in lexicographic order, those that share all but their last member together: a prefix of k - 1
members, then every last member after them, so that a subset costs one addition a rival and the inner loop runs over
members that lie side by side.
"""

import math

import numpy as np

from analysis.subsets.kernels import compiled
from analysis.subsets.nll_brier import renormalise

_LN2 = math.log(2)


def prefixes_of(members: int, size: int) -> np.ndarray:
    """Return the first size - 1 members of the subsets of `size`, each once, in lexicographic order: int8 (P, k-1)."""
    found = np.empty((1, 0), np.int8)
    for k in range(1, size):
        last = found[:, -1].astype(np.int64) if k > 1 else np.full(1, -1)
        rest = members - size + k - 1 - last  # members that can follow, with enough left for the rest
        rows = np.repeat(np.arange(len(found)), rest)
        nth = np.arange(len(rows)) - np.repeat(np.cumsum(rest) - rest, rest)
        found = np.column_stack([found[rows], (last[rows] + 1 + nth).astype(np.int8)])
    return found


def masks_of(prefixes: np.ndarray, members: int) -> np.ndarray:
    """Return the masks, uint64, of all subsets with these prefixes (P, k-1), in the order of the kernels."""
    one = np.uint64(1)
    heads = np.zeros(len(prefixes), np.uint64)
    for column in prefixes.T:
        heads |= one << column.astype(np.uint64)
    firsts = firsts_of(prefixes)
    rest = members - firsts
    nth = np.arange(int(rest.sum())) - np.repeat(np.cumsum(rest) - rest, rest)
    return np.repeat(heads, rest) | one << (np.repeat(firsts, rest) + nth).astype(np.uint64)


def firsts_of(prefixes: np.ndarray) -> np.ndarray:
    """Return the lowest member that can follow each prefix, int64 (P,)."""
    return prefixes[:, -1].astype(np.int64) + 1 if prefixes.shape[1] else np.zeros(len(prefixes), np.int64)


@compiled
def count_wrong_after(rivals, starts, ends, limits, order, begin, end, prefixes, wrong):
    """Count as `kernels.count_wrong` does, for all subsets with these prefixes (P, k-1): wrong int32 (subsets,).

    Sums are formed in 64 bits, so subsets may have more than 31 members.
    """
    members = rivals.shape[1] - 1
    widest = 1
    for i in range(begin, end):
        widest = max(widest, ends[order[i]] - starts[order[i]])
    least = np.empty((widest, members + 1), rivals.dtype)
    most = np.empty((widest, members + 1), rivals.dtype)
    lead = np.empty(members, np.int32)
    for i in range(begin, end):
        n = order[i]
        own = rivals[starts[n] : ends[n]]
        for r in range(len(own)):
            # The smallest and largest d from each member on.
            least[r, members - 1] = most[r, members - 1] = own[r, members - 1]
            for m in range(members - 2, -1, -1):
                least[r, m] = min(own[r, m], least[r, m + 1])
                most[r, m] = max(own[r, m], most[r, m + 1])
        at = 0
        for p in range(len(prefixes)):
            first = 0
            if prefixes.shape[1]:
                first = prefixes[p, -1] + 1
            rest = members - first
            ours = wrong[at : at + rest]
            at += rest
            limit = limits[n]
            need = limit
            touched = False
            for r in range(len(own)):
                base = own[r, members]
                for j in range(prefixes.shape[1]):
                    base += own[r, prefixes[p, j]]
                if base + least[r, first] >= 0:
                    continue
                if base + most[r, first] < 0:
                    need -= 1
                    if need == 0:
                        break
                    continue
                if not touched:
                    touched = True
                    lead[:rest] = 0
                for x in range(rest):
                    lead[x] += own[r, first + x] + base < 0
            if need == 0:
                for x in range(rest):
                    ours[x] += 1
            elif touched:
                for x in range(rest):
                    ours[x] += lead[x] >= need


@compiled
def log_sums_after(true, prefixes, out):
    """Add to out (subsets,) what `nll.log_sums` does, for all subsets with these prefixes."""
    samples, members = true.shape
    size = len(out)
    product = np.ones(size)
    bits = product.view(np.int64)
    exponents = np.zeros(size, np.int64)
    base = np.empty(8)
    for n in range(0, samples, 8):
        group = min(8, samples - n)
        at = 0
        for p in range(len(prefixes)):
            first = 0
            if prefixes.shape[1]:
                first = prefixes[p, -1] + 1
            rest = members - first
            ours = product[at : at + rest]
            at += rest
            for g in range(group):
                base[g] = 0
                for j in range(prefixes.shape[1]):
                    base[g] += true[n + g, prefixes[p, j]]
            for g in range(group):
                row, offset = true[n + g, first:], base[g]
                for x in range(rest):
                    ours[x] *= row[x] + offset
        if n & 15 == 8 or n + 8 >= samples:
            renormalise(product, bits, exponents)
    for x in range(size):
        out[x] += exponents[x] * _LN2 + np.log(product[x])


@compiled
def quadratic_forms_after(gram, prefixes, out):
    """Write to out (subsets,) what `brier.quadratic_forms` does, for all subsets with these prefixes."""
    members = len(gram)
    at = 0
    for p in range(len(prefixes)):
        first = 0
        own = 0.0
        for i in range(prefixes.shape[1]):
            a = prefixes[p, i]
            first = a + 1
            own += gram[a, a]
            for j in range(i):
                own += 2 * gram[a, prefixes[p, j]]
        for last in range(first, members):
            cross = 0.0
            for j in range(prefixes.shape[1]):
                cross += gram[last, prefixes[p, j]]
            out[at] = own + (gram[last, last] + 2 * cross)
            at += 1
