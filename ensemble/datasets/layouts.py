"""Tiny ImageNet in its official layout, and in the widespread one with val/ rearranged by class.

Official: wnids.txt, words.txt, train/<wnid>/images/*.JPEG, val/images/*.JPEG with val/val_annotations.txt,
test/images/*.JPEG without labels. Reading val/ as a folder per class would give one class named `images`.
"""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from os.path import realpath
from pathlib import Path

from ensemble.datasets.listing import (
    Listing,
    SplitListing,
    class_names,
    class_split,
    classes_of,
    find_train,
    find_val,
    flat_split,
    images_by_top,
    left_out,
    missing_classes,
    sample_ids,
    unique_names,
)
from ensemble.datasets.source import Entry, Reader, Source, is_image
from ensemble.errors import BadInput, nearest
from ensemble.study.seals import open_regular

ANNOTATIONS = "val/val_annotations.txt"


def looks_like_tiny_imagenet(source: Source) -> bool:
    """Say whether a source is laid out as Tiny ImageNet is."""
    if "wnids.txt" in source.entries or ANNOTATIONS in source.entries:
        return True
    inner = [f for f in source.folders if f.startswith("train/") and f.count("/") == 1]
    return bool(inner) and all(f + "/images" in source.folders for f in inner)


def list_tiny_imagenet(source: Source) -> Listing:
    """List train, val and test; classes are train's folders, which wnids.txt, where it is there, must agree with."""
    tops = images_by_top(source)
    train = find_train(source, tops)
    val = find_val(source, tops)
    problems: list[str] = []
    classes = classes_of(source, "train", train)
    if "wnids.txt" in source.entries:
        _compare_wnids(source, classes, problems)
    splits = [class_split(source, "train", "train", train, classes, problems)]
    absent: list[str] = []
    unannotated: list[str] = []
    flat = [p for p in tops[val] if p.startswith(f"{val}/images/")]
    if flat and len(flat) < len(tops[val]):
        other = next(p for p in tops[val] if not p.startswith(f"{val}/images/"))
        raise BadInput(
            f"{source}: {val}/ is rearranged by half, it holds {flat[0]} and {other}; "
            f"expected all of them in {val}/images/, or all in a folder per class. Extract the data again."
        )
    if flat:
        splits.append(_annotated(source, val, flat, classes, problems, absent, unannotated))
    else:
        splits.append(class_split(source, "val", val, tops[val], classes, problems))
    missing_classes(source, splits[1], val, classes, problems)
    if tops.get("test"):
        splits.append(flat_split(source, "test", "test", tops["test"], problems))
    return Listing(
        layout="tiny-imagenet",
        class_ids=classes,
        class_names=class_names(source, classes),
        splits=tuple(splits),
        image_size=(64, 64),
        keep_grey=False,
        problems=tuple(problems),
        absent=tuple(absent),
        unannotated=tuple(unannotated),
        notes=left_out(source, ("train", val, "test")),
    )


def _compare_wnids(source: Source, classes: Sequence[str], problems: list[str]) -> None:
    named = set(source.text("wnids.txt").split())
    for here, there, one, other in (
        (set(classes), named, "wnids.txt", "train/"),
        (named, set(classes), "train/", "wnids.txt"),
    ):
        lacking = sorted(here - there)
        if lacking:
            problems.append(
                f"{source}: {one} lacks {len(lacking)} of the classes of {other}, {lacking[0]!r} for one; "
                "expected the same classes in both. Extract the data again."
            )


