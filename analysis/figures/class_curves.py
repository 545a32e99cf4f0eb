"""Recall over epochs, a small panel a class: the hardest, the easiest, and those that still moved late."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.classes.confusion import first_names
from analysis.figures.curves import along, looks
from analysis.figures.style import (
    GREY,
    INK,
    PAGE,
    PALE,
    axes_at,
    label_y,
    new_figure,
    note_lines,
    put_note,
    put_title,
    title_lines,
)
from analysis.figures.text import clean, labels, shorten_middle
from analysis.members.class_curves import ClassCurves

COLUMNS = 4
MOST_LINES = 6  # members that have a colour each; of more there is the mean, and all in pale
WORDS = {"hardest": "among the hardest", "easiest": "among the easiest", "risen": "rose", "fallen": "fell", "all": ""}
_LEFT, _RIGHT, _BETWEEN, _TITLE, _TALL = 0.42, 0.08, 0.12, 0.36, 0.72  # inches
_KEY = 0.17


def draw_class(value: ClassCurves, column: int, axes: Axes) -> Axes:
    """Draw one class's recall in % after each epoch, a line a member; dotted the mean of all classes."""
    few = len(value.members) <= MOST_LINES
    for epochs, recall, (colour, dashes) in zip(value.epochs, value.recall, looks(len(value.members)), strict=True):
        look: dict[str, Any] = {"color": colour, "linestyle": dashes, "linewidth": 0.9}
        own = look if few else {"color": PALE, "linewidth": 0.5}
        marker = "o" if len(epochs) == 1 else None
        axes.plot(epochs, 100 * recall[:, column], marker=marker, markersize=2.5, **own)
    if not few:
        grid, mean = value.mean(column)
        axes.plot(grid, 100 * mean, color=INK, linewidth=1.1)
    grid, mean = value.mean()
    axes.plot(grid, 100 * mean, color=GREY, linestyle=(0, (1, 1.5)), linewidth=0.8, zorder=1)
    axes.set_ylim(-3, 103)
    return along(axes, "epochs", 0)


def draw_mean(value: ClassCurves, axes: Axes) -> Axes:
    """Draw the mean over members of every class worth a curve into one pair of axes, in %."""
    columns = [c for kind in value.striking().values() for c in kind]
    names = first_names(value.class_names, value.class_ids)
    for c, (colour, dashes) in zip(columns, looks(len(columns)), strict=True):
        grid, mean = value.mean(c)
        axes.plot(grid, 100 * mean, color=colour, linestyle=dashes, label=clean(names[c]))
    axes.set_ylabel("Recall (%)")
    axes.legend(fontsize=6)
    return along(axes, "epochs", 0)


def class_curves_figure(value: ClassCurves) -> Figure:
    """Return a page-wide figure, a panel for each class that `striking` names, on common axes."""
    panels = [(kind, c) for kind, columns in value.striking().items() for c in columns]
    columns = min(COLUMNS, max(1, len(panels)))
    rows = -(-len(panels) // columns)
    several, few = len(value.members) > 1, len(value.members) <= MOST_LINES
    title, top = title_lines(
        f"Recall over epochs on val: {len(panels)} of {len(value.ranked())} classes, "
        + (f"{len(value.members)} members" if several else clean(value.members[0])), PAGE
    )  # fmt: skip
    words = "Grey and dotted: the mean of all classes."
    if not few:
        words += " Bold: the mean of the members; pale: each of them."
    if {"risen", "fallen"} & {kind for kind, _ in panels}:
        words += (
            " Rose, fell: of the other classes those that differ most between the last quarter of the epochs and the "
            "quarter that ends half way."
        )
    note, foot = note_lines(words, PAGE)
    key = _KEY * -(-len(value.members) // COLUMNS) if several and few else 0.0
    across = (PAGE - _LEFT - _RIGHT - (COLUMNS - 1) * _BETWEEN) / COLUMNS
    below = foot + key + 0.36
    total = top + rows * (_TITLE + _TALL) + below
    figure = new_figure(PAGE, total)
    put_title(figure, title)
    put_note(figure, note)
    shown = [c for _, c in panels]
    names = labels([value.class_names[c] for c in shown], [value.class_ids[c] for c in shown], across * 72, 6.5)
    first: Axes | None = None
    for i, ((kind, c), name) in enumerate(zip(panels, names, strict=True)):
        row, column = divmod(i, COLUMNS)
        corner = _LEFT + column * (across + _BETWEEN), total - top - (row + 1) * (_TITLE + _TALL)
        axes = axes_at(figure, *corner, across, _TALL, sharex=first, sharey=first)
        first = first or axes
        draw_class(value, c, axes)
        axes.tick_params(labelbottom=i + COLUMNS >= len(panels), labelleft=column == 0)
        if i + COLUMNS < len(panels):
            axes.set_xlabel("")
        if column == 0:
            label_y(axes, _LEFT - 0.14, "Recall (%)")
        told = f"{100 * value.last[c]:.0f} % at the end"
        if kind in ("risen", "fallen"):
            told = f"{WORDS[kind]} by {100 * abs(value.change[c]):.0f} points"
        elif WORDS[kind]:
            told = f"{told}, {WORDS[kind]}"
        for text, up, size, colour in ((name, 11, 6.5, INK), (told, 3, 6.0, GREY)):
            axes.text(0, 1 + up / 72 / _TALL, text, size=size, color=colour, va="bottom", transform=axes.transAxes,
                      parse_math=False)  # fmt: skip
    if key:
        _members(figure, value, foot)
    return figure


def _members(figure: Figure, value: ClassCurves, foot: float) -> None:
    """Set the key of members, a piece of line and a name each, above the note."""
    wide, total = figure.get_size_inches()
    cell = (wide - _LEFT - _RIGHT) / COLUMNS
    for i, (member, (colour, dashes)) in enumerate(zip(value.members, looks(len(value.members)), strict=True)):
        row, column = divmod(i, COLUMNS)
        rows = -(-len(value.members) // COLUMNS)
        x, y = _LEFT + column * cell, foot + (rows - row - 0.5) * _KEY
        line = np.array([x, x + 0.25]) / wide
        figure.add_artist(Line2D(line, [y / total] * 2, color=colour, linestyle=dashes, linewidth=1.2))
        figure.text((x + 0.3) / wide, y / total, shorten_middle(clean(member), (cell - 0.35) * 72, 6.5), size=6.5,
                    va="center_baseline", parse_math=False)  # fmt: skip
