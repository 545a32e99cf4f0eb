"""`draw`: each value as a figure, or into axes of one's own."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis import (
    compare_classes,
    confusion,
    draw,
    ensemble_diversity,
    ensemble_of,
    find_errors,
    measure_calibration,
    per_class,
    stack_arrays,
    subset_table,
)
from analysis.figures.drawing import DRAWINGS
from analysis.members.filters import filter_grid
from ensemble.errors import BadInput
from ensemble.study.history import REQUIRED, History


def made() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 4
    logits = rng.normal(size=(3, 80, 4)) + 2 * np.eye(4)[labels]
    return np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True), labels


def values() -> dict[str, object]:
    probs, labels = made()
    stack = stack_arrays(probs, labels)
    preds = probs.mean(axis=0).argmax(axis=1)
    diversity = ensemble_diversity(stack)
    columns = {name: np.linspace(0.1, 0.9, 5) for name in REQUIRED} | {"epoch": np.arange(1.0, 6)}
    return {
        "SubsetTable": subset_table(stack, range(1, 4)), "PerClass": per_class(labels, preds),
        "Confusion": confusion(labels, preds), "Calibration": measure_calibration(probs[0], labels),
        "ClassComparison": compare_classes(labels, preds, probs[0].argmax(axis=1)),
        "Diversity": diversity.diversity, "PairGains": diversity.gains,
        "ErrorAnalysis": find_errors(ensemble_of(stack)),
        "FilterGrid": filter_grid(np.eye(20, 9).reshape(20, 1, 3, 3), member="m"), "History": History("m", columns),
    }  # fmt: skip


@pytest.mark.parametrize("name", values())
def test_a_value_is_a_picture_and_goes_into_axes(name: str, tmp_path: Path) -> None:
    value = values()[name]
    assert type(value).__name__ == name and type(value) in DRAWINGS
    picture = draw(value)
    assert picture._repr_png_()[:4] == b"\x89PNG"
    assert picture.save(tmp_path / "a.svg").read_bytes()[:5] == b"<?xml"
    axes = Figure().add_axes((0.2, 0.2, 0.7, 0.7))
    if DRAWINGS[type(value)][1] is None:
        with pytest.raises(BadInput, match=f"{name} takes several axes"):
            draw(value, ax=axes)
    else:
        assert draw(value, ax=axes) is axes
        assert axes.has_data()


def test_another_value_is_refused() -> None:
    with pytest.raises(BadInput, match=r"expected one of Calibration, .*SubsetTable, found int"):
        draw(3)
