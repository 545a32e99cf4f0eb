"""Every subset as a point; of very many a fair sample, and how many there are of each score."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from analysis.metrics import METRICS
from analysis.subsets.beyond import Density, LeadingTable
from analysis.subsets.table import SubsetTable, sizes_of

MOST = 100_000  # points that stay fluid; of more a sample is carried
SAMPLE = 20_000
LEADING = 1_000  # of the most accurate subsets, which are always among the points
BINS = 240


@dataclass(frozen=True, eq=False)
class Strips:
    """How many subsets of each size have a score in each of B bins of equal width: counts int64 (M, B), row k - 1."""

    low: float
    high: float
    counts: np.ndarray


@dataclass(frozen=True, eq=False)
class Points:
    """The subsets that can be pointed at.

    rows: int64 (S',), increasing, of the table. strips: for each metric every subset of the table by its size; empty
    where the points are all there are.
    """

    rows: np.ndarray
    strips: Mapping[str, Strips]


def points(table: SubsetTable, always: Iterable[int], most: int | None = None) -> Points:
    """Return every subset of the table as a point, or of more than `most`, 100,000, a sample of 20,000, seeded.

    always: masks that are among the points in any case, as the 1,000 most accurate are. Of a `LeadingTable` all that it
    holds are points.
    """
    if isinstance(table, LeadingTable):
        return Points(np.arange(len(table)), {name: _trimmed(found) for name, found in table.densities.items()})
    if len(table) <= max(MOST if most is None else most, SAMPLE):
        return Points(np.arange(len(table)), {})
    sampled = np.random.default_rng(0).choice(len(table), SAMPLE, replace=False)
    leading = np.argpartition(-table.correct, LEADING)[:LEADING]
    named = np.searchsorted(table.masks, np.array(sorted(always), dtype=np.uint64))
    rows = np.unique(np.concatenate([sampled, leading, named]))
    sizes = sizes_of(table.masks)
    names = [name for name in (*METRICS, *table.others) if np.isfinite(table.scores(name)).all()]
    found = {name: _strips(table.scores(name), sizes) for name in names}
    return Points(rows, found)


def _trimmed(density: Density) -> Strips:
    """Return the part of a density in which there are subsets."""
    there = np.flatnonzero(density.counts[1:].any(axis=0))
    first, last = int(there[0]), int(there[-1]) + 1
    step = (density.high - density.low) / density.counts.shape[1]
    return Strips(density.low + first * step, density.low + last * step, density.counts[1:, first:last])


def _strips(scores: np.ndarray, sizes: np.ndarray) -> Strips:
    low, high = float(scores.min()), float(scores.max())
    width = (high - low) / BINS or 1.0
    place = np.minimum(((scores - low) / width).astype(np.int64), BINS - 1)
    most = int(sizes.max())
    counts = np.bincount((sizes - 1) * BINS + place, minlength=most * BINS).reshape(most, BINS)
    return Strips(low, high, counts)
