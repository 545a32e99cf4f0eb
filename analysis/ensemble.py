"""An ensemble beside the members it is made of: what it said and what each of them said, on the same samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from analysis.metrics import predicted, whole
from analysis.rules import combined_probs, rule_of
from analysis.selection.base import Chosen, Weighted
from analysis.selection.data import combined
from analysis.stack import PredictionStack
from analysis.subsets.reference import subset_preds
from ensemble.errors import BadInput
from ensemble.study.predictions import Predictions


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
class Baseline:
    """What an ensemble is compared with: preds int64 (N,), and whether it was chosen on these very samples."""

    name: str
    preds: np.ndarray
    chosen_here: bool


def team(stack: PredictionStack) -> Team:
    """Return the mean of a labelled stack's members as a team; of plain arrays: `team(stack_arrays(probs, labels))`."""
    stack.require_labels()
    return Team(stack, "all", subset_preds(stack, range(len(stack.members))), stack.mean_probs())


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


@dataclass(frozen=True, eq=False)
class Spoken:
    """An ensemble and what it said: its members alone in `stack`, `preds` int64 (N,) by the one rule of arithmetic."""

    stack: PredictionStack
    preds: np.ndarray


def only(stack: PredictionStack, indices: Sequence[int]) -> PredictionStack:
    """Return the stack with the members at `indices` (increasing) alone."""
    if len(indices) == len(stack.members):
        return stack
    chosen = list(indices)
    return replace(
        stack,
        probs=stack.probs[chosen],
        members=tuple(stack.members[i] for i in chosen),
        dropped=tuple(stack.dropped[i] for i in chosen),
    )


def saved_ensemble(
    name: str,
    stack: PredictionStack,
    chosen: Chosen,
    sources: Sequence[Predictions],
    rule: str = "mean",
    selection: str | None = None,
    probs: np.ndarray | None = None,
) -> Predictions:
    """Return an ensemble of a stack's members as predictions of kind "ensemble" called `name`.

    rule: "mean" or "geometric"; `BadInput` is raised for a vote, which has no probabilities. Probabilities are formed
    and renormalised in float64, then rounded to float32. selection: the way it was chosen, which the file notes.
    probs: float64 (N, C), what is kept in place of what the ensemble says now: of a stacked ensemble, whose regression
    was fitted to these samples, what was said of each by a regression that was fitted without it. It has no weights,
    so its parents stand in the attribute `stacked`.
    `sources` are what the stack was joined from: where the members agree in the fingerprint of their data, the
    ensemble carries it.
    """
    parents = tuple(stack.members[i] for i in chosen.members)
    fingerprints = {p.data_fingerprint for p in sources if p.member in parents}
    attributes = {"rule": rule} | ({"selection": selection} if selection else {})
    if chosen.weights is None:
        attributes |= {"rule": "stack", "stacked": "+".join(parents)}
        attributes |= {"fitted": "out of fold"} if probs is not None else {}
        parents, weights = (), ()
    else:
        weights = tuple(chosen.weights[list(chosen.members)].tolist())
    if probs is None:
        equal = isinstance(chosen, Weighted) and chosen.equal
        probs = combined_probs(stack, chosen.members, rule) if equal else chosen.probs(stack.probs)
    return Predictions(
        member=name,
        split=stack.split,
        probs=(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32),
        sample_ids=stack.sample_ids,
        class_ids=stack.class_ids,
        class_names=stack.class_names,
        labels=stack.labels,
        ids_given=stack.ids_given,
        kind="ensemble",
        parents=parents,
        weights=weights,
        data_fingerprint=fingerprints.pop() if len(fingerprints) == 1 else None,
        attributes=attributes,
    )


BLOCK_NUMBERS = 4_000_000  # members times samples times classes that are summed at once


@dataclass(frozen=True, eq=False)
class Together:
    """An ensemble's predictions.

    probs: float64 (N, C), rows summing to 1. preds: int64 (N,), the classes predicted, by the one rule of arithmetic.
    weights: float64 (M,), of the stack's members, in its order.
    """

    stack: PredictionStack
    weights: np.ndarray
    rule: str
    probs: np.ndarray
    preds: np.ndarray

    @property
    def confidence(self) -> np.ndarray:
        """The probability of what is predicted, float64 (N,)."""
        return np.take_along_axis(self.probs, self.preds[:, None], axis=1)[:, 0]

    def accuracy(self) -> float | None:
        """Return the share that is predicted rightly; None where the samples have no labels."""
        labels = self.stack.labels
        return None if labels is None else float((self.preds == labels).mean())


def together(stack: PredictionStack, weights: Mapping[str, float] | None = None, rule: str = "mean") -> Together:
    """Return what the members of a stack say together.

    weights: of each member by name, not negative, summing to 1; equal ones where None. rule: "mean" or "geometric" of
    `analysis.rules`. The class predicted is the lowest-index argmax of the members' whole numbers, each times its whole
    weight (`metrics.whole`); with equal weights that is the plain sum.
    """
    kind, m = rule_of(rule), len(stack.members)
    shares = np.full(m, 1 / m) if weights is None else np.array([weights[name] for name in stack.members])
    counts = whole(shares)
    probs = np.empty(stack.probs.shape[1:])
    preds = np.empty(stack.samples, dtype=np.int64)
    rows = max(1, BLOCK_NUMBERS // (m * stack.classes))
    for start in range(0, stack.samples, rows):
        here = slice(start, start + rows)
        part = stack.probs[:, here]
        sums = np.zeros(part.shape[1:], dtype=np.int64)
        for member, count in zip(part, counts, strict=True):
            if count:
                sums += count * kind.quantise(member)
        preds[here] = predicted(sums)
        own = combined(part, shares, kind)
        probs[here] = own / own.sum(axis=1, keepdims=True)
    return Together(stack, shares, rule, probs, preds)
