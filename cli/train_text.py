"""What ens-train prints: the plan, how it began, the table of what became of the members, the list of networks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from typing import TYPE_CHECKING, Any

import click

from cli.common import Output, as_options
from ensemble.errors import BadInput, nearest
from ensemble.models import MODELS, Model, comparable
from ensemble.study.recipe import builtin_plan, recipe_text, shipped_names
from ensemble.study.split import Dataset
from ensemble.study.study import Study
from ensemble.training.damage import damage_text
from ensemble.training.folds import SPLIT
from ensemble.training.job import Outcome, fold_title
from ensemble.training.plan_members import MemberPlan, TrainingPlan, networks_left

if TYPE_CHECKING:
    from ensemble.training.search import Search


def advice(outcome: Outcome) -> str:
    """Say what may help a network of which something is wrong."""
    few = ""
    if any(f.mark == "at chance" for f in outcome.findings):
        few = f"go on with more --epochs where {outcome.epochs:,} were few for it, "
    return (
        f"Trained again unchanged it would end the same: {few}lower learning_rate, or change the recipe, the seed "
        "or the model, under another --name or with --force."
    )


def show_notes(output: Output, dataset: Dataset) -> None:
    """Say what was converted on the images' way in."""
    for note in dataset.notes:
        output.say(f"{dataset.source}: {note}")


def show_plan(output: Output, plan: TrainingPlan, dataset: Dataset) -> int:
    """Print the plan of `--dry-run`, and what it will take."""
    from ensemble.training.estimate import estimate, total_seconds

    study, members = plan.study, plan.members
    output.say("Trying out the networks, about a second each.")
    costs = estimate(plan, dataset)
    seconds = total_seconds(plan, costs)
    told = [
        {
            "name": m.name, "action": m.action, "threads": m.threads, "folds": m.folds_left,
            "comparable": comparable(m.recipe), "recipe": m.recipe.as_dict(),
            "estimate": asdict(costs[m.name]) if m.name in costs else None,
        }
        for m in members
    ]  # fmt: skip
    output.document(
        study=study.root,
        data=study.config.data,
        jobs=plan.jobs,
        warnings=plan.warnings(),
        seconds=seconds,
        only=None if plan.only is None else str(plan.only),
        members=told,
    )
    _warn(output, plan)
    for m in members:
        if m.damage:
            output.warn(as_options(damage_text(study, m.name, m.damage)))
    columns = ["member", "action", "rate", "l2", "drop", "epochs", "seed", "threads"]
    rows = [[m.name, _marked(m, m.action), *_settings(m), str(m.recipe.seed), str(m.threads)] for m in members]
    if any(m.folds_left for m in members):
        columns.append("folds")
        rows = [[*row, str(len(m.folds_left))] for row, m in zip(rows, members, strict=True)]
    output.table(columns, rows, left=(0, 1), cut=(0,))
    alike: dict[tuple, list[str]] = {}
    for name, cost in costs.items():
        alike.setdefault(astuple(cost), []).append(name)
    for names in alike.values():
        cost = costs[names[0]]
        some = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        output.text(
            f"{some}: {cost.parameters:,} parameters, {cost.gflops:.3g} GFLOP an image, about {_bytes(cost.memory)} of "
            f"memory, {cost.images_per_second:,.0f} images/s tried out here: about {_hours(cost.seconds)} each"
        )
    if costs:
        output.text(f"All of it about {_hours(seconds)}, {plan.jobs} at once, validation and augmentation not counted.")
    part = "" if plan.only is None else f", part {plan.only}"
    output.text(f"Data {study.config.data}{part}, {plan.jobs} at once, into {study.root}. Nothing was written.")
    return 0


def show_start(output: Output, plan: TrainingPlan, *, named: bool) -> None:
    """Say what is about to be trained; named: whether the members were named by an option."""
    finished, networks = sum(m.action == "skip" for m in plan), len(plan.training_jobs())
    part = "" if plan.only is None else f", of {len(plan.everyone)} in all (part {plan.only})"
    output.say(
        f"{plan.study.root}: {len(plan)} {'member' if len(plan) == 1 else 'members'} {plan.prefix}-* "
        f"on {plan.study.config.data}{part}"
        + (f", {finished} finished before" if finished else "")
        + (f", {plan.folds} folds each" if plan.folds else "")
        + (f", {plan.jobs} at once" if plan.jobs > 1 and networks > 1 else "")
    )
    if plan.others and not named:
        others = ", ".join(f"{other}-*" for other in plan.others)
        output.say(f"Besides them it has {others}: choose with --model or --name.")
    _warn(output, plan)


def _warn(output: Output, plan: TrainingPlan) -> None:
    for text in plan.warnings():
        output.warn(text)


