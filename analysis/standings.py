"""How the ways to choose an ensemble stand beside each other: each with its apparent and its honest score."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.evidence import Evidence
from analysis.honest import FEWEST, FOLDS, REPEATS, HeldOut, Honest, fixed, forward, honest, scored
from analysis.metrics import METRICS
from analysis.paired import Paired, paired
from analysis.plain import mask_of
from analysis.rules import rule_of
from analysis.selection.best import Best
from analysis.selection.chosen import Chosen, Selection, Weighted, of_members
from analysis.selection.greedy import Greedy
from analysis.selection.stack import Stack
from analysis.selection.tallies import PlainTallies, tallies
from analysis.selection.weights import Weights
from analysis.table import SubsetTable
from ensemble.errors import BadInput, nearest

SELECTIONS = ("best", "greedy", "weights", "stack")
# A selection that was not asked for is shown beside the others where it takes no more than a moment.
MOMENT = 1.0  # seconds, by estimate
SMALL = 4_000_000  # members times samples times classes


@dataclass(frozen=True, eq=False)
class Standing:
    """One way to choose, what it chose on all samples, and what that is worth.

    name: one of `SELECTIONS`, "member" (the best single one), "all" (nothing chosen), or "given" weights.
    selection, held: None where nothing was chosen, held also where samples are too few.
    apparent, score: the metric that was asked for, on all samples and held out; score is None where there is none.
    """

    name: str
    chosen: Chosen
    honest: Honest
    selection: Selection | None
    held: HeldOut | None
    apparent: float
    score: float | None


def selection_of(
    name: str, evidence: Evidence, sizes: Sequence[int], metric: str = "accuracy", max_size: int | None = None
) -> Selection:
    """Return the way to choose called `name`, bound to the samples of `evidence`.

    best: of the subsets of these sizes; greedy: of at most `max_size` different members; "member": the best one.
    Raises `BadInput` as `check_selection` does.
    """
    if name == "member":
        return Best(evidence, PlainTallies(evidence, [1]), metric, name="member")
    check_selection(name, evidence.rule.name, max_size)
    if name == "best":
        return Best(evidence, tallies(evidence, sizes, metric), metric, max_size)
    if name == "greedy":
        return Greedy(evidence, metric, max_size=max_size)
    return Weights(evidence) if name == "weights" else Stack(evidence)


def check_selection(name: str, rule: str, max_size: int | None) -> None:
    """Raise `BadInput` for an unknown way to choose, and for one that does not go with the rule or with a budget."""
    if name not in SELECTIONS:
        raise BadInput(f"{name!r} is no way to choose an ensemble; {nearest(name, SELECTIONS)}.")
    if name != "best" and rule != "mean":
        raise BadInput(f"--select {name} combines by the arithmetic mean; leave --rule {rule} out.")
    if name in ("weights", "stack") and max_size is not None:
        raise BadInput(f"--select {name} has no budget; leave --max-size out, or choose by best or greedy.")


def standing(
    selection: Selection, metric: str = "accuracy", progress: Callable[[int, int], None] | None = None
) -> Standing:
    """Choose on all samples, then fold by fold, and score both."""
    evidence = selection.evidence
    chosen = selection.choose()
    found, held = honest(selection, chosen, progress)
    if metric == "accuracy":
        return Standing(selection.name, chosen, found, selection, held, found.apparent, found.score)
    other = scored(evidence, held.chosen, held.folds, metric).score if held else None
    apparent = float(chosen.scores(evidence, metric).mean())
    return Standing(selection.name, chosen, found, selection, held, apparent, other)


def unchosen(name: str, evidence: Evidence, ensemble: Chosen, metric: str = "accuracy") -> Standing:
    """Return where an ensemble stands that was not chosen on these samples."""
    score = float(ensemble.scores(evidence, metric).mean())
    return Standing(name, ensemble, fixed(evidence, ensemble), None, None, score, score)


def all_scores(standing: Standing, evidence: Evidence, table: SubsetTable) -> dict[str, float]:
    """Return each metric of what was chosen, on all samples, in the order of `METRICS`; NaN where the rule has none.

    A subset of the table has the table's scores.
    """
    chosen = standing.chosen
    if standing.name == "best":
        row = table.find(mask_of(chosen.members))
        return {name: row.score(name) for name in METRICS}
    none = ("nll", "brier") if evidence.rule.floor is None else ()
    return {name: math.nan if name in none else float(chosen.scores(evidence, name).mean()) for name in METRICS}


def everyone(evidence: Evidence) -> Weighted:
    """Return the ensemble of all members."""
    return of_members(range(evidence.members), evidence.members, evidence.rule)


def beside(
    asked: str, evidence: Evidence, sizes: Sequence[int], metric: str, max_size: int | None
) -> tuple[list[Selection], list[str]]:
    """Return the other ways to choose that take no more than a moment, and the names of those that take longer.

    The moment is estimated and not measured, so that the same predictions always give the same answer.
    """
    quick, slow = [], []
    source = evidence.source
    small = len(source.members) * source.samples * source.classes <= SMALL
    for name in SELECTIONS:
        if name == asked or (evidence.rule.name != "mean" and name != "best"):
            continue
        if max_size and name in ("weights", "stack"):
            continue
        if name == "best" or (small and evidence.samples >= FEWEST):
            selection = selection_of(name, evidence, sizes, metric, max_size)
            if selection.seconds * FOLDS * REPEATS <= MOMENT:
                quick.append(selection)
                continue
        slow.append(name)
    return quick, slow


def against_the_best_member(selection: Selection, metric: str) -> Paired | None:
    """Return the paired test of a selection against the best member, each chosen on the same earlier samples.

    None where samples are too few.
    """
    evidence = selection.evidence
    if evidence.samples < FEWEST:
        return None
    return paired(forward(selection), forward(selection_of("member", evidence, [1], metric)))


def given(weights: Mapping[str, float], members: Sequence[str], rule: str = "mean") -> Weighted:
    """Return the ensemble with these weights, name -> weight; members that are not named take no part.

    Raises `BadInput` where a name is not among the members, a weight is negative or no number, or they do not sum to 1.
    """
    values = np.zeros(len(members))
    for name, weight in weights.items():
        if name not in members:
            raise BadInput(f"--weights: {name!r} is not among the members joined; {nearest(name, members)}.")
        if not 0 <= weight < np.inf:
            raise BadInput(f"--weights: {name}={weight:g}, expected a weight of 0 or more.")
        values[members.index(name)] = weight
    total = float(values.sum())
    if abs(total - 1) > 1e-6:
        advice = f"; divide each by {total:g}" if total > 0 else ""
        raise BadInput(f"--weights: expected weights that sum to 1 within 1e-6, found {total:.10g}{advice}.")
    return Weighted(values / total, rule_of(rule))
