"""What ens-combine says on a terminal: sizes, the chosen ensemble, other ways to choose, Shapley values."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from analysis.sentences import capital, chance, chosen_on, compared, many, two_gains, unequal
from cli.common import Output

if TYPE_CHECKING:
    import numpy as np

    from analysis.ensemble import Ensemble
    from analysis.selection.choose import EnsembleSelection
    from analysis.selection.compare import SelectionResult
    from analysis.selection.cross_validation import HonestScore
    from analysis.stack import PredictionStack
    from analysis.statistics import Paired
    from analysis.subsets.shapley import Shapley
    from analysis.subsets.table import SubsetTable

NAMES = {
    "member": "best member", "all": "all members", "best": "best subset", "greedy": "greedy", "weights": "weights",
    "stack": "stacking", "given": "given weights",
}  # fmt: skip
SHORT = {"accuracy": "accuracy", "top5": "top-5", "nll": "NLL", "brier": "Brier"}
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
        title=f"{many(table.count, 'subset')} of {many(len(table.members), 'member')}, "
        f"{many(table.samples, 'sample')} of {table.split}, {table.classes} classes",
        left=(),
    )  # fmt: skip
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
        show_paired(output, name, found.paired)
    if values := found.shapley():
        show_shapley(output, values)


def show_chosen(output: Output, label: str, found: "EnsembleSelection") -> None:
    """Print the chosen ensemble, its scores, and what it gains over the best member."""
    from analysis.metrics import METRICS

    table, scores, metric, result = found.table, found.scores, found.metric, found.result
    output.text("")
    output.note(f"{label}: {spelled(result, table.members)}")
    output.text(
        f"  accuracy {percent(scores['accuracy'])}, top-5 {percent(scores['top5'])}, "
        f"NLL {value('nll', scores['nll'])}, Brier {value('brier', scores['brier'])}"
    )
    name, score = table.members[found.member.chosen.members[0]], found.member.apparent
    if found.members != (name,):
        gain = METRICS[metric].advantage(scores[metric], score)
        points = f"{100 * gain:+z.2f} points" if metric in ("accuracy", "top5") else f"{gain:+z.4f}"
        output.note(f"  Gain in {_title(metric)} over the best member, {name} ({value(metric, score)}): {points}")
    elif result.choices > 1:
        output.note("  It is the best member alone: no ensemble that was scored beats it here.")
    if not result.was_chosen:
        return
    output.note(f"  {chosen_on(result.choices, table.split)}")
    if result.honest.score is None:
        output.note(f"  Honest score: {result.honest.how}.")
        return
    for score in result.scores.values():
        output.note(f"  Honest {_honest_words(score)}.")
    groups = _groups(found)
    if groups and groups["effective_samples"] is not None:
        output.note(
            f"  The {table.samples:,} samples lie in {many(int(groups['count'] or 0), 'group')} that are kept "
            f"together; for accuracy they count as {groups['effective_samples']:,.0f} separate ones."
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
        columns + ((SHORT[metric], "honest") if other else ()),
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
    if found.slow:
        output.note(f"Not run, since they take longer: {', '.join(f'--select {name}' for name in found.slow)}.")


def show_paired(output: Output, asked: str, found: "Paired") -> None:
    """Print the paired test of the chosen way against the best member."""
    output.note(
        compared(asked, found.samples, found.difference, found.low, found.high, found.won, found.lost)
        + f" {_p(found.p)} (McNemar, mid-p).{chance(found.p)} A true difference of "
        f"{100 * found.smallest:.2f} points would be found in 80 of 100 such sets."
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


def _honest_words(score: "HonestScore") -> str:
    """Say what a score is on other samples, and by how much the apparent one flatters, each with its interval."""
    ends = score.optimism_interval
    if score.score is None or score.low is None or score.high is None or score.optimism is None or ends is None:
        return f"{SHORT[score.metric]}: {score.how}"
    if score.metric in ("accuracy", "top5"):
        found, span = percent(score.score), f"{100 * score.low:.1f}-{100 * score.high:.1f}"
        flattery = f"{100 * score.optimism:+z.2f} points ({100 * ends[0]:+z.1f} to {100 * ends[1]:+z.1f})"
    else:
        found, span = f"{score.score:.4f}", f"{score.low:.4f}-{score.high:.4f}"
        flattery = f"{score.optimism:+z.4f} ({ends[0]:+z.4f} to {ends[1]:+z.4f})"
    return f"{SHORT[score.metric]} {found}, 95 % interval {span}; optimism {flattery}"


def _points(share: float) -> str:
    return f"{100 * share:+z.2f} points"


def _p(p: float) -> str:
    return f"p = {p:.3f}" if p >= 0.001 else "p < .001"


def _title(metric: str) -> str:
    from analysis.metrics import METRICS

    title = METRICS[metric].title
    return title if title[:2].isupper() else title.lower()


def document(found: "EnsembleSelection") -> dict[str, Any]:
    """Return the JSON of docs/reference/json.md."""
    table, result = found.table, found.result
    contributions = {s.metric: {"empty": s.empty, "all": s.all, "values": s.values} for s in found.shapley()}
    return {
        "split": table.split,
        "rule": table.rule,
        "metric": found.metric,
        "samples": table.samples,
        "classes": table.classes,
        "members": table.members,
        "groups": _groups(found),
        "subsets": table.count,
        "by_size": [asdict(s) | {"best": s.best.members} for s in table.by_size(found.metric)],
        "best": {
            "members": found.members,
            "weights": _own_weights(result),
            "k": len(found.members),
            **found.scores,
            "honest_accuracy": result.honest.score,
            "honest_low": result.honest.low,
            "honest_high": result.honest.high,
            "honest_how": result.honest.how,
            "honest": {name: _honest(score) for name, score in result.scores.items()},
        },
        "paired": None if found.paired is None else _paired(found.paired),
        "ways": [
            {
                "name": way.name,
                "members": [table.members[i] for i in way.chosen.members],
                "weights": _own_weights(way),
                "accuracy": way.honest.apparent,
                "honest_accuracy": way.honest.score,
                "honest_low": way.honest.low,
                "honest_high": way.honest.high,
            }
            for way in found.ways
        ],
        "shapley": contributions or None,
    }


def _honest(score: "HonestScore") -> dict[str, float | None]:
    low, high = score.optimism_interval or (None, None)
    return {
        "score": score.score,
        "low": score.low,
        "high": score.high,
        "optimism": score.optimism,
        "optimism_low": low,
        "optimism_high": high,
    }


def _groups(found: "EnsembleSelection") -> dict[str, float | None] | None:
    groups = found.data.groups
    if groups is None:
        return None
    return {"count": int(groups.max()) + 1, "effective_samples": found.result.honest.effective}


def _own_weights(result: "SelectionResult") -> "np.ndarray | None":
    """Return the weights of the members that take part; None for equal ones, and for a regression."""
    weights = result.chosen.weights
    if weights is None or result.name in ("best", "member", "all"):
        return None
    return weights[list(result.chosen.members)]


def _paired(found: "Paired") -> dict[str, Any]:
    return {
        "against": "best member",
        "samples": found.samples,
        "won": found.won,
        "lost": found.lost,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "power_80": found.smallest,
    }


def ensemble_document(ensemble: "Ensemble") -> dict[str, Any]:
    """Return what an ensemble is for the JSON document."""
    found, weights = ensemble.definition, ensemble.weights
    return {
        "name": ensemble.name, "members": ensemble.members, "rule": ensemble.rule,
        "weights": None if weights is None else dict(zip(ensemble.members, weights, strict=True)),
        "selection": found.selection if found else None, "chosen_on": found.chosen_on if found else None,
        "changed": ensemble.changed,
    }  # fmt: skip


def warn_changed(output: Output, ensemble: "Ensemble") -> None:
    """Warn where members of a saved ensemble predict otherwise than they did when it was chosen."""
    if ensemble.changed and ensemble.definition is not None:
        names, split = ", ".join(ensemble.changed), ensemble.definition.chosen_on
        output.warn(
            f"{ensemble.name} is computed from what its members predict now; predictions of {names} for {split} have "
            "changed since it was chosen."
        )
