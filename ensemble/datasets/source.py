"""A source of images: a folder, or a zip that is never extracted, listed and read in one way."""

import hashlib
import os
import re
import stat
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ensemble.errors import BadInput

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".gif", ".tif", ".tiff", ".webp"})
SPLIT_FOLDERS = ("train", "val", "valid", "validation", "test")
MAX_ENTRY = 256 * 2**20  # bytes of one image or text file; a 64-megapixel photograph stays well below
Kind = Literal["folder", "zip"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: its size in bytes and what changes when its content does (mtime in ns; in a zip, the CRC)."""

    size: int
    stamp: int


@dataclass(frozen=True)
class Reader:
    """Reads files of a folder or zip by their path below `prefix`; small, so that each process makes its own."""

    root: Path
    kind: Kind
    prefix: str
    _open: dict[str, "_Zip"] = field(default_factory=dict, repr=False, compare=False)

    def read(self, path: str) -> bytes:
        """Return a file's bytes; raise `BadInput` where it cannot be read or is absurdly large."""
        try:
            if self.kind == "zip":
                if "zip" not in self._open:
                    self._open["zip"] = _Zip(self.root)
                return self._open["zip"].read(self.prefix + path)
            with open(self.where(path), "rb") as file:  # noqa: PTH123 - a Path costs a third of a small image's decoding
                size = os.fstat(file.fileno()).st_size
                if size > MAX_ENTRY:
                    raise _too_large(self.where(path), size)
                return file.read(size)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise BadInput(
                f"{self.where(path)}: cannot be read, {reason}; check the file and its permissions."
            ) from error

    def where(self, path: str) -> str:
        """Name a file for a message."""
        return f"{self.root}: {self.prefix}{path}" if self.kind == "zip" else f"{self.root}/{self.prefix}{path}"


@dataclass(frozen=True)
class Source:
    """The files below one root, single top folders such as `tiny-imagenet-200/` already descended into.

    entries: path below the root, separated by '/', -> `Entry`, in sorted order. Names that begin with a dot,
    `__MACOSX/` and `Thumbs.db` are left out: they are an operating system's notes, never images.
    folders: every folder below the root, empty ones too (a zip may not name those).
    """

    reader: Reader
    entries: Mapping[str, Entry]
    folders: frozenset[str]

    @property
    def name(self) -> str:
        """The folder's name, or the zip's without its extension."""
        return self.reader.root.stem if self.reader.kind == "zip" else self.reader.root.name

    def __str__(self) -> str:
        return str(self.reader.root)

    def where(self, path: str) -> str:
        """Name a file of this source for a message."""
        return self.reader.where(path)

    def text(self, path: str) -> str:
        """Return a text file's content; raise `BadInput` where it is no UTF-8."""
        try:
            return self.reader.read(path).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadInput(f"{self.where(path)}: expected text in UTF-8, {error}.") from error

    def digest(self) -> str:
        """SHA-256 (hex) of the listing: changes when a file that matters is added, removed or changed."""
        digest = hashlib.sha256(f"{self.reader.kind}\n".encode())
        for path, entry in self.entries.items():
            if "/" not in path or path.split("/", 1)[0] in SPLIT_FOLDERS:
                digest.update(f"{path}\0{entry.size}\0{entry.stamp}\n".encode())
        return digest.hexdigest()


def open_source(path: Path) -> Source:
    """List a folder or a zip; raise `BadInput` where it is neither, cannot be read, or reaches outside itself."""
    root = path.absolute()
    if not root.exists():
        raise BadInput(f"{path}: there is no such folder or zip; check the path, or see 'ens-data list'.")
    if root.is_dir():
        root, kind = Path(os.path.realpath(root)), "folder"  # unlike `resolve`, no defect where a link is its own
        entries, folders = _list_folder(root)
    elif not root.is_file():
        raise BadInput(f"{path}: expected a folder or a zip, found a pipe, a socket or a device; check the path.")
    elif zipfile.is_zipfile(root):
        kind = "zip"
        entries, folders = _list_zip(root)
    else:
        raise BadInput(
            f"{path}: expected a folder or a zip, found a plain file that is no zip "
            "(or one that was cut off); fetch it again or name the folder."
        )
    if not entries:
        raise BadInput(f"{path}: is empty; expected train/ and val/ with images in it.")
    prefix = _single_top(entries, folders)
    if prefix:
        cut = len(prefix)
        entries = {p[cut:]: entry for p, entry in entries.items()}
        folders = {f[cut:] for f in folders if f.startswith(prefix)} - {""}
    for name, entry in entries.items():
        if entry.size > MAX_ENTRY and _suffix(name) in IMAGE_SUFFIXES | {".txt"}:
            raise _too_large(Reader(root, kind, prefix).where(name), entry.size)
    return Source(Reader(root, kind, prefix), dict(sorted(entries.items())), frozenset(folders))


def is_image(path: str) -> bool:
    """Say whether a path ends like an image."""
    return _suffix(path) in IMAGE_SUFFIXES


def _suffix(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return "." + name.rsplit(".", 1)[1].lower() if "." in name else ""


def _too_large(where: str, size: int) -> BadInput:
    return BadInput(
        f"{where}: {size:,} bytes in one file, more than the {MAX_ENTRY:,} that are read; check whether it is an image."
    )


def _single_top(entries: Iterable[str], folders: set[str]) -> str:
    """Return the prefix ('' or 'a/' or 'a/b/') of the only folder that everything lies in."""
    prefix = ""
    while True:
        tops = {p[len(prefix) :].split("/", 1)[0] for p in entries}
        tops |= {f[len(prefix) :].split("/", 1)[0] for f in folders if f.startswith(prefix) and len(f) > len(prefix)}
        top = next(iter(tops))
        if len(tops) > 1 or top in SPLIT_FOLDERS or prefix + top not in folders:
            return prefix
        prefix += top + "/"


def _ignored(name: str) -> bool:
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db")


# --- folders


def _list_folder(root: Path) -> tuple[dict[str, Entry], set[str]]:
    entries: dict[str, Entry] = {}
    folders: set[str] = set()

    def inside(item: os.DirEntry[str]) -> str:
        target = os.path.realpath(item.path)
        if target != str(root) and not target.startswith(str(root) + os.sep):
            raise BadInput(
                f"{item.path}: is a link to {target}, outside of {root}; name the folder that holds the files "
                "themselves, or copy them in."
            )
        return target

    def walk(folder: str, below: str, through: tuple[str, ...]) -> None:
        with os.scandir(folder) as items:
            for item in items:
                if _ignored(item.name):
                    continue
                path = below + item.name
                if not item.name.isprintable() and not _is_utf8(item.name):
                    raise BadInput(f"{folder}: holds the name {item.name!r}, which is not UTF-8; rename that file.")
                real = inside(item) if item.is_symlink() else item.path
                if item.is_dir():
                    if real in through:
                        raise BadInput(f"{item.path}: is a link to a folder that it lies in; remove the link.")
                    folders.add(path)
                    walk(item.path, path + "/", (*through, real))
                elif item.is_file():
                    found = item.stat()
                    entries[path] = Entry(found.st_size, found.st_mtime_ns)
                else:
                    raise BadInput(f"{item.path}: is neither a file nor a folder (a dangling link?); remove it.")

    try:
        walk(str(root), "", (str(root),))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadInput(f"{error.filename or root}: cannot be listed, {reason}; check its permissions.") from error
    return entries, folders


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


# --- zips


class _Zip:
    """An open zip with its files under checked names."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.file = zipfile.ZipFile(path)
            infos = self.file.infolist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise BadInput(f"{path}: is a broken zip, {error}; fetch it again.") from error
        except OSError as error:
            raise BadInput(f"{path}: cannot be read, {(error.strerror or str(error)).lower()}.") from error
        self.infos: dict[str, zipfile.ZipInfo] = {}
        self.folders: set[str] = set()
        for info in infos:
            parts = _checked_parts(path, info)
            if any(_ignored(part) for part in parts) or not parts:
                continue
            self.folders.update("/".join(parts[:i]) for i in range(1, len(parts)))
            name = "/".join(parts)
            if info.is_dir():
                self.folders.add(name)
            elif name in self.infos:
                raise BadInput(f"{path}: holds {name!r} twice; make the zip again.")
            else:
                self.infos[name] = info

    def read(self, name: str) -> bytes:
        info = self.infos[name]
        if info.file_size > MAX_ENTRY:
            raise _too_large(f"{self.path}: {name}", info.file_size)
        try:
            return self.file.read(info)
        except Exception as error:  # a zip's bytes can fail in zlib, lzma, bz2, zipfile or struct, each its own way
            raise BadInput(f"{self.path}: {name} cannot be read, {error}; fetch the zip again.") from error


def _checked_parts(path: Path, info: zipfile.ZipInfo) -> list[str]:
    # Some Windows tools separate with '\', so it is read as a separator, for climbing out too.
    name = info.orig_filename.replace("\\", "/")
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\0" in name or re.match(r"[A-Za-z]:", name):
        raise BadInput(
            f"{path}: holds the entry {info.orig_filename!r}, which climbs out of its folder; "
            "expected paths below it. Do not use this zip."
        )
    if info.flag_bits & 0x1:
        raise BadInput(f"{path}: {name} is encrypted; extract the zip and name the folder.")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise BadInput(f"{path}: {name} is a link; make the zip of the files themselves.")
    return [part for part in parts if part not in ("", ".")]


def _list_zip(path: Path) -> tuple[dict[str, Entry], set[str]]:
    opened = _Zip(path)
    with opened.file:
        return {n: Entry(i.file_size, i.CRC) for n, i in opened.infos.items()}, opened.folders
