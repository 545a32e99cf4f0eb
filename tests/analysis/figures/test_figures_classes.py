"""Figures of classes, confusions and errors show their values, with names as people have them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn import HOSTILE, drawn_twice, flaws, texts
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.classes.confusion import Confusion, confused_pairs, confusion, folded
from analysis.classes.improved import ClassComparison, compare_classes
from analysis.classes.per_class import PerClass, per_class
from analysis.ensemble import Ensemble, ensemble_of
from analysis.errors import ErrorAnalysis, find_errors
from analysis.figures.confusion import FOLDED, blocks_figure, confusion_figure
from analysis.figures.errors import error_gallery_figure, errors_figure
from analysis.figures.gallery import gallery_figure, pairs_figure, sample_figure
from analysis.figures.per_class import draw_recall, improved_figure, per_class_figure, recall_figure
from analysis.figures.style import COLUMN, PAGE, style
from analysis.images.gallery import (
    ERROR_KINDS,
    PairGallery,
    SampleGrid,
    error_gallery,
    gallery,
    pair_gallery,
    sample_grid,
)
from analysis.stack import PredictionStack
from ensemble.study.split import Split

HIDDEN = "m" * 90  # a member's name may be long


def made(classes: int, each: int = 12, members: int = 3, seed: int = 0) -> Ensemble:
    """Members that take a class for its neighbours; hostile names, again and again."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    logits = rng.normal(size=(members, len(labels), classes)) + 2.5 * rng.normal(size=(len(labels), classes))
    logits += 6 * np.exp(-np.abs(np.arange(classes) - labels[:, None]))
    probs = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    ids = tuple(f"n{i:08}" for i in range(classes))
    names = tuple(HOSTILE[i % len(HOSTILE)] for i in range(classes))
    order = tuple(f"{HIDDEN}-{i}" for i in range(members))
    samples = np.array([f"images/val_{i}" for i in range(len(labels))])
    return ensemble_of(PredictionStack(probs.astype(np.float32), order, labels, samples, ids, names, "val"))


def split_of(group: Ensemble, channels: int = 3, shape: tuple[int, int] = (8, 8)) -> Split:
    stack = group.stack
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (stack.samples, *shape, channels), dtype=np.uint8)
    return Split("val", images, stack.labels, stack.sample_ids, stack.class_ids, stack.class_names)


def confused(classes: int, order: str = "cluster") -> Confusion:
    group = made(classes)
    stack = group.stack
    return confusion(stack.require_labels(), group.preds, stack.class_ids, stack.class_names, order)


def changed(classes: int = 12) -> ClassComparison:
    group = made(classes)
    stack = group.stack
    first, labels = group.member_preds[0], stack.require_labels()
    return compare_classes(labels, group.preds, first, stack.class_ids, stack.class_names,
                  against=stack.members[0], chosen_here=True)  # fmt: skip


def errors(kind: str, members: int = 3, shape: tuple[int, int] = (8, 8)) -> Figure:
    group = made(12, members=members)
    return error_gallery_figure(error_gallery(find_errors(group), split_of(group, shape=shape), kind, 8))


def pairs(classes: int = 12, images: int = 3) -> PairGallery:
    group = made(classes)
    stack = group.stack
    value = confusion(stack.require_labels(), group.preds, stack.class_ids, stack.class_names)
    return pair_gallery(group, split_of(group), confused_pairs(value, 6), images)


def grid(rows: int = 12, images: int = 8) -> SampleGrid:
    return sample_grid(split_of(made(12)), rows, images)


def whole_gallery() -> Figure:
    group = made(12)
    return gallery_figure(gallery(group, split_of(group), range(12), 4))


def classes_of(classes: int) -> PerClass:
    group = made(classes)
    stack = group.stack
    return per_class(stack.labels, group.preds, stack.class_ids, stack.class_names)


def everyone(classes: int) -> Figure:
    return per_class_figure(classes_of(classes), "Accuracy by class on val")


