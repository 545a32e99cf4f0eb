"""The packed cache: a source's images as plain uint8 arrays, memory-mapped, built once.

A pack is a folder with one `<split>.npy` a split, uint8 (N, H, W, Ch), and `meta.json`, written last. It is made
under another name, flushed and renamed, so a pack that is there is whole.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.datasets.decode import decode
from ensemble.datasets.layouts import csv_digest, list_csv, list_folder, list_tiny_imagenet, looks_like_tiny_imagenet
from ensemble.datasets.listing import Listing
from ensemble.datasets.source import Source, open_source
from ensemble.datasets.workers import DecodeJob, Tally, decode_all, tally_of
from ensemble.errors import BadInput, StorageError, storage_error
from ensemble.machine import Progress
from ensemble.study.arrays import map_npy
from ensemble.study.atomic import flush, locked
from ensemble.study.seals import BLANK, CHANGED, check_seal, open_regular, read_text, sealed
from ensemble.study.split import Dataset, Split

KIND = "kofn pack"
VERSION = 1
META = "meta.json"
LARGEST_META = 2**31  # bytes of it; a million images take 50 MB
_UNSEALED = {
    "kind", "version", "name", "source", "listing", "layout", "size", "fingerprint", "class_ids", "class_names",
    "notes", "splits",
}  # fmt: skip
SAMPLED = 100  # images whose size is looked at before all are decoded
SIDES = (8, 256)  # of what images of several sizes become
JOURNAL = "journal.jsonl"  # of a pack in the making: what is decoded, and on the disk
KEPT = 7 * 86400.0  # seconds for which other builders leave it alone
SEGMENT = 2**15  # images between two lines of it: what a kill costs at most
Listed = Callable[[], Listing]


def pack_source(
    source: Path, out: Path | None = None, size: int | None = None, progress: Progress | None = None
) -> Path:
    """Pack a folder or zip into `out`, or into the cache, unless that is done already; return the pack's folder.

    size: make every image (size, size), see `decode`; None leaves them as they are, all of one size.
    Safe against other builders, who wait for the first, and against being killed: leftovers are cleaned by the next.
    Raises `BadInput` for what is wrong with the source, `StorageError` where the pack cannot be written.
    """
    if size is not None and not 8 <= size <= 1024:
        raise BadInput(f"size {size}: expected 8 to 1024 pixels.")
    if is_pack(source):
        raise BadInput(f"{source}: is a pack already; use it as it is, or name the images it was made of.")
    opened, digest, listed = open_listed(source)
    key = f"{digest[:24]}-v{VERSION}" + (f"-{size}" if size else "")
    if out is not None:
        return _pack_at(out.absolute(), opened, listed, key, size, progress)
    folder = cache_folder()
    target = _target(opened, key)
    if _has(target, key):
        return target
    try:
        with locked(folder / f".{target.name}.lock"):
            if not _has(target, key):
                _clean(folder, target.name)
                _build(target, opened, listed, key, size, progress)
    except StorageError as error:
        told = StorageError(
            f"{error} Packed images are kept in {folder}; set ENS_CACHE to name another folder for them."
        )
        told.exit_code = error.exit_code
        raise told from error
    return target


def listed_source(path: Path) -> Dataset:
    """Return a source as a dataset without packing it: the pack in the cache where it is there, else blank images.

    Counts, labels, ids, classes and shape are the source's; without a pack the fingerprint is "". Raises `BadInput` as
    packing does, but for images that cannot be decoded.
    """
    opened, digest, listed = open_listed(path)
    target = _target(opened, f"{digest[:24]}-v{VERSION}")
    if _has(target, f"{digest[:24]}-v{VERSION}"):
        return replace(open_pack(target), source=str(path.absolute()))
    listing = listed()
    _refuse_problems(opened, listing)
    h, w, _ = _shape(opened, listing, None)
    splits = {}
    for part in listing.splits:
        blank = np.broadcast_to(np.uint8(0), (len(part.paths), h, w, 3))
        labels = None if part.labels is None else np.asarray(part.labels, dtype=np.int64)
        ids = np.asarray(part.ids, dtype=np.str_)
        splits[part.name] = Split(part.name, blank, labels, ids, listing.class_ids, listing.class_names)
    return Dataset(opened.name, str(path.absolute()), "", splits, listing.class_ids, listing.class_names, listing.notes)


def _target(source: Source, key: str) -> Path:
    """Return the folder of the cache in which a source's pack of a key is kept."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", source.name)[:60].strip("-") or "images"
    return cache_folder() / f"{safe}-{key}"


