"""Every subset's scores, computed the obvious way: the reference for any faster way."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from analysis.arguments import check_stack
from analysis.metrics import (
    GEOMETRIC_MEMBERS,
    TOP,
    Rule,
    floored,
    predicted,
    rule_of,
    squared_error,
    true_probs,
)
from analysis.stack import PredictionStack, check_indices, combined_probs
from analysis.subsets.table import SubsetTable, check_sizes, count_subsets
from ensemble.errors import BadInput
from ensemble.machine import Progress

MAX_SUBSETS = 100_000
SECONDS_PER_NUMBER = 1e-9  # seen on one core, a subset: about 2 ms for 10,000 samples of 200 classes
BLOCK_NUMBERS = 80_000  # samples times classes of a block: its sums stay in a core's cache


def subset_table(
    stack: PredictionStack,
    sizes: Sequence[int],
    progress: Progress | None = None,
    block: int | None = None,
    rule: str = "mean",
) -> SubsetTable:
    """Score every subset whose number of members is in `sizes` under one of `analysis.metrics`.

    Counts follow `analysis.metrics` and are exact. Under the arithmetic mean the NLL is the mean over samples of
    -ln of the members' mean p(y), each floored at 1e-12 before averaging, and the Brier score that of the members'
    mean. Under the geometric mean both are those of `combined_probs`, up to 12 members, and NaN above; a vote has
    neither, so they are NaN. Time grows with subsets x N x C. `block` is how many samples are held at once; it changes
    no result. Raises `BadInput` for a stack without labels, sizes outside 1..M, or more subsets than this way can do.
    """
    labels = stack.require_labels()
    wanted = _affordable(sizes, stack)
    kind = rule_of(rule)
    subsets = sorted((mask_of(chosen), chosen) for k in wanted for chosen in combinations(range(len(stack.members)), k))
    correct, top5 = _counts(stack, labels, kind, wanted, [mask for mask, _ in subsets], progress, block)
    nlls, briers = _probability_scores(stack, labels, rule, [chosen for _, chosen in subsets])
    return SubsetTable(
        masks=np.array([mask for mask, _ in subsets], dtype=np.uint64),
        correct=correct,
        top5=top5,
        nll=nlls,
        brier=briers,
        members=stack.members,
        samples=stack.samples,
        classes=stack.classes,
        split=stack.split,
        floored=int((true_probs(stack.probs, labels) < kind.floor).sum()) if kind.floor else 0,
        rule=rule,
    )


def _probability_scores(
    stack: PredictionStack, labels: np.ndarray, rule: str, subsets: Sequence[tuple[int, ...]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return each subset's NLL and Brier score, float64 (S,); NaN where the rule has none."""
    if rule == "mean":
        raised = floored(true_probs(stack.probs, labels))
        products = _error_products(stack.probs, labels)
        nlls = [-np.log(raised[list(chosen)].mean(axis=0)).mean() for chosen in subsets]
        return np.array(nlls), np.array([products[np.ix_(chosen, chosen)].mean() for chosen in subsets])
    if rule_of(rule).floor is None or len(stack.members) > GEOMETRIC_MEMBERS:
        return np.full(len(subsets), np.nan), np.full(len(subsets), np.nan)
    scores = []
    for chosen in subsets:
        probs = combined_probs(stack, chosen, rule)
        scores.append((-np.log(true_probs(probs, labels)).mean(), squared_error(probs, labels).mean()))
    nlls, briers = np.array(scores).T
    return nlls, briers


def subset_preds(stack: PredictionStack, indices: Sequence[int], rule: str = "mean") -> np.ndarray:
    """Return what the members of a stack at `indices` predict together, int64 (N,).

    The lowest-index argmax of the integer sum, by the rule "mean", "geometric" or "vote". Raises `BadInput` for another
    rule, and indices outside 0..M-1.
    """
    check_stack(stack, "subset_preds")
    quantise = rule_of(rule).quantise
    chosen = list(check_indices(indices, len(stack.members)))
    preds = np.empty(stack.samples, dtype=np.int64)
    for rows in _blocks(stack, None):
        preds[rows] = predicted(quantise(stack.probs[chosen, rows]).sum(axis=0))
    return preds


