"""Which weights of a training are kept: the last epoch's, those best on tune, or the mean of the last ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ensemble.study.history import Epoch
from ensemble.study.recipe import Recipe

if TYPE_CHECKING:  # a plan asks here too, and loading torch takes two seconds
    import torch


def best_on_tune(epochs: Sequence[Epoch]) -> int:
    """Return the number of the epoch of the highest accuracy on tune, the first of equals; 0 where there is none."""
    return max(epochs, key=lambda e: (e.tune_accuracy, -e.epoch)).epoch if epochs else 0


def stopped(recipe: Recipe, epochs: Sequence[Epoch]) -> bool:
    """Say whether training has ended early: `stop_after` epochs without a better accuracy on tune."""
    return recipe.stop_after > 0 and bool(epochs) and len(epochs) - best_on_tune(epochs) >= recipe.stop_after


def averaged_epochs(recipe: Recipe) -> int:
    """Return how many of the last epochs `keep = "average"` takes the mean of."""
    return recipe.average_last or max(1, recipe.epochs // 4)


class Kept:
    """The weights that shall predict, epoch after epoch. tensors: as a state_dict, on the CPU; {} where it is the last.

    count: how many epochs' weights the mean is of.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self.tensors: dict[str, torch.Tensor] = {}
        self.count = 0

    def restore(self, tensors: Mapping[str, torch.Tensor], epochs: int) -> None:
        """Go on from what a checkpoint after so many epochs held."""
        self.count = max(0, epochs - (self._recipe.epochs - averaged_epochs(self._recipe)))
        # A mean of epochs that, now that there are more of them, are no longer among the last is begun anew.
        self.tensors = dict(tensors) if self._recipe.keep != "average" or self.count else {}

    def hear(self, epochs: Sequence[Epoch], state: Mapping[str, torch.Tensor]) -> None:
        """Take notice of the weights after the last of the epochs."""
        recipe, last = self._recipe, epochs[-1].epoch
        if recipe.keep == "best" and best_on_tune(epochs) == last:
            self.tensors = {name: t.detach().cpu().clone() for name, t in state.items()}
        elif recipe.keep == "average" and last > recipe.epochs - averaged_epochs(recipe):
            self.count += 1
            for name, t in state.items():
                now = t.detach().cpu()
                before = self.tensors.get(name)
                if before is None or not now.is_floating_point():  # counts of batches are no numbers to average
                    self.tensors[name] = now.clone()
                else:
                    before += (now - before) / self.count

    def epoch(self, epochs: Sequence[Epoch]) -> int:
        """Return the epoch whose weights are kept; the last one where it is a mean, or where training ended early."""
        return best_on_tune(epochs) if self._recipe.keep == "best" else len(epochs)
