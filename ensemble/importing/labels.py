"""True labels: which class each one means, and which row it belongs to."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ensemble.errors import BadInput
from ensemble.importing.classes import Classes, number_of, numbered, whole_of

# Texts that stand for "no label", where no class is called so; so does every negative number, and
# 255, the mark of none in files of bytes.
NO_LABEL = ("", "nan", "na", "n/a", "none", "null", "<na>", "nat", "?", "-", "unlabelled", "unlabeled")
_NO_BYTE = 255
# What the two classes of a question may be called.
_NO = ("no", "false", "neg", "negative", "n", "f", "-", "0", "-1")
_YES = ("yes", "true", "pos", "positive", "y", "t", "+", "1")


@dataclass(frozen=True, eq=False)
class Meaning:
    """Labels as columns, int64 (N,), -1 where there is none, and how they were read.

    other: the same labels in the reading that was not taken, where there is one; otherwise None.
    """

    columns: np.ndarray
    how: str
    other: np.ndarray | None = None


def meaning(
    texts: Sequence[str], classes: Classes, aliases: Sequence[Sequence[str]], where: str, *, named: bool
) -> Meaning:
    """Return what labels mean: class ids (or names), or else numbers of columns counted from 0.

    Where both readings are possible and differ, class ids win. aliases: what else the columns are called, C each.
    named: whether anyone named the classes; if not, their ids are the columns' numbers. Raises `BadInput` where a label
    is neither.
    """
    found, places = np.unique(np.array(texts, dtype=np.str_), return_inverse=True)
    unique = found.tolist()
    c = len(classes.ids)
    by_id = _by_id(unique, classes, aliases)
    none = [by_id[i] < 0 and _is_no_label(text) for i, text in enumerate(unique)]
    numbers = [whole_of(text) for text in unique]
    if c == 2 and set(numbers) == {-1, 1} and any(none):
        raise BadInput(
            f"{where}: expected labels of 2 classes, found -1 and 1, of which -1 may be a class or mean no label; "
            "name the columns -1 and 1 with classes=FILE, or save (labels + 1) // 2."
        )
    by_column = [
        n if n is not None and 0 <= n < c and text.lower() not in ("true", "false") else -1
        for n, text in zip(numbers, unique, strict=True)
    ]
    asked = [i for i in range(len(unique)) if not none[i]]
    ids_can, columns_can = all(by_id[i] >= 0 for i in asked), all(by_column[i] >= 0 for i in asked)

    def spread(columns: Sequence[int]) -> np.ndarray:
        return np.array([-1 if none[i] else columns[i] for i in range(len(unique))], dtype=np.int64)[places.ravel()]

    if ids_can:
        differ = columns_can and any(by_id[i] != by_column[i] for i in asked)
        return Meaning(spread(by_id), "class ids" if named else "column numbers", spread(by_column) if differ else None)
    if columns_can:
        how = "column numbers"
        if named and any(by_id[i] >= 0 for i in asked):
            odd = next(unique[i] for i in asked if by_id[i] < 0)
            how = f"column numbers counted from 0, since {odd!r} is not a class id"
        return Meaning(spread(by_column), how)
    raise BadInput(_unknown(unique, np.bincount(places.ravel()).tolist(), texts, by_id, asked, classes, where, named))


def _by_id(unique: Sequence[str], classes: Classes, aliases: Sequence[Sequence[str]]) -> list[int]:
    """Return the column of each text by ids, names or aliases as they stand, then by number; -1 where there is none."""
    known = [names for names in (*aliases, classes.names) if len(set(names)) == len(names)]
    place: dict[str, int] = {}
    for names in (*known, classes.ids):
        place |= {name: i for i, name in enumerate(names)}
    by_number: dict[float, int] = {}
    for names in (*known, classes.ids):
        by_number |= numbered(names) or {}
    found = []
    for text in unique:
        number = number_of(text)
        there = place.get(text, place.get(text.strip(), -1))
        found.append(by_number.get(number, -1) if there < 0 and number is not None else there)
    return found if all(i >= 0 for i in found) else _yes_or_no(unique, [*known, classes.ids]) or found


def _yes_or_no(unique: Sequence[str], known: Sequence[Sequence[str]]) -> list[int] | None:
    """Return the column of each text where both texts and columns are words for no and yes: False is 'neg'."""
    texts = [text.strip().lower().removesuffix(".0") for text in unique]
    asked = [text for text in texts if text not in NO_LABEL or text == "-"]
    if len(asked) != 2 or {asked[0] in _YES, asked[1] in _YES} != {True, False} or not set(asked) <= {*_NO, *_YES}:
        return None
    for names in known:
        words = [name.strip().lower() for name in names]
        if len(words) == 2 and {*words} <= {*_NO, *_YES} and (words[0] in _YES) != (words[1] in _YES):
            yes = int(words[1] in _YES)
            return [-1 if text not in asked else yes if text in _YES else 1 - yes for text in texts]
    return None


def _is_no_label(text: str) -> bool:
    number = number_of(text)
    return text.strip().lower() in NO_LABEL or (number is not None and (number < 0 or number == _NO_BYTE))


def _unknown(
    unique: Sequence[str], counts: Sequence[int], texts: Sequence[str], by_id: Sequence[int], asked: Sequence[int],
    classes: Classes, where: str, named: bool,
) -> str:  # fmt: skip
    """Say which labels are no class, and what they look like."""
    c = len(classes.ids)
    whole = [n for i in asked if (n := whole_of(unique[i])) is not None]
    if not named and len(whole) == len(asked):
        low, high = min(whole), max(whole)
        start = f"labels run from {low} to {high}, and the {c} columns have no names but their numbers, 0 to {c - 1}"
        if low >= 1 and high <= c:
            return f"{where}: {start}; if they count from 1, name the columns 1 to {c} with classes=FILE."
        return f"{where}: {start}; name the columns with classes=FILE, in the order of columns."
    if not named:
        return (
            f"{where}: expected column numbers, found {unique[asked[0]]!r} and {len(asked) - 1} other labels, and the "
            f"{c} columns have no names; name them with classes=FILE, in the order of columns."
        )
    bad = [i for i in asked if by_id[i] < 0]
    first = unique[bad[0]]
    row = list(texts).index(first)
    known = ", ".join(repr(i) for i in classes.ids[:3]) + (", ..." if c > 3 else "")
    return (
        f"{where}: expected one of {c} class ids ({known}) or column numbers, found {sum(counts[i] for i in bad)} "
        f"labels that are neither, {first!r} in row {row} first; name the classes with classes=FILE, or mend the "
        "labels."
    )


def one_hot_texts(values: np.ndarray, names: Sequence[str], where: str) -> list[str]:
    """Return the name of the column that holds the 1 in each row of (N, K), "" where a row has none.

    Raises `BadInput` where a row has several, or holds anything but 0 and 1.
    """
    if not np.isin(values, (0, 1)).all():
        row = int(np.flatnonzero(~np.isin(values, (0, 1)).all(axis=1))[0])
        raise BadInput(f"{where}: expected one label a row, or a 1 among zeros, found other numbers in row {row}.")
    several = np.flatnonzero(values.sum(axis=1) > 1)
    if several.size:
        raise BadInput(
            f"{where}: expected a single 1 in each row, found several in {several.size} rows, row {several[0]} first; "
            "samples of several classes cannot be scored, leave them out."
        )
    best = values.argmax(axis=1).tolist()
    return [names[i] if some else "" for i, some in zip(best, values.sum(axis=1).tolist(), strict=True)]


# -- rows ---------------------------------------------------------------------------------------------------


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _number_id(text: str) -> str:
    number = whole_of(text)
    return text if number is None else str(number)


def _stem(text: str) -> str:
    return str(PurePosixPath(text.replace("\\", "/")).with_suffix("")) if text.strip("./\\") else text


def _base(text: str) -> str:
    return PurePosixPath(_stem(text)).name or text


# How ids may differ and still be the same, each tried only where the one before it did not match all.
_WAYS = (
    (str, ""),
    (_composed, "in composed Unicode"),
    (_number_id, "as numbers"),
    (_stem, "without the endings of files"),
    (_base, "without folders and endings"),
)


def match(wanted: Sequence[str], given: Sequence[str], *, some: bool = False) -> tuple[np.ndarray, str] | None:
    """Return the row in `given` of each wanted id, int64 (N,), and how they were compared; None where not one to one.

    some: whether a few may be missing; their row is -1.
    """
    for way, said in _WAYS:
        ours, theirs = [way(i) for i in wanted], [way(i) for i in given]
        if len(set(ours)) < len(ours):
            continue
        place: dict[str, int] = {}
        twice = set()
        for row, i in enumerate(theirs):
            if i in place:
                twice.add(i)
            place[i] = row
        rows = [place.get(i, -1) for i in ours]
        hits = sum(row >= 0 for row in rows)
        if hits and not twice.intersection(ours) and (hits == len(rows) or some):
            return np.array(rows, dtype=np.int64), said
    return None


def is_one_of(text: str, wanted: Sequence[str]) -> bool:
    """Say whether a text is one of the wanted ids, compared in any of the ways of `match`."""
    return any(way(text) in {way(i) for i in wanted} for way, _ in _WAYS)


def unmatched(wanted: Sequence[str], columns: Sequence[tuple[str, Sequence[str]]], where: str, path: Path) -> BadInput:
    """Return the refusal of labels whose rows cannot be matched one to one with the ids of `path`."""
    best, hits, given = "", -1, list[str]()
    for name, cells in columns:
        here = len(set(wanted) & set(cells))
        if here > hits:
            best, hits, given = name, here, list(cells)
    if hits <= 0:
        held = ", ".join(f"{name!r} holds {cells[0]!r}" for name, cells in columns[:10] if len(cells))
        return BadInput(
            f"{where}: expected a column with the ids of {path}, such as {wanted[0]!r}, found none: {held}; write the "
            "ids alike in both files, or give those of the predictions in the order of their rows with ids=FILE."
        )
    mine = set(wanted)
    twice = sorted({i for i in given if i in mine and given.count(i) > 1}) if len(given) < 10_000 else []
    if twice:
        return BadInput(
            f"{where}: column {best!r}: expected each id once, found {len(twice)} several times, {twice[0]!r} first; "
            "leave the repeated rows out."
        )
    have = set(given)
    missing = [i for i in wanted if i not in have]
    return BadInput(
        f"{where}: expected a label for each sample of {path}, found none for {len(missing)}, {missing[0]!r} first; "
        "add them, or leave these samples out with drop_unlabelled=True."
    )
