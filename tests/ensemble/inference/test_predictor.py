"""Finished members opened for use: the bits of the trainer, views, who predicts, and what is refused."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from ensemble.datasets import load_dataset
from ensemble.errors import BadInput
from ensemble.inference.inputs import BATCH
from ensemble.inference.members import TrainedMember, averaged, ensemble_spec, networks, open_member, open_members
from ensemble.inference.tta import VIEWS
from ensemble.study.atomic import file_sha256
from ensemble.study.predictions import Predictions
from ensemble.study.recipe import builtin_plan
from ensemble.study.study import Study, config_of
from ensemble.study.weights import load_tensors, save_tensors
from ensemble.training.job import TrainingJob
from ensemble.training.run import train_member

CPU = torch.device("cpu")
RECIPE = replace(builtin_plan("digits").base, epochs=1)
DIGITS = load_dataset("digits")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A study of the digits with two members; torch gets its threads back."""
    threads = torch.get_num_threads()
    study = Study.create(tmp_path_factory.mktemp("begun") / "study", config_of(DIGITS))
    for i in range(2):
        recipe = replace(RECIPE, seed=i)
        train_member(
            TrainingJob(study.root, f"m-{i}", recipe, threads=1, device="cpu", splits=("val",)), lambda *_: None
        )
    yield study
    torch.set_num_threads(threads)


@pytest.fixture
def study(begun: Study, tmp_path: Path) -> Study:
    return Study.open(shutil.copytree(begun.root, tmp_path / "study"))


def ensemble(study: Study, name: str, parents: tuple[str, ...], **more: object) -> None:
    p = study.read("m-0", "val")
    weights = tuple(1 / len(parents) for _ in parents)
    study.write(replace(p, member=name, kind="ensemble", **{"parents": parents, "weights": weights, **more}))


def imported(study: Study, name: str) -> None:
    study.write(replace(study.read("m-0", "val"), member=name))


def test_the_trainers_own_predictions_to_the_bit(begun: Study) -> None:
    for name in ("m-0", "m-1"):
        trained = open_member(begun, name, CPU)
        stored = begun.read(name, "val")
        probs = trained.predict(DIGITS.split("val").images)
        assert probs.dtype == np.float32
        np.testing.assert_array_equal(probs, stored.probs)
        assert trained.recipe.as_dict() | {"threads": trained.threads} == stored.recipe
        assert (trained.epochs, trained.image_shape, trained.class_ids) == (1, (16, 16, 1), stored.class_ids)
    blocks = [trained.predict(DIGITS.split("val").images[i : i + BATCH]) for i in range(0, 1597, BATCH)]
    np.testing.assert_array_equal(np.concatenate(blocks), stored.probs)


@pytest.mark.parametrize("augment", ["mirror", "mirror crop:2", ""])
def test_the_mirror_of_a_view_is_trainings(begun: Study, augment: str) -> None:
    """A mirror alone turns normalised inputs, and the mean image with them; beside other steps it turns the pixels."""
    member = replace(open_member(begun, "m-0", CPU), recipe=replace(RECIPE, augment=augment))
    pixels = torch.from_numpy(DIGITS.split("val").images[:40].copy())
    member.network.eval()
    turned = member.inputs(pixels).flip(3) if augment == "mirror" else member.inputs(pixels.flip(2))
    with torch.no_grad():
        expected = torch.softmax(member.network(turned), 1).numpy()
    plain, mirrored = member.each_view(pixels.numpy(), VIEWS["mirror"])
    np.testing.assert_allclose(mirrored, expected, atol=1e-6)
    assert not np.allclose(plain, mirrored, atol=1e-3)
    other = member.inputs(pixels.flip(2)) if augment == "mirror" else member.inputs(pixels).flip(3)
    with torch.no_grad():
        assert not np.allclose(torch.softmax(member.network(other), 1).numpy(), expected, atol=1e-4)


def test_snapshots_are_members(study: Study) -> None:
    recipe = replace(RECIPE, epochs=2, schedule="cosine", snapshots=2)
    train_member(TrainingJob(study.root, "c-0", recipe, threads=1, device="cpu", splits=("val",)), lambda *_: None)
    for epoch, name in enumerate(("c-0-s1", "c-0-s2"), start=1):
        trained, stored = open_member(study, name, CPU), study.read(name, "val")
        np.testing.assert_array_equal(trained.predict(DIGITS.split("val").images), stored.probs)
        digest = file_sha256(study.files(name).weights)
        expected = {"seed": RECIPE.seed, "epoch": epoch, "weights_sha256": digest}
        assert trained.attributes == stored.attributes == expected
    assert ensemble_spec(study, ["c-*"]).members == ("c-0-s1", "c-0-s2")
    with pytest.raises(BadInput, match=r"'c-0' is kept as its snapshots alone, c-0-s1, c-0-s2; name them"):
        ensemble_spec(study, ["c-0"])