def _refuse_problems(source: Source, listing: Listing) -> None:
    if listing.problems:
        more = f" {len(listing.problems) - 1} more: see 'ens-data check {source}'." if listing.problems[1:] else ""
        raise BadInput(listing.problems[0] + more)


def open_pack(folder: Path) -> Dataset:
    """Open a pack, its images memory-mapped and read-only; raise `BadInput` where it is none or is not whole."""
    path = folder / META
    again = "pack the images again with 'ens-data pack'"
    try:
        meta = _meta(folder)
        if meta["kind"] != KIND or meta["version"] != VERSION:
            raise BadInput(
                f"{path}: expected a {KIND} of version {VERSION}, found {meta['kind']!r} {meta['version']!r}; {again}."
            )
        class_ids, class_names = tuple(meta["class_ids"]), tuple(meta["class_names"])
        splits = {}
        for part in meta["splits"]:
            name = part["name"]
            if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name):
                raise BadInput(f"{path}: {name!r} is not a name of a split; {again}.")
            labels = None if part["labels"] is None else np.asarray(part["labels"], dtype=np.int64)
            ids = np.asarray(part["ids"], dtype=np.str_)
            splits[name] = Split(name, _map(folder / f"{name}.npy", part), labels, ids, class_ids, class_names)
        if not splits:
            raise BadInput(f"{path}: holds no splits; {again}.")
        return Dataset(
            name=str(meta["name"]),
            source=str(folder.absolute()),
            fingerprint=str(meta["fingerprint"]),
            splits=splits,
            class_ids=class_ids,
            class_names=class_names,
            notes=tuple(meta["notes"]),
        )
    except OSError as error:
        raise BadInput(
            f"{error.filename or path}: cannot be read, {(error.strerror or str(error)).lower()}; {again}."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise BadInput(
            f"{path}: is not a pack that can be understood ({type(error).__name__}: {error}); {again}."
        ) from error


def _meta(folder: Path) -> Any:
    """Return what a pack says of itself; raises `BadInput` and `ValueError` where that is unreadable or no JSON."""
    again = "delete the pack and pack the images again with 'ens-data pack'"
    whole = check_seal(folder / META, again)
    try:
        meta = json.loads(read_text(folder / META, LARGEST_META))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not whole and meta.keys() - _UNSEALED:  # packs of older versions have no seal, nor a key for it
        raise BadInput(f"{folder / META}: {CHANGED}; {again}.")
    return meta


def is_pack(folder: Path) -> bool:
    """Say whether a folder claims to be a pack."""
    try:
        # The kind stands first, so that a large file of another kind need not be parsed.
        with open_regular(folder / META) as file:
            start = file.read(200).decode("utf-8", "replace")
            return start.replace(" ", "").startswith(f'{{"kind":"{KIND.replace(" ", "")}"')
    except BadInput:
        return False


def cache_folder() -> Path:
    """Return $ENS_CACHE, else $XDG_CACHE_HOME/kofn, else ~/.cache/kofn."""
    if os.environ.get("ENS_CACHE"):
        return Path(os.environ["ENS_CACHE"]).expanduser().absolute()
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]).expanduser().absolute() / "kofn"
    return Path.home() / ".cache" / "kofn"


def cached_packs() -> Iterator[tuple[Path, str, int]]:
    """Give each pack in the cache with the source it was made of and its size in bytes."""
    for folder in sorted(cache_folder().glob("[!.]*")):
        if is_pack(folder):
            try:
                source = str(_meta(folder)["source"])
            except (BadInput, ValueError, KeyError, TypeError):
                source = f"what its {META} no longer says, it is damaged"
            yield folder, source, sum(f.lstat().st_size for f in folder.iterdir())


