"""Members combined into an ensemble: what it predicts, with what confidence, beside what each member predicts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from analysis.arguments import check_stack
from analysis.metrics import Rule, floored_logs, predicted, quantise, rule_of, whole
from analysis.selection.data import Chosen, combined
from analysis.stack import PredictionStack, combined_probs
from analysis.subsets.reference import subset_preds
from ensemble.errors import BadInput, nearest
from ensemble.study.definitions import EnsembleDefinition
from ensemble.study.predictions import Predictions, predictions_digest
from ensemble.study.row_probs import RowProbs, made_rows, row_blocks
from ensemble.study.tabular import Rows, Tabular, html_table, percent

BLOCK_NUMBERS = 4_000_000  # members times samples times classes that are summed at once
STACKED = "stack"  # the rule of a regression on the members' log-probabilities


@dataclass(frozen=True, eq=False, repr=False)
class Ensemble(Rows):
    """An ensemble and what it predicts.

    stack: its M members joined on N samples, which may be without labels. name: "all", "best", or one of its own.
    weights: float64 (M,), in the stack's order, not negative, summing to 1; None of a stacked ensemble, a regression.
    rule: "mean", "geometric", or "stack" for such a regression.
    preds: int64 (N,), the classes predicted, by the one rule of arithmetic (`analysis.metrics`).
    probs: float64 (N, C); rows sum to 1 as nearly as the members' own do. Of members that stay in files it is a
    `RowProbs`, which makes the rows that it is asked for.
    definition: of a saved ensemble, what it is. changed: its members that predict otherwise on the split it was chosen
    on than they did when it was chosen.
    """

    stack: PredictionStack
    name: str
    weights: np.ndarray | None
    rule: str
    preds: np.ndarray
    probs: np.ndarray
    definition: EnsembleDefinition | None = None
    changed: tuple[str, ...] = ()

    def _columns(self) -> dict[str, Any]:
        ids, labels = np.array(self.stack.class_ids), self.stack.labels
        truth = {} if labels is None else {"label": ids[labels]}
        return {
            "sample_id": self.stack.sample_ids,
            **truth,
            "predicted": ids[self.preds],
            "confidence": self.confidence,
        }

    def __len__(self) -> int:
        return len(self.preds)

    def __repr__(self) -> str:
        right = "" if self.accuracy is None else f", accuracy {self.accuracy:.4f}"
        return f"Ensemble({self.name!r}: {self.title}; {len(self):,} samples of {self.split}{right})"

    def _repr_html_(self) -> str:
        labels = self.stack.labels
        shares = [None] * len(self.members) if self.weights is None else [f"{w:.4g}" for w in self.weights]
        right = [None if labels is None else percent((own == labels).mean()) for own in self.member_preds]
        own = None if self.accuracy is None else percent(self.accuracy)
        rows = [*zip(self.members, shares, right, strict=True), (self.name, None, own)]
        title = f"{self.name} on {len(self):,} samples of {self.split}"
        return html_table(title, ("member", "weight", "accuracy %"), rows)

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the M members."""
        return self.stack.members

    @property
    def split(self) -> str:
        """Of what the predictions are."""
        return self.stack.split

    @property
    def of(self) -> tuple[str, ...]:
        """Who predicts, as reports name it: a saved ensemble by its name, else the members."""
        return self.members if self.name in ("all", "best") else (self.name,)

    @property
    def title(self) -> str:
        """The ensemble in a few words: "mean of 3 members", "m-0 alone"."""
        count = len(self.members)
        if self.rule == STACKED:
            return f"{self.name}, regression on {count} members"
        if count == 1:
            return f"{self.name if self.name not in ('all', 'best') else self.members[0]} alone"
        who = f"{self.rule_title} of {'the best ' if self.name == 'best' else ''}{count} members"
        return who if self.name in ("all", "best") else f"{self.name}, {who}"

    @property
    def rule_title(self) -> str:
        """How members are combined: "mean", "weighted mean", "geometric mean", ..., "regression"."""
        if self.weights is None:
            return "regression"
        kind = "mean" if self.rule == "mean" else "geometric mean"
        return kind if np.ptp(self.weights) < 1e-12 else f"weighted {kind}"

    @property
    def confidence(self) -> np.ndarray:
        """The probability of what is predicted, float64 (N,)."""
        return self.probability(self.preds)

    def probability(self, columns: np.ndarray) -> np.ndarray:
        """Return each sample's probability of a class of its own; columns: int64 (N,)."""
        found = np.empty(len(columns))
        for here, probs in row_blocks(self.probs):
            found[here] = probs[np.arange(len(probs)), columns[here]]
        return found

    @property
    def accuracy(self) -> float | None:
        """The share of samples that are predicted rightly; None where there are no labels."""
        return None if self.stack.labels is None else float((self.preds == self.stack.labels).mean())

    @cached_property
    def member_preds(self) -> np.ndarray:
        """What each member predicts, int64 (M, N)."""
        return np.stack([subset_preds(self.stack, [i]) for i in range(len(self.stack.members))])

    @cached_property
    def best_member(self) -> int:
        """The position of the member that is right most often on these samples, of equals the first."""
        return int((self.member_preds == self.stack.require_labels()).sum(axis=1).argmax())


