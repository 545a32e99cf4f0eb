"""What ens-combine says on a terminal: sizes, the chosen ensemble, other ways to choose, Shapley values."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.sentences import (
    capital,
    chance,
    chosen_on,
    compared,
    flattery,
    holds,
    many,
    nothing_between,
    p_text,
    power,
    rare_losses,
    two_gains,
    unequal,
    unequal_groups,
)
from cli.combine_json import groups_document
from cli.common import Output

if TYPE_CHECKING:
    from analysis.ensemble import Ensemble
    from analysis.selection.choose import EnsembleSelection
    from analysis.selection.compare import SelectionResult
    from analysis.selection.costs import CostFront
    from analysis.selection.cross_validation import HonestScore
    from analysis.stack import PredictionStack
    from analysis.statistics import Paired
    from analysis.subsets.shapley import Shapley
    from analysis.subsets.table import SubsetTable
    from ensemble.study.study import Study

NAMES = {
    "member": "best member", "all": "all members", "best": "best subset", "greedy": "greedy", "weights": "weights",
    "stack": "stacking", "given": "given weights",
}  # fmt: skip
SHORT = {
    "accuracy": "accuracy", "top5": "top-5", "nll": "NLL", "brier": "Brier", "balanced_accuracy": "balanced",
    "macro_f1": "macro-F1", "auroc": "AUROC",
}  # fmt: skip
LONG = 10.0  # seconds by a model, from which on a job's time is measured and said
BAR = 24  # characters of the longest bar


def say_cost(
    output: Output, stack: "PredictionStack", sizes: range, rule: str, metrics: Sequence[str], in_full: bool
) -> None:
    """Say what a large job will cost before it begins; raise `BadInput` where the machine is too small for it.

    Time is said only where it is long by a model, and then it is measured on a part.
    """
    from analysis.subsets.score import has_table, is_compiled, reference_is_faster

    if stack.labels is None or reference_is_faster(stack, sizes, rule):
        return
    if not is_compiled():
        output.say("Compiling for this machine, this once: some ten seconds.")
    from analysis.subsets.cost import cost, duration

    size = len(stack.members), stack.samples, stack.classes
    found = cost(*size, sizes, metrics)
    if found.seconds < LONG and found.bytes < 10_000_000:
        return
    tabled = in_full or has_table(size[0], sizes, metrics)
    long = ""
    if found.seconds >= LONG:
        measured = cost(*size, sizes, metrics, source=stack, rule=rule, tabled=tabled)
        long = f", about {duration(measured.seconds)}"
    subsets = f"{many(found.subsets, 'subset')} of {size[0]} members"
    if tabled:
        output.say(f"{subsets}: a table of {found.bytes / 1e6:,.0f} MB{long}.")
    else:
        output.say(
            f"{subsets}{long}. They are too many for a table: sums over all of them and the best few thousand by each "
            "metric are kept. The same command goes on where it was interrupted."
        )


def warn(output: Output, stack: "PredictionStack", table: "SubsetTable") -> None:
    """Tell which samples were left out, and how many probabilities were raised to the floor."""
    if any(stack.dropped):
        lost = ", ".join(f"{m} {n:,}" for m, n in zip(stack.members, stack.dropped, strict=True) if n)
        output.warn(f"the members share {stack.samples:,} samples, which are scored; left out: {lost}.")
    floor = "2^-26" if table.rule == "geometric" else "1e-12"
    if table.floored:
        output.warn(
            f"{table.floored:,} of {len(stack.members) * stack.samples:,} member probabilities of the true class "
            f"lay below {floor} and count as {floor} in the NLL."
        )


def say_copies(output: Output, stack: "PredictionStack") -> list[list[str]]:
    """Say which members are copies of one another; return their names as `copy_names` does."""
    from analysis.copies import copies_words, find_copies

    if told := copies_words(find_copies(stack), stack.members):
        output.note(told)
    return copy_names(stack)


def copy_names(stack: "PredictionStack") -> list[list[str]]:
    """Return the names of members that are copies of one another, as JSON documents have them."""
    from analysis.copies import find_copies

    return [[stack.members[i] for i in same] for same in find_copies(stack)]


def say_twice(output: Output, patterns: Sequence[str]) -> None:
    """Say which members were named more than once."""
    twice = [pattern for pattern in dict.fromkeys(patterns) if patterns.count(pattern) > 1]
    if twice:
        part = "it takes part" if len(twice) == 1 else "each takes part"
        output.warn(f"named more than once, {part} once: {', '.join(twice)}.")


def say_without(output: Output, study: "Study", split: str, patterns: Sequence[str]) -> None:
    """Say which members have no predictions to take part with, where all were asked for."""
    made = split == "val" or split in study.config.splits  # by training; others are of ens-predict
    lacking = study.without_predictions(split) if made and not patterns else []
    if lacking:
        some = ", ".join(lacking[:5]) + ("" if len(lacking) <= 5 else f" and {len(lacking) - 5:,} more")
        output.warn(
            f"without {some}: no predictions for {split} are here, since the training is not over or the file is lost; "
            "the same ens-train makes them."
        )


def tells_top5(table: "SubsetTable") -> bool:
    """Say whether top-5 accuracy tells anything: of five classes or fewer the truth is always among the first five."""
    return table.classes > 5


def show_sizes(output: Output, table: "SubsetTable", metric: str, max_size: int | None = None) -> None:
    """Print the table by size, and the best of each; max_size: the largest that was asked for."""
    from analysis.subsets.table import name_set

    every, top5 = table.by_size(metric), tells_top5(table)
    by_size = [s for s in every if max_size is None or s.k <= max_size] or every
    other = metric in table.others
    output.table(
        ("k", "subsets", "accuracy", "min", "max", *(("top-5",) if top5 else ()), "NLL", "Brier")
        + ((short(metric), "best") if other else ()),
        [
            (
                str(s.k), f"{s.subsets:,}",
                *(percent(x) for x in (s.mean_accuracy, s.min_accuracy, s.max_accuracy)),
                *((percent(s.mean_top5),) if top5 else ()),
                value("nll", s.mean_nll), value("brier", s.mean_brier),
                *((value(metric, s.mean_score), value(metric, s.best.score(metric))) if other else ()),
            )
            for s in by_size
        ],
        title=f"{many(table.count, 'subset')} of {many(len(table.members), 'member')}, "
        f"{many(table.samples, 'sample')} of {table.split}, {table.classes} classes",
        left=(),
    )  # fmt: skip
    if len(by_size) < len(every):
        output.note(
            f"Subsets of more than {many(max_size or 0, 'member')} were scored too, and are not shown; "
            f"--k {'1' if max_size == 1 else f'1-{max_size}'} scores none."
        )
    output.text(f"Best of each size by {_title(metric)}:")
    for s in by_size:
        output.text(
            f"  k = {s.k:<2}  {value(metric, s.best.score(metric)):>7}  {name_set(s.best.members, table.members)}"
        )


def show_selection(output: Output, found: "EnsembleSelection", max_size: int | None) -> None:
    """Print what was chosen and what it is worth; below it the other ways to choose, the test, and Shapley values."""
    budget = f" of at most {max_size}" if max_size else ""
    name = found.result.name
    show_chosen(output, {"best": "Best", "given": "As given"}.get(name, f"Chosen by {name}") + budget, found)
    if len(found.table.members) == 1:
        return
    show_ways(output, found)
    if found.paired is not None:
        show_paired(output, name, found.paired, found.data.groups is not None)
    if values := found.shapley():
        show_shapley(output, values)


def show_chosen(output: Output, label: str, found: "EnsembleSelection") -> None:
    """Print the chosen ensemble, its scores, and what it gains over the best member."""
    from analysis.class_metrics import is_share, metric_of

    table, scores, metric, result = found.table, found.scores, found.metric, found.result
    output.text("")
    output.note(f"{label}: {spelled(result, table.members)}")
    output.text(
        f"  accuracy {percent(scores['accuracy'])}, "
        + (f"top-5 {percent(scores['top5'])}, " if tells_top5(table) else "")
        + f"NLL {value('nll', scores['nll'])}, Brier {value('brier', scores['brier'])}"
        + "".join(f", {_title(name)} {value(name, scores[name])}" for name in table.others)
    )
    name, score = table.members[found.member.chosen.members[0]], found.member.apparent
    if found.members != (name,):
        gain = metric_of(metric).advantage(scores[metric], score)
        points = f"{100 * gain:+z.2f} points" if is_share(metric) else f"{gain:+z.4f}"
        output.note(f"  Gain in {_title(metric)} over the best member, {name} ({value(metric, score)}): {points}")
    elif result.choices > 1:
        output.note("  It is the best member alone: no ensemble that was scored beats it here.")
    stopped = stopped_early(result)
    if stopped:
        output.note(f"  {stopped}")
    if not result.was_chosen:
        return
    apparent, honest = result.honest.apparent, result.honest.score
    same = honest is not None and holds(apparent, honest)
    told = flattery(apparent, honest, table.split) if same else chosen_on(result.choices, table.split)
    output.note(f"  {told}")
    if result.honest.score is None:
        output.note(f"  Honest score: {result.honest.how}.")
        return
    for score in result.scores.values():
        output.note(f"  Honest {_honest_words(score)}.")
    told = rare_losses(tuple(result.scores), table.samples)
    if told:
        output.note(f"  {told}")
    groups = groups_document(found)
    if groups and groups["effective_samples"] is not None:
        output.note(
            f"  The {table.samples:,} samples lie in {many(int(groups['count'] or 0), 'group')} that are kept "
            f"together; for accuracy they count as {groups['effective_samples']:,.0f} separate ones."
            + unequal_groups(int(groups["count"] or 0), groups["equal"] or 0)
        )


def show_ways(output: Output, found: "EnsembleSelection") -> None:
    """Print the ways to choose beside each other, the one asked for marked, and those that were left out."""
    metric, asked, members = found.metric, found.result.name, found.table.members
    other = metric != "accuracy"
    rows = [
        (
            ("* " if s.name == asked else "  ") + NAMES[s.name],
            f"{len(s.chosen.members)} of {len(members)}",
            percent(s.honest.apparent),
            "-" if s.honest.score is None else percent(s.honest.score),
            _interval(s),
            "-" if s.honest.optimism is None or s.selection is None else f"{100 * s.honest.optimism:+z.2f}",
            *((value(metric, s.apparent), "-" if s.score is None else value(metric, s.score)) if other else ()),
        )
        for s in found.ways
    ]
    columns = ("  chosen by", "members", "apparent", "honest", "95 %", "optimism")
    output.text("")
    output.table(
        columns + ((short(metric), "honest") if other else ()),
        rows,
        title="Ways to choose, and the accuracy of what they chose",
        cut=(),
    )
    output.note(f"Honest: {found.result.honest.how}.")
    names = [s.name for s in found.ways]
    told = unequal(names) if "best" in names else ""
    if told:
        output.note(capital(told))
    output.note("What the terms mean: ens-report --glossary")
    for way in found.ways:
        if way.name != asked and (stopped := stopped_early(way)):
            output.note(stopped)
    if found.slow and found.result.honest.score is not None:
        output.note(f"Not run, since they take longer: {', '.join(f'--select {name}' for name in found.slow)}.")


def show_paired(output: Output, asked: str, found: "Paired", grouped: bool) -> None:
    """Print the paired test of the chosen way against the best member."""
    if not found.won + found.lost:
        output.note(nothing_between(asked, found.samples))
        return
    test = "Obuchowski" if grouped else "McNemar, mid-p"
    output.note(
        compared(asked, found.samples, found.difference, found.low, found.high, found.won, found.lost)
        + f" {p_text(found.p)} ({test}).{chance(found.p)} {power(found.power_80)}"
    )
    output.note(two_gains(asked))


def show_shapley(output: Output, values: Sequence["Shapley"]) -> None:
    """Print each member's contribution, the largest first, with bars for accuracy."""
    first = values[0]
    output.text("")
    longest = max(abs(v) for v in first.values.values()) or 1
    rows = [
        (
            member,
            f"{100 * share:+z.2f}",
            ("-" if share < 0 else "") + "█" * round(BAR * abs(share) / longest),
            *("-" if math.isnan(v.values[member]) else f"{v.values[member]:+z.4f}" for v in values[1:]),
        )
        for member, share in sorted(first.values.items(), key=lambda item: -item[1])
    ]
    output.table(
        ("member", "points", "", *(short(v.metric) for v in values[1:])),
        rows,
        title=f"Shapley values: from {percent(first.empty)} (none) to {percent(first.all)} (all)",
        left=(0, 2),
        cut=(0,),
    )


