"""Loss and accuracy by epoch, or by images seen."""

from typing import TYPE_CHECKING, Any

from cli.common import Output
from cli.reports.job import ALONG, Job, slug
from cli.reports.text import cut, written

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
    classes = _by_class(output, job, found, files)
    for file in files:
        written(output, file)
    return {"kind": "training", "x": job.options["along"], "members": members, "classes": classes, "files": files}


def _by_class(output: Output, job: Job, found: "list[History]", files: list[Any]) -> dict[str, Any] | None:
    """Show the recall of single classes over epochs, of histories that have it: table, figure and CSV in `files`."""
    from analysis.classes.confusion import first_names
    from analysis.figures.class_curves import WORDS, class_curves_figure
    from analysis.figures.style import save, style
    from analysis.members.class_curves import curves_of, write_class_curves_csv

    if all(history.recalls is None for history in found):
        output.note(
            "Recall over epochs: these histories do not say how many images of each class were right; those of members "
            "that are trained from now on do."
        )
        return None
    study = job.data.study
    value = curves_of(found, study.config.class_ids, study.config.class_names, str(study.root))
    stem = "-".join(part for part in ("training-classes", slug(job.data.patterns)) if part)
    with style():
        files.append(save(class_curves_figure(value), job.out / f"{stem}.{job.format}"))
    table = job.out / f"{stem}.csv"
    write_class_curves_csv(table, value)
    files.append(table)
    names, kinds = first_names(value.class_names, value.class_ids), value.striking()
    of = value.members[0] if len(value.members) == 1 else f"the mean of {len(value.members)} members"
    output.table(
        ("class", "", "images", "first epoch %", "last epoch %", "late change"),
        [
            (cut(names[c], 24), WORDS[kind], str(value.samples[c]), f"{100 * value.first[c]:.0f}",
             f"{100 * value.last[c]:.0f}", _points(value.change[c]))
            for kind, columns in kinds.items() for c in columns
        ],
        title=f"Recall over epochs on val, {of}",
        left=(0, 1),
    )  # fmt: skip
    output.note(
        "Late change: points of recall in the last quarter of the epochs, less those in the quarter that ends half way."
    )
    if value.without:
        output.note(f"without right answers by class in their history: {', '.join(value.without)}")
    striking = {c: kind for kind, columns in kinds.items() for c in columns}
    return {
        "members": value.members,
        "without": value.without,
        "classes": [
            {"id": value.class_ids[c], "name": value.class_names[c], "samples": value.samples[c],
             "first": value.first[c], "last": value.last[c], "change": value.change[c], "shown": striking.get(c)}
            for c in range(len(value.class_ids))
        ],
    }  # fmt: skip


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


def _points(difference: float) -> str:
    """Return a difference of shares in points, with its sign; a dash where it is not known."""
    return "-" if difference != difference else f"{100 * difference:+z.0f}"


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report models{job.on}", f"ens-report filters{job.on}", f"ens-combine --k all{job.on}")
