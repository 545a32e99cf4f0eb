"""First-layer kernels."""

from typing import Any

import click

from cli.common import Talk
from cli.reports.job import Job

OPTIONS = (
    click.option(
        "--scale",
        type=click.Choice(["filter", "shared"]),
        default="filter",
        show_default=True,
        help="filters: each from its own smallest to its largest weight, or all on one scale.",
    ),
)


def report(talk: Talk, job: Job) -> dict[str, Any]:
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
    grids = [
        filter_grid(p.first_layer, member=p.member, scale=job.options["scale"])
        for p in there
        if p.first_layer is not None
    ]
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
    return {"kind": "filters", "scale": job.options["scale"], "members": members, "without": without, "files": files}


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report training{job.on}",)