def test_views_are_averaged_as_softmax_probabilities(begun: Study) -> None:
    trained = open_member(begun, "m-0", CPU)
    images = DIGITS.split("val").images[:40]
    flipped = np.ascontiguousarray(images[:, :, ::-1])
    wanted = (trained.predict(images).astype(np.float64) + trained.predict(flipped)) / 2
    np.testing.assert_array_equal(trained.predict(images, VIEWS["mirror"]), wanted.astype(np.float32))
    for name, views in VIEWS.items():
        each = trained.each_view(images, views)
        assert len(each) == len(views.each)
        probs = trained.predict(images, views)
        np.testing.assert_allclose(probs, np.mean(each, axis=0), atol=1e-7)
        np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-6)
        np.testing.assert_array_equal(probs, trained.predict(images, views), err_msg=f"{name} is not deterministic")
    # A crop by the slow way: cut out, enlarged, normalised, sent through.
    crop = torch.from_numpy(images[:, :14, :14]).permute(0, 3, 1, 2).float()
    large = F.interpolate(crop, (16, 16), mode="bilinear", align_corners=False)
    mean, std = trained.inputs.mean.permute(2, 0, 1), trained.inputs.std
    with torch.no_grad():
        slow = F.softmax(trained.network((large - mean) / std), dim=1).numpy()
    np.testing.assert_allclose(trained.each_view(images, VIEWS["crops5"])[0], slow, atol=1e-6)


def test_the_mean_of_views_is_formed_in_double_precision() -> None:
    tiny = np.float32(1) / 3
    each = [np.full((1, 2), tiny, np.float32), np.full((1, 2), np.float32(2) / 3, np.float32)]
    assert averaged(each)[0, 0] == np.float32((float(tiny) + float(np.float32(2) / 3)) / 2)
    # Ten times the float32 nearest to .1 is 1 and its last digit in single precision.
    assert averaged([np.full((1, 2), 0.1, np.float32)] * 10)[0, 0] == np.float32(0.1)
    assert averaged(each[:1]) is each[0]


def test_images_of_another_shape_are_refused(begun: Study) -> None:
    trained = open_member(begun, "m-0", CPU)
    with pytest.raises(
        BadInput, match=r"m-0: expected uint8 images of shape \(N, 16, 16, 1\), found uint8 \(2, 8, 8, 1"
    ):
        trained.predict(np.zeros((2, 8, 8, 1), np.uint8))


def refused(study: Study, message: str, name: str = "m-0") -> None:
    with pytest.raises(BadInput) as error:
        open_member(study, name, CPU)
    assert message in str(error.value)


