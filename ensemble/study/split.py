"""A split of images (train, val, test, ...) and the dataset that holds several, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensemble.errors import BadInput
from ensemble.study.arrays import check_text
from ensemble.study.tabular import Rows


def check_ids(ids: Sequence[str] | np.ndarray, what: str) -> np.ndarray:
    """Return `ids` as a (n,) array of str; raise `BadInput` where one is empty or stands twice."""
    array = np.asarray(ids, dtype=np.str_)
    if array.ndim != 1:
        raise BadInput(f"{what}: expected a list of ids, found an array of shape {array.shape}.")
    check_text(array, what)
    if array.size and not np.char.str_len(array).all():
        raise BadInput(
            f"{what}: the id at row {int(np.argmin(np.char.str_len(array)))} is empty; give each one a name."
        )
    unique, counts = np.unique(array, return_counts=True)
    if unique.size != array.size:
        twice = unique[counts > 1]
        raise BadInput(
            f"{what}: ids must be unique, but {twice.size} stand more than once, {str(twice[0])!r} for one; "
            "remove the repeated rows."
        )
    return array


@dataclass(frozen=True, eq=False)
class Split(Rows):
    """Images with their labels and names, in one order.

    images: uint8 (N, H, W, Ch), Ch 1 or 3; may be a read-only memory map.
    labels: int64 (N,), positions in `class_ids`; None where the split is unlabelled.
    sample_ids: str (N,), unique: the image's path below the split's folder, without its extension.
    class_ids, class_names: C each, in sorted order of the ids.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None
    sample_ids: np.ndarray
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]

    def _columns(self) -> dict[str, Any]:
        truth = {} if self.labels is None else {"label": np.array(self.class_ids)[self.labels]}
        return {"sample_id": self.sample_ids, **truth}

    def __post_init__(self) -> None:
        where = f"split {self.name!r}"
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[3] not in (1, 3):
            raise BadInput(
                f"{where}: expected uint8 images of shape (N, H, W, 1 or 3), "
                f"found {self.images.dtype} {self.images.shape}."
            )
        object.__setattr__(self, "sample_ids", check_ids(self.sample_ids, where))
        n = len(self.images)
        if len(self.sample_ids) != n:
            raise BadInput(f"{where}: {n} images, but {len(self.sample_ids)} sample ids.")
        if len(self.class_ids) != len(self.class_names):
            raise BadInput(f"{where}: {len(self.class_ids)} class ids, but {len(self.class_names)} class names.")
        check_text(np.asarray(self.class_names, dtype=np.str_), f"{where}, class names")
        if self.labels is not None:
            labels = np.asarray(self.labels, dtype=np.int64)
            if labels.shape != (n,):
                raise BadInput(f"{where}: {n} images, but labels of shape {labels.shape}.")
            if n and not (labels.min() >= 0 and labels.max() < len(self.class_ids)):
                raise BadInput(f"{where}: labels must lie in 0..{len(self.class_ids) - 1}.")
            object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, eq=False)
class Dataset(Rows):
    """The splits of one source of images, all with the same classes and the same image shape.

    source: what `load_dataset` was given, made absolute where it is a path.
    fingerprint: SHA-256 in hex over pixels, labels, sample ids and class ids of every split.
    notes: what was converted on the way in ("1,802 grey images were made RGB"), one sentence each.
    """

    name: str
    source: str
    fingerprint: str
    splits: Mapping[str, Split]
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def _columns(self) -> dict[str, Any]:
        splits = list(self.splits.values())
        return {
            "split": list(self.splits), "images": [len(split) for split in splits],
            "labelled": [split.labels is not None for split in splits],
        }  # fmt: skip

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""
        h, w, ch = next(iter(self.splits.values())).images.shape[1:]
        return int(h), int(w), int(ch)

    def split(self, name: str) -> Split:
        """Return the split called `name`; raise `BadInput` naming those there are."""
        if name not in self.splits:
            raise BadInput(f"{self.source}: has no split {name!r}; it has {', '.join(self.splits)}.")
        return self.splits[name]
