"""Images on a sheet, framed as right or wrong, with a few words below each."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from analysis.figures.layout import EDGE, NOTE
from analysis.figures.style import FRAMES, GREY, INK
from analysis.figures.text import ELLIPSIS, cut, drawable, width, wrap

GAP = 0.07  # inches between images
LINE = 8.0 / 72  # inches: a line of words below an image
BOLD = 1.14  # bold letters are this much wider
_BASE = 7.6 / 72  # inches: from an image to the foot of the first line below it
_RIGHT, _WRONG = "✓", "✗"


def draw_tile(
    axes: Axes, image: np.ndarray, x: float, y: float, side: float, right: bool | None = None, lines: Sequence[str] = ()
) -> Axes:
    """Draw an image on a `sheet` with its upper left corner at (x, y), `side` inches wide, and lines of text below it.

    image: uint8 (H, W, 1 or 3). right: framed as that, and the first line in the frame's colour; None for no frame.
    """
    high = side * image.shape[0] / image.shape[1]
    picture = image[:, :, 0] if image.shape[2] == 1 else image
    # Small images keep their squares.
    smooth = "nearest" if image.shape[0] <= 100 else "antialiased"
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation=smooth, extent=(x, x + side, y + high, y),
                aspect="auto")  # fmt: skip
    colour = INK
    if right is not None:
        colour, dashes = FRAMES[right]
        axes.add_patch(Rectangle((x, y), side, high, fill=False, edgecolor=colour, linestyle=dashes, linewidth=1.6))
    for i, line in enumerate(_physical(lines)):
        bold = right is not None and i == 0
        axes.text(x, y + high + _BASE + i * LINE, line, size=NOTE, color=colour if bold else INK, parse_math=False,
                  weight="bold" if bold else "normal")  # fmt: skip
    return axes


def draw_tiles(
    axes: Axes, images: np.ndarray, right: Sequence[bool], lines: Sequence[Sequence[str]], wide: float,
    top: float, across: int,
) -> float:  # fmt: skip
    """Draw framed images `across` to a row of a sheet `wide` inches wide, from `top` down; return where they end."""
    side = side_of(wide, across)
    for i, (image, good, words) in enumerate(zip(images, right, lines, strict=True)):
        if i and i % across == 0:
            top += _row_high(images[i - 1], lines[i - across : i], side)
        draw_tile(axes, image, EDGE + i % across * (side + GAP), top, side, good, words)
    return top + (_row_high(images[-1], lines[-((len(images) - 1) % across + 1) :], side) if len(images) else 0.0)


def tiles_high(images: np.ndarray, lines: Sequence[Sequence[str]], wide: float, across: int) -> float:
    """Return the inches that `draw_tiles` takes."""
    side = side_of(wide, across)
    starts = range(0, len(images), across)
    return sum(_row_high(images[i], lines[i : i + across], side) for i in starts)


def side_of(wide: float, across: int) -> float:
    """Return the width in inches of an image where `across` stand beside one another on a sheet."""
    return (wide - 2 * EDGE - (across - 1) * GAP) / across


def _row_high(image: np.ndarray, lines: Sequence[Sequence[str]], side: float) -> float:
    return side * image.shape[0] / image.shape[1] + GAP + max(map(lines_high, lines))


def _physical(lines: Sequence[str]) -> list[str]:
    """Return lines of text with the breaks in them made lines of their own."""
    return [part for line in lines for part in line.split("\n")]


def lines_high(lines: Sequence[str]) -> float:
    """Return the inches that lines of text below an image take."""
    return LINE * len(_physical(lines))


def mark(right: bool, probability: float, word: bool = False) -> str:
    """Return "✓ 98 %", or with the word "✓ right, 98 %"."""
    told = f" {'right' if right else 'wrong'}," if word else ""
    return f"{_RIGHT if right else _WRONG}{told} {100 * probability:.0f} %"


def named(word: str, name: str, class_id: str, points: float) -> str:
    """Return `word` and a class's name in `points`: on one line where a synonym fits whole, else on two."""
    # Two lines hold fewer letters than this; a longer name would only take time.
    whole = drawable(name[: int(4 * points)], class_id)
    line = cut(whole, points - width(f"{word} ", NOTE), NOTE)
    if not line.endswith(ELLIPSIS) or whole.endswith(ELLIPSIS):
        return f"{word} {line}"
    return wrap(f"{word} {whole.split(', ')[0]}", points, NOTE)


def foot_note(axes: Axes, text: str, y: float) -> Axes:
    """Write a wrapped note in grey below everything else."""
    axes.text(EDGE, y, text, size=NOTE, va="top", color=GREY, linespacing=1.15, parse_math=False)
    return axes


def wrapped_note(text: str, wide: float) -> tuple[str, float]:
    """Return a note broken to a sheet `wide` inches wide, and the inches that it takes."""
    note = wrap(text, (wide - 2 * EDGE) * 72, NOTE, lines=8)
    return note, (note.count("\n") + 1) * LINE + EDGE
