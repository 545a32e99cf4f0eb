"""Vary training images, whole batches at a time, on the device they are on; docs/augmentation.md says how.

Every draw is from torch's global generator of that device, one an image. The operations take and return
(B, Ch, H, W) in 0..255 and keep uint8 where no arithmetic is done.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import groupby

import torch
from torch.nn import functional as F

from ensemble.inference.inputs import centre_crop
from ensemble.study.image_spec import Op, check_size, parse_augment

Step = Callable[[torch.Tensor], torch.Tensor]


class Augmenter:
    """The sets of `ensemble.study.image_spec`, ready to be used on batches. sets: how many there are."""

    def __init__(self, text: str) -> None:
        self._ops = parse_augment(text)
        self._steps = tuple(tuple(_steps(ops)) for ops in self._ops)
        self.sets = len(self._ops)

    def __call__(self, images: torch.Tensor, which: torch.Tensor | None = None) -> torch.Tensor:
        """Vary uint8 (B, H, W, Ch); return float32 (B, Ch, H, W) in 0..255, in memory as channels_last.

        which: int64 (B,), the set of each image; may be left out where there is one set. Raises `BadInput` where the
        images are too small.
        """
        check_size(self._ops, images.shape[1], images.shape[2])
        pixels = images.permute(0, 3, 1, 2)
        if self.sets == 1:
            return _applied(self._steps[0], pixels)
        assert which is not None
        out = torch.empty(pixels.shape, dtype=torch.float32, device=images.device, memory_format=torch.channels_last)
        for number, steps in enumerate(self._steps):
            rows = (which == number).nonzero()[:, 0]
            if len(rows):
                out[rows] = _applied(steps, pixels[rows])
        return out


def _applied(steps: tuple[Step, ...], pixels: torch.Tensor) -> torch.Tensor:
    for step in steps:
        pixels = step(pixels)
    return pixels.float().contiguous(memory_format=torch.channels_last)


def _steps(ops: tuple[Op, ...]) -> Iterable[Step]:
    """Turn operations into functions; neighbours that move pixels along straight lines become one affine map."""
    edge = any(op.name == "edge" for op in ops)
    for is_affine, group in groupby((op for op in ops if op.name != "edge"), lambda op: op.name in AFFINE):
        if is_affine:
            yield partial(affine, edge=edge, **{op.name: op.values[0] for op in group})
        else:
            yield from (_with(OPERATIONS[op.name], op.values) for op in group)


def _with(function: Callable[..., torch.Tensor], values: tuple[float, ...]) -> Step:
    return lambda pixels: function(pixels, *values)


def mirror(pixels: torch.Tensor, chance: float = 0.5) -> torch.Tensor:
    """Turn images left to right."""
    return torch.where(_chosen(pixels, chance), pixels.flip(3), pixels)


def flip(pixels: torch.Tensor, chance: float = 0.5) -> torch.Tensor:
    """Turn images upside down."""
    return torch.where(_chosen(pixels, chance), pixels.flip(2), pixels)


def affine(
    pixels: torch.Tensor,
    rotate: float = 0.0,
    shift: float = 0.0,
    shear: float = 0.0,
    zoom: float = 0.0,
    edge: bool = False,
) -> torch.Tensor:
    """Zoom, shear, rotate and shift each image about its middle, in that order, in one bilinear reading.

    rotate and shear: degrees; shift: a share of height and width; zoom: a share of the size; each image draws between
    minus and plus that. edge: outside the image its nearest pixel, else black.
    """
    draw = partial(_uniform, pixels)
    theta = affine_map(
        angle=draw(-rotate, rotate),
        across=draw(-shift, shift),
        down=draw(-shift, shift),
        shear=draw(-shear, shear),
        scale=draw(1 - zoom, 1 + zoom),
        ratio=pixels.shape[2] / pixels.shape[3],
    )
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels.float(), grid, padding_mode="border" if edge else "zeros", align_corners=False)


def affine_map(
    angle: torch.Tensor,
    across: torch.Tensor,
    down: torch.Tensor,
    shear: torch.Tensor,
    scale: torch.Tensor,
    ratio: float = 1.0,
) -> torch.Tensor:
    """Return (B, 2, 3), from an output's place to the place it is read at, both in -1..1, as `F.affine_grid` takes it.

    angle (clockwise) and shear (along x) in degrees (B,); across and down in shares of the width and height; ratio:
    height / width. The matrix is torchvision's: shift * rotate * shear * scale, inverted.
    """
    turn = torch.deg2rad(angle)
    cos, sin, tan = torch.cos(turn), torch.sin(turn), torch.tan(torch.deg2rad(shear))
    inverse = torch.stack(
        [torch.stack([cos - sin * tan, cos * tan + sin], 1), torch.stack([-sin, cos], 1)], 1
    ) / scale[:, None, None]  # fmt: skip
    # From pixels to -1..1: x is in half widths, y in half heights.
    inverse = inverse * inverse.new_tensor([[1.0, ratio], [1 / ratio, 1.0]])
    offset = -inverse @ torch.stack([2 * across, 2 * down], 1)[:, :, None]
    return torch.cat([inverse, offset], 2)


def brightness(pixels: torch.Tensor, amount: float) -> torch.Tensor:
    """Multiply each image by a factor within `amount` of 1, and cut at 0 and 255."""
    factor = _uniform(pixels, max(0.0, 1 - amount), 1 + amount)
    return (pixels.float() * factor[:, None, None, None]).clamp_(0, 255)


def jitter(pixels: torch.Tensor, light: float, contrast: float, saturation: float) -> torch.Tensor:
    """Vary each image's brightness, contrast and saturation, in this order, as torchvision's ColorJitter does each."""
    pixels = brightness(pixels, light)
    # About the mean of the grey image, then about the grey image: ITU-R 601, as PIL and torchvision weigh colours.
    for amount, about in ((contrast, lambda p: grey(p).mean((1, 2, 3), keepdim=True)), (saturation, grey)):
        factor = _uniform(pixels, 1 - amount, 1 + amount)[:, None, None, None]
        pixels = (factor * pixels + (1 - factor) * about(pixels)).clamp(0, 255)
    return pixels


def grey(pixels: torch.Tensor) -> torch.Tensor:
    """Return float (B, 1, H, W) of float (B, 1 or 3, H, W): the weighted sum of the colours."""
    if pixels.shape[1] == 1:
        return pixels
    return (pixels * pixels.new_tensor([0.2989, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


def blur(pixels: torch.Tensor, size: float, low: float, high: float) -> torch.Tensor:
    """Blur each image by a Gaussian of `size` pixels a side and its own sigma; the border is reflected."""
    return gaussian(pixels.float(), int(size), _uniform(pixels, low, high))


def gaussian(pixels: torch.Tensor, size: int, sigma: torch.Tensor) -> torch.Tensor:
    """Blur float (B, Ch, H, W) with sigma (B,), in pixels: `size` taps down, then across."""
    half = size // 2
    taps = torch.arange(-half, half + 1, device=pixels.device)
    weights = torch.softmax(-0.5 * (taps / sigma[:, None]) ** 2, dim=1)[:, :, None, None, None]
    height, width = pixels.shape[2:]
    padded = F.pad(pixels, (half, half, half, half), mode="reflect")
    nothing = pixels.new_zeros(())
    down = sum((weights[:, k] * padded[:, :, k : k + height] for k in range(size)), nothing)
    return sum((weights[:, k] * down[:, :, :, k : k + width] for k in range(size)), nothing)


def crop(pixels: torch.Tensor, pad: float) -> torch.Tensor:
    """Put black pixels around, and take a piece of the old size somewhere."""
    n, _, height, width = pixels.shape
    pad = int(pad)
    padded = F.pad(pixels, (pad, pad, pad, pad))
    top, left = torch.randint(0, 2 * pad + 1, (2, n), device=pixels.device)
    rows = top[:, None] + torch.arange(height, device=pixels.device)
    columns = left[:, None] + torch.arange(width, device=pixels.device)
    images = torch.arange(n, device=pixels.device)
    pieces = padded.permute(0, 2, 3, 1)[images[:, None, None], rows[:, :, None], columns[:, None, :]]
    return pieces.permute(0, 3, 1, 2)


def resized_crop(pixels: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Take a piece of low to high of the area, 3:4 to 4:3, and resize it to the images' size."""
    return enlarged(pixels.float(), *_boxes(pixels, (low, high), (3 / 4, 4 / 3)))


