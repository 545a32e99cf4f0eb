"""Folders of very many images: listed, packed, gone on with after a kill, and read in random order from the disk.

    python -m benchmarks.images                25,000 and 100,000 PNGs of 16 x 16, made for it
    python -m benchmarks.images --images 2500 10000      the same of fewer
    python -m benchmarks.images --ahead        batches of a cold file of 0.5 GB, asked for beforehand

Each step is a process of its own; seconds are those of the wall clock and of all its cores, memory is its peak resident
set, and the exponent says how what it used grows with the images. Compare within one run.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from ensemble.datasets.mapped import image_file

STEP = """
import json, resource, sys, time
from pathlib import Path
from ensemble.datasets import pack
begun, source = time.perf_counter(), Path(sys.argv[2])
pack.SEGMENT = int(sys.argv[4])
if sys.argv[1] == "nothing":
    pass
elif sys.argv[1] == "list":
    opened, digest, listed = pack.open_listed(source)
    listing = listed()
elif sys.argv[1] == "pack":
    pack.pack_source(source, Path(sys.argv[3]))
elif sys.argv[1] == "open":
    pack.open_pack(source)
own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
used = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
print(json.dumps([time.perf_counter() - begun, used, max(own.ru_maxrss, others.ru_maxrss) / 1024]))
"""
SEGMENTS = 12  # into which images are cut, so that a pack can be killed between two of them


def step(what: str, source: Path, out: Path | str = "", segment: int = 8192) -> tuple[float, float, float]:
    """Return seconds, seconds of all cores and peak MiB of a step in a process of its own."""
    words = [sys.executable, "-c", STEP, what, str(source), str(out), str(segment)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return tuple(json.loads(done.stdout))


def make(root: Path, images: int) -> Path:
    """Write PNGs of 16 x 16 in 1,000 classes, a twentieth of them for val."""
    stream, kinds = np.random.default_rng(0), []
    for _ in range(200):
        buffer = io.BytesIO()
        Image.fromarray(stream.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(buffer, "PNG", compress_level=1)
        kinds.append(buffer.getvalue())
    for i in range(images):
        folder = root / ("val" if i // 1000 % 20 == 0 else "train") / f"class{i % 1000:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"image_number_{i:07d}.png").write_bytes(kinds[i % len(kinds)])
    return root


def killed(source: Path, out: Path, segment: int) -> tuple[float, int]:
    """Kill a pack once half of its segments are done; return seconds of the rest of all cores, and how many were."""
    words = [sys.executable, "-c", STEP, "pack", str(source), str(out), str(segment)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    journal = out.with_name(f".{out.name}.making.part") / "journal.jsonl"
    while process.poll() is None:
        done = len(journal.read_text().splitlines()) - 1 if journal.exists() else 0
        if done >= SEGMENTS // 2:
            process.kill()
        time.sleep(0.02)
    done = len(journal.read_text().splitlines()) - 1
    return step("pack", source, out, segment)[1], done


def grow(counts: Sequence[int]) -> None:
    """Print how listing and packing grow with the images."""
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'images':>9}{'':12}{'seconds':>9}{'of cores':>9}{'peak MiB':>10}{'above start':>13}{'exponent':>10}")
    _, idle, start = step("nothing", Path())
    known: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            source, segment = make(Path(folder) / f"images-{count}", count), -(-count // SEGMENTS)
            packed = Path(folder) / f"packed-{count}"
            for what, asked in (("listed", ("list", source)), ("packed", ("pack", source, packed)),
                                ("opened", ("open", packed))):  # fmt: skip
                seconds, used, peak = step(*asked, segment=segment)
                known.setdefault(what, []).append(max(used - idle, 1e-3))
                rise = (
                    np.log(known[what][-1] / known[what][0]) / np.log(count / counts[0])
                    if count > counts[0]
                    else np.nan
                )
                print(
                    f"{count:9,}{what:>12}{seconds:9.2f}{used:9.2f}{peak:10.0f}{peak - start:13.0f}"
                    + (f"{rise:10.2f}" if rise == rise else ""),
                    flush=True,
                )
        rest, done = killed(source, Path(folder) / "killed", segment)
        whole = known["packed"][-1] + idle
        print(f"killed after {done} of {SEGMENTS} segments: the rest took {rest / whole:.2f} of the whole")


def ahead(rows: int = 40_000, batches: int = 60, size: int = 128) -> None:
    """Print how long batches in random order take from a cold file, with and without being asked for beforehand."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.npy"
        stream = np.random.default_rng(0)
        with path.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (rows, 64, 64, 3)}
            np.lib.format.write_array_header_1_0(file, header)
            for _ in range(0, rows, 1000):
                file.write(stream.bytes(1000 * 64 * 64 * 3))
            file.flush()
            os.fsync(file.fileno())
        work = stream.normal(size=(600, 600))
        for turn in range(3):
            for told in (False, True):
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                images = np.load(path, mmap_mode="r")
                found = image_file(images)
                assert found is not None
                order = np.random.default_rng(turn).permutation(rows)[: (batches + 1) * size].reshape(-1, size)
                begun, waited = time.perf_counter(), 0.0
                for now, later in pairwise(order):
                    if told:
                        found.ahead(later)
                    asked = time.perf_counter()
                    images[now].sum()
                    waited += time.perf_counter() - asked
                    for _ in range(2):  # what a network does meanwhile
                        work @ work
                told_so = "asked for beforehand" if told else "not"
                print(f"{told_so:>22}: {time.perf_counter() - begun:6.2f} s, of which {waited:6.2f} s for images")
                del images, found


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ahead", action="store_true")
    parser.add_argument("--images", type=int, nargs="+", default=[25_000, 100_000])
    asked = parser.parse_args()
    if asked.ahead:
        ahead()
    else:
        grow(asked.images)


if __name__ == "__main__":
    main()
