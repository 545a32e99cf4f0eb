"""Choosing an ensemble, and what the choice is worth: its honest score, the other ways to choose, the paired test."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arguments import check_stack
from analysis.class_metrics import WEIGHTED, WHOLE_SET, base_of, metric_of
from analysis.class_metrics import class_weights as checked_class_weights
from analysis.metrics import GEOMETRIC_MEMBERS, METRICS, rule_of
from analysis.selection.best import Best, Counted, Listed, score_by_block, scores_of_subsets
from analysis.selection.class_sums import check_whole_set
from analysis.selection.compare import (
    SelectionResult,
    against_the_best_member,
    all_scores,
    beside,
    check_selection,
    evaluate_selection,
    everyone,
    metrics_of,
    selection_of,
    unchosen,
)
from analysis.selection.costs import CostFront, check_costs, front_of, subset_costs
from analysis.selection.cross_validation import CrossValidation, cross_validated, out_of_fold
from analysis.selection.data import Selection, SelectionData, Weighted, selection_data
from analysis.selection.resampling import blocks_of
from analysis.stack import PredictionStack
from analysis.statistics import Paired, group_codes
from analysis.subsets.beyond import LeadingTable
from analysis.subsets.score import has_table, subset_table
from analysis.subsets.shapley import Shapley, shapley
from analysis.subsets.table import SubsetTable, check_sizes, count_subsets
from ensemble.errors import BadInput, nearest
from ensemble.machine import Progress
from ensemble.study.tabular import Rows

if TYPE_CHECKING:
    from analysis.subsets.pairs import Pairs

SHAPLEY_METRICS = ("accuracy", "nll", "brier")
ORDER = ("member", "all", "given", "best", "greedy", "weights", "stack")  # in which ways to choose are shown


@dataclass(frozen=True, eq=False)
class EnsembleSelection(Rows):
    """An ensemble that was chosen out of the members of a stack, beside what else could have been chosen.

    table: the scores of the subsets it was chosen from, or that stand beside it.
    metric: what was to be best. result: what was chosen, with its apparent and its honest score.
    scores: each metric of it on all samples, NaN where the rule has none. member: the best single member.
    ways: the ways to choose beside each other, `result` among them; `result` alone where there is one member.
    slow: names of ways that were left out, since they take longer than a moment.
    paired: the test against the best member; None where nothing was chosen or samples are too few.
    front: what score can be had for what cost; None where no costs were given.
    """

    data: SelectionData
    table: SubsetTable
    metric: str
    result: SelectionResult
    scores: dict[str, float]
    member: SelectionResult
    ways: tuple[SelectionResult, ...]
    slow: tuple[str, ...]
    paired: Paired | None
    front: CostFront | None = None

    def _columns(self) -> dict[str, Any]:
        ways = {name: [getattr(way.honest, name) for way in self.ways] for name in ("apparent", "score", "low", "high")}
        members = ["+".join(self.table.members[i] for i in way.chosen.members) for way in self.ways]
        return {"name": [way.name for way in self.ways], "members": members} | ways

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the members that take part, in natural order."""
        return tuple(self.table.members[i] for i in self.result.chosen.members)

    @property
    def weights(self) -> dict[str, float] | None:
        """Each member's weight; None where the ensemble is no weighted mean."""
        weights = self.result.chosen.weights
        return (
            None if weights is None else {self.table.members[i]: float(weights[i]) for i in self.result.chosen.members}
        )

    def shapley(self) -> tuple[Shapley, ...]:
        """Return each member's contribution to accuracy, NLL and Brier; none where not all subsets were scored."""
        return self._shapley

    @cached_property
    def _shapley(self) -> tuple[Shapley, ...]:
        if isinstance(self.table, LeadingTable):
            return tuple(self.table.contributions[m] for m in SHAPLEY_METRICS if m in self.table.contributions)
        if len(self.table) != 2 ** len(self.table.members) - 1:
            return ()
        return tuple(shapley(self.table, metric) for metric in SHAPLEY_METRICS)

    def out_of_fold(self) -> np.ndarray | None:
        """Return a regression's probabilities of each sample when fitted without it, float64 (N, C); else None."""
        held = self.result.held
        return out_of_fold(self.data, held) if self.result.chosen.weights is None and held else None

    def __repr__(self) -> str:
        found = self.result.honest
        honest = "none" if found.score is None else f"{found.score:.4f}"
        return (
            f"EnsembleSelection({self.result.name!r}: {len(self.members)} of {len(self.table.members)} members, "
            f"{self.metric} {self.scores[self.metric]:.4f}, honest accuracy {honest})"
        )


