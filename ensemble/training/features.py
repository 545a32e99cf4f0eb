"""The features of a frozen base: what it makes of every image, computed once, and once for all members of a study."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ensemble.inference.inputs import BATCH, Batches, Inputs, Precision, ToInputs, in_parts, mirrors_inputs
from ensemble.machine import Progress
from ensemble.models.network import Network
from ensemble.study.atomic import locked
from ensemble.study.image_spec import parse_augment
from ensemble.study.recipe import Recipe
from ensemble.study.split import Dataset
from ensemble.study.weights import load_tensors, save_tensors

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

    @property
    def views(self) -> torch.Tensor:
        """All of them, (1 or 2, N, F...)."""
        return self._views

    def __len__(self) -> int:
        return self._views.shape[1]

    def ahead(self, rows: torch.Tensor) -> None:
        """Do nothing: they are all on the device."""

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
    return 0.0 if parse_augment(augment) == ((),) else mirrors_inputs(augment)


class FeatureFiles:
    """Features that members of a study share, a file for each part of the images in a folder; all may be deleted.

    A file is found again by a digest of all that decides its bits: the base's tensors, the normalisation, the images,
    and what computes.
    """

    def __init__(self, folder: Path, recipe: Recipe, dataset: Dataset) -> None:
        self._folder = folder
        self._recipe = recipe.as_dict()
        self._facts = {
            "recipe": self._recipe, "epochs": 0, "image_shape": list(dataset.image_shape),
            "class_ids": list(dataset.class_ids),
        }  # fmt: skip
        self._images = dataset.fingerprint

    def find(
        self, network: Network, batches: Batches, rows: bytes, inputs: Inputs, augment: str,
        compute: Callable[[], Features | None],
    ) -> Features | None:  # fmt: skip
        """Return the features of these rows of the images, read where they are kept, else computed and then kept."""
        decides: Mapping[str, Any] = {
            **{key: self._recipe[key] for key in ("model", "input_size", "normalise", "augment_val", "precision")},
            "augment": augment,
            "images": self._images,
            "device": batches.device.type,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode())
        digest.update(rows)
        for name, tensor in (*network.base.state_dict().items(), ("mean", inputs.mean), ("std", inputs.std)):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        path = self._folder / f"{digest.hexdigest()[:24]}.safetensors"
        self._folder.mkdir(parents=True, exist_ok=True)
        # Of members that are trained side by side one computes, and the others wait for it.
        with locked(self._folder / f".{path.stem}.lock"):
            if path.exists():
                views = load_tensors(path, "kofn.features")[0]["views"].to(batches.device)
                return Features(views, _mirrored(augment) or 0.0, batches.labels)
            found = compute()
            if found is not None:
                save_tensors(path, "kofn.features", {"views": found.views}, self._facts)
            return found
