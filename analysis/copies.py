"""Members that are copies of one another: the same predictions under two names."""

from collections.abc import Iterable, Iterator, Sequence
from weakref import WeakKeyDictionary

import numpy as np

from analysis.stack import PredictionStack

NEAR = 1e-3  # probabilities that differ by no more are the same number, rounded to half precision
PART = 0.02  # of what a member leaves unsure, and of what it varies by: rounding and noise, no other training
LOOKED_AT, LOOKED_NUMBERS = 1000, 2**18  # samples, and these times classes, by which most pairs are told apart
FEWEST, FIRST = 100, 50  # samples of them at least, and those that are looked at first
BLOCK_NUMBERS = 4_000_000  # samples times classes that are compared at once

_FOUND: "WeakKeyDictionary[PredictionStack, tuple[tuple[int, ...], ...]]" = WeakKeyDictionary()


def find_copies(stack: PredictionStack) -> tuple[tuple[int, ...], ...]:
    """Return groups of two or more members with the same or all but the same predictions: positions, increasing.

    Two are copies where their mean total variation distance is at most 2 % of that of either's rows from its own mean
    row (two networks that have learned next to nothing say much the same of all samples), and besides either no
    probability differs by more than .001, or the distance is at most 2 % of what the surer of them leaves unsure,
    1 - mean confidence. A copy of a copy is of the same group.
    """
    if stack in _FOUND:
        return _FOUND[stack]
    m = len(stack.members)
    group = list(range(m))
    count = max(FEWEST, min(LOOKED_AT, LOOKED_NUMBERS // stack.classes))
    some = np.arange(0, stack.samples, max(1, stack.samples // count))
    few = np.stack([stack.probs[i, some] for i in range(m)])
    means = few.mean(axis=1, dtype=np.float64)
    first = slice(None, None, max(1, len(some) // FIRST))
    for i in range(m):
        for j in range(i + 1, m):
            if (
                group[j] != group[i]
                and _alike([(few[i, first], few[j, first])], means[[i, j]], 4.0)
                and _alike([(few[i], few[j])], means[[i, j]], 1.5)
                and _alike(_blocks(stack, i, j), means[[i, j]])
            ):
                old = group[j]
                group = [group[i] if g == old else g for g in group]
    found = (tuple(i for i in range(m) if group[i] == g) for g in dict.fromkeys(group))
    _FOUND[stack] = tuple(same for same in found if len(same) > 1)
    return _FOUND[stack]


def _blocks(stack: PredictionStack, i: int, j: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give two members' rows, some at a time."""
    step = max(1, BLOCK_NUMBERS // stack.classes)
    for start in range(0, stack.samples, step):
        yield stack.probs[i, start : start + step], stack.probs[j, start : start + step]


def _alike(pairs: Iterable[tuple[np.ndarray, np.ndarray]], means: np.ndarray, leave: float = 1.0) -> bool:
    """Say whether two members' rows are all but the same; leave: more where only some rows are looked at.

    means: the mean rows of the two, (2, C).
    """
    most = total = 0.0
    unsure, varies = np.zeros(2), np.zeros(2)
    for one, other in pairs:
        apart = np.abs(one - other)
        most, total = max(most, float(apart.max())), total + float(apart.sum(dtype=np.float64)) / 2
        unsure += [len(own) - float(own.max(axis=1).sum(dtype=np.float64)) for own in (one, other)]
        varies += [float(np.abs(own - mean).sum()) / 2 for own, mean in zip((one, other), means, strict=True)]
    near = most <= NEAR or total <= PART * leave * unsure.min()
    return near and total <= PART * leave * varies.min()


def independent(copies: Sequence[Sequence[int]], members: int) -> list[int]:
    """Return the positions of members without the second and further ones of each group of copies."""
    again = {i for same in copies for i in same[1:]}
    return [i for i in range(members) if i not in again]


def copies_words(copies: Sequence[Sequence[int]], members: Sequence[str]) -> str:
    """Say which members are copies; nothing where none is."""
    if not copies:
        return ""
    told = "; ".join(_listed([members[i] for i in same]) for same in copies)
    differ = len(independent(copies, len(members)))
    return (
        f"Same predictions under {'two names' if all(len(same) == 2 for same in copies) else 'several names'}: {told}. "
        f"They count as separate members here, though the {len(members)} names have only {differ} different "
        f"{'prediction' if differ == 1 else 'predictions'}."
    )


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
