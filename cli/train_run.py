"""What ens-train does: the study, the plan, the members in their processes, and the table of what became of them."""

import re
from dataclasses import replace
from pathlib import Path

import click

from cli.board import board
from cli.common import Talk
from ensemble.errors import BadInput
from ensemble.jobs import Job, Outcome, cores, train_members
from ensemble.lineup import Entry, clear, finished_outcome, line_up, plan_of_run, run_record
from ensemble.recipe import Plan, builtin_plan, read_plan
from ensemble.store import Study, pin_of
from ensemble.zoo import MODELS, model_named


def train_study(
    talk: Talk, *, variants: int | None, vary: str | None, data: str | None, model: str | None, name: str | None,
    recipe: Path | None, epochs: int | None, seed: int | None, device: str, jobs: int | None, threads: int | None,
    predict_train: bool, force: bool, dry_run: bool,
) -> int:  # fmt: skip
    """Train what the options of ens-train ask for, print what became of it, and return the exit status."""
    if variants is not None and variants < 1:
        raise BadInput(f"--variants {variants}: expected at least 1; 6 is the default.")
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise BadInput(f"--device {device}: expected 'auto', 'cpu', 'cuda' or 'cuda:N'.")
    study, begun = _study_of(talk, data)
    prefix, plan, vary = _plan_of(study, model, name, recipe, vary)
    settings = {"epochs": epochs, "seed": seed}
    plan = plan.with_settings(**{key: value for key, value in settings.items() if value is not None})
    splits = (
        "val",
        *(("test",) if "test" in study.pin.splits else ()),
        *(("train",) if predict_train else ()),
    )
    asked_before = int(study.pin.runs.get(prefix, {}).get("members", 0))
    count = variants or asked_before or 6
    entries = line_up(study, prefix, plan, count, vary, splits, force=force)
    todo = [e for e in entries if e.action != "skip"]
    jobs = jobs or _default_jobs(device, len(todo))
    planned = [replace(e, threads=_threads(study, e, threads, max(1, cores() // jobs))) for e in entries]
    if dry_run:
        return _show_plan(talk, study, planned, jobs)
    if not begun:
        study = Study.create(study.root, study.pin)
    runs = {key: value for key, value in study.pin.runs.items() if key != prefix}
    study = study.repinned(runs={**runs, prefix: run_record(plan, vary, max(count, asked_before))})
    if force:
        for e in planned:
            clear(study, e.name)
    given = [Job(study.root, e.name, e.recipe, e.threads or 1, device, splits) for e in planned if e.action != "skip"]
    finished = {e.name: finished_outcome(study, e, splits) for e in planned if e.action == "skip"}
    talk.say(
        f"{study.root}: {len(planned)} {'member' if len(planned) == 1 else 'members'} {prefix}-* on {study.pin.data}"
        + (f", {len(finished)} finished before" if finished else "")
        + (f", {jobs} at once" if jobs > 1 and len(given) > 1 else "")
    )
    if runs and not any((model, name, recipe)):
        talk.say(f"Besides them it has {', '.join(f'{other}-*' for other in runs)}: choose with --model or --name.")
    with board(talk) as show:
        outcomes = {o.member: o for o in train_members(given, jobs, show)} | finished
    return _report(talk, study, planned, [outcomes[e.name] for e in planned])


def _study_of(talk: Talk, data: str | None) -> tuple[Study, bool]:
    """Return the study, not yet written where it is new, and whether it was begun before."""
    from ensemble.datasets import load_dataset

    study = Study.open(talk.study) if Study.exists(talk.study) else None
    if study is not None and study.pin.source is None and data is None:
        raise BadInput(f"{study.root}: its predictions were imported, so name the images to train on with --data.")
    source = data or (study.pin.source if study else None) or "digits"
    with talk.progress("Packing images", "images") as progress:
        dataset = load_dataset(source, progress=progress)
    for note in dataset.notes:
        talk.say(f"{source}: {note}")
    for needed in ("train", "val"):
        if dataset.split(needed).labels is None:
            raise BadInput(f"{source}: the {needed} images have no labels, and training needs them.")
    pin = pin_of(dataset)
    if study is None:
        return Study(talk.study, pin), False
    if study.pin.fingerprint not in (None, dataset.fingerprint):
        raise BadInput(
            f"{study.root}/study.toml: was begun with {study.pin.data} (fingerprint {study.pin.fingerprint[:12]}), "
            f"{source} has other images ({dataset.fingerprint[:12]}); use another --study for them."
        )
    if study.pin.class_ids != pin.class_ids:
        raise BadInput(
            f"{study.root}/study.toml: has {len(study.pin.class_ids)} classes, {source} has other ones "
            f"({len(pin.class_ids)}); use another --study for them."
        )
    pinned = replace(pin, splits={**study.pin.splits, **pin.splits}, runs=study.pin.runs)
    return Study(study.root, pinned), True


def _plan_of(
    study: Study, model: str | None, name: str | None, recipe: Path | None, vary: str | None
) -> tuple[str, Plan, str]:
    """Return the members' prefix, their plan and what varies: as given, else as the study has them."""
    runs = study.pin.runs
    prefix = name or model or (list(runs)[-1] if runs and recipe is None else None)
    if prefix is not None and prefix in runs and recipe is None:
        plan, before = plan_of_run(runs[prefix], f"{study.root}/study.toml, runs.{prefix}")
        if model is not None and model != plan.base.model:
            raise BadInput(
                f"{study.root}: members {prefix}-* are of {plan.base.model}; choose another --name for {model}."
            )
        return prefix, plan, vary or before

    def shipped(named: str | None) -> Plan:
        """Return the plan that ships for the data and for a model, the data's own one where none is named."""
        wanted = model or named
        plan = builtin_plan("digits" if study.pin.source == "digits" else model_named(wanted or "ting-m3").recipe)
        return plan if wanted is None else plan.with_settings(model=wanted, **model_named(wanted).settings)

    plan = shipped(None) if recipe is None else read_plan(recipe, shipped)
    if model is not None:
        plan = plan.with_settings(model=model)
    model_named(plan.base.model)
    return prefix or plan.base.model, plan, vary or "recipe"


def _default_jobs(device: str, members: int) -> int:
    on_gpu = device.startswith("cuda") or (device == "auto" and Path("/dev/nvidiactl").exists())
    return 1 if on_gpu else max(1, min(cores(), members))


def _threads(study: Study, e: Entry, asked: int | None, default: int) -> int:
    if e.threads is not None and asked not in (None, e.threads) and e.action != "skip":
        raise BadInput(
            f"{study.member_dir(e.name)}/recipe.toml: {e.name} was begun with {e.threads} threads, {asked} were asked "
            "for, and the result would differ in its last bits; leave --threads out, or --force to start it over."
        )
    return e.threads or asked or default


def _show_plan(talk: Talk, study: Study, entries: list[Entry], jobs: int) -> int:
    members = [
        {"name": e.name, "action": e.action, "threads": e.threads, "recipe": e.recipe.as_dict()} for e in entries
    ]
    talk.document(study=study.root, data=study.pin.data, jobs=jobs, members=members)
    rows = [[e.name, e.action, *_settings(e), str(e.recipe.seed), str(e.threads)] for e in entries]
    talk.table(["member", "action", "rate", "l2", "drop", "epochs", "seed", "threads"], rows, left=(0, 1), cut=(0,))
    talk.text(f"Data {study.pin.data}, {jobs} at once, into {study.root}. Nothing was written.")
    return 0


def _settings(e: Entry) -> list[str]:
    return [f"{e.recipe.learning_rate:g}", f"{e.recipe.l2:g}", f"{e.recipe.dropout:g}", str(e.recipe.epochs)]


def _report(talk: Talk, study: Study, entries: list[Entry], outcomes: list[Outcome]) -> int:
    members, rows = [], []
    for e, o in zip(entries, outcomes, strict=True):
        last = None if o.last is None else {"val_accuracy": o.last.val_accuracy}
        best = None if o.best is None else {"epoch": o.best.epoch, "val_accuracy": o.best.val_accuracy}
        members.append(
            {
                "name": o.member, "status": o.status, "error": o.error, "epochs": o.epochs, "last": last, "best": best,
                "seconds": o.seconds, "images_per_second": o.images_per_second, "predictions": o.predictions,
            }
        )  # fmt: skip
        scores = ["-", "-", "-"] if o.last is None or o.best is None else [
            f"{o.last.val_accuracy:.1%}", f"{o.best.val_accuracy:.1%} @ {o.best.epoch}", f"{o.images_per_second:,.0f}"
        ]  # fmt: skip
        rows.append([o.member, o.status, *_settings(e), *scores])
    failed = [o for o in outcomes if o.status == "failed"]
    error = {"error": f"{len(failed)} of {len(outcomes)} members failed: {failed[0].error}"} if failed else {}
    talk.document(study=study.root, members=members, **error)
    columns = ["member", "status", "rate", "l2", "drop", "epochs", "last", "best val", "img/s"]
    talk.table(columns, rows, left=(0, 1), cut=(0,))
    if failed:
        if talk.debug:
            click.echo("\n".join(o.detail for o in failed if o.detail), err=True)
        safe = f"; the other {len(outcomes) - len(failed)} are safe" if len(failed) < len(outcomes) else ""
        talk.warn(f"{len(failed)} of {len(outcomes)} members failed{safe}. Run the same command to try them again.")
        return 3 if len(failed) < len(outcomes) else max(o.error_code for o in failed)
    talk.next("ens-combine --k all", "ens-report all")
    return 0


def show_models(talk: Talk) -> int:
    """Print every network with its parameters."""
    from ensemble.zoo.measure import size_of

    models, rows = [], []
    for model in MODELS.values():
        size = size_of(model)
        models.append(
            {
                "name": model.name, "paper": model.paper, "parameters": size.parameters, "statistics": size.statistics,
                "gflops": size.gflops, "reported": model.reported, "input": model.input,
            }
        )  # fmt: skip
        said = f"{model.reported['accuracy']:.1%} {model.reported['split']}" if model.reported else "-"
        rows.append([model.name, model.paper, f"{size.parameters:,}", f"{size.gflops:.3f}", str(model.input), said])
    talk.document(models=models)
    talk.table(["model", "paper", "parameters", "GFLOP", "input", "paper's accuracy"], rows, left=(0, 1))
    return 0
