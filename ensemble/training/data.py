"""What a network is fed with: the images of train it learns from, in batches, and those it is judged on."""

from collections.abc import Iterator

import numpy as np
import torch

from ensemble.inference.inputs import (
    BATCH,
    Batches,
    Inputs,
    Precision,
    Rows,
    ToInputs,
    evaluate,
    fit_inputs,
    fixed_steps,
    in_parts,
)
from ensemble.machine import Progress
from ensemble.models.network import Network
from ensemble.study.image_spec import parse_augment
from ensemble.study.recipe import Recipe
from ensemble.study.split import Dataset
from ensemble.training.augment import Augmenter, mirror, mix
from ensemble.training.folds import chosen_images, parts_of


class TrainingData:
    """The images of one training: `learn` to learn from, `tune` to choose by (None without), `val` to be judged on.

    held: row numbers of train, int64, that this network never sees; then `val` are these, and not the split val.
    inputs: how images become a network's input, measured on `learn` by `fit`, or set from a file.
    While a base is frozen, all three may be its features: see `use_features`.
    """

    inputs: Inputs

    def __init__(
        self, recipe: Recipe, dataset: Dataset, device: torch.device, fold: int | None = None, folds: int = 0
    ) -> None:
        self.recipe, self.device, self.classes = recipe, device, len(dataset.class_ids)
        train = dataset.split("train")
        assert train.labels is not None
        labels: np.ndarray = train.labels
        parts = parts_of(labels, recipe.tune, fold, folds)
        self.held = parts.held

        def of_train(rows: np.ndarray) -> Batches:
            return Batches(chosen_images(train.images, rows), labels[rows], device)

        self._learn_images = chosen_images(train.images, parts.learn)
        self.learn: Rows = of_train(parts.learn)
        self.tune: Rows | None = of_train(parts.tune) if recipe.tune else None
        if fold is None:
            val = dataset.split("val")
            self.val: Rows = Batches(val.images, val.labels, device)
        else:
            self.val = of_train(parts.held)
        self._augment, self._augment_val = Augmenter(recipe.augment), Augmenter(recipe.augment_val)
        self._fixed = fixed_steps(recipe.augment_val)
        self._mirror = _mirror_alone(recipe.augment)
        self.of_features = self.asked_for_features = False

    @property
    def images(self) -> int:
        """How many images an epoch holds: each one once for every set of augmentations."""
        return len(self.learn) * self._augment.sets

    @property
    def updates(self) -> int:
        """How many batches an epoch has."""
        return len(self._starts())

    def fit(self) -> None:
        """Measure the inputs' normalisation on the images to learn from, and on no other."""
        recipe = self.recipe
        self.inputs = fit_inputs(self._learn_images, recipe.normalise, recipe.input_size).to(self.device)

    def _starts(self) -> list[tuple[int, int]]:
        n, size = self.images, self.recipe.batch_size
        starts = list(range(0, n, size))
        if len(starts) > 1 and n % size == 1:
            starts.pop()  # batch norm can make nothing of a single image, so it joins the batch before it
        return list(zip(starts, [*starts[1:], n], strict=True))

    def batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Give the batches of an epoch: inputs (B, Ch, H, W), targets and labels (B,), in an order drawn from torch.

        targets: int64 (B,), the labels themselves, or float32 (B, C) where images are mixed; then a label is that of
        the image with the greater share.
        """
        recipe, n = self.recipe, len(self.learn)
        assert self.learn.labels is not None
        order = torch.randperm(self.images).to(self.device)
        # With several sets number i stands for row i % n in set i // n.
        rows_of, sets = (order, None) if self.images == n else (order % n, order // n)
        for start, stop in self._starts():
            rows, which = rows_of[start:stop], None if sets is None else sets[start:stop]
            inputs, labels = self._inputs(self.learn.images(rows), which), self.learn.labels[rows]
            if recipe.mixup or recipe.cutmix:
                inputs, targets = mix(inputs, labels, self.classes, recipe.mixup, recipe.cutmix)
                yield inputs, targets, targets.argmax(1)
            else:
                yield inputs, labels, labels

    def _inputs(self, images: torch.Tensor, which: torch.Tensor | None) -> torch.Tensor:
        if self.of_features:
            return images
        if not self.recipe.augment.strip():
            return self.inputs(images)
        if self._mirror is not None:
            # Turned last of all, the mean image with it: as Ting's study was made, and the fastest.
            return mirror(self.inputs(images), self._mirror)
        return self.inputs(self._augment(images, which))

    def evaluate(self, network: Network, part: Rows, precision: Precision) -> tuple[float, float]:
        """Return cross-entropy and accuracy of a network on `tune` or `val`."""
        if self.of_features:
            return evaluate(network.head, part, lambda features: features, precision)
        if part is not self.val or not self.recipe.augment_val.strip():
            return evaluate(network, part, lambda images: self.inputs(self._fixed(images)), precision)
        # The same draws after every epoch, so that epochs can be compared; the next one begins with its own.
        torch.manual_seed(self.recipe.seed)
        return evaluate(network, part, lambda images: self.inputs(self._augment_val(images)), precision)

    def use_features(self, network: Network, precision: Precision, progress: Progress | None = None) -> bool:
        """Compute once what the frozen base of `network` makes of all images; say whether that was possible.

        Then the network's head is what is trained. It is not done where images are varied in more ways than can be
        kept, or mixed, or where the features need too much memory.
        """
        recipe, passes = self.recipe, min(self.recipe.frozen_epochs, self.recipe.epochs)
        self.asked_for_features = True
        if recipe.mixup or recipe.cutmix or recipe.augment_val.strip():
            return False
        # As many passes as the whole stage has, also where it goes on from its middle: the bits shall be the same.
        found: list[Rows | None] = []
        for part, augment in ((self.learn, recipe.augment), (self.val, ""), (self.tune, "")):
            features = None
            if part is not None:
                assert isinstance(part, Batches)
                features = base_features(network, part, self.inputs, augment, precision, passes, progress=progress)
                if features is None:
                    return False
            found.append(features)
        learn, val, tune = found
        assert learn is not None
        assert val is not None
        self._images = self.learn, self.val, self.tune
        self.learn, self.val, self.tune, self.of_features = learn, val, tune, True
        return True

    def use_images(self) -> None:
        """Go back to images, once the base learns too."""
        if self.of_features:
            self.learn, self.val, self.tune = self._images
            self.of_features = False


def _mirror_alone(augment: str) -> float | None:
    """Return the probability where `augment` is "mirror" and nothing else."""
    sets = parse_augment(augment)
    return sets[0][0].values[0] if len(sets) == len(sets[0]) == 1 and sets[0][0].name == "mirror" else None


# Bytes of memory, on the device, that features may take.
LIMIT = 4 * 2**30


class Features:
    """The features of every image of a split, to train and evaluate a head on as on a `Batches` of images.

    views: (1 or 2, N, F...), on the device; the second is of the mirrored inputs, and chosen with probability `chance`.
    labels: int64 (N,), or none.
    """

    def __init__(self, views: torch.Tensor, chance: float, labels: torch.Tensor | None) -> None:
        self.labels, self.device = labels, views.device
        self._views, self._chance = views, chance

    def __len__(self) -> int:
        return self._views.shape[1]

    def images(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the features (B, F...) of row numbers int64 (B,) on the device.

        Of two views each image takes one, by the draw by which `ensemble.training.augment.mirror` would turn it.
        """
        if len(self._views) == 1:
            return self._views[0][rows]
        chosen = torch.rand(len(rows), device=self.device) < self._chance
        return self._views[chosen.long(), rows]


