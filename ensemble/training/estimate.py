"""What a plan will take, before anything starts: parameters, work, memory and hours, from a short probe here."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from ensemble.inference.inputs import Precision, network_spec, precision_on, resolve_device
from ensemble.models import build_network
from ensemble.models.measure import describe
from ensemble.models.network import Network
from ensemble.study.image_spec import parse_augment
from ensemble.study.recipe import Recipe
from ensemble.study.split import Dataset
from ensemble.training.damage import trains_over
from ensemble.training.loop import make_optimiser
from ensemble.training.plan_members import MemberPlan, TrainingPlan

PROBE_SECONDS = 1.0
BASE_BYTES = 400 * 2**20  # Python, torch and its libraries
# Numbers an optimiser remembers for each parameter.
REMEMBERED = {"sgd": 1, "rmsprop": 2, "adam": 2, "adamw": 2, "radam": 2, "nadam": 2}


@dataclass(frozen=True)
class Estimate:
    """What one member will take.

    parameters: of its network; gflops: of one image forward, 2 x multiply-adds / 1e9. memory: bytes of its process, or
    of the GPU, about: weights, gradients, the optimiser's memory, and every layer's output for a batch, twice.
    images_per_second: measured here in training, alone, on random images without augmentation. seconds: of all its
    epochs and folds at that rate, validation not counted.
    """

    parameters: int
    gflops: float
    memory: int
    images_per_second: float
    seconds: float


def estimate(plan: TrainingPlan, dataset: Dataset) -> dict[str, Estimate]:
    """Return for each member that is to be trained what it will take; each kind of network is tried out for a second.

    Raises `BadInput` where a network cannot be built, as training would.
    """
    rates: dict[tuple, tuple[int, float, int, float]] = {}
    found = {}
    for member in plan:
        if not _learns(plan, member) and not member.folds_left:
            continue
        recipe = member.recipe
        like = (recipe.model, recipe.input_size, recipe.batch_size, recipe.optimiser, recipe.frozen_epochs > 0,
                recipe.padding, recipe.activation, recipe.head, recipe.ema > 0, recipe.precision,
                member.threads)  # fmt: skip
        if like not in rates:
            rates[like] = _measured(recipe, dataset, plan.device, member.threads or 1)
        parameters, gflops, memory, rate = rates[like]
        found[member.name] = Estimate(parameters, gflops, memory, rate, _images(member, plan, dataset) / rate)
    return found


def total_seconds(plan: TrainingPlan, found: Mapping[str, Estimate]) -> float:
    """Return the seconds of all members together, `plan.jobs` of them at once, though never less than the longest's."""
    each = [estimated.seconds for estimated in found.values()]
    return max(sum(each) / plan.jobs, max(each)) if each else 0.0


def _learns(plan: TrainingPlan, member: MemberPlan) -> bool:
    """Say whether the member's own network is to be trained, and not predicted by alone."""
    over = member.action == "redo" and trains_over(plan.study, member.name, member.damage)
    return over or member.action in ("train", "resume", "extend")


def _images(member: MemberPlan, plan: TrainingPlan, dataset: Dataset) -> float:
    """Return how many images the member and its folds are trained on, each as often as it is."""
    recipe = member.recipe
    an_epoch = len(dataset.split("train")) * (1 - recipe.tune) * len(parse_augment(recipe.augment))
    networks = _learns(plan, member) + len(member.folds_left) * (1 - 1 / max(plan.folds, 2))
    return an_epoch * recipe.epochs * networks


def _measured(recipe: Recipe, dataset: Dataset, device_name: str, threads: int) -> tuple[int, float, int, float]:
    """Return parameters, gflops, bytes of memory and images per second of a recipe's network in training."""
    spec = network_spec(recipe, dataset.image_shape, len(dataset.class_ids))
    device, before = resolve_device(device_name), torch.get_num_threads()
    state = torch.get_rng_state()
    torch.set_num_threads(threads)
    try:
        network = build_network(recipe.model, spec)
        described = describe(network, spec.image_shape)
        network = network.to(device).to(memory_format=torch.channels_last).train()
        rate = _rate(network, recipe, spec.image_shape, spec.classes, device)
    finally:
        torch.set_num_threads(before)
        torch.set_rng_state(state)
    outputs = sum(_numbers(layer["output"]) for layer in described["layers"])
    weights = described["parameters"] * (2 + REMEMBERED[recipe.optimiser] + (recipe.ema > 0))
    memory = 4 * (weights + 2 * outputs * recipe.batch_size) + BASE_BYTES
    if device.type == "cuda":
        memory += sum(split.images.size for split in dataset.splits.values())
    return described["parameters"], described["gflops"], memory, rate


def _numbers(shape: list[int]) -> int:
    count = 1 if shape else 0
    for side in shape:
        count *= side
    return count


def _rate(
    network: Network, recipe: Recipe, image_shape: tuple[int, int, int], classes: int, device: torch.device
) -> float:
    """Return images per second of updates, on batches that grow until one takes long enough to be timed."""
    optimiser, precision = make_optimiser(network, recipe), precision_on(device, recipe.precision)
    size, rate = min(recipe.batch_size, 2), 0.0
    begun = time.perf_counter()
    while time.perf_counter() - begun < PROBE_SECONDS:
        seconds = _update(network, optimiser, size, image_shape, classes, device, precision)
        rate = size / seconds if size == recipe.batch_size else max(rate, size / seconds)
        if seconds * 4 < PROBE_SECONDS:
            size = min(4 * size, recipe.batch_size)
        elif rate:
            break
    return rate


def _update(
    network: nn.Module, optimiser: torch.optim.Optimizer, size: int, image_shape: tuple[int, int, int], classes: int,
    device: torch.device, precision: Precision,
) -> float:  # fmt: skip
    height, width, channels = image_shape
    images = torch.rand(size, channels, height, width, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, classes, (size,), device=device)
    begun = time.perf_counter()
    with precision():
        logits = network(images)
    optimiser.zero_grad(set_to_none=True)
    F.cross_entropy(logits.float(), labels).backward()
    optimiser.step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun
