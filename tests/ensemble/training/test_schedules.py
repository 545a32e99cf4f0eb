"""The learning rate of every update, beside torch's schedulers and the formulas of the papers."""

import math
import warnings
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from ensemble.errors import BadInput
from ensemble.study.recipe import Recipe, builtin_plan
from ensemble.training.loop import plateaus, rate_at

UPDATES = 7


def rates(recipe: Recipe, losses: list[float] | None = None) -> list[float]:
    """Every update's rate, in order."""
    given = losses or [math.nan] * recipe.epochs
    return [rate_at(recipe, e, u, UPDATES, given[:e]) for e in range(recipe.epochs) for u in range(UPDATES)]


def of_torch(make: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler], rate: float, steps: int) -> list[float]:
    """What a scheduler of torch, stepped after every update, gives."""
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    scheduler = make(optimiser)
    found = []
    for _ in range(steps):
        found.append(optimiser.param_groups[0]["lr"])
        with warnings.catch_warnings(action="ignore"):  # no gradient was ever computed
            scheduler.step()
    return found


def test_step_is_torchs() -> None:
    recipe = Recipe("ting-m3", epochs=9, decay_epochs=4, decay_factor=0.5)
    expected = of_torch(lambda o: lr_scheduler.StepLR(o, 4 * UPDATES, 0.5), 0.01, 9 * UPDATES)
    assert rates(recipe) == pytest.approx(expected, rel=1e-12)


def test_the_papers_schedule() -> None:
    recipe = builtin_plan("ting").base
    at = [rate_at(recipe, epoch, 0, 782, ()) for epoch in (0, 9, 10, 29)]
    assert at == pytest.approx([0.01, 0.01, 0.0085, 0.01 * 0.85**2])


def test_inverse_counts_updates() -> None:
    recipe = Recipe("ting-m3", epochs=3, schedule="inverse", decay=0.1)
    assert rates(recipe) == pytest.approx([0.01 / (1 + 0.1 * t) for t in range(3 * UPDATES)], rel=1e-12)


def rates_like_torchs(
    schedule: str, warm: int, down: Callable[[torch.optim.Optimizer, int], lr_scheduler.LRScheduler]
) -> list[float]:
    """Return the rates of six epochs, `warm` of them rising, which are those of torch's own schedulers."""
    recipe = Recipe("ting-m3", epochs=6, schedule=schedule, warmup_epochs=warm)
    first, steps = warm * UPDATES, 6 * UPDATES

    def make(optimiser: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
        falling = down(optimiser, steps - first)
        if not warm:
            return falling
        up = lr_scheduler.LinearLR(optimiser, 1 / first, total_iters=first - 1)
        return lr_scheduler.SequentialLR(optimiser, [up, falling], [first])

    with warnings.catch_warnings(action="ignore"):
        expected = of_torch(make, 0.01, steps)
    assert rates(recipe) == pytest.approx(expected, rel=1e-9)
    return rates(recipe)


@pytest.mark.parametrize("warm", [0, 1, 2])
def test_cosine_after_a_warm_up_is_torchs(warm: int) -> None:
    found = rates_like_torchs("cosine", warm, lr_scheduler.CosineAnnealingLR)
    assert max(found) == pytest.approx(0.01)
    assert found[-1] < 1e-4


@pytest.mark.parametrize("warm", [0, 2])
def test_linear_after_a_warm_up_is_torchs(warm: int) -> None:
    first, steps = warm * UPDATES, 6 * UPDATES
    found = rates_like_torchs(
        "linear", warm, lambda optimiser, n: lr_scheduler.LinearLR(optimiser, 1, 0, total_iters=n)
    )
    # By hand: the middle of the fall, and the last update, one step above zero.
    assert found[(first + steps) // 2] == pytest.approx(0.005, rel=0.05)
    assert found[-1] == pytest.approx(0.01 / (steps - first))


def test_snapshots_are_huangs_cycles() -> None:
    """Snapshot Ensembles, eq. 2: alpha(t) = alpha0 / 2 (cos(pi mod(t - 1, ceil(T / M)) / ceil(T / M)) + 1)."""
    recipe = Recipe("ting-m3", epochs=6, schedule="cosine", snapshots=3)
    cycle = 6 * UPDATES // 3
    eq2 = [0.01 / 2 * (math.cos(math.pi * ((t - 1) % cycle) / cycle) + 1) for t in range(1, 6 * UPDATES + 1)]
    restarts = of_torch(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, cycle), 0.01, 6 * UPDATES)
    assert rates(recipe) == pytest.approx(eq2, rel=1e-12)
    assert rates(recipe) == pytest.approx(restarts, rel=1e-9)


def test_only_the_first_cycle_is_warmed_up() -> None:
    found = rates(Recipe("ting-m3", epochs=6, schedule="cosine", snapshots=3, warmup_epochs=1))
    assert found[0] == pytest.approx(0.01 / UPDATES)
    assert found[2 * UPDATES] == found[4 * UPDATES] == found[UPDATES] == pytest.approx(0.01)


def test_a_warm_up_longer_than_training_only_rises() -> None:
    found = rates(Recipe("ting-m3", epochs=2, schedule="cosine", warmup_epochs=4))
    assert found == sorted(found)
    assert found[-1] == pytest.approx(0.005)


@given(
    st.lists(st.floats(0.01, 10) | st.sampled_from([1.0, 0.99991, 0.9998, 2.0]), max_size=30),
    st.integers(1, 4),
)
def test_plateau_is_torchs(losses: list[float], patience: int) -> None:
    recipe = Recipe("ting-m3", epochs=31, schedule="plateau", tune=0.1, decay_factor=0.5, patience=patience)
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=recipe.learning_rate)
    slow = lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=patience, eps=0)
    for epoch, loss in enumerate(losses):
        assert rate_at(recipe, epoch, 3, UPDATES, losses[:epoch]) == optimiser.param_groups[0]["lr"]
        slow.step(loss)
    assert rate_at(recipe, len(losses), 0, UPDATES, losses) == optimiser.param_groups[0]["lr"]


