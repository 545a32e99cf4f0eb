"""One epoch of updates: what the network is told of every batch, and what is measured on the way."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from ensemble.inference.evaluate import Precision
from ensemble.models.network import Network
from ensemble.progress import Progress
from ensemble.training.data import TrainingData
from ensemble.training.optim import Kernels, penalty

PROGRESS_SECONDS = 0.25


@dataclass(frozen=True)
class Measured:
    """Means over the images of an epoch, while the weights still moved.

    cross_entropy: of the plain labels, in nats; loss: what was minimised, L2 penalty and all; accuracy: a fraction;
    seconds: of the updates alone.
    """

    cross_entropy: float
    loss: float
    accuracy: float
    seconds: float


def train_epoch(
    network: Network,
    data: TrainingData,
    optimiser: torch.optim.Optimizer,
    rate: Callable[[int], float],
    kernels: Kernels,
    precision: Precision,
    average: AveragedModel | None,
    progress: Progress,
) -> Measured:
    """Take all batches of an epoch once; the network is in its mode for training.

    rate: from the number of an update in this epoch to its learning rate. average: told of every update.
    progress: (done, total) images, at most some times a second.
    """
    recipe, n = data.recipe, data.images
    module: nn.Module = network.head if data.of_features else network
    plain = not (recipe.label_smoothing or recipe.mixup or recipe.cutmix)
    sums = torch.zeros(4, dtype=torch.float64, device=data.device)
    done, begun = 0, time.perf_counter()
    last_progress, last_rate = begun, 0.0
    for update, (inputs, targets, labels) in enumerate(data.batches()):
        now_rate = rate(update)
        if now_rate != last_rate:
            last_rate = now_rate
            for group in optimiser.param_groups:
                group["lr"] = now_rate
        with precision():
            logits = module(inputs)
        logits = logits.float()
        loss = F.cross_entropy(logits, targets, label_smoothing=recipe.label_smoothing)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        with torch.no_grad():
            of_labels = loss if plain else F.cross_entropy(logits, labels)
            hits = (logits.argmax(1) == labels).sum()
            size = len(labels)
            sums += torch.stack(
                [of_labels.detach() * size, loss.detach() * size, penalty(kernels, recipe.l2) * size, hits]
            ).double()
        optimiser.step()
        if average is not None:
            average.update_parameters(network)
        done += size
        now = time.perf_counter()
        if now - last_progress > PROGRESS_SECONDS:
            progress(done, n)
            last_progress = now
    cross_entropy, loss_mean, penalty_mean, accuracy = (sums / n).tolist()
    return Measured(cross_entropy, loss_mean + penalty_mean, accuracy, time.perf_counter() - begun)
