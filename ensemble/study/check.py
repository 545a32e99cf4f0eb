"""A study looked at whole: checksums, values, and whether its parts still belong together. Nothing is changed.

One file is in memory at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.errors import BadInput
from ensemble.machine import Progress
from ensemble.study.atomic import file_sha256, is_leftover
from ensemble.study.history import History, has_epochs, read_history
from ensemble.study.names import MemberFiles
from ensemble.study.network_file import read_network
from ensemble.study.predictions import Predictions, open_predictions
from ensemble.study.recipe import Recipe, read_recipe
from ensemble.study.row_probs import row_blocks
from ensemble.study.seals import check_seal
from ensemble.study.study import Study, check_named, ids_digest
from ensemble.study.tables import read_table
from ensemble.study.tabular import Rows, Tabular
from ensemble.study.weights import facts_of, read_first_layer

TOLERANCE = 1e-4  # between an ensemble's probabilities and those its members make now
_PARTS = ("recipe", "weights", "checkpoint", "history", "network", "first_layer", "lock", "held_out")


@dataclass(frozen=True)
class Finding(Tabular):
    """What is wrong. kind: "damaged", "mismatch", "stale", "missing", "leftover" or "stray".

    what: is wrong with `path`; means: for whoever uses the study; advice: what to do.
    """

    path: Path
    kind: str
    what: str
    means: str
    advice: str


@dataclass
class StudyCheck(Rows):
    """What was found in a study; `files` and `bytes` were looked at, `unsealed` of them are of an older version."""

    root: Path
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    unsealed: int = 0

    def _columns(self) -> dict[str, list[str]]:
        names = ("path", "kind", "what", "means", "advice")
        return {name: [str(getattr(finding, name)) for finding in self.findings] for name in names}

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


@dataclass
class _Split:
    """The samples of a split as the first of its members has them."""

    member: str
    ids: np.ndarray  # sorted
    labels: np.ndarray | None  # class ids in that order
    ids_given: bool


def check_study(root: str | Path, progress: Progress | None = None) -> StudyCheck:
    """Look at every file of the study in the folder `root`; raise `BadInput` where it is none.

    progress: hears (files done, files in all).
    """
    return _Checker(Path(root)).run(progress or (lambda done, total: None))


def check_member(study: Study, name: str) -> list[Finding]:
    """Return what is wrong with the files of one member or of a snapshot: its own, and its predictions."""
    checker = _Checker(study.root, study)
    if study.member_dir(name).is_dir():
        checker.member(study.member_dir(name))
    for split in study.splits():
        if study.predictions_path(name, split).exists():
            checker.predictions(study.predictions_path(name, split))
    return checker.found.findings


class _Checker:
    study: Study

    def __init__(self, root: Path, study: Study | None = None) -> None:
        self.root, self.found = root, StudyCheck(root)
        if study is not None:
            self.study = study
        self.splits: dict[str, _Split] = {}
        self.digests: dict[str, str] = {}
        self.recipes: dict[str, tuple[Recipe, int]] = {}

    def run(self, progress: Progress) -> StudyCheck:
        if not Study.exists(self.root):
            raise BadInput(f"{self.root}: is not a study, study.toml is missing; name the folder of one.")
        study = self._try(self.root / "study.toml", lambda: Study.open(self.root), "nothing of the study can be used")
        if study is None:
            return self.found
        self.study = study
        self._seen(study.path)
        members = sorted(p for p in (self.root / "members").glob("*") if p.is_dir() and not p.name.startswith("."))
        files = sorted(p for p in (self.root / "predictions").glob("*") if not p.name.startswith("."))
        tables = sorted(p for p in (*self.root.glob("*.h5"), *(self.root / "subsets").glob("*.h5")))
        tasks: list[Callable[[], None]] = [lambda folder=folder: self.member(folder) for folder in members]
        # Ensembles last: what they are made of was looked at then.
        kinds = [(self.predictions, path) for path in files]
        tasks += [lambda do=do, path=path: do(path) for do, path in kinds]
        tasks += [lambda path=path: self._table(path) for path in tables]
        for done, task in enumerate(tasks, start=1):
            task()
            progress(done, len(tasks))
        self._leftovers()
        self._not_predicted()
        return self.found

    # -- the parts --------------------------------------------------------------------------------------

    def member(self, folder: Path) -> None:
        name, files = folder.name, MemberFiles(folder)
        self._strays(folder, {getattr(files, part).name for part in _PARTS} | {"folds"})
        lost = f"{name} cannot be trained on or predict new images"
        if files.recipe.exists():
            self._seen(files.recipe)
            pinned = self._try(files.recipe, lambda: read_recipe(files.recipe), lost)
            if pinned is not None:
                self.recipes[name] = pinned
        self._network(name, files, lost)
        for fold in sorted((folder / "folds").glob("*")):
            if fold.is_dir():
                self._network(f"{name} fold {fold.name}", MemberFiles(fold), f"{name}'s out-of-fold part is lost", name)

    def _network(self, title: str, files: MemberFiles, lost: str, member: str | None = None) -> None:
        """Look at weights, checkpoint, history and the like in one folder, and at whether they are of one training."""
        pinned = self.recipes.get(member or title)
        epochs = None
        for path, kind in ((files.weights, "kofn.weights"), (files.checkpoint, "kofn.checkpoint")):
            if not path.exists():
                continue
            self._seen(path)
            facts = self._try(path, lambda path=path, kind=kind: facts_of(path, kind), lost)
            if facts is None:
                continue
            if path == files.weights:  # a checkpoint that a killed run left beside them is of an earlier epoch
                epochs = facts["epochs"]
            if pinned is not None and _recipe_of(facts, path) != pinned[0]:
                self._add(path, "mismatch", "was made by another recipe than recipe.toml states", lost,
                          "restore both from one copy, or train the member over: ens-train --redo NAME")  # fmt: skip
            if list(facts["class_ids"]) != list(self.study.config.class_ids):
                self._add(path, "mismatch", "is of other classes than study.toml pins", lost,
                          "restore the file or study.toml from a copy")  # fmt: skip
        if files.history.exists():
            self._seen(files.history)
            if has_epochs(files.history):
                history = self._try(files.history, lambda: read_history(files.history, title), "its curves are lost")
                if history is not None and epochs is not None and len(history) != epochs:
                    self._add(files.history, "mismatch", f"ends with epoch {len(history)}, the weights with {epochs}",
                              "its curves do not show the whole training", "restore it from a copy")  # fmt: skip
                if history is not None:
                    self._recalls(files.history, history)
        if files.network.exists():
            self._seen(files.network)
            self._try(files.network, lambda: read_network(files.network), "ens-report layers lacks it")
        if files.first_layer.exists():
            self._seen(files.first_layer)
            self._try(files.first_layer, lambda: read_first_layer(files.first_layer), "its filters are lost")

    def _recalls(self, path: Path, history: History) -> None:
        """Look at whether what a history counts by class is of the study's classes and adds up to its accuracies."""
        recalls, classes = history.recalls, len(self.study.config.class_ids)
        if recalls is None:
            return
        means, what = "its curves by class are not to be believed", ""
        if len(recalls.samples) != classes:
            what = f"counts right answers of {len(recalls.samples)} classes, study.toml pins {classes}"
        else:
            shares = recalls.correct.sum(axis=1) / recalls.samples.sum()
            apart = np.flatnonzero(np.abs(shares - history.columns["val_accuracy"]) > 1e-9)  # False where NaN
            if len(apart):
                epoch = int(history.columns["epoch"][apart[0]])
                what = f"epoch {epoch}: right answers by class do not add up to its val_accuracy"
        if what:
            self._add(path, "mismatch", what, means, "restore it from a copy")

    def predictions(self, path: Path) -> None:
        parts = path.name.split(".")
        if len(parts) != 3 or parts[2] != "h5":
            self._add(path, "stray", "is no predictions file by its name", "nothing reads it",
                      "move it elsewhere, or import it: ens-import")  # fmt: skip
            return
        member, split, _ = parts
        self._seen(path)
        p = self._try(path, lambda: _named(path, member, split), f"no report can use {member} on {split}")
        if p is None:
            return
        if set(p.class_ids) != set(self.study.config.class_ids):
            self._add(path, "mismatch", "has other classes than study.toml pins", "it cannot be combined with others",
                      "predict it again, or remove it")  # fmt: skip
            return
        self._samples(path, p)
        if p.kind == "ensemble":
            changed = self.study.changed(p.made_from, split)
            if changed:
                self._stale(path, p, f"was computed from other predictions of {', '.join(changed)} than there are now")
            else:
                self._ensemble(path, p)
        elif member in self.recipes:
            self._made_by(path, p)

    def _samples(self, path: Path, p: Predictions) -> None:
        """Compare samples and labels with what the study pins, and with the first member of the split."""
        pinned = self.study.config.splits.get(p.split)
        right = pinned is None or pinned.digest == ids_digest(p.sample_ids, p.labels, p.class_ids)
        order = np.argsort(p.sample_ids)
        ids = p.sample_ids[order]
        labels = None if p.labels is None else np.asarray(p.class_ids)[p.labels][order]
        first = self.splits.setdefault(p.split, _Split(p.member, ids, labels, p.ids_given))
        if first.ids_given != p.ids_given:
            self._add(path, "mismatch", f"has {'ids' if p.ids_given else 'row numbers'}, {first.member} has not",
                      "the two cannot be joined", "import one of them again with 'ens-import --ids FILE'")  # fmt: skip
            return
        _, here, there = np.intersect1d(ids, first.ids, assume_unique=True, return_indices=True)
        if labels is not None and first.labels is not None:
            differ = int((labels[here] != first.labels[there]).sum())
            if differ:
                self._add(path, "mismatch", f"{differ} of {len(here)} labels differ from those of {first.member}",
                          "one of the two is scored by wrong labels", "import the wrong one again")  # fmt: skip
                return
        if len(here) != len(ids) or len(here) != len(first.ids):
            self.found.notes.append(
                f"{path}: shares {len(here):,} of {len(ids):,} samples with {first.member}; try ens-combine --intersect"
            )
        elif not right and pinned is not None:
            self._add(path, "mismatch", f"holds other samples or labels of {p.split} than study.toml pins",
                      "its scores are of another set of images", "predict it again, or restore it")  # fmt: skip

    def _made_by(self, path: Path, p: Predictions) -> None:
        """Compare predictions with the recipe and the weights that are there now."""
        recipe, threads = self.recipes[p.member]
        files = self.study.files(p.member)
        again = f"remove {path.name} and run ens-train again: it predicts what is missing"
        if p.recipe is not None and dict(p.recipe) | {"threads": threads} != {**recipe.as_dict(), "threads": threads}:
            old = {key for key, value in recipe.as_dict().items() if dict(p.recipe).get(key, value) != value}
            if old:
                keys = ", ".join(sorted(old))
                self._add(path, "mismatch", f"was made by another recipe than {files.recipe} states ({keys})",
                          "what is reported of it is not what its weights predict", again)  # fmt: skip
        digest = p.attributes.get("weights_sha256")
        if digest is None or p.split == "train-oof":
            return
        if not files.weights.exists():
            self._add(files.weights, "missing", f"is not there, and {path.name} was predicted by it",
                      f"{p.member} cannot predict new images", "restore it, or train the member again")  # fmt: skip
            return
        if p.member not in self.digests:
            self.digests[p.member] = file_sha256(files.weights)
        # Predictions of weights that were damaged since are as good as ever, and all that is left of them.
        damaged = any(f.path == files.weights and f.kind == "damaged" for f in self.found.findings)
        if digest != self.digests[p.member] and not damaged:
            self._add(path, "mismatch", f"was predicted by other weights than {files.weights}",
                      "what is reported of it is not what its weights predict", again)  # fmt: skip

    def _ensemble(self, path: Path, p: Predictions) -> None:
        """Make an ensemble's probabilities again out of its members'."""
        if not p.parents or p.attributes.get("rule", "mean") not in ("mean", "geometric"):
            return
        geometric = p.attributes.get("rule") == "geometric"
        parts = []
        for parent in p.parents:
            if not self.study.predictions_path(parent, p.split).exists():
                self._add(path, "missing", f"is made of {parent}, which has no predictions for {p.split}",
                          "it cannot be made again or be explained", "bring the member back, or remove it")  # fmt: skip
                return
            try:
                part = self.study.read(parent, p.split, held=False)
            except BadInput:
                return  # told already
            row = {i: at for at, i in enumerate(part.sample_ids.tolist())}
            if not set(p.sample_ids.tolist()) <= row.keys() or set(part.class_ids) != set(p.class_ids):
                parts = []
                break
            rows = np.array([row[i] for i in p.sample_ids.tolist()])
            parts.append((part.probs, rows, [part.class_ids.index(c) for c in p.class_ids]))

        def off(here: slice, theirs: np.ndarray) -> np.ndarray:
            total = np.zeros(theirs.shape)
            for (probs, rows, columns), weight in zip(parts, p.weights, strict=True):
                own = probs[rows[here]][:, columns].astype(np.float64)
                total += weight * (np.log(np.maximum(own, 2.0**-26)) if geometric else own)
            made = np.exp(total - total.max(axis=1, keepdims=True)) if geometric else total
            with np.errstate(all="ignore"):
                return np.abs(made / made.sum(axis=1, keepdims=True) - theirs)

        if not parts or not all((off(*block) <= TOLERANCE).all() for block in row_blocks(p.probs)):
            self._stale(path, p, "is not what its members predict now: one was trained or imported anew since")

    def _stale(self, path: Path, p: Predictions, what: str) -> None:
        self._add(path, "stale", what, f"what is reported of {p.member} is out of date",
                  "save it again with ens-combine --save, under this name once the file is removed")  # fmt: skip

    def _table(self, path: Path) -> None:
        """Look at a table of subsets: its checksum, and whether its single members score as they do now."""
        self._seen(path)
        read = self._try(path, lambda: read_table(path), "its numbers cannot be trusted")
        if read is None:
            return
        columns, facts = read
        members, split = facts.get("all_members", facts.get("members", ())), str(facts.get("split", "val"))
        members = members.split("+") if isinstance(members, str) else members
        if not isinstance(members, tuple | list) or "mask" not in columns or "accuracy" not in columns:
            return
        for i, member in enumerate(members):
            row = np.flatnonzero(columns["mask"] == 1 << i)
            if not row.size or not self.study.predictions_path(member, split).exists():
                continue
            try:
                p = self.study.read(member, split, held=False)
            except BadInput:
                continue
            if p.labels is None:
                continue
            preds = [np.rint(rows.astype(np.float64) * 2**26).argmax(axis=1) for _, rows in row_blocks(p.probs)]
            right = float((np.concatenate(preds) == p.labels).mean())
            if abs(right - float(columns["accuracy"][row[0]])) > 1e-9:
                told = f"{columns['accuracy'][row[0]]:.2%}"
                self._add(path, "stale", f"says {told} of {member}, which scores {right:.2%}",
                          "its members were trained or imported anew since",
                          "make it again: ens-combine --table")  # fmt: skip
                return

    # -- around them ------------------------------------------------------------------------------------

    def _leftovers(self) -> None:
        for path in sorted(self.root.rglob(".*")):
            if path.is_dir() and (path.name.endswith(".gone") or is_leftover(path)):
                self._add(path, "leftover", "is a member that was being removed", "it only takes room", "delete it")
            elif path.name.endswith(".part") and is_leftover(path):
                self._add(path, "leftover", "is a file in the making whose process is gone", "it only takes room",
                          "delete it; the next command that writes beside it does so too")  # fmt: skip

    def _strays(self, folder: Path, known: set[str]) -> None:
        for path in sorted(folder.iterdir()):
            if path.name not in known and not path.name.startswith("."):
                self._add(path, "stray", "is not a part of a member", "nothing reads it", "move it elsewhere")

    def _not_predicted(self) -> None:
        there = {name for split in self.study.splits() for name in self.study.members(split)}
        for name, (recipe, _) in sorted(self.recipes.items()):
            files = self.study.files(name)
            if files.weights.exists() and name not in there and not recipe.snapshots:
                self._add(files.weights, "missing", f"is trained, and no predictions of {name} are there",
                          "no report shows it",
                          "run the same ens-train again: it predicts what is missing")  # fmt: skip

    def _try(self, path: Path, read: Callable[[], Any], means: str) -> Any:
        """Return what is read, or None and a finding."""
        try:
            return read()
        except BadInput as error:
            text = str(error).removeprefix(f"{path}: ").rstrip(".")
            what, _, advice = text.partition("; ")
            if what.startswith(f"{self.root}/"):
                advice = "see to that file: this one needs nothing else"
            self._add(path, "damaged", what, means, advice or "restore it from a copy")
            return None

    def _seen(self, path: Path) -> None:
        self.found.files += 1
        try:
            self.found.bytes += path.stat().st_size
            sealed = path.suffix == ".csv" or check_seal(path)
        except (OSError, BadInput):
            return  # told where it is read
        self.found.unsealed += not sealed

    def _add(self, path: Path, kind: str, what: str, means: str, advice: str) -> None:
        self.found.findings.append(Finding(path, kind, what, means, advice))


def _named(path: Path, member: str, split: str) -> Predictions:
    found = open_predictions(path)
    check_named(path, found, member, split)
    for _ in row_blocks(found.probs):  # which checks those that are read only now
        pass
    return found


def _recipe_of(facts: dict[str, Any], path: Path) -> Recipe | None:
    try:
        return Recipe.from_dict(facts["recipe"], str(path))
    except BadInput:
        return None
