"""Imported members beside the labels and other members: what speaks against their rows being the same samples."""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from ensemble.importing.parse import Imported
from ensemble.study.alignment import Misalignment, find_misaligned
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study

MOST_READ = 4  # members of the study that are read to compare with
FEWEST = 20  # samples in common


def alignment_warnings(study: Study, imported: Sequence[Imported]) -> list[str]:
    """Return a sentence for each member whose rows seem to be other samples than the labels' or the other members'.

    Imported ones are compared with one another and with a few members of the study, on the samples all of them have.
    """
    files = {(one.predictions.member, one.predictions.split): one for one in imported}
    warnings = []
    for split in dict.fromkeys(split for _, split in files):
        new = [one.predictions for one in imported if one.predictions.split == split]
        names = [name for name in study.members(split) if (name, split) not in files] if study.path.is_file() else []
        there = [study.read(name, split) for name in names[:MOST_READ]]
        for found in _findings([*new, *(p for p in there if p.kind == "member")]):
            one = files.get((found.member, split))
            warnings.append(f"{one.file}: {found}" if one else str(found))
    return warnings


def _findings(members: Sequence[Predictions]) -> list[Misalignment]:
    """Compare members on the samples they share; classes are those of all of them in sorted order."""
    common = reduce(lambda a, b: a[np.isin(a, b.sample_ids)], members[1:], members[0].sample_ids)
    if len(common) < FEWEST:
        return []
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
