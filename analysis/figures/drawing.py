"""One verb for every picture: `draw(value)` gives a figure, `draw(value, ax=axes)` draws into axes of one's own."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.abstention.conformal import ConformalSets
from analysis.abstention.of_ensemble import EnsembleAbstention
from analysis.abstention.selective import RiskCoverage
from analysis.calibration.calibration import Calibration
from analysis.calibration.of_ensemble import CalibrationBySize
from analysis.classes.confusion import Confusion, first_names
from analysis.classes.improved import ClassComparison
from analysis.classes.per_class import PerClass
from analysis.diversity import Diversity, PairGains
from analysis.errors import ErrorAnalysis
from analysis.figures.abstention import (
    abstention_figure,
    draw_abstention,
    draw_risk_coverage,
    draw_sets,
    risk_coverage_figure,
    sets_figure,
)
from analysis.figures.calibration import by_size_figure, draw_by_size, draw_reliability, reliability_figure
from analysis.figures.class_curves import class_curves_figure, draw_mean
from analysis.figures.confusion import NAMED, confusion_figure, draw_confusion
from analysis.figures.cost import cost_figure, draw_cost
from analysis.figures.curve import curve_figure, draw_curve
from analysis.figures.diversity import draw_gains, draw_matrix, gains_figure, matrices_figure
from analysis.figures.errors import draw_errors, errors_figure
from analysis.figures.filters import draw_filters, filters_figure
from analysis.figures.gallery import gallery_figure
from analysis.figures.per_class import draw_recall, improved_figure, per_class_figure
from analysis.figures.style import save, style
from analysis.figures.text import drawable
from analysis.figures.training import draw_accuracy, members_figure
from analysis.images.gallery import Gallery
from analysis.members.class_curves import ClassCurves
from analysis.members.filters import FilterGrid
from analysis.selection.costs import CostFront
from analysis.subsets.table import SubsetTable
from ensemble.errors import BadInput
from ensemble.study.history import History


def _confusion(value: Confusion, axes: Axes) -> Axes:
    names = [drawable(name) for name in first_names(value.class_names, value.class_ids)]
    return draw_confusion(value, axes, [names[i] for i in value.order] if len(value) <= NAMED else (), 6.0)


# A value's type -> its whole figure, and how it is drawn into axes; None where it needs more than one pair of them.
DRAWINGS: dict[type, tuple[Callable[[Any], Figure], Callable[[Any, Axes], Axes] | None]] = {
    SubsetTable: (curve_figure, draw_curve),
    CostFront: (cost_figure, draw_cost),
    PerClass: (lambda v: per_class_figure(v, "Recall by class"), draw_recall),
    ClassComparison: (lambda v: improved_figure(v, "the first"), None),
    Confusion: (lambda v: confusion_figure(v, "Confusion matrix"), _confusion),
    Calibration: (lambda v: reliability_figure(v, "Reliability"), draw_reliability),
    CalibrationBySize: (
        lambda v: by_size_figure(v, "Calibration by size"), lambda v, axes: draw_by_size(v, axes, ("ece",), 100.0),
    ),
    RiskCoverage: (risk_coverage_figure, draw_risk_coverage),
    EnsembleAbstention: (abstention_figure, draw_abstention),
    ConformalSets: (lambda v: sets_figure([v], "Conformal sets by class"), draw_sets),
    Diversity: (
        lambda v: matrices_figure(v, f"{len(v.members)} members"), lambda v, axes: draw_matrix(v, axes, "disagreement"),
    ),
    PairGains: (lambda v: gains_figure(v, "Gain of pairs over the better member"), draw_gains),
    ErrorAnalysis: (errors_figure, draw_errors),
    FilterGrid: (filters_figure, draw_filters),
    History: (lambda v: members_figure([v]), draw_accuracy),
    ClassCurves: (class_curves_figure, draw_mean),
    Gallery: (gallery_figure, None),
}  # fmt: skip


class Picture:
    """A figure as a notebook shows it; `figure` is matplotlib's own, `save(path)` writes it."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        with style():
            self.figure.savefig(file, format="png", dpi=150, metadata={"Software": None})
        return file.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write it as PNG, SVG or PDF, by the ending of `path`; return the path. Raises as `figures.style.save`."""
        return save(self.figure, Path(path))


def draw(value: Any, ax: Axes | None = None) -> Any:
    """Draw a value of analysis as its report does.

    value: a SubsetTable, CostFront, PerClass, ClassComparison, Confusion, Calibration, CalibrationBySize, RiskCoverage,
    EnsembleAbstention, ConformalSets, Diversity, PairGains, ErrorAnalysis, FilterGrid, History, ClassCurves or Gallery.
    ax: matplotlib axes to draw into, as they are styled; what needs several pairs of axes cannot be drawn into one.
    Returns the axes, or without `ax` a `Picture`, which a notebook shows and `save(path)` writes. Raises `BadInput` for
    another value, and for axes where one pair is not enough.
    """
    found = next((DRAWINGS[kind] for kind in type(value).__mro__ if kind in DRAWINGS), None)
    if found is None:
        known = ", ".join(sorted(kind.__name__ for kind in DRAWINGS))
        raise BadInput(f"draw: expected one of {known}, found {type(value).__name__}.")
    whole, part = found
    if ax is None:
        with style():
            return Picture(whole(value))
    if part is None:
        raise BadInput(f"draw: {type(value).__name__} takes several axes; leave out ax to get its figure.")
    return part(value, ax)
