"""Names of classes and members as they can be drawn: cleaned, cut to a width, told apart."""

import functools
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib import font_manager
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

ELLIPSIS = "…"
BOX = "□"  # stands for a run of signs that no font here has
MOST_ESCAPES = 3  # signs of a name that are written as their numbers
_MISSING: set[str] = set()


# Families that have what DejaVu Sans lacks, where a machine has them: CJK, Arabic, Devanagari, Thai, symbols, emoji.
_FURTHER = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Noto Sans JP", "Source Han Sans SC", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "IPAGothic", "IPAexGothic", "TakaoGothic", "Hiragino Sans", "PingFang SC", "Heiti SC",
    "Microsoft YaHei", "MS Gothic", "Malgun Gothic", "NanumGothic", "Noto Sans Arabic", "Noto Sans Devanagari",
    "Noto Sans Thai", "Arial Unicode MS", "Noto Sans Symbols2", "Noto Emoji", "Symbola", "Segoe UI Symbol",
)  # fmt: skip


def _own_font() -> Path:
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


@functools.cache
def families() -> tuple[str, ...]:
    """Return the families that texts are drawn in, one for what the other lacks: DejaVu Sans, and those found here."""
    there = {entry.name for entry in font_manager.fontManager.ttflist}
    return ("DejaVu Sans", *(name for name in _FURTHER if name in there))


@functools.cache
def _glyphs() -> frozenset[int]:
    paths = [_own_font(), *(Path(font_manager.findfont(name)) for name in families()[1:])]
    return frozenset(sign for path in paths for sign in font_manager.get_font(str(path)).get_charmap())


@functools.cache
def _font() -> FontProperties:
    more = families()[1:]
    return FontProperties(family=["DejaVu Sans", *more], size=10) if more else FontProperties(
        fname=str(_own_font()), size=10)  # fmt: skip


def clean(name: str) -> str:
    r"""Return `name` on one line, without control signs or direction overrides.

    A sign that no font here has becomes its number, \u732b, unless the name has many: then boxes.
    """
    out: list[str] = []
    marks = lacking = 0
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
        else:
            _MISSING.add(sign)
            lacking += 1
            out.append(f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else f"\\U{ord(sign):08x}")
    if lacking <= MOST_ESCAPES:
        return "".join(out).strip()
    # Of many a run of boxes is enough: nobody reads so many numbers.
    return re.sub(r"(?:\\u[0-9a-f]{4}|\\U[0-9a-f]{8})+", BOX, "".join(out)).strip()


def missing_signs() -> str:
    """Return the signs that were asked for in this process and that no font here has, in their order."""
    return "".join(sorted(_MISSING))


def drawable(name: str, class_id: str = "") -> str:
    """Return `clean(name)`, or the cleaned `class_id` where next to nothing of the name can be drawn."""
    shown = clean(name)
    if not re.sub(r"\\u[0-9a-f]{4}|\\U[0-9a-f]{8}", "", shown).strip(f"{BOX} "):
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
