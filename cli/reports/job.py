"""What every report is given: the material, where its files go, and the options of single kinds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.common import Talk

if TYPE_CHECKING:
    from analysis.material import Material


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
        parts = [kind, "" if material.split == "val" else material.split, detail]
        return self.out / f"{'-'.join(part for part in parts if part)}.{ending or self.format}"

    @property
    def who(self) -> str:
        """Name the ensemble in file names: nothing for all members."""
        material = self.material
        if material.ensemble != "all":
            return material.ensemble
        return material.stack.members[0] if material.patterns and len(material.stack.members) == 1 else ""

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


def say_chosen_here(talk: Talk, job: Job) -> None:
    """Warn that a best subset was chosen on the very split it is shown on."""
    if job.material.ensemble == "best":
        names = " + ".join(job.material.spoken.stack.members)
        talk.text(f"These members were chosen on {job.material.split} itself, which flatters them: {names}.")
