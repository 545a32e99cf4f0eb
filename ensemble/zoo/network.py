"""The one shape of every network here: a base that makes features, and a head that tells classes by them."""

import torch
from torch import nn


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
