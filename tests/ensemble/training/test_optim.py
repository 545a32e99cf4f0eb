"""Each optimiser of a recipe beside its update written out, the L2 penalty inside the loss."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ensemble.errors import BadInput
from ensemble.inference.checkpoint import restore_state, state_tensors
from ensemble.models.keras import l2
from ensemble.study.recipe import OPTIMISERS, Recipe
from ensemble.training.loop import averaged, kernels_of, make_optimiser, penalty

STEPS = 9  # RAdam rectifies from the sixth on
RECIPE = Recipe(
    "ting-m3-small", learning_rate=0.05, momentum=0.8, epsilon=1e-3, l2=0.01, weight_decay=0.03, nesterov=True
)
SCALES = {"0": 1.0, "2": 0.1, "3": 0.0}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def network() -> nn.Sequential:
    """Kernels with three scales of l2, biases, and batch norm's parameters, which have none."""
    torch.manual_seed(0)
    layers = nn.Conv2d(2, 3, 2), nn.Flatten(), nn.Linear(12, 4), nn.Linear(4, 3), nn.BatchNorm1d(3)
    made = nn.Sequential(*layers).double()
    for name, scale in SCALES.items():
        if scale != 1.0:
            l2(made[int(name)], scale)
    return made


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    torch.manual_seed(1)
    return [(torch.randn(6, 2, 3, 3, dtype=torch.float64), torch.randint(3, (6,))) for _ in range(STEPS)]


# One step of each: (parameter, gradient, memory, number of the step from 1, recipe) to what is subtracted.
Step = Callable[[torch.Tensor, torch.Tensor, dict, int, Recipe], torch.Tensor]


def sgd(p: torch.Tensor, g: torch.Tensor, memory: dict, t: int, r: Recipe) -> torch.Tensor:
    memory["v"] = r.momentum * memory.get("v", 0) + g
    return r.learning_rate * (g + r.momentum * memory["v"] if r.nesterov else memory["v"])


def moments(g: torch.Tensor, memory: dict, t: int, r: Recipe) -> tuple[torch.Tensor, torch.Tensor]:
    """Adam's two moments, neither corrected."""
    memory["m"] = r.momentum * memory.get("m", 0) + (1 - r.momentum) * g
    memory["v"] = 0.999 * memory.get("v", 0) + 0.001 * g**2
    return memory["m"], memory["v"]


def adam(p: torch.Tensor, g: torch.Tensor, memory: dict, t: int, r: Recipe) -> torch.Tensor:
    m, v = moments(g, memory, t, r)
    return r.learning_rate * (m / (1 - r.momentum**t)) / ((v / (1 - 0.999**t)).sqrt() + r.epsilon)


def adamw(p: torch.Tensor, g: torch.Tensor, memory: dict, t: int, r: Recipe) -> torch.Tensor:
    return r.learning_rate * r.weight_decay * p + adam(p, g, memory, t, r)


def radam(p: torch.Tensor, g: torch.Tensor, memory: dict, t: int, r: Recipe) -> torch.Tensor:
    m, v = moments(g, memory, t, r)
    corrected, long = m / (1 - r.momentum**t), 2 / (1 - 0.999) - 1
    rho = long - 2 * t * 0.999**t / (1 - 0.999**t)
    if rho <= 5:
        return r.learning_rate * corrected
    rectified = math.sqrt((rho - 4) * (rho - 2) * long / ((long - 4) * (long - 2) * rho))
    return r.learning_rate * rectified * corrected * math.sqrt(1 - 0.999**t) / (v.sqrt() + r.epsilon)


def nadam(p: torch.Tensor, g: torch.Tensor, memory: dict, t: int, r: Recipe) -> torch.Tensor:
    m, v = moments(g, memory, t, r)
    now, following = (r.momentum * (1 - 0.5 * 0.96 ** (0.004 * s)) for s in (t, t + 1))
    product = memory["product"] = memory.get("product", 1.0) * now
    ahead = g * (1 - now) / (1 - product) + m * following / (1 - product * following)
    return r.learning_rate * ahead / ((v / (1 - 0.999**t)).sqrt() + r.epsilon)


def rmsprop(p: torch.Tensor, g: torch.Tensor, memory: dict, t: int, r: Recipe) -> torch.Tensor:
    memory["v"] = 0.99 * memory.get("v", 0) + 0.01 * g**2
    memory["b"] = r.momentum * memory.get("b", 0) + g / (memory["v"].sqrt() + r.epsilon)
    return r.learning_rate * memory["b"]


WRITTEN_OUT: dict[str, Step] = {
    "sgd": sgd, "adam": adam, "adamw": adamw, "radam": radam, "nadam": nadam, "rmsprop": rmsprop
}  # fmt: skip


def slowly(recipe: Recipe) -> dict[str, torch.Tensor]:
    """Train by the update written out; the penalty and coupled weight decay are in the gradient."""
    made = network()
    memories: dict[str, dict] = {name: {} for name, _ in made.named_parameters()}
    for t, (x, y) in enumerate(batches(), 1):
        kernels = dict(made.named_parameters())
        squares = sum(scale * (kernels[f"{name}.weight"] ** 2).sum() for name, scale in SCALES.items())
        loss = F.cross_entropy(made(x), y) + recipe.l2 * squares
        gradients = torch.autograd.grad(loss, list(made.parameters()))
        with torch.no_grad():
            for (name, p), g in zip(made.named_parameters(), gradients, strict=True):
                coupled = g if recipe.optimiser == "adamw" else g + recipe.weight_decay * p
                p -= WRITTEN_OUT[recipe.optimiser](p, coupled, memories[name], t, recipe)
    return made.state_dict()


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("momentum", [0.8, 0.0])
def test_each_update_is_the_one_written_out(name: str, momentum: float) -> None:
    recipe = replace(RECIPE, optimiser=name, momentum=momentum, l2=0.0 if name == "adamw" else RECIPE.l2)
    made = network()
    optimiser = make_optimiser(made, recipe)
    for x, y in batches():
        optimiser.zero_grad()
        F.cross_entropy(made(x), y).backward()
        optimiser.step()
    tolerance = 1e-6 if name == "nadam" else 1e-10  # torch keeps its product of momenta in single precision
    for key, expected in slowly(recipe).items():
        found = made.state_dict()[key].double()
        assert torch.allclose(found, expected.double(), rtol=tolerance, atol=tolerance / 100), key


