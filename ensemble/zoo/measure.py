"""What a network weighs: trainable parameters, statistics, and the work of one forward pass."""

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from ensemble.zoo import Model, Wanted, build_network


@dataclass(frozen=True)
class Size:
    """parameters: trainable; statistics: batch norm's running means and variances; gflops: 2 x multiply-adds / 1e9."""

    parameters: int
    statistics: int
    gflops: float


def size_of(model: Model, padding: str = "same") -> Size:
    """Measure a model at the paper's input and classes, without giving it memory."""
    shape = (model.input, model.input, model.channels)
    with torch.device("meta"):
        network = build_network(model.name, Wanted(shape, model.classes, padding=padding)).eval()
        images = torch.empty(1, model.channels, model.input, model.input)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(images)
    return Size(
        parameters=sum(p.numel() for p in network.parameters()),
        statistics=sum(b.numel() for name, b in network.named_buffers() if "running_" in name),
        gflops=counter.get_total_flops() / 1e9,
    )
