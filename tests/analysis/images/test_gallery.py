"""Which images a gallery shows, and what it says of them."""

import numpy as np
import pytest

from analysis.ensemble import ensemble_of
from analysis.images.gallery import find_class, gallery
from analysis.stack import PredictionStack
from ensemble.errors import BadInput
from ensemble.study.split import Split

IDS = ("n1", "n2")
NAMES = ("crane, a bird", "German shepherd, alsatian")


def stack_of(own: list[float], label: int = 0, ids: list[str] | None = None) -> PredictionStack:
    """One member that gives each sample of one class the probability `own` of its class."""
    p = np.array(own, np.float32)
    probs = np.stack([p, 1 - p] if label == 0 else [1 - p, p], axis=1)[None]
    names = np.array(ids or [f"s{i}" for i in range(len(own))])
    return PredictionStack(probs, ("m",), np.full(len(own), label), names, IDS, NAMES, "val")


def split_of(ids: list[str]) -> Split:
    """Images whose pixels all hold their position."""
    images = np.arange(len(ids), dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    return Split("val", images, None, np.array(ids), IDS, NAMES)


def test_right_before_wrong_evenly_spread_and_joined_by_id() -> None:
    stack = stack_of([0.2, 0.9, 0.6, 0.4, 0.8, 0.1])
    # The images stand in another order than the predictions, with one more.
    split = split_of(["s5", "s4", "x", "s3", "s2", "s1", "s0"])
    shelf = gallery(ensemble_of(stack), split, [0], images=3).shelves[0]
    # In order: s1 .9, s4 .8, s2 .6 right; s3 .4, s0 .2, s5 .1 wrong; 0, 2.5 -> 2, 5 are taken.
    assert shelf.sample_ids.tolist() == ["s1", "s2", "s5"]
    assert shelf.images[:, 0, 0, 0].tolist() == [5, 4, 0]
    assert shelf.right.tolist() == [True, True, False]
    assert shelf.preds.tolist() == [0, 0, 1]
    assert shelf.confidence == pytest.approx([0.9, 0.6, 0.9])
    assert shelf.true_probability == pytest.approx([0.9, 0.6, 0.1])
    assert (shelf.samples, shelf.correct) == (6, 3)


def test_probabilities_are_the_means_of_the_members() -> None:
    one, two = stack_of([0.9, 0.3]), stack_of([0.5, 0.4])
    both = PredictionStack(
        np.concatenate([one.probs, two.probs]), ("a", "b"), one.labels, one.sample_ids, IDS, NAMES, "val"
    )
    shelf = gallery(ensemble_of(both), split_of(["s0", "s1"]), [0]).shelves[0]
    assert shelf.confidence == pytest.approx([0.7, 0.65])


def test_a_class_without_images_is_an_empty_shelf() -> None:
    stack = stack_of([0.9])
    shelf = gallery(ensemble_of(stack), split_of(["s0"]), [1]).shelves[0]
    assert (shelf.samples, len(shelf.images)) == (0, 0)


def test_images_of_other_samples_are_refused() -> None:
    stack = stack_of([0.9, 0.8])
    with pytest.raises(BadInput, match=r"lacks 1 of 2 predicted samples, 's1' for one"):
        gallery(ensemble_of(stack), split_of(["s0"]), [0])


def test_too_many_classes_are_refused() -> None:
    stack = stack_of([0.9])
    with pytest.raises(BadInput, match="at most 20 classes, found 21"):
        gallery(ensemble_of(stack), split_of(["s0"]), [0] * 21)


@pytest.mark.parametrize("wanted", ["n2", "German shepherd", "ALSATIAN", "german shepherd, alsatian"])
def test_a_class_is_found_by_id_name_or_synonym(wanted: str) -> None:
    assert find_class(wanted, IDS, NAMES) == 1


def test_an_unknown_class_names_the_nearest() -> None:
    with pytest.raises(BadInput, match=r"no class 'alsation', by id or by name; known: alsatian"):
        find_class("alsation", IDS, NAMES)


def test_a_name_of_two_classes_asks_for_an_id() -> None:
    with pytest.raises(BadInput, match=r"'crane' names 2 classes; give an id instead: n1, n2"):
        find_class("crane", IDS, ("crane, a bird", "crane, a machine"))
