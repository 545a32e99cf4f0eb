"""Would more members help: how far forms of the mean curve over k are off where members are hidden.

    python -m benchmarks.growth
    python -m benchmarks.growth --repeats 5      the same, roughly

Twenty members are trained or drawn; m of them are shown, the mean score over their subsets is prolonged to 2 m, and set
against the mean over subsets of all twenty. The truth has an error of its own, of 120 subsets.
"""

import argparse
import warnings
from collections.abc import Callable, Iterator
from itertools import combinations
from math import comb

import numpy as np

from analysis.selection.every_subset import combine
from analysis.subsets.growth import CURVE, LINE, _prolonged, more_members
from benchmarks.honesty import Arrays, networks, toss

MEMBERS, SHOWN, REPEATS, SUBSETS = 20, (4, 6, 8), 25, 120


def trained(kind: str) -> Arrays:
    """Twenty decision trees on bootstraps, or small networks that differ in their seed, on the digits."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier
    from sklearn.tree import DecisionTreeClassifier

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    fitted, rest = order[:300], order[300:1200]
    probs = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the networks need not converge
        for i in range(MEMBERS):
            if kind == "trees":
                rows = fitted[np.random.default_rng(i).integers(0, 300, 300)]
                member = DecisionTreeClassifier(max_features="sqrt", min_samples_leaf=3, random_state=i)
            else:
                rows, member = fitted, MLPClassifier((16,), max_iter=60, random_state=i)
            probs.append(member.fit(images[rows] / 16, labels[rows]).predict_proba(images[rest] / 16))
    return np.array(probs), labels[rest]


CASES: dict[str, Callable[[np.random.Generator], Arrays]] = {
    "no true difference": lambda rng: toss(rng, 1500, MEMBERS),
    "good and alike": lambda rng: networks(rng, 1500, members=MEMBERS),
    "independent": lambda rng: networks(rng, 1500, members=MEMBERS, common=0.1, own=2.0, margin=3.0, spread=0.5),
    "weak to strong": lambda rng: networks(
        rng, 1500, members=MEMBERS, margin=2.2, spread=1.5, common=1.2, own=1.2, skill=(0.75, 1.25)
    ),
    "poor, 50 classes": lambda rng: networks(rng, 700, members=MEMBERS, classes=50, margin=2.0, spread=1.0),
    "trees on digits": lambda _rng: trained("trees"),
    "networks on digits": lambda _rng: trained("networks"),
}


def forms(means: np.ndarray, to: float) -> dict[str, float]:
    """Return what the means of sizes 1..m come to at `to` by each form."""
    from scipy.optimize import minimize_scalar

    ks = np.arange(1.0, len(means) + 1)

    def fitted(power: float, first: int = 0) -> tuple[np.ndarray, float]:
        columns = np.stack([np.ones(len(ks)), ks**-power], axis=1)[first:]
        found = np.linalg.lstsq(columns, means[first:], rcond=None)[0]
        return found, float(((columns @ found - means[first:]) ** 2).sum())

    power = float(minimize_scalar(lambda p: fitted(p)[1], bounds=(0.3, 2.5), method="bounded").x)
    found = {"a + b/k, all k": (fitted(1.0)[0], 1.0), "a + b/k, upper half": (fitted(1.0, len(ks) // 2 - 1)[0], 1.0),
             "a + b k^-c": (fitted(power)[0], power)}  # fmt: skip
    return {
        "no more than now": float(means[-1]),
        **{name: float(line[0] + line[1] * to**-p) for name, (line, p) in found.items()},
        LINE: float(_prolonged(means, np.array([to]), LINE)[0]),
        CURVE: float(_prolonged(means, np.array([to]), CURVE)[0]),
    }


def mean_scores(probs: np.ndarray, labels: np.ndarray, k: int, rng: np.random.Generator) -> dict[str, float]:
    """Return the mean accuracy and NLL over subsets of k members, all or some."""
    m, rows = len(probs), np.arange(len(labels))
    few = comb(m, k) <= SUBSETS
    subsets = combinations(range(m), k) if few else (rng.choice(m, k, replace=False) for _ in range(SUBSETS))
    found = []
    for subset in subsets:
        mean = probs[list(subset)].mean(axis=0)
        found.append([(mean.argmax(axis=1) == labels).mean(), -np.log(np.maximum(mean[rows, labels], 1e-12)).mean()])
    return dict(zip(("accuracy", "nll"), np.mean(found, axis=0).tolist(), strict=True))


def table(metric: str, repeats: int) -> Iterator[str]:
    """Give the table of one metric: bias / root mean squared error at 2 m, in hundredths, and coverage."""
    yield f"| {metric}, at 2 m | " + " | ".join(CASES) + " |\n|" + "---|" * (1 + len(CASES))
    errors: dict[str, list[str]] = {}
    for make in CASES.values():
        probs, labels = make(np.random.default_rng(1))
        rng = np.random.default_rng(0)
        here: dict[str, list[float]] = {}
        for m in SHOWN:
            truth = mean_scores(probs, labels, 2 * m, rng)[metric]
            for _ in range(repeats):
                scored = combine(probs[np.sort(rng.permutation(MEMBERS)[:m])], labels)
                values = scored.scores(metric)
                means = np.array([values[scored.sizes == k].mean() for k in range(1, m + 1)])
                for name, found in forms(means, 2.0 * m).items():
                    here.setdefault(name, []).append(found - truth)
                own = more_members(scored, metric)
                here.setdefault("interval covers", []).append(float(own.low[-1] <= truth <= own.high[-1]))
        for name, values in here.items():
            x = 100 * np.array(values)
            cell = f"{x.mean():.0f} %" if name == "interval covers" else f"{x.mean():+.2f} / {(x**2).mean() ** 0.5:.2f}"
            errors.setdefault(name, []).append(cell)
    for name, cells in errors.items():
        yield f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="What forms of the mean curve over k say of more members.")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="of each number of members shown")
    repeats = parser.parse_args().repeats
    for metric in ("accuracy", "nll"):
        print("\n".join(table(metric, repeats)) + "\n", flush=True)


if __name__ == "__main__":
    main()
