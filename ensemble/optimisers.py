"""The optimiser of a recipe, its L2 penalty, and what a checkpoint keeps of it."""

from collections.abc import Mapping

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ensemble.recipe import Recipe

ADAMS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "radam": torch.optim.RAdam,
    "nadam": torch.optim.NAdam,
}
# Of all of these; the first beta is the recipe's momentum.
SECOND_BETA = 0.999

Kernels = list[tuple[torch.Tensor, float]]


def make_optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return torch's own optimiser over all parameters of `network`, those of one weight decay in a group.

    Keras adds lam * sum(W^2) over kernels to the loss; its gradient is 2 lam W, and coupled weight decay adds wd W. So
    a kernel's decay is weight_decay + 2 l2 `l2_scale`, that of everything else weight_decay. AdamW's is no gradient,
    and its recipes have no l2.
    """
    scales = dict(kernels_of(network))
    groups: dict[float, list[torch.Tensor]] = {}
    # Kernels first: the order of groups is no matter to the result.
    for parameter in (*scales, *(p for p in network.parameters() if p not in scales)):
        decay = recipe.weight_decay + 2 * recipe.l2 * scales.get(parameter, 0.0)
        groups.setdefault(decay, []).append(parameter)
    given = [{"params": parameters, "weight_decay": decay} for decay, parameters in groups.items()]
    rate, momentum, epsilon = recipe.learning_rate, recipe.momentum, recipe.epsilon
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(given, rate, momentum, nesterov=recipe.nesterov and momentum > 0)
    if recipe.optimiser == "rmsprop":
        return torch.optim.RMSprop(given, rate, eps=epsilon, momentum=momentum)
    return ADAMS[recipe.optimiser](given, lr=rate, betas=(momentum, SECOND_BETA), eps=epsilon)


def kernels_of(network: nn.Module) -> Kernels:
    """Return the kernels of convolutions and dense layers, each once, with their layer's `l2_scale`."""
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    return list({layer.weight: float(getattr(layer, "l2_scale", 1.0)) for layer in layers}.items())


@torch.no_grad()
def penalty(kernels: Kernels, l2: float) -> torch.Tensor:
    """Return lam * the sum of squares of all kernels, each times its scale: a float32 scalar."""
    scaled = [(kernel, scale) for kernel, scale in kernels if l2 * scale > 0]
    if not scaled:
        return torch.zeros((), device=kernels[0][0].device if kernels else None)
    return l2 * sum((w * w).sum() * scale for w, scale in scaled)  # ty: ignore[invalid-explicit-return]


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """Return the exponential moving average of a network's parameters and buffers, to be told of every update."""
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


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
