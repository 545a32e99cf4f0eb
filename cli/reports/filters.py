"""Kernels of a convolution, the first unless told otherwise, and numbers to how smooth they are."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.common import Output
from cli.reports.job import Job
from cli.reports.text import file_name

if TYPE_CHECKING:
    import numpy as np

    from analysis.members.filters import FilterGrid, FilterMeasures

OPTIONS = (
    click.option(
        "--scale",
        type=click.Choice(["filter", "shared"]),
        default="filter",
        show_default=True,
        help="filters: each from its own smallest to its largest weight, or all on one scale.",
    ),
    click.option(
        "--sort",
        type=click.Choice(["none", "colour", "frequency"]),
        default="none",
        show_default=True,
        help="filters: as they stand, grey ones first and then by hue, or smooth ones first.",
    ),
    click.option(
        "--layer",
        metavar="N|NAME",
        default="",
        help="filters: another convolution, counted from 1 or by its name in 'ens-report layers'; needs the weights.",
    ),
    click.option(
        "--epochs", "through", is_flag=True, help="filters: before, after one epoch and at the end, side by side."
    ),
)
_WORDS = {"begin": "start", "first": "after 1 epoch", "last": "last epoch"}


def report(output: Output, job: Job) -> dict[str, Any]:
    """Show kernels, a picture a member, and measure them beside those of their start."""
    from analysis.members.filters import filter_grid, measure_filters

    found, without = _kernels(job)
    scale, order = job.options["scale"], job.options["sort"]
    rows, members, lasts = [], [], []
    for member, layer, times in found:
        grids: dict[str, FilterGrid] = {}
        last = filter_grid(times["last"], member=member, layer=layer, scale=scale, order=order)
        for time, kernels in times.items():
            grids[time] = filter_grid(kernels, member=member, layer=layer, scale=scale, order=order, like=last)
        measured = {time: measure_filters(kernels) for time, kernels in times.items()}
        picture = _draw(job, last, grids, measured)
        lasts.append(last)
        rows.append(_row(member, last, measured["last"], measured.get("begin")))
        output.note(f"{member}: {_told(last)}")
        output.text(f"figure: {picture}")
        members.append({
            "name": member, "layer": layer or None, "kernels": last.kernels.shape, "limit": last.limit,
            "constant": last.constant, "shown": len(last.shown), "measures": _document(measured["last"]),
            "measures_at": {time: _document(value) for time, value in measured.items()}, "file": picture,
        })  # fmt: skip
    heads = ("member", "kernels", "dead", "high freq. %", "eff. rank", "colour %")
    output.table(heads, rows, title="In brackets: the same of its start; high freq.: of noise, where that is not known")
    if without:
        output.note(f"Left out: {'; '.join(without.values())}.")
    files = [member["file"] for member in members]
    if len(lasts) > 1 and not job.options["through"]:
        files.append(_draw_all(job, lasts))
        output.text(f"figure: {files[-1]}")
    return {"kind": "filters", "scale": scale, "order": order, "members": members, "without": list(without),
            "files": files}  # fmt: skip


def _kernels(job: Job) -> "tuple[list[tuple[str, str, dict[str, np.ndarray]]], dict[str, str]]":
    """Return member, layer and kernels by time ("last" at least) of each, and why the others have none."""
    from analysis.report_data import NotAvailable
    from ensemble.errors import BadInput, DamageWarning
    from ensemble.study.network_file import read_network
    from ensemble.study.weights import convolutions, find_layer, read_first_layer, read_kernels

    study, asked = job.data.study, job.options["layer"]
    found, without = [], {}
    for p in job.data.predictions:
        files = study.files(p.member)
        try:
            times = read_first_layer(files.first_layer) or {}
        except BadInput as error:
            warnings.warn(DamageWarning(f"{error} {p.member} is shown without its early kernels."), stacklevel=1)
            times = {}
        if asked:
            path, network = files.weights, read_network(files.network)
            if not path.is_file():
                without[p.member] = f"{p.member}: no weights are kept of it, so that only its first layer can be shown"
                continue
            names = tuple(layer.name for layer in network.layers) if network else ()
            layers = convolutions(path, names)
            try:
                layer = find_layer(asked, layers, path)
            except BadInput as error:
                without[p.member] = str(error).rstrip(".")
                continue
            if layer != next(iter(layers)):
                times = {}
            times["last"] = read_kernels(path, layer)
        elif p.first_layer is not None:
            layer, times["last"] = "", p.first_layer
        else:
            without[p.member] = f"{p.member}: imported, or its network does not begin with a convolution"
            continue
        if job.options["through"] and "begin" not in times:
            why = "early kernels are kept of first layers only" if asked else "its early kernels are not kept"
            without[p.member] = f"{p.member}: {why}, and not of imported members or by older versions"
            continue
        same = {time: times[time] for time in _WORDS if time in times and times[time].shape == times["last"].shape}
        found.append((p.member, layer, same))
    if not found:
        if not asked and not job.options["through"]:
            raise NotAvailable(
                f"{study.root}: no first-layer kernels are known of {', '.join(without)}; members that were imported, "
                "and networks that do not begin with a convolution, have none."
            )
        raise NotAvailable(
            f"{study.root}: no kernels can be shown of {', '.join(without)}. {next(iter(without.values()))}."
        )
    return found, without


def _draw(job: Job, last: "FilterGrid", grids: "dict[str, FilterGrid]", measured: "dict[str, FilterMeasures]") -> Path:
    from analysis.figures.filters import epochs_figure, filters_figure, measures_said
    from analysis.figures.style import save, style

    parts = ["filters", last.member, file_name(last.layer), "shared" if last.scale == "shared" else ""]
    parts += ["" if last.order == "none" else last.order, "epochs" if job.options["through"] else ""]
    with style():
        if job.options["through"]:
            notes = {_WORDS[time]: _smoothness(value) for time, value in measured.items()}
            figure = epochs_figure({_WORDS[time]: grid for time, grid in grids.items()}, notes)
        else:
            figure = filters_figure(last, measures_said(measured["last"], measured.get("begin")))
        return save(figure, job.out / f"{'-'.join(part for part in parts if part)}.{job.format}")


def _draw_all(job: Job, lasts: "list[FilterGrid]") -> Path:
    """Draw every member's kernels in one picture."""
    from analysis.figures.filters import members_figure
    from analysis.figures.style import save, style

    scale = "shared" if lasts[0].scale == "shared" else ""
    order = "" if lasts[0].order == "none" else lasts[0].order
    detail = "-".join(part for part in (file_name(lasts[0].layer), scale, order) if part)
    with style():
        return save(members_figure(lasts), job.path("filters-all", detail))


