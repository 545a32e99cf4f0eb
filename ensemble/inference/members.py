"""Who predicts: members of a study that have a network, alone or with the weights of a saved ensemble."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ensemble.errors import BadInput, nearest
from ensemble.inference.checkpoint import load_weights
from ensemble.inference.inputs import (
    Batches,
    Inputs,
    Precision,
    fixed_steps,
    mirrors_inputs,
    network_spec,
    precision_on,
    predict_probs,
    resolve_device,
)
from ensemble.inference.tta import PLAIN, View, Views, views_named
from ensemble.models import build_network, model_named
from ensemble.models.network import Network
from ensemble.own_code import own_errors
from ensemble.study.atomic import file_sha256
from ensemble.study.names import matches, matching, natural_key
from ensemble.study.predictions import Header, read_header, read_rows
from ensemble.study.recipe import Recipe, read_recipe
from ensemble.study.study import Study
from ensemble.study.tabular import Tabular
from ensemble.study.weights import load_tensors


@dataclass(frozen=True)
class EnsembleSpec:
    """The members that predict together.

    ensemble: the saved ensemble they make up; None where they are simply averaged.
    members: their names, in natural order. weights: of each, summing to 1; equal ones where no ensemble says others.
    rule: "mean" or "geometric". selection: how the ensemble was chosen, where that is known.
    without: members of the study that were left out, because they are predictions without a network.
    """

    ensemble: str | None
    members: tuple[str, ...]
    weights: Mapping[str, float]
    rule: str = "mean"
    selection: str | None = None
    without: tuple[str, ...] = field(default=())


def networks(study: Study) -> list[str]:
    """Return the names of the members whose weights are there, in natural order."""
    return study.members_with("weights")


def ensemble_spec(study: Study, patterns: Sequence[str] = (), ensemble: str = "all") -> EnsembleSpec:
    """Return who predicts: members whose names match one of the patterns, or the parts of a saved ensemble.

    ensemble: "all" for the plain mean of the members, else a saved ensemble's name, or a single member's.
    Raises `BadInput` where nobody of that name can, and says why.
    """
    if ensemble != "all":
        return _saved(study, ensemble)
    there = networks(study)
    said = {name for split in study.splits() for name in study.members(split)}
    if not there:
        why = "its predictions were imported, and come without networks" if said else "none was trained to the end"
        raise BadInput(f"{study.root}: no member can look at new images, {why}; train some with ens-train.")
    for pattern in patterns:
        if not matches(pattern, there):
            check_networks(study, matches(pattern, sorted(said)) or [pattern])
    members = tuple(matching(patterns, there, study.root))
    without = () if patterns else tuple(sorted((n for n in said - set(there) if _is_member(study, n)), key=natural_key))
    return EnsembleSpec(None, members, dict.fromkeys(members, 1 / len(members)), without=without)


def check_networks(study: Study, names: Sequence[str]) -> None:
    """Raise `BadInput` for the first of the names that is no member with a network, and say what it is."""
    there = networks(study)
    for name in names:
        if name in there:
            continue
        snapshots = [other for other in there if re.fullmatch(rf"{re.escape(name)}-s\d+", other)]
        if snapshots:
            raise BadInput(
                f"{study.root}: {name!r} is kept as its snapshots alone, {', '.join(snapshots)}; "
                f"name them, with member='{name}-s*' say."
            )
        if name in study.members_with("recipe"):
            raise BadInput(
                f"{study.root}: the training of {name!r} is not over, so it cannot predict; "
                "run the same ens-train again, and it goes on."
            )
        found = _stored(study, name)
        if found is not None and found.kind == "ensemble":
            raise BadInput(f"{study.root}: {name!r} is a saved ensemble; ask for it with ensemble={name!r}.")
        if found is not None:
            raise BadInput(
                f"{study.root}: {name!r} is predictions only, which were imported, and no network that could look at "
                f"new images; with a network: {', '.join(there) or 'none'}."
            )
        raise BadInput(f"{study.root}: no member matches {name!r}; {nearest(name, there)}.")


def _saved(study: Study, name: str) -> EnsembleSpec:
    """Return the parts of a saved ensemble; a single member is an ensemble of one."""
    there = networks(study)
    if name in there:
        return EnsembleSpec(None, (name,), {name: 1.0})
    found = _stored(study, name)
    if found is None:
        saved = [n for split in study.splits() for n in study.members(split) if not _is_member(study, n)]
        known = list(dict.fromkeys(["all", *saved, *there]))
        raise BadInput(
            f"{study.root}: has no saved ensemble {name!r}; {nearest(name, known)}. "
            "Save one with 'ens-combine --save NAME'."
        )
    if found.kind != "ensemble":
        check_networks(study, [name])
    if not found.parents:
        made = f"of {found.attributes['stacked']} " if "stacked" in found.attributes else ""
        raise BadInput(
            f"{study.root}: {name!r} is not a weighted mean but a regression {made}whose coefficients are not kept, so "
            "it cannot predict new images; save another one with 'ens-combine --select weights --save NAME'."
        )
    missing = [parent for parent in found.parents if parent not in there]
    if missing:
        raise BadInput(
            f"{study.root}: {name!r} is made of {', '.join(found.parents)}, and {', '.join(missing)} "
            f"{'has' if len(missing) == 1 else 'have'} no network here (imported, or a saved ensemble); "
            "name members that were trained here with member=NAME."
        )
    weights = dict(zip(found.parents, found.weights, strict=True))
    members = tuple(sorted(weights, key=natural_key))
    rule, selection = (str(found.attributes[key]) if key in found.attributes else "" for key in ("rule", "selection"))
    return EnsembleSpec(name, members, weights, rule or "mean", selection or None)


def _stored(study: Study, name: str) -> Header | None:
    """Return what the predictions of that name say of themselves, of val where there are some, else of any split."""
    splits = [split for split in study.splits() if name in study.members(split)]
    return read_header(study.predictions_path(name, "val" if "val" in splits else splits[0])) if splits else None


def _is_member(study: Study, name: str) -> bool:
    split = next(split for split in study.splits() if name in study.members(split))
    return read_rows(study.predictions_path(name, split)).kind == "member"


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
        last = mirrors_inputs(self.recipe.augment) is not None

        def seen(batch: torch.Tensor, view: View) -> torch.Tensor:
            if last and view.unmirrored is not None:  # as training turned it, with the mean image
                return self.inputs(fixed(view.unmirrored(batch))).flip(3)
            return self.inputs(fixed(view(batch)))

        with own_errors(self.recipe.model):
            return [
                predict_probs(self.network, batches, partial(seen, view=view), self.precision) for view in views.each
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


def open_member(study: Study | str | Path, name: str, device: str | torch.device = "auto") -> TrainedMember:
    """Open the member `name` of a study on a device: "auto", "cpu", "cuda" or "cuda:N".

    Raises `BadInput` where there is no such member, it has predictions but no network, its training is not over, its
    weights are damaged or do not fit its recipe, or its classes are not the study's.
    """
    study = Study.of(study)
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
