"""How far apparent and honest scores are from the truth, and how often their intervals hold it.

    python -m benchmarks.honesty                 the tables of docs/honesty.md
    python -m benchmarks.honesty --draws 40      the same, roughly
    python -m benchmarks.honesty estimators      one table: estimators, intervals, fitted, forward, grouped or digits

A draw is a new set of samples, drawn with replacement from a population of a few thousand predictions; the truth is the
very ensemble's score on that population, so it has no error of its own. The populations are seeded, and so are the
draws: the figures are the same on every machine.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from unittest import mock

import numpy as np

from analysis.metrics import METRICS
from analysis.selection import cross_validation
from analysis.selection.best import Best, ReferenceSums
from analysis.selection.cross_validation import (
    COUNTED,
    HALVES,
    CrossValidation,
    cross_validated,
    interval,
    paired,
    prequential,
)
from analysis.selection.data import Selection, SelectionData, selection_data
from analysis.selection.greedy import Greedy
from analysis.selection.resampling import BOOTSTRAPS, Resamples, blocks_of, bootstraps, k_folds
from analysis.selection.stacking import Stack
from analysis.selection.weights import Weights
from analysis.stack import stack_arrays
from analysis.statistics import mcnemar, wilson

Arrays = tuple[np.ndarray, np.ndarray]
POPULATION = 6000
SEED = 0


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis."""
    exp = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


def toss(rng: np.random.Generator, n: int, members: int = 8) -> Arrays:
    """Draw without a true difference: 60 % of samples all have right, 40 % are a toss between two of four classes.

    Half of the members' noise is one that they have in common.
    """
    labels = rng.integers(0, 4, n)
    other = (labels + rng.integers(1, 4, n)) % 4
    easy = rng.random(n) < 0.6
    noise = 0.5**0.5 * (rng.normal(size=n) + rng.normal(size=(members, n)))
    logits = np.zeros((members, n, 4))
    logits[:, np.arange(n), labels] += np.where(easy, 4, 2 + noise)
    logits[:, np.arange(n), other] += np.where(easy, 0, 2 - noise)
    return softmax(logits), labels


def networks(
    rng: np.random.Generator, n: int, *, members: int, classes: int = 10, margin: float = 6.0, spread: float = 2.5,
    common: float = 1.0, own: float = 0.7, skill: tuple[float, float] = (1, 1), tail: float = 1.0, copies: int = 1,
) -> Arrays:  # fmt: skip
    """Draw what networks are like: a margin of the true class that varies by sample, common noise and own.

    skill: from the weakest to the strongest member, by what the margin is multiplied. tail: how many times as often
    the first class comes as the last. copies: how often each member stands there.
    """
    shares = tail ** -(np.arange(classes) / max(1, classes - 1))
    labels = rng.choice(classes, n, p=shares / shares.sum())
    logits = rng.normal(size=(n, classes)) * common + rng.normal(size=(members, n, classes)) * own
    margins = rng.normal(size=n) * spread + margin
    logits[:, np.arange(n), labels] += margins * np.linspace(*skill, members)[:, None]
    return np.repeat(softmax(logits), copies, axis=0), labels


def digits() -> Arrays:
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


@dataclass(frozen=True)
class Case:
    """A population and how many samples are drawn from it."""

    name: str
    sizes: tuple[int, ...]
    make: Callable[[np.random.Generator, int], Arrays]


def _networks(name: str, sizes: tuple[int, ...], members: int, **how: object) -> Case:
    return Case(name, sizes, lambda rng, n: networks(rng, n, members=members, **how))  # ty: ignore[invalid-argument-type]


