"""What a figure really shows: its texts, and whether they overlap or are cut off."""

from unittest.mock import patch

from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

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


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that lie on one another by more than a dot or two (of 100 to the inch)."""
    there = boxes(figure)
    return [
        (s, t)
        for i, (s, a) in enumerate(there)
        for t, b in there[i + 1 :]
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 2
    ]


def cut_off(figure: Figure) -> list[str]:
    """Texts a part of which lies outside the figure."""
    high, wide = figure.bbox.y1, figure.bbox.x1
    return [t for t, b in boxes(figure) if b.x0 < 0 or b.y0 < 0 or b.x1 > wide or b.y1 > high]
