"""How far apparent and honest scores are from the truth, and how often their intervals hold it.

    python -m benchmarks.honesty                 all tables of docs/honesty.md, about twenty minutes
    python -m benchmarks.honesty --draws 40      the same, roughly

A draw is a new set of samples on which an ensemble of eight members is chosen; the truth is that very ensemble's
accuracy on the population the samples came from:

    level     no subset is truly better than another: of 40 % of the samples the label is a toss of which the members
              know nothing; every subset's accuracy is exactly .80
    graded    members differ, and their noise averages out, so subsets truly differ; the population is 100,000 samples
    digits    nine scikit-learn classifiers of different kinds, fitted to 200 digits; samples are drawn from the other
              1,597, and the truth is the accuracy on those not drawn, whose own noise is added to every interval
"""

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.selection.base import Chosen, Selection
from analysis.selection.best import Best
from analysis.selection.cross_validation import cross_validated, interval, paired, prequential
from analysis.selection.data import SelectionData, selection_data
from analysis.selection.greedy import Greedy
from analysis.selection.stacking import Stack
from analysis.selection.subset_sums import ReferenceSums
from analysis.selection.weights import Weights
from analysis.stack import stack_arrays
from analysis.statistics import mcnemar, wilson

Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
MEMBERS = 8
POPULATION = 100_000


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis."""
    exp = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


def level(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw without a true difference: 60 % of samples all have right, 40 % are a toss between two of four classes.

    Half of the members' noise is one that they have in common.
    """
    labels = rng.integers(0, 4, n)
    other = (labels + rng.integers(1, 4, n)) % 4
    easy = rng.random(n) < 0.6
    noise = 0.5**0.5 * (rng.normal(size=n) + rng.normal(size=(MEMBERS, n)))
    logits = np.zeros((MEMBERS, n, 4))
    logits[:, np.arange(n), labels] += np.where(easy, 4, 2 + noise)
    logits[:, np.arange(n), other] += np.where(easy, 0, 2 - noise)
    return softmax(logits), labels