def at_chance() -> PerClass:
    """200 classes of which 199 have no image predicted rightly; names as long as Tiny ImageNet's."""
    names = [f"European fire salamander {i}" for i in range(200)]
    return per_class(np.arange(200), np.zeros(200, int), names, names)


FIGURES = {
    "confusion of 2": lambda: confusion_figure(confused(2), "title"),
    "confusion of 12": lambda: confusion_figure(confused(12), "$" * 200),
    "confusion of 12, page": lambda: confusion_figure(confused(12), "title", PAGE),
    "confusion of 20": lambda: confusion_figure(confused(20), "title"),
    "confusion of 40": lambda: confusion_figure(confused(40), "title"),
    "confusion of 200": lambda: confusion_figure(confused(200), "title"),
    "confusion of 200, column": lambda: confusion_figure(confused(200), "title", COLUMN),
    "all blocks of 200": lambda: blocks_figure(confused(200), "title"),
    "recall of 200": lambda: recall_figure(classes_of(200), "title"),
    "confusion of 200 by id": lambda: confusion_figure(confused(200, "id"), "title"),
    "no errors": lambda: confusion_figure(confusion([0, 1, 2], [0, 1, 2]), "title"),
    "one error": lambda: confusion_figure(confusion([0, 1, 2], [0, 1, 1]), "title"),
    "helped": lambda: improved_figure(changed(), "mean of 3 members"),
    "helped, page": lambda: improved_figure(changed(), "mean of 3 members", PAGE),
    "nothing helped": lambda: improved_figure(compare_classes([0, 1], [0, 1], [0, 1]), "mean of 3 members"),
    "suspects": lambda: errors("suspects"),
    "suspects of one": lambda: errors("suspects", 1),
    "rescued": lambda: errors("rescued"),
    "spoiled": lambda: errors("spoiled"),
    "drawn": lambda: errors("drawn", shape=(6, 9)),
    "errors": lambda: errors_figure(find_errors(made(12))),
    "errors of 20": lambda: errors_figure(find_errors(made(4, members=20))),
    "errors of one": lambda: errors_figure(find_errors(made(4, members=1))),
    "pairs": lambda: pairs_figure(pairs()),
    "pairs, page": lambda: pairs_figure(pairs(images=6), PAGE),
    "sample": lambda: sample_figure(grid()),
    "sample, few": lambda: sample_figure(grid(1, 2), PAGE),
    "gallery": whole_gallery,
    "per class": lambda: everyone(24),
    "per class, most of them at 0 %": lambda: per_class_figure(at_chance(), "Accuracy by class on val"),
}  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_overlaps_and_nothing_is_cut_off(name: str) -> None:
    with style():
        figure = FIGURES[name]()
        assert flaws(figure) == ([], [])


@pytest.mark.parametrize("name", ["confusion of 12", "confusion of 200", "suspects", "helped"])
def test_files_are_the_same_every_time(tmp_path: Path, name: str) -> None:
    one, other = drawn_twice(FIGURES[name], "svg", tmp_path)
    assert one == other


def test_cells_hold_the_counts_and_darken_with_the_rate() -> None:
    value = confused(10)
    with style():
        axes = confusion_figure(value, "title").axes[0]
    order = value.order
    counts = value.counts[np.ix_(order, order)]
    shown = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in axes.texts}
    assert shown == {(i, j): f"{counts[i, j]:,}" for i, j in zip(*np.nonzero(counts), strict=True)}
    picture = np.asarray(axes.images[0].get_array())
    grey = picture @ np.array([0.2126, 0.7152, 0.0722])
    errors = np.array(counts - np.diag(counts.diagonal()))
    errors[np.arange(10), np.arange(10)] = -1
    levels = [float(grey[errors == n].mean()) for n in range(errors.max() + 1) if (errors == n).any()]
    assert levels == sorted(levels, reverse=True)  # every class has as many samples: the more, the darker, in grey too
    assert levels[0] == pytest.approx(1)
    assert levels[0] - levels[1] > 0.15  # a single error stands out from none
    assert (picture.diagonal()[0] == picture[0, 0, 0]).all()