CASES = (
    Case("no true difference, 8 members", (50, 250, 1000), toss),
    _networks("weak to strong, 8", (50, 250, 1000), 8, margin=2.2, spread=1.5, common=1.2, own=1.2, skill=(0.75, 1.25)),
    _networks("good and alike, 9", (200, 500, 2000), 9),
    _networks("good, weak to strong, 9", (200, 1000), 9, skill=(0.8, 1.1)),
    _networks("nearly perfect, 9", (100, 500, 5000), 9, margin=9.0),
    _networks("independent, 5", (50, 250), 5, common=0.1, own=2.0, margin=3.0, spread=0.5),
    _networks("two members", (50, 1000), 2, margin=3.0),
    _networks("three members", (50, 250), 3, margin=4.0),
    _networks("each member twice, 8", (100, 500), 4, margin=3.0, copies=2),
    _networks("poor, 50 classes, 7", (100, 500), 7, classes=50, margin=2.0, spread=1.0),
    _networks("100:1 long tail, 50 classes, 7", (100, 500), 7, classes=50, margin=5.0, tail=100.0),
    _networks("200 classes, 6", (200, 1000), 6, classes=200, margin=5.0),
    Case("digits, 9 classifiers", (100, 250, 800), lambda _rng, _n: digits()),
)  # fmt: skip


class Population:
    """A case's predictions, and each subset's scores of each sample, (S, P)."""

    def __init__(self, case: Case) -> None:
        self.probs, self.labels = case.make(np.random.default_rng([SEED, len(case.name)]), POPULATION)
        self.data = selection_data(stack_arrays(self.probs.astype(np.float32), self.labels))
        sums = ReferenceSums(self.data, range(1, self.data.members + 1))
        everyone = np.arange(len(self.labels))
        self.sizes = np.bitwise_count(sums.masks).astype(np.int64)
        self.scores = {m: sums.by_block(m, everyone).T.astype(np.float32) for m in ("accuracy", "nll", "brier")}
        self.truth = {m: values.mean(axis=1, dtype=np.float64) for m, values in self.scores.items()}

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return the positions of n samples, with replacement."""
        return rng.integers(0, len(self.labels), n)

    def chosen_on(self, rows: np.ndarray, groups: np.ndarray | None = None) -> SelectionData:
        """Return the data of some samples."""
        return selection_data(stack_arrays(self.probs[:, rows].astype(np.float32), self.labels[rows]), groups=groups)


@cache
def _drawn(blocks: int) -> tuple[Resamples, Resamples]:
    return bootstraps(np.arange(blocks), halves=BOOTSTRAPS // HALVES).parts()


@cache
def _folds(blocks: int, folds: int, repeats: int) -> Resamples:
    return k_folds(np.arange(blocks), folds, repeats)


class Draw:
    """Samples of a population, and the best of all subsets in any resampling of their blocks."""

    def __init__(self, population: Population, rows: np.ndarray, metric: str, block: np.ndarray | None = None) -> None:
        self.population, self.rows, self.metric = population, rows, metric
        if block is None:
            block = blocks_of(population.labels[rows], np.array([f"{i:06d}" for i in range(len(rows))]))
        self.block = block
        order = np.argsort(self.block, kind="stable")
        starts = np.searchsorted(self.block[order], np.arange(int(self.block.max()) + 1))
        self.scores = population.scores[metric][:, rows]
        self.sums = np.add.reduceat(self.scores[:, order], starts, axis=1)
        self.counts = np.bincount(self.block).astype(np.float32)
        self.top = int(self.best(np.ones((1, len(starts))))[0])
        self.apparent = float(self.scores[self.top].mean())
        self.truth = float(population.truth[metric][self.top])

    def best(self, weights: np.ndarray) -> np.ndarray:
        """Return the best subset in each resampling, weights (R, G); of equal ones the smallest."""
        totals = weights.astype(np.float32) @ self.sums.T
        sign = 1 if METRICS[self.metric].higher_is_better else -1
        return (sign * totals - 1e-3 * self.population.sizes * (sign > 0)).argmax(axis=1)

    def folds(self, folds: int, repeats: int) -> Resamples:
        """Return the blocks dealt to folds, so many times."""
        return replace(_folds(len(self.counts), folds, repeats), block=self.block)

    def held_out(self, resamples: Resamples, metric: str | None = None) -> tuple[np.ndarray, float, float]:
        """Return z, the variance between choices, and how stable the choice is."""
        chosen, which, counts = np.unique(self.best(resamples.weights), return_inverse=True, return_counts=True)
        scores = self.scores[chosen] if metric is None else self.population.scores[metric][chosen][:, self.rows]
        by_choice = (which == np.arange(len(chosen))[:, None]).astype(np.float32) @ resamples.tested.astype(np.float32)
        z = (scores * by_choice[:, self.block]).sum(axis=0) / resamples.tested.sum(axis=0)[self.block]
        return z.astype(np.float64), float(scores.mean(axis=1)[which].var()), counts.max() / len(which)

    def validated(self, metric: str | None = None) -> CrossValidation:
        """Return what ships: 200 bootstraps, and 50 of half as many blocks; another metric than chose, if any."""
        whole, half = (replace(part, block=self.block) for part in _drawn(len(self.counts)))
        name = metric or self.metric
        z, between, _ = self.held_out(whole, metric)
        lost = {name: float(z.mean() - self.held_out(half, metric)[0].mean())} if name in COUNTED else {}
        return CrossValidation(whole, (), {name: z}, {name: between}, lost=lost)


def estimates(draw: Draw) -> dict[str, float]:
    """Return each estimator's score of one draw."""
    ones = np.ones((1, len(draw.counts)))
    n = len(draw.rows)
    found = {"apparent": draw.apparent}
    for folds, repeats in ((10, 5), (5, 10), (3, 17), (2, 25)):
        found[f"{folds} folds x {repeats}"] = float(draw.held_out(draw.folds(folds, repeats))[0].mean())
    drawn = replace(_drawn(len(draw.counts))[0], block=draw.block)
    outside = float(draw.held_out(drawn)[0].mean())
    chosen = draw.best(drawn.weights)
    inside = (draw.sums[chosen] * drawn.weights).sum(axis=1) / (drawn.weights @ draw.counts)
    found["bootstrap, out of bag (BBC)"] = outside
    found["optimism bootstrap (Harrell)"] = draw.apparent - float((inside - draw.scores.mean(axis=1)[chosen]).mean())
    found[".632 bootstrap"] = 0.368 * draw.apparent + 0.632 * outside
    ten = draw.folds(10, 5).tested
    on_fold = (ten @ draw.sums.T) / (ten @ draw.counts)[:, None]
    found["Tibshirani and Tibshirani"] = draw.apparent - float((on_fold.max(axis=1) - on_fold[:, draw.top]).mean())
    found["nested CV (Bates)"] = nested(draw)[0]
    assert len(draw.best(ones)) == 1
    assert n == int(draw.counts.sum())
    return found


