"""The most accurate subset of many members, with a certificate: one by one, or by an integer programme.

Subsets of a few members are counted one by one, up to some billions of comparisons. Of more an integer programme is
solved by HiGHS. With x_m = 1 where member m takes part and z_n = 1 where sample n counts as right, the most samples
that any subset of at most K members has right is

    max sum z_n   such that   sum_m d_m(r) x_m >= t(r) - B(r) (1 - z_n) for each rival r of sample n, 1 <= sum x_m <= K,

d and t the whole-number margins and thresholds of `SelectionData`, in which sums decide as means do, whatever the size;
B(r) is the least that lets the row hold for every subset: t(r) less the sum of the K lowest negative margins. Samples
that every subset has right or wrong take no part. Q. Huangfu and J. A. J. Hall, Parallelizing the dual revised simplex
method, Mathematical Programming Computation 10 (2018), for the solver, by SciPy.
"""

import math
from dataclasses import dataclass

import numpy as np

from analysis.selection.data import SelectionData, of_members
from analysis.selection.greedy import greedy_order
from ensemble.errors import BadInput, KofnError
from ensemble.study.tabular import Tabular

SECONDS = 60.0
MOST_COMPARISONS = 2**34  # of a rival in a subset, up to which all subsets are counted: about half a minute of a core
PREFIXES = 2**12  # that are counted at a time
SCALE = 2.0**-26  # of whole-number margins, so that the solver sees numbers of about 1
SLACK = 2.0**-20  # rows are looser by it than they are, so that rounding never cuts off the best subset


@dataclass(frozen=True)
class ExactBest(Tabular):
    """The most accurate subset that was found, and what no subset is above.

    members: positions, increasing. correct: samples it has right; bound: what no subset of at most `max_size` members
    exceeds; samples: of all. greedy: what forward selection of as many different members has right at best.
    """

    members: tuple[int, ...]
    correct: int
    bound: int
    samples: int
    max_size: int
    greedy: int

    @property
    def gap(self) -> float:
        """By how much the accuracy of the best subset may be higher: 0 where this one is certainly best."""
        return (self.bound - self.correct) / self.samples

    @property
    def proven(self) -> bool:
        """Whether no subset has more samples right."""
        return self.bound == self.correct


def exact_best(data: SelectionData, max_size: int | None = None, seconds: float = SECONDS) -> ExactBest:
    """Return the most accurate equally weighted subset of at most `max_size` members, and how far from best it may be.

    data: see `selection_data`. Where it takes no more than half a minute or so every subset is counted. seconds: after
    which the solver ends otherwise; the subset is then the better of its own and of the greedy one, and `gap` says what
    is not excluded: where samples are many and members disagree that is most of it. Raises `BadInput` for a budget
    below 1.
    """
    members = data.members
    most = members if max_size is None else min(max_size, members)
    if most < 1:
        raise BadInput(f"exact: expected a budget of at least 1 member, found max_size={max_size}.")
    order = _forward(data, most)
    best = max(order, key=lambda chosen: (_correct(data, chosen), -len(chosen)))
    greedy = _correct(data, best)
    subsets = sum(math.comb(members, k) for k in range(1, most + 1))
    counted = subsets * max(len(data.sample), data.samples) <= MOST_COMPARISONS
    chosen, bound = _count(data, most) if counted else _solve(data, most, seconds)
    if chosen and _correct(data, chosen) > greedy:
        best = chosen
    correct = _correct(data, best)
    return ExactBest(tuple(sorted(best)), correct, max(bound, correct), data.samples, most, greedy)


def _forward(data: SelectionData, most: int) -> list[tuple[int, ...]]:
    """Return the subsets that forward selection comes by: of each round the different members so far."""
    order, _ = greedy_order(data, "accuracy", max_size=most)
    found = [tuple(sorted(set(order[: i + 1]))) for i in range(len(order))]
    return list(dict.fromkeys(found))


