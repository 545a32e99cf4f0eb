"""The members side by side: size, training time, accuracy."""

from typing import TYPE_CHECKING, Any

from analysis.sentences import many
from cli.common import Output
from cli.reports.job import Job
from cli.reports.text import fitting_table
from ensemble.study.tabular import percent

if TYPE_CHECKING:
    from analysis.members.models import Member

OPTIONS = ()
_HEADS = ("member", "model", "layers", "parameters", "BN stats", "GFLOP", "epochs", "time", "img/s", "train %",
          "val %", "best val", "train loss", "val loss")  # fmt: skip
# What stays in a narrow window, the most important first.
_FIRST = (0, 10, 11, 9, 3, 7, 2, 5, 8, 13, 12, 4, 6, 1)


def report(output: Output, job: Job) -> dict[str, Any]:
    """Show a row a member, a CSV file with all columns, and accuracy against size and time."""
    from analysis.members.models import RANDOM_START, members_of, row_of, write_models_csv

    data = job.data
    members = members_of(data.study, data.split, data.patterns)

    table = job.path("models", ending="csv")
    write_models_csv(table, members, data.split)
    files = [table]
    if any(m.last is not None and (m.seconds or m.network) for m in members):
        from analysis.figures.models import models_figure
        from analysis.figures.style import save, style

        with style():
            files.insert(0, save(models_figure(members), job.path("models")))
    heads, rows, first = list(_HEADS), [_cells(member) for member in members], list(_FIRST)
    if any(member.kept not in (None, "last") for member in members):
        heads.append("kept")
        rows = [[*row, _kept(member)] for row, member in zip(rows, members, strict=True)]
        first.insert(2, len(heads) - 1)
    if data.split != "val":
        heads.append(f"{data.split} %")
        rows = [[*row, percent(member.accuracy)] for row, member in zip(rows, members, strict=True)]
        first.insert(1, len(heads) - 1)
    title = f"{many(len(members), 'member')}; time: all epochs together; losses: cross-entropies in nats"
    left_out = fitting_table(output, heads, rows, first, title=title, left=(0, 1))
    if left_out:
        output.hint(f"In a wider window, and in the table: {', '.join(left_out)}.")
    alone = [m.name for m in members if not m.comparable]
    if alone:
        output.note(f"* {RANDOM_START} with its paper, which begins with trained weights: {', '.join(alone)}.")
    bare = [m.name for m in members if m.network is None and m.history is not None and not m.damaged]
    if bare:
        output.note(f"No network.json, so no sizes are known: {', '.join(bare)}; newer versions write one.")
    bare_predictions = [m.name for m in members if m.history is None and m.predictions is not None and not m.damaged]
    if bare_predictions:
        output.note(f"Predictions only, so no training is known: {', '.join(bare_predictions)}.")
    begun = [m.name for m in members if m.history is None and m.predictions is None and not m.damaged]
    if begun:
        output.note(f"Not an epoch trained yet: {', '.join(begun)}.")
    for name, file in zip(("figure:", "table: ") if len(files) == 2 else ("table: ",), files, strict=True):
        output.text(f"{name} {file}")
    document = [
        row_of(m, data.split) | {"start": dict(m.network.start) if m.network else None, "settings": m.settings or None}
        for m in members
    ]
    return {"kind": "models", "split": data.split, "members": document, "files": files}


def _cells(member: "Member") -> list[str]:
    network, best = member.network, member.best
    sizes = ["-"] * 4
    if network:
        gflops = "-" if network.gflops is None else f"{network.gflops:.3g}"
        sizes = [
            str(network.depth),
            f"{network.parameters:,}",
            f"{network.statistics:,}" if network.statistics else "-",
            gflops,
        ]
    rate = member.images_per_second
    return [
        member.name + ("" if member.comparable else " *"), member.model or "-", *sizes,
        "-" if member.epochs is None else str(member.epochs), _time(member.seconds),
        "-" if rate is None else f"{rate:,.0f}", percent(member.at_end("train_accuracy")), percent(member.last),
        f"{100 * best[1]:.1f} @ {best[0]}" if best else "-",
        *(_number(member.at_end(f"{split}_cross_entropy")) for split in ("train", "val")),
    ]  # fmt: skip


def _kept(member: "Member") -> str:
    epoch = "" if member.kept_epoch is None else f" @ {member.kept_epoch}"
    return {None: "-", "average": "average", "best": f"best on tune{epoch}", "last": "last"}[member.kept]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _time(seconds: float | None) -> str:
    """Return seconds as 8.2s, 9m12s or 1h31m."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    return f"{whole // 60}m{whole % 60:02}s" if whole < 3600 else f"{whole // 3600}h{whole % 3600 // 60:02}m"


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report layers{job.on}", f"ens-report compare{job.on}")
