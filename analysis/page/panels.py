"""The subsets whose every decision is on the page: what each of them says of each sample."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.calibration.calibration import Calibration, measure_calibration
from analysis.metrics import predicted
from analysis.stack import PredictionStack
from analysis.subsets.table import SubsetTable

EVERY = 6  # members, up to which every subset has its panels
_NUMBERS = 100_000  # samples times classes of a block: a subset's sums stay in a core's cache


@dataclass(frozen=True, eq=False)
class Panels:
    """What P subsets say of N samples, which stand in the order of their classes.

    masks: P of them, increasing. rows: int64 (N,), where each sample stands in the stack: sorted by label.
    starts: int64 (C + 1,), the samples of class c are starts[c] to starts[c + 1].
    preds: int64 (P, N), by the one rule of arithmetic. said, truth: float64 (P, N), the mean probability of what is
    predicted and of the true class. calibrations: P of them, of the largest mean probability.
    """

    masks: tuple[int, ...]
    rows: np.ndarray
    starts: np.ndarray
    preds: np.ndarray
    said: np.ndarray
    truth: np.ndarray
    calibrations: tuple[Calibration, ...]

    @property
    def labels(self) -> np.ndarray:
        """Each sample's class, int64 (N,)."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def place(self, mask: int) -> int:
        """Return which of the P subsets this is."""
        return self.masks.index(mask)


def panel_masks(table: SubsetTable, also: Sequence[int] = ()) -> tuple[int, ...]:
    """Return the subsets that get panels: all of them up to six members.

    Of more members it is the single ones, the best of each size by accuracy, all together, and those in `also`.
    """
    members = len(table.members)
    if members <= EVERY:
        return tuple(int(mask) for mask in table.masks)
    best = {summary.best.mask for summary in table.by_size()}
    return tuple(sorted(best | {1 << i for i in range(members)} | {2**members - 1} | set(also)))


def panels(stack: PredictionStack, masks: Sequence[int]) -> Panels:
    """Ask the subsets with these masks about every sample.

    stack: labelled. Members are added in their order, as `PredictionStack.mean_probs` does.
    """
    labels = stack.require_labels()
    rows = np.argsort(labels, kind="stable")
    p, n = len(masks), stack.samples
    preds = np.empty((p, n), np.int64)
    largest, said, truth = (np.empty((p, n)) for _ in range(3))
    step = max(1, _NUMBERS // stack.classes)
    for start in range(0, n, step):
        here = slice(start, min(start + step, n))
        y = labels[rows[here]]
        at = np.arange(len(y))
        probs = stack.probs[:, rows[here]].astype(np.float64)
        # Sums of q are what decides, sums of p what is shown: both of a subset are made from one with a member fewer.
        counts = np.rint(probs * 2**26).astype(np.int64 if len(probs) > 31 else np.int32)
        known: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for place, mask in enumerate(masks):
            whole, means = _sums(mask, counts, probs, known)
            size = mask.bit_count()
            preds[place, here] = column = predicted(whole)
            said[place, here] = means[at, column] / size
            truth[place, here] = means[at, y] / size
            largest[place, here] = means.max(axis=1) / size
    own = labels[rows]
    starts = np.searchsorted(own, np.arange(stack.classes + 1))
    # Only the largest probability counts, and whether what was predicted is right: one column, and its 0 is right.
    reliabilities = tuple(
        measure_calibration(largest[i][:, None], np.zeros(n, np.int64), (preds[i] != own).astype(np.int64))
        for i in range(p)
    )
    return Panels(tuple(masks), rows, starts, preds, said, truth, reliabilities)


def _sums(
    mask: int, counts: np.ndarray, probs: np.ndarray, known: dict[int, tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums over a subset's members of their whole numbers and of their probabilities, (rows, C) each."""
    last = mask.bit_length() - 1
    before = known.get(mask ^ 1 << last)
    if before is None:
        chosen = [i for i in range(last) if mask >> i & 1]
        before = sum((counts[i] for i in chosen), np.zeros_like(counts[0])), sum((probs[i] for i in chosen), 0.0)
    known[mask] = before[0] + counts[last], before[1] + probs[last]
    return known[mask]
