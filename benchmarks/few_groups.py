"""How often the interval of an accuracy holds the truth where samples lie in few groups.

    python -m benchmarks.few_groups

A group's share right is drawn from a beta distribution, so that two of its samples are alike with the correlation of
the row; ten samples a group. In each cell: by what the groups show alone / what ships.
"""

import argparse

import numpy as np

from analysis.selection.cross_validation import score_interval
from analysis.statistics import design_effect, few_groups, wilson

ACCURACIES, CORRELATIONS, GROUPS, SIZE = (0.8, 0.95, 0.99), (0.0, 0.1, 0.3, 0.7), (5, 10, 20, 40), 10


def coverage(accuracy: float, correlation: float, groups: int, draws: int) -> tuple[float, float]:
    """Return how often either interval holds the accuracy, in percent."""
    rng = np.random.default_rng([groups, round(100 * accuracy), round(100 * correlation)])
    of = np.repeat(np.arange(groups), SIZE)
    held = np.zeros(2)
    for _ in range(draws):
        share = np.full(groups, accuracy)
        if correlation:
            apart = 1 / correlation - 1
            share = rng.beta(accuracy * apart, (1 - accuracy) * apart, groups)
        right = (rng.random(len(of)) < share[of]).astype(np.float64)
        effect = design_effect(right, of) * few_groups(of)
        alone = wilson(right.sum() / effect, len(of) / effect)
        for i, (low, high) in enumerate((alone, score_interval(right, "accuracy", block=of))):
            held[i] += low <= accuracy <= high
    return tuple((100 * held / draws).tolist())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Coverage of an accuracy's interval where groups are few.")
    parser.add_argument("--draws", type=int, default=600, help="of each case")
    draws = parser.parse_args().draws
    print(
        "| accuracy | correlation | " + " | ".join(f"{g} groups" for g in GROUPS) + " |\n|" + "---|" * (2 + len(GROUPS))
    )
    for accuracy in ACCURACIES:
        for correlation in CORRELATIONS:
            cells = [coverage(accuracy, correlation, groups, draws) for groups in GROUPS]
            print(
                f"| {accuracy} | {correlation} | " + " | ".join(f"{a:.0f} / {b:.0f}" for a, b in cells) + " |",
                flush=True,
            )


if __name__ == "__main__":
    main()
