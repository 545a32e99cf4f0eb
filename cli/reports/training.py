"""Loss and accuracy by epoch."""

from typing import Any

from cli.common import Talk
from cli.reports.job import Job
from cli.reports.text import written

OPTIONS = ()


def report(talk: Talk, job: Job) -> dict[str, Any]:
    """Show loss and accuracy by epoch: of members that are named a column each, else of all in one picture."""
    from analysis.material import histories

    material = job.material
    found = histories(material.study, material.patterns)
    from analysis.figures.style import save, style
    from analysis.figures.training import MOST_COLUMNS, members_figure, overlay_figure

    apart = len(found) == 1 or (bool(material.patterns) and len(found) <= MOST_COLUMNS)
    with style():
        figure = members_figure(found) if apart else overlay_figure(found)
        name = "-".join(history.member for history in found) if material.patterns and len(found) == 1 else ""
        picture = save(figure, job.out / f"{'-'.join(part for part in ('training', name) if part)}.{job.format}")
    rows, members = [], []
    for history in found:
        (last, last_accuracy), (best, best_accuracy) = history.last(), history.best()
        at_end = {
            key: float(values[-1]) for key, values in history.columns.items() if key.startswith(("train_", "val_"))
        }
        members.append({"name": history.member, "epochs": last, "last": {"epoch": last, **at_end},
                        "best": {"epoch": best, "val_accuracy": best_accuracy}})  # fmt: skip
        losses = [f"{at_end[key]:.3f}" for key in ("train_cross_entropy", "val_cross_entropy")]
        shares = [f"{100 * at_end['train_accuracy']:.1f}", f"{100 * last_accuracy:.1f}"]
        rows.append([history.member, str(last), *losses, *shares, f"{100 * best_accuracy:.1f} @ {best}"])
    heads = ("member", "epochs", "train loss", "val loss", "train %", "val %", "best val")
    talk.table(heads, rows, title="At the last epoch; losses are cross-entropies in nats")
    top = max(members, key=lambda m: m["last"]["val_accuracy"])
    talk.text(f"highest at its last epoch: {top['name']}, {100 * top['last']['val_accuracy']:.1f} % on val.")
    written(talk, picture)
    return {"kind": "training", "members": members, "files": [picture]}


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report filters{job.on}", f"ens-combine --k all{job.on}")
