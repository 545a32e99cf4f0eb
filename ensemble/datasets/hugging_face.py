"""A folder that Hugging Face's `datasets` saved: its images and labels, by a column each."""

import hashlib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.datasets.decode import Decoded, decode, fitted, to_grey
from ensemble.datasets.own import make_dataset
from ensemble.errors import BadInput, reason_of
from ensemble.machine import Progress
from ensemble.study.seals import read_text
from ensemble.study.split import Dataset

MARK = "dataset_dict.json"
_SPLITS = {"train": "train", "validation": "val", "valid": "val", "val": "val", "test": "test"}
LARGEST = 256  # pixels of a side that images of several sizes are brought to


def is_saved_dataset(path: Path) -> bool:
    """Say whether `datasets.DatasetDict.save_to_disk` wrote a folder."""
    return (path / MARK).is_file()


def digest_of(path: Path) -> str:
    """Return what tells a saved dataset from another: of the states that `datasets` keeps of its splits."""
    states = sorted((path / MARK, *path.glob("*/state.json")))
    return hashlib.sha256("".join(read_text(state) for state in states).encode()).hexdigest()


def from_saved_dataset(path: Path, progress: Progress | None = None) -> Dataset:
    """Return the images of a folder that `DatasetDict.save_to_disk` wrote, decoded and brought to one size.

    It has the splits train and validation, perhaps test, each with one column of images and one of labels: a
    `ClassLabel`, or one that is called "label". Raises `BadInput`.
    """
    library = _library(path)
    library.disable_progress_bars()
    try:
        found = library.load_from_disk(str(path))
    except Exception as error:  # whatever its files hold
        reason = reason_of(error)
        raise BadInput(f"{path}: cannot be read as a saved dataset, {reason}; save it again.") from error
    splits = {_SPLITS[str(name)]: part for name, part in found.items() if str(name) in _SPLITS}
    if not {"train", "val"} <= set(splits):
        raise BadInput(f"{path}: expected the splits train and validation, found {', '.join(map(str, found))}.")
    decoded: dict[str, list[Decoded]] = {}
    labels: dict[str, np.ndarray] = {}
    names: list[str] | None = None
    total, done = sum(len(part) for part in splits.values()), 0
    for key, part in splits.items():
        image, label, own = _columns(path, key, part.features, library)
        names = names or own
        decoded[key] = []
        for row, item in enumerate(part.cast_column(image, library.Image(decode=False))):
            decoded[key].append(decode(_bytes(item[image]), f"{path}: {key}, row {row}"))
            done += 1
            if progress:
                progress(done, total)
        labels[key] = np.asarray(part[label])
    grey = all(one.grey for each in decoded.values() for one in each)
    sizes = {one.pixels.shape[:2] for each in decoded.values() for one in each}
    side = min(LARGEST, int(np.median([min(one.pixels.shape[:2]) for one in decoded["train"]])))
    size = next(iter(sizes)) if len(sizes) == 1 else (side, side)

    def images(each: list[Decoded]) -> np.ndarray:
        pixels = (one.pixels if one.pixels.shape[:2] == size else fitted(one.pixels, size) for one in each)
        return np.stack([to_grey(one) if grey else one for one in pixels])

    unlabelled = "test" in labels and labels["test"].dtype.kind == "i" and bool((labels["test"] < 0).all())
    parts: Mapping[str, Any] = {
        key: images(each) if key == "test" and unlabelled else (images(each), labels[key])
        for key, each in decoded.items()
    }
    try:
        return make_dataset(**parts, class_names=names, name=path.name, source=str(path.absolute()))
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error


def _library(path: Path) -> Any:
    """Return Hugging Face's library; raise `BadInput` where it is missing, also where a folder has its name."""
    try:
        library = import_module("datasets")
    except ModuleNotFoundError as error:
        raise BadInput(f"{path}: needs {error.name}, which is missing: pip install 'kofn[datasets]'.") from error
    if not hasattr(library, "DatasetDict"):
        raise BadInput(f"{path}: needs datasets, which is missing: pip install 'kofn[datasets]'.")
    return library


def _columns(path: Path, split: str, features: Mapping[str, Any], library: Any) -> tuple[str, str, list[str] | None]:
    """Return the columns of images and of labels, and the classes' names where the labels have some."""
    images = [name for name, kind in features.items() if isinstance(kind, library.Image)]
    classes = [name for name, kind in features.items() if isinstance(kind, library.ClassLabel)]
    labels = classes if len(classes) == 1 else [name for name in features if name == "label"]
    if len(images) != 1 or len(labels) != 1:
        raise BadInput(
            f"{path}: {split}: expected one column of images and one of labels (a ClassLabel, or 'label'), found "
            f"{', '.join(features)}; keep the two with select_columns, or name the label 'label'."
        )
    return images[0], labels[0], features[labels[0]].names if classes else None


def _bytes(stored: Mapping[str, Any]) -> bytes:
    return stored["bytes"] if stored["bytes"] is not None else Path(stored["path"]).read_bytes()
