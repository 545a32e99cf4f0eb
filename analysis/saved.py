"""Saved ensembles of a study: computed on any split from the predictions that their members have there now."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from analysis.ensemble import STACKED, Ensemble, as_predictions, ensemble_of
from analysis.metrics import predicted, quantise
from analysis.selection.resampling import read_groups
from analysis.selection.stacking import fit
from analysis.stack import PredictionStack, join
from analysis.statistics import group_codes
from analysis.streamed import Opened, join_opened, join_some, open_files
from ensemble.errors import BadInput, nearest
from ensemble.study.definitions import EnsembleDefinition, find_definition, saved_ensembles
from ensemble.study.names import matching, natural_key
from ensemble.study.predictions import Predictions, Rows, read_group
from ensemble.study.study import Study, check_named

MOST_HELD = 2**28  # bytes of predictions that are read into memory as a whole


def groups_of(study: Study, stack: PredictionStack, file: str | Path | None = None) -> np.ndarray | None:
    """Return which group each sample of a stack is of, int64 (N,): by a file, else by its members' predictions.

    file: as `read_groups` takes it. None where there is none and no predictions hold `group`, or all of one. Raises
    `BadInput` as `read_groups` does, and where members' predictions say otherwise.
    """
    if file is not None:
        return group_codes(read_groups(file, stack.sample_ids), stack.samples)
    found: dict[str, np.ndarray] = {}
    for member in stack.members:
        path = study.predictions_path(member, stack.split)
        held = read_group(path) if path.is_file() else None
        names = [] if held is None else [held.get(str(sample), "") for sample in stack.sample_ids]
        if len(set(names)) > 1:
            found[member] = group_codes(names, stack.samples, str(path))
    # Numbered as they come, equal groups are equal numbers, whatever they are called.
    unlike = [name for name in found if not np.array_equal(found[name], next(iter(found.values())))]
    if unlike:
        raise BadInput(
            f"{study.root}: the predictions of {next(iter(found))} and {unlike[0]} for {stack.split!r} say otherwise "
            "which samples belong together; name a file that says it, as groups=FILE."
        )
    return next(iter(found.values()), None)


def saved_ensemble(
    study: Study, name: str, split: str = "val", intersect: bool = False, within: tuple[str, ...] = ()
) -> Ensemble:
    """Return a saved ensemble on a split, labelled or not, computed from what its members predict there now.

    `Ensemble.changed` names the members that predict otherwise on the split it was chosen on than they did then. A
    regression is fitted again to that split; on it stand the predictions that were made out of fold when it was saved.
    Where members lack predictions for the split, and the ensemble has some of its own, it stands alone with these.
    intersect: where members differ in samples, take the common ones, as is done for one that was chosen on such.
    within: the saved ensembles that it takes part in, so that none takes part in itself.
    Raises `BadInput` where the study has none of that name, members lack predictions for the split, or those that a
    regression was fitted to have changed.
    """
    found = find_definition(study, name)
    if name in within:
        raise BadInput(f"{study.root}: {name!r} takes part in itself, by way of {' and '.join(within)}; save it again.")
    if found is None:
        saved = saved_ensembles(study)
        more = f"; {nearest(name, saved)}" if saved else ""
        raise BadInput(
            f"{study.root}: has no saved ensemble {name!r}{more}. Save one with 'ens-combine --save {name}'."
        )
    missing = [member for member in found.members if not _is_there(study, member, split)]
    if missing or not found.members:
        if split in found.splits:
            return _alone(study, found, split)
        raise BadInput(
            f"{study.root}: {name!r} is made of {', '.join(found.members)}, and {', '.join(missing)} "
            f"{'has' if len(missing) == 1 else 'have'} no predictions for split {split!r}; splits on which all of them "
            f"have some: {', '.join(_splits_of(study, found)) or 'none'}."
        )
    sources = [predictions_of(study, m, split, intersect, (*within, name), held=False) for m in found.members]
    stack = join_some(sources, intersect or found.intersect)
    changed = study.changed(found.made_from, found.chosen_on) if found.chosen_on else ()
    if found.weights is None:
        return _regression(study, found, stack, split, changed, intersect)
    return replace(ensemble_of(stack, found.weights, found.rule, name), definition=found, changed=changed)


def _is_there(study: Study, member: str, split: str) -> bool:
    """Say whether a member, or a saved ensemble that takes part in another, has predictions for a split."""
    if member in study.members(split):
        return True
    found = find_definition(study, member) if any(member in study.members(s) for s in study.splits()) else None
    return found is not None and all(_is_there(study, part, split) for part in found.members)


def _splits_of(study: Study, found: EnsembleDefinition) -> list[str]:
    return [split for split in study.splits() if all(_is_there(study, member, split) for member in found.members)]


def _alone(study: Study, found: EnsembleDefinition, split: str) -> Ensemble:
    """Return a saved ensemble by its stored predictions, without its members."""
    stack = join_some([study.read(found.name, split, held=False)])
    return replace(ensemble_of(stack, name=found.name), definition=found)


def _regression(
    study: Study, found: EnsembleDefinition, stack: PredictionStack, split: str, changed: tuple[str, ...],
    intersect: bool,
) -> Ensemble:  # fmt: skip
    name, chosen_on = found.name, found.chosen_on
    if changed:
        raise BadInput(
            f"{study.root}: {name!r} is a regression on predictions of {', '.join(changed)} for {chosen_on!r} that "
            f"have changed since; save it again: 'ens-combine --select stack --split {chosen_on} --save NAME'."
        )
    if split in found.splits:
        own = join([study.read(name, split)]).aligned(stack)
        return Ensemble(stack, name, None, STACKED, predicted(quantise(own.probs[0])), own.mean_probs(), found)
    if chosen_on is None:
        raise BadInput(
            f"{study.root}: {name!r} is a regression of an older version, which does not say what it was fitted to; "
            "save it again: 'ens-combine --select stack --save NAME'."
        )
    seen = join([predictions_of(study, m, chosen_on, intersect) for m in found.members], intersect or found.intersect)
    probs = fit(seen.probs, seen.require_labels()).probs(stack.probs)
    return Ensemble(stack, name, None, STACKED, predicted(quantise(probs)), probs, found)


def predictions_of(
    study: Study | str | Path,
    name: str,
    split: str = "val",
    intersect: bool = False,
    within: tuple[str, ...] = (),
    *,
    held: bool = True,
) -> Predictions:
    """Return the predictions of a member as they are stored, or of a saved ensemble as its members predict now.

    study, name, split: whose, and of what; intersect: where members differ in samples, take the common ones; within: as
    `saved_ensemble` has it; held: False leaves large ones in their files, see `Predictions.probs`. Raises `BadInput` as
    `Study.read` and `saved_ensemble` do.
    """
    study = Study.of(study)
    found = find_definition(study, name) if any(name in study.members(s) for s in study.splits()) else None
    if found is None:
        return study.read(name, split, held=held)
    ensemble = saved_ensemble(study, name, split, intersect, within)
    if ensemble.members == (name,):
        return study.read(name, split, held=held)
    made = ensemble_predictions(study, ensemble, intersect)
    return replace(made, probs=made.probs[:]) if held else made


def ensemble_predictions(study: Study, ensemble: Ensemble, intersect: bool = False) -> Predictions:
    """Return what a study's ensemble predicts as predictions, with all that is known of how it was made."""
    found = ensemble.definition
    named = replace(ensemble, name={"all": "mean", "best": "best-subset"}.get(ensemble.name, ensemble.name))
    sources = (predictions_of(study, member, ensemble.split, intersect, held=False) for member in ensemble.members)
    more = {} if found is None else {"selection": found.selection, "chosen_on": found.chosen_on}
    return as_predictions(named, sources, **more)


