"""Images that a CSV names: columns path, label and split."""

import csv
import hashlib
from collections.abc import Mapping
from pathlib import Path

from ensemble.datasets.listing import Listing, SplitListing, unique_names
from ensemble.datasets.source import Entry, Reader, Source, is_image
from ensemble.errors import BadInput, nearest

SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
COLUMNS = ("path", "label", "split")


def list_csv(path: Path) -> tuple[Source, Listing]:
    """List the images that a CSV names, columns `path`, `label` and `split`; paths are from the CSV's folder.

    split: train, val or test; labels of test may be empty. Raises `BadInput` where a column is missing, a file is not
    there, or a label or split is none.
    """
    root = path.absolute().parent
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for column in COLUMNS:
                if column not in (reader.fieldnames or ()):
                    has = ", ".join(reader.fieldnames or ()) or "none"
                    raise BadInput(f"{path}: lacks the column {column!r}, it has {has}; expected {', '.join(COLUMNS)}.")
            rows = [(number, *(str(row[c] or "").strip() for c in COLUMNS)) for number, row in enumerate(reader, 2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: cannot be read as CSV, {error}.") from error
    by_split: dict[str, dict[str, str]] = {}
    entries: dict[str, Entry] = {}
    for number, image, label, split in rows:
        where = f"{path}: line {number}"
        if split not in SPLITS:
            raise BadInput(f"{where}: split {split!r} is none of train, val, test.")
        file = (root / image).resolve()
        if not file.is_relative_to(root.resolve()):
            raise BadInput(f"{where}: {image} lies outside of {root}; put the CSV into a folder above the images.")
        if not file.is_file():
            raise BadInput(f"{where}: there is no file {root / image}; paths are read from the CSV's folder.")
        if not is_image(image):
            raise BadInput(f"{where}: {image} does not end like an image.")
        if not label and SPLITS[split] != "test":
            raise BadInput(f"{where}: has no label, which images of {split} need.")
        known = by_split.setdefault(SPLITS[split], {})
        if image in known:
            raise BadInput(f"{where}: names {image} a second time in {split}; remove one of the lines.")
        known[image] = label
        entries[image] = Entry(file.stat().st_size, file.stat().st_mtime_ns)
    for needed in ("train", "val"):
        if needed not in by_split:
            raise BadInput(f"{path}: has no line with split {needed}; give some images of each class to it.")
    classes = tuple(sorted(set(by_split["train"].values())))
    if len(classes) < 2:
        raise BadInput(f"{path}: train has one class only, {classes[0]!r}; expected two or more.")
    listed = [_listed(path, key, images, classes) for key, images in by_split.items()]
    listing = Listing(
        layout="csv", class_ids=classes, class_names=unique_names(classes, classes), splits=tuple(listed),
        image_size=None, keep_grey=True, problems=(),
    )  # fmt: skip
    return Source(Reader(root, "folder", ""), dict(sorted(entries.items())), frozenset()), listing


def _listed(path: Path, key: str, images: Mapping[str, str], classes: tuple[str, ...]) -> SplitListing:
    at = {c: i for i, c in enumerate(classes)}
    strange = sorted({label for label in images.values() if label and label not in at})
    if strange:
        raise BadInput(
            f"{path}: {key} has the label {strange[0]!r}, which train lacks; {nearest(strange[0], classes)}."
        )
    paths = tuple(images)
    ids = tuple(p.rsplit(".", 1)[0] for p in paths)
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise BadInput(f"{path}: two images of {key} would be {twice!r}, differing in their ending only; rename one.")
    labels = tuple(at[images[p]] for p in paths) if all(images.values()) else None
    return SplitListing(key, paths, ids, labels)


def csv_digest(path: Path, source: Source) -> str:
    """Return the SHA-256 (hex) of the CSV and of the sizes and times of the files it names."""
    digest = hashlib.sha256(path.read_bytes())
    for name, entry in source.entries.items():
        digest.update(f"{name}\0{entry.size}\0{entry.stamp}\n".encode())
    return digest.hexdigest()
