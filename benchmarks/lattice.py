"""Every subset, side by side: the engine, the obvious loop, a Gray-code running sum, BLAS and torch, in one run.

    python -m benchmarks.lattice               10,000 samples of 200 classes; ten minutes or so on two cores
    python -m benchmarks.lattice --quick       up to 20 members, and without how time grows: two minutes
    python -m benchmarks.lattice --large       20 members, 50,000 x 1,000 from disk instead: 4 GB in a temporary folder

Seconds are medians by the clock, after the compile; beside them those of all cores together, which say more where a
machine is shared. What would take minutes or hours is timed on some subsets and scaled up, and marked with *.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numba
import numpy as np

from analysis.stack import ArraySource
from analysis.streamed import stream
from analysis.subsets.engine import ALL, Lattice, lattice_table
from analysis.subsets.kernels import settle, split_bits, tabulate
from analysis.subsets.prepare import question
from benchmarks.generators import KINDS, member_blocks, member_probs, predictions
from ensemble.machine import cores
from ensemble.study.predictions import Predictions, write_predictions
from ensemble.study.study import Study, StudyConfig

N, C = 10_000, 200
# Zen 4 and its like: two loads of 256 bits a cycle, one for each eight comparisons of 32 bits.
PEAK = 16


def timed(work: Callable[[], object], times: int = 3) -> tuple[float, float]:
    """Return the median seconds by the clock, and of all cores together."""
    wall, own = [], []
    for _ in range(times):
        begun, used = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - begun)
        own.append(time.process_time() - used)
    return statistics.median(wall), statistics.median(own)


def line(what: str, wall: float, own: float | None, goal: str = "", note: str = "") -> None:
    """Print one row."""
    used = "" if own is None else f"{own:10.3f}"
    print(f"  {what:68}{wall:12.3f}{used:>10}{goal:>8}  {note}", flush=True)


def source_of(members: int, kind: str = "easy", samples: int = N, classes: int = C) -> ArraySource:
    """Return made-up members."""
    return ArraySource(*predictions(members, samples, classes, kind))


def engine_rows(kind: str, most: int) -> dict[int, float]:
    """Time the engine on 6, 12, 20 and 24 members; return the seconds of accuracy alone."""
    seconds = {}
    goals = {(12, True): "0.5", (20, False): "0.8", (20, True): "10", (24, False): "6"}
    for members in (6, 12, 20, 24):
        if members > most:
            continue
        source = source_of(members, kind)
        lattice = Lattice(source, metrics=("accuracy", "top5"), sizes=[1])
        front, kept, _ = lattice._held.counts.T
        unsure = front > 0
        print(
            f"  {members} members: {kept.mean():.1f} rivals left for top-5; for accuracy {front[unsure].mean():.1f} in "
            f"{100 * unsure.mean():.0f} % of the samples, the others are settled"
        )
        sizes = range(1, members + 1)
        for metrics in (("accuracy",), ALL):
            full = len(metrics) > 1
            if full and members > 20:
                continue
            # Hard ones of 20 members and more take minutes: once is enough.
            times = 1 if (kind == "hard" and members >= 20) or members >= 24 else 3
            wall, own = timed(lambda: lattice_table(source, sizes, metrics=metrics), times)  # noqa: B023
            goal = goals.get((members, full), "") if kind == "easy" else ""
            what = "all four metrics" if full else "accuracy, pruning included"
            line(f"engine, {members} members, {2**members - 1:,} subsets, {what}", wall, own, goal)
            if not full:
                seconds[members] = wall
    return seconds


def others(members: int = 20) -> dict[str, float]:
    """Time other ways to the same accuracies on a part of the subsets, and scale up to all of them."""
    probs, labels = predictions(members, N, C)
    masks = np.random.default_rng(1).integers(1, 2**members, 256)
    bits = (masks[:, None] >> np.arange(members) & 1).astype(np.float32)
    found: dict[str, float] = {}

    def loop() -> None:
        for row in bits[:8]:
            (probs[row > 0].mean(axis=0).argmax(axis=1) == labels).sum()

    def gray() -> None:
        total = probs[0].copy()
        for step in range(1, 65):
            member = (step & -step).bit_length() - 1
            if (step ^ step >> 1) >> member & 1:
                total += probs[member]
            else:
                total -= probs[member]
            (total.argmax(axis=1) == labels).sum()

    def blas(multiply: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
        step = 250
        for start in range(0, N, step):
            flat = np.ascontiguousarray(probs[:, start : start + step]).reshape(members, -1)
            best = multiply(bits, flat)
            (best == labels[start : start + step]).sum(axis=1)

    def by_numpy(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return (left @ right).reshape(len(left), -1, C).argmax(axis=2)

    ways: list[tuple[str, Callable[[], None], int]] = [
        ("subset by subset, NumPy's mean and argmax", loop, 8),
        ("a Gray-code running sum in NumPy, float32", gray, 64),
        ("BLAS over masks, NumPy's matmul and argmax, float32", lambda: blas(by_numpy), len(bits)),
    ]
    if find_spec("torch"):
        import torch

        def by_torch(left: np.ndarray, right: np.ndarray) -> np.ndarray:
            product = torch.from_numpy(left) @ torch.from_numpy(right)
            return product.reshape(len(left), -1, C).argmax(dim=2).numpy()

        ways.append(("torch's matmul over masks and argmax, float32", lambda: blas(by_torch), len(bits)))
    for name, way, subsets in ways:
        wall, own = timed(way)
        scale = (2**members - 1) / subsets
        found[name] = wall * scale
        line(name, wall * scale, own * scale, note=f"* on {subsets} subsets, {1000 * wall / subsets:.3f} ms each")
    return found


@numba.njit
def opened(rivals, starts, ends, limits, order, low, middle, block):
    """Count the tables that a block of subsets looks into: what is left when the bounds have settled the rest."""
    count = 0
    widest = (ends - starts).max()
    active, base = np.empty(widest, np.int64), np.empty(widest, np.int32)
    tables, offsets = np.empty((widest, 1 << low), np.int32), np.empty((widest, 1 << middle), np.int32)
    bounds = np.empty((widest, 2), np.int32)
    for n in order:
        ahead, left = settle(rivals, starts[n], ends[n], low, middle, block, active, base)
        if ahead or not left:
            continue
        tabulate(rivals, active, left, base, low, middle, tables, offsets, bounds)
        for t in range(1 << middle):
            here = 0
            for a in range(left):
                if offsets[a, t] + bounds[a, 1] < 0:
                    here = 0
                    break
                here += offsets[a, t] + bounds[a, 0] < 0
            count += here
    return count


def binding(members: int = 20) -> None:
    """Print how many comparisons the kernel makes and saves, and how many a cycle."""
    lattice = Lattice(source_of(members), metrics=("accuracy",))
    asked = question(lattice._held, np.arange(N), top=False)
    low, middle, high = split_bits(members)
    arguments = (asked.rivals, asked.starts, asked.ends, asked.limits, asked.order, low, middle)
    looked = sum(opened(*arguments, block) for block in range(2**high)) * 2**low
    rivals = int((asked.ends - asked.starts)[asked.order].sum())
    _, own = timed(lattice.correct)
    cycles = own * clock()
    every = rivals * 2**members
    print(
        f"  {members} members: {N * (C - 1) * 2**members:.3g} comparisons of a rival in a subset, {every:.3g} after "
        f"pruning; bounds settle {100 * (1 - looked / every):.1f} % of these, {looked:.3g} are made"
    )
    print(
        f"  a cycle of one core at {clock() / 1e9:.1f} GHz answers {every / cycles:.0f} of them and makes "
        f"{looked / cycles:.1f}; loads from the first-level cache would allow {PEAK}"
    )


def clock() -> float:
    """Return the processor's cycles a second, 3e9 where the system does not say."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        return float(next(row for row in text.splitlines() if "MHz" in row).split(":")[1]) * 1e6
    except (OSError, StopIteration, ValueError):
        return 3e9


