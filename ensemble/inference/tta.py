"""Test-time views of an image: what tta averages the probabilities of, from one visible table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from ensemble.errors import BadInput, nearest

# uint8 (B, H, W, Ch) to the same, or to float32 (B, Ch, H, W) in 0..255: both are what `Inputs` takes.
Change = Callable[[torch.Tensor], torch.Tensor]
SHARE = 7 / 8  # of height and width that a crop keeps: 56 of 64, 14 of 16


@dataclass(frozen=True)
class View:
    """One look at images. change: what becomes of them; unmirrored: the same without its swap of left and right.

    unmirrored is None where nothing is swapped. A member whose training mirrored its inputs last of all, the mean image
    with them, is shown `unmirrored`, and that is turned as its training did.
    """

    change: Change
    unmirrored: Change | None = None

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return what becomes of uint8 (B, H, W, Ch)."""
        return self.change(images)


@dataclass(frozen=True)
class Views:
    """Some views of each image; a member's probabilities are the mean of their softmax probabilities.

    name: of tta, and the attribute `view` of the predictions; about: in words.
    """

    name: str
    about: str
    each: tuple[View, ...]


def plain(images: torch.Tensor) -> torch.Tensor:
    """Return images as they are."""
    return images


def mirrored(images: torch.Tensor) -> torch.Tensor:
    """Swap left and right of (B, H, W, Ch)."""
    return images.flip(2)


def upside_down(images: torch.Tensor) -> torch.Tensor:
    """Swap top and bottom of (B, H, W, Ch)."""
    return images.flip(1)


def turned(images: torch.Tensor) -> torch.Tensor:
    """Turn (B, H, W, Ch) by 180 degrees."""
    return images.flip(1, 2)


@dataclass(frozen=True)
class Crop:
    """Cut out a part of `SHARE` of height and width and enlarge it again, bilinearly.

    down, across: where it lies, 0 at the top or left, 1 at the bottom or right, 1/2 in the middle.
    """

    down: float
    across: float
    mirror: bool = False

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Turn uint8 (B, H, W, Ch) into float32 (B, Ch, H, W) in 0..255."""
        h, w = images.shape[1:3]
        height, width = max(1, round(SHARE * h)), max(1, round(SHARE * w))
        top, left = round(self.down * (h - height)), round(self.across * (w - width))
        part = images[:, top : top + height, left : left + width]
        part = (mirrored(part) if self.mirror else part).permute(0, 3, 1, 2).float()
        return F.interpolate(part, (h, w), mode="bilinear", align_corners=False)


_FIVE = ((0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5))
_CROPS = tuple(View(Crop(down, across)) for down, across in _FIVE)
_PLAIN, _MIRRORED = View(plain), View(mirrored, plain)

VIEWS: Mapping[str, Views] = {
    views.name: views
    for views in (
        Views("none", "each image as it is", (_PLAIN,)),
        Views("mirror", "each image and its mirror image", (_PLAIN, _MIRRORED)),
        Views("flips", "each image, mirrored, upside down, and both",
              (_PLAIN, _MIRRORED, View(upside_down), View(turned, upside_down))),
        Views("crops5", "its four corners and its centre, 7/8 of each side, enlarged", _CROPS),
        # Krizhevsky, Sutskever and Hinton (NIPS 2012), section 4.1, predict by these ten.
        Views("crops10", "the five crops and their mirror images",
              (*_CROPS, *(View(Crop(*place, mirror=True), Crop(*place)) for place in _FIVE))),
    )
}  # fmt: skip
PLAIN = VIEWS["none"]


def views_named(name: str) -> Views:
    """Return the views called `name`; raise `BadInput` naming the nearest."""
    if name not in VIEWS:
        raise BadInput(f"tta={name!r}: is not known; {nearest(name, VIEWS)}.")
    return VIEWS[name]
