"""How differently members answer: measures of every pair, measures of them all, and an order of likeness."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.arguments import check_stack
from analysis.csv_cells import write_csv
from analysis.stack import PredictionStack
from analysis.subsets.reference import subset_preds
from analysis.subsets.score import subset_table
from analysis.subsets.table import SubsetTable
from ensemble.errors import BadInput
from ensemble.study.tabular import Rows, html_table, percent

# Each matrix of a `Diversity`: how it is called, whether it needs labels, and where it comes from.
PAIRWISE = {
    "disagreement": ("Disagreement", False, "share of samples on which two members predict different classes"),
    "one_right": ("One right, one wrong", True, "Kuncheva and Whitaker's disagreement measure"),
    "double_fault": ("Double fault", True, "share of samples that both have wrong"),
    "q": ("Yule's Q", True, "1: right on the same samples; 0: as if by chance; below: on different ones"),
    "correlation": ("Correlation of errors", True, "phi: of being wrong, over the samples"),
}


@dataclass(frozen=True, eq=False)
class Diversity(Rows):
    """The predictions of M members for the same N samples, compared.

    Matrices are float64 (M, M) and symmetric; of a pair N11, N10, N01 and N00 are the shares of samples that both, only
    the first, only the second and neither has right.
    disagreement: the share of samples on which they predict different classes (S. Fort, H. Hu and B. Lakshminarayanan,
        Deep ensembles: a loss landscape perspective, arXiv 1912.02757, 2019). It needs no labels.
    one_right: N10 + N01, called disagreement by Kuncheva and Whitaker; with two classes the same as `disagreement`.
    double_fault: N00; on the diagonal a member's share of errors.
    q: (N11 N00 - N01 N10) / (N11 N00 + N01 N10), -1..1, Yule's Q; NaN where `undefined` says why.
    correlation: (N11 N00 - N01 N10) / sqrt((N11 + N10)(N01 + N00)(N11 + N01)(N10 + N00)), -1..1, phi; NaN likewise.
    entropy: E = mean of min(r, M - r) / (M - ceil(M / 2)), r how many have a sample right; 0..1; NaN for one member.
    variance: Kohavi and Wolpert's, mean of r (M - r) / M^2, which is (M - 1) / 2M of the mean `one_right`.
    oracle, all_right: the shares of samples that at least one member has right, and that all have right.
    errors: float64 (M,), shares of samples that are wrong.
    All but the disagreement: L. I. Kuncheva and C. J. Whitaker, Measures of diversity in classifier ensembles and their
    relationship with the ensemble accuracy, Machine Learning 51 (2003). What needs labels is None without them.
    order: int64 (M,), the members with those that disagree least beside one another: average linkage of the
        disagreement, leaves ordered by Z. Bar-Joseph, D. K. Gifford and T. S. Jaakkola, Fast optimal leaf ordering,
        Bioinformatics 17 (2001), by SciPy; of the two directions the one that begins with the earlier member.
    """

    members: tuple[str, ...]
    samples: int
    order: np.ndarray
    disagreement: np.ndarray
    one_right: np.ndarray | None = None
    double_fault: np.ndarray | None = None
    q: np.ndarray | None = None
    correlation: np.ndarray | None = None
    errors: np.ndarray | None = None
    entropy: float | None = None
    variance: float | None = None
    oracle: float | None = None
    all_right: float | None = None

    def _columns(self) -> dict[str, Any]:
        first, second = np.triu_indices(len(self.members), 1)
        found: dict[str, Any] = {"member": [self.members[i] for i in first], "other": [self.members[j] for j in second]}
        for name in PAIRWISE:
            if (matrix := self.matrix(name)) is not None:
                found[name] = matrix[first, second]
        return found

    def _repr_html_(self) -> str:
        return html_table(
            f"Disagreement of {len(self.members)} members on {self.samples:,} samples, %",
            ("", *(self.members[i] for i in self.order)),
            [(self.members[i], *(percent(self.disagreement[i, j]) for j in self.order)) for i in self.order],
        )

    @property
    def labelled(self) -> bool:
        """Whether what needs labels is there."""
        return self.errors is not None

    def matrix(self, name: str) -> np.ndarray | None:
        """Return a matrix of `PAIRWISE` by its name."""
        return getattr(self, name)

    def mean(self, name: str) -> float | None:
        """Return the mean of a matrix over the pairs for which it is defined; None where there are none."""
        matrix = self.matrix(name)
        if matrix is None or len(self.members) < 2:
            return None
        values = matrix[np.triu_indices(len(matrix), 1)]
        values = values[~np.isnan(values)]
        return float(values.mean()) if values.size else None

    @property
    def undefined(self) -> dict[str, str]:
        """Say of each member with which Q and the correlation are 0 / 0 why that is so."""
        if self.errors is None:
            return {}
        always = {0.0: "right on every sample", 1.0: "wrong on every sample"}
        return {name: always[e] for name, e in zip(self.members, self.errors.tolist(), strict=True) if e in always}


def measure_diversity(
    member_preds: ArrayLike | Sequence[ArrayLike],
    y_true: ArrayLike | None = None,
    members: Sequence[str] | None = None,
) -> Diversity:
    """Compare what members predict.

    member_preds: whole numbers (M, N), columns, by the one rule of arithmetic (`subset_preds`);
    y_true: (N,), or None where there are no labels. members: M names; m-0, m-1 ... where there are none.
    Raises `BadInput` for shapes that do not fit.
    """
    votes = np.asarray(member_preds)
    names = tuple(f"m-{i}" for i in range(len(votes))) if members is None else tuple(members)
    if votes.ndim != 2 or not votes.size or len(names) != len(votes):
        raise BadInput(f"diversity: expected (M, N) predictions and M names, found {votes.shape} and {len(names)}.")
    m, n = votes.shape
    apart = np.zeros((m, m))
    for i in range(m - 1):
        apart[i, i + 1 :] = apart[i + 1 :, i] = (votes[i + 1 :] != votes[i]).mean(axis=1)
    if y_true is None:
        return Diversity(names, n, order_of(apart), apart)
    truth = np.asarray(y_true)
    if truth.shape != (n,):
        raise BadInput(f"diversity: expected a label for each of {n} samples, found {truth.shape}.")
    right = (votes == truth).astype(np.float64)
    # Counts of samples, so whole numbers and exact.
    both, neither = right @ right.T, (1 - right) @ (1 - right).T
    only = right @ (1 - right).T
    product, crossed = both * neither, only * only.T
    alone = both.diagonal()
    scale = np.sqrt(np.outer(alone * (n - alone), alone * (n - alone)))
    rights = right.sum(axis=0)
    return Diversity(
        members=names,
        samples=n,
        order=order_of(apart),
        disagreement=apart,
        one_right=(only + only.T) / n,
        double_fault=neither / n,
        q=_ratio(product - crossed, product + crossed),
        correlation=_ratio(product - crossed, scale),
        errors=1 - alone / n,
        entropy=float(np.minimum(rights, m - rights).mean() / (m - -(-m // 2))) if m > 1 else float("nan"),
        variance=float((rights * (m - rights)).mean() / m**2),
        oracle=float((rights > 0).mean()),
        all_right=float((rights == m).mean()),
    )


def order_of(distances: np.ndarray) -> np.ndarray:
    """Return an order in which what is near stands together, int64 (M,); distances: float64 (M, M), symmetric."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(distances) < 3:
        return np.arange(len(distances))
    leaves = leaves_list(linkage(squareform(distances, checks=False), "average", optimal_ordering=True))
    return (leaves if leaves[0] < leaves[-1] else leaves[::-1]).astype(np.int64)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return above / below, NaN where below is 0."""
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


BLOCK_NUMBERS = 400_000  # members times samples times classes that are worked on at once


@dataclass(frozen=True, eq=False)
class Ambiguity(Rows):
    """The decomposition: ensemble = members.mean() - spread.mean(), exact for the mean of probabilities.

    spread: float64 (M,), each member's distance from the ensemble, the mean over samples of the sum over classes of
    (p_m(c) - mean p(c))^2; it needs no labels. members, ensemble: their Brier scores, float64 (M,) and a number, None
    without labels.
    """

    names: tuple[str, ...]
    spread: np.ndarray
    members: np.ndarray | None
    ensemble: float | None

    def _columns(self) -> dict[str, Any]:
        found = {"member": self.names, "spread": self.spread, "brier": self.members}
        return {name: column for name, column in found.items() if column is not None}

    @property
    def ambiguity(self) -> float:
        """The mean distance from the ensemble: by how much its Brier score is below the members' mean."""
        return float(self.spread.mean())


