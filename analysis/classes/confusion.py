"""Which classes are confused with which: the counts, an order in which classes that are confused stand together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.csv_cells import write_csv
from analysis.statistics import class_effects, group_codes, wilson
from ensemble.errors import BadInput, nearest
from ensemble.study.names import number_ids
from ensemble.study.predictions import check_columns
from ensemble.study.tabular import Rows, html_table, percent

ORDERS = ("cluster", "id")
MOST_CLUSTERED = 1500  # classes: ordering the leaves takes seconds for 1,000 and minutes for 4,000
CLUSTERED = 1000  # of more classes, those confused most
MOST_IN_FULL = 2000  # classes whose whole matrix is written and drawn; of more the pairs confused say it all
# Blocks are told of where there are more classes than have room for their names.
_MANY, _SMALLEST = 20, 3


@dataclass(frozen=True)
class ClassBlock:
    """Classes that stand together because they are confused with one another: a subtree of the clustering.

    start, stop: their places in `Confusion.order`. inside: errors that stay among them; errors: all errors made on
    their samples. typical: the columns of up to three of them that take part in most of the errors inside.
    """

    start: int
    stop: int
    inside: int
    errors: int
    typical: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Confusion(Rows):
    """How often each class is predicted as each.

    counts: int64 (C, C), the true class by row, the predicted one by column; both in column order of the predictions.
    class_ids, class_names: C each, in column order.
    order: int64 (C,), the columns in the order in which they are shown.
    by: "cluster" or "id", what the order is by.
    blocks: groups in that order; none where classes are few, or stand by id.
    folded: how many classes the last one stands for, see `folded`; 0 where each stands for itself.
    """

    counts: np.ndarray
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    order: np.ndarray
    by: str
    blocks: tuple[ClassBlock, ...] = ()
    folded: int = 0

    def _columns(self) -> dict[str, Any]:
        return {"class_id": self.class_ids, **dict(zip(self.class_ids, self.counts.T, strict=True))}

    def __len__(self) -> int:
        return len(self.counts)

    @cached_property
    def samples(self) -> np.ndarray:
        """How many samples each class has, int64 (C,)."""
        return self.counts.sum(axis=1)

    @cached_property
    def predicted(self) -> np.ndarray:
        """How many samples are predicted to be of each class, int64 (C,)."""
        return self.counts.sum(axis=0)

    @property
    def rates(self) -> np.ndarray:
        """The share of each class's samples predicted as each, float64 (C, C); rows sum to 1, NaN without samples.

        scikit-learn's `confusion_matrix(normalize="true")`, but for the classes without samples, which it calls 0.
        """
        whole = self.samples[:, None]
        return np.divide(self.counts, whole, out=np.full(self.counts.shape, np.nan), where=whole > 0)

    @property
    def errors(self) -> np.ndarray:
        """The counts without those of right answers, int64 (C, C)."""
        return self.counts - np.diag(self.counts.diagonal())

    @cached_property
    def cells(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The cells with errors, by row and column: true class, predicted class and count, int64 (E,)."""
        rows, columns = np.nonzero(self.counts)
        wrong = rows != columns
        rows, columns = rows[wrong], columns[wrong]
        return rows, columns, self.counts[rows, columns]

    @property
    def accuracy(self) -> float:
        """The share of samples that are right."""
        return float(self.counts.trace() / self.counts.sum())

    def _repr_html_(self) -> str:
        rows, columns, counts = self.cells
        first = np.argsort(-counts, kind="stable")[:20]
        found = [(self.class_names[i], self.class_names[j], int(self.counts[i, j]), int(self.samples[i]))
                 for i, j in zip(rows[first], columns[first], strict=True)]  # fmt: skip
        title = f"Most frequent confusions of {len(self)} classes; {percent(self.accuracy)} % right"
        return html_table(title, ("class", "confused with", "images", "of"), found)


