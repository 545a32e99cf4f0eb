"""Which column of a table is what: ids, labels, classes, and what is none of these, by its heading and its values."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ensemble.errors import BadInput
from ensemble.importing.class_columns import (
    Layout,
    check_logits_beside,
    class_columns,
    grouped_columns,
    namings_of,
    numbers_of,
    sums_of,
    wanted_columns,
    with_bare,
    without,
)
from ensemble.importing.classes import Classes, number_of
from ensemble.importing.headings import (
    CLASS_WORDS,
    DATE,
    FLAG,
    GROUP,
    ID,
    INDEX,
    LABEL,
    LABEL_WORDS,
    OTHER,
    PREDICTION,
    SCORE,
    VALUE_WORDS,
    plain,
    rank,
    role_of,
    without_word,
)
from ensemble.importing.tables import Column, Table, is_blank, is_number

_WHY = {
    PREDICTION: "a prediction", SCORE: "a score or weight", FLAG: "a flag", GROUP: "a fold or group", DATE: "a date",
    OTHER: "no class", INDEX: "row numbers", ID: "another name of the rows", LABEL: "other labels",
}  # fmt: skip
_WORDS = (*VALUE_WORDS, *CLASS_WORDS)


def lay_out(table: Table, *, logits: bool, votes: bool, wanted: Classes | None) -> Layout:
    """Say which column is what; raise `BadInput` where it cannot be told.

    logits: the values are logits, so rows need not sum to 1. votes: a column of predicted classes is meant.
    wanted: the classes one knows of, of which the columns may be called by ids or names.
    """
    found = Layout(table)
    rest = list(table.columns)
    twice = next((name for name, n in Counter(c.heading for c in rest).items() if n > 1 and name), None)
    if twice is not None:
        raise BadInput(
            f"{table.path}: two columns are called {twice!r}, so it cannot be told which is meant; give each a name of "
            "its own."
        )
    known = wanted_columns(rest, wanted, logits) if wanted is not None and not votes else None
    if known is not None:
        assert wanted is not None
        found.classes = [column for column in rest if column.heading in known]
        found.namings = [tuple(known[column.heading] for column in found.classes)]
        rest = [column for column in rest if column.heading not in known]
    groups = None if known is not None or votes else grouped_columns(rest, logits)
    if groups is not None:
        found.classes, names = groups
        found.namings = with_bare([names, tuple(column.heading for column in found.classes)])
        rest = without(rest, found.classes)
        if not logits:
            check_logits_beside(found, names, rest)
    rest = _one_hot(found, rest)
    rest = _named(found, rest)
    if votes:
        others = [c for c in rest if role_of(c.heading) == PREDICTION and c.texts is not None]
        for other in others:
            _check_agree(table.path, found.predictions or other, other, "predictions")
        _find_votes(found, rest)
        if found.predictions is None and found.labels is not None and not without(rest, [found.labels]):
            # A submission of ids and 'label', which are what was predicted.
            found.predictions, found.labels = found.labels, None
    if votes and found.predictions is None:
        _check_counts(found, rest)
    if known is None and groups is None and not (votes and found.predictions):
        rest = class_columns(found, rest, logits)
        found.namings = namings_of([column.heading for column in found.classes])
    if not found.classes and found.score is None and not votes:
        _find_votes(found, rest, certain=True)  # to say so
    if votes or found.score is not None:
        rest = _labels_as_predicted(found, rest)
    if found.ids is None:
        rest = _nameless_ids(found, rest)
    _ignore(found, rest, logits, explicit=known is not None, grouped=groups is not None)
    return found


# -- what is no class ----------------------------------------------------------------------------------------


def _one_hot(found: Layout, columns: list[Column]) -> list[Column]:
    """Take a group of columns of 0 and 1, called `true_cat`, `true_dog` and so on, for the labels."""
    groups: dict[str, list[tuple[Column, str]]] = {}
    for column in columns:
        cut = without_word(column.heading, LABEL_WORDS) if column.numbers is not None else None
        if cut and set(np.unique(numbers_of(column)).tolist()) <= {0.0, 1.0}:
            groups.setdefault(cut[0], []).append((column, cut[1]))
    for group in groups.values():
        if len(group) > 1 and (sums_of([c for c, _ in group]) <= 1).all():
            found.one_hot, found.label_names = [c for c, _ in group], [name for _, name in group]
            return without(columns, found.one_hot)
    return columns


def _named(found: Layout, columns: list[Column]) -> list[Column]:
    """Take ids, labels and predictions by their usual names, where the values can be such."""
    texts = [c for c in columns if c.texts is not None and c.blanks() < found.table.rows]
    texts = [c for c in texts if not _is_fractional(c) or _are_headings(c, found.table.columns)]
    by_role: dict[str, list[Column]] = {role: [] for role in (ID, LABEL, PREDICTION, INDEX)}
    for column in texts if not found.table.headless else ():
        role = role_of(column.heading)
        if role in by_role:
            by_role[role].append(column)
    for role, listed in by_role.items():
        listed.sort(key=lambda c: rank(c.heading, role))
    can = [c for c in by_role[ID] if len(set(c.texts or ())) * 10 > found.table.rows]  # the others name groups of rows
    ids = [c for c in by_role[ID] if _unique(c)] or can[:1]
    if not ids:
        ids = [c for c in by_role[INDEX] if _unique(c) and not (_unnamed(c) and _counts_rows(c))]
    if ids:
        found.ids = ids[0]
    if by_role[LABEL] and not found.one_hot:
        found.labels, *others = by_role[LABEL]
        for other in others:
            _check_agree(found.table.path, found.labels, other)
    found.predictions = next(iter(by_role[PREDICTION]), None)
    return [c for c in columns if c is not found.ids and c is not found.labels]


def _check_agree(path: Path, first: Column, second: Column, what: str = "true labels") -> None:
    """Refuse two columns of labels, or of predictions, of which the second does not follow from the first."""
    if not agree(first.texts or (), second.texts or ()):
        end = ", or give the labels with labels=FILE" if what == "true labels" else ""
        raise BadInput(
            f"{path}: columns {first.heading!r} and {second.heading!r} both look like {what}, and they differ; leave "
            f"one out{end}."
        )


def agree(first: Sequence[str], second: Sequence[str]) -> bool:
    """Say whether two lists of labels can mean the same: equal, or in other words of which each follows from one."""
    if set(first) & set(second):
        return list(first) == list(second)
    return len(set(zip(first, second, strict=True))) == len(set(first))


def _nameless_ids(found: Layout, columns: list[Column]) -> list[Column]:
    """Take a column whose cells are all different for the ids, where none is called so: text, or whole numbers."""
    for column in columns:
        if role_of(column.heading) not in (None, ID) or column.texts is None or not _unique(column):
            continue
        if len(column.texts) > 2 and (column.numbers is None or (column.whole and not _counts_rows(column))):
            found.ids = column
            return [c for c in columns if c is not column]
    return columns


def _ignore(found: Layout, columns: Sequence[Column], logits: bool, *, explicit: bool, grouped: bool) -> None:
    """Say why each column that is left is no class; raise `BadInput` where it may be something that matters."""
    path = found.table.path
    for column in columns if found.table.headless else ():
        if column.texts is not None and column.blanks() < found.table.rows and not _counts_rows(column):
            raise BadInput(
                f"{path}: its first line is a row, so nothing says what the column of {column.texts[0]!r} is: labels, "
                "predictions or something else; put a heading above the rows, such as id, label and the classes."
            )
    classes = {name for names in found.namings for name in names}
    plainly = "of none of the usual names"
    if found.classes and not logits:
        plainly = "not called as the classes are" if grouped else "no class: rows sum to 1 without it"
    for column in columns:
        role = role_of(column.heading)
        where = f"{path}: column {column.heading!r}"
        if column is found.predictions:
            role = PREDICTION
        elif column.numbers is None and column.texts is not None:
            _refuse_torn(where, column.texts)
            cells = {cell for cell in column.texts if not is_blank(cell)}
            if role is None and found.labels is None and not found.one_hot and cells and cells <= classes:
                if not _is_argmax(found, column):
                    raise BadInput(
                        f"{where}: holds names of classes, but is it the true one or the predicted one? Call it "
                        "'label' or 'prediction'" + (", in a heading above the rows." if found.table.headless else ".")
                    )
                role = PREDICTION
        elif explicit and role is None and logits and not column.whole and column.blanks() < found.table.rows:
            raise BadInput(
                f"{where}: expected the {len(found.classes)} known classes and nothing like another, found numbers; "
                "leave the column out, or name the classes as the file does."
            )
        if role is None and column.whole and found.labels is None and column.numbers is not None:
            why = "row numbers" if _counts_rows(column) else "whole numbers; if these are the labels, call it 'label'"
        else:
            why = _WHY.get(role or "", "text" if column.numbers is None else plainly)
        if role == ID and not _unique(column):
            why = "the same in several rows"
        if column.blanks() == found.table.rows:
            why = "blank"
        if explicit and role is None and column.numbers is not None:
            why = "none of the classes"
        found.ignored[column.heading] = why


def _refuse_torn(where: str, cells: Sequence[str]) -> None:
    """Refuse a column of numbers in which a few cells are none: it could be a class."""
    numbers = [is_number(cell) or is_blank(cell) for cell in cells]
    if sum(numbers) < len(cells) / 2 or not any(is_number(c) and not c.isdigit() for c in cells):
        return
    row = numbers.index(False) if False in numbers else 0
    raise BadInput(
        f"{where}: expected a number in every row, found {cells[row][:40]!r} in row {row}; mend the cell, or leave the "
        "column out if it is no class."
    )


def _is_argmax(found: Layout, column: Column) -> bool:
    if not found.classes or column.texts is None:
        return False
    best = np.nan_to_num(found.values(), nan=-np.inf).argmax(axis=1).tolist()
    return any([names[i] for i in best] == column.texts for names in found.namings)


def _find_votes(found: Layout, columns: Sequence[Column], *, certain: bool = False) -> None:
    """Take the one column that can hold predicted classes, where none is called so.

    certain: only one whose words are the labels' too.
    """
    can = [c for c in columns if c.texts is not None and c is not found.predictions and c.blanks() < found.table.rows]
    can = [c for c in can if role_of(c.heading) is None]
    if found.predictions is None and found.labels is not None:
        labels = set(found.labels.texts or ())
        alike = [c for c in can if len(labels & set(c.texts or ())) * 2 > len(labels)]
        can = alike if certain or any(c.numbers is None for c in alike) else can
    elif certain:
        return
    if found.predictions is None and len(can) == 1:
        found.predictions = can[0]


def _labels_as_predicted(found: Layout, columns: list[Column]) -> list[Column]:
    """Take those labels that are called as the predictions are, of several columns that mean the same."""
    if found.predictions is None or found.labels is None:
        return columns
    said = set(found.predictions.texts or ())
    if said & set(found.labels.texts or ()):
        return columns
    other = next((c for c in columns if role_of(c.heading) == LABEL and said & set(c.texts or ())), None)
    if other is None:
        return columns
    columns = [found.labels, *without(columns, [other])]
    found.labels = other
    return columns


def _check_counts(found: Layout, columns: Sequence[Column]) -> None:
    """Refuse a table of votes without a column of predictions, unless it can hold counts of votes."""
    numeric = [c for c in columns if c.numbers is not None and c.blanks() < found.table.rows]
    words = [c for c in columns if c.numbers is None and c.texts is not None and role_of(c.heading) is None]
    if all(c.whole for c in numeric) and not words and numeric:
        return
    listed = ", ".join(repr(c.heading) for c in (words or columns)[:10])
    raise BadInput(
        f"{found.table.path}: expected a column 'prediction' of predicted classes, or a column of counts for each "
        f"class, found {listed or 'none'}; call the column of the predictions so."
    )


def _is_fractional(column: Column) -> bool:
    if column.numbers is None:
        return False
    known = column.numbers[np.isfinite(column.numbers)]
    return bool((known != np.rint(known)).any())


def _are_headings(column: Column, columns: Sequence[Column]) -> bool:
    """Say whether all values of a column are what columns are called."""
    called = {c.heading for c in columns} | {w[1] for c in columns if (w := without_word(c.heading, _WORDS))}
    numbers = {n for name in called if (n := number_of(name)) is not None}
    return set(np.unique(numbers_of(column)).tolist()) <= numbers


def _unique(column: Column) -> bool:
    return column.texts is not None and column.blanks() == 0 and len(set(column.texts)) == len(column.texts)


def _unnamed(column: Column) -> bool:
    return plain(column.heading) == "" or plain(column.heading).startswith(("unnamed", "index_level"))


def _counts_rows(column: Column) -> bool:
    """Say whether a column counts 0, 1, 2 ... or 1, 2, 3 ..."""
    if column.numbers is None or not len(column.numbers):
        return False
    steps = column.numbers - np.arange(len(column.numbers))
    return bool(steps[0] in (0, 1) and (steps == steps[0]).all())