def _map(path: Path, part: dict[str, Any]) -> np.ndarray:
    images = map_npy(path)
    found = path.stat().st_size
    if found != part["bytes"]:
        raise BadInput(f"{path}: expected {part['bytes']:,} bytes, found {found:,}; pack the images again.")
    if list(images.shape) != part["shape"] or images.dtype != np.uint8:
        raise BadInput(
            f"{path}: expected uint8 {part['shape']}, found {images.dtype} {list(images.shape)}; pack again."
        )
    return images


def _has(target: Path, key: str) -> bool:
    """Say whether `target` is a whole pack of that key."""
    try:
        open_pack(target)
        return _meta(target)["listing"] == key
    except (BadInput, KeyError):
        return False


def _pack_at(out: Path, source: Source, listed: Listed, key: str, size: int | None, progress: Progress | None) -> Path:
    lock = out.with_name(f".{out.name}.lock")
    with locked(lock):
        try:
            if _has(out, key):
                return out
            if out.exists() and (not out.is_dir() or any(out.iterdir())):
                raise BadInput(
                    f"{out}: is there already, and is not a pack of {source}; name a new folder with out=DIR."
                )
            _clean(out.parent, out.name)
            _build(out, source, listed, key, size, progress)
        finally:
            lock.unlink(missing_ok=True)
    return out


def _clean(folder: Path, name: str) -> None:
    """Remove what killed builders of other packs left, where their lock is free and little is lost with it."""
    for left in folder.glob(".*.part"):
        owner = left.name[1:].rsplit(".", 2)[0]
        if left.name == _making(name):
            continue
        if owner == name:  # an older version's, which cannot be gone on with
            shutil.rmtree(left, ignore_errors=True)
        elif (folder / f".{owner}.lock").exists():
            with locked(folder / f".{owner}.lock", wait=False) as held:
                if held and not _is_worth_keeping(left):
                    shutil.rmtree(left, ignore_errors=True)


def _making(name: str) -> str:
    """Return the name of a pack in the making, whose lock its builder holds."""
    return f".{name}.making.part"


def _build(target: Path, source: Source, listed: Listed, key: str, size: int | None, progress: Progress | None) -> None:
    listing = listed()
    _refuse_problems(source, listing)
    temporary = target.with_name(_making(target.name))
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        _fill(temporary, source, listing, key, size, progress)
        if target.exists():  # an empty folder of the user's, or a pack of ours that is not whole
            shutil.rmtree(target)
        temporary.rename(target)
        flush(target.parent)
    except BaseException as error:
        if isinstance(error, Exception) or not _is_worth_keeping(temporary):  # an interrupt leaves what a kill does
            shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError):
            raise storage_error(target, error) from error
        raise


def _is_worth_keeping(making: Path) -> bool:
    """Say whether a pack in the making has segments that were decoded within a week."""
    try:
        with (making / JOURNAL).open(encoding="utf-8") as journal:
            old = time.time() - os.fstat(journal.fileno()).st_mtime > KEPT
            return not old and sum(1 for _ in journal) > 1
    except OSError:
        return False


class _Journal:
    """What of a pack in the making is decoded: a line for each segment, written once its pixels are on the disk."""

    def __init__(self, folder: Path, key: str, shape: tuple[int, int, str]) -> None:
        self.path = folder / JOURNAL
        head = json.dumps({"key": key, "shape": shape})
        try:
            lines = self.path.read_text(encoding="utf-8").split("\n")[:-1]  # a line that was cut off has no end
        except OSError:
            lines = []
        self.done: dict[tuple[str, int], Tally] = {}
        self._entries: dict[tuple[str, int], dict[str, Any]] = {}
        if lines and lines[0] == head:
            for line in lines[1:]:
                entry = json.loads(line)
                self._entries[entry["split"], entry["first"]] = entry
                self.done[entry["split"], entry["first"]] = tally_of(entry["tally"])
        else:
            shutil.rmtree(folder)
            folder.mkdir()
        self.path.write_text("".join(f"{line}\n" for line in lines[: 1 + len(self.done)] or [head]), encoding="utf-8")

    def begun(self, split: str, file: Path) -> bool:
        """Say whether some of a split is decoded; forget it where its file is not as it was, thinned to grey say."""
        sizes = {entry["size"] for (name, _), entry in self._entries.items() if name == split}
        if sizes and file.exists() and sizes == {file.stat().st_size}:
            return True
        self.done = {key: tally for key, tally in self.done.items() if key[0] != split}
        return False

    def add(self, split: str, first: int, tally: Tally, file: Path) -> None:
        flush(file)
        with self.path.open("a", encoding="utf-8") as journal:
            entry = {"split": split, "first": first, "size": file.stat().st_size, "tally": vars(tally)}
            journal.write(json.dumps(entry) + "\n")
            journal.flush()
            os.fsync(journal.fileno())