@torch.no_grad()
def base_features(
    network: Network,
    batches: Batches,
    inputs: ToInputs,
    augment: str,
    precision: Precision,
    passes: int,
    limit: int = LIMIT,
    progress: Progress | None = None,
) -> Features | None:
    """Return what the base of `network` makes of every image, or None where that is no gain.

    augment: how the images are varied, "" or "mirror"; of anything else there are too many views. passes: how often
    each image will be asked for; no more often than it has views is no gain. Nor is it done where the features would
    take more than `limit` bytes. `progress(done, total)` counts images, those of both views.
    """
    chance = _mirrored(augment)
    views = 1 if chance == 0 else 2
    if chance is None or views >= passes:
        return None
    n = len(batches)
    network.base.eval()
    features: torch.Tensor | None = None
    for view in range(views):
        for start in range(0, n, BATCH):
            rows = torch.arange(start, min(start + BATCH, n), device=batches.device)
            pixels = inputs(batches.images(rows))
            with precision():
                found = in_parts(network.base, pixels.flip(3) if view else pixels)
            if features is None:
                if views * n * found[0].numel() * found.element_size() > limit:
                    return None
                features = found.new_empty((views, n, *found.shape[1:]))
            features[view, start : start + len(rows)] = found
            if progress:
                progress(view * n + start + len(rows), views * n)
    return None if features is None else Features(features, chance, batches.labels)


def _mirrored(augment: str) -> float | None:
    """Return with what probability `augment` mirrors an image, None where it does anything else."""
    sets = parse_augment(augment)
    if sets == ((),):
        return 0.0
    ops = sets[0]
    return ops[0].values[0] if len(sets) == len(ops) == 1 and ops[0].name == "mirror" else None
