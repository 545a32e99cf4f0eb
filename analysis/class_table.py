"""The classes of a `PerClass` as lists: the hardest and the easiest, and all of them as a CSV file."""

import csv
import io
from collections import Counter
from pathlib import Path

from analysis.per_class import PerClass
from ensemble.files import write_text

HEADER = (
    "rank", "class_id", "class_name", "samples", "correct", "accuracy", "low", "high", "worst_share",
    "confused_with_id", "confused_with_name", "confused_count",
)  # fmt: skip


def extremes(value: PerClass, most: int = 10) -> tuple[list[int], list[int]]:
    """Return the rows of the hardest and of the easiest classes, each hardest first, at most `most` of each.

    Classes without samples are in neither. Of 2 * most classes or fewer each is in one of the two.
    """
    hardest = min(most, (value.scored + 1) // 2)
    easiest = min(most, value.scored - hardest)
    return list(range(hardest)), list(range(value.scored - easiest, value.scored))


def short_names(value: PerClass) -> list[str]:
    """Return the first synonym of each class's name, the id behind it where two share it, the id alone for a blank."""
    first = [name.split(", ")[0].strip() or i for name, i in zip(value.class_names, value.class_ids, strict=True)]
    count = Counter(first)
    return [f"{name} ({i})" if count[name] > 1 else name for name, i in zip(first, value.class_ids, strict=True)]


def write_class_csv(path: Path, value: PerClass) -> None:
    """Write one row a class, hardest first, fractions in full; empty where a class has no samples.

    A name that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for i in range(len(value)):
        seen = value.samples[i] > 0
        said = value.confused_with[i][:1]
        writer.writerow([
            i + 1,
            harmless(value.class_ids[i]),
            harmless(value.class_names[i]),
            int(value.samples[i]),
            int(value.correct[i]),
            *(repr(float(column[i])) if seen else "" for column in (value.accuracy, value.low, value.high)),
            repr(float(value.worst_share[i])) if seen and value.worst_k else "",
            *((harmless(said[0].id), harmless(said[0].name), said[0].count) if said else ("", "", "")),
        ])  # fmt: skip
    write_text(path, text.getvalue())


def harmless(cell: str) -> str:
    """Return `cell`, with an apostrophe in front where a spreadsheet would run it: = + - @, a tab or a return."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
