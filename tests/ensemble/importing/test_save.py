"""One's own training loop: what is in memory becomes a member for which every report works."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kofn
from cli.common import run
from cli.report import report
from ensemble.errors import BadInput
from ensemble.importing.save import save_predictions
from ensemble.study.predictions import read_predictions

LOGITS = np.array([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 3.0], [1.0, 0.0, 0.0]])
IDS = ["a/1", "b/1", "c/1", "c/2"]


def test_five_lines_make_a_member_with_curves_and_filters(tmp_path: Path) -> None:
    history = {"loss": [1.5, 0.5], "accuracy": [0.25, 0.75], "val_loss": [1.0, 0.75], "val_accuracy": [0.5, 0.625]}
    kernels = np.arange(2 * 3 * 3 * 3, dtype=np.float64).reshape(2, 3, 3, 3)
    path = kofn.save_predictions(
        str(tmp_path / "mine"), "net-0", LOGITS, [0, 1, 2, 2], IDS, ["ant", "bee", "cow"],
        logits=True, history=history, first_layer=kernels,
    )  # fmt: skip
    study = kofn.open_study(tmp_path / "mine")
    p = read_predictions(path)
    by_hand = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    assert np.allclose(p.probs, by_hand, atol=1e-7)
    assert p.labels is not None and p.labels.tolist() == [0, 1, 2, 2]
    assert p.class_ids == ("ant", "bee", "cow")
    kept = kofn.read_history(study.files("net-0").history, "net-0")
    assert kept.columns["epoch"].tolist() == [1, 2]
    assert kept.columns["val_accuracy"].tolist() == [0.5, 0.625]
    assert kept.columns["train_cross_entropy"].tolist() == [1.5, 0.5]
    assert np.isnan(kept.columns["seconds"]).all()
    assert p.first_layer is not None and p.first_layer[1, 2, 2, 2] == 53
    for kind in ("training", "filters", "per-class"):
        assert run(report, [kind, "--study", str(study.root), "--quiet"]) == 0, kind
    assert list(study) == ["net-0"]


def test_the_same_again_changes_nothing_and_others_need_leave(tmp_path: Path) -> None:
    root = tmp_path / "s"
    path = kofn.save_predictions(root, "m", LOGITS, [0, 1, 2, 2], IDS, logits=True)
    before = path.read_bytes()
    assert kofn.save_predictions(root, "m", LOGITS, [0, 1, 2, 2], IDS, logits=True) == path
    assert path.read_bytes() == before
    with pytest.raises(BadInput, match="there already"):
        kofn.save_predictions(root, "m", -LOGITS, [0, 1, 2, 2], IDS, logits=True)
    kofn.save_predictions(root, "m", -LOGITS, [0, 1, 2, 2], IDS, logits=True, overwrite=True)
    assert path.read_bytes() != before


def test_labels_are_class_ids_where_they_can_be(tmp_path: Path) -> None:
    # scikit-learn's classes_ = [2, 1, 0]: label 2 is the first column.
    path = kofn.save_predictions(tmp_path / "s", "m", LOGITS, np.array([2, 1, 0, 2]), IDS, [2, 1, 0], logits=True)
    labels = read_predictions(path).labels
    assert labels is not None and labels.tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [0, 1]}, "labels: expected 4, one for each row of values, found 2"),
        ({"class_ids": ["a", "b"]}, "class_ids: expected 3"),
        ({"history": {"val_accuracy": [50.0, 60.0]}}, "val_accuracy: expected fractions of 1, found 60; divide by 100"),
        ({"history": {"mood": [1.0]}}, "expected columns of one length such as val_accuracy"),
        ({"first_layer": np.ones(3)}, "first_layer: expected numbers \\(out, in, height, width\\), found float64"),
        ({"first_layer": "none"}, "first_layer: expected numbers"),
        ({"first_layer": np.full((1, 1, 2, 2), np.nan)}, "first_layer: has numbers that are not finite"),
        ({"history": 3}, "history: expected columns by name, a row an epoch or the path of a CSV file, found int"),
        ({"class_names": ["a", "b", "\ud800"]}, "class names: expected text, found the code 0xd800 in row 2"),
        ({"sample_ids": [*"abc", "\udfff"]}, "samples: expected text, found the code 0xdfff in row 3"),
        ({"class_names": ["a", None, "c"]}, "class_names: expected text or numbers, found None at position 1"),
        ({"member": 3}, "member '3': use letters"),
        ({"labels": [0, 1, 2, 7]}, "labels: "),
        ({"member": "no/name"}, "member 'no/name': use letters"),
    ],
)
def test_an_argument_that_cannot_be_used_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"member": "m", "labels": [0, 1, 2, 2], "sample_ids": IDS, "logits": True} | change
    with pytest.raises(BadInput, match=message):
        kofn.save_predictions(tmp_path / "s", values=LOGITS, **given)
    assert not (tmp_path / "s").exists()


def test_a_history_from_a_csv_whose_epochs_count_from_0(tmp_path: Path) -> None:
    with (tmp_path / "log.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["epoch", "loss", "val_acc", "lr"], [0, 2.5, 0.5, 0.1], [1, 1.5, "", 0.01]])
    kofn.save_predictions(tmp_path / "s", "m", LOGITS, [0, 1, 2, 2], IDS, logits=True, history=tmp_path / "log.csv")
    kept = kofn.read_history(kofn.open_study(tmp_path / "s").files("m").history, "m")
    assert kept.columns["epoch"].tolist() == [1, 2]
    assert kept.columns["learning_rate"].tolist() == [0.1, 0.01]
    assert kept.columns["val_accuracy"][0] == 0.5 and np.isnan(kept.columns["val_accuracy"][1])


def test_images_make_galleries(tmp_path: Path) -> None:
    dataset = kofn.load_dataset("digits")
    val = dataset.split("val")
    assert val.labels is not None
    probs = np.full((40, 10), 0.05)
    probs[np.arange(40), val.labels[:40]] = 0.55
    root = tmp_path / "s"
    kofn.save_predictions(root, "m", probs, val.labels[:40], val.sample_ids[:40], dataset.class_ids, images="digits")
    assert kofn.open_study(root).config.source == "digits"
    assert run(report, ["gallery", "--study", str(root), "--class", "0", "--quiet"]) == 0
    with pytest.raises(BadInput, match="images: digits has no val images of the ids given"):
        kofn.save_predictions(tmp_path / "t", "m", LOGITS, [0, 1, 2, 2], IDS, logits=True, images="digits",
                              class_ids=["0", "1", "2"])  # fmt: skip


def test_what_one_should_know_is_warned_of(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    probs = 0.8 * np.eye(4)[labels] + 0.2 * rng.dirichlet(np.ones(4), 200)
    save_predictions(tmp_path / "s", "a", probs, labels)
    with pytest.warns(UserWarning, match="b: predicts the same probabilities as a"):
        save_predictions(tmp_path / "s", "b", probs, labels)
    with pytest.warns(UserWarning, match="d: predicts the class '000' for all 200 samples"):
        save_predictions(tmp_path / "s", "d", np.tile([0.4, 0.2, 0.2, 0.2], (200, 1)), labels)
    with pytest.warns(
        UserWarning, match=r"c: .* right is no better than chance .*; are rows, labels and classes in one"
    ):
        save_predictions(tmp_path / "s", "c", probs[rng.permutation(200)], labels)


class Frame:
    """What of a data frame is looked at."""

    def __init__(self, values: np.ndarray, columns: list[object]) -> None:
        self.values, self.columns = values, columns

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return self.values


def test_a_data_frame_names_its_columns(tmp_path: Path) -> None:
    probs = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
    labels = ["cat", "dog", "owl"]
    save_predictions(tmp_path / "s", "a", probs, labels, class_ids=["cat", "dog", "owl"])
    path = save_predictions(tmp_path / "s", "b", Frame(probs[:, ::-1], ["owl", "dog", "cat"]), labels)
    p = read_predictions(path)
    assert p.labels is not None and (p.probs.argmax(axis=1) == p.labels).all()
    plain = read_predictions(save_predictions(tmp_path / "n", "a", Frame(probs, [0, 1, 2]), [0, 1, 2]))
    assert plain.class_ids == ("000", "001", "002")


def test_one_score_a_sample_is_of_the_last_class(tmp_path: Path) -> None:
    score = np.array([0.9, 0.2, 0.6])
    p = read_predictions(save_predictions(tmp_path / "s", "a", score, [True, False, True], class_ids=["neg", "pos"]))
    assert np.allclose(p.probs, np.stack([1 - score, score], axis=1)) and p.labels is not None
    assert p.labels.tolist() == [1, 0, 1]
    with pytest.raises(BadInput, match=r"list both with class_ids=\[\.\.\.\], last the one it is the probability of"):
        save_predictions(tmp_path / "t", "a", score, [1, 0, 1])


def test_predicted_classes_are_told_in_words_of_python(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="give each as a row of zeros with a one at its class"):
        save_predictions(tmp_path / "s", "a", np.array(["cat", "dog"]), [0, 1])


def test_lists_that_are_none(tmp_path: Path) -> None:
    probs = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
    for given, message in (
        ({"class_ids": "cat"}, "class_ids: expected a list, found the text 'cat'"),
        ({"sample_ids": "ab"}, "sample_ids: expected a list, found the text 'ab'"),
        ({"sample_ids": ["a", None]}, "sample_ids: expected text or numbers, found None at position 1"),
    ):
        with pytest.raises(BadInput, match=message):
            save_predictions(tmp_path / "s", "a", probs, [0, 1], **given)  # ty: ignore[invalid-argument-type]
    falling = np.sort(np.random.default_rng(0).dirichlet(np.ones(4), 40), axis=1)[:, ::-1]
    with pytest.raises(BadInput, match=r"values: .* sorted in every row: the columns are ranks"):
        save_predictions(tmp_path / "s", "a", falling, np.arange(40) % 4)
