"""Every subset's scores as one value: what `analysis.subsets.reference` computes and everything after it reads."""

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from analysis.class_metrics import metric_of, title_of
from analysis.metrics import METRICS
from ensemble.errors import BadInput, nearest
from ensemble.importing.parquet import require_parquet, write_parquet
from ensemble.study.atomic import replacing
from ensemble.study.part import Part
from ensemble.study.tabular import Rows, Tabular, html_table, percent

# Floating-point scores that are closer than this count as equal, so that which subset is chosen does not hang
# on the order in which its members were added.
TIE = 1e-12


@dataclass(frozen=True)
class Subset(Tabular):
    """One subset's row of the table: counts are exact; accuracy and top5 are fractions, nll is in nats.

    others: its scores by the metrics that the table holds besides.
    """

    mask: int
    members: tuple[str, ...]
    size: int
    correct: int
    accuracy: float
    top5: float
    nll: float
    brier: float
    others: Mapping[str, float] = field(default_factory=dict)

    def score(self, metric: str) -> float:
        """Return the score called `metric`."""
        return float(self.others[metric] if metric in self.others else getattr(self, metric))


@dataclass(frozen=True)
class SizeSummary(Tabular):
    """All subsets of one size k together; `best` is the best of them by the metric that was asked for.

    mean_score, min_score, max_score: of that metric; NaN where no table of all subsets was made.
    """

    k: int
    subsets: int
    mean_accuracy: float
    min_accuracy: float
    max_accuracy: float
    mean_top5: float
    mean_nll: float
    mean_brier: float
    best: Subset
    mean_score: float = math.nan
    min_score: float = math.nan
    max_score: float = math.nan

    def _columns(self) -> dict[str, Any]:
        return super()._columns() | {"best": ["+".join(self.best.members)]}


