"""Options that several reports share; a report's room lists its own in OPTIONS."""

import click

from cli import completion

ENSEMBLE = click.option(
    "--ensemble",
    default="all",
    show_default=True,
    metavar="all|best|NAME",
    shell_complete=completion.ensembles,
    help="Who speaks where one ensemble is looked at: the mean of all members, the subset most accurate on this split, "
    "a saved ensemble or a single member.",
)
CLASSES = click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="ID_OR_NAME",
    help="gallery, sample: a class to show; may be repeated.  [default: the hardest and the easiest; drawn ones]",
)
IMAGES = click.option(
    "--images",
    type=click.IntRange(1, 100),
    default=8,
    show_default=True,
    metavar="N",
    help="gallery, sample: how many a class; html: so too, or as many as keep the page small; errors: how many a "
    "picture.",
)
SEED = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="errors, sample: what draws the images."
)
ALONG = click.option(
    "--x",
    "along",
    type=click.Choice(["epochs", "images"]),
    default="epochs",
    show_default=True,
    help="training, compare: what the axis counts; images are those seen, each time they are.",
)
