"""Tiny ImageNet in its official layout, and in the widespread one with val/ rearranged by class.

Official: wnids.txt, words.txt, train/<wnid>/images/*.JPEG, val/images/*.JPEG with val/val_annotations.txt,
test/images/*.JPEG without labels. Reading val/ as a folder per class would give one class named `images`.
"""

from collections.abc import Sequence

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
)
from ensemble.datasets.source import Source
from ensemble.errors import BadInput

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
