"""What ens-combine says on a terminal: sizes, the chosen ensemble, other ways to choose, Shapley values."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.common import Output

if TYPE_CHECKING:
    from analysis.selection.compare import SelectionResult
    from analysis.selection.cross_validation import Paired
    from analysis.selection.data import SelectionData
    from analysis.subsets.shapley import Shapley
    from analysis.subsets.table import SubsetTable

NAMES = {
    "member": "best member", "all": "all members", "best": "best subset", "greedy": "greedy", "weights": "weights",
    "stack": "stacking", "given": "given weights",
}  # fmt: skip
WINNERS = {"best": "the best subset", "greedy": "greedy selection", "weights": "the weights", "stack": "stacking"}
SHORT = {"accuracy": "accuracy", "top5": "top-5", "nll": "NLL", "brier": "Brier"}
BAR = 24  # characters of the longest bar


def show_sizes(output: Output, table: "SubsetTable", metric: str) -> None:
    """Print the table by size, and the best of each."""
    from analysis.subsets.table import name_set

    by_size = table.by_size(metric)
    output.table(
        ("k", "subsets", "accuracy", "min", "max", "top-5", "NLL", "Brier"),
        [
            (
                str(s.k), f"{s.subsets:,}",
                *(percent(x) for x in (s.mean_accuracy, s.min_accuracy, s.max_accuracy, s.mean_top5)),
                value("nll", s.mean_nll), value("brier", s.mean_brier),
            )
            for s in by_size
        ],
        title=f"{many(len(table), 'subset')} of {many(len(table.members), 'member')}, "
        f"{many(table.samples, 'sample')} of {table.split}, {table.classes} classes",
        left=(),
    )  # fmt: skip
    output.text(f"Best of each size by {_title(metric)}:")
    for s in by_size:
        output.text(
            f"  k = {s.k:<2}  {value(metric, s.best.score(metric)):>7}  {name_set(s.best.members, table.members)}"
        )


def show_choice(
    output: Output, table: "SubsetTable", scores: dict[str, float], own: "SelectionResult", seen: "SelectionData",
    sizes: range, metric: str, max_size: int | None,
) -> None:  # fmt: skip
    """Say what was chosen and what it is worth; beside it the other ways to choose, the test, and Shapley values.

    scores: metric -> the chosen ensemble's score on all samples. sizes: those of the subsets that were scored.
    """
    from analysis.selection.best import Best
    from analysis.selection.compare import (
        against_the_best_member,
        beside,
        evaluate_selection,
        everyone,
        selection_of,
        unchosen,
    )
    from analysis.subsets.shapley import SHOWN, shapley

    member = evaluate_selection(selection_of("member", seen, [1], metric), metric)
    alone = seen.source.members[member.chosen.members[0]], member.apparent
    budget = f" of at most {max_size}" if max_size else ""
    label = {"best": "Best", "given": "As given"}.get(own.name, f"Chosen by {own.name}")
    choices = own.selection.choices if isinstance(own.selection, Best) else 0
    show_chosen(output, label + budget, table, scores, own, alone, metric, choices)
    if seen.members == 1:
        return
    quick, slow = beside(own.name, seen, sizes, metric, max_size)
    with output.progress("Choosing in other ways", "folds") as progress:
        others = [evaluate_selection(selection, metric, progress) for selection in quick]
    rows = [member, unchosen("all", seen, everyone(seen), metric), own, *others]
    order = ("member", "all", "given", "best", "greedy", "weights", "stack")
    show_standings(output, sorted(rows, key=lambda s: order.index(s.name)), own.name, slow, metric, table.members)
    if own.selection is not None and choices != 1:
        test = against_the_best_member(own.selection, metric)
        if test is not None:
            show_paired(output, own.name, test)
    if len(sizes) == seen.members:
        show_shapley(output, [shapley(table, name) for name in SHOWN])


def show_chosen(
    output: Output, label: str, table: "SubsetTable", scores: dict[str, float], result: "SelectionResult",
    alone: tuple[str, float], metric: str, choices: int,
) -> None:  # fmt: skip
    """Print the chosen ensemble, its scores, and what it gains over the best member.

    scores: metric -> its score on all samples. alone: the best member and its score. choices: from how many subsets
    the ensemble was chosen; 0 where not from subsets.
    """
    from analysis.metrics import METRICS

    output.text(f"\n{label}: {spelled(result, table.members)}")
    output.text(
        f"  accuracy {percent(scores['accuracy'])}, top-5 {percent(scores['top5'])}, "
        f"NLL {value('nll', scores['nll'])}, Brier {value('brier', scores['brier'])}"
    )
    name, score = alone
    if [table.members[i] for i in result.chosen.members] != [name]:
        gain = METRICS[metric].advantage(scores[metric], score)
        points = f"{100 * gain:+.2f} points" if metric in ("accuracy", "top5") else f"{gain:+.4f}"
        output.text(f"  Gain in {_title(metric)} over the best member, {name} ({value(metric, score)}): {points}")
    found = result.honest
    if result.selection is None or choices == 1:
        return
    chosen = f"chosen from {choices:,} subsets" if choices else "fitted"
    output.text(f"  It was {chosen} on {table.split}, the split that scores it, so its score flatters it.")
    if found.score is None:
        output.text(f"  Honest score: {found.how}.")
    else:
        output.text(
            f"  Honest accuracy {percent(found.score)}, 95 % interval {_interval(result)}; "
            f"optimism {_points(found.optimism)}."
        )


def show_standings(
    output: Output,
    standings: Sequence["SelectionResult"],
    asked: str,
    slow: Sequence[str],
    metric: str,
    members: Sequence[str],
) -> None:
    """Print the ways to choose beside each other, the one asked for marked; `slow`: those that were left out."""
    other = metric != "accuracy"
    rows = [
        (
            ("* " if s.name == asked else "  ") + NAMES[s.name],
            f"{len(s.chosen.members)} of {len(members)}",
            percent(s.honest.apparent),
            "-" if s.honest.score is None else percent(s.honest.score),
            _interval(s),
            "-" if s.honest.optimism is None or s.selection is None else f"{100 * s.honest.optimism:+.2f}",
            *((value(metric, s.apparent), "-" if s.score is None else value(metric, s.score)) if other else ()),
        )
        for s in standings
    ]
    columns = ("  chosen by", "members", "apparent", "honest", "95 %", "optimism")
    output.text("")
    output.table(
        columns + ((SHORT[metric], "honest") if other else ()),
        rows,
        title="Ways to choose, and the accuracy of what they chose",
        cut=(),
    )
    for line in sorted({f"Honest: {s.honest.how}." for s in standings if s.name == asked}):
        output.text(line)
    if slow:
        output.text(f"Not run, since they take longer: {', '.join(f'--select {name}' for name in slow)}.")


def show_paired(output: Output, asked: str, found: "Paired") -> None:
    """Print the paired test of the chosen way against the best member."""
    output.text(
        f"Against the best member, on {found.samples:,} samples, each chosen on the samples before it: "
        f"{_points(found.difference)} ({100 * found.low:+.2f} to {100 * found.high:+.2f}) for {WINNERS[asked]}, "
        f"{found.won:,} won and {found.lost:,} lost, {_p(found.p)} (McNemar, mid-p). "
        + ("" if found.p < 0.05 else "This may be chance. ")
        + f"A true difference of {100 * found.smallest:.2f} points would be found in 80 of 100 such sets."
    )


def show_shapley(output: Output, values: Sequence["Shapley"]) -> None:
    """Print each member's contribution, the largest first, with bars for accuracy."""
    first = values[0]
    output.text("")
    longest = max(abs(v) for v in first.values.values()) or 1
    rows = [
        (
            member,
            f"{100 * share:+.2f}",
            ("-" if share < 0 else "") + "█" * round(BAR * abs(share) / longest),
            *("-" if math.isnan(v.values[member]) else f"{v.values[member]:+.4f}" for v in values[1:]),
        )
        for member, share in sorted(first.values.items(), key=lambda item: -item[1])
    ]
    output.table(
        ("member", "points", "", *(SHORT[v.metric] for v in values[1:])),
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


def many(count: int, noun: str) -> str:
    """Return '1 subset' or '3 subsets'."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def percent(share: float) -> str:
    """Return a fraction as a percentage, '-' where there is none."""
    return "-" if math.isnan(share) else f"{100 * share:.2f}%"


def value(metric: str, score: float) -> str:
    """Return a score as people read it, '-' where the rule has none."""
    if math.isnan(score):
        return "-"
    return percent(score) if metric in ("accuracy", "top5") else f"{score:.4f}"


def _interval(result: "SelectionResult") -> str:
    low, high = result.honest.low, result.honest.high
    return "-" if low is None or high is None else f"{100 * low:.1f}-{100 * high:.1f}"


def _points(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:+.2f} points"


def _p(p: float) -> str:
    return f"p = {p:.3f}" if p >= 0.001 else "p < .001"


def _title(metric: str) -> str:
    from analysis.metrics import METRICS

    title = METRICS[metric].title
    return title if title[:2].isupper() else title.lower()
