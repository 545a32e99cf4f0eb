"""All that a page shows, as one value: numbers and names, no HTML."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.classes.confusion import Confusion, confusion
from analysis.classes.per_class import PerClass, per_class
from analysis.copies import find_copies
from analysis.diversity import Diversity, measure_diversity
from analysis.members.class_curves import ClassCurves, curves_of
from analysis.members.costs import cost_words, member_costs
from analysis.members.filters import FilterGrid, filter_grid
from analysis.page.choices import Choice, Panels, best_of_all, choices, panel_masks, panels
from analysis.page.pictures import Encode, Pictures, pictures
from analysis.page.points import Points, points
from analysis.report_data import MOST_SUBSETS, NotAvailable, ReportData, every_subset, histories
from analysis.selection.best import Best, Counted
from analysis.selection.compare import against_the_best_member
from analysis.selection.costs import CostFront, check_costs, front_of, subset_costs
from analysis.selection.data import selection_data
from analysis.selection.every_subset import with_metrics
from analysis.stack import PredictionStack, join
from analysis.statistics import Paired
from analysis.subsets.beyond import LeadingTable
from analysis.subsets.score import subset_table
from analysis.subsets.shapley import shapley
from analysis.subsets.table import SubsetTable
from ensemble.errors import BadInput
from ensemble.machine import Progress
from ensemble.study.history import History
from ensemble.study.predictions import Predictions, Rows
from ensemble.study.split import Split

Costs = tuple[Mapping[str, float] | ArrayLike, str]


@dataclass(frozen=True, eq=False)
class Member:
    """A member alone, and what it is worth to the others.

    scores: metric to value. share: its exact Shapley value of accuracy. without: the accuracy of all the others
    together, None where there are none. random_start: its network began with random weights where its paper's began
    with trained ones, so it cannot be compared with the paper. settings: what of its recipe differs between members.
    """

    name: str
    scores: Mapping[str, float]
    share: float
    without: float | None
    random_start: bool
    settings: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Page:
    """A study, or predictions without one, on one split.

    study: the folder's name; data: the dataset's; definition: what the split is; fingerprint: of the images, or None.
    commands: what makes the page and its numbers again.
    classes, confusion: those of all members together, classes hardest first; class_ids and class_names stand in column
    order. copies: groups of members that predict the same, by their positions.
    start: the subset that is shown first. filters: of the members that have some. lacking: for each part that is not
    shown, why. warnings: what speaks against rows being of one order, or separate, a sentence each. front: what
    accuracy can be had for what cost, where costs are known. paired: the forward test of choosing the best subset
    against taking the best member, None of one member or of too few samples. curves: the recall of classes over epochs,
    of members whose histories say it.
    """

    study: str
    data: str
    definition: str
    fingerprint: str | None
    commands: tuple[str, ...]
    table: SubsetTable
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    points: Points
    panels: Panels
    classes: PerClass
    confusion: Confusion
    start: int
    choices: tuple[Choice, ...]
    members: tuple[Member, ...]
    diversity: Diversity
    histories: tuple[History, ...]
    filters: tuple[FilterGrid, ...]
    pictures: Pictures | None
    lacking: Mapping[str, str]
    warnings: tuple[str, ...]
    copies: tuple[tuple[int, ...], ...] = ()
    front: CostFront | None = None
    paired: Paired | None = None
    curves: ClassCurves | None = None

    def choice(self, name: str) -> Choice | None:
        """Return the choice of this name, or None."""
        return next((choice for choice in self.choices if choice.name == name), None)


ONE_BY_ONE = (
    "Samples here belong together in groups, and this page takes them one by one: its intervals and tests are those of "
    "separate samples. ens-combine, and ens-report per-class and versus, keep groups together."
)


def page_of(
    data: ReportData,
    split: Split | None = None,
    encode: Encode | None = None,
    images: int | None = None,
    why: str = "The page was made without images.",
    progress: Progress | None = None,
    cost: str | None = None,
) -> Page:
    """Return the page of a study's members on a split.

    split: the images that the predictions are of, `why` there are none where there are none; encode: see `pictures`;
    images: how many a class; progress: told how many ways to choose were tried, and how many there are. cost: "gflops",
    "parameters" or a CSV file, see `member_costs`; by default GFLOP, where all networks are known.
    Raises `BadInput` for an unlabelled split or bad costs, `NotAvailable` for more members than have a table.
    """
    config = data.study.config
    definition = config.splits.get(data.split)
    lacking: dict[str, str] = {}
    found = _histories(data, lacking)
    on = (f" --split {data.split}" if data.split != "val" else "") + f" --study {shlex.quote(data.study.root.name)}"
    return _page(
        data.stack,
        data.counted or data.subsets,
        data.predictions,
        lacking,
        split if encode is not None else None,
        encode,
        images,
        why,
        progress,
        study=data.study.root.resolve().name,
        data=config.data,
        definition=definition.definition if definition else "",
        fingerprint=config.fingerprint,
        commands=(f"ens-combine --k all{on}", f"ens-report per-class{on}", f"ens-report html{on}"),
        best_first=data.name == "best",
        together=_together(data),
        costs=_costs(data, cost, lacking),
        histories=found,
        curves=_curves(found, data, lacking),
    )


def page_of_predictions(
    predictions: Sequence[Predictions],
    title: str,
    commands: Sequence[str] = (),
    intersect: bool = False,
    progress: Progress | None = None,
    costs: Costs | None = None,
) -> Page:
    """Return the page of members' predictions of one split, without a study: there are no images and no histories.

    title: the page's; commands: what makes it again; intersect: of members that differ in samples take the common ones.
    costs: of the members, and of what they are, in words.
    Raises `BadInput` where the members do not fit one another or have no labels, `NotAvailable` for too many of them.
    """
    stack = join(list(predictions), intersect)
    stack.require_labels()
    named = {p.member: p for p in predictions}
    lacking = {"training": "Predictions alone have no histories."}
    return _page(
        stack,
        every_subset(stack, progress),
        [named[member] for member in stack.members],
        lacking,
        None,
        None,
        None,
        "Predictions alone have no images; those of a study have.",
        progress,
        study=title,
        data="predictions",
        definition="",
        fingerprint=None,
        commands=tuple(commands),
        best_first=False,
        costs=costs,
        histories=(),
    )


def _together(data: ReportData) -> bool:
    try:
        groups = data.groups_of(data.stack)
        return groups is not None and len(np.unique(groups)) < len(groups)
    except BadInput:  # members' predictions differ in which they are, and agree that there are some
        return True


def _page(
    stack: PredictionStack,
    scored: SubsetTable | Counted,
    predictions: Sequence[Predictions | Rows],
    lacking: dict[str, str],
    split: Split | None,
    encode: Encode | None,
    images: int | None,
    why: str,
    progress: Progress | None,
    *,
    best_first: bool,
    costs: Costs | None,
    together: bool = False,
    **facts: Any,
) -> Page:
    """Return a page; predictions in the stack's order; lacking: grows by what is not shown; facts: of the `Page`.

    together: whether samples belong together in groups, of which the page's statistics know nothing.
    """
    counted = scored if isinstance(scored, Counted) else None
    table = scored.table if isinstance(scored, Counted) else scored
    everyone = 2 ** len(stack.members) - 1
    best = table.best().mask
    counts = np.bincount(stack.require_labels(), minlength=stack.classes)
    few = table.count <= MOST_SUBSETS
    uneven = len(np.unique(counts[counts > 0])) > 1  # else it is the accuracy itself
    if few and uneven:
        table = with_metrics(table, stack, ["balanced_accuracy"])
    elif uneven:
        lacking["balanced accuracy"] = (
            f"It is computed of up to {MOST_SUBSETS:,} subsets; ens-combine --metric balanced_accuracy chooses by it."
        )
    seen = selection_data(stack, held=None if counted is None else counted.held)
    everything = best_of_all(seen, table, counted)
    found = choices(everything, progress)
    front = _front(everything, table, *costs) if few and costs is not None else None
    if not few and costs is not None:
        lacking["cost"] = f"The front is made of up to {MOST_SUBSETS:,} subsets; name fewer members."
    shown = panels(stack, panel_masks(table, [best, *(c.mask for c in found if c.mask)]))
    if split is None:
        lacking["pictures"] = why
    alone = [shown.place(1 << i) for i in range(len(stack.members))]
    preds = np.empty(stack.samples, np.int64)
    preds[shown.rows] = shown.preds[shown.place(everyone)]
    return Page(
        table=table,
        class_ids=stack.class_ids,
        class_names=stack.class_names,
        points=points(table, {*shown.masks, *(point.mask for point in (front.points if front else ()))}),
        panels=shown,
        classes=per_class(stack.labels, preds, stack.class_ids, stack.class_names),
        confusion=confusion(stack.require_labels(), preds, stack.class_ids, stack.class_names),
        start=best if best_first else everyone,
        choices=found,
        members=_members(stack, table, predictions),
        diversity=measure_diversity(shown.preds[alone], shown.labels, stack.members),
        filters=_filters(predictions, lacking),
        pictures=_pictures(stack, shown, split, encode, images, lacking),
        lacking=lacking,
        warnings=(*(str(finding) for finding in stack.misaligned()), *((ONE_BY_ONE,) if together else ())),
        copies=find_copies(stack),
        front=front,
        paired=against_the_best_member(everything, "accuracy") if len(stack.members) > 1 else None,
        **facts,
    )


def _costs(data: ReportData, cost: str | None, lacking: dict[str, str]) -> Costs | None:
    """Return the members' costs; None where nobody asked for them and not all networks are known."""
    try:
        found = member_costs(data.study, data.stack.members, cost or "gflops")
    except BadInput as lack:
        if cost is not None:
            raise
        lacking["cost"] = str(lack)
        return None
    return found, cost_words(cost or "gflops")


