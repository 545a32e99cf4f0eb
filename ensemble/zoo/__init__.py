"""Every network by name: one visible table, readable without torch; each paper's networks live in its own file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ensemble.errors import BadInput, nearest

if TYPE_CHECKING:
    from ensemble.zoo.network import Network


@dataclass(frozen=True)
class Model:
    """One row of the table.

    layers: the network in the notation of its file.
    input: height and width of the paper's images; channels: theirs.
    classes: the paper's number of classes.
    recipe: the plan it is trained with unless told otherwise; `settings` go over it.
    reported: the accuracy the paper states, as a fraction, and the split it is of.
    """

    name: str
    paper: str
    module: str
    layers: str
    input: int = 64
    channels: int = 3
    classes: int = 200
    recipe: str = "ting"
    settings: Mapping[str, Any] = field(default_factory=dict)
    reported: Mapping[str, Any] | None = None


def _ting(name: str, layers: str, **more: Any) -> Model:
    return Model(name=name, paper="Ting", module="ensemble.zoo.ting", layers=layers, **more)


MODELS: Mapping[str, Model] = {
    model.name: model
    for model in (
        _ting("ting-m1", "C5-16 P C3-16 P C3-32 P FC256", reported={"accuracy": 0.238, "split": "test"}),
        _ting("ting-m2", "C5-32 C5-32 P C3-64 C3-64 P FC256", reported={"accuracy": 0.286, "split": "test"}),
        _ting("ting-m3", "C5-32 C5-32 P C3-64 P C3-128 P FC256", reported={"accuracy": 0.342, "split": "test"}),
        _ting(
            "ting-m4", "C5-32 C5-32 P C3-64 C3-64 P C3-64 C3-128 P FC256",
            settings={"epochs": 150}, reported={"accuracy": 0.393, "split": "test"},
        ),
        # Not of the paper: M3's topology with few filters, for the embedded digits.
        Model(
            "ting-m3-small", "none", "ensemble.zoo.ting", "C5-8 C5-8 P C3-16 P C3-32 P FC64",
            input=16, channels=1, classes=10, recipe="digits",
        ),
    )
}  # fmt: skip


def model_named(name: str) -> Model:
    """Return the row of `name`; raise `BadInput` with the nearest names where there is none."""
    if name not in MODELS:
        raise BadInput(f"--model {name}: is not known; {nearest(name, MODELS)}. See 'ens-train --list-models'.")
    return MODELS[name]


@dataclass(frozen=True)
class Wanted:
    """What a network is built for.

    image_shape: (height, width, channels) of its input; classes: how many logits; the rest as in `Recipe`. A builder
    refuses, with `BadInput`, what its network cannot honour: a padding or an activation it has no choice of, dropout
    where it has none, an unknown head, images that are too small.
    """

    image_shape: tuple[int, int, int]
    classes: int
    padding: str = "same"
    activation: str = "relu"
    head: str = ""
    dropout: float = 0.0


def build_network(name: str, wanted: Wanted) -> "Network":
    """Build the network `name`, initialised from torch's current seed: float (B, channels, H, W) to logits (B, C)."""
    model = model_named(name)
    return import_module(model.module).build(model, wanted)
