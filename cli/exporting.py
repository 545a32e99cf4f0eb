"""`ens-export`: a member's or an ensemble's predictions as a file that other programs read."""

import shlex
from pathlib import Path

import click

from cli import completion
from cli.combine_json import ensemble_document
from cli.combine_text import warn_changed
from cli.common import Output, command, entry
from ensemble.errors import BadInput


@command(
    "ens-export",
    examples=[
        "ens-export ting-m3-0 --out m3.npz                 probs, labels, sample_ids, class_ids, class_names",
        "ens-export best3 --split test --out best3.csv     a saved ensemble; a row a sample, a column a class",
        "ens-export all --out mean.parquet                 the mean of all members",
        "ens-export best3 --onnx --out best3.onnx          its networks with their weights, for any ONNX runtime",
    ],
)
@click.argument("name", shell_complete=completion.members)
@click.option("--split", default="val", show_default=True, shell_complete=completion.splits, help="Which predictions.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="Ends in .npz, .csv, .parquet; .onnx."
)
@click.option("--onnx", is_flag=True, help="Write the networks themselves, as one ONNX file.")
def export(output: Output, name: str, split: str, out: Path, onnx: bool) -> None:
    """Write the predictions of NAME to a file: a member, a saved ensemble, or 'all' for the mean of all members.

    ens-import reads such a file back. With --onnx the file holds what predicts: its input `images` is uint8 (N, height,
    width, channels), its output `probs` (N, classes). A file that is there is replaced.
    """
    if onnx:
        _export_networks(output, name, out)
        return
    if out.suffix == ".onnx":
        raise click.UsageError(f"--out {out}: predictions are no network; add --onnx to write what predicts.")
    from analysis.report_data import open_ensemble
    from analysis.saved import ensemble_predictions
    from ensemble.importing.writers import check_export, export_file
    from ensemble.study.study import Study

    study = Study.open(output.study)
    check_export(out)
    ensemble = open_ensemble(study, name, split)
    stored = ensemble.members == (name,)
    predictions = study.read(name, split, held=False) if stored else ensemble_predictions(study, ensemble)
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


def _export_networks(output: Output, name: str, out: Path) -> None:
    try:
        from ensemble.inference.onnx_file import export_onnx
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "safetensors"):
            raise
        raise BadInput(f"--onnx runs networks, and {error.name} is missing: pip install 'kofn[train,onnx]'.") from error
    from ensemble.study.study import Study

    found = export_onnx(Study.open(output.study), name, out)
    output.document(study=output.study, name=name, **vars(found) | {"path": str(found.path)})
    who = found.members[0] if len(found.members) == 1 else f"{len(found.members)} members together"
    height, width, channels = found.image_shape
    output.text(
        f"{out}: {who}, from images uint8 (N, {height}, {width}, {channels}) to probs float32 (N, {found.classes})"
    )
    output.say(
        "Not tried: onnxruntime is not installed." if found.difference is None
        else f"Tried with onnxruntime: off by at most {found.difference:.1g} from kofn's own probabilities."
    )  # fmt: skip


main = entry(export)
