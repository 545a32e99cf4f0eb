"""Images that came after training: a file, a folder, a zip, or a split of a dataset, read in blocks of one shape."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ensemble.datasets import DATASETS, load_dataset
from ensemble.datasets.decode import decode, fitted, to_grey
from ensemble.datasets.pack import conversions, is_pack
from ensemble.datasets.source import IMAGE_SUFFIXES, Reader, Source, is_image, open_source
from ensemble.errors import BadInput
from ensemble.machine import Progress, cores
from ensemble.study.split import Split, check_ids

NAMED = 10  # unreadable images that a message names


@dataclass
class Seen:
    """What was met on the way: images resized, kinds as in `Decoded`, and a sentence for each unreadable image."""

    resized: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)

    def notes(self, shape: tuple[int, int, int]) -> list[str]:
        """Say what was converted to images of `shape` (H, W, Ch), a sentence each."""
        h, w, ch = shape
        found = conversions(self.kinds, ch, None)
        if ch == 1 and (colour := self.kinds["RGB"]):
            found.append(f"{_images(colour)} in colour {_were(colour)} made grey.")
        if self.resized:
            found.append(f"{_images(self.resized)} {_were(self.resized)} resized and cut to {w} x {h}.")
        return found


@dataclass(frozen=True, eq=False)
class ImageBlock:
    """Some of the images: rows int64 (n,), increasing, which of all N; images uint8 (n, H, W, Ch)."""

    rows: np.ndarray
    images: np.ndarray


# One image by its row: its pixels uint8 (H, W, Ch), its kind as in `Decoded`, and whether it was resized.
Load = Callable[[int, tuple[int, int, int]], tuple[np.ndarray, str, bool]]


@dataclass(frozen=True, eq=False)
class NewImages:
    """N images that members shall look at, and what is known of them.

    source: where they are, for a sentence. part: which split of a dataset they are, None where they are none.
    sample_ids: str (N,), unique: the path below the folder given, or below the split's folder, without extension.
    labels: int64 (N,), positions in the classes asked about; None where they are not known.
    fingerprint: of the dataset they are a split of; None otherwise. ids_given: False where row numbers serve as ids.
    notes: what a person should know, one sentence each.
    """

    source: str
    part: str | None
    sample_ids: np.ndarray
    labels: np.ndarray | None
    fingerprint: str | None
    notes: tuple[str, ...]
    load: Load = field(repr=False)
    split: Split | None = field(default=None, repr=False)
    ids_given: bool = True

    def __len__(self) -> int:
        return len(self.sample_ids)

    def blocks(self, shape: tuple[int, int, int], rows: int, seen: Seen, *, skip: bool = False) -> Iterator[ImageBlock]:
        """Give the images as `shape` (H, W, Ch), in order, decoded `rows` at a time; add to `seen`.

        skip: leave unreadable ones out. Otherwise the first one ends the blocks: the rest is only looked at, and
        `BadInput` names the unreadable.
        """
        if self.split is not None and self.split.images.shape[1:] == shape:
            for start in range(0, len(self), rows):
                images = self.split.images[start : start + rows]
                yield ImageBlock(np.arange(start, start + len(images)), images)
            return

        def attempt(row: int) -> tuple[np.ndarray, str, bool] | BadInput:
            try:
                return self.load(row, shape)
            except BadInput as error:
                return error

        # Threads: large photographs are decoded outside of the interpreter's lock, and small ones lose little.
        with ThreadPoolExecutor(cores()) as pool:
            for start in range(0, len(self), rows):
                here = range(start, min(start + rows, len(self)))
                kept, images = [], np.empty((len(here), *shape), np.uint8)
                for row, found in zip(here, pool.map(attempt, here), strict=True):
                    if isinstance(found, BadInput):
                        seen.unreadable.append(str(found))
                        continue
                    images[len(kept)], kind, resized = found
                    seen.kinds[kind] += 1
                    seen.resized += resized
                    kept.append(row)
                if kept and (skip or not seen.unreadable):
                    yield ImageBlock(np.array(kept), images[: len(kept)])
        if seen.unreadable and (not skip or len(seen.unreadable) == len(self)):
            raise BadInput(_unreadable(seen.unreadable, len(self)))


def new_images(
    path: str | Path, class_ids: Sequence[str], class_names: Sequence[str], part: str | None = None,
    default: str | None = None, progress: Progress | None = None,
) -> NewImages:  # fmt: skip
    """Return the images at `path`, listed but not yet decoded.

    class_ids, class_names: those the labels shall be positions in. A folder or zip whose top folders are each named
    like a class's id, or its name, is labelled so; any other folder is unlabelled.
    part: which split, where `path` is a dataset with several; that is loaded, and packed if need be. default: the one
    that is taken of a dataset where `part` names none.
    Raises `BadInput` where there are no images, or `part` does not fit.
    """
    if str(path) in DATASETS or is_pack(Path(path)):
        return _of_dataset(path, class_ids, part or default, progress)
    where = Path(path).expanduser()
    if not where.exists():
        raise BadInput(f"{path}: there is no such file or folder; check the path.")
    source = None if where.is_file() and is_image(where.name) else _opened(where)
    if source is not None and _has_splits(source):
        return _of_dataset(where, class_ids, part or default, progress)
    if part is not None:
        raise BadInput(
            f"{path}: has no split {part!r}, it is no dataset with train/ and val/; leave out part=... then."
        )
    if source is None:
        reader = Reader(where.absolute().parent, "folder", "")
        return _of_files(str(where.absolute()), reader, [where.name], [where.stem], None, ())
    return _below(where, source, class_ids, class_names)


def _opened(path: Path) -> Source:
    if path.is_dir() and not any(path.iterdir()):
        raise BadInput(f"{path}: is empty; name a folder of images, a zip, or one image.")
    return open_source(path)


def _has_splits(source: Source) -> bool:
    tops = {p.split("/", 1)[0] for p in source.entries if "/" in p}
    return "train" in tops and bool(tops & {"val", "valid", "validation"})


def _below(path: Path, source: Source, class_ids: Sequence[str], class_names: Sequence[str]) -> NewImages:
    """List every image below a folder or zip that is no dataset."""
    paths = [p for p in source.entries if is_image(p)]
    if not paths:
        raise BadInput(
            f"{path}: holds no images among its {len(source.entries):,} files; "
            f"read are {', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    notes = []
    if others := len(source.entries) - len(paths):
        notes.append(
            f"{others:,} {'file' if others == 1 else 'files'} without an image's ending {_were(others)} left out."
        )
    # Ids are paths below what was given; of a zip, below the one folder that everything in it lies in, unless that
    # folder is a class.
    prefix = source.reader.prefix
    if source.reader.kind == "zip" and prefix:
        last = prefix[:-1].rsplit("/", 1)[-1]
        prefix = f"{last}/" if _class_of(last, class_ids, class_names) is not None else ""
    ids = [(prefix + p).rsplit(".", 1)[0] for p in paths]
    tops = {i.split("/", 1)[0] if "/" in i else "" for i in ids}
    found = {top: _class_of(top, class_ids, class_names) for top in sorted(tops)}
    strange = [top for top, position in found.items() if position is None]
    labels = None
    if not strange:
        labels = np.array([found[i.split("/", 1)[0]] for i in ids], dtype=np.int64)
    elif len(strange) < len(found) or (len(tops) > 1 and "" not in tops):
        shown = ", ".join(repr(top) if top else "no folder" for top in strange[:3]) + (", ..." if strange[3:] else "")
        notes.append(
            f"{len(strange)} of {len(found)} top folders ({shown}) are no class of the study, by id or by name, "
            "so the images count as unlabelled."
        )
    return _of_files(str(path.absolute()), source.reader, paths, ids, labels, notes)


def _class_of(folder: str, class_ids: Sequence[str], class_names: Sequence[str]) -> int | None:
    """Return the position of the class that a folder is named after: its id, or the name of one class alone."""
    if folder in class_ids:
        return list(class_ids).index(folder)
    folded = folder.casefold().strip()
    named = [i for i, name in enumerate(class_names) if name.casefold().strip() == folded]
    return named[0] if len(named) == 1 else None


def _of_files(
    where: str, reader: Reader, paths: Sequence[str], ids: Sequence[str], labels: np.ndarray | None,
    notes: Sequence[str],
) -> NewImages:  # fmt: skip
    if len(set(ids)) < len(ids):
        twice = next(i for i, count in Counter(ids).items() if count > 1)
        first, second = [p for p, i in zip(paths, ids, strict=True) if i == twice][:2]
        raise BadInput(
            f"{where}: {first} and {second} differ in their extension only, so both would be {twice!r}; rename one."
        )

    def load(row: int, shape: tuple[int, int, int]) -> tuple[np.ndarray, str, bool]:
        image = decode(reader.read(paths[row]), reader.where(paths[row]), shape[:2])
        pixels = to_grey(image.pixels) if shape[2] == 1 else image.pixels
        return pixels, image.kind, image.original != shape[:2]

    return NewImages(where, None, check_ids(ids, where), labels, None, tuple(notes), load)


def _of_dataset(path: str | Path, class_ids: Sequence[str], part: str | None, progress: Progress | None) -> NewImages:
    """Return a split of a dataset; of another size than asked for it is resized as files are."""
    dataset = load_dataset(path, progress=progress)
    if part is None or part not in dataset.splits:
        lacks = "" if part is None else f"no split {part!r}, but "
        raise BadInput(f"{path}: has {lacks}the splits {', '.join(dataset.splits)}; say which one with part=NAME.")
    split = dataset.split(part)
    labels, notes = split.labels, []
    if labels is not None and tuple(class_ids) != split.class_ids:
        position = {c: i for i, c in enumerate(class_ids)}
        strange = sorted({split.class_ids[y] for y in set(labels.tolist())} - set(position))
        if strange:
            labels = None
            notes.append(
                f"{len(strange)} of its classes ({strange[0]!r} for one) are none of the study, "
                "so the images count as unlabelled."
            )
        else:
            labels = np.array([position.get(c, -1) for c in split.class_ids], dtype=np.int64)[labels]

    return NewImages(
        dataset.source, part, split.sample_ids, labels, dataset.fingerprint, tuple(notes), _load_of(split), split
    )


def array_images(images: np.ndarray) -> NewImages:
    """Return images that are in memory already, uint8 (N, H, W, 1 or 3); their row numbers serve as ids."""
    ids = np.arange(len(images)).astype(str)
    split = Split("images", images, None, ids, (), ())
    return NewImages("images", None, ids, None, None, (), _load_of(split), split, ids_given=False)


def _load_of(split: Split) -> Load:
    """Return what gives an image of a split, resized as files are where another size is asked for."""

    def load(row: int, shape: tuple[int, int, int]) -> tuple[np.ndarray, str, bool]:
        pixels = split.images[row]
        kind = "grey" if pixels.shape[2] == 1 else "RGB"
        resized = pixels.shape[:2] != shape[:2]
        if (pixels.shape[2], shape[2]) == (1, 1) and not resized:
            return pixels, kind, resized
        colour = fitted(np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3))), shape[:2])
        return to_grey(colour) if shape[2] == 1 else colour, kind, resized

    return load


def _unreadable(found: Sequence[str], images: int) -> str:
    more = f" and {len(found) - NAMED:,} more" if found[NAMED:] else ""
    named = " ".join(found[:NAMED])
    if len(found) == images:
        return f"none of {_images(images)} can be read: {named}{more}"
    return (
        f"{len(found):,} of {images:,} images cannot be read: {named}{more} "
        "With skip_unreadable=True the others are predicted."
    )


def _images(count: int) -> str:
    return f"{count:,} {'image' if count == 1 else 'images'}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
