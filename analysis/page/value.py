"""All that a page shows, as one value: numbers and names, no HTML."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.classes.per_class import PerClass, per_class
from analysis.diversity import Diversity, measure_diversity
from analysis.members.filters import FilterGrid, filter_grid
from analysis.page.choices import Choice, choices
from analysis.page.panels import Panels, panel_masks, panels
from analysis.page.pictures import Encode, Pictures, pictures
from analysis.page.points import Points, points
from analysis.report_data import NotAvailable, ReportData, histories
from analysis.selection.data import selection_data
from analysis.stack import PredictionStack
from analysis.subsets.shapley import shapley
from analysis.subsets.table import SubsetTable
from ensemble.errors import BadInput
from ensemble.progress import Progress
from ensemble.study.history import History
from ensemble.study.split import Split


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
    """A study on one split.

    study: the folder's name; data: the dataset's; definition: what the split is; fingerprint: of the images, or None.
    classes: those of all members together, hardest first; class_ids and class_names stand in column order.
    start: the subset that is shown first. filters: of the members that have some. lacking: for each part that is not
    shown, why.
    """

    study: str
    data: str
    definition: str
    fingerprint: str | None
    table: SubsetTable
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    points: Points
    panels: Panels
    classes: PerClass
    start: int
    choices: tuple[Choice, ...]
    members: tuple[Member, ...]
    diversity: Diversity
    histories: tuple[History, ...]
    filters: tuple[FilterGrid, ...]
    pictures: Pictures | None
    lacking: Mapping[str, str]

    def choice(self, name: str) -> Choice | None:
        """Return the choice of this name, or None."""
        return next((choice for choice in self.choices if choice.name == name), None)


def page_of(
    data: ReportData,
    split: Split | None = None,
    encode: Encode | None = None,
    images: int | None = None,
    why: str = "The page was made without images.",
    progress: Progress | None = None,
) -> Page:
    """Return the page of a study's members on a split.

    split: the images that the predictions are of, `why` there are none where there are none; encode: see `pictures`;
    images: how many a class; progress: told how many ways to choose were tried, and how many there are.
    Raises `BadInput` for an unlabelled split, `NotAvailable` for more members than have a table.
    """
    stack, table = data.stack, data.table
    everyone = 2 ** len(stack.members) - 1
    best = table.best().mask
    found = choices(selection_data(stack), progress)
    shown = panels(stack, panel_masks(table, [best, *(c.mask for c in found if c.mask)]))
    lacking = {} if split is not None and encode is not None else {"pictures": why}
    label = shown.place(everyone)
    alone = [shown.place(1 << i) for i in range(len(stack.members))]
    preds = np.empty(stack.samples, np.int64)
    preds[shown.rows] = shown.preds[label]
    config = data.study.config
    definition = config.splits.get(data.split)
    return Page(
        study=data.study.root.resolve().name,
        data=config.data,
        definition=definition.definition if definition else "",
        fingerprint=config.fingerprint,
        table=table,
        class_ids=stack.class_ids,
        class_names=stack.class_names,
        points=points(table, shown.masks),
        panels=shown,
        classes=per_class(stack.labels, preds, stack.class_ids, stack.class_names),
        start=best if data.name == "best" else everyone,
        choices=found,
        members=_members(data),
        diversity=measure_diversity(shown.preds[alone], shown.labels, stack.members),
        histories=_histories(data, lacking),
        filters=_filters(data, lacking),
        pictures=_pictures(stack, shown, split, encode, images, lacking),
        lacking=lacking,
    )


def _members(data: ReportData) -> tuple[Member, ...]:
    table = data.table
    everyone = 2 ** len(table.members) - 1
    shares = shapley(table, "accuracy").values
    differing = _differing([dict(p.recipe or {}) for p in data.predictions])
    return tuple(
        Member(
            name=name,
            scores={metric: table.find(1 << i).score(metric) for metric in ("accuracy", "top5", "nll", "brier")},
            share=shares[name],
            without=table.find(everyone ^ 1 << i).accuracy if everyone > 1 else None,
            random_start=data.predictions[i].attributes.get("comparable") in (False, 0),
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
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _histories(data: ReportData, lacking: dict[str, str]) -> tuple[History, ...]:
    try:
        return tuple(histories(data.study, data.patterns))
    except NotAvailable as lack:
        lacking["training"] = str(lack)
        return ()


def _filters(data: ReportData, lacking: dict[str, str]) -> tuple[FilterGrid, ...]:
    grids = []
    for p in data.predictions:
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
