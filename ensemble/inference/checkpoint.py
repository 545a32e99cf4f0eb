"""A network's weights and its checkpoint: what is in these files, and nothing of it ever unpickled."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from ensemble.errors import BadInput
from ensemble.inference.inputs import Inputs, inputs_of
from ensemble.models.network import Network
from ensemble.study.recipe import Recipe
from ensemble.study.seals import REDO
from ensemble.study.weights import check_like, load_tensors, save_tensors


@dataclass(frozen=True)
class State:
    """What is known after some epochs. average: of the weights, where the recipe has `ema`.

    kept: the weights that shall predict, where they are not the last ones.
    """

    network: Network
    inputs: Inputs
    average: AveragedModel | None = None
    optimiser: torch.optim.Optimizer | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    kept: Mapping[str, torch.Tensor] = field(default_factory=dict)

    def save_weights(self, path: Path) -> None:
        """Write the weights that predict."""
        network = self.network if self.average is None else self.average.module
        save_tensors(path, "kofn.weights", self._named(network), self.facts)

    def save_checkpoint(self, path: Path) -> None:
        """Write all that a training goes on from: weights, their average, the optimiser's memory."""
        assert self.optimiser is not None
        tensors = self._named(self.network)
        tensors |= {f"state.{name}": t for name, t in state_tensors(self.optimiser, self.network).items()}
        if self.average is not None:
            tensors |= {f"ema.{name}": t for name, t in self.average.state_dict().items()}
        tensors |= {f"kept.{name}": t for name, t in self.kept.items()}
        save_tensors(path, "kofn.checkpoint", tensors, self.facts)

    def _named(self, network: torch.nn.Module) -> dict[str, torch.Tensor]:
        tensors = {f"network.{name}": t for name, t in network.state_dict().items()}
        return tensors | {"input.mean": self.inputs.mean, "input.std": self.inputs.std}


def load_weights(path: Path, network: Network, recipe: Recipe, device: torch.device) -> tuple[Inputs, int]:
    """Fill `network` from a file of weights; return its inputs, on the device, and the epochs behind it."""
    parts, epochs = _parts(path, "kofn.weights", recipe)
    _fill(network, parts["network"], path)
    return inputs_of(parts["input"], recipe.normalise, recipe.input_size).to(device), epochs


def load_checkpoint(
    path: Path,
    network: Network,
    recipe: Recipe,
    optimiser: torch.optim.Optimizer,
    average: AveragedModel | None,
    device: torch.device,
) -> tuple[Inputs, int, dict[str, torch.Tensor]]:
    """Fill network, optimiser and average from a checkpoint; return as `load_weights` does, and the weights kept."""
    parts, epochs = _parts(path, "kofn.checkpoint", recipe)
    _fill(network, parts["network"], path)
    if average is not None:
        _fill(average, parts["ema"], path)
    try:
        restore_state(optimiser, network, parts["state"])
    except KeyError as error:
        raise BadInput(f"{path}: remembers updates of {error}, which this network lacks; {REDO}.") from error
    return inputs_of(parts["input"], recipe.normalise, recipe.input_size).to(device), epochs, parts["kept"]


def _fill(module: torch.nn.Module, tensors: dict[str, torch.Tensor], path: Path) -> None:
    check_like(tensors, module.state_dict(), path)
    module.load_state_dict(tensors)


def _parts(path: Path, kind: str, recipe: Recipe) -> tuple[dict[str, dict[str, torch.Tensor]], int]:
    tensors, facts = load_tensors(path, kind)
    made_by = Recipe.from_dict(facts["recipe"], str(path))
    if kind == "kofn.checkpoint" and made_by.epochs < recipe.epochs:  # it goes on to more of them
        made_by = replace(made_by, epochs=recipe.epochs)
    if made_by != recipe:
        raise BadInput(f"{path}: was made by another recipe than {path.parent}/recipe.toml; delete one of them.")
    parts: dict[str, dict[str, torch.Tensor]] = {"network": {}, "input": {}, "state": {}, "ema": {}, "kept": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        if part not in parts:
            raise BadInput(f"{path}: holds {name!r}, which this version does not know; {REDO}.")
        parts[part][rest] = tensor
    if not {"mean", "std"} <= set(parts["input"]):
        raise BadInput(f"{path}: lacks input.mean or input.std, how images are normalised; {REDO}.")
    return parts, facts["epochs"]


def state_tensors(optimiser: torch.optim.Optimizer, network: nn.Module) -> dict[str, torch.Tensor]:
    """Return all an optimiser remembers between updates, as "KEY.PARAMETER"; no schedule and no rate is part of it."""
    return {
        f"{key}.{name}": value
        for name, parameter in network.named_parameters()
        for key, value in optimiser.state.get(parameter, {}).items()
        if isinstance(value, torch.Tensor)
    }


def restore_state(optimiser: torch.optim.Optimizer, network: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Give an optimiser back what `state_tensors` took from one of the same recipe."""
    parameters = dict(network.named_parameters())
    for full, value in tensors.items():
        key, _, name = full.partition(".")
        parameter = parameters[name]
        if value.dim():  # counts of updates stay on the CPU, where torch makes them
            value = value.to(parameter.device).to(memory_format=memory_format_of(parameter))
        optimiser.state[parameter][key] = value


def memory_format_of(tensor: torch.Tensor) -> torch.memory_format:
    """Return how our networks lay a tensor of that rank out."""
    return torch.channels_last if tensor.dim() == 4 else torch.contiguous_format
