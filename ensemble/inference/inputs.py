"""From images to a network's input, whole batches at a time, on the device the network is on."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ensemble.datasets.mapped import image_file
from ensemble.errors import BadInput
from ensemble.models import NetworkSpec
from ensemble.study.image_spec import parse_augment, parse_normalise
from ensemble.study.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Inputs:
    """Subtract a mean, divide by a standard deviation, then resize.

    mean, std: float32, in 0..255, of any shape that stretches to (H, W, Ch), as (Ch,) does.
    size: height and width of the input; 0 keeps the images'.
    bgr: the input's channels are blue, green, red (mean and std too).
    """

    mean: torch.Tensor
    std: torch.Tensor
    size: int = 0
    bgr: bool = False

    def to(self, device: torch.device) -> "Inputs":
        """Return the same on a device."""
        return Inputs(self.mean.to(device), self.std.to(device), self.size, self.bgr)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Turn uint8 (B, H, W, Ch), or float32 (B, Ch, H, W) in 0..255, into float32 (B, Ch, size, size).

        What comes back lies in memory as channels_last; what is given stays as it is.
        """
        # Subtracting makes the copy that the rest may alter; of uint8, converting does.
        own = images.dtype == torch.uint8
        pixels = images.float() if own else images.permute(0, 2, 3, 1)
        if self.bgr:
            pixels = pixels.flip(3)
        centred = pixels.sub_(self.mean) if own else pixels.sub(self.mean)
        inputs = centred.div_(self.std).permute(0, 3, 1, 2)
        return resized(inputs, self.size).contiguous(memory_format=torch.channels_last)


def resized(inputs: torch.Tensor, size: int) -> torch.Tensor:
    """Return float (B, Ch, H, W) as (B, Ch, size, size), bilinear and without aliasing; 0 leaves it alone."""
    if size in (0, inputs.shape[-1]) and size in (0, inputs.shape[-2]):
        return inputs
    return F.interpolate(inputs, (size, size), mode="bilinear", antialias=True, align_corners=False)


def centre_crop(pixels: torch.Tensor, side: float) -> torch.Tensor:
    """Keep the middle side x side pixels, and resize them to the images' size."""
    height, width, side = *pixels.shape[2:], int(side)
    top, left = round((height - side) / 2), round((width - side) / 2)
    middle = pixels[:, :, top : top + side, left : left + side].float()
    return F.interpolate(middle, (height, width), mode="bilinear", antialias=True, align_corners=False)


