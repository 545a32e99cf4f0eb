"""Who learns from which image: folds and tune, by their properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.errors import BadInput
from ensemble.inference.inputs import Batches, fit_inputs
from ensemble.training.folds import chosen_images, fold_of, is_tune, parts_of

# Any mixture of classes of two images or more, in any order.
LABELS = st.lists(st.integers(0, 4), min_size=12, max_size=80).map(lambda y: np.array([*y, *range(5), *range(5)]))


@given(LABELS, st.integers(2, 7))
def test_folds_part_every_class_evenly(labels: np.ndarray, folds: int) -> None:
    fold = fold_of(labels, folds)
    assert fold.shape == labels.shape
    assert set(fold.tolist()) == set(range(folds))
    for which in (labels == c for c in (*np.unique(labels), None) if c is not None):
        counts = np.bincount(fold[which], minlength=folds)
        assert counts.max() - counts.min() <= 1
    counts = np.bincount(fold, minlength=folds)
    assert counts.max() - counts.min() <= 1
    assert np.array_equal(fold, fold_of(labels, folds))  # the same for whoever asks


@given(LABELS, st.integers(2, 5), st.sampled_from([0.0, 0.2, 0.5]))
def test_every_image_is_held_out_once_and_never_learnt_from_there(labels: np.ndarray, folds: int, tune: float) -> None:
    held = []
    for i in range(folds):
        parts = parts_of(labels, tune, i, folds)
        everything = np.concatenate([parts.learn, parts.tune, parts.held])
        assert np.array_equal(np.sort(everything), np.arange(len(labels)))
        assert all(np.array_equal(part, np.sort(part)) for part in (parts.learn, parts.tune, parts.held))
        assert bool(len(parts.tune)) == bool(tune)
        held.append(parts.held)
    assert np.array_equal(np.sort(np.concatenate(held)), np.arange(len(labels)))


@given(LABELS, st.floats(0.1, 0.9))
def test_tune_takes_its_share_of_every_class_and_never_all(labels: np.ndarray, share: float) -> None:
    if not any(np.floor(share * n + 0.5) for n in np.bincount(labels)):
        return
    tune = is_tune(labels, share)
    for c in np.unique(labels):
        n, taken = int((labels == c).sum()), int(tune[labels == c].sum())
        assert taken == min(np.floor(share * n + 0.5), n - 1)


def test_des_parting_of_the_official_train_images() -> None:
    """450 to learn from and 50 to tune by of each of 200 classes."""
    labels = np.repeat(np.arange(200), 500)
    tune = is_tune(labels, 0.1)
    assert np.array_equal(np.bincount(labels[tune]), np.full(200, 50))


def test_images_are_shuffled_before_they_are_dealt() -> None:
    """A class's images often stand in an order that means something: one camera, one day."""
    fold = fold_of(np.zeros(100, dtype=np.int64), 2)
    assert 0 < fold[:50].sum() < 50
    assert not np.array_equal(fold, np.arange(100) % 2)


@pytest.mark.parametrize(
    ("labels", "folds", "message"),
    [
        ([0, 0, 1, 1], 1, "folds=1: expected 2 or more"),
        ([0, 0, 1, 1], 5, "folds=5: there are 4 training images"),
        ([0, 0, 0, 1], 2, "class number 1 has one training image"),
    ],
)
def test_folds_that_cannot_be(labels: list[int], folds: int, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        fold_of(np.array(labels), folds)


def test_a_tune_of_no_image_is_refused() -> None:
    with pytest.raises(BadInput, match=r"tune = 0.01 of the training images is not one image.*classes of 50 or more"):
        is_tune(np.repeat([0, 1], 20), 0.01)


def test_chosen_images_are_for_the_eye_an_array(tmp_path) -> None:
    import torch

    images = np.random.default_rng(0).integers(0, 256, (40, 3, 2, 1), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    rows = np.array([3, 4, 8, 39])
    chosen = chosen_images(mapped, rows)
    assert (len(chosen), chosen.shape, chosen.dtype, chosen.ndim, chosen.size) == (4, (4, 3, 2, 1), np.uint8, 4, 24)
    assert np.array_equal(np.array(chosen), images[rows])
    assert np.array_equal(chosen[1:3], images[[4, 8]])
    wanted, found = fit_inputs(images[rows]), fit_inputs(chosen, block=3)
    assert torch.equal(wanted.mean, found.mean)
    assert float(wanted.std) == pytest.approx(float(found.std), rel=1e-6)
    batches = Batches(chosen, np.arange(4), torch.device("cpu"))
    assert np.array_equal(batches.images(torch.tensor([2, 0])).numpy(), images[[8, 3]])
    assert chosen_images(images, np.arange(40)) is images
