"""How differently members answer: measures of every pair, measures of them all, and an order of likeness."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.notebook import html_table, percent
from ensemble.errors import BadInput

# Each matrix of a `Diversity`: how it is called, whether it needs labels, and where it comes from.
PAIRWISE = {
    "disagreement": ("Disagreement", False, "share of samples on which two members say different classes"),
    "one_right": ("One right, one wrong", True, "Kuncheva and Whitaker's disagreement measure"),
    "double_fault": ("Double fault", True, "share of samples that both have wrong"),
    "q": ("Yule's Q", True, "1: right on the same samples; 0: as if by chance; below: on different ones"),
    "correlation": ("Correlation of errors", True, "phi: of being wrong, over the samples"),
}


@dataclass(frozen=True, eq=False)
class Diversity:
    """What M members said of the same N samples, compared.

    Matrices are float64 (M, M) and symmetric; of a pair N11, N10, N01 and N00 are the shares of samples that both, only
    the first, only the second and neither has right.
    disagreement: the share of samples on which they say different classes (S. Fort, H. Hu and B. Lakshminarayanan, Deep
        ensembles: a loss landscape perspective, arXiv 1912.02757, 2019). It needs no labels.
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
        told = {0.0: "right on every sample", 1.0: "wrong on every sample"}
        return {name: told[e] for name, e in zip(self.members, self.errors.tolist(), strict=True) if e in told}


def diversity(
    said: ArrayLike | Sequence[ArrayLike],
    y_true: ArrayLike | None = None,
    members: Sequence[str] | None = None,
) -> Diversity:
    """Compare what members said.

    said: whole numbers (M, N), columns, by the one rule of arithmetic (`analysis.plain.subset_preds`); y_true: (N,), or
    None where there are no labels. members: M names; m-0, m-1 ... where there are none.
    Raises `BadInput` for shapes that do not fit.
    """
    votes = np.asarray(said)
    names = tuple(f"m-{i}" for i in range(len(votes))) if members is None else tuple(members)
    if votes.ndim != 2 or not votes.size or len(names) != len(votes):
        raise BadInput(f"diversity: expected (M, N) answers and M names, found {votes.shape} and {len(names)}.")
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
