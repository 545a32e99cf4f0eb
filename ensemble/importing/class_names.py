"""What a file's columns are classes of: as it names them, as a list does, or as the study calls them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ensemble.errors import BadInput
from ensemble.importing.classes import Classes, number_of, numbered, whole_of
from ensemble.importing.readers import Parts
from ensemble.study.names import COLUMN_DIGITS, number_ids
from ensemble.study.split import check_ids


def voted_classes(where: str, parts: Parts, listed: Classes | None, study: Classes | None) -> tuple[Classes, bool]:
    """Return the classes that votes are for: those one knows, or those that votes and labels name."""
    if (known := listed or study) is not None:
        return known, listed is not None or study is None or study.ids != number_ids(len(study.ids), COLUMN_DIGITS)
    if parts.class_ids or parts.class_names:
        ids = parts.class_ids or parts.class_names or ()
        return Classes(ids, parts.class_names or ids), True
    texts = {t.strip() for t in [*(parts.votes or ()), *(parts.labels or ())]} - {""}
    numbers = [n for t in texts if (n := whole_of(t)) is not None]
    if len(numbers) == len(texts) and min(numbers, default=1) == 0 and max(numbers) < 100_000:
        ids = number_ids(max(2, max(numbers) + 1), COLUMN_DIGITS)
        return Classes(ids, ids), False
    words = [{whole_of(t) is None for t in listed if t.strip()} for listed in (parts.votes or (), parts.labels or ())]
    if len(words[0] | words[1]) > 1:
        raise BadInput(
            f"{where}: expected votes and labels of one kind, found numbers and words; name the classes with "
            "classes=FILE."
        )
    ids = tuple(sorted(texts))
    letters: dict[str, str] = {}
    for i in ids:
        other = letters.setdefault(i.casefold(), i)
        if other != i:
            raise BadInput(
                f"{where}: expected votes and labels written alike, found {other!r} and {i!r}; write them so, or name "
                "the classes with classes=FILE."
            )
    return Classes(ids, ids), True


def classes_of(
    path: Path, c: int, parts: Parts, file: Path | None, listed: Classes | None, study: Classes | None, notes: list[str]
) -> tuple[Classes, list[tuple[str, ...]], bool]:
    """Return the columns' classes, what else they are called, and whether anybody named them."""
    if listed is not None and parts.votes is None:
        if len(set(listed.ids)) < len(listed.ids):
            twice = next(i for i, count in Counter(listed.ids).items() if count > 1)
            raise BadInput(
                f"{file}: {twice!r} names several classes, so they cannot be told apart; give each an id of its own, "
                "id<TAB>name a line."
            )
        check_ids(list(listed.ids), f"{file}, classes")
        in_order = parts.namings[0] if parts.namings and set(parts.namings[0]) == set(listed.ids) else None
        if in_order is None:
            if len(listed.ids) != c:
                raise BadInput(f"{file}: expected {c} classes, one for each column of {path}, found {len(listed.ids)}.")
            _check_no_other(path, file, parts, listed)
            found = listed
        else:
            name_of = dict(zip(listed.ids, listed.names, strict=True))
            found = Classes(in_order, tuple(name_of[i] for i in in_order))
        return _as_in_study(path, found, study), parts.namings, True
    if parts.class_ids is not None or (parts.class_names is not None and not parts.namings):
        ids = parts.class_ids or parts.class_names or ()
        called = "class_ids" if parts.class_ids is not None else "class_names"
        if len(ids) != c:
            raise BadInput(f"{path}: {called}: expected {c} classes, one for each column of {path}, found {len(ids)}.")
        if parts.class_ids is None and len(set(ids)) < len(ids):
            twice = sorted({name for name in ids if ids.count(name) > 1})[0] if c < 10_000 else "one"
            raise BadInput(
                f"{path}: class_names: {twice!r} names several columns; save class_ids too, one of its own for each."
            )
        check_ids(list(ids), f"{path}: {called}")
        return _as_in_study(path, Classes(ids, parts.class_names or ids), study), [], True
    for names in parts.namings:
        if study is not None and (there := _matched(Classes(names, names), study)) is not None:
            return there, parts.namings, True
    if parts.namings:
        texts = {t.strip() for t in parts.labels or ()}
        words = {t for t in texts if number_of(t) is None} or texts
        chosen = next((names for names in parts.namings if words and words <= set(names)), parts.namings[0])
        return _as_in_study(path, Classes(chosen, parts.class_names or chosen), study), parts.namings, True
    if study is None:
        ids = number_ids(c, COLUMN_DIGITS)
        return Classes(ids, ids), [], False
    if len(study.ids) != c:
        raise BadInput(
            f"{path}: expected {len(study.ids)} columns, the study's classes, found {c}; name another study."
        )
    if study.ids == number_ids(c, COLUMN_DIGITS):
        return study, [], False
    numbers = numbered(study.ids)
    if numbers is not None and list(numbers) != sorted(numbers):
        raise BadInput(
            f"{path}: its columns have no names, and the study's classes are numbers, {study.ids[0]!r}, "
            f"{study.ids[1]!r} to {study.ids[-1]!r}, whose order as text is another than as numbers; name the columns "
            "with classes=FILE."
        )
    notes.append(
        f"its columns were taken for the study's {c} classes in sorted order, {study.ids[0]} to {study.ids[-1]}; if "
        "they stand in another, name them with classes=FILE"
    )
    return study, [], True


def _check_no_other(path: Path, file: Path | None, parts: Parts, listed: Classes) -> None:
    """Refuse a list of classes of which some, but not all, are called as columns are: then order cannot be meant."""
    some = {name for names in parts.namings for name in names} & {*listed.ids, *listed.names}
    if some:
        missing = next(i for i in listed.ids if i not in some)
        raise BadInput(
            f"{file}: {len(some)} of {len(listed.ids)} classes are columns of {path}, and {missing!r} is none; name "
            "all of them as the headings do, or none."
        )


def _matched(found: Classes, study: Classes) -> Classes | None:
    """Return the study's classes in the order of the columns, matched by id, name or number; None where they differ."""
    for ours in (found.ids, found.names):
        for theirs in (study.ids, study.names):
            if len(set(theirs)) == len(theirs) and len(set(ours)) == len(ours) and set(ours) == set(theirs):
                place = {name: i for i, name in enumerate(theirs)}
                return _at(study, [place[name] for name in ours])
    ours, theirs = numbered(found.ids), numbered(study.ids)
    if ours is not None and theirs is not None and set(ours) == set(theirs):
        return _at(study, [theirs[n] for n in ours])
    return None


def _at(study: Classes, places: Sequence[int]) -> Classes:
    return Classes(tuple(study.ids[i] for i in places), tuple(study.names[i] for i in places))


def _as_in_study(path: Path, found: Classes, study: Classes | None) -> Classes:
    """Return the classes as the study calls them; raise `BadInput` where they are others."""
    if study is None:
        return found
    if (there := _matched(found, study)) is not None:
        return there
    here, missing = sorted(set(found.ids) - set(study.ids)), sorted(set(study.ids) - set(found.ids))
    differ = f"{here[0]!r} is not among the study's" if here else f"{missing[0]!r} is missing"
    raise BadInput(
        f"{path}: expected the study's {len(study.ids)} classes, found {len(found.ids)} of which {len(here)} are "
        f"others: {differ}; name the columns as the study does with classes=FILE, or name another study."
    )
