"""What ens-train is asked for: the study, its images and the plan of its members, from options, files and study."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cli.common import Output
from ensemble.errors import BadInput, nearest
from ensemble.models import member_prefix, model_named
from ensemble.study.atomic import file_sha256
from ensemble.study.recipe import Plan, builtin_plan, parse_setting, read_plan, shipped_names
from ensemble.study.split import Dataset
from ensemble.study.study import Study, config_of
from ensemble.training.folds import fold_of
from ensemble.training.out_of_fold import SPLIT, pinned_split
from ensemble.training.plan_members import plan_of_run


@dataclass(frozen=True)
class Options:
    """The options of ens-train that say what the members are; None where one is not given."""

    model: str | None
    name: str | None
    recipe: str | None
    vary: str | None
    epochs: int | None
    seed: int | None
    weights: str | None
    snapshots: int | None
    settings: Sequence[str]

    def for_all(self) -> dict[str, Any]:
        """Return the settings that hold for every member, whatever a recipe varies; raise `BadInput` on a bad one."""
        found = dict(parse_setting(text) for text in self.settings)
        if "model" in found:
            raise BadInput(f"--set model={found['model']}: choose the network with --model {found['model']}.")
        if self.weights is not None:
            found |= _start(self.weights)
        elif "weights" in found:
            found |= _start(found["weights"]) if found["weights"] else {}
        if self.snapshots is not None:
            if self.snapshots < 2:
                raise BadInput(
                    f"--snapshots {self.snapshots}: expected 2 or more; one descent is --set schedule=cosine."
                )
            found |= {"schedule": "cosine", "snapshots": self.snapshots}
        return found


def study_of(output: Output, data: str | None) -> tuple[Study, Dataset, bool]:
    """Return the study, not yet written where it is new, its images, and whether it was begun before."""
    from ensemble.datasets import load_dataset

    study = Study.open(output.study) if Study.exists(output.study) else None
    if study is not None and study.config.source is None and data is None:
        raise BadInput(f"{study.root}: its predictions were imported, so name the images to train on with --data.")
    source = data or (study.config.source if study else None) or "digits"
    with output.progress("Packing images", "images") as progress:
        dataset = load_dataset(source, progress=progress)
    for note in dataset.notes:
        output.say(f"{source}: {note}")
    for needed in ("train", "val"):
        if dataset.split(needed).labels is None:
            raise BadInput(f"{source}: the {needed} images have no labels, and training needs them.")
    config = config_of(dataset)
    begun = study is not None
    if study is None:
        study = Study(output.study, config)
    if study.config.fingerprint not in (None, dataset.fingerprint):
        raise BadInput(
            f"{study.root}/study.toml: was begun with {study.config.data} (fingerprint "
            f"{str(study.config.fingerprint)[:12]}), {source} has other images ({dataset.fingerprint[:12]}); use "
            f"another "
            "--study for them."
        )
    if study.config.class_ids != config.class_ids:
        raise BadInput(
            f"{study.root}/study.toml: has {len(study.config.class_ids)} classes, {source} has other ones "
            f"({len(config.class_ids)}); use another --study for them."
        )
    pinned = replace(config, splits={**study.config.splits, **config.splits}, runs=study.config.runs)
    return Study(study.root, pinned), dataset, begun


def with_folds(study: Study, dataset: Dataset, folds: int) -> Study:
    """Return the study with its out-of-fold split pinned, not yet written.

    Raises `BadInput` where the images cannot be parted so, or other folds are pinned.
    """
    labels = dataset.split("train").labels
    assert labels is not None
    fold_of(labels, folds)
    splits = {**study.config.splits, SPLIT: pinned_split(study.config.splits, folds)}
    return Study(study.root, replace(study.config, splits=splits))


def plan_of(study: Study, asked: Options) -> tuple[str, Plan, str]:
    """Return the members' prefix, their plan and what varies: as given, else as the study has them."""
    for_all = asked.for_all()
    settings = for_all | {
        key: value for key, value in (("epochs", asked.epochs), ("seed", asked.seed)) if value is not None
    }
    prefix, plan, vary = _plan_before(study, asked)
    return prefix, plan.with_settings(**settings).holding(for_all), vary


def _plan_before(study: Study, asked: Options) -> tuple[str, Plan, str]:
    """Return as `plan_of` does, before settings of the command line."""
    runs, model, recipe = study.config.runs, asked.model, asked.recipe
    named = asked.name or (None if model is None else member_prefix(model))
    prefix = named or (list(runs)[-1] if runs and recipe is None else None)
    if prefix is not None and prefix in runs and recipe is None:
        plan, before = plan_of_run(runs[prefix], f"{study.root}/study.toml, runs.{prefix}")
        if model is not None and model != plan.base.model:
            raise BadInput(
                f"{study.root}: members {prefix}-* are of {plan.base.model}; choose another --name for {model}."
            )
        return prefix, plan, asked.vary or before

    def shipped(in_file: str | None) -> Plan:
        """Return the plan that ships for the data and for a model, the data's own one where none is named."""
        wanted = model or in_file
        row = model_named(wanted or "ting-m3")
        plan = builtin_plan("digits" if study.config.source == "digits" and row.recipe == "ting" else row.recipe)
        return plan if wanted is None else plan.with_settings(model=wanted, **row.settings)

    if recipe is None:
        plan = shipped(None)
    elif Path(recipe).exists() or recipe not in shipped_names():
        plan = read_plan(_file(recipe), shipped)
    else:
        plan = builtin_plan(recipe)
        row = model_named(model or plan.base.model)
        if row.recipe != recipe and asked.name is None:
            prefix = recipe  # beside the members that have the network's own recipe, and its name
        elif model is not None:
            plan = plan.with_settings(model=model, **row.settings)
    if model is not None:
        plan = plan.with_settings(model=model)
    model_named(plan.base.model)
    return prefix or member_prefix(plan.base.model), plan, asked.vary or "recipe"


def _file(recipe: str) -> Path:
    path = Path(recipe)
    if not path.exists() and path.suffix != ".toml":
        raise BadInput(
            f"--recipe {recipe}: is neither a file nor a recipe that ships; {nearest(recipe, shipped_names())}."
        )
    return path


def _start(weights: str) -> dict[str, Any]:
    """Return the settings that pin where weights come from."""
    if weights in ("hub", "random"):
        return {"weights": weights, "weights_sha256": ""}
    path = Path(weights).absolute()
    if not path.is_file():
        raise BadInput(f"--weights {weights}: there is no such file; expected a file, 'hub' or 'random'.")
    return {"weights": str(path), "weights_sha256": file_sha256(path)}