def spelled(result: "SelectionResult", members: Sequence[str]) -> str:
    """Name an ensemble's members, with their weights where those differ."""
    chosen = result.chosen
    names = [members[i] for i in chosen.members]
    if chosen.weights is None:
        return f"a regression on {', '.join(names)}"
    own = [float(chosen.weights[i]) for i in chosen.members]
    if max(own) - min(own) < 1e-12:
        return " + ".join(names)
    return " + ".join(f"{weight:.3g} {name}" for name, weight in zip(names, own, strict=True))


def stopped_early(result: "SelectionResult") -> str:
    """Say that a regression had not converged when it ended; nothing of what has."""
    chosen = result.chosen
    if getattr(chosen, "converged", True):
        return ""
    return (
        f"Stacking was stopped after {getattr(chosen, 'steps', 0)} steps, before it had converged: that is part of "
        "this way to choose, and its honest score is of it."
    )


def percent(share: float) -> str:
    """Return a fraction as a percentage, '-' where there is none."""
    return "-" if math.isnan(share) else f"{100 * share:.2f}%"


def value(metric: str, score: float) -> str:
    """Return a score as people read it, '-' where the rule has none."""
    from analysis.class_metrics import is_share

    if math.isnan(score):
        return "-"
    return percent(score) if is_share(metric) else f"{score:.4f}"


