"""Bastidas' two networks (poster "Tiny ImageNet Challenge Image Classification Benchmarking"), read as Keras' [A].

Every convolution pads as Keras' `same` does, has a bias, and is followed by batch norm and ReLU; the recipe's l2 is
for convolutions alone, so the last dense layer is left out of it. The scan of the VGG-like table reads "?2" for the
last convolution's filters, taken for 32. The second network's inception modules are Figs. 5 and 6 (n = 2) of Szegedy
et al., "Rethinking the Inception Architecture for Computer Vision"; the poster tells no widths, so they are
InceptionV3's times w [A]: .5 for `bastidas-inception`, 1 for `bastidas-inception-w1`. The stem keeps its own.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from ensemble.models import Model, NetworkSpec
from ensemble.models.keras import SameConv2d, SameMaxPool2d, activation, batch_norm, glorot, l2
from ensemble.models.network import Network, check, features_of

Act = Callable[[], nn.Module]
Size = tuple[int, int]


def build(model: Model, spec: NetworkSpec) -> Network:
    """Build the network of that name, with Keras' start."""
    return glorot(_BUILDERS[model.name](model, spec))


def _conv(inputs: int, filters: int, kernel: Size, stride: int, act: Act) -> list[nn.Module]:
    """Convolution, batch norm, activation."""
    return [SameConv2d(inputs, filters, kernel, stride), batch_norm(filters), act()]


# A convolution's filters, kernel (height, width) and stride, or the stride of a pool 2x2.
_VGG: tuple[tuple[int, Size, int] | int, ...] = (
    (32, (2, 2), 2), (32, (1, 2), 1), (32, (2, 1), 1), (32, (1, 2), 1), (32, (2, 1), 1), (32, (1, 2), 1),
    2, (64, (2, 2), 1), (64, (2, 2), 1),
    1, (32, (3, 3), 1),
    1,
)  # fmt: skip


def _vgg(model: Model, spec: NetworkSpec) -> Network:
    check(model, spec, "activation")
    act, channels = activation(spec.activation), spec.image_shape[2]
    layers: list[nn.Module] = []
    for row in _VGG:
        if isinstance(row, int):
            layers.append(SameMaxPool2d(2, row))
        else:
            layers += _conv(channels, *row, act)
            channels = row[0]
    base = nn.Sequential(*layers, nn.Flatten())
    return Network(base, l2(nn.Linear(features_of(model, spec, base), spec.classes), 0))


class Inception(nn.Module):
    """Branches side by side, their channels joined. Each is a list of (filters, kernel); `pooled` begins with a pool.

    The pool is the average 3x3 of stride 1, which as in Keras counts only pixels that are there.
    """

    def __init__(self, channels: int, branches: list[list[tuple[int, Size]]], pooled: int, act: Act) -> None:
        super().__init__()
        made = [self._branch(channels, steps, act) for steps in branches]
        pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        made.append(nn.Sequential(pool, *_conv(channels, pooled, (1, 1), 1, act)))
        self.branches = nn.ModuleList(made)
        self.channels = sum(steps[-1][0] for steps in branches) + pooled

    @staticmethod
    def _branch(channels: int, steps: list[tuple[int, Size]], act: Act) -> nn.Sequential:
        layers: list[nn.Module] = []
        for filters, kernel in steps:
            layers += _conv(channels, filters, kernel, 1, act)
            channels = filters
        return nn.Sequential(*layers)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Float (B, channels, H, W) to (B, self.channels, H, W)."""
        return torch.cat([branch(images) for branch in self.branches], 1)


def figure_5(channels: int, pooled: int, w: float, act: Act) -> Inception:
    """1x1; 1x1, 3x3; 1x1, 3x3, 3x3; pool, 1x1: the module of the 35x35 grid, its 5x5 made of two 3x3."""
    one, narrow, two, three = (int(c * w) for c in (64, 48, 64, 96))
    branches = [[(one, (1, 1))], [(narrow, (1, 1)), (two, (3, 3))], [(one, (1, 1)), (three, (3, 3)), (three, (3, 3))]]
    return Inception(channels, branches, int(pooled * w), act)


def figure_6(channels: int, inner: int, w: float, act: Act) -> Inception:
    """1x1; 1x1, 1xn, nx1; 1x1, nx1, 1xn, nx1, 1xn; pool, 1x1: the module of the 17x17 grid, with n = 2."""
    out, c = int(192 * w), int(inner * w)
    across, down, point = (1, 2), (2, 1), (1, 1)
    branches = [
        [(out, point)],
        [(c, point), (c, across), (out, down)],
        [(c, point), (c, down), (c, across), (c, down), (out, across)],
    ]
    return Inception(channels, branches, out, act)


def _inception(model: Model, spec: NetworkSpec, *, w: float) -> Network:
    check(model, spec, "activation")
    act = activation(spec.activation)
    layers: list[nn.Module] = [
        *_conv(spec.image_shape[2], 32, (2, 2), 2, act), *_conv(32, 32, (2, 2), 1, act),
        *_conv(32, 64, (2, 2), 1, act), SameMaxPool2d(2, 2), *_conv(64, 80, (2, 2), 2, act),
    ]  # fmt: skip
    channels = 80
    # The first two modules of InceptionV3's 35x35 grid and the first three of its 17x17 grid.
    for make, width in ((figure_5, 32), (figure_5, 64), (figure_6, 128), (figure_6, 160), (figure_6, 160)):
        module = make(channels, width, w, act)
        layers.append(module)
        channels = module.channels
    base = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Network(base, l2(nn.Linear(features_of(model, spec, base), spec.classes), 0))


_BUILDERS: dict[str, Callable[[Model, NetworkSpec], Network]] = {
    "bastidas-vgg": _vgg,
    "bastidas-inception": partial(_inception, w=0.5),
    "bastidas-inception-w1": partial(_inception, w=1.0),
}
