"""Damaged and misordered predictions, read by other tools and by kofn: `python -m benchmarks.damage [--flips N]`.

Every reading is a process of its own with 10 seconds of CPU. A flip changes one random bit of a file. Columns of the
first table: refused (any exception), same (the values as before), other (other values, and not a word), ended (crash or
time).
"""

import argparse
import os
import pickle
import random
import resource
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score

from ensemble.study.predictions import Predictions, read_predictions, write_predictions

N, C = 200, 10
LABELS = np.arange(N) % C
IDS = np.array([f"image-{i:03}" for i in range(N)])
CLASSES = tuple(f"class-{i}" for i in range(C))


def member(skill: float, seed: int) -> np.ndarray:
    """Return the softmax (N, C) of normal logits, `skill` more for the true class."""
    logits = np.random.default_rng(seed).normal(size=(N, C))
    logits[np.arange(N), LABELS] += skill
    exp = np.exp(logits)
    return (exp / exp.sum(axis=1, keepdims=True)).astype(np.float32)


PROBS = member(2.0, 1)


# -- one flipped bit ----------------------------------------------------------------------------------------


def _h5(path: Path, **options: bool) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("probs", data=PROBS, chunks=(50, C), **options)
        file["sample_ids"] = IDS.astype("S")


def _read_h5(path: Path) -> list[np.ndarray]:
    with h5py.File(path, "r") as file:
        return [file["probs"][()], file["sample_ids"][()]]


def _frame() -> pd.DataFrame:
    return pd.DataFrame(PROBS, columns=list(CLASSES)).assign(id=IDS)


def _of_frame(frame: pd.DataFrame) -> list[np.ndarray]:
    return [frame[list(CLASSES)].to_numpy(np.float32), frame["id"].to_numpy(str)]


def _kofn(path: Path) -> None:
    write_predictions(path, Predictions("m", "val", PROBS, IDS, CLASSES, CLASSES, labels=LABELS))


def _read_kofn(path: Path) -> list[np.ndarray]:
    found = read_predictions(path)
    return [found.probs, found.sample_ids]


def _unpickle(path: Path) -> list[np.ndarray]:
    with path.open("rb") as file:
        return [pickle.load(file).predict_proba(np.zeros((4, 1)))]


def _dump(path: Path) -> None:
    path.write_bytes(pickle.dumps(DummyClassifier(strategy="prior").fit(np.zeros((N, 1)), LABELS)))


FORMATS: dict[str, tuple[str, Callable[[Path], object], Callable[[Path], list[np.ndarray]]]] = {
    "NumPy, .npy": ("a.npy", lambda p: np.save(p, PROBS), lambda p: [np.load(p)]),
    "NumPy, .npz": (
        "a.npz", lambda p: np.savez(p, probs=PROBS, ids=IDS), lambda p: [np.load(p)["probs"], np.load(p)["ids"]]
    ),
    "h5py": ("a.h5", _h5, _read_h5),
    "h5py, Fletcher-32": ("f.h5", lambda p: _h5(p, fletcher32=True), _read_h5),
    "pandas, .csv": ("a.csv", lambda p: _frame().to_csv(p, index=False), lambda p: _of_frame(pd.read_csv(p))),
    "pandas, .parquet": ("a.parquet", lambda p: _frame().to_parquet(p), lambda p: _of_frame(pd.read_parquet(p))),
    "scikit-learn, a pickled model": ("a.pkl", _dump, _unpickle),
    "kofn": ("k.val.h5", _kofn, _read_kofn),
}  # fmt: skip


def _apart(read: Callable[[Path], list[np.ndarray]], path: Path, right: list[np.ndarray]) -> str:
    """Return what becomes of a reading in a process of its own."""
    pid = os.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            found = read(path)
            equal = len(found) == len(right) and all(np.array_equal(a, b) for a, b in zip(found, right, strict=True))
            os._exit(0 if equal else 1)
        except BaseException:
            os._exit(2)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return {0: "same", 1: "other", 2: "refused"}.get(status, "ended")


