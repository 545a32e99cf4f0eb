"""De's naive benchmarks: a random guess, a single layer, a naive CNN; the paper names them and gives no layers [A]."""

from collections.abc import Callable

import torch
from torch import nn

from ensemble.models import Model, NetworkSpec
from ensemble.models.keras import activation, glorot
from ensemble.models.network import Network, check, features_of


def build(model: Model, spec: NetworkSpec) -> Network:
    """Build the benchmark of that name, with Keras' start."""
    if model.name == "de-cnn":
        check(model, spec, "activation")
    else:
        check(model, spec)
    base, head = _PARTS[model.name](spec)
    return glorot(Network(base, head(features_of(model, spec, base))))


class Guess(nn.Module):
    """Guesses by a random projection of the image that never learns; only the classes' frequencies are learnt."""

    projection: torch.Tensor

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("projection", torch.randn(features, classes) / features**0.5)
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Float (B, features) to logits (B, classes)."""
        return images @ self.projection + self.bias


# A network's base, and its head for so many features.
Parts = tuple[nn.Module, Callable[[int], nn.Module]]


def _guess(spec: NetworkSpec) -> Parts:
    return nn.Sequential(nn.Flatten()), lambda features: Guess(features, spec.classes)


def _linear(spec: NetworkSpec) -> Parts:
    return nn.Sequential(nn.Flatten()), lambda features: nn.Linear(features, spec.classes)


def _cnn(spec: NetworkSpec) -> Parts:
    act = activation(spec.activation)
    base = nn.Sequential(
        nn.Conv2d(spec.image_shape[2], 32, 3, padding=1), act(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), act(), nn.MaxPool2d(2), nn.Flatten(),
    )  # fmt: skip
    return base, lambda features: nn.Sequential(nn.Linear(features, 128), act(), nn.Linear(128, spec.classes))


_PARTS: dict[str, Callable[[NetworkSpec], Parts]] = {"de-guess": _guess, "de-linear": _linear, "de-cnn": _cnn}
