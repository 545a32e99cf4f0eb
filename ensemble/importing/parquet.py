"""The only door to pyarrow, an optional extra: tables of named columns in Parquet files."""

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.errors import BadInput
from ensemble.study.atomic import replacing
from ensemble.study.child import in_child


def write_parquet(path: Path, blocks: Iterable[Mapping[str, np.ndarray]], attributes: Mapping[str, object]) -> None:
    """Write blocks of columns, a row group each, whole or not at all; `attributes` become metadata `kofn`, as JSON."""
    require_parquet()
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")

    metadata = {"kofn": json.dumps(dict(attributes))}
    with replacing(path) as temporary, contextlib.ExitStack() as stack:
        writer = None
        for block in blocks:
            columns = {
                name: pyarrow.array(column.tolist() if column.dtype.kind == "U" else column)
                for name, column in block.items()
            }
            rows = pyarrow.table(columns, metadata=metadata)
            writer = writer or stack.enter_context(parquet.ParquetWriter(temporary, rows.schema))
            writer.write_table(rows)


def read_parquet(path: Path) -> tuple[list[str], Sequence[Any]]:
    """Return a table's headings, and its columns; raise `BadInput` where the file is damaged or is none."""
    require_parquet()
    names, columns = in_child("ensemble.importing.parquet:columns_of", path)
    return names, [columns[str(i)] for i in range(len(names))]


def columns_of(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    """Return a table's headings, and its columns by their numbers; what a child process does for `read_parquet`."""
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    try:
        table = parquet.read_table(path, use_threads=False, pre_buffer=False, memory_map=False)
        columns = {str(i): c.to_numpy(zero_copy_only=False) for i, c in enumerate(table.columns)}
        return [str(name) for name in table.column_names], columns
    except MemoryError:
        raise
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        reason = " ".join(str(error).split())[:150]
        raise BadInput(f"{path}: cannot be read as Parquet, {reason}; save it again.") from error


def require_parquet() -> None:
    """Raise `BadInput` where pyarrow is not installed."""
    if find_spec("pyarrow") is None:
        raise BadInput(
            "Parquet files need the package pyarrow, which is not installed; run 'pip install pyarrow' "
            "(or install kofn[parquet]), or use .csv or .h5."
        )
