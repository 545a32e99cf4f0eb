"""What a source holds, before an image is opened: splits, labels, ids and classes."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ensemble.datasets.source import SPLIT_FOLDERS, Source, is_image
from ensemble.errors import BadInput

LAYOUT_HELP = (
    "expected train/ and val/ with a folder of images per class, or Tiny ImageNet's wnids.txt, train/ and val/"
)


@dataclass(frozen=True)
class SplitListing:
    """One split: the files of its N images, their ids, and their labels (None where unlabelled)."""

    name: str
    paths: tuple[str, ...]
    ids: tuple[str, ...]
    labels: tuple[int, ...] | None


@dataclass(frozen=True)
class Listing:
    """A source's splits and classes.

    image_size: (height, width) that every image must have; None where the first image tells.
    keep_grey: images keep one channel where all of them are grey.
    problems: what forbids using the source, one sentence each, the most telling first.
    absent: files that annotations name and that are not there. unannotated: images without an annotation.
    """

    layout: Literal["tiny-imagenet", "folder", "csv"]
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    splits: tuple[SplitListing, ...]
    image_size: tuple[int, int] | None
    keep_grey: bool
    problems: tuple[str, ...]
    absent: tuple[str, ...] = ()
    unannotated: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def images_by_top(source: Source) -> dict[str, list[str]]:
    """Return the paths of the images below each top folder ('' for those beside them)."""
    tops: dict[str, list[str]] = defaultdict(list)
    for path in source.entries:
        if is_image(path):
            tops[path.split("/", 1)[0] if "/" in path else ""].append(path)
    return tops


def find_train(source: Source, tops: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Return the images of train/; raise `BadInput` that says what stands there instead."""
    if tops.get("train"):
        return tops["train"]
    if tops.get(""):
        raise BadInput(
            f"{source}: holds {len(tops['']):,} images ({tops[''][0]} for one) but no class folders; {LAYOUT_HELP}."
        )
    if "train" in source.folders:
        raise BadInput(f"{source}: train/ holds no images; {LAYOUT_HELP}.")
    there = sorted(
        {p.split("/", 1)[0] + "/" if "/" in p else p for p in [*source.entries, *(f + "/" for f in source.folders)]}
    )
    found = ", ".join(there[:5]) + (f" and {len(there) - 5} more" if len(there) > 5 else "")
    raise BadInput(f"{source}: has no train/; {LAYOUT_HELP}; found {found}.")


def find_val(source: Source, tops: Mapping[str, Sequence[str]]) -> str:
    """Return the name of the folder that holds the validation images."""
    names = [name for name in ("val", "valid", "validation") if tops.get(name)]
    if len(names) > 1:
        raise BadInput(f"{source}: has both {names[0]}/ and {names[1]}/; keep one of them as val/.")
    if not names:
        raise BadInput(
            f"{source}: has no images in val/ (valid/ and validation/ are taken too); {LAYOUT_HELP}; "
            "move some images of each class from train/ there."
        )
    return names[0]


def classes_of(source: Source, folder: str, paths: Sequence[str]) -> tuple[str, ...]:
    """Return the class folders below `folder`, sorted; raise `BadInput` where there are fewer than two."""
    classes = tuple(sorted({p.split("/", 2)[1] for p in paths if p.count("/") > 1}))
    if not classes:
        raise BadInput(
            f"{source}: {folder}/ holds {len(paths):,} images ({paths[0]} for one) but no class folders; {LAYOUT_HELP}."
        )
    if len(classes) == 1:
        raise BadInput(
            f"{source}: {folder}/ has one class only, {classes[0]!r}; expected two or more, each a folder of images."
        )
    return classes


def class_split(
    source: Source, name: str, folder: str, paths: Sequence[str], classes: Sequence[str], problems: list[str]
) -> SplitListing:
    """List a split with a folder per class, in order of class, folder and file; add to `problems`."""
    index = {c: i for i, c in enumerate(classes)}
    outside = [p for p in paths if p.count("/") < 2]
    if outside:
        problems.append(
            f"{source.where(outside[0])}: stands outside of any class folder ({len(outside):,} such in {folder}/); "
            "move it into its class's folder, or remove it."
        )
    inside = [p for p in paths if p.count("/") > 1]
    found = {p.split("/", 2)[1] for p in inside}
    empty = sorted(
        f for f in source.folders if f.count("/") == 1 and f.startswith(folder + "/") and f.split("/")[1] not in found
    )
    # A folder without images is a class that would vanish in silence; where the class is none of ours it is nothing.
    empty = [f for f in empty if name == "train" or f.split("/")[1] in index]
    if empty:
        problems.append(f"{source.where(empty[0])}: holds no images; give this class images, or remove its folder.")
    unknown = sorted(found - set(index))
    if unknown:
        problems.append(
            f"{source}: {folder}/ has {_several(unknown, 'class', 'classes')} that train/ has not; "
            "every split must have the classes of train/."
        )
    chosen = sorted((p for p in inside if p.split("/", 2)[1] in index), key=_order)
    labels = tuple(index[p.split("/", 2)[1]] for p in chosen)
    return SplitListing(name, tuple(chosen), sample_ids(source, folder, chosen, problems), labels)


