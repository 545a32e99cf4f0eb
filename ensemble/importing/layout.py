"""Which column of a table is what: ids, labels, classes, and what is none of these, by its heading and its values."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ensemble.errors import BadInput
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
    affixes,
    plain,
    rank,
    role_of,
    shared_prefix,
    without_word,
)
from ensemble.importing.tables import Column, Table, is_blank, is_number
from ensemble.importing.values import check_logits

_WHY = {
    PREDICTION: "a prediction", SCORE: "a score or weight", FLAG: "a flag", GROUP: "a fold or group", DATE: "a date",
    OTHER: "no class", INDEX: "row numbers", ID: "another name of the rows", LABEL: "other labels",
}  # fmt: skip
_WORDS = (*VALUE_WORDS, *CLASS_WORDS)
_LOGIT_WORDS = ("logits", "logit")
# What a column of one number a sample is called; the first of the list counts.
_ONE_PROBABILITY = (
    "probability", "prob", "proba", "y_prob", "y_proba", "y_score", "pred_proba", "pred_prob", "prediction_score",
    "score", "prediction", "confidence", "conf", "max_prob", "max_probability",
)  # fmt: skip
_ONE_LOGIT = ("logit", "logits", "y_score", "score", "prediction_score", "margin")
# How far a row's sum may be from what it should be when columns are told apart; the values are checked later.
_ABOUT = 2e-2
_MOST = 0.9


@dataclass(frozen=True)
class Classes:
    """Classes in some order: their ids and names, C each."""

    ids: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(eq=False)
class Layout:
    """What each column of a table is.

    classes: the columns of the classes, in their order; namings: what these may be called, the likeliest first.
    labels: a column, or the columns of a one-hot table, whose classes `label_names` names.
    predictions: a column of class names or numbers, which `votes` takes. score: a column of one probability (or logit)
    a sample, in place of classes. ignored: heading -> why.
    """

    table: Table
    ids: Column | None = None
    labels: Column | None = None
    one_hot: list[Column] = field(default_factory=list)
    label_names: list[str] = field(default_factory=list)
    predictions: Column | None = None
    score: Column | None = None
    classes: list[Column] = field(default_factory=list)
    namings: list[tuple[str, ...]] = field(default_factory=list)
    ignored: dict[str, str] = field(default_factory=dict)

    def values(self) -> np.ndarray:
        """Return the classes' columns, float64 (N, C)."""
        if not self.classes:
            return np.empty((self.table.rows, 0))
        return np.stack([_numbers(c) for c in self.classes], axis=1)


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
    known = _wanted(rest, wanted, logits) if wanted is not None and not votes else None
    if known is not None:
        assert wanted is not None
        found.classes = [column for column in rest if column.heading in known]
        found.namings = [tuple(known[column.heading] for column in found.classes)]
        rest = [column for column in rest if column.heading not in known]
    groups = None if known is not None or votes else _grouped(rest, logits)
    if groups is not None:
        found.classes, names = groups
        found.namings = _with_bare([names, tuple(column.heading for column in found.classes)])
        rest = _without(rest, found.classes)
        if not logits:
            _check_logits_beside(found, names, rest)
    rest = _one_hot(found, rest)
    rest = _named(found, rest)
    if votes:
        others = [c for c in rest if role_of(c.heading) == PREDICTION and c.texts is not None]
        for other in others:
            _check_agree(table.path, found.predictions or other, other, "predictions")
        _find_votes(found, rest)
        if found.predictions is None and found.labels is not None and not _without(rest, [found.labels]):
            # A submission of ids and 'label', which are what was predicted.
            found.predictions, found.labels = found.labels, None
    if votes and found.predictions is None:
        _check_counts(found, rest)
    if known is None and groups is None and not (votes and found.predictions):
        rest = _class_columns(found, rest, logits)
        found.namings = _namings([column.heading for column in found.classes])
    if not found.classes and found.score is None and not votes:
        _find_votes(found, rest, certain=True)  # to say so
    if votes or found.score is not None:
        rest = _labels_as_predicted(found, rest)
    if found.ids is None:
        rest = _nameless_ids(found, rest)
    _ignore(found, rest, logits, explicit=known is not None, grouped=groups is not None)
    return found


# -- classes ------------------------------------------------------------------------------------------------


