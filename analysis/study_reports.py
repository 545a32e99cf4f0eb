"""What each report of a study shows, as one value: what `ens-report` draws, prints and writes, for those in Python."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from analysis.abstention.of_ensemble import ensemble_abstention
from analysis.calibration.of_ensemble import ensemble_calibration
from analysis.classes.confusion import confusion
from analysis.diversity import ensemble_diversity
from analysis.errors import find_errors
from analysis.members.compare import compare_members, differing
from analysis.members.filters import filter_grid
from analysis.members.models import members_of
from analysis.report_data import NotAvailable, ReportData, histories
from ensemble.errors import BadInput, nearest
from ensemble.machine import Progress
from ensemble.study.study import Study


def _confusion(data: ReportData, **options: Any) -> Any:
    stack = data.ensemble.stack
    return confusion(stack.require_labels(), data.ensemble.preds, stack.class_ids, stack.class_names, **options)


def _calibration(data: ReportData, **options: Any) -> Any:
    groups = data.groups_of(data.ensemble.stack)
    return ensemble_calibration(data.ensemble, progress=data.progress, groups=groups, **options)


def _abstain(data: ReportData, **options: Any) -> Any:
    groups = data.groups_of(data.ensemble.stack)
    return ensemble_abstention(data.ensemble, progress=data.progress, groups=groups, **options)


def _filters(data: ReportData, **options: Any) -> Any:
    known = [p for p in data.predictions if p.first_layer is not None]
    if not known:
        raise NotAvailable(f"{data.study.root}: no first-layer kernels are known of its members.")
    return [filter_grid(p.first_layer, member=p.member, **options) for p in known if p.first_layer is not None]


def _compare(data: ReportData, by: str | None = None) -> Any:
    members = members_of(data.study, data.split, data.patterns)
    found = [by] if by is not None else differing(members)[:1]
    if not found:
        raise NotAvailable(f"{data.study.root}: its members' recipes differ in nothing but seeds.")
    return compare_members(members, found[0], data.intersect)


# Kind -> (data, options of its own) -> value.
KINDS: Mapping[str, Callable[..., Any]] = {
    "per-class": lambda data: data.classes,
    "curve": lambda data: data.table,
    "training": lambda data: histories(data.study, data.patterns),
    "models": lambda data: members_of(data.study, data.split, data.patterns),
    "compare": _compare,
    "filters": _filters,
    "confusion": _confusion,
    "calibration": _calibration,
    "abstain": _abstain,
    "diversity": lambda data: ensemble_diversity(data.joined),
    "errors": lambda data, **options: find_errors(data.ensemble, **options),
}


def study_report(
    study: Study | str | Path,
    kind: str,
    split: str = "val",
    *,
    ensemble: str = "all",
    members: Sequence[str] = (),
    intersect: bool = False,
    groups: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Any:
    """Return the value that a report of a study shows for one split.

    options: those of a kind, below in brackets. kind: "per-class" (`PerClass`), "curve" (`SubsetTable`), "training" (a
    list of `History`), "models" (of members), "compare" (of a setting, `by`), "filters" (of grids; `scale`, `order`),
    "confusion" (`Confusion`; `order`), "calibration" (`EnsembleCalibration`; `bins`, `binning`), "abstain"
    (`EnsembleAbstention`; `alpha`, `shifted`, `logits`), "diversity" (`EnsembleDiversity`) or "errors"
    (`ErrorAnalysis`; `samples`, `seed`). ensemble: "all", "best", or a member's or a saved ensemble's name; members:
    names, or patterns such as 'm3-*', of those that take part; intersect: where members differ in samples, take the
    common ones; groups: a file that says which samples belong together, for "per-class", "calibration" and "abstain";
    progress: told (done, total). Raises `BadInput` for what is unknown, and `NotAvailable`, a `BadInput`
    too, where the study does not hold what the report shows.
    """
    if kind not in KINDS:
        raise BadInput(f"{kind!r} is not a kind of report; {nearest(kind, KINDS)}.")
    study = Study.of(study)
    together = None if groups is None else Path(groups)
    made = partial(KINDS[kind], ReportData(study, split, tuple(members), ensemble, intersect, progress, together))
    try:
        return made(**options)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        raise BadInput(f"report {kind}: has no such option; {str(error).partition(') ')[2] or error}.") from error
