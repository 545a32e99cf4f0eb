"""What the images look like: a grid of some classes' images, drawn at random."""

from typing import Any

import click

from analysis.sentences import many
from cli.common import Output
from cli.reports.job import CLASSES, IMAGES, SEED, Job, dataset_of
from cli.reports.text import file_name, first

OPTIONS = (
    CLASSES,
    IMAGES,
    SEED,
    click.option(
        "--rows",
        type=click.IntRange(1, 40),
        default=10,
        show_default=True,
        metavar="N",
        help="sample: how many classes are drawn, a row each.",
    ),
)


def report(output: Output, job: Job) -> dict[str, Any]:
    """Show images of some classes of the split, whatever was predicted for them."""
    from analysis.images.gallery import find_class, sample_grid
    from analysis.report_data import NotAvailable

    options, data = job.options, job.data
    dataset = dataset_of(output, job)
    if data.split not in dataset.splits:
        raise NotAvailable(
            f"{dataset.source}: has no images for split {data.split!r}; it has {', '.join(dataset.splits)}."
        )
    split = dataset.split(data.split)
    if split.labels is None:
        raise NotAvailable(
            f"{dataset.source}: split {split.name!r} is unlabelled, so its images cannot be put by class."
        )
    chosen = [find_class(name, split.class_ids, split.class_names) for name in options["classes"]]
    grid = sample_grid(split, options["rows"], options["images"], options["seed"], list(dict.fromkeys(chosen)) or None)
    from analysis.figures.gallery import sample_figure
    from analysis.figures.style import save, style

    detail = file_name("-".join(grid.class_ids)) if chosen else ""
    with style():
        picture = save(sample_figure(grid), job.path("sample", detail))
    output.note(
        f"{many(len(grid.class_ids), 'class', 'classes')} of {grid.of:,} on {grid.split}, "
        f"{many(sum(map(len, grid.images)), 'image')}: {', '.join(first(name) for name in grid.class_names)}.",
    )
    output.text(f"figure: {picture}")
    return {
        "kind": "sample", "split": grid.split, "seed": grid.seed, "of": grid.of,
        "classes": [
            {"id": i, "name": name, "sample_ids": ids}
            for i, name, ids in zip(grid.class_ids, grid.class_names, grid.sample_ids, strict=True)
        ],
        "files": [picture],
    }  # fmt: skip


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report gallery{job.on}",)
