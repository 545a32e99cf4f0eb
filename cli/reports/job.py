"""What every report is given: the material, where its files go, and the options of single kinds."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.common import Talk

if TYPE_CHECKING:
    from analysis.material import Material


_LONGEST = 60  # letters of patterns in a file's name
_SIGNS = {"*": "@", "[": "(", "]": ")"}


@dataclass(frozen=True, eq=False)
class Job:
    """What is asked for.

    material: the members and the ensemble it is about; out: the folder of files; format: of pictures, "png", "svg" or
    "pdf"; options: the values of the options that single kinds declare, by name.
    """

    material: "Material"
    out: Path
    format: str
    options: Mapping[str, Any]

    def path(self, kind: str, detail: str = "", ending: str = "") -> Path:
        """Return the file of a report; what is not the default (split, ensemble, members) stands in its name."""
        material = self.material
        parts = [kind, "" if material.split == "val" else material.split, slug(material.patterns), detail]
        return self.out / f"{'-'.join(part for part in parts if part)}.{ending or self.format}"

    @property
    def who(self) -> str:
        """Name the ensemble in file names: nothing for all the members that take part, which `path` names itself."""
        return "" if self.material.ensemble == "all" else self.material.ensemble

    @property
    def on(self) -> str:
        """Return ` --split NAME` for the commands printed at the end; nothing for val."""
        return "" if self.material.split == "val" else f" --split {self.material.split}"

    def whom(self) -> str:
        """Name the ensemble in a sentence."""
        members, ensemble = self.material.spoken.stack.members, self.material.ensemble
        if len(members) == 1:
            return f"{members[0]} alone"
        return f"mean of {'the best ' if ensemble == 'best' else ''}{len(members)} members"


def slug(patterns: Iterable[str]) -> str:
    """Return members' patterns as a part of a file's name: other patterns, another name; nothing for none.

    Names stand as they are, joined with +; of the signs of a pattern * is @ and [ ] are ( ), others =HEX. None of these
    can be in a member's name. Of what is long the beginning is kept, and a digest of the whole.
    """
    joined = "+".join("".join(_sign(sign) for sign in pattern) for pattern in sorted(set(patterns)))
    if len(joined) <= _LONGEST:
        return joined
    return f"{joined[: _LONGEST - 9]}={hashlib.sha256(joined.encode()).hexdigest()[:8]}"


def _sign(sign: str) -> str:
    plain = sign in "-_" or (sign.isascii() and sign.isalnum())
    return sign if plain else _SIGNS.get(sign, f"={ord(sign):X}")


def called(job: Job) -> str:
    """Name the ensemble where it stands beside its members: a saved one by its name, else as `Job.whom` does."""
    ensemble = job.material.ensemble
    return job.whom() if ensemble in ("all", "best") else ensemble


def say_chosen_here(talk: Talk, job: Job) -> None:
    """Warn that a best subset was chosen on the very split it is shown on."""
    if job.material.ensemble == "best":
        names = " + ".join(job.material.spoken.stack.members)
        talk.text(f"These members were chosen on {job.material.split} itself, which flatters them: {names}.")
