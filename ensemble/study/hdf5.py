"""The only door to h5py: HDF5 files written whole or not at all, and read with distrust.

Nothing of a file is believed before it was checked, and no data are read before all of them were: a file may
point at other files, name filters that load code, or claim terabytes. FORMAT.md states the rules.
"""

import contextlib
import os
import secrets
import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ensemble.errors import BadInput
from ensemble.study.atomic import replacing
from ensemble.study.child import in_child, is_child
from ensemble.study.row_probs import RowProbs, row_blocks
from ensemble.study.seals import AGAIN, BLANK, MARK, check_seal, open_regular, seal_in_place, write_sealed

# Bytes of one array in memory, and of one attribute: more than anybody has written, less than brings a machine down.
LARGEST_ARRAY = 2**34
LARGEST_ATTRIBUTE = 2**24
# Deflate's shortest code stands for 258 bytes in 2 bits: it cannot expand more than this.
DEFLATE_LIMIT = 1032
# HDF5 keeps larger attributes where no checksum covers them, unless the whole file is sealed.
COVERED_ATTRIBUTE = 4096
# The block before the HDF5 part of a file of ours, with its seal.
USER_BLOCK = 512
SIGNATURE = b"\x89HDF\r\n\x1a\n"

_FILTERS = {
    h5py.h5z.FILTER_DEFLATE: "gzip",
    h5py.h5z.FILTER_SHUFFLE: "shuffle",
    h5py.h5z.FILTER_FLETCHER32: "fletcher32",
}
_HARD_LINK = 0  # H5L_TYPE_HARD; 1 is a soft link, 64 an external one
# What h5py raises for a damaged file depends on the damage.
_H5PY_ERRORS = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError)
_KINDS = {"f": "floating point of 2, 4 or 8 bytes", "i": "whole numbers", "s": "text of fixed length"}


