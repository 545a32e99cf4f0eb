"""Whether members that differ more gain more together: every pair's gain against its disagreement."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from analysis.disagreement.diversity import Diversity
from analysis.table import SubsetTable

FEWEST = 6  # pairs, those of four members, from which on a rank correlation is told
CAVEATS = (
    "Pairs share members, so they are no separate trials and no test of the correlation is made.",
    "Two members of unlike accuracy must differ, though the better one gains nothing.",
)


@dataclass(frozen=True, eq=False)
class PairGains:
    """Every pair of M members, P = M (M - 1) / 2 of them; arrays are float64 (P,).

    pairs: int64 (P, 2), positions, the first below the second. accuracy: of the two averaged; better: of the better one
    alone; gain: accuracy - better. disagreement: see `analysis.disagreement.diversity`. members: M names.
    """

    members: tuple[str, ...]
    pairs: np.ndarray
    accuracy: np.ndarray
    better: np.ndarray
    disagreement: np.ndarray

    @property
    def gain(self) -> np.ndarray:
        """The pair's accuracy less that of its better member."""
        return self.accuracy - self.better

    @property
    def worse(self) -> np.ndarray:
        """Whether the pair is worse than its better member alone, bool (P,)."""
        return self.gain < 0

    @property
    def correlation(self) -> float | None:
        """Spearman's rank correlation of gain and disagreement; None below six pairs, or where one never varies."""
        from scipy.stats import rankdata

        ranks = [rankdata(values) for values in (self.disagreement, self.gain)]
        if len(self.pairs) < FEWEST or any(np.ptp(r) == 0 for r in ranks):
            return None
        return float(np.corrcoef(ranks)[0, 1])


def pair_gains(table: SubsetTable, found: Diversity) -> PairGains:
    """Return the gain of every pair from a table that holds all single members and pairs; see `analysis.subsets`."""
    m = len(table.members)
    correct = {int(mask): int(count) for mask, count in zip(table.masks, table.correct, strict=True)}
    pairs = np.array(list(combinations(range(m), 2)), dtype=np.int64).reshape(-1, 2)
    together = np.array([correct[1 << i | 1 << j] for i, j in pairs.tolist()], dtype=np.int64)
    alone = np.array([correct[1 << i] for i in range(m)], dtype=np.int64)
    better = np.maximum(alone[pairs[:, 0]], alone[pairs[:, 1]])
    return PairGains(
        members=table.members,
        pairs=pairs,
        accuracy=together / table.samples,
        better=better / table.samples,
        disagreement=found.disagreement[pairs[:, 0], pairs[:, 1]],
    )
