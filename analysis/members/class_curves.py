"""Recall of every class after each epoch of training, and which classes are hard, easy, or moved late."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.csv_cells import write_csv
from analysis.report_data import NotAvailable, histories
from ensemble.errors import BadInput
from ensemble.study.history import History
from ensemble.study.study import Study
from ensemble.study.tabular import Rows

SHOWN = 4  # hardest classes in a picture, as many of the easiest, and half as many that rose and that fell
KINDS = ("hardest", "easiest", "risen", "fallen")


@dataclass(frozen=True, eq=False)
class ClassCurves(Rows):
    """Recall of C classes on val after each epoch, of M members; a row for each class.

    members, without: those whose histories say it, and those whose do not. class_ids, class_names: C, in the study's
    order. samples: int64 (C,), images of each class. epochs: float64 (E,) of each member. recall: float64 (E, C) of
    each member; NaN for a class without images. first, last: float64 (C,), the mean over members after their first and
    last epoch. change: float64 (C,), how much higher the mean over members is in the last quarter of the epochs than
    in the quarter that ends half way; NaN where no member has two epochs.
    """

    members: tuple[str, ...]
    without: tuple[str, ...]
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    samples: np.ndarray
    epochs: tuple[np.ndarray, ...]
    recall: tuple[np.ndarray, ...]
    first: np.ndarray
    last: np.ndarray
    change: np.ndarray

    def _columns(self) -> dict[str, object]:
        return self._named("class_ids", "class_names", "samples", "first", "last", "change")

    def ranked(self) -> np.ndarray:
        """Return the classes that have images, int64 (C',), by recall after the last epoch, then by their place."""
        seen = np.flatnonzero(self.samples > 0)
        return seen[np.argsort(self.last[seen], kind="stable")]

    def striking(self, most: int = SHOWN) -> dict[str, list[int]]:
        """Return the columns of the classes worth a curve each, none twice: those of `KINDS`, or few classes as "all".

        most: of the hardest and of the easiest; of the others as many rose and fell, half as many of each at most.
        """
        order = self.ranked().tolist()
        if len(order) <= 3 * most:
            return {"all": order}
        found = {"hardest": order[:most], "easiest": order[: -most - 1 : -1]}
        others = np.array(order[most:-most])
        change = np.nan_to_num(self.change[others])
        for kind, sign in (("risen", 1), ("fallen", -1)):
            rows = np.argsort(-sign * change, kind="stable")[: most // 2]
            found[kind] = [int(others[row]) for row in rows if sign * change[row] > 0]
        return found

    def mean(self, column: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return epochs (E,) that all members reached and the mean recall there, float64 (E,): of a class, or of all.

        Between a member's own epochs its recall is read off the straight line.
        """
        low, high = max(e[0] for e in self.epochs), min(e[-1] for e in self.epochs)
        every = np.unique(np.concatenate(self.epochs))
        grid: np.ndarray = every[np.greater_equal(every, low) & np.less_equal(every, high)]
        seen = self.samples > 0
        curves = [r[:, seen].mean(axis=1) if column is None else r[:, column] for r in self.recall]
        at = [np.interp(grid, e, np.asarray(c, np.float64)) for e, c in zip(self.epochs, curves, strict=True)]
        return grid, np.mean(at, axis=0)


def class_curves(study: Study | str | Path, members: Sequence[str] = ()) -> ClassCurves:
    """Return the recall of every class after each epoch, of a study's members whose histories say it.

    members: names, or patterns such as 'm3-*'; all where empty. Raises `NotAvailable` where no history says it.
    """
    study = Study.of(study)
    config = study.config
    return curves_of(histories(study, members), config.class_ids, config.class_names, str(study.root))


def curves_of(
    found: Sequence[History], class_ids: Sequence[str], class_names: Sequence[str], where: str = "histories"
) -> ClassCurves:
    """Return the curves of histories of one study; raise `NotAvailable` where none says right answers by class."""
    told: list[str] = []
    epochs: list[np.ndarray] = []
    recall: list[np.ndarray] = []
    samples: np.ndarray | None = None
    for history in found:
        recalls = history.recalls
        if recalls is None:
            continue
        if len(recalls.samples) != len(class_ids):
            raise BadInput(
                f"{where}: the history of {history.member} has {len(recalls.samples)} classes, expected "
                f"{len(class_ids)}; restore it from a copy."
            )
        samples = recalls.samples if samples is None else samples
        if not np.array_equal(recalls.samples, samples):
            raise BadInput(
                f"{where}: the histories of {told[0]} and {history.member} are of other validation images; name "
                "members of one kind."
            )
        there = ~np.isnan(recalls.correct[:, 0])
        told.append(history.member)
        epochs.append(history.columns["epoch"][there])
        recall.append(recalls.recall[there])
    if samples is None:
        raise NotAvailable(
            f"{where}: no history says how many images of each class were right; those of members that are trained "
            "from now on do."
        )
    changes = [change for change in map(_change, recall) if change is not None]
    return ClassCurves(
        members=tuple(told),
        without=tuple(history.member for history in found if history.recalls is None),
        class_ids=tuple(class_ids),
        class_names=tuple(class_names),
        samples=samples,
        epochs=tuple(epochs),
        recall=tuple(recall),
        first=np.mean([r[0] for r in recall], axis=0),
        last=np.mean([r[-1] for r in recall], axis=0),
        change=np.mean(changes, axis=0) if changes else np.full(len(samples), np.nan),
    )


def _change(recall: np.ndarray) -> np.ndarray | None:
    """Return the mean of the last quarter of the epochs minus that of the quarter that ends half way, (C,)."""
    count = len(recall)
    if count < 2:
        return None
    wide, half = max(1, count // 4), count // 2
    return recall[-wide:].mean(axis=0) - recall[max(0, half - wide) : half].mean(axis=0)


def write_class_curves_csv(path: Path, value: ClassCurves) -> None:
    """Write a row for each member and epoch, and a column for each class, called by its id: its recall."""
    rows = (
        (member, int(epoch), *line)
        for member, epochs, recall in zip(value.members, value.epochs, value.recall, strict=True)
        for epoch, line in zip(epochs, recall, strict=True)
    )
    write_csv(path, ("member", "epoch", *value.class_ids), rows)