def enlarged(
    pixels: torch.Tensor, top: torch.Tensor, left: torch.Tensor, high: torch.Tensor, wide: torch.Tensor
) -> torch.Tensor:
    """Resize each image's box to the image's size, bilinear; boxes in whole pixels, (B,) each."""
    height, width = pixels.shape[2:]

    def places(start: torch.Tensor, length: torch.Tensor, size: int) -> torch.Tensor:
        steps = (torch.arange(size, device=pixels.device) + 0.5) / size
        # Never beyond the middle of the box's outer pixels: what is outside the box is not seen.
        inside = (steps * length[:, None] - 0.5).clamp_(min=0).minimum(length[:, None] - 1)
        return (start[:, None] + inside) * 2 / (size - 1) - 1 if size > 1 else torch.zeros_like(inside)

    y, x = places(top, high, height), places(left, wide, width)
    grid = torch.stack([x[:, None, :].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)], 3)
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=True)


def erase(pixels: torch.Tensor, chance: float) -> torch.Tensor:
    """Blacken a rectangle of 2 to 33 % of the area, 0.3 to 3.3 times as high as wide."""
    chosen = _chosen(pixels, chance)
    top, left, high, wide = (part[:, None] for part in _boxes(pixels, (0.02, 0.33), (1 / 3.3, 1 / 0.3)))
    y, x = (torch.arange(size, device=pixels.device) for size in pixels.shape[2:])
    rows, columns = (y >= top) & (y < top + high), (x >= left) & (x < left + wide)
    gone = chosen & (rows[:, :, None] & columns[:, None, :])[:, None]
    return pixels.masked_fill(gone, 0)


