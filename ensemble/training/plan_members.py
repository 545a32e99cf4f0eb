"""Which members a study shall have, and what is left to do for each."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ensemble.errors import BadInput
from ensemble.study.history import best_epoch, read_epochs
from ensemble.study.names import check_name
from ensemble.study.recipe import Plan, Recipe, plan_from_dict, read_recipe, variants
from ensemble.study.study import Study
from ensemble.training.job import Outcome
from ensemble.training.out_of_fold import folds_left


@dataclass(frozen=True)
class MemberPlan:
    """One member asked for. action: "train", "resume" (it was cut off), "predict" (a split is missing) or "skip".

    threads: those pinned when the member started; None where it has not.
    folds_left: of its out-of-fold predictions, those that are still to be trained.
    """

    name: str
    recipe: Recipe
    action: str
    threads: int | None = None
    folds_left: tuple[int, ...] = ()


def plan_members(
    study: Study,
    prefix: str,
    plan: Plan,
    count: int,
    vary: str,
    splits: Sequence[str],
    *,
    folds: int = 0,
    force: bool = False,
) -> list[MemberPlan]:
    """Return members `prefix`-0 to `prefix`-(count - 1) with what is to be done; nothing is written.

    folds: of how many folds out-of-fold predictions are asked for; 0 for none. Raises `BadInput` where a member exists
    with another recipe, naming what differs, unless `force` starts it over.
    """
    check_name(prefix, "--name")
    entries = []
    for i, recipe in enumerate(variants(plan, count, vary)):
        name = f"{prefix}-{i}"
        if folds and recipe.snapshots:
            raise BadInput(f"--folds {folds}: {name} has snapshots, of which each would need folds; leave one out.")
        pinned = study.files(name).recipe
        if force or not pinned.exists():
            files = [study.predictions_path(n, s) for n in recipe.outputs(name) for s in study.splits()]
            taken = [path for path in files if path.exists()]
            if taken and not force:
                raise BadInput(
                    f"{taken[0]}: predictions of that name were imported; "
                    "choose another --name, or --force to replace them."
                )
            entries.append(MemberPlan(name, recipe, "train", folds_left=tuple(range(folds))))
            continue
        there, threads = read_recipe(pinned)
        differences = recipe_differences(there, recipe)
        if differences:
            raise BadInput(
                f"{pinned}: member {name} exists with another recipe: {differences}; ask for what is there, "
                "choose another --name or --study, or --force to start it over."
            )
        left = folds_left(study, name, folds) if folds else ()
        entries.append(MemberPlan(name, recipe, _what_is_left(study, name, recipe, splits), threads, left))
    return entries


def recipe_differences(there: Recipe, asked: Recipe) -> str:
    """Say what differs: "epochs is 30 there, 5 was asked for"; empty where nothing does."""
    pairs = [(key, value, asked.as_dict()[key]) for key, value in there.as_dict().items()]
    return "; ".join(f"{key} is {old!r} there, {new!r} was asked for" for key, old, new in pairs if old != new)


def _what_is_left(study: Study, name: str, recipe: Recipe, splits: Sequence[str]) -> str:
    outputs = recipe.outputs(name)
    if not study.files(outputs[-1]).weights.exists():
        return "resume" if study.files(name).checkpoint.exists() else "train"
    return "skip" if all(path.exists() for path in _predictions(study, outputs, splits)) else "predict"


def _predictions(study: Study, outputs: Sequence[str], splits: Sequence[str]) -> list[Path]:
    return [study.predictions_path(output, split) for output in outputs for split in splits]


def finished_outcome(study: Study, entry: MemberPlan, splits: Sequence[str]) -> Outcome:
    """Return what a member that needs nothing more has come to, read from its history."""
    epochs = read_epochs(study.files(entry.name).history, upto=entry.recipe.epochs)
    return Outcome(
        member=entry.name,
        status="skipped",
        epochs=len(epochs),
        last=epochs[-1] if epochs else None,
        best=best_epoch(epochs) if epochs else None,
        seconds=sum(e.seconds for e in epochs),
        images_per_second=median(e.images_per_second for e in epochs) if epochs else 0.0,
        predictions=tuple(map(str, _predictions(study, entry.recipe.outputs(entry.name), splits))),
    )


def clear(study: Study, name: str) -> None:
    """Remove what a member has, predictions first, so that a kill leaves no predictions without their member.

    Its snapshots go with it, and its folds.
    """
    there = (study.root / "members").glob(f"{name}-s*/recipe.toml")
    snapshots = [path.parent.name for path in there if re.fullmatch(r"\d+", path.parent.name[len(name) + 2 :])]
    for gone in (*snapshots, name):
        for split in study.splits():
            study.predictions_path(gone, split).unlink(missing_ok=True)
        folder = study.member_dir(gone)
        if folder.exists():
            # One rename, then the removal: a half-removed member is never taken for one.
            away = folder.with_name(f".{gone}.{os.getpid()}.gone")
            folder.rename(away)
            shutil.rmtree(away)


def run_record(plan: Plan, vary: str, members: int, folds: int = 0) -> dict[str, Any]:
    """Return what was asked for as TOML can hold it, so that a study goes on with it whatever later versions ship."""
    return {
        "members": members,
        "vary": vary,
        "folds": folds,
        **plan.base.as_dict(),
        "variants": [dict(v) for v in plan.variants],
        "ranges": {key: list(value) for key, value in (plan.ranges or {}).items()},
    }


def plan_of_run(record: Mapping[str, Any], where: str) -> tuple[Plan, str]:
    """Return the plan and the `--vary` of what `run_record` made."""
    content = {key: value for key, value in record.items() if key not in ("vary", "members", "folds")}
    return plan_from_dict(content, where), str(record.get("vary", "recipe"))
