"""The reports of ens-report, a room each: it asks for the value, has it drawn, says what was found.

A room has `report(talk, job)`, which prints, writes files and returns the JSON document; `OPTIONS`, the click options
it has a use for beyond the common ones; and `following(job)`, the commands one would run next.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from cli.common import Output
from cli.reports import (
    abstain,
    calibration,
    compare,
    confusion,
    cost,
    curve,
    diversity,
    errors,
    filters,
    gallery,
    html,
    layers,
    models,
    papers,
    per_class,
    sample,
    training,
)
from cli.reports.job import Job


class Report(Protocol):
    """What a room of this folder holds."""

    OPTIONS: tuple[Callable[[Any], Any], ...]

    @staticmethod
    def report(output: Output, job: Job) -> dict[str, Any]:
        """Make the report."""
        ...

    @staticmethod
    def following(job: Job) -> tuple[str, ...]:
        """Return the commands to run next."""
        ...


# In the order of `ens-report all`.
KINDS: Mapping[str, Report] = {
    "per-class": per_class,
    "curve": curve,
    "cost": cost,
    "training": training,
    "models": models,
    "papers": papers,
    "layers": layers,
    "compare": compare,
    "filters": filters,
    "gallery": gallery,
    "confusion": confusion,
    "calibration": calibration,
    "abstain": abstain,
    "diversity": diversity,
    "errors": errors,
    "sample": sample,
    "html": html,
}  # ty: ignore[invalid-assignment]