def _front(best: Best, table: SubsetTable, costs: Mapping[str, float] | ArrayLike, what: str) -> CostFront:
    own = check_costs(costs, table.members)
    return front_of(replace(best, costs=subset_costs(own, best.subsets.masks)), table, own, "sum", what)


def _members(
    stack: PredictionStack, table: SubsetTable, predictions: Sequence[Predictions | Rows]
) -> tuple[Member, ...]:
    everyone = 2 ** len(table.members) - 1
    leading = isinstance(table, LeadingTable)
    shares = (table.contributions["accuracy"] if leading else shapley(table, "accuracy")).values
    rest = subset_table(stack, [len(table.members) - 1]) if leading else table
    differing = _differing([dict(p.recipe or {}) for p in predictions])
    return tuple(
        Member(
            name=name,
            scores={metric: table.find(1 << i).score(metric) for metric in ("accuracy", "top5", "nll", "brier")},
            share=shares[name],
            without=rest.find(everyone ^ 1 << i).accuracy if everyone > 1 else None,
            random_start=predictions[i].attributes.get("comparable") in (False, 0),
            settings=differing[i],
        )
        for i, name in enumerate(table.members)
    )


def _differing(recipes: list[dict]) -> list[dict[str, str]]:
    """Return of each recipe the model and the settings that are not the same in all; numbers in short."""
    keys = dict.fromkeys(key for recipe in recipes for key in recipe)
    differ = [key for key in keys if key == "model" or len({str(recipe.get(key)) for recipe in recipes}) > 1]
    return [{key: _short(recipe[key]) for key in differ if key in recipe} for recipe in recipes]


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value) or "none"


