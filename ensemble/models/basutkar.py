"""Basutkar's six models ("Tiny ImageNet Classification using Deep Learning", Figs. 1-4), and their layers' L2.

Models 1 to 4 are the paper's own, written in Keras; their summaries give every count, and the notebook that the paper
cites as its code gives the pools of model 3 and the L2 of each layer, which `l2_scale` states as a share of the
recipe's l2 (.01). Models 5 and 6 are ResNet50 and ResNet101 with the head that follows from the reported counts.
Flatten here reads channels first, Keras' channels last: the same network, one kernel's columns in another order.
"""

from collections.abc import Callable

from torch import nn

from ensemble.models import Model, NetworkSpec, from_torchvision
from ensemble.models.keras import SameMaxPool2d, activation, batch_norm, batch_norm_1d, glorot, l2
from ensemble.models.network import Network, check, features_of

Act = Callable[[], nn.Module]


def build(model: Model, spec: NetworkSpec) -> Network:
    """Build the model of that number, with Keras' start."""
    return glorot(_BUILDERS[model.name](model, spec))


def _model_1(model: Model, spec: NetworkSpec) -> Network:
    """C3-32, P, D1024, D200: one convolution."""
    check(model, spec, "activation")
    act, channels = activation(spec.activation), spec.image_shape[2]
    base = nn.Sequential(nn.Conv2d(channels, 32, 3), act(), nn.MaxPool2d(2), nn.Flatten())
    features = features_of(model, spec, base)
    return Network(base, nn.Sequential(nn.Linear(features, 1024), act(), nn.Linear(1024, spec.classes)))


def _model_2(model: Model, spec: NetworkSpec) -> Network:
    """C3-32, P, C3-64, P, D1024, D200; the second convolution alone has L2."""
    check(model, spec, "activation")
    act, channels = activation(spec.activation), spec.image_shape[2]
    base = nn.Sequential(
        l2(nn.Conv2d(channels, 32, 3), 0), act(), nn.MaxPool2d(2),
        l2(nn.Conv2d(32, 64, 3), 1), act(), nn.MaxPool2d(2),
        nn.Flatten(),
    )  # fmt: skip
    features = features_of(model, spec, base)
    head = nn.Sequential(l2(nn.Linear(features, 1024), 0), act(), l2(nn.Linear(1024, spec.classes), 0))
    return Network(base, head)


# Filters of a block's two convolutions, their L2, and whether the pool comes before the block's one ReLU.
_BLOCKS_3 = (
    (64, 64, 1.0, True),
    (128, 128, 1.0, True),
    (128, 128, 0.1, False),
    (128, 128, 0.1, False),
    (256, 512, 0.1, False),
)


def _model_3(model: Model, spec: NetworkSpec) -> Network:
    """Five blocks [C3 BN C3 BN] with one ReLU and a pool 3x3/s2 each, D4096 BN, D1024 BN, D200."""
    check(model, spec, "activation")
    act, channels = activation(spec.activation), spec.image_shape[2]
    layers: list[nn.Module] = []
    for first, second, scale, pool_first in _BLOCKS_3:
        layers += [
            l2(nn.Conv2d(channels, first, 3, padding=1), scale if layers else 0), batch_norm(first),
            l2(nn.Conv2d(first, second, 3, padding=1), scale), batch_norm(second),
        ]  # fmt: skip
        pool = SameMaxPool2d(3, 2)
        layers += [pool, act()] if pool_first else [act(), pool]
        channels = second
    base = nn.Sequential(*layers, nn.Flatten())
    head = nn.Sequential(
        l2(nn.Linear(features_of(model, spec, base), 4096), 0), batch_norm_1d(4096), act(),
        l2(nn.Linear(4096, 1024), 0), batch_norm_1d(1024), act(),
        l2(nn.Linear(1024, spec.classes), 0),
    )  # fmt: skip
    return Network(base, head)


def _model_4(model: Model, spec: NetworkSpec) -> Network:
    """C64 C64 P BN C128 P BN C256 C256 P D1024 Drop D512 Drop D200: "the reduced AlexNet"."""
    check(model, spec, "activation", "dropout")
    act, channels = activation(spec.activation), spec.image_shape[2]

    def conv(inputs: int, filters: int, scale: float = 1) -> list[nn.Module]:
        return [l2(nn.Conv2d(inputs, filters, 3, padding=1), scale), act()]

    base = nn.Sequential(
        *conv(channels, 64, scale=0), *conv(64, 64), nn.MaxPool2d(2), batch_norm(64),
        *conv(64, 128), nn.MaxPool2d(2), batch_norm(128),
        *conv(128, 256), *conv(256, 256), nn.MaxPool2d(2), nn.Flatten(),
    )  # fmt: skip
    head = nn.Sequential(
        l2(nn.Linear(features_of(model, spec, base), 1024), 0), act(), nn.Dropout(spec.dropout),
        l2(nn.Linear(1024, 512), 0), act(), nn.Dropout(spec.dropout),
        l2(nn.Linear(512, spec.classes), 0),
    )  # fmt: skip
    return Network(base, head)


def _resnet(model: Model, spec: NetworkSpec) -> Network:
    """ResNet50 or 101, GAP, D1024 ReLU, Drop, D200, all of it trained."""
    check(model, spec, "dropout")
    base = from_torchvision.base(model.base.removeprefix("torchvision/"), spec.image_shape)
    features = features_of(model, spec, base)
    head = nn.Sequential(
        nn.Linear(features, 1024), nn.ReLU(inplace=True), nn.Dropout(spec.dropout), nn.Linear(1024, spec.classes)
    )
    return Network(base, head)


_BUILDERS: dict[str, Callable[[Model, NetworkSpec], Network]] = {
    "basutkar-1": _model_1,
    "basutkar-2": _model_2,
    "basutkar-3": _model_3,
    "basutkar-4": _model_4,
    "basutkar-5": _resnet,
    "basutkar-6": _resnet,
}
