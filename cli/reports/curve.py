"""Every subset by its size."""

from typing import TYPE_CHECKING, Any

from analysis.sentences import chosen_on, flattery, many
from cli.combine_text import say_copies
from cli.common import Output
from cli.reports.job import GROUPS, Job, say_groups
from cli.reports.text import best_document, written

if TYPE_CHECKING:
    from analysis.subsets.growth import MoreMembers

OPTIONS = (GROUPS,)


def report(output: Output, job: Job) -> dict[str, Any]:
    """Show every subset's accuracy by its size."""
    from analysis.subsets.table import name_set

    table = job.data.table
    best, by_size = table.best(), table.by_size()
    more, why = _more(job)
    from analysis.figures.curve import curve_figure
    from analysis.figures.style import save, style

    with style():
        picture = save(curve_figure(table, honest=job.data.honest, more=more.get("accuracy")), job.path("curve"))
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
    kept = "the honest score and its interval keep them so, what more members would bring does not"
    count = say_groups(output, job.data.groups_of(job.data.stack), kept)
    if more:
        _say_more(output, more["accuracy"])
    else:
        output.note(f"Nothing is said of more members: {why}")
    copies = say_copies(output, job.data.stack)
    written(output, picture)
    return {
        "kind": "curve", "split": table.split, "rule": table.rule, "samples": table.samples, "classes": table.classes,
        "members": table.members, "copies": copies, "groups": count, "subsets": len(table),
        "by_size": [{**vars(s), "best": s.best.members} for s in by_size],
        "more_members": {metric: _more_document(value) for metric, value in more.items()} or None,
        "more_members_lacking": why or None,
        "best": best_document(best, job.data.honest), "files": [picture],
    }  # fmt: skip


def _more(job: Job) -> "tuple[dict[str, MoreMembers], str]":
    """Return what more members would bring by metric; nothing, and why, for fewer than four that differ."""
    from analysis.copies import find_copies
    from analysis.subsets.growth import more_members
    from ensemble.errors import BadInput

    copies = find_copies(job.data.stack)
    try:
        return {metric: more_members(job.data.table, metric, copies) for metric in ("accuracy", "nll", "brier")}, ""
    except BadInput as error:
        return {}, str(error).removeprefix("more_members: ")


def _say_more(output: Output, value: "MoreMembers") -> None:
    m = value.seen
    output.note(
        f"Would more members help? On average {m} like these have {100 * value.mean[m - 1]:.1f} % right here; "
        f"{2 * m} would have {100 * value.mean[-1]:.1f} % ({100 * value.low[-1]:.1f}-{100 * value.high[-1]:.1f}), "
        f"{100 * value.gain:+.2f} points ({100 * value.gain_low:+.2f} to {100 * value.gain_high:+.2f}), and any number "
        f"of them about {100 * value.limit:.1f} %: extrapolated, {value.form}. The interval is over which members were "
        "trained: it narrows where one of them weighs less among more, and holds no doubt of the curve's form."
    )


def _more_document(value: "MoreMembers") -> dict[str, Any]:
    return {
        "members": value.members, "form": value.form,
        "sizes": [
            {"k": k, "mean": value.mean[i], "low": value.low[i], "high": value.high[i], "extrapolated": k > value.seen}
            for i, k in enumerate(value.k.tolist())
        ],
        "limit": value.limit, "limit_low": value.limit_low, "limit_high": value.limit_high,
        "gain": value.gain, "gain_low": value.gain_low, "gain_high": value.gain_high,
    }  # fmt: skip


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report per-class --ensemble best{job.on}", f"ens-combine --max-size 3 --save best3{job.on}")
