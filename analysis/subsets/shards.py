"""Shards of a table of subsets: what each of several machines has scored, kept in the study, and put together."""

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.metrics import METRICS
from analysis.stack import BlockSource, PredictionStack
from analysis.subsets.score import MOST_LEADING, MOST_ROWS, subset_table
from analysis.subsets.table import ROWS, SubsetTable, count_subsets
from ensemble.errors import BadInput
from ensemble.machine import Progress
from ensemble.study.part import Part, parse_part
from ensemble.study.tables import read_table, write_table_blocks

if TYPE_CHECKING:
    from analysis.subsets.leading import LeadingParts

BLOCK = 4096  # samples that are looked at together for their digest
COLUMNS = ("mask", "correct", "accuracy", "top5", "nll", "brier")


@dataclass(frozen=True)
class Shards:
    """The shards of one table: where they are, and what they must all be of.

    folder: a study's `subsets`. source: the predictions. settings: name -> text, the same for every shard of the table:
    members, split, rule, sizes, metrics, samples, classes, and a digest of labels and probabilities.
    """

    folder: Path
    source: BlockSource
    settings: Mapping[str, str]
    key: str = field(init=False)

    def __post_init__(self) -> None:
        text = "".join(f"{name}={self.settings[name]}\n" for name in sorted(self.settings))
        object.__setattr__(self, "key", hashlib.sha256(text.encode()).hexdigest()[:12])

    @property
    def rule(self) -> str:
        """How members are combined."""
        return self.settings["rule"]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of the subsets."""
        return tuple(int(k) for k in self.settings["sizes"].split(","))

    @property
    def blocks(self) -> int:
        """Into how many parts it can be cut at most."""
        return count_subsets(len(self.source.members), self.sizes)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that are computed."""
        return tuple(self.settings["metrics"].split(","))

    def path(self, part: Part) -> Path:
        """Return the file of a part."""
        stem = f"{self.settings['split']}-{self.settings['rule']}-{self.key}"
        return self.folder / f"{stem}.{part.number}-of-{part.count}.h5"

    def missing(self, count: int) -> list[Part]:
        """Return the parts of a table in `count` shards that are not there."""
        parts = [Part(i + 1, count) for i in range(count)]
        return [part for part in parts if not self.path(part).exists()]

    def counts(self) -> list[int]:
        """Return in how many shards the table was cut, for each way that has at least one shard there, increasing."""
        found = (re.search(rf"-{self.key}\.\d+-of-(\d+)\.h5$", path.name) for path in self.folder.glob("*.h5"))
        return sorted({int(match[1]) for match in found if match})

    def score(self, part: Part, progress: Progress | None = None) -> bool:
        """Score a part and keep it, unless it is there and whole; return whether there was anything to do."""
        if self.path(part).exists():
            with contextlib.suppress(BadInput):  # a damaged one is scored again
                self._read(part)
                return False
        table = subset_table(self.source, self.sizes, progress, self.rule, self.metrics, only=part)
        self.write(part, table)
        return True

    def write(self, part: Part, table: SubsetTable) -> Path:
        """Keep a part of the table, whole or not at all; return its file."""
        path = self.path(part)
        attributes = {
            **self.settings,
            "all_members": self.settings["members"],
            "shard": str(part),
            "floored": table.floored,
            "without": "+".join(table.without),
        }
        write_table_blocks(path, _blocks(table), len(table), {}, attributes)
        return path

    def merge(self) -> SubsetTable:
        """Return the table of all shards, the same to the bit as where one machine scores it.

        Raises `BadInput` where shards are missing, naming their parts, where those that are there are of other
        settings, naming what differs, and where one is damaged.
        """
        counts = self.counts()
        whole = [count for count in counts if not self.missing(count)]
        if not whole:
            if counts:
                lacking = ", ".join(map(str, self.missing(counts[-1])))
                raise BadInput(f"{self.folder}: of {counts[-1]} parts these are missing: {lacking}; score them first.")
            raise BadInput(f"{self.folder}: has no parts of this table{self._others()}; score them with only='I/N'.")
        parts = [Part(i + 1, whole[0]) for i in range(whole[0])]
        table = _joined([self.path(part) for part in parts], [self._read(part) for part in parts], self.settings)
        subsets = count_subsets(len(self.source.members), self.sizes)
        if len(table) != subsets:
            raise BadInput(f"{self.folder}: its parts hold {len(table):,} of {subsets:,} subsets; score them again.")
        return table

    def _read(self, part: Part) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        path = self.path(part)
        columns, facts = read_table(path)
        if facts.get("shard") != str(part):
            raise BadInput(
                f"{path}: holds part {facts.get('shard')}, and not what its name says; score part {part} again."
            )
        differing = self._differences(facts)
        if differing or set(COLUMNS) - columns.keys():
            raise BadInput(
                f"{path}: is not a part of this table: {differing or 'columns are missing'}; score it again."
            )
        return columns, facts

    def _others(self) -> str:
        """Say what the nearest part of other settings is of."""
        found = []
        for path in sorted(self.folder.glob("*-of-*.h5")):
            differing = self._differences(read_table(path)[1])
            if differing:
                found.append((differing.count(";"), f", and {path.name} is of other settings: {differing}"))
        return min(found)[1] if found else ""

    def _differences(self, facts: Mapping[str, Any]) -> str:
        """Say what a shard is of, where that is not what was asked for."""
        told = []
        for name, asked in self.settings.items():
            there = str(facts.get(name))
            if there != asked:
                short = name == "digest" and "probabilities or labels are others"
                told.append(short or f"{name} is {there} there, {asked} was asked for")
        return "; ".join(told)


