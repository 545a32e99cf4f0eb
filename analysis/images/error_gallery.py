"""Errors of one kind with their images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from analysis.errors_seen import ErrorsSeen
from analysis.images.gallery import image_rows
from ensemble.errors import BadInput, nearest
from ensemble.split import Split

# What each kind shows, the first first.
ERROR_KINDS: Mapping[str, Callable[[ErrorsSeen], np.ndarray]] = {
    "suspects": lambda value: value.suspects,
    "rescued": lambda value: value.rescued,
    "spoiled": lambda value: value.spoiled,
    "drawn": lambda value: value.drawn_errors(),
}


@dataclass(frozen=True, eq=False)
class ErrorGallery:
    """Some errors of one kind: rows int64 (n,) of `errors`, images uint8 (n, H, W, Ch); of how many there are."""

    errors: ErrorsSeen
    kind: str
    rows: np.ndarray
    images: np.ndarray
    of: int


def error_gallery(value: ErrorsSeen, split: Split, kind: str, images: int = 12) -> ErrorGallery:
    """Take the first `images` errors of a kind: "suspects", "rescued", "spoiled" or "drawn".

    split: the images, in which samples are found by id. Raises `BadInput` where it lacks one of those shown.
    """
    if kind not in ERROR_KINDS:
        raise BadInput(f"{kind!r} is no kind of errors; {nearest(kind, ERROR_KINDS)}.")
    rows = ERROR_KINDS[kind](value)
    shown = rows[:images]
    pixels = np.array(split.images[image_rows(split, value.sample_ids[shown])])
    return ErrorGallery(value, kind, shown, pixels, len(rows))
