"""The one shape of every network here: a base that makes features, and a head that tells classes by them."""

import contextlib
from collections.abc import Generator

import numpy as np
import torch
from torch import nn
from torch.func import functional_call


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
