"""The study's images for the reports that show some: loaded once, however many reports there are."""

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from cli.common import Talk
from cli.reports.job import Job

if TYPE_CHECKING:
    from ensemble.split import Dataset, Split

_LOADED: "WeakKeyDictionary[Job, Dataset]" = WeakKeyDictionary()


def dataset_of(talk: Talk, job: Job) -> "Dataset":
    """Return the images the study was made of; raise `Lacks` where there are none, or they cannot be read."""
    from analysis.material import Lacks
    from ensemble.datasets import load_dataset
    from ensemble.errors import BadInput

    study = job.material.study
    if study.pin.source is None:
        raise Lacks(f"{study.root}: holds predictions that were imported, and no images are known for them.")
    if job not in _LOADED:
        try:
            with talk.progress("Packing images", "images") as progress:
                _LOADED[job] = load_dataset(study.pin.source, progress=progress)
        except BadInput as error:
            raise Lacks(f"the images of {study.root} cannot be read: {error}") from error
    return _LOADED[job]


def predicted_images(talk: Talk, job: Job) -> "Split":
    """Return the images that the predictions are of; raise `Lacks` where they cannot be matched."""
    from analysis.material import images_of

    return images_of(dataset_of(talk, job), job.material)


def images_or_why(talk: Talk, job: Job) -> "tuple[Split | None, str]":
    """Return the images, or None and why there are none, for a report that has more to show than them."""
    from analysis.material import Lacks

    try:
        return predicted_images(talk, job), ""
    except Lacks as lack:
        return None, str(lack)
