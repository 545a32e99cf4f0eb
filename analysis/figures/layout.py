"""Where things stand on a figure, in inches: axes, the title above them and the note below."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import INK, SOFT, new_figure
from analysis.figures.text import wrap

EDGE = 0.06  # from the figure's edge to its texts
TITLE, NOTE = 7.5, 6.0  # points
_TITLE_LINE, _NOTE_LINE = 9.5 / 72, 8.0 / 72


def axes_at(figure: Figure, left: float, bottom: float, wide: float, high: float, **more: Any) -> Axes:
    """Return new axes, `wide` x `high` inches, with their lower left corner there; more: as `Figure.add_axes` takes."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, wide / across, high / up), **more)


def at(figure: Figure, x: float, y: float) -> tuple[float, float]:
    """Return a place in inches from the lower left corner as a figure's own fractions."""
    wide, high = figure.get_size_inches()
    return x / wide, y / high


def size_of(axes: Axes) -> tuple[float, float]:
    """Return the width and height of axes in inches."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    box, (wide, high) = axes.get_position(), figure.get_size_inches()
    return box.width * wide, box.height * high


def title_lines(text: str, wide: float, lines: int = 2) -> tuple[str, float]:
    """Return a title broken to a figure `wide` inches wide, and the inches that it takes from the upper edge."""
    text = wrap(text, (wide - 2 * EDGE) * 72, TITLE, lines)
    return text, 0.05 + _TITLE_LINE * (1 + text.count("\n"))


def note_lines(text: str, wide: float, lines: int = 4) -> tuple[str, float]:
    """Return a note broken to a figure `wide` inches wide, and the inches that it takes from the lower edge."""
    text = wrap(text, (wide - 2 * EDGE) * 72, NOTE, lines)
    return text, (0.05 + _NOTE_LINE * (1 + text.count("\n"))) if text else 0.0


def put_title(figure: Figure, text: str, down: float = 0.05) -> None:
    """Write a title, broken already, at the upper left, `down` inches from the edge."""
    wide, high = figure.get_size_inches()
    figure.text(EDGE / wide, 1 - down / high, text, size=TITLE, va="top", linespacing=1.15, parse_math=False)


def put_note(figure: Figure, text: str) -> None:
    """Write a note, broken already, at the lower left."""
    wide, high = figure.get_size_inches()
    figure.text(EDGE / wide, 0.05 / high, text, size=NOTE, va="bottom", color=SOFT, linespacing=1.15, parse_math=False)


def label_y(axes: Axes, left: float, text: str = "") -> None:
    """Place the label of the y axis `left` inches left of the axes, whatever its numbers; set it to `text` if any."""
    if text:
        axes.set_ylabel(text)
    axes.yaxis.set_label_coords(-left / size_of(axes)[0], 0.5)


def sheet(wide: float, high: float) -> tuple[Figure, Axes]:
    """Return a figure and one empty axes over all of it, in inches from its upper left corner."""
    figure = new_figure(wide, high)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_autoscale_on(False)
    axes.set_xlim(0, wide)
    axes.set_ylim(high, 0)
    return figure, axes


def apart(wanted: Sequence[float], step: float, room: float) -> list[float]:
    """Return increasing places near the increasing `wanted` ones, `step` apart and within 0..room.

    What would overlap is spread evenly around its common middle; where not all fit, they stand closer.
    """
    step = min(step, room / len(wanted)) if len(wanted) else step
    groups: list[list[float]] = []
    for place in wanted:
        groups.append([place])
        while len(groups) > 1 and _start(groups[-1], step, room) < _start(groups[-2], step, room) + step * len(
            groups[-2]
        ):
            last = groups.pop()
            groups[-1].extend(last)
    return [_start(group, step, room) + step * i for group in groups for i in range(len(group))]


def _start(group: Sequence[float], step: float, room: float) -> float:
    """Return where the first of a group stands when all stand `step` apart around the middle of what they wanted."""
    start = sum(group) / len(group) - step * (len(group) - 1) / 2
    return max(min(start, room - step * (len(group) - 0.5)), step / 2)


def bold_heading(axes: Axes, x: float, y: float, text: str, colour: str = INK, size: float = 6.5) -> None:
    """Write a heading among rows, on ground of its own so that no line runs through it."""
    axes.text(x, y, text, size=size, color=colour, weight="bold", clip_on=False,
              bbox={"facecolor": axes.get_facecolor(), "edgecolor": "none", "pad": 0.6})  # fmt: skip
