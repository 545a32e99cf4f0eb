"""A finished member opened for use: its network, and what it makes of any images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ensemble.errors import BadInput
from ensemble.inference.checkpoint import load_weights
from ensemble.inference.evaluate import Precision, network_spec, precision_on, predict_probs, resolve_device
from ensemble.inference.inputs import Batches, Inputs, fixed_steps
from ensemble.inference.members import check_networks
from ensemble.inference.tta import PLAIN, Views, views_named
from ensemble.models import build_network, model_named
from ensemble.models.network import Network
from ensemble.study.atomic import file_sha256
from ensemble.study.recipe import Recipe, read_recipe
from ensemble.study.study import Study
from ensemble.study.tabular import Tabular
from ensemble.study.weights import load_tensors

_FACTS = {"recipe": dict, "epochs": int, "image_shape": list, "class_ids": list}


@dataclass(frozen=True, eq=False)
class TrainedMember(Tabular):
    """A member whose training is over.

    threads: of the CPU, those it was trained with; epochs: how many made the weights that predict.
    image_shape: (height, width, channels) of the images it takes; class_ids, class_names: in the order of its outputs.
    weights_sha256: of the file its network was read from.
    """

    member: str
    recipe: Recipe
    threads: int
    epochs: int
    image_shape: tuple[int, int, int]
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    network: Network
    inputs: Inputs
    precision: Precision
    device: torch.device
    weights_sha256: str = ""

    @property
    def attributes(self) -> dict[str, Any]:
        """What predictions of it say of themselves, beside the recipe, as those made in training do."""
        random = self.recipe.weights == "random" and model_named(self.recipe.model).pretrained
        weights = {"weights_sha256": self.weights_sha256} if self.weights_sha256 else {}
        return {"seed": self.recipe.seed, "epoch": self.epochs, **weights} | ({"comparable": False} if random else {})

    def predict(self, images: np.ndarray, views: Views | str = PLAIN) -> np.ndarray:
        """Return softmax probabilities of uint8 images (N, H, W, Ch), float32 (N, C): the mean over the views.

        views: some of `ensemble.inference.tta.VIEWS`, or their name, "mirror" say. Raises `BadInput` where the images
        are of another type or shape than the member takes.
        """
        return averaged(self.each_view(images, views_named(views) if isinstance(views, str) else views))

    def each_view(self, images: np.ndarray, views: Views) -> list[np.ndarray]:
        """Return for each view the softmax probabilities of uint8 images (N, H, W, Ch), float32 (N, C)."""
        if images.dtype != np.uint8 or images.shape[1:] != self.image_shape:
            raise BadInput(
                f"{self.member}: expected uint8 images of shape (N, {', '.join(map(str, self.image_shape))}), "
                f"found {images.dtype} {images.shape}."
            )
        batches, fixed = Batches(images, None, self.device), fixed_steps(self.recipe.augment_val)
        return [
            predict_probs(
                self.network, batches, lambda batch, view=view: self.inputs(fixed(view(batch))), self.precision
            )
            for view in views.each
        ]


def averaged(each: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean of probabilities (N, C), formed in float64, as float32; of one array that array."""
    if len(each) == 1:
        return each[0]
    return (np.add.reduce(each, axis=0, dtype=np.float64) / len(each)).astype(np.float32)


def open_members(study: Study, names: Sequence[str], device: str, threads: int) -> list[TrainedMember]:
    """Open several members on a device ("auto", "cpu", "cuda", ...), with so many threads of the CPU for this process.

    Raises `BadInput` as `open_member` does, and where they do not take images of one shape.
    """
    torch.set_num_threads(threads)
    where = resolve_device(device)
    found = [open_member(study, name, where) for name in names]
    shapes = {t.image_shape: t.member for t in found}
    if len(shapes) > 1:
        some = ", ".join(f"{member} of {shape}" for shape, member in shapes.items())
        raise BadInput(f"{study.root}: its members take images of several shapes, {some}; name some of one shape.")
    return found


def open_member(study: Study, name: str, device: str | torch.device = "auto") -> TrainedMember:
    """Open the member `name` of a study on a device: "auto", "cpu", "cuda" or "cuda:N".

    Raises `BadInput` where there is no such member, it has predictions but no network, its training is not over, its
    weights are damaged or do not fit its recipe, or its classes are not the study's.
    """
    check_networks(study, [name])
    device = resolve_device(device)
    path = study.files(name).weights
    recipe, threads = read_recipe(study.files(name).recipe)
    epochs, image_shape = _checked(path, load_tensors(path, "kofn.weights")[1], study)
    network = build_network(recipe.model, network_spec(recipe, image_shape, len(study.config.class_ids)))
    network = network.to(device).to(memory_format=torch.channels_last)
    inputs, _ = load_weights(path, network, recipe, device)
    return TrainedMember(
        member=name,
        recipe=recipe,
        threads=threads,
        epochs=epochs,
        image_shape=image_shape,
        class_ids=study.config.class_ids,
        class_names=study.config.class_names,
        network=network,
        inputs=inputs,
        precision=precision_on(device, recipe.precision),
        device=device,
        weights_sha256=file_sha256(path),
    )


def _checked(path: Path, facts: dict[str, Any], study: Study) -> tuple[int, tuple[int, int, int]]:
    """Return epochs and image shape of a weights file's facts; raise `BadInput` where they do not fit."""
    for key, kind in _FACTS.items():
        if not isinstance(facts.get(key), kind):
            raise BadInput(
                f"{path}: expected {key!r} of type {kind.__name__}, found {facts.get(key)!r}; restore the file."
            )
    if tuple(facts["class_ids"]) != study.config.class_ids:
        raise BadInput(
            f"{path}: tells {len(facts['class_ids'])} classes, and {study.root}/study.toml has "
            f"{len(study.config.class_ids)} others or in another order; the member is of another study."
        )
    match facts["image_shape"]:
        case [int(height), int(width), int(channels)]:
            return facts.get("kept_epoch", facts["epochs"]), (height, width, channels)
    raise BadInput(
        f"{path}: expected 'image_shape' of 3 whole numbers, found {facts['image_shape']!r}; restore the file."
    )
