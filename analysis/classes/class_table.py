"""The classes of a `PerClass` as lists: the hardest and the easiest, and all of them as a CSV file."""

from pathlib import Path

from analysis.classes.confusion import first_names
from analysis.classes.improved import Agreement, ClassComparison
from analysis.classes.per_class import PerClass
from analysis.csv_cells import write_csv

HEADER = (
    "rank", "class_id", "class_name", "samples", "correct", "accuracy", "low", "high", "worst_share",
    "confused_with_id", "confused_with_name", "confused_count", "best_share", "predicted", "precision", "precision_low",
    "precision_high", "f1", "against", "won", "lost", "difference", "p", "q", "smallest_difference",
    "members_disagree", "all_right", "all_wrong",
)  # fmt: skip


def extremes(value: PerClass, most: int = 10) -> tuple[list[int], list[int]]:
    """Return the rows of the hardest and of the easiest classes, each hardest first, at most `most` of each.

    Classes without samples are in neither. Of 2 * most classes or fewer each is in one of the two.
    """
    hardest = min(most, (value.scored + 1) // 2)
    easiest = min(most, value.scored - hardest)
    return list(range(hardest)), list(range(value.scored - easiest, value.scored))


def short_names(value: PerClass) -> list[str]:
    """Return the first synonym of each class's name, told apart as `analysis.classes.confusion` does."""
    return first_names(value.class_names, value.class_ids)


def write_class_csv(
    path: Path, value: PerClass, changed: ClassComparison | None = None, agreement: Agreement | None = None
) -> None:
    """Write one row a class, hardest first, fractions in full; empty where there is nothing to divide by.

    changed, agreement: of the same classes; their columns are empty where they are not given. Names are harmless to a
    spreadsheet, see `analysis.csv_cells`.
    """
    write_csv(path, HEADER, (_row(value, i, changed, agreement) for i in range(len(value))))


def _row(value: PerClass, i: int, changed: ClassComparison | None, agreement: Agreement | None) -> list[object]:
    wrong = value.confused_with[i][:1]
    own = int(value.columns[i])
    row: list[object] = [i + 1, value.class_ids[i], value.class_names[i], value.samples[i], value.correct[i]]
    row += [column[i] for column in (value.accuracy, value.low, value.high, value.worst_share)]
    row += [wrong[0].id, wrong[0].name, wrong[0].count] if wrong else ["", "", ""]
    row += [value.best_share[i], value.predicted[i]]
    row += [column[i] for column in (value.precision, value.precision_low, value.precision_high, value.f1)]
    if changed is None:
        row += [None] * 7
    else:
        row += [changed.against, changed.won[own], changed.lost[own]]
        row += [column[own] for column in (changed.difference, changed.p, changed.q, changed.smallest)]
    if agreement is None:
        return [*row, None, None, None]
    return [*row, *(column[own] for column in (agreement.disagreement, agreement.all_right, agreement.all_wrong))]
