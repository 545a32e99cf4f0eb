"""`ens-data`: what datasets there are, whether a folder or zip is sound, packing it, fetching Tiny ImageNet."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click

from cli.common import Output, command, entry, group

data = group(
    "ens-data",
    examples=["ens-data list", "ens-data fetch tiny-imagenet", "ens-data check data/tiny-imagenet-200.zip"],
    about="Datasets: which there are, whether one is sound, packing it, and fetching Tiny ImageNet.",
)


@command("ens-data list", examples=["ens-data list", "ens-data list --json"], study=False)
def list_(output: Output) -> None:
    """List the embedded datasets, the layouts that --data takes, and the packs in the cache."""
    from ensemble.datasets import DATASETS, LAYOUTS, cache_folder, cached_packs

    packs = list(cached_packs())
    output.document(
        datasets=[{"name": name, "about": embedded.about} for name, embedded in DATASETS.items()],
        layouts=[{"name": name, "about": about} for name, about in LAYOUTS.items()],
        cache=cache_folder(),
        packs=[{"path": path, "source": source, "bytes": size} for path, source, size in packs],
    )
    rows = [[name, embedded.about] for name, embedded in DATASETS.items()]
    rows += [[name, about] for name, about in LAYOUTS.items()]
    output.table(["--data", "what it is"], rows, left=(0, 1))
    output.text(f"Packed images are kept in {cache_folder()} ({len(packs)} now).")
    for path, source, size in packs:
        output.text(f"  {path}: {size / 1e6:,.0f} MB, made of {source}")
    output.next("ens-train --data digits")


@command(
    "ens-data check", examples=["ens-data check data/tiny-imagenet-200.zip", "ens-data check flowers/"], study=False
)
@click.argument("path")
def check(output: Output, path: str) -> int:
    """Look at every image of PATH, whatever --data takes, and report counts, classes, sizes, and what is broken.

    The exit status is 2 where something forbids training on it.
    """
    from ensemble.datasets import check_source

    with output.progress("Looking at images", "images") as progress:
        report = check_source(path, progress)
    content = asdict(report)
    classes = [
        {"id": i, "name": name} for i, name in zip(content.pop("class_ids"), content.pop("class_names"), strict=True)
    ]
    output.document(ok=report.ok, **content, classes=classes)
    output.text(f"{report.source}: layout {report.layout}, {len(classes)} classes ({_some(report.class_names)})")
    output.table(
        ["split", "images", "fewest a class", "most a class"],
        [
            [name, f"{s.images:,}", *(["unlabelled", ""] if not s.labelled else [f"{s.fewest:,}", f"{s.most:,}"])]
            for name, s in report.splits.items()
        ],
    )
    output.text("sizes: " + _counts(report.sizes))
    output.text("kinds: " + _counts(report.modes))
    for note in report.notes:
        output.text(note)
    for problem in report.problems[:20]:
        output.text(f"Problem: {problem}")
    if len(report.problems) > 20:
        output.text(f"{len(report.problems) - 20:,} more problems; --json lists them all.")
    if not report.ok:
        output.warn(
            f"{path} cannot be used as it is, for {len(report.problems):,} reasons."
            if len(report.problems) > 1
            else f"{path} cannot be used as it is."
        )
    else:
        output.next(f"ens-train --data {_quoted(path)}")
    return 0 if report.ok else 2


@command(
    "ens-data pack",
    examples=["ens-data pack data/tiny-imagenet-200.zip", "ens-data pack flowers/ --size 64 --out flowers-64"],
    study=False,
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The pack's folder; without it, the cache.")
@click.option(
    "--size",
    type=click.IntRange(8, 1024),
    metavar="N",
    help="Make each image N x N: shorter side resized, centre cut out.",
)
def pack(output: Output, path: Path, out: Path | None, size: int | None) -> None:
    """Decode the images of PATH once into plain arrays, from which training reads them in no time."""
    from ensemble.datasets import load_dataset, pack_source

    with output.progress("Packing", "images") as progress:
        folder = pack_source(path, out, size, progress)
    dataset = load_dataset(folder)
    h, w, ch = dataset.image_shape
    output.document(
        source=path,
        pack=folder,
        fingerprint=dataset.fingerprint,
        classes=len(dataset.class_ids),
        shape=[h, w, ch],
        splits={name: len(split) for name, split in dataset.splits.items()},
        notes=dataset.notes,
    )
    counts = ", ".join(f"{len(split):,} {name}" for name, split in dataset.splits.items())
    output.text(f"{folder}: {counts} images of {w} x {h} x {ch}, {len(dataset.class_ids)} classes")
    for note in dataset.notes:
        output.text(note)
    # Without a folder or a size of its own, the pack is found again by its source.
    output.next(f"ens-train --data {_quoted(path if out is None and size is None else folder)}")


@command(
    "ens-data fetch", examples=["ens-data fetch tiny-imagenet", "ens-data fetch tiny-imagenet --out /data"], study=False
)
@click.argument("name", type=click.Choice(["tiny-imagenet"]))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="data",
    show_default=True,
    metavar="DIR",
    help="The folder for the zip.",
)
def fetch(output: Output, name: str, out: Path) -> None:
    """Fetch Tiny ImageNet's zip (248 MB) from its official address, and check its size and checksum.

    Cut off, it goes on where it was; a right file that is there is not fetched again.
    """
    from ensemble.datasets.fetch import MD5, SIZE, URL, fetch_tiny_imagenet

    with output.progress("Fetching", "MB") as progress:
        path = fetch_tiny_imagenet(out, lambda done, total: progress(done // 10**6, total // 10**6))
    output.document(dataset=name, path=path, url=URL, bytes=SIZE, md5=MD5)
    output.text(f"{path}: {SIZE:,} bytes, MD5 {MD5}")
    output.next(f"ens-data check {_quoted(path)}", f"ens-train --data {_quoted(path)}")


def _quoted(path: str | Path) -> str:
    return shlex.quote(str(path))


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{key} ({count:,})" for key, count in counts.items()) or "none"


for _part in (list_, check, pack, fetch):
    data.add_command(_part)

main = entry(data)
