"""Loss and accuracy by epoch, or by images seen."""

from typing import TYPE_CHECKING, Any

from cli.common import Output
from cli.reports.job import ALONG, Job, slug
from cli.reports.text import written

if TYPE_CHECKING:
    from ensemble.study.history import History

OPTIONS = (ALONG,)
MOST_LINES = 6  # in one picture; more are shown as their range and in a small panel each


def report(output: Output, job: Job) -> dict[str, Any]:
    """Show loss and accuracy: of members that are named a column each, else of all in one picture."""
    from analysis.report_data import histories

    found = histories(job.data.study, job.data.patterns)
    files = _draw(job, found)
    rows, members = [], []
    for history in found:
        (last, last_accuracy), (best, best_accuracy) = history.last(), history.best()
        at_end = {
            key: float(values[-1])
            for key, values in history.columns.items()
            if key.startswith(("train_", "val_", "tune_"))
        }
        falls = history.falls()
        members.append({
            "name": history.member, "epochs": last, "last": {"epoch": last, **at_end},
            "best": {"epoch": best, "val_accuracy": best_accuracy},
            "rate_falls_at": None if falls is None else history.columns["epoch"][falls].astype(int),
        })  # fmt: skip
        losses = [f"{at_end[key]:.3f}" for key in ("train_cross_entropy", "val_cross_entropy")]
        shares = [f"{100 * at_end['train_accuracy']:.1f}", f"{100 * last_accuracy:.1f}"]
        rows.append([history.member, str(last), *losses, *shares, f"{100 * best_accuracy:.1f} @ {best}"])
    heads = ("member", "epochs", "train loss", "val loss", "train %", "val %", "best val")
    output.table(heads, rows, title="At the last epoch; losses are cross-entropies in nats")
    top = max(members, key=lambda m: m["last"]["val_accuracy"])
    output.note(f"highest at its last epoch: {top['name']}, {100 * top['last']['val_accuracy']:.1f} % on val.")
    for file in files:
        written(output, file)
    return {"kind": "training", "x": job.options["along"], "members": members, "files": files}


def _draw(job: Job, found: "list[History]") -> list[Any]:
    """Draw the pictures that so many members need; return their files."""
    from analysis.figures.curves import overlay_figure, range_figure
    from analysis.figures.style import save, style
    from analysis.figures.training import MOST_COLUMNS, members_figure, small_multiples_figure
    from analysis.members.curves import by_member, curves, places

    data, along = job.data, job.options["along"]
    split = data.study.config.splits.get("train")
    train = split.samples if split else None
    apart = len(found) == 1 or (bool(data.patterns) and len(found) <= MOST_COLUMNS)
    stem = "-".join(part for part in ("training", slug(data.patterns), "" if along == "epochs" else along) if part)
    with style():
        if apart:
            x = places(found, along, train) if along == "images" else None
            figures = {stem: members_figure(found, x)}
        elif len(found) <= MOST_LINES:
            figures = {stem: overlay_figure(by_member(found, along=along, train=train))}
        else:
            together = curves([("members", found)], along=along, middle="median", train=train)
            each = small_multiples_figure(by_member(found, along=along, train=train))
            figures = {stem: range_figure(together), f"{stem}-members": each}
        return [save(figure, job.out / f"{name}.{job.format}") for name, figure in figures.items()]


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report models{job.on}", f"ens-report filters{job.on}", f"ens-combine --k all{job.on}")
