"""A network on the images of a split: its softmax probabilities, its loss and its accuracy."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ensemble.errors import BadInput
from ensemble.inference.inputs import Rows
from ensemble.models import NetworkSpec
from ensemble.study.recipe import Recipe

# One fixed size: a matrix product's last bits may depend on the batch.
BATCH = 500
# What a network is given at once: such a batch of 64x64 in colour. Of larger images fewer go in, to spare memory.
NUMBERS = BATCH * 3 * 64 * 64

Precision = Callable[[], torch.amp.autocast]
# From what `Rows` give to a network's input: an `Inputs`, one after an `Augmenter`, or nothing to do for features.
ToInputs = Callable[[torch.Tensor], torch.Tensor]


def precision_on(device: torch.device, precision: str = "auto") -> Precision:
    """Return a maker of the autocast context; "auto": bf16 where a GPU has it, float32 otherwise.

    On CPUs bf16 is left alone: without instructions of its own it is fifty times slower.
    """
    bf16 = precision == "bfloat16" or (
        precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    )
    return lambda: torch.amp.autocast(device.type, dtype=torch.bfloat16, enabled=bf16)


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


@torch.no_grad()
def evaluate(network: nn.Module, batches: Rows, inputs: ToInputs, precision: Precision) -> tuple[float, float]:
    """Return the mean cross-entropy (natural log) and the accuracy (a fraction) on a labelled split."""
    network.eval()
    assert batches.labels is not None  # the trainer gives labelled splits only
    loss = torch.zeros((), dtype=torch.float64)
    correct = 0
    for start in range(0, len(batches), BATCH):
        rows = torch.arange(start, min(start + BATCH, len(batches)), device=batches.device)
        with precision():
            logits = in_parts(network, inputs(batches.images(rows)))
        labels = batches.labels[rows]
        loss += F.cross_entropy(logits.float(), labels, reduction="sum").double().cpu()
        correct += int((logits.argmax(1) == labels).sum())
    return float(loss) / len(batches), correct / len(batches)


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
