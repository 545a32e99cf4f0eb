"""The papers' numbers beside this study's: what is the same, what is other, and what was not run."""

from typing import TYPE_CHECKING, Any

from analysis.sentences import many
from cli.common import Output
from cli.reports.job import Job
from cli.reports.text import fitting_table, written

if TYPE_CHECKING:
    from analysis.members.papers import PaperNumber

OPTIONS = ()
_HEADS = ("paper", "system", "quantity", "paper %", "ours %", "status", "members", "command")


def report(output: Output, job: Job) -> dict[str, Any]:
    """Show a row a number, and write them as a CSV file."""
    from analysis.csv_cells import write_csv
    from analysis.members.models import members_of
    from analysis.members.papers import COLUMNS, WITHIN, paper_numbers
    from ensemble.models.papers import paper_runs

    numbers = paper_numbers(members_of(job.data.study, "val", job.data.patterns), paper_runs())
    rows = [
        (n.paper, n.system, _quantity(n), ("< " if n.below else "") + f"{100 * n.reported:.1f}",
         "-" if n.ours is None else f"{100 * n.ours:.1f}", n.status, "+".join(n.members) or "-",
         n.command if n.status == "not run" else "")
        for n in numbers
    ]  # fmt: skip
    left_out = fitting_table(
        output,
        _HEADS,
        rows,
        (0, 1, 2, 3, 4, 5, 6, 7),
        title="What the five papers print, and this study",
        left=(0, 1, 2),
    )
    counts = {status: sum(n.status == status for n in numbers) for status in ("same", "other", "no history", "not run")}
    unknown = f"{counts['no history']} that only a training history would say, " if counts["no history"] else ""
    output.note(f"{many(len(numbers), 'number')}: {counts['same']} the same within {100 * WITHIN:.0f} points, "
                f"{counts['other']} other, {unknown}{counts['not run']} not run. Ours is always of val, the official "
                "validation images; the challenge's test images have no labels.")  # fmt: skip
    if left_out:
        output.hint(f"In a wider window, and in the table: {', '.join(left_out)}.")
    table = job.path("papers", ending="csv")
    write_csv(table, COLUMNS, [list(n.as_row().values()) for n in numbers])
    written(output, table)
    return {
        "kind": "papers",
        "numbers": [n.as_row() | {"members": list(n.members), "epoch": n.epoch, "below": n.below} for n in numbers],
        "files": [table],
    }


def _quantity(number: "PaperNumber") -> str:
    kind, _, of = number.quantity.partition(":")
    named = {"best": "best val", "ensemble": "val, together"}.get(kind, kind) + (f" of {of}" if of else "")
    theirs = f" (paper: {number.split})" if number.split == "test" else ""
    return named + theirs + (f" @ {number.epoch}" if number.epoch else "")


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report models{job.on}",)
