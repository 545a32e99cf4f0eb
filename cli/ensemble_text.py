"""What an ensemble is made of, for documents and for people."""

from typing import TYPE_CHECKING, Any

from cli.common import Output

if TYPE_CHECKING:
    from analysis.ensemble import Ensemble


def ensemble_document(ensemble: "Ensemble") -> dict[str, Any]:
    """Return what an ensemble is for the JSON document."""
    found, weights = ensemble.definition, ensemble.weights
    return {
        "name": ensemble.name, "members": ensemble.members, "rule": ensemble.rule,
        "weights": None if weights is None else dict(zip(ensemble.members, weights, strict=True)),
        "selection": found.selection if found else None, "chosen_on": found.chosen_on if found else None,
        "changed": ensemble.changed,
    }  # fmt: skip


def warn_changed(output: Output, ensemble: "Ensemble") -> None:
    """Warn where members of a saved ensemble predict otherwise than they did when it was chosen."""
    if ensemble.changed and ensemble.definition is not None:
        names, split = ", ".join(ensemble.changed), ensemble.definition.chosen_on
        output.warn(
            f"{ensemble.name} is computed from what its members predict now; predictions of {names} for {split} have "
            "changed since it was chosen."
        )
