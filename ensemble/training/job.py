"""A job: one network to train, as a worker process is told of it, and what became of it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.errors import KofnError
from ensemble.study.history import Epoch, best_epoch
from ensemble.study.image_spec import parse_augment
from ensemble.study.recipe import Recipe
from ensemble.study.tabular import Tabular

DEAD = 0.1  # of the layer's median norm, as `analysis.members.filters` counts dead filters
MANY_DEAD = 0.25
ABOVE = 3.0  # standard deviations of a guess's accuracy


# glibc gives every large tensor back to the kernel and takes it anew, a third of the time on large batches.
ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**36)}
ATTEMPTS = 3  # of a job whose process dies
Event = Callable[[str, str, dict[str, Any]], object]  # hears a job's title, what happened, and the facts


class Busy(KofnError):
    """Another process is training the member."""


class Diverged(KofnError):
    """The loss is no longer a number: what happens again when the same recipe is trained again."""


@dataclass(frozen=True)
class Finding:
    """What is wrong with a trained network. mark: in a word or two; text: a clause that says how."""

    mark: str
    text: str


def before_training(recipe: Recipe) -> list[str]:
    """Return what is odd of a recipe, a sentence each: a fixed step of all training images that validation's lack."""
    sets = [{op.values[0] for op in ops if op.name == "centre-crop"} for ops in parse_augment(recipe.augment)]
    # Where one set sees whole images, validation's are like some that were trained on.
    crops = set().union(*sets) if all(sets) else set()
    same = {op.values[0] for ops in parse_augment(recipe.augment_val) for op in ops if op.name == "centre-crop"}
    return [
        f"training sees the middle {side:g} x {side:g} pixels of an image, enlarged (centre-crop:{side:g}), validation "
        f"and predictions see all of it, at another scale; the setting augment_val=centre-crop:{side:g} makes them the "
        "same."
        for side in sorted(crops - same)
    ]


def after_training(
    epochs: Sequence[Epoch], classes: int, images: int, first_layer: np.ndarray | None
) -> tuple[Finding, ...]:
    """Return what is wrong with a trained network.

    classes, images: of validation. first_layer: kernels float32 (out, in, height, width) of its first convolution.
    At chance: accuracies no more than three standard deviations above that of a guess among equal classes. Diverged:
    the last epoch's there, or below half of the best epoch's. Dead: a quarter of the filters have a norm below a tenth
    of the median's, or of 0.
    """
    last, best = epochs[-1], best_epoch(list(epochs))
    chance = 1 / classes
    least = chance + ABOVE * math.sqrt(chance * (1 - chance) / images)
    found = []
    if best.val_accuracy <= least:
        found.append(Finding("at chance", f"ended at {last.val_accuracy:.1%}, as a guess among {classes} classes does"))
    elif last.val_accuracy < best.val_accuracy / 2 or last.val_accuracy <= least:
        found.append(
            Finding("diverged", f"fell from {best.val_accuracy:.1%} in epoch {best.epoch} to {last.val_accuracy:.1%}")
        )
    if first_layer is not None:
        norms = np.sqrt(np.square(first_layer, dtype=np.float64).sum(axis=(1, 2, 3)))
        dead = int(((norms < DEAD * np.median(norms)) | (norms == 0)).sum())
        if dead >= MANY_DEAD * len(norms):
            found.append(Finding("dead filters", f"has {dead} dead filters of {len(norms)} in its first layer"))
    return tuple(found)


@dataclass(frozen=True)
class TrainingJob:
    """One network to train: what a worker process is told.

    threads: of the CPU, part of what decides the bits; splits: those to keep predictions of.
    fold, folds: where `folds` is above 0, the network that learns without fold number `fold` of train and predicts it;
    the member itself learns from all of train.
    """

    study: Path
    member: str
    recipe: Recipe
    threads: int
    device: str
    splits: tuple[str, ...]
    fold: int | None = None
    folds: int = 0

    @property
    def title(self) -> str:
        """What it is called when one speaks of it."""
        return self.member if self.fold is None else fold_title(self.member, self.fold)


def fold_title(member: str, fold: int) -> str:
    """Return what the network is called that learns without a fold, as one speaks of it."""
    return f"{member} fold {fold}"


@dataclass(frozen=True)
class Outcome(Tabular):
    """What became of a job; member: its title.

    status: trained, resumed, skipped, elsewhere (another part of the plan trains it), stopped (whoever heard of its
    epochs said so) or failed; then `error` says why, `error_code` is the exit status it asks for, and `detail` is the
    traceback of a defect. images_per_second: the median over its epochs. findings: what is wrong with what was trained.
    repeats: whether the same recipe would end the same way. kept: the epoch whose weights predict, by the recipe's
    `keep`; None where it failed.
    """

    member: str
    status: str
    error: str | None = None
    error_code: int = 1
    detail: str | None = None
    epochs: int = 0
    last: Epoch | None = None
    best: Epoch | None = None
    seconds: float = 0.0
    images_per_second: float = 0.0
    predictions: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    repeats: bool = False
    kept: int | None = None
