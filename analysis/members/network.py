"""The layers of a member's network as a CSV table."""

from pathlib import Path

from analysis.csv_cells import write_csv
from ensemble.study.network_file import NetworkSummary

HEADER = ("layer", "kind", "output", "parameters", "statistics")


def write_layers_csv(path: Path, network: NetworkSummary) -> None:
    """Write one row a layer and a last one, `total`, whole or not at all."""
    rows: list[tuple[object, ...]] = [(s.name, s.kind, s.shape, s.parameters, s.statistics) for s in network.layers]
    write_csv(path, HEADER, [*rows, ("total", "", "", network.parameters, network.statistics)])
