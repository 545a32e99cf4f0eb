"""An extra split: images that came after training, whose predictions a study keeps under a name of their own."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ensemble.datasets.new_images import NewImages
from ensemble.errors import BadInput
from ensemble.study.atomic import file_sha256
from ensemble.study.names import check_name
from ensemble.study.predictions import Predictions, read_predictions, read_rows
from ensemble.study.study import SplitConfig, Study, ids_digest

# What members are trained with, and what their training reports.
TAKEN = ("train", "tune", "train-oof", "val")


@dataclass(frozen=True)
class ExtraSplit:
    """A split's name and the view its predictions are made by ("none": the images as they are)."""

    study: Study
    name: str
    view: str

    def check(self, new: NewImages, members: tuple[str, ...]) -> None:
        """Raise `BadInput` where predictions of these images by these members cannot be kept; nothing is written."""
        study, name = self.study, self.name
        check_name(name, "split")
        if name in TAKEN:
            raise BadInput(
                f"split={name!r}: is a split that members are trained or judged on, and is never overwritten; keep "
                f"these predictions under another name, such as split='{name}-again'"
                + ("." if new.part is None else f" with part={new.part!r}.")
            )
        self._check_samples(new.sample_ids, new.labels, new.source)
        self._check_views(members, "" if new.part is None else f" with part={new.part!r}")
        known = self._fingerprint()
        if new.fingerprint is not None and known not in (None, new.fingerprint):
            raise self._other_images(new.source)
        if new.fingerprint is None and known is not None and known == study.config.fingerprint:
            raise BadInput(
                f"split={name!r}: holds predictions of the study's own {name} images; "
                f"leave out data=..., or keep these under another name."
            )

    def keep(self, predictions: list[Predictions], definition: str) -> list[str]:
        """Write predictions of one set of images, and pin the split where it is new; return their files.

        Raises `BadInput` where the split holds other images or views, or a member was trained on or removed meanwhile;
        `StorageError` where it cannot be written.
        """
        first = predictions[0]
        with self.study.alone():
            self._check_views([p.member for p in predictions], "")
            for p in predictions:
                self._check_weights(p)
            self._check_samples(first.sample_ids, first.labels, definition)
            if self._fingerprint() not in (None, first.data_fingerprint):
                raise self._other_images(definition)
            study = Study.open(self.study.root)
            if self.name not in study.config.splits:
                digest = ids_digest(first.sample_ids, first.labels, first.class_ids)
                config = SplitConfig(len(first), digest, definition)
                study = study.with_config(splits={**study.config.splits, self.name: config})
            return [str(study.write(p)) for p in predictions]

    def _check_views(self, members: Sequence[str], part: str) -> None:
        for member in members:
            path = self.study.predictions_path(member, self.name)
            if path.is_file() and (before := _view(read_predictions(path))) != self.view:
                raise BadInput(
                    f"{path}: was predicted with tta={before!r}, now tta={self.view!r} is asked for; "
                    f"keep it under another name, such as split='{self.name}-{self.view}'{part}."
                )

    def _check_weights(self, p: Predictions) -> None:
        """Raise `BadInput` where a member's weights are no longer those that predicted."""
        digest, path = p.attributes.get("weights_sha256"), self.study.files(p.member).weights
        if digest is not None and (not path.is_file() or file_sha256(path) != digest):
            raise BadInput(
                f"{path}: was changed or removed by a training while {self.name} was predicted, and nothing was kept; "
                "wait for the training, and predict again."
            )

    def _check_samples(self, sample_ids: np.ndarray, labels: np.ndarray | None, where: str) -> None:
        """Raise `BadInput`, naming the difference, where the split is there with other samples or other labels."""
        study, pinned = self.study, self.study.config.splits.get(self.name)
        holds = study.members(self.name)
        if pinned is not None and pinned.digest == ids_digest(sample_ids, labels, study.config.class_ids):
            return
        if pinned is None and not holds:
            return
        advice = "name another split, or give the images it was made of"
        if not holds:
            assert pinned is not None
            raise BadInput(
                f"split={self.name!r}: {study.root} has it with {pinned.samples:,} images ({pinned.definition}), and "
                f"{where} holds {len(sample_ids):,}, not the same ids and labels; {advice}."
            )
        there = read_rows(study.predictions_path(holds[0], self.name))
        old, new = set(there.sample_ids.tolist()), set(sample_ids.tolist())
        gone, come = sorted(old - new), sorted(new - old)
        if gone or come:
            difference = f"{_some(gone)} only there, {_some(come)} only here"
        elif (there.labels is None) != (labels is None):
            difference = "the same ids, " + ("here with labels" if there.labels is None else "there with labels")
        else:
            assert there.labels is not None
            assert labels is not None
            before = dict(zip(there.sample_ids.tolist(), np.asarray(there.class_ids)[there.labels], strict=True))
            now = np.asarray(study.config.class_ids)[labels]
            changed = [i for i, c in zip(sample_ids.tolist(), now, strict=True) if before[i] != c]
            if not changed:
                return
            difference = f"{_some(sorted(changed))} with another label"
        raise BadInput(
            f"split={self.name!r}: {study.root} has it with {len(old):,} images, and {where} holds {len(new):,} "
            f"others: {difference}; {advice}."
        )

    def _fingerprint(self) -> str | None:
        """Return the fingerprint of the images the split was predicted for; None where none is known."""
        for member in self.study.members(self.name):
            found = read_predictions(self.study.predictions_path(member, self.name)).data_fingerprint
            if found is not None:
                return found
        return None

    def _other_images(self, where: str) -> BadInput:
        return BadInput(
            f"split={self.name!r}: {self.study.root} has it with images of the same names, but other pixels than "
            f"{where}; name another split, or give the images it was made of."
        )


class Fingerprint:
    """The SHA-256 over images that come in blocks, by which they are known again: shape, pixels, then ids.

    shape: (H, W, Ch) of each image.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._digest = hashlib.sha256(str(shape).encode())

    def add(self, images: np.ndarray) -> None:
        """Take in uint8 (n, H, W, Ch)."""
        self._digest.update(np.ascontiguousarray(images).data.cast("B"))

    def of(self, sample_ids: np.ndarray) -> str:
        """Return the digest (hex) of the images taken in, with their ids (N,)."""
        whole = self._digest.copy()
        whole.update("\n".join(sample_ids.tolist()).encode())
        return whole.hexdigest()


def _view(predictions: Predictions) -> str:
    return str(predictions.attributes.get("view", "none"))


def _some(ids: list[str]) -> str:
    return f"{len(ids):,} ({ids[0]!r} for one)" if ids else "none"
