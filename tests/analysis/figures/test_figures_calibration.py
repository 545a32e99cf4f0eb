"""The figures of calibration and diversity show the numbers they were given, and no words on one another."""

from unittest.mock import patch

import numpy as np
import pytest
from drawn import boxes, flaws, texts
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from analysis.calibration.calibration import measure_calibration
from analysis.calibration.of_ensemble import calibration_by_size, ensemble_calibration
from analysis.diversity import ensemble_diversity, measure_diversity
from analysis.ensemble import ensemble_of
from analysis.figures.calibration import by_size_figure, draw_counts, draw_reliability, reliability_figure
from analysis.figures.curve import curve_figure
from analysis.figures.diversity import draw_gains, draw_matrix, gains_figure, limits, matrices_figure, names_of
from analysis.figures.style import COLUMN, PAGE, new_figure, style
from analysis.figures.text import width
from analysis.stack import PredictionStack, stack_arrays
from analysis.subsets.score import subset_table


def stack_of(members: int, classes: int, samples: int) -> PredictionStack:
    rng = np.random.default_rng(members * classes)
    labels = np.arange(samples) % classes
    logits = rng.normal(size=(members, samples, classes)) + 2 * np.eye(classes)[labels] * rng.random((samples, 1))
    return stack_arrays(np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True), labels)


def xy(line: Line2D) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)


def clean(figure: Figure) -> Figure:
    # Drawn once, looked at twice.
    with patch("drawn.boxes", return_value=boxes(figure)):
        assert flaws(figure) == ([], [])
    return figure


def renamed(stack: PredictionStack, names: tuple[str, ...]) -> PredictionStack:
    return PredictionStack(
        stack.probs, names, stack.labels, stack.sample_ids, stack.class_ids, stack.class_names, "val"
    )


@pytest.mark.parametrize("binning", ["equal", "adaptive"])
def test_points_bars_and_intervals_are_the_bins(binning: str) -> None:
    group = ensemble_of(stack_of(3, 5, 300))
    value = measure_calibration(group.probs, group.stack.require_labels(), group.preds, 10, binning)
    there = value.counts > 0
    with style():
        figure = new_figure()
        axes = draw_reliability(value, figure.add_axes((0.2, 0.5, 0.7, 0.4)))
        below = draw_counts(value, figure.add_axes((0.2, 0.1, 0.7, 0.3)))
    x, y = xy(axes.lines[0])
    assert x == pytest.approx(100 * value.confidence[there]) and y == pytest.approx(100 * value.accuracy[there])
    ends = np.array([segment[:, 1] for segment in axes.collections[0].get_segments()])  # ty: ignore[missing-attribute]
    assert ends == pytest.approx(100 * np.stack([value.low[there], value.high[there]], axis=1))
    bars = [patch for patch in below.patches if isinstance(patch, Rectangle)]
    assert [bar.get_height() for bar in bars] == value.counts.tolist()
    assert [bar.get_x() for bar in bars] == pytest.approx(100 * value.edges[:-1])


@pytest.mark.parametrize(("samples", "wide"), [(25, COLUMN), (20_000, COLUMN), (300, PAGE)])
def test_reliability_with_counts(samples: int, wide: float) -> None:
    found = ensemble_calibration(ensemble_of(stack_of(3, 5, samples)))
    with style():
        hot = "temperature 0.50, held out: ECE 1.23 %"
        figure = reliability_figure(found.reliability, "On val", "as it is", found.reliability_after, hot, wide)
    clean(figure)
    told = texts(figure)
    assert {f"{count:,}" for count in found.reliability.counts if count} <= set(told)
    assert "underconfident" in told and "overconfident" in told


def test_one_predictor_alone_and_adaptive_bins() -> None:
    found = ensemble_calibration(ensemble_of(stack_of(3, 5, 300)), 20, "adaptive")
    with style():
        clean(reliability_figure(found.reliability, "Reliability on a split with a very long name, " * 2))
        clean(reliability_figure(found.reliability, "x", "one", found.reliability_after, "two"))


@pytest.mark.parametrize("members", [2, 9])
def test_lines_by_size_are_the_means(members: int) -> None:
    value = calibration_by_size(stack_of(members, 3, 60))
    with style():
        figure = clean(by_size_figure(value, "Calibration by size on val, nothing but averaged"))
    lines = [xy(line) for axes in figure.axes for line in axes.lines]
    for (x, y), column, by in zip(
        lines, ("accuracy", "confidence", "ece", "nll", "brier"), (100, 100, 100, 1, 1), strict=True
    ):
        assert x.tolist() == value.ks.tolist()
        assert y == pytest.approx(by * value.summary(column)[0]), column
    assert any(value.how.split(",")[0] in t.replace("\n", " ") for t in texts(figure))


def test_cells_are_the_matrix_in_its_order() -> None:
    value = ensemble_diversity(stack_of(5, 4, 200)).diversity
    assert value.double_fault is not None
    with style():
        axes = draw_matrix(value, new_figure().add_axes((0.1, 0.1, 0.8, 0.8)), "double_fault")
    told = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in axes.texts}
    assert len(told) == 25
    for (i, j), text in told.items():
        assert text == f"{100 * value.double_fault[value.order[i], value.order[j]]:.1f}"
    picture = np.asarray(axes.images[0].get_array())
    shown = value.double_fault[np.ix_(value.order, value.order)]
    off = ~np.eye(5, dtype=bool)
    darkest = np.unravel_index(np.where(off, picture.sum(axis=2), 9).argmin(), (5, 5))
    assert shown[darkest] == shown[off].max()


