"""What Keras does where torch does otherwise: the papers' networks were written in it."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from torch import nn

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(0.1, inplace=True),
    "tanh": nn.Tanh,
    "elu": lambda: nn.ELU(inplace=True),
    "gelu": nn.GELU,
    "silu": lambda: nn.SiLU(inplace=True),
}


M = TypeVar("M", bound=nn.Module)


def glorot(network: M) -> M:
    """Give every convolution and dense layer Keras' start, from torch's current seed; return the network.

    Glorot uniform kernels, zero biases: with torch's own start several of six variants of these networks never train.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network