def select_predictions(
    study: Study | str | Path, split: str = "val", patterns: Sequence[str] = (), intersect: bool = False
) -> list[Predictions]:
    """Return the predictions of a study's members that match a pattern, in natural order; all without patterns.

    Saved ensembles take part only where a pattern matches them, and then on every split on which their members have
    predictions. intersect: where these differ in samples, take the common ones.
    Raises `BadInput` where a pattern matches nothing, or there are no predictions for the split.
    """
    study = Study.of(study)
    if not patterns:
        return study.select(split)
    known = names_on(study, split)
    if not known:
        return study.select(split)  # says what there is
    chosen = matching(patterns, known, study.root, f" for split {split!r}")
    return [predictions_of(study, name, split, intersect) for name in chosen]


def select_stack(
    study: Study, split: str = "val", patterns: Sequence[str] = (), intersect: bool = False
) -> tuple[PredictionStack, list[Predictions | Rows]]:
    """Return a study's members that match a pattern, joined, and what their files say beside it, in the same order.

    They are those of `select_predictions`. Where files have more than 256 MB together, predictions stay in them and are
    read as they are needed. Raises `BadInput` as `select_predictions` and `join` do, and where a split has saved
    ensembles only and none is named.
    """
    stored, known = study.members(split), names_on(study, split) if patterns else study.members(split)
    if not known:
        study.select(split)  # says what there is
    files = {name: study.predictions_path(name, split) for name in stored}
    names = matching(patterns, known, study.root, f" for split {split!r}") if patterns else stored
    there = [name for name in names if name in files]
    small = sum(files[name].stat().st_size for name in there) <= MOST_HELD
    opened: dict[str, Opened] = dict(zip(there, open_files([files[name] for name in there], small), strict=True))
    for name, (rows, _) in opened.items():
        check_named(files[name], rows, name, split)
    members = [name for name in there if opened[name][0].kind == "member"]
    if not members and not patterns:
        refuse_ensembles_only(study, split)
    computed = (
        predictions_of(study, name, split, intersect, held=small) for name in names if patterns and name not in members
    )
    found = [*(opened[m] for m in members), *((p, p.probs) for p in computed)]
    found.sort(key=lambda pair: natural_key(pair[0].member))
    stack = join_opened(found, intersect)
    if small:
        stack = replace(stack, probs=stack.probs[:, :])
    return stack, [rows for rows, _ in found]


def refuse_ensembles_only(study: Study, split: str) -> NoReturn:
    """Raise the `BadInput` of a split with saved ensembles only, none of which is named."""
    raise BadInput(
        f"{study.root}: split {split!r} has saved ensembles only, {', '.join(study.members(split))}; they take part "
        "when they are named with members=NAME."
    )


def names_on(study: Study, split: str) -> list[str]:
    """Return the names of members and saved ensembles that have predictions for a split, stored or computed."""
    stored = set(study.members(split))
    elsewhere = {name for s in study.splits() for name in study.members(s)} - stored
    defined = {name for name in elsewhere if find_definition(study, name) and _is_there(study, name, split)}
    return sorted(stored | defined, key=natural_key)
