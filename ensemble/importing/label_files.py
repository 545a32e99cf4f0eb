"""True labels that lie in a file of their own, brought into the order of a member's rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ensemble.errors import BadInput
from ensemble.importing.headings import CLASS_IDS, CLASS_NAMES, ID, INDEX, LABEL, NAMES, first_of, rank, role_of
from ensemble.importing.labels import is_one_of, match, one_hot_texts, unmatched
from ensemble.importing.layout import agree
from ensemble.importing.readers import HDF5, read_named
from ensemble.importing.tables import TABLES, Column, Table, is_blank, read_table
from ensemble.study.arrays import read_lines, read_npy, texts_of
from ensemble.study.hdf5 import kind_of
from ensemble.study.predictions import read_rows


@dataclass(frozen=True, eq=False)
class Given:
    """Labels in the order of a member's rows, as text, "" where there is none; how: the way rows were matched.

    columns: the labels as numbers of columns for certain (a one-hot array), int64 (N,), in place of texts.
    """

    texts: list[str] | None
    columns: np.ndarray | None
    how: str


def labels_for(
    file: Path, path: Path, n: int, ids: Sequence[str] | None, *, by_row: bool, some: bool, classes: Sequence[str] = ()
) -> Given:
    """Read a file of labels for the N rows of `path`.

    ids: of the rows, or None; then the file must have none either, and rows are matched by their order. by_row: the ids
    were given in the order of rows themselves, so a list of labels may be too. some: samples without a label are let
    pass. classes: what the classes may be called, by which a column of labels is found that has no usual name.
    Raises `BadInput` where rows cannot be matched one to one.
    """
    kind = file.suffix.lower()
    if kind in (".npz", *HDF5):
        return _of_arrays(file, path, n, ids, by_row=by_row, some=some)
    if kind == ".npy":
        return _of_list(*_array(read_npy(file), str(file)), file, path, n, ids, by_row)
    if kind == ".txt":
        lines = [line.strip() for line in read_lines(file)]
        if not lines:
            raise BadInput(f"{file}: expected labels, one a line, found none; check the file.")
        pairs = [line.split(None, 1) for line in lines]
        if ids is not None and all(len(pair) == 2 for pair in pairs):
            found = match(ids, [pair[0] for pair in pairs], some=some)
            if found is not None:
                return _placed([pair[1] for pair in pairs], None, found[0], _said("by its first words", found[1]))
        different = len({pair[0] for pair in pairs}) == len(pairs) > 2
        if ids is None and different and all(len(pair) == 2 for pair in pairs):
            raise _no_ids(file, path, pairs[0][0])
        if (
            ids is None
            or len(table := read_table(file).columns) < 2
            or not any(match(ids, c, some=True) for c in _all(table))
        ):
            return _of_list(lines, None, file, path, n, ids, by_row)
    elif kind not in TABLES:
        raise BadInput(f"{file}: labels may stand in .npy, .npz, .csv, .tsv, .txt, .parquet or .h5, found {kind!r}.")
    return _of_table(read_table(file), file, path, n, ids, by_row=by_row, some=some, classes=classes)


def _all(columns: Sequence[Column]) -> list[list[str]]:
    return [[c.heading, *c.texts] for c in columns if c.texts is not None]


def _array(array: np.ndarray, where: str) -> tuple[list[str] | None, np.ndarray | None]:
    if array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind in "fiub":
        texts = one_hot_texts(array.astype(np.float64), [str(i) for i in range(array.shape[1])], where)
        return None, np.array([int(t) if t else -1 for t in texts], dtype=np.int64)
    return texts_of(array, where), None


def _of_list(
    texts: list[str] | None, columns: np.ndarray | None, file: Path, path: Path, n: int, ids: Sequence[str] | None,
    by_row: bool,
) -> Given:  # fmt: skip
    """Match a list of labels by the order of rows, where nothing better is there."""
    if ids is not None and not by_row:
        raise BadInput(
            f"{file}: holds labels without ids, and {path} has ids such as {ids[0]!r}, so it cannot be told which "
            "label is whose; save the labels with their ids, columns 'id' and 'label'."
        )
    if texts is not None and len(texts) == n + 1 and role_of(texts[0]) == LABEL:
        texts = texts[1:]
    found = len(texts) if texts is not None else 0 if columns is None else len(columns)
    if found != n:
        side = f"; if its array lies on its side, ({n}, {found}), save its .T" if n < found else ""
        raise BadInput(f"{file}: expected {n} labels, one for each row of {path}, found {found}{side}.")
    how = "row by row, since neither file has ids" if ids is None else "row by row, as the ids were"
    return Given(texts, columns, how)


def _placed(texts: list[str] | None, columns: np.ndarray | None, rows: np.ndarray, how: str) -> Given:
    if texts is not None:
        return Given([texts[row] if row >= 0 else "" for row in rows.tolist()], None, how)
    assert columns is not None
    return Given(None, np.where(rows >= 0, columns[rows], -1), how)


def _of_arrays(file: Path, path: Path, n: int, ids: Sequence[str] | None, *, by_row: bool, some: bool) -> Given:
    columns: np.ndarray | None = None
    texts: list[str] | None
    if file.suffix.lower() in HDF5 and kind_of(file) is not None:
        own = read_rows(file)
        if own.labels is None:
            raise BadInput(f"{file}: expected labels, found predictions without any; name another file.")
        texts = [own.class_ids[y] for y in own.labels.tolist()]
        theirs = {"sample ids": own.sample_ids.tolist()} if own.ids_given else {}
    else:
        _, names = read_named(file, ())
        labels, listed = first_of(names, NAMES[LABEL]), first_of(names, NAMES[ID])
        labels = labels or [name for name in names if name not in listed][:2]
        if len(labels) != 1 and not first_of(labels, NAMES[LABEL]):
            raise BadInput(f"{file}: expected an array 'labels', found {', '.join(names) or 'none'}; save it as that.")
        arrays, _ = read_named(file, [*labels[:1], *listed, *first_of(names, (*CLASS_IDS, *CLASS_NAMES))])
        texts, columns = _array(arrays[labels[0]], f"{file}: {labels[0]}")
        called = first_of(names, (*CLASS_IDS, *CLASS_NAMES))
        if columns is not None and called:
            known = texts_of(arrays[called[0]], f"{file}: {called[0]}")
            texts, columns = ["" if y < 0 else known[y] for y in columns.tolist()], None
        theirs = {name: texts_of(arrays[name], f"{file}: {name}") for name in listed}
    if ids is None or not theirs:
        if ids is None and theirs:
            raise _no_ids(file, path, next(iter(theirs)))
        return _of_list(texts, columns, file, path, n, ids, by_row)
    for name, cells in theirs.items():
        if (found := match(ids, cells, some=some)) is not None:
            return _placed(texts, columns, found[0], _said(f"by array {name!r}", found[1]))
    raise unmatched(ids, list(theirs.items()), str(file), path)


def _of_table(
    table: Table, file: Path, path: Path, n: int, ids: Sequence[str] | None, *, by_row: bool, some: bool,
    classes: Sequence[str],
) -> Given:  # fmt: skip
    columns = list(table.columns)
    if len(columns) == 1:
        (only,) = columns
        if only.texts is None:
            raise BadInput(f"{file}: expected labels, found fractional numbers in column {only.heading!r}.")
        cells = only.texts if role_of(only.heading) == LABEL or table.headless else [only.heading, *only.texts]
        if len(cells) == n + 1:
            cells = cells[1:]  # a heading of another name
        return _of_list(cells, None, file, path, n, ids, by_row)
    if ids is None:
        named = [c for c in columns if c.texts is not None and _is_id(c)]
        if named:
            raise _no_ids(file, path, named[0].heading)
        texts = _label_texts(columns, file, set(), classes)
        return _of_list(texts, None, file, path, n, None, by_row)
    if any(c.heading and is_one_of(c.heading, ids) for c in columns):
        # What stands first is a row, no heading.
        columns = [Column(str(i), None, [c.heading, *(c.texts or [])]) for i, c in enumerate(columns)]
    can = [c for c in columns if c.texts is not None and role_of(c.heading) != LABEL]
    matches = [(c, found) for c in can if (found := match(ids, c.texts or [], some=some)) is not None]
    if not matches:
        if not any(_is_id(c) for c in can) and by_row:
            return _of_list(_label_texts(columns, file, set(), classes), None, file, path, n, ids, by_row)
        raise unmatched(ids, [(c.heading, c.texts or []) for c in can or columns], str(file), path)
    if some:  # a chance hit or two do not make a column of ids
        most = max(int((rows >= 0).sum()) for _, (rows, _) in matches)
        matches = [m for m in matches if int((m[1][0] >= 0).sum()) == most]
    matches.sort(key=lambda m: (role_of(m[0].heading) != ID, m[1][1] != "", rank(m[0].heading, ID)))
    column, (rows, said) = matches[0]
    for other, (others, _) in matches[1:]:
        same_rank = (role_of(other.heading) == ID) == (role_of(column.heading) == ID)
        if same_rank and not np.array_equal(others, rows):
            raise BadInput(
                f"{file}: columns {column.heading!r} and {other.heading!r} both hold the ids of {path}, in other "
                "orders; leave one out, or call the right one 'id'."
            )
    texts = _label_texts(columns, file, {id(c) for c, _ in matches}, classes)
    return _placed(texts, None, rows, _said(f"by column {column.heading!r}", said))


def _label_texts(columns: Sequence[Column], file: Path, ids: set[int], classes: Sequence[str]) -> list[str]:
    """Return the labels: the column called so, or the only one left or of classes, or the 1 among zeros of several."""
    rest = [c for c in columns if id(c) not in ids]
    named = sorted((c for c in rest if role_of(c.heading) == LABEL and c.texts), key=lambda c: rank(c.heading, LABEL))
    if named:
        texts = named[0].texts or []
        for other in named[1:]:
            if not agree(texts, other.texts or ()):
                raise BadInput(
                    f"{file}: columns {named[0].heading!r} and {other.heading!r} both look like true labels, and they "
                    "differ; leave one out."
                )
        return texts
    free = [c for c in rest if role_of(c.heading) in (None, ID)]
    binary = [c for c in free if c.numbers is not None and set(np.unique(c.numbers).tolist()) <= {0.0, 1.0}]
    # A column of ones alone, a weight say, is no class beside others: every sample would be of it.
    varied = [c for c in binary if c.numbers is not None and not (c.numbers == 1).all()]
    if len(varied) > 1:
        free, binary = [c for c in free if c in varied or c not in binary], varied
    if len(binary) > 1:
        values = np.stack([c.numbers for c in binary if c.numbers is not None], axis=1)
        if (values.sum(axis=1) <= 1).all() or len(binary) == len(free):
            return one_hot_texts(values, [c.heading for c in binary], str(file))
    if len(free) == 1 and free[0].texts:
        return free[0].texts
    called = {name.casefold() for name in classes}
    words = [c for c in free if c.numbers is None and c.texts and {t.strip().casefold() for t in c.texts} <= called]
    if len(words) == 1 and words[0].texts:
        return words[0].texts
    listed = ", ".join(repr(c.heading) for c in columns[:10])
    raise BadInput(f"{file}: expected a column 'label', found {listed}; call the column of the labels so.")


def _is_id(column: Column) -> bool:
    """Say whether a column names rows: it is called so, or holds text that is different in each row."""
    cells = column.texts or []
    role = role_of(column.heading)
    if role == ID:
        return True
    different = len(set(cells)) == len(cells) and not any(map(is_blank, cells))
    if role == INDEX:
        steps = None if column.numbers is None else column.numbers - np.arange(len(cells))
        return different and (steps is None or not (steps == steps[0]).all())
    return role is None and column.numbers is None and different and len(cells) > 2


def _no_ids(file: Path, path: Path, name: str) -> BadInput:
    return BadInput(
        f"{file}: has ids ({name!r}), and {path} has none, so it cannot be told which label is whose; give that file's "
        f"ids in the order of its rows with ids=FILE; if they stand in the order of {file.name}, that is "
        f"ids={str(file)!r}."
    )


def _said(how: str, compared: str) -> str:
    return f"{how}, compared {compared}" if compared else how
