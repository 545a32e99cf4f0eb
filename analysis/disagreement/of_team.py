"""All about how members differ: measures of pairs and of them all, what averaging takes off, and what pairs gain."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.csv_cells import write_csv
from analysis.disagreement.ambiguity import Ambiguity, ambiguity
from analysis.disagreement.diversity import PAIRWISE, Diversity, diversity
from analysis.disagreement.pair_gains import PairGains, pair_gains
from analysis.plain import subset_preds
from analysis.stack import PredictionStack
from analysis.subsets import subset_table

HEADER = ("member_a", "member_b", *PAIRWISE, "accuracy", "better_alone", "gain")


@dataclass(frozen=True, eq=False)
class TeamDiversity:
    """The diversity of a stack's members, the ambiguity of their mean, and every pair's gain.

    gains: None without labels, or with one member. accuracy: of the mean of all, None without labels.
    """

    diversity: Diversity
    ambiguity: Ambiguity
    gains: PairGains | None
    accuracy: float | None


def team_diversity(stack: PredictionStack) -> TeamDiversity:
    """Compare the members of a stack, which may be without labels: what needs none is then there."""
    m, labels = len(stack.members), stack.labels
    found = diversity([subset_preds(stack, [i]) for i in range(m)], labels, stack.members)
    if labels is None:
        return TeamDiversity(found, ambiguity(stack), None, None)
    gains = pair_gains(subset_table(stack, [1, 2], metrics=["accuracy"]), found) if m > 1 else None
    accuracy = float((subset_preds(stack, range(m)) == labels).mean())
    return TeamDiversity(found, ambiguity(stack), gains, accuracy)


def write_pairs_csv(path: Path, value: TeamDiversity) -> None:
    """Write one row a pair, in the order of the members; empty where a measure is 0 / 0 or needs labels."""
    found, gains = value.diversity, value.gains
    rows: list[list[object]] = []
    for row, (i, j) in enumerate(zip(*np.triu_indices(len(found.members), 1), strict=True)):
        matrices = (found.matrix(name) for name in PAIRWISE)
        own = [None] * 3 if gains is None else [gains.accuracy[row], gains.better[row], gains.gain[row]]
        rows.append([found.members[i], found.members[j], *(None if m is None else m[i, j] for m in matrices), *own])
    write_csv(path, HEADER, rows)
