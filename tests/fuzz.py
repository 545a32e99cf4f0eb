"""Damaged and hostile files, made by the thousand, and what every reader says of them.

`python tests/fuzz.py [--count N] [--seed S] [--reader NAME] [--keep DIR]` prints a row a reader. Each mutant is read in
a child process that may take 30 seconds of CPU and 1 GiB; its outcome is one of

- clear: refused in a sentence (`KofnError`), as a command would with status 2;
- right: read, and the same values as before the damage, which touched nothing that has a meaning;
- different: read, with other values, and not a word: what must never happen to a file of ours;
- foreign: read, with other values, from a file of others, which has no checksum;
- defect: another exception; hang, crash, memory: what the child came to.

The suite runs a few hundred mutants and replays `tests/data/crashers`.
"""

import argparse
import io
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_readers import READERS, ROOT

SECONDS, BYTES = 30, 2**30
OUTCOMES = ("clear", "right", "different", "foreign", "defect", "hang", "crash", "memory")


# -- the damage ---------------------------------------------------------------------------------------------

_TEXTS = [
    b"\x00",
    b"\xff\xff\xff\xff",
    b"1e999",
    b"-1",
    b"nan",
    b'"',
    b"[" * 2000,
    b"\xed\xa0\x80",
    b"9" * 5000,
    b"\n",
    b",",
]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return damaged content: flipped bits, bytes and runs, cuts, moved and doubled pieces, odd texts and numbers."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        kind, n = rng.randrange(10), max(1, len(out))
        at, size = rng.randrange(n), rng.choice((1, 2, 4, 8, 64, 500))
        if kind in (0, 1, 2) and out:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 3 and out:
            out[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif kind == 4:
            out[at : at + size] = bytes(rng.randrange(256) for _ in range(min(size, n - at)))
        elif kind == 5:
            del out[at : at + rng.choice((size, n))]
        elif kind == 6:
            piece = bytes(out[at : at + size])
            to = rng.randrange(n)
            out[to:to] = piece
        elif kind == 7:
            out[at : at + rng.choice((0, 1, 4))] = rng.choice(_TEXTS)
        elif kind == 8:  # a number of 4 or 8 bytes, as lengths and offsets are
            width = rng.choice((4, 8))
            out[at : at + width] = rng.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1)).to_bytes(8, "little")[
                :width
            ]
        else:
            other = rng.randrange(n)
            out[at : at + size], out[other : other + size] = out[other : other + size], out[at : at + size]
    return bytes(out)


def mutant(name: str, data: bytes, number: str) -> bytes:
    """Return the mutant of a number, "SEED-COUNT", of a reader's file.

    Of an archive of others the content is damaged, and packed anew with right checksums, more often than not.
    """
    rng = random.Random(f"{name}-{number}")
    if not READERS[name].own and data.startswith(b"PK") and rng.random() < 0.6:
        try:
            made = io.BytesIO()
            with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
                chosen = rng.choice(old.namelist())
                for entry in old.namelist():
                    new.writestr(entry, mutated(old.read(entry), rng) if entry == chosen else old.read(entry))
            return made.getvalue()
        except (zipfile.BadZipFile, zlib.error):
            pass
    return mutated(data, rng)


# -- the run ------------------------------------------------------------------------------------------------


def same(a: Any, b: Any) -> bool:
    """Say whether two values are the same, arrays by what is in them."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        a, b = np.asarray(a), np.asarray(b)
        return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == b.dtype.kind == "f"))
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return bool(a == b)


def child(name: str, good: str, seed: int, first: int, count: int) -> None:
    """Read mutants `first`..`first + count - 1` of a reader's file; print a line as each begins, and its outcome."""
    from ensemble.errors import KofnError

    reader = READERS[name]
    reader.read(Path(good))  # what it imports does not count
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, used + BYTES))
    data, right = Path(good).read_bytes(), reader.read(Path(good))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copytree(Path(good).parent, folder, dirs_exist_ok=True)) / Path(good).name
        for number in range(first, first + count):
            spent = resource.getrusage(resource.RUSAGE_SELF)
            resource.setrlimit(
                resource.RLIMIT_CPU, (int(spent.ru_utime + spent.ru_stime) + SECONDS, resource.RLIM_INFINITY)
            )
            content = mutant(name, data, f"{seed}-{number}")
            path.write_bytes(content)
            print(number, end=" ", flush=True)
            outcome, detail = "right", ""
            try:
                if not same(reader.read(path), right):
                    outcome = "right" if content == data else "different" if reader.own else "foreign"
            except KofnError as error:
                outcome, detail = "clear", str(error)
                if "\n" in detail or not detail.endswith("."):
                    outcome, detail = "defect", f"no sentence: {detail!r}"
            except MemoryError:
                outcome = "memory"
            except Exception as error:
                outcome, detail = "defect", f"{type(error).__name__}: {error}"
            print(json.dumps([outcome, detail[:300]]), flush=True)


def fuzz(name: str, count: int, seed: int = 0, keep: Path | None = None) -> tuple[Counter, list[str]]:
    """Return outcomes of `count` mutants of a reader, and a line for each that must not be."""
    totals, bad = Counter(dict.fromkeys(OUTCOMES, 0)), []
    with tempfile.TemporaryDirectory() as folder:
        good = READERS[name].make(Path(folder))
        done = 0
        while done < count:
            command = [sys.executable, __file__, "--child", name, str(good), str(seed), str(done), str(count - done)]
            ended = subprocess.run(
                command, capture_output=True, text=True, check=False,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
            )  # fmt: skip
            begun = None
            for line in ended.stdout.splitlines():
                number, _, told = line.partition(" ")
                begun = int(number) if number.isdigit() else None
                if not told:
                    continue
                outcome, detail = json.loads(told)
                totals[outcome] += 1
                done, begun = int(number) + 1, None
                if outcome in ("different", "defect", "memory"):
                    bad.append(f"{name} {seed}-{number}: {outcome} {detail}")
            if done < count:  # the child died of a mutant, which it had told
                if begun is None:
                    raise RuntimeError(f"{name}: the child ended by itself: {ended.stderr[-2000:]}")
                outcome = "hang" if ended.returncode == -24 else "memory" if ended.returncode == -9 else "crash"
                totals[outcome] += 1
                bad.append(f"{name} {seed}-{begun}: {outcome}, status {ended.returncode}")
                done = begun + 1
        if keep is not None:
            data = good.read_bytes()
            for line in bad:
                number = line.removeprefix(f"{name} ").partition(":")[0].partition("-")[2]
                content = mutant(name, data, f"{seed}-{number}")
                (keep / f"{name.replace(' ', '_')}-{seed}-{number}{good.suffix}").write_bytes(content)
    return totals, bad


def main() -> None:
    """Run what the command line asks for."""
    if sys.argv[1:2] == ["--child"]:
        name, good, seed, first, count = sys.argv[2:]
        child(name, good, int(seed), int(first), int(count))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="mutants a reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", choices=list(READERS), action="append")
    parser.add_argument("--keep", type=Path, help="a folder for mutants that end badly")
    asked = parser.parse_args()
    print(f"{'reader':18}" + "".join(f"{outcome:>10}" for outcome in OUTCOMES))
    worst: list[str] = []
    for name in asked.reader or READERS:
        totals, bad = fuzz(name, asked.count, asked.seed, asked.keep)
        worst += bad
        print(f"{name:18}" + "".join(f"{totals[outcome]:>10}" for outcome in OUTCOMES), flush=True)
    print(*worst, sep="\n")
    sys.exit(bool(worst))


if __name__ == "__main__":
    main()
