"""What a builder refuses, each in a sentence: settings its network cannot honour, images too small for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from ensemble.errors import BadInput, nearest
from ensemble.models import Model, NetworkSpec
from ensemble.models.network import output_shape

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
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise BadInput(
                f"{model.name}: cannot take images of {height}x{width} ({reason}); it was made for "
                f"{model.input}x{model.input}, so set input_size = {model.input}."
            ) from error
        raise BadInput(
            f"{model.name}: images of {height}x{width} are too small, at least {least}x{least} are needed; set "
            f"input_size = {least} or more, or choose another model."
        ) from error
    return features


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
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return BadInput(
        f"{name}: cannot be built for images of {shape} ({reason}); it was made for {side}x{side}x3, so set "
        f"input_size = {side}."
    )