def mask_of(indices: Sequence[int]) -> int:
    """Return the mask of a subset: bit i is set where member i takes part."""
    return sum(1 << i for i in indices)


def _affordable(sizes: Sequence[int], stack: PredictionStack) -> list[int]:
    """Return the sizes in increasing order.

    Raises `BadInput` where one is outside 1..M, or there are too many subsets to score one after another.
    """
    members = len(stack.members)
    wanted = check_sizes(sizes, members)
    count = count_subsets(members, wanted)
    if count > MAX_SUBSETS:
        fitting = [k for k in (1, 2, 3) if count_subsets(members, range(1, k + 1)) <= MAX_SUBSETS]
        minutes = count * SECONDS_PER_NUMBER * stack.samples * stack.classes / 60
        raise BadInput(
            f"that would be {count:,} subsets of {members} members, about {max(1, round(minutes)):,} minutes one after "
            f"another, and {MAX_SUBSETS:,} is the most that is done so; ask for subsets of sizes "
            f"1 to {fitting[-1]}, or for fewer members."
        )
    return wanted


def _blocks(stack: PredictionStack, block: int | None) -> Iterator[slice]:
    """Cut the samples into runs of `block`, or of as many as suit the cache."""
    step = block or max(1, BLOCK_NUMBERS // stack.classes)
    for start in range(0, stack.samples, step):
        yield slice(start, min(start + step, stack.samples))


def _counts(
    stack: PredictionStack,
    labels: np.ndarray,
    rule: Rule,
    sizes: list[int],
    masks: list[int],
    progress: Progress | None,
    block: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Count for each mask the samples that are right, and right among the five: two int64 (S,)."""
    members = len(stack.members)
    position = {mask: i for i, mask in enumerate(masks)}
    correct, top5 = np.zeros(len(masks), np.int64), np.zeros(len(masks), np.int64)
    # 31 members' differences and the one for ties fit into 32 bits, which halves the memory to enumeration through.
    kind = np.int32 if members <= 31 else np.int64
    for rows in _blocks(stack, block):
        q, y = rule.quantise(stack.probs[:, rows]), labels[rows]
        margins = (q - np.take_along_axis(q, y[None, :, None], axis=2)).astype(kind)
        # A rival c beats y when the sum of q(c) - q(y) is positive, or 0 where c < y: so c < y starts with 1.
        start = (np.arange(stack.classes) < y[:, None]).astype(kind)

        def extend(margin: np.ndarray, mask: int, size: int, first: int) -> None:
            """Visit every subset that adds members from `first` on; each is one addition away from its parent."""
            for i in range(first, members):
                if size + members - i < sizes[0]:  # too few members are left to reach the smallest size
                    return
                own = margin + margins[i]  # noqa: B023 - called within this turn of the loop only
                row = position.get(mask | 1 << i)
                if row is not None:
                    ahead = (own > 0).sum(axis=1)
                    correct[row] += np.count_nonzero(ahead == 0)
                    top5[row] += np.count_nonzero(ahead < TOP)
                if size + 1 < sizes[-1]:
                    extend(own, mask | 1 << i, size + 1, i + 1)

        extend(start, 0, 0, 0)
        if progress:
            progress(rows.stop, stack.samples)
    return correct, top5


def _error_products(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean over samples of the inner products of the members' errors, float64 (M, M).

    A member's error is e(c) = p(c) - [c = y]. The mean's error is the mean of errors, so a subset's Brier score is
    the mean of the entries of its members.
    """
    members = len(probs)
    products = np.empty((members, members))
    for i in range(members):
        ours = _errors(probs[i], labels)
        for j in range(i + 1):
            # One number per sample, then one sum over all of them.
            products[i, j] = products[j, i] = np.einsum("nc,nc->n", ours, _errors(probs[j], labels)).mean()
    return products


def _errors(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return p(c) - [c = y], float64 (N, C)."""
    errors = probs.astype(np.float64)
    errors[np.arange(len(labels)), labels] -= 1
    return errors
