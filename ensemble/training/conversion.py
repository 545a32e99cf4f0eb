"""Weights under another library's names, given the names of a network here; docs/transfer.md shows it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import torch

from ensemble.errors import BadInput, nearest
from ensemble.models import NetworkSpec, build_network, model_named
from ensemble.study.weights import keeps_order, read_tensors, write_plain_tensors

Tensors = Mapping[str, torch.Tensor]
# Batch norm's, which nobody reads: momentum is fixed.
_COUNTERS = "num_batches_tracked"


def convert_weights(
    weights: str | Path,
    model: str,
    out: str | Path,
    names: Literal["order"] | Mapping[str, str] | Callable[[str], str | None] = "order",
) -> dict[str, str]:
    """Write the weights of a file under the names of a network here, for `weights=OUT`; return theirs -> ours.

    weights: safetensors, or what `torch.save` wrote. model: a name of `ens-train --list-models`, `torchvision/NAME` or
    `timm/NAME`. out: the file to write, safetensors; one that is there is replaced. names: "order" takes the file's
    tensors one after another for those of the network's base, each of which must have the same shape (a file of
    `torch.save` alone: safetensors keeps no order); or a mapping from the file's names to those of the base; or a
    function from one to the other, None for what is left out.

    Shapes alone are checked: whether the tensors mean the same, only an accuracy tells. Raises `BadInput` where the
    file cannot be read, two tensors differ in shape, or a name is not there, with the nearest.
    """
    path = Path(weights)
    theirs, ours = learnt(read_tensors(path)[0]), _base_of(model)
    where = f"{path}: does not fit the base of {model}"
    if names == "order":
        if not keeps_order(path):
            raise BadInput(f"{path}: safetensors keeps no order of tensors; give names={{theirs: ours}} or a function.")
        odd = first_odd(theirs, ours)
        if odd:
            raise BadInput(f"{where} in order, {odd}; give names={{theirs: ours}} or a function, or another model.")
        pairs = dict(zip(theirs, ours, strict=False))
    else:
        asked = names.items() if isinstance(names, Mapping) else ((name, names(name)) for name in theirs)
        pairs = {name: place for name, place in asked if place is not None}
    for name, place in pairs.items():
        if name not in theirs:
            raise BadInput(f"{path}: has no tensor {name!r}; {nearest(name, theirs)}.")
        if place not in ours:
            raise BadInput(f"{where}: it has no tensor {place!r}, for {name}; {nearest(place, ours)}.")
        if theirs[name].shape != ours[place].shape:
            raise BadInput(f"{where}: {place} is {shape_of(ours[place])}, {name} is {shape_of(theirs[name])}.")
    twice = [place for place in pairs.values() if list(pairs.values()).count(place) > 1]
    if twice:
        raise BadInput(f"names: {twice[0]!r} is given to two tensors; expected one each.")
    if not pairs:
        raise BadInput(f"{where}: names gives none of its tensors a place; the base's begin {', '.join([*ours][:3])}.")
    write_plain_tensors(Path(out), {place: theirs[name] for name, place in pairs.items()})
    return pairs


def learnt(tensors: Tensors) -> dict[str, torch.Tensor]:
    """Return what training decides of named tensors: floating-point ones without batch norm's counters."""
    return {name: t for name, t in tensors.items() if t.is_floating_point() and not name.endswith(_COUNTERS)}


def first_odd(theirs: Tensors, ours: Tensors) -> str:
    """Say where the first of their tensors, one after another, are not of our shapes; empty where all are."""
    if len(theirs) < len(ours):
        return f"it has {len(theirs)} tensors and the base {len(ours)}"
    for number, ((name, tensor), (place, own)) in enumerate(zip(theirs.items(), ours.items(), strict=False), 1):
        if tensor.shape != own.shape:
            return f"tensor {number} is {name}, {shape_of(tensor)}, and the base's {place}, {shape_of(own)}"
    return ""


def shape_of(tensor: torch.Tensor) -> str:
    """Write a shape as 16x3x5x5."""
    return "x".join(map(str, tensor.shape)) or "a number"


def _base_of(model: str) -> dict[str, torch.Tensor]:
    """Return the tensors of a network's base by name, in its own order; their values are those of a random start."""
    row = model_named(model)
    state = torch.get_rng_state()
    try:
        network = build_network(model, NetworkSpec((row.input, row.input, row.channels), row.classes))
    finally:
        torch.set_rng_state(state)
    return learnt(network.base.state_dict())
