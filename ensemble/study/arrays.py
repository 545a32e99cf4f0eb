"""Arrays of NumPy files and lines of text, read with distrust: no pickle, no claim larger than the file can be."""

import io
import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from ensemble.errors import BadInput
from ensemble.study.child import OWN_HUGE, is_large
from ensemble.study.hdf5 import DEFLATE_LIMIT, LARGEST_ARRAY
from ensemble.study.seals import open_regular

# Bytes that a packed array may take, or that many times what is stored of it.
UNPACKED, UNPACKED_TIMES = 2**26, 40

LARGEST_HEADER = 10_000  # as in NumPy

_DAMAGE = (
    ValueError, OSError, EOFError, KeyError, TypeError, RuntimeError, SyntaxError, OverflowError,
    struct.error, zlib.error, zipfile.BadZipFile, tokenize.TokenError,
)  # fmt: skip
NO_PICKLE = "pickles are never read, since they can run code; save plain arrays with np.save or np.savez"


def read_npy(path: Path) -> np.ndarray:
    """Return the array of a .npy file; raise `BadInput` where it is none, or holds Python objects."""
    size = check_file(path)
    try:
        with path.open("rb") as stream:
            _check_header(stream, str(path), size)
            stream.seek(0)
            return np.lib.format.read_array(stream, allow_pickle=False)
    except _DAMAGE as error:
        raise BadInput(f"{path}: expected a whole .npy file, found damage ({_short(error)}); save it again.") from error


def map_npy(path: Path) -> np.ndarray:
    """Return the array of a .npy file mapped into memory, read-only, however large; raise `BadInput` as `read_npy`."""
    size = check_file(path)
    try:
        with path.open("rb") as stream:
            _check_header(stream, str(path), size, largest=size)
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGE as error:
        raise BadInput(f"{path}: expected a whole .npy file, found damage ({_short(error)}); save it again.") from error


def read_npz(path: Path, wanted: Sequence[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return those of the wanted arrays that a .npz file has, and the names of all it has.

    Raises `BadInput` where it is no such file, or a wanted array holds Python objects.
    """
    size = check_file(path)
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            for name in [name for name in wanted if name in entries]:
                entry = entries[name]
                if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise BadInput(f"{path}: {name}: is compressed in a way NumPy does not write; save it again.")
                stored = min(size, entry.compress_size)
                packed = entry.compress_type == zipfile.ZIP_DEFLATED
                with archive.open(entry) as stream:
                    claimed = _check_header(stream, f"{path}: {name}", stored * (DEFLATE_LIMIT if packed else 1))
                if packed and claimed > max(UNPACKED, UNPACKED_TIMES * stored) and not is_large():
                    raise BadInput(
                        f"{path}: {name}: unpacks {stored:,} bytes to {claimed:,}, as no predictions do; {OWN_HUGE}."
                    )
                with archive.open(entry) as stream:
                    found[name] = np.lib.format.read_array(stream, allow_pickle=False)
            return found, list(entries)
    except _DAMAGE as error:
        raise BadInput(f"{path}: expected a whole .npz file, found damage ({_short(error)}); save it again.") from error


def texts_of(array: np.ndarray, where: str) -> list[str]:
    """Return a list of whole numbers, text or booleans, (N,) or (N, 1), as text; a missing number (NaN) as "".

    Whole numbers may be stored as floating point. Raises `BadInput` for anything else.
    """
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise BadInput(f"{where}: expected one value each, found the shape {array.shape}; save a list.")
    if array.dtype.kind == "S":
        try:
            return np.char.decode(array, "utf-8").tolist()
        except UnicodeDecodeError as error:
            raise BadInput(f"{where}: expected UTF-8 text, found {error.object!r}; save it as text.") from error
    if array.dtype.kind == "U":
        return check_text(array, where).tolist()
    if array.dtype.kind in "biu":
        return [str(value) for value in array.tolist()]
    if array.dtype.kind != "f":
        raise BadInput(f"{where}: expected whole numbers or text, found {array.dtype}; save a list of these.")
    return [number_text(value) for value in array.astype(np.float64).tolist()]


def number_text(value: float) -> str:
    """Return a number as text: a whole one without a point, and "" for NaN."""
    if value != value:
        return ""
    return str(int(value)) if abs(value) < 2**53 and value == int(value) else repr(value)


def check_text(array: np.ndarray, where: str) -> np.ndarray:
    """Return text (N,) as it is; raise `BadInput` where it holds what is no character, or half of one."""
    codes = np.ascontiguousarray(array).view(np.dtype("u4").newbyteorder(array.dtype.byteorder))
    bad = np.flatnonzero((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes <= 0xDFFF)))
    if bad.size:
        row = int(bad[0]) // max(1, array.dtype.itemsize // 4)
        raise BadInput(
            f"{where}: expected text, found the code {int(codes[bad[0]]):#x} in row {row}, which is no character; save "
            "it again as text."
        )
    return array


def read_lines(path: Path) -> list[str]:
    """Return a text file's lines without their ends; blank lines at its end are left out."""
    check_file(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: expected UTF-8 text, found something else; save it as a text file.") from error
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def check_file(path: Path) -> int:
    """Return a file's size in bytes; raise `BadInput` where it cannot be read, is empty, or is a pickle."""
    with open_regular(path) as stream:
        start = stream.read(2)
        size = os.fstat(stream.fileno()).st_size
    if not start:
        raise BadInput(f"{path}: expected data, found an empty file; save it again.")
    if start in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):  # how protocols 2 to 5 begin
        raise BadInput(f"{path}: expected arrays, found a pickle; {NO_PICKLE}.")
    return size


def _check_header(stream: IO[bytes], where: str, most: int, largest: int = LARGEST_ARRAY) -> int:
    """Return how many bytes an array takes, before it is read.

    One of Python objects is refused, and one that claims more than `most` bytes can hold, or than `largest`.
    """
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise BadInput(f"{where}: expected a .npy header of version 1 or 2, found {version}; save a plain array.")
    length = stream.read(2 * version[0])
    if int.from_bytes(length, "little") > LARGEST_HEADER:  # before NumPy reads it, and then says that it is too long
        raise BadInput(
            f"{where}: expected a .npy header of at most {LARGEST_HEADER:,} bytes, found one that claims "
            f"{int.from_bytes(length, 'little'):,}; save it again."
        )
    header = io.BytesIO(length + stream.read(int.from_bytes(length, "little")))
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, _, dtype = read(header)
    except _DAMAGE as error:
        raise BadInput(
            f"{where}: expected a .npy header, found one that says no type and shape; save it again."
        ) from error
    if dtype.hasobject:
        raise BadInput(
            f"{where}: expected numbers or text, found Python objects, which are pickles; {NO_PICKLE}; "
            "text of scikit-learn or pandas becomes one by np.array(x).astype(str)."
        )
    # Axes of no length hide what the others claim.
    claimed = math.prod(max(1, int(length)) for length in shape) * max(1, dtype.itemsize)
    if claimed > min(most, largest):
        raise BadInput(
            f"{where}: claims {claimed:,} bytes, which the file cannot hold or nobody can read; save it again."
        )
    return claimed


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:150] or type(error).__name__