def _boxes(pixels: torch.Tensor, area: tuple[float, float], ratio: tuple[float, float]) -> tuple[torch.Tensor, ...]:
    """Draw a box an image: top, left, height, width, whole numbers as float (B,).

    area: share of the image's; ratio: width / height, even in its logarithm. As torchvision does, ten are drawn and
    the first that fits is taken; where none does, the first is cut to the image.
    """
    n, _, height, width = pixels.shape
    u, v = torch.rand(2, n, 10, device=pixels.device)
    size = height * width * (area[0] + u * (area[1] - area[0]))
    aspect = torch.exp(math.log(ratio[0]) + v * math.log(ratio[1] / ratio[0]))
    wide, high = torch.sqrt(size * aspect).round().clamp_(min=1), torch.sqrt(size / aspect).round().clamp_(min=1)
    first = ((wide <= width) & (high <= height)).int().argmax(1, keepdim=True)
    wide = wide.gather(1, first)[:, 0].clamp_(max=width)
    high = high.gather(1, first)[:, 0].clamp_(max=height)
    top, left = (torch.rand(2, n, device=pixels.device) * torch.stack([height - high + 1, width - wide + 1])).floor()
    return top, left, high, wide


def mix(
    inputs: torch.Tensor, labels: torch.Tensor, classes: int, mixup: float = 0.0, cutmix: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix each image with the one before it in the batch; return the mixture (B, Ch, H, W) and targets (B, classes).

    mixup: alpha of Beta(alpha, alpha), which the images' share is drawn from (Zhang et al. 2018); cutmix: the same for
    the share of the area that is kept (Yun et al. 2019). Of both above 0, a batch takes either by a coin. The draws
    are torchvision's MixUp and CutMix: the same seed gives the same batch. labels: int64 (B,); targets: float32.
    """
    targets = F.one_hot(labels, classes).float()
    others, other_targets = inputs.roll(1, 0), targets.roll(1, 0)
    cut = cutmix > 0 and (not mixup > 0 or bool(torch.rand(()) < 0.5))
    alpha = cutmix if cut else mixup
    if not alpha > 0:
        return inputs, targets
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    if cut:
        height, width = inputs.shape[2:]
        x, y = int(torch.randint(width, (1,))), int(torch.randint(height, (1,)))
        half = 0.5 * math.sqrt(1.0 - share)
        left, right = max(x - int(half * width), 0), min(x + int(half * width), width)
        top, bottom = max(y - int(half * height), 0), min(y + int(half * height), height)
        inputs = inputs.clone()
        inputs[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
        share = 1.0 - (bottom - top) * (right - left) / (height * width)
    else:
        inputs = inputs * share + others * (1.0 - share)
    return inputs, targets * share + other_targets * (1.0 - share)


def _chosen(pixels: torch.Tensor, chance: float) -> torch.Tensor:
    """Return bool (B, 1, 1, 1), true with probability `chance`."""
    return (torch.rand(len(pixels), device=pixels.device) < chance)[:, None, None, None]


def _uniform(pixels: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Return (B,) between low and high, on the images' device."""
    return torch.rand(len(pixels), device=pixels.device) * (high - low) + low


AFFINE = ("rotate", "shift", "shear", "zoom")
OPERATIONS: Mapping[str, Callable[..., torch.Tensor]] = {
    "mirror": mirror,
    "flip": flip,
    "brightness": brightness,
    "jitter": jitter,
    "blur": blur,
    "centre-crop": centre_crop,
    "crop": crop,
    "resized-crop": resized_crop,
    "erase": erase,
}
