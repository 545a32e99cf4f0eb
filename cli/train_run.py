"""What ens-train does: the members in their processes, and the table of what became of them."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from cli.board import board
from cli.common import Output
from cli.train_plan import Options, plan_of, study_of, with_folds
from ensemble.errors import BadInput
from ensemble.machine import cores
from ensemble.models import MODELS, Model, comparable
from ensemble.study.study import Study
from ensemble.training.job import Outcome, TrainingJob, fold_title
from ensemble.training.out_of_fold import SPLIT
from ensemble.training.plan_members import MemberPlan, clear, finished_outcome, plan_members, run_record
from ensemble.training.pool import train_members


def train_study(
    output: Output, *, variants: int | None, data: str | None, folds: int | None, device: str, jobs: int | None,
    threads: int | None, predict_train: bool, force: bool, dry_run: bool, **members: Any,
) -> int:  # fmt: skip
    """Train what the options of ens-train ask for, print what became of it, and return the exit status.

    members: the options of `Options`.
    """
    if variants is not None and variants < 1:
        raise BadInput(f"--variants {variants}: expected at least 1; 6 is the default.")
    if folds is not None and folds < 2:
        raise BadInput(f"--folds {folds}: expected 2 or more; each network is trained without one of them.")
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise BadInput(f"--device {device}: expected 'auto', 'cpu', 'cuda' or 'cuda:N'.")
    asked = Options(**members)
    study, dataset, begun = study_of(output, data)
    prefix, plan, vary = plan_of(study, asked)
    before = study.config.runs.get(prefix, {})
    count = variants or int(before.get("members", 0)) or 6
    folds = folds or int(before.get("folds", 0))
    if folds:
        study = with_folds(study, dataset, folds)
    splits = (
        "val",
        *(("test",) if "test" in study.config.splits else ()),
        *(("train",) if predict_train else ()),
    )
    entries = plan_members(study, prefix, plan, count, vary, splits, folds=folds, force=force)
    todo = sum((e.action != "skip") + len(e.folds_left) for e in entries)
    jobs = jobs or _default_jobs(device, todo)
    planned = [replace(e, threads=_threads(study, e, threads, max(1, cores() // jobs))) for e in entries]
    if dry_run:
        return _show_plan(output, study, planned, jobs)
    if not begun:
        study = Study.create(study.root, study.config)
    runs = {key: value for key, value in study.config.runs.items() if key != prefix}
    record = run_record(plan, vary, max(count, int(before.get("members", 0))), folds)
    study = study.with_config(splits=study.config.splits, runs={**runs, prefix: record})
    if force:
        for e in planned:
            clear(study, e.name)
    given = [
        TrainingJob(study.root, e.name, e.recipe, e.threads or 1, device, splits) for e in planned if e.action != "skip"
    ]
    given += [
        TrainingJob(study.root, e.name, e.recipe, e.threads or 1, device, (), fold, folds)
        for e in planned
        for fold in e.folds_left
    ]
    finished = {e.name: finished_outcome(study, e, splits) for e in planned if e.action == "skip"}
    output.say(
        f"{study.root}: {len(planned)} {'member' if len(planned) == 1 else 'members'} {prefix}-* on {study.config.data}"
        + (f", {len(finished)} finished before" if finished else "")
        + (f", {folds} folds each" if folds else "")
        + (f", {jobs} at once" if jobs > 1 and len(given) > 1 else "")
    )
    if runs and not any((asked.model, asked.name, asked.recipe)):
        output.say(f"Besides them it has {', '.join(f'{other}-*' for other in runs)}: choose with --model or --name.")
    with board(output) as show:
        outcomes = finished | {o.member: o for o in train_members(given, jobs, show)}
    return _report(output, study, planned, outcomes, folds)


def _default_jobs(device: str, networks: int) -> int:
    on_gpu = device.startswith("cuda") or (device == "auto" and Path("/dev/nvidiactl").exists())
    return 1 if on_gpu else max(1, min(cores(), networks))


def _threads(study: Study, e: MemberPlan, asked: int | None, default: int) -> int:
    if e.threads is not None and asked not in (None, e.threads) and (e.action != "skip" or e.folds_left):
        raise BadInput(
            f"{study.member_dir(e.name)}/recipe.toml: {e.name} was begun with {e.threads} threads, {asked} were asked "
            "for, and the result would differ in its last bits; leave --threads out, or --force to start it over."
        )
    return e.threads or asked or default


def _show_plan(output: Output, study: Study, entries: list[MemberPlan], jobs: int) -> int:
    members = [
        {
            "name": e.name, "action": e.action, "threads": e.threads, "folds": e.folds_left,
            "comparable": comparable(e.recipe), "recipe": e.recipe.as_dict(),
        }
        for e in entries
    ]  # fmt: skip
    output.document(study=study.root, data=study.config.data, jobs=jobs, members=members)
    columns = ["member", "action", "rate", "l2", "drop", "epochs", "seed", "threads"]
    rows = [[e.name, _said_of(e, e.action), *_settings(e), str(e.recipe.seed), str(e.threads)] for e in entries]
    if any(e.folds_left for e in entries):
        columns.append("folds")
        rows = [[*row, str(len(e.folds_left))] for row, e in zip(rows, entries, strict=True)]
    output.table(columns, rows, left=(0, 1), cut=(0,))
    output.text(f"Data {study.config.data}, {jobs} at once, into {study.root}. Nothing was written.")
    return 0


def _settings(e: MemberPlan) -> list[str]:
    return [f"{e.recipe.learning_rate:g}", f"{e.recipe.l2:g}", f"{e.recipe.dropout:g}", str(e.recipe.epochs)]


def _said_of(e: MemberPlan, status: str) -> str:
    """Return a status, with the mark of a member that must not be set beside its paper."""
    return status if comparable(e.recipe) else f"{status}, random start"


def _report(
    output: Output, study: Study, entries: list[MemberPlan], outcomes: Mapping[str, Outcome], folds: int
) -> int:
    members, rows = [], []
    for e in entries:
        o = outcomes[e.name]
        last = None if o.last is None else {"val_accuracy": o.last.val_accuracy}
        best = None if o.best is None else {"epoch": o.best.epoch, "val_accuracy": o.best.val_accuracy}
        out_of_fold = _folds(study, e, outcomes, folds)
        members.append(
            {
                "name": o.member, "status": o.status, "error": o.error, "epochs": o.epochs, "last": last, "best": best,
                "seconds": o.seconds, "images_per_second": o.images_per_second, "predictions": o.predictions,
                "comparable": comparable(e.recipe), "folds": out_of_fold,
            }
        )  # fmt: skip
        scores = ["-", "-", "-"] if o.last is None or o.best is None else [
            f"{o.last.val_accuracy:.1%}", f"{o.best.val_accuracy:.1%} @ {o.best.epoch}", f"{o.images_per_second:,.0f}"
        ]  # fmt: skip
        if out_of_fold:
            scores.append("-" if out_of_fold["accuracy"] is None else f"{out_of_fold['accuracy']:.1%}")
        rows.append([o.member, _said_of(e, o.status), *_settings(e), *scores])
    failed = [o for o in outcomes.values() if o.status == "failed"]
    what = "networks" if folds else "members"
    error = {"error": f"{len(failed)} of {len(outcomes)} {what} failed: {failed[0].error}"} if failed else {}
    output.document(study=study.root, members=members, **error)
    columns = ["member", "status", "rate", "l2", "drop", "epochs", "last", "best val", "img/s"]
    output.table(columns + ["oof"] * bool(folds), rows, left=(0, 1), cut=(0,))
    if failed:
        if output.debug:
            click.echo("\n".join(o.detail for o in failed if o.detail), err=True)
        safe = f"; the other {len(outcomes) - len(failed)} are safe" if len(failed) < len(outcomes) else ""
        output.warn(f"{len(failed)} of {len(outcomes)} {what} failed{safe}. Run the same command to try them again.")
        return 3 if len(failed) < len(outcomes) else max(o.error_code for o in failed)
    output.next(*([f"ens-combine --split {SPLIT} --k all"] if folds else []), "ens-combine --k all", "ens-report all")
    return 0


def _folds(study: Study, e: MemberPlan, outcomes: Mapping[str, Outcome], folds: int) -> dict[str, Any] | None:
    """Return what became of a member's folds, None where none are asked for."""
    if not folds:
        return None
    trained = [o for f in e.folds_left if (o := outcomes[fold_title(e.name, f)])]
    failed = [o for o in trained if o.status == "failed"]
    path = study.predictions_path(e.name, SPLIT)
    accuracy = None
    if path.exists():
        found = study.read(e.name, SPLIT)
        accuracy = float((found.probs.argmax(axis=1) == found.labels).mean())
    return {
        "count": folds,
        "status": "failed" if failed else "trained" if trained else "skipped",
        "error": failed[0].error if failed else None,
        "seconds": sum(o.seconds for o in trained),
        "accuracy": accuracy,
        "predictions": str(path) if path.exists() else None,
    }


