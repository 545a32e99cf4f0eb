"""Which rivals of a sample's true class can matter: those that are left when the needless ones are dropped."""

import numpy as np

from analysis.subsets.kernels import compiled

NEVER = -1  # in place of a number of rivals: the sample is wrong in every subset


@compiled
def dominates(strong, weak):
    """Say whether in every subset in which rival `weak` is ahead of y, rival `strong` is ahead too.

    Each is (M + 1,) as `analysis.subsets.kernels` has it. It is so where no d of `strong` is larger and its handicap
    is none of its own: unless c < y < c', a tie counts for the weak one only; or where every d of it is smaller.
    """
    members = len(strong) - 1
    equal = 0
    for m in range(members):
        if strong[m] > weak[m]:
            return False
        equal += strong[m] == weak[m]
    return strong[members] <= weak[members] or equal == 0


@compiled
def prune_rows(probs, first_row, labels, scale, limit, start, rivals, counts):
    """Write the rivals that matter for the samples from `start` on; return where it stopped and how many it wrote.

    probs: (M, rows, C), quantised here as rint(scale * p). labels: int64 (n,), those of the rows from first_row on.
    limit: 1 keeps the rivals that no other dominates, enough
    to know whether y is first; 5 those that fewer than five others dominate, enough for top-5.
    rivals: int32 (capacity, M + 1), filled from 0; it stops early where a sample's might not fit.
    counts: int64 (n, 3), for each sample: the rivals that no other dominates (they stand first) or NEVER; all that
    are kept; and how many others are ahead in every subset, at most `limit`.
    """
    members, _, classes = probs.shape
    q = np.empty((members, classes), np.int32)
    least = np.empty(classes, np.int32)
    most = np.empty(classes, np.int32)
    total = np.empty(classes, np.int64)
    keys = np.empty(classes, np.int64)
    found = np.empty((classes, members + 1), np.int32)
    above = np.empty(classes, np.int64)
    written = 0
    for n in range(start, len(labels)):
        if written + classes > len(rivals):
            return n, written
        y = labels[n]
        for c in range(classes):
            least[c] = 2147483647
            most[c] = -2147483648
            total[c] = 0
        for m in range(members):
            own = np.int32(np.rint(probs[m, first_row + n, y] * scale))
            row = probs[m, first_row + n]
            for c in range(classes):
                d = np.int32(own - np.int32(np.rint(row[c] * scale)))
                q[m, c] = d
                least[c] = min(least[c], d)
                most[c] = max(most[c], d)
                total[c] += d
        always = 0
        candidates = 0
        for c in range(classes):
            # A rival that is never ahead is dropped at once; one that always is, counted.
            tie = 0 if c < y else 1
            if c == y or least[c] >= 1 - tie:
                continue
            if most[c] < 1 - tie:
                always += 1
                continue
            # A rival comes after all that dominate it: by sum, at equal sums a tie's winner first, then by index.
            keys[candidates] = ((total[c] * 2 + tie) << 24) + c
            candidates += 1
        room_above = limit - always
        counts[n, 2] = min(always, limit)
        counts[n, 1] = 0
        if always > 0:
            counts[n, 0] = NEVER
        else:
            counts[n, 0] = 0
        if room_above <= 0:
            continue
        ordered = np.sort(keys[:candidates])
        size = 0
        for i in range(candidates):
            c = ordered[i] & 16777215
            rival = found[size]
            for m in range(members):
                rival[m] = q[m, c]
            rival[members] = -1 if c < y else 0
            dominating = 0
            for j in range(size):
                if dominates(found[j], rival):
                    dominating += 1
                    if dominating == room_above:
                        break
            if dominating < room_above:
                above[size] = dominating
                size += 1
        first = 0
        for wanted in range(2):
            for i in range(size):
                if (above[i] > 0) == wanted:
                    for m in range(members + 1):
                        rivals[written, m] = found[i, m]
                    written += 1
            if wanted == 0:
                first = written
        if always == 0:
            counts[n, 0] = first - (written - size)
        counts[n, 1] = size
    return len(labels), written
