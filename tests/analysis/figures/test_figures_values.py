"""Figures show the numbers they were given: read back from what was drawn."""

from pathlib import Path

import numpy as np
import pytest
from drawn import drawn_twice, flaws, texts
from matplotlib.collections import PathCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from analysis.classes.per_class import PerClass, per_class
from analysis.figures.curve import curve_figure, draw_curve, jitter
from analysis.figures.curves import looks, overlay_figure
from analysis.figures.filters import _ZOOM, caption, filters_figure, sheet, tile_corner
from analysis.figures.gallery import gallery_figure
from analysis.figures.per_class import per_class_figure
from analysis.figures.style import new_figure, style
from analysis.figures.training import members_figure
from analysis.images.gallery import Gallery, Shelf
from analysis.members.curves import by_member
from analysis.members.filters import filter_grid
from analysis.stack import PredictionStack
from analysis.subsets.reference import subset_table
from analysis.subsets.table import SubsetTable
from ensemble.study.history import REQUIRED as COLUMNS
from ensemble.study.history import History

HOSTILE = ("$x^2$", "=1+1", "مرحبا", "😀", "猫", "a\u202eb", "x" * 300, "<b>", "dog, hound", "")


def stack_of(members: int, classes: int, samples: int) -> PredictionStack:
    rng = np.random.default_rng(members * classes)
    labels = np.arange(samples) % classes
    logits = rng.normal(size=(members, samples, classes)) + 2 * np.eye(classes)[labels] * rng.random((samples, 1))
    probs = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    ids = tuple(f"n{i:03}" for i in range(classes))
    names = tuple(f"m-{i}" for i in range(members))
    return PredictionStack(probs.astype(np.float32), names, labels, np.arange(samples).astype(str), ids, ids, "val")


def table_of(members: int) -> SubsetTable:
    return subset_table(stack_of(members, 5, 200), range(1, members + 1))


def classes_of(count: int, unseen: int = 0) -> PerClass:
    rng = np.random.default_rng(count)
    labels = np.repeat(np.arange(count - unseen), 50)
    preds = np.where(rng.random(len(labels)) < labels / count, labels, (labels + 1) % count)
    names = tuple(HOSTILE[i % len(HOSTILE)] for i in range(count))
    return per_class(labels, preds, tuple(f"n{i:08}" for i in range(count)), names)


def history(member: str, epochs: int, seed: int = 0) -> History:
    rng = np.random.default_rng(seed)
    columns = {name: rng.random(epochs) for name in COLUMNS}
    return History(member, columns | {"epoch": np.arange(1.0, epochs + 1)})


def shelf_of(right: list[bool], channels: int = 3, side: int = 8) -> Shelf:
    n = len(right)
    rng = np.random.default_rng(n)
    return Shelf(
        "n1", "wooden spoon", 50, 1, rng.integers(0, 256, (n, side, side, channels), dtype=np.uint8),
        np.arange(n).astype(str), np.array(right, dtype=bool), np.where(right, 0, 1), rng.random(n), rng.random(n),
    )  # fmt: skip


def gallery_of(*shelves: Shelf) -> Gallery:
    return Gallery("val", ("m-0", "m-1"), ("n1", "n2"), ("wooden spoon", "ladle, $scoop$"), shelves)


def xy(line: Line2D) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)


@pytest.mark.parametrize("members", [1, 2, 6])
def test_curve_points_are_the_tables_accuracies(members: int) -> None:
    table = table_of(members)
    with style():
        axes = draw_curve(table, new_figure().add_axes((0.2, 0.2, 0.7, 0.7)))
    points, star = [c for c in axes.collections if isinstance(c, PathCollection)]
    x, y = np.asarray(points.get_offsets()).T
    assert y == pytest.approx(100 * table.correct / table.samples)
    assert np.round(x).tolist() == table.sizes.tolist()
    means = [100 * s.mean_accuracy for s in table.by_size()]
    assert np.asarray(axes.lines[0].get_ydata()) == pytest.approx(means)
    best = table.best()
    assert np.asarray(star.get_offsets())[0, 1] == pytest.approx(100 * best.accuracy)
    assert round(np.asarray(star.get_offsets())[0, 0]) == best.size


