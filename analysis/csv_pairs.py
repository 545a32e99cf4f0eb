"""A CSV file of two columns: what belongs to each sample, class or member."""

import csv
import io
from pathlib import Path

from ensemble.errors import BadInput
from ensemble.study.seals import open_regular


def read_pairs(path: str | Path, key: str, value: str) -> dict[str, str]:
    """Return the column `value` by the column `key`, as text, of a CSV file with a heading; it may have other columns.

    Raises `BadInput` naming the line where a cell is empty or a key stands there twice with two values, and where the
    file is none of this kind.
    """
    path = Path(path)
    found: dict[str, str] = {}
    if not path.exists():
        raise BadInput(f"{path}: is not there; expected a CSV file with the columns {key} and {value}.")
    try:
        with io.TextIOWrapper(open_regular(path), encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            columns = rows.fieldnames or []
            if key not in columns or value not in columns:
                raise BadInput(
                    f"{path}: expected a heading with the columns {key} and {value}, found "
                    f"{', '.join(columns)[:200] or 'nothing'}; give it these."
                )
            for row in rows:
                name, cell = (str(row[column] or "").strip() for column in (key, value))
                if not name or not cell:
                    article = "an" if key[0] in "aeiou" else "a"
                    raise BadInput(
                        f"{path}: line {rows.line_num}: expected {article} {key} and a {value}, found an empty cell; "
                        "fill it, or leave the line out."
                    )
                if found.setdefault(name, cell) != cell:
                    raise BadInput(
                        f"{path}: line {rows.line_num}: {name!r} has {value} {found[name]!r} above; leave one out."
                    )
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: expected CSV in UTF-8, found something else ({error}); save it as such.") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadInput(
            f"{path}: cannot be read, {reason}; expected a CSV file with the columns {key} and {value}."
        ) from error
    return found


LEAST, MOST = 1e-100, 1e100  # of a number above 0, so that neither sums nor products leave what float64 holds


def is_amount(value: float) -> bool:
    """Say whether a cost or a weight is one that can be added up: 0, or from 1e-100 to 1e100."""
    return value == 0 or LEAST <= value <= MOST


def read_numbers(path: str | Path, key: str, value: str) -> dict[str, float]:
    """Return `read_pairs` as numbers of 0 or more; raise `BadInput` where a cell is none."""
    found = {}
    for name, cell in read_pairs(path, key, value).items():
        try:
            number = float(cell)
        except ValueError:
            number = float("nan")
        if not is_amount(number):
            raise BadInput(
                f"{path}: {name!r} has {value} {cell!r}, expected a number of 0 or more, up to 1e100; mend the cell."
            )
        found[name] = number
    return found
