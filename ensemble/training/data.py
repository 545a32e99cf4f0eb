"""What a network is fed with: the images of train it learns from, in batches, and those it is judged on."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from ensemble.inference.inputs import (
    Batches,
    Evaluation,
    Inputs,
    Precision,
    Rows,
    evaluate,
    fit_inputs,
    fixed_steps,
    mirrors_inputs,
)
from ensemble.machine import Progress
from ensemble.models.network import Network
from ensemble.study.recipe import Recipe
from ensemble.study.split import Dataset
from ensemble.training.augment import Augmenter, mirror, mix
from ensemble.training.features import FeatureFiles, Features, base_features
from ensemble.training.folds import chosen_images, parts_of


class TrainingData:
    """The images of one training: `learn` to learn from, `tune` to choose by (None without), `val` to be judged on.

    held: row numbers of train, int64, that this network never sees; then `val` are these, and not the split val.
    inputs: how images become a network's input, measured on `learn` by `fit`, or set from a file. side: height and
    width of the images to learn from, where that is another one for now; 0: the inputs' own.
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
        # What tells one part from another, for files of their features.
        held = b"val" if fold is None else b"held" + parts.held.tobytes()
        self._rows = b"learn" + parts.learn.tobytes(), held, b"tune" + parts.tune.tobytes()
        self._augment, self._augment_val = Augmenter(recipe.augment), Augmenter(recipe.augment_val)
        self._fixed = fixed_steps(recipe.augment_val)
        self._mirror = mirrors_inputs(recipe.augment)
        self.of_features = self.asked_for_features = False
        self.side = 0

    @property
    def images(self) -> int:
        """How many images an epoch holds: each one once for every set of augmentations."""
        return len(self.learn) * self._augment.sets

    @property
    def val_labels(self) -> np.ndarray:
        """The classes of the images it is judged on, int64 (N,)."""
        assert self.val.labels is not None
        return self.val.labels.cpu().numpy()

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
        starts = self._starts()
        for (start, stop), (_, later) in zip(starts, [*starts[1:], starts[-1]], strict=True):
            self.learn.ahead(rows_of[stop:later])
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
        inputs = replace(self.inputs, size=self.side) if self.side else self.inputs
        if not self.recipe.augment.strip():
            return inputs(images)
        if self._mirror is not None:
            # Turned last of all, the mean image with it: as Ting's study was made, and the fastest.
            return mirror(inputs(images), self._mirror)
        return inputs(self._augment(images, which))

    def evaluate(self, network: Network, part: Rows, precision: Precision) -> Evaluation:
        """Return how a network does on `tune` or `val`."""
        if self.of_features:
            return evaluate(network.head, part, lambda features: features, precision)
        if part is not self.val or not self.recipe.augment_val.strip():
            return evaluate(network, part, lambda images: self.inputs(self._fixed(images)), precision)
        # The same draws after every epoch, so that epochs can be compared; the next one begins with its own.
        torch.manual_seed(self.recipe.seed)
        return evaluate(network, part, lambda images: self.inputs(self._augment_val(images)), precision)

    def use_features(
        self, network: Network, precision: Precision, progress: Progress | None = None,
        files: FeatureFiles | None = None,
    ) -> bool:  # fmt: skip
        """Compute once what the frozen base of `network` makes of all images; say whether that was possible.

        files: where it may be found, since another member computed it, and is kept otherwise.

        Then the network's head is what is trained. It is not done where images are varied in more ways than can be
        kept, or mixed, or where the features need too much memory.
        """
        recipe, passes = self.recipe, min(self.recipe.frozen_epochs, self.recipe.epochs)
        self.asked_for_features = True
        if recipe.mixup or recipe.cutmix or recipe.augment_val.strip():
            return False
        # As many passes as the whole stage has, also where it goes on from its middle: the bits shall be the same.
        found: list[Rows | None] = []
        parts = (self.learn, recipe.augment), (self.val, ""), (self.tune, "")
        for (part, augment), rows in zip(parts, self._rows, strict=True):
            features = None
            if part is not None:
                assert isinstance(part, Batches)

                def compute(part: Batches = part, augment: str = augment) -> Features | None:
                    return base_features(network, part, self.inputs, augment, precision, passes, progress=progress)

                features = (
                    compute() if files is None
                    else files.find(network, part, rows, self.inputs, augment, compute)
                )  # fmt: skip
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
