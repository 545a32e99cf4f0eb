"""What is drawn of training histories: a line for each member, or a middle and a range for each group of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ensemble.errors import BadInput
from ensemble.study.history import History

ALONG = ("epochs", "images")
MIDDLES = ("mean", "median")
DRAWN = tuple(f"{split}_{what}" for split in ("train", "val") for what in ("cross_entropy", "accuracy"))


@dataclass(frozen=True, eq=False)
class Series:
    """One line of a figure: of one member, or the middle of several with their smallest and largest value.

    x: float64 (K,), epochs done or images seen; of several members up to where the first of them ends.
    middle, low, high: column of `DRAWN` -> float64 (K,), NaN where no member has the value; the same for one member.
    steps: float64 (D,), the x at which the learning rate fell, of any member; falling: it falls all the time instead.
    last, best: the x and the validation accuracy of a single member's last and best epoch; None of several members.
    ends: the last x of each member, in order.
    """

    label: str
    members: tuple[str, ...]
    x: np.ndarray
    middle: dict[str, np.ndarray]
    low: dict[str, np.ndarray]
    high: dict[str, np.ndarray]
    steps: np.ndarray
    falling: bool
    last: tuple[float, float] | None
    best: tuple[float, float] | None
    ends: tuple[float, ...]

    @property
    def cut(self) -> bool:
        """Whether some members go on beyond what is drawn of them all."""
        return len(set(self.ends)) > 1


@dataclass(frozen=True, eq=False)
class Curves:
    """The lines of one figure. along: "epochs" or "images", what their x counts; middle: "mean" or "median"."""

    along: str
    middle: str
    series: tuple[Series, ...]

    @property
    def common_steps(self) -> np.ndarray | None:
        """The x of the learning rate's steps where all lines share them, float64 (D,); None where they differ."""
        first = self.series[0].steps
        return first if all(np.array_equal(series.steps, first) for series in self.series) else None


def curves(
    groups: Sequence[tuple[str, Sequence[History]]], *, along: str = "epochs", middle: str = "mean",
    train: int | None = None,
) -> Curves:  # fmt: skip
    """Lay histories along an axis; `groups` are a label and the histories behind it each.

    Nothing is smoothed. Where the members of a group were measured at different x, each is read off the straight lines
    between its own measurements, as a drawing would show it. train: how many images an epoch held, for histories that
    do not say how many were seen. Raises `BadInput` where that is needed and not known.
    """
    for value, known, what in ((along, ALONG, "along"), (middle, MIDDLES, "middle")):
        if value not in known:
            raise BadInput(f"{what} must be one of {', '.join(known)}, found {value!r}.")
    return Curves(along, middle, tuple(_series(label, found, along, middle, train) for label, found in groups))


def by_member(histories: Sequence[History], *, along: str = "epochs", train: int | None = None) -> Curves:
    """Return a line for each member."""
    return curves([(history.member, [history]) for history in histories], along=along, train=train)


def places(histories: Sequence[History], along: str, train: int | None = None) -> list[np.ndarray]:
    """Return the x of each history's epochs, float64 (E,); raise `BadInput` where images seen are not known."""
    return [_along(history, along, train) for history in histories]


def _series(label: str, histories: Sequence[History], along: str, middle: str, train: int | None) -> Series:
    at = places(histories, along, train)
    begin, ends = max(float(x[0]) for x in at), tuple(float(x[-1]) for x in at)
    grid = np.unique(np.concatenate(at))
    grid = grid[np.less_equal(grid, min(ends)) & np.greater_equal(grid, begin)]
    drawn: tuple[dict[str, np.ndarray], ...] = ({}, {}, {})
    for column in DRAWN:
        values = np.stack([np.interp(grid, x, h.columns[column]) for x, h in zip(at, histories, strict=True)])
        for into, function in zip(drawn, (getattr(np, middle), np.min, np.max), strict=True):
            into[column] = _over(values, function)
    falls = [history.falls() for history in histories]
    steps = [x[rows - 1] for x, rows in zip(at, falls, strict=True) if rows is not None]
    last = best = None
    if len(histories) == 1:
        accuracy = histories[0].columns["val_accuracy"]
        if np.isfinite(accuracy).any():
            last, row = (ends[0], float(accuracy[-1])), int(np.nanargmax(accuracy))
            best = float(at[0][row]), float(accuracy[row])
    return Series(
        label=label,
        members=tuple(history.member for history in histories),
        x=grid,
        middle=drawn[0],
        low=drawn[1],
        high=drawn[2],
        steps=np.unique(np.concatenate(steps)) if steps else np.empty(0),
        falling=any(rows is None for rows in falls),
        last=last,
        best=best,
        ends=ends,
    )


def _along(history: History, along: str, train: int | None) -> np.ndarray:
    if along == "epochs":
        return history.columns["epoch"]
    seen = history.images(train)
    if seen is None:
        raise BadInput(
            f"{history.member}: its history has no column images_seen and the study does not say how many train "
            "images there are, so images seen are not known; use x='epochs'."
        )
    return seen


def _over(values: np.ndarray, function) -> np.ndarray:
    """Apply a function over members, values (n, K), to those that have the value; NaN where none has."""
    out = np.full(values.shape[1], np.nan)
    for k, column in enumerate(values.T):
        there = column[np.isfinite(column)]
        if len(there):
            out[k] = function(there)
    return out