@dataclass(frozen=True, eq=False)
class SubsetTable(Rows):
    """Scores of S subsets of M members on N samples and C classes, in increasing order of their masks.

    masks: uint64 (S,); bit i stands for members[i].
    correct, top5: int64 (S,), how many samples are right, and right among the five.
    nll, brier: float64 (S,), means over the samples.
    members: M names in natural order; samples, classes: N and C; split: what was scored.
    floored: how many of the M * N member probabilities of the true class were raised to 1e-12 for the NLL.
    rule: how members are combined, see `analysis.metrics`; "mean" is soft voting.
    without: metrics that were not computed, whose scores are NaN; nll and brier are NaN where the rule has none.
    others: by name the scores, float64 (S,), by metrics in which classes count, where they were asked for.
    """

    masks: np.ndarray
    correct: np.ndarray
    top5: np.ndarray
    nll: np.ndarray
    brier: np.ndarray
    members: tuple[str, ...]
    samples: int
    classes: int
    split: str
    floored: int = 0
    rule: str = "mean"
    without: tuple[str, ...] = ()
    others: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Subset]:
        """Go through every subset, in increasing mask."""
        return map(self.subset, range(len(self)))

    def _columns(self) -> dict[str, Any]:
        return columns(self)

    def __post_init__(self) -> None:
        s = len(self.masks)
        if self.masks.dtype != np.uint64 or s == 0 or not (self.masks[1:] > self.masks[:-1]).all():
            raise BadInput("subset table: expected at least one mask, uint64 and increasing.")
        if self.masks[0] == 0 or int(self.masks[-1]) >> len(self.members):
            raise BadInput(f"subset table: masks must lie in 1..{2 ** len(self.members) - 1}.")
        for name, kind in (("correct", np.int64), ("top5", np.int64), ("nll", np.float64), ("brier", np.float64)):
            column = getattr(self, name)
            if column.shape != (s,) or column.dtype != kind:
                raise BadInput(f"subset table: {name} must be {np.dtype(kind)} ({s},), found {column.dtype}.")
        for name, column in self.others.items():
            if column.shape != (s,) or column.dtype != np.float64:
                raise BadInput(f"subset table: {name} must be float64 ({s},), found {column.dtype} {column.shape}.")

    def with_scores(self, metric: str, scores: np.ndarray) -> "SubsetTable":
        """Return the table with the scores, float64 (S,), by a metric in which classes count."""
        return replace(self, others={**self.others, metric: scores})

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def count(self) -> int:
        """How many subsets were scored: S, and more where only the best are kept."""
        return len(self)

    @cached_property
    def sizes(self) -> np.ndarray:
        """How many members each subset has, int64 (S,)."""
        return sizes_of(self.masks)

    def scores(self, metric: str) -> np.ndarray:
        """Return a metric of every subset, float64 (S,); accuracy and top5 as fractions."""
        if metric in self.others:
            return self.others[metric]
        if metric not in METRICS:
            known = [*METRICS, *self.others]
            raise BadInput(f"{metric!r} is no metric; {nearest(metric, known)}.")
        if metric in self.without:
            return np.broadcast_to(np.float64("nan"), len(self))
        if metric in ("accuracy", "top5"):
            return (self.correct if metric == "accuracy" else self.top5) / self.samples
        return self.nll if metric == "nll" else self.brier

    def part(self, only: Part) -> "SubsetTable":
        """Return a part of the rows, in their order; raise `BadInput` where there are fewer rows than parts."""
        if len(self) < only.count:
            raise BadInput(
                f"only='{only}': {len(self):,} subsets cannot be cut into {only.count} parts; ask for fewer."
            )
        rows = only.rows(len(self))
        own = {name: getattr(self, name)[rows] for name in ("masks", "correct", "top5", "nll", "brier")}
        return replace(self, **own)

    def members_of(self, mask: int) -> tuple[str, ...]:
        """Return the names of a subset's members, in natural order."""
        return tuple(name for i, name in enumerate(self.members) if int(mask) >> i & 1)

    def indices_of(self, mask: int) -> tuple[int, ...]:
        """Return the positions of a subset's members, increasing."""
        return tuple(i for i in range(len(self.members)) if int(mask) >> i & 1)

    def subset(self, row: int) -> Subset:
        """Return one row of the table."""
        members = self.members_of(int(self.masks[row]))
        return Subset(
            mask=int(self.masks[row]),
            members=members,
            size=len(members),
            correct=int(self.correct[row]),
            accuracy=int(self.correct[row]) / self.samples,
            top5=math.nan if "top5" in self.without else int(self.top5[row]) / self.samples,
            nll=float(self.nll[row]),
            brier=float(self.brier[row]),
            others={name: float(scores[row]) for name, scores in self.others.items()},
        )

    def rows(self) -> list[Subset]:
        """Return every subset, in increasing mask."""
        return [self.subset(i) for i in range(len(self))]

    def find(self, mask: int) -> Subset:
        """Return the subset with this mask; raise `BadInput` where the table does not hold it."""
        row = int(np.searchsorted(self.masks, np.uint64(mask)))
        if row == len(self) or int(self.masks[row]) != mask:
            raise BadInput(f"subset table: holds no subset of {' + '.join(self.members_of(mask)) or 'no members'}.")
        return self.subset(row)

    def best(self, metric: str = "accuracy", max_size: int | None = None) -> Subset:
        """Return the best subset of at most `max_size` members.

        Of equally good ones it is the one with fewer members, then with lower NLL, then with the lower mask.
        """
        return self.subset(self._best_of(np.arange(len(self)), metric, max_size))

    def _best_of(self, rows: np.ndarray, metric: str, max_size: int | None = None) -> int:
        scores, sizes = self.scores(metric), self.sizes
        if max_size is not None:
            rows = rows[sizes[rows] <= max_size]
            if not rows.size:
                raise BadInput(
                    f"no subset has {max_size} members or fewer: the smallest that was scored has {int(sizes.min())}; "
                    "allow more members, or score smaller sizes too."
                )
        if np.isnan(scores[rows[0]]):
            raise BadInput(
                f"{title_of(metric)} was not computed for these {len(self):,} subsets, or the rule {self.rule!r} "
                "has none; choose by accuracy."
            )
        best = scores[rows].max() if metric_of(metric).higher_is_better else scores[rows].min()
        rows = rows[np.abs(scores[rows] - best) <= TIE]
        rows = rows[sizes[rows] == sizes[rows].min()]
        if not np.isnan(self.nll[rows[0]]):
            rows = rows[self.nll[rows] <= self.nll[rows].min() + TIE]
        return int(rows[0])

    def by_size(self, metric: str = "accuracy") -> list[SizeSummary]:
        """Return a summary for each size k in the table, in increasing k; `metric` decides the best of each."""
        sizes = self.sizes.astype(np.int8)
        order = np.argsort(sizes, kind="stable")  # by counting, and in each size by mask
        edges = np.cumsum(np.bincount(sizes))
        summaries = []
        for k in np.flatnonzero(np.diff(edges, prepend=0)):
            rows = order[edges[k - 1] : edges[k]]
            correct, decisions = self.correct[rows], len(rows) * self.samples
            scores = self.scores(metric)[rows]
            summaries.append(
                SizeSummary(
                    k=int(k),
                    subsets=len(rows),
                    mean_accuracy=int(correct.sum()) / decisions,
                    min_accuracy=int(correct.min()) / self.samples,
                    max_accuracy=int(correct.max()) / self.samples,
                    mean_top5=math.nan if "top5" in self.without else int(self.top5[rows].sum()) / decisions,
                    mean_nll=float(self.nll[rows].mean()),
                    mean_brier=float(self.brier[rows].mean()),
                    mean_score=float(scores.mean()),
                    min_score=float(scores.min()),
                    max_score=float(scores.max()),
                    best=self.subset(self._best_of(rows, metric)),
                )
            )
        return summaries

    def single_best(self, metric: str = "accuracy") -> Subset:
        """Return the best member alone; raise `BadInput` where the table holds no subset of size 1."""
        if int(self.sizes.min()) != 1:
            raise BadInput("subset table: holds no single members to compare with; score size 1 too.")
        return self.best(metric, max_size=1)

    def gain(self, subset: Subset, metric: str = "accuracy") -> float:
        """Return how much better a subset is than its own best member, positive where it is better.

        Raises `BadInput` where the table does not hold its members as subsets of size 1.
        """
        alone = [self.find(1 << i).score(metric) for i in self.indices_of(subset.mask)]
        pick = max if metric_of(metric).higher_is_better else min
        return metric_of(metric).advantage(subset.score(metric), pick(alone))

    def _repr_html_(self) -> str:
        rows = [
            (s.k, s.subsets, *map(percent, (s.mean_accuracy, s.min_accuracy, s.max_accuracy)),
             name_set(s.best.members, self.members))
            for s in self.by_size()
        ]  # fmt: skip
        return html_table(
            f"{len(self):,} subsets of {len(self.members)} members on {self.split}, {self.samples:,} samples",
            ("k", "subsets", "mean %", "lowest %", "highest %", "the best of them"),
            rows,
            "The best were chosen and are scored on the same samples, which flatters them.",
        )