def show_outcomes(output: Output, plan: TrainingPlan, outcomes: Sequence[Outcome]) -> int:
    """Print what became of the members; return the exit status."""
    by_title, folds = {o.member: o for o in outcomes}, plan.folds
    members, rows = [], []
    for m in plan:
        o = by_title[m.name]
        last = None if o.last is None else {"val_accuracy": o.last.val_accuracy}
        best = None if o.best is None else {"epoch": o.best.epoch, "val_accuracy": o.best.val_accuracy}
        out_of_fold = _folds(plan, m, by_title)
        members.append(
            {
                "name": o.member, "status": o.status, "error": _error(o), "epochs": o.epochs, "last": last,
                "best": best, "seconds": o.seconds, "images_per_second": o.images_per_second,
                "predictions": o.predictions, "comparable": comparable(m.recipe), "folds": out_of_fold,
                "warnings": [f.text for f in o.findings],
                "kept": None if o.kept is None else {"epoch": o.kept, "by": m.recipe.keep},
            }
        )  # fmt: skip
        scores = ["-", "-", "-"] if o.last is None or o.best is None else [
            f"{o.last.val_accuracy:.1%}", f"{o.best.val_accuracy:.1%} @ {o.best.epoch}", f"{o.images_per_second:,.0f}"
        ]  # fmt: skip
        if out_of_fold:
            scores.append("-" if out_of_fold["accuracy"] is None else f"{out_of_fold['accuracy']:.1%}")
        rows.append(
            [
                o.member,
                ", ".join([_marked(m, o.status), *_kept(m, o), *(f.mark for f in o.findings)]),
                *_settings(m),
                *scores,
            ]
        )
    failed = [o for o in outcomes if o.status == "failed"]
    left = networks_left(plan) if plan.only else []
    damaged = [m.name for m in plan if m.action == "damaged"]
    what = "networks" if folds else "members"
    error = {"error": f"{len(failed)} of {len(outcomes)} {what} failed: {_error(failed[0])}"} if failed else {}
    output.document(
        study=plan.study.root,
        only=None if plan.only is None else str(plan.only),
        missing=[{"name": title, "only": str(part)} for title, part in left],
        members=members,
        **error,
    )
    columns = ["member", "status", "rate", "l2", "drop", "epochs", "last", "best val", "img/s"]
    output.table(columns + ["oof"] * bool(folds), rows, left=(0, 1), cut=(0,))
    for o in outcomes:
        if o.findings:
            output.warn(f"{o.member}: {' and '.join(f.text for f in o.findings)}. {advice(o)}")
    if failed:
        if output.debug:
            click.echo("\n".join(o.detail for o in failed if o.detail), err=True)
        safe = f"; the other {len(outcomes) - len(failed)} are safe" if len(failed) < len(outcomes) else ""
        then = advice(failed[0]) if all(o.repeats for o in failed) else "Run the same command to try them again."
        for o in failed:
            if o.member in damaged:
                output.warn(_error(o) or "")
        if len(damaged) == len(failed):
            then = f"Make them again with {' '.join(f'--redo {name}' for name in damaged)}."
        output.warn(f"{len(failed)} of {len(outcomes)} {what} failed{safe}. {then}")
        return 3 if len(failed) < len(outcomes) else max(o.error_code for o in failed)
    if left:
        shown = ", ".join(f"{title} (part {part})" for title, part in left[:6])
        more = f" and {len(left) - 6} more" if len(left) > 6 else ""
        is_are = "is" if len(left) == 1 else "are"
        output.say(
            f"Part {plan.only} is done. Of the whole {len(left)} {is_are} not finished yet: {shown}{more}; where no "
            "task is at work on them, run their part again."
        )
        return 0
    if plan.only:
        output.say(f"All {len(plan.everyone)} members are finished, those of the other parts too.")
    output.next(*([f"ens-combine --split {SPLIT} --k all"] if folds else []), "ens-combine --k all", "ens-report all")
    return 0


def show_search(output: Output, study: Study, found: "Search", asked: int) -> int:
    """Print what a search has come to, and what the mean of its members is worth beside the best of them."""
    from analysis.ensemble import ensemble_of
    from analysis.stack import join
    from analysis.statistics import compare_correct

    scores = {trial.number: trial.score for trial in found.trials}
    counts = {
        state: sum(t.state == state for t in found.trials) for state in ("complete", "pruned", "failed", "running")
    }
    numbers = [int(name.rpartition("-t")[2]) for name in found.members]
    ensemble, members = None, []
    if found.members:
        stack = join(study.select("val", found.members))
        labels = stack.require_labels()
        mean = ensemble_of(stack)
        right = {name: preds == labels for name, preds in zip(stack.members, mean.member_preds, strict=True)}
        members = [
            {"name": name, "tune_accuracy": scores[n], "val_accuracy": float(right[name].mean())}
            for name, n in zip(found.members, numbers, strict=True)
        ]
        paired = compare_correct(mean.preds == labels, right[found.members[0]])
        ensemble = {"accuracy": float((mean.preds == labels).mean()), "against": found.members[0],
                    "difference": paired.difference, "low": paired.low, "high": paired.high, "p": paired.p}  # fmt: skip
    output.document(
        study=study.root, asked=asked, here=found.here, trials=counts, members=members, ensemble=ensemble,
    )  # fmt: skip
    output.text(
        f"{len(found.trials)} trials, {found.here} of them here: {counts['complete']} complete, "
        f"{counts['pruned']} pruned, {counts['failed']} failed"
        + (f", {counts['running']} at work elsewhere" if counts["running"] else "")
        + "."
    )
    if ensemble is None:
        output.warn("No trial is complete, so there is no member; look at the settings, or ask for more trials.")
        return 0 if counts["running"] else 1
    rows = [[str(m["name"]), f"{m['tune_accuracy']:.1%}", f"{m['val_accuracy']:.1%}"] for m in members]
    output.table(["member", "tune", "val"], rows, left=(0,))
    if len(members) > 1:
        output.text(
            f"Their mean: {ensemble['accuracy']:.1%} on val, {100 * ensemble['difference']:+.1f} points "
            f"[{100 * ensemble['low']:+.1f}, {100 * ensemble['high']:+.1f}] beside {found.members[0]}, the best on "
            "tune; val chose none of them."
        )
    output.next("ens-combine --k all", "ens-report all")
    return 0


