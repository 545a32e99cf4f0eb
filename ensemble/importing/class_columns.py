"""Which columns of a table are the classes, and what these may be called."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ensemble.errors import BadInput
from ensemble.importing.classes import Classes, number_of, numbered
from ensemble.importing.headings import (
    CLASS_WORDS,
    FLAG,
    LABEL,
    SCORE,
    VALUE_WORDS,
    affixes,
    plain,
    role_of,
    shared_prefix,
    without_word,
)
from ensemble.importing.tables import Column, Table, is_number
from ensemble.importing.values import check_logits

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
        return np.stack([numbers_of(c) for c in self.classes], axis=1)


def wanted_columns(columns: Sequence[Column], wanted: Classes, logits: bool) -> dict[str, str] | None:
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


def grouped_columns(columns: Sequence[Column], logits: bool) -> tuple[list[Column], tuple[str, ...]] | None:
    """Return the columns whose headings share a word about values (`prob_`), and what they call the classes."""
    groups: dict[str, list[tuple[Column, str]]] = {}
    for column in columns:
        found = without_word(column.heading, VALUE_WORDS) if column.numbers is not None else None
        # 'pred_label' and 'max_prob' are no class called 'label' or 'max'.
        role = role_of(column.heading) if found and plain(found[1]) else None  # 'prob:?' is a class called '?'
        if found and not (role and (column.texts is not None or role == SCORE)):
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


def check_logits_beside(found: Layout, names: Sequence[str], rest: Sequence[Column]) -> None:
    """Refuse probabilities that are not the softmax of the logits of the same classes beside them."""
    cut = {w[1]: c for c in rest if c.numbers is not None and (w := without_word(c.heading, _LOGIT_WORDS))}
    if set(names) <= set(cut):
        raw = np.stack([numbers_of(cut[name]) for name in names], axis=1)
        first = found.classes[0].heading, cut[names[0]].heading
        check_logits(
            found.values(), raw, str(found.table.path), (f"columns {first[0]!r} ...", f"columns {first[1]!r} ...")
        )


def class_columns(found: Layout, columns: list[Column], logits: bool) -> list[Column]:
    """Take those columns of numbers for classes that can be some; return the others."""
    numeric = [c for c in columns if c.numbers is not None and c.blanks() < found.table.rows]
    parts = [c for c in numeric if not c.whole]
    if not parts:
        found.classes = [c for c in numeric if role_of(c.heading) is None]
        return without(columns, found.classes)
    spared = [c for c in numeric if c.whole and _belongs(c, parts, found)]
    spares = {id(c) for c in spared}
    chosen = [c for c in numeric if not c.whole or id(c) in spares]
    plainly = [c for c in chosen if role_of(c.heading) is None or id(c) in spares]
    found.classes = chosen if len(plainly) < 2 else plainly
    summing = None if logits else _that_sum(chosen, plainly)
    found.classes = summing or found.classes
    if summing is None and (score := _one_score(found, chosen, plainly, logits)) is not None:
        found.classes, found.score = [], score
        return without(columns, [score])
    if summing is None and (
        len(chosen) < 2 or (len(plainly) < 2 and any(role_of(c.heading) not in (None, FLAG, LABEL) for c in chosen))
    ):
        found.classes = []  # 'true' and 'wrong' may be classes, 'loss' and 'age' are none
        return columns
    _check_alike(found, logits)
    rest = without(columns, found.classes)
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
    inside = [c for c in columns if np.nanmin(numbers_of(c)) >= -_ABOUT and np.nanmax(numbers_of(c)) <= 1 + _ABOUT]
    if 1 < len(inside) < len(columns) and _totals(inside):
        return inside
    if len(inside) > 2:
        sums = sums_of(inside)
        one_out = [c for c in inside if np.mean(np.abs(sums - numbers_of(c) - 1) <= _ABOUT) >= _MOST]
        if len(one_out) == 1:
            return [c for c in inside if c is not one_out[0]]
    return None


def _totals(columns: Sequence[Column]) -> bool:
    """Say whether most rows of these columns sum to 1, or to 100."""
    sums = sums_of(columns)
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
    values = numbers_of(column)
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
        spread = {id(c): float(np.ptp(numbers_of(c)[np.isfinite(numbers_of(c))])) for c in (*odd, *others)}
        lows, highs = (
            [float(np.nanmin(numbers_of(c))) for c in others],
            [float(np.nanmax(numbers_of(c))) for c in others],
        )
    for column in odd:
        rest = [i for i, c in enumerate(others) if c is not column]
        usual = float(np.median([spread[id(others[i])] for i in rest]))
        low, high = min(lows[i] for i in rest), max(highs[i] for i in rest)
        own = spread[id(column)]
        values = numbers_of(column)[np.isfinite(numbers_of(column))]
        scale = own < usual / 10 or own > 10 * usual or values.min() > high or values.max() < low
        if (own == 0 and usual > 0) or (logits and scale):
            span = f"values from {values.min():.4g} to {values.max():.4g}"
            seen = f"{values[0]:g} in every row" if own == 0 else span
            raise BadInput(
                f"{found.table.path}: column {column.heading!r}: expected {'logits' if logits else 'probabilities'} "
                f"like those of the other columns ({low:.4g} to {high:.4g}), found {seen}; leave it out if it is no "
                "class, or name the columns of the classes with classes=FILE."
            )


def namings_of(headings: Sequence[str]) -> list[tuple[str, ...]]:
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
    return with_bare(found)


def with_bare(namings: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return namings that name each class, and these without what all of their names begin and end with."""
    found = list(namings)
    for names in namings:
        before, after = affixes(names)
        found.append(tuple(name[len(before) : len(name) - len(after)] for name in names))
    good = [names for names in found if len(set(names)) == len(names) and all(names)]
    return list(dict.fromkeys(good))


# -- small things --------------------------------------------------------------------------------------------


def sums_of(columns: Sequence[Column]) -> np.ndarray:
    """Return each row's sum over some columns, float64 (N,)."""
    sums = np.zeros(len(numbers_of(columns[0])))
    with np.errstate(all="ignore"):
        for column in columns:
            sums += numbers_of(column)
    return sums


def without(columns: Sequence[Column], gone: Sequence[Column]) -> list[Column]:
    """Return those columns that are not among some others."""
    these = {id(column) for column in gone}
    return [column for column in columns if id(column) not in these]


def numbers_of(column: Column) -> np.ndarray:
    """Return the numbers, float64 (N,), of a column that is known to hold some."""
    assert column.numbers is not None
    return column.numbers
