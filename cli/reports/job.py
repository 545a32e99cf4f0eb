"""What every report is given: the data, where its files go, and the options of single kinds."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import click

from analysis.sentences import many
from cli import completion
from cli.combine_text import say_copies, warn_changed
from cli.common import Output

if TYPE_CHECKING:
    import numpy as np

    from analysis.report_data import ReportData
    from ensemble.study.split import Dataset, Split


_LONGEST = 60  # letters of patterns in a file's name
_SIGNS = {"*": "@", "[": "(", "]": ")"}


@dataclass(frozen=True, eq=False)
class Job:
    """What is asked for.

    data: the members and the ensemble it is about; out: the folder of files; format: of pictures, "png", "svg" or
    "pdf"; options: the values of the options that single kinds declare, by name.
    """

    data: "ReportData"
    out: Path
    format: str
    options: Mapping[str, Any]

    def path(self, kind: str, detail: str = "", ending: str = "") -> Path:
        """Return the file of a report; what is not the default (split, ensemble, members) stands in its name."""
        data = self.data
        parts = [kind, "" if data.split == "val" else data.split, slug(data.patterns), detail]
        return self.out / f"{'-'.join(part for part in parts if part)}.{ending or self.format}"

    @property
    def who(self) -> str:
        """Name the ensemble in file names: nothing for all the members that take part, which `path` names itself."""
        return "" if self.data.name == "all" else self.data.name

    @property
    def on(self) -> str:
        """Return ` --split NAME` for the commands printed at the end; nothing for val."""
        return "" if self.data.split == "val" else f" --split {self.data.split}"

    def whom(self) -> str:
        """Name the ensemble in a sentence."""
        return self.data.ensemble.title


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
    name = job.data.name
    return job.whom() if name in ("all", "best") else name


def say_chosen_here(output: Output, job: Job) -> None:
    """Warn that a best subset was chosen on the very split it is shown on, of changed members and of copies."""
    warn_changed(output, job.data.ensemble)
    say_copies(output, job.data.ensemble.stack)
    if job.data.name == "best":
        names = " + ".join(job.data.ensemble.members)
        output.note(f"These members were chosen on {job.data.split} itself, which is likely to flatter them: {names}.")


def say_groups(output: Output, groups: "np.ndarray | None", what: str) -> int | None:
    """Say that samples belong together, and what was made so; return how many groups there are, None without any."""
    if groups is None:
        return None
    count = int(groups.max()) + 1
    output.note(f"The {len(groups):,} samples lie in {many(count, 'group')} that belong together: {what}.")
    return count


ENSEMBLE = click.option(
    "--ensemble",
    default="all",
    show_default=True,
    metavar="all|best|NAME",
    shell_complete=completion.ensembles,
    help="Which ensemble is looked at: the mean of all members, the subset most accurate on this split, "
    "a saved ensemble or a single member.",
)
GROUPS = click.option(
    "--groups",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="per-class, curve, cost, confusion, calibration, abstain, versus: which samples belong together (one patient, "
    "one video), a CSV file with the columns id and group, or predictions that hold them; folds, intervals and tests "
    "then keep them so.  [default: what the predictions hold]",
)
CLASSES = click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="ID_OR_NAME",
    help="gallery, sample: a class to show; may be repeated.  [default: the hardest and the easiest; drawn ones]",
)
IMAGES = click.option(
    "--images",
    type=click.IntRange(1, 100),
    default=8,
    show_default=True,
    metavar="N",
    help="gallery, sample: how many a class; html: so too, or as many as keep the page small; errors: how many a "
    "picture.",
)
SEED = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="errors, sample: what draws the images."
)
ALONG = click.option(
    "--x",
    "along",
    type=click.Choice(["epochs", "images"]),
    default="epochs",
    show_default=True,
    help="training, compare: what the axis counts; images are those seen, each time they are.",
)


_LOADED: "WeakKeyDictionary[Job, Dataset]" = WeakKeyDictionary()


def dataset_of(output: Output, job: Job) -> "Dataset":
    """Return the images the study was made of; raise `NotAvailable` where there are none, or they cannot be read."""
    from analysis.report_data import NotAvailable
    from ensemble.datasets import load_dataset
    from ensemble.errors import BadInput

    study = job.data.study
    if study.config.source is None:
        raise NotAvailable(f"{study.root}: holds predictions that were imported, and no images are known for them.")
    if job not in _LOADED:
        try:
            with output.progress("Packing images", "images") as progress:
                _LOADED[job] = load_dataset(study.config.source, progress=progress)
        except BadInput as error:
            raise NotAvailable(f"the images of {study.root} cannot be read: {error}") from error
    return _LOADED[job]


def predicted_images(output: Output, job: Job) -> "Split":
    """Return the images that the predictions are of; raise `NotAvailable` where they cannot be matched."""
    from analysis.report_data import images_of

    return images_of(dataset_of(output, job), job.data)


def images_or_why(output: Output, job: Job) -> "tuple[Split | None, str]":
    """Return the images, or None and why there are none, for a report that has more to show than them."""
    from analysis.report_data import NotAvailable

    try:
        return predicted_images(output, job), ""
    except NotAvailable as lack:
        return None, str(lack)
