"""Errors as pictures: what nobody gets right, what the ensemble rescues and spoils, a random draw of them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.classes.confusion import apart
from analysis.errors import ErrorsSeen
from analysis.figures.gallery import GAP, MARGIN, draw_tile, foot_note, lines_high, mark, named, sheet, wrapped_note
from analysis.figures.style import BLUE, COLUMN, INK, VERMILLION, new_figure
from analysis.figures.text import clean, shorten
from analysis.images.gallery import ErrorGallery

_ACROSS = 4
_HEAD = 14 / 72
_MOST_COUNTS = 9  # more bars than this have no room for numbers above them


def draw_errors(value: ErrorsSeen, axes: Axes) -> Axes:
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


def errors_figure(value: ErrorsSeen, columns_wide: float = COLUMN) -> Figure:
    """Return the bars of `draw_errors` as a figure, with the accuracy and the oracle's in its title."""
    figure = new_figure(columns_wide, 2.4)
    axes = figure.add_axes((0.5 / columns_wide, 0.16, 1 - 0.58 / columns_wide, 0.63))
    draw_errors(value, axes)
    title = f"{100 * value.right.mean():.1f} % right; at least one member right: {100 * value.oracle:.1f} %"
    figure.text(0.06 / columns_wide, 0.98, title, size=7.5, va="top", parse_math=False)
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="upper left", bbox_to_anchor=(0.06 / columns_wide, 0.92), ncols=2)
    return figure


def _title(gallery: ErrorGallery) -> str:
    value, shown = gallery.errors, len(gallery.rows)
    members = len(value.members)
    part = f"{shown} of {gallery.of:,}" if shown < gallery.of else f"{gallery.of:,}"
    whom = f"all {members} members get" if members > 1 else f"{clean(value.members[0])} gets"
    return {
        "suspects": f"{part} images that {whom} wrong",
        "rescued": f"{part} images that the ensemble rescues",
        "spoiled": f"{part} images that the ensemble spoils",
        "drawn": f"{part} errors among {len(value.drawn):,} drawn images",
    }[gallery.kind]


def _note(gallery: ErrorGallery) -> str:
    value = gallery.errors
    split, members = clean(value.split), len(value.members)
    same = "Those on which all say the same stand first, then" if members > 1 else "They stand"
    return {
        "suspects": f"{same} by how much surer the ensemble is of what it said (first %) than of the label (second). "
        f"The first are candidates for a wrong label on {split}; whether it is wrong, someone has to look.",
        "rescued": f"More than half of {members} members are wrong, the ensemble is right. %: its probability of the "
        f"truth; then how many members are right. Fewest first; {split}.",
        "spoiled": f"The ensemble is wrong, though more than half of {members} members are right, or "
        f"{clean(value.best_member)}, the best of them on {split}. %: its probability of what it said; then how many "
        "members are right. Most first.",
        "drawn": f"Drawn from {split} with seed {value.seed}, in the order drawn. %: the ensemble's probability of "
        "what it said.",
    }[gallery.kind]


def _lines(gallery: ErrorGallery, row: int, names: Sequence[str], points: float) -> list[str]:
    """Return the words below an image: how sure, the truth, and what was said; names: all classes', told apart."""
    value, kind = gallery.errors, gallery.kind
    right = bool(value.right[row])
    true, said = int(value.labels[row]), int(value.preds[row])
    first = mark(right, float(value.said_probability[row]))
    if kind == "suspects":
        first += f", {100 * value.true_probability[row]:.0f} %"
    elif kind != "drawn":
        first += f", {value.members_right[row]}/{len(value.members)}"
    truth = named("label" if kind == "suspects" else "true", names[true], value.class_ids[true], points)
    if right:
        return [first, truth]
    word = "all say" if kind == "suspects" and value.unanimous[row] and len(value.members) > 1 else "said"
    return [first, truth, named(word, names[said], value.class_ids[said], points)]


def draw_error_gallery(gallery: ErrorGallery, axes: Axes, wide: float, top: float) -> Axes:
    """Draw the images of a gallery four to a row on a `sheet` of `wide` inches, from `top` inches downwards."""
    side, lines, steps = _layout(gallery, wide)
    for i, row in enumerate(gallery.rows):
        line, column = divmod(i, _ACROSS)
        draw_tile(axes, gallery.images[i], MARGIN + column * (side + GAP), top + sum(steps[:line]), side,
                  bool(gallery.errors.right[row]), lines[i])  # fmt: skip
    return axes


def _layout(gallery: ErrorGallery, wide: float) -> tuple[float, list[list[str]], list[float]]:
    """Return an image's width in inches, the words below each, and the height of each row."""
    side = (wide - 2 * MARGIN - (_ACROSS - 1) * GAP) / _ACROSS
    aspect = gallery.images.shape[1] / gallery.images.shape[2]
    names = apart(gallery.errors.class_names, gallery.errors.class_ids)
    lines = [_lines(gallery, int(row), names, side * 72) for row in gallery.rows]
    steps = [
        side * aspect + GAP + max(lines_high(own) for own in lines[i : i + _ACROSS])
        for i in range(0, len(lines), _ACROSS)
    ]
    return side, lines, steps


def error_gallery_figure(gallery: ErrorGallery, columns_wide: float = COLUMN) -> Figure:
    """Return errors of one kind as a figure: image, how sure, true and said class."""
    note, foot = wrapped_note(_note(gallery), columns_wide)
    steps = _layout(gallery, columns_wide)[2]
    total = MARGIN + _HEAD + sum(steps) + foot
    figure, axes = sheet(columns_wide, total)
    axes.text(MARGIN, MARGIN, shorten(_title(gallery), (columns_wide - 2 * MARGIN) * 72 / 1.02, 7.5), size=7.5,
              va="top", parse_math=False)  # fmt: skip
    draw_error_gallery(gallery, axes, columns_wide, MARGIN + _HEAD)
    foot_note(axes, note, MARGIN + _HEAD + sum(steps), columns_wide)
    return figure