def short(metric: str) -> str:
    """Return a metric's name at the head of a column."""
    base = metric.removeprefix("weighted_")
    return SHORT[base] if base == metric else f"w. {SHORT[base]}"


def say_left_out(output: Output, found: "EnsembleSelection") -> None:
    """Say which classes a mean over classes leaves out, and what classes weigh."""
    from analysis.class_metrics import CLASS_METRICS, base_of

    data, metric = found.data, found.metric
    if base_of(metric) in CLASS_METRICS:
        absent = CLASS_METRICS[base_of(metric)].left_out(data.labels, data.source.classes)
        if len(absent):
            ids = getattr(data.source, "class_ids", [str(c) for c in range(data.source.classes)])
            few = ", ".join(str(ids[c]) for c in absent[:5]) + (
                f" and {len(absent) - 5} more" if len(absent) > 5 else ""
            )
            output.note(
                f"{capital(_title(metric))} is the mean of {data.source.classes - len(absent)} of "
                f"{many(data.source.classes, 'class', 'classes')}; left out, since "
                f"{'it has' if len(absent) == 1 else 'they have'} no samples here or all of them: {few}."
            )


def show_front(output: Output, front: "CostFront", what: str, max_cost: float | None) -> None:
    """Print what score can be had for what cost."""
    from analysis.selection.costs import cost_text
    from analysis.subsets.table import name_set

    limit = "" if max_cost is None else f", up to {cost_text(max_cost)}"
    by = "the sum" if front.by == "sum" else "the most"
    output.text("")
    output.table(
        ("cost", "members", short(front.metric), "honest", "95 %", "the best of at most this cost"),
        [
            (
                cost_text(p.cost), str(len(p.members)), value(front.metric, p.score),
                "-" if p.honest.score is None else value(front.metric, p.honest.score), _span(p.honest),
                name_set(p.members, front.members),
            )
            for p in front.points
        ],
        title=f"{_title(front.metric, capital=True)} against cost, {by} of {what}{limit}: no subset of the "
        f"{len(front.masks):,} scores as well for less",
        left=(5,),
    )  # fmt: skip
    output.note("Honest: of choosing the best subset of at most this cost, on samples that did not choose.")


