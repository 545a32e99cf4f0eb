"""A study: one folder that pins its data and classes, and keeps members, predictions and reports apart."""

import hashlib
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from ensemble.errors import BadInput, nearest
from ensemble.study.atomic import alone, write_text
from ensemble.study.names import MemberFiles, check_name, matching, natural_key
from ensemble.study.predictions import (
    Predictions,
    open_predictions,
    predictions_digest,
    read_predictions,
    write_predictions,
)
from ensemble.study.predictions import Rows as StoredRows
from ensemble.study.seals import read_toml, sealed_text
from ensemble.study.split import Dataset
from ensemble.study.tabular import Rows, Tabular, html_table

SCHEMA = 1
LOCK_SECONDS = 30.0  # for which one waits for another who changes the study


@dataclass(frozen=True)
class SplitConfig:
    """What a study remembers of a split: its size, a digest of its ids and labels, and how it came to be."""

    samples: int
    digest: str
    definition: str


@dataclass(frozen=True)
class StudyConfig(Rows):
    """What is the same for every member of a study.

    data: the dataset's name; "imported" where the images are not known.
    source: what `load_dataset` takes to find the images again; None where they are not known.
    runs: member prefix -> the options its members were asked for with.
    """

    data: str
    source: str | None
    fingerprint: str | None
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    splits: Mapping[str, SplitConfig] = field(default_factory=dict)
    runs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def _columns(self) -> dict[str, Any]:
        return self._named("class_ids", "class_names")


def ids_digest(sample_ids: np.ndarray, labels: np.ndarray | None, class_ids: Sequence[str]) -> str:
    """Return the SHA-256 (hex) of sample ids with their class ids, the same in whatever order they stand."""
    if labels is None:
        lines = [f"{i}\n" for i in sample_ids]
    else:
        lines = [f"{i}\t{class_ids[y]}\n" for i, y in zip(sample_ids, labels, strict=True)]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def config_of(dataset: Dataset) -> StudyConfig:
    """Return what a study pins of a dataset."""
    splits = {
        name: SplitConfig(
            samples=len(split),
            digest=ids_digest(split.sample_ids, split.labels, split.class_ids),
            definition=f"the {name} images of {dataset.name}",
        )
        for name, split in dataset.splits.items()
    }
    return StudyConfig(
        data=dataset.name,
        source=dataset.source,
        fingerprint=dataset.fingerprint,
        class_ids=dataset.class_ids,
        class_names=dataset.class_names,
        splits=splits,
    )


def _config(path: Path, content: Mapping[str, Any]) -> StudyConfig:
    """Return what a study.toml pins; raise `BadInput` naming the first key that is not as it must be."""

    def take(table: Mapping[str, Any], key: str, kind: type | tuple[type, ...], where: str, expected: str) -> Any:
        value = table.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            found = "nothing" if key not in table else repr(value)[:80]
            raise BadInput(f"{path}: {where}{key}: expected {expected}, found {found}; restore it from a copy.")
        return value

    schema = take(content, "schema", int, "", "a whole number")
    if schema != SCHEMA:
        raise BadInput(f"{path}: has schema {schema}, this program reads {SCHEMA}; update kofn.")
    data = take(content, "data", dict, "", "a table")
    ids, names = (take(data, key, list, "data.", "a list of text") for key in ("class_ids", "class_names"))
    for key, values in (("class_ids", ids), ("class_names", names)):
        if not all(isinstance(value, str) for value in values):
            raise BadInput(f"{path}: data.{key}: expected a list of text, found other values; restore it from a copy.")
    if len(ids) != len(names) or len(set(ids)) != len(ids):
        raise BadInput(
            f"{path}: data: expected as many class_names as class_ids, each id once; restore it from a copy."
        )
    source, fingerprint = (
        take(data, key, str, "data.", "text") if key in data else None for key in ("source", "fingerprint")
    )
    tables = {key: take(content, key, dict, "", "a table") if key in content else {} for key in ("splits", "runs")}
    for key, table in tables.items():
        for name in table:
            check_name(name, f"{path}: {key}")
            take(table, name, dict, f"{key}.", "a table")
    splits = {
        name: SplitConfig(
            samples=take(values, "samples", int, f"splits.{name}.", "a whole number"),
            digest=take(values, "digest", str, f"splits.{name}.", "text"),
            definition=take(values, "definition", str, f"splits.{name}.", "text"),
        )
        for name, values in tables["splits"].items()
    }
    return StudyConfig(
        data=take(data, "name", str, "data.", "text"),
        class_ids=tuple(ids),
        class_names=tuple(names),
        splits=splits,
        runs=tables["runs"],
        source=source,
        fingerprint=fingerprint,
    )


def _merged(there: StudyConfig, new: StudyConfig) -> StudyConfig:
    return replace(new, splits={**there.splits, **new.splits}, runs={**there.runs, **new.runs})


