"""The networks layer by layer, with output shapes and parameter counts."""

from typing import Any

from analysis.sentences import many
from cli.common import Output
from cli.reports.job import Job
from cli.reports.text import cut_middle

OPTIONS = ()
MOST_ROWS = 60  # of a network that nobody named; a longer one is in its file


def report(output: Output, job: Job) -> dict[str, Any]:
    """Show each network once, with the members that have it; a CSV file each."""
    from analysis.members.models import members_of, write_layers_csv
    from analysis.report_data import NotAvailable

    data = job.data
    members = members_of(data.study, data.split, data.patterns)
    networks: list[tuple[Any, list[str]]] = []
    for member in members:
        if member.network is None:
            continue
        same = [names for network, names in networks if network.layers == member.network.layers]
        same[0].append(member.name) if same else networks.append((member.network, [member.name]))
    without = [member.name for member in members if member.network is None]
    if not networks:
        raise NotAvailable(
            f"{data.study.root}: no network.json of {many(len(without), 'member')}, so no layers are known."
        )
    found, files = [], []
    for network, names in networks:
        table = job.out / f"layers-{names[0]}.csv"
        write_layers_csv(table, network)
        files.append(table)
        shown = network.layers if data.patterns or len(network.layers) <= MOST_ROWS else ()
        total = (
            f"{many(network.depth, 'layer')} with weights",
            "",
            "",
            f"{network.parameters:,}",
            f"{network.statistics:,}",
        )
        rows = [
            (cut_middle(layer.name or "(itself)", 28), cut_middle(layer.kind, 18), layer.shape,
             f"{layer.parameters:,}", f"{layer.statistics:,}" if layer.statistics else "")
            for layer in shown
        ]  # fmt: skip
        gflops = "" if network.gflops is None else f", {network.gflops:.3g} GFLOP an image"
        heads = ("layer", "kind", "output", "parameters", "BN stats")[: 5 if network.statistics else 4]
        output.table(
            heads,
            [row[: len(heads)] for row in (*rows, total)],
            title=f"{network.model}{gflops}; of {', '.join(names)}",
            left=(0, 1),
        )
        if not shown:
            output.hint(f"Its {len(network.layers)} rows are in the table; --member {names[0]} prints them.")
        output.text(f"table:  {table}")
        found.append({
            "model": network.model, "members": names, "depth": network.depth, "parameters": network.parameters,
            "statistics": network.statistics, "gflops": network.gflops, "start": dict(network.start),
            "layers": [vars(layer) for layer in network.layers],
        })  # fmt: skip
    if without:
        output.note(f"No network.json of {', '.join(without)}: imported, or trained by an older version.")
    return {"kind": "layers", "networks": found, "without": without, "files": files}


def following(job: Job) -> tuple[str, ...]:
    """Return the commands to run next."""
    return (f"ens-report models{job.on}", f"ens-report filters{job.on}")