def nested(draw: Draw, folds: int = 10, repeats: int = 10) -> tuple[float, float]:
    """Return the score of nested cross-validation and its standard error.

    S. Bates, T. Hastie and R. Tibshirani, Cross-validation: what does it estimate and how well does it do it?, JASA 119
    (2024), algorithm 1: choosing without folds i and j is scored on j (inner) and, averaged over j, set against i.
    """
    inner_all, a, b = [], [], []
    plain = []
    for repeat in range(repeats):
        order = np.random.default_rng([7, repeat]).permutation(len(draw.counts)) % folds
        member = order == np.arange(folds)[:, None]
        for i in range(folds):
            others = [j for j in range(folds) if j != i]
            weights = np.array([~(member[i] | member[j]) for j in others])
            chosen = draw.best(weights)
            inner = np.concatenate([draw.scores[c][member[j][draw.block]] for c, j in zip(chosen, others, strict=True)])
            outer = draw.scores[draw.best((~member[i])[None])[0]][member[i][draw.block]]
            inner_all.append(inner.mean())
            plain.append(outer.mean())
            a.append((inner.mean() - outer.mean()) ** 2)
            b.append(outer.var(ddof=1) / len(outer) if len(outer) > 1 else 0.0)
    n = len(draw.rows)
    naive = draw.held_out(draw.folds(folds, 1))[0].std(ddof=1) / n**0.5
    error = max(float(np.mean(a) - np.mean(b)), 0.0) ** 0.5 * ((folds - 1) / folds) ** 0.5
    bias = (1 + (folds - 2) / folds) * (np.mean(inner_all) - np.mean(plain))
    return float(np.mean(inner_all) - bias), float(np.clip(error, naive, naive * folds**0.5))