def test_of_200_classes_every_cell_has_whole_dots_and_blocks_have_names() -> None:
    value = confused(200)
    with style():
        figure = blocks_figure(value, "title")
    box = figure.axes[0].get_position()
    wide, high = figure.get_size_inches() * 300
    assert box.width * wide % 200 == pytest.approx(0, abs=1e-6)
    for corner in (box.x0 * wide, box.y0 * high):
        assert corner == pytest.approx(round(corner), abs=1e-6)
    frames = [p for p in figure.axes[0].patches if isinstance(p, Rectangle)]
    assert [(f.get_x(), f.get_width()) for f in frames] == [(b.start - 0.5, b.stop - b.start) for b in value.blocks]
    said = [t for t in texts(figure) if "of their errors inside" in t]
    assert 0 < len(said) <= len(value.blocks)
    assert len(figure.axes[0].get_xticks()) == 0


@pytest.mark.parametrize("classes", [12, 24])
def test_classes_of_one_name_are_told_apart_on_the_axes(classes: int) -> None:
    with style():
        axes = confusion_figure(confused(classes), "title").axes[0]
    names = [t.get_text() for t in axes.get_yticklabels()]
    assert len(set(names)) == len(names) == classes
    assert [t.get_text() for t in axes.get_xticklabels()] == names


def test_bars_of_classes_helped_are_full_only_where_sure() -> None:
    value = changed()
    sure = replace(value, q=np.where(np.arange(12) % 2, 0.01, 0.5))
    with style():
        axes = improved_figure(sure, "mean").axes[0]
    bars = [p for p in axes.patches if isinstance(p, Rectangle) and np.isclose(p.get_height(), 0.6)]
    rows = [c for better in (True, False)
            for c in sorted(sure.ranked(better)[:8], key=lambda c: (-abs(sure.difference[c]), c))]  # fmt: skip
    assert [b.get_width() for b in bars] == pytest.approx([100 * sure.difference[c] for c in rows])
    assert [b.get_facecolor()[:3] != (1, 1, 1) for b in bars] == [bool(c % 2) for c in rows]
    lengths = [abs(b.get_width()) for b in bars]
    better = len(sure.ranked(True)[:8])
    for part in (lengths[:better], lengths[better:]):
        assert part == sorted(part, reverse=True)  # ordered by what the bars show
    assert {"significant", "may be chance"} <= set(texts(improved_figure(sure, "mean")))
    assert "significant" not in texts(improved_figure(replace(value, q=np.ones(12)), "mean"))  # only what is there


def test_error_bars_are_the_counts() -> None:
    value: ErrorAnalysis = find_errors(made(12))
    with style():
        axes = errors_figure(value).axes[0]
    counts = value.by_members_right()
    bars = [(round(p.get_x() + 0.4), p.get_height()) for p in axes.patches if isinstance(p, Rectangle)]
    assert bars == [*enumerate(counts[:, 1]), *((k, n) for k, n in enumerate(counts[:, 0]) if n)]
    assert [t.get_text() for t in axes.texts] == [f"{n:,}" for n in counts.sum(axis=1)]


@pytest.mark.parametrize("kind", ERROR_KINDS)
def test_errors_carry_the_true_and_the_predicted_class(kind: str) -> None:
    group = made(12)
    names = tuple(f"class {i}" for i in range(12))
    plain = replace(group, stack=replace(group.stack, class_names=names))
    value = find_errors(plain)
    shown = error_gallery(value, split_of(plain, 1), kind, 8)
    with style():
        figure = error_gallery_figure(shown)
    told = texts(figure)
    joined = " ".join(told)
    for row, image, picture in zip(shown.rows, shown.images, figure.axes[0].images, strict=True):
        assert (np.asarray(picture.get_array()) == image[:, :, 0]).all()
        word = "label" if kind == "suspects" else "true"
        assert f"{word} class {value.labels[row]}" in told
        if kind != "rescued":
            said = "all predict" if kind == "suspects" and value.unanimous[row] else "predicted"
            assert f"{said} class {value.preds[row]}" in joined
    marks = [t for t in told if t.startswith(("✓", "✗"))]
    assert len(marks) == len(shown.rows)
    assert {m[0] for m in marks} == {"✓" if kind == "rescued" else "✗"}


