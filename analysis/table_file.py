"""A table of subsets as a file: CSV, HDF5 or Parquet, by the ending of its name."""

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from analysis.table import SubsetTable, columns
from ensemble.errors import BadInput
from ensemble.files import replacing
from ensemble.parquet import require_parquet, write_parquet

Blocks = Iterator[Mapping[str, np.ndarray]]
ROWS = 2**16  # that are turned into text and written at a time


def write_subset_table(path: Path, table: SubsetTable) -> None:
    """Write one row a subset, in increasing mask, whole or not at all; the columns are those of `table.columns`.

    Raises `BadInput` as `check_table_path` does, `StorageError` where the file cannot be written.
    """
    check_table_path(path)
    attributes = {
        "split": table.split,
        "rule": table.rule,
        "samples": table.samples,
        "classes": table.classes,
        "all_members": "+".join(table.members),
    }
    blocks = (columns(table, slice(start, start + ROWS)) for start in range(0, len(table), ROWS))
    _WRITERS[path.suffix.lower()](path, blocks, len(table), attributes)


def check_table_path(path: Path) -> None:
    """Raise `BadInput` where the name has no known ending, is a folder, or needs a package that is missing."""
    if path.suffix.lower() not in _WRITERS:
        raise BadInput(f"{path}: a table's name must end in {', '.join(_WRITERS)}; for example {path.stem}.csv.")
    if path.is_dir():
        raise BadInput(f"{path}: is a folder; name a file for the table.")
    if path.suffix.lower() == ".parquet":
        require_parquet()


def _write_csv(path: Path, blocks: Blocks, _rows: int, _attributes: Mapping[str, object]) -> None:
    """Write CSV as RFC 4180 has it; floating-point numbers in the fewest digits that read back the same."""
    # Names hold letters, digits, _ and - only, so a spreadsheet finds nothing in them that it could call.
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for i, content in enumerate(blocks):
            if i == 0:
                writer.writerow(content)
            writer.writerows(zip(*(column.tolist() for column in content.values()), strict=True))


def _write_h5(path: Path, blocks: Blocks, rows: int, attributes: Mapping[str, object]) -> None:
    from ensemble.h5file import write_table_blocks

    # No subset's members take more room than all of them joined.
    write_table_blocks(path, blocks, rows, {"members": len(str(attributes["all_members"]))}, attributes)


def _write_parquet(path: Path, blocks: Blocks, _rows: int, attributes: Mapping[str, object]) -> None:
    write_parquet(path, blocks, attributes)


_WRITERS: dict[str, Callable[[Path, Blocks, int, Mapping[str, object]], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".h5": _write_h5,
}