def estimators(draws: int) -> Iterator[str]:
    """Give the table of estimators of the best subset's accuracy."""
    yield "| case | N | estimator | bias | bias where stable | RMSE | naive interval covers |\n|" + "---|" * 7
    kinds = ("no true difference", "weak to strong", "good and alike", "nearly perfect", "independent", "digits")
    totals: dict[str, list[float]] = {}
    for case in (c for c in CASES if c.name.startswith(kinds)):
        population = Population(case)
        for n in case.sizes[:2] if not case.name.startswith("nearly") else case.sizes[1:2]:
            rng = np.random.default_rng([SEED, n])
            rows, stable = [], []
            for _ in range(draws):
                draw = Draw(population, population.draw(rng, n), "accuracy")
                rows.append({k: v - draw.truth for k, v in estimates(draw).items()} | {"truth": draw.truth})
                stable.append(draw.held_out(draw.folds(10, 5))[2] >= 0.9)
            often = np.array(stable)
            truth = np.array([row["truth"] for row in rows])
            for name in [k for k in rows[0] if k != "truth"]:
                error = np.array([row[name] for row in rows])
                low, high = wilson(np.clip(truth + error, 0, 1) * n, np.full(draws, n))
                covered = ((low - 1e-9 <= truth) & (truth <= high + 1e-9)).mean()
                rmse = (error**2).mean() ** 0.5
                totals.setdefault(name, []).append(rmse)
                yield (
                    f"| {case.name} | {n:,} | {name} | {100 * error.mean():+z.2f} | "
                    f"{100 * error[often].mean() if often.sum() >= 10 else float('nan'):+z.2f} | {100 * rmse:.2f} | "
                    f"{100 * covered:.1f} |"
                )
    best = np.min(list(totals.values()), axis=0)
    yield "\n| estimator | RMSE over the best one's, mean of the cases | largest |\n|---|---|---|"
    for name, values in totals.items():
        ratio = np.array(values) / best
        yield f"| {name} | {ratio.mean():.3f} | {ratio.max():.3f} |"


FACTORS = (0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2)  # of the width of the honest accuracy's interval


