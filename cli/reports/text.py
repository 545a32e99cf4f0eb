"""How ens-report puts what was found: cells, sentences, JSON."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.common import Output, width

if TYPE_CHECKING:
    from analysis.classes.improved import Agreement, ClassComparison
    from analysis.classes.per_class import PerClass
    from analysis.images.gallery import Shelf
    from analysis.selection.cross_validation import HonestScore
    from analysis.subsets.table import Subset

_EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


def first(name: str) -> str:
    """Return the first synonym of a class's name."""
    return name.split(", ")[0]


def file_name(text: str) -> str:
    """Return `text` with what a file name should not hold replaced; class ids are folders' names, so rarely any."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in text)[:80]


def written(output: Output, *files: Path) -> None:
    """Say where pictures and tables are."""
    output.text("\n".join(f"{'table: ' if path.suffix == '.csv' else 'figure:'} {path}" for path in files))


def interval(value: "PerClass", i: int) -> str:
    """Return a class's 95 % interval in percent, as 0-11."""
    return f"{100 * value.low[i]:.0f}-{100 * value.high[i]:.0f}"


def found(value: "PerClass", names: Sequence[str], i: int) -> str:
    """Say how a class fared: "wooden spoon 2 % (1 of 50; 95 % interval 0-11)"."""
    comma = "," if names[i][-1:].isdigit() else ""  # else a class called 3 at 1 % reads "3 1 %"
    return (
        f"{names[i]}{comma} {100 * value.accuracy[i]:.0f} % ({value.correct[i]} of {value.samples[i]}; "
        f"95 % interval {interval(value, i)})"
    )


def class_table(output: Output, value: "PerClass", names: Sequence[str], rows: Sequence[int], title: str) -> None:
    """Print classes as a table that fits 80 columns."""
    wrong = [value.confused_with[i][:1] for i in rows]
    output.table(
        ("class", "", "recall", "95 %", "right", "prec.", "confused with"),
        [
            (cut(names[i], 20), bar(value.accuracy[i], value.high[i], 10),
             f"{100 * value.accuracy[i]:.0f}", interval(value, i), f"{value.correct[i]}/{value.samples[i]}",
             "" if math.isnan(value.precision[i]) else f"{100 * value.precision[i]:.0f}",
             f"{cut(first(s[0].name), 14)} {s[0].count}" if s else "")
            for i, s in zip(rows, wrong, strict=True)
        ],
        title=title,
        left=(0, 1, 6),
    )  # fmt: skip


def cut(text: str, letters: int) -> str:
    """Return `text` in at most so many letters."""
    return text if len(text) <= letters else f"{text[: letters - 1].rstrip()}…"


def cut_middle(text: str, letters: int) -> str:
    """Return `text` in at most so many letters, its two ends: names of members often differ in the last one."""
    if len(text) <= letters:
        return text
    head = (letters - 1) // 2
    return f"{text[:head]}…{text[len(text) - (letters - 1 - head) :]}"


