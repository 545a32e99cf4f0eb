"""How pixels become a network's input, as text: "mean-image", "imagenet", "0.5,0.5,0.5/0.25,0.25,0.25"."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ensemble.errors import BadInput, nearest

MEASURED = ("mean-image", "channel")


@dataclass(frozen=True)
class Normalisation:
    """Subtract `mean`, divide by `std`, both of pixels in 0..1, one value or one a channel; blue first where `bgr`."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    bgr: bool = False


# What does not depend on the images. "caffe" is Keras' for VGG16 and ResNet50: blue, green, red, 0..255 about the mean.
FIXED: Mapping[str, Normalisation] = {
    "unit": Normalisation((0.0,), (1.0,)),
    "symmetric": Normalisation((0.5,), (0.5,)),
    "imagenet": Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": Normalisation(tuple(m / 255 for m in (103.939, 116.779, 123.68)), (1 / 255,), bgr=True),
}


def parse(text: str) -> Normalisation | None:
    """Return what `text` asks for, None where it is measured on the training images (a name of `MEASURED`).

    "m,m,m/s,s,s" states mean and standard deviation of pixels in 0..1, as timm's models do: one value for all
    channels, or one a channel. Raises `BadInput`.
    """
    if text in MEASURED:
        return None
    if text in FIXED:
        return FIXED[text]
    mean, slash, std = text.partition("/")
    if not slash:
        raise BadInput(
            f"normalise {text!r}: is not known; {nearest(text, [*MEASURED, *FIXED])}; or 'mean/std' of pixels in 0..1, "
            "as in '0.5,0.5,0.5/0.25,0.25,0.25'."
        )
    try:
        means, stds = (tuple(float(value) for value in part.split(",")) for part in (mean, std))
    except ValueError as error:
        raise BadInput(f"normalise {text!r}: expected numbers, as in '0.5,0.5,0.5/0.25,0.25,0.25'.") from error
    if len(means) != len(stds) or not all(math.isfinite(m) for m in means) or not all(0 < s < math.inf for s in stds):
        raise BadInput(
            f"normalise {text!r}: expected as many means as standard deviations, finite, the latter above 0."
        )
    return Normalisation(means, stds)
