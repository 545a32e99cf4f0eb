"""What score can be had for what cost."""

from typing import Any

import click

from cli.combine_json import front_document
from cli.combine_text import show_front
from cli.common import Output
from cli.reports.job import GROUPS, Job, say_groups
from cli.reports.text import written

COST = click.option(
    "--cost",
    metavar="gflops|parameters|FILE.csv",
    help="cost, html: what members cost. A file has the columns member and cost.  [default: gflops]",
)
OPTIONS = (
    COST,
    GROUPS,
    click.option(
        "--cost-by",
        type=click.Choice(["sum", "max"]),
        default="sum",
        show_default=True,
        help="cost: a subset costs the sum of its members, or the most of them.",
    ),
    click.option(
        "--metric",
        type=click.Choice(["accuracy", "nll", "brier", "top5", "balanced_accuracy", "macro_f1", "auroc"]),
        default="accuracy",
        show_default=True,
        help="cost: the score that is set against the cost.",
    ),
)


def report(output: Output, job: Job) -> dict[str, Any]:
    """Show the front of score against cost: a table, a CSV file, a figure."""
    from analysis.csv_cells import write_csv
    from analysis.figures.cost import cost_figure
    from analysis.figures.style import save, style
    from analysis.members.costs import cost_words, member_costs
    from analysis.report_data import NotAvailable
    from analysis.selection.every_subset import cost_front
    from ensemble.errors import BadInput

    data, what, metric = job.data, job.options["cost"], job.options["metric"]
    try:
        costs = member_costs(data.study, data.stack.members, what or "gflops")
    except BadInput as lack:
        if what is not None:
            raise
        raise NotAvailable(str(lack)) from lack
    words = cost_words(what or "gflops")
    by = job.options["cost_by"]
    groups = data.groups_of(data.stack)
    front = cost_front(data.stack, costs, by=by, what=words, metric=metric, table=data.table, groups=groups)
    detail = "-".join(part for part in ("" if metric == "accuracy" else metric, "" if by == "sum" else by) if part)
    with style():
        picture = save(cost_figure(front), job.path("cost", detail))
    table = job.path("cost", detail, "csv")
    columns = ("cost", "members", "score", "honest", "honest_low", "honest_high")
    rows = [(p.cost, "+".join(p.members), p.score, p.honest.score, p.honest.low, p.honest.high) for p in front.points]
    write_csv(table, columns, rows)
    show_front(output, front, words, None)
    count = say_groups(output, groups, "none is chosen on in part and scored on in part, and intervals count them so")
    written(output, picture, table)
    return {
        "kind": "cost", "split": front.split, "metric": front.metric, "of": what or "gflops", "by": front.by,
        "members": costs, "groups": count, "subsets": len(front.masks), "front": front_document(front),
        "files": [picture, table],
    }  # fmt: skip


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    cost = job.options["cost"] or "gflops"
    by = "" if job.options["cost_by"] == "sum" else " --cost-by max"
    return (f"ens-combine --cost {cost}{by}{job.on}",)
