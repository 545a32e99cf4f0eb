"""True labels as columns: in the reading that holds, or refused where another one fits the predictions far better."""

from collections.abc import Sequence

import numpy as np

from ensemble.errors import BadInput
from ensemble.importing.classes import Classes, numbered
from ensemble.importing.labels import Meaning, meaning
from ensemble.importing.readers import Parts
from ensemble.importing.values import Values, check_ranked


def truth_of(
    parts: Parts, classes: Classes, aliases: Sequence[Sequence[str]], where: str, named: bool, values: Values, n: int,
    notes: list[str],
) -> np.ndarray | None:  # fmt: skip
    """Return the labels as columns, int64 (N,), -1 where there is none; None where nobody gave any."""
    if parts.labels is None and parts.columns is None:
        return None
    c = len(classes.ids)
    if parts.columns is not None:
        found = Meaning(parts.columns, "column numbers")
        if parts.columns.size and parts.columns.max() >= c:
            raise BadInput(
                f"{where}: expected labels that are numbers of the {c} columns, 0 to {c - 1}, found "
                f"{int(parts.columns.max())}; check whether they count from 0, and are of these classes."
            )
    else:
        found = meaning(parts.labels or (), classes, aliases, where, named=named)
    if len(found.columns) != n:
        side = f"; its shape is ({n}, {c}), so it lies on its side: save its .T" if len(found.columns) == c else ""
        raise BadInput(f"{where}: expected {n} labels, one for each row, found {len(found.columns)}{side}.")
    if found.how.startswith("column numbers counted"):
        notes.append(f"labels were read as {found.how}")
    check_reading(found, values.probs, classes, where, parts.columns is not None, notes)
    check_ranked(values.probs, found.columns, where)
    notes += _never_true(found.columns, values.probs.argmax(axis=1), parts.headings if named else (), c)
    return found.columns


def _never_true(truth: np.ndarray, best: np.ndarray, headings: Sequence[str], c: int) -> list[str]:
    """Say of a table's columns which are often the largest and never the label: they may be no classes."""
    if len(headings) != c or len(truth) < 5 * c:
        return []
    said, true = np.bincount(best, minlength=c), np.bincount(truth[truth >= 0], minlength=c)
    odd = np.flatnonzero((true == 0) & (said >= max(3, len(truth) / 20))).tolist()
    if not odd or len(odd) > c / 4:
        return []
    end = "and the label of none; if it is no class, leave it out"
    return [f"column {headings[i]!r} is the largest in {said[i]:,} rows {end}" for i in odd]


def check_reading(
    found: Meaning, probs: np.ndarray, classes: Classes, where: str, certain: bool, notes: list[str]
) -> None:
    """Refuse labels that fit the predictions far better when they are read in another way."""
    have = found.columns >= 0
    if certain or not have.any():
        return
    best = probs.argmax(axis=1)
    right = best == found.columns
    text = "save them as text, np.array(class_ids)[columns], beside the class ids"
    others = [("as numbers of columns, counted from 0", found.other, text)]
    plain = numbered(classes.ids) == {float(i): i for i in range(len(classes.ids))}
    if (plain or found.how.startswith("column")) and found.columns[have].min() >= 1:
        others.append(
            ("as counted from 1", found.columns - 1, "if they count from 1, save labels - 1" if plain else text)
        )
    if (plain or found.how.startswith("column")) and found.columns.max() <= len(classes.ids) - 2:
        advice = "leave out the first column if it is no class of theirs, or save labels + 1"
        others.append(("as numbers of columns counted from the second", np.where(have, found.columns + 1, -1), advice))
    rank = np.argsort(np.argsort(np.asarray(classes.names)))  # of each column's class among the sorted ones
    if found.how.startswith("column") and not plain and (rank != np.arange(len(rank))).any():
        place = np.append(np.argsort(rank), -1)
        sorted_in = np.where(found.columns < len(rank), found.columns, -1)
        others.append(("as numbers of the classes in sorted order", place[sorted_in], text))
    for how, other, advice in others:
        if other is None:
            continue
        ours, theirs = int((right & have & (best != other)).sum()), int(((best == other) & have & ~right).sum())
        if theirs - ours > 3 * np.sqrt(theirs + ours):
            share, share_other = right[have].mean(), (best == other)[have].mean()
            raise BadInput(
                f"{where}: labels read as {found.how} are right in {share:.2%} of the samples, and in "
                f"{share_other:.2%} when read {how}, so it cannot be told what they mean; {advice}."
            )
    if found.other is not None:
        notes.append(
            f"labels were read as class ids ({right[have].mean():.2%} right), not as numbers of columns counted from "
            f"0, which would be other classes ({(best == found.other)[have].mean():.2%})"
        )


def rows_kept(truth: np.ndarray | None, where: str, drop: bool) -> np.ndarray | None:
    """Return which rows have a label, where some have none and may be left out; raise `BadInput` where they may not."""
    if truth is None or (truth >= 0).all():
        return None
    have = truth >= 0
    if not have.any():
        if drop:
            raise BadInput(f"{where}: no sample has a label, so leaving out those without would leave none.")
        return None
    if not drop:
        row = int(np.argmin(have))
        raise BadInput(
            f"{where}: expected a label for every sample, found none for {int((~have).sum())} of {len(truth)}, row "
            f"{row} first; leave these samples out with drop_unlabelled=True, or add their labels."
        )
    return have