def flat_split(source: Source, name: str, folder: str, paths: Sequence[str], problems: list[str]) -> SplitListing:
    """List an unlabelled split, in order of folder and file."""
    chosen = sorted(paths, key=lambda p: p.rsplit("/", 1))
    return SplitListing(name, tuple(chosen), sample_ids(source, folder, chosen, problems), None)


def missing_classes(
    source: Source, split: SplitListing, folder: str, classes: Sequence[str], problems: list[str]
) -> None:
    """Add a problem where a labelled split lacks some of the classes."""
    without = sorted(set(classes) - {classes[y] for y in set(split.labels or ())})
    if without:
        problems.append(
            f"{source}: {folder}/ has no images of {_several(without, 'class', 'classes')} of train/; "
            "both must have the same classes."
        )


def sample_ids(source: Source, folder: str, paths: Sequence[str], problems: list[str]) -> tuple[str, ...]:
    """Return each path below `folder` without its extension; two files of one id are a problem."""
    ids = tuple(p[len(folder) + 1 :].rsplit(".", 1)[0] for p in paths)
    if len(set(ids)) < len(ids):
        twice = next(i for i, count in Counter(ids).items() if count > 1)
        first, second = [p for p, i in zip(paths, ids, strict=True) if i == twice][:2]
        problems.append(
            f"{source}: {first} and {second} differ in their extension only, so both would be {twice!r}; rename one."
        )
    return ids


def class_names(source: Source, class_ids: Sequence[str]) -> tuple[str, ...]:
    """Return the classes' names from words.txt: the first synonym, or the full text where two share it.

    A class that words.txt does not name, or without such a file, is called by its id.
    """
    full: dict[str, str] = {}
    if "words.txt" in source.entries:
        for line in source.text("words.txt").splitlines():
            wnid, _, words = line.partition("\t")
            full[wnid.strip()] = words.strip()
    return unique_names(class_ids, [full.get(c) or c for c in class_ids])


def unique_names(class_ids: Sequence[str], full: Sequence[str]) -> tuple[str, ...]:
    """Shorten each name to what stands before its first comma, as far as names then still differ."""
    names = [text.split(",", 1)[0].strip() for text in full]
    counts = Counter(names)
    names = [text if counts[name] > 1 else name for name, text in zip(names, full, strict=True)]
    counts = Counter(names)
    return tuple(f"{name} ({c})" if counts[name] > 1 else name for name, c in zip(names, class_ids, strict=True))


def left_out(source: Source, splits: Iterable[str]) -> tuple[str, ...]:
    """Say which files no split takes: other top folders with images, and files that end like no known image."""
    notes = []
    foreign = sorted({p.split("/", 1)[0] for p in source.entries if "/" in p and is_image(p)} - set(splits))
    if foreign:
        notes.append(
            f"No split, and left out: {', '.join(f + '/' for f in foreign[:5])}{' ...' if foreign[5:] else ''}."
        )
    others = Counter(
        "." + p.rsplit(".", 1)[1] if "." in p.rsplit("/", 1)[-1] else "no extension"
        for p in source.entries
        if p.split("/", 1)[0] in SPLIT_FOLDERS and not is_image(p) and not p.endswith((".txt", ".csv", ".json", ".xml"))
    )
    if others:
        kinds = ", ".join(f"{count:,} with {suffix}" for suffix, count in others.most_common(5))
        notes.append(f"Files that end like no image this program reads were left out: {kinds}.")
    return tuple(notes)


def _order(path: str) -> tuple[str, list[str]]:
    # By class, then folder, then file: the order of torchvision's ImageFolder.
    return path.split("/", 2)[1], path.rsplit("/", 1)


def _several(names: Sequence[str], one: str, many: str) -> str:
    if len(names) == 1:
        return f"the {one} {names[0]!r}"
    shown = ", ".join(repr(n) for n in names[:3])
    return f"{len(names)} {many} ({shown}{', ...' if len(names) > 3 else ''})"
