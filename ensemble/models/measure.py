"""What a network weighs, layer by layer: trainable parameters, statistics, and the work of one forward pass."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ensemble.models import Model, NetworkSpec, build_network
from ensemble.models.keras import convolution_biases
from ensemble.models.network import Network, forward_one


@dataclass(frozen=True)
class Size:
    """parameters: trainable; statistics: batch norm's running means and variances; gflops: 2 x multiply-adds / 1e9.

    keras_parameters: trainable ones of the form the paper counted, which for Keras' ResNets has more biases.
    """

    parameters: int
    statistics: int
    gflops: float
    keras_parameters: int


def size_of(model: Model, padding: str = "same") -> Size:
    """Measure a model at the paper's input and classes, without giving it memory where the library allows that."""
    shape = (model.input, model.input, model.channels)
    spec = NetworkSpec(shape, model.classes, padding=padding)
    try:
        with torch.device("meta"):
            network = build_network(model.name, spec)
    except NotImplementedError:  # a network that looks at its own first weights
        network = build_network(model.name, spec)
    parameters, statistics = map(sum, zip(*_own(network).values(), strict=True))
    return Size(
        parameters=parameters,
        statistics=statistics,
        gflops=_gflops(network, shape),
        keras_parameters=parameters + (convolution_biases(network.base) if model.keras_biases else 0),
    )


def describe(network: Network, image_shape: tuple[int, int, int]) -> dict[str, Any]:
    """Return what a network is, layer by layer, as JSON can hold it; the network stays as it is.

    image_shape: (height, width, channels) of its input. The result has `parameters` (frozen ones too), `statistics`
    (batch norm's), `gflops` of one image, and `layers` in the order in which an image leaves them: name, kind, output
    (shape without the batch; [] where it is none), parameters and statistics of the layer itself. A layer met more
    than once, as one ReLU may be, has a row each time, its numbers in the first; the rows sum to the totals.
    """
    names = {module: name for name, module in network.named_modules()}
    own, rows = _own(network), []

    def meet(module: nn.Module, output: Any) -> None:
        shape = list(output.shape[1:]) if isinstance(output, torch.Tensor) else []
        parameters, statistics = own.pop(module, (0, 0))
        rows.append(
            {"name": names[module], "kind": type(module).__name__, "output": shape, "parameters": parameters,
             "statistics": statistics}
        )  # fmt: skip

    layers = [m for m in names if m in own or not any(m.children())]
    hooks = [m.register_forward_hook(lambda module, _images, output: meet(module, output)) for m in layers]
    try:
        gflops = _gflops(network, image_shape)
    finally:
        for hook in hooks:
            hook.remove()
    for module in list(own):  # attention reads the weights of its last layer without calling it
        meet(module, None)
    return {
        "parameters": sum(row["parameters"] for row in rows),
        "statistics": sum(row["statistics"] for row in rows),
        "gflops": gflops,
        "layers": rows,
    }


def _own(network: nn.Module) -> dict[nn.Module, tuple[int, int]]:
    """Return parameters and statistics of each module that holds some itself; a tensor two share is the first's."""
    seen: set[int] = set()
    own = {}
    for module in network.modules():
        tensors = [(name, p) for name, p in module.named_parameters(recurse=False) if id(p) not in seen]
        buffers = [(name, b) for name, b in module.named_buffers(recurse=False) if name.startswith("running_")]
        seen.update(id(p) for _, p in tensors)
        counts = sum(p.numel() for _, p in tensors), sum(b.numel() for _, b in buffers)
        if any(counts):
            own[module] = counts
    return own


def _gflops(network: nn.Module, image_shape: tuple[int, int, int]) -> float:
    counter = FlopCounterMode(display=False)
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one fused operation, which the counter does not know
    try:
        with counter:
            forward_one(network, image_shape)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return counter.get_total_flops() / 1e9
