"""What the reports on one split are made of: each part is read or computed once, and only when it is asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property

import numpy as np

from analysis.classes.per_class import PerClass, per_class
from analysis.members.history import History, has_epochs, read_history
from analysis.plain import subset_preds
from analysis.sizes import count_subsets
from analysis.stack import PredictionStack, join
from analysis.subsets import subset_table
from analysis.table import SubsetTable
from ensemble.errors import BadInput, nearest
from ensemble.predictions import Predictions, natural_key
from ensemble.split import Dataset, Split
from ensemble.store import Study

Progress = Callable[[int, int], None]
MOST_SUBSETS = 2**20  # in a figure: those of 20 members


class Lacks(BadInput):
    """The study does not hold what this report shows; another report may well be made."""


@dataclass(frozen=True, eq=False)
class Spoken:
    """An ensemble and what it said: its members alone in `stack`, `preds` int64 (N,) by the one rule of arithmetic."""

    stack: PredictionStack
    preds: np.ndarray


@dataclass(frozen=True, eq=False)
class Material:
    """The members of a study that a report is about.

    patterns: names, or patterns such as 'm3-*', of the members that take part; all members where empty.
    ensemble: "all" of them, the "best" subset of them by accuracy, or the name of one member or saved ensemble.
    intersect: where members differ in samples, take the common ones.
    progress: told (done, total) while subsets are scored.
    """

    study: Study
    split: str
    patterns: tuple[str, ...] = ()
    ensemble: str = "all"
    intersect: bool = False
    progress: Progress | None = None

    @cached_property
    def predictions(self) -> list[Predictions]:
        """Predictions of the members that take part, in natural order."""
        found = self.study.select(self.split, self.patterns)
        if not found:
            saved = ", ".join(self.study.members(self.split))
            raise BadInput(
                f"{self.study.root}: split {self.split!r} has saved ensembles only; name one with --member: {saved}."
            )
        return found

    @cached_property
    def joined(self) -> PredictionStack:
        """The members that take part, joined, whether the split has labels or not."""
        return join(self.predictions, self.intersect)

    @cached_property
    def stack(self) -> PredictionStack:
        """The members that take part, joined; raises `BadInput` where the split is unlabelled."""
        self.joined.require_labels()
        return self.joined

    @cached_property
    def table(self) -> SubsetTable:
        """Scores of every subset of the members that take part; raises `Lacks` where they are too many."""
        members = len(self.stack.members)
        count = count_subsets(members, range(1, members + 1))
        if count > MOST_SUBSETS:
            raise Lacks(
                f"{members} members have {count:,} subsets, more than the {MOST_SUBSETS:,} that a report shows; "
                "name fewer members with --member, or score them with ens-combine."
            )
        return subset_table(self.stack, range(1, members + 1), self.progress)

    @cached_property
    def spoken(self) -> Spoken:
        """The ensemble that was asked for, and what it said."""
        if self.ensemble in ("all", "best"):
            stack = self.stack
            if self.ensemble == "best":
                stack = only(stack, self.table.indices_of(self.table.best().mask))
        else:
            known = self.study.members(self.split)
            if known and self.ensemble not in known:
                raise BadInput(
                    f"{self.study.root}: has no member or saved ensemble {self.ensemble!r} for split {self.split!r}; "
                    f"besides 'all' and 'best', {nearest(self.ensemble, known)}."
                )
            stack = join([self.study.read(self.ensemble, self.split)])
            stack.require_labels()
        return Spoken(stack, subset_preds(stack, range(len(stack.members))))

    @cached_property
    def classes(self) -> PerClass:
        """How well the ensemble that was asked for tells each class."""
        stack = self.spoken.stack
        return per_class(stack.labels, self.spoken.preds, stack.class_ids, stack.class_names)


def only(stack: PredictionStack, indices: Sequence[int]) -> PredictionStack:
    """Return the stack with the members at `indices` (increasing) alone."""
    if len(indices) == len(stack.members):
        return stack
    chosen = list(indices)
    return replace(
        stack,
        probs=stack.probs[chosen],
        members=tuple(stack.members[i] for i in chosen),
        dropped=tuple(stack.dropped[i] for i in chosen),
    )


def histories(study: Study, patterns: Sequence[str] = ()) -> list[History]:
    """Return the training histories of the members that match one of the patterns, all where there are none.

    Members that a pattern with a wildcard matches are left out where they have none. Raises `Lacks` where no history
    is found or a member named in full has none, `BadInput` where one cannot be read or a pattern matches no member.
    """
    folder = study.root / "members"
    begun = (path for path in folder.glob("*/history.csv") if has_epochs(path))
    trained = sorted((path.parent.name for path in begun), key=natural_key)
    known = sorted({*trained, *(name for split in study.splits() for name in study.members(split))}, key=natural_key)
    chosen: set[str] = set()
    for pattern in patterns:
        matches = [name for name in known if fnmatchcase(name, pattern)]
        if not matches:
            raise BadInput(f"{study.root}: no member matches {pattern!r}; {nearest(pattern, known)}.")
        if pattern in matches and pattern not in trained:
            raise Lacks(f"{study.root}: {pattern!r} has no training history; members that were imported have none.")
        chosen.update(name for name in matches if name in trained)
    names = [name for name in known if name in chosen] if patterns else trained
    if not names:
        raise Lacks(f"{study.root}: no member has a training history; members that were imported have none.")
    return [read_history(study.member_dir(name) / "history.csv", name) for name in names]


def images_of(dataset: Dataset, material: Material) -> Split:
    """Return the images that the predictions are of; raise `Lacks` where they cannot be matched.

    dataset: what the study's source holds now.
    """
    pin = material.study.pin
    if pin.fingerprint is not None and dataset.fingerprint != pin.fingerprint:
        raise Lacks(
            f"{dataset.source}: the images have changed since the study was begun (fingerprint "
            f"{dataset.fingerprint[:12]}, pinned {pin.fingerprint[:12]}); put the old ones back."
        )
    if not material.spoken.stack.ids_given:
        raise Lacks(
            f"{material.study.root}: the predictions for {material.split!r} have row numbers instead of sample ids, so "
            "their images cannot be found; import them again with ens-import --ids FILE."
        )
    if material.split not in dataset.splits:
        raise Lacks(
            f"{dataset.source}: has no images for split {material.split!r}; it has {', '.join(dataset.splits)}."
        )
    return dataset.split(material.split)
