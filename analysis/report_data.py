"""What the reports on one split are made of: each part is read or computed once, and only when it is asked for."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from analysis.classes.per_class import PerClass, per_class
from analysis.ensemble import Baseline, Ensemble, ensemble_of
from analysis.saved import groups_of, names_on, predictions_of, saved_ensemble, select_stack
from analysis.selection.best import Counted
from analysis.selection.choose import score_subsets
from analysis.selection.compare import MOMENT, evaluate_selection, selection_of
from analysis.selection.cross_validation import FOLDS, REPEATS, HonestScore
from analysis.selection.data import selection_data
from analysis.stack import PredictionStack
from analysis.streamed import join_some
from analysis.subsets.reference import subset_preds
from analysis.subsets.score import MOST_LEADING
from analysis.subsets.table import SubsetTable, count_subsets
from ensemble.errors import BadInput, DamageWarning, nearest
from ensemble.machine import Progress
from ensemble.study.definitions import find_definition
from ensemble.study.history import History, has_epochs, read_history
from ensemble.study.names import matching, natural_key
from ensemble.study.predictions import Predictions, Rows
from ensemble.study.split import Dataset, Split
from ensemble.study.study import Study

MOST_SUBSETS = 2**20  # in a figure: those of 20 members


class NotAvailable(BadInput):
    """The study does not hold what this report shows; another report may well be made."""


@dataclass(frozen=True, eq=False)
class ReportData:
    """The members of a study that a report is about.

    patterns: names, or patterns such as 'm3-*', of the members that take part; all members where empty.
    name: "all" of them, the "best" subset of them by accuracy, or the name of one member or saved ensemble.
    intersect: where members differ in samples, take the common ones.
    progress: told (done, total) while subsets are scored. groups_file: which samples belong together.
    """

    study: Study
    split: str
    patterns: tuple[str, ...] = ()
    name: str = "all"
    intersect: bool = False
    progress: Progress | None = None
    groups_file: Path | None = None

    @cached_property
    def _selected(self) -> tuple[PredictionStack, list[Predictions | Rows]]:
        return select_stack(self.study, self.split, self.patterns, self.intersect)

    @property
    def joined(self) -> PredictionStack:
        """The members that take part, joined, whether the split has labels or not."""
        return self._selected[0]

    @property
    def predictions(self) -> list[Predictions | Rows]:
        """What the files of the members that take part hold, in natural order; of large ones all but the numbers."""
        return self._selected[1]

    @cached_property
    def stack(self) -> PredictionStack:
        """The members that take part, joined; raises `BadInput` where the split is unlabelled."""
        self.joined.require_labels()
        return self.joined

    @cached_property
    def table(self) -> SubsetTable:
        """Scores of every subset of the members that take part; raises `NotAvailable` where they are too many."""
        check_few(len(self.stack.members))
        return self.subsets

    @property
    def subsets(self) -> SubsetTable:
        """The same of up to 32 members; a `LeadingTable` where `score_subsets` makes one."""
        return self._scored.table if isinstance(self._scored, Counted) else self._scored

    @property
    def counted(self) -> Counted | None:
        """The same, counted by block of samples for the choices that are made of it; None of few subsets."""
        return self._scored if isinstance(self._scored, Counted) else None

    @cached_property
    def _scored(self) -> SubsetTable | Counted:
        return every_subset(self.stack, self.progress, self.study.root / "lattice")

    @cached_property
    def honest(self) -> HonestScore | None:
        """The honest score of taking the best of all subsets; None of one member, and where it takes over a moment."""
        seen = selection_data(self.stack, groups=self.groups_of(self.stack))
        if seen.members < 2:
            return None
        selection = selection_of("best", seen, range(1, seen.members + 1), counted=self.counted)
        if selection.seconds * FOLDS * REPEATS > MOMENT:
            return None
        return evaluate_selection(selection).honest

    @cached_property
    def ensemble(self) -> Ensemble:
        """The ensemble that was asked for; a saved one beside its members, where the study has all of them."""
        if self.name == "all":
            return ensemble_of(self.joined)
        if self.name == "best":
            best = self.subsets.indices_of(self.subsets.best().mask)
            return ensemble_of(self.stack.only(best), name="best")
        study, split = self.study, self.split
        known = names_on(study, split)
        if known and self.name not in known and find_definition(study, self.name) is None:
            raise BadInput(
                f"{study.root}: has no member or saved ensemble {self.name!r} for split {split!r}; "
                f"besides 'all' and 'best', {nearest(self.name, known)}."
            )
        if find_definition(study, self.name) is not None:
            return saved_ensemble(study, self.name, split, self.intersect)
        return ensemble_of(join_some([study.read(self.name, split, held=False)]), name=self.name)

    @cached_property
    def classes(self) -> PerClass:
        """How well the ensemble that was asked for recognises each class."""
        stack = self.ensemble.stack
        return per_class(
            stack.require_labels(), self.ensemble.preds, stack.class_ids, stack.class_names,
            groups=self.groups_of(stack),
        )  # fmt: skip

    def groups_of(self, stack: PredictionStack) -> np.ndarray | None:
        """Return what each sample of a stack belongs to, int64 (N,); None where neither file nor predictions say."""
        return groups_of(self.study, stack, self.groups_file)


def every_subset(
    stack: PredictionStack, progress: Progress | None = None, folder: Path | None = None
) -> SubsetTable | Counted:
    """Return the scores of every subset of a stack's members, as `score_subsets` does.

    folder: keeps how far it is, where they are very many. Raises `NotAvailable` for more than 32 members.
    """
    members = len(stack.members)
    if members > MOST_LEADING:
        raise NotAvailable(
            f"{members} members have {2**members - 1:,} subsets; all of them are scored of up to {MOST_LEADING} "
            "members. Name fewer, as member=NAME, or score some sizes alone with ens-combine."
        )
    return score_subsets(stack, range(1, members + 1), progress=progress, folder=folder)


def check_few(members: int) -> None:
    """Raise `NotAvailable` where all subsets of so many members are more than a report shows."""
    count = count_subsets(members, range(1, members + 1))
    if count > MOST_SUBSETS:
        raise NotAvailable(
            f"{members} members have {count:,} subsets, more than the {MOST_SUBSETS:,} that a report shows; "
            f"name fewer members, as member=NAME. The page, asked for by itself, takes up to {MOST_LEADING} members."
        )


def open_ensemble(
    study: Study | str | Path,
    name: str = "all",
    split: str = "val",
    members: Sequence[str] = (),
    intersect: bool = False,
) -> Ensemble:
    """Return an ensemble of a study and what it predicts for a split, labelled or not.

    name: "all" for the mean of the members, "best" for their subset with the highest accuracy on this split, else a
    member, or a saved ensemble, which is computed from what its members predict now. members: names, or patterns such
    as 'm3-*', of those that take part in "all" and "best"; all where empty. intersect: where members differ in samples,
    take the common ones. Raises `BadInput` where there are none of that name or no predictions.
    """
    study = Study.of(study)
    return ReportData(study, split, tuple(members), name, intersect).ensemble


def histories(study: Study | str | Path, patterns: Sequence[str] = ()) -> list[History]:
    """Return the training histories of a study's members that match one of the patterns, all where there are none.

    Members that a pattern with a wildcard matches are left out where they have none, and with a `DamageWarning` where
    theirs is damaged. Raises `NotAvailable` where no history is found or a member named in full has none, `BadInput`
    where a pattern matches no member, or none of the histories can be read.
    """
    study = Study.of(study)
    trained = [name for name in study.members_with("history") if has_epochs(study.files(name).history)]
    known = sorted({*trained, *(name for split in study.splits() for name in study.members(split))}, key=natural_key)
    chosen: set[str] = set()
    for pattern in patterns:
        matches = matching([pattern], known, study.root)
        if pattern in matches and pattern not in trained:
            raise NotAvailable(
                f"{study.root}: {pattern!r} has no training history; members that were imported have none."
            )
        chosen.update(name for name in matches if name in trained)
    names = [name for name in known if name in chosen] if patterns else trained
    if not names:
        raise NotAvailable(f"{study.root}: no member has a training history; members that were imported have none.")
    found: list[History] = []
    damaged: list[BadInput] = []
    for name in names:
        try:
            found.append(read_history(study.files(name).history, name))
        except BadInput as error:
            damaged.append(error)
    if not found:
        raise damaged[0]
    for error in damaged:
        warnings.warn(DamageWarning(f"{error} The others are shown without it."), stacklevel=2)
    return found


def images_of(dataset: Dataset, data: ReportData) -> Split:
    """Return the images that the predictions are of; raise `NotAvailable` where they cannot be matched.

    dataset: what the study's source holds now.
    """
    config = data.study.config
    if config.fingerprint is not None and dataset.fingerprint != config.fingerprint:
        raise NotAvailable(
            f"{dataset.source}: the images have changed since the study was begun (fingerprint "
            f"{dataset.fingerprint[:12]}, pinned {config.fingerprint[:12]}); put the old ones back."
        )
    if not data.ensemble.stack.ids_given:
        raise NotAvailable(
            f"{data.study.root}: the predictions for {data.split!r} have row numbers instead of sample ids, so "
            "their images cannot be found; import them again with 'ens-import --ids FILE'."
        )
    if data.split not in dataset.splits:
        raise NotAvailable(
            f"{dataset.source}: has no images for split {data.split!r}; it has {', '.join(dataset.splits)}."
        )
    return dataset.split(data.split)


def ensemble_on(data: ReportData, split: str) -> Ensemble:
    """Return the ensemble that was asked for on another split, labelled or not: of the same members, combined alike.

    Raises `BadInput` where one of its members has no predictions there.
    """
    if data.name not in ("all", "best"):
        return ReportData(data.study, split, data.patterns, data.name, data.intersect).ensemble
    found = [predictions_of(data.study, member, split, data.intersect, held=False) for member in data.ensemble.members]
    return ensemble_of(join_some(found, data.intersect), name=data.name)


def baseline_of(data: ReportData, name: str | None = None) -> Baseline | None:
    """Return what the ensemble is compared with: the member or saved ensemble `name`, else its best member.

    The best member is the one most often right on the split itself. None where there is one member and no other name
    is given. Raises `BadInput` naming the nearest for an unknown name, or one on other samples.
    """
    ensemble = data.ensemble
    members = ensemble.members
    if name is None:
        if len(members) == 1:
            return None
        best = ensemble.best_member
        return Baseline(members[best], ensemble.member_preds[best], chosen_here=True)
    if name in members:
        return Baseline(name, ensemble.member_preds[members.index(name)], chosen_here=False)
    known = names_on(data.study, data.split)
    if name not in known:
        raise BadInput(
            f"{data.study.root}: has no member or saved ensemble {name!r} for split {data.split!r} to compare "
            f"with; {nearest(name, known)}."
        )
    other = join_some([predictions_of(data.study, name, data.split, data.intersect, held=False)]).aligned(
        ensemble.stack
    )
    return Baseline(name, subset_preds(other, [0]), chosen_here=False)
