"""What a recipe's settings do to a training: judged by files, by hand, and by what must not matter."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ensemble.datasets import load_dataset
from ensemble.errors import BadInput, KofnError
from ensemble.inference.inputs import precision_on
from ensemble.inference.members import open_member
from ensemble.models import NetworkSpec, build_network
from ensemble.study.atomic import file_sha256
from ensemble.study.history import Epoch, read_epochs
from ensemble.study.predictions import read_predictions
from ensemble.study.recipe import Recipe, builtin_plan
from ensemble.study.split import Dataset, Split
from ensemble.study.study import Study, config_of
from ensemble.study.weights import keep_first_layer, load_tensors
from ensemble.training import run as trainer
from ensemble.training import run as training
from ensemble.training.augment import mix
from ensemble.training.data import TrainingData
from ensemble.training.folds import fold_of, folds_left, held_out_path, parts_of
from ensemble.training.job import TrainingJob
from ensemble.training.transfer import freeze

CPU = torch.device("cpu")
SHARE_BELOW_HALF = 6  # a seed after which Beta(1, 1) draws a share below one half
BASE = replace(builtin_plan("digits").base, epochs=2)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture
def study(tmp_path: Path, digits: Dataset) -> Study:
    return Study.create(tmp_path / "study", config_of(digits))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def train(study: Study, member: str, recipe: Recipe, fold: int | None = None, folds: int = 0) -> list[Epoch]:
    """Train a member, or one of its folds; return its history."""
    splits = ("val",) if fold is None else ()
    trainer.train_member(
        TrainingJob(study.root, member, recipe, 1, "cpu", splits, fold, folds), lambda kind, facts: None
    )
    folder = study.member_dir(member) / ("." if fold is None else f"folds/{fold}")
    return read_epochs(folder / "history.csv", upto=99)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_tensors(folder / "weights.safetensors", "kofn.weights")[0]


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def with_train(digits: Dataset, change: Callable[[np.ndarray], None]) -> Dataset:
    """The digits with other training pixels, which nobody is told of."""
    split = digits.split("train")
    images = np.array(split.images)
    change(images)
    changed = Split("train", images, split.labels, split.sample_ids, split.class_ids, split.class_names)
    return replace(digits, splits={**digits.splits, "train": changed})


# -- what a network is fed with


def test_an_epoch_holds_each_image_once_for_every_set(digits: Dataset) -> None:
    data = TrainingData(replace(BASE, augment="mirror:0 + flip:1", batch_size=33), digits, CPU)
    data.fit()
    batches = list(data.batches())
    assert data.images == 400
    assert data.updates == len(batches) == 13
    seen = torch.cat([inputs for inputs, _, _ in batches])
    plain = data.inputs(torch.from_numpy(np.array(digits.split("train").images)))
    upright = (seen[:, None] == plain[None]).flatten(2).all(2).any(1)
    # The second set turns pixels upside down before the mean image is subtracted.
    turned = data.inputs(torch.from_numpy(np.array(digits.split("train").images[:, ::-1])))
    upside = (seen[:, None] == turned[None]).flatten(2).all(2).any(1)
    assert int(upright.sum()) == int(upside.sum()) == 200


def test_a_batch_of_one_image_joins_the_one_before(digits: Dataset) -> None:
    data = TrainingData(replace(BASE, batch_size=199), digits, CPU)
    data.fit()
    assert [len(labels) for _, _, labels in data.batches()] == [200]
    assert data.updates == 1


def test_mixed_targets_and_the_label_of_the_greater_share(digits: Dataset) -> None:
    data = TrainingData(replace(BASE, mixup=1.0, batch_size=200), digits, CPU)
    data.fit()
    torch.manual_seed(SHARE_BELOW_HALF)
    (inputs, targets, labels) = next(iter(data.batches()))
    torch.manual_seed(SHARE_BELOW_HALF)
    order = torch.randperm(200)
    plain = data.inputs(data.learn.images(order))
    assert data.learn.labels is not None
    mixed, expected = mix(plain, data.learn.labels[order], 10, 1.0, 0.0)
    assert torch.equal(inputs, mixed)
    assert torch.equal(targets, expected)
    assert torch.equal(labels, expected.argmax(1))
    assert not torch.equal(labels, data.learn.labels[order])


def test_flips_on_validation_touch_the_history_and_never_predictions(study: Study) -> None:
    plain, flipped = train(study, "plain", BASE), train(study, "flipped", replace(BASE, augment_val="mirror flip"))
    assert np.array_equal(study.read("plain", "val").probs, study.read("flipped", "val").probs)
    for a, b in zip(plain, flipped, strict=True):
        assert (a.train_cross_entropy, a.train_accuracy) == (b.train_cross_entropy, b.train_accuracy)
        assert a.val_cross_entropy != b.val_cross_entropy
    again = train(study, "again", replace(BASE, augment_val="mirror flip"))
    assert [e.val_cross_entropy for e in again] == [e.val_cross_entropy for e in flipped]


def test_tune_is_held_out_of_training_and_measured(
    study: Study, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(BASE, tune=0.2)
    data = TrainingData(recipe, digits, CPU)
    assert (data.images, len(data.tune or ())) == (160, 40)
    history = train(study, "m", recipe)
    assert [e.images_seen for e in history] == [160, 320]
    assert all(0 <= e.tune_accuracy <= 1 and e.tune_cross_entropy > 0 for e in history)
    assert all(np.isnan(e.tune_accuracy) for e in train(study, "without", BASE))
    # Other pixels in tune: the weights are the same, what is measured is not.
    labels = digits.split("train").labels
    assert labels is not None
    others = parts_of(labels, 0.2).tune

    def scramble(images: np.ndarray) -> None:
        images[others] = 255 - images[others]

    changed = with_train(digits, scramble)
    monkeypatch.setattr(trainer, "load_dataset", lambda source: changed)
    scrambled = train(study, "scrambled", recipe)
    assert equal(weights(study.member_dir("m")), weights(study.member_dir("scrambled")))
    assert history[0].tune_cross_entropy != scrambled[0].tune_cross_entropy


# -- the loss and the average


def first_sight(recipe: Recipe) -> tuple[np.ndarray, float]:
    """What the first weights say of all training images, log p (N, C), and the sum of their kernels' squares."""
    dataset = load_dataset("digits").split("train")
    torch.manual_seed(recipe.seed)
    network = build_network(recipe.model, NetworkSpec((16, 16, 1), 10))
    images = dataset.images.astype(np.float64)
    mean = images.mean(0)
    std = np.sqrt(((images - mean) ** 2).mean())
    logits = network(torch.from_numpy(((images - mean) / std).astype(np.float32)).permute(0, 3, 1, 2))
    squares = sum(float((p.detach().double() ** 2).sum()) for n, p in network.named_parameters() if "weight" in n)
    return F.log_softmax(logits.detach().double(), 1).numpy(), squares