def columns(table: SubsetTable, rows: slice = slice(None)) -> dict[str, np.ndarray]:
    """Return the table, or some of its rows, as named columns, as files hold it: one row a subset.

    mask uint64, members str (joined with +), size and correct int64, accuracy, top5, nll and brier float64.
    """
    return {
        "mask": table.masks[rows],
        "members": np.array(_joined_names(table.members, table.masks[rows]), dtype=np.str_),
        "size": table.sizes[rows],
        "correct": table.correct[rows],
        "accuracy": table.scores("accuracy")[rows],
        "top5": table.scores("top5")[rows],
        "nll": table.nll[rows],
        "brier": table.brier[rows],
        **{name: scores[rows] for name, scores in table.others.items()},
    }


def _joined_names(members: Sequence[str], masks: np.ndarray) -> list[str]:
    """Return each subset's members joined with +, looked up by twelve bits of the mask at a time."""
    joined = [""] * len(masks)
    for first in range(0, len(members), 12):
        names = members[first : first + 12]
        known = [""]
        for name in names:
            known += [f"{before}+{name}" if before else name for before in known]
        words = (masks >> np.uint64(first) & np.uint64(4095)).tolist()
        parts = [known[word] for word in words]
        joined = [f"{a}+{b}" if a and b else a or b for a, b in zip(joined, parts, strict=True)]
    return joined


