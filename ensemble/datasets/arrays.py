"""Plain .npy files of uint8, their room taken before the first pixel is written."""

import contextlib
import errno
import os
from collections.abc import Generator
from pathlib import Path

import numpy as np


def allocate(path: Path, shape: tuple[int, ...]) -> int:
    """Make a .npy file of zeros with its room on the disk taken at once; return where the pixels begin."""
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        offset, total = file.tell(), file.tell() + int(np.prod(shape))
        file.flush()
        if hasattr(os, "posix_fallocate"):
            with _where_supported():
                os.posix_fallocate(file.fileno(), 0, total)
        file.truncate(total)
    return offset


@contextlib.contextmanager
def _where_supported() -> Generator[None]:
    # Some file systems cannot reserve room; there a full disk is met while writing instead.
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise


def keep_one_channel(path: Path) -> None:
    """Rewrite uint8 (N, H, W, 3) whose channels are equal as (N, H, W, 1)."""
    images = np.load(path, mmap_mode="r")
    thin = path.with_suffix(".thin")
    offset = allocate(thin, (*images.shape[:3], 1))
    with thin.open("r+b") as file:
        file.seek(offset)
        for i in range(0, len(images), 1024):
            file.write(images[i : i + 1024, :, :, 0].tobytes())
    thin.replace(path)
