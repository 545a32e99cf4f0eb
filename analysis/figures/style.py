"""The house style of every figure, and how a figure becomes a file."""

import contextlib
import logging
from collections.abc import Generator
from contextvars import ContextVar
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.figures.text import families
from ensemble.errors import BadInput
from ensemble.study.atomic import replacing

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
    try:
        settings = matplotlib.rc_params_from_file(path, use_default_template=False, fail_on_error=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadInput(f"{path}: cannot be read as a matplotlib style file, {reason}.") from error
    except (UnicodeDecodeError, ValueError, KeyError) as error:
        raise BadInput(f"{path}: cannot be read as a matplotlib style file, {error}.") from error
    finally:
        log.removeHandler(listener)
        log.propagate = was
    if told:
        raise BadInput(f"{path}: is no matplotlib style file, {told[0].strip().splitlines()[0]}.")
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
    return path
