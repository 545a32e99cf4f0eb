"""Any network of torchvision or timm by name, `torchvision/resnet50` or `timm/convnext_tiny`, and ImageNet weights.

A base is the library's own network without its last dense layer (and the dropout before it), under the library's names
for its tensors, so that weights of the hub fit by name. The head is dropout and a dense layer.
"""

from collections.abc import Mapping
from types import ModuleType

import torch
from torch import nn

from ensemble.errors import BadInput, KofnError, nearest, reason_of
from ensemble.models import Model, NetworkSpec, from_timm, from_torchvision
from ensemble.models.network import Network, check, features_of
from ensemble.study.image_spec import FIXED

_HUBS: Mapping[str, ModuleType] = {"torchvision": from_torchvision, "timm": from_timm}


def build(model: Model, spec: NetworkSpec) -> Network:
    """Build a base of a hub with a linear head, started as the library and torch start them."""
    check(model, spec, "dropout")
    hub, _, arch = model.base.partition("/")
    base = _HUBS[hub].base(arch, spec.image_shape)
    features = features_of(model, spec, base)
    return Network(base, nn.Sequential(nn.Dropout(spec.dropout), nn.Linear(features, spec.classes)))


def row(name: str) -> Model:
    """Return the row of a network of a hub: the input, normalisation and dropout it was made for.

    Raises `BadInput` with the nearest names of that hub where there is none.
    """
    hub, _, arch = name.partition("/")
    known = _HUBS[hub].names()
    if arch not in known and not _HUBS[hub].also_known(arch):
        raise BadInput(f"model={name!r}: {hub} has no classifier of that name; {nearest(arch, known)}.")
    made = _HUBS[hub].made_for(arch)
    settings = {"input_size": made.side, "normalise": _notation(made.mean, made.std), "dropout": made.dropout}
    return Model(
        name=name, paper=hub, module="ensemble.models.hub", layers=f"{arch} of {hub}, FC", base=name, input=made.side,
        recipe="hub", settings=settings,
    )  # fmt: skip


def hub_weights(model: Model, spec: NetworkSpec) -> Mapping[str, torch.Tensor]:
    """Return the ImageNet weights for the base of `model`, by name, fetched or taken from the library's cache.

    For torchvision the names and shapes are those of the file, its classifier among them; timm fits them to the image's
    size and channels. Raises `KofnError` where they cannot be had.
    """
    if not model.base:
        raise BadInput(f"{model.name}: no ImageNet weights are on a hub for it; start it from random, or from a file.")
    hub, _, arch = model.base.partition("/")
    try:
        return _HUBS[hub].weights(arch, spec.image_shape)
    except Exception as error:  # whatever the network, the hub or its client raises
        reason = reason_of(error)
        raise KofnError(
            f"{model.base}: its ImageNet weights could not be fetched ({reason}); fetch them where there is a network "
            "and give the file with weights=FILE, or start from random with weights='random'."
        ) from error


def _notation(mean: tuple[float, ...], std: tuple[float, ...]) -> str:
    """Write a normalisation as `ensemble.study.image_spec` reads it, by its short name where it has one."""
    for name, known in FIXED.items():
        times = len(mean) // len(known.mean)
        if not known.bgr and (known.mean * times, known.std * times) == (mean, std):
            return name
    return "/".join(",".join(f"{value:.8g}" for value in values) for values in (mean, std))
