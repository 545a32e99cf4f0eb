"""From uint8 images to a network's input, whole batches at a time, on the device the network is on."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True, eq=False)
class Normaliser:
    """Subtract the training images' mean image and divide by their one standard deviation.

    mean: float32 (H, W, Ch), in 0..255; std: float32 scalar, of all pixels about that mean image.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def to(self, device: torch.device) -> "Normaliser":
        """Return the same on a device."""
        return Normaliser(self.mean.to(device), self.std.to(device))

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Turn uint8 (B, H, W, Ch) into float32 (B, Ch, H, W), which lies in memory as channels_last."""
        return images.float().sub_(self.mean).div_(self.std).permute(0, 3, 1, 2)


def fit_normaliser(images: np.ndarray, block: int = 2000) -> Normaliser:
    """Measure mean image and standard deviation of uint8 images (N, H, W, Ch), in float64, in blocks."""
    n = len(images)
    total = np.zeros(images.shape[1:], dtype=np.float64)
    for start in range(0, n, block):
        total += images[start : start + block].sum(axis=0, dtype=np.float64)
    mean = total / n
    squares = 0.0
    for start in range(0, n, block):
        squares += float(np.square(images[start : start + block] - mean).sum())
    # Images of one single colour have no spread; dividing by 1 leaves them at 0.
    std = np.sqrt(squares / images.size) or 1.0
    return Normaliser(torch.from_numpy(mean.astype(np.float32)), torch.tensor(std, dtype=torch.float32))


def mirror(inputs: torch.Tensor) -> torch.Tensor:
    """Flip each image of (B, Ch, H, W) left to right with probability 1/2, from torch's global generator."""
    chosen = torch.rand(len(inputs), device=inputs.device) < 0.5
    return torch.where(chosen[:, None, None, None], inputs.flip(3), inputs)


class Batches:
    """Images and labels of one split on a device: uint8 there, chosen by row number.

    On a CPU the images stay where they are, memory-mapped or not, and a batch is a copy of its rows; on an
    accelerator all of them are copied once.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray | None, device: torch.device) -> None:
        self.device = device
        self._rows = images
        self._resident = None if device.type == "cpu" else torch.from_numpy(np.array(images)).to(device)
        self.labels = None if labels is None else torch.from_numpy(labels).to(device)

    def __len__(self) -> int:
        return len(self._rows)

    def images(self, rows: torch.Tensor) -> torch.Tensor:
        """Return uint8 (B, H, W, Ch) for row numbers int64 (B,) on the device."""
        if self._resident is not None:
            return self._resident[rows]
        return torch.from_numpy(self._rows[rows.numpy()])