@dataclass(frozen=True, eq=False)
class Baseline(Tabular):
    """What an ensemble is compared with: preds int64 (N,), and whether it was chosen on these very samples."""

    name: str
    preds: np.ndarray
    chosen_here: bool


def ensemble_of(
    stack: PredictionStack,
    weights: Mapping[str, float] | np.ndarray | Sequence[float] | None = None,
    rule: str = "mean",
    name: str = "all",
) -> Ensemble:
    """Combine the members of a stack; of plain arrays: `ensemble_of(stack_arrays(probs, labels))`.

    weights: by name, 0 of those not named, or (M,) in the stack's order; not negative, summing to 1; equal where None.
    rule: "mean" or "geometric" of `analysis.metrics`. The class predicted is the lowest-index argmax of the members'
    whole numbers, each times its whole weight (`analysis.metrics.whole`); with equal weights that is the plain sum.
    Raises `BadInput` for a rule without probabilities, as a vote is, and for weights that are none.
    """
    check_stack(stack, "ensemble_of")
    kind, m = rule_of(rule), len(stack.members)
    shares = np.full(m, 1 / m) if weights is None else _shares(weights, stack.members)
    part = np.flatnonzero(shares)
    equal = np.ptp(shares[part]) == 0
    if stack.streamed:
        probs = made_rows((stack.samples, stack.classes), partial(_combined_rows, stack, shares, kind))
    else:
        probs = combined_probs(stack, part.tolist(), rule) if equal else combined(stack.probs, shares, kind)
    counts = whole(shares)
    preds = np.empty(stack.samples, dtype=np.int64)
    rows = max(1, BLOCK_NUMBERS // (m * stack.classes))
    for start in range(0, stack.samples, rows):
        here = slice(start, min(start + rows, stack.samples))
        sums = np.zeros((here.stop - start, stack.classes), dtype=np.int64)
        for i in part:
            sums += counts[i] * kind.quantise(stack.probs[i, here])
        preds[here] = predicted(sums)
    return Ensemble(stack, name, shares, rule, preds, probs)


def _combined_rows(stack: PredictionStack, weights: np.ndarray, rule: Rule, which: slice | np.ndarray) -> np.ndarray:
    """Return some rows of a weighted ensemble's probabilities, float64 (rows, C): members are added in their order."""
    part = np.flatnonzero(weights)
    equal, mean = np.ptp(weights[part]) == 0, rule.name == "mean"
    total = np.zeros((len(np.arange(stack.samples)[which]), stack.classes))
    for i in part:
        own = stack.probs[i, which]
        own = own.astype(np.float64) if mean else floored_logs(own)
        total += own if equal else weights[i] * own
    total /= len(part) if equal else 1
    if mean:
        return total
    powers = np.exp(total)
    return powers / powers.sum(axis=1, keepdims=True)


def normalised(probs: np.ndarray, which: slice | np.ndarray) -> np.ndarray:
    """Return some rows of probabilities (N, C) each divided by its sum, float64 (rows, C)."""
    rows = probs[which]
    return rows / rows.sum(axis=1, keepdims=True)


def _shares(weights: Mapping[str, float] | np.ndarray | Sequence[float], members: Sequence[str]) -> np.ndarray:
    """Return weights as float64 (M,); raise `BadInput` where they do not fit the members."""
    if isinstance(weights, Mapping):
        if unknown := [name for name in weights if name not in members]:
            raise BadInput(f"weights: {unknown[0]!r} is no member; {nearest(unknown[0], members)}.")
        weights = [weights.get(name, 0.0) for name in members]
    shares = np.asarray(weights, dtype=np.float64)
    if shares.shape != (len(members),) or not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-6:
        raise BadInput(
            f"weights: expected {len(members)}, not negative and summing to 1, found {shares.tolist()!r:.200}."
        )
    return shares


def chosen_ensemble(
    stack: PredictionStack, chosen: Chosen, rule: str = "mean", name: str = "chosen", probs: np.ndarray | None = None
) -> Ensemble:
    """Return what a selection chose of a stack's members as an ensemble, of the chosen members alone.

    probs: float64 (N, C), of a regression, in place of what it predicts for the samples it was fitted to: for each of
    them what was predicted by one that was fitted without it.
    """
    own = stack.only(chosen.members)
    if chosen.weights is not None:
        return ensemble_of(own, chosen.weights[list(chosen.members)], rule, name)
    if probs is None:
        rows = max(1, BLOCK_NUMBERS // (len(stack.members) * stack.classes))
        parts = ((b.probs, slice(b.start - b.offset, b.stop - b.offset)) for b in stack.blocks(rows))
        probs = np.concatenate([chosen.probs(held[:, here]) for held, here in parts])
    return Ensemble(own, name, None, STACKED, predicted(quantise(probs)), probs)


def as_predictions(ensemble: Ensemble, sources: Iterable[Predictions], **attributes: object) -> Predictions:
    """Return an ensemble as predictions of kind "ensemble" under its name.

    Probabilities are renormalised in float64, then rounded to float32. `sources` are what its stack was joined from:
    where the members agree in the fingerprint of their data, the ensemble carries it. attributes: further ones of the
    file, such as `selection`, the way it was chosen, and `chosen_on`, the split. `made_from` holds the digest of
    what each member predicts. A regression has no weights, so its parents stand in the attribute `stacked`.
    """
    stack = ensemble.stack
    fingerprints, digests = set(), {}
    for p in sources:  # one at a time: they may be large
        if p.member in stack.members:
            fingerprints.add(p.data_fingerprint)
            digests[p.member] = predictions_digest(p)
    noted: dict[str, object] = {"rule": ensemble.rule, "intersect": True if any(stack.dropped) else None} | attributes
    parents, weights = stack.members, ()
    if ensemble.weights is None:
        noted |= {"stacked": "+".join(parents)}
    else:
        used = np.flatnonzero(ensemble.weights)
        parents = tuple(stack.members[i] for i in used)
        weights = tuple(ensemble.weights[used].tolist())
    noted["made_from"] = [digests[name] for name in parents] if set(parents) <= digests.keys() else None
    single = made_rows(
        ensemble.probs.shape, lambda which: normalised(ensemble.probs, which).astype(np.float32), np.float32
    )
    return Predictions(
        member=ensemble.name,
        split=stack.split,
        probs=single if isinstance(ensemble.probs, RowProbs) else single[:],
        sample_ids=stack.sample_ids,
        class_ids=stack.class_ids,
        class_names=stack.class_names,
        labels=stack.labels,
        ids_given=stack.ids_given,
        kind="ensemble",
        parents=parents if weights else (),
        weights=weights,
        data_fingerprint=fingerprints.pop() if len(fingerprints) == 1 else None,
        attributes={key: value for key, value in noted.items() if value is not None},
    )
