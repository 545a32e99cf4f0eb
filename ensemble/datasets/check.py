"""A look at every image of a source before anything is built on it: counts, sizes, kinds, and what is broken."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ensemble.datasets.pack import fingerprint_of, open_listed
from ensemble.datasets.workers import DecodeJob, Tally, decode_all
from ensemble.machine import Progress
from ensemble.study.split import Dataset


@dataclass(frozen=True)
class SplitCheck:
    """One split: its images, and the smallest and largest number a class has (None where unlabelled)."""

    images: int
    labelled: bool
    fewest: int | None
    most: int | None


@dataclass(frozen=True)
class CheckReport:
    """What a source holds, and what forbids using it.

    sizes: "WIDTHxHEIGHT" -> images. modes: "RGB", "grey", "palette", "alpha", "CMYK", "16-bit", ... -> images.
    unreadable: one sentence an image. absent: files that annotations name and that are not there. unannotated:
    images without an annotation. problems: every reason against, one sentence each, unreadable images among them.
    """

    source: str
    layout: str
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    splits: Mapping[str, SplitCheck]
    sizes: Mapping[str, int]
    modes: Mapping[str, int]
    unreadable: tuple[str, ...]
    absent: tuple[str, ...]
    unannotated: tuple[str, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the source can be used as it is."""
        return not self.problems


def check_source(source: str | Path, progress: Progress | None = None) -> CheckReport:
    """Decode every image of a folder or zip and report; raise `BadInput` where there is no layout to check."""
    opened, _, listed = open_listed(Path(source))
    listing = listed()
    total = sum(len(split.paths) for split in listing.splits)
    tally = Tally()
    job = DecodeJob(str(opened.reader.root), opened.reader.kind, opened.reader.prefix)
    paths = [path for split in listing.splits for path in split.paths]
    # Images that no annotation names are looked at too.
    known = set(paths)
    paths += [path for path in listing.unannotated if path not in known]
    tally = decode_all(job, paths, progress and (lambda done, _: progress(min(done, total), total)))
    problems, notes = [*listing.problems, *tally.unreadable], list(listing.notes)
    expected = listing.image_size and f"{listing.image_size[1]}x{listing.image_size[0]}"
    sizes = dict(tally.sizes.most_common())
    found = ", ".join(f"{size} ({count:,})" for size, count in list(sizes.items())[:4])
    if len(sizes) > 1 and not expected:
        notes.append(f"Images of {len(sizes)} sizes, {found}: training resizes and cuts them to one.")
    elif len(sizes) > 1 or (expected and sizes and expected not in sizes):
        problems.append(
            f"{opened}: images of {len(sizes)} sizes, {found}; expected one{f', {expected}' if expected else ''}. "
            f"Make them so with 'ens-data pack {source} --size 64 --out DIR', and take that folder in its place."
        )
    return CheckReport(
        source=str(opened),
        layout=listing.layout,
        class_ids=listing.class_ids,
        class_names=listing.class_names,
        splits={s.name: _count(len(s.paths), s.labels, len(listing.class_ids)) for s in listing.splits},
        sizes=sizes,
        modes=dict(tally.kinds.most_common()),
        unreadable=tuple(tally.unreadable),
        absent=listing.absent,
        unannotated=listing.unannotated,
        problems=tuple(problems),
        notes=tuple(notes),
    )


def check_dataset(dataset: Dataset, layout: str) -> CheckReport:
    """Report on a dataset that is decoded already: an embedded one, or a pack."""
    h, w, ch = dataset.image_shape
    problems = ()
    if layout == "pack" and fingerprint_of(dataset.splits.values(), dataset.class_ids) != dataset.fingerprint:
        again = "delete it and pack the images again with 'ens-data pack'"
        problems = (f"{dataset.source}: holds other pixels, labels or ids than were packed; {again}.",)
    images = sum(len(split) for split in dataset.splits.values())
    return CheckReport(
        source=dataset.source,
        layout=layout,
        class_ids=dataset.class_ids,
        class_names=dataset.class_names,
        splits={
            name: _count(len(split), None if split.labels is None else split.labels.tolist(), len(dataset.class_ids))
            for name, split in dataset.splits.items()
        },
        sizes={f"{w}x{h}": images},
        modes={"grey" if ch == 1 else "RGB": images},
        unreadable=(),
        absent=(),
        unannotated=(),
        problems=problems,
        notes=dataset.notes,
    )


def _count(images: int, labels: Sequence[int] | None, classes: int) -> SplitCheck:
    if labels is None:
        return SplitCheck(images, False, None, None)
    counts = Counter(labels)
    per_class = [counts[c] for c in range(classes)]
    return SplitCheck(images, True, min(per_class), max(per_class))