def test_label_smoothing_by_hand(study: Study, digits: Dataset) -> None:
    """One batch an epoch: the loss is that of the first weights, (1 - e) nll + e / C sum of -log p, and the penalty."""
    recipe = replace(BASE, epochs=1, batch_size=200, dropout=0.0, label_smoothing=0.3)
    (epoch,) = train(study, "m", recipe)
    logp, squares = first_sight(recipe)
    nll = -logp[np.arange(200), digits.split("train").labels]
    assert epoch.train_cross_entropy == pytest.approx(nll.mean(), rel=1e-5)
    smoothed = (0.7 * nll + 0.3 * (-logp).mean(1)).mean()
    assert epoch.train_loss == pytest.approx(smoothed + recipe.l2 * squares, rel=1e-5)


def test_a_short_batch_weighs_as_many_images_as_it_holds(study: Study, digits: Dataset) -> None:
    """At a rate of next to nothing an epoch of 150 and 50 images measures the first weights on all 200 alike."""
    recipe = replace(BASE, epochs=1, batch_size=150, dropout=0.0, augment="", learning_rate=1e-12)
    (epoch,) = train(study, "m", recipe)
    logp, squares = first_sight(recipe)
    labels = digits.split("train").labels
    nll = -logp[np.arange(200), labels].mean()
    assert epoch.train_cross_entropy == pytest.approx(nll, rel=1e-5)
    assert epoch.train_loss == pytest.approx(nll + recipe.l2 * squares, rel=1e-5)
    assert epoch.train_accuracy == (logp.argmax(axis=1) == labels).mean()


