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
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SECONDS, BYTES = 30, 2**30
OUTCOMES = ("clear", "right", "different", "foreign", "defect", "hang", "crash", "memory")
IDS = [f"s/{i}" for i in range(12)]
CLASSES = ["ant", "bee", "cow"]


def probs() -> np.ndarray:
    """Probabilities of twelve samples and three classes, the same ever."""
    raw = np.random.default_rng(0).random((12, 3)) + 0.1
    return (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)


# -- the readers: how a sound file is made, and what is read of one ----------------------------------------


@dataclass(frozen=True)
class Reader:
    """make: writes a sound file into a folder; read: a value to compare. own: files of ours, covered by checksums."""

    make: Callable[[Path], Path]
    read: Callable[[Path], Any]
    own: bool = True


def _predictions(folder: Path) -> Path:
    from ensemble.study.predictions import Predictions, write_predictions

    write_predictions(
        folder / "m.val.h5",
        Predictions(
            "m", "val", probs(), np.array(IDS), tuple(CLASSES), tuple(CLASSES), labels=np.arange(12) % 3,
            recipe={"model": "x", "note": "a" * 6000}, kind="ensemble", parents=tuple(f"p{i}" * 20 for i in range(200)),
            weights=(0.005,) * 200, first_layer=np.ones((2, 3, 3, 3), dtype=np.float32),
        ),
    )  # fmt: skip
    return folder / "m.val.h5"


def _read_predictions(path: Path) -> Any:
    from ensemble.study.predictions import read_predictions

    p = read_predictions(path, extras=True)
    return [p.probs, p.sample_ids, p.labels, p.parents, p.weights, p.recipe, p.member, p.first_layer]


def _table(folder: Path) -> Path:
    from ensemble.study.tables import write_table

    write_table(
        folder / "t.h5", {"mask": np.arange(1, 8), "accuracy": np.linspace(0, 1, 7)}, {"members": ["a", "b", "c"]}
    )
    return folder / "t.h5"


def _read_table(path: Path) -> Any:
    from ensemble.study.tables import read_table

    columns, facts = read_table(path)
    return [*columns.values(), *facts.values()]


def _weights(folder: Path) -> Path:
    import torch

    from ensemble.study.weights import save_tensors

    facts = {"recipe": {"model": "ting-m1"}, "epochs": 3, "image_shape": [8, 8, 1], "class_ids": CLASSES}
    tensors = {"network.base.0.weight": torch.arange(54.0).reshape(2, 3, 3, 3), "input.mean": torch.ones(1)}
    save_tensors(folder / "weights.safetensors", "kofn.weights", tensors, facts)
    return folder / "weights.safetensors"


def _read_weights(path: Path) -> Any:
    from ensemble.study.weights import load_tensors

    tensors, facts = load_tensors(path, "kofn.weights")
    return [facts, {name: tensor.numpy() for name, tensor in tensors.items()}]


def _recipe(folder: Path) -> Path:
    from ensemble.study.recipe import Recipe, write_recipe

    write_recipe(folder / "recipe.toml", Recipe("ting-m1"), 2)
    return folder / "recipe.toml"


def _read_recipe(path: Path) -> Any:
    from ensemble.study.recipe import read_recipe

    recipe, threads = read_recipe(path)
    return [recipe.as_dict(), threads]


def _study(folder: Path) -> Path:
    from ensemble.study.study import SplitConfig, Study, StudyConfig

    config = StudyConfig("d", "/d", "f" * 64, tuple(CLASSES), tuple(CLASSES), {"val": SplitConfig(3, "0" * 64, "made")})
    return Study.create(folder, config).path


def _read_study(path: Path) -> Any:
    from ensemble.study.study import Study

    return repr(Study.open(path.parent).config)


def _history(folder: Path) -> Path:
    from ensemble.study.history import Epoch, rewrite_epochs

    rewrite_epochs(
        folder / "history.csv", [Epoch(i, 0.1, 1.5, 1.5, 0.5, 1.25, 1.25, 0.5, 99.0, 1.0) for i in range(1, 6)]
    )
    return folder / "history.csv"