def growth(picture: Path | None) -> None:
    """Print how seconds for accuracy grow with members, samples and classes, and draw it where a path is given."""
    found: dict[str, list[tuple[int, float]]] = {}
    for name, cases in (
        ("members, 10,000 x 200", [(m, N, C) for m in (8, 12, 16, 18, 20, 22)]),
        ("samples, 16 members, 200 classes", [(16, n, C) for n in (2500, 5000, 10_000, 20_000, 40_000)]),
        ("classes, 16 members, 10,000 samples", [(16, N, c) for c in (25, 50, 100, 200, 400, 800)]),
    ):
        cells = []
        for members, samples, classes in cases:
            source = source_of(members, "easy", samples, classes)
            wall, _ = timed(lambda: lattice_table(source, range(1, members + 1), metrics=("accuracy",)))  # noqa: B023
            value = {"m": members, "s": samples, "c": classes}[name[0]]
            cells.append(f"{value:,}: {wall:.3f}")
            found.setdefault(name, []).append((value, wall))
        print(f"  {name:40}" + "   ".join(cells), flush=True)
    if picture:
        draw_growth(found, picture)


def draw_growth(found: dict[str, list[tuple[int, float]]], picture: Path) -> None:
    """Draw seconds against members, samples and classes, each axis logarithmic but that of members."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    from analysis.figures.style import new_figure, save

    figure = new_figure(7.0, 2.4)
    for i, (name, points) in enumerate(found.items(), start=1):
        axes = figure.add_subplot(1, 3, i)
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3)
        axes.set_yscale("log")
        what, _, fixed = name.partition(", ")
        if what != "members":
            axes.set_xscale("log")
        axes.set_xticks([value for value, _ in points], [f"{value:,}" for value, _ in points], fontsize=7)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_formatter(NullFormatter())
        axes.minorticks_off()
        axes.set_ylim(0.01, 1)
        axes.set_title(fixed, fontsize=7)
        axes.set_xlabel(what)
        axes.set_ylabel("seconds" if i == 1 else "")
    figure.subplots_adjust(left=0.1, right=0.99, top=0.88, bottom=0.2, wspace=0.3)
    save(figure, picture)


def whole_process() -> None:
    """Time `ens-combine --k all` on a study of six members, from start to end."""
    with tempfile.TemporaryDirectory() as folder:
        probs, labels = predictions(6, N, C)
        names, ids = tuple(f"n{i:04d}" for i in range(C)), np.array([f"s{i}" for i in range(N)])
        study = Study.create(Path(folder), StudyConfig("imported", None, None, names, names))
        for i in range(6):
            study.write(Predictions(f"m-{i}", "val", probs[i], ids, names, names, labels))
        command = [Path(sys.executable).with_name("ens-combine"), "--study", folder, "--k", "all", "--quiet"]
        wall, _ = timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
        line("ens-combine --k all, 6 members, the whole process", wall, None, "1.5")


def large(members: int = 20, samples: int = 50_000, classes: int = 1000) -> None:
    """Write 4 GB of predictions, score them from disk in a process of its own, and print its peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        streams, shared, labels = member_blocks(members, samples, classes)
        names, ids = tuple(f"n{i:04d}" for i in range(classes)), np.array([f"s{i}" for i in range(samples)])
        for i, rng in enumerate(streams):
            path = Path(folder) / f"{i:02d}.h5"
            write_predictions(path, Predictions(f"m-{i}", "val", member_probs(rng, shared), ids, names, names, labels))
        del shared
        for metrics in ("accuracy", ",".join(ALL)):
            subprocess.run([sys.executable, "-m", "benchmarks.lattice", "--score", folder, metrics], check=True)


