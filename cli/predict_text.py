"""What ens-predict prints: who looked at what, the first predictions, how many are right."""

import os
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from analysis.csv_cells import ANSWERS, write_answers
from analysis.ensemble import Ensemble, as_predictions
from analysis.metrics import accuracy, rule_of
from cli.common import Output
from ensemble.datasets.new_images import NewImages
from ensemble.datasets.submission import LINE, check_submission, write_submission
from ensemble.errors import BadInput, storage_error
from ensemble.inference.extra_split import ExtraSplit
from ensemble.inference.members import EnsembleSpec
from ensemble.inference.predict import ImagePredictions
from ensemble.inference.tta import PLAIN, Views
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study

ENDINGS = {"csv": ".csv", "tiny-imagenet": ".txt"}


@dataclass(frozen=True)
class Asked:
    """Where predictions go: into the study as `split`, into the file `out`; None where they do not.

    view: the name of the views they are by.
    """

    study: Study
    spec: EnsembleSpec
    view: str
    split: str | None
    out: Path | None
    format: str

    def check_out(self) -> None:
        """Raise before any work where the file cannot be written, or is there and no file of this kind."""
        path = self.out
        if path is None:
            return
        if path.is_dir():
            raise BadInput(f"--out {path}: is a folder; name a file in it.")
        ending = ENDINGS[self.format]
        if path.suffix.lower() != ending:
            raise BadInput(f"--out {path}: --format {self.format} writes {ending}; name it {path.stem}{ending}.")
        if path.exists():
            with path.open(encoding="utf-8", errors="replace") as file:
                line = file.readline(200)
            ours = line.startswith(",".join(ANSWERS)) if self.format == "csv" else re.match(LINE, line)
            if not ours:
                raise BadInput(f"--out {path}: is there already, and not written by ens-predict; choose another name.")
        _check_folder(path.parent)

    def check_images(self, new: NewImages) -> None:
        """Raise before any work where predictions of these images cannot be written or kept."""
        if self.format == "tiny-imagenet":
            check_submission(new.sample_ids, self.study.config.class_ids)
        if self.split is not None:
            own = [self.spec.ensemble] if self.spec.ensemble else []
            ExtraSplit(self.study, self.split, self.view).check(new, (*self.spec.members, *own))
            _check_folder(self.study.root / "predictions")

    def write(self, new: NewImages, members: list[Predictions], own: Ensemble) -> list[str]:
        """Write what was asked for; return the files kept in the study."""
        files: list[str] = []
        if self.split is not None:
            definition = f"{len(own.preds):,} images of {new.source}" + (f", its {new.part} split" if new.part else "")
            kept = ExtraSplit(self.study, self.split, self.view)
            files = kept.keep([*members, *self._ensemble(members, own)], definition)
        if self.out is not None:
            (write_answers(self.out, own) if self.format == "csv" else
             write_submission(self.out, own.stack.sample_ids, own.preds, own.stack.class_ids))  # fmt: skip
        return files

    def _ensemble(self, members: list[Predictions], own: Ensemble) -> list[Predictions]:
        """Return the predictions of the saved ensemble that the members make up, where they make up one."""
        if self.spec.ensemble is None:
            return []
        view = None if self.view == "none" else self.view
        return [as_predictions(own, members, selection=self.spec.selection, view=view)]