@pytest.mark.parametrize("members", [2, 6, 8, 30])
def test_matrices_can_be_read(members: int) -> None:
    stack = renamed(stack_of(members, 4, 80), tuple(f"{'long-' * 18}{i}" for i in range(members)))
    value = ensemble_diversity(stack).diversity
    with style():
        figure = clean(matrices_figure(value, f"{members} members on val, the alike beside one another"))
    told = texts(figure)
    assert figure.get_size_inches()[0] == (COLUMN if members <= 6 else PAGE)
    assert {"Disagreement (%)", "Double fault (%)", "Yule's Q", "Correlation of errors"} <= set(told)
    assert len({t for t in told if t.endswith(f"long-{members - 1}")}) == 1
    if members > 14:
        low, high = limits(value, "disagreement")
        assert {f"{low:.1f}", f"{high:.1f}"} <= set(told)


def test_without_labels_there_is_one_matrix_and_without_errors_a_dash() -> None:
    said = [[0, 1, 2, 0], [0, 1, 1, 0], [0, 1, 2, 1]]
    with style():
        bare = texts(clean(matrices_figure(measure_diversity(said), "x")))
        dashed = texts(clean(matrices_figure(measure_diversity(said, [0, 1, 2, 0]), "x")))
    assert "Disagreement (%)" in bare and "Yule's Q" not in bare
    assert dashed.count("–") == 8  # the first is right on all: two cells in a row, two in a column, in Q and in phi


def test_names_that_would_read_the_same_get_numbers() -> None:
    names = [f"{'a' * 40}{i}{'b' * 40}" for i in range(3)]
    shown = names_of(names, 60, 6)
    assert [name[:2] for name in shown] == ["1 ", "2 ", "3 "]
    assert max(width(name, 6) for name in shown) <= 60
    assert names_of(["m-1", "m-2"], 60, 6) == ["m-1", "m-2"]


@pytest.mark.parametrize("members", [3, 4, 14])
def test_gains_are_the_pairs(members: int) -> None:
    value = ensemble_diversity(stack_of(members, 4, 120)).gains
    assert value is not None
    with style():
        axes = draw_gains(value, new_figure().add_axes((0.2, 0.2, 0.7, 0.7)))
        told = texts(clean(gains_figure(value, "Gain of the pairs over the better member on val")))
    points = np.concatenate([np.stack(xy(line), axis=1) for line in axes.lines[1:]])
    expected = 100 * np.stack([value.disagreement, value.gain], axis=1)
    assert sorted(map(tuple, points.round(9))) == sorted(map(tuple, expected.round(9)))
    rank = value.correlation
    said = "too few pairs" if rank is None else f"{rank:.2f} (Spearman)".replace("-", "\N{MINUS SIGN}")
    assert any(said in t.replace("\n", " ") for t in told)
    row = int(value.gain.argmax())
    best = " + ".join(value.members[i] for i in value.pairs[row])
    gain = f"{100 * value.gain[row]:+.1f}".replace("-", "\N{MINUS SIGN}")
    assert any(f"1: {best} ({gain})" in t.replace("\n", " ") for t in told)
    assert any("Pairs share members" in t.replace("\n", " ") for t in told)


@pytest.mark.parametrize("members", [14, 20])
def test_the_curve_names_every_member_and_the_last_size(members: int) -> None:
    table = subset_table(stack_of(members, 3, 40), [1, 2, members])
    with style():
        figure = clean(curve_figure(table))
    told = texts(figure)
    assert set(table.members) <= set(told)
    assert {"1", str(members)} <= set(told)


def test_a_hundred_names_are_not_drawn_on_one_another() -> None:
    table = subset_table(stack_of(60, 3, 20), [1])
    with style():
        figure = clean(curve_figure(table))
    assert sum(t.startswith("m-") for t in texts(figure)) == 30


def test_a_best_subset_of_long_names_is_counted() -> None:
    stack = renamed(stack_of(9, 3, 40), tuple(f"{'n' * 90}-{i}" for i in range(9)))
    table = subset_table(stack, [1, 2, 8, 9])
    with style():
        told = texts(clean(curve_figure(table)))
    best = table.best()
    assert any(t.startswith(f"Best of 55 on val: {best.size} of 9 members, ") for t in told)


def test_a_single_pair_has_one_tone_in_every_matrix() -> None:
    """Of two members nothing is more alike or less, so that no matrix says one."""
    value = measure_diversity([[0, 1, 2, 0], [0, 1, 0, 1]], [0, 1, 2, 0])
    tones = []
    for name in ("disagreement", "double_fault"):
        figure = Figure()
        axes = draw_matrix(value, figure.add_subplot(), name)
        tones.append(np.asarray(axes.images[0].get_array())[0, 1])
    np.testing.assert_allclose(tones[0], tones[1], atol=0.02)  # two colours of 256
