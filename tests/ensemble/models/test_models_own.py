"""A network of one's own: built, trained and opened again, and what is refused of one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ensemble.datasets import load_dataset
from ensemble.errors import BadInput
from ensemble.inference.members import open_member
from ensemble.models import NetworkSpec, build_network, member_prefix, model_named
from ensemble.study.recipe import builtin_plan
from ensemble.study.study import Study, config_of
from ensemble.training.job import TrainingJob
from ensemble.training.run import train_member

CODE = """
import torch
from torch import nn

def small(classes, image_shape):
    height, width, channels = image_shape
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Flatten(),
                         nn.Linear(4 * (height - 2) * (width - 2), classes))

small.normalise = "symmetric"

class Parted(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.base, self.head = nn.Sequential(nn.Flatten(), nn.Linear(256, 8), nn.ReLU()), nn.Linear(8, classes)
    def forward(self, images):
        return self.head(self.base(images))

def parted(classes, **_):
    return Parted(classes)

number = 3
def drawing(classes, image_shape):
    net = small(classes, image_shape)
    net.register_forward_pre_hook(lambda module, given: (given[0] + torch.rand(1),))
    return net
def nothing():
    return 3
def raises(classes):
    raise ValueError("no weights here")
def seven(image_shape):
    return nn.Sequential(nn.Flatten(), nn.Linear(image_shape[0] * image_shape[1] * image_shape[2], 7))
def large(classes):
    return nn.Sequential(nn.Conv2d(1, 1, 99), nn.Flatten(), nn.Linear(1, classes))
def needs(depth):
    return None
def fixed():
    return nn.Flatten()
def leaves():
    raise SystemExit(3)

class Changed(nn.Module):
    # Logits of images, changed in some way.
    def __init__(self, how):
        super().__init__()
        self.layer, self.how = nn.Linear(256, 10), how
    def forward(self, images):
        return self.how(self.layer(images.flatten(1)), self)

def pair():
    return Changed(lambda logits, _: (logits, logits))
def softmax():
    return Changed(lambda logits, _: logits.softmax(1))
def one_row():
    return Changed(lambda logits, _: logits.mean(0, keepdim=True))
def not_finite():
    return Changed(lambda logits, _: logits / 0)
def half():
    return Changed(lambda logits, _: logits).half()
def chosen():
    return Changed(lambda logits, _: logits.argmax(1, keepdim=True).repeat(1, 10))
def training_row():
    return Changed(lambda logits, self: logits[:-1] if self.training else logits)
def training_raises():
    return Changed(lambda logits, self: logits @ logits if self.training else logits)
def no_gradient():
    return Changed(lambda logits, self: logits.detach())
"""
SPEC = NetworkSpec((16, 16, 1), 10)
CPU = torch.device("cpu")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module of this test's own name, in which commands are run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / f"nets_{tmp_path.name}.py").write_text(CODE)
    return tmp_path


def own(here: Path, function: str) -> str:
    return f"nets_{here.name}:{function}"


def test_trained_and_opened_again(here: Path) -> None:
    name = own(here, "small")
    assert member_prefix(name) == "small"
    study = Study.create(here / "study", config_of(load_dataset("digits")))
    plan = builtin_plan("own").with_settings(model=name, **model_named(name).settings)
    assert plan.base.normalise == "symmetric"
    recipe = replace(plan.base, epochs=8, warmup_epochs=1, batch_size=16, augment="")
    outcome = train_member(TrainingJob(study.root, "small-0", recipe, 1, "cpu", ("val",)), lambda kind, facts: None)
    assert outcome.last is not None
    assert outcome.last.val_accuracy > 0.3
    images = load_dataset("digits").split("val").images
    np.testing.assert_array_equal(
        open_member(study, "small-0", CPU).predict(images), study.read("small-0", "val").probs
    )


def test_base_and_head_can_be_frozen(here: Path) -> None:
    parted, whole = build_network(own(here, "parted"), SPEC), build_network(own(here, "small"), SPEC)
    assert isinstance(parted.head, torch.nn.Linear)
    assert isinstance(whole.head, torch.nn.Identity)
    study = Study.create(here / "study", config_of(load_dataset("digits")))
    recipe = replace(builtin_plan("own").base, model=own(here, "small"), epochs=4, frozen_epochs=1, warmup_epochs=0)
    with pytest.raises(BadInput, match="has no head of its own"):
        train_member(TrainingJob(study.root, "m", recipe, 1, "cpu", ("val",)), lambda kind, facts: None)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("smal", "smal is not in it; nearest: small"),
        ("number", "number is no function"),
        ("nothing", "expected a torch.nn.Module, found int"),
        ("raises", "raised ValueError: no weights here"),
        ("leaves", "raised SystemExit: 3"),
        ("seven", "expected 10 logits of each of 2 images, found an output of shape (2, 7)"),
        ("large", "cannot take images of 1 x 16 x 16"),
        ("pair", "expected a tensor of logits (B, 10), found tuple"),
        ("softmax", "returns probabilities, rows that sum to 1; return the logits"),
        ("one_row", "expected 10 logits of each of 2 images, found an output of shape (1, 10)"),
        ("not_finite", "makes numbers that are not finite"),
        ("half", "must have the same dtype"),
        ("chosen", "expected logits of a float type, found torch.int64"),
        ("needs", "needs an argument 'depth'; it is called with classes, image_shape"),
        ("fixed", "has no parameters to learn"),
    ],
)
def test_what_is_refused(here: Path, function: str, message: str) -> None:
    with pytest.raises(BadInput) as error:
        build_network(own(here, function), SPEC)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("training_row", "found an output of shape (127, 10)"),
        ("training_raises", "raised RuntimeError while it was run (mat1 and mat2 shapes cannot be multiplied"),
        ("no_gradient", "raised RuntimeError while it was run (element 0 of tensors does not require grad"),
    ],
)
def test_what_goes_wrong_in_training_alone_is_the_networks(here: Path, function: str, message: str) -> None:
    study = Study.create(here / "study", config_of(load_dataset("digits")))
    recipe = replace(builtin_plan("own").base, model=own(here, function), epochs=1, warmup_epochs=0, augment="")
    with pytest.raises(BadInput) as error:
        train_member(TrainingJob(study.root, "m", recipe, 1, "cpu", ("val",)), lambda kind, facts: None)
    assert message in str(error.value)
    assert own(here, function) in str(error.value)


def test_a_trial_changes_no_draw(here: Path) -> None:
    """What is drawn after a network was built hangs on the seed alone, whatever its forward draws."""
    drawn = []
    for function in ("drawing", "small"):
        torch.manual_seed(3)
        network = build_network(own(here, function), SPEC)
        drawn.append((sum(p.numel() for p in network.parameters()), torch.rand(1).item()))
    assert drawn[0] == drawn[1]


def test_a_module_that_is_not_there_or_cannot_be_imported(here: Path) -> None:
    with pytest.raises(BadInput, match=r"model='nowhere.at:all': there is no module nowhere, neither in"):
        model_named("nowhere.at:all")
    (here / f"broken_{here.name}.py").write_text("import no_such_library\n")
    with pytest.raises(BadInput, match="needs no_such_library, which is missing"):
        model_named(f"broken_{here.name}:net")
    for number, (code, error) in enumerate((("1 / 0", "ZeroDivisionError"), ("raise SystemExit(4)", "SystemExit: 4"))):
        (here / f"raising{number}_{here.name}.py").write_text(code)
        with pytest.raises(BadInput, match=f"cannot be imported, {error}"):
            model_named(f"raising{number}_{here.name}:net")
    with pytest.raises(BadInput, match="does not tell its arguments"):
        build_network("operator:itemgetter", SPEC)
    (here / f"sizes_{here.name}.py").write_text("def net(classes): ...\nnet.input_size = 'large'\n")
    with pytest.raises(BadInput, match="expected its input_size to be a whole number of pixels, found 'large'"):
        model_named(f"sizes_{here.name}:net")