def _correct(data: SelectionData, chosen: tuple[int, ...]) -> int:
    weights = of_members(chosen, data.members).weights
    return int(data.scores(weights, "accuracy").sum())


def _count(data: SelectionData, most: int) -> tuple[tuple[int, ...], int]:
    """Return the best of all subsets of at most `most` members, the first of the fewest, and how many it has right."""
    from analysis.subsets.combinations import count_wrong_after, firsts_of, prefixes_of

    members = data.members
    edges = np.searchsorted(data.sample, np.arange(data.samples + 1))
    rivals = np.ascontiguousarray(np.vstack([data.margins, -data.thresholds]).T.astype(np.int32))
    order = np.flatnonzero(np.diff(edges))
    ones = np.ones(data.samples, np.int64)
    best: tuple[int, tuple[int, ...]] = (-1, ())
    for size in range(1, most + 1):
        prefixes = prefixes_of(members, size)
        for start in range(0, len(prefixes), PREFIXES):
            part = prefixes[start : start + PREFIXES]
            rest = members - firsts_of(part)
            wrong = np.zeros(int(rest.sum()), np.int32)
            count_wrong_after(rivals, edges[:-1], edges[1:], ones, order, 0, len(order), part, wrong)
            place = int(wrong.argmin())
            right = data.samples - int(wrong[place])
            if right > best[0]:
                ends = np.cumsum(rest)
                row = int(np.searchsorted(ends, place, side="right"))
                last = int(firsts_of(part)[row]) + place - int(ends[row] - rest[row])
                best = right, (*(int(m) for m in part[row]), last)
    return best[1], best[0]


def _solve(data: SelectionData, most: int, seconds: float) -> tuple[tuple[int, ...], int]:
    """Return the solver's subset, empty where it found none, and the bound, in samples that are right."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    members = data.members
    ordered = np.sort(data.margins, axis=0).astype(np.int64)
    lowest = np.minimum(ordered[:most], 0).sum(axis=0)
    highest = np.maximum(ordered[-most:], 0).sum(axis=0)
    highest = np.where(highest > 0, highest, ordered[-1])  # a subset has one member at least
    hopeless = np.zeros(data.samples, np.bool_)
    hopeless[data.sample[highest < data.thresholds]] = True
    rows = np.flatnonzero((lowest < data.thresholds) & ~hopeless[data.sample])
    open_samples = np.unique(data.sample[rows])
    always = data.samples - int(hopeless.sum()) - len(open_samples)
    if not len(rows):
        return (0,), always
    # B(r): a single member has one margin, so a subset has at least the lowest of all.
    big = (data.thresholds - np.where(lowest < 0, lowest, ordered[0]))[rows] * SCALE + SLACK
    count, z = len(rows), np.searchsorted(open_samples, data.sample[rows])
    values = np.concatenate([(data.margins[:, rows].T * SCALE).ravel(), -big])
    places = np.concatenate([np.tile(np.arange(members), count), members + z])
    lines = np.concatenate([np.repeat(np.arange(count), members), np.arange(count)])
    matrix = csr_array((values, (lines, places)), shape=(count, members + len(open_samples)))
    size = csr_array((np.ones(members), (np.zeros(members, np.int64), np.arange(members))), shape=(1, matrix.shape[1]))
    objective = np.concatenate([np.zeros(members), -np.ones(len(open_samples))])
    found = milp(
        objective,
        integrality=np.ones(len(objective)),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(matrix, data.thresholds[rows] * SCALE - big - SLACK, np.inf),
            LinearConstraint(size, 1, most),
        ],
        options={"time_limit": seconds, "mip_rel_gap": 0.0},
    )
    if found.status not in (0, 1):
        raise KofnError(f"exact: the solver ended with {found.message!r}; please report this.")
    bound = len(open_samples) if found.mip_dual_bound is None else -found.mip_dual_bound
    chosen = () if found.x is None else tuple(np.flatnonzero(found.x[:members] > 0.5).tolist())
    return chosen, always + min(len(open_samples), int(np.floor(bound + 1e-6)))
