"""De's three networks ("Transfer Learning Techniques on Tiny-ImageNet"): ImageNet's features, and a head of one's own.

Base: VGG16, ResNet50 or Xception without its classifier, then global average pooling. Head "a": dropout, D200. Head
"b", of the last Xception: D512 ReLU, dropout, D256 ReLU, dropout, D200 (the sizes are our reading). The paper's text
gives head b the rates 65 and 25 %, its table 60 and 25; so the recipe's dropout is the first rate, and the second is
.25, or the first where that is lower.
"""

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from ensemble.models import Model, NetworkSpec, from_timm, from_torchvision
from ensemble.models.keras import glorot
from ensemble.models.network import Network, check, features_of

SECOND_RATE = 0.25


def build(model: Model, spec: NetworkSpec) -> Network:
    """Build the network of that name; Keras' start is for what no ImageNet weights fill."""
    check(model, spec, "dropout", heads=("a", "b"))
    base = _BASES[model.name](spec.image_shape)
    features = features_of(model, spec, base)
    head = _head_b if spec.head == "b" else _head_a
    return glorot(Network(base, head(features, spec)))


def _head_a(features: int, spec: NetworkSpec) -> nn.Module:
    return nn.Sequential(nn.Dropout(spec.dropout), nn.Linear(features, spec.classes))


def _head_b(features: int, spec: NetworkSpec) -> nn.Module:
    first, second = spec.dropout, min(spec.dropout, SECOND_RATE)
    return nn.Sequential(
        nn.Linear(features, 512), nn.ReLU(inplace=True), nn.Dropout(first),
        nn.Linear(512, 256), nn.ReLU(inplace=True), nn.Dropout(second),
        nn.Linear(256, spec.classes),
    )  # fmt: skip


def _vgg16(image_shape: tuple[int, int, int]) -> nn.Module:
    """Return torchvision's VGG16 under its own names without the dense layers, nine tenths of its weights."""
    from torchvision.models.vgg import cfgs, make_layers

    layers = make_layers(cfgs["D"], batch_norm=False)
    base = nn.Sequential(OrderedDict(features=layers, pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten()))
    return from_torchvision.with_channels(base, image_shape[2])


_BASES: dict[str, Callable[[tuple[int, int, int]], nn.Module]] = {
    "de-vgg16": _vgg16,
    "de-resnet50": lambda image_shape: from_torchvision.base("resnet50", image_shape),
    # timm's port of Keras' Xception, weights and all.
    "de-xception": lambda image_shape: from_timm.base("legacy_xception", image_shape),
}
