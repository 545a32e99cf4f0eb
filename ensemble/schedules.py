"""The learning rate of every update, worked out from what lies before it: a run that goes on needs no state for it."""

import math
from collections.abc import Sequence

from ensemble.recipe import Recipe

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