def test_plain_momentum() -> None:
    recipe = replace(RECIPE, nesterov=False)
    made = network()
    optimiser = make_optimiser(made, recipe)
    for x, y in batches():
        optimiser.zero_grad()
        F.cross_entropy(made(x), y).backward()
        optimiser.step()
    for key, expected in slowly(recipe).items():
        assert torch.allclose(made.state_dict()[key].double(), expected.double(), rtol=1e-10), key


def test_l2_and_weight_decay_add_on_kernels_alone() -> None:
    made = network()
    decays = {
        id(p): group["weight_decay"] for group in make_optimiser(made, RECIPE).param_groups for p in group["params"]
    }
    found = {name: decays[id(p)] for name, p in made.named_parameters()}
    assert found["0.weight"] == pytest.approx(0.03 + 2 * 0.01)
    assert found["2.weight"] == pytest.approx(0.03 + 2 * 0.01 * 0.1)
    assert found["3.weight"] == found["0.bias"] == found["4.weight"] == found["4.bias"] == 0.03
    assert len(decays) == len(list(made.parameters()))


def test_the_penalty_by_hand() -> None:
    first, second = nn.Linear(2, 1), l2(nn.Linear(1, 1), 0.5)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, 2.0]]))
        second.weight.fill_(3.0)
    made = nn.Sequential(first, second)
    assert float(penalty(kernels_of(made), 0.1)) == pytest.approx(0.1 * (5 + 0.5 * 9))
    assert float(penalty(kernels_of(made), 0.0)) == 0
    assert float(penalty(kernels_of(nn.ReLU()), 0.1)) == 0


def test_a_kernel_that_two_layers_share_is_counted_once() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.weight = first.weight
    made = nn.Sequential(first, second)
    assert len(kernels_of(made)) == 1
    assert sum(len(group["params"]) for group in make_optimiser(made, RECIPE).param_groups) == 3


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_memory_of_any_optimiser_comes_back(name: str) -> None:
    """Cut after the fourth step: the rest of the way is the same to the bit."""
    recipe = replace(RECIPE, optimiser=name, l2=0.0)
    whole, cut = network(), network()
    for steps in (whole, cut):
        optimiser = make_optimiser(steps, recipe)
        for i, (x, y) in enumerate(batches()):
            if steps is cut and i == 4:
                kept = {key: value.clone() for key, value in state_tensors(optimiser, steps).items()}
                assert kept
                optimiser = make_optimiser(steps, recipe)
                restore_state(optimiser, steps, kept)
            optimiser.zero_grad()
            F.cross_entropy(steps(x), y).backward()
            optimiser.step()
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), cut.parameters(), strict=True))


def test_the_average_written_out() -> None:
    made = network()
    average = averaged(made, 0.9)
    optimiser = make_optimiser(made, RECIPE)
    expected: dict[str, torch.Tensor] = {}
    for x, y in batches():
        optimiser.zero_grad()
        F.cross_entropy(made(x), y).backward()
        optimiser.step()
        average.update_parameters(made)
        for name, t in made.state_dict().items():
            if t.is_floating_point():  # batch norm's mean and variance too
                expected[name] = 0.9 * expected[name] + 0.1 * t if name in expected else t.clone()
    found = average.module.state_dict()
    assert "4.running_mean" in expected
    assert all(torch.allclose(found[name], t, rtol=1e-10) for name, t in expected.items())


def test_the_corrected_average_written_out() -> None:
    """The mean of all weights so far, weighted by .9^age; the plain one still has .9^3 of the first after four."""
    made, seen = network(), []
    corrected, plain = averaged(made, 0.9, corrected=True), averaged(made, 0.9)
    for value in (1.0, 2.0, 4.0, 8.0):
        with torch.no_grad():
            for t in made.state_dict().values():
                t.fill_(value)
        seen.append(value)
        for average in (corrected, plain):
            average.update_parameters(made)
        shares = [0.9 ** (len(seen) - 1 - i) for i in range(len(seen))]
        expected = sum(s * v for s, v in zip(shares, seen, strict=True)) / sum(shares)
        for name, t in corrected.module.state_dict().items():
            whole = not t.is_floating_point()
            assert t.flatten()[0].item() == pytest.approx(value if whole else expected, rel=1e-6), name
    assert next(plain.module.parameters()).flatten()[0].item() == pytest.approx(0.729 + 0.1 * (0.81 * 2 + 0.9 * 4 + 8))


def test_adamw_refuses_l2() -> None:
    with pytest.raises(BadInput, match=r"l2 = 0.001 with optimiser 'adamw'.*set l2 = 0 and use weight_decay"):
        Recipe("ting-m3", optimiser="adamw")


def test_an_unknown_optimiser_is_refused() -> None:
    with pytest.raises(BadInput, match=r"optimiser must be one of sgd, adam, .*, found 'lion'"):
        Recipe("ting-m3", optimiser="lion")