def _wanted(columns: Sequence[Column], wanted: Classes, logits: bool) -> dict[str, str] | None:
    """Return heading -> class id where every wanted class has a column called by its id, name or number."""
    numeric = [c.heading for c in columns if c.numbers is not None]
    fractional = [c.heading for c in columns if c.numbers is not None and not c.whole]
    prefix = shared_prefix(fractional) if len(fractional) > 1 else ""
    value_words = _LOGIT_WORDS if logits else VALUE_WORDS
    inner = {word: {h: w[1] for h in numeric if (w := without_word(h, words))} for word, words in (
        ("values", value_words), ("any", VALUE_WORDS), ("class", CLASS_WORDS))}  # fmt: skip
    inner["prefix"] = {h: h[len(prefix) :] for h in numeric if prefix and h.startswith(prefix)}
    before, after = affixes(fractional)
    within = [h for h in numeric if h.startswith(before) and h.endswith(after) and len(h) > len(before + after)]
    inner["both"] = {h: h[len(before) : len(h) - len(after)] for h in within if before or after}
    known = [wanted.ids] + ([wanted.names] if len(set(wanted.names)) == len(wanted.names) else [])
    for called in ({h: h for h in numeric}, *inner.values()):
        for names in known:
            place = {name: i for i, name in enumerate(names)}
            found = {h: wanted.ids[place[name]] for h, name in called.items() if name in place}
            if len(set(found.values())) == len(found) == len(names):
                return found
            numbers = numbered(names)
            by_number = {h: n for h, name in called.items() if (n := number_of(name)) is not None}
            if numbers is not None:
                found = {h: wanted.ids[numbers[n]] for h, n in by_number.items() if n in numbers}
                if len(set(found.values())) == len(found) == len(names):
                    return found
    return None


def _grouped(columns: Sequence[Column], logits: bool) -> tuple[list[Column], tuple[str, ...]] | None:
    """Return the columns whose headings share a word about values (`prob_`), and what they call the classes."""
    groups: dict[str, list[tuple[Column, str]]] = {}
    for column in columns:
        found = without_word(column.heading, VALUE_WORDS) if column.numbers is not None else None
        # 'pred_label' and 'max_prob' are no class called 'label' or 'max'.
        if found and not (role_of(column.heading) and (column.texts is not None or role_of(column.heading) == SCORE)):
            groups.setdefault(found[0], []).append((column, found[1]))
    good = [group for group in groups.values() if len(group) > 1 and any(not c.whole for c, _ in group)]
    if logits:
        good.sort(key=lambda group: not any(without_word(c.heading, _LOGIT_WORDS) for c, _ in group))
    else:
        good = [group for group in good if _totals([c for c, _ in group])]
    for group in good:
        names = tuple(name for _, name in group)
        if len(set(names)) == len(names):
            return [column for column, _ in group], names
    return None


def _check_logits_beside(found: Layout, names: Sequence[str], rest: Sequence[Column]) -> None:
    """Refuse probabilities that are not the softmax of the logits of the same classes beside them."""
    cut = {w[1]: c for c in rest if c.numbers is not None and (w := without_word(c.heading, _LOGIT_WORDS))}
    if set(names) <= set(cut):
        raw = np.stack([_numbers(cut[name]) for name in names], axis=1)
        first = found.classes[0].heading, cut[names[0]].heading
        check_logits(
            found.values(), raw, str(found.table.path), (f"columns {first[0]!r} ...", f"columns {first[1]!r} ...")
        )


def _class_columns(found: Layout, columns: list[Column], logits: bool) -> list[Column]:
    """Take those columns of numbers for classes that can be some; return the others."""
    numeric = [c for c in columns if c.numbers is not None and c.blanks() < found.table.rows]
    parts = [c for c in numeric if not c.whole]
    if not parts:
        found.classes = [c for c in numeric if role_of(c.heading) is None]
        return _without(columns, found.classes)
    spared = [c for c in numeric if c.whole and _belongs(c, parts, found)]
    spares = {id(c) for c in spared}
    chosen = [c for c in numeric if not c.whole or id(c) in spares]
    plainly = [c for c in chosen if role_of(c.heading) is None or id(c) in spares]
    found.classes = chosen if len(plainly) < 2 else plainly
    summing = None if logits else _that_sum(chosen, plainly)
    found.classes = summing or found.classes
    if summing is None and (score := _one_score(found, chosen, plainly, logits)) is not None:
        found.classes, found.score = [], score
        return _without(columns, [score])
    if summing is None and (
        len(chosen) < 2 or (len(plainly) < 2 and any(role_of(c.heading) not in (None, FLAG, LABEL) for c in chosen))
    ):
        found.classes = []  # 'true' and 'wrong' may be classes, 'loss' and 'age' are none
        return columns
    _check_alike(found, logits)
    rest = _without(columns, found.classes)
    for column in rest:
        # By its name alone it could be a class that was never predicted, or a flag.
        if column.whole and role_of(column.heading) is None and column.blanks() < found.table.rows:
            _doubt(found, column, logits)
    return rest


