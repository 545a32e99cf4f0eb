"""One epoch of updates: what the network is told of every batch, and what is measured on the way."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ensemble.inference.inputs import Precision
from ensemble.machine import Progress
from ensemble.models.network import Network
from ensemble.study.recipe import Recipe
from ensemble.training.data import TrainingData

ADAMS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "radam": torch.optim.RAdam,
    "nadam": torch.optim.NAdam,
}
# Of all of these; the first beta is the recipe's momentum.
SECOND_BETA = 0.999

Kernels = list[tuple[torch.Tensor, float]]


def make_optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return torch's own optimiser over all parameters of `network`, those of one weight decay in a group.

    Keras adds lam * sum(W^2) over kernels to the loss; its gradient is 2 lam W, and coupled weight decay adds wd W. So
    a kernel's decay is weight_decay + 2 l2 `l2_scale`, that of everything else weight_decay. AdamW's is no gradient,
    and its recipes have no l2.
    """
    scales = dict(kernels_of(network))
    groups: dict[float, list[torch.Tensor]] = {}
    # Kernels first: the order of groups is no matter to the result.
    for parameter in (*scales, *(p for p in network.parameters() if p not in scales)):
        decay = recipe.weight_decay + 2 * recipe.l2 * scales.get(parameter, 0.0)
        groups.setdefault(decay, []).append(parameter)
    given = [{"params": parameters, "weight_decay": decay} for decay, parameters in groups.items()]
    rate, momentum, epsilon = recipe.learning_rate, recipe.momentum, recipe.epsilon
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(given, rate, momentum, nesterov=recipe.nesterov and momentum > 0)
    if recipe.optimiser == "rmsprop":
        return torch.optim.RMSprop(given, rate, eps=epsilon, momentum=momentum)
    return ADAMS[recipe.optimiser](given, lr=rate, betas=(momentum, SECOND_BETA), eps=epsilon)


def kernels_of(network: nn.Module) -> Kernels:
    """Return the kernels of convolutions and dense layers, each once, with their layer's `l2_scale`."""
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    return list({layer.weight: float(getattr(layer, "l2_scale", 1.0)) for layer in layers}.items())


@torch.no_grad()
def penalty(kernels: Kernels, l2: float) -> torch.Tensor:
    """Return lam * the sum of squares of all kernels, each times its scale: a float32 scalar."""
    scaled = [(kernel, scale) for kernel, scale in kernels if l2 * scale > 0]
    if not scaled:
        return torch.zeros((), device=kernels[0][0].device if kernels else None)
    return l2 * sum((w * w).sum() * scale for w, scale in scaled)  # ty: ignore[invalid-explicit-return]


def averaged(network: nn.Module, decay: float, corrected: bool = False) -> AveragedModel:
    """Return the exponential moving average of a network's parameters and buffers, to be told of every update.

    corrected: without the bias to where it began, as Adam's moments are (Kingma and Ba 2015, section 3). After n
    updates the weights after update i count in proportion to decay^(n - i), the first ones as well, which uncorrected
    count 1 / (1 - decay) times as much. Over many updates both are the same.
    """
    return AveragedModel(
        network, multi_avg_fn=_corrected(decay) if corrected else get_ema_multi_avg_fn(decay), use_buffers=True
    )


Tensors = tuple[torch.Tensor, ...] | list[torch.Tensor]


def _corrected(decay: float) -> Callable[[Tensors, Tensors, torch.Tensor | int], None]:
    @torch.no_grad()
    def update(averages: Tensors, now: Tensors, behind: torch.Tensor | int) -> None:
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, now, (1 - decay) / (1 - decay ** (int(behind) + 1)))
        else:  # counts of batches are no numbers to average
            torch._foreach_copy_(averages, now)

    return update


# A loss is better where it is below the best by this share, as in torch's ReduceLROnPlateau.
BETTER = 1e-4


def rate_at(recipe: Recipe, epoch: int, update: int, updates: int, tune_losses: Sequence[float]) -> float:
    """Return the learning rate of one update.

    epoch: counted from 0; update: in this epoch, from 0 to `updates` - 1; tune_losses: those of the epochs before,
    which only "plateau" looks at. With a frozen stage each stage has a schedule of its own, which begins at nought.
    """
    first, length, rate = _stage(recipe, epoch)
    epoch -= first
    if recipe.schedule == "step":
        return rate * recipe.decay_factor ** (epoch // recipe.decay_epochs)
    if recipe.schedule == "inverse":
        return rate / (1 + recipe.decay * (epoch * updates + update))
    if recipe.schedule == "plateau":
        return rate * recipe.decay_factor ** plateaus(tune_losses[first : first + epoch], recipe.patience)
    cycle = length // (recipe.snapshots or 1)
    done, total = epoch % cycle * updates + update, cycle * updates
    warm = recipe.warmup_epochs * updates if epoch < cycle else 0
    if done < warm:
        return rate * (done + 1) / warm
    if recipe.schedule == "linear":
        return rate * (total - done) / (total - warm)
    # Huang et al. 2017, "Snapshot Ensembles", eq. 2, for each cycle; with one cycle Loshchilov and Hutter 2017, eq. 5.
    return rate / 2 * (1 + math.cos(math.pi * (done - warm) / (total - warm)))


def plateaus(losses: Sequence[float], patience: int) -> int:
    """Return how often the loss stood still: more than `patience` epochs in a row without a better one.

    It is counted as torch's ReduceLROnPlateau does; after each time the counting of epochs begins again.
    """
    best, worse, times = math.inf, 0, 0
    for loss in losses:
        best, worse = (loss, 0) if loss < best * (1 - BETTER) else (best, worse + 1)
        if worse > patience:
            times, worse = times + 1, 0
    return times


def _stage(recipe: Recipe, epoch: int) -> tuple[int, int, float]:
    """Return first epoch, number of epochs and highest rate of the stage, frozen or not, that `epoch` lies in."""
    frozen = min(recipe.frozen_epochs, recipe.epochs)
    if epoch < frozen:
        return 0, frozen, recipe.learning_rate
    return frozen, recipe.epochs - frozen, recipe.unfrozen_rate or recipe.learning_rate


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
