"""What members cost: GFLOP or parameters of their networks, or whatever a file says."""

from collections.abc import Sequence
from pathlib import Path

from analysis.selection.costs import check_costs, read_costs
from ensemble.errors import BadInput, nearest
from ensemble.study.network_file import read_network
from ensemble.study.study import Study

MEASURED = {"gflops": "GFLOP of one forward pass", "parameters": "trainable parameters"}


def member_costs(study: Study, members: Sequence[str], what: str) -> dict[str, float]:
    """Return the cost of each member: "gflops" or "parameters" of its network, or those of a CSV file.

    members: names of the study's. Raises `BadInput` where the network of one is not known, or
    as `read_costs` and `check_costs` do, naming the file.
    """
    if what not in MEASURED:
        if not Path(what).exists():
            raise BadInput(
                f"cost={what!r}: is neither a file nor what is measured of networks; {nearest(what, MEASURED)}."
            )
        costs = read_costs(what)
        check_costs(costs, members, what)
        return costs
    found = {name: read_network(study.files(name).network) for name in members}
    unknown = [name for name, network in found.items() if network is None]
    if unknown:
        raise BadInput(
            f"{study.root}: no network.json, which says what a network costs, of {len(unknown):,} of {len(members):,} "
            f"members, {unknown[0]!r} for one, as of all that were imported; give costs in a CSV file with the "
            "columns member and cost, as cost='costs.csv'."
        )
    return {name: float(getattr(network, what)) for name, network in found.items()}


def cost_words(what: str) -> str:
    """Return what the costs are of, in words."""
    return MEASURED.get(what, f"the costs of {what}")
