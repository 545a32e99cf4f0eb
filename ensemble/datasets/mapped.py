"""Images in a file that is mapped into memory, larger than memory perhaps: rows are read before they are asked for."""

import mmap
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ImageFile:
    """The mapped file of images (N, H, W, Ch): row i is `size` bytes from `first` + i * `size` on.

    rows: int64, the row of the file for each image, where the images are some of its.
    """

    file: mmap.mmap
    first: int
    size: int
    rows: np.ndarray | None = None

    def ahead(self, which: np.ndarray) -> None:
        """Have the system read images, int64 (B,), into memory; it returns at once.

        Neighbours are asked for together. What the system has no room for it leaves.
        """
        rows = np.unique(which if self.rows is None else self.rows[which])
        if not len(rows):
            return
        breaks = np.flatnonzero(np.diff(rows) > 1) + 1
        for run in np.split(rows, breaks):
            start = self.first + int(run[0]) * self.size
            begin = start - start % mmap.PAGESIZE
            self.file.madvise(mmap.MADV_WILLNEED, begin, start + len(run) * self.size - begin)


def image_file(images: np.ndarray) -> ImageFile | None:
    """Return the mapped file of images, None where they are not in one, or the system has no such advice.

    images: a memory map, a view of some of its rows in order, or what has `chosen_from`: (such images, rows of them).
    """
    images, rows = getattr(images, "chosen_from", (images, None))
    if not isinstance(images, np.memmap) or not images.flags.c_contiguous or not hasattr(mmap, "MADV_WILLNEED"):
        return None
    base: object = images
    while isinstance(base, np.ndarray):
        base = base.base
    if not isinstance(base, mmap.mmap) or not len(images):
        return None
    begin = np.frombuffer(base, np.uint8).ctypes.data
    return ImageFile(base, images.ctypes.data - begin, images.nbytes // len(images), rows)
