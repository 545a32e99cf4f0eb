"""Train the members of a plan, each in a process of its own, and keep their predictions in the study."""

import os
import re
import shutil
from statistics import median
from typing import Any

from ensemble.errors import BadInput
from ensemble.progress import Progress
from ensemble.study.history import best_epoch, read_epochs
from ensemble.study.study import Study
from ensemble.study.weights import read_first_layer
from ensemble.training.findings import after_training
from ensemble.training.job import Outcome, TrainingJob
from ensemble.training.kept import Kept
from ensemble.training.plan_members import MemberPlan, TrainingPlan, plan_members
from ensemble.training.pool import Event, run_jobs


def train_members(
    study: Study, plan: TrainingPlan | None = None, *, progress: Progress | None = None,
    on_event: Event | None = None, **choices: Any,
) -> list[Outcome]:  # fmt: skip
    """Train what a plan asks of a study, and return what became of each network: members in order, then folds.

    Members that are finished are skipped, one that was cut off goes on where it was. A network that cannot be trained
    has an outcome of status "failed", with its `error`; the others are safe.

    plan: of `plan_members`; without one the `choices` are what that takes (model, recipe, variants, epochs, ...).
    progress: hears (epochs trained, epochs in all), over all networks. on_event: hears of each network by its title,
    what happened and the facts, as `ensemble.training.pool.run_jobs` says.

    Raises `BadInput` as `plan_members` does.
    """
    if plan is None:
        plan = plan_members(study, **choices)
    elif choices:
        raise BadInput(f"plan: is made already; give {', '.join(choices)} to plan_members.")
    elif plan.study.root != study.root:
        raise BadInput(f"plan: is of the study {plan.study.root}, not of {study.root}; plan its members again.")
    study = _with_plan(plan)
    if plan.force:
        for member in plan:
            clear(study, member.name)
    jobs = plan.training_jobs()
    skipped = {m.name: finished_outcome(study, m, plan.splits) for m in plan if m.action == "skip"}
    heard = _heard(jobs, progress, on_event)
    trained = {outcome.member: outcome for outcome in run_jobs(jobs, plan.jobs, heard)}
    return [(skipped | trained)[m.name] for m in plan] + [trained[job.title] for job in jobs if job.fold is not None]


def _with_plan(plan: TrainingPlan) -> Study:
    """Write into study.toml what is asked for, so that the study goes on with it; return the study."""
    config, root = plan.study.config, plan.study.root
    runs = {key: value for key, value in config.runs.items() if key != plan.prefix}
    return Study(root, config).with_config(runs={**runs, plan.prefix: plan.record})


def _heard(jobs: list[TrainingJob], progress: Progress | None, on_event: Event | None) -> Event:
    done: dict[str, int] = {}
    total = sum(job.recipe.epochs for job in jobs)

    def hear(title: str, kind: str, facts: dict[str, Any]) -> None:
        if progress is not None and kind == "epoch":
            done[title] = facts["epoch"]
            progress(sum(done.values()), total)
        if on_event is not None:
            on_event(title, kind, facts)

    return hear


def finished_outcome(study: Study, member: MemberPlan, splits: tuple[str, ...]) -> Outcome:
    """Return what a member that needs nothing more has come to, read from its history."""
    epochs = read_epochs(study.files(member.name).history, upto=member.recipe.epochs)
    outputs = member.recipe.outputs(member.name)
    config, kernels = study.config, (read_first_layer(study.files(outputs[-1]).first_layer) or {}).get("last")
    kept = Kept(member.recipe).epoch(epochs)
    findings = (
        after_training(epochs[:kept], len(config.class_ids), config.splits["val"].samples, kernels) if epochs else ()
    )
    return Outcome(
        member=member.name,
        status="skipped",
        epochs=len(epochs),
        last=epochs[-1] if epochs else None,
        best=best_epoch(epochs) if epochs else None,
        seconds=sum(e.seconds for e in epochs),
        images_per_second=median(e.images_per_second for e in epochs) if epochs else 0.0,
        predictions=tuple(str(study.predictions_path(output, split)) for output in outputs for split in splits),
        findings=findings,
        repeats=bool(findings),
        kept=kept or None,
    )


def clear(study: Study, name: str) -> None:
    """Remove what a member has, predictions first, so that a kill leaves no predictions without their member.

    Its snapshots go with it, and its folds.
    """
    there = (study.root / "members").glob(f"{name}-s*/recipe.toml")
    snapshots = [path.parent.name for path in there if re.fullmatch(r"\d+", path.parent.name[len(name) + 2 :])]
    with study.member_alone(name):  # refused while another process trains it
        for gone in (*snapshots, name):
            for split in study.splits():
                study.predictions_path(gone, split).unlink(missing_ok=True)
            folder = study.member_dir(gone)
            if folder.exists():
                # One rename, then the removal: a half-removed member is never taken for one.
                away = folder.with_name(f".{gone}.{os.getpid()}.gone")
                folder.rename(away)
                shutil.rmtree(away)
