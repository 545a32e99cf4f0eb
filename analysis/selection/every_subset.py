"""Every subset by any metrics, and against what it costs: what needs no selection to be made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from analysis.arguments import check_stack
from analysis.metrics import METRICS
from analysis.selection.best import Best, scores_of_subsets
from analysis.selection.choose import Progress, check_choice, check_cost_limit, data_of
from analysis.selection.compare import selection_of
from analysis.selection.costs import CostFront, check_costs, front_of, subset_costs
from analysis.stack import PredictionStack, stack_arrays
from analysis.subsets.score import subset_table
from analysis.subsets.table import SubsetTable, check_sizes


def combine(
    probs: np.ndarray | Sequence[np.ndarray],
    labels: np.ndarray | Sequence[int],
    members: Sequence[str] | None = None,
    sizes: Iterable[int] | int | None = None,
    rule: str = "mean",
    *,
    metrics: Sequence[str] = (),
    class_weights: Mapping[str, float] | ArrayLike | None = None,
) -> SubsetTable:
    """Return the scores of every subset of the members, or of those with one of `sizes` members.

    probs: (M, N, C) in floating point, or M arrays (N, C); rows finite, >= 0, summing to 1 within 1e-4 (of float16,
    2e-2, and renormalised). They are rounded to float32, as files hold them.
    labels: whole numbers (N,), the column of each sample's true class.
    members: M names; m-0, m-1 ... where there are none. Bit i of a mask is the i-th name in natural order.
    sizes: of the subsets, one or several; all where None. rule: "mean", "geometric" or "vote", see `analysis.metrics`.
    metrics: what else to score them by: "balanced_accuracy", "macro_f1", "auroc"; in `table.others`.
    class_weights: as `select` has them; `metrics` are then weighted, and accuracy, top5, nll, brier may be among them.
    Raises `BadInput` naming the member and the row that do not hold.
    """
    stack = stack_arrays(probs, labels, members)
    wanted = check_sizes(range(1, len(stack.members) + 1) if sizes is None else sizes, len(stack.members))
    for metric in metrics:
        check_choice("best", metric, stack.members, rule)
    table = subset_table(stack, wanted, rule=rule)
    return with_metrics(table, stack, metrics, class_weights)


def with_metrics(
    table: SubsetTable,
    stack: PredictionStack,
    metrics: Sequence[str],
    class_weights: Mapping[str, float] | ArrayLike | None = None,
) -> SubsetTable:
    """Return the table of a stack's subsets with further metrics, weighted where there are weights of classes."""
    sizes = check_sizes(np.unique(table.sizes).tolist(), len(stack.members))
    for metric in metrics:
        name, data = data_of(stack, "best", metric, table.rule, sizes, None, class_weights)
        if name not in METRICS and name not in table.others:
            best = selection_of("best", data, sizes, name)
            assert isinstance(best, Best)
            table = table.with_scores(name, scores_of_subsets(best.subsets, data, name))
    return table


def cost_front(
    stack: PredictionStack,
    costs: Mapping[str, float] | ArrayLike,
    *,
    by: str = "sum",
    what: str = "costs",
    metric: str = "accuracy",
    sizes: Iterable[int] | int | None = None,
    max_size: int | None = None,
    max_cost: float | None = None,
    rule: str = "mean",
    groups: ArrayLike | None = None,
    class_weights: Mapping[str, float] | ArrayLike | None = None,
    table: SubsetTable | None = None,
    progress: Progress | None = None,
) -> CostFront:
    """Return what score can be had for what cost: the exact front over every subset, with honest scores along it.

    stack: labelled. costs: member -> what it costs, such as milliseconds, or numbers (M,) in the members' order, none
    negative. by: "sum" of a subset's members, or "max" where they run side by side. what: of what they are, in words.
    metric, sizes, max_size, rule, groups (N,), class_weights, table and progress are as `select` has them.
    max_cost: the front ends there.
    Raises `BadInput` where members have no cost, and as `select` does.
    """
    check_stack(stack, "cost_front")
    wanted = check_sizes(range(1, len(stack.members) + 1) if sizes is None else sizes, len(stack.members))
    check_choice("best", metric, stack.members, rule, max_size)
    metric, data = data_of(stack, "best", metric, rule, wanted, groups, class_weights)
    own = check_costs(costs, stack.members)
    best = selection_of("best", data, wanted, metric, max_size)
    check_cost_limit(best, costs, max_cost)
    assert isinstance(best, Best)
    best = replace(best, costs=subset_costs(own, best.subsets.masks, by), max_cost=max_cost)
    scored = subset_table(stack, wanted, rule=rule) if table is None else table
    return front_of(best, scored, own, by, what, progress)
