"""A saved ensemble as a definition: members, weights, rule, how and where it was chosen, and from what."""

from collections.abc import Mapping
from dataclasses import dataclass

from ensemble.study.names import natural_key
from ensemble.study.predictions import read_header
from ensemble.study.study import Study


@dataclass(frozen=True)
class EnsembleDefinition:
    """What a saved ensemble is, on whatever split its members have predictions for.

    members: their names, in natural order. weights: of each, summing to 1; None of a regression on them.
    rule: "mean", "geometric", or "stack" for a regression. selection: how it was chosen, as in `--select`, or "given";
    None where that is not known. chosen_on: the split it was chosen on; None in studies of older versions.
    made_from: the `predictions_digest` of each member on that split; empty in studies of older versions.
    intersect: it was chosen on the samples that its members have in common. splits: those on which predictions of its
    own are stored.
    """

    name: str
    members: tuple[str, ...]
    weights: Mapping[str, float] | None
    rule: str
    selection: str | None
    chosen_on: str | None
    made_from: Mapping[str, str]
    intersect: bool
    splits: tuple[str, ...]


def find_definition(study: Study, name: str) -> EnsembleDefinition | None:
    """Return the definition of a saved ensemble; None where the study has none of that name.

    It stands in the predictions that were saved when it was chosen; in a study of an older version in those of val, or
    of any split.
    """
    there = [split for split in study.splits() if name in study.members(split)]
    found = {split: read_header(study.predictions_path(name, split)) for split in there}
    found = {split: header for split, header in found.items() if header.kind == "ensemble"}
    if not found:
        return None
    chosen = [split for split, header in found.items() if header.attributes.get("chosen_on") == split]
    split = next(iter([*chosen, *(s for s in ("val",) if s in found), *found]))
    header, more = found[split], found[split].attributes
    weights = dict(zip(header.parents, header.weights, strict=True)) if header.parents else None
    return EnsembleDefinition(
        name=name,
        members=tuple(sorted(header.members, key=natural_key)),
        weights=weights,
        rule=str(more.get("rule", "mean")) if weights else "stack",
        selection=str(more["selection"]) if "selection" in more else None,
        chosen_on=split if chosen else None,
        made_from=header.made_from,
        intersect=bool(more.get("intersect", False)),
        splits=tuple(found),
    )


def saved_ensembles(study: Study) -> list[str]:
    """Return the names of a study's saved ensembles, in natural order."""
    files = {name: split for split in study.splits() for name in study.members(split)}
    saved = (n for n, split in files.items() if read_header(study.predictions_path(n, split)).kind == "ensemble")
    return sorted(saved, key=natural_key)