def test_jitter_is_fixed_and_keeps_sizes_apart() -> None:
    sizes = np.array([1, 1, 2, 2, 2, 3])
    first = jitter(sizes)
    assert first.tolist() == jitter(sizes).tolist()
    assert first[[0, 1, 5]].tolist() == [0, 0, 0]
    assert len(set(first[2:5])) == 3
    assert np.abs(jitter(np.full(5000, 7))).max() <= 0.5


def test_curve_names_the_members_and_the_best() -> None:
    table = table_of(6)
    with style():
        told = texts(curve_figure(table))
    assert set(table.members) <= set(told)
    best = table.best()
    assert any(t.startswith("Best of 63 on val: ") and f"{100 * best.accuracy:.1f} %" in t for t in told)


@pytest.mark.parametrize(("count", "unseen"), [(2, 0), (10, 0), (10, 3), (200, 0), (200, 199)])
def test_bars_and_intervals_are_the_classes(count: int, unseen: int) -> None:
    value = classes_of(count, unseen)
    with style():
        figure = per_class_figure(value, "title")
    axes = figure.axes[0]
    rows = [i for i in range(value.scored) if value.scored <= 20 or not 10 <= i < value.scored - 10]
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [bar.get_width() for bar in bars] == pytest.approx([100 * value.accuracy[i] for i in rows])
    tops = [bar.get_y() for bar in bars]
    assert tops == sorted(tops, reverse=True)
    spans = [xy(line)[0] for line in axes.lines if len(xy(line)[0]) == 2][: len(rows)]
    assert np.array(spans) == pytest.approx(100 * np.stack([value.low[rows], value.high[rows]], axis=1))
    counts = [f"{value.correct[i]}/{value.samples[i]}" for i in rows]
    assert [t for t in texts(figure) if "/" in t] == counts


def test_training_lines_are_the_history() -> None:
    value = history("m", 30)
    with style():
        loss, accuracy = (members_figure([value]).axes[i] for i in (1, 0))
    lines = [np.asarray(line.get_ydata()) for line in loss.lines]
    wanted = ("train_cross_entropy", "train_loss", "val_cross_entropy", "val_loss")
    assert all((line == value.columns[name]).all() for line, name in zip(lines, wanted, strict=True))
    train, val, best, last = accuracy.lines
    assert (np.asarray(train.get_ydata()) == 100 * value.columns["train_accuracy"]).all()
    assert (np.asarray(val.get_ydata()) == 100 * value.columns["val_accuracy"]).all()
    assert (xy(best)[0][0], xy(best)[1][0]) == (value.best()[0], 100 * value.best()[1])
    assert (xy(last)[0][0], xy(last)[1][0]) == (30, 100 * value.columns["val_accuracy"][-1])


def test_overlaid_members_each_have_their_own_look() -> None:
    values = [history(f"m-{i}", 5, i) for i in range(6)]
    with style():
        figure = overlay_figure(by_member(values))
        assert len({str(look) for look in looks(42)}) == 42
    accuracy = figure.axes[3]
    curves = [line for line in accuracy.lines if len(xy(line)[0]) == 5]
    for line, value in zip(curves, values, strict=True):
        assert (np.asarray(line.get_ydata()) == 100 * value.columns["val_accuracy"]).all()
    assert {f"m-{i}" for i in range(6)} <= set(texts(figure))


def test_members_that_begin_with_an_underscore_are_in_the_legend() -> None:
    with style():
        assert "_a" in texts(overlay_figure(by_member([history("_a", 3), history("b", 3)])))


def test_a_history_without_validation_is_drawn() -> None:
    value = history("m", 3)
    blank = History("m", {**value.columns, "val_accuracy": np.full(3, np.nan)})
    with style():
        assert any("no validation" in t for t in texts(members_figure([blank])))


