"""Values that show themselves: a short repr, a table in a notebook, rows to go through, a pandas data frame.

Arrays are known by their `dtype`: recipes are tables too, and a command's --help, which reads them, loads no numpy.
"""

import html
from collections import namedtuple
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensemble.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

MOST_LETTERS = 180  # of a repr
MOST_COLUMNS = 16  # in a notebook
_ONE = {"class_ids": "class_id", "class_names": "class_name"}


class Tabular:
    """A frozen dataclass that is a table: of one row, its plain fields, unless it says otherwise.

    A subclass makes its columns in `_columns`.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # A dataclass writes a repr of all its arrays, unless one is there.
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = Tabular.__repr__

    def __repr__(self) -> str:
        head = type(self).__name__
        parts: list[str] = []
        for field in fields(self) if is_dataclass(self) else ():
            parts.append(f"{field.name}={_short(getattr(self, field.name))}")
            if len(head) + len(", ".join(parts)) > MOST_LETTERS - 7:
                parts[-1] = "..."
                break
        return f"{head}({', '.join(parts)})"

    def _columns(self) -> dict[str, Any]:
        """Return the columns of the table, sequences or arrays of one length."""
        plain = {field.name: getattr(self, field.name) for field in fields(self) if field.name[0] != "_"}  # ty: ignore[invalid-argument-type]
        return {name: [_cell(value)] for name, value in plain.items() if _is_plain(value)}

    def _named(self, *names: str) -> dict[str, Any]:
        """Return fields or properties as columns."""
        return {_ONE.get(name, name): getattr(self, name) for name in names}

    def to_frame(self) -> "pd.DataFrame":
        """Return the value's table as a pandas data frame; raise `BadInput` where pandas is not installed."""
        try:
            import pandas as pd
        except ImportError as error:
            raise BadInput("to_frame: needs pandas, which is not installed; 'pip install pandas' adds it.") from error
        columns = self._columns().items()
        return pd.DataFrame({name: c if hasattr(c, "dtype") else list(c) for name, c in columns})

    def _repr_html_(self) -> str:
        columns = self._columns()
        shown = list(columns.items())[:MOST_COLUMNS]
        count = len(shown[0][1]) if shown else 0
        ends = MOST_ROWS // 2  # the rows between are left out
        rows = [
            tuple(_shown(column[i]) for _, column in shown) if i < ends or i >= count - ends else ()
            for i in range(count)
        ]
        more = len(columns) - len(shown)
        note = f"{more:,} more columns are not shown" if more else ""
        return html_table(type(self).__name__, [name for name, _ in shown], rows, note)


class Rows(Tabular):
    """A table that one can go through row by row, as named tuples."""

    def __iter__(self) -> Iterator[Any]:
        """Go through the rows of `to_frame`, which pandas is not needed for, as named tuples."""
        columns = self._columns()
        row: Any = namedtuple("row", columns, rename=True)
        listed = (c.tolist() if hasattr(c, "dtype") else c for c in columns.values())
        return map(row._make, zip(*listed, strict=True))


def _is_plain(value: object) -> bool:
    names = isinstance(value, tuple) and all(isinstance(part, str) for part in value)
    return value is None or names or isinstance(value, bool | int | float | str | Path)


def _cell(value: Any) -> Any:
    return "+".join(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value


def _shown(value: Any) -> Any:
    """Return a cell as a notebook shows it: four digits of a number, None for NaN."""
    value = value.item() if hasattr(value, "dtype") else value
    if isinstance(value, float):
        return None if value != value else f"{value:.4g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if value is None or isinstance(value, str | int) else str(value)


def _short(value: Any) -> str:
    """Return a field as a repr has it: arrays by type and shape, long things by what they are."""
    if hasattr(value, "dtype"):
        name = "str" if value.dtype.kind == "U" else value.dtype.name
        return f"{name}{list(value.shape)}" if value.shape else _short(value.item())
    if isinstance(value, float):
        return f"{value:.6g}"
    if value is None or isinstance(value, bool | int):
        return repr(value)
    if isinstance(value, str | Path):
        return repr(str(value)) if len(str(value)) <= 40 else f"{str(value)[:36]!r}..."
    if isinstance(value, tuple | list):
        text = f"({', '.join(map(_short, value))})" if len(value) <= 3 else ""
        return text if text and len(text) <= 60 else f"<{len(value):,} items>"
    if isinstance(value, Mapping):
        return f"<{len(value):,} entries>"
    return f"<{type(value).__name__}>"


# What a spreadsheet takes for the beginning of a formula; the last four are the wide forms of East Asian keyboards.
STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def escaped(text: str) -> str:
    """Return text with an apostrophe in front where a spreadsheet would run it, or where one stands there already.

    `unescaped` takes it away again, so that no text is altered by going out and coming back.
    """
    return f"'{text}" if text.startswith((*STARTS, "'")) else text


def unescaped(cell: str) -> str:
    """Return the text of a cell that `escaped` may have written."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*STARTS, "'")) else cell


MOST_ROWS = 40


def html_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], note: str = "") -> str:
    """Return a table as HTML; every text in it is escaped, and of more than 40 rows the first and last 20 are shown.

    A cell that is a string stands left, any other right; None is a dash.
    """
    shown = list(rows) if len(rows) <= MOST_ROWS else [*rows[: MOST_ROWS // 2], None, *rows[-MOST_ROWS // 2 :]]
    left_out = f"{len(rows) - MOST_ROWS:,} rows are not shown"
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join(
        f'<tr><td colspan="{len(columns)}">{left_out}</td></tr>'
        if row is None
        else f"<tr>{''.join(_html_cell(cell) for cell in row)}</tr>"
        for row in shown
    )
    foot = f"<p>{html.escape(note)}</p>" if note else ""
    return (
        f"<div><p><b>{html.escape(title)}</b></p><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{foot}</div>"
    )


def _html_cell(value: object) -> str:
    if value is None:
        return "<td>-</td>"
    side = "left" if isinstance(value, str) else "right"
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return f'<td style="text-align:{side}">{html.escape(text)}</td>'


def percent(share: float | None, digits: int = 1) -> str:
    """Return a fraction in percent, without the sign; a dash where there is none (None, NaN)."""
    return "-" if share is None or share != share else f"{100 * share:.{digits}f}"
