"""De's three networks ("Transfer Learning Techniques on Tiny-ImageNet"): ImageNet's features, and a head of one's own.

Base: VGG16, ResNet50 or Xception without its classifier, then global average pooling. Head "a": dropout, D200. Head
"b", of the last Xception: D512 ReLU, dropout, D256 ReLU, dropout, D200 (the sizes are our reading). The paper's text
gives head b the rates 65 and 25 %, its table 60 and 25; so the recipe's dropout is the first rate, and the second is
.25, or the first where that is lower.
"""

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from ensemble.zoo import Model, Wanted, from_timm, from_torchvision
from ensemble.zoo.keras import glorot
from ensemble.zoo.network import Network
from ensemble.zoo.refusal import check, features_of

SECOND_RATE = 0.25


def build(model: Model, wanted: Wanted) -> Network:
    """Build the network of that name; Keras' start is for what no ImageNet weights fill."""
    check(model, wanted, "dropout", heads=("a", "b"))
    base = _BASES[model.name](wanted.image_shape)
    features = features_of(model, wanted, base)
    head = _head_b if wanted.head == "b" else _head_a
    return glorot(Network(base, head(features, wanted)))


def _head_a(features: int, wanted: Wanted) -> nn.Module:
    return nn.Sequential(nn.Dropout(wanted.dropout), nn.Linear(features, wanted.classes))


def _head_b(features: int, wanted: Wanted) -> nn.Module:
    first, second = wanted.dropout, min(wanted.dropout, SECOND_RATE)
    return nn.Sequential(
        nn.Linear(features, 512), nn.ReLU(inplace=True), nn.Dropout(first),
        nn.Linear(512, 256), nn.ReLU(inplace=True), nn.Dropout(second),
        nn.Linear(256, wanted.classes),
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