def _error(outcome: Outcome) -> str | None:
    """Return why an outcome failed, its Python arguments written as this command's options."""
    if outcome.error is None:
        return None
    return as_options(outcome.error) + (", --debug shows where" if outcome.detail else "")


def _settings(m: MemberPlan) -> list[str]:
    return [f"{m.recipe.learning_rate:g}", f"{m.recipe.l2:g}", f"{m.recipe.dropout:g}", str(m.recipe.epochs)]


def _kept(m: MemberPlan, o: Outcome) -> list[str]:
    """Return which weights predict, where they are not simply the last epoch's."""
    if o.kept is None or m.recipe.keep == "last":
        return []
    return [f"best on tune @ {o.kept}" if m.recipe.keep == "best" else "averaged"]


def _marked(m: MemberPlan, status: str) -> str:
    """Return a status, with the mark of a member that must not be set beside its paper."""
    return status if comparable(m.recipe) else f"{status}, random start"


def _folds(plan: TrainingPlan, m: MemberPlan, outcomes: Mapping[str, Outcome]) -> dict[str, Any] | None:
    """Return what became of a member's folds, None where none are asked for."""
    if not plan.folds:
        return None
    trained = [outcomes[fold_title(m.name, f)] for f in m.folds_left]
    failed = [o for o in trained if o.status == "failed"]
    path = plan.study.predictions_path(m.name, SPLIT)
    accuracy = None
    if path.exists() and m.action != "damaged":
        found = plan.study.read(m.name, SPLIT)
        accuracy = float((found.probs.argmax(axis=1) == found.labels).mean())
    return {
        "count": plan.folds,
        "status": "failed" if failed else "trained" if trained else "skipped",
        "error": _error(failed[0]) if failed else None,
        "seconds": sum(o.seconds for o in trained),
        "accuracy": accuracy,
        "predictions": str(path) if path.exists() else None,
    }


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


def _hours(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def show_recipes(output: Output) -> int:
    """Print every recipe that ships, a line each."""
    plans = {name: builtin_plan(name) for name in shipped_names()}
    told = [
        {
            "name": name, "about": plan.about, "model": plan.base.model, "epochs": plan.base.epochs,
            "variants": len(plan.variants),
        }
        for name, plan in plans.items()
    ]  # fmt: skip
    output.document(recipes=told)
    rows = [
        [name, plan.base.model, str(plan.base.epochs), str(len(plan.variants)), plan.about.split("\n")[0]]
        for name, plan in plans.items()
    ]
    output.table(["recipe", "model", "epochs", "variants", "what it is"], rows, left=(0, 1, 4), cut=(4,))
    output.next("ens-train --show-recipe ting", "ens-train --recipe m3-improved")
    return 0


def show_recipe(output: Output, name: str) -> int:
    """Print a recipe that ships as the TOML file that it is."""
    if name not in shipped_names():
        raise BadInput(f"--show-recipe {name}: is not a recipe that ships; {nearest(name, shipped_names())}.")
    plan = builtin_plan(name)
    variants = [dict(v) for v in plan.variants]
    ends = ("low", "high", "scale")
    ranges = {key: dict(zip(ends, value, strict=True)) for key, value in (plan.ranges or {}).items()}
    output.document(name=name, about=plan.about, recipe=plan.base.as_dict(), variants=variants, ranges=ranges)
    output.text(recipe_text(name).rstrip())
    return 0


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
                [model.name, model.paper, f"{size.parameters:,}", f"{size.gflops:.3f}", str(model.input),
                 _reported(model)]
            )  # fmt: skip
            progress(done, len(MODELS))
    output.document(models=models)
    output.table(["model", "paper", "parameters", "GFLOP", "input", "paper's acc."], rows, left=(0, 1))
    output.say("* starts from ImageNet weights. Any torchvision/NAME and timm/NAME is a model too.")
    return 0


def _reported(model: Model) -> str:
    """Return the accuracy that a paper reports for a network, as text."""
    if not model.reported:
        return "-"
    below = "< " if model.reported.get("below") else ""
    return f"{below}{model.reported['accuracy']:.1%} {model.reported['split']}{' *' if model.pretrained else ''}"
