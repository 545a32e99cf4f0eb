"""All figures of a report as one PDF to print, each with its caption and what was found."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from analysis.figures.style import INK, SOFT, at, new_figure, style
from analysis.figures.text import clean, wrap
from ensemble.study.atomic import replacing

LANDSCAPE, PORTRAIT = (8.27, 5.83), (8.27, 11.69)  # inches: A5 across, and A4 for what is taller
MARGIN, GAP = 0.45, 0.25
HEADING, CAPTION, NOTE = 13.0, 8.5, 7.5  # points
_LINE = 1.3  # of a text's size
_BESIDE = 2.6  # inches that a text takes at least beside a figure


@dataclass(frozen=True, eq=False)
class Plate:
    """A figure with what stands beside it: the heading of its report, a caption, sentences on what was found."""

    heading: str
    figure: Figure
    caption: str
    notes: tuple[str, ...] = ()


def write_booklet(path: Path, title: str, facts: Sequence[str], plates: Sequence[Plate]) -> Path:
    """Write a PDF: a page with the title, facts and contents, then a page a plate; return `path`.

    A page is A5 across, or A4 where its figure and texts need more. Figures keep their size. The file is whole or
    absent, and the same plates give the same bytes. Raises `StorageError` where it cannot be written.
    """
    nothing = {"CreationDate": None, "Creator": None, "Producer": None}
    with style(), replacing(path) as temporary, PdfPages(temporary, metadata=nothing) as pages:
        pages.savefig(_front(title, facts, plates))
        for number, plate in enumerate(plates, start=1):
            _put(pages, plate, number)
    return path


def _front(title: str, facts: Sequence[str], plates: Sequence[Plate]) -> Figure:
    """Return the first page."""
    lines = [f"Figure {number}    {plate.heading}: {_first(plate.caption)}" for number, plate in enumerate(plates, 1)]
    texts = [(clean(title), HEADING + 5), *((clean(fact), CAPTION) for fact in facts), ("", CAPTION),
             *((clean(line), CAPTION) for line in lines)]  # fmt: skip
    wide = LANDSCAPE[0]
    broken = [(wrap(text, (wide - 2 * MARGIN) * 72, size, 3), size) for text, size in texts]
    size = LANDSCAPE if 2 * MARGIN + sum(map(_high, broken)) <= LANDSCAPE[1] else PORTRAIT
    figure = new_figure(wide, max(size[1], 2 * MARGIN + sum(map(_high, broken))))
    _write(figure, broken, MARGIN, figure.get_figheight() - MARGIN, (0.0, 0.0))
    return figure


def _first(caption: str) -> str:
    """Return the first sentence of a caption, without its stop."""
    return caption.split(". ")[0].removesuffix(".")


def _put(pages: PdfPages, plate: Plate, number: int) -> None:
    """Add a page: the heading, the figure, and its texts beside it where there is room, else below."""
    figure = plate.figure
    wide, high = figure.get_size_inches()
    paper = max(LANDSCAPE[0], wide + 2 * MARGIN)
    beside = paper - 2 * MARGIN - wide - GAP >= _BESIDE
    room = paper - 2 * MARGIN - (wide + GAP if beside else 0)
    caption = (f"Figure {number}. {plate.caption}", CAPTION)
    texts = [(wrap(clean(text), room * 72, size, 40), size) for text, size in
             (caption, *((note, NOTE) for note in plate.notes))]  # fmt: skip
    above = 1.6 * HEADING * _LINE / 72
    below = sum(map(_high, texts))
    needed = 2 * MARGIN + above + (max(high, below) if beside else high + GAP + below)
    tall = next((size[1] for size in (LANDSCAPE, PORTRAIT) if needed <= size[1]), needed)
    # The page reaches beyond the figure, whose own corner is the origin of all that is drawn.
    x, y = (MARGIN if beside else (paper - wide) / 2), tall - MARGIN - above - high
    _write(figure, [(plate.heading, HEADING)], MARGIN, tall - MARGIN, (x, y))
    left, top = (MARGIN + wide + GAP, tall - MARGIN - above) if beside else (MARGIN, y - GAP)
    _write(figure, texts, left, top, (x, y))
    pages.savefig(figure, bbox_inches=Bbox([[-x, -y], [paper - x, tall - y]]))


def _high(text: tuple[str, float]) -> float:
    """Return the inches that a text takes, the space below it included."""
    broken, size = text
    return size * (_LINE * (1 + broken.count("\n")) + 0.5) / 72


def _write(
    figure: Figure, texts: Sequence[tuple[str, float]], left: float, top: float, origin: tuple[float, float]
) -> None:
    """Write texts below one another, in inches of a page on which the figure's lower left corner is at `origin`."""
    for broken, size in texts:
        place = at(figure, left - origin[0], top - origin[1])
        figure.text(*place, broken, size=size, va="top", linespacing=1.1, parse_math=False,
                    color=SOFT if size == NOTE else INK)  # fmt: skip
        top -= _high((broken, size))
