"""ens-predict: what members, or a saved ensemble, say of new images."""

from pathlib import Path

import click

from cli import completion
from cli.common import Output, command, entry
from ensemble.errors import BadInput

EXAMPLES = (
    "ens-predict --data cat.jpg                                what is this?",
    "ens-predict --data holiday/ --out holiday.csv             every image below a folder, all members averaged",
    "ens-predict --data new/ --split new                       kept: ens-combine --split new goes on from there",
    "ens-predict --data new/ --ensemble best3 --tta mirror     a saved ensemble, on images and their mirror images",
    "ens-predict --part val --split val-mirror --tta mirror    the study's own images, looked at twice",
    "ens-predict --part test --format tiny-imagenet --out submission.txt",
)


@command("ens-predict", EXAMPLES)
@click.option(
    "--data",
    metavar="PATH",
    help="An image, a folder or a zip of images, or a dataset with splits.  [default: the study's own images]",
)
@click.option("--part", metavar="NAME", help="Which split, where --data has several.  [default: that of --split]")
@click.option(
    "--member",
    "--members",
    "members",
    multiple=True,
    metavar="PATTERN",
    shell_complete=completion.members,
    help="Only members of this name, or of a pattern such as 'm3-*'; may be repeated.",
)
@click.option(
    "--ensemble",
    default="all",
    show_default=True,
    metavar="all|NAME",
    shell_complete=completion.members,
    help="The mean of all members, or a saved ensemble with its weights.",
)
@click.option("--split", metavar="NAME", help="Keep each member's predictions in the study, under this name.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write what the members say together.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["csv", "tiny-imagenet"]),
    default="csv",
    show_default=True,
    help="Of --out: all probabilities, or the challenge's file of its 10,000 test images.",
)
@click.option(
    "--tta",
    default="none",
    show_default=True,
    metavar="NAME",
    help="Views of each image to average: none, mirror, flips, crops5 or crops10.",
)
@click.option("--skip-unreadable", is_flag=True, help="Go on without images that cannot be read.")
@click.option("--device", default="auto", show_default=True, help="'auto', 'cpu', 'cuda' or 'cuda:1'.")
@click.option("--threads", type=click.IntRange(min=1), help="Of the CPU.  [default: all cores]")
def predict(
    output: Output, members: tuple[str, ...], ensemble: str, split: str | None, out: Path | None, format_: str,
    threads: int | None, device: str, tta: str, skip_unreadable: bool, data: str | None, part: str | None,
) -> None:  # fmt: skip
    """Say what members, or a saved ensemble, see in new images.

    A folder with one folder for each class, named by the classes' ids or names, is labelled by them, and scored. Images
    of another size are resized and cut as 'ens-data pack --size' does it; grey and colour become what the study has.
    """
    if members and ensemble != "all":
        raise click.UsageError("--ensemble names who predicts, and so does --member; drop one.")
    if format_ == "tiny-imagenet" and out is None:
        raise click.UsageError("--format tiny-imagenet is of a file; name it with --out FILE.txt.")
    try:
        from ensemble.inference.predict import predict_images, study_images
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "safetensors"):
            raise
        raise BadInput(f"ens-predict runs networks, and {error.name} is missing: pip install 'kofn[train]'.") from error
    from analysis.ensemble import ensemble_of
    from analysis.stack import join
    from cli import predict_text as text
    from cli.predict_text import Asked
    from ensemble.inference.members import ensemble_spec, open_members
    from ensemble.inference.tta import views_named
    from ensemble.machine import cores
    from ensemble.study.study import Study

    views, study = views_named(tta), Study.open(output.study)
    asked = Asked(study, ensemble_spec(study, members, ensemble), views.name, split, out, format_)
    asked.check_out()
    with output.progress("Packing images", "images") as progress:
        new = study_images(study, data, part, split, progress)
    asked.check_images(new)
    trained = open_members(study, asked.spec.members, device, threads or cores())
    text.show_start(output, asked, new)
    with output.progress("Looking at images", "images") as progress:
        found = predict_images(trained, new, views, split or new.part or "new", skip_unreadable, progress)
    weights, rule = asked.spec.weights, asked.spec.rule
    own = ensemble_of(join(found.members), weights, rule, asked.spec.ensemble or "all")
    plain = None if found.plain is None else ensemble_of(join(found.plain), weights, rule).accuracy
    files = asked.write(new, found.members, own)
    text.show_images(output, text.Shown(asked, views, new, found, own, plain, files))


main = entry(predict)