def _one_score(found: Layout, chosen: list[Column], plainly: list[Column], logits: bool) -> Column | None:
    """Return the column that holds one probability (or logit) of a sample, where no set of columns are classes."""
    named = [c for c in chosen if plain(c.heading) in (_ONE_LOGIT if logits else _ONE_PROBABILITY)]
    named.sort(key=lambda c: (_ONE_LOGIT if logits else _ONE_PROBABILITY).index(plain(c.heading)))
    labels = set(found.labels.texts or ()) if found.labels is not None else set()
    if len(labels) > 2 or (found.predictions is not None and len(set(found.predictions.texts or ())) > 2):
        return None
    if len(plainly) < 2:
        return next(iter(named), None) or (chosen[0] if len(chosen) == 1 else None)
    words = any(c.heading in labels for c in plainly)
    return named[0] if named and labels and not words else None


def _that_sum(chosen: list[Column], plainly: list[Column]) -> list[Column] | None:
    """Return the columns whose rows sum to one total, none of them being a score or the like; None where none do."""
    for columns in (chosen, plainly):
        if len(columns) > 1 and _totals(columns):
            return columns
    columns = plainly if len(plainly) > 1 else chosen
    inside = [c for c in columns if np.nanmin(_numbers(c)) >= -_ABOUT and np.nanmax(_numbers(c)) <= 1 + _ABOUT]
    if 1 < len(inside) < len(columns) and _totals(inside):
        return inside
    if len(inside) > 2:
        sums = _sums(inside)
        one_out = [c for c in inside if np.mean(np.abs(sums - _numbers(c) - 1) <= _ABOUT) >= _MOST]
        if len(one_out) == 1:
            return [c for c in inside if c is not one_out[0]]
    return None


def _totals(columns: Sequence[Column]) -> bool:
    """Say whether most rows of these columns sum to 1, or to 100."""
    sums = _sums(columns)
    return any(np.mean(np.abs(sums / total - 1) <= _ABOUT) >= _MOST for total in (1, 100))


def _belongs(column: Column, parts: Sequence[Column], found: Layout) -> bool:
    """Say whether a column of whole numbers is called as the fractional ones are, or as a label is."""
    heading = column.heading
    if found.labels is not None and found.labels.texts is not None and heading in set(found.labels.texts):
        return True
    if role_of(heading) is not None or found.table.headless:
        return False
    if all(is_number(c.heading) for c in parts) and is_number(heading):
        return True
    prefix = shared_prefix([c.heading for c in parts]) if len(parts) > 1 else ""
    return bool(prefix) and heading.startswith(prefix)


def _doubt(found: Layout, column: Column, logits: bool) -> None:
    values = _numbers(column)
    path, known = found.table.path, values[np.isfinite(values)]
    unique = len(np.unique(known)) == len(values)
    if not logits and known.any() and len(found.classes) > 1 and _totals(found.classes):
        return  # rows sum to 1 without it
    if unique and len(values) > 2:
        return  # ids, or row numbers
    said = f"{known[0]:g} in every row" if len(set(known.tolist())) == 1 else "whole numbers only"
    raise BadInput(
        f"{path}: column {column.heading!r}: expected a class or one of the usual names of what is none, found {said} "
        f"beside {'logits' if logits else 'probabilities'}; leave the column out, or name the columns of the classes "
        "with classes=FILE."
    )


def _check_alike(found: Layout, logits: bool) -> None:
    """Refuse a column among the classes that looks unlike all the others, and that no label names: it may be none.

    Constant, or as logits of another scale: wholly beyond the others' values, or a tenth as spread, or ten times.
    """
    labels = set(found.labels.texts or ()) if found.labels is not None else set()
    odd = [c for c in found.classes if c.heading not in labels]
    others = [c for c in found.classes if c.heading in labels] or found.classes
    if not labels or len(odd) == len(found.classes):
        odd = others = found.classes
    alike = all(is_number(c.heading) for c in found.classes) or shared_prefix([c.heading for c in found.classes])
    if alike and not logits:
        odd = []
    if not odd or found.table.rows < 3 or len(found.classes) < 3:
        return
    with np.errstate(all="ignore"):
        spread = {id(c): float(np.ptp(_numbers(c)[np.isfinite(_numbers(c))])) for c in (*odd, *others)}
        lows, highs = [float(np.nanmin(_numbers(c))) for c in others], [float(np.nanmax(_numbers(c))) for c in others]
    for column in odd:
        rest = [i for i, c in enumerate(others) if c is not column]
        usual = float(np.median([spread[id(others[i])] for i in rest]))
        low, high = min(lows[i] for i in rest), max(highs[i] for i in rest)
        own = spread[id(column)]
        values = _numbers(column)[np.isfinite(_numbers(column))]
        scale = own < usual / 10 or own > 10 * usual or values.min() > high or values.max() < low
        if (own == 0 and usual > 0) or (logits and scale):
            span = f"values from {values.min():.4g} to {values.max():.4g}"
            seen = f"{values[0]:g} in every row" if own == 0 else span
            raise BadInput(
                f"{found.table.path}: column {column.heading!r}: expected {'logits' if logits else 'probabilities'} "
                f"like those of the other columns ({low:.4g} to {high:.4g}), found {seen}; leave it out if it is no "
                "class, or name the columns of the classes with classes=FILE."
            )


