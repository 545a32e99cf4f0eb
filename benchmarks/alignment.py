"""How often misaligned rows are noticed, and how often sound ones are blamed: the checks of `ens-import`.

    python -m benchmarks.alignment

Members are five classifiers of scikit-learn on the embedded digits. The rows of one of them are put in another order
than those of the labels and of the others: a part of them shifted by one, shuffled, swapped in pairs, or shuffled among
rows of one class, where the labels still fit. The table of docs/elsewhere.md is from what this prints.
"""

import functools
from collections.abc import Callable

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

from ensemble.study.alignment import find_misaligned

DRAWS = 40
PARTS = (0.01, 0.05, 0.2, 1.0)
Sample = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # preds, second, confidence (M, N), labels (N,)


@functools.cache
def members(train: int) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities (M, N, C) of members trained on so many digits, and the labels of the others."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    x, y = digits.data[order] / 16, digits.target[order]
    models = (
        LogisticRegression(C=0.5), KNeighborsClassifier(5), RandomForestClassifier(50, random_state=0), GaussianNB(),
        MLPClassifier(random_state=0, max_iter=300),
    )  # fmt: skip
    return np.stack([model.fit(x[:train], y[:train]).predict_proba(x[train:]) for model in models]), y[train:]


def drawn(rng: np.random.Generator, train: int, n: int, count: int, kind: str) -> Sample:
    """Draw samples of a setting."""
    probs, labels = members(train)
    share = np.where(labels == 3, 40.0, 1.0) if kind == "unbalanced" else np.ones(len(labels))
    rows = rng.choice(len(labels), n, replace=False, p=share / share.sum())
    if kind == "sorted":
        rows = rows[np.argsort(labels[rows], kind="stable")]
    chosen = probs[:count, rows]
    order = np.argsort(-chosen, axis=2, kind="stable")
    return order[..., 0], order[..., 1], chosen.max(axis=2), labels[rows]


# Setting -> digits trained on, samples, members, order and balance of the classes.
SETTINGS: dict[str, tuple[int, int, int, str]] = {
    "1,000 digits": (600, 1000, 5, "mixed"),
    "1,000 digits by class": (600, 1000, 5, "sorted"),
    "200 digits, most of one class": (400, 200, 5, "unbalanced"),
    "weak members (trained on 40)": (40, 1000, 5, "mixed"),
    "100 digits": (600, 100, 5, "mixed"),
    "two members": (600, 1000, 2, "mixed"),
}


def shift(rng: np.random.Generator, labels: np.ndarray, part: int) -> np.ndarray:
    """Return which row stands at each place once a run of rows is shifted by one."""
    order = np.arange(len(labels))
    start = int(rng.integers(0, len(labels) - part + 1))
    order[start : start + part] = np.roll(order[start : start + part], 1)
    return order


def shuffle(rng: np.random.Generator, labels: np.ndarray, part: int) -> np.ndarray:
    """Return the order once some rows are shuffled."""
    order = np.arange(len(labels))
    rows = rng.choice(len(labels), part, replace=False)
    order[rows] = rng.permutation(rows)
    return order


def swap(rng: np.random.Generator, labels: np.ndarray, part: int) -> np.ndarray:
    """Return the order once neighbouring rows are swapped in pairs."""
    order = np.arange(len(labels))
    firsts = 2 * rng.choice(len(labels) // 2, max(1, part // 2), replace=False)
    order[firsts], order[firsts + 1] = firsts + 1, firsts
    return order


def within(rng: np.random.Generator, labels: np.ndarray, part: int) -> np.ndarray:
    """Return the order once some rows are shuffled among those of their class."""
    order = np.arange(len(labels))
    rows = rng.choice(len(labels), part, replace=False)
    for c in np.unique(labels[rows]):
        own = rows[labels[rows] == c]
        order[own] = rng.permutation(own)
    return order


FAULTS: dict[str, Callable[[np.random.Generator, np.ndarray, int], np.ndarray]] = {
    "shifted by one": shift, "shuffled": shuffle, "swapped in pairs": swap, "shuffled within class": within,
}  # fmt: skip


def measure(setting: str) -> None:
    """Print a setting's row for each fault: how often it is noticed for each part of the rows."""
    train, n, count, kind = SETTINGS[setting]
    names = [f"m-{i}" for i in range(count)]
    blamed = sound = 0
    for seed in range(DRAWS):
        rng = np.random.default_rng([seed, n, count])
        for labelled in (True, False):
            preds, second, confidence, labels = drawn(rng, train, n, count, kind)
            blamed += len(find_misaligned(preds, second, confidence, labels if labelled else None, names))
            sound += count
    print(f"\n{setting}: of {sound} sound members {blamed} blamed")
    print(f"| {'rows':<22} | {' | '.join(f'{100 * part:.0f} %' for part in PARTS)} | others blamed |")
    print(f"|---|{'---|' * (len(PARTS) + 1)}")
    for fault, turn in FAULTS.items():
        noticed, others, tries = [0] * len(PARTS), 0, 0
        for i, part in enumerate(PARTS):
            for seed in range(DRAWS):
                rng = np.random.default_rng([seed, n, count, i])
                preds, second, confidence, labels = drawn(rng, train, n, count, kind)
                bad = seed % count
                order = turn(rng, labels, max(2, round(part * n)))
                preds[bad], second[bad], confidence[bad] = preds[bad][order], second[bad][order], confidence[bad][order]
                found = {f.member for f in find_misaligned(preds, second, confidence, labels, names)}
                noticed[i] += names[bad] in found
                others += len(found - {names[bad]})
                tries += count - 1
        cells = " | ".join(f"{100 * hits / DRAWS:.0f} %" for hits in noticed)
        print(f"| {fault:<22} | {cells} | {others} of {tries} |", flush=True)


if __name__ == "__main__":
    for name in SETTINGS:
        measure(name)
