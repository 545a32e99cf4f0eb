"""Packing JPEGs, beside a plain loop over PIL, in one run.

    python benchmarks/packing.py                           100,000 JPEGs of 64 x 64 made for it, in a temporary folder
    python benchmarks/packing.py data/tiny-imagenet-200    a folder or zip of one's own

The plain loop opens, decodes and stores images one after another in one thread, with nothing checked or written
to disk; it runs over a part of them, before and after. Figures to reach: 100,000 images in under 30 s on two cores.
"""

import io
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from ensemble.datasets import load_dataset
from ensemble.datasets.pack import read_layout
from ensemble.datasets.source import open_source

PLAIN = 10_000


def make(root: Path, images: int = 100_000) -> Path:
    """Write `images` JPEGs of 64 x 64 in 100 classes, a fiftieth of them for val; smooth noise, about 2 kB each."""
    stream = np.random.default_rng(0)
    kinds = []
    for _ in range(500):
        small = Image.fromarray(stream.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        small.resize((64, 64), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=75)
        kinds.append(buffer.getvalue())
    for i in range(images):
        split = "val" if i // 100 % 50 == 0 else "train"
        folder = root / split / f"class{i % 100:02d}"
        if i < 100 * 51:
            folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i:06d}.jpg").write_bytes(kinds[i % len(kinds)])
    return root


def plain(source: Path) -> float:
    """Return images/s of the plain loop."""
    opened = open_source(source)
    paths = read_layout(opened).splits[0].paths[:PLAIN]
    store = np.empty((len(paths), 64, 64, 3), np.uint8)
    begun = time.perf_counter()
    for i, path in enumerate(paths):
        with Image.open(io.BytesIO(opened.reader.read(path))) as image:
            store[i] = image.convert("RGB")
    return len(paths) / (time.perf_counter() - begun)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ENS_CACHE"] = f"{folder}/cache"
        source = Path(sys.argv[1]) if sys.argv[1:] else make(Path(folder) / "images")
        before = plain(source)
        begun = time.perf_counter()
        dataset = load_dataset(source)
        seconds = time.perf_counter() - begun
        after = plain(source)
        begun = time.perf_counter()
        load_dataset(source)
        again = time.perf_counter() - begun
        images = sum(len(split) for split in dataset.splits.values())
        rate, loop = images / seconds, (before + after) / 2
        print(f"{images:,} images of {dataset.image_shape}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print(f"{'':34}{'seconds':>9}{'images/s':>10}{'ratio':>7}")
        print(
            f"{'plain loop, decoding alone':34}{images / loop:9.1f}{loop:10,.0f}{1:7.2f}  ({before:,.0f}, {after:,.0f})"
        )
        print(f"{'packed, hashed, flushed to disk':34}{seconds:9.1f}{rate:10,.0f}{rate / loop:7.2f}")
        print(f"{'... of which 100,000 would take':34}{100_000 / rate:9.1f}")
        print(f"{'found again':34}{again:9.2f}")


if __name__ == "__main__":
    main()