def _annotated(
    source: Source,
    val: str,
    paths: Sequence[str],
    classes: Sequence[str],
    problems: list[str],
    absent: list[str],
    unannotated: list[str],
) -> SplitListing:
    """List val/images by val_annotations.txt: file name, wnid and a box, separated by tabs."""
    file = f"{val}/val_annotations.txt"
    if file not in source.entries:
        raise BadInput(
            f"{source.where(file)}: is missing; {val}/images/ holds {len(paths):,} images whose classes "
            f"only this file tells. Extract it from the official zip, or rearrange {val}/ into a folder per class."
        )
    index = {c: i for i, c in enumerate(classes)}
    here = {p.rsplit("/", 1)[1]: p for p in paths}
    labels: dict[str, int] = {}
    unknown: list[str] = []
    for number, line in enumerate(source.text(file).splitlines(), start=1):
        if not line.strip():
            continue
        fields = line.split("\t")
        if len(fields) < 2:
            problems.append(
                f"{source.where(file)}: line {number} is {line[:60]!r}; expected a file name, a tab and a class id."
            )
            continue
        name, wnid = fields[0].strip(), fields[1].strip()
        if name not in here:
            absent.append(name)
        elif wnid not in index:
            unknown.append(f"{wnid!r} in line {number}")
        elif labels.setdefault(name, index[wnid]) != index[wnid]:
            problems.append(f"{source.where(file)}: line {number} gives {name} another class than a line above does.")
    if absent:
        files = "file" if len(absent) == 1 else "files"
        problems.append(
            f"{source.where(file)}: names {len(absent):,} absent {files}, {absent[0]!r} for one; "
            f"expected all of them in {val}/images/. Extract the data again, or remove those lines."
        )
    if unknown:
        problems.append(
            f"{source.where(file)}: names {len(unknown):,} unknown class ids, {unknown[0]}; expected those of train/."
        )
    unannotated.extend(sorted(p for name, p in here.items() if name not in labels))
    # Images with an unknown class are told already.
    if len(unannotated) > len(unknown):
        problems.append(
            f"{source.where(unannotated[0])}: has no line in {file} ({len(unannotated):,} such); "
            "add its class there, or remove the image."
        )
    chosen = sorted(here[name] for name in labels)
    ids = sample_ids(source, val, chosen, problems)
    return SplitListing("val", tuple(chosen), ids, tuple(labels[p.rsplit("/", 1)[1]] for p in chosen))


SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
COLUMNS = ("path", "label", "split")


def list_csv(path: Path) -> tuple[Source, Listing]:
    """List the images that a CSV names, columns `path`, `label` and `split`; paths are from the CSV's folder.

    split: train, val or test; labels of test may be empty. Raises `BadInput` where a column is missing, a file is not
    there, or a label or split is none.
    """
    root = path.absolute().parent
    try:
        with io.TextIOWrapper(open_regular(path), encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for column in COLUMNS:
                if column not in (reader.fieldnames or ()):
                    has = ", ".join(reader.fieldnames or ()) or "none"
                    raise BadInput(f"{path}: lacks the column {column!r}, it has {has}; expected {', '.join(COLUMNS)}.")
            rows = [(number, *(str(row[c] or "").strip() for c in COLUMNS)) for number, row in enumerate(reader, 2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: cannot be read as CSV, {error}; save it as CSV in UTF-8.") from error
    by_split: dict[str, dict[str, str]] = {}
    entries: dict[str, Entry] = {}
    for number, image, label, split in rows:
        where = f"{path}: line {number}"
        if split not in SPLITS:
            raise BadInput(f"{where}: split {split!r} is none of train, val, test; write one of these.")
        if "\0" in image:
            raise BadInput(f"{where}: the path {image!r} holds a NUL character, which no file has; mend the line.")
        file = Path(realpath(root / image))
        if not file.is_relative_to(realpath(root)):
            raise BadInput(f"{where}: {image} lies outside of {root}; put the CSV into a folder above the images.")
        if not _is_file(file):
            raise BadInput(f"{where}: there is no file {root / image}; paths are read from the CSV's folder.")
        if not is_image(image):
            raise BadInput(f"{where}: {image} does not end like an image; name images only.")
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


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # longer than a name may be
        return False


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


UNLABELLED = {"", "images", "unknown", "unlabelled"}


def list_folder(source: Source) -> Listing:
    """List train/, val/ (or valid/, validation/) and, where there is one, test/.

    test/ is unlabelled where its images lie flat, in it or in one folder named `images`, `unknown` or `unlabelled`;
    else its folders must be classes of train/.
    """
    tops = images_by_top(source)
    train = find_train(source, tops)
    val = find_val(source, tops)
    problems: list[str] = []
    classes = classes_of(source, "train", train)
    splits = [
        class_split(source, "train", "train", train, classes, problems),
        class_split(source, "val", val, tops[val], classes, problems),
    ]
    missing_classes(source, splits[1], val, classes, problems)
    test = tops.get("test", [])
    if test:
        folders = {p.split("/", 2)[1] if p.count("/") > 1 else "" for p in test}
        if len(folders) == 1 and folders <= UNLABELLED - set(classes):
            splits.append(flat_split(source, "test", "test", test, problems))
        else:
            splits.append(class_split(source, "test", "test", test, classes, problems))
    return Listing(
        layout="folder",
        class_ids=classes,
        class_names=class_names(source, classes),
        splits=tuple(splits),
        image_size=None,
        keep_grey=True,
        problems=tuple(problems),
        notes=left_out(source, ("train", val, "test")),
    )
