"""Values as probabilities: what is taken, what is put right and counted, and what any other array looks like."""

from dataclasses import dataclass

import numpy as np

from ensemble.errors import BadInput
from ensemble.study.predictions import HALF_TOLERANCE, SUM_TOLERANCE
from ensemble.study.row_probs import row_blocks

# A row is counted as off by rounding from here on: more than the arithmetic of float32 makes of a softmax.
_EXACT = 1e-5
_MOST = 0.99
LARGE = 2**22  # numbers of an array that is looked at by block first
VOTES = (
    "each row holds a single 1, so these are votes rather than probabilities: accuracy and 'ens-combine --rule vote' "
    "mean what they say, NLL, Brier and calibration do not",
)
RANKS = "ranks: each row is an order of the classes' numbers, as argsort makes them; save the softmax itself"


@dataclass(frozen=True, eq=False)
class Values:
    """Probabilities float32 (N, C), and the logits they came from as float32, if any.

    rounded: rows off by rounding, by at most `off`; clipped: those of them that were put right.
    """

    probs: np.ndarray
    logits: np.ndarray | None = None
    rounded: int = 0
    clipped: int = 0
    off: float = 0.0
    notes: tuple[str, ...] = ()


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of each row, float64 (N, C), of finite logits (N, C); the largest is taken off first."""
    shifted = np.asarray(logits, dtype=np.float64)
    shifted = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def probabilities(values: np.ndarray, where: str, *, logits: bool = False, samples: int | None = None) -> Values:
    """Return an array (N, C) as probabilities; raise `BadInput` saying what else it looks like, and the next move.

    A row may be off by rounding: a value beyond 0 or 1, or a sum off 1, by at most 1e-4, or 2e-2 where all values are
    such as float16 or bfloat16 hold. logits: take the softmax. samples: N, where it is known from ids or labels.
    """
    _check_shape(values, where, samples)
    if not logits and values.size >= LARGE and (found := _as_they_are(values)) is not None:
        return found
    with np.errstate(all="ignore"):
        wide = values.astype(np.float64)
        if logits:
            return _of_logits(wide, where)
        check_side(values, where, samples)
        tolerance = HALF_TOLERANCE if _is_half(values) else SUM_TOLERANCE
        problem = _problem(wide, values, where, tolerance)
        if problem is not None:
            raise BadInput(problem)
        return _put_right(wide, values, tolerance)


def _as_they_are(values: np.ndarray) -> Values | None:
    """Return probabilities that need no mending, found by block; None where some may, which are looked at as a whole.

    They are what the whole would give; it takes some eight times the room of the array.
    """
    if values.dtype not in (np.float32, np.float64):
        return None
    votes = True
    for _, rows in row_blocks(values):
        wide = rows.astype(np.float64)
        if not (wide.min() >= 0 and wide.max() <= 1 and (np.abs(wide.sum(axis=1) - 1) <= _EXACT).all()):
            return None
        votes = votes and bool(((wide == 0) | (wide == 1)).all())
    return Values(values.astype(np.float32, copy=False), notes=VOTES if votes else ())


def check_side(values: np.ndarray, where: str, samples: int | None = None) -> None:
    """Raise `BadInput` where the columns of an array sum to 1 and its rows do not; samples: N, where it is known."""
    if values.ndim != 2 or values.dtype.kind != "f" or min(values.shape) < 2 or not np.isfinite(values).all():
        return
    n, c = values.shape
    if (n >= c and samples != c) or values.min() < -SUM_TOLERANCE:
        return
    rows, columns = (values.sum(axis=axis, dtype=np.float64) for axis in (1, 0))
    bad = np.flatnonzero(np.abs(rows - 1) > HALF_TOLERANCE)
    if bad.size and (np.abs(columns - 1) <= HALF_TOLERANCE).all():
        raise BadInput(
            f"{where}: a row must sum to 1 within {SUM_TOLERANCE:g}, but {len(bad)} of {n} rows do not hold, row "
            f"{bad[0]} first: sum {rows[bad[0]]:.6g}; its columns sum to 1, so it lies on its side: save probs.T."
        )


def check_logits(probs: np.ndarray, logits: np.ndarray, where: str, names: tuple[str, str]) -> None:
    """Raise `BadInput` where the softmax of logits (N, C) is not what stands beside them as probabilities (N, C)."""
    if probs.shape != logits.shape or probs.ndim != 2 or probs.dtype.kind != "f" or logits.dtype.kind != "f":
        return
    if not probs.size or not np.isfinite(probs).all() or not np.isfinite(logits).all():
        return
    wide = softmax(logits)
    off = np.abs(wide - probs).max(axis=1)
    bad = np.flatnonzero(off > HALF_TOLERANCE)
    if bad.size:
        other = int((wide.argmax(axis=1) != probs.argmax(axis=1)).sum())
        same = f"{other} of them of another class" if other else "of the same classes, as a temperature makes them"
        raise BadInput(
            f"{where}: {names[0]} and {names[1]} disagree: the softmax of the one is not the other in {bad.size} of "
            f"{len(off)} rows, row {bad[0]} first, {same}; leave out the one that is not meant, or take the logits "
            "with logits=True."
        )


def _of_logits(wide: np.ndarray, where: str) -> Values:
    if not np.isfinite(wide).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(wide))[0])
        found = wide[row, column]
        advice = "save them before the logarithm, or np.maximum(logits, -100)" if found == -np.inf else "mend that row"
        raise BadInput(f"{where}: logits must be finite, but row {row} has {found} in column {column}; {advice}.")
    sums = wide.sum(axis=1)
    if wide.min() >= 0:
        for total, what in ((1, "probabilities; leave out logits=True"), (100, "percentages; divide them by 100")):
            if (np.abs(sums / total - 1) < SUM_TOLERANCE).all():
                raise BadInput(f"{where}: expected logits, found rows that sum to {total}, {what}.")
        if _whole(wide) and sums[0] > 1 and (sums == sums[0]).all():
            raise BadInput(f"{where}: expected logits, found {_counts(sums)} and leave out logits=True.")
    raw = wide.astype(np.float32)
    notes = ()
    if wide.min() >= 0 and wide.max() <= 1:
        notes = ("all logits lie between 0 and 1, which is rare; are these scores rather than logits?",)
    return Values(softmax(wide).astype(np.float32), raw if np.isfinite(raw).all() else None, notes=notes)


def _put_right(wide: np.ndarray, values: np.ndarray, tolerance: float) -> Values:
    """Clip and renormalise rows with a value beyond 0 or 1, and all rows of half precision that are off."""
    sums = wide.sum(axis=1)
    outside = np.maximum(-wide.min(axis=1), wide.max(axis=1) - 1)
    off = np.maximum(np.abs(sums - 1), outside)
    mend = (outside > 0) | (off > SUM_TOLERANCE)
    if values.dtype == np.float16:
        mend[:] = True
    wide[mend] = np.clip(wide[mend], 0, 1)
    wide[mend] /= wide[mend].sum(axis=1, keepdims=True)
    rounded = (outside > 0) | (off > _EXACT)
    notes = VOTES if ((wide == 0) | (wide == 1)).all() else ()
    return Values(
        wide.astype(np.float32), None, int(rounded.sum()), int((rounded & mend).sum()),
        float(off[rounded].max()) if rounded.any() else 0.0, notes,
    )  # fmt: skip


def _is_half(values: np.ndarray) -> bool:
    """Say whether all values are such as float16 or bfloat16 hold: then they were computed in these."""
    if values.dtype == np.float16:
        return True
    if values.dtype.kind != "f":
        return False
    single = values.astype(np.float32)
    if not np.isclose(single, values, rtol=2e-7, atol=0).all():  # as text it is the shortest that float32 tells apart
        return False
    return bool((single.astype(np.float16) == single).all() or not (single.view(np.uint32) & 0xFFFF).any())


# -- what else it may be -------------------------------------------------------------------------------------


def _check_shape(values: np.ndarray, where: str, samples: int | None) -> None:
    shape = values.shape
    found = f"{where}: expected one row per sample and one column per class, found the shape {shape}"
    if values.dtype.kind in "US":
        raise BadInput(
            f"{where}: expected numbers, found text; if these are predicted classes, take them with votes=True."
        )
    if values.dtype.kind not in "fiub":
        raise BadInput(f"{where}: expected numbers, found {values.dtype}; save the softmax itself.")
    if values.ndim == 3 and 0 not in shape:
        at = 0 if samples == shape[1] else 1 if samples == shape[0] else int(np.argmin(shape[:2]))
        at = shape.index(1) if 1 in shape else at
        what = (
            "an axis of length 1" if shape[at] == 1 else f"{shape[at]} views, folds or members on axis {at}, it seems"
        )
        raise BadInput(
            f"{found}: {what}; average over it, probs.mean(axis={at}), or save each as a member of its own, "
            f"probs[{':, ' * at}i]."
        )
    if (values.ndim != 2 and values.ndim != 1) or 0 in shape:
        raise BadInput(f"{found}; save (N, C).")
    if values.ndim == 1 or shape[1] == 1:
        flat = values.ravel()
        if flat.dtype.kind in "biu" or (np.isfinite(flat).all() and (flat == np.rint(flat)).all() and flat.max() > 1):
            raise BadInput(
                f"{found}, class numbers: they have no probabilities, but take part with 'ens-combine --rule vote' and "
                "in accuracies; take them with votes=True."
            )
        if np.isfinite(flat).all() and flat.min() >= 0 and flat.max() <= 1:
            raise BadInput(
                f"{found}; for two classes list both with classes=FILE, last the one it is the probability of, or save "
                "both columns, np.stack([1 - p, p], axis=1)."
            )
        raise BadInput(
            f"{found}, one score a sample; if these are logits of two classes, take them with logits=True and list "
            "both with classes=FILE, last the one they are for."
        )


def _problem(wide: np.ndarray, values: np.ndarray, where: str, tolerance: float) -> str | None:
    """Return the sentence for an array that holds no probabilities, or None where it does."""
    n = len(wide)
    broken = ~np.isfinite(wide)
    if broken.any():
        bad = np.flatnonzero(broken.any(axis=1))
        row, column = int(bad[0]), int(np.flatnonzero(broken[bad[0]])[0])
        advice = "leave these samples out, or mend their rows"
        if np.isneginf(wide).any() and (wide <= 0).all():
            advice = "they look like log-probabilities: save np.exp of them"
        return _rows(where, "probabilities must be finite", bad, n, f"{wide[row, column]} in column {column}", advice)
    sums = wide.sum(axis=1)
    outside = np.maximum(-wide.min(axis=1), wide.max(axis=1) - 1)
    wrong = (np.abs(sums - 1) > tolerance) | (outside > tolerance)
    if not wrong.any():
        return None
    bad = np.flatnonzero(wrong)
    zero = np.flatnonzero(~wide.any(axis=1))
    if zero.size and zero.size == bad.size:
        return _rows(where, "each sample must have a prediction", zero, n, "zeros only",
                     "leave these samples out, or predict them")  # fmt: skip
    nature = _nature(wide, values, where, sums, bad)
    if nature is not None:
        return nature
    row = int(bad[0])
    low, high = float(wide[row].min()), float(wide[row].max())
    mend = "mend these rows, or leave the samples out"
    if low < -tolerance:
        return _rows(where, "probabilities must not be negative", bad, n, f"{low:g}", mend)
    if high > 1 + tolerance and abs(sums[row] - 1) <= tolerance:
        return _rows(where, "probabilities must not be above 1", bad, n, f"{high:.8g}", mend)
    return _rows(where, f"a row must sum to 1 within {tolerance:g}", bad, n, f"sum {sums[row]:.6g}", mend)


def _nature(wide: np.ndarray, values: np.ndarray, where: str, sums: np.ndarray, bad: np.ndarray) -> str | None:
    """Say what an array is as a whole; None where most of its rows are probabilities."""
    n, c = wide.shape
    expected = f"{where}: a row must sum to 1 within {SUM_TOLERANCE:g}"
    start = f"{expected}, but {len(bad)} of {n} rows do not hold, row {bad[0]} first"

    def most(rows: np.ndarray) -> bool:
        return bool(rows.mean() >= _MOST)

    positive = wide.min() >= -SUM_TOLERANCE
    if positive and most(np.abs(sums / 100 - 1) <= HALF_TOLERANCE):
        if _whole(wide) and values.dtype.kind != "f":
            return f"{start}: {_counts(sums)}."
        return f"{start}: sum {sums[bad[0]]:.6g}, percentages; divide them by 100."
    if _whole(wide) and wide.min() >= 0 and wide.any():
        if are_ranks(wide):
            return f"{where}: expected probabilities, found {RANKS}."
        if (wide <= 1).all():
            return (
                f"{start}: {int(sums[bad[0]])} ones; zeros and ones with several in a row are answers to many "
                "questions; save the softmax over classes."
            )
        return f"{start}: {_counts(sums)}."
    if most(np.abs(sums - 1) <= HALF_TOLERANCE):
        if wide.min() < -SUM_TOLERANCE or wide.max() > 1 + SUM_TOLERANCE:
            return None
        digits = _digits(wide)
        if digits is not None and np.abs(sums - 1).max() <= 0.5 * 10.0**-digits * c:
            return (
                f"{start}: sum {sums[bad[0]]:.6g}; the values are rounded to {digits} decimals; save more of them, or "
                "divide each row by its sum, probs / probs.sum(axis=1, keepdims=True)."
            )
        if len(bad) < n / 2:
            return None
        return f"{start}: sum {sums[bad[0]]:.6g}; divide each row by its sum, or save the softmax in float32."
    if len(bad) < n / 2:
        return None
    if (several := _side_by_side(wide, sums)) is not None:
        return f"{start}: sum {sums[bad[0]]:.6g}; {several}."
    if wide.max() <= SUM_TOLERANCE and most(np.abs(np.exp(wide).sum(axis=1) - 1) <= HALF_TOLERANCE):
        return (
            f"{where}: expected probabilities, found log-probabilities: no value above 0, and exp of each row sums to "
            "1; take their softmax, which gives the probabilities back, with logits=True."
        )
    if positive and wide.max() <= 1 + SUM_TOLERANCE:
        return (
            f"{start}: sum {sums[bad[0]]:.6g}; all values lie between 0 and 1, so these are scores of independent "
            "outputs (sigmoids), or a class's column is missing; save the softmax over all classes, or divide each "
            "row by its sum."
        )
    if positive and sums.min() > 0 and np.ptp(sums) <= HALF_TOLERANCE * sums.mean():
        return f"{start}: all sum to about {sums.mean():.6g}; divide each row by its sum."
    row = int(bad[0])
    found = f"{wide[row].min():g} in row {row}" if wide[row].min() < 0 else f"sum {sums[row]:.6g} in row {row}"
    return (
        f"{where}: probabilities must not be negative and must sum to 1, but {len(bad)} of {n} rows do not hold, found "
        f"{found}; they look like logits: take their softmax with logits=True."
    )


def _side_by_side(wide: np.ndarray, sums: np.ndarray) -> str | None:
    """Say that columns are those of several members or views, each of which sums to 1; None where they are not."""
    n, c = wide.shape
    m = round(float(np.median(sums)))
    if m < 2 or c % m or c // m < 2 or wide.min() < -SUM_TOLERANCE:
        return None
    for parts, axis, each in (((n, m, c // m), 2, f"probs[:, :{c // m}]"), ((n, c // m, m), 1, f"probs[:, ::{m}]")):
        if (np.abs(wide.reshape(parts).sum(axis=axis) - 1) <= HALF_TOLERANCE).mean() >= _MOST:
            return (
                f"{m} predictions of {c // m} classes stand side by side, it seems; save each as a member of its own, "
                f"the first being {each}"
            )
    return None


def _rows(where: str, expected: str, bad: np.ndarray, n: int, found: str, advice: str) -> str:
    return f"{where}: {expected}, but {len(bad)} of {n} rows do not hold, row {int(bad[0])} first: {found}; {advice}."


def check_ranked(probs: np.ndarray, truth: np.ndarray | None, where: str) -> None:
    """Refuse values that fall (or rise) from left to right in every row: then columns are ranks, and no classes."""
    n, c = probs.shape
    if n < 20 or c < 3 or np.ptp(probs.max(axis=1)) < 0.1 or (truth is None and c < 5):
        return
    falls = rises = True
    for _, rows in row_blocks(probs):
        steps = np.diff(rows, axis=1)
        falls, rises = falls and bool((steps <= 0).all()), rises and bool((steps >= 0).all())
        if not (falls or rises):
            return
    if truth is None or (probs.argmax(axis=1) == truth)[truth >= 0].mean() < 0.5:
        raise BadInput(
            f"{where}: expected a column a class, found values sorted in every row: the columns are ranks, as of the "
            "best few classes; save the softmax in the order of the classes."
        )


def _whole(values: np.ndarray) -> bool:
    return bool((values == np.rint(values)).all())


def _counts(sums: np.ndarray) -> str:
    if (sums == sums[0]).all():
        what = f"whole numbers that sum to {int(sums[0])}, counts of votes"
        return f"{what}; divide each row by its sum, or take them with votes=True"
    return (
        "whole numbers whose sums differ from row to row; counts of votes can be taken with votes=True, but numbers of "
        "the best few classes are no probabilities: save the softmax over all classes"
    )


def are_ranks(values: np.ndarray) -> bool:
    """Say whether each row of (N, C) is an order of 0 to C - 1, or of 1 to C, as argsort makes them."""
    n, c = values.shape
    if n < 3 or c < 3:
        return False
    order = np.sort(values, axis=1) - np.arange(c)
    return bool((order == order[0, 0]).all() and order[0, 0] in (0, 1))


def _digits(wide: np.ndarray) -> int | None:
    """Return to how many decimals, at most 5, all values are rounded."""
    for digits in range(1, 6):
        if np.allclose(wide, np.round(wide, digits), rtol=0, atol=1e-7):
            return digits
    return None
