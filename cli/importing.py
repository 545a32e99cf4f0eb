"""`ens-import`: predictions made elsewhere become members of a study."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.common import Output, as_options, command, entry

if TYPE_CHECKING:
    from ensemble.importing.parse import Imported

_FILE = click.Path(path_type=Path)


@command(
    "ens-import",
    examples=[
        "ens-import resnet.npz vit.npz               # arrays: probs or logits, labels, sample_ids, class_names",
        "ens-import keras.npy --labels y_val.npy     # (N, C) probabilities and the labels of their rows",
        "ens-import timm.npy --logits --labels labels.csv --ids files.txt --classes wnids.txt",
        "ens-import kaggle.csv --split test          # an id column and a column a class; a label column where known",
        "ens-import team.csv --labels truth.csv --drop-unlabelled   # labels by id; samples without one left out",
        "ens-import svm.csv --votes                   # predicted classes in place of probabilities",
        "ens-import mate.val.h5 --member mate        # a predictions file of another study",
    ],
)
@click.argument("files", nargs=-1, required=True, type=_FILE, metavar="FILE...")
@click.option("--member", metavar="NAME", help="The member's name.  [default: the file's name]")
@click.option("--split", metavar="NAME", help="The split predicted.  [default: what the file says, else val]")
@click.option(
    "--labels", type=_FILE, metavar="FILE",
    help="The true classes, matched by id: a table with a column of ids and one of labels (or one-hot), .npz or .h5; "
    "a bare list (.txt, .npy) only where the predictions have no ids.",
)  # fmt: skip
@click.option("--ids", type=_FILE, metavar="FILE", help="The sample ids in the order of rows: .txt, .csv or .npy.")
@click.option("--classes", type=_FILE, metavar="FILE", help="The class ids in the order of columns, or id<TAB>name.")
@click.option("--logits", is_flag=True, help="The values are logits: the softmax is taken.")
@click.option("--votes", is_flag=True, help="The values are predicted classes, (N,), or counts of votes, (N, C).")
@click.option("--drop-unlabelled", is_flag=True, help="Leave out samples without a label: blank, NaN, -1 and the like.")
@click.option("--images", type=_FILE, metavar="DIR", help="The images, a folder, zip or pack, for galleries.")
@click.option("--history", type=_FILE, metavar="FILE", help="What was measured each epoch, as CSV, for curves.")
@click.option("--filters", type=_FILE, metavar="FILE", help="The first layer's kernels, .npy or .npz, for filters.")
@click.option("--large", is_flag=True, help="Read files that take more time or memory than predictions ought to.")
@click.option("--force", is_flag=True, help="Replace members of the same name that were imported before.")
def import_(output: Output, files: tuple[Path, ...], large: bool, **options: Any) -> None:
    """Make predictions from anywhere members of a study.

    Read are .npz and .h5 with probs or logits, .npy, .csv, .tsv and .parquet with an id column and a column a class,
    and predictions files of kofn. All files are checked before any is written; what is there already stays as it is.
    """
    from analysis.metrics import accuracy
    from ensemble.importing.import_members import import_members
    from ensemble.study.child import large_files

    with large_files() if large else contextlib.nullcontext(), output.progress("Reading images", "images") as progress:
        imported, admitted = import_members(output.study, files, progress=progress, **options)

    members, rows = [], []
    for one, path, status in zip(imported, admitted.paths, admitted.statuses, strict=True):
        p, reading = one.predictions, one.reading
        share = None if p.labels is None else accuracy(p.probs, p.labels)
        notes = [as_options(note) for note in one.notes]
        members.append(
            {"name": p.member, "split": p.split, "file": one.file, "status": status, "samples": len(p),
             "classes": len(p.class_ids), "accuracy": share, "clipped_rows": one.clipped_rows,
             "rounded_rows": one.rounded_rows, "dropped_rows": one.dropped_rows,
             "columns": {"classes": reading.classes, "ids": reading.ids, "labels": reading.labels,
                         "ignored": [{"name": name, "why": why} for name, why in reading.ignored]},
             "notes": notes, "predictions": path}
        )  # fmt: skip
        shown = "unlabelled" if share is None else f"{share:.2%}"
        rows.append([p.member, p.split, f"{len(p):,}", f"{len(p.class_ids):,}", shown, status])
        output.say(f"{one.file}: {_read_as(one)}.")
        for note in notes:
            output.say(f"Note: {one.file}: {note}.")
        if one.dropped_rows:
            output.warn(f"{one.file}: {one.dropped_rows:,} samples without a label were left out, {len(p):,} are left.")
        if one.rounded_rows:
            mended = (
                f"{one.clipped_rows:,} of them clipped and renormalised" if one.clipped_rows else "kept as they are"
            )
            output.warn(
                f"{one.file}: {one.rounded_rows:,} of {len(p) + one.dropped_rows:,} rows were off by rounding, by at "
                f"most {one.off:.2g}; {mended}."
            )
        if share is None:
            output.warn(f"{one.file}: has no labels, so it cannot be scored; give them with --labels.")
        elif share <= 1 / len(p.class_ids) and not any("no better than chance" in w for w in admitted.warnings):
            output.warn(
                f"{one.file}: {share:.2%} right is no better than chance; are rows, labels and classes in one order?"
            )
    warnings = [as_options(warning) for warning in admitted.warnings]
    for warning in warnings:
        output.warn(warning)
    headings = ["Member", "Split", "Samples", "Classes", "Accuracy", "Status"]
    output.table(headings, rows, title=f"Imported into {output.study}", left=(0, 1, 5))
    output.document(study=output.study, members=members, warnings=warnings)
    output.next(*_next(output.study, imported[0].predictions.split, bool(options["votes"])))


def _read_as(one: "Imported") -> str:
    """Say which columns became what."""
    reading, c = one.reading, len(one.predictions.class_ids)
    listed = list(reading.classes) if c <= 6 else [*reading.classes[:3], "...", reading.classes[-1]]
    said = [f"{c:,} classes ({', '.join(listed)})"]
    said.append("no ids" if reading.ids is None else f"ids from {reading.ids}")
    said.append("no labels" if reading.labels is None else f"labels from {reading.labels}")
    if reading.ignored:
        shown = [f"{name!r} ({why})" for name, why in reading.ignored[:12]]
        more = len(reading.ignored) - len(shown)
        said.append(f"ignored: {', '.join(shown)}" + (f" and {more} more" if more > 0 else ""))
    return "; ".join(said)


def _next(root: Path, split: str, votes: bool) -> list[str]:
    """Return the commands that work for this study now."""
    from ensemble.study.predictions import read_rows
    from ensemble.study.study import Study

    study = Study.open(root)
    rows = [read_rows(study.predictions_path(name, split)) for name in study.members(split)]
    members = [row for row in rows if row.kind == "member"]
    labelled = [row for row in members if row.labels is not None]
    shared = set.intersection(*(set(row.sample_ids.tolist()) for row in members))
    options = "" if split == "val" else f" --split {split}"
    if not labelled:
        name = "all" if len(members) > 1 and all(len(row) == len(shared) for row in members) else members[0].member
        return [
            f"ens-import FILE --labels FILE --force{' --votes' if votes else ''}{options}",
            f"ens-export {name} --out FILE.csv{options}",
        ]
    if len(labelled) == 1:
        return [f"ens-report per-class --member {labelled[0].member}{options}"]
    if len(labelled) < len(members):
        options += "".join(f" --members {row.member}" for row in labelled)
    if any(len(row) != len(shared) for row in members):
        options += " --intersect"
    if votes:
        options += " --rule vote"
    many = len(labelled) > 24
    return [f"ens-combine {'--k 1-3' if many else '--k all'}{options}"]


main = entry(import_)
