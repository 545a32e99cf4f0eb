"""A page straight from predictions, without a study: `report(probs, labels, "page.html")`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from analysis.page.value import page_of_predictions
from analysis.page.write import write_page
from analysis.selection.costs import check_costs
from analysis.stack import stack_arrays
from ensemble.errors import BadInput
from ensemble.machine import Progress
from ensemble.study.predictions import Predictions


def report(
    probs: np.ndarray | Sequence[np.ndarray],
    labels: np.ndarray | Sequence[int],
    path: str | Path,
    *,
    members: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    title: str = "Predictions",
    costs: Mapping[str, float] | ArrayLike | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write the page of some classifiers' predictions: one HTML file that asks nothing of any network.

    probs: floats (M, N, C), or one predictor's (N, C); rows sum to 1. labels: whole numbers (N,), columns of the true
    classes. path: of the file, replaced where it is there. members: M names; m-0, m-1, ... by default. class_names: C
    of them; the columns' numbers by default. title: the page's heading. costs: member -> what it costs, or numbers
    (M,) in the order of `members`, none negative: the page then sets accuracy against cost.
    progress: told (done, total) of the ways to choose that were tried.
    Returns the path. Raises `BadInput` where arrays do not fit one another, `StorageError` where it cannot be written.
    """
    arrays = np.asarray(probs)[None] if np.ndim(probs) == 2 else probs
    stack = stack_arrays(arrays, labels, members)
    names = stack.class_names if class_names is None else tuple(str(name) for name in class_names)
    if len(names) != stack.classes:
        raise BadInput(f"class_names: expected {stack.classes}, one a column of probs, found {len(names)}.")
    stack = replace(stack, class_names=names)
    given = [f"m-{i}" for i in range(len(stack.members))] if members is None else [str(m) for m in members]
    priced = None
    if costs is not None:
        priced = dict(zip(given, check_costs(costs, given).tolist(), strict=True)), "the given costs"
    found = [
        Predictions(member, "val", predicted, stack.sample_ids, stack.class_ids, names, stack.labels, ids_given=False)
        for member, predicted in zip(stack.members, stack.probs, strict=True)
    ]
    path = Path(path)
    write_page(page_of_predictions(found, title, progress=progress, costs=priced), path)
    return path
