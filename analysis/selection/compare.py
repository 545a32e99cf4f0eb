"""How the ways to choose an ensemble stand beside each other: each with its apparent and its honest score."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.class_metrics import WHOLE_SET, base_of
from analysis.metrics import METRICS
from analysis.selection.best import Best, Counted, Listed, ReferenceSums, sums_of
from analysis.selection.class_sums import WeightedSums, WholeSets, score_of
from analysis.selection.cross_validation import (
    FEWEST,
    FOLDS,
    REPEATS,
    CrossValidation,
    HonestScore,
    fixed,
    honest,
    paired,
    prequential,
)
from analysis.selection.data import Chosen, Selection, SelectionData, Weighted, of_members
from analysis.selection.greedy import Greedy
from analysis.selection.stacking import Stack
from analysis.selection.weights import Weights
from analysis.statistics import Paired
from analysis.subsets.reference import mask_of
from analysis.subsets.table import SubsetTable
from ensemble.errors import BadInput, nearest
from ensemble.machine import Progress
from ensemble.study.tabular import Tabular

SELECTIONS = ("best", "greedy", "weights", "stack")
# A selection that was not asked for is shown beside the others where it takes no more than a moment.
MOMENT = 1.0  # seconds, by estimate
SMALL = 4_000_000  # members times samples times classes


@dataclass(frozen=True, eq=False)
class SelectionResult(Tabular):
    """One way to choose, what it chose on all samples, and what that is worth.

    name: one of `SELECTIONS`, "member" (the best single one), "all" (nothing chosen), or "given" weights.
    selection, held: None where nothing was chosen, held also where samples are too few.
    metric: the one that was asked for. scores: the honest score by metric, accuracy and the one asked for among them.
    """

    name: str
    chosen: Chosen
    metric: str
    scores: dict[str, HonestScore]
    selection: Selection | None
    held: CrossValidation | None

    @property
    def honest(self) -> HonestScore:
        """The honest accuracy."""
        return self.scores["accuracy"]

    @property
    def apparent(self) -> float:
        """The metric that was asked for, on all samples."""
        return self.scores[self.metric].apparent

    @property
    def score(self) -> float | None:
        """The metric that was asked for, held out; None where samples are too few."""
        return self.scores[self.metric].score

    @property
    def choices(self) -> int:
        """From how many subsets it was chosen; 0 where not from subsets."""
        return self.selection.choices if isinstance(self.selection, Best) else 0

    @property
    def was_chosen(self) -> bool:
        """Whether there was anything to choose: more than one subset, or weights."""
        return self.selection is not None and self.choices != 1


def selection_of(
    name: str,
    data: SelectionData,
    sizes: Sequence[int],
    metric: str = "accuracy",
    max_size: int | None = None,
    counted: Counted | Listed | None = None,
) -> Selection:
    """Return the way to choose called `name`, bound to the samples of `selection_data`.

    best: of the subsets of these sizes, by `counted` where it is there; greedy: of at most `max_size` different
    members; "member": the best one.
    Raises `BadInput` as `check_selection` does.
    """
    whole = base_of(metric) in WHOLE_SET
    if name == "member":
        singles = WholeSets(data, [1], metric) if whole else ReferenceSums(data, [1])
        plain = isinstance(singles, WholeSets) or data.class_scale(metric) is None
        return Best(data, singles if plain else WeightedSums(singles, data, metric), metric, name="member")
    check_selection(name, data.rule.name, max_size)
    if name == "best":
        subsets = counted or (WholeSets(data, sizes, metric) if whole else sums_of(data, sizes, metric))
        return Best(data, subsets, metric, max_size)
    if name == "greedy":
        return Greedy(data, metric, max_size=max_size)
    return Weights(data) if name == "weights" else Stack(data)


def check_selection(name: str, rule: str, max_size: int | None) -> None:
    """Raise `BadInput` for an unknown way to choose, and for one that does not go with the rule or with a budget."""
    if name not in SELECTIONS:
        raise BadInput(f"{name!r} is not a way to choose an ensemble; {nearest(name, SELECTIONS)}.")
    if name != "best" and rule != "mean":
        raise BadInput(f"{name!r} combines by the arithmetic mean, and not by the rule {rule!r}; choose by 'best'.")
    if name in ("weights", "stack") and max_size is not None:
        raise BadInput(f"{name!r} has no most members; leave that out, or choose by 'best' or 'greedy'.")


def evaluate_selection(
    selection: Selection, metric: str = "accuracy", progress: Progress | None = None
) -> SelectionResult:
    """Choose on all samples, then again and again on some of them, and score both."""
    chosen = selection.choose()
    scores, held = honest(selection, chosen, metrics_of(selection.data, metric), progress)
    return SelectionResult(selection.name, chosen, metric, scores, selection, held)


def unchosen(name: str, data: SelectionData, ensemble: Chosen, metric: str = "accuracy") -> SelectionResult:
    """Return where an ensemble stands that was not chosen on these samples."""
    return SelectionResult(name, ensemble, metric, fixed(data, ensemble, metrics_of(data, metric)), None, None)


def metrics_of(data: SelectionData, metric: str) -> tuple[str, ...]:
    """Return the metrics of which a choice by `metric` has honest scores.

    Under the arithmetic mean accuracy, NLL and Brier score; else only those that were asked for: the normaliser over
    all classes of the geometric mean is dear, and a vote has none.
    """
    usual = ("accuracy", "nll", "brier") if data.rule.name == "mean" else ("accuracy",)
    names = [name for name in METRICS if name in usual or name == metric]
    return tuple(names if metric in names else [*names, metric])


def all_scores(result: SelectionResult, data: SelectionData, table: SubsetTable) -> dict[str, float]:
    """Return each metric of what was chosen, on all samples, in the order of `METRICS`; NaN where the rule has none.

    A subset of the table has the table's scores; metrics in which classes count stand last.
    """
    chosen = result.chosen
    if result.name == "best":
        row = table.find(mask_of(chosen.members))
        return {name: row.score(name) for name in (*METRICS, *table.others)}
    none = ("nll", "brier") if data.rule.floor is None else ()
    names = (*METRICS, *table.others)
    return {name: math.nan if name in none else score_of(chosen, data, name) for name in names}


def everyone(data: SelectionData) -> Weighted:
    """Return the ensemble of all members."""
    return of_members(range(data.members), data.members, data.rule)


def beside(
    asked: str, data: SelectionData, sizes: Sequence[int], metric: str, max_size: int | None
) -> tuple[list[Selection], list[str]]:
    """Return the other ways to choose that take no more than a moment, and the names of those that take longer.

    The moment is estimated and not measured, so that the same predictions always give the same answer.
    """
    quick, slow = [], []
    source = data.source
    small = len(source.members) * source.samples * source.classes <= SMALL
    for name in SELECTIONS:
        if name == asked or (data.rule.name != "mean" and name != "best"):
            continue
        if max_size and name in ("weights", "stack"):
            continue
        if name == "greedy" and base_of(metric) in WHOLE_SET:
            continue
        if name == "best" or (small and data.samples >= FEWEST):
            selection = selection_of(name, data, sizes, metric, max_size)
            if selection.seconds * FOLDS * REPEATS <= MOMENT:
                quick.append(selection)
                continue
        slow.append(name)
    return quick, slow


def against_the_best_member(selection: Selection, metric: str) -> Paired | None:
    """Return the paired test of a selection against the best member, each chosen on the same earlier samples.

    None where samples are too few.
    """
    data = selection.data
    if data.samples < FEWEST:
        return None
    return paired(prequential(selection), prequential(selection_of("member", data, [1], metric)))
