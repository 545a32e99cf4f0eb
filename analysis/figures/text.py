"""Names of classes and members as they can be drawn: cleaned, cut to a width, told apart."""

import functools
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib import font_manager
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

ELLIPSIS = "…"
BOX = "□"  # stands for a sign the font does not have


@functools.cache
def _glyphs() -> frozenset[int]:
    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return frozenset(font_manager.get_font(str(font)).get_charmap())


@functools.cache
def _font() -> FontProperties:
    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return FontProperties(fname=str(font), size=10)


def clean(name: str) -> str:
    """Return `name` on one line, without control signs or direction overrides; signs the font lacks become boxes."""
    out: list[str] = []
    marks = 0
    for sign in unicodedata.normalize("NFC", " ".join(name.split())):
        category = unicodedata.category(sign)
        if category == "Mn":
            # Accents stacked without end would be drawn over the neighbours; variation selectors show nothing.
            marks += 1
            if marks > 2 or 0xFE00 <= ord(sign) <= 0xFE0F:
                continue
        else:
            marks = 0
        if category in ("Cc", "Cf", "Cs"):
            continue
        if ord(sign) in _glyphs():
            out.append(sign)
        elif out[-1:] != [BOX]:
            out.append(BOX)
    return "".join(out).strip()


def drawable(name: str, class_id: str = "") -> str:
    """Return `clean(name)`, or the cleaned `class_id` where next to nothing of the name can be drawn."""
    shown = clean(name)
    if not shown.strip(f"{BOX} "):
        return clean(class_id) or shown or "?"
    return shown


@functools.lru_cache(maxsize=4096)
def width(text: str, size: float) -> float:
    """Return the width in points of `text` set at `size` points."""
    if not text:
        return 0.0
    return float(text_to_path.get_text_width_height_descent(text, _font(), ismath=False)[0]) * size / 10


def shorten(text: str, points: float, size: float) -> str:
    """Return `text` where it fits into `points` wide, else its beginning and an ellipsis."""
    if width(text, size) <= points:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if width(text[:middle].rstrip() + ELLIPSIS, size) <= points:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + ELLIPSIS


def shorten_middle(text: str, points: float, size: float) -> str:
    """Return `text` where it fits into `points` wide, else its two ends: members often differ in the last letter."""
    if width(text, size) <= points:
        return text
    for kept in range(len(text) - 1, 1, -1):
        head = kept // 3
        short = text[:head] + ELLIPSIS + text[head - kept :]
        if width(short, size) <= points:
            return short
    return ELLIPSIS


def cut(name: str, points: float, size: float) -> str:
    """Return a class name where it fits, else the synonyms of it that do, else its beginning and an ellipsis."""
    parts = name.split(", ")
    # "German shepherd, German police dog, alsatian": leave later synonyms out before breaking a word.
    while len(parts) > 1 and width(", ".join(parts), size) > points:
        parts.pop()
    return shorten(", ".join(parts), points, size)


def labels(names: Sequence[str], ids: Sequence[str], points: float, size: float) -> list[str]:
    """Return one drawable label per class, at most `points` wide; two that would read the same show their ids."""
    shown = [cut(drawable(name, i), points, size) for name, i in zip(names, ids, strict=True)]
    out = []
    for label, i in zip(shown, ids, strict=True):
        if shown.count(label) > 1:
            tail = f" ({shorten_middle(clean(i), points / 2, size)})"  # ids often differ in their last letters
            label = shorten(label.rstrip(ELLIPSIS), points - width(tail, size), size) + tail
        out.append(label)
    return out


def wrap(text: str, points: float, size: float, lines: int = 2) -> str:
    """Return `text` broken at blanks into at most `lines` lines of `points`; what is too long is cut at the end."""
    out: list[str] = [""]
    for word in text.split(" "):
        longer = f"{out[-1]} {word}".strip()
        if width(longer, size) <= points or not out[-1] or len(out) == lines:
            out[-1] = longer
        else:
            out.append(word)
    return "\n".join(shorten(line, points, size) for line in out)
