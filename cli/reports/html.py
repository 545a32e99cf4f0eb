"""One self-contained page in which every subset, class and image can be explored."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from analysis.sentences import many
from cli.common import Output, as_options
from cli.reports.cost import COST
from cli.reports.job import IMAGES, Job, images_or_why
from ensemble.errors import BadInput

if TYPE_CHECKING:
    from analysis.page.value import Page

OPTIONS = (
    IMAGES,
    COST,
    click.option(
        "--labels", "labels_file", type=click.Path(path_type=Path), metavar="FILE",
        help="html FILE...: the true classes, as ens-import takes them, where the files do not hold them.",
    ),
)  # fmt: skip


def report(output: Output, job: Job) -> dict[str, Any]:
    """Write index.html, and say what it holds."""
    from analysis.page.value import page_of
    from analysis.page.write import write_page
    from ensemble.datasets.decode import encode

    split, why = images_or_why(output, job)
    with output.progress("Choosing again and again for an honest score", "ways") as progress:
        page = page_of(job.data, split, encode, _images(job), why, progress, job.options["cost"])
    path = job.path("index", ending="html")
    return _written(output, write_page(_with_options(page), path, encode), path)


def report_files(output: Output, files: Sequence[Path], out: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Write index.html of files of predictions, without a study; the files stay as they are."""
    from analysis.members.costs import MEASURED, cost_words
    from analysis.page.value import page_of_predictions
    from analysis.page.write import write_page
    from analysis.selection.costs import read_costs
    from ensemble.importing.parse import import_files

    imported = import_files(files, labels=options["labels_file"])
    for one in imported:
        for note in one.notes:
            output.say(f"Note: {one.file}: {note}.")
    found = [one.predictions for one in imported]
    splits = {p.split for p in found}
    if len(splits) > 1:
        raise BadInput(f"the files are of several splits, {', '.join(sorted(splits))}; name files of one.")
    title = files[0].stem if len(files) == 1 else f"{len(files)} members"
    given = {"--labels": options["labels_file"], "--cost": options["cost"]}
    named = (part for option, file in given.items() if file for part in (option, shlex.quote(Path(file).name)))
    again = " ".join(["ens-report html", *(shlex.quote(file.name) for file in files), *named])
    if options["cost"] in MEASURED:
        raise BadInput(
            f"--cost {options['cost']}: files of predictions do not say what networks made them; give a CSV file with "
            "the columns member and cost."
        )
    costs = (read_costs(options["cost"]), cost_words(options["cost"])) if options["cost"] else None
    with output.progress("Scoring subsets, and choosing again and again", "steps") as progress:
        page = page_of_predictions(found, title, [again], options["intersect"], progress, costs)
    path = out / "index.html"
    return _written(output, write_page(_with_options(page), path), path)


def _with_options(page: "Page") -> "Page":
    """Return the page with what is left out, and why, in the words of a command's options."""
    return replace(page, lacking={what: as_options(reason) for what, reason in page.lacking.items()})


def _written(output: Output, page: "Page", path: Path) -> dict[str, Any]:
    """Say what a page holds and where it is."""
    from analysis.page.limit import MOST_BYTES

    size = path.stat().st_size
    shown = 0 if page.pictures is None else len(page.pictures.samples)
    output.note(
        (
            f"{many(page.table.count, 'subset')}, {len(page.panels.masks):,} of them with their classes"
            if page.table.count > 1
            else "one classifier"
        )
        + f"; {many(shown, 'image')}."
    )
    for warning in page.warnings:
        output.warn(warning)
    for what, reason in page.lacking.items():
        output.note(f"without {what}: {as_options(reason)}")
    if size > MOST_BYTES:
        output.note(f"The page has more than {MOST_BYTES // 10**6} MB; a smaller --images makes it smaller.")
    output.text(f"page: {path}, {size / 1e6:.1f} MB; it opens in any browser and can be sent as it is.")
    return {
        "kind": "html", "split": page.table.split, "members": page.table.members, "subsets": page.table.count,
        "explored": len(page.panels.masks), "images": shown, "bytes": size, "lacking": page.lacking, "files": [path],
    }  # fmt: skip


def _images(job: Job) -> int | None:
    """Return how many images of a class were asked for; None where nobody did, and the page decides."""
    asked = click.get_current_context().get_parameter_source("images")
    return None if asked in (None, ParameterSource.DEFAULT) else job.options["images"]


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report errors{job.on}", f"ens-combine --max-size 3 --save best3{job.on}")
