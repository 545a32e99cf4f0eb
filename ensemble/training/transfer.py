"""Start a network from weights learnt elsewhere, and tell what became of them; docs/transfer.md explains it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ensemble.errors import BadInput, nearest
from ensemble.models import NetworkSpec, model_named
from ensemble.models.network import Network
from ensemble.study.atomic import file_sha256
from ensemble.study.recipe import Recipe
from ensemble.study.weights import keeps_order, read_tensors
from ensemble.training.conversion import first_odd, learnt, shape_of


@dataclass(frozen=True)
class TransferReport:
    """What became of the weights a network was started from. Counts are of tensors: parameters and statistics.

    source: "random", "hub" or the file; comparable: False at random where the model's paper starts from weights.
    loaded: the network's names; skipped: their names, and why; fresh: the network's names that stayed random.
    adapted: those loaded whose input channels were summed or repeated, for grey or for colour images.
    """

    source: str
    comparable: bool
    loaded: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    fresh: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it in a sentence or two."""
        if self.source == "random":
            return "started from random weights" + ("" if self.comparable else ", not comparable with the paper")
        text = f"started from {self.source}: {len(self.loaded)} tensors loaded"
        if self.adapted:
            text += f" ({self.adapted[0]} made to fit the images' channels)"
        for count, names, what in (
            (len(self.skipped), [f"{name} {why}" for name, why in self.skipped], "skipped"),
            (len(self.fresh), list(self.fresh), "newly initialised"),
        ):
            text += f", {count} {what}" + (f" ({names[0]}{', ...' if count > 1 else ''})" if count else "")
        return text

    def as_dict(self) -> dict[str, Any]:
        """Return `start` of network.json: counts, the sentence, and the names of what was not simply loaded."""
        told = {} if self.source == "random" else {"skipped_why": dict(self.skipped), "fresh_names": list(self.fresh)}
        return {
            "from": self.source,
            "comparable": self.comparable,
            "loaded": len(self.loaded),
            "skipped": len(self.skipped),
            "fresh": len(self.fresh),
            "says": str(self),
            **told,
        }


def start_from(network: Network, recipe: Recipe, spec: NetworkSpec, class_ids: Sequence[str]) -> TransferReport:
    """Fill `network`, built from `spec`, with the weights its recipe asks for; say what became of them.

    A tensor is loaded where the name and the shape are the network's; theirs may stand under other prefixes, as those
    of torchvision's and timm's files do, which fill the base. The layer that tells the classes is loaded only from a
    member of ours with the same classes in the same order.

    Raises `BadInput` where the model's paper starts from weights and the recipe does not say which, where the file is
    damaged, holds code, changed since the member was begun, or fits less than half of the base; `KofnError` where the
    hub cannot be reached.
    """
    model = model_named(recipe.model)
    ours = learnt(network.state_dict())
    if recipe.weights in ("", "random"):
        if model.pretrained and not recipe.weights:
            raise BadInput(
                f"{recipe.model}: starts from ImageNet weights; give weights='hub' (from the network), weights=FILE, "
                "or weights='random' for a random start, which is no longer comparable with the paper."
            )
        return TransferReport("random", comparable=not model.pretrained, fresh=tuple(ours))
    facts: Mapping[str, Any] = {}
    if recipe.weights == "hub":
        from ensemble.models.hub import hub_weights

        theirs, where = dict(hub_weights(model, spec)), model.base
    else:
        path = Path(recipe.weights)
        theirs, facts = read_tensors(path)
        where = str(path)
        if recipe.weights_sha256 and recipe.weights_sha256 != file_sha256(path):
            raise BadInput(f"{path}: changed since the member was begun; restore the file, or begin another member.")
    theirs = learnt(theirs)
    if facts:  # a member of ours: mean, deviation and momentum lie beside its network
        theirs = {name: t for name, t in theirs.items() if name.startswith("network.")}
    last = _last_layer(network)
    same_classes = facts.get("class_ids") == list(class_ids)
    loaded, skipped, adapted = {}, [], []
    for name, (place, tensor) in placed(theirs, ours).items():
        if place is None:
            skipped.append((name, "has no place in this network"))
        elif place.rpartition(".")[0] == last and not same_classes:
            skipped.append((name, "tells other classes"))
        elif tensor.shape == ours[place].shape:
            loaded[place] = tensor
        elif (fitting := _for_channels(tensor, ours[place].shape)) is not None:
            loaded[place] = fitting
            adapted.append(place)
        else:
            skipped.append((name, f"is {shape_of(tensor)}, not {shape_of(ours[place])}"))
    _check_base(loaded, theirs, ours, where, recipe.model)
    network.load_state_dict(loaded, strict=False)
    return TransferReport(
        source="hub" if recipe.weights == "hub" else where,
        comparable=True,
        loaded=tuple(loaded),
        skipped=tuple(skipped),
        fresh=tuple(name for name in ours if name not in loaded),
        adapted=tuple(adapted),
    )


