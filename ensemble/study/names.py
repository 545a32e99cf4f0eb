"""Names: which may name a member, an ensemble or a split, and how the files of a study are called."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ensemble.errors import BadInput, nearest

RESERVED = ("all", "best")  # words of `ens-report --ensemble`
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


def check_name(name: str, what: str) -> str:
    """Return `name` where it can name a member, an ensemble or a split: letters, digits, _ and -, at most 100."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadInput(f"{what} {str(name)[:120]!r}: use letters, digits, _ and - only, at most 100 of them.")
    if name in RESERVED and what != "split":
        raise BadInput(f"{what} {name!r}: 'ens-report --ensemble {name}' means something else; choose another name.")
    return name


COLUMN_DIGITS = 3  # an imported file's columns are called 000, 001, ...


def number_ids(count: int, least: int = 1) -> tuple[str, ...]:
    """Return "0", "1", ..., filled with zeros to one length, `least` or more: their order as text is their order."""
    width = max(least, len(str(count - 1)))
    return tuple(f"{i:0{width}d}" for i in range(count))


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which m-2 comes before m-10."""
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(part), part) if part.isdigit() else (1, 0, part) for part in parts if part)


def matches(pattern: str, known: Iterable[str]) -> list[str]:
    """Return the names that a pattern such as 'm3-*' matches, in their order."""
    return [name for name in known if fnmatchcase(name, pattern)]


def matching(patterns: Sequence[str], known: Sequence[str], where: object, what: str = "") -> list[str]:
    """Return the names that match one of the patterns ('m3-*'), in their order; all of them without patterns.

    where, what: what has these names, and of which there are, for the `BadInput` that a pattern without a match raises.
    """
    for pattern in patterns:
        if not matches(pattern, known):
            raise BadInput(f"{where}: no member matches {pattern!r}{what}; {nearest(pattern, known)}.")
    return [name for name in known if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]


@dataclass(frozen=True)
class MemberFiles:
    """The files in the folder of one training: a member's, a snapshot's, or that of one of its folds."""

    folder: Path

    @property
    def recipe(self) -> Path:
        """The settings that made it, and its number of threads."""
        return self.folder / "recipe.toml"

    @property
    def weights(self) -> Path:
        """Its weights; there once it is trained to the end."""
        return self.folder / "weights.safetensors"

    @property
    def checkpoint(self) -> Path:
        """Where its training goes on; there while it is not over."""
        return self.folder / "checkpoint.safetensors"

    @property
    def history(self) -> Path:
        """What was measured after each epoch."""
        return self.folder / "history.csv"

    @property
    def network(self) -> Path:
        """What its network is, layer by layer."""
        return self.folder / "network.json"

    @property
    def first_layer(self) -> Path:
        """The first convolution's kernels over time."""
        return self.folder / "first_layer.npz"

    @property
    def lock(self) -> Path:
        """The lock of whoever changes it."""
        return self.folder / "lock"

    @property
    def held_out(self) -> Path:
        """Of a fold, the predictions of the images that its network did not see."""
        return self.folder / "held-out.h5"

    def fold(self, number: int) -> "MemberFiles":
        """Return the files of the network that is trained without a fold."""
        return MemberFiles(self.folder / "folds" / str(number))
