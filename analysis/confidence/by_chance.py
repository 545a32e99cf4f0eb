"""What ECE a predictor would show on so few samples if its confidence were exactly right."""

from dataclasses import dataclass

import numpy as np

from analysis.confidence.calibration import BINS, bin_of

DRAWS = 999
_NUMBERS = 1_000_000  # draws times samples that are held at once


@dataclass(frozen=True)
class EceByChance:
    """The ECE of outcomes drawn as the confidence says, over `draws` draws.

    mean: their mean, which a calibrated predictor has by chance alone. p: the share of draws, the observed one counted
    among them, with an ECE of at least the observed: a small one says that it is not calibrated, a large one says
    nothing.
    """

    mean: float
    p: float
    draws: int


def ece_by_chance(probs: np.ndarray, ece: float, bins: int = BINS, draws: int = DRAWS, seed: int = 0) -> EceByChance:
    """Draw whether each sample is right with the probability that its confidence says, again and again.

    probs: floating point (N, C); ece: what was observed with so many bins of equal width. The consistency resampling of
    J. Bröcker and L. A. Smith, Increasing the reliability of reliability diagrams, Weather and Forecasting 22 (2007),
    as J. Vaicenavicius and others, Evaluating model calibration in classification, AISTATS 2019, use it for the ECE.
    """
    confidence = np.sort(np.minimum(np.asarray(probs).max(axis=1).astype(np.float64), 1.0))
    place = bin_of(confidence, np.arange(bins + 1) / bins)
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    expected = np.add.reduceat(confidence, starts)
    stream, n = np.random.default_rng(seed), len(confidence)
    step = max(1, _NUMBERS // n)
    found = np.concatenate([
        np.abs(np.add.reduceat(stream.random((min(step, draws - done), n)) < confidence, starts, axis=1, dtype=np.int64)
               - expected).sum(axis=1) / n
        for done in range(0, draws, step)
    ])  # fmt: skip
    return EceByChance(float(found.mean()), float((1 + (found >= ece - 1e-12).sum()) / (draws + 1)), draws)
