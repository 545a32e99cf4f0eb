"""The Tiny ImageNet challenge's own file of predictions: a line for each of the 10,000 test images."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ensemble.errors import BadInput
from ensemble.study.atomic import write_text

IMAGES = 10_000  # of the official test split: test_0.JPEG to test_9999.JPEG
LINE = re.compile(r"test_(0|[1-9]\d*)\.JPEG n\d{8}")


def write_submission(path: Path, sample_ids: np.ndarray, preds: np.ndarray, class_ids: Sequence[str]) -> None:
    """Write lines such as `test_0.JPEG n01443537`, in the order of the images' numbers, whole or not at all.

    sample_ids: str (N,), paths whose last part is test_<number>; preds: int64 (N,), positions in `class_ids`.
    Raises `BadInput` as `check_submission` does, `StorageError` where the file cannot be written.
    """
    numbers = check_submission(sample_ids, class_ids)
    lines = [f"test_{numbers[row]}.JPEG {class_ids[preds[row]]}\n" for row in np.argsort(numbers)]
    write_text(path, "".join(lines))


def check_submission(sample_ids: np.ndarray, class_ids: Sequence[str]) -> np.ndarray:
    """Return the number of each test image, int64 (N,).

    Raises `BadInput` unless these are the 10,000 images of the official test split, and classes WordNet ids.
    """
    strange = [c for c in class_ids if not re.fullmatch(r"n\d{8}", c)]
    if strange:
        raise BadInput(
            f"format='tiny-imagenet': names classes by their WordNet ids, such as n01443537, and this study has the "
            f"class {strange[0]!r}; use format='csv'."
        )
    found = [re.fullmatch(r"(?:.*/)?test_(0|[1-9]\d{0,8})", str(i)) for i in sample_ids]
    other = [str(i) for i, match in zip(sample_ids, found, strict=True) if match is None]
    if other:
        raise BadInput(
            f"format='tiny-imagenet': is for the official test images test_0 to test_{IMAGES - 1}, and {len(other):,} "
            f"of these {len(found):,} are none, {other[0]!r} for one; use format='csv', or predict the test split."
        )
    numbers = np.array([int(match[1]) for match in found if match], dtype=np.int64)
    missing = np.setdiff1d(np.arange(IMAGES), numbers)
    if missing.size or len(numbers) != IMAGES:
        twice = np.sort(numbers)[:-1][np.diff(np.sort(numbers)) == 0]
        what = (
            f"test_{missing[0]} is missing for one"
            if missing.size
            else f"test_{twice[0]} stands twice"
            if twice.size
            else f"test_{numbers.max()} is one too many"
        )
        raise BadInput(
            f"format='tiny-imagenet': needs each of the {IMAGES:,} official test images once, found {len(numbers):,}: "
            f"{what}; predict the whole test split, or use format='csv'."
        )
    return numbers
