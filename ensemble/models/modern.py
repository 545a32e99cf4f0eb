"""Past the papers: networks made for 64 pixels, not 224."""

from collections.abc import Callable

from torch import nn

from ensemble.models import Model, NetworkSpec, from_torchvision
from ensemble.models.network import Network, check, features_of


def build(model: Model, spec: NetworkSpec) -> Network:
    """Build the network of that name."""
    check(model, spec, "dropout")
    base = _BASES[model.name](spec)
    features = features_of(model, spec, base)
    return Network(base, nn.Sequential(nn.Dropout(spec.dropout), nn.Linear(features, spec.classes)))


def _resnet18(spec: NetworkSpec) -> nn.Module:
    """torchvision's ResNet18 with a stem of 3x3 and stride 1 and no max pool: its last grid is 8x8, not 2x2."""
    base = from_torchvision.base("resnet18", spec.image_shape)
    base.conv1, base.maxpool = _started(nn.Conv2d(spec.image_shape[2], 64, 3, padding=1, bias=False)), nn.Identity()
    return base


def _small(spec: NetworkSpec) -> nn.Module:
    """Return a stem of 3x3, stride 2 and 32 filters, then basic blocks: one of 32, two of 128, two of 256 filters, GAP.

    64 pixels become grids of 32, 16 and 8. The work is where a CPU is fastest: few filters on the large grid, where
    batch norm and ReLU cost more than the convolution, and none on grids below 8, where gradients of many weights do.
    """
    from torchvision.models.resnet import BasicBlock, conv1x1

    filters = 32
    layers: list[nn.Module] = [
        nn.Conv2d(spec.image_shape[2], filters, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()
    ]  # fmt: skip
    for stride, wider in ((1, 32), (2, 128), (1, 128), (2, 256), (1, 256)):
        changes = stride > 1 or wider != filters
        shortcut = nn.Sequential(conv1x1(filters, wider, stride), nn.BatchNorm2d(wider)) if changes else None
        layers.append(BasicBlock(filters, wider, stride, shortcut))
        filters = wider
    base = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for layer in base.modules():
        if isinstance(layer, nn.Conv2d):
            _started(layer)
    return base


def _started(layer: nn.Conv2d) -> nn.Conv2d:
    """Give a convolution the first weights that torchvision gives its ResNets'."""
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


_BASES: dict[str, Callable[[NetworkSpec], nn.Module]] = {"resnet18-64": _resnet18, "resnet-small": _small}