def _namings(headings: Sequence[str]) -> list[tuple[str, ...]]:
    """Return what the classes may be called: by their headings, and by these without what all of them begin with."""
    raw = tuple(headings)
    found = [raw]
    if len(raw) < 2:
        return found
    cut = [without_word(h, _WORDS) for h in raw]
    words = {c[0] for c in cut if c}
    if all(cut) and len(words) == 1:
        inner = tuple(c[1] for c in cut if c)
        # 'c0' may well be a class's own id; 'class_cat' is not.
        found.insert(1 if words & {"c", "p"} and inner[0].isdigit() else 0, inner)
    elif prefix := shared_prefix(raw):
        found.append(tuple(h[len(prefix) :] for h in raw))
    return _with_bare(found)


def _with_bare(namings: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return namings that name each class, and these without what all of their names begin and end with."""
    found = list(namings)
    for names in namings:
        before, after = affixes(names)
        found.append(tuple(name[len(before) : len(name) - len(after)] for name in names))
    good = [names for names in found if len(set(names)) == len(names) and all(names)]
    return list(dict.fromkeys(good))


# -- what is no class ----------------------------------------------------------------------------------------


def _one_hot(found: Layout, columns: list[Column]) -> list[Column]:
    """Take a group of columns of 0 and 1, called `true_cat`, `true_dog` and so on, for the labels."""
    groups: dict[str, list[tuple[Column, str]]] = {}
    for column in columns:
        cut = without_word(column.heading, LABEL_WORDS) if column.numbers is not None else None
        if cut and set(np.unique(_numbers(column)).tolist()) <= {0.0, 1.0}:
            groups.setdefault(cut[0], []).append((column, cut[1]))
    for group in groups.values():
        if len(group) > 1 and (_sums([c for c, _ in group]) <= 1).all():
            found.one_hot, found.label_names = [c for c, _ in group], [name for _, name in group]
            return _without(columns, found.one_hot)
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


# -- small things --------------------------------------------------------------------------------------------


def number_of(text: str) -> float | None:
    """Return the number a text stands for, true and false being 1 and 0; None where it is none."""
    low = text.strip().lower()
    if low in ("true", "false"):
        return float(low == "true")
    try:
        return float(low) if low and "_" not in low and low[-1].isdigit() else None
    except ValueError:
        return None


def whole_of(text: str) -> int | None:
    """Return the whole number a text stands for, to the last digit, None where it is none."""
    if text.strip().removeprefix("-").isdecimal():
        return int(text)
    number = number_of(text)
    return None if number is None or number != number // 1 else int(number)


def numbered(names: Sequence[str]) -> dict[float, int] | None:
    """Return number -> place where all names are numbers, and different ones."""
    numbers = [number_of(name) for name in names]
    if any(n is None for n in numbers) or len(set(numbers)) < len(numbers):
        return None
    return {n: i for i, n in enumerate(numbers) if n is not None}


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
    columns = [found.labels, *_without(columns, [other])]
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


def _sums(columns: Sequence[Column]) -> np.ndarray:
    """Return each row's sum over some columns, float64 (N,)."""
    sums = np.zeros(len(_numbers(columns[0])))
    with np.errstate(all="ignore"):
        for column in columns:
            sums += _numbers(column)
    return sums


def _without(columns: Sequence[Column], gone: Sequence[Column]) -> list[Column]:
    these = {id(column) for column in gone}
    return [column for column in columns if id(column) not in these]


def _numbers(column: Column) -> np.ndarray:
    assert column.numbers is not None
    return column.numbers


def _is_fractional(column: Column) -> bool:
    if column.numbers is None:
        return False
    known = column.numbers[np.isfinite(column.numbers)]
    return bool((known != np.rint(known)).any())


def _are_headings(column: Column, columns: Sequence[Column]) -> bool:
    """Say whether all values of a column are what columns are called."""
    called = {c.heading for c in columns} | {w[1] for c in columns if (w := without_word(c.heading, _WORDS))}
    numbers = {n for name in called if (n := number_of(name)) is not None}
    return set(np.unique(_numbers(column)).tolist()) <= numbers


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
