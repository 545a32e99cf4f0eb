"""Which members a study shall have, and what is left to do for each."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ensemble.datasets import load_dataset
from ensemble.errors import BadInput, nearest
from ensemble.machine import cores
from ensemble.study.check import Finding
from ensemble.study.names import check_name
from ensemble.study.part import Part, check_engine, parse_part, place_of
from ensemble.study.recipe import Plan, Recipe, read_recipe, variants
from ensemble.study.study import Study
from ensemble.study.tabular import Tabular
from ensemble.training.base_plan import Choices, plan_of, run_record, threads_of_run
from ensemble.training.damage import check_untaken, find_damage, trains_over
from ensemble.training.folds import SPLIT, fold_of, folds_left, pinned_split
from ensemble.training.job import TrainingJob, before_training, fold_title
from ensemble.training.longer import only_epochs_differ, why_not_longer

DONE = ("skip", "damaged", "elsewhere")  # actions of members whose own network is not trained here


@dataclass(frozen=True)
class MemberPlan(Tabular):
    """One member asked for.

    action: "train", "resume" (it was cut off), "extend" (it goes on to more epochs than it was begun with), "predict"
    (a split is missing), "skip", "damaged" (it is left alone), "redo" (damaged, and to be made again), or "elsewhere":
    another part of the plan trains it, and some of its folds are of this one. damage: what is wrong with its files.
    threads: of the CPU, which it was begun with, or shall begin with.
    folds_left: of its out-of-fold predictions, those that are still to be trained.
    """

    name: str
    recipe: Recipe
    action: str
    threads: int | None = None
    folds_left: tuple[int, ...] = ()
    damage: tuple[Finding, ...] = ()

    @property
    def trains(self) -> bool:
        """Whether its own network has something left to do."""
        return self.action not in DONE


@dataclass(frozen=True)
class TrainingPlan(Tabular):
    """The members that are asked for, one `MemberPlan` each: what `train_members` does. Nothing of it is written yet.

    prefix: the members are `prefix`-0, `prefix`-1, ...; others: prefixes of the study's other members.
    record: what study.toml keeps of it. splits: those to keep predictions of. folds: of out-of-fold predictions, or 0.
    jobs: members at once. force: members that are there are started over.
    only: the part of the networks that is trained here, all where it is None; `members` are those it has something of,
    `everyone` those of the whole plan. engine: what runs it, as `plan_members` has it.
    """

    study: Study
    prefix: str
    members: tuple[MemberPlan, ...]
    others: tuple[str, ...]
    record: Mapping[str, Any]
    splits: tuple[str, ...]
    folds: int
    device: str
    jobs: int
    force: bool
    only: Part | None = None
    everyone: tuple[MemberPlan, ...] = ()
    engine: str = "local"

    def _columns(self) -> dict[str, Any]:
        return {name: [getattr(plan, name) for plan in self.members] for name in ("name", "action", "threads")}

    def __iter__(self) -> Iterator[MemberPlan]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, index: int) -> MemberPlan:
        return self.members[index]

    def warnings(self) -> list[str]:
        """Return what is odd of what is about to be trained, a sentence each."""
        found: dict[str, list[str]] = {}
        for member in self.members:
            for text in before_training(member.recipe) if member.trains else ():
                found.setdefault(text, []).append(member.name)
        return [f"{', '.join(names)}: {text}" for text, names in found.items()]

    def training_jobs(self) -> list[TrainingJob]:
        """Return the networks to train: those of members, then those of their folds."""
        root, device = self.study.root, self.device
        own = [m for m in self.members if m.trains]
        return [
            *(TrainingJob(root, m.name, m.recipe, m.threads or 1, device, self.splits) for m in own),
            *(
                TrainingJob(root, m.name, m.recipe, m.threads or 1, device, (), fold, self.folds)
                for m in self.members
                for fold in m.folds_left
            ),
        ]


def plan_members(
    study: Study | str | Path, *, model: str | None = None, recipe: str | Path | Recipe | Plan | None = None,
    variants: int | None = None, vary: str | None = None, name: str | None = None, epochs: int | None = None,
    seed: int | None = None, weights: str | Path | None = None, snapshots: int | None = None,
    keep: str | None = None, precision: str | None = None,
    settings: Mapping[str, Any] | None = None, folds: int | None = None, predict_train: bool = False,
    device: str = "auto", jobs: int | None = None, threads: int | None = None, force: bool = False,
    only: str | Part | None = None, engine: str = "local", redo: Sequence[str] = (),
) -> TrainingPlan:  # fmt: skip
    """Return the members that a study shall have, and what is left to do for each; nothing is written.

    What is None is as the study has it, else as the recipe has it that ships for the model, or for the data.

    model: a name of `ens-train --list-models`, or `torchvision/NAME`, `timm/NAME`. recipe: a `Recipe`, a `Plan`, a
    TOML file, or the name of a recipe that ships. variants: how many members (6). vary: what differs between them,
    "recipe", "seed" or "both". name: members are `name`-0, `name`-1, ... settings: of every member's recipe, by name;
    epochs and seed are two of them. weights: a file, "hub" or "random". snapshots: so many cosine cycles, each of
    which ends in a member. keep: the weights of the "last" epoch, of the "best" on tune, or the "average" of the last
    ones; precision: "auto", "float32" or "bfloat16". folds: out-of-fold predictions of train too, by so many more
    networks a member.
    predict_train: keep predictions of train too, beside val's and, where there is one, test's.
    device: "auto", "cpu", "cuda" or "cuda:N". jobs: members at once, as many as the cores hold by default, 1 on a GPU.
    threads: of the CPU, of each member, which are part of what decides the bits: the cores divided by `variants` by
    default (all of them on a GPU), kept in the study for members planned before, whatever `jobs`. force: start members
    over that are there. redo: names of members to make again where their files are damaged, by no more than it takes.
    only: "I/N", part I of N of the networks, for one machine of N that share the study's folder. engine: "local", the
    processes of this machine; "ray", the Ray cluster it is part of or RAY_ADDRESS names; "ray://HOST:PORT", another
    one. On a cluster jobs are as many as it has room for by default, and threads 1.

    Finished members are looked at as `check_study` does; one that is damaged is left alone, and the others go on.
    Raises `BadInput` where a member is there with another recipe, naming what differs, or something asked for cannot
    be.
    """
    study = Study.of(study)
    if variants is not None and variants < 1:
        raise BadInput(f"variants={variants}: expected at least 1; 6 is the default.")
    if folds is not None and folds < 2:
        raise BadInput(f"folds={folds}: expected 2 or more; each network is trained without one of them.")
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise BadInput(f"device={device!r}: expected 'auto', 'cpu', 'cuda' or 'cuda:N'.")
    part = parse_part(only)
    if part and force:
        raise BadInput(
            f"only='{part}': with force=True a task that is run again would start over what it had trained; start the "
            "members over without only=..., or remove their folders."
        )
    check_engine(engine)
    study = _as_on_disk(study)
    asked = Choices(model, name, recipe, vary, epochs, seed, weights, snapshots, keep, precision, settings or {})
    prefix, plan, varying = plan_of(study, asked)
    before = study.config.runs.get(prefix, {})
    count = variants or int(before.get("members", 0)) or 6
    folds = folds or int(before.get("folds", 0))
    if folds:
        study = _with_folds(study, folds)
    splits = ("val", *(("test",) if "test" in study.config.splits else ()), *(("train",) if predict_train else ()))
    planned = threads_of_run(before, f"{study.root}/study.toml, runs.{prefix}")
    default = 1 if engine != "local" else cores() if _on_gpu(device) else max(1, cores() // count)
    everyone = [
        replace(m, threads=_threads(study, m, threads, planned[i] if i < len(planned) else default))
        for i, m in enumerate(
            members_left(study, prefix, plan, count, varying, splits, folds=folds, force=force, redo=redo)
        )
    ]
    for wanted in redo:
        if wanted not in (m.name for m in everyone):
            raise BadInput(f"redo={wanted!r}: is none of these members; {nearest(wanted, [m.name for m in everyone])}.")
    pinned = [m.threads or default for m in everyone] + planned[count:]
    members = tuple(_of_part(everyone, part, folds) if part else everyone)
    if engine != "local":
        jobs = jobs or max(1, sum(m.trains + len(m.folds_left) for m in members))
    return TrainingPlan(
        study=study,
        prefix=prefix,
        members=members,
        others=tuple(other for other in study.config.runs if other != prefix),
        record=run_record(plan, varying, max(count, int(before.get("members", 0))), folds, pinned),
        splits=splits,
        folds=folds,
        device=device,
        jobs=jobs or _default_jobs(device, members),
        force=force,
        only=part,
        everyone=tuple(everyone),
        engine=engine,
    )


def _of_part(members: Sequence[MemberPlan], part: Part, folds: int) -> list[MemberPlan]:
    """Return the members of whose networks some are of a part, with what is left to do of that part."""
    chosen = []
    for i, member in enumerate(members):
        left = tuple(f for f in member.folds_left if part.has(len(members) + i * folds + f))
        if part.has(i):
            chosen.append(replace(member, folds_left=left))
        elif left:
            chosen.append(replace(member, action="elsewhere", folds_left=left))
    return chosen


def networks_left(plan: TrainingPlan) -> list[tuple[str, Part | None]]:
    """Return the networks of the whole plan that are not finished by now, with the part of the plan that has each.

    Each by its title, such as "m3-2" or "m3-2 fold 1", members before folds; the part is None in a plan without parts.
    """
    study, folds, found = plan.study, plan.folds, []
    for i, member in enumerate(plan.everyone):
        if _what_is_left(study, member.name, member.recipe, plan.splits) != "skip":
            found.append((i, member.name))
    for i, member in enumerate(plan.everyone if folds else ()):
        first = len(plan.everyone) + i * folds
        found += [(first + fold, fold_title(member.name, fold)) for fold in folds_left(study, member.name, folds)]
    return [(title, None if plan.only is None else place_of(position, plan.only.count)) for position, title in found]


def _as_on_disk(study: Study) -> Study:
    """Return the study with what its folder has learnt since it was opened."""
    if not Study.exists(study.root):
        return study
    there = Study.open(study.root).config
    return Study(study.root, replace(study.config, runs=there.runs, splits={**there.splits, **study.config.splits}))


def _with_folds(study: Study, folds: int) -> Study:
    """Return the study with its out-of-fold split pinned, not yet written.

    Raises `BadInput` where the images cannot be parted so, or other folds are pinned.
    """
    labels = load_dataset(study.config.source or "").split("train").labels
    assert labels is not None
    fold_of(labels, folds)
    splits = {**study.config.splits, SPLIT: pinned_split(study.config.splits, folds)}
    return Study(study.root, replace(study.config, splits=splits))


def _on_gpu(device: str) -> bool:
    return device.startswith("cuda") or (device == "auto" and Path("/dev/nvidiactl").exists())


def _default_jobs(device: str, members: Sequence[MemberPlan]) -> int:
    """Return how many networks fit the cores at once with the threads that they are to have."""
    left = [(m.threads or 1, m.trains + len(m.folds_left)) for m in members]
    networks, threads = sum(count for _, count in left), max((t for t, count in left if count), default=1)
    return 1 if _on_gpu(device) else max(1, min(cores() // threads, networks))


def _threads(study: Study, member: MemberPlan, asked: int | None, default: int) -> int:
    there = member.threads
    if there is not None and asked not in (None, there) and (member.trains or member.folds_left):
        raise BadInput(
            f"{study.files(member.name).recipe}: {member.name} was begun with {there} threads, {asked} were asked "
            "for, and the result would differ in its last bits; leave threads=... out, or force=True to start it over."
        )
    return there or asked or default


def members_left(
    study: Study,
    prefix: str,
    plan: Plan,
    count: int,
    vary: str,
    splits: Sequence[str],
    *,
    folds: int = 0,
    force: bool = False,
    redo: Sequence[str] = (),
) -> list[MemberPlan]:
    """Return members `prefix`-0 to `prefix`-(count - 1) with what is to be done for each.

    folds: of how many folds out-of-fold predictions are asked for; 0 for none. Raises `BadInput` where a member exists
    with another recipe, naming what differs, unless `force` starts it over. redo: those to make again if damaged.
    """
    check_name(prefix, "name of members")
    members = []
    for i, recipe in enumerate(variants(plan, count, vary)):
        name = f"{prefix}-{i}"
        if folds and recipe.snapshots:
            raise BadInput(f"folds={folds}: {name} has snapshots, of which each would need folds; leave one out.")
        pinned = study.files(name).recipe
        if force or not pinned.exists():
            if not force:
                check_untaken(study, name, recipe.outputs(name))
            members.append(MemberPlan(name, recipe, "train", folds_left=tuple(range(folds))))
            continue
        damage = find_damage(study, name, recipe)
        there, threads = (recipe, None) if any(f.path == pinned for f in damage) else read_recipe(pinned)
        if not damage and only_epochs_differ(there, recipe):
            reason = why_not_longer(study, name, there, recipe)
            if reason:
                raise BadInput(
                    f"{pinned}: member {name} {reason}; ask for {there.epochs} epochs, choose another name=..., or "
                    "force=True to start it over."
                )
            members.append(MemberPlan(name, recipe, "extend", threads))
            continue
        differences = recipe_differences(there, recipe)
        if differences:
            raise BadInput(
                f"{pinned}: member {name} exists with another recipe: {differences}; ask for what is there, "
                "choose another name=... or another study, or force=True to start it over."
            )
        if damage and name not in redo:
            members.append(MemberPlan(name, recipe, "damaged", threads, damage=damage))
            continue
        if damage and trains_over(study, name, damage):
            members.append(MemberPlan(name, recipe, "redo", threads, tuple(range(folds)), damage))
            continue
        again = any(f.path == study.predictions_path(name, SPLIT) for f in damage)
        left = folds_left(study, name, folds, again=again) if folds else ()
        if damage:
            members.append(MemberPlan(name, recipe, "redo", threads, left, damage))
            continue
        members.append(MemberPlan(name, recipe, _what_is_left(study, name, recipe, splits), threads, left))
    return members


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
