"""What members are asked for: their name, their plan and what varies, of arguments, recipes, files and the study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ensemble.datasets import load_dataset
from ensemble.datasets.pack import is_pack, open_pack, write_pack
from ensemble.errors import BadInput, nearest
from ensemble.machine import Progress
from ensemble.models import member_prefix, model_named
from ensemble.study.atomic import file_sha256
from ensemble.study.recipe import Plan, Recipe, builtin_plan, plan_from_dict, read_plan, shipped_names
from ensemble.study.split import Dataset
from ensemble.study.study import Study, config_of


@dataclass(frozen=True)
class Choices:
    """What is said of the members; None where the study, or else the recipe, shall say it.

    recipe: a file, the name of a recipe that ships, or a recipe or plan itself. settings: of every member's recipe.
    """

    model: str | None = None
    name: str | None = None
    recipe: str | Path | Recipe | Plan | None = None
    vary: str | None = None
    epochs: int | None = None
    seed: int | None = None
    weights: str | Path | None = None
    snapshots: int | None = None
    keep: str | None = None
    precision: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def for_all(self) -> dict[str, Any]:
        """Return the settings that hold for every member, whatever a recipe varies; raise `BadInput` on a bad one."""
        found = dict(self.settings)
        if "model" in found:
            raise BadInput(f"settings: choose the network with model={found['model']!r}.")
        found |= {
            key: value for key, value in (("keep", self.keep), ("precision", self.precision)) if value is not None
        }
        if self.weights is not None:
            found |= _start(self.weights)
        elif found.get("weights"):
            found |= _start(found["weights"])
        if self.snapshots is not None:
            if self.snapshots < 2:
                raise BadInput(
                    f"snapshots={self.snapshots}: expected 2 or more; one descent is the setting schedule=cosine."
                )
            found |= {"schedule": "cosine", "snapshots": self.snapshots}
        return found


def plan_of(study: Study, asked: Choices) -> tuple[str, Plan, str]:
    """Return the members' prefix, their plan and what varies: as asked for, else as the study has them."""
    for_all = asked.for_all()
    settings = for_all | {
        key: value for key, value in (("epochs", asked.epochs), ("seed", asked.seed)) if value is not None
    }
    prefix, plan, vary = _plan_before(study, asked)
    return prefix, plan.with_settings(**settings).holding(for_all), vary


def _plan_before(study: Study, asked: Choices) -> tuple[str, Plan, str]:
    """Return as `plan_of` does, before single settings."""
    runs, model, recipe = study.config.runs, asked.model, asked.recipe
    named = asked.name or (None if model is None else member_prefix(model))
    prefix = named or (list(runs)[-1] if runs and recipe is None else None)
    if prefix is not None and prefix in runs and recipe is None:
        plan, before = plan_of_run(runs[prefix], f"{study.root}/study.toml, runs.{prefix}")
        if model is not None and model != plan.base.model:
            raise BadInput(
                f"{study.root}: members {prefix}-* are of {plan.base.model}; choose another name=... for {model}."
            )
        return prefix, plan, asked.vary or before

    def shipped(in_file: str | None) -> Plan:
        """Return the plan that ships for the data and for a model, the data's own one where none is named."""
        chosen = model or in_file
        row = model_named(chosen or "ting-m3")
        plan = builtin_plan("digits" if study.config.source == "digits" and row.recipe == "ting" else row.recipe)
        return plan if chosen is None else plan.with_settings(model=chosen, **row.settings)

    if recipe is None:
        plan = shipped(None)
    elif isinstance(recipe, Plan):
        plan = recipe
    elif isinstance(recipe, Recipe):
        plan = Plan(recipe, source="recipe")
    elif Path(recipe).is_file() or str(recipe) not in shipped_names():
        plan = read_plan(_file(recipe), shipped)
    else:
        plan = builtin_plan(str(recipe))
        row = model_named(model or plan.base.model)
        if row.recipe != recipe and asked.name is None:
            prefix = str(recipe)  # beside the members that have the network's own recipe, and its name
        elif model is not None:
            plan = plan.with_settings(model=model, **row.settings)
    if model is not None:
        plan = plan.with_settings(model=model)
    model_named(plan.base.model)
    return prefix or member_prefix(plan.base.model), plan, asked.vary or "recipe"


def _file(recipe: str | Path) -> Path:
    path = Path(recipe)
    if not path.exists() and path.suffix != ".toml":
        raise BadInput(
            f"recipe={str(recipe)!r}: is neither a file nor a recipe that ships; "
            f"{nearest(str(recipe), shipped_names())}."
        )
    return path


