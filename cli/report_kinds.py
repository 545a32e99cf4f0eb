"""The reports of ens-report, a function each: it asks for the value, has it drawn, says what was found."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.common import Talk
from cli.report_text import (
    best_document,
    class_document,
    class_table,
    file_name,
    first,
    found,
    many,
    shelf_document,
    shelf_sentence,
    written,
)

if TYPE_CHECKING:
    from analysis.material import Material


@dataclass(frozen=True, eq=False)
class Job:
    """What is asked for: the material, where pictures go and of which format, and the options of single kinds."""

    material: "Material"
    out: Path
    format: str
    scale: str
    classes: tuple[str, ...]
    images: int

    def path(self, kind: str, detail: str = "", ending: str = "") -> Path:
        """Return the file of a report; what is not the default (split, ensemble, members) stands in its name."""
        material = self.material
        parts = [kind, "" if material.split == "val" else material.split, detail]
        return self.out / f"{'-'.join(part for part in parts if part)}.{ending or self.format}"

    @property
    def who(self) -> str:
        """Name the ensemble in file names: nothing for all members."""
        material = self.material
        if material.ensemble != "all":
            return material.ensemble
        return material.stack.members[0] if material.patterns and len(material.stack.members) == 1 else ""

    def whom(self) -> str:
        """Name the ensemble in a sentence."""
        members, ensemble = self.material.spoken.stack.members, self.material.ensemble
        if len(members) == 1:
            return f"{members[0]} alone"
        return f"mean of {'the best ' if ensemble == 'best' else ''}{len(members)} members"


def per_class(talk: Talk, job: Job) -> dict[str, Any]:
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
    _chosen_here(talk, job)
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


def curve(talk: Talk, job: Job) -> dict[str, Any]:
    """Show every subset's accuracy by its size."""
    from analysis.table import name_set

    table = job.material.table
    best, by_size = table.best(), table.by_size()
    from analysis.figures.curve import curve_figure
    from analysis.figures.style import save, style

    detail = table.members[0] if job.material.patterns and len(table.members) == 1 else ""
    with style():
        picture = save(curve_figure(table), job.path("curve", detail))
    talk.table(
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
        talk.text(
            f"best: {name_set(best.members, table.members)}, {100 * best.accuracy:.1f} % "
            f"({best.correct:,} of {table.samples:,}), chosen and scored on {table.split}, which flatters it."
        )
    written(talk, picture)
    return {
        "kind": "curve", "split": table.split, "rule": table.rule, "samples": table.samples, "classes": table.classes,
        "members": table.members, "subsets": len(table),
        "by_size": [{**vars(s), "best": s.best.members} for s in by_size],
        "best": best_document(best), "files": [picture],
    }  # fmt: skip


def training(talk: Talk, job: Job) -> dict[str, Any]:
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


def filters(talk: Talk, job: Job) -> dict[str, Any]:
    """Show first-layer kernels, a picture a member."""
    from analysis.filters import filter_grid
    from analysis.material import Lacks

    there = [p for p in job.material.predictions if p.first_layer is not None]
    without = [p.member for p in job.material.predictions if p.first_layer is None]
    if not there:
        raise Lacks(
            f"{job.material.study.root}: no first-layer kernels are known of {', '.join(without)}; members that were "
            "imported, and networks that do not begin with a convolution, have none."
        )
    grids = [filter_grid(p.first_layer, member=p.member, scale=job.scale) for p in there if p.first_layer is not None]
    from analysis.figures.filters import caption, filters_figure
    from analysis.figures.style import save, style

    members = []
    for grid in grids:
        with style():
            detail = "-".join((grid.member, "shared") if grid.scale == "shared" else (grid.member,))
            picture = save(filters_figure(grid), job.out / f"filters-{detail}.{job.format}")
        flat = f"; {grid.constant} of them flat" if grid.constant else ""
        talk.text(f"{grid.member}: {caption(grid)}{flat}; {picture}")
        members.append({"name": grid.member, "kernels": grid.kernels.shape, "limit": grid.limit,
                        "constant": grid.constant, "file": picture})  # fmt: skip
    if without:
        talk.text(f"No first-layer kernels are known of {', '.join(without)}.")
    files = [member["file"] for member in members]
    return {"kind": "filters", "scale": job.scale, "members": members, "without": without, "files": files}


def gallery(talk: Talk, job: Job) -> dict[str, Any]:
    """Show classes' images, right and wrong; the hardest and the easiest class unless others are named."""
    from analysis.gallery import find_class, gallery
    from analysis.material import Lacks, images_of
    from ensemble.datasets import load_dataset
    from ensemble.errors import BadInput

    material = job.material
    pin, spoken, value = material.study.pin, material.spoken, material.classes
    if pin.source is None:
        raise Lacks(f"{material.study.root}: holds predictions that were imported, and no images are known for them.")
    stack = spoken.stack
    classes = [find_class(name, stack.class_ids, stack.class_names) for name in job.classes]
    classes = classes or [int(value.columns[i]) for i in sorted({0, value.scored - 1})]
    try:
        with talk.progress("Packing images", "images") as progress:
            dataset = load_dataset(pin.source, progress=progress)
    except BadInput as error:
        raise Lacks(f"the images of {material.study.root} cannot be read: {error}") from error
    shown = gallery(stack, spoken.preds, images_of(dataset, material), list(dict.fromkeys(classes)), job.images)
    from analysis.figures.gallery import gallery_figure
    from analysis.figures.style import save, style

    detail = "-".join(part for part in (job.who, *(s.class_id for s in shown.shelves if job.classes)) if part)
    with style():
        picture = save(gallery_figure(shown), job.path("gallery", file_name(detail)))
    for shelf in shown.shelves:
        talk.text(f"{first(shelf.class_name)}: {shelf_sentence(shelf, shown.class_names)}")
    written(talk, picture)
    return {
        "kind": "gallery", "split": shown.split, "of": shown.of, "rule": "mean",
        "classes": [shelf_document(shelf, shown.class_ids, shown.class_names) for shelf in shown.shelves],
        "files": [picture],
    }  # fmt: skip


KINDS = {"per-class": per_class, "curve": curve, "training": training, "filters": filters, "gallery": gallery}


def _chosen_here(talk: Talk, job: Job) -> None:
    if job.material.ensemble == "best":
        names = " + ".join(job.material.spoken.stack.members)
        talk.text(f"These members were chosen on {job.material.split} itself, which flatters them: {names}.")