def bar(share: float, high: float, cells: int) -> str:
    """Return blocks up to `share` (0..1) of `cells`, to an eighth of a cell, then a line to the interval's end."""
    eighths = round(share * cells * 8)
    blocks = "█" * (eighths // 8) + _EIGHTHS[eighths % 8]
    return f"{blocks}{'─' * (round(high * cells) - len(blocks))}".ljust(cells)


def class_document(
    value: "PerClass", i: int, changed: "ClassComparison | None" = None, agreement: "Agreement | None" = None
) -> dict[str, Any]:
    """Return a class's row of the JSON document; null where there is nothing to compare with or to divide by."""
    c = int(value.columns[i])
    return {
        "id": value.class_ids[i], "name": value.class_names[i], "samples": value.samples[i],
        "correct": value.correct[i], "accuracy": value.accuracy[i], "low": value.low[i], "high": value.high[i],
        "confused_with": [{"id": c.id, "name": c.name, "count": c.count} for c in value.confused_with[i]],
        "worst_share": value.worst_share[i], "best_share": value.best_share[i],
        "said": value.predicted[i], "precision": value.precision[i], "precision_low": value.precision_low[i],
        "precision_high": value.precision_high[i], "f1": value.f1[i],
        "effective_samples": None if value.effective is None else value.effective[i],
        "against": None if changed is None else {
            "won": changed.won[c], "lost": changed.lost[c], "difference": changed.difference[c], "p": changed.p[c],
            "q": changed.q[c], "smallest": changed.smallest[c],
        },
        "members": None if agreement is None else {
            "disagreement": agreement.disagreement[c], "all_right": agreement.all_right[c],
            "all_wrong": agreement.all_wrong[c],
        },
    }  # fmt: skip


def best_document(best: "Subset", honest: "HonestScore | None") -> dict[str, Any]:
    """Return the chosen subset as in the JSON of ens-combine, with its honest accuracy where it was worked out."""
    ends = dict.fromkeys(("accuracy", "low", "high", "how"))
    if honest is not None:
        ends = {"accuracy": honest.score, "low": honest.low, "high": honest.high, "how": honest.how}
    return {
        "members": best.members, "weights": None, "k": best.size, "accuracy": best.accuracy, "top5": best.top5,
        "nll": best.nll, "brier": best.brier,
        **{f"honest_{name}": value for name, value in ends.items()},
    }  # fmt: skip


def shelf_sentence(shelf: "Shelf", names: Sequence[str]) -> str:
    """Say how a class fared and name its most confident error among the images shown."""
    counts = f"{shelf.correct} of {shelf.samples} right"
    wrong = [i for i in range(len(shelf.images)) if not shelf.right[i]]
    if not wrong:
        return f"{counts}, all of the {len(shelf.images)} shown." if len(shelf.images) else "no images in this split."
    worst = max(wrong, key=lambda i: shelf.confidence[i])
    return (
        f"{counts}; of the {len(shelf.images)} shown the most confident error is {shelf.sample_ids[worst]}, predicted "
        f"as {first(names[int(shelf.preds[worst])])} with {100 * shelf.confidence[worst]:.0f} %."
    )


def shelf_document(shelf: "Shelf", ids: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    """Return a class of a gallery for the JSON document."""
    return {
        "id": shelf.class_id, "name": shelf.class_name, "samples": shelf.samples, "correct": shelf.correct,
        "images": [
            {"sample_id": shelf.sample_ids[i], "right": shelf.right[i],
             "said": {"id": ids[shelf.preds[i]], "name": names[shelf.preds[i]]},
             "said_probability": shelf.confidence[i], "true_probability": shelf.true_probability[i]}
            for i in range(len(shelf.images))
        ],
    }  # fmt: skip


def fitting_table(
    output: Output, heads: Sequence[str], rows: Sequence[Sequence[str]], first: Sequence[int], *,
    title: str | None = None, left: Sequence[int] = (0,), room: int | None = None,
) -> list[str]:  # fmt: skip
    """Print the columns that fit, in their order; return the heads of those left out.

    first: all columns by their index, the most important first; columns that are empty throughout are left out unsaid.
    """
    room = width() if room is None else room
    wide = [max(len(head), *(len(row[i]) for row in rows)) for i, head in enumerate(heads)]
    # Names are cut by the table where need be: they are not to push numbers out.
    wide[0] = min(wide[0], 20)
    kept: list[int] = []
    filled = [i for i in first if any(row[i] not in ("", "-") for row in rows)]
    for i in filled:
        if sum(wide[j] + 2 for j in (*kept, i)) - 2 <= room:
            kept.append(i)
    shown = sorted(kept)
    output.table(
        [heads[i] for i in shown],
        [[row[i] for i in shown] for row in rows],
        title=title,
        left=[at for at, i in enumerate(shown) if i in left],
        cut=[at for at, i in enumerate(shown) if i == 0],
    )
    return [heads[i] for i in filled if i not in kept]