def test_two_classes_of_one_name_are_told_apart_in_a_gallery() -> None:
    group = made(12)
    with style():
        told = " ".join(texts(error_gallery_figure(error_gallery(find_errors(group), split_of(group), "drawn", 40))))
    assert "(n00000008)" in told and "(n00000009)" in told  # the two cranes


def test_the_broken_line_leaves_the_heading_alone() -> None:
    with style():
        figure = everyone(24)
        axes = figure.axes[0]
        (heading,) = [t for t in axes.texts if t.get_text().startswith("Easiest")]
        low, high = heading.get_window_extent().transformed(axes.transData.inverted()).get_points()[:, 1]
    broken = [line for line in axes.lines if line.get_linestyle() == "--" or line.is_dashed()]
    assert len(broken) == 2
    for line in broken:
        ends = np.asarray(line.get_ydata(), dtype=float)
        assert ends.max() <= low + 0.05 or ends.min() >= high - 0.05
    assert not [c for c in axes.collections if isinstance(c, LineCollection)]


def test_long_names_take_a_second_line_before_they_are_cut() -> None:
    group = made(3)
    names = ("European fire salamander, Salamandra salamandra", "a " * 200, "tiny")
    plain = replace(group, stack=replace(group.stack, class_names=names))
    with style():
        told = texts(error_gallery_figure(error_gallery(find_errors(plain), split_of(plain), "drawn", 12)))
    assert "salamander" in told
    assert not any("Salamandra" in t for t in told)


def test_of_200_classes_the_most_confused_are_named_and_the_rest_is_one() -> None:
    value = confused(200)
    small = folded(value, FOLDED)
    assert len(small) == FOLDED + 1 and small.counts.sum() == value.counts.sum()
    kept = [value.class_ids.index(name) for name in small.class_ids[:-1]]
    rest = sorted(set(range(200)) - set(kept))
    assert small.class_ids[-1] == "160 others" and small.folded == 160
    assert (small.counts[:-1, :-1] == value.counts[np.ix_(kept, kept)]).all()
    assert small.counts[:-1, -1].tolist() == value.counts[np.ix_(kept, rest)].sum(axis=1).tolist()
    assert small.counts[-1, :-1].tolist() == value.counts[np.ix_(rest, kept)].sum(axis=0).tolist()
    first = confused_pairs(value)[0]
    assert {first.a, first.b} <= set(kept)
    with style():
        axes = confusion_figure(value, "title").axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()][-1] == "160 others"
    picture = np.asarray(axes.images[0].get_array())
    assert (picture[-1, -1] == 1).all(), "the corner holds right and wrong ones"


def test_the_diagonal_of_many_classes_darkens_with_recall() -> None:
    value = confusion(np.repeat(np.arange(24), 4), np.where(np.arange(96) % 4 < np.repeat(np.arange(24) % 5, 4),
                      np.repeat(np.arange(24), 4), (np.repeat(np.arange(24), 4) + 1) % 24), order="id")  # fmt: skip
    with style():
        picture = np.asarray(confusion_figure(value, "title").axes[0].images[0].get_array())
    recall = value.rates.diagonal()
    grey = picture[np.arange(24), np.arange(24), 0]
    assert len(set(recall)) == 5
    assert np.argsort(-recall, kind="stable").tolist() == np.argsort(grey, kind="stable").tolist()


def test_the_sorted_curve_is_every_recall() -> None:
    value = classes_of(30)
    with style():
        axes = draw_recall(value, recall_figure(value, "title").add_axes((0.1, 0.1, 0.5, 0.5)))
        told = " ".join(texts(recall_figure(value, "title")))
    assert np.asarray(axes.lines[0].get_ydata()) == pytest.approx(np.sort(100 * value.accuracy))
    quarter, upper = np.percentile(100 * value.accuracy, (25, 75))
    assert f"Half of the 30 classes lie between {quarter:.0f} and {upper:.0f} %" in " ".join(told.split())
