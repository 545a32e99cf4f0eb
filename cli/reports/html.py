"""One self-contained page in which every subset, class and image can be explored."""

from typing import Any

import click
from click.core import ParameterSource

from cli.common import Output
from cli.reports.job import IMAGES, Job, images_or_why

OPTIONS = (IMAGES,)


def report(output: Output, job: Job) -> dict[str, Any]:
    """Write index.html, and say what it holds."""
    from analysis.page.value import page_of
    from analysis.page.write import write_page
    from ensemble.datasets.decode import encode

    split, why = images_or_why(output, job)
    with output.progress("Choosing again and again for an honest score", "ways") as progress:
        page = page_of(job.data, split, encode, _images(job), why, progress)
    path = write_page(page, job.path("index", ending="html"), encode)
    size = path.stat().st_size
    shown = 0 if page.pictures is None else len(page.pictures.samples)
    output.note(
        f"{len(page.table):,} subsets, {len(page.panels.masks):,} of them with their classes; {shown:,} images."
    )
    for what, reason in page.lacking.items():
        output.note(f"without {what}: {reason}")
    output.text(f"page: {path}, {size / 1e6:.1f} MB; it opens in any browser and can be sent as it is.")
    return {
        "kind": "html", "split": page.table.split, "members": page.table.members, "subsets": len(page.table),
        "explored": len(page.panels.masks), "images": shown, "bytes": size, "lacking": page.lacking, "files": [path],
    }  # fmt: skip


def _images(job: Job) -> int | None:
    """Return how many images of a class were asked for; None where nobody did, and the page decides."""
    asked = click.get_current_context().get_parameter_source("images")
    return None if asked in (None, ParameterSource.DEFAULT) else job.options["images"]


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report errors{job.on}", f"ens-combine --max-size 3 --save best3{job.on}")
