"""`ens-export`: a member's or an ensemble's predictions as a file that other programs read."""

import shlex
from pathlib import Path

import click

from cli import completion
from cli.combine_text import ensemble_document, warn_changed
from cli.common import Output, command, entry


@command(
    "ens-export",
    examples=[
        "ens-export ting-m3-0 --out m3.npz                 probs, labels, sample_ids, class_ids, class_names",
        "ens-export best3 --split test --out best3.csv     a saved ensemble; a row a sample, a column a class",
        "ens-export all --out mean.parquet                 the mean of all members",
    ],
)
@click.argument("name", shell_complete=completion.members)
@click.option("--split", default="val", show_default=True, shell_complete=completion.splits, help="Which predictions.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="Ends in .npz, .csv or .parquet."
)
def export(output: Output, name: str, split: str, out: Path) -> None:
    """Write the predictions of NAME to a file: a member, a saved ensemble, or 'all' for the mean of all members.

    ens-import reads such a file back. A file that is there is replaced.
    """
    from analysis.report_data import open_ensemble
    from analysis.saved import ensemble_predictions
    from ensemble.importing.writers import check_export, export_file
    from ensemble.study.study import Study

    study = Study.open(output.study)
    check_export(out)
    ensemble = open_ensemble(study, name, split)
    stored = ensemble.members == (name,)
    predictions = study.read(name, split) if stored else ensemble_predictions(study, ensemble)
    lost = export_file(out, predictions)
    warn_changed(output, ensemble)
    n, c = predictions.probs.shape
    output.document(
        study=output.study, name=name, split=split, samples=n, classes=c, labelled=predictions.labels is not None,
        parents=predictions.parents, definition=ensemble_document(ensemble), file=out,
    )  # fmt: skip
    output.text(f"{out}: {n:,} x {c:,} probabilities of {name} on {split}")
    if lost:
        output.say(f"Note: {out.suffix} does not hold {' nor '.join(lost)}.")
    output.say(f"Elsewhere: ens-import {shlex.quote(str(out))}{'' if split == 'val' else f' --split {split}'}")


main = entry(export)
