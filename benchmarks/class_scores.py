"""How far honest scores of metrics in which classes count are from the truth, and how often their intervals hold it.

    python -m benchmarks.class_scores               the table of docs/choose.md
    python -m benchmarks.class_scores --draws 40    the same, roughly

Draws are taken with replacement from the populations of `benchmarks.honesty`; the truth is the chosen ensemble's score
on its population.
"""

import argparse
from collections.abc import Iterator

import numpy as np

from analysis.selection.class_sums import score_of
from analysis.selection.compare import evaluate_selection, selection_of
from analysis.selection.data import SelectionData, selection_data
from analysis.stack import stack_arrays
from benchmarks.honesty import Case, _networks, toss

METRICS = ("balanced_accuracy", "macro_f1", "auroc")
POPULATION = 6000
CASES = (
    Case("no true difference, 5 members", (250,), lambda rng, n: toss(rng, n, 5)),
    _networks("weak to strong, 5", (100, 500), 5, margin=2.2, spread=1.5, common=1.2, own=1.2, skill=(0.75, 1.25)),
    _networks("good and alike, 5", (200,), 5),
    _networks("nearly perfect, 5", (300,), 5, margin=9.0),
    _networks("100:1 long tail, 10 classes, 5", (200, 1000), 5, margin=3.5, tail=100.0),
    _networks("100:1 long tail, 50 classes, 4", (500,), 4, classes=50, margin=5.0, tail=100.0),
)


def table(draws: int) -> Iterator[str]:
    """Give the table, a row a case, number of samples and metric."""
    yield "| case | N | metric | truth | apparent - truth | honest - truth | RMSE | covered |\n|" + "---|" * 8
    for case in CASES:
        probs, labels = case.make(np.random.default_rng([0, len(case.name)]), POPULATION)
        probs = probs.astype(np.float32)
        whole = selection_data(stack_arrays(probs, labels))
        for n in case.sizes:
            rng = np.random.default_rng([1, n])
            rows = [rng.integers(0, POPULATION, n) for _ in range(draws)]
            for metric in METRICS:
                found = np.array([_draw(probs, labels, whole, own, metric) for own in rows])
                truth, apparent, honest, held = found.T
                error = honest - truth
                yield (
                    f"| {case.name} | {n:,} | {metric} | {truth.mean():.3f} | {100 * (apparent - truth).mean():+.2f} | "
                    f"{100 * error.mean():+.2f} | {100 * (error**2).mean() ** 0.5:.2f} | {100 * held.mean():.0f} |"
                )


def _draw(
    probs: np.ndarray, labels: np.ndarray, whole: SelectionData, rows: np.ndarray, metric: str
) -> tuple[float, float, float, float]:
    """Return the truth, the apparent and the honest score of one draw, and whether the interval holds the truth.

    The truth is of the classes that the draw holds: of the others nothing is claimed.
    """
    data = selection_data(stack_arrays(probs[:, rows], labels[rows]))
    sizes = range(1, data.members + 1)
    result = evaluate_selection(selection_of("best", data, sizes, metric), metric)
    seen = np.isin(whole.labels, labels[rows])
    truth = score_of(result.chosen, whole.only(seen), metric)
    own = result.scores[metric]
    low, high = own.low or 0.0, own.high or 0.0
    return truth, own.apparent, own.score or 0.0, float(low - 1e-9 <= truth <= high + 1e-9)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=200)
    for row in table(parser.parse_args().draws):
        print(row, flush=True)


if __name__ == "__main__":
    main()