def test_plateaus_by_hand() -> None:
    assert plateaus([3, 2, 2, 2], patience=2) == 0
    assert plateaus([3, 2, 2, 2, 2], patience=2) == 1
    assert plateaus([3, 2, 2, 2, 1.9, 1.9, 1.9, 1.9], patience=2) == 1
    assert plateaus([3, 2, 2, 2, 2, 2, 2, 2], patience=2) == 2


def test_each_stage_has_a_schedule_of_its_own() -> None:
    recipe = Recipe("ting-m3", epochs=10, frozen_epochs=4, unfrozen_rate=0.001, decay_epochs=3, decay_factor=0.1)
    found = rates(recipe)[::UPDATES]
    assert found == pytest.approx([0.01] * 3 + [0.001] + [0.001] * 3 + [0.0001] * 3)
    cosine = rates(replace(recipe, schedule="cosine"))
    alone = rates(replace(recipe, schedule="cosine", frozen_epochs=0, unfrozen_rate=0.0, epochs=6))
    assert cosine[4 * UPDATES :] == pytest.approx([rate / 10 for rate in alone])
    plateau = replace(recipe, schedule="plateau", tune=0.1, patience=1)
    # Losses of the frozen stage are forgotten: the others, worse, are not yet a plateau.
    assert rate_at(plateau, 6, 0, UPDATES, [1, 1, 1, 1, 5, 4]) == 0.001
    assert rate_at(replace(recipe, unfrozen_rate=0.0), 4, 0, UPDATES, []) == 0.01
    assert rate_at(replace(recipe, frozen_epochs=20), 9, 0, UPDATES, []) == pytest.approx(0.01 * 0.1**3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "plateau"}, r"'plateau' looks at the loss on tune.*set tune, to 0.1"),
        ({"schedule": "flat"}, r"schedule must be one of step, inverse, plateau, cosine, linear, found 'flat'"),
        ({"warmup_epochs": 2}, r"warmup_epochs and snapshots are of schedule 'cosine' or 'linear', found 'step'"),
        ({"snapshots": 5}, r"warmup_epochs and snapshots are of schedule 'cosine' or 'linear'"),
        ({"decay": 0.1}, r"decay is of schedule 'inverse', found 'step'"),
        ({"schedule": "cosine", "snapshots": 4}, r"snapshots = 4 .*75 epochs cannot .*; set epochs to 72 or 76"),
        ({"schedule": "cosine", "snapshots": 5, "frozen_epochs": 5}, r"snapshots and frozen_epochs do not go together"),
        ({"unfrozen_rate": 0.1}, r"unfrozen_rate is of the epochs after frozen_epochs, which are 0"),
        ({"augment": "mirrored"}, r"augment 'mirrored': 'mirrored' is not an operation"),
        ({"augment_val": "mirror + flip"}, r"augment_val 'mirror \+ flip': validation holds each image once"),
        ({"normalise": "meanimage"}, r"normalise 'meanimage': is not known.*mean-image"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Recipe("ting-m3", **settings)