def select(
    stack: PredictionStack,
    how: str = "best",
    *,
    metric: str = "accuracy",
    sizes: Iterable[int] | int | None = None,
    max_size: int | None = None,
    weights: Mapping[str, float] | None = None,
    rule: str = "mean",
    groups: ArrayLike | None = None,
    class_weights: Mapping[str, float] | ArrayLike | None = None,
    costs: Mapping[str, float] | ArrayLike | None = None,
    cost_by: str = "sum",
    max_cost: float | None = None,
    table: SubsetTable | Counted | None = None,
    progress: Progress | None = None,
) -> EnsembleSelection:
    """Choose an ensemble of a labelled stack's members, and say what it is worth.

    how: "best" of all subsets; "greedy", Caruana's selection with replacement; "weights", those with the lowest NLL;
    "stack", a regression on log-probabilities. metric: what the best subset and greedy selection are best by:
    "accuracy", "nll", "brier", "top5", "balanced_accuracy", "macro_f1" or "auroc" (the last two not greedily, and up to
    a number of subsets, see docs/classes.md).
    sizes: of the subsets to choose from, all where None. max_size: the most members, for best and greedy.
    weights: name -> weight, not negative, summing to 1; then nothing is chosen, and `how` has no part in it.
    rule: how members are combined, see `analysis.metrics`.
    groups: (N,), a name or number of what each sample belongs to, such as a patient or a video, in the order of the
    stack's samples: what belongs together is never chosen on in part and scored on in part, and intervals count it so.
    class_weights: class id or name -> weight, or numbers (C,): what classes count in the metric, which is then called
    weighted_... beside the plain ones; in a metric of samples each sample counts as its class, in a mean over classes
    each class.
    costs: member -> what it costs (latency, memory, money), or numbers (M,) in the members' order, for the best subset;
    then `front` says what score can be had for what cost, and of equally good subsets the cheaper one is taken.
    cost_by: "sum" of a subset's members or "max". max_cost: none that costs more is chosen.
    table: that of these sizes and rule, where it is there; of `score_subsets` it spares counting anew.
    progress: told (done, total) of the selections that are made again and again for honest scores.
    Raises `BadInput` where these do not go together, and for a stack without labels.
    """
    check_stack(stack, "select")
    members = len(stack.members)
    wanted = check_sizes(range(1, members + 1) if sizes is None else sizes, members)
    check_choice(how, metric, stack.members, rule, max_size, weights)
    held = table.held if isinstance(table, Counted) else None
    metric, data = data_of(
        stack, how if weights is None else "given", metric, rule, wanted, groups, class_weights, held
    )
    if table is None:
        table = score_subsets(stack, wanted, how, metric, rule, groups)
    counted, table = (table, table.table) if isinstance(table, Counted) else (None, table)
    if isinstance(table, LeadingTable):
        if metric not in METRICS or costs is not None:
            raise _too_many(table.count)
        allowed = table.leading(metric)
        if max_size is not None:  # of a budget the best by size are there
            allowed = np.arange(len(table))
        counted = Listed(data, table, metric, allowed)
    if counted is not None and counted.metric != metric:
        counted = None
    asked = None if weights is not None else selection_of(how, data, wanted, metric, max_size, counted)
    check_cost_limit(asked, costs, max_cost)
    own_costs = None
    if costs is not None and isinstance(asked, Best):
        own_costs = check_costs(costs, stack.members)
        asked = replace(asked, costs=subset_costs(own_costs, asked.subsets.masks, cost_by), max_cost=max_cost)
    others = members > 1 and max_cost is None  # the other ways know no costs
    quick, slow = beside("given" if asked is None else how, data, wanted, metric, max_size) if others else ([], [])
    stages = iter([_stage(progress, i, len(quick) + 1) for i in range(len(quick) + 1)])
    if asked is None:
        result = unchosen("given", data, weighted(weights or {}, stack.members, rule), metric)
    else:
        result = evaluate_selection(asked, metric, next(stages))
    if metric not in METRICS and metric not in table.others:
        best = asked if isinstance(asked, Best) else selection_of("best", data, wanted, metric)
        assert isinstance(best, Best)
        table = table.with_scores(metric, scores_of_subsets(best.subsets, data, metric))
    member = evaluate_selection(selection_of("member", data, [1], metric), metric)
    ways = [result]
    if members > 1:
        ways += [member, unchosen("all", data, everyone(data), metric)]
        ways += [evaluate_selection(selection, metric, next(stages)) for selection in quick]
    chosen = result.selection if members > 1 and result.was_chosen else None
    front = None
    if own_costs is not None and isinstance(asked, Best):
        front = front_of(asked, table, own_costs, cost_by)
    return EnsembleSelection(
        data=data,
        table=table,
        metric=metric,
        result=result,
        scores=all_scores(result, data, table),
        member=member,
        ways=tuple(sorted(ways, key=lambda way: ORDER.index(way.name))),
        slow=tuple(slow),
        paired=None if chosen is None else against_the_best_member(chosen, metric),
        front=front,
    )


