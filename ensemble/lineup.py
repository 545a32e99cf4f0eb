"""Which members a study shall have, and what is left to do for each."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ensemble.epochs import best_epoch, read_epochs
from ensemble.errors import BadInput
from ensemble.jobs import Outcome
from ensemble.predictions import check_name
from ensemble.recipe import Plan, Recipe, plan_from_dict, read_recipe
from ensemble.store import Study
from ensemble.variants import variants


@dataclass(frozen=True)
class Entry:
    """One member asked for. action: "train", "resume" (it was cut off), "predict" (a split is missing) or "skip".

    threads: those pinned when the member started; None where it has not.
    """

    name: str
    recipe: Recipe
    action: str
    threads: int | None = None


def line_up(
    study: Study,
    prefix: str,
    plan: Plan,
    count: int,
    vary: str,
    splits: Sequence[str],
    *,
    force: bool = False,
) -> list[Entry]:
    """Return members `prefix`-0 to `prefix`-(count - 1) with what is to be done; nothing is written.

    Raises `BadInput` where a member exists with another recipe, naming what differs, unless `force` starts it over.
    """
    check_name(prefix, "--name")
    entries = []
    for i, recipe in enumerate(variants(plan, count, vary)):
        name = f"{prefix}-{i}"
        folder = study.member_dir(name)
        pinned = folder / "recipe.toml"
        if force or not pinned.exists():
            taken = [s for s in study.splits() if study.predictions_path(name, s).exists()]
            if taken and not force:
                raise BadInput(
                    f"{study.predictions_path(name, taken[0])}: predictions of that name were imported; "
                    "choose another --name, or --force to replace them."
                )
            entries.append(Entry(name, recipe, "train"))
            continue
        there, threads = read_recipe(pinned)
        differences = recipe_differences(there, recipe)
        if differences:
            raise BadInput(
                f"{pinned}: member {name} exists with another recipe: {differences}; ask for what is there, "
                "choose another --name or --study, or --force to start it over."
            )
        entries.append(Entry(name, recipe, _what_is_left(study, name, splits), threads))
    return entries


def recipe_differences(there: Recipe, asked: Recipe) -> str:
    """Say what differs: "epochs is 30 there, 5 was asked for"; empty where nothing does."""
    pairs = [(key, value, asked.as_dict()[key]) for key, value in there.as_dict().items()]
    return "; ".join(f"{key} is {old!r} there, {new!r} was asked for" for key, old, new in pairs if old != new)


def _what_is_left(study: Study, name: str, splits: Sequence[str]) -> str:
    if not (study.member_dir(name) / "weights.safetensors").exists():
        return "resume" if (study.member_dir(name) / "checkpoint.safetensors").exists() else "train"
    return "skip" if all(study.predictions_path(name, s).exists() for s in splits) else "predict"


def finished_outcome(study: Study, entry: Entry, splits: Sequence[str]) -> Outcome:
    """Return what a member that needs nothing more has come to, read from its history."""
    epochs = read_epochs(study.member_dir(entry.name) / "history.csv", upto=entry.recipe.epochs)
    return Outcome(
        member=entry.name,
        status="skipped",
        epochs=len(epochs),
        last=epochs[-1] if epochs else None,
        best=best_epoch(epochs) if epochs else None,
        seconds=sum(e.seconds for e in epochs),
        images_per_second=median(e.images_per_second for e in epochs) if epochs else 0.0,
        predictions=tuple(str(study.predictions_path(entry.name, split)) for split in splits),
    )


def clear(study: Study, name: str) -> None:
    """Remove what a member has, predictions first, so that a kill leaves no predictions without their member."""
    for split in study.splits():
        study.predictions_path(name, split).unlink(missing_ok=True)
    folder = study.member_dir(name)
    if folder.exists():
        # One rename, then the removal: a half-removed member is never taken for one.
        gone = folder.with_name(f".{name}.{os.getpid()}.gone")
        folder.rename(gone)
        shutil.rmtree(gone)


def run_record(plan: Plan, vary: str, members: int) -> dict[str, Any]:
    """Return what was asked for as TOML can hold it, so that a study goes on with it whatever later versions ship."""
    return {
        "members": members,
        "vary": vary,
        **plan.base.as_dict(),
        "variants": [dict(v) for v in plan.variants],
        "ranges": {key: list(value) for key, value in (plan.ranges or {}).items()},
    }


def plan_of_run(record: Mapping[str, Any], where: str) -> tuple[Plan, str]:
    """Return the plan and the `--vary` of what `run_record` made."""
    content = {key: value for key, value in record.items() if key not in ("vary", "members")}
    return plan_from_dict(content, where), str(record.get("vary", "recipe"))