def graded(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw members from weak to strong, ten classes, accuracies from .35 to .54."""
    labels = rng.integers(0, 10, n)
    logits = rng.normal(size=(n, 10)) * 1.2 + rng.normal(size=(MEMBERS, n, 10)) * 1.2
    strength = np.linspace(0.75, 1.25, MEMBERS)
    logits[:, np.arange(n), labels] += (rng.normal(size=n) * 1.5 + 2.2) * strength[:, None]
    return softmax(logits), labels


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Nine classifiers' predictions for 1,597 digits, (9, 1597, 10), and the labels."""
    from sklearn.datasets import load_digits
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.tree import DecisionTreeClassifier

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    fitted, rest = order[:200], order[200:]
    kinds = [
        LogisticRegression(C=0.1), GaussianNB(var_smoothing=1e-2), KNeighborsClassifier(5), KNeighborsClassifier(15),
        DecisionTreeClassifier(max_depth=8, random_state=0), RandomForestClassifier(30, random_state=0),
        ExtraTreesClassifier(30, random_state=0), MLPClassifier((32,), max_iter=300, random_state=0),
        LinearDiscriminantAnalysis(),
    ]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the network need not converge
        probs = [kind.fit(images[fitted] / 16, labels[fitted]).predict_proba(images[rest] / 16) for kind in kinds]
    return np.array(probs, dtype=np.float32), labels[rest]


def selections(e: SelectionData, names: Sequence[str]) -> dict[str, Selection]:
    """Return the selections of these names, and the best single member they are compared with."""
    made: dict[str, Selection] = {"member": Best(e, ReferenceSums(e, [1]))}
    for name in names:
        made[name] = {
            "best": lambda: Best(e, ReferenceSums(e, range(1, e.members + 1))),
            "greedy": lambda: Greedy(e),
            "weights": lambda: Weights(e),
            "stack": lambda: Stack(e),
        }[name]()
    return made


@dataclass
class Row:
    """What one draw gave. Noise is the variance of what is called true, where that was itself measured on samples."""

    truth: float
    noise: float
    apparent: float
    score: float
    low: float
    high: float
    plain: float  # half the width of mean(z) -+ 1.96 sd / sqrt(n)
    gain: float  # true gain over the best member, of the ensembles that the forward test chose on its way
    gain_noise: float
    seen: float
    seen_low: float
    seen_high: float
    p: float
    crossed: float  # p of the same test on cross-fitted predictions


class Truth:
    """What ensembles are truly worth: their accuracy on a population, or `exact` where every one has the same."""

    def __init__(self, population: SelectionData | None = None, exact: float = 0.0, sampled: bool = False) -> None:
        self.population, self.exact, self.sampled = population, exact, sampled
        self.known: dict[bytes, np.ndarray] = {}

    def scores(self, chosen: Chosen) -> np.ndarray:
        """Right or wrong on each sample of the population, float64."""
        if self.population is None:
            return np.array([self.exact])
        if chosen.weights is None:
            return chosen.scores(self.population, "accuracy")
        key = chosen.weights.tobytes()
        if key not in self.known:
            self.known[key] = chosen.scores(self.population, "accuracy").astype(np.float32)
        return self.known[key]

    def noise(self, scores: np.ndarray) -> float:
        """Variance of the mean of scores, where the population is no more than a sample."""
        return float(scores.var()) / len(scores) if self.sampled else 0.0


def one(e: SelectionData, names: Sequence[str], truth: Truth) -> dict[str, Row]:
    """Choose by each of the selections, and set the scores beside the truth."""
    made = selections(e, names)
    found = {name: cross_validated(selection) for name, selection in made.items()}
    gone = {name: prequential(selection) for name, selection in made.items()}
    rows = {}
    for name in names:
        chosen, z = made[name].choose(), found[name].z
        real = truth.scores(chosen)
        pairs = zip(gone[name].chosen, gone["member"].chosen, strict=True)
        gain = np.mean([truth.scores(a) - truth.scores(b) for a, b in pairs], axis=0)
        against = paired(gone[name], gone["member"])
        ours, theirs = z > 0.5, found["member"].z > 0.5
        low, high = interval(found[name])
        rows[name] = Row(
            truth=float(real.mean()),
            noise=truth.noise(real),
            apparent=float(chosen.scores(e, "accuracy").mean()),
            score=found[name].score,
            low=low,
            high=high,
            plain=1.96 * float(z.std(ddof=1)) / len(z) ** 0.5,
            gain=float(gain.mean()),
            gain_noise=truth.noise(gain),
            seen=against.difference,
            seen_low=against.low,
            seen_high=against.high,
            p=against.p,
            crossed=mcnemar(int((ours & ~theirs).sum()), int((theirs & ~ours).sum())),
        )
    return rows


def covers(low: np.ndarray, high: np.ndarray, centre: np.ndarray, truth: np.ndarray, noise: np.ndarray) -> float:
    """How often an interval holds the truth, each side widened by the noise of the truth."""
    below = ((centre - low) ** 2 + 1.96**2 * noise) ** 0.5
    above = ((high - centre) ** 2 + 1.96**2 * noise) ** 0.5
    return float(((truth >= centre - below) & (truth <= centre + above)).mean())


def line(name: str, n: int, rows: list[Row]) -> str:
    """One line of the table, in Markdown."""
    get = {key: np.array([getattr(r, key) for r in rows]) for key in vars(rows[0])}
    truth, score, noise, plain = get["truth"], get["score"], get["noise"], get["plain"]
    low, high = wilson(get["apparent"] * n, np.full(len(rows), n))
    scatter = (max(0.0, (score - truth).var() - noise.mean()) / (score * (1 - score) / n).mean()) ** 0.5
    cells = [
        name, f"{n:,}", f"{len(rows):,}",
        f"{100 * (get['apparent'] - truth).mean():+.2f}", f"{100 * (score - truth).mean():+.2f}", f"{scatter:.2f}",
        f"{100 * covers(low, high, get['apparent'], truth, noise):.0f}",
        f"{100 * covers(score - plain, score + plain, score, truth, noise):.1f}",
        f"{100 * covers(get['low'], get['high'], score, truth, noise):.1f}",
        f"{100 * get['gain'].mean():+.2f}", f"{100 * get['seen'].mean():+.2f}",
        f"{100 * covers(get['seen_low'], get['seen_high'], get['seen'], get['gain'], get['gain_noise']):.1f}",
        f"{100 * (get['crossed'] < 0.05).mean():.1f}", f"{100 * (get['p'] < 0.05).mean():.1f}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


HEAD = (
    "| selection | N | draws | apparent - truth | honest - truth | scatter | covers: apparent | plain | shipped |"
    " gain | gain seen | covered | p < .05, cross-fitted | p < .05 |\n|" + "---|" * 14
)


def simulate(draw: Draw, exact: float | None, sizes: dict[int, int], names: Sequence[str], seed: int = 0) -> None:
    """Print the table of one generator. exact: the accuracy of every subset, where it is known."""
    population = _evidence(*draw(np.random.default_rng(2**31), POPULATION)) if exact is None else None
    truth = Truth(population, exact or 0.0)
    for n, draws in sizes.items():
        rng = np.random.default_rng([seed, n])
        _print(n, names, [one(_evidence(*draw(rng, n)), names, truth) for _ in range(draws)])


def resample(sizes: dict[int, int], names: Sequence[str]) -> None:
    """Print the table of the real predictions."""
    probs, labels = digits()
    for n, draws in sizes.items():
        rng = np.random.default_rng([1, n])
        results = []
        for _ in range(draws):
            order = rng.permutation(len(labels))
            here, there = np.sort(order[:n]), np.sort(order[n:])
            truth = Truth(_evidence(probs[:, there], labels[there]), sampled=True)
            results.append(one(_evidence(probs[:, here], labels[here]), names, truth))
        _print(n, names, results)


def _print(n: int, names: Sequence[str], results: list[dict[str, Row]]) -> None:
    for name in names:
        print(line(name, n, [r[name] for r in results]), flush=True)


def _evidence(probs: np.ndarray, labels: np.ndarray) -> SelectionData:
    return selection_data(stack_arrays(probs.astype(np.float32), labels))


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description="Bias and coverage of apparent and honest scores.")
    parser.add_argument("--draws", type=int, default=1000, help="of 250 samples; fewer of more samples")
    draws = parser.parse_args().draws
    many = {250: draws, 1000: draws, 5000: max(1, draws // 2)}
    few = {250: max(1, draws // 4), 1000: max(1, draws // 8)}
    begun = time.perf_counter()
    for title, run in (
        ("level: no true difference", lambda: simulate(level, 0.8, many, ["best"])),
        ("level, all selections", lambda: simulate(level, 0.8, few, ["greedy", "weights"])),
        ("graded: real differences", lambda: simulate(graded, None, many, ["best"])),
        ("graded, all selections", lambda: simulate(graded, None, few, ["greedy", "weights"])),
        ("digits: real predictions", lambda: resample({250: draws, 800: draws // 2}, ["best"])),
        ("digits, all selections", lambda: resample(few, ["greedy", "weights"])),
        ("digits, stacking", lambda: resample({250: max(1, draws // 20)}, ["stack"])),
    ):
        print(f"\n{title}\n\n{HEAD}")
        run()
    print(f"\n{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
