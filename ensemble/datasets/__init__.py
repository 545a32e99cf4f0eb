"""Images with labels and ids, from the embedded digits, a folder, a zip or a pack."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ensemble.datasets.check import CheckReport, SplitCheck, check_dataset
from ensemble.datasets.check import check_source as _check_files
from ensemble.datasets.digits import load_digits
from ensemble.datasets.hugging_face import digest_of, from_saved_dataset, is_saved_dataset
from ensemble.datasets.own import from_function, from_npz
from ensemble.datasets.pack import (
    cache_folder,
    cached_packs,
    is_pack,
    listed_source,
    open_pack,
    pack_source,
    write_pack,
)
from ensemble.errors import BadInput, nearest
from ensemble.machine import Progress
from ensemble.own_code import is_own
from ensemble.study.split import Dataset

__all__ = [
    "DATASETS",
    "LAYOUTS",
    "CheckReport",
    "Embedded",
    "SplitCheck",
    "cache_folder",
    "cached_packs",
    "check_source",
    "load_dataset",
    "pack_source",
]


@dataclass(frozen=True)
class Embedded:
    """A dataset that needs no files: what it is, in a line, and how to get it."""

    about: str
    load: Callable[[], Dataset]


DATASETS: Mapping[str, Embedded] = {
    "digits": Embedded("scikit-learn's digits at 16 x 16 with noise, 200 to train on, 1,597 to validate", load_digits),
}

LAYOUTS: Mapping[str, str] = {
    "tiny-imagenet": "a folder or zip with wnids.txt, train/WNID/images/, val/images/ and val/val_annotations.txt",
    "folder": "a folder or zip with train/CLASS/ and val/CLASS/, with or without test/",
    "csv": "a CSV with the columns path, label and split, in a folder above the images",
    "npz": "arrays train_images, train_labels, val_images, val_labels, of numpy.savez, or a folder of .npy files",
    "datasets": "a folder that Hugging Face's DatasetDict.save_to_disk wrote, with train and validation (an extra)",
    "function": "package.module:function of your own, which returns train and val: see docs/own.md",
    "pack": "a folder that 'ens-data pack PATH --out DIR' made",
}


def load_dataset(source: str | Path, *, progress: Progress | None = None, pack: bool = True) -> Dataset:
    """Return the dataset that `source` names: one of DATASETS, a pack, a folder, a zip, a CSV, an .npz, a function.

    The function is one's own, `package.module:function`; a CSV lists images, an .npz file holds arrays: see LAYOUTS.
    A folder or zip is packed into the cache on first use and found there later; progress: (images done, in all).
    pack: False writes nothing; images that are not packed yet are then blank, and the fingerprint is "".
    A name of DATASETS comes before a folder of that name: write `./digits` for the folder.
    Raises `BadInput` where there is no such source or it cannot be used, `StorageError` where the cache cannot be
    written.
    """
    if str(source) in DATASETS:
        return DATASETS[str(source)].load()
    if is_own(str(source)) and not Path(source).exists():
        return from_function(str(source))
    path = _existing(source)
    if (found := _arrays(path)) is not None:
        return found[0]
    if is_saved_dataset(path):
        return _saved_dataset(path, progress, pack=pack)
    if not pack:
        return listed_source(path)
    packed = open_pack(pack_source(path, progress=progress))
    # What a study remembers is what the user named: the cache may be emptied at any time.
    return replace(packed, source=str(path.absolute()))


def _saved_dataset(path: Path, progress: Progress | None, *, pack: bool) -> Dataset:
    """Return a dataset that `datasets` saved; decoded once, and found packed in the cache from then on."""
    packed = cache_folder() / f"{path.absolute().name}-{digest_of(path)[:24]}"
    if is_pack(packed):
        return replace(open_pack(packed), source=str(path.absolute()))
    found = from_saved_dataset(path, progress)
    if pack:
        write_pack(found, packed)
    return found


def check_source(source: str | Path, progress: Progress | None = None) -> CheckReport:
    """Look at every image that `source` holds, and report; raise `BadInput` where there is nothing to look at.

    A pack's pixels, labels and ids are compared with the fingerprint of those that were packed.
    """
    if str(source) in DATASETS:
        return check_dataset(DATASETS[str(source)].load(), "embedded")
    if is_own(str(source)) and not Path(source).exists():
        return check_dataset(from_function(str(source)), "function")
    path = _existing(source)
    if (found := _arrays(path)) is not None:
        return check_dataset(*found)
    if is_saved_dataset(path):
        return check_dataset(from_saved_dataset(path, progress), "datasets")
    return _check_files(path, progress)


def _arrays(path: Path) -> tuple[Dataset, str] | None:
    """Return a source that holds arrays and needs no packing, with its layout; None for another."""
    if is_pack(path):
        return open_pack(path), "pack"
    if path.suffix.lower() == ".npz" or (path / "train_images.npy").is_file():
        return from_npz(path), "npz"
    return None


def _existing(source: str | Path) -> Path:
    path = Path(source).expanduser()
    if not path.exists():
        raise BadInput(
            f"{source}: is neither a folder, a zip nor an embedded dataset ({nearest(str(source), DATASETS)}); "
            "check the path, or fetch images with 'ens-data fetch tiny-imagenet'."
        )
    return path
