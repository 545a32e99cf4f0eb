"""ens-combine: score every subset of a study's members and choose the best."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.common import Talk, command, entry

if TYPE_CHECKING:
    from analysis.stack import PredictionStack
    from analysis.table import Subset, SubsetTable
    from ensemble.predictions import Predictions
    from ensemble.store import Study

EXAMPLES = (
    "ens-combine --k all                                  every subset of the members of ./study, scored on val",
    "ens-combine --k 1-3 --metric nll                     at most three members, the best by likelihood",
    "ens-combine --members 'm3-*' --members resnet        only these",
    "ens-combine --max-size 3 --save best3                the best of at most three, kept as an ensemble",
    "ens-combine --table subsets.csv --json > best.json   a row a subset, and the summary for a script",
)


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
    help="Only members of this name, such as 'm3-*'; may be repeated. Saved ensembles take part only when named.",
)
@click.option("--split", default="val", show_default=True, help="Which predictions.")
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
    type=click.Choice(["accuracy", "nll", "brier", "top5"]),
    default="accuracy",
    show_default=True,
    help="What the best subset is best by.",
)
@click.option(
    "--select",
    type=click.Choice(["best"]),
    default="best",
    show_default=True,
    help="How one subset is chosen: the best of all, exactly.",
)
@click.option("--max-size", type=click.IntRange(min=1), metavar="N", help="Choose among subsets of at most N members.")
@click.option(
    "--table",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a row for each subset: .csv, .parquet or .h5.",
)
@click.option("--save", metavar="NAME", help="Keep the chosen ensemble's predictions in the study.")
def combine(
    talk: Talk, *, k: tuple[int, int] | None, members: Sequence[str], split: str, intersect: bool, rule: str,
    metric: str, select: str, max_size: int | None, table: Path | None, save: str | None,
) -> None:  # fmt: skip
    """Score every subset of the members, and choose the best.

    Members are joined by sample id and class id. Accuracy, top-5, NLL and Brier score are exact for every subset;
    a vote has the former two, and the geometric mean of more than 12 members too.
    """
    from analysis.saved import saved_ensemble
    from analysis.stack import join
    from analysis.subsets import subset_table
    from analysis.table_file import check_table_path, write_subset_table
    from ensemble.store import Study

    study = Study.open(talk.study)
    if table:
        check_table_path(table)
    if save:
        _check_free(study, save)
    predictions = _read(study, split, members)
    stack = join(predictions, intersect)
    sizes = _within(k, len(stack.members))
    _check_rule(rule, metric, len(stack.members), save)
    _say_cost(talk, stack, sizes, rule)
    with talk.progress("Scoring subsets", "samples") as progress:
        scored = subset_table(stack, sizes, progress, rule)
    best = scored.best(metric, max_size)
    alone = (scored if 1 in sizes else subset_table(stack, [1], rule=rule)).single_best(metric)
    _warn(talk, stack, scored)
    _show(talk, scored, best, alone, metric, max_size)
    if table:
        write_subset_table(table, scored)
        talk.say(f"Wrote {_many(len(scored), 'subset')} to {table}.")
    if save:
        path = study.write(saved_ensemble(save, stack, best.members, predictions, rule))
        talk.say(f"Saved the chosen ensemble as {save!r} in {path}.")
    talk.document(**_document(scored, best, metric))
    on = "" if split == "val" else f" --split {split}"
    talk.next(f"ens-report per-class{on}", f"ens-report curve{on}")


def _read(study: "Study", split: str, patterns: Sequence[str]) -> list["Predictions"]:
    from ensemble.errors import BadInput

    predictions = study.select(split, patterns)
    if not predictions:
        raise BadInput(
            f"{study.root}: split {split!r} has saved ensembles only, {', '.join(study.members(split))}; "
            "they take part when they are named with --members."
        )
    return predictions


def _within(sizes: tuple[int, int] | None, members: int) -> range:
    """Return the sizes asked for, all where none were; raise `BadInput` where there are too few members."""
    from ensemble.errors import BadInput

    low, high = sizes or (1, members)
    if high > members:
        asked = f"{low}" if low == high else f"{low}-{high}"
        there = "there is only 1 member" if members == 1 else f"there are only {members} members"
        raise BadInput(f"--k {asked}: {there} to combine; ask for --k {'1' if members == 1 else f'1-{members}'}.")
    return range(low, high + 1)


def _check_rule(rule: str, metric: str, members: int, save: str | None) -> None:
    """Raise `BadInput` where the rule gives no probabilities, and the metric or `--save` needs some."""
    from analysis.rules import GEOMETRIC_MEMBERS
    from ensemble.errors import BadInput

    if rule == "vote" and save:
        raise BadInput("--save: a vote gives no probabilities to keep; combine by --rule mean or --rule geometric.")
    if metric not in ("nll", "brier"):
        return
    if rule == "vote":
        raise BadInput(f"--metric {metric}: a vote gives no probabilities; choose by accuracy or top5.")
    if rule == "geometric" and members > GEOMETRIC_MEMBERS:
        raise BadInput(
            f"--metric {metric}: for the geometric mean it is computed up to {GEOMETRIC_MEMBERS} members, and there "
            f"are {members}; choose by accuracy or top5, or name fewer with --members."
        )


def _say_cost(talk: Talk, stack: "PredictionStack", sizes: range, rule: str) -> None:
    """Say what a large job will cost before it begins; raise `BadInput` where the machine is too small for it."""
    from analysis.subsets import plain_is_faster

    if stack.labels is None or plain_is_faster(stack, sizes):
        return
    from analysis.lattice.cost import cost

    size = len(stack.members), stack.samples, stack.classes
    found = cost(*size, sizes, source=stack, rule=rule)
    if found.seconds > 1 or found.bytes > 10_000_000:
        seconds = f"{found.seconds:,.0f} seconds" if found.seconds < 120 else f"{found.seconds / 60:,.0f} minutes"
        talk.say(
            f"{_many(found.subsets, 'subset')} of {size[0]} members: a table of {found.bytes / 1e6:,.0f} MB, "
            f"about {seconds}."
        )


def _check_free(study: "Study", name: str) -> None:
    """Raise `BadInput` where the study has a member or an ensemble called `name` already."""
    from ensemble.errors import BadInput
    from ensemble.predictions import check_name

    check_name(name, "--save")
    holds = [split for split in study.splits() if name in study.members(split)]
    if holds or study.member_dir(name).exists():
        raise BadInput(f"--save {name}: {study.root} has that name already; choose another one.")


def _warn(talk: Talk, stack: "PredictionStack", table: "SubsetTable") -> None:
    if any(stack.dropped):
        lost = ", ".join(f"{m} {n:,}" for m, n in zip(stack.members, stack.dropped, strict=True) if n)
        talk.warn(f"the members share {stack.samples:,} samples, which are scored; left out: {lost}.")
    floor = "2^-26" if table.rule == "geometric" else "1e-12"
    if table.floored:
        talk.warn(
            f"{table.floored:,} of {len(stack.members) * stack.samples:,} member probabilities of the true class "
            f"lay below {floor} and count as {floor} in the NLL."
        )


def _show(talk: Talk, table: "SubsetTable", best: "Subset", alone: "Subset", metric: str, max_size: int | None) -> None:
    """Print the table by size, the best of each size, and the chosen one with what it gains."""
    from analysis.metrics import METRICS

    by_size = table.by_size(metric)
    talk.table(
        ("k", "subsets", "accuracy", "min", "max", "top-5", "NLL", "Brier"),
        [
            (
                str(s.k), f"{s.subsets:,}",
                *(_percent(x) for x in (s.mean_accuracy, s.min_accuracy, s.max_accuracy, s.mean_top5)),
                _value("nll", s.mean_nll), _value("brier", s.mean_brier),
            )
            for s in by_size
        ],
        title=f"{_many(len(table), 'subset')} of {_many(len(table.members), 'member')}, "
        f"{_many(table.samples, 'sample')} of {table.split}, {table.classes} classes",
        left=(),
    )  # fmt: skip
    title = METRICS[metric].title
    name = title if title[:2].isupper() else title.lower()
    talk.text(f"Best of each size by {name}:")
    for s in by_size:
        talk.text(f"  k = {s.k:<2}  {_value(metric, s.best.score(metric)):>7}  {_named(s.best, table.members)}")
    talk.text(f"\nBest{f' of at most {max_size}' if max_size else ''}: {' + '.join(best.members)}")
    talk.text(
        f"  accuracy {_percent(best.accuracy)}, top-5 {_percent(best.top5)}, "
        f"NLL {_value('nll', best.nll)}, Brier {_value('brier', best.brier)}"
    )
    gain = METRICS[metric].advantage(best.score(metric), alone.score(metric))
    points = f"{100 * gain:+.2f} points" if metric in ("accuracy", "top5") else f"{gain:+.4f}"
    single = f"{alone.members[0]} ({_value(metric, alone.score(metric))})"
    if best.mask != alone.mask:
        talk.text(f"  Gain in {name} over the best member, {single}: {points}")
    choices = len(table) if max_size is None else int((table.sizes <= max_size).sum())
    if choices > 1:
        talk.text(
            f"  It was chosen from {choices:,} subsets on {table.split}, the split that scores it, so its score "
            "flatters it: expect less on new data."
        )


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _value(metric: str, score: float) -> str:
    if score != score:  # the rule has none
        return "-"
    return _percent(score) if metric in ("accuracy", "top5") else f"{score:.4f}"


def _named(subset: "Subset", members: Sequence[str]) -> str:
    """Name a subset by its members, or by those it lacks where they are fewer."""
    missing = [m for m in members if m not in subset.members]
    if len(members) > 2 and len(missing) < min(3, subset.size):
        return f"all but {', '.join(missing)}" if missing else f"all {len(members)}"
    return " + ".join(subset.members)


def _document(table: "SubsetTable", best: "Subset", metric: str) -> dict[str, Any]:
    """Return the JSON of commands.md; what is not built yet is None."""
    return {
        "split": table.split,
        "rule": table.rule,
        "metric": metric,
        "samples": table.samples,
        "classes": table.classes,
        "members": table.members,
        "subsets": len(table),
        "by_size": [asdict(s) | {"best": s.best.members} for s in table.by_size(metric)],
        "best": {
            "members": best.members,
            "weights": None,
            "k": best.size,
            "accuracy": best.accuracy,
            "top5": best.top5,
            "nll": best.nll,
            "brier": best.brier,
            "honest_accuracy": None,
            "honest_low": None,
            "honest_high": None,
            "honest_how": None,
        },
        "shapley": None,
    }


main = entry(combine)