def _histories(data: ReportData, lacking: dict[str, str]) -> tuple[History, ...]:
    try:
        return tuple(histories(data.study, data.patterns))
    except NotAvailable as lack:
        lacking["training"] = str(lack)
        return ()


def _curves(found: Sequence[History], data: ReportData, lacking: dict[str, str]) -> ClassCurves | None:
    """Return the recall of classes over epochs of the members shown, where their histories say it."""
    shown = [history for history in found if history.member in data.stack.members]
    if not shown:
        return None
    try:
        return curves_of(shown, data.stack.class_ids, data.stack.class_names, str(data.study.root))
    except BadInput as lack:
        lacking["recall over epochs"] = str(lack)
        return None


def _filters(predictions: Sequence[Predictions | Rows], lacking: dict[str, str]) -> tuple[FilterGrid, ...]:
    grids = []
    for p in predictions:
        if p.first_layer is None:
            continue
        try:
            grids.append(filter_grid(p.first_layer, member=p.member))
        except BadInput as error:
            lacking["filters"] = str(error)
    if not grids:
        lacking.setdefault("filters", "No member's first-layer filters are known.")
    return tuple(grids)


def _pictures(
    stack: PredictionStack,
    shown: Panels,
    split: Split | None,
    encode: Encode | None,
    images: int | None,
    lacking: dict[str, str],
) -> Pictures | None:
    if split is None or encode is None:
        return None
    try:
        return pictures(stack, shown, 2 ** len(stack.members) - 1, split, encode, images)
    except BadInput as error:
        lacking["pictures"] = str(error)
        return None
