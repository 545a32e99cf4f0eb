"""Reads saved predictions and says what every subset of members would have done.

The public names are loaded when they are first used, so that `import analysis` costs nothing. Arrays in, values out:
`y_true` int (N,), `y_pred` int (N,), `probs` (N, C), or (M, N, C) of several members.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.classes.agreement import Agreement, agreement
    from analysis.classes.confused_pairs import confused_pairs
    from analysis.classes.confusion import Confusion, confusion
    from analysis.classes.helped import Helped, helped
    from analysis.classes.per_class import Confused, PerClass, per_class
    from analysis.confidence.calibration import Calibration, calibration
    from analysis.confidence.class_wise import ClassWise, class_wise
    from analysis.confidence.temperature import Temperature, temperature, tempered
    from analysis.disagreement.ambiguity import Ambiguity, ambiguity
    from analysis.disagreement.diversity import Diversity, diversity
    from analysis.door import combine, stack_arrays
    from analysis.evidence import Evidence
    from analysis.honest import HeldOut, Honest, held_out
    from analysis.intervals import wilson
    from analysis.members.history import History, read_history
    from analysis.metrics import METRICS, Metric, accuracy, brier, nll, top5
    from analysis.paired import Paired, mcnemar
    from analysis.plain import subset_preds
    from analysis.shapley import Shapley
    from analysis.stack import PredictionStack, join
    from analysis.subsets import subset_table
    from analysis.table import SizeSummary, Subset, SubsetTable
    from analysis.table_file import write_subset_table

# Room -> what it lends to the facade.
_ROOMS = {
    "classes.agreement": ("Agreement", "agreement"),
    "classes.confused_pairs": ("confused_pairs",),
    "classes.confusion": ("Confusion", "confusion"),
    "classes.helped": ("Helped", "helped"),
    "classes.per_class": ("Confused", "PerClass", "per_class"),
    "confidence.calibration": ("Calibration", "calibration"),
    "confidence.class_wise": ("ClassWise", "class_wise"),
    "confidence.temperature": ("Temperature", "temperature", "tempered"),
    "disagreement.ambiguity": ("Ambiguity", "ambiguity"),
    "disagreement.diversity": ("Diversity", "diversity"),
    "door": ("combine", "stack_arrays"),
    "evidence": ("Evidence",),
    "members.history": ("History", "read_history"),
    "honest": ("HeldOut", "Honest", "held_out"),
    "intervals": ("wilson",),
    "metrics": ("METRICS", "Metric", "accuracy", "brier", "nll", "top5"),
    "paired": ("Paired", "mcnemar"),
    "plain": ("subset_preds",),
    "shapley": ("Shapley",),
    "stack": ("PredictionStack", "join"),
    "subsets": ("subset_table",),
    "table": ("SizeSummary", "Subset", "SubsetTable"),
    "table_file": ("write_subset_table",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "METRICS", "Agreement", "Ambiguity", "Calibration", "ClassWise", "Confused", "Confusion", "Diversity", "Evidence",
    "HeldOut", "Helped", "History", "Honest", "Metric", "Paired", "PerClass", "PredictionStack", "Shapley",
    "SizeSummary", "Subset", "SubsetTable", "Temperature", "accuracy", "agreement", "ambiguity", "brier", "calibration",
    "class_wise", "combine", "confused_pairs", "confusion", "diversity", "held_out", "helped", "join", "mcnemar", "nll",
    "per_class", "read_history", "stack_arrays", "subset_preds", "subset_table", "temperature", "tempered", "top5",
    "wilson", "write_subset_table",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