def _start(weights: str | Path) -> dict[str, Any]:
    """Return the settings that pin where weights come from."""
    if weights in ("hub", "random"):
        return {"weights": weights, "weights_sha256": ""}
    path = Path(weights).absolute()
    if not path.is_file():
        raise BadInput(f"weights={str(weights)!r}: there is no such file; expected a file, 'hub' or 'random'.")
    return {"weights": str(path), "weights_sha256": file_sha256(path)}


def run_record(plan: Plan, vary: str, members: int, folds: int = 0, threads: Sequence[int] = ()) -> dict[str, Any]:
    """Return what was asked for as TOML can hold it, so that a study goes on with it whatever later versions ship.

    threads: of each member, so that whatever fails, one that is begun later has the same bits.
    """
    return {
        "members": members,
        "vary": vary,
        "folds": folds,
        "threads": list(threads),
        **plan.base.as_dict(),
        "variants": [dict(v) for v in plan.variants],
        "ranges": {key: list(value) for key, value in (plan.ranges or {}).items()},
    }


def plan_of_run(record: Mapping[str, Any], where: str) -> tuple[Plan, str]:
    """Return the plan, and what varies, of what `run_record` made."""
    content = {key: value for key, value in record.items() if key not in ("vary", "members", "folds", "threads")}
    return plan_from_dict(content, where), str(record.get("vary", "recipe"))


def threads_of_run(record: Mapping[str, Any], where: str) -> list[int]:
    """Return the threads that members were planned with, none in records of older versions."""
    threads = record.get("threads", [])
    if not isinstance(threads, list) or not all(type(t) is int and t > 0 for t in threads):
        raise BadInput(f"{where}.threads: expected a list of whole numbers above 0, found {threads!r:.80}; mend it.")
    return threads


def begin_study(
    root: str | Path, data: str | Path | Dataset | None = None, *, progress: Progress | None = None
) -> Study:
    """Begin a study in a folder, or open the one that is there, for members to be trained on its images.

    root: the folder. data: what `load_dataset` takes: "digits" (the default of a new study), a folder, a zip, a CSV,
    ...; or a dataset in memory, as `make_dataset` gives it, which is then kept in the study's folder `data`. progress:
    hears (images, all of them) while a folder or zip is packed. Raises `BadInput` where the study is of other images or
    classes, or the images cannot be trained on, `StorageError` where the folder cannot be written.
    """
    if isinstance(data, Dataset):
        kept = Path(root) / "data"
        if not (is_pack(kept) and open_pack(kept).fingerprint == data.fingerprint):
            if Study.exists(Path(root)) and Study.open(Path(root)).config.source is not None:
                raise BadInput(f"{root}: the study was begun with other images; use another study for these.")
            write_pack(replace(data, source=str(kept.absolute())), kept)
        data = kept
    study, _ = study_for(root, data, progress)
    return Study.create(study.root, study.config)


def open_study(root: str | Path) -> Study:
    """Open the study in the folder `root`, begun here or by a command; raise `BadInput` where there is none."""
    return Study.open(Path(root))


def study_for(
    root: str | Path, data: str | Path | None = None, progress: Progress | None = None, *, pack: bool = True
) -> tuple[Study, Dataset]:
    """Return as `begin_study` does, with the images, and nothing of the study written yet; pack: see `load_dataset`."""
    root = Path(root)
    study = Study.open(root) if Study.exists(root) else None
    if study is not None and study.config.source is None and data is None:
        raise BadInput(f"{study.root}: its predictions were imported, so name the images to train on with data=PATH.")
    source = data or (study.config.source if study else None) or "digits"
    dataset = load_dataset(source, progress=progress, pack=pack)
    for needed in ("train", "val"):
        if dataset.split(needed).labels is None:
            raise BadInput(f"{source}: the {needed} images have no labels, and training needs them.")
    config = config_of(dataset)
    if study is None:
        return Study(root, config), dataset
    if dataset.fingerprint and study.config.fingerprint not in (None, dataset.fingerprint):
        raise BadInput(
            f"{study.root}/study.toml: was begun with {study.config.data} (fingerprint "
            f"{str(study.config.fingerprint)[:12]}), {source} has other images ({dataset.fingerprint[:12]}); use "
            "another study for them."
        )
    if study.config.class_ids != config.class_ids:
        raise BadInput(
            f"{study.root}/study.toml: has {len(study.config.class_ids)} classes, {source} has other ones "
            f"({len(config.class_ids)}); use another study for them."
        )
    pinned = replace(
        config,
        fingerprint=config.fingerprint or study.config.fingerprint,
        splits={**study.config.splits, **config.splits},
        runs=study.config.runs,
    )
    return Study(study.root, pinned), dataset
