"""A chosen ensemble as predictions of its own, which a study can keep and combine again."""

from collections.abc import Sequence

import numpy as np

from analysis.stack import PredictionStack
from ensemble.predictions import Predictions


def saved_ensemble(
    name: str, stack: PredictionStack, members: Sequence[str], sources: Sequence[Predictions]
) -> Predictions:
    """Return the equally weighted mean of `members` as predictions of kind "ensemble" called `name`.

    The mean is formed and renormalised in float64, then rounded to float32. `sources` are what the stack was joined
    from: where the members agree in the fingerprint of their data, the ensemble carries it.
    """
    indices = sorted(stack.index(member) for member in members)
    mean = stack.mean_probs(indices)
    parents = tuple(stack.members[i] for i in indices)
    fingerprints = {p.data_fingerprint for p in sources if p.member in parents}
    return Predictions(
        member=name,
        split=stack.split,
        probs=(mean / mean.sum(axis=1, keepdims=True)).astype(np.float32),
        sample_ids=stack.sample_ids,
        class_ids=stack.class_ids,
        class_names=stack.class_names,
        labels=stack.labels,
        ids_given=stack.ids_given,
        kind="ensemble",
        parents=parents,
        weights=(1 / len(parents),) * len(parents),
        data_fingerprint=fingerprints.pop() if len(fingerprints) == 1 else None,
        attributes={"rule": "mean"},
    )