def parts_of(
    root: Path, source: BlockSource, sizes: Sequence[int], rule: str, metrics: Sequence[str] = tuple(METRICS)
) -> "Shards | LeadingParts":
    """Return the parts in which several machines score these subsets of a study in the folder `root`.

    They are shards of a table up to 2^24 subsets; of all sizes of more members, sums without a table.
    """
    members = len(source.members)
    if len(sizes) < members or members > MOST_LEADING or count_subsets(members, sizes) <= MOST_ROWS:
        return shards_of(root / "subsets", source, sizes, rule, metrics)
    from analysis.subsets.leading import LeadingParts

    return LeadingParts(source, root / "lattice", rule, metrics)


def tasks_of(root: Path, parts: "Shards | LeadingParts", count: int) -> list[tuple[str, Callable[[], None]]]:
    """Return what scores the missing ones of `count` parts on any machine that sees the study in `root`: with names."""
    source = parts.source
    if not isinstance(source, PredictionStack):
        raise BadInput("parts: expected the members of a study, found other predictions.")
    asked = root.absolute(), source.split, source.members, any(source.dropped), parts.sizes, parts.rule, parts.metrics
    return [(f"part {part}", partial(_score_there, *asked, str(part))) for part in parts.missing(count)]


def _score_there(
    root: Path, split: str, members: tuple[str, ...], intersect: bool, sizes: tuple[int, ...], rule: str,
    metrics: tuple[str, ...], part: str,
) -> None:  # fmt: skip
    from analysis.saved import select_stack
    from ensemble.study.study import Study

    stack, _ = select_stack(Study.open(root), split, members, intersect)
    only = parse_part(part)
    assert only is not None
    parts_of(root, stack, sizes, rule, metrics).score(only)


def shards_of(
    folder: Path, source: BlockSource, sizes: Sequence[int], rule: str, metrics: Sequence[str] = tuple(METRICS)
) -> Shards:
    """Return the shards of a table of these members, sizes, rule and metrics; reads all predictions, for a digest."""
    digest = hashlib.blake2b(np.ascontiguousarray(source.require_labels(), dtype="<i8").data, digest_size=32)
    for block in source.blocks(BLOCK):
        for probs in block.probs[:, block.start - block.offset : block.stop - block.offset]:
            digest.update(np.ascontiguousarray(probs).data)
    return Shards(
        folder,
        source,
        {
            "members": "+".join(source.members),
            "split": source.split,
            "rule": rule,
            "sizes": ",".join(map(str, sizes)),
            "metrics": ",".join(metrics),
            "samples": str(source.samples),
            "classes": str(source.classes),
            "digest": digest.hexdigest(),
        },
    )


def _blocks(table: SubsetTable) -> Iterator[Mapping[str, np.ndarray]]:
    values = {
        "mask": table.masks, "correct": table.correct, "accuracy": table.scores("accuracy"), "top5": table.top5,
        "nll": table.nll, "brier": table.brier,
    }  # fmt: skip
    for start in range(0, len(table), ROWS):
        yield {name: values[name][start : start + ROWS] for name in COLUMNS}


def _joined(
    paths: Sequence[Path], read: Sequence[tuple[dict[str, np.ndarray], dict[str, Any]]], settings: Mapping[str, str]
) -> SubsetTable:
    columns = {name: np.concatenate([part[name] for part, _ in read]) for name in COLUMNS}
    if (columns["mask"][1:] <= columns["mask"][:-1]).any():  # combinations stand by size, then by mask
        order = np.argsort(columns["mask"], kind="stable")
        columns = {name: values[order] for name, values in columns.items()}
    facts = read[0][1]
    try:
        return SubsetTable(
            masks=columns["mask"].astype(np.uint64),
            correct=columns["correct"].astype(np.int64),
            top5=columns["top5"].astype(np.int64),
            nll=columns["nll"],
            brier=columns["brier"],
            members=tuple(settings["members"].split("+")),
            samples=int(settings["samples"]),
            classes=int(settings["classes"]),
            split=settings["split"],
            floored=int(facts["floored"]),
            rule=settings["rule"],
            without=tuple(name for name in METRICS if name in str(facts["without"]).split("+")),
        )
    except (KeyError, ValueError, BadInput) as error:
        raise BadInput(f"{paths[0]}: and the other parts make no table ({error}); score them again.") from error
