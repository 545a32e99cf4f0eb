"""A job: one network to train, as a worker process is told of it, and what became of it."""

from dataclasses import dataclass
from pathlib import Path

from ensemble.study.history import Epoch
from ensemble.study.recipe import Recipe
from ensemble.study.tabular import Tabular
from ensemble.training.findings import Finding


@dataclass(frozen=True)
class TrainingJob:
    """One network to train: what a worker process is told.

    threads: of the CPU, part of what decides the bits; splits: those to keep predictions of.
    fold, folds: where `folds` is above 0, the network that learns without fold number `fold` of train and predicts it;
    the member itself learns from all of train.
    """

    study: Path
    member: str
    recipe: Recipe
    threads: int
    device: str
    splits: tuple[str, ...]
    fold: int | None = None
    folds: int = 0

    @property
    def title(self) -> str:
        """What it is called when one speaks of it."""
        return self.member if self.fold is None else fold_title(self.member, self.fold)


def fold_title(member: str, fold: int) -> str:
    """Return what the network is called that learns without a fold, as one speaks of it."""
    return f"{member} fold {fold}"


@dataclass(frozen=True)
class Outcome(Tabular):
    """What became of a job; member: its title.

    status: trained, resumed, skipped or failed; then `error` says why, `error_code` is the exit status it asks for, and
    `detail` is the traceback of a defect. images_per_second: the median over its epochs. findings: what is wrong with
    what was trained. repeats: whether the same recipe would end the same way. kept: the epoch whose
    weights predict, by the recipe's `keep`; None where it failed.
    """

    member: str
    status: str
    error: str | None = None
    error_code: int = 1
    detail: str | None = None
    epochs: int = 0
    last: Epoch | None = None
    best: Epoch | None = None
    seconds: float = 0.0
    images_per_second: float = 0.0
    predictions: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    repeats: bool = False
    kept: int | None = None
