"""Errors as pictures: what nobody gets right, what the ensemble rescues and spoils, a random draw of them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.classes.confusion import apart
from analysis.errors import ErrorAnalysis
from analysis.figures.gallery import draw_tiles, foot_note, mark, named, side_of, tiles_high, wrapped_note
from analysis.figures.style import (
    BLUE,
    COLUMN,
    EDGE,
    INK,
    VERMILLION,
    axes_at,
    new_figure,
    put_title,
    sheet,
    title_lines,
)
from analysis.figures.text import clean
from analysis.images.gallery import ErrorGallery

_ACROSS = 4
_HEAD = 14 / 72
_MOST_COUNTS = 9  # more bars than this have no room for numbers above them


def draw_errors(value: ErrorAnalysis, axes: Axes) -> Axes:
    """Draw how many samples 0, 1, ... M members have right, parted into what the ensemble has right and wrong."""
    counts = value.by_members_right()
    wrong, right = counts.T
    x = np.arange(len(counts))
    axes.bar(x, right, color=BLUE, width=0.8, label="ensemble right")
    # Hatched, so that it is told apart in grey.
    there = wrong > 0
    axes.bar(x[there], wrong[there], bottom=right[there], color="white", edgecolor=VERMILLION, hatch="//////",
             linewidth=0.8, width=0.8, label="ensemble wrong")  # fmt: skip
    top = counts.sum(axis=1).max()
    if len(counts) <= _MOST_COUNTS:
        for place, total in enumerate(counts.sum(axis=1)):
            axes.text(place, total + 0.015 * top, f"{total:,}", ha="center", va="bottom", size=6.5, color=INK)
    axes.set_ylim(0, top * 1.1)
    axes.set_xlim(-0.6, len(counts) - 0.4)
    step = max(1, len(counts) // 8)
    axes.set_xticks(x[::step])
    axes.grid(visible=False, axis="x")
    axes.set_xlabel(f"Members that are right, of {len(value.members)}")
    axes.set_ylabel(f"Images of {clean(value.split)}")
    return axes


def errors_figure(value: ErrorAnalysis, columns_wide: float = COLUMN) -> Figure:
    """Return the bars of `draw_errors` as a figure, with the accuracy and the oracle's in its title."""
    figure = new_figure(columns_wide, 2.4)
    axes = axes_at(figure, 0.5, 0.38, columns_wide - 0.58, 1.52)
    draw_errors(value, axes)
    put_title(figure, f"{100 * value.right.mean():.1f} % right; at least one member right: {100 * value.oracle:.1f} %")
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="upper left", bbox_to_anchor=(EDGE / columns_wide, 0.92), ncols=2)
    return figure


def _title(gallery: ErrorGallery) -> str:
    value, shown = gallery.errors, len(gallery.rows)
    members = len(value.members)
    part = f"{shown} of {gallery.of:,}" if shown < gallery.of else f"{gallery.of:,}"
    whom = f"the ensemble and all {members} members" if members > 1 else clean(value.members[0])
    return {
        "suspects": f"{part} images wrong for {whom}",
        "rescued": f"{part} images that the ensemble rescues",
        "spoiled": f"{part} images that the ensemble spoils",
        "drawn": f"{part} errors among {len(value.drawn):,} drawn images",
    }[gallery.kind]


def _note(gallery: ErrorGallery) -> str:
    value = gallery.errors
    split, members = clean(value.split), len(value.members)
    same = "Those that all predict alike stand first, then" if members > 1 else "They stand"
    return {
        "suspects": f"{same} by the margin of the ensemble's probability of its prediction (first %) over that of the "
        f"label (second). The first are candidates for a wrong label on {split}; whether it is wrong, someone has to "
        "look.",
        "rescued": f"More than half of {members} members are wrong, the ensemble is right. %: its probability of the "
        f"truth; then how many members are right, those with the fewest first; {split}.",
        "spoiled": f"The ensemble is wrong, though more than half of {members} members are right, or "
        f"{clean(value.best_member)}, the best of them on {split}. %: its confidence; then how many members are "
        "right, those with the most first.",
        "drawn": f"Drawn from {split} with seed {value.seed}, in the order drawn. %: the ensemble's confidence.",
    }[gallery.kind]


def _lines(gallery: ErrorGallery, row: int, names: Sequence[str], points: float) -> list[str]:
    """Return the words below an image: the confidence, the truth, and the prediction; names: all classes'."""
    value, kind = gallery.errors, gallery.kind
    right = bool(value.right[row])
    true, pred = int(value.labels[row]), int(value.preds[row])
    first = mark(right, float(value.confidence[row]))
    if kind == "suspects":
        first += f", {100 * value.true_probability[row]:.0f} %"
    elif kind != "drawn":
        first += f", {value.members_right[row]}/{len(value.members)}"
    truth = named("label" if kind == "suspects" else "true", names[true], value.class_ids[true], points)
    if right:
        return [first, truth]
    word = "all predict" if kind == "suspects" and value.unanimous[row] and len(value.members) > 1 else "predicted"
    return [first, truth, named(word, names[pred], value.class_ids[pred], points)]


def error_gallery_figure(gallery: ErrorGallery, columns_wide: float = COLUMN) -> Figure:
    """Return errors of one kind as a figure, four images to a row: confidence, true and predicted class below each."""
    value = gallery.errors
    names = apart(value.class_names, value.class_ids)
    lines = [_lines(gallery, int(row), names, side_of(columns_wide, _ACROSS) * 72) for row in gallery.rows]
    note, foot = wrapped_note(_note(gallery), columns_wide)
    high = tiles_high(gallery.images, lines, columns_wide, _ACROSS)
    title, one_line = title_lines(_title(gallery), columns_wide)
    top = EDGE + _HEAD + one_line - title_lines("", columns_wide)[1]
    figure, axes = sheet(columns_wide, top + high + foot)
    put_title(figure, title, EDGE)
    right = value.right[gallery.rows].tolist()
    end = draw_tiles(axes, gallery.images, right, lines, columns_wide, top, _ACROSS)
    foot_note(axes, note, end)
    return figure