def score_subsets(
    stack: PredictionStack,
    sizes: Sequence[int],
    how: str = "best",
    metric: str = "accuracy",
    rule: str = "mean",
    groups: ArrayLike | None = None,
    progress: Progress | None = None,
    *,
    metrics: Sequence[str] = tuple(METRICS),
    in_full: bool = False,
    folder: Path | None = None,
) -> SubsetTable | Counted:
    """Return the table of these sizes as `select` wants it: where subsets are many, counted by block of samples too.

    Of more than 2^24 subsets, all those of 25 to 32 members, it is a `LeadingTable`, unless a table `in_full` is asked
    for; `folder` then keeps how far it is. metrics: that are computed. progress: told samples, or such subsets, done,
    and all. Raises `BadInput` as `select` does.
    """
    labels = stack.require_labels()
    if not (in_full or has_table(len(stack.members), sizes, metrics)):
        from analysis.subsets.leading import leading_table

        return leading_table(stack, rule, metrics, progress, folder=folder)
    if how == "best" and metric in METRICS and METRICS[metric].higher_is_better and len(stack.members) > 1:
        own = None if groups is None else group_codes(groups, stack.samples)
        block = blocks_of(labels, stack.sample_ids, own)
        counted = score_by_block(stack, sizes, block, metric, rule, metrics, progress)
        if counted is not None:
            return counted
    return subset_table(stack, sizes, progress, rule, metrics)


def check_cost_limit(asked: Selection | None, costs: object, max_cost: float | None) -> None:
    """Raise `BadInput` where costs have nothing to say, or the most that may be spent is no cost."""
    if costs is not None and not isinstance(asked, Best):
        raise BadInput("costs: only the best subset is chosen by its cost; leave them out, or choose by 'best'.")
    if max_cost is not None and costs is None:
        raise BadInput(f"max_cost={max_cost:g}: needs what each member costs; give its costs as well.")
    if max_cost is not None and not 0 <= max_cost < np.inf:
        raise BadInput(f"max_cost={max_cost:g}: expected a number of 0 or more.")


def data_of(
    stack: PredictionStack, how: str, metric: str, rule: str, sizes: Sequence[int], groups: ArrayLike | None,
    class_weights: Mapping[str, float] | ArrayLike | None, held: "Pairs | None" = None,
) -> tuple[str, SelectionData]:  # fmt: skip
    """Return the metric by its full name, and what a selection by it reads; held: see `selection_data`."""
    check_data(stack, metric, rule, sizes, class_weights)
    weighing = None
    if class_weights is not None:
        weighing = checked_class_weights(class_weights, stack.class_ids, stack.class_names)
        metric = WEIGHTED + base_of(metric)
    top5 = base_of(metric) == "top5" or how != "best"
    return metric, selection_data(stack, rule, top5=top5, groups=groups, class_weights=weighing, held=held)


def _too_many(subsets: int) -> BadInput:
    return BadInput(
        f"of {subsets:,} subsets the best are kept by accuracy, top-5, NLL and Brier score, not by classes or costs; "
        "name fewer members, or ask for fewer sizes."
    )