def test_the_averaged_weights_predict(study: Study) -> None:
    """With a decay of nearly 1 the average stays what it was after the first update, the only one of "once"."""
    once = replace(BASE, epochs=1, batch_size=200)
    train(study, "once", once)
    history = train(study, "averaged", replace(once, epochs=2, ema=1 - 1e-9))
    train(study, "raw", replace(once, epochs=2))
    first, average, raw = (weights(study.member_dir(name)) for name in ("once", "averaged", "raw"))
    assert all(torch.allclose(average[name], first[name], atol=1e-7) for name in first)
    assert not any(torch.equal(raw[name], first[name]) for name in first if name.endswith("weight"))
    p = study.read("averaged", "val")
    assert np.allclose(p.probs, study.read("once", "val").probs, atol=1e-6)
    assert history[-1].val_accuracy == pytest.approx(float((p.probs.argmax(1) == p.labels).mean()), abs=1e-9)


# -- where a network starts, and what is told of it


def test_what_a_member_is_and_how_its_first_layer_changed(study: Study) -> None:
    train(study, "m", BASE)
    told = json.loads((study.member_dir("m") / "network.json").read_text())
    assert (told["schema"], told["model"], told["parameters"]) == (1, "ting-m3-small", 16530)
    counts = {"from": "random", "comparable": True, "loaded": 0, "skipped": 0, "fresh": 12}
    assert told["start"] == told["start"] | counts
    with np.load(study.member_dir("m") / "first_layer.npz", allow_pickle=False) as kept:
        kernels = {name: kept[name] for name in kept.files}
    assert {name: k.shape for name, k in kernels.items()} == dict.fromkeys(("begin", "first", "last"), (8, 1, 5, 5))
    torch.manual_seed(BASE.seed)
    begin = build_network(BASE.model, NetworkSpec((16, 16, 1), 10, dropout=BASE.dropout))
    assert np.array_equal(kernels["begin"], begin.base[0].weight.detach().numpy())  # ty: ignore[not-subscriptable]
    assert np.array_equal(kernels["last"], weights(study.member_dir("m"))["network.base.0.weight"].numpy())
    assert not np.array_equal(kernels["first"], kernels["last"])


def test_a_damaged_file_of_kernels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "first_layer.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(BadInput, match=r"first_layer\.npz: cannot be read as arrays"):
        keep_first_layer(tmp_path / "first_layer.npz", "last", np.zeros((1, 1, 1, 1), dtype=np.float32))


def test_weights_of_a_member_start_another_one(study: Study) -> None:
    train(study, "first", BASE)
    path = study.member_dir("first") / "weights.safetensors"
    recipe = replace(BASE, epochs=1, weights=str(path), weights_sha256=file_sha256(path), learning_rate=1e-6)
    said = []
    job = TrainingJob(study.root, "second", recipe, 1, "cpu", ("val",))
    trainer.train_member(job, lambda kind, facts: said.append(facts["text"]) if kind == "note" else None)
    assert said == [f"started from {path}: 12 tensors loaded, 0 skipped, 0 newly initialised"]
    told = json.loads((study.member_dir("second") / "network.json").read_text())
    counts = {"from": str(path), "comparable": True, "loaded": 12, "skipped": 0, "fresh": 0}
    assert told["start"] == told["start"] | counts
    assert np.abs(study.read("first", "val").probs - study.read("second", "val").probs).max() < 0.02
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(BadInput, match=r"weights\.safetensors: (changed since|cannot|expected|does not match)"):
        train(study, "third", recipe)
    # What could not start left nothing that pins it.
    assert not (study.member_dir("third") / "recipe.toml").exists()


def test_a_pretrained_model_asks_where_to_start(study: Study) -> None:
    recipe = replace(BASE, model="de-vgg16", input_size=32, weights="")
    with pytest.raises(BadInput, match=r"de-vgg16: .*weights='hub'.*weights=FILE.*weights='random'"):
        train(study, "m", recipe)
    assert not (study.member_dir("m") / "recipe.toml").exists()


