"""Reads saved predictions and says what every subset of members would have done.

The public names are loaded when they are first used, so that `import analysis` costs nothing.
A function that is named like its room is imported from there: `from analysis.per_class import per_class`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.calibration import Calibration
    from analysis.door import combine, stack_arrays
    from analysis.evidence import Evidence
    from analysis.history import History, read_history
    from analysis.honest import HeldOut, Honest, held_out
    from analysis.intervals import wilson
    from analysis.metrics import METRICS, Metric, accuracy, brier, nll, top5
    from analysis.paired import Paired
    from analysis.per_class import Confused, PerClass
    from analysis.plain import subset_preds
    from analysis.shapley import Shapley
    from analysis.stack import PredictionStack, join
    from analysis.subsets import subset_table
    from analysis.table import SizeSummary, Subset, SubsetTable
    from analysis.table_file import write_subset_table

_ROOMS = {
    "History": "history",
    "read_history": "history",
    "wilson": "intervals",
    "METRICS": "metrics",
    "Metric": "metrics",
    "accuracy": "metrics",
    "brier": "metrics",
    "nll": "metrics",
    "top5": "metrics",
    "Confused": "per_class",
    "PerClass": "per_class",
    "subset_preds": "plain",
    "subset_table": "subsets",
    "PredictionStack": "stack",
    "join": "stack",
    "SizeSummary": "table",
    "Subset": "table",
    "SubsetTable": "table",
    "write_subset_table": "table_file",
    "combine": "door",
}

__all__ = [
    "METRICS",
    "Calibration",
    "Confused",
    "Evidence",
    "HeldOut",
    "History",
    "Honest",
    "Metric",
    "Paired",
    "PerClass",
    "PredictionStack",
    "Shapley",
    "SizeSummary",
    "Subset",
    "SubsetTable",
    "accuracy",
    "brier",
    "combine",
    "held_out",
    "join",
    "nll",
    "read_history",
    "stack_arrays",
    "subset_preds",
    "subset_table",
    "top5",
    "wilson",
    "write_subset_table",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