def test_a_member_that_cannot_be_opened_says_why(study: Study) -> None:
    refused(study, "study: no member matches 'm-3'; known: m-1, m-0", "m-3")
    imported(study, "vit")
    refused(study, "'vit' is predictions only, which were imported, and no network", "vit")
    ensemble(study, "both", ("m-0", "m-1"))
    refused(study, "'both' is a saved ensemble; ask for it with ensemble='both'.", "both")
    folder = study.member_dir("m-0")
    weights = folder / "weights.safetensors"
    whole = weights.read_bytes()

    weights.write_bytes(whole[: len(whole) // 2])
    refused(study, "m-0/weights.safetensors: does not match its checksum")
    weights.write_bytes(b"\x80\x04.")
    refused(study, "weights.safetensors: cannot be read")
    weights.write_bytes(whole)

    tensors, facts = load_tensors(weights, "kofn.weights")
    save_tensors(weights, "kofn.weights", tensors, facts | {"class_ids": facts["class_ids"][::-1]})
    refused(study, "weights.safetensors: tells 10 classes, and ")
    save_tensors(weights, "kofn.weights", tensors, {k: v for k, v in facts.items() if k != "image_shape"})
    refused(study, "weights.safetensors: expected 'image_shape' of type list, found None")
    save_tensors(weights, "kofn.weights", tensors, facts | {"image_shape": [16, 16]})
    refused(study, "expected 'image_shape' of 3 whole numbers, found [16, 16]")
    kernel = next(name for name in tensors if name.endswith("weight"))
    save_tensors(weights, "kofn.weights", tensors | {kernel: tensors[kernel][:1]}, facts)
    refused(study, "does not fit this member's recipe; " + kernel.removeprefix("network."))
    save_tensors(weights, "kofn.weights", {k: t for k, t in tensors.items() if k != "input.std"}, facts)
    refused(study, "lacks input.mean or input.std")
    weights.write_bytes(whole)

    recipe = folder / "recipe.toml"
    text = recipe.read_text()
    recipe.write_text(text.partition("\n")[2].replace("dropout = ", "dropout = 0.1 # "))  # as one changes it by hand
    refused(study, "was made by another recipe than ")
    recipe.write_text(text)
    weights.unlink()
    refused(study, "the training of 'm-0' is not over, so it cannot predict")
    assert networks(study) == ["m-1"]


def test_members_of_several_shapes_do_not_predict_together(study: Study) -> None:
    path = study.member_dir("m-1") / "weights.safetensors"
    tensors, facts = load_tensors(path, "kofn.weights")
    # The weights of m-1 fit images of 16 x 16 to 17 x 17: its pools round down.
    save_tensors(path, "kofn.weights", tensors, facts | {"image_shape": [17, 17, 1]})
    with pytest.raises(BadInput, match=r"take images of several shapes, m-0 of \(16, 16, 1\), m-1 of \(17, 17, 1\)"):
        open_members(study, ["m-0", "m-1"], "cpu", 1)


def test_loaded_weights_are_those_of_the_file(begun: Study) -> None:
    trained: TrainedMember = open_member(begun, "m-1", CPU)
    file = load_file(begun.member_dir("m-1") / "weights.safetensors")
    for name, tensor in trained.network.state_dict().items():
        assert torch.equal(tensor, file[f"network.{name}"])


def test_who_predicts(study: Study) -> None:
    who = ensemble_spec(study)
    assert (who.members, who.weights, who.ensemble, who.without) == (("m-0", "m-1"), {"m-0": 0.5, "m-1": 0.5}, None, ())
    assert ensemble_spec(study, ["*-1"]).members == ("m-1",)
    assert ensemble_spec(study, ["m-1", "m-*"]).members == ("m-0", "m-1")
    assert ensemble_spec(study, ensemble="m-1").members == ("m-1",)
    imported(study, "vit")
    ensemble(study, "both", ("m-1", "m-0"), weights=(0.25, 0.75), attributes={"rule": "geometric", "selection": "best"})
    assert ensemble_spec(study).without == ("vit",)
    assert ensemble_spec(study, ["m-*"]).without == ()
    both = ensemble_spec(study, ensemble="both")
    assert (both.members, both.weights) == (("m-0", "m-1"), {"m-1": 0.25, "m-0": 0.75})
    assert (both.ensemble, both.rule, both.selection) == ("both", "geometric", "best")


def test_nobody_of_that_name(study: Study) -> None:
    def nobody(message: str, patterns: tuple[str, ...] = (), who: str = "all") -> None:
        with pytest.raises(BadInput) as error:
            ensemble_spec(study, patterns, who)
        assert message in str(error.value)

    imported(study, "vit")
    ensemble(study, "both", ("m-1", "m-0"))
    ensemble(study, "mixed", ("m-1", "vit"))
    ensemble(study, "nested", ("m-1", "both"))
    ensemble(study, "stacked", (), attributes={"rule": "stack", "stacked": "m-0+m-1"})
    nobody("no member matches 'x-*'; known: m-", ("m-0", "x-*"))
    nobody("'vit' is predictions only", ("vi*",))
    nobody("'both' is a saved ensemble; ask for it with ensemble='both'.", ("both",))
    nobody("has no saved ensemble 'bothe'; known: both, ", who="bothe")
    nobody("Save one with 'ens-combine --save NAME'.", who="bothe")
    nobody("has no saved ensemble 'best'; known: ", who="best")
    nobody("'vit' is predictions only", who="vit")
    nobody("'mixed' is made of m-1, vit, and vit has no network here", who="mixed")
    nobody("'nested' is made of m-1, both, and both has no network here (imported, or a saved ensemble)", who="nested")
    nobody(
        "'stacked' is not a weighted mean but a regression of m-0+m-1 whose coefficients are not kept", who="stacked"
    )
    for name in ("m-0", "m-1"):
        shutil.rmtree(study.member_dir(name))
    nobody("no member can look at new images, its predictions were imported, and come without networks")
    shutil.rmtree(study.root / "predictions")
    nobody("no member can look at new images, none was trained to the end; train some with ens-train.")


def test_the_members_of_a_hand_made_study_are_not_made_up(study: Study) -> None:
    """Predictions of another split alone are enough to tell what a name is."""
    p = study.read("m-0", "val")
    study.write(Predictions("far", "shift", p.probs, p.sample_ids, p.class_ids, p.class_names))
    refused(study, "'far' is predictions only", "far")
