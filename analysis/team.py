"""An ensemble beside the members it is made of: what it said and what each of them said, on the same samples."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from analysis.material import Material
from analysis.plain import subset_preds
from analysis.stack import PredictionStack, join
from ensemble.errors import BadInput, nearest


@dataclass(frozen=True, eq=False)
class Team:
    """An ensemble and its members.

    stack: the members, labelled. name: what the ensemble is called: "all", "best", or a name of its own.
    preds: int64 (N,), what the ensemble said by the one rule of arithmetic; probs: float64 (N, C), with what
    probabilities.
    """

    stack: PredictionStack
    name: str
    preds: np.ndarray
    probs: np.ndarray

    @cached_property
    def said(self) -> np.ndarray:
        """What each member said, int64 (M, N)."""
        return np.stack([subset_preds(self.stack, [i]) for i in range(len(self.stack.members))])

    @cached_property
    def best_member(self) -> int:
        """The position of the member that is right most often on these samples, of equals the first."""
        return int((self.said == self.stack.require_labels()).sum(axis=1).argmax())


@dataclass(frozen=True, eq=False)
class Rival:
    """What an ensemble is compared with: preds int64 (N,), and whether it was chosen on these very samples."""

    name: str
    preds: np.ndarray
    chosen_here: bool


def team(stack: PredictionStack) -> Team:
    """Return the mean of a labelled stack's members as a team; of plain arrays: `team(stack_arrays(probs, labels))`."""
    stack.require_labels()
    return Team(stack, "all", subset_preds(stack, range(len(stack.members))), stack.mean_probs())


def team_of(material: Material) -> Team:
    """Return the ensemble a report is about; a saved one beside its parents, where the study has all of them."""
    spoken = material.spoken
    if material.ensemble in ("all", "best"):
        return Team(spoken.stack, material.ensemble, spoken.preds, spoken.stack.mean_probs())
    study, split = material.study, material.split
    parents = study.read(material.ensemble, split).parents
    there = study.members(split)
    stack = spoken.stack
    if parents and all(parent in there for parent in parents):
        stack = aligned(join([study.read(parent, split) for parent in parents], material.intersect), stack)
    return Team(stack, material.ensemble, spoken.preds, spoken.stack.mean_probs())


def aligned(stack: PredictionStack, to: PredictionStack) -> PredictionStack:
    """Return a stack with the samples of another, in its order.

    Raises `BadInput` where it lacks one of them, or has other classes or labels.
    """
    who, whose = " + ".join(stack.members), " + ".join(to.members)
    if stack.class_ids != to.class_ids:
        raise BadInput(f"{who}: has other classes than {whose}; expected the same class ids.")
    if stack.ids_given != to.ids_given:
        raise BadInput(f"{who} and {whose}: only one of them has sample ids; import the other again with --ids FILE.")
    at = {str(sample): row for row, sample in enumerate(stack.sample_ids)}
    missing = [str(sample) for sample in to.sample_ids if str(sample) not in at]
    if missing:
        raise BadInput(
            f"{who}: lacks {len(missing):,} of the {to.samples:,} samples of {whose}, {missing[0]!r} for one; "
            "--intersect takes the samples that members have in common."
        )
    rows = np.array([at[str(sample)] for sample in to.sample_ids], dtype=np.int64)
    labels = None if stack.labels is None else stack.labels[rows]
    if labels is not None and to.labels is not None and not np.array_equal(labels, to.labels):
        raise BadInput(f"{who}: has other labels than {whose} for {int((labels != to.labels).sum()):,} samples.")
    return replace(
        stack, probs=stack.probs[:, rows], labels=labels if to.labels is None else to.labels, sample_ids=to.sample_ids
    )


def rival_of(material: Material, group: Team, name: str | None = None) -> Rival | None:
    """Return what a team is compared with: the member or saved ensemble `name`, else its best member.

    The best member is the one most often right on the split itself. None where the team is one member and no other
    name is given. Raises `BadInput` naming the nearest for an unknown name, or one on other samples.
    """
    members = group.stack.members
    if name is None:
        if len(members) == 1:
            return None
        best = group.best_member
        return Rival(members[best], group.said[best], chosen_here=True)
    if name in members:
        return Rival(name, group.said[members.index(name)], chosen_here=False)
    known: Sequence[str] = material.study.members(material.split)
    if name not in known:
        raise BadInput(
            f"{material.study.root}: has no member or saved ensemble {name!r} for split {material.split!r} to compare "
            f"with; {nearest(name, known)}."
        )
    other = aligned(join([material.study.read(name, material.split)]), group.stack)
    return Rival(name, subset_preds(other, [0]), chosen_here=False)
