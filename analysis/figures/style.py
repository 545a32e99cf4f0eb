"""The house style of every figure, and how a figure becomes a file."""

import contextlib
import logging
from collections.abc import Generator, Sequence
from contextvars import ContextVar
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.figures.text import families, wrap
from ensemble.errors import BadInput
from ensemble.study.atomic import replacing
from ensemble.study.seals import open_regular

COLUMN = 3.4  # inches: a column of a two-column paper
PAGE = 7.0  # inches: both columns

# Okabe and Ito's colours by their use here.
BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
INK, SOFT, GREY, PALE = "#202020", "#505050", "#707070", "#C8C8C8"
# Told apart in grey too: a whole frame is right, a broken one wrong.
FRAMES: dict[bool, tuple[str, Any]] = {True: (BLUE, "-"), False: (VERMILLION, (0, (3, 1.5)))}

# Without these each file would carry the moment it was made.
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
FORMATS = tuple(_METADATA)
_OVER: ContextVar[Path | None] = ContextVar("style file", default=None)
_KEPT: ContextVar[list[tuple[Path, Figure]] | None] = ContextVar("figures kept", default=None)


@contextlib.contextmanager
def style_over(path: Path | None) -> Generator[None]:
    """Lay the settings of a matplotlib style file over the house style inside the block; None leaves it as it is.

    Raises `BadInput` where the file cannot be read or sets something matplotlib does not know.
    """
    if path is not None:
        _read_style(path)
    token = _OVER.set(path)
    try:
        yield
    finally:
        _OVER.reset(token)


def _read_style(path: Path) -> matplotlib.RcParams:
    """Read a style file strictly: what matplotlib would pass over with a log message is an error here."""
    told: list[str] = []
    log = logging.getLogger("matplotlib")
    listener = logging.Handler(logging.WARNING)
    listener.emit = lambda record: told.append(record.getMessage())
    log.addHandler(listener)
    was, log.propagate = log.propagate, False
    open_regular(path).close()
    try:
        settings = matplotlib.rc_params_from_file(path, use_default_template=False, fail_on_error=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadInput(f"{path}: cannot be read as a matplotlib style file, {reason}; check it.") from error
    except (UnicodeDecodeError, ValueError, KeyError) as error:
        raise BadInput(f"{path}: cannot be read as a matplotlib style file, {error}.") from error
    finally:
        log.removeHandler(listener)
        log.propagate = was
    if told:
        raise BadInput(f"{path}: is not a matplotlib style file, {told[0].strip().splitlines()[0]}.")
    return settings


@contextlib.contextmanager
def style() -> Generator[None]:
    """Use the house style inside the block, whatever the user's own matplotlib settings are."""
    with as_file(files("analysis.figures") / "kofn.mplstyle") as path:
        settings = matplotlib.rc_params_from_file(path, use_default_template=True)
    settings["font.family"] = list(families())
    over = _OVER.get()
    if over is not None:
        settings.update(_read_style(over))
    # Figures are made without pyplot: no backend is chosen, and none is touched.
    with matplotlib.rc_context({key: settings[key] for key in settings if not key.startswith("backend")}):
        yield


def new_figure(width: float = COLUMN, height: float = 2.5) -> Figure:
    """Return an empty figure of `width` x `height` inches; call it inside `style()`."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG (300 dpi), SVG or PDF, by the ending of `path`; return `path`.

    The file is whole or absent, and the same figure gives the same bytes. Raises `BadInput` for another ending,
    `StorageError` where it cannot be written.
    """
    kind = path.suffix.removeprefix(".").lower()
    if kind not in _METADATA:
        raise BadInput(
            f"{path}: a figure is written as {', '.join(FORMATS)}, not as {kind or 'a file without ending'!r}."
        )
    with style(), replacing(path) as temporary:
        figure.savefig(temporary, format=kind, metadata=_METADATA[kind])
    kept = _KEPT.get()
    if kept is not None:
        kept.append((path, figure))
    return path


@contextlib.contextmanager
def keeping() -> Generator[list[tuple[Path, Figure]]]:
    """Give a list in which every figure that is saved inside the block stands with its path."""
    kept: list[tuple[Path, Figure]] = []
    token = _KEPT.set(kept)
    try:
        yield kept
    finally:
        _KEPT.reset(token)


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
