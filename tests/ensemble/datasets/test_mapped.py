"""Rows of a mapped file are asked for by their bytes, whatever view of it the images are."""

import mmap
from pathlib import Path

import numpy as np
import pytest

from ensemble.datasets.mapped import ImageFile, image_file
from ensemble.training.folds import chosen_images

SIZE = 40 * 30 * 3


class Recorder:
    """In place of a mapped file: which bytes were asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def madvise(self, option: int, start: int, length: int) -> None:
        assert option == mmap.MADV_WILLNEED
        assert start % mmap.PAGESIZE == 0
        self.asked.append((start, start + length))


@pytest.fixture
def images(tmp_path: Path) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 40, 30, 3), dtype=np.uint8)
    np.save(tmp_path / "train.npy", pixels)
    return np.load(tmp_path / "train.npy", mmap_mode="r")


def bytes_of(found: ImageFile, row: int) -> bytes:
    row = row if found.rows is None else int(found.rows[row])
    return found.file[found.first + row * found.size : found.first + (row + 1) * found.size]


def test_where_rows_lie(images: np.ndarray) -> None:
    some = np.array([3, 17, 18, 40])
    for view in (images, images[10:], chosen_images(images, some), chosen_images(images[10:], some[:3])):
        found = image_file(view)
        assert found is not None
        assert found.size == SIZE
        for row in range(len(view)):
            assert bytes_of(found, row) == view[np.array([row])].tobytes()
        found.ahead(np.arange(len(view)))  # the system takes it
    for other in (np.array(images), images[::2], images[:, :5], images[:0]):
        assert image_file(other) is None


def test_neighbours_are_asked_for_together() -> None:
    recorder = Recorder()
    file = ImageFile(recorder, 128, SIZE, np.array([9, 1, 2, 3, 30]))  # ty: ignore[invalid-argument-type]
    file.ahead(np.array([3, 1, 2, 4, 1]))  # rows 3, 1, 2 and 30 of the file
    file.ahead(np.array([], dtype=np.int64))
    assert len(recorder.asked) == 2
    for (start, stop), (first, last) in zip(recorder.asked, [(1, 3), (30, 30)], strict=True):
        assert stop == 128 + (last + 1) * SIZE
        assert 0 <= 128 + first * SIZE - start < mmap.PAGESIZE