def confusion(
    y_true: np.ndarray | Sequence[int],
    y_pred: np.ndarray | Sequence[int],
    class_ids: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    order: str = "cluster",
) -> Confusion:
    """Count what each class is predicted as, and put the classes in an order.

    y_true, y_pred: whole numbers (N,), columns 0..C-1. class_ids: C of them; the numbers themselves where there are
    none. class_names: the ids where there are none. order: "cluster" (`clustered`), or "id", the order of the columns.
    Raises `BadInput` where arrays do not fit, hold no samples, or the order is unknown.
    """
    truth = check_columns(y_true, "confusion: y_true")
    preds = check_columns(y_pred, "confusion: y_pred", len(truth))
    ids, names = names_of(max(int(truth.max()), int(preds.max())) + 1, class_ids, class_names)
    counts = confusion_counts(truth, preds, len(ids))
    return arranged(counts, ids, names, order)


def names_of(
    least: int, class_ids: Sequence[str] | None, class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return ids and names of the classes: `least` numbers where none are given; `BadInput` if few."""
    ids = number_ids(least) if class_ids is None else tuple(str(i) for i in class_ids)
    names = ids if class_names is None else tuple(str(name) for name in class_names)
    if len(ids) < least or len(names) != len(ids):
        raise BadInput(f"classes: columns up to {least - 1} are in use, but {len(ids)} ids and {len(names)} names.")
    return ids, names


def confusion_counts(y_true: np.ndarray, y_pred: np.ndarray, classes: int) -> np.ndarray:
    """Return how often each class (row) is predicted as each (column), int64 (C, C); raise `BadInput` out of range."""
    for name, values in (("y_true", y_true), ("y_pred", y_pred)):
        if values.size and not 0 <= values.min() <= values.max() < classes:
            raise BadInput(f"confusion: {name} holds columns {values.min()} to {values.max()}, not 0..{classes - 1}.")
    places = np.asarray(y_true, dtype=np.int64) * classes + y_pred
    return np.bincount(places, minlength=classes * classes).reshape(classes, classes)


def arranged(counts: np.ndarray, class_ids: Sequence[str], class_names: Sequence[str], order: str) -> Confusion:
    """Return counts int64 (C, C) as a `Confusion` in an order, "cluster" or "id"."""
    if order not in ORDERS:
        raise BadInput(f"{order!r} is not an order of classes; {nearest(order, ORDERS)}.")
    c = len(counts)
    places, blocks = np.arange(c), ()
    if order == "cluster" and c > MOST_CLUSTERED:
        places, blocks = _most_confused_first(counts)
    elif order == "cluster" and c > 2:
        places, blocks = clustered(counts)
    return Confusion(counts, tuple(class_ids), tuple(class_names), places, order, blocks)


def _most_confused_first(counts: np.ndarray) -> tuple[np.ndarray, tuple[ClassBlock, ...]]:
    """Return an order of many classes, int64 (C,): the 1,000 with most errors, clustered, before the others by column.

    Errors are those on a class's samples and those of others that are predicted to be of it.
    """
    rows, columns = np.nonzero(counts)
    n = np.where(rows != columns, counts[rows, columns], 0)
    c = len(counts)
    on = np.bincount(rows, n, c).astype(np.int64)
    both = on + np.bincount(columns, n, c).astype(np.int64)
    kept = np.sort(np.argsort(-both, kind="stable")[:CLUSTERED])
    own, blocks = clustered(counts[np.ix_(kept, kept)], counts.sum(axis=1)[kept], on[kept])
    named = tuple(replace(b, typical=tuple(int(kept[i]) for i in b.typical)) for b in blocks)
    return np.concatenate([kept[own], np.setdiff1d(np.arange(c), kept)]), named


def clustered(
    counts: np.ndarray, samples: np.ndarray | None = None, errors: np.ndarray | None = None
) -> tuple[np.ndarray, tuple[ClassBlock, ...]]:
    """Return the classes in an order in which those that are confused stand together, int64 (C,), and its blocks.

    Two classes are 1 - (r_ab + r_ba) / 2 apart, r_ab the share of a's samples that are predicted as b (0 for a class
    without samples). They are clustered by average linkage, and the leaves ordered so that neighbours are as near as
    the tree allows (Z. Bar-Joseph, D. K. Gifford and T. S. Jaakkola, Fast optimal leaf ordering for hierarchical
    clustering, Bioinformatics 17, 2001, by SciPy). Blocks are the largest subtrees of at most a tenth of the classes,
    where they have three or more with errors between them.
    samples, errors: int64 (C,), how many each class has, where not all of them are counted here.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    c = len(counts)
    whole = counts.sum(axis=1) if samples is None else samples
    rates = counts / np.maximum(whole[:, None], 1)
    apart = 1 - (rates + rates.T) / 2
    np.fill_diagonal(apart, 0)
    between = squareform(apart, checks=False)
    tree = optimal_leaf_ordering(linkage(between, "average"), between)
    order = leaves_list(tree).astype(np.int64)
    on = whole - counts.diagonal() if errors is None else errors
    return order, _blocks(tree, order, counts, on) if c > _MANY else ()


