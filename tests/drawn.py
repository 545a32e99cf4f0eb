"""What a figure really shows: its texts, and whether they overlap or are cut off."""

from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from analysis.figures.style import save, style

# Names as people and data sets have them.
HOSTILE = (
    "</script><img src=x onerror=alert(1)>", "=cmd()", "x" * 300, "مرحبا بالعالم", "😀🎉", "a\u202eb", "$x_1$", "猫",
    "crane, a bird", "crane, a machine", "dog\nhound", "",
)  # fmt: skip


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.findobj(Text) if isinstance(t, Text) and t.get_text()]


def boxes(figure: Figure) -> list[tuple[str, Bbox]]:
    """Return every text that is really drawn, with its place in dots."""
    drawn: list[Text] = []
    draw = Text.draw

    def watching(self: Text, renderer) -> None:
        if self.get_visible() and self.get_text().strip():
            drawn.append(self)
        draw(self, renderer)

    with patch.object(Text, "draw", watching):
        figure.canvas.draw()
    # Of an annotation only the words: its arrow may pass by others.
    return [(text.get_text(), Text.get_window_extent(text)) for text in drawn]


def flaws(figure: Figure) -> tuple[list[tuple[str, str]], list[str]]:
    """Draw a figure; return what is not readable in it.

    Pairs of texts that lie on one another by more than a dot or two (of 100 to the inch), and texts partly
    outside the figure.
    """
    there = boxes(figure)
    high, wide = figure.bbox.y1, figure.bbox.x1
    overlaps = [
        (s, t)
        for i, (s, a) in enumerate(there)
        for t, b in there[i + 1 :]
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 2
    ]
    return overlaps, [t for t, b in there if b.x0 < 0 or b.y0 < 0 or b.x1 > wide or b.y1 > high]


def drawn_twice(make: Callable[[], Figure], kind: str, folder: Path) -> list[bytes]:
    """Make a figure twice, and return the two files."""
    files = []
    for i in range(2):
        with style():
            files.append(save(make(), folder / f"{i}.{kind}").read_bytes())
    return files