def ambiguity(stack: PredictionStack) -> Ambiguity:
    """Decompose the Brier score of the mean of a stack's members.

    A. Krogh and J. Vedelsby, Neural network ensembles, cross validation, and active learning, NIPS 7 (1995), for the
    squared error, here summed over the classes. All three terms are computed, none as the difference of the others.
    """
    check_stack(stack, "ambiguity")
    m, n, c = stack.probs.shape
    spread, own, together = np.zeros(m), np.zeros(m), 0.0
    step = max(1, BLOCK_NUMBERS // (m * c))
    for start in range(0, n, step):
        probs = stack.probs[:, start : start + step].astype(np.float64)
        mean = probs.mean(axis=0)
        spread += np.array([_squares(member - mean) for member in probs])
        if stack.labels is not None:
            truth = np.zeros(mean.shape)
            truth[np.arange(len(mean)), stack.labels[start : start + step]] = 1
            own += np.array([_squares(member - truth) for member in probs])
            together += _squares(mean - truth)
    if stack.labels is None:
        return Ambiguity(stack.members, spread / n, None, None)
    return Ambiguity(stack.members, spread / n, own / n, together / n)


def _squares(values: np.ndarray) -> float:
    return float(np.einsum("nc,nc->", values, values))


FEWEST = 6  # pairs, those of four members, from which on a rank correlation is told
CAVEATS = (
    "Pairs share members, so they are no separate trials and no test of the correlation is made.",
    "Two members of unlike accuracy must differ, though the better one gains nothing.",
)


@dataclass(frozen=True, eq=False)
class PairGains:
    """Every pair of M members, P = M (M - 1) / 2 of them; arrays are float64 (P,).

    pairs: int64 (P, 2), positions, the first below the second. accuracy: of the two averaged; better: of the better one
    alone; gain: accuracy - better. disagreement: see `analysis.diversity`. members: M names.
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
    """Return the gain of every pair from a table of single members and pairs; see `analysis.subsets.score`."""
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


HEADER = ("member_a", "member_b", *PAIRWISE, "accuracy", "better_alone", "gain")


@dataclass(frozen=True, eq=False)
class EnsembleDiversity(Rows):
    """The diversity of a stack's members, the ambiguity of their mean, and every pair's gain.

    gains: None without labels, or with one member. accuracy: of the mean of all, None without labels.
    """

    diversity: Diversity
    ambiguity: Ambiguity
    gains: PairGains | None
    accuracy: float | None

    def _columns(self) -> dict[str, Any]:
        gains = {} if self.gains is None else {"accuracy": self.gains.accuracy, "gain": self.gains.gain}
        return self.diversity._columns() | gains


def ensemble_diversity(stack: PredictionStack) -> EnsembleDiversity:
    """Compare the members of a stack, which may be without labels: what needs none is then there."""
    check_stack(stack, "ensemble_diversity")
    m, labels = len(stack.members), stack.labels
    found = measure_diversity([subset_preds(stack, [i]) for i in range(m)], labels, stack.members)
    if labels is None:
        return EnsembleDiversity(found, ambiguity(stack), None, None)
    gains = pair_gains(subset_table(stack, [1, 2], metrics=["accuracy"]), found) if m > 1 else None
    accuracy = float((subset_preds(stack, range(m)) == labels).mean())
    return EnsembleDiversity(found, ambiguity(stack), gains, accuracy)


def write_pairs_csv(path: Path, value: EnsembleDiversity) -> None:
    """Write one row a pair, in the order of the members; empty where a measure is 0 / 0 or needs labels."""
    found, gains = value.diversity, value.gains
    rows: list[list[object]] = []
    for row, (i, j) in enumerate(zip(*np.triu_indices(len(found.members), 1), strict=True)):
        matrices = (found.matrix(name) for name in PAIRWISE)
        own = [None] * 3 if gains is None else [gains.accuracy[row], gains.better[row], gains.gain[row]]
        rows.append([found.members[i], found.members[j], *(None if m is None else m[i, j] for m in matrices), *own])
    write_csv(path, HEADER, rows)
