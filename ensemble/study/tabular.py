"""Values that show themselves: a short repr, a table in a notebook, rows to go through, a pandas data frame.

Arrays are known by their `dtype`: recipes are tables too, and a command's --help, which reads them, loads no numpy.
"""

from collections import namedtuple
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensemble.errors import BadInput
from ensemble.study.html_repr import MOST_ROWS, html_table

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
