"""What a selection reads: for each sample the members' probabilities of the true class and their margins over rivals.

Axes: M members, N samples, C classes, R pairs of a sample and a rival.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from analysis.class_metrics import WHOLE_SET, base_of, metric_of, scale_of
from analysis.metrics import METRICS, RULES, TOP, Rule, floored, floored_logs, rule_of, true_probs, whole
from analysis.selection.resampling import blocks_of
from analysis.stack import Block, BlockSource
from analysis.statistics import group_codes
from analysis.subsets.pairs import Pairs, gathered, pairs_of
from ensemble.errors import BadInput
from ensemble.study.tabular import Rows

BLOCK_NUMBERS = 400_000  # members times samples times classes that are looked through at once
LARGE = 10**8  # members times samples times classes from which on loading compiled code pays
STRONGEST = 3  # rivals of a sample by which others are left out without compiled code
PRUNED_ROWS = 16  # times as many samples are pruned together, by several threads
MOST_PRODUCTS = 2**24  # of the members' errors that are kept for Brier scores, samples times members squared
COMPILED_MEMBERS = 128  # of whose sums pruning makes keys of 64 bits


@dataclass(frozen=True, eq=False)
class SelectionData(Rows):
    """The members' predictions of `rows` of a source, ready for scoring any weighted ensemble of them quickly.

    source: the members' probabilities, in memory or in files. rule: how they are combined.
    ids: str (N,), of all samples of the source. rows: int64 (n,), increasing: the samples that are looked at.
    labels: int64 (n,).
    own: float64 (M, n), p(y) of each member, floored at 1e-12; the NLL of a mean is -ln of their mean.
    margins: int32 (M, R), q(y) - q(c) for each rival c that can beat y in some ensemble and that no other dominates.
    thresholds: int64 (R,), the smallest weighted sum of margins with which y beats that rival: 1 where c < y, else 0.
    sample: int64 (R,), increasing: which of the n samples each pair belongs to.
    counted: how many rivals ahead of y `ahead` counts rightly: 1 is enough for accuracy, top-5 takes 5.
    groups: int64 (n,), which samples belong together and are no separate trials; None where all are.
    class_weights: float64 (C,), what classes count in a metric called weighted_...; None where none were given.
    """

    source: BlockSource
    rule: Rule
    ids: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    own: np.ndarray
    margins: np.ndarray
    thresholds: np.ndarray
    sample: np.ndarray
    counted: int
    groups: np.ndarray | None = None
    class_weights: np.ndarray | None = None

    def _columns(self) -> dict[str, Any]:
        own = dict(zip(self.source.members, self.own, strict=True))
        return {"sample_id": self.ids[self.rows], "label": self.labels, **own}

    @property
    def samples(self) -> int:
        """How many samples are looked at."""
        return len(self.rows)

    @property
    def members(self) -> int:
        """M."""
        return len(self.margins)

    @cached_property
    def blocks_of_samples(self) -> np.ndarray:
        """Each sample's block for resampling, int64 (n,); see `resampling.blocks_of`."""
        return blocks_of(self.labels, self.ids[self.rows], self.groups)

    @cached_property
    def pair_products(self) -> np.ndarray:
        """Each sample's inner products of the members' errors p(c) - [c = y]: float64 (n, M (M + 1) / 2).

        The Brier score of a mean with weights w is w' products w; products are symmetric, and their lower triangle
        stands here, row by row.
        """
        found = np.empty((self.samples, self.members * (self.members + 1) // 2))
        for part, products in self._products():
            found[part] = products
        return found

    def _products(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Give the rows of `pair_products` some at a time: which of the n, and float64 (samples, M (M + 1) / 2)."""
        one, other = np.tril_indices(self.members)
        for part, probs in self.blocks():
            errors = probs.astype(np.float64)
            errors[:, np.arange(errors.shape[1]), self.labels[part]] -= 1
            across = np.ascontiguousarray(errors.transpose(1, 0, 2))
            yield part, (across @ across.transpose(0, 2, 1))[:, one, other]

    @cached_property
    def products(self) -> np.ndarray:
        """Sums over the samples of the inner products of the members' errors p(c) - [c = y]: float64 (M, M).

        The Brier score of a mean with weights w is w' products w / n.
        """
        total = np.zeros((self.members, self.members))
        for part, probs in self.blocks():
            errors = probs.astype(np.float64)
            errors[:, np.arange(errors.shape[1]), self.labels[part]] -= 1
            flat = errors.reshape(self.members, -1)
            total += flat @ flat.T
        return total

    def only(self, chosen: np.ndarray) -> "SelectionData":
        """Return the data of some of these samples: bool (n,), or how often each counts, int64 (n,)."""
        rows = np.repeat(np.arange(self.samples), chosen.astype(np.int64))
        starts = np.searchsorted(self.sample, np.arange(self.samples + 1))
        counts = np.diff(starts)[rows]
        before = np.cumsum(counts) - counts
        pairs = np.arange(int(counts.sum())) + np.repeat(starts[rows] - before, counts)
        return replace(
            self,
            rows=self.rows[rows],
            labels=self.labels[rows],
            own=self.own[:, rows],
            margins=np.ascontiguousarray(self.margins[:, pairs]),
            thresholds=self.thresholds[pairs],
            sample=np.repeat(np.arange(len(rows)), counts),
            groups=None if self.groups is None else self.groups[rows],
        )

    def ahead(self, weights: np.ndarray) -> np.ndarray:
        """Return how many rivals beat the true class, up to `counted`, int64 (n,): by whole-number sums.

        weights: float64 (M,), not negative, summing to 1; see `metrics.whole`.
        """
        sums = -self.thresholds
        for margin, weight in zip(self.margins, whole(weights), strict=True):
            if weight:
                sums = sums + np.multiply(margin, weight, dtype=np.int64)
        return np.minimum(np.bincount(self.sample[sums < 0], minlength=self.samples), self.counted)

    def scores(self, weights: np.ndarray, metric: str) -> np.ndarray:
        """Return the numbers whose mean, see `mean_of`, is the metric of the weighted ensemble, float64 (n,).

        Raises `BadInput` for an unknown metric, one that is no mean over samples, and for NLL and Brier of a vote,
        which has no probabilities.
        """
        self.require(metric)
        metric = per_sample(metric)
        if metric in ("accuracy", "top5"):
            return (self.ahead(weights) < (1 if metric == "accuracy" else TOP)).astype(np.float64)
        if metric == "nll" and self.rule.name == "mean":
            return -np.log(weights @ self.own)
        if metric == "brier" and self.rule.name == "mean":
            return self.scores_of(weights[None], metric)[0]
        result = np.empty(self.samples)
        for part, probs in self.blocks():
            result[part] = METRICS[metric].per_sample(combined(probs, weights, self.rule), self.labels[part])
        return result

    def scores_of(self, weights: np.ndarray, metric: str) -> np.ndarray:
        """Return the scores of several ensembles, float64 (K, n), as `scores` does of one; weights: float64 (K, M)."""
        metric = per_sample(metric)
        if metric != "brier" or self.rule.name != "mean":
            return np.array([self.scores(own, metric) for own in weights])
        one, other = np.tril_indices(self.members)
        pairs = weights[:, one] * weights[:, other] * np.where(one == other, 1, 2)
        if self._has_products:
            return pairs @ self.pair_products.T
        found = np.empty((len(weights), self.samples))
        for part, products in self._products():
            found[:, part] = pairs @ products.T
        return found

    @property
    def _has_products(self) -> bool:
        """Whether the errors' inner products of every sample may be kept."""
        return self.rule.name == "mean" and self.samples * self.members**2 <= MOST_PRODUCTS

    def require(self, metric: str) -> None:
        """Raise `BadInput` for an unknown metric, or for top-5 where its rivals were not gathered."""
        metric_of(metric)
        if base_of(metric) == "top5" and self.counted < TOP:
            raise BadInput("selection data: was gathered for accuracy; ask for top5=True.")

    @cached_property
    def class_counts(self) -> np.ndarray:
        """How many samples of each class the source has, int64 (C,): what a class counts is the same in every part."""
        return np.bincount(self.source.require_labels(), minlength=self.source.classes)

    def class_scale(self, metric: str) -> np.ndarray | None:
        """Return what a sample of each class counts in a metric, (C,); None where all count alike."""
        return scale_of(metric, self.class_counts, self.class_weights)

    def sample_scale(self, metric: str) -> np.ndarray | None:
        """Return what each sample counts in a metric, (n,); None where all count alike."""
        scale = self.class_scale(metric)
        return None if scale is None else scale[self.labels]

    def mean_of(self, metric: str, scores: np.ndarray) -> np.ndarray:
        """Return the metric of scores (..., n), as `scores` gives them: their mean, each counted as it does."""
        scale = self.sample_scale(metric)
        return scores.mean(axis=-1) if scale is None else scores @ scale / scale.sum()

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Give the members' probabilities some samples at a time: which of the n, and (M, samples, C)."""
        for block in self.source.blocks(rows_at_once(self.source)):
            begin, end = np.searchsorted(self.rows, [block.start, block.stop])
            if begin < end:
                yield slice(begin, end), block.probs[:, self.rows[begin:end] - block.offset]

    def probs(self) -> np.ndarray:
        """Return the members' probabilities of all n samples at once, (M, n, C)."""
        return np.concatenate([probs for _, probs in self.blocks()], axis=1)


def selection_data(
    source: BlockSource,
    rule: str = "mean",
    *,
    top5: bool = False,
    ids: np.ndarray | None = None,
    groups: ArrayLike | None = None,
    class_weights: np.ndarray | None = None,
    held: Pairs | None = None,
) -> SelectionData:
    """Return the data of all samples of a source; raise `BadInput` where it has no labels, or for an unknown rule.

    top5: gather what top-5 needs too. ids: str (N,), the samples' ids; those of a `PredictionStack`, else row numbers.
    groups: (N,), a name or number of what each sample belongs to, such as a patient or a video; None where samples are
    separate. class_weights: float64 (C,), what classes count in metrics called weighted_...
    held: the pairs of all samples as the engine kept them with a table, so that predictions are not read again; those
    of accuracy alone do not serve for top-5.
    A rival that no member prefers to the true class never wins, whatever the weights, and is left out. In large sources
    the engine's pruning leaves out those too that others dominate: what holds for subsets holds for any weights >= 0.
    """
    labels, kind = source.require_labels(), rule_of(rule)
    members, n, classes = len(source.members), source.samples, source.classes
    if ids is None:
        ids = getattr(source, "sample_ids", np.array([str(i) for i in range(n)]))
    loaded = "analysis.subsets.kernels" in sys.modules
    compiled = members <= COMPILED_MEMBERS and (loaded or members * n * classes > LARGE)
    own = held.own if held is not None and held.top5 == top5 else None
    own, found = (own, held) if own is not None and held is not None else _gather(source, labels, kind, top5, compiled)
    return SelectionData(
        source=source,
        rule=kind,
        ids=ids,
        rows=np.arange(n),
        labels=labels,
        own=own,
        margins=found.margins,
        thresholds=found.thresholds,
        sample=found.sample,
        counted=TOP if top5 else 1,
        groups=None if groups is None else group_codes(groups, n),
        class_weights=class_weights,
    )


def _gather(
    source: BlockSource, labels: np.ndarray, rule: Rule, top5: bool, compiled: bool
) -> tuple[np.ndarray, Pairs]:
    """Return p(y) of all samples, float64 (M, N), and their pairs; compiled: as the engine prunes them."""
    gather = _pruned if compiled else _plain
    own, parts = np.empty((len(source.members), source.samples)), []
    for block in source.blocks(PRUNED_ROWS * rows_at_once(source) if compiled else rows_at_once(source)):
        here = slice(block.start, block.stop)
        probs = block.probs[:, block.start - block.offset : block.stop - block.offset]
        own[:, here] = floored(true_probs(probs, labels[here]))
        parts.append(gather(block, labels, rule, top5))
    found = gathered(parts)
    return own, found if compiled or top5 else _without_dominated(found)


def _plain(block: Block, labels: np.ndarray, rule: Rule, top5: bool) -> Pairs:
    """Return a block's pairs without those that never win: q(y) - q(c) is positive for all, or >= 0 and y < c."""
    q = rule.quantise(block.probs[:, block.start - block.offset : block.stop - block.offset])
    y = labels[block.start : block.stop]
    margin = (np.take_along_axis(q, y[None, :, None], axis=2) - q).astype(np.int32)
    threshold = (np.arange(q.shape[2]) < y[:, None]).astype(np.int32)
    counts = margin.min(axis=0) < threshold
    counts[np.arange(len(y)), y] = False
    sample = np.nonzero(counts)[0] + block.start
    return Pairs(margin[:, counts], threshold[counts].astype(np.int64), sample, top5)


def _without_dominated(pairs: Pairs) -> Pairs:
    """Return the pairs without those that one of their sample's strongest three rivals dominates.

    A rival with which every member has a larger margin is ahead only where the stronger one is, whatever the weights.
    """
    margins, thresholds, sample = pairs.margins, pairs.thresholds, pairs.sample
    for nth in range(STRONGEST):
        starts = np.flatnonzero(np.diff(sample, prepend=-1))
        counts = np.diff([*starts, len(sample)])
        order = np.lexsort((margins.sum(axis=0, dtype=np.int64), sample))
        strongest = np.repeat(order[starts + np.minimum(nth, counts - 1)], counts)
        kept = ~(margins > margins[:, strongest]).all(axis=0)
        margins, thresholds, sample = margins[:, kept], thresholds[kept], sample[kept]
    return replace(pairs, margins=np.ascontiguousarray(margins), thresholds=thresholds, sample=sample)


def _pruned(block: Block, labels: np.ndarray, rule: Rule, top5: bool) -> Pairs:
    """Return a block's pairs as the engine prunes them."""
    from analysis.subsets.prepare import prepare
    from ensemble.machine import cores

    ready = prepare(block, labels, rule, ("top5",) if top5 else ("accuracy",), cores())
    return pairs_of(ready, top5, block.start)


def per_sample(metric: str) -> str:
    """Return the metric whose number of each sample this one is a mean of; raise `BadInput` where there is none."""
    base = base_of(metric)
    if base in WHOLE_SET:
        raise BadInput(f"{metric}: is known of a set of samples, and has no number for each of them.")
    return "accuracy" if base == "balanced_accuracy" else base


def combined(probs: np.ndarray, weights: np.ndarray, rule: Rule) -> np.ndarray:
    """Return the probabilities of a weighted ensemble, float64 (n, C), of its members' (M, n, C).

    mean: the weighted mean. geometric: exp of the weighted mean of ln max(p, 2^-26), divided by its sum over classes.
    Members are added in their order. Raises `BadInput` for a vote, which gives no probabilities.
    """
    if rule.floor is None:
        raise BadInput("a vote gives no probabilities; combine by the rule mean or geometric.")
    total = np.zeros(probs.shape[1:])
    for member, weight in zip(probs, weights, strict=True):
        if weight:
            total += weight * (member.astype(np.float64) if rule.name == "mean" else floored_logs(member))
    if rule.name == "mean":
        return total
    powers = np.exp(total)
    return powers / powers.sum(axis=1, keepdims=True)


def rows_at_once(source: BlockSource) -> int:
    """Return how many samples of a source are held at once."""
    return max(1, BLOCK_NUMBERS // (len(source.members) * source.classes))


class Chosen(Protocol):
    """An ensemble of the M members of a stack."""

    @property
    def members(self) -> tuple[int, ...]:
        """Positions of the members that take part, increasing."""
        ...

    @property
    def weights(self) -> np.ndarray | None:
        """float64 (M,), not negative, summing to 1; None where the ensemble is no weighted mean."""
        ...

    def scores(self, data: SelectionData, metric: str) -> np.ndarray:
        """Return the numbers whose mean is the metric, float64 (n,)."""
        ...

    def probs(self, probs: np.ndarray) -> np.ndarray:
        """Return the ensemble's probabilities, float64 (n, C), of its members', (M, n, C)."""
        ...


class Selection(Protocol):
    """A way to choose an ensemble, bound to the samples it may choose on."""

    @property
    def name(self) -> str:
        """One of `SELECTIONS`, or "member"."""
        ...

    @property
    def data(self) -> SelectionData:
        """All samples that there are."""
        ...

    @property
    def seconds(self) -> float:
        """What choosing once takes, roughly, on one core: by a model, so that it is the same every time."""
        ...

    def choose(self, times: np.ndarray | None = None) -> Chosen:
        """Return what is chosen where each sample counts so many times, int64 (n,); once if None."""
        ...


@dataclass(frozen=True, eq=False)
class Weighted:
    """A weighted mean of members.

    weights: float64 (M,), not negative, summing to 1. Equal weights are a subset. It predicts by whole-number sums, see
    `metrics.whole`, of what the rule makes of probabilities.
    """

    weights: np.ndarray
    rule: Rule = RULES["mean"]

    @property
    def members(self) -> tuple[int, ...]:
        """Positions of the members with a weight above 0."""
        return tuple(int(i) for i in np.flatnonzero(self.weights))

    @property
    def equal(self) -> bool:
        """Whether all members that take part weigh the same."""
        own = self.weights[self.weights > 0]
        return bool((own == own[0]).all())

    def scores(self, data: SelectionData, metric: str) -> np.ndarray:
        """Return the numbers whose mean is the metric, float64 (n,)."""
        return data.scores(self.weights, metric)

    def probs(self, probs: np.ndarray) -> np.ndarray:
        """Return the ensemble's probabilities, float64 (n, C), of (M, n, C); raise `BadInput` for a vote."""
        return combined(probs, self.weights, self.rule)


def of_members(indices: Iterable[int], members: int, rule: Rule = RULES["mean"]) -> Weighted:
    """Return the equally weighted mean of the members at `indices`, out of `members`."""
    chosen = list(indices)
    weights = np.zeros(members)
    weights[chosen] = 1 / len(chosen)
    return Weighted(weights, rule)
