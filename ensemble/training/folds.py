"""Which training images a network learns from, which it chooses by (tune), and which it never sees (its fold)."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from ensemble.errors import BadInput
from ensemble.study.names import MemberFiles
from ensemble.study.predictions import Predictions, read_predictions
from ensemble.study.split import Split
from ensemble.study.study import SplitConfig, Study

# One for all members, whatever their own seeds: what they say of an image can then be compared.
SEED = 0


@dataclass(frozen=True, eq=False)
class Parts:
    """Row numbers of train, int64, each in increasing order: `learn` and `tune` to train with, `held` to predict."""

    learn: np.ndarray
    tune: np.ndarray
    held: np.ndarray


def parts_of(labels: np.ndarray, tune: float = 0.0, fold: int | None = None, folds: int = 0) -> Parts:
    """Part train, whose labels are int64 (N,), for a network: tune's share, and its fold where it has one.

    Every row is in one part. Tune is a share of what the fold leaves. Raises `BadInput` where that cannot be done.
    """
    rows = np.arange(len(labels))
    held = rows[:0] if fold is None else np.flatnonzero(fold_of(labels, folds) == fold)
    rest = np.setdiff1d(rows, held)
    chosen = rest[is_tune(labels[rest], tune)] if tune else rest[:0]
    return Parts(learn=np.setdiff1d(rest, chosen), tune=chosen, held=held)


def fold_of(labels: np.ndarray, folds: int) -> np.ndarray:
    """Return for each row the fold, 0 to folds - 1, that holds it out, int64 (N,).

    Stratified: of each class the folds hold equal numbers, within one, and of all images too. Raises `BadInput` where
    there are fewer than 2 folds, fewer images than folds, or a class of one image.
    """
    if folds < 2:
        raise BadInput(f"folds={folds}: expected 2 or more; each network is trained without one of them.")
    if len(labels) < folds:
        raise BadInput(f"folds={folds}: there are {len(labels)} training images; ask for fewer folds.")
    counts = np.bincount(labels)
    if (counts == 1).any():
        raise BadInput(
            f"folds={folds}: class number {int(np.argmax(counts == 1))} has one training image, and the network that "
            "holds it out would never see that class; add images of it, or leave the class out."
        )
    fold = np.empty(len(labels), dtype=np.int64)
    # Dealt like cards, class after class: equal numbers of each class, and of all.
    fold[_by_class(labels)] = np.arange(len(labels)) % folds
    return fold


def is_tune(labels: np.ndarray, share: float) -> np.ndarray:
    """Return which rows are tune's, bool (N,): of each class `share` of them, rounded, and never all.

    Raises `BadInput` where that is no image at all.
    """
    order = _by_class(labels)
    counts = np.bincount(labels)[labels[order]]
    rank = np.arange(len(labels)) - np.searchsorted(labels[order], labels[order])
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[order] = rank < np.minimum(np.floor(share * counts + 0.5), counts - 1)
    if not chosen.any():
        least = math.ceil(0.5 / share)
        raise BadInput(
            f"recipe: tune = {share:g} of the training images is not one image of any class, it takes classes of "
            f"{max(least, 2)} or more; raise tune."
        )
    return chosen


def _by_class(labels: np.ndarray) -> np.ndarray:
    """Return the rows sorted by class, shuffled within each."""
    shuffled = np.random.default_rng(SEED).permutation(len(labels))
    return shuffled[np.argsort(labels[shuffled], kind="stable")]


class Chosen:
    """Some images of a split, which are read when they are asked for: for the eye an array (N, H, W, Ch) of uint8."""

    def __init__(self, images: np.ndarray, rows: np.ndarray) -> None:
        self._images, self._rows = images, rows
        self.chosen_from = images, rows
        self.shape, self.dtype, self.ndim = (len(rows), *images.shape[1:]), images.dtype, images.ndim
        self.size = math.prod(self.shape)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        return self._images[self._rows[which]]

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        return self[:]


def chosen_images(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return images (N, H, W, Ch) of those rows; all of them as they are, a part without a copy."""
    return images if len(rows) == len(images) else cast(np.ndarray, Chosen(images, rows))


SPLIT = "train-oof"


def fold_dir(study: Study, member: str, fold: int) -> Path:
    """Return the folder of the network that is trained without a fold."""
    return study.files(member).fold(fold).folder


def held_out_path(folder: Path) -> Path:
    """Return the file of what that network says of its fold."""
    return MemberFiles(folder).held_out


def folds_left(study: Study, member: str, folds: int, *, again: bool = False) -> tuple[int, ...]:
    """Return the folds that are still to be trained; the last one where all that is left is to put them together.

    again: although that was done.
    """
    if study.predictions_path(member, SPLIT).exists() and not again:
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
            "delete that folder, and the same command trains them again."
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
