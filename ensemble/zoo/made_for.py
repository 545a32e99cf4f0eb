"""What a network of a hub was made for."""

from dataclasses import dataclass

from ensemble.errors import BadInput


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