def _smoothness(value: "FilterMeasures") -> str:
    high = "" if value.high != value.high else f"high freq. {100 * value.high:.0f} %\n"
    return f"{high}eff. rank {value.rank:.1f}, {value.dead or 'no'} dead"


def _told(grid: "FilterGrid") -> str:
    from analysis.figures.filters import caption

    return caption(grid) + (f"; {grid.constant} of them flat" if grid.constant else "")


def _row(member: str, grid: "FilterGrid", now: "FilterMeasures", start: "FilterMeasures | None") -> list[str]:
    def cell(value: float, before: float | None, by: float = 1.0) -> str:
        if value != value:
            return "-"
        return f"{by * value:.1f}" + ("" if before is None or before != before else f" ({by * before:.1f})")

    out, channels, height, width = grid.kernels.shape
    return [
        member, f"{out}: {height}x{width}x{channels}", f"{now.dead}",
        cell(now.high, start.high if start else now.noise, 100), cell(now.rank, start.rank if start else None),
        cell(now.colour, start.colour if start else None, 100),
    ]  # fmt: skip


def _document(value: "FilterMeasures") -> dict[str, Any]:
    return {
        "dead": value.dead, "dead_share": value.dead_share, "high_frequency": value.high,
        "high_frequency_of_noise": value.noise, "effective_rank": value.rank, "full_rank": value.full,
        "colour": value.colour,
    }  # fmt: skip


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report layers{job.on}", f"ens-report training{job.on}")
