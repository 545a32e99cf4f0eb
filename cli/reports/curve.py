"""Every subset by its size."""

from typing import Any

from analysis.sentences import chosen_on, flattery, many
from cli.common import Output
from cli.reports.job import GROUPS, Job
from cli.reports.text import best_document, written

OPTIONS = (GROUPS,)


def report(output: Output, job: Job) -> dict[str, Any]:
    """Show every subset's accuracy by its size."""
    from analysis.subsets.table import name_set

    table = job.data.table
    best, by_size = table.best(), table.by_size()
    from analysis.figures.curve import curve_figure
    from analysis.figures.style import save, style

    with style():
        picture = save(curve_figure(table, honest=job.data.honest), job.path("curve"))
    output.table(
        ("k", "subsets", "mean %", "lowest", "highest", "the best of them"),
        [
            (str(s.k), f"{s.subsets:,}", *(f"{100 * a:.1f}" for a in (s.mean_accuracy, s.min_accuracy, s.max_accuracy)),
             name_set(s.best.members, table.members))
            for s in by_size
        ],
        title=f"Accuracy of {many(len(table), 'subset')} of {many(len(table.members), 'member')} on {table.split}",
        left=(5,),
    )  # fmt: skip
    if len(table) > 1:
        honest = job.data.honest
        output.note(
            f"best: {name_set(best.members, table.members)}, {100 * best.accuracy:.1f} % "
            f"({best.correct:,} of {table.samples:,}). "
            + (chosen_on(len(table), table.split) if honest is None or honest.score is None
               else flattery(best.accuracy, honest.score, table.split))
        )  # fmt: skip
    written(output, picture)
    return {
        "kind": "curve", "split": table.split, "rule": table.rule, "samples": table.samples, "classes": table.classes,
        "members": table.members, "subsets": len(table),
        "by_size": [{**vars(s), "best": s.best.members} for s in by_size],
        "best": best_document(best), "files": [picture],
    }  # fmt: skip


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report per-class --ensemble best{job.on}", f"ens-combine --max-size 3 --save best3{job.on}")