@pytest.mark.parametrize(("channels", "scale"), [(3, "filter"), (1, "shared"), (4, "filter")])
def test_every_weight_is_a_square_of_equal_pixels(tmp_path: Path, channels: int, scale: str) -> None:
    kernels = np.random.default_rng(0).normal(size=(10, channels, 3, 3)).astype(np.float32)
    grid = filter_grid(kernels, member="m", scale=scale)
    picture = sheet(grid)
    for i, tile in enumerate(grid.tiles):
        y, x = tile_corner(grid, i)
        part = picture[y : y + 3 * _ZOOM, x : x + 3 * _ZOOM]
        blocks = part.reshape(3, _ZOOM, 3, _ZOOM, 3)
        assert (blocks == tile[:, None, :, None, :]).all()
    with style():
        figure = filters_figure(grid)
    image = figure.axes[0].images[0]
    assert image.get_interpolation() == "nearest"
    assert (np.asarray(image.get_array()) == picture).all()
    # Enlarged: each weight is at least 8 dots wide in print.
    assert figure.axes[0].get_position().width * figure.get_size_inches()[0] * 300 / picture.shape[1] * _ZOOM >= 8
    assert any(t == "First layer of m" for t in texts(figure))
    assert f"10 kernels 3×3×{channels}" in caption(grid)
    assert ("mid-grey" in caption(grid)) == (scale == "shared")


@pytest.mark.parametrize("channels", [1, 3])
def test_gallery_tiles_are_the_images_marked_by_sign_word_and_frame(channels: int) -> None:
    shelf = shelf_of([True, True, False, False, False], channels)
    with style():
        figure = gallery_figure(gallery_of(shelf))
    (axes,) = figure.axes
    frames = [p for p in axes.patches if isinstance(p, Rectangle)]
    words = [t.get_text() for t in axes.texts]
    marks = [word for word in words if word.startswith(("✓", "✗"))]
    for i, (image, frame) in enumerate(zip(axes.images, frames, strict=True)):
        shown = np.asarray(image.get_array())
        assert (shown == (shelf.images[i, :, :, 0] if channels == 1 else shelf.images[i])).all()
        sign = "✓ right" if shelf.right[i] else "✗ wrong"
        assert marks[i] == f"{sign}, {100 * shelf.confidence[i]:.0f} %"
        assert (frame.get_linestyle() == "-") == bool(shelf.right[i])
        left, _, _, top = image.get_extent()
        assert (frame.get_x(), frame.get_y()) == pytest.approx((left, top))
    assert sum(word.startswith("predicted ladle") for word in words) == 3
    assert "1 of 50 right (2 %)" in words


FIGURES = {
    "curve": lambda: curve_figure(table_of(6)),
    "curve of one": lambda: curve_figure(table_of(1)),
    "curve of many": lambda: curve_figure(table_of(12)),
    "2 classes": lambda: per_class_figure(classes_of(2), "Accuracy by class on val, mean of 6 members"),
    "10 classes, one missing": lambda: per_class_figure(classes_of(10, 1), "Accuracy by class on val"),
    "200 classes": lambda: per_class_figure(classes_of(200), "$" * 200),
    "one member": lambda: members_figure([history("ting-m3-0", 75)]),
    "one epoch": lambda: members_figure([history("x" * 100, 1)]),
    "four members": lambda: members_figure([history(f"{'m' * 40}-{i}", 30, i) for i in range(4)]),
    "six overlaid": lambda: overlay_figure(by_member([history(f"ting-m3-{i}", 75, i) for i in range(6)])),
    "30 overlaid": lambda: overlay_figure(by_member([history(f"{'m' * 90}-{i}", 5, i) for i in range(30)])),
    "filters": lambda: filters_figure(filter_grid(np.eye(20, 15).reshape(4, 3, 5, 5), member="m" * 99)),
    "gallery": lambda: gallery_figure(gallery_of(shelf_of([True] * 4 + [False] * 4), shelf_of([]), shelf_of([True]))),
}  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_overlaps_and_nothing_is_cut_off(name: str) -> None:
    with style():
        figure = FIGURES[name]()
        assert flaws(figure) == ([], [])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "svg") for name in ("curve", "200 classes", "six overlaid", "filters", "gallery")),
        ("200 classes", "pdf"),
        ("gallery", "png"),
    ],
)
def test_files_are_the_same_every_time(tmp_path: Path, name: str, kind: str) -> None:
    one, other = drawn_twice(FIGURES[name], kind, tmp_path)
    assert one == other
    assert len(one) > 5000
