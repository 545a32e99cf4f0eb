"""Imported members beside the labels and other members: rows of other samples, twins, a single class throughout."""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from ensemble.importing.parse import Imported
from ensemble.study.alignment import Misalignment, find_misaligned
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study

MOST_READ = 4  # members of the study that are read to compare with
MOST_VALUES = 2**26  # that are read to find the same predictions under another name
SAME = 1e-6  # probabilities that differ by no more are the same, written as text
FEWEST = 20  # samples in common
FIRST = 1000  # samples by which most members are told apart
LOOKED_AT = 20_000  # samples by which misaligned rows are looked for


def alignment_warnings(study: Study, imported: Sequence[Imported]) -> list[str]:
    """Return a sentence for each member whose rows seem to be other samples than the labels' or the other members'.

    Imported ones are compared with one another and with a few members of the study, on the samples all of them have.
    """
    files = {(one.predictions.member, one.predictions.split): one for one in imported}
    warnings = []
    for split in dict.fromkeys(split for _, split in files):
        new = [one.predictions for one in imported if one.predictions.split == split]
        names = [name for name in study.members(split) if (name, split) not in files] if study.path.is_file() else []
        there = [study.read(name, split, held=False) for name in names[:MOST_READ]]
        for found in _findings([*new, *(p for p in there if p.kind == "member")]):
            one = files.get((found.member, split))
            warnings.append(f"{one.file}: {found}" if one else str(found))
    return warnings


def twin_warnings(study: Study, imported: Sequence[Imported]) -> list[str]:
    """Return a sentence for each imported member that is another one under a new name, or knows a single class."""
    files = {(one.predictions.member, one.predictions.split): one for one in imported}
    warnings = []
    for split in dict.fromkeys(split for _, split in files):
        new = [one for one in imported if one.predictions.split == split]
        names = [name for name in study.members(split) if (name, split) not in files] if study.path.is_file() else []
        twins: dict[str, str] = {}
        most = max(MOST_READ, MOST_VALUES // max(one.predictions.probs.size for one in new))
        for there in (study.read(name, split, held=False) for name in names[:most]):
            for one in new if there.kind == "member" else ():
                twins[one.predictions.member] = twins.get(one.predictions.member) or _twin(one.predictions, there)
        for i, one in enumerate(new):
            p, preds = one.predictions, one.predictions.probs.argmax(axis=1)
            twin = twins.get(p.member) or next((said for other in new[:i] if (said := _twin(p, other.predictions))), "")
            warnings += [f"{one.file}: {p.member}: {twin}"] if twin else []
            if len(preds) >= FEWEST and len(p.class_ids) > 1 and (preds == preds[0]).all():
                called = p.class_names[int(preds[0])]
                warnings.append(
                    f"{one.file}: {p.member}: predicts the class {called!r} for all {len(preds):,} samples."
                )
    return warnings


def _twin(p: Predictions, other: Predictions) -> str:
    """Say how two members predict the same; "" where they do not, or where they share too few samples to tell."""
    n = len(p.sample_ids)
    if n < FEWEST or n != len(other.sample_ids) or set(p.class_ids) != set(other.class_ids):
        return ""
    mine, theirs = np.argsort(p.sample_ids), np.argsort(other.sample_ids)
    if not np.array_equal(p.sample_ids[mine], other.sample_ids[theirs]):
        return ""
    column = [other.class_ids.index(c) for c in p.class_ids]
    first = slice(None, FIRST)
    if (p.probs[mine[first]].argmax(axis=1) != other.probs[theirs[first]][:, column].argmax(axis=1)).any():
        return ""
    own, there = p.probs[mine], other.probs[theirs][:, column]
    if (own.argmax(axis=1) != there.argmax(axis=1)).any():
        return ""
    if np.abs(own - there).max() <= SAME:
        return f"predicts the same probabilities as {other.member}; an ensemble of both counts one model twice."
    preds = own.argmax(axis=1)
    right = p.labels is not None and int((preds != p.labels[mine]).sum()) < FEWEST // 2
    votes = any(((values == 0) | (values == 1)).all() for values in (own, there))
    if right or not votes or (preds == preds[0]).all():
        return ""
    return f"predicts the same class as {other.member} for all {n:,} samples; are these votes of the same model?"


def _findings(members: Sequence[Predictions]) -> list[Misalignment]:
    """Compare members on the samples they share; classes are those of all of them in sorted order."""
    common = reduce(lambda a, b: a[np.isin(a, b.sample_ids)], members[1:], members[0].sample_ids)
    if len(common) < FEWEST:
        return []
    common = common[:: max(1, len(common) // LOOKED_AT)]
    preds, second, confidence = [], [], []
    labels: np.ndarray | None = None
    for p in members:
        order = np.argsort(p.sample_ids)
        rows = order[np.searchsorted(p.sample_ids, common, sorter=order)]
        column = np.argsort(np.argsort(np.asarray(p.class_ids)))  # of each class among the sorted ones
        own = p.probs[rows]
        first = own.argmax(axis=1)
        preds.append(column[first])
        confidence.append(own.max(axis=1))
        own[np.arange(len(own)), first] = -1
        second.append(column[own.argmax(axis=1)])
        if p.labels is not None and labels is None:
            labels = column[p.labels[rows]]
    sides = (np.stack(values) for values in (preds, second, confidence))
    return find_misaligned(*sides, labels, [p.member for p in members])
