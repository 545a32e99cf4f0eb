"""Imported predictions on their way into a study: all of them fit and are written, or none is."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ensemble.errors import BadInput
from ensemble.importing.alignment import alignment_warnings, twin_warnings
from ensemble.importing.classes import Classes
from ensemble.importing.parse import Imported, sorted_classes
from ensemble.study.names import MemberFiles
from ensemble.study.predictions import Predictions, Rows, read_predictions, read_rows
from ensemble.study.study import SplitConfig, Study, StudyConfig, ids_digest

THERE = "already there"


def study_classes(root: Path) -> Classes | None:
    """Return the classes a study pins, in sorted order of their ids; None where no study was begun."""
    if not Study.exists(root):
        return None
    config = Study.open(root).config
    return sorted_classes(config.class_ids, config.class_names)


@dataclass(frozen=True)
class Admission:
    """What became of imported predictions: a file and a status for each.

    statuses: "imported", "replaced" or "already there". warnings: what one should know of how they fit the study.
    """

    paths: tuple[Path, ...]
    statuses: tuple[str, ...]
    warnings: tuple[str, ...]


def admit(root: str | Path, imported: Sequence[Imported], *, force: bool = False) -> Admission:
    """Write imported predictions into the study at `root`, begun where there is none; all are checked first.

    What is there already with the same content is left alone, so that an import of many that was cut off goes on when
    it is run again. force: replace imported members of the same name. Raises `BadInput` where one does not fit the
    study or another one, and `StorageError` where one cannot be written; then those written before it are taken away
    again, and what was replaced stays replaced.
    """
    root = Path(root)
    if not imported:
        raise BadInput(f"{root}: expected predictions to import, found none; name some files.")
    if not Study.exists(root):  # what cannot be used leaves no folder behind
        _checked(Study(root, _pin(imported[0])), imported, force)
    with Study(root, _pin(imported[0])).alone():
        study = Study.open(root) if Study.exists(root) else Study(root, _pin(imported[0]))
        statuses, new, warnings, splits = _checked(study, imported, force)
        with contextlib.ExitStack() as undo:
            if not Study.exists(root):
                undo.callback(_remove, root / "study.toml")
                Study.create(root, study.config)
            if splits != study.config.splits:
                study = study.with_config(splits=splits)
            for one in new:
                path = study.predictions_path(one.predictions.member, one.predictions.split)
                if not path.exists():
                    undo.callback(_remove, path)
                study.write(one.predictions)
            undo.pop_all()
    paths = [study.predictions_path(one.predictions.member, one.predictions.split) for one in imported]
    return Admission(tuple(paths), tuple(statuses), tuple(warnings))


def _checked(
    study: Study, imported: Sequence[Imported], force: bool
) -> tuple[list[str], list[Imported], list[str], Mapping[str, SplitConfig]]:
    """Return the status of each, those to be written, what to warn of, and the study's splits with them."""
    statuses = _statuses(study, imported, force)
    new = [one for one, status in zip(imported, statuses, strict=True) if status != THERE]
    warnings = [*_check_rows(study, new), *alignment_warnings(study, new), *twin_warnings(study, new)]
    return statuses, new, warnings, _splits(study.config, new)


def _remove(path: Path) -> None:
    """Take a file away; where that fails too, the error that made us do it is the one to tell."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _pin(first: Imported) -> StudyConfig:
    """Return what a study begun with this file pins: its classes; the images are not known."""
    classes = sorted_classes(first.predictions.class_ids, first.predictions.class_names)
    return StudyConfig(data="imported", source=None, fingerprint=None, class_ids=classes.ids, class_names=classes.names)


def _splits(config: StudyConfig, imported: Sequence[Imported]) -> Mapping[str, SplitConfig]:
    """Return the study's splits with those that are new; one with images has its own and keeps them."""
    splits = dict(config.splits)
    for one in imported if config.source is None else ():
        p = one.predictions
        digest = ids_digest(p.sample_ids, p.labels, p.class_ids)
        splits.setdefault(p.split, SplitConfig(len(p), digest, f"imported first from {one.file.name}"))
    return splits


def _statuses(study: Study, imported: Sequence[Imported], force: bool) -> list[str]:
    """Say of each what becomes of it; raise `BadInput` where two have one name, or it is another's already."""
    seen: dict[tuple[str, str], Path] = {}
    statuses = []
    for one in imported:
        p = one.predictions
        if (p.member, p.split) in seen:
            raise BadInput(
                f"{one.file} and {seen[p.member, p.split]}: both would become member {p.member!r} for split "
                f"{p.split!r}; import them one by one with member=NAME."
            )
        seen[p.member, p.split] = one.file
        if study.member_dir(p.member).exists() and (MemberFiles(study.member_dir(p.member)).recipe).exists():
            raise BadInput(
                f"{one.file}: member {p.member!r} was trained in {study.root} and cannot be replaced by an import; "
                "choose another name with member=NAME."
            )
        path = study.predictions_path(p.member, p.split)
        if not path.exists():
            statuses.append("imported")
        elif _same(p, read_predictions(path, extras=True)):
            statuses.append(THERE)
        elif force:
            statuses.append("replaced")
        else:
            raise BadInput(
                f"{one.file}: member {p.member!r} is there already for split {p.split!r} ({path}), with other content; "
                "choose another name with member=NAME, or replace it with force=True."
            )
    return statuses


def _same(one: Predictions, other: Predictions) -> bool:
    """Say whether two hold the same predictions for the same samples, in the same order."""
    labels = (one.labels is None) == (other.labels is None)
    return (
        labels
        and (one.class_ids, one.class_names, one.ids_given) == (other.class_ids, other.class_names, other.ids_given)
        and np.array_equal(one.sample_ids, other.sample_ids)
        and (one.labels is None or _equal(one.labels, other.labels))
        and np.array_equal(one.probs, other.probs)
        and (one.first_layer is None or _equal(one.first_layer, other.first_layer))
        and one.extras.keys() == other.extras.keys()
        and all(np.array_equal(values, other.extras[name]) for name, values in one.extras.items())
    )


def _equal(one: np.ndarray, other: np.ndarray | None) -> bool:
    return other is not None and np.array_equal(one, other)


def _check_rows(study: Study, imported: Sequence[Imported]) -> list[str]:
    """Compare each one's classes, samples and labels with the study's members and with one another."""
    warnings = []
    replaced = {(one.predictions.member, one.predictions.split) for one in imported}
    known: dict[str, list[Rows | Predictions]] = {}
    for one in imported:
        p = one.predictions
        if set(p.class_ids) != set(study.config.class_ids):
            raise BadInput(
                f"{one.file}: expected the {len(study.config.class_ids)} classes of {study.root} "
                f"({_some(study.config.class_ids)}), found {len(p.class_ids)} ({_some(p.class_ids)}); name the columns "
                "with classes=FILE, or name another study."
            )
        if p.split not in known:
            names = [name for name in study.members(p.split) if (name, p.split) not in replaced]
            known[p.split] = [read_rows(study.predictions_path(name, p.split)) for name in names]
        told = None
        for other in known[p.split]:
            told = _compare(one, other) or told
        warnings += [told] if told else []
        known[p.split].append(p)
    return warnings


def _compare(one: Imported, other: Rows | Predictions) -> str | None:
    """Return a warning where some samples are not shared; raise `BadInput` where the two can never be joined."""
    p, where = one.predictions, f"{one.file}: against member {other.member!r} of split {other.split!r}"
    if p.ids_given != other.ids_given:
        there, here = ("sample ids", "row numbers") if other.ids_given else ("row numbers", "sample ids")
        raise BadInput(
            f"{where}: expected {there} as there, found {here}, so rows cannot be matched; "
            f"{'give this file ids=FILE' if other.ids_given else 'import that member again with ids=FILE'}."
        )
    if not p.ids_given and len(p.sample_ids) != len(other.sample_ids):
        raise BadInput(
            f"{where}: expected {len(other.sample_ids)} rows, found {len(p.sample_ids)}, and without ids they cannot "
            "be matched; import both with ids=FILE."
        )
    _, mine, theirs = np.intersect1d(p.sample_ids, other.sample_ids, assume_unique=True, return_indices=True)
    if not mine.size:
        raise BadInput(
            f"{where}: no sample id in common, expected ids such as {str(other.sample_ids[0])!r}, found "
            f"{str(p.sample_ids[0])!r}; give the same ids with ids=FILE, or another split=NAME, or put the rows "
            "of both into one file if they are folds of one model."
        )
    if p.labels is not None and other.labels is not None:
        own = np.asarray(p.class_ids)[p.labels[mine]]
        stored = np.asarray(other.class_ids)[other.labels[theirs]]
        differ = np.flatnonzero(own != stored)
        if differ.size:
            first = differ[np.argmin(mine[differ])]
            row = "sample" if p.ids_given else "row"
            raise BadInput(
                f"{where}: expected the same labels, found {differ.size} of {mine.size} that differ, {row} "
                f"{str(p.sample_ids[mine[first]])!r} first: {str(own[first])!r} here, {str(stored[first])!r} there; "
                f"check the order of rows and classes{'' if p.ids_given else ', or import both with ids=FILE'}."
            )
    missing, extra = len(other.sample_ids) - mine.size, len(p.sample_ids) - mine.size
    if missing or extra:
        return (
            f"{one.file}: shares {mine.size} samples with {other.member!r}; {missing} are only there and {extra} only "
            "here, so combine what they share, 'ens-combine --intersect'."
        )
    return None


def _some(ids: Sequence[str]) -> str:
    ordered = sorted(ids)
    return ", ".join(ordered[:3]) + (", ..." if len(ordered) > 3 else "")
