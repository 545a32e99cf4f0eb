"""The papers' numbers beside a study's own: what came of the same recipe here."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from analysis.members.models import Member
from analysis.report_data import NotAvailable
from analysis.stack import join
from analysis.subsets.reference import subset_preds
from ensemble.errors import BadInput
from ensemble.study.recipe import PaperRun, Recipe

WITHIN = 0.02  # fractions: nearer to the paper than that is called the same
COLUMNS = ("paper", "system", "quantity", "split", "reported", "ours", "status", "members", "note", "command")


@dataclass(frozen=True)
class PaperNumber:
    """One number of a paper, beside ours.

    quantity: "val", "train" or "tune" (accuracy after the last epoch), "best" (of val's best epoch), "ensemble" (of the
    mean of all `members`) or "recall:CLASS". split: as the paper names it. reported: a fraction, an upper bound where
    `below`; epoch: at which the paper has it, None where it does not say.
    ours: the same quantity of the study's members, a fraction; None where nothing of this recipe was trained to its
    end, or where only a history would say it and no member has one, as of imported ones. Ours is always of val, for the
    challenge's test split has no labels; `train` is a running mean over the epoch.
    members: those it is of; the median member's where several are of the same recipe.
    """

    paper: str
    system: str
    quantity: str
    split: str
    reported: float
    below: bool
    epoch: int | None
    ours: float | None
    members: tuple[str, ...]
    note: str
    command: str

    @property
    def status(self) -> str:
        """Say "same" within two points (or below a bound), "other", "no history", or "not run"."""
        if self.ours is None:
            return "no history" if self.members else "not run"
        near = self.ours < self.reported + WITHIN if self.below else abs(self.ours - self.reported) <= WITHIN
        return "same" if near else "other"

    def as_row(self) -> dict[str, Any]:
        """Return the number by the names of `COLUMNS`."""
        return {name: getattr(self, name) for name in COLUMNS} | {"members": "+".join(self.members)}


def paper_numbers(members: Sequence[Member], runs: Sequence[PaperRun]) -> list[PaperNumber]:
    """Return every number of the papers beside what these members have for it; runs: `ensemble.models.paper_runs`.

    A member is of a run where its recipe is the run's but for seed, precision and the file of its weights, and its
    history holds all epochs; of a member without one, as imported ones are, the recipe and the epoch that its
    predictions name count, and their accuracy on val. Where the members of a run must be several, as for an ensemble,
    all of them must be there.
    Raises `NotAvailable` where no member is of a network of the papers.
    """
    models = {recipe.model for run in runs for recipe in run.recipes}
    if not any(member.model in models for member in members):
        raise NotAvailable("no member is of a network of the five papers; ens-train --list-models names these.")
    found = []
    for run in runs:
        own = [[m for m in members if _is_of(m, recipe)] for recipe in run.recipes]
        for quantity, reported, split, epoch in run.numbers:
            ours, who = _ours(quantity, own)
            found.append(
                PaperNumber(
                    run.paper, run.system, quantity, split, reported, run.below, epoch, ours, who, run.note, run.command
                )
            )
    return found


_FREE = ("seed", "weights", "precision")  # a number format is the machine's matter, and no paper names one
# What a recipe in predictions written by an older version does not name, as `Recipe.from_dict` has it.
_UNNAMED = {field.name: field.default for field in fields(Recipe)}


def _is_of(member: Member, recipe: Recipe) -> bool:
    asked = {k: v for k, v in recipe.as_dict().items() if k not in _FREE}
    there = {k: member.settings.get(k, _UNNAMED[k]) for k in asked}
    random = (member.settings.get("weights") == "random") != (recipe.weights == "random")
    epochs = member.epochs if member.history else member.kept_epoch
    return there == asked and not random and epochs == recipe.epochs


def _ours(quantity: str, own: Sequence[Sequence[Member]]) -> tuple[float | None, tuple[str, ...]]:
    """Return a quantity and the members it is of; None where they are not there."""
    if not all(own):
        return None, ()
    if quantity == "ensemble":
        first = [found[0] for found in own]
        if any(m.predictions is None or m.predictions.labels is None for m in first):
            return None, ()
        stack = join([m.predictions for m in first if m.predictions is not None])
        right = subset_preds(stack, range(len(first))) == stack.require_labels()
        return float(right.mean()), tuple(m.name for m in first)
    of_each = [(value, m.name) for m in own[0] if (value := _of_member(quantity, m)) is not None]
    if not of_each:
        return None, tuple(m.name for m in own[0] if m.history is None)
    value, name = sorted(of_each)[(len(of_each) - 1) // 2]
    return value, (name,)


def _of_member(quantity: str, member: Member) -> float | None:
    kind, _, detail = quantity.partition(":")
    if kind == "best":
        return member.best[1] if member.best else None
    if kind == "val":
        return member.last
    if kind in ("train", "tune"):
        return member.at_end(f"{kind}_accuracy")
    if kind != "recall":
        raise BadInput(f"papers.toml: {quantity!r} is no quantity.")
    predictions = member.predictions
    if predictions is None or predictions.labels is None or detail not in predictions.class_names:
        return None
    column = predictions.class_names.index(detail)
    stack = join([predictions])
    # `join` sorts nothing by name: the class is found again by its id.
    there = stack.class_ids.index(predictions.class_ids[column])
    rows = stack.require_labels() == there
    return float((subset_preds(stack, [0])[rows] == there).mean()) if rows.any() else None
