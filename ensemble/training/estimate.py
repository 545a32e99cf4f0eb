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
from ensemble.models.network import Network, check_sides
from ensemble.study.image_spec import parse_augment, parse_resizing, side_in_epoch
from ensemble.study.recipe import Recipe
from ensemble.study.split import Dataset
from ensemble.study.weights import facts_of
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
    images_per_second: measured here in training, on random images without augmentation; over all epochs that are
    left, where they differ in the images' size. seconds: of those epochs and of folds, validation not counted.
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
    rates: dict[tuple, _Measured] = {}
    found = {}
    for member in plan:
        if not _learns(plan, member) and not member.folds_left:
            continue
        recipe = member.recipe
        like = (recipe.model, recipe.input_size, recipe.progressive_resizing, recipe.batch_size, recipe.optimiser,
                recipe.frozen_epochs > 0,
                recipe.padding, recipe.activation, recipe.head, recipe.ema > 0, recipe.precision,
                member.threads)  # fmt: skip
        if like not in rates:
            rates[like] = _measured(recipe, dataset, plan.device, member.threads or 1)
        measured, images = rates[like], _images(member, plan, dataset)
        seconds = sum(count / measured.rates[side] for side, count in images.items())
        found[member.name] = Estimate(
            measured.parameters,
            measured.gflops,
            measured.memory,
            sum(images.values()) / seconds if seconds else measured.rates[0],
            seconds,
        )
    return found


@dataclass(frozen=True)
class _Measured:
    """As `Estimate` has it of one kind of network; rates: images per second by their side, 0 the one validated."""

    parameters: int
    gflops: float
    memory: int
    rates: Mapping[int, float]


def total_seconds(plan: TrainingPlan, found: Mapping[str, Estimate]) -> float:
    """Return the seconds of all members together, `plan.jobs` of them at once, though never less than the longest's."""
    each = [estimated.seconds for estimated in found.values()]
    return max(sum(each) / plan.jobs, max(each)) if each else 0.0


def _learns(plan: TrainingPlan, member: MemberPlan) -> bool:
    """Say whether the member's own network is to be trained, and not predicted by alone."""
    over = member.action == "redo" and trains_over(plan.study, member.name, member.damage)
    return over or member.action in ("train", "resume", "extend")


def _images(member: MemberPlan, plan: TrainingPlan, dataset: Dataset) -> dict[int, float]:
    """Return how many images the member and its folds are still trained on, each as often as it is, by their side."""
    recipe = member.recipe
    an_epoch = len(dataset.split("train")) * (1 - recipe.tune) * len(parse_augment(recipe.augment))
    behind = _epochs_behind(plan, member)
    of_folds = len(member.folds_left) * (1 - 1 / max(plan.folds, 2))
    found: dict[int, float] = {}
    for epoch in range(recipe.epochs):
        networks = of_folds + (_learns(plan, member) and epoch >= behind)
        side = side_in_epoch(recipe.progressive_resizing, epoch)
        found[side] = found.get(side, 0.0) + an_epoch * networks
    return found


def _epochs_behind(plan: TrainingPlan, member: MemberPlan) -> int:
    """Return how many epochs the checkpoint that the member's own network goes on from has behind it."""
    checkpoint = plan.study.files(member.name).checkpoint
    goes_on = member.action in ("resume", "extend") and not plan.force and checkpoint.exists()
    return int(facts_of(checkpoint, "kofn.checkpoint")["epochs"]) if goes_on else 0


def _measured(recipe: Recipe, dataset: Dataset, device_name: str, threads: int) -> _Measured:
    """Try out a recipe's network in training."""
    spec = network_spec(recipe, dataset.image_shape, len(dataset.class_ids))
    device, before = resolve_device(device_name), torch.get_num_threads()
    state = torch.get_rng_state()
    torch.set_num_threads(threads)
    try:
        network = build_network(recipe.model, spec)
        check_sides(network, recipe, spec.image_shape)
        described = describe(network, spec.image_shape)
        network = network.to(device).to(memory_format=torch.channels_last).train()
        shapes = {0: spec.image_shape}
        for stage in parse_resizing(recipe.progressive_resizing):
            shapes[stage.side] = (stage.side, stage.side, spec.image_shape[2])
        found = {side: _rate(network, recipe, shape, spec.classes, device) for side, shape in shapes.items()}
    finally:
        torch.set_num_threads(before)
        torch.set_rng_state(state)
    outputs = sum(_numbers(layer["output"]) for layer in described["layers"])
    weights = described["parameters"] * (2 + REMEMBERED[recipe.optimiser] + (recipe.ema > 0))
    memory = 4 * (weights + 2 * outputs * recipe.batch_size) + BASE_BYTES
    if device.type == "cuda":
        memory += sum(split.images.size for split in dataset.splits.values())
    return _Measured(described["parameters"], described["gflops"], memory, found)


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
    size, rate, tried = min(recipe.batch_size, 2), 0.0, 0
    begun = time.perf_counter()
    while True:
        seconds = _update(network, optimiser, size, image_shape, classes, device, precision)
        first, tried = tried != size, size
        if first and seconds < PROBE_SECONDS:  # the first update of a shape pays for code that is made for it
            continue
        rate = max(rate, size / seconds)
        # On to the recipe's own batch, however small ones fared: they pay most for what is done once an update.
        if seconds * 4 > PROBE_SECONDS or (size == recipe.batch_size and time.perf_counter() - begun > PROBE_SECONDS):
            return rate
        size = min(4 * size, recipe.batch_size)


def _update(
    network: nn.Module, optimiser: torch.optim.Optimizer, size: int, image_shape: tuple[int, int, int], classes: int,
    device: torch.device, precision: Precision,
) -> float:  # fmt: skip
    height, width, channels = image_shape
    images = torch.rand(size, channels, height, width, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, classes, (size,), device=device)
    # One thread's own time, where that is all there is, is not lengthened by what else the machine does.
    clock = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    begun = clock()
    with precision():
        logits = network(images)
    optimiser.zero_grad(set_to_none=True)
    F.cross_entropy(logits.float(), labels).backward()
    optimiser.step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - begun