def name_set(chosen: Sequence[str], members: Sequence[str]) -> str:
    """Return the names of a subset in short: "all 6", "all but m3-2", "m3-0 + m3-4"; a common stem is written once.

    `chosen` and `members` in the same order.
    """
    left_out = [name for name in members if name not in chosen]
    if not left_out and len(members) > 1:
        return f"all {len(members)}"
    if len(left_out) == 1 and len(members) > 3:
        return f"all but {left_out[0]}"
    stems = {name.rpartition("-")[0] for name in chosen}
    if len(chosen) > 2 and len(stems) == 1 and "" not in stems:
        return f"{stems.pop()}-{{{', '.join(name.rpartition('-')[2] for name in chosen)}}}"
    return " + ".join(chosen)


MAX_MEMBERS = 64  # bits of a mask


def check_sizes(sizes: Iterable[int] | int, members: int) -> list[int]:
    """Return the sizes in increasing order, each once; raise `BadInput` where one is outside 1..M or M is too large."""
    given = [sizes] if isinstance(sizes, int | np.integer) else list(sizes)
    odd = [k for k in given if isinstance(k, bool) or not isinstance(k, int | np.integer)]
    if odd:
        raise BadInput(f"sizes: expected whole numbers such as (1, 2, 3), found {odd[0]!r}.")
    wanted = sorted({int(k) for k in given})
    if not wanted or wanted[0] < 1 or wanted[-1] > members:
        found = ", ".join(str(k) for k in wanted if not 1 <= k <= members) or "none"
        raise BadInput(f"a subset of {members} members has 1 to {members} of them, found size {found}.")
    if members > MAX_MEMBERS:
        raise BadInput(f"{members} members are more than the {MAX_MEMBERS} a mask holds; name fewer.")
    return wanted


def count_subsets(members: int, sizes: Sequence[int]) -> int:
    """Return how many subsets of these sizes there are, exactly."""
    return sum(math.comb(members, k) for k in sizes)


def sizes_of(masks: np.ndarray) -> np.ndarray:
    """Return how many bits are set in each mask: uint64 (S,) -> int64 (S,)."""
    return np.bitwise_count(np.asarray(masks, dtype=np.uint64)).astype(np.int64)


Blocks = Iterator[Mapping[str, np.ndarray]]
ROWS = 2**16  # that are turned into text and written at a time


def write_subset_table(path: Path, table: SubsetTable) -> None:
    """Write one row a subset, in increasing mask, whole or not at all; the columns are those of `table.to_frame`.

    path: ends in .csv, .parquet or .h5. Raises `BadInput` as `check_table_path` does, `StorageError` where the file
    cannot be written.
    """
    check_table_path(path)
    attributes = {
        "split": table.split,
        "rule": table.rule,
        "samples": table.samples,
        "classes": table.classes,
        "all_members": "+".join(table.members),
    }
    blocks = (columns(table, slice(start, start + ROWS)) for start in range(0, len(table), ROWS))
    _WRITERS[path.suffix.lower()](path, blocks, len(table), attributes)


def check_table_path(path: Path) -> None:
    """Raise `BadInput` where the name has no known ending, is a folder, or needs a package that is missing."""
    if path.suffix.lower() not in _WRITERS:
        raise BadInput(f"{path}: a table's name must end in {', '.join(_WRITERS)}; for example {path.stem}.csv.")
    if path.is_dir():
        raise BadInput(f"{path}: is a folder; name a file for the table.")
    if path.suffix.lower() == ".parquet":
        require_parquet()


def _write_csv(path: Path, blocks: Blocks, _rows: int, _attributes: Mapping[str, object]) -> None:
    """Write CSV as RFC 4180 has it; floating-point numbers in the fewest digits that read back the same."""
    # Names hold letters, digits, _ and - only, so a spreadsheet finds nothing in them that it could call.
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for i, content in enumerate(blocks):
            if i == 0:
                writer.writerow(content)
            writer.writerows(zip(*(column.tolist() for column in content.values()), strict=True))


def _write_h5(path: Path, blocks: Blocks, rows: int, attributes: Mapping[str, object]) -> None:
    from ensemble.study.tables import write_table_blocks

    # No subset's members be longer than all of them joined.
    write_table_blocks(path, blocks, rows, {"members": len(str(attributes["all_members"]))}, attributes)


def _write_parquet(path: Path, blocks: Blocks, _rows: int, attributes: Mapping[str, object]) -> None:
    write_parquet(path, blocks, attributes)


_WRITERS: dict[str, Callable[[Path, Blocks, int, Mapping[str, object]], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".h5": _write_h5,
}
