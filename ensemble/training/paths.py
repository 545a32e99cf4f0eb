"""Where the files of one training are kept: a member's, its snapshots', or those of one of its folds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ensemble.models import comparable
from ensemble.study.atomic import file_sha256
from ensemble.study.names import MemberFiles
from ensemble.study.predictions import Predictions, write_predictions
from ensemble.study.split import Dataset, Split
from ensemble.study.study import Study
from ensemble.training.folds import SPLIT, chosen_images, fold_dir, held_out_path, parts_of
from ensemble.training.job import TrainingJob


@dataclass(frozen=True)
class MemberPaths:
    """The folder of a training, and the names under which it predicts."""

    job: TrainingJob
    study: Study

    @property
    def folder(self) -> Path:
        """Where recipe, checkpoint, history and, but for snapshots, weights are."""
        job = self.job
        return self.study.member_dir(job.member) if job.fold is None else fold_dir(self.study, job.member, job.fold)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names under which it predicts, one after another: a snapshot each, or the member."""
        return (self.job.member,) if self.job.fold is not None else self.job.recipe.outputs(self.job.member)

    @property
    def files(self) -> MemberFiles:
        """The files of that folder."""
        return MemberFiles(self.folder)

    def home(self, output: str) -> MemberFiles:
        """Return the files of what predicts under a name: a snapshot is a member with a folder of its own."""
        return self.files if self.job.fold is not None else self.study.files(output)

    def finished(self) -> bool:
        """Say whether there is nothing left to learn."""
        return self.home(self.outputs[-1]).weights.exists()

    def to_predict(self, output: str, dataset: Dataset) -> dict[Path, Split]:
        """Return the files of predictions under a name, with the images that each is of."""
        if self.job.fold is None:
            return {self.study.predictions_path(output, name): dataset.split(name) for name in self.job.splits}
        train = dataset.split("train")
        assert train.labels is not None
        held = parts_of(train.labels, 0.0, self.job.fold, self.job.folds).held
        images = chosen_images(train.images, held)
        unseen = Split(SPLIT, images, train.labels[held], train.sample_ids[held], train.class_ids, train.class_names)
        return {held_out_path(self.folder): unseen}

    def write_predictions(
        self,
        path: Path,
        output: str,
        split: Split,
        probs: np.ndarray,
        fingerprint: str,
        epochs: int,
        first_layer: np.ndarray | None,
    ) -> None:
        """Keep predictions (N, C) of a split, with all that is known of what made them."""
        job = self.job
        mark = {} if comparable(job.recipe) else {"comparable": False}
        weights = self.home(output).weights
        write_predictions(
            path,
            Predictions(
                member=output,
                split=split.name,
                probs=probs,
                sample_ids=split.sample_ids,
                class_ids=split.class_ids,
                class_names=split.class_names,
                labels=split.labels,
                recipe={**job.recipe.as_dict(), "threads": job.threads},
                data_fingerprint=fingerprint,
                first_layer=first_layer,
                attributes={"seed": job.recipe.seed, "epoch": epochs, "weights_sha256": file_sha256(weights)} | mark,
            ),
        )
