"""Greedy selection with replacement beside AutoGluon's, in one run: the same selections, and how long they take.

    python -m benchmarks.greedy

10 members, 5,000 samples, 10 classes, 100 rounds. The reference follows the published definition of AutoGluon's
`EnsembleSelection` (1.6, tie_breaker="second_metric") in our own words: running means in floating point, all members
scored anew in each round with scikit-learn's metrics, scores rounded to six digits after the first round, of equal ones
a member that takes part already, then the lowest log-loss, and the best round kept. Where `autogluon.core` is installed
it runs too. Figure to reach: at least 10 times as fast.
"""

import time
from collections.abc import Callable
from functools import partial
from importlib import import_module

import numpy as np
from sklearn.metrics import accuracy_score, log_loss

from analysis.selection.data import selection_data
from analysis.selection.greedy import ROUNDS, greedy_order
from analysis.stack import stack_arrays

TIMES = 5


def make(hard: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return probs float32 (10, 5000, 10) and labels; hard: members agree less, and more hangs in the balance."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 5000)
    own, lead = (2.0, 2.0) if hard else (1.0, 4.0)
    logits = rng.normal(size=(5000, 10)) + own * rng.normal(size=(10, 5000, 10))
    logits[:, np.arange(5000), labels] += lead
    exp = np.exp(logits)
    return (exp / exp.sum(axis=2, keepdims=True)).astype(np.float32), labels


def kofn(probs: np.ndarray, labels: np.ndarray, metric: str) -> list[int]:
    """Return what this program chooses, from the arrays on."""
    return greedy_order(selection_data(stack_arrays(probs, labels)), metric)[0]


def reference(members: list[np.ndarray], labels: np.ndarray, metric: str) -> list[int]:
    """Return the members in the order in which they are added, up to the best round."""

    def error(probs: np.ndarray, which: str) -> float:
        if which == "accuracy":
            return 1 - accuracy_score(labels, probs.argmax(axis=1))
        return log_loss(labels, probs / probs.sum(axis=1, keepdims=True))

    mean = np.zeros_like(members[0])
    order: list[int] = []
    trajectory: list[float] = []
    for size in range(ROUNDS):
        mixed = [mean * (size / (size + 1)) + member / (size + 1) for member in members]
        errors = np.array([error(m / m.sum(axis=1, keepdims=True), metric) for m in mixed])
        errors = errors.round(6) if size else errors
        tied = np.flatnonzero(np.isclose(errors, errors.min(), atol=0, rtol=1e-12))
        used = [m for m in tied if m in order]
        tied = np.array(used) if used else tied
        if len(tied) > 1:
            second = np.array([error(mixed[m], "nll") for m in tied])
            tied = tied[np.isclose(second, second.min(), atol=0, rtol=1e-12)]
        order.append(int(tied[0]))
        trajectory.append(round(float(errors[tied[0]]), 6))
        mean = mixed[tied[0]]
    return order[: int(np.argmin(trajectory)) + 1]


def autogluon(members: list[np.ndarray], labels: np.ndarray, metric: str) -> list[int]:
    """Return what AutoGluon itself chooses; raises ImportError where it is not installed."""
    room = import_module("autogluon.core.models.greedy_ensemble.ensemble_selection")
    measure = getattr(import_module("autogluon.core.metrics"), "accuracy" if metric == "accuracy" else "log_loss")
    chosen = room.EnsembleSelection(ROUNDS, "multiclass", measure, tie_breaker="second_metric")
    return [int(i) for i in chosen.fit(members, labels).indices_]


def timed(run: Callable[[], list[int]], times: int) -> tuple[float, list[int]]:
    """Return the best of `times` runs in seconds, and what the last gave."""
    best, found = np.inf, []
    for _ in range(times):
        begun = time.perf_counter()
        found = run()
        best = min(best, time.perf_counter() - begun)
    return best, found


def main() -> None:
    """Print the table."""
    print(f"{'':18}{'seconds':>10}{'ratio':>8}  rounds kept, same selections")
    for hard in (False, True):
        probs, labels = make(hard)
        members = [p.astype(np.float64) for p in probs]
        for metric in ("accuracy", "nll"):
            print(f"\n{'hard' if hard else 'easy'}, by {metric}")
            ours, order = timed(partial(kofn, probs, labels, metric), TIMES)
            print(f"{'  kofn':18}{ours:10.4f}{1:8.1f}  {len(order)}")
            for name, run in (("reference", reference), ("autogluon.core", autogluon)):
                try:
                    seconds, other = timed(partial(run, members, labels, metric), 1)
                except ImportError:
                    print(f"  {name:16}{'not installed':>18}")
                    continue
                print(f"  {name:16}{seconds:10.4f}{seconds / ours:8.1f}  {len(other)}, {other == order}")


if __name__ == "__main__":
    main()
