"""Predictions of images that came after training, kept in a study under a name of their own."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ensemble.datasets.new_images import NewImages
from ensemble.errors import BadInput
from ensemble.inference.extra_split import ExtraSplit, Fingerprint
from ensemble.study.atomic import file_sha256
from ensemble.study.predictions import Predictions
from ensemble.study.study import SplitConfig, Study, StudyConfig, ids_digest

CLASSES = ("cat", "dog")
IDS = np.array(["a", "b", "c"])
LABELS = np.array([0, 1, 1])


@pytest.fixture
def study(tmp_path: Path) -> Study:
    own = np.array(["images/test_0", "images/test_1"])
    splits = {"test": SplitConfig(2, ids_digest(own, None, CLASSES), "the test images of pets")}
    return Study.create(tmp_path / "study", StudyConfig("pets", "/pets", "f" * 64, CLASSES, CLASSES, splits))


def new(ids: np.ndarray = IDS, labels: np.ndarray | None = LABELS, **more: Any) -> NewImages:
    unused = lambda row, shape: (np.zeros(shape, np.uint8), "RGB", False)  # noqa: E731
    given: dict[str, Any] = {"source": "/new", "part": None, "fingerprint": None, "notes": (), "load": unused} | more
    return NewImages(sample_ids=ids, labels=labels, **given)


def said(
    member: str = "m-0", split: str = "shift", ids: np.ndarray = IDS, labels: Any = LABELS, **more: Any
) -> Predictions:
    probs = np.full((len(ids), 2), 0.5, np.float32)
    given: dict[str, Any] = {"data_fingerprint": "1" * 64} | more
    return Predictions(member, split, probs, ids, CLASSES, CLASSES, labels=labels, **given)


def refused(extra: ExtraSplit, images: NewImages, message: str, members: tuple[str, ...] = ("m-0",)) -> None:
    before = sorted(p for p in extra.study.root.rglob("*"))
    with pytest.raises(BadInput) as error:
        extra.check(images, members)
    assert message in str(error.value)
    assert sorted(p for p in extra.study.root.rglob("*")) == before


def test_kept_predictions_are_a_split_of_the_study(study: Study) -> None:
    extra = ExtraSplit(study, "shift", "none")
    extra.check(new(), ("m-0", "m-1"))
    files = extra.keep([said("m-0"), said("m-1")], "3 images of /new")
    assert files == [str(study.predictions_path(m, "shift")) for m in ("m-0", "m-1")]
    again = Study.open(study.root)
    pinned = again.config.splits["shift"]
    assert (pinned.samples, pinned.definition) == (3, "3 images of /new")
    assert pinned.digest == ids_digest(IDS, LABELS, CLASSES)
    assert again.config.splits["test"] == study.config.splits["test"]
    assert again.members("shift") == ["m-0", "m-1"]
    # The same images again, in another order: replaced, and more members come to it.
    order = [2, 0, 1]
    once_more = ExtraSplit(again, "shift", "none")
    once_more.check(new(IDS[order], LABELS[order]), ("m-0", "m-2"))
    once_more.keep([said("m-0"), said("m-2")], "3 images of /new")
    assert again.members("shift") == ["m-0", "m-1", "m-2"]


@pytest.mark.parametrize("name", ["train", "val", "tune", "train-oof"])
def test_what_members_are_judged_on_is_never_overwritten(name: str, study: Study) -> None:
    refused(ExtraSplit(study, name, "none"), new(), f"split={name!r}: is a split that members are trained or judged on")
    refused(ExtraSplit(study, name, "none"), new(part=name), f"such as split='{name}-again' with part={name!r}.")


def test_other_images_of_a_split_are_refused_naming_the_difference(study: Study) -> None:
    extra = ExtraSplit(study, "shift", "none")
    extra.keep([said()], "3 images of /new")
    extra = ExtraSplit(Study.open(study.root), "shift", "none")
    others = np.array(["a", "b", "d", "e"])
    refused(extra, new(others, np.array([0, 1, 1, 1])),
            "has it with 3 images, and /new holds 4 others: 1 ('c' for one) only there, 2 ('d' for one) only here; "
            "name another split")  # fmt: skip
    refused(extra, new(IDS[:2], LABELS[:2]), "1 ('c' for one) only there, none only here")
    refused(extra, new(labels=None), "the same ids, there with labels")
    refused(extra, new(labels=np.array([0, 0, 1])), "1 ('b' for one) with another label")
    refused(ExtraSplit(study, "no such", "none"), new(), "split 'no such': use letters")
    # The same names, other pixels.
    with pytest.raises(BadInput, match=r"images of the same names, but other pixels than 3 images of /new"):
        extra.keep([said("m-1", data_fingerprint="2" * 64)], "3 images of /new")
    assert study.members("shift") == ["m-0"]
    # Labels come to an unlabelled split: the study pinned it without.
    ExtraSplit(study, "bare", "none").keep([said(split="bare", labels=None)], "3 images of /new")
    refused(ExtraSplit(Study.open(study.root), "bare", "none"), new(), "the same ids, here with labels")


def test_the_studys_own_split_takes_its_own_images_only(study: Study) -> None:
    extra = ExtraSplit(study, "test", "none")
    refused(extra, new(), "has it with 2 images (the test images of pets), and /new holds 3")
    own = np.array(["images/test_1", "images/test_0"])
    extra.check(new(own, None, fingerprint="f" * 64), ("m-0",))
    extra.keep([said(split="test", ids=own, labels=None, data_fingerprint="f" * 64)], "the test images")
    refused(extra, new(own, None), "holds predictions of the study's own test images; leave out data=...", ("m-1",))
    refused(extra, new(own, None, fingerprint="e" * 64), "but other pixels than /new")


def test_predictions_of_another_view_are_kept_apart(study: Study) -> None:
    ExtraSplit(study, "shift", "mirror").keep([said(attributes={"view": "mirror"})], "3 images of /new")
    ExtraSplit(study, "shift", "mirror").check(new(), ("m-0",))
    plain = ExtraSplit(study, "shift", "none")
    refused(plain, new(), "m-0.shift.h5: was predicted with tta='mirror', now tta='none' is asked for")
    plain.check(new(), ("m-1",))
    refused(ExtraSplit(study, "shift", "flips"), new(part="val"), "such as split='shift-flips' with part='val'.")


def test_a_fingerprint_hangs_on_pixels_and_ids_not_on_blocks() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    ids = np.array(list("abcde"))

    def of(parts: list[np.ndarray], names: np.ndarray = ids) -> str:
        fingerprint = Fingerprint((4, 4, 3))
        for part in parts:
            fingerprint.add(part)
        return fingerprint.of(names)

    whole = of([images])
    assert of([images[:2], images[2:]]) == whole
    assert of([images[:, ::-1][:, ::-1]]) == whole
    other = images.copy()
    other[4, 3, 3, 2] ^= 1
    assert len({whole, of([other]), of([images], ids[::-1]), Fingerprint((4, 3, 4)).of(ids)}) == 4


def test_a_split_imported_without_a_pin_is_compared_too(study: Study) -> None:
    study.write(replace(said(), data_fingerprint=None))
    extra = ExtraSplit(study, "shift", "none")
    extra.check(new(), ("m-1",))
    refused(extra, new(IDS[:1], LABELS[:1]), "2 ('b' for one) only there", ("m-1",))


def test_what_another_process_did_while_it_was_predicted_is_looked_at_again_before_it_is_kept(study: Study) -> None:
    weights = study.files("m-0").weights
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"first")
    by_these = said(attributes={"weights_sha256": file_sha256(weights)})
    extra = ExtraSplit(study, "shift", "none")
    extra.check(new(), ("m-0",))
    extra.keep([by_these], "3 images of /new")
    for happened in (lambda: weights.write_bytes(b"later"), weights.unlink):
        happened()
        study.predictions_path("m-0", "shift").unlink(missing_ok=True)
        with pytest.raises(BadInput, match="was changed or removed by a training while shift was predicted"):
            extra.keep([by_these], "3 images of /new")
        assert not study.predictions_path("m-0", "shift").exists()
    ExtraSplit(study, "shift", "mirror").keep([said(attributes={"view": "mirror"})], "3 images of /new")
    with pytest.raises(BadInput, match="was predicted with tta='mirror', now tta='none' is asked for"):
        extra.keep([said()], "3 images of /new")
