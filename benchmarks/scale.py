"""How time and memory grow: the commands on more samples, classes and members, each in a process of its own.

    python -m benchmarks.scale                 the curves, a few minutes
    python -m benchmarks.scale --whole         where the time of ens-combine goes, beside its kernels
    python -m benchmarks.scale --members 24 28 all subsets without a table; seconds, and what 32 members would take
    python -m benchmarks.scale --members 28 32 --only-accuracy --digits
    python -m benchmarks.scale --exact         the most accurate of up to 100 members, beside greedy selection

Seconds are those of processor and wall clock; compare them within one run. Memory is the peak resident set.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.generators import member_blocks, member_probs, predictions
from ensemble.machine import cores
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study, StudyConfig

WRAP = (
    "import resource, subprocess, sys, time; begun = time.perf_counter(); code = subprocess.run(sys.argv[1:], "
    "stdout=subprocess.DEVNULL).returncode; used = resource.getrusage(resource.RUSAGE_CHILDREN); "
    "print(code, time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**10)"
)


def study_of(folder: Path, members: int, samples: int, classes: int, kind: str = "easy") -> Path:
    """Write a study of made-up members, one at a time, and return its folder."""
    streams, shared, labels = member_blocks(members, samples, classes, kind)
    names, ids = tuple(f"n{i:05d}" for i in range(classes)), np.array([f"s{i}" for i in range(samples)])
    study = Study.create(folder, StudyConfig("imported", None, None, names, names))
    for i, rng in enumerate(streams):
        study.write(Predictions(f"m-{i}", "val", member_probs(rng, shared, kind), ids, names, names, labels))
    return folder


def measured(*words: str | Path) -> tuple[float, float, float]:
    """Run a command; return its seconds, its processor seconds and its peak memory in MiB."""
    command = [str(Path(sys.executable).with_name(str(words[0]))), *map(str, words[1:]), "--quiet"]
    done = subprocess.run([sys.executable, "-c", WRAP, *command], capture_output=True, text=True, check=True)
    code, wall, own, peak = done.stdout.split()
    if int(code):
        raise SystemExit(f"{' '.join(command)} ended with {code}: {done.stderr[-500:]}")
    return float(wall), float(own), float(peak)


def line(what: str, found: tuple[float, float, float]) -> None:
    """Print a row."""
    print(f"  {what:62}{found[0]:9.1f}{found[1]:9.1f}{found[2]:9,.0f}", flush=True)


def curves(samples: Sequence[int], members: int, classes: int, commands: Sequence[Sequence[str]]) -> None:
    """Print time and memory of commands for more and more samples."""
    for n in samples:
        with tempfile.TemporaryDirectory() as folder:
            study = study_of(Path(folder) / "study", members, n, classes)
            size = 4 * members * n * classes / 2**20
            for words in commands:
                found = measured(*words, "--study", study)
                line(f"{' '.join(words)}, {members} x {n:,} x {classes:,} ({size:,.0f} MiB)", found)


def whole(members: int = 20) -> None:
    """Print where the time of `ens-combine --k all` goes: its stages in one process, and its kernels alone."""
    from analysis.saved import select_stack
    from analysis.selection.best import Counted
    from analysis.selection.choose import score_subsets, select
    from analysis.subsets.engine import lattice_table
    from cli.combine_json import document

    with tempfile.TemporaryDirectory() as folder:
        root = study_of(Path(folder) / "study", members, 10_000, 200)
        sizes = range(1, members + 1)
        stack, _ = select_stack(Study.open(root))
        lattice_table(stack, sizes)  # compiles and loads
        rows: list[tuple[str, float]] = []

        def timed(what: str, do):
            begun, children = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
            found = do()
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            own = time.process_time() - begun + after.ru_utime - children.ru_utime + after.ru_stime - children.ru_stime
            rows.append((what, own))
            return found

        timed("kernels: the table of all four metrics", lambda: lattice_table(stack, sizes))
        timed(
            "an interpreter that imports what the command does",
            lambda: subprocess.run([sys.executable, "-c", "import analysis.selection.choose, cli.combine"], check=True),
        )
        stack, _ = timed("files read, checked and joined", lambda: select_stack(Study.open(root)))
        timed("rows looked at for misalignment", stack.misaligned)
        counted = timed("the table, counted by block of samples", lambda: score_subsets(stack, sizes))
        found = timed("chosen, honest scores, the test, other ways", lambda: select(stack, sizes=sizes, table=counted))
        timed("Shapley values and the document", lambda: json.dumps(document(found), default=str))
        line(
            f"ens-combine --k all, {members} x 10,000 x 200, the whole process",
            measured("ens-combine", "--study", root),
        )
        if not isinstance(counted, Counted):
            raise SystemExit("the table was not counted by block")
        print("  CPU seconds of each stage:")
        base = rows[0][1]
        for what, seconds in rows:
            print(f"  {what:62}{seconds:9.2f}{seconds / base:9.2f} of the kernels")


def many_members(
    sizes: Sequence[int], only_accuracy: bool, kind: str = "easy", samples: int = 10_000, classes: int = 200
) -> None:
    """Print how long all subsets of so many members take, and what more would take by doubling."""
    from analysis.stack import ArraySource
    from analysis.subsets.leading import leading_table

    leading_table(ArraySource(*predictions(9, 100, 5)), metrics=("accuracy",))
    for metrics in (("accuracy",), ("accuracy", "top5", "nll", "brier"))[: 1 if only_accuracy else 2]:
        for members in sizes:
            source = ArraySource(*predictions(members, samples, classes, kind))
            begun, used = time.perf_counter(), time.process_time()
            found = leading_table(source, metrics=metrics)
            wall, own = time.perf_counter() - begun, time.process_time() - used
            print(
                f"  {members} members, {len(metrics)} metrics: {found.count:,} subsets in {wall:.1f} s ({own:.1f} of "
                f"cores), {found.count / own / 1e6:.2f} million a second of a core; 32 members at that rate: "
                f"{2**32 / found.count * own / cores() / 60:,.0f} minutes on {cores()} quiet cores",
                flush=True,
            )


def exact(members: Sequence[int] = (12, 30, 100), samples: int = 1000, classes: int = 20) -> None:
    """Print the most accurate subsets of a few members, with their certificates, beside greedy selection."""
    from analysis.selection.data import selection_data
    from analysis.selection.exact import exact_best
    from analysis.stack import ArraySource

    for m in members:
        data = selection_data(ArraySource(*predictions(m, samples, classes, "hard")))
        for most in (2, 3, 5):
            begun = time.perf_counter()
            found = exact_best(data, most, seconds=60)
            print(
                f"  {m} members, at most {most}: {found.correct} right, bound {found.bound}, greedy {found.greedy}, "
                f"{time.perf_counter() - begun:.1f} s{'' if found.proven else ' (cut short)'}",
                flush=True,
            )


def main() -> None:
    """Print what was asked for."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    options.add_argument("--whole", action="store_true")
    options.add_argument("--members", type=int, nargs="+", default=[])
    options.add_argument("--only-accuracy", action="store_true")
    options.add_argument("--digits", action="store_true", help="members of MNIST's kind: 10 classes, 99.4 to 99.6 %")
    options.add_argument("--exact", action="store_true")
    options.add_argument("--samples", type=int, nargs="+", default=[2500, 10_000, 40_000])
    options.add_argument("--classes", type=int, default=1000)
    asked = options.parse_args()
    print(f"{cores()} cores, load {os.getloadavg()[0]:.1f} when it began")
    print(f"  {'':62}{'seconds':>9}{'of cores':>9}{'MiB':>9}")
    if asked.whole:
        whole()
    elif asked.members:
        kind, classes = ("digits", 10) if asked.digits else ("easy", 200)
        many_members(asked.members, asked.only_accuracy, kind, classes=classes)
    elif asked.exact:
        exact()
    else:
        curves(asked.samples, 20, asked.classes, [("ens-combine",), ("ens-report", "per-class")])
        curves([2000], 3, 12_000, [("ens-report", "per-class"), ("ens-report", "confusion")])


if __name__ == "__main__":
    main()