def test_a_random_start_of_a_pretrained_model_is_marked(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the digits' own network, which is told to be a pretrained one."""
    from ensemble import models as zoo
    from ensemble.training import transfer

    row = replace(zoo.MODELS["ting-m3-small"], pretrained=True)
    for room in (zoo, transfer):
        monkeypatch.setattr(room, "model_named", lambda name: row)
    train(study, "m", replace(BASE, epochs=1, weights="random"))
    assert study.read("m", "val").attributes["comparable"] == 0
    assert json.loads((study.member_dir("m") / "network.json").read_text())["start"]["comparable"] is False
    train(study, "other", replace(BASE, epochs=1, weights=str(study.member_dir("m") / "weights.safetensors")))
    assert "comparable" not in study.read("other", "val").attributes


def test_a_frozen_base_stays_as_it_is_and_then_learns(study: Study) -> None:
    recipe = replace(BASE, epochs=3, frozen_epochs=3, dropout=0.0)
    train(study, "frozen", recipe)
    train(study, "thawed", replace(recipe, frozen_epochs=2))
    torch.manual_seed(recipe.seed)
    begin = build_network(recipe.model, NetworkSpec((16, 16, 1), 10)).state_dict()
    frozen, thawed = weights(study.member_dir("frozen")), weights(study.member_dir("thawed"))
    for name, t in begin.items():
        assert torch.equal(frozen[f"network.{name}"], t) == name.startswith("base."), name
        assert not torch.equal(thawed[f"network.{name}"], t)


def test_the_whole_network_begins_with_an_empty_memory(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adam counts its updates: those of the frozen epoch are forgotten, for the head too."""
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    recipe = replace(BASE, epochs=3, frozen_epochs=1, optimiser="adam")

    def cut(kind: str, facts: dict[str, Any]) -> None:
        if kind == "epoch" and facts["epoch"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.train_member(TrainingJob(study.root, "m", recipe, 1, "cpu", ("val",)), cut)
    kept, facts = load_tensors(study.member_dir("m") / "checkpoint.safetensors", "kofn.checkpoint")
    assert facts["epochs"] == 2
    assert {float(t) for name, t in kept.items() if name.startswith("state.step.")} == {13.0}


def test_features_of_a_frozen_base_train_the_same_head(digits: Dataset) -> None:
    """Inputs, in the same order, go the long way to the same logits; so does what is measured."""
    recipe = replace(BASE, epochs=3, frozen_epochs=3, augment="mirror", normalise="unit")
    slow, fast = TrainingData(recipe, digits, CPU), TrainingData(recipe, digits, CPU)
    torch.manual_seed(0)
    network = build_network(recipe.model, NetworkSpec((16, 16, 1), 10)).train()
    freeze(network)
    precision = precision_on(CPU)
    for data in (slow, fast):
        data.fit()
    assert fast.use_features(network, precision)
    for varied in ({"augment": "rotate:5"}, {"mixup": 0.2}):
        other = TrainingData(replace(recipe, **varied), digits, CPU)
        other.fit()
        assert not other.use_features(network, precision)
    logits = []
    for data, module in ((slow, network), (fast, network.head)):
        torch.manual_seed(7)
        logits.append(torch.cat([module(inputs) for inputs, _, _ in data.batches()]))
    assert torch.allclose(logits[0], logits[1], atol=1e-5)
    network.eval()
    scores = [data.evaluate(network, data.val, precision)[:2] for data in (slow, fast)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)
    fast.use_images()
    assert fast.evaluate(network, fast.val, precision)[:2] == scores[0]


# -- snapshots


def test_snapshots_are_members(study: Study, digits: Dataset) -> None:
    recipe = replace(BASE, epochs=4, schedule="cosine", snapshots=2)
    train(study, "m", recipe)
    assert study.members("val") == ["m-s1", "m-s2"]
    assert len(read_epochs(study.member_dir("m-s1") / "history.csv", upto=9)) == 2
    assert [study.read(name, "val").attributes["epoch"] for name in ("m-s1", "m-s2")] == [2, 4]
    assert not equal(weights(study.member_dir("m-s1")), weights(study.member_dir("m-s2")))
    # Each is what training would be at the end of that cycle: predicted again from its weights, the same bits.
    before = study.read("m-s1", "val").probs
    study.predictions_path("m-s1", "val").unlink()
    train(study, "m", recipe)
    assert np.array_equal(study.read("m-s1", "val").probs, before)
    # And it has a network, as any member.
    val = digits.split("val")
    assert np.allclose(open_member(study, "m-s1", CPU).predict(val.images), before, atol=1e-6)


# -- folds


def test_the_network_of_a_fold_never_sees_it(study: Study, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other pixels in the fold change nothing of the network, its normalisation included; one outside does."""
    train(study, "m", BASE, 1, 3)
    labels = digits.split("train").labels
    assert labels is not None
    held = np.flatnonzero(fold_of(labels, 3) == 1)
    kept = read_predictions(held_out_path(study.member_dir("m") / "folds/1"))
    assert kept.sample_ids.tolist() == digits.split("train").sample_ids[held].tolist()

    def train_on_changed(member: str, rows: np.ndarray) -> dict[str, torch.Tensor]:
        def scramble(images: np.ndarray) -> None:
            images[rows] = 255 - images[rows]

        changed = with_train(digits, scramble)
        monkeypatch.setattr(trainer, "load_dataset", lambda source: changed)
        train(study, member, BASE, 1, 3)
        return weights(study.member_dir(member) / "folds/1")

    network = weights(study.member_dir("m") / "folds/1")
    assert equal(network, train_on_changed("inside", held))
    assert not equal(network, train_on_changed("outside", np.setdiff1d(np.arange(200), held)[:1]))


def test_folds_come_together_in_trains_order(study: Study, digits: Dataset) -> None:
    split = digits.split("train")
    assert split.labels is not None
    assert folds_left(study, "m", 3) == (0, 1, 2)
    for fold in (2, 0):
        train(study, "m", replace(BASE, epochs=1), fold, 3)
        assert study.members("train-oof") == []
    assert folds_left(study, "m", 3) == (1,)
    train(study, "m", replace(BASE, epochs=1), 1, 3)
    assert folds_left(study, "m", 3) == ()
    path = study.predictions_path("m", "train-oof")
    found = read_predictions(path, extras=True)
    assert found.sample_ids.tolist() == split.sample_ids.tolist()
    assert found.labels is not None
    assert np.array_equal(found.labels, split.labels)
    assert np.array_equal(found.extras["fold"], fold_of(split.labels, 3))
    for fold in range(3):
        held = read_predictions(held_out_path(study.member_dir("m") / f"folds/{fold}"))
        assert np.array_equal(found.probs[found.extras["fold"] == fold], held.probs)
    # All that is lost is the file that joins them: it is written again, and nothing is trained.
    before = path.read_bytes()
    path.unlink()
    assert folds_left(study, "m", 3) == (2,)
    train(study, "m", replace(BASE, epochs=1), 2, 3)
    assert path.read_bytes() == before


def test_a_cut_fold_goes_on_to_the_same_bits(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    train(study, "whole", replace(BASE, epochs=3), 0, 2)

    def cut(kind: str, facts: dict[str, Any]) -> None:
        if kind == "epoch" and facts["epoch"] == 3:
            raise KeyboardInterrupt

    job = TrainingJob(study.root, "cut", replace(BASE, epochs=3), 1, "cpu", (), 0, 2)
    with pytest.raises(KeyboardInterrupt):
        trainer.train_member(job, cut)
    assert trainer.train_member(job, lambda kind, facts: None).status in ("resumed", "skipped")
    assert equal(weights(study.member_dir("whole") / "folds/0"), weights(study.member_dir("cut") / "folds/0"))


def test_a_loss_that_is_no_number_names_the_fold(study: Study) -> None:
    with pytest.raises(KofnError, match=r"m fold 1: the loss is no longer a number in epoch 1"):
        train(study, "m", replace(BASE, learning_rate=1e6), 1, 2)
