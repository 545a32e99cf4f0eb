"""The only door to numba, and the kernels that count over every subset of the members.

All of them read rivals as `analysis.subsets.prepare` leaves them: int32 (R, M + 1), a row a rival c of one sample's
true class y, holding d_m(c) = q_m(y) - q_m(c) for each member and last the rival's handicap, 0 where y < c and -1
where c < y. A rival is ahead of y in a subset exactly where the sum of its members' d and of the handicap is
negative, so one sign bit says it. Sums of 31 members and the handicap fit into 32 bits.

Subsets are numbered by their masks. The mask's bits are split into low, middle and high ones: the sums over the low
bits are a table of 256 in the first-level cache; a block of subsets shares its high bits; and the largest and smallest
sum that is left in a table or a block settle most questions without looking at it.
"""

import numba
import numpy as np

LOW = 8  # bits: a table of 2^8 sums of 32 bits takes 1 KiB a rival
MIDDLE = 7  # bits: a block counts 2^15 subsets in 128 KiB, a part of a core's second-level cache

# Threads are plain Python threads: these functions hold no lock while they run. What is compiled is kept on disk.
compiled = numba.njit(nogil=True, cache=True, error_model="numpy")
# The same, where sums of many terms are added in the order of the processor's lanes: one order, but its own.
lanes = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})


def split_bits(members: int) -> tuple[int, int, int]:
    """Return how many of the mask's bits are low, middle and high ones."""
    low = min(members, LOW)
    middle = min(members - low, MIDDLE)
    return low, middle, members - low - middle


@numba.njit(inline="always")
def sign(value):
    """Return -1 for a negative number of 32 bits, else 0; said so that sums are not widened to 64 bits."""
    return np.int32(np.int32(value) >> 31)


@compiled
def subset_sums(values, first, bits, out):
    """Write the sums of values[first : first + bits] over each of its 2^bits subsets; out[0] is kept as it is."""
    for b in range(bits):
        size = 1 << b
        value = values[first + b]
        for i in range(size):
            out[size + i] = out[i] + value


@compiled
def settle(rivals, begin, end, low, middle, high_mask, active, base):
    """Sort a sample's rivals by what a block of subsets makes of them.

    Returns how many of them are ahead in the whole block, and how many are open: written to `active`, with the sum
    over the block's high bits in `base`. All others are behind in the whole block.
    """
    members = rivals.shape[1] - 1
    ahead = 0
    count = 0
    for r in range(begin, end):
        total = rivals[r, members]
        least = 0
        most = 0
        for m in range(low + middle):
            d = rivals[r, m]
            least += min(d, 0)
            most += max(d, 0)
        for m in range(low + middle, members):
            if high_mask >> (m - low - middle) & 1:
                total += rivals[r, m]
        if total + most < 0:
            ahead += 1
        elif total + least < 0:
            active[count] = r
            base[count] = total
            count += 1
    return ahead, count


@compiled
def tabulate(rivals, active, count, base, low, middle, tables, offsets, bounds):
    """Write for each open rival its sums over low bits, over middle bits, and the bounds of the former."""
    for a in range(count):
        tables[a, 0] = 0
        subset_sums(rivals[active[a]], 0, low, tables[a])
        offsets[a, 0] = base[a]
        subset_sums(rivals[active[a]], low, middle, offsets[a])
        least = 0
        most = 0
        for m in range(low):
            d = rivals[active[a], m]
            least += min(d, 0)
            most += max(d, 0)
        bounds[a, 0] = least
        bounds[a, 1] = most


@compiled
def mark_any(tables, offsets, t, chosen, count, lead, wrong):
    """Add 1 to `wrong` for each subset of a table in which any of the chosen rivals is ahead."""
    size = len(wrong)
    a = chosen[0]
    table, offset = tables[a], offsets[a, t]
    if count == 1:
        for x in range(size):
            wrong[x] -= sign(table[x] + offset)
        return
    b = chosen[1]
    other, shift = tables[b], offsets[b, t]
    if count == 2:
        for x in range(size):
            wrong[x] -= sign(np.int32(table[x] + offset) | np.int32(other[x] + shift))
        return
    # A bitwise or is negative where any of its terms is.
    for x in range(size):
        lead[x] = np.int32(table[x] + offset) | np.int32(other[x] + shift)
    for j in range(2, count - 1):
        a = chosen[j]
        table, offset = tables[a], offsets[a, t]
        for x in range(size):
            lead[x] |= np.int32(table[x] + offset)
        if j & 7 == 7:  # the strongest rivals come first, and a few of them are often ahead everywhere
            everywhere = -1
            for x in range(size):
                everywhere &= lead[x]
            if everywhere < 0:
                break
    a = chosen[count - 1]
    table, offset = tables[a], offsets[a, t]
    for x in range(size):
        wrong[x] -= sign(lead[x] | np.int32(table[x] + offset))