def _blocks(tree: np.ndarray, order: np.ndarray, counts: np.ndarray, on: np.ndarray) -> tuple[ClassBlock, ...]:
    """Return the largest subtrees with at most a tenth of the classes; tree: SciPy's linkage (C - 1, 4).

    on: int64 (C,), the errors on each class's samples.
    """
    c = len(order)
    most = max(_SMALLEST, c // 10)
    leaves: list[list[int]] = [[i] for i in range(c)]
    for left, right in tree[:, :2].astype(np.int64):
        leaves.append(leaves[left] + leaves[right])
    place = np.argsort(order)
    found, waiting = [], [len(leaves) - 1]
    while waiting:
        node = waiting.pop()
        if len(leaves[node]) > most:
            waiting += [int(child) for child in tree[node - c, :2]]
        elif len(leaves[node]) >= _SMALLEST:
            found.append(np.sort(place[leaves[node]]))
    errors = counts - np.diag(counts.diagonal())
    blocks = []
    for places in sorted(found, key=lambda p: p[0]):
        columns = order[places]
        inside = errors[np.ix_(columns, columns)]
        parts = inside.sum(axis=0) + inside.sum(axis=1)
        typical = columns[np.lexsort((columns, -parts))][:3]
        if inside.sum():
            blocks.append(ClassBlock(int(places[0]), int(places[-1]) + 1, int(inside.sum()), int(on[columns].sum()),
                                tuple(int(i) for i in typical)))  # fmt: skip
    return tuple(blocks)


def folded(value: Confusion, most: int) -> Confusion:
    """Return the matrix of the `most` classes that are confused most, all others as one further class at the end.

    They are taken pair by pair, the pairs by their counts as in `confused_pairs`. What stands in the last row is
    predicted of samples of the others; the cell in the corner holds their samples that are predicted as any of them.
    """
    if len(value) <= most + 1:
        return value
    ranked = [c for pair in confused_pairs(value) for c in (pair.a, pair.b)]
    kept = list(dict.fromkeys([*ranked, *np.argsort(-value.samples, kind="stable").tolist()]))[:most]
    kept = value.order[np.isin(value.order, kept)]
    rest = np.setdiff1d(np.arange(len(value)), kept)
    places = np.empty(len(value), np.int64)
    places[kept], places[rest] = np.arange(most), most
    counts = np.zeros((most + 1, most + 1), np.int64)
    rows, columns = np.nonzero(value.counts)
    np.add.at(counts, (places[rows], places[columns]), value.counts[rows, columns])
    others = f"{len(rest)} others"
    ids, names = ((*(given[c] for c in kept), others) for given in (value.class_ids, value.class_names))
    return Confusion(counts, ids, names, np.arange(most + 1), value.by, folded=len(rest))


def first_names(names: Sequence[str], ids: Sequence[str]) -> list[str]:
    """Return the first synonym of each name, the id behind it where two share it, the id alone for a blank."""
    first = [name.split(", ")[0].strip() or i for name, i in zip(names, ids, strict=True)]
    count = Counter(first)
    return [f"{name} ({i})" if count[name] > 1 else name for name, i in zip(first, ids, strict=True)]


def apart(names: Sequence[str], ids: Sequence[str]) -> list[str]:
    """Return each name with its synonyms; where two begin with the same, as in `first_names`."""
    first = [name.split(", ")[0].strip() for name in names]
    count = Counter(first)
    shown = first_names(names, ids)
    return [short if count[one] > 1 or not one else name
            for name, one, short in zip(names, first, shown, strict=True)]  # fmt: skip


HEADER = (
    "rank", "a_id", "a_name", "b_id", "b_name", "both", "samples", "rate", "low", "high",
    "a_as_b", "a_samples", "a_as_b_rate", "a_as_b_low", "a_as_b_high",
    "b_as_a", "b_samples", "b_as_a_rate", "b_as_a_low", "b_as_a_high",
)  # fmt: skip


@dataclass(frozen=True)
class Direction:
    """How often samples of one class are predicted as another: count of samples, and the rate with Wilson's interval.

    Rate and interval are NaN for a class without samples.
    """

    count: int
    samples: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Pair:
    """Two classes, by their columns, and how often they are confused with one another.

    there: samples of a predicted as b; back: samples of b predicted as a; both: either, of all samples
    of a and b.
    a is the class of which more are predicted as the other, of equally many the one with the lower column.
    """

    a: int
    b: int
    there: Direction
    back: Direction
    both: Direction


def confused_pairs(
    value: Confusion, top: int | None = None, *, y_true: ArrayLike | None = None, y_pred: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> list[Pair]:  # fmt: skip
    """Return the pairs with at least one confusion, the most frequent first; at most `top` of them.

    value: of `confusion`. By how many samples of either class are predicted as the other, then by their rate, then by
    the columns. The intervals are for a pair that was named beforehand: of the C (C - 1) / 2 pairs the first ones stand
    first partly by chance, so their rates on new samples will on average be lower.
    groups: (N,), a name or number of what each sample belongs to, of samples with the true classes y_true and the
    predicted ones y_pred, int64 (N,): intervals are then Wilson's for as many samples as have the variance that being
    wrong has in the class, see `statistics.class_effects`.
    """
    counts, samples = value.counts, value.samples
    rows, columns, _ = value.cells
    low, high = np.divmod(np.unique(np.minimum(rows, columns) * len(value) + np.maximum(rows, columns)), len(value))
    together = counts[low, high] + counts[high, low]
    ranked = np.lexsort((high, low, -together / (samples[low] + samples[high]), -together))[:top]
    lower, higher = low[ranked], high[ranked]
    more_back = counts[higher, lower] > counts[lower, higher]
    a, b = np.where(more_back, higher, lower), np.where(more_back, lower, higher)
    effect = np.ones(len(value))
    if groups is not None:
        truth, preds = np.asarray(y_true), np.asarray(y_pred)
        wrong = (truth != preds).astype(np.float64)
        effect = np.nan_to_num(class_effects(wrong, truth, group_codes(groups, len(wrong)), len(value)), nan=1.0)
    there = _directions(counts[a, b], samples[a], effect[a])
    back = _directions(counts[b, a], samples[b], effect[b])
    both = _directions(counts[a, b] + counts[b, a], samples[a] + samples[b], np.maximum(effect[a], effect[b]))
    return [Pair(int(a[i]), int(b[i]), there[i], back[i], both[i]) for i in range(len(a))]


def _directions(counts: np.ndarray, samples: np.ndarray, effect: np.ndarray) -> list[Direction]:
    low, high = wilson(counts / effect, samples / effect)
    rates = np.divide(counts, samples, out=np.full(len(counts), np.nan), where=samples > 0)
    return [Direction(int(n), int(of), *(float(x) for x in rest))
            for n, of, *rest in zip(counts, samples, rates, low, high, strict=True)]  # fmt: skip


def write_pairs_csv(path: Path, value: Confusion, pairs: list[Pair]) -> None:
    """Write one row a pair, in the order given."""
    rows = []
    for rank, pair in enumerate(pairs, 1):
        who = [text for i in (pair.a, pair.b) for text in (value.class_ids[i], value.class_names[i])]
        numbers = [(d.count, d.samples, d.rate, d.low, d.high) for d in (pair.both, pair.there, pair.back)]
        rows.append([rank, *who, *(number for part in numbers for number in part)])
    write_csv(path, HEADER, rows)


def write_confusion_csv(path: Path, value: Confusion) -> None:
    """Write the counts: a row a true class, a column a predicted one, both in the order shown, named by ids."""
    ids = [value.class_ids[i] for i in value.order]
    counts = value.counts[np.ix_(value.order, value.order)]
    names = [value.class_names[i] for i in value.order]
    write_csv(
        path,
        ("true_id", "true_name", *ids),
        ([own, name, *row] for own, name, row in zip(ids, names, counts.tolist(), strict=True)),
    )
