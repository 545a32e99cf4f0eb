"""What Keras does where torch does otherwise: the papers' networks were written in it."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import nn
from torch.nn import functional as F

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(0.1, inplace=True),
    "tanh": nn.Tanh,
    "elu": lambda: nn.ELU(inplace=True),
    "gelu": nn.GELU,
    "silu": lambda: nn.SiLU(inplace=True),
}


def activation(text: str) -> Callable[[], nn.Module]:
    """Return a maker of the activation that a recipe names: one of `ACTIVATIONS`, or leaky_relu:SLOPE."""
    name, colon, slope = text.partition(":")
    return (lambda: nn.LeakyReLU(float(slope), inplace=True)) if colon else ACTIVATIONS[name]


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


def l2(layer: M, scale: float) -> M:
    """Say how many times the recipe's l2 a kernel gets (`kernel_regularizer` of that layer); return the layer."""
    layer.l2_scale = scale  # ty: ignore[invalid-assignment]
    return layer


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Keras' BatchNormalization of images: eps 1e-3, and a momentum of .99, which torch counts from the other side."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def batch_norm_1d(units: int) -> nn.BatchNorm1d:
    """Keras' BatchNormalization of a dense layer's outputs."""
    return nn.BatchNorm1d(units, eps=1e-3, momentum=0.01)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return how much Keras' `same` pads before and after `size` pixels: where it is odd, the more after.

    ceil(size / stride) windows come out. A kernel of 2 at stride 1, or of 3 at stride 2 on an even size, pads the end.
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _padded(images: torch.Tensor, kernel: tuple[int, int], stride: tuple[int, int], value: float) -> torch.Tensor:
    (top, bottom), (left, right) = map(same_padding, images.shape[-2:], kernel, stride)
    return F.pad(images, (left, right, top, bottom), value=value) if top + bottom + left + right else images


class SameConv2d(nn.Conv2d):
    """Conv2D with padding="same", as Keras pads, for any kernel and stride."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 (torch's name)
        """Float (B, in, H, W) to (B, out, ceil(H / stride), ceil(W / stride))."""
        (kh, kw), (sh, sw) = self.kernel_size, self.stride
        return super().forward(_padded(input, (kh, kw), (sh, sw), 0.0))


class SameMaxPool2d(nn.Module):
    """MaxPooling2D with padding="same": what is padded is never the largest."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Float (B, Ch, H, W) to (B, Ch, ceil(H / stride), ceil(W / stride))."""
        sides = (self.kernel, self.kernel), (self.stride, self.stride)
        return F.max_pool2d(_padded(images, *sides, float("-inf")), self.kernel, self.stride)

    def extra_repr(self) -> str:
        """Return what `print` shows between the brackets."""
        return f"kernel={self.kernel}, stride={self.stride}"


def convolution_biases(base: nn.Module) -> int:
    """Return how many numbers Keras' form of `base` has more than torch's: a bias for each filter that has none here.

    Keras' ResNets give every convolution a bias, though batch norm follows it; torchvision's give it none.
    """
    return sum(m.out_channels for m in base.modules() if isinstance(m, nn.Conv2d) and m.bias is None)