def fixed_steps(augment_val: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what a recipe's `augment_val` does to every image alike, which predictions share: its centre crop.

    Of uint8 (B, H, W, Ch), or float32 (B, Ch, H, W) in 0..255, it makes the like; without a crop the same.
    """
    sides = [op.values[0] for ops in parse_augment(augment_val) for op in ops if op.name == "centre-crop"]
    if not sides:
        return lambda images: images
    return lambda images: centre_crop(images.permute(0, 3, 1, 2) if images.dtype == torch.uint8 else images, sides[0])


def mirrors_inputs(augment: str) -> float | None:
    """Return the chance of a mirror where training turns normalised inputs, the mean image with them; else None.

    It does so where `augment` is a mirror alone: as Ting's study was made, and the fastest.
    """
    sets = parse_augment(augment)
    return sets[0][0].values[0] if len(sets) == len(sets[0]) == 1 and sets[0][0].name == "mirror" else None


def fit_inputs(images: np.ndarray, normalise: str = "mean-image", input_size: int = 0, block: int = 2000) -> Inputs:
    """Return the `Inputs` of a recipe's `normalise` and `input_size`.

    What has to be measured is measured on uint8 images (N, H, W, Ch), `block` of them at a time. Raises `BadInput`
    where `normalise` states another number of channels; grey images take the mean of three.
    """
    stated = parse_normalise(normalise)
    if stated is None:
        mean, std = _measured(images, normalise, block)
        return Inputs(torch.from_numpy(mean.astype(np.float32)), torch.tensor(std, dtype=torch.float32), input_size)
    channels = images.shape[-1]
    parts = []
    for values in (stated.mean, stated.std):
        if channels == 1 and len(values) == 3:
            values = (sum(values) / 3,)
        if len(values) not in (1, channels):
            raise BadInput(
                f"normalise {normalise!r}: is for images of {len(values)} channels, these have {channels}; "
                "write one mean and one standard deviation, or use 'channel'."
            )
        parts.append(torch.tensor([255 * value for value in values], dtype=torch.float32))
    return Inputs(*parts, size=input_size, bgr=stated.bgr and channels == 3)


def inputs_of(tensors: Mapping[str, torch.Tensor], normalise: str, input_size: int) -> Inputs:
    """Return the `Inputs` of a weights file, of its tensors `mean` and `std` and its recipe's two settings."""
    stated = parse_normalise(normalise)
    channels = tensors["mean"].shape[-1]
    return Inputs(tensors["mean"], tensors["std"], input_size, bgr=stated is not None and stated.bgr and channels == 3)


def _measured(images: np.ndarray, normalise: str, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Measure uint8 images (N, H, W, Ch) in float64, in blocks.

    Returns the mean image (H, W, Ch) and one standard deviation about it ("mean-image") or that of each of its pixels
    ("std-image"), or mean and deviation (Ch,) of each channel ("channel").
    """
    by_channel, by_pixel = normalise == "channel", normalise == "std-image"
    axes = (0, 1, 2) if by_channel else (0,)
    pixels = images.size // images.shape[-1] if by_channel else len(images) if by_pixel else images.size
    total = np.zeros(images.shape[3:] if by_channel else images.shape[1:], dtype=np.float64)
    for start in range(0, len(images), block):
        total += images[start : start + block].sum(axis=axes, dtype=np.float64)
    mean = total / (images.size // total.size)
    squares = np.float64(0)
    for start in range(0, len(images), block):
        squares += np.square(images[start : start + block] - mean).sum(axis=axes if by_channel or by_pixel else None)
    std = np.sqrt(squares / pixels)
    # Images of one single colour have no spread; dividing by 1 leaves them at 0.
    return mean, np.where(std > 0, std, 1.0)


class Rows(Protocol):
    """What a split is trained and evaluated on: `Batches` of images, or `Features` of a frozen base."""

    labels: torch.Tensor | None
    device: torch.device

    def __len__(self) -> int: ...

    def images(self, rows: torch.Tensor) -> torch.Tensor:
        """Return images, or features, for row numbers int64 (B,) on the device."""
        ...

    def ahead(self, rows: torch.Tensor) -> None:
        """Be told which rows, int64 (B,), are asked for next."""
        ...


class Batches:
    """Images and labels of one split on a device: uint8 there, chosen by row number.

    On a CPU the images stay where they are, memory-mapped or not, and a batch is a copy of its rows; on an
    accelerator all of them are copied once, where they take no more than half of its memory that is free.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray | None, device: torch.device) -> None:
        self.device = device
        self._rows = images
        self._resident = torch.from_numpy(np.array(images)).to(device) if _fits(images, device) else None
        self._file = image_file(images)
        self.labels = None if labels is None else torch.from_numpy(labels).to(device)

    def __len__(self) -> int:
        return len(self._rows)

    def images(self, rows: torch.Tensor) -> torch.Tensor:
        """Return uint8 (B, H, W, Ch) for row numbers int64 (B,) on the device."""
        if self._resident is not None:
            return self._resident[rows]
        return torch.from_numpy(self._rows[rows.cpu().numpy()]).to(self.device)

    def ahead(self, rows: torch.Tensor) -> None:
        """Have the system read rows, int64 (B,), that will be asked for next, while something else is computed.

        Nothing waits for it, and where the images are in memory already nothing happens.
        """
        if self._resident is None and self._file is not None:
            self._file.ahead(rows.cpu().numpy())


def _fits(images: np.ndarray, device: torch.device) -> bool:
    """Say whether images shall be copied to a device."""
    if device.type != "cuda":
        return device.type != "cpu"
    return math.prod(images.shape) <= torch.cuda.mem_get_info(device)[0] // 2


# One fixed size: a matrix product's last bits may depend on the batch.
BATCH = 500
# What a network is given at once: such a batch of 64x64 in colour. Of larger images fewer go in, to spare memory.
NUMBERS = BATCH * 3 * 64 * 64

Precision = Callable[[], torch.amp.autocast]
# From what `Rows` give to a network's input: an `Inputs`, one after an `Augmenter`, or nothing to do for features.
ToInputs = Callable[[torch.Tensor], torch.Tensor]


def precision_on(device: torch.device, precision: str = "auto") -> Precision:
    """Return a maker of the autocast context; "auto": bf16 where a GPU has it, float32 otherwise.

    "native": bf16 where the device, a CPU too, has instructions for it. A CPU without them is up to fifty times slower
    in bf16, so "bfloat16" is for those who know theirs; "auto" leaves CPUs in float32, whose bits are the same on more
    machines.
    """
    bf16 = precision == "bfloat16" or (
        computes_bfloat16(device) and (precision == "native" or (precision == "auto" and device.type == "cuda"))
    )
    return lambda: torch.amp.autocast(device.type, dtype=torch.bfloat16, enabled=bf16)


def computes_bfloat16(device: torch.device) -> bool:
    """Say whether a device has instructions for bfloat16: a GPU's, or AMX or AVX512-BF16 of an x86 CPU."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # torch has no public question for it; a version that lacks these functions is one that is told "no".
    asked = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return device.type == "cpu" and any(ask is not None and ask() for ask in asked)


@torch.no_grad()
def predict_probs(network: nn.Module, batches: Rows, inputs: ToInputs, precision: Precision) -> np.ndarray:
    """Return the softmax of every image in order, float32 (N, C); the softmax is taken in float32."""
    network.eval()
    parts = []
    for start in range(0, len(batches), BATCH):
        rows = torch.arange(start, min(start + BATCH, len(batches)), device=batches.device)
        with precision():
            logits = in_parts(network, inputs(batches.images(rows)))
        parts.append(F.softmax(logits.float(), dim=1).cpu())
    return torch.cat(parts).numpy()


class Evaluation(NamedTuple):
    """cross_entropy: the mean, natural log; accuracy: a fraction; right: bool (N,), which images are right."""

    cross_entropy: float
    accuracy: float
    right: np.ndarray


@torch.no_grad()
def evaluate(network: nn.Module, batches: Rows, inputs: ToInputs, precision: Precision) -> Evaluation:
    """Return how a network does on a labelled split."""
    network.eval()
    assert batches.labels is not None  # the trainer gives labelled splits only
    loss = torch.zeros((), dtype=torch.float64)
    right = np.empty(len(batches), dtype=bool)
    for start in range(0, len(batches), BATCH):
        rows = torch.arange(start, min(start + BATCH, len(batches)), device=batches.device)
        with precision():
            logits = in_parts(network, inputs(batches.images(rows)))
        labels = batches.labels[rows]
        loss += F.cross_entropy(logits.float(), labels, reduction="sum").double().cpu()
        right[start : start + len(rows)] = (logits.argmax(1) == labels).cpu().numpy()
    return Evaluation(float(loss) / len(batches), int(right.sum()) / len(batches), right)


def in_parts(network: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Return what `network` makes of inputs (B, ...), no more of them at a time than `NUMBERS` allows."""
    parts = inputs.split(max(1, NUMBERS // inputs[0].numel()))
    return network(inputs) if len(parts) == 1 else torch.cat([network(part) for part in parts])


def resolve_device(name: str | torch.device) -> torch.device:
    """Return the device of a name: "auto" is a CUDA device where there is one, else the CPU."""
    if isinstance(name, torch.device):
        return name
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError(f"{device.type} is neither cpu nor cuda")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"device={name!r}: cannot be used here, {reason}; try 'auto' or 'cpu'.") from error
    return device


def network_spec(recipe: Recipe, image_shape: tuple[int, int, int], classes: int) -> NetworkSpec:
    """Return what the network of a recipe is built for; images are resized to its input_size where it has one."""
    size = recipe.input_size
    return NetworkSpec(
        image_shape=(size, size, image_shape[2]) if size else image_shape,
        classes=classes,
        padding=recipe.padding,
        activation=recipe.activation,
        head=recipe.head,
        dropout=recipe.dropout,
    )
