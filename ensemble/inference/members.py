"""Who predicts: members of a study that have a network, alone or with the weights of a saved ensemble."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from ensemble.errors import BadInput, nearest
from ensemble.study.names import natural_key
from ensemble.study.predictions import Header, read_header, read_rows
from ensemble.study.study import Study


@dataclass(frozen=True)
class EnsembleSpec:
    """The members that predict together.

    ensemble: the saved ensemble they make up; None where they are simply averaged.
    members: their names, in natural order. weights: of each, summing to 1; equal ones where no ensemble says others.
    rule: "mean" or "geometric". selection: how the ensemble was chosen, where that is known.
    without: members of the study that were left out, because they are predictions without a network.
    """

    ensemble: str | None
    members: tuple[str, ...]
    weights: Mapping[str, float]
    rule: str = "mean"
    selection: str | None = None
    without: tuple[str, ...] = field(default=())


def networks(study: Study) -> list[str]:
    """Return the names of the members whose weights are there, in natural order."""
    return study.members_with("weights")


def ensemble_spec(study: Study, patterns: Sequence[str] = (), ensemble: str = "all") -> EnsembleSpec:
    """Return who predicts: members whose names match one of the patterns, or the parts of a saved ensemble.

    ensemble: "all" for the plain mean of the members, else a saved ensemble's name, or a single member's.
    Raises `BadInput` where nobody of that name can, and says why.
    """
    if ensemble != "all":
        return _saved(study, ensemble)
    there = networks(study)
    said = {name for split in study.splits() for name in study.members(split)}
    if not there:
        why = "its predictions were imported, and come without networks" if said else "none was trained to the end"
        raise BadInput(f"{study.root}: no member can look at new images, {why}; train some with ens-train.")
    chosen: set[str] = set()
    for pattern in patterns:
        matches = [name for name in there if fnmatchcase(name, pattern)]
        if not matches:
            check_networks(study, [name for name in sorted(said) if fnmatchcase(name, pattern)] or [pattern])
        chosen.update(matches)
    members = tuple(name for name in there if name in chosen or not patterns)
    without = () if patterns else tuple(sorted((n for n in said - set(there) if _is_member(study, n)), key=natural_key))
    return EnsembleSpec(None, members, dict.fromkeys(members, 1 / len(members)), without=without)


def check_networks(study: Study, names: Sequence[str]) -> None:
    """Raise `BadInput` for the first of the names that is no member with a network, and say what it is."""
    there = networks(study)
    for name in names:
        if name in there:
            continue
        snapshots = [other for other in there if re.fullmatch(rf"{re.escape(name)}-s\d+", other)]
        if snapshots:
            raise BadInput(
                f"{study.root}: {name!r} is kept as its snapshots alone, {', '.join(snapshots)}; "
                f"name them, with member='{name}-s*' say."
            )
        if name in study.members_with("recipe"):
            raise BadInput(
                f"{study.root}: the training of {name!r} is not over, so it cannot predict; "
                "run the same ens-train again, and it goes on."
            )
        found = _stored(study, name)
        if found is not None and found.kind == "ensemble":
            raise BadInput(f"{study.root}: {name!r} is a saved ensemble; ask for it with ensemble={name!r}.")
        if found is not None:
            raise BadInput(
                f"{study.root}: {name!r} is predictions only, which were imported, and no network that could look at "
                f"new images; with a network: {', '.join(there) or 'none'}."
            )
        raise BadInput(f"{study.root}: no member matches {name!r}; {nearest(name, there)}.")


def _saved(study: Study, name: str) -> EnsembleSpec:
    """Return the parts of a saved ensemble; a single member is an ensemble of one."""
    there = networks(study)
    if name in there:
        return EnsembleSpec(None, (name,), {name: 1.0})
    found = _stored(study, name)
    if found is None:
        saved = [n for split in study.splits() for n in study.members(split) if not _is_member(study, n)]
        known = list(dict.fromkeys(["all", *saved, *there]))
        raise BadInput(
            f"{study.root}: has no saved ensemble {name!r}; {nearest(name, known)}. "
            "Save one with 'ens-combine --save NAME'."
        )
    if found.kind != "ensemble":
        check_networks(study, [name])
    if not found.parents:
        made = f"of {found.attributes['stacked']} " if "stacked" in found.attributes else ""
        raise BadInput(
            f"{study.root}: {name!r} is no weighted mean but a regression {made}whose coefficients are not kept, so it "
            "cannot predict new images; save another one with 'ens-combine --select weights --save NAME'."
        )
    missing = [parent for parent in found.parents if parent not in there]
    if missing:
        raise BadInput(
            f"{study.root}: {name!r} is made of {', '.join(found.parents)}, and {', '.join(missing)} "
            f"{'has' if len(missing) == 1 else 'have'} no network here (imported, or a saved ensemble); "
            "name members that were trained here with member=NAME."
        )
    weights = dict(zip(found.parents, found.weights, strict=True))
    members = tuple(sorted(weights, key=natural_key))
    rule, selection = (str(found.attributes[key]) if key in found.attributes else "" for key in ("rule", "selection"))
    return EnsembleSpec(name, members, weights, rule or "mean", selection or None)


def _stored(study: Study, name: str) -> Header | None:
    """Return what the predictions of that name say of themselves, of val where there are some, else of any split."""
    splits = [split for split in study.splits() if name in study.members(split)]
    return read_header(study.predictions_path(name, "val" if "val" in splits else splits[0])) if splits else None


def _is_member(study: Study, name: str) -> bool:
    split = next(split for split in study.splits() if name in study.members(split))
    return read_rows(study.predictions_path(name, split)).kind == "member"