@compiled
def mark_several(tables, offsets, t, chosen, count, enough, lead, wrong):
    """Add 1 to `wrong` for each subset of a table in which `enough` of the chosen rivals are ahead."""
    size = len(wrong)
    for x in range(size):
        lead[x] = enough - 1
    for j in range(count):
        a = chosen[j]
        table, offset = tables[a], offsets[a, t]
        for x in range(size):
            lead[x] += sign(table[x] + offset)
    for x in range(size):
        wrong[x] -= sign(lead[x])


@compiled
def count_wrong(rivals, starts, ends, limits, order, begin, end, low, middle, first_block, wrong):
    """Count for blocks of subsets the samples in which at least `limits` rivals are ahead of the true class.

    rivals: int32 (R, M + 1). starts, ends, limits: int64 (N,), where each sample's rivals lie, and how many of them
    make it wrong. order: int64, the samples to look at, of which order[begin:end] are looked at now.
    first_block: the high bits of the first block. wrong: int32 (blocks, 2^middle, 2^low), added to; the empty subset
    among them counts for nothing.
    """
    widest = 1
    for i in range(begin, end):
        widest = max(widest, ends[order[i]] - starts[order[i]])
    active = np.empty(widest, np.int64)
    base = np.empty(widest, np.int32)
    tables = np.empty((widest, 1 << low), np.int32)
    offsets = np.empty((widest, 1 << middle), np.int32)
    bounds = np.empty((widest, 2), np.int32)
    whole = np.empty(1 << middle, np.int32)
    sure = np.empty(1 << middle, np.int32)
    maybe = np.empty(1 << middle, np.int32)
    chosen = np.empty(widest, np.int64)
    lead = np.empty(1 << low, np.int32)
    for block in range(wrong.shape[0]):
        whole[:] = 0
        for i in range(begin, end):
            n = order[i]
            limit = limits[n]
            ahead, count = settle(rivals, starts[n], ends[n], low, middle, first_block + block, active, base)
            if ahead >= limit:
                for t in range(1 << middle):
                    whole[t] += 1
                continue
            if ahead + count < limit:
                continue
            tabulate(rivals, active, count, base, low, middle, tables, offsets, bounds)
            # What the bounds settle is asked of all of a rival's tables at once: few are left to look into.
            for t in range(1 << middle):
                sure[t] = maybe[t] = ahead
            for a in range(count):
                least, most = bounds[a, 0], bounds[a, 1]
                ours = offsets[a]
                for t in range(1 << middle):
                    sure[t] -= sign(ours[t] + most)
                    maybe[t] -= sign(ours[t] + least)
            for t in range(1 << middle):
                if sure[t] >= limit:
                    whole[t] += 1
                elif maybe[t] >= limit:
                    left = 0
                    for a in range(count):
                        offset = offsets[a, t]
                        if offset + bounds[a, 0] < 0 <= offset + bounds[a, 1]:
                            chosen[left] = a
                            left += 1
                    need = limit - sure[t]
                    if need == 1:
                        mark_any(tables, offsets, t, chosen, left, lead, wrong[block, t])
                    else:
                        mark_several(tables, offsets, t, chosen, left, np.int32(need), lead, wrong[block, t])
        for t in range(1 << middle):
            if whole[t]:
                for x in range(1 << low):
                    wrong[block, t, x] += whole[t]


@compiled
def count_wrong_by_group(rivals, starts, ends, limits, order, edges, first, last, low, middle, block, out, at):
    """Count as `count_wrong` does for one block, group by group: order[edges[g] : edges[g + 1]] are those of group g.

    first, last: the groups that are counted now, first..last-1. out: unsigned whole numbers (G, S), added to from
    column `at` on.
    """
    size = 1 << (low + middle)
    wrong = np.empty((1, 1 << middle, 1 << low), np.int32)
    flat = wrong.reshape(size)
    for g in range(first, last):
        if edges[g] == edges[g + 1]:
            continue
        flat[:] = 0
        count_wrong(rivals, starts, ends, limits, order, edges[g], edges[g + 1], low, middle, block, wrong)
        ours = out[g, at : at + size]
        for x in range(size):
            ours[x] += flat[x]


@compiled
def decide(rivals, starts, fronts, masks, right):
    """Mark in right (S, n), all true, the samples that the subsets with these masks (S,) have wrong.

    starts: int64 (n + 1,). fronts: int64 (n,), how many rivals to look at, negative where it is always wrong.
    """
    members = rivals.shape[1] - 1
    for s in range(len(masks)):
        for n in range(right.shape[1]):
            if fronts[n] < 0:
                right[s, n] = False
            for r in range(starts[n], starts[n] + fronts[n]):
                total = np.int64(rivals[r, members])
                for m in range(members):
                    if masks[s] >> np.uint64(m) & np.uint64(1):
                        total += rivals[r, m]
                if total < 0:
                    right[s, n] = False
                    break
