"""A chosen ensemble as predictions of its own, which a study can keep and combine again."""

from collections.abc import Sequence

import numpy as np

from analysis.rules import combined_probs
from analysis.selection.chosen import Chosen, Weighted
from analysis.stack import PredictionStack
from ensemble.predictions import Predictions


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