def show_models(output: Output) -> int:
    """Print every network with its parameters."""
    from ensemble.models.measure import size_of

    models, rows = [], []
    with output.progress("Measuring networks", "networks") as progress:
        for done, model in enumerate(MODELS.values(), 1):
            size = size_of(model)
            models.append(
                {
                    "name": model.name, "paper": model.paper, "parameters": size.parameters,
                    "statistics": size.statistics, "gflops": size.gflops, "reported": model.reported,
                    "input": model.input, "layers": model.layers, "recipe": model.recipe,
                    "pretrained": model.pretrained, "keras_parameters": size.keras_parameters,
                    "paper_parameters": model.paper_parameters,
                }
            )  # fmt: skip
            rows.append(
                [model.name, model.paper, f"{size.parameters:,}", f"{size.gflops:.3f}", str(model.input), _said(model)]
            )
            progress(done, len(MODELS))
    output.document(models=models)
    output.table(["model", "paper", "parameters", "GFLOP", "input", "paper's acc."], rows, left=(0, 1))
    output.say("* starts from ImageNet weights. Any torchvision/NAME and timm/NAME is a model too.")
    return 0


def _said(model: Model) -> str:
    """Say what accuracy a paper reports for a network."""
    if not model.reported:
        return "-"
    below = "< " if model.reported.get("below") else ""
    return f"{below}{model.reported['accuracy']:.1%} {model.reported['split']}{' *' if model.pretrained else ''}"
