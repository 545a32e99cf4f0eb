"""What the tests of the lattice share: predictions full of ties, and every subset's scores by the definitions alone."""

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
from hypothesis import strategies as st

from analysis.stack import ArraySource, PredictionStack
from analysis.subsets.table import SubsetTable

RULES = ("mean", "geometric", "vote")


def stack_of(probs: np.ndarray, labels: np.ndarray) -> PredictionStack:
    m, n, c = probs.shape
    names = tuple(f"c{i:05d}" for i in range(c))
    ids = np.array([f"s{i}" for i in range(n)])
    members = tuple(f"m-{i}" for i in range(m))
    return PredictionStack(probs.astype(np.float32), members, np.asarray(labels), ids, names, names, "val")


def random_source(members: int, samples: int, classes: int, seed: int = 0, signal: float = 2.0) -> ArraySource:
    """Members that agree somewhat: logits of a common part and a part of each one's own."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    logits = rng.normal(size=(members, samples, classes)) + rng.normal(size=(samples, classes))
    logits[:, np.arange(samples), labels] += signal
    probs = np.exp(logits)
    return ArraySource((probs / probs.sum(axis=2, keepdims=True)).astype(np.float32), labels)


def round_half_even(value: Fraction) -> int:
    return round(value)


def whole_numbers(row: list[float], rule: str) -> list[int]:
    """One member's q for one sample."""
    if rule == "mean":
        return [round_half_even(Fraction(p) * 2**26) for p in row]
    if rule == "geometric":
        return [round(2**21 * math.log(max(p, 2.0**-26))) for p in row]
    first = whole_numbers(row, "mean")
    winner = first.index(max(first))
    return [round_half_even(Fraction(p) * 2**20) + 2**26 * (c == winner) for c, p in enumerate(row)]


def slow_scores(probs: np.ndarray, labels: np.ndarray, rule: str) -> dict[int, tuple[int, int, float, float]]:
    """Mask -> correct, top5, NLL, Brier: sample by sample, in whole numbers and fractions."""
    m, n, c = probs.shape
    rows = [[[float(p) for p in probs[i, s]] for s in range(n)] for i in range(m)]
    whole = [[whole_numbers(row, rule) for row in member] for member in rows]
    found = {}
    for k in range(1, m + 1):
        for chosen in combinations(range(m), k):
            correct = top5 = 0
            nll, brier = [], []
            for s, y in enumerate(labels.tolist()):
                sums = [sum(whole[i][s][j] for i in chosen) for j in range(c)]
                ranked = sorted(range(c), key=lambda j: (-sums[j], j))
                correct += ranked[0] == y
                top5 += y in ranked[:5]
                if rule == "mean":
                    together = [float(sum(Fraction(rows[i][s][j]) for i in chosen) / k) for j in range(c)]
                    nll.append(-math.log(math.fsum(max(rows[i][s][y], 1e-12) for i in chosen) / k))
                elif rule == "geometric":
                    powers = [math.exp(math.fsum(math.log(max(rows[i][s][j], 2.0**-26)) for i in chosen) / k)
                              for j in range(c)]  # fmt: skip
                    together = [power / math.fsum(powers) for power in powers]
                    nll.append(-math.log(together[y]))
                else:
                    continue
                brier.append(math.fsum((p - (j == y)) ** 2 for j, p in enumerate(together)))
            means = [math.fsum(v) / n if v else math.nan for v in (nll, brier)]
            found[sum(1 << i for i in chosen)] = (correct, top5, means[0], means[1])
    return found


def check(table: SubsetTable, slow: dict[int, tuple[int, int, float, float]]) -> None:
    """Fail unless a table says exactly what the slow scores say."""
    masks = table.masks.tolist()
    assert masks == sorted(slow)
    assert table.correct.tolist() == [slow[mask][0] for mask in masks]
    assert table.top5.tolist() == [slow[mask][1] for mask in masks]
    for found, column in ((table.nll, 2), (table.brier, 3)):
        expected = np.array([slow[mask][column] for mask in masks])
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def same_table(a: SubsetTable, b: SubsetTable, bits: bool = True) -> None:
    """Fail unless two tables agree: in every bit, or within 1e-12 in NLL and Brier."""
    for name in ("masks", "correct", "top5"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert (a.floored, a.rule, a.members) == (b.floored, b.rule, b.members)
    for name in ("nll", "brier"):
        if bits:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        else:
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=0, atol=1e-12)


@st.composite
def tying_arrays(draw: st.DrawFn, most: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (M, N, C) and labels full of ties.

    Few levels, zeros and ones, uniform members, members and rivals that stand twice, on both sides of the label.
    """
    m, n = draw(st.integers(1, most)), draw(st.integers(1, 4))
    c = draw(st.sampled_from([2, 3, 6, 7, 9]))
    row = st.lists(st.integers(0, 3), min_size=c, max_size=c).map(lambda r: r if sum(r) else [1] * c)
    members: list = []
    for _ in range(m):
        kind = draw(st.sampled_from(["levels", "levels", "fine", "uniform", "again", "one-hot", "pairs"]))
        if kind == "again" and members:
            members.append(members[draw(st.integers(0, len(members) - 1))])
        elif kind == "uniform":
            members.append([[1] * c] * n)
        elif kind == "one-hot":
            ones = draw(st.lists(st.integers(0, c - 1), min_size=n, max_size=n))
            members.append([[int(j == k) for j in range(c)] for k in ones])
        elif kind == "pairs":  # equal rivals far apart
            halves = draw(st.lists(row, min_size=n, max_size=n))
            members.append([[max(1, r[min(j, c - 1 - j)]) for j in range(c)] for r in halves])
        elif kind == "fine":
            fine = st.lists(st.integers(1, 1000), min_size=c, max_size=c)
            members.append(draw(st.lists(fine, min_size=n, max_size=n)))
        else:
            members.append(draw(st.lists(row, min_size=n, max_size=n)))
    weights = np.array(members, dtype=np.float64)
    labels = np.array(draw(st.lists(st.integers(0, c - 1), min_size=n, max_size=n)))
    return weights / weights.sum(axis=2, keepdims=True), labels