def score(folder: Path, metrics: str) -> None:
    """Score the files of a folder and print seconds and peak memory."""
    source = stream(sorted(folder.glob("*.h5")))
    lattice_table(source_of(3, samples=100, classes=5), [1, 2, 3])  # loads what is compiled
    begun, used = time.perf_counter(), time.process_time()
    table = lattice_table(source, range(1, len(source.members) + 1), metrics=metrics.split(","))
    wall, own = time.perf_counter() - begun, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    what = f"{len(source.members)} x {source.samples:,} x {source.classes:,} from disk, {metrics}"
    line(what, wall, own, "45" if metrics == "accuracy" else "", f"{len(table):,} subsets, peak {peak:.2f} GiB")


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.lattice")
    options.add_argument("--quick", action="store_true")
    options.add_argument("--large", action="store_true")
    options.add_argument("--figure", type=Path, metavar="FILE.png", help="draw how seconds grow")
    options.add_argument("--score", nargs=2, metavar=("FOLDER", "METRICS"), help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.score:
        score(Path(asked.score[0]), asked.score[1])
        return
    print(
        f"{platform.machine()}, {cores()} cores, load {os.getloadavg()[0]:.1f} when it began, "
        f"numba {version('numba')}, numpy {np.__version__}"
    )
    print(f"  {'':68}{'seconds':>12}{'of cores':>10}{'reach':>8}")
    if asked.large:
        large()
        return
    lattice_table(source_of(9, samples=100), range(1, 10))  # compiles
    seconds: dict[int, float] = {}
    for kind in KINDS:
        print(f"{kind} predictions, {N:,} x {C}")
        found = engine_rows(kind, (20 if asked.quick else 24) if kind == "easy" else (12 if asked.quick else 20))
        seconds = seconds or found
    print("other ways, 20 members, 1,048,575 subsets, accuracy")
    rest = others()
    print("times the engine's seconds")
    for name, wall in rest.items():
        print(f"  {name:68}{wall / seconds[20]:12,.0f}")
    better = min(wall for name, wall in rest.items() if "Gray" in name or "BLAS" in name)
    print(f"  {'the better of Gray code and BLAS (reach 1,000)':68}{better / seconds[20]:12,.0f}")
    print("a whole process")
    whole_process()
    print("what binds the kernel")
    binding()
    if not asked.quick:
        print("how seconds grow")
        growth(asked.figure)


if __name__ == "__main__":
    main()