def check_data(
    stack: PredictionStack, metric: str, rule: str, sizes: Sequence[int],
    class_weights: Mapping[str, float] | ArrayLike | None, costs: object = None,
) -> None:  # fmt: skip
    """Raise `BadInput` where the metric cannot be had of these samples or so many subsets; before they are scored."""
    stack.require_labels()
    members = len(stack.members)
    if (metric not in METRICS or class_weights is not None or costs is not None) and not has_table(members, sizes):
        raise _too_many(count_subsets(members, sizes))
    if base_of(metric) in WHOLE_SET:
        check_whole_set(metric, rule_of(rule), len(stack.members), sizes, stack.samples, stack.classes)
    held = np.unique(stack.require_labels())
    if base_of(metric) == "auroc" and len(held) == 1:
        raise BadInput(
            f"metric {metric!r}: all {stack.samples:,} samples are of the class {stack.class_ids[held[0]]!r}, and an "
            "AUROC takes samples of two; choose by accuracy."
        )
    if class_weights is not None:
        weighing = checked_class_weights(class_weights, stack.class_ids, stack.class_names)
        if not weighing[stack.require_labels()].any():
            raise BadInput("class_weights: every class that has samples here has weight 0, so nothing counts.")
    elif metric.startswith(WEIGHTED):
        raise BadInput(f"metric {metric!r}: needs the weights of the classes, as class_weights=...")


def _stage(progress: Progress | None, stage: int, stages: int) -> Progress | None:
    """Return the progress of one of some stages that are taken to be equally long."""
    return progress and (lambda done, total: progress(100 * stage + 100 * done // total, 100 * stages))


def cross_validate(
    stack: PredictionStack,
    how: str = "best",
    *,
    metric: str = "accuracy",
    sizes: Iterable[int] | int | None = None,
    max_size: int | None = None,
    rule: str = "mean",
    groups: ArrayLike | None = None,
    class_weights: Mapping[str, float] | ArrayLike | None = None,
    progress: Progress | None = None,
) -> CrossValidation:
    """Choose again and again on some of the samples, and score what was chosen on the others.

    A subset is chosen on 200 bootstraps, greedily on 50, weights and regressions on nine of ten folds, five
    times. stack, how, metric, sizes, max_size, rule, groups (N,), class_weights and progress are as `select` has them.
    Raises `BadInput` as it does, and for fewer than 20 samples.
    """
    check_stack(stack, "cross_validate")
    members = len(stack.members)
    wanted = check_sizes(range(1, members + 1) if sizes is None else sizes, members)
    check_choice(how, metric, stack.members, rule, max_size)
    metric, data = data_of(stack, how, metric, rule, wanted, groups, class_weights)
    selection = selection_of(how, data, wanted, metric, max_size)
    return cross_validated(selection, metrics_of(data, metric), progress=progress)


def check_choice(
    how: str,
    metric: str,
    members: Sequence[str],
    rule: str,
    max_size: int | None = None,
    weights: Mapping[str, float] | None = None,
) -> None:
    """Raise `BadInput` for an unknown metric or way to choose, for weights that are none, and for what does not fit."""
    if weights is None:
        check_selection(how, rule, max_size)
    else:
        weighted(weights, members, rule)
    metric_of(metric)
    if weights is None and how == "greedy" and base_of(metric) in WHOLE_SET:
        raise BadInput(f"metric {metric!r}: greedy selection takes metrics that add up over samples; choose by 'best'.")
    if base_of(metric) not in ("nll", "brier"):
        return
    if rule_of(rule).floor is None:
        raise BadInput(f"metric {metric!r}: a vote gives no probabilities; choose by accuracy or top5.")
    if rule == "geometric" and len(members) > GEOMETRIC_MEMBERS:
        raise BadInput(
            f"metric {metric!r}: for the geometric mean it is computed up to {GEOMETRIC_MEMBERS} members, and there "
            f"are {len(members)}; choose by accuracy or top5, or name fewer members."
        )


def weighted(weights: Mapping[str, float], members: Sequence[str], rule: str = "mean") -> Weighted:
    """Return the ensemble with these weights, name -> weight; members that are not named take no part.

    Raises `BadInput` where a name is not among the members, a weight is negative or no number, or they do not sum to 1.
    """
    values = np.zeros(len(members))
    for name, weight in weights.items():
        if name not in members:
            raise BadInput(f"weights: {name!r} is not among the members joined; {nearest(name, members)}.")
        if not 0 <= weight < np.inf:
            raise BadInput(f"weights: {name}={weight:g}, expected a weight of 0 or more.")
        values[members.index(name)] = weight
    total = float(values.sum())
    if abs(total - 1) > 1e-6:
        advice = f"; divide each by {total:g}" if total > 0 else ""
        raise BadInput(f"weights: expected weights that sum to 1 within 1e-6, found {total:.10g}{advice}.")
    return Weighted(values / total, rule_of(rule))
