"""Whether members' rows are of the same samples: what they predict is compared with the labels and with one another.

Axes: M members, N samples, C classes. Nothing here looks at ids: rows are taken as they were joined.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

LOW = 3.0  # standard deviations above chance that agreement is expected to reach
POWER = 6.0  # those it could reach at most: with fewer nothing can be told from so few samples
LEAST = 4  # clashes, at least, before they are counted as too many
TIMES = 4.0  # how many times the rate of clashes of the other members is too many
CERTAIN = 6.0  # standard deviations by which it has to be above that of the others


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
    _, group = np.unique(np.zeros(len(a), np.int64) if groups is None else groups, return_inverse=True)
    count, classes = int(group.max()) + 1, int(max(a.max(), b.max())) + 1
    left, right = (
        np.bincount(group * classes + side, minlength=count * classes).reshape(count, classes).astype(np.float64)
        for side in (a, b)
    )
    n = left.sum(axis=1)
    product = left * right
    total = product.sum(axis=1)
    own = (product * (n[:, None] - left) * (n[:, None] - right)).sum(axis=1)
    crossed = total**2 - (product**2).sum(axis=1)
    variance = np.divide(own + crossed, n * n * (n - 1), out=np.zeros(count), where=n > 1).sum()
    expected, most = float((total / n).sum()), int(np.minimum(left, right).sum())
    return ChanceTest(int((a == b).sum()), expected, float(max(variance, 0.0)) ** 0.5, most)


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
            f"{self.member}: on {share} of samples it is confident of one class and each other member of another; "
            f"among the others that is {expected} at most; are some of its rows in another order?"
        )


def find_misaligned(
    preds: np.ndarray, confidence: np.ndarray, labels: np.ndarray | None, members: Sequence[str]
) -> list[Misalignment]:
    """Return what speaks against members' rows being of the same samples, at most one finding a member.

    preds: int64 (M, N); confidence: floating point (M, N), the probability of what is predicted; labels: int64 (N,), or
    None. How often this finds what is there, and what is not, is measured by `python -m benchmarks alignment`.
    """
    found: dict[str, Misalignment] = {}
    n = preds.shape[1]
    for name, own in zip(members, preds, strict=True):
        test = None if labels is None else chance_test(own, labels)
        if test is not None and test.telling and test.z < LOW:
            found[name] = Misalignment(name, "labels", test.observed / n, test.expected / n)
    kept = [i for i, name in enumerate(members) if name not in found]
    pairs = {(i, j): chance_test(preds[i], preds[j], labels) for i, j in combinations(kept, 2)}
    for i in kept:
        tests = [test for pair, test in pairs.items() if i in pair]
        if tests and all(test.telling and test.z < LOW for test in tests):
            best = max(tests, key=lambda test: test.z)
            found[members[i]] = Misalignment(members[i], "members", best.observed / n, best.expected / n)
    kept = [i for i in kept if members[i] not in found]
    if len(kept) > 2:
        found |= {f.member: f for f in _clashes(preds[kept], confidence[kept], [members[i] for i in kept])}
    return [found[name] for name in members if name in found]


def _clashes(preds: np.ndarray, confidence: np.ndarray, members: Sequence[str]) -> list[Misalignment]:
    """Return the members that clash with another far more often than the others do among themselves.

    Two members clash on a sample where they predict different classes and both are more confident than on half of the
    samples. A member's rate is that of its least clashing other, so that one bad member does not make all others bad.
    """
    m, n = preds.shape
    high = confidence > np.median(confidence, axis=1, keepdims=True)
    rates = np.full((m, m), np.inf)
    for i in range(m):
        for j in range(m):
            if i != j:
                rates[i, j] = float(((preds[i] != preds[j]) & high[i] & high[j]).mean())
    own = rates.min(axis=1)
    found = []
    for i in range(m):
        others = np.delete(np.delete(rates, i, axis=0), i, axis=1).min(axis=1)
        usual = max(float(others.max()), 1 / n)
        if own[i] * n >= LEAST and own[i] > TIMES * usual and (own[i] - usual) * n > CERTAIN * (usual * n) ** 0.5:
            found.append(Misalignment(members[i], "rows", float(own[i]), float(others.max())))
    return found