def intervals(draws: int, begins: str = "") -> Iterator[str]:
    """Give the table of what ships: bias and coverage of the best subset's honest scores; then one by the width."""
    yield (
        "| case | accuracy | N | apparent - truth | honest - truth | covered | where stable | width | NLL, chosen by"
        " it | covered | Brier, chosen by it | covered | Brier, chosen by accuracy | covered |\n|" + "---|" * 14
    )
    by_width = []
    for case in (c for c in CASES if c.name.startswith(begins)):
        population = Population(case)
        for n in case.sizes:
            rng = np.random.default_rng([SEED + 1, n])
            found: list[list[float]] = []
            widths: list[list[bool]] = []
            for _ in range(draws if n < 2000 else draws // 2):
                rows = population.draw(rng, n)
                draw = Draw(population, rows, "accuracy")
                held = draw.validated()
                row = [draw.apparent - draw.truth, *shipped(draw, held, "accuracy")]
                row.append(float(draw.held_out(draw.folds(10, 5))[2] >= 0.9))
                row += shipped(draw, draw.validated("brier"), "brier")
                widths.append([covers(held, draw.truth, factor) for factor in FACTORS])
                for metric in ("nll", "brier"):
                    other = Draw(population, rows, metric, draw.block)
                    row += shipped(other, other.validated(), metric)
                found.append(row)
            x = np.array(found)
            by_width.append(np.mean(widths, axis=0))
            stable = x[:, 4] > 0
            often = f"{100 * x[stable, 2].mean():.0f}" if stable.sum() >= 20 else "-"
            yield (
                f"| {case.name} | {population.truth['accuracy'].max():.3f} | {n:,} | {100 * x[:, 0].mean():+z.2f} | "
                f"{100 * x[:, 1].mean():+z.2f} | {100 * x[:, 2].mean():.1f} | {often} | {100 * x[:, 3].mean():.2f} | "
                f"{x[:, 8].mean():+z.4f} | {100 * x[:, 9].mean():.1f} | {x[:, 11].mean():+z.4f} | "
                f"{100 * x[:, 12].mean():.1f} | {x[:, 5].mean():+z.4f} | {100 * x[:, 6].mean():.1f} |"
            )
    yield "\n| width | least coverage | rows below 93 | rows above 98 | greatest |\n|---|---|---|---|---|"
    for factor, covered in zip(FACTORS, 100 * np.array(by_width).T, strict=True):
        yield (
            f"| x {factor} | {covered.min():.1f} | {(covered < 93).sum()} | {(covered > 98).sum()} | "
            f"{covered.max():.1f} |"
        )


def shipped(draw: Draw, held: CrossValidation, metric: str) -> list[float]:
    """Return the error of the honest score, whether its interval holds the truth, and the interval's width."""
    truth = float(draw.population.truth[metric][draw.top])
    low, high = interval(held, metric)
    return [held.score(metric) - truth, float(low - 1e-9 <= truth <= high + 1e-9), high - low]


def covers(held: CrossValidation, truth: float, factor: float) -> bool:
    """Say whether the honest accuracy's interval would hold the truth, were its variance so much larger."""
    widening, hanging = cross_validation.OF_COUNTS
    with mock.patch.object(cross_validation, "OF_COUNTS", (factor**2 * widening, factor**2 * hanging)):
        low, high = interval(held)
    return bool(low - 1e-9 <= truth <= high + 1e-9)


def selections(data: SelectionData, names: Sequence[str]) -> dict[str, Selection]:
    """Return the selections of these names."""
    made: dict[str, Callable[[], Selection]] = {
        "member": lambda: Best(data, ReferenceSums(data, [1]), name="member"),
        "best": lambda: Best(data, ReferenceSums(data, range(1, data.members + 1))),
        "greedy": lambda: Greedy(data),
        "weights": lambda: Weights(data),
        "stack": lambda: Stack(data),
    }
    return {name: made[name]() for name in names}


def fitted(draws: int) -> Iterator[str]:
    """Give the table of greedy selection, weights and stacking: ten folds five times against 50 bootstraps."""
    yield (
        "| case | N | chosen by | draws | apparent - truth | ten folds x 5 | RMSE | covered | 50 bootstraps | RMSE |"
        " covered |\n|" + "---|" * 11
    )
    both = ("greedy", "weights")
    plan = ((0, 250, both, 2), (1, 250, both, 2), (2, 200, both, 2), (5, 50, both, 2), (12, 250, both, 2),
            (12, 100, ("stack",), 8))  # fmt: skip
    for index, n, names, fewer in plan:
        case = CASES[index]
        population = Population(case)
        rng = np.random.default_rng([SEED + 2, n])
        rows: dict[str, list[list[float]]] = {name: [] for name in names}
        count = max(10, draws // fewer)
        for _ in range(count):
            data = population.chosen_on(population.draw(rng, n))
            for name, selection in selections(data, names).items():
                choice = selection.choose()
                truth = float(choice.scores(population.data, "accuracy").mean())
                row = [float(choice.scores(data, "accuracy").mean()) - truth]
                for resamples in (k_folds(data.blocks_of_samples), bootstraps(data.blocks_of_samples, 50, halves=12)):
                    held = cross_validated(selection, resamples=resamples)
                    low, high = interval(held)
                    row += [held.score() - truth, float(low <= truth <= high)]
                rows[name].append(row)
        for name, values in rows.items():
            x = np.array(values)
            yield (
                f"| {case.name} | {n:,} | {name} | {count} | {100 * x[:, 0].mean():+z.2f} | "
                + " | ".join(
                    f"{100 * x[:, i].mean():+z.2f} | {100 * (x[:, i] ** 2).mean() ** 0.5:.2f} | "
                    f"{100 * x[:, i + 1].mean():.1f}"
                    for i in (1, 3)
                )
                + " |"
            )


def forward(draws: int) -> Iterator[str]:
    """Give the table of the paired test and its interval."""
    yield (
        "| case | N | true gain | gain seen | differ | Tango's interval covers | percentile bootstrap | p < .05 |"
        " p < .05, cross-fitted |\n|" + "---|" * 9
    )
    for case, n in [
        (CASES[0], 250),
        (CASES[0], 1000),
        (CASES[1], 250),
        (CASES[2], 200),
        (CASES[2], 500),
        (CASES[4], 500),
    ]:
        population = Population(case)
        rng = np.random.default_rng([SEED + 3, n])
        rows = []
        for _ in range(draws):
            data = population.chosen_on(population.draw(rng, n))
            made = selections(data, ("best", "member"))
            gone = {name: prequential(selection) for name, selection in made.items()}
            test = paired(gone["best"], gone["member"])
            truth = population.truth["accuracy"]
            gain = np.mean([
                float(truth[_row(ours.members)] - truth[_row(theirs.members)])
                for ours, theirs in zip(gone["best"].chosen, gone["member"].chosen, strict=True)
            ])  # fmt: skip
            values, counts = np.array([1, -1, 0]), np.array([test.won, test.lost, test.samples - test.won - test.lost])
            again = rng.multinomial(test.samples, counts / test.samples, size=2000) @ values / test.samples
            old = np.quantile(again, [0.025, 0.975])
            z = {name: cross_validated(s, resamples=k_folds(data.blocks_of_samples)).z["accuracy"] > 0.5
                 for name, s in made.items()}  # fmt: skip
            crossed = mcnemar(int((z["best"] & ~z["member"]).sum()), int((z["member"] & ~z["best"]).sum()))
            rows.append([gain, test.difference, test.won + test.lost, test.low <= gain <= test.high,
                         old[0] <= gain <= old[1], test.p < 0.05, crossed < 0.05])  # fmt: skip
        x = 100 * np.array(rows, dtype=np.float64).mean(axis=0)
        yield (
            f"| {case.name} | {n:,} | {x[0]:+z.2f} | {x[1]:+z.2f} | {x[2] / 100:.0f} | {x[3]:.1f} | {x[4]:.1f} | "
            f"{x[5]:.1f} | {x[6]:.1f} |"
        )


def _row(members: Sequence[int]) -> int:
    """Return the row of a subset among all, in increasing masks."""
    return sum(1 << i for i in members) - 1


def grouped(draws: int) -> Iterator[str]:
    """Give the table of samples that belong together: frames of a video, all nearly alike."""
    yield (
        "| frames a video | videos | plain: honest - truth | covered | grouped: honest - truth | covered |\n|"
        + "---|" * 6
    )
    population = Population(CASES[1])
    for frames, videos in ((4, 60), (10, 60), (10, 25)):
        rng = np.random.default_rng([SEED + 4, frames])
        rows = []
        for _ in range(draws):
            groups = np.repeat(np.arange(videos), frames)
            data = population.chosen_on(population.draw(rng, videos)[groups], groups)
            row: list[float] = []
            for seen in (replace(data, groups=None), data):
                selection = selections(seen, ("best",))["best"]
                truth = float(population.truth["accuracy"][_row(selection.choose().members)])
                held = cross_validated(selection)
                low, high = interval(held)
                row += [held.score() - truth, float(low <= truth <= high)]
            rows.append(row)
        x = 100 * np.array(rows).mean(axis=0)
        yield f"| {frames} | {videos} | {x[0]:+z.2f} | {x[1]:.0f} | {x[2]:+z.2f} | {x[3]:.0f} |"


TABLES = {
    "estimators": (estimators, 1), "intervals": (intervals, 1), "fitted": (fitted, 4), "forward": (forward, 1),
    "grouped": (grouped, 2),
}  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Bias and coverage of apparent and honest scores.")
    parser.add_argument("tables", nargs="*", help=f"some of {', '.join(TABLES)}; all where none is named")
    parser.add_argument("--draws", type=int, default=400, help="of each case; a few tables take a part of them")
    parser.add_argument("--case", default="", help="of intervals: the cases that begin so")
    asked = parser.parse_args()
    begun = time.perf_counter()
    for name in asked.tables or TABLES:
        run, part = TABLES[name]
        draws = max(20, asked.draws // part)
        print(f"\n{name}, {draws} draws\n", flush=True)
        for line in intervals(draws, asked.case) if name == "intervals" else run(draws):
            print(line, flush=True)
    print(f"\n{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