def placed(
    theirs: Mapping[str, torch.Tensor], ours: Mapping[str, torch.Tensor]
) -> dict[str, tuple[str | None, torch.Tensor]]:
    """Find the place in `ours` of each of their tensors: their name -> (our name or None, tensor).

    One change of prefix serves all of a file: "network." off a member's, "base." before torchvision's. Of the possible
    ones that is taken by which most names and shapes agree.
    """
    off = {"", *(name.partition(".")[0] + "." for name in theirs)}
    on = {"", "base.", *(".".join(name.split(".")[:2]) + "." for name in ours)}

    def places(change: tuple[str, str]) -> dict[str, str]:
        before, after = change
        renamed = {name: after + name.removeprefix(before) for name in theirs if name.startswith(before)}
        return {name: place for name, place in renamed.items() if place in ours}

    def agreement(change: tuple[str, str]) -> tuple[int, int]:
        found = places(change)
        return sum(theirs[name].shape == ours[place].shape for name, place in found.items()), len(found)

    # Sorted, the least change first: of equals the first is taken.
    best = places(max(sorted(product(off, on), key=lambda change: (len("".join(change)), change)), key=agreement))
    return {name: (best.get(name), tensor) for name, tensor in theirs.items()}


def _for_channels(tensor: torch.Tensor, shape: torch.Size) -> torch.Tensor | None:
    """Return kernels made for 3 input channels as for 1, or the other way round; None where they are something else.

    Grey is the sum over colours: what the kernels answer to a grey picture in three equal channels. Colour is a third
    of the grey kernel for each channel, so that a grey picture in three channels gets the same answer.
    """
    if tensor.dim() != 4 or {tensor.shape[1], shape[1] if len(shape) == 4 else 0} != {1, 3}:
        return None
    fitting = tensor.sum(1, keepdim=True) if tensor.shape[1] == 3 else tensor.repeat(1, 3, 1, 1) / 3
    return fitting if fitting.shape == shape else None


def _last_layer(network: Network) -> str:
    """Return the name of the layer that tells the classes: the last one with a kernel."""
    return [name for name, module in network.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]


def _check_base(
    loaded: Mapping[str, Any],
    theirs: Mapping[str, torch.Tensor],
    ours: Mapping[str, torch.Tensor],
    where: str,
    model: str,
) -> None:
    base = [name for name in ours if name.startswith("base.")]
    missing = [name for name in base if name not in loaded]
    if 2 * len(missing) <= len(base):
        return
    first = missing[0]
    same = (
        Path(where).is_file()
        and keeps_order(Path(where))
        and not first_odd(theirs, {name: ours[name] for name in base})
    )
    advice = (
        f"all {len(base)} have the same shapes in the same order, so they may be this network's under other names, and "
        f"convert_weights({where!r}, {model!r}, OUT) writes them under ours" if same
        else "give weights of the same network, or say with convert_weights(...) which tensor is which"
    )  # fmt: skip
    raise BadInput(
        f"{where}: does not fit {model}, {len(base) - len(missing)} of its base's {len(base)} tensors agree in "
        f"name and shape, at least half must; the first that differs is {first.removeprefix('base.')}, expected "
        f"{shape_of(ours[first])}, found {_found(first, theirs)}; {advice} (docs/transfer.md)."
    )


def _found(name: str, theirs: Mapping[str, torch.Tensor]) -> str:
    """Say what a file has in the place of our tensor `name`: the shape under that name, or the names most like it."""
    bare = name.removeprefix("base.")
    for other in (name, bare, f"network.{name}"):
        if other in theirs:
            return shape_of(theirs[other])
    return f"no such tensor ({nearest(bare, theirs)})"


def freeze(network: Network) -> None:
    """Keep the base as it is: no gradients, and its batch norm and dropout as when predicting.

    `network.train()` puts the base into its mode for training, so this is called after it.
    """
    network.base.requires_grad_(False).eval()


def unfreeze(network: Network) -> None:
    """Let the base learn again."""
    network.base.requires_grad_(True).train(network.training)
