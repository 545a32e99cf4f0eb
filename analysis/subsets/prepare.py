"""What is left of a block of samples when its probabilities are no longer needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.metrics import SCALE, TOP, Rule, floored, true_probs
from analysis.stack import Block
from analysis.subsets.kernels import compiled
from analysis.subsets.nll_brier import error_products
from ensemble.machine import run_all

ROWS = 128  # of a task
CAPACITY = 2**15  # rivals of a buffer


@dataclass(frozen=True, eq=False)
class Prepared:
    """n samples, ready for counting.

    rivals: int32 (R, M + 1), those that matter, sample after sample; see `analysis.subsets.kernels`.
    starts: int64 (n + 1,), where each sample's rivals begin. counts: int64 (n, 3), see `analysis.subsets.prepare`.
    true: float64 (n, M), p(y) of each member, floored at 1e-12; None where NLL was not asked for.
    products: float64 (n, M (M + 1) / 2), inner products of the members' errors; None where Brier was not asked for.
    low: how many of the members' p(y) lay below the rule's floor.
    """

    rivals: np.ndarray
    starts: np.ndarray
    counts: np.ndarray
    true: np.ndarray | None
    products: np.ndarray | None
    low: int

    def __len__(self) -> int:
        return len(self.counts)


@dataclass(frozen=True, eq=False)
class Question:
    """Samples that subsets may be right or wrong about.

    rivals, starts, ends, limits: a sample is wrong where `limits` of rivals[start:end] are ahead.
    order: the samples whose answer depends on the subset. wrong: how many are wrong in every subset; never: which.
    """

    rivals: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    limits: np.ndarray
    order: np.ndarray
    wrong: int
    never: np.ndarray


def prepare(
    block: Block,
    labels: np.ndarray,
    rule: Rule,
    metrics: Sequence[str],
    threads: int,
    tick: Callable[[int], None] | None = None,
) -> Prepared:
    """Prune a block's rivals and take what NLL and Brier need of it; `labels` int64 (N,) are those of all samples."""
    n, y = block.stop - block.start, labels[block.start : block.stop]
    members = len(block.probs)
    limit = TOP if "top5" in metrics else 1
    counts = np.empty((n, 3), np.int64)
    own = rule.name == "mean"  # NLL and Brier of other rules are no sums over members
    true = np.empty((n, members)) if "nll" in metrics and own else None
    products = np.empty((n, members * (members + 1) // 2)) if "brier" in metrics and own else None
    starts = range(0, n, ROWS)
    pieces: list[list[np.ndarray]] = [[] for _ in starts]
    low = np.zeros(len(pieces), np.int64)

    def task(i: int) -> None:
        a, b = starts[i], min(starts[i] + ROWS, n)
        rows = slice(block.start - block.offset + a, block.start - block.offset + b)
        probs, first = block.probs, rows.start
        if probs.dtype == np.float16:
            probs, first = np.ascontiguousarray(probs[:, rows], dtype=np.float32), 0
        here = y[a:b]
        pieces[i] = _prune(probs, first, here, rule, limit, counts[a:b])
        if rule.floor is not None:
            values = true_probs(block.probs[:, rows], here)
            low[i] = (values < rule.floor).sum()
            if true is not None:
                true[a:b] = floored(values).T
        if products is not None:
            error_products(probs, first, here, products[a:b])

    run_all(((lambda i=i: task(i)) for i in range(len(pieces))), threads, tick and (lambda d: tick(min(n, d * ROWS))))
    return Prepared(
        rivals=np.concatenate([part for piece in pieces for part in piece]),
        starts=np.concatenate([[0], np.cumsum(counts[:, 1])]),
        counts=counts,
        true=true,
        products=products,
        low=int(low.sum()),
    )


def _prune(
    probs: np.ndarray, first: int, labels: np.ndarray, rule: Rule, limit: int, counts: np.ndarray
) -> list[np.ndarray]:
    """Return the rivals of the samples whose rows in probs (M, rows, C) start at `first`, in a few arrays."""
    members, _, classes = probs.shape
    scale = probs.dtype.type(SCALE)
    if rule.name != "mean":
        # Whole numbers of another kind; the scale leaves them as they are.
        probs = rule.quantise(np.ascontiguousarray(probs[:, first : first + len(labels)])).astype(np.int32)
        first, scale = 0, np.float64(1)
    found, done = [], 0
    while done < len(labels):
        capacity = max(classes, min(CAPACITY, (len(labels) - done) * classes))
        buffer = np.empty((capacity, members + 1), np.int32)
        done, written = prune_rows(probs, first, labels, scale, limit, done, buffer, counts)
        found.append(buffer[:written].copy())
    return found


def joined(parts: Sequence[Prepared]) -> Prepared:
    """Return several blocks as one."""
    if len(parts) == 1:
        return parts[0]
    counts = np.concatenate([p.counts for p in parts])
    return Prepared(
        rivals=np.concatenate([p.rivals for p in parts]),
        starts=np.concatenate([[0], np.cumsum(counts[:, 1])]),
        counts=counts,
        true=np.concatenate([p.true for p in parts]) if parts[0].true is not None else None,
        products=np.concatenate([p.products for p in parts]) if parts[0].products is not None else None,
        low=sum(p.low for p in parts),
    )


def question(prepared: Prepared, rows: np.ndarray, top: bool) -> Question:
    """Ask whether y is first, or `top` whether it is among the five, on some samples: positions int64, in any order."""
    front, kept, always = prepared.counts.T
    starts = prepared.starts[:-1]
    if top:
        ends, limits = starts + kept, TOP - always
        never, matter = limits <= 0, kept >= limits
    else:
        ends, limits = starts + np.maximum(front, 0), np.ones(len(front), np.int64)
        never, matter = front == NEVER, front > 0
    order = rows[matter[rows] & ~never[rows]]
    return Question(prepared.rivals, starts, ends, limits, order, int(never[rows].sum()), rows[never[rows]])


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