# -- writing ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NewFile:
    """A file in the making; `path` is where it will lie."""

    path: Path
    handle: h5py.File

    def attribute(self, name: str, value: Any) -> None:
        """Set a root attribute: a number, text, or a list of these; raise `BadInput` for anything else."""
        array = np.asarray(value)
        if array.dtype.kind == "U" and array.ndim <= 1:
            encoded = self._text(name, np.atleast_1d(array).tolist())
            self.handle.attrs.create(name, encoded if array.ndim else encoded[0], dtype=encoded.dtype)
        elif array.dtype.kind in "biuf" and array.ndim <= 1:
            self.handle.attrs.create(name, array)
        else:
            raise BadInput(
                f"{self.path}: attribute {name!r}: expected a number, text or a list of these, found {value!r}; "
                "leave it out, or turn it into text."
            )

    def put(
        self,
        name: str,
        values: np.ndarray | RowProbs | Sequence[str],
        axes: Sequence[str] = (),
        *,
        chunks: tuple[int, ...] | None = None,
        fill: np.generic | None = None,
    ) -> None:
        """Store numbers or text with a Fletcher-32 checksum on every chunk.

        values: of a `RowProbs` some rows are made and stored at a time.
        axes: the dimension scales that name its axes; none for an array that becomes a scale itself.
        """
        array = np.empty(0, values.dtype) if isinstance(values, RowProbs) else np.asarray(values)
        if array.dtype.kind == "U":
            array = self._text(name, array.tolist())
        elif array.dtype.kind not in "iuf":
            raise BadInput(f"{self.path}: {name}: expected numbers or text, found {array.dtype}.")
        if chunks is None:
            chunks = (max(1, min(len(array), 2**20 // array.itemsize)),)
        content = {"shape": values.shape} if isinstance(values, RowProbs) else {"data": array}
        dataset = self.handle.create_dataset(
            name, **content, dtype=array.dtype, chunks=chunks, fletcher32=True, fillvalue=fill
        )
        if isinstance(values, RowProbs):
            for here, rows in row_blocks(values, chunks[0]):
                dataset[here] = rows
        if not axes:
            dataset.make_scale(name)
        for i, scale in enumerate(axes):
            dataset.dims[i].attach_scale(self.handle[scale])

    def make(self, name: str, rows: int, kind: np.dtype, width: int | None, axes: Sequence[str]) -> None:
        """Make room for numbers or text that `fill` brings block by block; text, of at most `width` bytes, is packed.

        Of a long table the text would take most of the room, and it repeats itself.
        """
        dtype: Any = kind if width is None else h5py.string_dtype("utf-8", max(2, width))
        chunks = (max(1, min(rows, 2**20 // (8 if width is None else width))),)
        pack = {} if width is None or rows < 2**16 else {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        dataset = self.handle.create_dataset(name, (rows,), dtype=dtype, chunks=chunks, fletcher32=True, **pack)
        if not axes:
            dataset.make_scale(name)
        for i, scale in enumerate(axes):
            dataset.dims[i].attach_scale(self.handle[scale])

    def fill(self, name: str, start: int, values: np.ndarray) -> None:
        """Store values from row `start` on, where `make` made room."""
        array = self._text(name, values.tolist()) if values.dtype.kind == "U" else values
        self.handle[name][start : start + len(array)] = array

    def _text(self, name: str, values: Sequence[str]) -> np.ndarray:
        """Encode text as UTF-8 of one fixed length.

        Text of variable length would lie in the file's heap, which Fletcher-32 does not cover. Two bytes at least:
        netCDF takes text of one byte for single characters.
        """
        try:
            encoded = [value.encode() for value in values]
        except UnicodeEncodeError as error:
            raise BadInput(f"{self.path}: {name}: {error.object!r} is no valid text (UTF-8); rename it.") from error
        for value in encoded:
            if b"\0" in value:
                raise BadInput(
                    f"{self.path}: {name}: {value.decode()!r} holds a NUL character, which HDF5 cannot keep; rename it."
                )
        return np.array(encoded, dtype=h5py.string_dtype("utf-8", max([2, *map(len, encoded)])))


@contextlib.contextmanager
def new_file(
    path: Path, kind: str, version: int, attributes: Mapping[str, Any], *, large: bool = False
) -> Generator[NewFile]:
    """Give an empty file; when the block ends well, mark it complete and put it at `path`.

    large: it is written to the disk on the way, and not held in memory until it is whole.
    Raises `StorageError` where the disk is full or may not be written; `path` then is as it was.
    """
    # The layout of HDF5 1.10 has checksums on metadata too; the older one has none.
    layout: dict[str, Any] = {"libver": ("v110", "v110"), "userblock_size": USER_BLOCK}

    def made(handle: h5py.File) -> Generator[NewFile]:
        new = NewFile(path, handle)
        for name, value in {"kind": kind, "version": version, **attributes}.items():
            new.attribute(name, value)
        yield new
        new.attribute("complete", 1)
        handle.flush()

    if large:
        with replacing(path) as temporary:
            with temporary.open("w+b", buffering=0) as file:
                written = _Written(file)
                with h5py.File(written, "w", **layout) as handle:
                    yield from made(handle)
                if written.error:
                    raise written.error
            seal_in_place(temporary, USER_BLOCK)
        return
    # Made in memory and stored as plain bytes: when a disk fills up, HDF5 can neither close its file nor say why.
    name = f"kofn-{secrets.token_hex(8)}"
    with h5py.File(name, "w", driver="core", backing_store=False, block_size=2**22, **layout) as handle:
        yield from made(handle)
        image = handle.id.get_file_image()
    with replacing(path) as temporary:
        _write_sealed(temporary, image)


class _Written:
    """A file that HDF5 writes to; what the disk does not take is kept as `error`, since HDF5 could not close on it."""

    def __init__(self, file: FileIO) -> None:
        self._file: FileIO = file
        self.error: OSError | None = None
        self.seek, self.tell, self.read, self.readinto = file.seek, file.tell, file.read, file.readinto

    def write(self, data: memoryview) -> int:
        """Write all of the bytes."""
        self._try(lambda: self._all(data))
        return len(data)

    def truncate(self, size: int) -> int:
        """Make the file so long."""
        self._try(lambda: self._file.truncate(size))
        return size

    def flush(self) -> None:
        """Nothing waits here."""

    def _all(self, data: memoryview) -> None:
        while len(data):
            data = data[self._file.write(data) :]

    def _try(self, do: Callable[[], object]) -> None:
        try:
            if self.error is None:
                do()
        except OSError as error:
            self.error = error


def _write_sealed(path: Path, image: bytes | memoryview) -> None:
    """Write the HDF5 part of a file with a user block, and its seal in that block, the first 512 bytes."""
    write_sealed(path, f"{BLANK}\n".encode().ljust(USER_BLOCK, b"\0"), image)


def seal_file(path: Path) -> None:
    """Put the seal of an HDF5 file into its first 512 bytes, which must be free (a user block of that size)."""
    image = path.read_bytes()
    if image[USER_BLOCK : USER_BLOCK + len(SIGNATURE)] != SIGNATURE:
        raise BadInput(f"{path}: expected an HDF5 file with a user block of {USER_BLOCK} bytes; make it with one.")
    with replacing(path) as temporary:
        _write_sealed(temporary, memoryview(image)[USER_BLOCK:])


def refuse_taken(path: Path, attributes: Mapping[str, Any], own: Sequence[str]) -> None:
    """Raise `BadInput` where an attribute has a name that the format gives a meaning of its own."""
    for name in attributes:
        if name in own:
            raise BadInput(f"{path}: attribute {name!r} is the format's own; give yours another name.")


# -- reading ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OldFile:
    """An open file of checked kind and version, whose root holds arrays and groups but no links elsewhere.

    attributes: the root attributes that are numbers, text (str) or lists of these (a list of text is a tuple).
    size: bytes on disk. sealed: whether the digest of all of them was found good.
    """

    path: Path
    handle: h5py.File
    attributes: Mapping[str, Any]
    size: int
    sealed: bool = False

    def __contains__(self, name: str) -> bool:
        return name in self.handle

    def check(self, name: str, kinds: str, rank: int) -> tuple[int, ...]:
        """Return an array's shape; place, filters, type, rank and size were checked, and no data were read.

        kinds: the kinds of element allowed, of f (floating point), i (whole numbers) and s (text).
        """
        where = f"{self.path}: {name}"
        if name not in self.handle:
            raise BadInput(f"{self.path}: expected the dataset {name!r}, found none; {AGAIN}.")
        dataset = self.handle[name]
        if not isinstance(dataset, h5py.Dataset):
            raise BadInput(f"{where}: expected a dataset, found a {type(dataset).__name__.lower()}; {AGAIN}.")
        _check_place(dataset, where)
        _check_kind(dataset, where, kinds)
        expansion = _check_filters(dataset, where)
        shape = dataset.shape
        if shape is None or len(shape) != rank:
            raise BadInput(f"{where}: expected {rank} axes, found the shape {shape}; {AGAIN}.")
        _check_size(dataset, where, self.size, expansion)
        return tuple(int(length) for length in shape)

    def load(self, name: str, rows: slice | None = None) -> np.ndarray:
        """Read an array that `check` found good, or some of its rows; text comes as str."""
        try:
            values = self.handle[name][() if rows is None else rows]
        except _H5PY_ERRORS as error:
            raise BadInput(f"{self.path}: {name}: {_reason(error)}; {AGAIN}.") from error
        if values.dtype.kind != "S":
            return values.astype(values.dtype.newbyteorder("="), copy=False)
        try:
            return np.char.decode(values, "utf-8")
        except UnicodeDecodeError as error:
            raise BadInput(f"{self.path}: {name}: expected UTF-8 text, found {error.object!r}; {AGAIN}.") from error

    def plain_rows(self, name: str) -> "PlainRows | None":
        """Return where the rows of a float32 array (N, C) lie in a file; None where they are packed or otherwise laid.

        Only of a sealed file, of which every byte was checked when it was opened.
        """
        dataset = self.handle[name]
        plan = dataset.id.get_create_plist()
        filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
        rows, columns = dataset.shape
        chunk = dataset.chunks
        if not self.sealed or dataset.dtype != "<f4" or chunk is None or chunk[1] != columns:
            return None
        if filters != [h5py.h5z.FILTER_FLETCHER32] or dataset.id.get_num_chunks() != -(-rows // chunk[0]):
            return None
        starts = np.empty(dataset.id.get_num_chunks(), np.int64)
        for i in range(len(starts)):
            found = dataset.id.get_chunk_info_by_coord((i * chunk[0], 0))
            if found.filter_mask or found.size != 4 * chunk[0] * columns + 4:
                return None
            starts[i] = found.byte_offset
        descriptor = os.dup(self.handle.id.get_vfd_handle())
        ends = (0, rows - 1)
        for base in (0, USER_BLOCK):  # versions of HDF5 differ in what an offset counts from
            plain = PlainRows(self.path, descriptor, starts + base, chunk[0], columns)
            if all(np.array_equal(plain.read(row, row + 1), dataset[row : row + 1]) for row in ends):
                weakref.finalize(plain, os.close, descriptor)
                return plain
        os.close(descriptor)
        return None


class PlainRows:
    """Rows of a float32 array (N, C) that are read by their place in the file, however they are chunked.

    HDF5 would read a whole chunk, and check it again, for each row of it. The file stays open as long as this value is
    there.
    """

    def __init__(self, path: Path, descriptor: int, starts: np.ndarray, rows: int, columns: int) -> None:
        self._path, self._descriptor, self._starts = path, descriptor, starts
        self._rows, self._columns = rows, columns
        self._state = self._look()

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return rows start..stop-1, float32 (stop - start, C).

        Raises `BadInput` where the file was changed since it was opened.
        """
        out = np.empty((stop - start, self._columns), np.float32)
        room, width, at = out.data.cast("B"), 4 * self._columns, start
        while at < stop:
            chunk, row = divmod(at, self._rows)
            count = min(stop - at, self._rows - row)
            here = room[(at - start) * width : (at - start + count) * width]
            if os.preadv(self._descriptor, [here], int(self._starts[chunk]) + row * width) != len(here):
                raise BadInput(f"{self._path}: expected a whole file, found one that is cut short; {AGAIN}.")
            at += count
        if self._look() != self._state:
            raise BadInput(f"{self._path}: was changed while it was read, so its checksum holds no more; {AGAIN}.")
        return out

    def _look(self) -> tuple[int, int]:
        found = os.fstat(self._descriptor)
        return found.st_size, found.st_mtime_ns


@contextlib.contextmanager
def opened(path: Path, kind: str, version: int, *, probe: str = "") -> Generator[OldFile]:
    """Open a file to read it; raise `BadInput` where it is not a whole file of this kind, up to this version.

    Since version 2 a file is sealed, and not a byte of it reaches the HDF5 library before the seal was found good.
    probe: the function, as `in_child` takes it, that tries in a child process what older files of other writers hold.
    """
    sealed = check_seal(path)
    with _handle(path, sealed=sealed, probe=probe) as (handle, size, attributes):
        _check_root(handle, path, kind, version, attributes, sealed=sealed)
        yield OldFile(path, handle, attributes, size, sealed)


@contextlib.contextmanager
def _handle(path: Path, *, sealed: bool = False, probe: str = "") -> Generator[tuple[h5py.File, int, dict[str, Any]]]:
    """Open an HDF5 file; give it, its size in bytes and its simple root attributes.

    Whatever h5py raises meanwhile becomes a `BadInput`. What the HDF5 library can loop on for ever, metadata without
    checksums, is tried by `probe` in a child process first.
    """
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        head = stream.read(2 * USER_BLOCK)
    at = USER_BLOCK if head.startswith(MARK) else 0
    old = head[at : at + len(SIGNATURE)] == SIGNATURE and head[at + len(SIGNATURE)] < 2
    if old and probe and not is_child():
        in_child(probe, path)
        probe = ""
    try:
        # No lock: these files are replaced by renaming, never written in place.
        with h5py.File(path, "r", locking=False) as handle:
            if not sealed and probe and not is_child() and _has_free_text(handle):
                in_child(probe, path)
            yield handle, size, _attributes(handle, path, sealed=sealed)
    except _H5PY_ERRORS as error:
        raise BadInput(f"{path}: {_reason(error)}; {AGAIN}.") from error


def _has_free_text(handle: h5py.File) -> bool:
    """Say whether a root attribute is of variable length, and so in the file's heap, which has no checksum."""
    kinds = (h5py.h5a.open(handle.id, name.encode()).get_type() for name in handle.attrs)
    return any(
        k.get_class() == h5py.h5t.VLEN or (k.get_class() == h5py.h5t.STRING and k.is_variable_str()) for k in kinds
    )


def kind_of(path: Path) -> str | None:
    """Return the root attribute `kind` of an HDF5 file, None where it has none; raise `BadInput` if it is not HDF5.

    The file may be anybody's: a child process looks at it.
    """
    check_seal(path)
    return in_child("ensemble.study.hdf5:_kind", path)[0]


def _kind(path: Path) -> tuple[str | None, dict[str, np.ndarray]]:
    with _handle(path) as (handle, _, attributes):
        kind = attributes.get("kind")
        if not isinstance(kind, str):
            return None, {}
        large = [n for n in handle.attrs if h5py.h5a.open(handle.id, n.encode()).get_storage_size() > COVERED_ATTRIBUTE]
        if kind.startswith("kofn.") and attributes.get("version") == 1 and large:
            raise BadInput(
                f"{path}: attribute {large[0]!r}: takes more than {COVERED_ATTRIBUTE:,} bytes, of which version 1 of "
                "the format keeps no checksum, so damage would not be noticed; make the file again with this version."
            )
        return kind, {}


def read_arrays(path: Path, wanted: Sequence[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return those of the wanted arrays that lie in the root of another program's HDF5 file, and all names there.

    Their place, filters, type and size are checked as those of our own files, but no checksums are asked for; text may
    be of variable length. A child process reads them, with little time and memory. Raises `BadInput`.
    """
    names, found = in_child("ensemble.study.hdf5:_arrays", path, list(wanted))
    return found, names


def _arrays(path: Path, wanted: Sequence[str]) -> tuple[list[str], dict[str, np.ndarray]]:
    found = {}
    with _handle(path) as (handle, size, _):
        for name in [name for name in wanted if name in handle.keys()]:  # noqa: SIM118
            where = f"{path}: {name}"
            if handle.id.links.get_info(name.encode()).type != _HARD_LINK:
                raise BadInput(f"{where}: expected an array, found a link to another place, which is never followed.")
            dataset = handle[name]
            if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
                raise BadInput(f"{where}: expected an array, found a group or nothing; save arrays at the file's root.")
            _check_place(dataset, where)
            text = h5py.check_string_dtype(dataset.dtype) is not None
            if not text and dataset.dtype != np.bool_:
                _check_kind(dataset, where, "fi")
            _check_size(dataset, where, size, _check_filters(dataset, where, checksum=False))
            try:
                found[name] = dataset.asstr("utf-8")[()].astype(np.str_) if text else dataset[()]
            except UnicodeError as error:
                raise BadInput(
                    f"{where}: expected UTF-8 text, found other bytes ({error}); save it as such."
                ) from error
        return sorted(handle.keys()), found


def _reason(error: Exception) -> str:
    """Say in words what HDF5 found."""
    text = " ".join(str(error).split())
    if "signature not found" in text:
        return "expected an HDF5 file, found something else"
    if "truncated file" in text:
        return "expected a whole HDF5 file, found one that is cut short"
    if "checksum" in text or "filter returned failure" in text:
        return "expected data that match their checksum, found damage"
    return f"expected a whole HDF5 file, found damage ({text[:200]})"


def _attributes(handle: h5py.File, path: Path, *, sealed: bool) -> dict[str, Any]:
    """Return the root attributes of a simple type; others are left unread.

    Text of variable length may stand in files of version 1, which have no seal.
    """
    found: dict[str, Any] = {}
    for name in handle.attrs:
        attribute = h5py.h5a.open(handle.id, name.encode())
        if attribute.get_storage_size() > LARGEST_ATTRIBUTE:
            raise BadInput(
                f"{path}: attribute {name!r}: expected at most {LARGEST_ATTRIBUTE:,} bytes, "
                f"found {attribute.get_storage_size():,}; {AGAIN}."
            )
        kind = attribute.get_type().get_class()
        simple = (h5py.h5t.STRING, h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM)
        if kind not in simple or attribute.get_space().get_simple_extent_type() == h5py.h5s.NULL:
            continue
        if sealed and kind == h5py.h5t.STRING and attribute.get_type().is_variable_str():
            raise BadInput(f"{path}: attribute {name!r}: expected text of fixed length, found variable; {AGAIN}.")
        value = handle.attrs[name]
        if kind == h5py.h5t.STRING:
            listed = np.atleast_1d(np.asarray(value, dtype=object)).tolist()
            texts = [_decoded(path, name, text) for text in listed]
            found[name] = tuple(texts) if np.ndim(value) else texts[0]
        else:
            found[name] = value if np.ndim(value) else np.asarray(value).item()
    return found


def _decoded(path: Path, name: str, value: str | bytes) -> str:
    try:
        # h5py hands out text of variable length as str, with surrogates for what is no UTF-8.
        return (value if isinstance(value, bytes) else value.encode()).decode()
    except UnicodeError as error:
        raise BadInput(f"{path}: attribute {name!r}: expected UTF-8 text, found {value!r}; {AGAIN}.") from error


def _check_root(
    handle: h5py.File, path: Path, kind: str, version: int, attributes: Mapping[str, Any], *, sealed: bool
) -> None:
    found = attributes.get("kind")
    if found != kind:
        raise BadInput(
            f"{path}: kind: expected {kind!r}, found {'none' if found is None else repr(found)}; "
            "this file was made for something else, choose another."
        )
    number = attributes.get("version")
    if type(number) is not int:
        raise BadInput(f"{path}: version: expected the whole number {version}, found {number!r}; {AGAIN}.")
    if not 1 <= number <= version:
        raise BadInput(f"{path}: version {number}, this program reads {version} and older; update kofn.")
    if number > 1 and not sealed:
        raise BadInput(f"{path}: version {number}: expected a checksum in its first bytes, found none; {AGAIN}.")
    complete = attributes.get("complete")
    if type(complete) not in (int, bool) or complete != 1:
        found = "none" if complete is None else repr(complete)
        raise BadInput(f"{path}: complete: expected 1, found {found}, so its writing was cut off; {AGAIN}.")
    for name in handle:
        if handle.id.links.get_info(name.encode()).type != _HARD_LINK:
            raise BadInput(
                f"{path}: {name}: expected an array, found a link to another place, which is never followed; "
                "store the array itself."
            )


def _check_place(dataset: h5py.Dataset, where: str) -> None:
    """Refuse data that lie in other files."""
    plan = dataset.id.get_create_plist()
    if plan.get_external_count():
        raise BadInput(
            f"{where}: expected data in this file, found them in another, which is never opened; "
            "store the array itself."
        )
    if plan.get_layout() == h5py.h5d.VIRTUAL:
        raise BadInput(
            f"{where}: expected data in this file, found a virtual dataset over others, which are never opened; "
            "store the array itself."
        )


def _check_filters(dataset: h5py.Dataset, where: str, *, checksum: bool = True) -> int:
    """Return how many times larger than on disk the data can be; refuse strange filters, or a missing checksum."""
    plan = dataset.id.get_create_plist()
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    strange = [number for number in filters if number not in _FILTERS]
    if strange:
        raise BadInput(
            f"{where}: expected no filters but {', '.join(_FILTERS.values())}, found number {strange[0]}; "
            "write it again without."
        )
    if checksum and h5py.h5z.FILTER_FLETCHER32 not in filters:
        raise BadInput(f"{where}: expected a Fletcher-32 checksum on every chunk, found none; write it again with one.")
    return DEFLATE_LIMIT if h5py.h5z.FILTER_DEFLATE in filters else 1


def _check_kind(dataset: h5py.Dataset, where: str, kinds: str) -> None:
    kind = dataset.id.get_type()
    found, good = str(dataset.dtype), False
    if kind.get_class() == h5py.h5t.STRING:
        variable = kind.is_variable_str()
        found = "text of variable length" if variable else "text"
        good = "s" in kinds and not variable
    elif kind.get_class() == h5py.h5t.INTEGER:
        good = "i" in kinds and dataset.dtype.kind in "iu"
    elif kind.get_class() == h5py.h5t.FLOAT:
        good = "f" in kinds and dataset.dtype.kind == "f" and dataset.dtype.itemsize in (2, 4, 8)
    if not good:
        raise BadInput(f"{where}: expected {' or '.join(_KINDS[k] for k in kinds)}, found {found}; {AGAIN}.")


def _check_size(dataset: h5py.Dataset, where: str, size: int, expansion: int) -> None:
    """Refuse a dataset that claims more than its file can hold, before memory is asked for."""
    claimed = chunk = dataset.dtype.itemsize
    for length in dataset.shape:
        claimed *= int(length)
    for length in dataset.chunks or ():
        chunk *= int(length)
    claimed = max(claimed, chunk)
    # Text is decoded to four bytes a character.
    if claimed * (4 if dataset.dtype.kind == "S" else 1) > LARGEST_ARRAY:
        raise BadInput(
            f"{where}: claims {claimed:,} bytes, and at most {LARGEST_ARRAY:,} are read; cut it into several files."
        )
    stored = dataset.id.get_storage_size()
    if stored > size or claimed > stored * expansion:
        raise BadInput(
            f"{where}: claims {claimed:,} bytes, but {stored:,} are stored in a file of {size:,}, so it is not whole; "
            f"{AGAIN}."
        )