@dataclass(frozen=True, repr=False)
class Study(Tabular):
    """A study folder and what is pinned in its `study.toml`."""

    root: Path
    config: StudyConfig

    def _columns(self) -> dict[str, Any]:
        have = {split: set(self.members(split)) for split in self.splits()}
        return {"member": list(self)} | {split: [name in names for name in self] for split, names in have.items()}

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root))

    @classmethod
    def exists(cls, root: Path | str) -> bool:
        """Say whether a study was begun in this folder."""
        return (Path(root) / "study.toml").is_file()

    @classmethod
    def open(cls, root: Path | str) -> "Study":
        """Open a study; raise `BadInput` where there is none or its file cannot be understood."""
        root = Path(root)
        path = root / "study.toml"
        if root.is_file():
            raise BadInput(f"{root}: is a file; expected the folder of a study.")
        if not path.is_file():
            raise BadInput(
                f"{root}: is not a study, {path.name} is missing; begin one with 'ens-train --study {root}' "
                f"or 'ens-import FILE --study {root}', or name another folder."
            )
        return cls(root=root, config=_config(path, read_toml(path, "a study")))

    @classmethod
    def of(cls, study: "Study | Path | str") -> "Study":
        """Return a study as it is, or opened where its folder is given; raise `BadInput` where it is neither."""
        if isinstance(study, cls):
            return study
        if not isinstance(study, str | Path):
            raise BadInput(f"study: expected a study or its folder, found {type(study).__name__}; see `open_study`.")
        return cls.open(study)

    @classmethod
    def create(cls, root: Path | str, config: StudyConfig) -> "Study":
        """Begin a study in a folder; where it was begun before, also by another process just now, add to what it pins.

        Raises `BadInput` where that one has other classes or other images.
        """
        study = cls(root=Path(root), config=config)
        with study.alone():
            if cls.exists(root):
                there = cls.open(root).config
                if set(there.class_ids) != set(config.class_ids) or (
                    None not in (there.fingerprint, config.fingerprint) and there.fingerprint != config.fingerprint
                ):
                    raise BadInput(f"{study.path}: is a study of other classes or images; use another folder for them.")
                study = replace(study, config=_merged(there, config))
            study._write()
        return study

    def alone(self) -> AbstractContextManager[None]:
        """Hold the study's lock while something of it is checked and written; others wait for some seconds.

        Raises `BadInput` on entering, naming the process that keeps it, where that takes longer.
        """
        return alone(self.root / ".lock", str(self.root), LOCK_SECONDS)

    def __iter__(self) -> Iterator[str]:
        """Go through the names of all members and saved ensembles that have predictions, in natural order."""
        return iter(sorted({name for split in self.splits() for name in self.members(split)}, key=natural_key))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __bool__(self) -> bool:
        return True  # one without members is a study all the same

    def __repr__(self) -> str:
        config, members = self.config, len(self)
        return (
            f"Study({str(self.root)!r}: {config.data}, {len(config.class_ids):,} classes, "
            f"{members:,} {'member' if members == 1 else 'members'}, splits {', '.join(self.splits()) or 'none'})"
        )

    def _repr_html_(self) -> str:
        splits = self.splits()
        have = {split: set(self.members(split)) for split in splits}
        rows = [(name, *("yes" if name in have[split] else None for split in splits)) for name in self]
        note = f"Data {self.config.data}, {len(self.config.class_ids):,} classes"
        return html_table(f"Study {self.root}", ("member", *splits), rows, note)

    @contextmanager
    def member_alone(self, member: str) -> Generator[None]:
        """Hold the locks of a member and of its folds while it is changed.

        Raises `BadInput`, naming the process, where another one holds one of them: it trains the member.
        """
        files = self.files(member)
        folders = [p for p in (files.folder, *(files.folder / "folds").glob("*")) if p.is_dir()]
        with ExitStack() as stack:
            for folder in folders:
                stack.enter_context(alone(MemberFiles(folder).lock, f"{folder}: {member}"))
            yield

    def with_config(self, **changes: Any) -> "Study":
        """Return the study with parts of its pin replaced, written to disk.

        Splits and runs that another process has added meanwhile stay.
        """
        with self.alone():
            config = Study.open(self.root).config if Study.exists(self.root) else self.config
            study = replace(self, config=_merged(config, replace(config, **changes)))
            study._write()
        return study

    def _write(self) -> None:
        config = self.config
        data = {"name": config.data, "source": config.source, "fingerprint": config.fingerprint}
        content = {
            "schema": SCHEMA,
            "kofn": version("kofn"),
            "data": {key: value for key, value in data.items() if value is not None}
            | {"class_ids": list(config.class_ids), "class_names": list(config.class_names)},
            "splits": {name: vars(split) for name, split in config.splits.items()},
            "runs": {name: dict(run) for name, run in config.runs.items()},
        }
        write_text(self.path, sealed_text(tomli_w.dumps(content)))

    @property
    def path(self) -> Path:
        """The file of what is pinned."""
        return self.root / "study.toml"

    @property
    def report_dir(self) -> Path:
        """Where reports go unless told otherwise."""
        return self.root / "report"

    def member_dir(self, member: str) -> Path:
        """Return the folder of a member's recipe, weights and history."""
        return self.root / "members" / check_name(member, "member")

    def files(self, member: str) -> MemberFiles:
        """Return the files of a member's recipe, weights, history and the like, whether they are there or not."""
        return MemberFiles(self.member_dir(member))

    def members_with(self, part: str) -> list[str]:
        """Names of the members whose folder has a part, "recipe", "weights" or "history" say, in natural order."""
        folders = (path for path in (self.root / "members").glob("*") if not path.name.startswith("."))
        return sorted((p.name for p in folders if getattr(MemberFiles(p), part).is_file()), key=natural_key)

    def predictions_path(self, member: str, split: str) -> Path:
        """Return the file of one member's predictions for one split."""
        return self.root / "predictions" / f"{check_name(member, 'member')}.{check_name(split, 'split')}.h5"

    def splits(self) -> list[str]:
        """Names of the splits with predictions of at least one member, sorted."""
        return sorted({path.name.split(".")[1] for path in self._files("*")})

    def without_predictions(self, split: str) -> list[str]:
        """Names of the members that were begun here and have no predictions for `split`, nor have their snapshots."""
        there = self.members(split)
        stems = {*there, *(re.sub(r"-s\d+$", "", name) for name in there)}
        return [name for name in self.members_with("recipe") if name not in stems]

    def members(self, split: str) -> list[str]:
        """Names that have predictions for `split`, saved ensembles among them, in natural order."""
        return sorted((path.name.split(".")[0] for path in self._files(split)), key=natural_key)

    def _files(self, split: str) -> list[Path]:
        return [p for p in (self.root / "predictions").glob(f"*.{split}.h5") if p.name.count(".") == 2]

    def read(self, member: str, split: str, *, held: bool = True) -> Predictions:
        """Read one member's predictions for one split; refuse a saved ensemble's that its members no longer make.

        held: False leaves the probabilities of a large file in it; see `Predictions.probs`.
        """
        found = self._load(member, split, held)
        changed = self.changed(found.made_from, split) if found.kind == "ensemble" else ()
        if changed:
            raise BadInput(
                f"{self.predictions_path(member, split)}: was computed from other predictions of {', '.join(changed)} "
                f"than there are now; open_ensemble(study, {member!r}, {split!r}) computes a weighted mean anew; save "
                "a regression again with 'ens-combine --save'."
            )
        return found

    def _load(self, member: str, split: str, held: bool = True) -> Predictions:
        path = self._there(member, split)
        found = read_predictions(path) if held else open_predictions(path)
        check_named(path, found, member, split)
        return found

    def _there(self, member: str, split: str) -> Path:
        path = self.predictions_path(member, split)
        if not path.is_file():
            known = self.members(split)
            raise BadInput(
                f"{self.root}: has no predictions of {member!r} for split {split!r}; {nearest(member, known)}."
                if known
                else f"{self.root}: has no predictions for split {split!r}; "
                f"splits with predictions: {', '.join(self.splits()) or 'none yet'}."
            )
        return path

    def changed(self, made_from: Mapping[str, str], split: str) -> tuple[str, ...]:
        """Return the members whose predictions for `split` are there and other than they were.

        made_from: the `predictions_digest` of each at that time.
        """
        there = self.members(split)
        return tuple(
            m
            for m, digest in made_from.items()
            if m in there and predictions_digest(self.read(m, split, held=False)) != digest
        )

    def write(self, predictions: Predictions) -> Path:
        """Keep predictions, whole or not at all; return their file."""
        path = self.predictions_path(predictions.member, predictions.split)
        write_predictions(path, predictions)
        return path

    def select(self, split: str, patterns: Sequence[str] = ()) -> list[Predictions]:
        """Read the predictions of `split` whose member matches one of the patterns ('m3-*'), in natural order.

        Without patterns all members, but no saved ensembles: those take part only when named.
        """
        names = self.members(split)
        if not names:
            raise BadInput(
                f"{self.root}: has no predictions for split {split!r}; splits with predictions: "
                f"{', '.join(self.splits()) or 'none yet, run ens-train or ens-import first'}."
            )
        read = self.read if patterns else self._load
        found = [read(name, split) for name in matching(patterns, names, self.root, f" for split {split!r}")]
        return found if patterns else [p for p in found if p.kind == "member"]


def check_named(path: Path, found: "Predictions | StoredRows", member: str, split: str) -> None:
    """Raise `BadInput` where a file holds other predictions than its name says."""
    if (found.member, found.split) != (member, split):
        raise BadInput(
            f"{path}: holds predictions of {found.member!r} for {found.split!r}, not what its name says; "
            f"give it back its name, or import it with 'ens-import {path.name} --member NAME'."
        )
