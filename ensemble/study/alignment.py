"""Whether members' rows are of the same samples: what they predict is compared with the labels and with one another.

Axes: M members, N samples, C classes. Nothing here looks at ids: rows are taken as they were joined.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

LOW = 3.0  # standard deviations above chance that agreement is expected to reach
POWER = 6.0  # those it could reach at most: with fewer nothing can be told from so few samples
RARE = 0.01  # of confident predictions of a sound member that contradict what all others agree on, at most
CERTAIN = 3.0  # standard deviations by which they have to be more than that
UNDERSTOOD = 2.0  # standard deviations above chance by which contradictions are the others' second choices
ALIKE = 0.3  # confident predictions contradict the others at least so many times as often as those that are not


@dataclass(frozen=True)
class ChanceTest:
    """How often two sides agree beside what chance alone would make of their marginals.

    observed, expected: counts of samples; sd: of the count under chance; most: the largest count the marginals allow.
    """

    observed: int
    expected: float
    sd: float
    most: int

    @property
    def z(self) -> float:
        """Standard deviations above chance; infinity where chance leaves no room to differ."""
        return (self.observed - self.expected) / self.sd if self.sd > 0 else float("inf")

    @property
    def telling(self) -> bool:
        """Whether agreement as high as it can be would stand out: false for few samples, or a constant side."""
        return self.sd > 0 and (self.most - self.expected) / self.sd >= POWER


def chance_test(a: np.ndarray, b: np.ndarray, groups: np.ndarray | None = None) -> ChanceTest:
    """Compare the agreement of a and b, int64 (N,), with that of rows paired at random.

    groups: int64 (N,), rows are then paired at random within each group only. Of n rows, a of them of class c on one
    side and b on the other, a b / n agree on average; the variance of the sum over classes is
    [sum_c a b (n - a)(n - b) + sum_{c != d} a_c b_c a_d b_d] / (n^2 (n - 1)), the moments of a contingency table with
    fixed marginals. The excess over chance is what Cohen's kappa is the share of (J. Cohen, Educational and
    Psychological Measurement 20, 1960); the moments are those of N. Mantel, JASA 58 (1963).
    """
    own = np.zeros(len(a), np.int64) if groups is None else np.unique(groups, return_inverse=True)[1]
    classes = int(max(a.max(), b.max())) + 1
    return _compared(_cells(a, own, classes), _cells(b, own, classes), np.bincount(own), classes, int((a == b).sum()))


Cells = tuple[np.ndarray, np.ndarray]  # those that are not empty, group times classes plus class, and their counts


def _cells(side: np.ndarray, groups: np.ndarray, classes: int) -> Cells:
    return np.unique(groups * classes + side, return_counts=True)


def _compared(one: Cells, other: Cells, sizes: np.ndarray, classes: int, observed: int) -> ChanceTest:
    """Return the test of two sides that agree on so many samples; of each group and class only what both have counts.

    sizes: int64 (G,), of the groups.
    """
    at = np.minimum(np.searchsorted(one[0], other[0]), len(one[0]) - 1)
    same = one[0][at] == other[0]
    left, right = one[1][at[same]].astype(np.float64), other[1][same].astype(np.float64)
    group = other[0][same] // classes
    n, product = sizes[group], left * right

    def by_group(values: np.ndarray) -> np.ndarray:
        return np.bincount(group, weights=values, minlength=len(sizes))

    total = by_group(product)
    ways = by_group(product * (n - left) * (n - right)) + total**2 - by_group(product**2)
    several, there = sizes > 1, sizes > 0
    variance = (ways[several] / (sizes[several].astype(np.float64) ** 2 * (sizes[several] - 1))).sum()
    expected = float((total[there] / sizes[there]).sum())
    return ChanceTest(observed, expected, float(max(variance, 0.0)) ** 0.5, int(np.minimum(left, right).sum()))


@dataclass(frozen=True)
class Misalignment:
    """What speaks against a member's rows being those of the labels and of the other members.

    kind: "labels", it agrees with them no better than chance; "members", with none of the others better than chance
    among samples of one class (or among all where there are no labels); "rows", on too many samples it is confident of
    another class than the others are. share: of samples in `kind`: that agree, agree best, or clash; expected: what
    chance, or the other members, would make of it.
    """

    member: str
    kind: str
    share: float
    expected: float

    def __str__(self) -> str:
        share, expected = f"{100 * self.share:.1f} %", f"{100 * self.expected:.1f} %"
        if self.kind == "labels":
            return (
                f"{self.member}: {share} right is no better than chance ({expected}, from how often each class is "
                "predicted and labelled); are rows, labels and classes in one order?"
            )
        if self.kind == "members":
            return (
                f"{self.member}: agrees with no other member on more than {share} of samples; chance among samples "
                f"of equal labels would make it {expected}; are its rows of the same samples, in the same order?"
            )
        return (
            f"{self.member}: where all other members agree it contradicts them on {share} of the samples of which it "
            f"is confident and on {expected} of the others; are some of its rows in another order?"
        )


def find_misaligned(
    preds: np.ndarray, second: np.ndarray, confidence: np.ndarray, labels: np.ndarray | None, members: Sequence[str]
) -> list[Misalignment]:
    """Return what speaks against members' rows being of the same samples, at most one finding a member.

    preds, second: int64 (M, N), the classes of the largest and the second largest probability; confidence: floating
    point (M, N), the largest; labels: int64 (N,), or None. How often this finds what is there, and what is not, is
    measured by `python -m benchmarks.alignment`.
    """
    found: dict[str, Misalignment] = {}
    n = preds.shape[1]
    for name, own in zip(members, preds, strict=True):
        test = None if labels is None else chance_test(own, labels)
        if test is not None and test.telling and test.z < LOW:
            found[name] = Misalignment(name, "labels", test.observed / n, test.expected / n)
    # One of a single class is the same in any order, and tells nothing of the others'.
    varied = [i for i in range(len(members)) if (preds[i] != preds[i, 0]).any()]
    kept = [i for i in varied if members[i] not in found]
    groups = np.zeros(n, np.int64) if labels is None else labels
    sizes, classes = np.bincount(groups), int(preds.max()) + 1
    cells = {i: _cells(preds[i], groups, classes) for i in kept}
    pairs = {
        (i, j): _compared(cells[i], cells[j], sizes, classes, int((preds[i] == preds[j]).sum()))
        for i, j in combinations(kept, 2)
    }
    for i in kept:
        tests = [test for pair, test in pairs.items() if i in pair]
        if tests and all(test.telling and test.z < LOW for test in tests):
            best = max(tests, key=lambda test: test.z)
            found[members[i]] = Misalignment(members[i], "members", best.observed / n, best.expected / n)
    kept = [i for i in kept if members[i] not in found]
    for i in kept if len(kept) > (1 if labels is not None else 2) else ():
        rest = [j for j in kept if j != i]
        others = preds[rest]
        agree = (others == others[0]).all(axis=0) & (labels is None or others[0] == labels)
        contradiction = _contradiction(preds[i] != others[0], confidence[i], agree)
        if contradiction is not None and not _plausible(preds[i], others[0], second[rest], confidence[i], agree):
            found[members[i]] = Misalignment(members[i], "rows", *contradiction)
    return [found[name] for name in members if name in found]


def _contradiction(wrong: np.ndarray, confidence: np.ndarray, agree: np.ndarray) -> tuple[float, float] | None:
    """Return how often a member contradicts the others where it is confident and where it is not, if that is too often.

    wrong: it predicts another class than the others; agree: all of them predict the same, the true class where it is
    known; bool (N,). Confident: at least as much as on half of all samples. Confidence is worth nothing on a row of
    another sample, so that a misaligned member is wrong as often where it is confident. A sound one hardly ever is.
    """
    confident = confidence >= np.median(confidence)
    n, rest = int((agree & confident).sum()), int((agree & ~confident).sum())
    if not n or not rest:
        return None
    high, low = float(wrong[agree & confident].mean()), float(wrong[agree & ~confident].mean())
    # The lower end of Wilson's interval.
    z2 = CERTAIN**2
    least = (high + z2 / (2 * n) - CERTAIN * (high * (1 - high) / n + z2 / (4 * n * n)) ** 0.5) / (1 + z2 / n)
    return (high, low) if least > RARE and high >= ALIKE * low else None


def _plausible(
    preds: np.ndarray, consensus: np.ndarray, second: np.ndarray, confidence: np.ndarray, agree: np.ndarray
) -> bool:
    """Say whether a member's confident contradictions are mistakes one can understand: what others would say next.

    preds, consensus: int64 (N,); second: int64 (M - 1, N), the others'. A class drawn from all that the member
    predicts, the others' own aside, is among their second choices by chance; mistakes on the same samples are more
    often.
    """
    rows = np.flatnonzero(agree & (preds != consensus) & (confidence >= np.median(confidence)))
    share = np.bincount(preds, minlength=int(max(preds.max(), consensus.max(), second.max())) + 1) / len(preds)
    chosen = np.zeros((len(rows), len(share)), dtype=bool)
    for own in second[:, rows]:
        chosen[np.arange(len(rows)), own] = True
    chosen[np.arange(len(rows)), consensus[rows]] = False
    chance = (chosen * share).sum(axis=1) / (1 - share[consensus[rows]])
    sd = float((chance * (1 - chance)).sum()) ** 0.5
    return bool(sd > 0 and (chosen[np.arange(len(rows)), preds[rows]].sum() - chance.sum()) / sd > UNDERSTOOD)