def _check_folder(folder: Path) -> None:
    """Raise `StorageError` where a folder cannot be made or written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied", str(folder))
    except OSError as error:
        raise storage_error(folder, error) from error


SHOWN = 5


@dataclass(frozen=True, eq=False)
class Shown:
    """What there is to print. own: of the members together; plain: their accuracy without views, where it is known."""

    asked: Asked
    views: Views
    new: NewImages
    found: ImagePredictions
    own: Ensemble
    plain: float | None
    files: list[str]


def show_start(output: Output, asked: Asked, new: NewImages) -> None:
    """Say what a person should know before the images are looked at."""
    for note in new.notes:
        output.say(f"{new.source}: {note}")
    if asked.spec.without:
        output.say(f"Left out, being predictions without a network: {', '.join(asked.spec.without)}.")


def show_images(output: Output, shown: Shown) -> None:
    """Print what was found, and say what was kept and what to run now."""
    asked, own, new = shown.asked, shown.own, shown.new
    for note in shown.found.notes:
        output.say(f"{new.source}: {note}")
    for sentence in shown.found.unreadable:
        output.warn(f"left out: {sentence}")
    output.document(**_document(output, shown))
    _summary(output, shown)
    if shown.files:
        output.say(f"Kept as split {asked.split!r} in {asked.study.root}/predictions: {len(shown.files)} files.")
    if asked.out is not None:
        output.say(f"Wrote {len(own.preds):,} predictions to {asked.out}.")
    if not shown.files and asked.out is None:
        output.say("Nothing was kept: --out FILE writes all predictions, --split NAME keeps them in the study.")
    if asked.split is not None and own.stack.labels is not None:
        output.next(f"ens-combine --split {asked.split}", f"ens-report per-class --split {asked.split}")
    elif asked.split is not None:
        who = asked.spec.ensemble or asked.spec.members[0]
        output.next(f"ens-export {who} --split {asked.split} --out {asked.split}.npz")


def _summary(output: Output, shown: Shown) -> None:
    """Print who looked at what, the first predictions, and how many are right."""
    own, new, spec, views = shown.own, shown.new, shown.asked.spec, shown.views
    stack = own.stack
    count = f"{len(own.preds):,} {'image' if len(own.preds) == 1 else 'images'}"
    what = f"{count} of {new.source}" + (f", split {new.part}" if new.part else "")
    output.text(f"{what}, {'unlabelled' if stack.labels is None else 'labelled'}")
    names = ", ".join(stack.members)
    if len(stack.members) == 1:
        output.text(f"predicted by {names}")
    else:
        kind = f"{spec.ensemble}: the weighted {rule_of(spec.rule).title.removeprefix('the ')}" if spec.ensemble else (
            "the mean of their probabilities"
        )  # fmt: skip
        output.text(f"predicted by {len(stack.members)} members ({names}), {kind}")
    if views is not PLAIN:
        output.text(f"--tta {views.name}: {views.about}; the mean of {len(views.each)} softmax probabilities")
    rows = []
    for i in islice(range(len(own.preds)), SHOWN):
        y = own.preds[i]
        truth = [] if stack.labels is None else [stack.class_names[stack.labels[i]]]
        rows.append([str(stack.sample_ids[i]), stack.class_names[y], f"{own.confidence[i]:.1%}", *truth])
    heads = ["image", "predicted", "confidence"] + ([] if stack.labels is None else ["is"])
    output.table(heads, rows, left=(0, 1, 3), title=f"The first {len(rows)}" if len(own.preds) > len(rows) else None)
    right = own.accuracy
    if right is None:
        return
    members = shown.found.members
    if len(members) > 1:
        each = [f"{p.member} {accuracy(p.probs, p.labels):.2%}" for p in members if p.labels is not None]
        output.text(f"right: {', '.join(each)}")
    without = "" if shown.plain is None else f"; without --tta {shown.plain:.2%}"
    output.text(f"right{' together' if len(members) > 1 else ''}: {right:.2%} of {count}{without}")


def _document(output: Output, shown: Shown) -> dict[str, Any]:
    """Return the JSON of docs/reference/json.md."""
    own, new, asked, views = shown.own, shown.new, shown.asked, shown.views
    stack, spec, right = own.stack, asked.spec, own.accuracy
    first = [
        {
            "id": str(stack.sample_ids[i]), "predicted": stack.class_ids[own.preds[i]],
            "name": stack.class_names[own.preds[i]], "confidence": own.confidence[i],
            "label": None if stack.labels is None else stack.class_ids[stack.labels[i]],
        }
        for i in range(min(SHOWN, len(own.preds)))
    ]  # fmt: skip
    return {
        "study": output.study, "data": new.source, "part": new.part, "split": asked.split, "samples": len(own.preds),
        "classes": stack.classes, "labelled": stack.labels is not None, "ensemble": spec.ensemble, "rule": spec.rule,
        "weights": {name: float(spec.weights[name]) for name in stack.members}, "tta": views.name,
        "members": [
            {"name": p.member, "accuracy": None if p.labels is None else accuracy(p.probs, p.labels)}
            for p in shown.found.members
        ],
        "accuracy": right, "accuracy_without_tta": right if views is PLAIN else shown.plain, "first": first,
        "files": [*shown.files, *([str(asked.out)] if asked.out else [])],
    }  # fmt: skip