def flips(count: int) -> dict[str, Counter]:
    """Return what became of so many flips of each format."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (file, write, read) in FORMATS.items():
            path, rng = Path(folder) / file, random.Random(name)
            write(path)
            data, right = path.read_bytes(), read(path)
            found[name] = Counter()
            for _ in range(count):
                damaged = bytearray(data)
                damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                path.write_bytes(damaged)
                found[name][_apart(read, path, right)] += 1
    return found


# -- another order ------------------------------------------------------------------------------------------


def orders() -> list[tuple[str, str, str]]:
    """Return (what is wrong, tool, what it makes of it): the second of two members in another order, or not whole."""
    first, second = member(1.5, 2), member(1.5, 3)
    rows, columns = np.random.default_rng(4).permutation(N), np.random.default_rng(5).permutation(C)
    cases = {
        "as it should be": (second, IDS, list(CLASSES)),
        "rows in another order": (second[rows], IDS[rows], list(CLASSES)),
        "columns in another order": (second[:, columns], IDS, [CLASSES[c] for c in columns]),
        "two samples missing": (second[2:], IDS[2:], list(CLASSES)),
        "one sample twice": (np.vstack([second[:-1], second[:1]]), np.append(IDS[:-1], IDS[0]), list(CLASSES)),
    }
    tools: dict[str, Callable[..., float]] = {
        "NumPy, by position": lambda p, *_: float((((first + p) / 2).argmax(1) == LABELS).mean()),
        "scikit-learn, by position": lambda p, *_: float(accuracy_score(LABELS, ((first + p) / 2).argmax(1))),
        "pandas, ids as the index": _by_pandas(first),
        "kofn": _by_kofn(first),
    }
    found = []
    for case, (probs, ids, classes) in cases.items():
        for tool, score in tools.items():
            try:
                with warnings.catch_warnings(action="ignore"):
                    result = f"{score(probs, ids, classes):.1%}"
            except Exception as error:
                result = f"refused: {' '.join(str(error).split())[:110]}"
            found.append((case, tool, result))
    return found


def _by_pandas(first: np.ndarray) -> Callable[..., float]:
    one = pd.DataFrame(first, index=IDS, columns=list(CLASSES))

    def score(probs: np.ndarray, ids: np.ndarray, classes: list[str]) -> float:
        mean = (one + pd.DataFrame(probs, index=ids, columns=classes)) / 2
        preds = mean.fillna(-1).to_numpy().argmax(axis=1)
        labels = pd.Series(LABELS, index=IDS).reindex(mean.index).to_numpy()
        return float((preds == labels).mean())

    return score


def _by_kofn(first: np.ndarray) -> Callable[..., float]:
    from analysis import ensemble_of, join

    def score(probs: np.ndarray, ids: np.ndarray, classes: list[str]) -> float:
        labels = np.array([classes.index(CLASSES[LABELS[int(i[-3:])]]) for i in ids])
        stack = join(
            [
                Predictions("a", "val", first, IDS, CLASSES, CLASSES, labels=LABELS),
                Predictions("b", "val", probs, ids, tuple(classes), tuple(classes), labels=labels),
            ]
        )
        return float((ensemble_of(stack).preds == stack.labels).mean())

    return score


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=500, help="of each format")
    asked = parser.parse_args()
    kinds = ("refused", "same", "other", "ended")
    print(f"| {asked.flips} flipped bits each | {' | '.join(kinds)} |\n|---|{'---|' * len(kinds)}")
    for name, counts in flips(asked.flips).items():
        print(f"| {name} | {' | '.join(str(counts[kind]) for kind in kinds)} |", flush=True)
    print("\n| the second of two members | tool | the mean of both scores |\n|---|---|---|")
    for row in orders():
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