def _fill(
    folder: Path, source: Source, listing: Listing, key: str, size: int | None, progress: Progress | None
) -> None:
    h, w, example = _shape(source, listing, size)
    total = sum(len(split.paths) for split in listing.splits)
    tally, journal = Tally(), _Journal(folder, key, (h, w, example))
    for split in listing.splits:
        file = folder / f"{split.name}.npy"
        offset = allocate(file, (len(split.paths), h, w, 3), keep=journal.begun(split.name, file))
        reader = source.reader
        fit = (h, w) if listing.image_size is None or size else None
        job = DecodeJob(str(reader.root), reader.kind, reader.prefix, str(file), offset, h, w, example, fit)
        for first in range(0, len(split.paths), SEGMENT):
            found = journal.done.get((split.name, first))
            if found is None:
                paths, before = split.paths[first : first + SEGMENT], tally.done
                at = replace(job, offset=offset + first * h * w * 3)
                found = decode_all(at, paths, progress and (lambda done, _, b=before: progress(b + done, total)))
                journal.add(split.name, first, found, file)
            tally.add(found)
    if listing.keep_grey and tally.grey == total:
        for split in listing.splits:
            keep_one_channel(folder / f"{split.name}.npy")
    splits = [
        Split(
            split.name,
            np.load(folder / f"{split.name}.npy", mmap_mode="r"),
            None if split.labels is None else np.asarray(split.labels, dtype=np.int64),
            np.asarray(split.ids, dtype=np.str_),
            listing.class_ids,
            listing.class_names,
        )
        for split in listing.splits
    ]
    notes = [*listing.notes, *conversions(tally.kinds, splits[0].images.shape[3], size)]
    others = total - tally.sizes[f"{w}x{h}"]
    if size is None and others:
        notes.append(
            f"{others:,} of {total:,} images, of {len(tally.sizes)} sizes, {'was' if others == 1 else 'were'} resized "
            f"and cut to {w} x {h}; 'ens-data pack --size' makes another size."
        )
    made = Dataset(
        source.name, str(source), fingerprint_of(splits, listing.class_ids), {s.name: s for s in splits},
        listing.class_ids, listing.class_names, tuple(notes),
    )  # fmt: skip
    _write_meta(folder, made, listing=key, layout=listing.layout, size=size)
    journal.path.unlink()


