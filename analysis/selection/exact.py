"""The most accurate subset of many members, with a certificate: an integer programme, solved by HiGHS.

With x_m = 1 where member m takes part and z_n = 1 where sample n counts as right, the most samples that any subset of
at most K members has right is

    max sum z_n   such that   sum_m d_m(r) x_m >= t(r) - B(r) (1 - z_n) for each rival r of sample n, 1 <= sum x_m <= K,

d and t the whole-number margins and thresholds of `SelectionData`, in which sums decide as means do, whatever the size;
B(r) is the least that lets the row hold for every subset: t(r) less the sum of the K lowest negative margins. Samples
that every subset has right or wrong take no part. Q. Huangfu and J. A. J. Hall, Parallelizing the dual revised simplex
method, Mathematical Programming Computation 10 (2018), for the solver, by SciPy.
"""

from dataclasses import dataclass

import numpy as np

from analysis.selection.data import SelectionData, of_members
from analysis.selection.greedy import greedy_order
from ensemble.errors import BadInput, KofnError
from ensemble.study.tabular import Tabular

SECONDS = 60.0
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

    data: see `selection_data`. seconds: after which the search ends with what it has; the subset is then the better of
    the solver's and of the greedy one, and `gap` says what is not excluded. Raises `BadInput` for a budget below 1.
    """
    members = data.members
    most = members if max_size is None else min(max_size, members)
    if most < 1:
        raise BadInput(f"exact: expected a budget of at least 1 member, found max_size={max_size}.")
    order = _forward(data, most)
    best = max(order, key=lambda chosen: (_correct(data, chosen), -len(chosen)))
    greedy = _correct(data, best)
    chosen, bound = _solve(data, most, seconds)
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
