"""Images on a sheet, framed as right or wrong, with a few words below each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.figures.style import BLUE, GREY, INK, VERMILLION, new_figure
from analysis.figures.text import ELLIPSIS, cut, drawable, width, wrap

MARGIN, GAP = 0.06, 0.07  # inches
NOTE = 6.0  # points: the text below an image
LINE = 8.0 / 72  # inches: a line of it
RIGHT, WRONG = "✓", "✗"
BASE = 7.6 / 72  # inches: from an image to the foot of the first line below it
# Told apart in grey too: a whole frame is right, a broken one wrong.
FRAMES: dict[bool, tuple[str, Any]] = {True: (BLUE, "-"), False: (VERMILLION, (0, (3, 1.5)))}


def sheet(wide: float, high: float) -> tuple[Figure, Axes]:
    """Return a figure and one empty axes over all of it, in inches from its upper left corner."""
    figure = new_figure(wide, high)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_autoscale_on(False)
    axes.set_xlim(0, wide)
    axes.set_ylim(high, 0)
    return figure, axes


def draw_tile(
    axes: Axes,
    image: np.ndarray,
    x: float,
    y: float,
    side: float,
    right: bool | None = None,
    lines: Sequence[str] = (),
    size: float = NOTE,
) -> Axes:
    """Draw an image on a `sheet` with its upper left corner at (x, y), `side` inches wide, and lines of text below it.

    image: uint8 (H, W, 1 or 3). right: framed as that, and the first line in the frame's colour; None for no frame.
    """
    high = side * image.shape[0] / image.shape[1]
    draw_image(axes, image, (x, x + side, y + high, y))
    colour = INK
    if right is not None:
        colour, dashes = FRAMES[right]
        axes.add_patch(Rectangle((x, y), side, high, fill=False, edgecolor=colour, linestyle=dashes, linewidth=1.6))
    base = y + high + BASE
    for i, line in enumerate(physical(lines)):
        bold = right is not None and i == 0
        axes.text(x, base + i * LINE, line, size=size, color=colour if bold else INK, parse_math=False,
                  weight="bold" if bold else "normal")  # fmt: skip
    return axes


def physical(lines: Sequence[str]) -> list[str]:
    """Return lines of text with the breaks in them made lines of their own."""
    return [part for line in lines for part in line.split("\n")]


def draw_image(axes: Axes, image: np.ndarray, extent: tuple[float, float, float, float] | None = None) -> Axes:
    """Draw uint8 (H, W, 1 or 3) as it is; small images keep their squares."""
    picture = image[:, :, 0] if image.shape[2] == 1 else image
    smooth = "nearest" if image.shape[0] <= 100 else "antialiased"
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation=smooth, extent=extent,
                aspect=None if extent is None else "auto")  # fmt: skip
    return axes


def lines_high(lines: Sequence[str]) -> float:
    """Return the inches that lines of text below an image take."""
    return LINE * len(physical(lines))


def mark(right: bool, probability: float, word: bool = False) -> str:
    """Return "✓ 98 %", or with the word "✓ right, 98 %"."""
    sign = RIGHT if right else WRONG
    said = f" {'right' if right else 'wrong'}," if word else ""
    return f"{sign}{said} {100 * probability:.0f} %"


def named(word: str, name: str, class_id: str, points: float, size: float = NOTE) -> str:
    """Return `word` and a class's name in `points`: on one line where a synonym fits whole, else on two."""
    # Two lines hold fewer letters than this; a longer name would only take time.
    whole = drawable(name[: int(4 * points)], class_id)
    room = points - width(f"{word} ", size)
    line = cut(whole, room, size)
    if not line.endswith(ELLIPSIS) or whole.endswith(ELLIPSIS):
        return f"{word} {line}"
    return wrap(f"{word} {whole.split(', ')[0]}", points, size)


def foot_note(axes: Axes, text: str, y: float, wide: float) -> Axes:
    """Write a wrapped note in grey below everything else."""
    axes.text(MARGIN, y, text, size=NOTE, va="top", color=GREY, linespacing=1.15, parse_math=False)
    return axes


def wrapped_note(text: str, wide: float) -> tuple[str, float]:
    """Return a note broken to a sheet `wide` inches wide, and the inches that it takes."""
    note = wrap(text, (wide - 2 * MARGIN) * 72, NOTE, lines=8)
    return note, (note.count("\n") + 1) * LINE + MARGIN