def _read_history(path: Path) -> Any:
    from ensemble.study.history import read_history

    # Whole lines off the end leave a history that was shorter once; ens-check compares it with the weights.
    columns = read_history(path, "m").columns
    return [columns[name][:1] for name in sorted(columns)]


def _first_layer(folder: Path) -> Path:
    from ensemble.study.weights import keep_first_layer

    keep_first_layer(folder / "first_layer.npz", "begin", np.arange(54, dtype=np.float32).reshape(2, 3, 3, 3))
    return folder / "first_layer.npz"


def _old_first_layer(folder: Path) -> Path:
    np.savez(folder / "first_layer.npz", begin=np.arange(54, dtype=np.float32).reshape(2, 3, 3, 3))
    return folder / "first_layer.npz"


def _read_first_layer(path: Path) -> Any:
    from ensemble.study.weights import read_first_layer

    return read_first_layer(path)


def _network(folder: Path) -> Path:
    from ensemble.study.network_file import write_network

    layer = {"name": "conv", "kind": "Conv2d", "output": [2, 3, 3], "parameters": 54, "statistics": 0}
    write_network(
        folder / "network.json", "m", {"parameters": 54, "statistics": 0, "gflops": 0.1, "layers": [layer]}, {}
    )
    return folder / "network.json"


def _read_network(path: Path) -> Any:
    from ensemble.study.network_file import read_network

    return repr(read_network(path))


def _imported(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        values = {
            "probs": probs(),
            "labels": np.arange(12) % 3,
            "sample_ids": np.array(IDS),
            "class_names": np.array(CLASSES),
        }
        if name == "a.npz":
            np.savez_compressed(path, **values)  # ty: ignore[invalid-argument-type]
        elif name == "a.npy":
            np.save(path, values["probs"])
        elif name == "a.csv":
            rows = [",".join([i, *map(repr, row.tolist())]) for i, row in zip(IDS, probs(), strict=True)]
            path.write_text("\n".join(["id," + ",".join(CLASSES), *rows]) + "\n", encoding="utf-8")
        elif name == "a.parquet":
            from ensemble.importing.parquet import write_parquet

            columns = {"id": np.array(IDS)} | {c: probs()[:, i] for i, c in enumerate(CLASSES)}
            write_parquet(path, [columns], {})
        else:
            import h5py

            with h5py.File(path, "w") as file:
                for key, value in values.items():
                    file[key] = value.astype(h5py.string_dtype()) if value.dtype.kind == "U" else value
        return path

    return make


def _read_imported(path: Path) -> Any:
    from ensemble.importing.parse import import_files

    p = import_files([path])[0].predictions
    return [p.probs, p.sample_ids, p.labels, p.class_ids]


def _read_old(path: Path) -> Any:
    return _read_imported(path)


def _old(folder: Path) -> Path:
    path = folder / "plain.h5"
    path.write_bytes((ROOT / "tests/data/format-v1/plain.h5").read_bytes())
    return path


READERS: dict[str, Reader] = {
    "predictions": Reader(_predictions, _read_predictions),
    "table": Reader(_table, _read_table),
    "weights": Reader(_weights, _read_weights),
    "recipe.toml": Reader(_recipe, _read_recipe),
    "study.toml": Reader(_study, _read_study),
    "history.csv": Reader(_history, _read_history),
    "first_layer.npz": Reader(_first_layer, _read_first_layer),
    "network.json": Reader(_network, _read_network),
    "old first_layer": Reader(_old_first_layer, _read_first_layer, own=False),
    "import .npz": Reader(_imported("a.npz"), _read_imported, own=False),
    "import .npy": Reader(_imported("a.npy"), _read_imported, own=False),
    "import .csv": Reader(_imported("a.csv"), _read_imported, own=False),
    "import .parquet": Reader(_imported("a.parquet"), _read_imported, own=False),
    "import .h5": Reader(_imported("a.h5"), _read_imported, own=False),
    "import kofn v1": Reader(_old, _read_old, own=False),
}


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
        path = Path(folder) / Path(good).name
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