def write_pack(dataset: Dataset, folder: Path) -> Path:
    """Write a dataset that is in memory as a pack into a new folder, or over a pack that is there; return the folder.

    Raises `StorageError` where it cannot be written.
    """
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    try:
        temporary.mkdir(parents=True)
        for name, split in dataset.splits.items():
            np.save(temporary / f"{name}.npy", np.ascontiguousarray(split.images), allow_pickle=False)
        _write_meta(temporary, dataset, listing=dataset.fingerprint, layout="arrays", size=None)
        if is_pack(folder):
            shutil.rmtree(folder)
        temporary.rename(folder)
        flush(folder.parent)
    except OSError as error:
        raise storage_error(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _write_meta(folder: Path, dataset: Dataset, *, listing: str, layout: str, size: int | None) -> None:
    """Write last of all what a pack holds, once the images are on the disk."""
    splits = list(dataset.splits.values())
    meta = {
        "kind": KIND,
        "version": VERSION,
        "seal": BLANK,
        "name": dataset.name,
        "source": dataset.source,
        "listing": listing,
        "layout": layout,
        "size": size,
        "fingerprint": dataset.fingerprint,
        "class_ids": dataset.class_ids,
        "class_names": dataset.class_names,
        "notes": dataset.notes,
        "splits": [
            {
                "name": s.name,
                "shape": s.images.shape,
                "bytes": (folder / f"{s.name}.npy").stat().st_size,
                "labels": None if s.labels is None else s.labels.tolist(),
                "ids": s.sample_ids.tolist(),
            }
            for s in splits
        ],
    }
    for split in splits:
        flush(folder / f"{split.name}.npy")
    (folder / META).write_bytes(sealed(json.dumps(meta).encode()))
    flush(folder / META)
    flush(folder)


def _shape(source: Source, listing: Listing, size: int | None) -> tuple[int, int, str]:
    """Return height, width, and the image that says so ('' where the layout does, or the median of several sizes)."""
    if size is not None:
        return size, size, ""
    if listing.image_size is not None:
        return *listing.image_size, ""
    first = listing.splits[0].paths
    some = first[:: max(1, len(first) // SAMPLED)][:SAMPLED]
    found = [decode(source.reader.read(path), source.where(path)).original for path in some]
    if len(set(found)) == 1:
        return *found[0], source.where(first[0])
    side = int(np.clip(np.median([min(shape) for shape in found]), *SIDES))
    return side, side, ""


def conversions(kinds: Counter[str], channels: int, size: int | None) -> list[str]:
    """Say what was converted on the way in, one sentence a kind."""
    notes = []
    for kind, count in sorted(kinds.items()):
        if kind == "RGB" or (kind == "grey" and channels == 1):
            continue
        images = f"{count:,} {kind} {'image' if count == 1 else 'images'}"
        notes.append(f"{images} {'was' if count == 1 else 'were'} made {'RGB' if channels == 3 else '8-bit grey'}.")
    if size is not None:
        notes.append(f"Every image was resized and cut to {size} x {size}.")
    return notes


def allocate(path: Path, shape: tuple[int, ...], *, keep: bool = False) -> int:
    """Make a .npy file of zeros with its room on the disk taken at once; return where the pixels begin.

    keep: the file is there, and its pixels stay.
    """
    with path.open("r+b" if keep else "wb") as file:
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


_BLOCK = 64 * 2**20  # bytes hashed at a time, so that a memory map is never read whole


def fingerprint_of(splits: Iterable[Split], class_ids: Sequence[str]) -> str:
    """Return the SHA-256 (hex) over class ids and, by split name, each split's shape, pixels, labels and ids."""
    digest = hashlib.sha256()

    def add_text(value: object) -> None:
        text = json.dumps(value, ensure_ascii=True).encode()
        digest.update(len(text).to_bytes(8, "little") + text)

    add_text(list(class_ids))
    for split in sorted(splits, key=lambda s: s.name):
        add_text([split.name, list(split.images.shape), split.labels is not None])
        rows = max(1, _BLOCK // max(1, split.images[:1].nbytes))
        for i in range(0, len(split), rows):
            digest.update(np.ascontiguousarray(split.images[i : i + rows]).data.cast("B"))
        if split.labels is not None:
            digest.update(split.labels.astype("<i8").tobytes())
        add_text(split.sample_ids.tolist())
    return digest.hexdigest()


def open_listed(path: Path) -> tuple[Source, str, Listed]:
    """Open a folder, a zip or a CSV of paths: its files, a digest of what there is, and how to list it.

    Raises `BadInput` where it is none of them.
    """
    if path.suffix.lower() == ".csv" and path.is_file():
        source, listing = list_csv(path)
        return source, csv_digest(path, source), lambda: listing
    source = open_source(path)
    # Photographs packed before EXIF rotation was applied are packed anew; Tiny ImageNet has none.
    turned, digest = not looks_like_tiny_imagenet(source), f"{source.digest()} turned".encode()
    return source, (hashlib.sha256(digest).hexdigest() if turned else source.digest()), lambda: read_layout(source)


def read_layout(source: Source) -> Listing:
    """List a source's splits, labels, ids and classes; raise `BadInput` where it has no layout known here."""
    return list_tiny_imagenet(source) if looks_like_tiny_imagenet(source) else list_folder(source)
