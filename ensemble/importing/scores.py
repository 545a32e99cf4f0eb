"""One score a sample, of two classes: the probabilities of both, where it can be told which class it is for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ensemble.importing.classes import whole_of


@dataclass(frozen=True, eq=False)
class BothClasses:
    """Probabilities (or logits) of two classes, float64 (N, 2), in the order of `classes`; how they were told apart."""

    values: np.ndarray
    classes: tuple[str, str]
    how: str


def is_score(values: np.ndarray) -> bool:
    """Say whether an array holds one fractional number a sample, (N,) or (N, 1)."""
    flat = values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)
    return flat and values.dtype.kind == "f" and bool(np.isfinite(values).all() and (values != np.rint(values)).any())


def both_classes(
    values: np.ndarray,
    *,
    logits: bool,
    listed: Sequence[str] | None,
    predicted: Sequence[str] | None,
    labels: Sequence[str] | None,
) -> BothClasses | None:
    """Return what one score a sample says of both classes; None where it cannot be told for which of them it is.

    listed: the two classes, if they were named: the score is of the last. predicted: the class predicted for each
    sample; the score is of the class that is predicted where it is above one half (0 for a logit), or, where it is
    never below one half, of the predicted class itself. labels: of the samples, for the name of a class that is never
    predicted.
    """
    score = values.ravel().astype(np.float64)
    if not logits and (score.min() < 0 or score.max() > 1):
        return None
    both = np.stack([np.zeros_like(score), score] if logits else [1 - score, score], axis=1)
    if listed is not None and len(listed) == 2:
        return BothClasses(both, (listed[0], listed[1]), f"{listed[1]!r}, the last listed")
    if predicted is None or len(predicted) != len(score):
        return None
    said = [_plain(text) for text in predicted]
    classes = sorted({*said, *(_plain(text) for text in labels or () if text.strip())}, key=_in_order)
    if len(classes) != 2 or "" in classes:
        return None
    is_last = np.array([text == classes[1] for text in said])
    half = 0.0 if logits else 0.5
    apart = score != half
    above = score > half
    if (is_last == above)[apart].all():
        return BothClasses(
            both, (classes[0], classes[1]), f"{classes[1]!r}, which is predicted where it is above {half:g}"
        )
    if (is_last != above)[apart].all():
        how = f"{classes[0]!r}, which is predicted where it is above {half:g}"
        return BothClasses(both[:, ::-1], (classes[0], classes[1]), how)
    if not logits and not (score < half).any():
        own = np.where(is_last[:, None], both, both[:, ::-1])
        return BothClasses(own, (classes[0], classes[1]), "the predicted class, as it is never below 0.5")
    return None


def _plain(text: str) -> str:
    """Return a class as it is called in another column: 1 for 1.0 and True."""
    number = whole_of(text)
    return text.strip() if number is None else str(number)


def _in_order(text: str) -> tuple[int, str]:
    number = whole_of(text)
    return (0, text) if number is None else (number, text)
