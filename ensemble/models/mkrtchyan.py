"""Mkrtchyan's seven networks ("Convolutional Neural Networks on Tiny ImageNet"), in torch, with torch's own start.

The baseline and M4 are Ting's layers; AlexNet, ResNet18, ResNet34 and DenseNet161 are torchvision's, made for 224
pixels (7x7 stem of stride 2 and a max pool) and given 64 [A: no change to the stem is told]. AlexNet keeps its 1000
outputs and gets "one more fully connected layer to transform the output from 1000 to 200". ResNet34 comes once more
with blocks of full pre-activation, which the paper takes from Lei Sun (its Picture 3).
"""

from collections.abc import Callable

import torch
from torch import nn

from ensemble.models import Model, NetworkSpec, from_torchvision, ting
from ensemble.models.keras import activation
from ensemble.models.network import Network, check, features_of


def build(model: Model, spec: NetworkSpec) -> Network:
    """Build the network of that name."""
    return _BUILDERS[model.name](model, spec)


def _alexnet(model: Model, spec: NetworkSpec) -> Network:
    """torchvision's AlexNet as it is, and 1000 -> 200; no activation between is told [A: none]."""
    check(model, spec, "dropout")
    base = from_torchvision.network("alexnet", spec.image_shape, dropout=spec.dropout)
    return Network(base, nn.Linear(features_of(model, spec, base), spec.classes))


def _standard(model: Model, spec: NetworkSpec) -> Network:
    """ResNet18, ResNet34 or DenseNet161 of torchvision, with 200 outputs."""
    check(model, spec)
    base = from_torchvision.base(model.base.removeprefix("torchvision/"), spec.image_shape)
    return Network(base, nn.Linear(features_of(model, spec, base), spec.classes))


class PreActivation(nn.Module):
    """A residual block of full pre-activation: BN, ReLU, 3x3, BN, ReLU, 3x3, and what came in added to it.

    Where stride or channels change, the identity is a 1x1 convolution of the pre-activated input.
    """

    def __init__(self, channels: int, filters: int, stride: int, act: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.bn1, self.act1 = nn.BatchNorm2d(channels), act()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride=stride, padding=1, bias=False)
        self.bn2, self.act2 = nn.BatchNorm2d(filters), act()
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        changes = stride != 1 or channels != filters
        self.projection = nn.Conv2d(channels, filters, 1, stride=stride, bias=False) if changes else None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Float (B, channels, H, W) to (B, filters, H / stride, W / stride)."""
        activated = self.act1(self.bn1(images))
        identity = images if self.projection is None else self.projection(activated)
        return self.conv2(self.act2(self.bn2(self.conv1(activated)))) + identity


def _preactivated_resnet34(model: Model, spec: NetworkSpec) -> Network:
    """Stem 7x7/s2 and pool 3x3/s2, blocks 3 4 6 3 of 64 128 256 512 filters, BN, ReLU, GAP, FC.

    Without batch norm after the stem and on the projections it has the count that the paper's description leads to.
    """
    check(model, spec, "activation")
    act, filters = activation(spec.activation), 64
    layers: list[nn.Module] = [
        nn.Conv2d(spec.image_shape[2], filters, 7, stride=2, padding=3, bias=False),
        nn.MaxPool2d(3, stride=2, padding=1),
    ]
    for stage, (blocks, wider) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512))):
        for block in range(blocks):
            layers.append(PreActivation(filters, wider, 2 if stage and not block else 1, act))
            filters = wider
    base = nn.Sequential(*layers, nn.BatchNorm2d(filters), act(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    # As torchvision starts its ResNets, so that the two kinds of block differ in nothing else.
    for layer in base.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return Network(base, nn.Linear(features_of(model, spec, base), spec.classes))


_BUILDERS: dict[str, Callable[[Model, NetworkSpec], Network]] = {
    "mkrtchyan-baseline": ting.layers_of,
    "mkrtchyan-m4": ting.layers_of,
    "mkrtchyan-alexnet": _alexnet,
    "mkrtchyan-resnet18": _standard,
    "mkrtchyan-resnet34": _standard,
    "mkrtchyan-resnet34-preact": _preactivated_resnet34,
    "mkrtchyan-densenet161": _standard,
}
