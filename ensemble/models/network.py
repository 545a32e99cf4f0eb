"""The one shape of every network here: a base that makes features, and a head that tells classes by them."""

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from ensemble.errors import BadInput, nearest, reason_of
from ensemble.models import Model, NetworkSpec
from ensemble.study.image_spec import parse_resizing
from ensemble.study.recipe import Recipe


class Network(nn.Module):
    """base: float (B, Ch, H, W) to features (B, F) or whatever the head takes; head: features to logits (B, C).

    Transfer learning keeps the base and gives it a new head; a frozen base's features are computed once. A layer's
    attribute `l2_scale` (1.0 where it has none) multiplies the recipe's l2 for its kernel.
    """

    def __init__(self, base: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.base, self.head = base, head

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.head(self.base(images))


def output_shape(network: nn.Module, image_shape: tuple[int, int, int]) -> tuple[int, ...]:
    """Return the shape, less the batch, of what `network` makes of one image (H, W, Ch); the network stays as it is.

    Raises what torch raises where the image is too small.
    """
    return tuple(forward_one(network, image_shape).shape[1:])


def forward_one(network: nn.Module, image_shape: tuple[int, int, int]) -> torch.Tensor:
    """Send one black image through `network` as when it predicts; return what comes out, (1, ...), mostly on `meta`.

    A few networks of the hubs make tensors that are no parameters, and will not go to `meta`: they are run for real.
    """
    height, width, channels = image_shape
    tensors = dict((*network.named_parameters(), *network.named_buffers()))
    with predicting(network), torch.no_grad():
        try:
            state = {name: t.to("meta") for name, t in tensors.items()}
            with torch.device("meta"):
                return functional_call(network, state, (torch.zeros(1, channels, height, width),))
        except Exception:  # whatever a library raises there; a real defect is raised once more below
            one = next(iter(tensors.values()))
            if one.is_meta:
                raise
            return network(torch.zeros(1, channels, height, width, device=one.device))


@contextlib.contextmanager
def predicting(network: nn.Module) -> Generator[None]:
    """Put every layer into its mode for predicting, and back into the one it had."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def first_layer(network: nn.Module) -> np.ndarray | None:
    """Return the first convolution's kernels, float32 (out, in, height, width); None where there is none."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            return module.weight.detach().float().cpu().contiguous().numpy()
    return None


Choice = Literal["padding", "activation", "dropout"]
LARGEST = 512


def check(model: Model, spec: NetworkSpec, *choices: Choice, heads: tuple[str, ...] = ()) -> None:
    """Raise `BadInput` where `spec` asks for what the network of `model` has no choice of.

    choices: the settings it does honour; heads: its heads, the first one its default. A padding of "same" and an
    activation of "relu" are what recipes say where they leave the network as it is.
    """
    if spec.padding != "same" and "padding" not in choices:
        raise BadInput(f"{model.name}: its padding is fixed, so leave padding at 'same', found {spec.padding!r}.")
    if spec.activation != "relu" and "activation" not in choices:
        raise BadInput(
            f"{model.name}: its activation is fixed, so leave activation at 'relu', found {spec.activation!r}."
        )
    if spec.dropout and "dropout" not in choices:
        raise BadInput(f"{model.name}: has no dropout, so set dropout = 0, found {spec.dropout:g}.")
    if spec.head and spec.head not in heads:
        has = nearest(spec.head, heads) if heads else "it has one only, leave head empty"
        raise BadInput(f"{model.name}: has no head {spec.head!r}; {has}.")


def features_of(model: Model, spec: NetworkSpec, base: nn.Module) -> int:
    """Return how many features `base` makes of an image of `spec`; raise `BadInput` where the image is too small."""
    height, width, channels = spec.image_shape
    try:
        (features,) = output_shape(base, spec.image_shape)
    except (RuntimeError, AssertionError) as error:
        least = smallest(lambda side: output_shape(base, (side, side, channels)), min(height, width) - 1)
        if least is None:
            reason = reason_of(error)
            raise BadInput(
                f"{model.name}: cannot take images of {height}x{width} ({reason}); it was made for "
                f"{model.input}x{model.input}, so set input_size = {model.input}."
            ) from error
        raise BadInput(
            f"{model.name}: images of {height}x{width} are too small, at least {least}x{least} are needed; set "
            f"input_size = {least} or more, or choose another model."
        ) from error
    return features


def check_sides(network: nn.Module, recipe: Recipe, image_shape: tuple[int, int, int]) -> None:
    """Raise `BadInput` where `network`, built for images (H, W, Ch), cannot learn at a size its recipe begins with."""
    for stage in parse_resizing(recipe.progressive_resizing):
        try:
            output_shape(network, (stage.side, stage.side, image_shape[2]))
        except (RuntimeError, AssertionError, ValueError) as error:
            reason = reason_of(error)
            raise BadInput(
                f"{recipe.model}: is built for images of {image_shape[0]}x{image_shape[1]} and cannot take those of "
                f"{stage.side}x{stage.side} ({reason:.150}), as progressive_resizing {recipe.progressive_resizing!r} "
                "asks; leave it out, or choose a network that ends in global average pooling, such as resnet18-64."
            ) from error


def smallest(attempt: Callable[[int], object], above: int) -> int | None:
    """Return the smallest side over `above` at which `attempt` raises nothing; None where none up to `LARGEST` does."""

    def fits(side: int) -> bool:
        try:
            attempt(side)
        except (RuntimeError, AssertionError):
            return False
        return True

    low, high = above, LARGEST
    if low >= high or not fits(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


@dataclass(frozen=True)
class MadeFor:
    """side: height and width of its images; mean, std: of pixels in 0..1, a value a channel; dropout: its head's."""

    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    dropout: float = 0.0


def unfit(name: str, image_shape: tuple[int, int, int], side: int, error: Exception) -> BadInput:
    """Say that a hub's network cannot be built for images (H, W, Ch), though it can for those of its own side."""
    shape = "x".join(map(str, image_shape))
    reason = reason_of(error)
    return BadInput(
        f"{name}: cannot be built for images of {shape} ({reason}); it was made for {side}x{side}x3, so set "
        f"input_size = {side}."
    )
