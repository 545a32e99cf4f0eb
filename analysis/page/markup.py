"""HTML out of Python: every text is escaped, and what is markup already says so by its type."""

import base64
import html
import unicodedata
from collections.abc import Iterable, Sequence

VOID = ("img", "br")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, *children: str | None, **attributes: str | int | float | None) -> Markup:
    """Return an element; children that are no `Markup` are escaped, and attributes that are None are left out.

    An underscore in an attribute's name stands for a hyphen, and one at its end for nothing: class_, data_value.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{join(children)}</{name}>")


def join(parts: Iterable[str | None], between: str = "") -> Markup:
    """Return parts one after another, each escaped unless it is `Markup`."""
    texts = (part if isinstance(part, Markup) else html.escape(part) for part in parts if part is not None)
    return Markup(between.join(texts))


def picture(mime: str, data: bytes, alt: str, **attributes: str | int) -> Markup:
    """Return an image that carries its own bytes."""
    source = f"data:{mime};base64,{base64.b64encode(data).decode()}"
    return tag("img", src=source, alt=alt, **attributes)


def name(text: str) -> Markup:
    """Return a name, kept apart from the text around it whatever its direction of writing."""
    return tag("span", text, class_="name")


def table(
    caption: str | None,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    left: Sequence[int] = (0,),
    sortable: bool = False,
) -> Markup:
    """Return a table in a frame that scrolls where it is too wide; a row's first cell is its heading.

    left: the columns that are set left.
    """
    sides = ["left" if i in left else None for i in range(len(heads))]
    head = (tag("th", text, scope="col", class_=side) for text, side in zip(heads, sides, strict=True))
    body = [
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell, class_=side)
            for cell, side in zip(row[1:], sides[1:], strict=True)))
        for row in rows
    ]  # fmt: skip
    whole = tag(
        "table",
        tag("caption", caption) if caption else None,
        tag("thead", tag("tr", *head)),
        tag("tbody", *body),
        class_="numbers",
        data_sort="yes" if sortable else None,
    )
    return tag("div", whole, class_="scroller", tabindex=0, role="region", aria_label=caption or heads[0])


JOINERS = "\u200c\u200d"  # without them some scripts, and some emoji, fall apart


def shown(name: str, otherwise: str = "?") -> str:
    """Return a name on one line, each control sign and direction override replaced by a question mark in a diamond.

    otherwise: stands for a name that is blank.
    """
    signs = (
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in JOINERS else c
        for c in " ".join(name.split())
    )
    return "".join(signs).strip(JOINERS + " ") or otherwise
