"""A table of subsets as an HDF5 file of ours, its columns one by one; FORMAT.md states the layout."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.errors import BadInput
from ensemble.study.hdf5 import AGAIN, new_file, opened, refuse_taken

SUBSETS = "kofn.subsets"
VERSION = 2
_TABLE_FIELDS = ("kind", "version", "complete", "columns")


def write_table(path: Path, columns: Mapping[str, np.ndarray | Sequence[str]], attributes: Mapping[str, Any]) -> None:
    """Write a table of subsets, whole or not at all.

    columns: name -> (S,) numbers or text, in order; the first one, the mask, names the rows.
    attributes: numbers, text, or lists of these. Raises `StorageError`, or `BadInput` for what cannot be stored.
    """
    refuse_taken(path, attributes, _TABLE_FIELDS)
    first, *others = _check_lengths(path, {name: len(column) for name, column in columns.items()})
    with new_file(path, SUBSETS, VERSION, {"columns": list(columns), **attributes}) as file:
        file.put(first, columns[first])
        for name in others:
            file.put(name, columns[name], [first])


def write_table_blocks(
    path: Path,
    blocks: Iterable[Mapping[str, np.ndarray]],
    rows: int,
    widths: Mapping[str, int],
    attributes: Mapping[str, Any],
) -> None:
    """Write a table of subsets whose rows come in blocks; else as `write_table`.

    rows: of all blocks together, S; widths: for each column of text the most bytes that one of its texts takes.
    """
    refuse_taken(path, attributes, _TABLE_FIELDS)
    waiting = iter(blocks)
    first = next(waiting)
    names = _check_lengths(path, {name: len(column) for name, column in first.items()})
    with new_file(path, SUBSETS, VERSION, {"columns": names, **attributes}) as file:
        for name in names:
            file.make(name, rows, first[name].dtype, widths.get(name), [] if name == names[0] else [names[0]])
        done = 0
        for block in itertools.chain([first], waiting):
            for name in names:
                file.fill(name, done, block[name])
            done += len(block[names[0]])


def read_table(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return a table's columns, name -> (S,) array, and its attributes; raises `BadInput` for a bad file."""
    with opened(path, SUBSETS, VERSION, probe="ensemble.study.tables:probe") as file:
        names = file.attributes.get("columns")
        if not isinstance(names, tuple):
            raise BadInput(f"{path}: columns: expected a list of names, found {names!r}; {AGAIN}.")
        _check_lengths(path, {name: file.check(name, "fis", 1)[0] for name in names})
        columns = {name: file.load(name) for name in names}
        return columns, {name: value for name, value in file.attributes.items() if name not in _TABLE_FIELDS}


def _check_lengths(path: Path, lengths: Mapping[str, int]) -> list[str]:
    if len(set(lengths.values())) != 1:
        raise BadInput(f"{path}: expected columns of one length, found {dict(lengths) or 'no column'}; {AGAIN}.")
    return list(lengths)


def probe(path: Path) -> tuple[None, dict[str, np.ndarray]]:
    """Read all of a table for nothing but to see that it can be done, in a child process."""
    read_table(path)
    return None, {}
