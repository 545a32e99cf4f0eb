"""Figures of training, models, comparisons and filters: the numbers drawn, and nothing on top of anything."""

from pathlib import Path

import numpy as np
import pytest
from drawn import drawn_twice, flaws, texts
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from studies import add, history, study_at

from analysis.figures.curves import draw_series, overlay_figure, range_figure
from analysis.figures.filters import epochs_figure, filters_figure, measures_said, sheet
from analysis.figures.filters import members_figure as filters_of_all
from analysis.figures.models import amount, compare_figure, curves_of, draw_models, models_figure
from analysis.figures.style import PAGE, new_figure, style
from analysis.figures.training import members_figure, small_multiples_figure
from analysis.members.compare import compare_members
from analysis.members.curves import by_member, curves
from analysis.members.filters import filter_grid, measure_filters
from analysis.members.models import Member, members_of
from ensemble.study.history import History


def runs(count: int, name: str = "ting-m3", epochs: int = 30) -> list[History]:
    rates = [0.1 * 0.5 ** (e // 10) for e in range(epochs)]
    rng, seen = np.random.default_rng(0), [200.0 * (e + 1) for e in range(epochs)]
    return [
        history(f"{name}-{i}", list(0.8 - np.exp(-np.arange(epochs) / 6) * rng.uniform(0.4, 0.8)), rates, seen)
        for i in range(count)
    ]  # fmt: skip


def members(folder: Path, names: list[str], **more) -> list[Member]:
    study = study_at(folder / "figures")
    for i, name in enumerate(names):
        add(study, name, accuracy=[0.2, 0.5 + i / 50], network=True, dropout=(i % 3) / 10, seed=i, **more)
    return members_of(study, "val")


def xs(line: Line2D) -> list[float]:
    return np.asarray(line.get_xdata(), dtype=float).tolist()


def ys(line: Line2D) -> list[float]:
    return np.asarray(line.get_ydata(), dtype=float).tolist()


def axes_of(figure: Figure | None = None) -> Axes:
    return (figure or new_figure()).add_axes((0.2, 0.2, 0.7, 0.7))


def test_a_series_draws_its_numbers_its_range_and_its_best() -> None:
    found = runs(3)
    with style():
        axes = draw_series(by_member(found), axes_of(), "val_accuracy")
    lines = [line for line in axes.lines if len(xs(line)) == 30]
    assert all(
        (np.array(ys(line)) == 100 * h.columns["val_accuracy"]).all() for line, h in zip(lines, found, strict=True)
    )
    rings = [line for line in axes.lines if line.get_marker() == "o"]
    assert [xs(ring) for ring in rings] == [[h.best()[0]] for h in found]
    # The learning rate falls after epochs 10 and 20, in all alike: two vertical lines.
    assert sorted(xs(line)[0] for line in axes.lines if len(set(xs(line))) == 1 and len(xs(line)) == 2) == [10, 20]
    with style():
        together = draw_series(curves([("all", found)]), axes_of(), "val_accuracy")
    (band,) = together.collections
    mean = np.mean([h.columns["val_accuracy"] for h in found], axis=0)
    (drawn,) = [line for line in together.lines if len(xs(line)) == 30]
    assert np.array(ys(drawn)) == pytest.approx(100 * mean)
    low, high = (100 * f([h.columns["val_accuracy"] for h in found], axis=0) for f in (np.min, np.max))
    edge = np.asarray(band.get_paths()[0].vertices)[:, 1]
    assert {round(float(y), 9) for y in edge} == {round(y, 9) for y in (*low, *high)}


def test_steps_of_their_own_are_triangles_on_the_lines() -> None:
    one, other = history("a", [0.1] * 4, [1, 1, 0.1, 0.1]), history("b", [0.2] * 4, [1, 0.1, 0.1, 0.1])
    with style():
        axes = draw_series(by_member([one, other]), axes_of(), "val_accuracy")
    triangles = [line for line in axes.lines if line.get_marker() == "v"]
    assert [(xs(t), ys(t)) for t in triangles] == [([2], [10]), ([1], [20])]


def test_the_key_names_last_and_best() -> None:
    with style():
        told = texts(overlay_figure(by_member([history("a", [0.1, 0.9, 0.4]), history("b", [0.1, 0.2, 0.3])])))
    assert {"a", "40.0", "90.0", "2", "b", "30.0", "3"} <= set(told)


def test_marks_are_last_accuracy_against_size_or_time(tmp_path: Path) -> None:
    found = members(tmp_path, ["x", "y"], comparable=False)
    with style():
        axes = draw_models(found, axes_of(), "parameters")
    marks = [line for line in axes.lines if line.get_marker() not in (None, "None", "")]
    assert [(xs(m)[0], ys(m)[0]) for m in marks] == [(452, 50), (452, pytest.approx(52))]
    assert all(m.get_markerfacecolor() == "white" for m in marks)  # a random start is hollow
    assert axes.get_xscale() == "log"
    assert [amount(m, "seconds") for m in found] == [20, 20]


def test_members_of_one_architecture_are_dots_by_accuracy(tmp_path: Path) -> None:
    found = members(tmp_path, ["x", "y", "z"])
    with style():
        figure = models_figure(found)
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["z", "y", "x"], "the best on top"
    dots = [line for line in axes.lines if line.get_markersize() == pytest.approx(3.4)]
    assert [(xs(d)[0], ys(d)[0]) for d in dots] == [(pytest.approx(100 * (m.last or 0)), 2 - i)
                                                    for i, m in enumerate(found[::-1])]  # fmt: skip


def test_kernels_of_all_members_stand_in_one_picture() -> None:
    grids = [filter_grid(np.random.default_rng(i).normal(size=(8, 1, 5, 5)), member=f"m-{i}") for i in range(7)]
    with style():
        figure = filters_of_all(grids)
    assert {f"m-{i}" for i in range(7)} <= set(texts(figure)) and len(figure.axes) == 7
    for axes, grid in zip(figure.axes, grids, strict=True):
        assert (np.asarray(axes.images[0].get_array()) == sheet(grid)).all()
    assert flaws(figure) == ([], [])


def test_side_by_side_grids_keep_their_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    early, late = (rng.normal(size=(9, 3, 5, 5)).astype(np.float32) for _ in range(2))
    last = filter_grid(late, member="m", order="frequency")
    begin = filter_grid(early, member="m", order="frequency", like=last)
    assert (begin.shown == last.shown).all()
    with style():
        figure = epochs_figure({"start": begin, "last epoch": last}, {"start": "high freq. 80 %", "last epoch": "60 %"})
    assert {"start", "last epoch", "high freq. 80 %"} <= set(texts(figure))
    assert len(figure.axes) == 2


def test_of_very_many_the_first_are_shown() -> None:
    with style():
        figure = small_multiples_figure(by_member(runs(70, epochs=2)))
    assert len(figure.axes) == 60
    assert any(t.startswith("Accuracy of 70 members, the first 60 by name") for t in texts(figure))


def test_measures_are_said_beside_those_of_the_start() -> None:
    rng = np.random.default_rng(0)
    now, start = (measure_filters(rng.normal(size=(8, 3, 5, 5))) for _ in range(2))
    assert f"({100 * start.high:.0f})".replace("(", "(start ") in measures_said(now, start)
    assert f"(noise {100 * now.noise:.0f})" in measures_said(now, None)
    assert "no dead" in measures_said(now, None)


def _compared(folder: Path, count: int, along: str = "epochs") -> Figure:
    value = compare_members(members(folder, [f"{'m' * 30}-{i}" for i in range(count)]), "dropout")
    lines = curves_of(value, along, 100)
    assert lines is not None
    return compare_figure(value, lines)


DEEP = np.random.default_rng(0).normal(size=(40, 16, 3, 3))
TIMES = ("start", "after 1 epoch", "last epoch")
FIGURES = {
    "two overlaid": lambda folder: overlay_figure(by_member(runs(2))),
    "six overlaid": lambda folder: overlay_figure(by_member(runs(6))),
    "six by images": lambda folder: overlay_figure(by_member(runs(6, "x" * 90), along="images")),
    "six on a page": lambda folder: overlay_figure(by_member(runs(6)), columns_wide=PAGE),
    "one epoch": lambda folder: overlay_figure(by_member(runs(2, epochs=1))),
    "range of 12": lambda folder: range_figure(curves([("members", runs(12))], middle="median")),
    "12 apart": lambda folder: small_multiples_figure(by_member(runs(12))),
    "21 apart": lambda folder: small_multiples_figure(by_member(runs(21, "y" * 60), along="images")),

    "by images": lambda folder: members_figure(runs(1), [np.arange(1, 31) * 1e5]),
    "models": lambda folder: models_figure(members(folder, [f"m-{i}" for i in range(6)])),
    "groups of two": lambda folder: _compared(folder, 6),
    "single runs": lambda folder: _compared(folder, 3, "images"),
    "deep": lambda folder: filters_figure(filter_grid(DEEP, member="m", layer="base.3"), "Told."),
    "three times": lambda folder: epochs_figure(
        dict.fromkeys(TIMES, filter_grid(np.eye(20, 15).reshape(4, 3, 5, 5), member="m" * 99, scale="shared")),
        dict.fromkeys(TIMES, "high freq. 80 %\neff. rank 3.4, no dead"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_overlaps_and_nothing_is_cut_off(name: str, tmp_path: Path) -> None:
    with style():
        figure = FIGURES[name](tmp_path)
        assert flaws(figure) == ([], [])


@pytest.mark.parametrize("name", ["six overlaid", "models"])
def test_files_are_the_same_every_time(tmp_path: Path, name: str) -> None:
    folders = iter((tmp_path / "a", tmp_path / "b"))
    one, other = drawn_twice(lambda: FIGURES[name](next(folders)), "svg", tmp_path)
    assert one == other
