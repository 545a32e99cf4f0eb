"""The files that ens-predict writes: refused before any work where they cannot be, then written."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from analysis.ensemble import Ensemble, as_predictions
from analysis.prediction_files import ANSWERS, write_answers
from ensemble.datasets.new_images import NewImages
from ensemble.datasets.submission import LINE, check_submission, write_submission
from ensemble.errors import BadInput, storage_error
from ensemble.inference.extra_split import ExtraSplit
from ensemble.inference.members import EnsembleSpec
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
