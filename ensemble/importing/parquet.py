"""The only door to pyarrow, an optional extra: tables of named columns in Parquet files."""

import contextlib
import json
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.errors import BadInput
from ensemble.importing.headings import LABEL, role_of
from ensemble.study.arrays import number_text
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


def read_parquet(path: Path) -> tuple[list[tuple[str, np.ndarray | None, list[str] | None, bool]], list[str] | None]:
    """Return columns, and the names of classes where the file is one of ours and says them.

    Of each column: heading, numbers float64 (N,) or None, texts or None, and whether it is of whole numbers.

    Raises `BadInput` where the file is damaged or is none.
    """
    require_parquet()
    described, arrays = in_child("ensemble.importing.parquet:columns_of", path)
    *described, class_names = described
    columns = [
        (name, arrays.get(f"numbers {i}"), arrays[f"texts {i}"].tolist() if f"texts {i}" in arrays else None, whole)
        for i, (name, whole) in enumerate(described)
    ]
    return columns, class_names


def columns_of(path: Path) -> tuple[list[Any], dict[str, np.ndarray]]:
    """Return headings and whether they are of whole numbers, behind them names of classes, and arrays.

    It is what a child process does for `read_parquet`.
    """
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    described, arrays = [], {}
    try:
        # Not read_table: it takes folders' names for columns, and a hundred MiB of memory more.
        table = parquet.ParquetFile(path, pre_buffer=False, memory_map=False).read(use_threads=False)
        for i, name in enumerate(table.column_names):
            heading, numbers, texts, whole = _column(pyarrow, str(name), table.column(i), path)
            described.append((heading, whole))
            if numbers is not None:
                arrays[f"numbers {i}"] = numbers
            if texts is not None:
                arrays[f"texts {i}"] = np.array(texts, dtype=object)
        described.append(_class_names(table.schema.metadata))
    except MemoryError:
        raise
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        reason = " ".join(str(error).split())[:150]
        raise BadInput(f"{path}: cannot be read as Parquet, {reason}; save it again.") from error
    return described, arrays


def _class_names(metadata: Mapping[bytes, bytes] | None) -> list[str] | None:
    content = json.loads((metadata or {}).get(b"kofn", b"{}"))
    names = content.get("class_names") if isinstance(content, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else None


def _column(pyarrow: Any, name: str, column: Any, path: Path) -> tuple[str, np.ndarray | None, list[str] | None, bool]:
    kinds = pyarrow.types
    kind = column.type.value_type if kinds.is_dictionary(column.type) else column.type
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind) or kinds.is_struct(kind):
        raise BadInput(f"{path}: column {name!r}: expected a value in each row, found lists; save a column a class.")
    if kinds.is_floating(kind) or kinds.is_decimal(kind):
        numbers = np.array(column.cast(pyarrow.float64()).to_numpy(), dtype=np.float64)
        known = numbers[np.isfinite(numbers)]
        keep = role_of(name) == LABEL or (known == np.rint(known)).all()
        texts = [number_text(v) for v in numbers.tolist()] if keep else None
        return name, numbers, texts, False
    values = column.to_pylist()
    texts = ["" if v is None else v.decode() if isinstance(v, bytes) else str(v) for v in values]
    if kinds.is_integer(kind):
        return name, np.array([np.nan if v is None else v for v in values], dtype=np.float64), texts, True
    return name, None, texts, False


def require_parquet() -> None:
    """Raise `BadInput` where pyarrow is not installed."""
    if find_spec("pyarrow") is None:
        raise BadInput(
            "Parquet files need the package pyarrow, which is not installed; run 'pip install pyarrow' (or install "
            "kofn[parquet]), or use .csv or .h5."
        )
