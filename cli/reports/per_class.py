"""How well each class is told: the hardest, the easiest, and all of them in a CSV file."""

from typing import Any

from cli.common import Talk
from cli.reports.job import Job, say_chosen_here
from cli.reports.options import ENSEMBLE
from cli.reports.text import class_document, class_table, found, written

OPTIONS = (ENSEMBLE,)


def report(talk: Talk, job: Job) -> dict[str, Any]:
    """Show the hardest and the easiest classes: a table, a CSV file of all, a figure."""
    from analysis.class_table import extremes, short_names, write_class_csv

    value, split = job.material.classes, job.material.split
    table = job.path("per-class", job.who, "csv")
    write_class_csv(table, value)
    from analysis.figures.per_class import per_class_figure
    from analysis.figures.style import save, style

    with style():
        figure = per_class_figure(value, f"Accuracy by class on {split}, {job.whom()}")
        picture = save(figure, job.path("per-class", job.who))
    names = short_names(value)
    hardest, easiest = extremes(value)
    if value.scored <= 20:
        class_table(talk, value, names, hardest + easiest, f"Accuracy by class on {split}, {job.whom()}, hardest first")
    else:
        title = f"Hardest {len(hardest)} of {value.scored} classes on {split}, {job.whom()}"
        class_table(talk, value, names, hardest, title)
        class_table(talk, value, names, easiest, f"Easiest {len(easiest)}")
    say_chosen_here(talk, job)
    if value.scored < len(value):
        talk.text(f"{len(value) - value.scored} of {len(value)} classes have no images on {split}.")
    talk.text(f"hardest: {found(value, names, 0)}")
    talk.text(f"easiest: {found(value, names, value.scored - 1)}")
    lowest = int((value.accuracy[: value.scored] == value.accuracy[0]).sum())
    if lowest > len(hardest):
        talk.text(f"{lowest} classes share the lowest accuracy; which of them are shown is the order of their ids.")
    if value.worst_k:
        sure = int((value.worst_share[: value.scored] >= 0.95).sum())
        talk.text(
            f"{sure or 'None'} of them {'is' if sure == 1 else 'are'} surely among the hardest {value.worst_k} "
            "(in at least 95 % of draws); chance may have put the others there."
            if sure < value.worst_k
            else f"All of the hardest {value.worst_k} are surely so (in at least 95 % of draws)."
        )
    written(talk, picture, table)
    return {
        "split": split,
        "of": job.material.spoken.stack.members,
        "rule": "mean",
        "worst_k": value.worst_k,
        "classes": [class_document(value, i) for i in range(len(value))],
    }


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report gallery{job.on}",)