def _span(score: "HonestScore") -> str:
    from analysis.class_metrics import is_share

    if score.low is None or score.high is None:
        return "-"
    if is_share(score.metric):
        return f"{100 * score.low:.1f}-{100 * score.high:.1f}"
    return f"{score.low:.4f}-{score.high:.4f}"


def _interval(result: "SelectionResult") -> str:
    low, high = result.honest.low, result.honest.high
    return "-" if low is None or high is None else f"{100 * low:.1f}-{100 * high:.1f}"


def _honest_words(score: "HonestScore") -> str:
    """Say what a score is on other samples, and by how much the apparent one flatters, each with its interval."""
    from analysis.class_metrics import is_share

    ends = score.optimism_interval
    if score.score is None or score.optimism is None:
        return f"{_title(score.metric)}: {score.how}"
    if score.low is None or score.high is None or ends is None:
        return (
            f"{SHORT.get(score.metric) or _title(score.metric)} {score.score:.4f}, without an interval, since all "
            f"samples score alike; optimism {score.optimism:+z.4f}"
        )
    if is_share(score.metric):
        found, span = percent(score.score), f"{100 * score.low:.1f}-{100 * score.high:.1f}"
        flattery = f"{100 * score.optimism:+z.2f} points ({100 * ends[0]:+z.1f} to {100 * ends[1]:+z.1f})"
    else:
        found, span = f"{score.score:.4f}", f"{score.low:.4f}-{score.high:.4f}"
        flattery = f"{score.optimism:+z.4f} ({ends[0]:+z.4f} to {ends[1]:+z.4f})"
    return f"{SHORT.get(score.metric) or _title(score.metric)} {found}, 95 % interval {span}; optimism {flattery}"


def _points(share: float) -> str:
    return f"{100 * share:+z.2f} points"


def _title(metric: str, capital: bool = False) -> str:
    from analysis.class_metrics import title_of

    title = title_of(metric)
    if capital or title[:2].isupper():
        return title
    return title[0].lower() + title[1:]


def warn_changed(output: Output, ensemble: "Ensemble") -> None:
    """Warn where members of a saved ensemble predict otherwise than they did when it was chosen."""
    if ensemble.changed and ensemble.definition is not None:
        names, split = ", ".join(ensemble.changed), ensemble.definition.chosen_on
        output.warn(
            f"{ensemble.name} is computed from what its members predict now; predictions of {names} for {split} have "
            "changed since it was chosen."
        )
