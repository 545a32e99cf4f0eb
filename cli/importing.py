"""`ens-import`: predictions made elsewhere become members of a study."""

from pathlib import Path
from typing import Any

import click

from cli.common import Output, command, entry

_FILE = click.Path(path_type=Path)


@command(
    "ens-import",
    examples=[
        "ens-import resnet.npz vit.npz               # arrays: probs or logits, labels, sample_ids, class_names",
        "ens-import keras.npy --labels y_val.npy     # (N, C) probabilities and the labels of their rows",
        "ens-import timm.npy --logits --labels labels.csv --ids files.txt --classes wnids.txt",
        "ens-import kaggle.csv --split test          # an id column and a column a class; a label column where known",
        "ens-import mate.val.h5 --member mate        # a predictions file of another study",
    ],
)
@click.argument("files", nargs=-1, required=True, type=_FILE, metavar="FILE...")
@click.option("--member", metavar="NAME", help="The member's name.  [default: the file's name]")
@click.option("--split", metavar="NAME", help="The split predicted.  [default: what the file says, else val]")
@click.option(
    "--labels", type=_FILE, metavar="FILE",
    help="The true classes: .npy, .txt with one a line, or .csv (a column 'label', and 'id' to match rows by).",
)  # fmt: skip
@click.option("--ids", type=_FILE, metavar="FILE", help="The sample ids in the order of rows: .txt, .csv or .npy.")
@click.option("--classes", type=_FILE, metavar="FILE", help="The class ids in the order of columns, or id<TAB>name.")
@click.option("--logits", is_flag=True, help="The values are logits: the softmax is taken.")
@click.option("--force", is_flag=True, help="Replace members of the same name that were imported before.")
def import_(output: Output, files: tuple[Path, ...], member: str | None, force: bool, **options: Any) -> None:
    """Make predictions from anywhere members of a study.

    Read are .npz and .h5 with probs or logits, .npy, .csv and .parquet with an id column and a column a class, and
    predictions files of kofn. All files are checked before any is written.
    """
    from analysis.metrics import accuracy
    from ensemble.importing.parse import import_files
    from ensemble.importing.validate import admit, study_classes

    imported = import_files(files, member=member, study_classes=study_classes(output.study), **options)
    paths, warnings = admit(output.study, imported, force=force)

    members, rows = [], []
    for one, path in zip(imported, paths, strict=True):
        p = one.predictions
        share = None if p.labels is None else accuracy(p.probs, p.labels)
        members.append(
            {"name": p.member, "split": p.split, "file": one.file, "samples": len(p), "classes": len(p.class_ids),
             "accuracy": share, "clipped_rows": one.clipped_rows, "notes": one.notes, "predictions": path}
        )  # fmt: skip
        shown = "unlabelled" if share is None else f"{share:.2%}"
        rows.append([p.member, p.split, f"{len(p):,}", f"{len(p.class_ids):,}", shown])
        for note in one.notes:
            output.say(f"Note: {one.file}: {note}.")
        if one.clipped_rows:
            output.warn(
                f"{one.file}: {one.clipped_rows} of {len(p)} rows were off by rounding, clipped and renormalised."
            )
        if share is None:
            output.warn(f"{one.file}: has no labels, so it cannot be scored; give them with --labels.")
        elif share <= 1 / len(p.class_ids):
            output.warn(
                f"{one.file}: {share:.2%} right is no better than chance; are rows, labels and classes in one order?"
            )
    for warning in warnings:
        output.warn(warning)
    output.table(
        ["Member", "Split", "Samples", "Classes", "Accuracy"], rows, title=f"Imported into {output.study}", left=(0, 1)
    )
    output.document(study=output.study, members=members, warnings=warnings)
    split = imported[0].predictions.split
    output.next("ens-combine --k all" + ("" if split == "val" else f" --split {split}"))


main = entry(import_)
