"""ens-combine: score every subset of a study's members and choose the best."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from cli import completion
from cli.combine_json import document
from cli.combine_text import (
    copy_names,
    many,
    say_copies,
    say_cost,
    say_left_out,
    say_twice,
    say_without,
    show_front,
    show_selection,
    show_sizes,
    warn,
)
from cli.common import TABLES, Output, command, entry

if TYPE_CHECKING:
    from analysis.selection.choose import EnsembleSelection
    from analysis.stack import PredictionStack
    from analysis.subsets.leading import LeadingParts
    from analysis.subsets.shards import Shards
    from ensemble.study.part import Part
    from ensemble.study.predictions import Predictions, Rows
    from ensemble.study.study import Study

EXAMPLES = (
    "ens-combine --k all                                  every subset of the members of ./study, scored on val",
    "ens-combine --k 1-3 --metric nll                     at most three members, the best by likelihood",
    "ens-combine --members 'm3-*' --members resnet        only these",
    "ens-combine --max-size 3 --save best3                the best of at most three, kept as an ensemble",
    "ens-combine --select greedy                          weights by greedy selection, with an honest score",
    "ens-combine --weights m3-0=.7,m3-1=.3 --save pair    weights of one's own",
    "ens-combine --only 2/4                               a quarter of the subsets; --merge puts the parts together",
    "ens-combine --metric balanced_accuracy               each class counts alike, however many samples it has",
    "ens-combine --cost gflops --max-cost 2               what score can be had for what cost",
    "ens-combine --table subsets.csv --json > best.json   a row a subset, and the summary for a script",
)

FAR_PARTS = 32  # into which subsets are cut for a cluster, whatever its size: the same where it is asked again


def _sizes(_context: click.Context, option: click.Parameter, text: str) -> tuple[int, int] | None:
    """Turn 'all' into None, '3' into (3, 3) and '2-5' into (2, 5)."""
    if text == "all":
        return None
    match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", text)
    if not match:
        raise click.BadParameter(
            f"expected 'all', a size such as 3 or a range such as 2-5, found {text!r}.", param=option
        )
    low, high = int(match[1]), int(match[2] or match[1])
    if not 1 <= low <= high:
        raise click.BadParameter(f"sizes start at 1 and a range goes upward, as in 2-5; found {text!r}.", param=option)
    return low, high


def _weights(_context: click.Context, option: click.Parameter, text: str | None) -> dict[str, float] | None:
    """Turn 'a=.5,b=.5' into {"a": .5, "b": .5}."""
    if text is None:
        return None
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        try:
            weight = float(number)
        except ValueError:
            weight = None
        if not (name and equals) or weight is None:
            raise click.BadParameter(f"expected NAME=WEIGHT pairs such as a=.5,b=.5, found {part!r}.", param=option)
        if name in found:
            raise click.BadParameter(f"{name!r} was given twice; name each member once.", param=option)
        found[name] = weight
    return found


@command("ens-combine", EXAMPLES)
@click.option(
    "--k",
    default="all",
    show_default=True,
    callback=_sizes,
    metavar="all|N|A-B",
    help="How many members a subset has.",
)
@click.option(
    "--members",
    multiple=True,
    metavar="PATTERN",
    shell_complete=completion.members,
    help="Only members of this name, such as 'm3-*'; may be repeated. Saved ensembles take part only when named.",
)
@click.option("--split", default="val", show_default=True, shell_complete=completion.splits, help="Which predictions.")
@click.option("--intersect", is_flag=True, help="Where members differ in samples, take the common ones.")
@click.option(
    "--rule",
    type=click.Choice(["mean", "geometric", "vote"]),
    default="mean",
    show_default=True,
    help="How members are combined: the arithmetic or geometric mean of their probabilities, or plurality of votes.",
)
@click.option(
    "--metric",
    type=click.Choice(["accuracy", "nll", "brier", "top5", "balanced_accuracy", "macro_f1", "auroc"]),
    default="accuracy",
    show_default=True,
    help="What the best subset is best by. Macro-F1 and the mean AUROC take each subset by itself, so only some "
    "thousands.",
)
@click.option(
    "--select",
    type=click.Choice(["best", "greedy", "weights", "stack"]),
    default="best",
    show_default=True,
    help="How the ensemble is chosen: the best subset of all; members added greedily, again and again; the weights "
    "with the lowest NLL; or stacking, a regression on the members' log-probabilities.",
)
@click.option("--max-size", type=click.IntRange(min=1), metavar="N", help="At most N members, for best and greedy.")
@click.option(
    "--weights",
    callback=_weights,
    metavar="A=W,B=W",
    help="Nothing is chosen: these members with these weights, which sum to 1, such as a=.5,b=.5.",
)
@click.option(
    "--table",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a row for each subset: .csv, .parquet or .h5.",
)
@click.option(
    "--groups",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Which samples belong together (one patient, one video): a CSV file with the columns id and group, or "
    "predictions that hold them. Honest scores and tests keep them together.  [default: what the predictions hold]",
)
@click.option(
    "--only-accuracy",
    is_flag=True,
    help="Score by accuracy alone; top-5, NLL and Brier score take most of the time where members are many.",
)
@click.option(
    "--class-weights",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What classes count in the metric: a CSV file with the columns class and weight.",
)
@click.option(
    "--cost",
    metavar="gflops|parameters|FILE.csv",
    help="What members cost: shows what score can be had for what cost. A file has the columns member and cost.",
)
@click.option(
    "--cost-by",
    type=click.Choice(["sum", "max"]),
    default="sum",
    show_default=True,
    help="A subset costs the sum of its members, or the most of them.",
)
@click.option(
    "--max-cost", type=click.FloatRange(min=0), metavar="X", help="Choose of the subsets that cost at most X."
)
@TABLES
@click.option("--save", metavar="NAME", help="Keep the chosen ensemble's predictions in the study.")
@click.option("--only", metavar="I/N", help="Score part I of N of the subsets and keep it: for one machine of several.")
@click.option(
    "--engine",
    default="local",
    show_default=True,
    metavar="local|ray|ray://HOST:PORT",
    help="What scores the subsets: this machine, or a cluster of Ray, in parts.",
)
@click.option("--merge", is_flag=True, help="Take the subsets' scores that --only kept, all N parts of them.")
def combine(
    output: Output, *, k: tuple[int, int] | None, members: Sequence[str], split: str, intersect: bool, rule: str,
    metric: str, select: str, max_size: int | None, weights: dict[str, float] | None, table: Path | None,
    groups: Path | None, class_weights: Path | None, cost: str | None, cost_by: str, max_cost: float | None,
    format_: str | None, save: str | None, only_accuracy: bool, only: str | None, engine: str,
    merge: bool,
) -> None:  # fmt: skip
    """Score every subset of the members, choose an ensemble, and say what it is worth.

    Members are joined by sample id and class id. Accuracy, top-5, NLL and Brier score are exact for every subset;
    a vote has the former two, and the geometric mean of more than 12 members too; balanced accuracy, and weights of
    classes, are exact for every subset as well. What is chosen on a split looks
    better there than it is: beside its score stands an honest one, from samples that did not choose.
    """
    from analysis.class_metrics import class_weights as check_class_weights
    from analysis.class_metrics import read_class_weights
    from analysis.members.costs import cost_words, member_costs
    from analysis.saved import groups_of, select_stack
    from analysis.selection import choose
    from analysis.selection.best import Counted
    from analysis.subsets.shards import parts_of
    from analysis.subsets.table import check_table_path, write_subset_table
    from ensemble.errors import BadInput
    from ensemble.study.part import check_engine, parse_part
    from ensemble.study.study import Study

    _check_options()
    part = parse_part(only)
    output = output.writing(format_)
    study = Study.open(output.study)
    if table:
        check_table_path(table)
    if save:
        _check_save(study, save, rule)
    say_twice(output, members)
    stack, files = select_stack(study, split, members, intersect)
    say_without(output, study, split, members)
    sizes = _within(k, len(stack.members))
    choose.check_choice(select, metric, stack.members, rule, max_size, weights)
    of = groups_of(study, stack, groups)
    metrics = ("accuracy",) if only_accuracy else ("accuracy", "top5", "nll", "brier")
    if only_accuracy and metric != "accuracy":
        raise BadInput(f"--only-accuracy leaves out what --metric {metric} asks for; drop one of the two.")
    weighing = None
    if class_weights is not None:
        named = read_class_weights(class_weights)
        weighing = check_class_weights(named, stack.class_ids, stack.class_names, str(class_weights))
    costs = None if cost is None else member_costs(study, stack.members, cost)
    choose.check_data(stack, metric, rule, sizes, weighing, costs)
    far = check_engine(engine) != "local"
    shards = parts_of(study.root, stack, sizes, rule, metrics) if part or merge or far else None
    if part and shards:
        _score_part(output, stack, rule, shards, part)
        return
    if shards and far:
        _score_far(output, study, shards, engine)
    if shards:
        counted = shards.merge()
        if table and counted.count > len(counted):
            raise BadInput(f"--table: of {counted.count:,} subsets in parts sums are kept, and no rows; leave it out.")
    else:
        say_cost(output, stack, sizes, rule, metrics, in_full=table is not None)
        with output.progress("Scoring subsets") as progress:
            counted = choose.score_subsets(
                stack, sizes, "" if weights else select, metric, rule, of, progress, metrics=metrics,
                in_full=table is not None, folder=study.root / "lattice",
            )  # fmt: skip
    scored = counted.table if isinstance(counted, Counted) else counted
    for finding in stack.misaligned():
        output.warn(str(finding))
    warn(output, stack, scored)
    with output.progress("Choosing again and again for honest scores", "folds") as progress:
        found = choose.select(
            stack, select, metric=metric, sizes=sizes, max_size=max_size, weights=weights, rule=rule, groups=of,
            class_weights=weighing, costs=costs, cost_by=cost_by, max_cost=max_cost, table=counted, progress=progress,
        )  # fmt: skip
    if not output.json:
        show_sizes(output, found.table, found.metric, max_size)
        say_left_out(output, found)
        say_copies(output, stack)
        show_selection(output, found, max_size)
        if found.front is not None and cost is not None:
            show_front(output, found.front, cost_words(cost), max_cost)
    if table:
        write_subset_table(table, found.table)
        output.say(f"Wrote {many(len(scored), 'subset')} to {table}.")
    if save:
        _save(output, study, save, stack, files, found)
    if output.json:
        output.document(**document(found, cost, max_cost), copies=copy_names(stack))
    on = "" if split == "val" else f" --split {split}"
    saved = f" --ensemble {save}" if save else ""
    front = (
        () if cost is None else (f"ens-report cost --cost {cost}{'' if cost_by == 'sum' else ' --cost-by max'}{on}",)
    )
    output.next(f"ens-report per-class{saved}{on}", f"ens-report curve{on}", *front)


def _check_options() -> None:
    """Refuse options that have nothing to do beside `--weights`, or beside `--only`."""
    context = click.get_current_context()
    if context.params["only"] is not None:
        whole = ("merge", "save", "table", "weights", "select", "max_size", "metric", "groups", "class_weights", "cost",
                 "cost_by", "max_cost")  # fmt: skip
        for name in whole:
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise click.UsageError(
                    f"--only scores a part of the subsets, and --{name.replace('_', '-')} is of all of them: name it "
                    "with --merge, once all parts are there."
                )
        if context.get_parameter_source("engine") is ParameterSource.COMMANDLINE:
            raise click.UsageError("--only scores a part here, and --engine has a cluster score all parts; drop one.")
    if context.params["weights"] is not None:
        for name, spelled in (("select", "--select"), ("max_size", "--max-size"), ("cost", "--cost")):
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise click.UsageError(f"--weights names the ensemble, so {spelled} has nothing to choose; drop one.")


def _score_part(
    output: Output, stack: "PredictionStack", rule: str, shards: "Shards | LeadingParts", part: "Part"
) -> None:
    """Score a part of the subsets and keep it, unless it is there; say which parts are missing."""
    path = shards.path(part)
    with output.progress("Scoring subsets") as progress:
        done = not shards.score(part, progress)
    output.say(f"{path}: part {part} of the subsets of {many(len(stack.members), 'member')}{', scored before' * done}.")
    missing = [str(left) for left in shards.missing(part.count)]
    output.document(split=stack.split, rule=rule, only=str(part), file=path, missing=missing)
    if missing:
        output.say(f"Not scored yet: {', '.join(missing)}.")
    else:
        output.say(f"All {part.count} parts are there; the same command with --merge in place of --only goes on.")


def _score_far(output: Output, study: "Study", shards: "Shards | LeadingParts", engine: str) -> None:
    """Have a cluster score all parts of the subsets that are not there yet."""
    from analysis.subsets.shards import tasks_of
    from ensemble.training.on_ray import run_tasks

    tasks = tasks_of(study.root, shards, min(FAR_PARTS, shards.blocks))
    if tasks:
        with output.progress("Scoring subsets", "parts") as progress:
            run_tasks(tasks, study.root, engine, progress)


def _within(sizes: tuple[int, int] | None, members: int) -> range:
    """Return the sizes asked for, all where none were; raise `BadInput` where there are too few members."""
    from ensemble.errors import BadInput

    low, high = sizes or (1, members)
    if high > members:
        asked = f"{low}" if low == high else f"{low}-{high}"
        there = "there is only 1 member" if members == 1 else f"there are only {members} members"
        raise BadInput(f"--k {asked}: {there} to combine; ask for --k {'1' if members == 1 else f'1-{members}'}.")
    return range(low, high + 1)


def _check_save(study: "Study", name: str, rule: str) -> None:
    """Raise `BadInput` where the rule gives nothing to keep, or the study has something called `name` already."""
    from ensemble.errors import BadInput
    from ensemble.study.names import check_name

    if rule == "vote":
        raise BadInput("--save: a vote gives no probabilities to keep; combine by --rule mean or --rule geometric.")
    check_name(name, "--save")
    holds = [split for split in study.splits() if name in study.members(split)]
    if holds or study.member_dir(name).exists():
        raise BadInput(f"--save {name}: {study.root} has that name already; choose another one.")


def _save(
    output: Output, study: "Study", name: str, stack: "PredictionStack", files: "Sequence[Predictions | Rows]",
    found: "EnsembleSelection",
) -> None:  # fmt: skip
    """Keep the chosen ensemble's predictions in the study; those of a regression as they were made out of fold."""
    from analysis.ensemble import as_predictions, chosen_ensemble
    from analysis.saved import predictions_of
    from ensemble.errors import BadInput
    from ensemble.study.atomic import file_stamp
    from ensemble.study.predictions import Predictions, Rows

    apart, result = found.out_of_fold(), found.result
    fitted = None if apart is None else "out of fold"
    ensemble = chosen_ensemble(stack, result.chosen, found.table.rule, name, apart)
    with study.alone():
        _check_save(study, name, found.table.rule)  # again: another process may have taken the name meanwhile
        for f in files:
            if isinstance(f, Rows) and f.stamp != file_stamp(path := study.predictions_path(f.member, f.split)):
                raise BadInput(f"{path}: was replaced while it was combined; run the same command again.")
        noted = {"selection": result.name, "chosen_on": stack.split, "fitted": fitted}
        sources = (
            f if isinstance(f, Predictions) else predictions_of(study, f.member, f.split, held=False) for f in files
        )
        path = study.write(as_predictions(ensemble, sources, **noted))
    note = ", each sample as a regression predicts it that was fitted without it" if apart is not None else ""
    output.say(f"Saved the chosen ensemble as {name!r} in {path}{note}.")


main = entry(combine)
