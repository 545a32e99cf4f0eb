"""Out-of-fold predictions of train: what K networks say of the images that they did not see, put together."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ensemble.errors import BadInput
from ensemble.study.names import MemberFiles
from ensemble.study.predictions import Predictions, read_predictions
from ensemble.study.split import Split
from ensemble.study.study import SplitConfig, Study
from ensemble.training.folds import SEED

SPLIT = "train-oof"


def fold_dir(study: Study, member: str, fold: int) -> Path:
    """Return the folder of the network that is trained without a fold."""
    return study.files(member).fold(fold).folder


def held_out_path(folder: Path) -> Path:
    """Return the file of what that network says of its fold."""
    return MemberFiles(folder).held_out


def folds_left(study: Study, member: str, folds: int) -> tuple[int, ...]:
    """Return the folds that are still to be trained; the last one where all that is left is to put them together."""
    if study.predictions_path(member, SPLIT).exists():
        return ()
    left = tuple(f for f in range(folds) if not held_out_path(fold_dir(study, member, f)).exists())
    return left or (folds - 1,)


def pinned_split(splits: Mapping[str, SplitConfig], folds: int) -> SplitConfig:
    """Return what a study pins of its out-of-fold split, the same for every member; splits: those pinned so far.

    Raises `BadInput` where other folds are pinned already.
    """
    definition = f"{folds} stratified folds of train, seed {SEED}"
    there = splits.get(SPLIT)
    if there is not None and there.definition != definition:
        number = re.match(r"\d+", there.definition)
        raise BadInput(
            f"folds={folds}: study.toml pins {SPLIT} as {there.definition!r}, and the folds are the same for all "
            f"members of a study; {f'ask for folds={number[0]}' if number else 'leave folds out'}, or use another "
            "study."
        )
    train = splits["train"]
    return SplitConfig(samples=train.samples, digest=train.digest, definition=definition)


def merge(study: Study, member: str, train: Split, folds: int) -> Path | None:
    """Write a member's out-of-fold predictions, in train's order, once all its folds are there; return the file.

    Returns None where a fold is still to come. Raises `BadInput` where the folds do not hold each image once.
    """
    path = study.predictions_path(member, SPLIT)
    if path.exists():
        return path
    files = [held_out_path(fold_dir(study, member, f)) for f in range(folds)]
    if not all(file.exists() for file in files):
        return None
    held = [read_predictions(file) for file in files]
    ids = np.concatenate([p.sample_ids for p in held])
    order, of_train = np.argsort(ids), np.argsort(train.sample_ids)
    if not np.array_equal(ids[order], train.sample_ids[of_train]):
        raise BadInput(
            f"{files[0].parent.parent}: its {folds} folds do not hold each of the {len(train):,} training images once; "
            "start the member over with force=True."
        )
    rows = np.empty(len(ids), dtype=np.int64)  # of the folds laid end to end, for each image of train
    rows[of_train] = order
    first = held[0]
    return study.write(
        Predictions(
            member=member,
            split=SPLIT,
            probs=np.concatenate([p.probs for p in held])[rows],
            sample_ids=train.sample_ids,
            class_ids=train.class_ids,
            class_names=train.class_names,
            labels=train.labels,
            recipe=first.recipe,
            data_fingerprint=first.data_fingerprint,
            attributes=first.attributes,
            extras={"fold": np.repeat(np.arange(folds), [len(p) for p in held])[rows]},
        )
    )
