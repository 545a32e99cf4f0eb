"""Predictions made elsewhere, read from files as members' predictions: read, laid out, named, labelled, put right."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from os.path import realpath
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.errors import BadInput
from ensemble.importing.class_names import classes_of, voted_classes
from ensemble.importing.classes import Classes
from ensemble.importing.label_files import labels_for
from ensemble.importing.labels import meaning
from ensemble.importing.readers import HDF5, READS, Parts, read_classes, read_ids, read_parts
from ensemble.importing.scores import both_classes, is_score
from ensemble.importing.truth import rows_kept, truth_of
from ensemble.importing.values import RANKS, Values, are_ranks, check_ranked, check_side, probabilities
from ensemble.study.hdf5 import kind_of
from ensemble.study.predictions import PREDICTIONS, Predictions, read_predictions
from ensemble.study.split import check_ids


@dataclass(frozen=True)
class Reading:
    """How a file was understood.

    classes: what the columns that became classes are called there (its headings, else their ids), in order.
    ids, labels: what they were taken from and how; None where there are none.
    ignored: (name, why) of what was left out.
    """

    classes: tuple[str, ...]
    ids: str | None = None
    labels: str | None = None
    ignored: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class Imported:
    """What one file gave: its predictions, how it was understood, and what was put right.

    rounded_rows: rows off by rounding, by at most `off`; clipped_rows: those of them that were put right.
    dropped_rows: samples without a label that were left out. notes: what was taken for granted.
    """

    file: Path
    predictions: Predictions
    clipped_rows: int
    notes: tuple[str, ...] = ()
    reading: Reading = field(default_factory=lambda: Reading(()))
    rounded_rows: int = 0
    off: float = 0.0
    dropped_rows: int = 0


def sorted_classes(ids: Sequence[str], names: Sequence[str]) -> Classes:
    """Return classes in sorted order of their ids."""
    pairs = sorted(zip(ids, names, strict=True))
    return Classes(tuple(i for i, _ in pairs), tuple(name for _, name in pairs))


def import_files(
    paths: Sequence[str | Path], *, member: str | None = None, study_classes: Classes | None = None, **options: Any
) -> list[Imported]:
    """Read several files of predictions with the same options; nothing is written.

    paths: of the files. member: what a single one is called; study_classes: those of the study it shall join.
    Members are called by the files' names, or by their folders' where several files share a name. Into a new study the
    first file's classes count for the others. Takes what `import_file` takes, and raises `BadInput` as it does.
    """
    files = [Path(path) for path in paths]
    if member and len(files) > 1:
        raise BadInput(f"member={member}: names one member, but {len(files)} files were given; import them one by one.")
    found: list[Imported] = []
    for path, name in zip(files, [member] if member else _names(files), strict=True):
        found.append(import_file(path, member=name, study_classes=study_classes, **options))
        p = found[0].predictions
        study_classes = study_classes or sorted_classes(p.class_ids, p.class_names)
    return found


def import_file(
    path: str | Path,
    *,
    member: str | None = None,
    split: str | None = None,
    labels: str | Path | None = None,
    ids: str | Path | None = None,
    classes: str | Path | None = None,
    logits: bool = False,
    votes: bool = False,
    drop_unlabelled: bool = False,
    study_classes: Classes | None = None,
) -> Imported:
    """Read one file of predictions; nothing is written.

    member: default the file's name made legal. split: default what the file says, else "val".
    labels, ids, classes: files that name them; they go before what `path` holds. logits: the values are logits.
    votes: the file holds predicted classes, numbers or names, (N,), or counts of votes (N, C).
    drop_unlabelled: leave out samples without a label (blank, NaN, -1 ...), which are refused otherwise.
    study_classes: those of the study it is meant for; they name the columns where the file does not.
    Raises `BadInput` for whatever cannot be used.
    """
    path = Path(path)
    given = {"labels": labels, "ids": ids, "classes": classes}
    files = {key: None if value is None else Path(value) for key, value in given.items()}
    if path.suffix.lower() in HDF5 and kind_of(path) is not None:
        refused = {"ids=FILE": ids, "classes=FILE": classes, "logits=True": logits, "votes=True": votes}
        return _own(path, member, split, files["labels"], refused, drop_unlabelled)
    if votes and logits:
        raise BadInput(f"{path}: votes=True and logits=True exclude one another; leave one out.")
    listed = None if files["classes"] is None else read_classes(files["classes"])
    parts = read_parts(path, logits=logits, votes=votes, wanted=listed or study_classes)
    name = member or _legal_name(path)
    where = str(path)
    if files["ids"] is not None:
        parts.ids, parts.ids_from = read_ids(files["ids"]), str(files["ids"])
    n = len(parts.votes if parts.votes is not None else parts.values if parts.values is not None else ())
    if parts.values is not None and not (parts.logits or votes):
        check_side(parts.values, where)
    sample_ids = _sample_ids(path, n, parts, files["ids"])
    _labels_from_file(path, n, files, parts, sample_ids, drop_unlabelled, listed or study_classes)
    notes = list(parts.notes)
    if parts.values is not None and parts.votes is None and is_score(parts.values):
        notes += _of_score(parts, listed)
    column = f": column {parts.headings[0]!r}" if len(parts.headings) == 1 else ""
    values = _values(parts, where + column, votes, listed, study_classes, sample_ids)
    known, aliases, named = classes_of(
        path, values.probs.shape[1], parts, files["classes"], listed, study_classes, notes
    )
    truth = truth_of(parts, known, aliases, str(files["labels"] or path), named, values, n, notes)
    if truth is None:
        check_ranked(values.probs, None, where)
    if sample_ids is not None and values.probs.shape[0] == len(known.ids) and set(sample_ids) == set(known.ids):
        raise BadInput(
            f"{where}: expected a row a sample, found one for each class, called as the columns are: it looks like a "
            "confusion matrix; save the predictions it was counted from."
        )
    keep = rows_kept(truth, str(files["labels"] or path), drop_unlabelled)
    if truth is not None and not (truth >= 0).any() and not drop_unlabelled:
        truth = None
        notes.append(f"{parts.labels_from} is blank throughout, so the samples have no labels")
    rows = np.arange(n) if keep is None else np.flatnonzero(keep)
    extras = {} if values.logits is None else {"logits": values.logits[rows]}
    try:
        predictions = Predictions(
            member=name,
            split=split or "val",
            probs=values.probs if keep is None else values.probs[rows],
            sample_ids=rows.astype(np.str_) if sample_ids is None else np.asarray(sample_ids)[rows],
            class_ids=known.ids,
            class_names=known.names,
            labels=None if truth is None else truth[rows],
            ids_given=sample_ids is not None,
            extras=extras,
        )
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    headings = parts.headings if len(parts.headings) == len(known.ids) else known.ids
    reading = Reading(
        headings, parts.ids_from, None if truth is None else parts.labels_from, tuple(parts.ignored.items())
    )
    return Imported(
        path, predictions, values.clipped, (*notes, *values.notes), reading, values.rounded, values.off, n - len(rows)
    )


# -- names of members ---------------------------------------------------------------------------------------


def _names(files: Sequence[Path]) -> list[str | None]:
    """Return names from folders for files that share a name, None for the others, which are called by their own."""
    stems = [path.stem for path in files]
    found: list[str | None] = []
    for path in files:
        twins = [other for other in files if other.stem == path.stem and realpath(other) != realpath(path)]
        if stems.count(path.stem) < 2 or not twins or (path.suffix.lower() in HDF5 and kind_of(path) is not None):
            found.append(None)
            continue
        # The folders in which they differ, and no others: runs/ada/val/probs.npz gives ada.
        own, others = Path(realpath(path)).parts[:-1], [Path(realpath(other)).parts[:-1] for other in twins]
        depth = max(len(own), *map(len, others))
        padded = [("",) * (depth - len(p)) + p for p in (own, *others)]
        apart = [i for i in range(depth) if len({p[i] for p in padded}) > 1 and padded[0][i]]
        words = [padded[0][i] for i in apart] or [path.parent.name]
        if len(set(stems)) > 1:
            words.append(path.stem)
        found.append(_legal("-".join(words)) or None)
    return found


def _legal(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:100]


def _legal_name(path: Path) -> str:
    name = _legal(path.stem)
    if not name:
        raise BadInput(f"{path}: its name gives no name for a member; choose one with member=NAME.")
    return name


# -- our own format -----------------------------------------------------------------------------------------


def _own(
    path: Path, member: str | None, split: str | None, labels: Path | None, refused: dict[str, object], drop: bool
) -> Imported:
    """Read a file of our own format, which names everything itself."""
    if kind_of(path) != PREDICTIONS:
        raise BadInput(f"{path}: is a file of kofn, but not of predictions; {READS}.")
    for option, given in refused.items():
        if given:
            raise BadInput(f"{path}: is a predictions file, which names its samples and classes; leave out {option}.")
    p = read_predictions(path, extras=True)
    p = replace(p, member=member or p.member, split=split or p.split)
    if labels is None:
        return Imported(path, p, 0, reading=Reading(p.class_ids, "the file", None if p.labels is None else "the file"))
    if p.labels is not None:
        raise BadInput(f"{path}: has labels of its own; leave out labels=FILE.")
    given = labels_for(labels, path, len(p), p.sample_ids.tolist() if p.ids_given else None, by_row=False, some=drop)
    parts = Parts(labels=given.texts, columns=given.columns, labels_from=f"{labels}, {given.how}")
    classes, notes = Classes(p.class_ids, p.class_names), list[str]()
    truth = truth_of(parts, classes, (), str(labels), True, Values(p.probs), len(p), notes)
    keep = rows_kept(truth, str(labels), drop)
    rows = np.arange(len(p)) if keep is None else np.flatnonzero(keep)
    assert truth is not None
    n = len(p)
    p = replace(
        p, labels=truth[rows], probs=p.probs[rows], sample_ids=p.sample_ids[rows],
        extras={name: array[rows] for name, array in p.extras.items()},
    )  # fmt: skip
    return Imported(
        path, p, 0, tuple(notes), Reading(p.class_ids, "the file", parts.labels_from), dropped_rows=n - len(rows)
    )


# -- ids, values, classes, labels ---------------------------------------------------------------------------


def _sample_ids(path: Path, n: int, parts: Parts, file: Path | None) -> list[str] | None:
    if parts.ids is None:
        return None
    where = str(file) if file is not None else f"{path}: {parts.ids_from}"
    if len(parts.ids) != n:
        raise BadInput(f"{where}: expected {n} ids, one for each row of {path}, found {len(parts.ids)}.")
    return check_ids(parts.ids, where).tolist()


def _labels_from_file(
    path: Path, n: int, files: dict[str, Path | None], parts: Parts, sample_ids: list[str] | None, drop: bool,
    known: Classes | None,
) -> None:  # fmt: skip
    """Put the labels of `labels=FILE` in the place of those of the file itself."""
    file = files["labels"]
    if file is None:
        return
    classes = [
        *(parts.class_ids or ()),
        *(parts.class_names or ()),
        *(name for names in parts.namings for name in names),
    ]
    classes += [] if known is None else [*known.ids, *known.names]
    given = labels_for(file, path, n, sample_ids, by_row=files["ids"] is not None, some=drop, classes=classes)
    parts.labels, parts.columns, parts.labels_from = given.texts, given.columns, f"{file}, {given.how}"
    if "row by row" in given.how:
        parts.notes.append(f"labels were matched {given.how}")


def _values(
    parts: Parts, where: str, votes: bool, listed: Classes | None, study: Classes | None, ids: Sequence[str] | None
) -> Values:
    """Return the probabilities; of votes, 1 for the class voted for."""
    if votes and parts.votes is None:
        assert parts.values is not None
        given = parts.values
        counts = given.astype(np.float64) if given.ndim == 2 and given.dtype.kind in "fiub" else np.full((1, 2), 0.5)
        fit = counts.shape[1] > 1 and (counts == np.rint(counts)).all() and (counts >= 0).all()
        if fit and are_ranks(counts):
            raise BadInput(f"{where}: expected predicted classes or counts of votes, found {RANKS}.")
        if not fit or not counts.sum(axis=1).all():
            raise BadInput(
                f"{where}: expected one predicted class a sample, or counts of votes (N, C) with one at least in each "
                f"row, found {parts.values.dtype} {parts.values.shape}; leave out votes=True."
            )
        return Values(
            (counts / counts.sum(axis=1, keepdims=True)).astype(np.float32), notes=("counts of votes were made shares",)
        )
    if parts.votes is None:
        assert parts.values is not None
        samples = len(ids) if ids is not None else len(parts.labels) if parts.labels is not None else None
        return probabilities(parts.values, where, logits=parts.logits, samples=samples)
    known, named = voted_classes(where, parts, listed, study)
    meant = meaning(list(parts.votes), known, (), f"{where}: votes", named=named)
    if (meant.columns < 0).any():
        row = int(np.flatnonzero(meant.columns < 0)[0])
        raise BadInput(f"{where}: votes: expected a class in every row, found {parts.votes[row]!r} in row {row}.")
    parts.class_ids, parts.class_names = (known.ids, known.names) if named else (None, None)
    probs = np.zeros((len(parts.votes), len(known.ids)), dtype=np.float32)
    probs[np.arange(len(probs)), meant.columns] = 1
    return Values(probs, notes=(
        f"predicted classes were taken as votes ({meant.how}): accuracy and 'ens-combine --rule vote' mean what they "
        "say, NLL, Brier and calibration do not",
    ))  # fmt: skip


def _of_score(parts: Parts, listed: Classes | None) -> list[str]:
    """Put the probabilities of both classes in the place of one score a sample, where it can be told of which it is."""
    assert parts.values is not None
    named = listed.ids if listed is not None else parts.class_ids or parts.class_names
    found = both_classes(
        parts.values, logits=parts.logits, listed=named, predicted=parts.predicted, labels=parts.labels
    )
    if found is None:
        return []
    parts.values, parts.headings = found.values, ()
    if named is None and found.classes != ("0", "1"):
        parts.class_ids = found.classes
    return [f"the one {'logit' if parts.logits else 'probability'} a sample was taken for that of {found.how}"]
