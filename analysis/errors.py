"""The errors of an ensemble, sample by sample: what nobody gets right, what it rescues and what it spoils."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.csv_cells import write_csv
from analysis.ensemble import Ensemble
from analysis.label_errors import doubted
from ensemble.errors import BadInput
from ensemble.study.tabular import Rows

HEADER = (
    "sample_id", "true_id", "true_name", "predicted_id", "predicted_name", "confidence", "true_probability", "margin",
    "right", "members_right", "members", "unanimous", "best_member_right", "suspect_rank", "likely_mislabelled",
    "prune_by_noise_rate", "rescued", "spoiled", "spoiled_a_majority", "drawn",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ErrorAnalysis(Rows):
    """What an ensemble and its members predict for N samples, and where they are wrong.

    members: M names; best_member: the one most often right here. class_ids, class_names: C each, in column order.
    sample_ids: str (N,). labels, preds: int64 (N,), columns: the truth, and what the ensemble predicts.
    confidence, true_probability: float64 (N,), the ensemble's for what it predicts and for the truth.
    members_right: int64 (N,), how many members are right.
    unanimous: bool (N,), all members predict the same. best_right: bool (N,), the best member is right.
    likely, pruned: bool (N,), whose label confident learning doubts: off the diagonal of the confident joint, and by
    its noise rates, see `analysis.label_errors`.
    drawn: int64 (n,), rows drawn at random without replacement, in the order drawn; `seed` drew them.
    """

    split: str
    members: tuple[str, ...]
    best_member: str
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    sample_ids: np.ndarray
    labels: np.ndarray
    preds: np.ndarray
    confidence: np.ndarray
    true_probability: np.ndarray
    members_right: np.ndarray
    unanimous: np.ndarray
    best_right: np.ndarray
    likely: np.ndarray
    pruned: np.ndarray
    drawn: np.ndarray
    seed: int

    def _columns(self) -> dict[str, Any]:
        ids = np.array(self.class_ids)
        names = ("confidence", "true_probability", "members_right", "unanimous", "best_right", "likely", "pruned")
        truth = {"sample_id": self.sample_ids, "label": ids[self.labels], "predicted": ids[self.preds]}
        return truth | {name: getattr(self, name) for name in names}

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def right(self) -> np.ndarray:
        """Where the ensemble is right, bool (N,)."""
        return self.preds == self.labels

    @property
    def margin(self) -> np.ndarray:
        """The ensemble's confidence less its probability of the truth, float64 (N,), 0 where it is right."""
        return np.where(self.right, 0.0, self.confidence - self.true_probability)

    @property
    def oracle(self) -> float:
        """The share of samples that at least one member has right."""
        return float((self.members_right > 0).mean())

    @property
    def suspects(self) -> np.ndarray:
        """Rows that every member gets wrong, int64: unanimous ones first, then by falling `margin`, then id.

        The first are candidates for a wrong label, and for nothing more: someone has to look.
        """
        return self._ranked((self.members_right == 0) & ~self.right, -self.margin, ~self.unanimous)

    @property
    def rescued(self) -> np.ndarray:
        """Rows that more than half of the members get wrong and the ensemble right, int64.

        Fewest right members first, then by the falling probability of the truth, then id.
        """
        wrong = len(self.members) - self.members_right
        return self._ranked(self.right & (2 * wrong > len(self.members)), -self.true_probability, self.members_right)

    @property
    def spoiled(self) -> np.ndarray:
        """Rows that the ensemble gets wrong, though the best member or more than half of all are right, int64.

        Most right members first, then by falling `margin`, then id.
        """
        chosen = ~self.right & (self.best_right | self.majority_right) & (len(self.members) > 1)
        return self._ranked(chosen, -self.margin, -self.members_right)

    @property
    def majority_right(self) -> np.ndarray:
        """Where more than half of the members are right, bool (N,)."""
        return 2 * self.members_right > len(self.members)

    def by_members_right(self) -> np.ndarray:
        """Return by how many members are right (0..M) how many samples the ensemble has wrong and right, (M + 1, 2)."""
        places = self.members_right * 2 + self.right
        return np.bincount(places, minlength=2 * (len(self.members) + 1)).reshape(-1, 2)

    def drawn_errors(self) -> np.ndarray:
        """Return the drawn rows that are wrong, in the order drawn, int64."""
        return self.drawn[~self.right[self.drawn]]

    def _ranked(self, chosen: np.ndarray, then: np.ndarray, first: np.ndarray) -> np.ndarray:
        rows = np.flatnonzero(chosen)
        return rows[np.lexsort((self.sample_ids[rows], then[rows], first[rows]))]


def find_errors(ensemble: Ensemble, samples: int = 1000, seed: int = 0) -> ErrorAnalysis:
    """Look at the errors of an ensemble; of plain arrays: `find_errors(ensemble_of(stack_arrays(probs, labels)))`.

    samples: how many rows are drawn for the error analysis, all where there are fewer; seed: draws them. Raises
    `BadInput` below 1.
    """
    if samples < 1:
        raise BadInput(f"errors: expected at least 1 sample to draw, found {samples}.")
    stack = ensemble.stack
    labels = stack.require_labels()
    each = ensemble.member_preds
    doubts = doubted(ensemble.probs, labels)
    return ErrorAnalysis(
        split=stack.split,
        members=tuple(stack.members),
        best_member=stack.members[ensemble.best_member],
        class_ids=tuple(stack.class_ids),
        class_names=tuple(stack.class_names),
        sample_ids=stack.sample_ids,
        labels=labels,
        preds=ensemble.preds,
        confidence=ensemble.confidence,
        true_probability=ensemble.probability(labels),
        members_right=(each == labels).sum(axis=0),
        unanimous=(each == each[0]).all(axis=0),
        best_right=each[ensemble.best_member] == labels,
        likely=doubts["confident_joint"],
        pruned=doubts["prune_by_noise_rate"],
        drawn=np.random.default_rng(seed).permutation(stack.samples)[:samples],
        seed=seed,
    )


def write_errors_csv(path: Path, value: ErrorAnalysis) -> None:
    """Write a row for each sample that is wrong, rescued or drawn, by falling margin, then id."""
    rank = {int(row): i for i, row in enumerate(value.suspects, 1)}
    flags = []
    for rows in (value.rescued, value.spoiled, value.drawn):
        flags.append(np.zeros(len(value), dtype=bool))
        flags[-1][rows] = True
    rescued, spoiled, drawn = flags
    margin, right, majority = value.margin, value.right, value.majority_right
    shown = np.flatnonzero(~right | rescued | drawn)
    ids, names = value.class_ids, value.class_names
    m = len(value.members)
    write_csv(
        path,
        HEADER,
        (
            (
                str(value.sample_ids[i]), ids[value.labels[i]], names[value.labels[i]], ids[value.preds[i]],
                names[value.preds[i]], value.confidence[i], value.true_probability[i], margin[i], right[i],
                value.members_right[i], m, value.unanimous[i], value.best_right[i], rank.get(int(i)), value.likely[i],
                value.pruned[i], rescued[i], spoiled[i], spoiled[i] and majority[i], drawn[i],
            )
            for i in shown[np.lexsort((value.sample_ids[shown], -margin[shown]))]
        ),
    )  # fmt: skip
