"""Networks of torchvision and timm by name: what each wants, its base and head, its weights, what is refused."""

import subprocess
import sys
from typing import Any
from urllib.error import URLError

import pytest
import torch
from torch import nn
from torchvision import models

from ensemble.errors import BadInput, KofnError
from ensemble.models import (
    MODELS,
    Model,
    NetworkSpec,
    build_network,
    from_timm,
    from_torchvision,
    member_prefix,
    model_named,
)
from ensemble.models.hub import hub_weights
from ensemble.models.network import output_shape
from ensemble.study.image_spec import parse_normalise
from ensemble.study.names import check_name


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("torchvision/resnet50", {"input_size": 224, "normalise": "imagenet", "dropout": 0.0}),
        ("torchvision/inception_v3", {"input_size": 299, "normalise": "imagenet", "dropout": 0.5}),
        ("torchvision/mobilenet_v3_small", {"input_size": 224, "normalise": "imagenet", "dropout": 0.2}),
        ("torchvision/regnet_x_400mf", {"input_size": 224, "normalise": "imagenet", "dropout": 0.0}),
        ("timm/convnext_tiny", {"input_size": 224, "normalise": "imagenet", "dropout": 0.0}),
        ("timm/convnext_tiny.fb_in1k", {"input_size": 224, "normalise": "imagenet", "dropout": 0.0}),
        ("timm/legacy_xception", {"input_size": 299, "normalise": "symmetric", "dropout": 0.0}),
        (
            "timm/vit_base_patch16_clip_224.openai",
            {
                "input_size": 224,
                "normalise": "0.48145466,0.4578275,0.40821073/0.26862954,0.26130258,0.27577711",
                "dropout": 0.0,
            },
        ),
    ],
)
def test_a_row_made_on_the_fly(name: str, settings: dict[str, object]) -> None:
    row = model_named(name)
    assert (row.name, row.base, row.paper, row.recipe) == (name, name, name.partition("/")[0], "hub")
    assert (dict(row.settings), row.input, row.pretrained) == (settings, settings["input_size"], False)
    parse_normalise(str(settings["normalise"]))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm/convnext_tinny", r"timm has no classifier of that name; nearest: convnext_tiny"),
        ("torchvision/resnet51", r"torchvision has no classifier of that name; nearest: resnet50"),
        ("torchvision/fasterrcnn_resnet50_fpn", r"torchvision has no classifier"),
        ("timm/", r"timm has no classifier"),
        ("hub/resnet50", r"model='hub/resnet50': is not known"),
    ],
)
def test_unknown_names_list_the_nearest(name: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        model_named(name)


SMALL = ["torchvision/squeezenet1_1", "torchvision/mobilenet_v3_small", "torchvision/shufflenet_v2_x0_5",
         "torchvision/regnet_x_400mf", "torchvision/mnasnet0_5", "timm/mobilenetv3_small_050",
         "timm/test_vit", "timm/test_convnext", "timm/resnet10t"]  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_a_step_of_training_on_grey_images(name: str) -> None:
    torch.manual_seed(0)
    network: Any = build_network(name, NetworkSpec((64, 64, 1), 7, dropout=0.3))
    assert [type(m) for m in network.head] == [nn.Dropout, nn.Linear]
    logits = network.train()(torch.randn(2, 1, 64, 64))
    assert logits.shape == (2, 7)
    logits.sum().backward()
    assert network.head[1].weight.grad is not None


@pytest.mark.parametrize(
    ("name", "side"),
    [("torchvision/googlenet", 64), ("torchvision/inception_v3", 75), ("torchvision/vit_b_32", 64),
     ("torchvision/swin_t", 64), ("torchvision/maxvit_t", 224), ("torchvision/efficientnet_b0", 64),
     ("torchvision/vgg11", 64),
     ("timm/convnext_tiny", 64), ("timm/swin_tiny_patch4_window7_224", 64), ("timm/vit_tiny_patch16_224", 64)],
)  # fmt: skip
def test_networks_of_every_build(name: str, side: int) -> None:
    with torch.device("meta"):
        network = build_network(name, NetworkSpec((side, side, 3), 7))
    assert output_shape(network, (side, side, 3)) == (7,)
    # Nothing of the 1000 classes is left, nor a second dropout before the head's.
    assert not [m for m in network.base.modules() if isinstance(m, nn.Linear) and m.out_features == 1000]
    leaves = [m for m in network.base.modules() if not list(m.children())]
    assert not isinstance(leaves[-1], nn.Dropout)


@pytest.mark.parametrize("arch", ["resnet18", "vgg11", "mobilenet_v3_small", "squeezenet1_1"])
def test_a_base_has_the_names_of_torchvisions_own_weights(arch: str) -> None:
    with torch.device("meta"):
        theirs = models.get_model(arch, weights=None).state_dict()
        base = from_torchvision.base(arch, (64, 64, 3)).state_dict()
    assert all(theirs[name].shape == tensor.shape for name, tensor in base.items())
    assert len(base) >= len(theirs) - 2


def test_the_papers_bases_have_their_librarys_names() -> None:
    for name, library in (("de-vgg16", "vgg16"), ("basutkar-5", "resnet50"), ("mkrtchyan-alexnet", "alexnet")):
        assert MODELS[name].base == f"torchvision/{library}"
        with torch.device("meta"):
            theirs = models.get_model(library, weights=None).state_dict()
            base = build_network(name, NetworkSpec((64, 64, 3), 7)).base.state_dict()
        assert set(base) <= set(theirs)


def test_hub_weights_are_those_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def state(_weights: models.ResNet18_Weights, **settings: object) -> dict[str, torch.Tensor]:
        assert settings == {"progress": False, "check_hash": True, "weights_only": True}
        return {"conv1.weight": torch.ones(64, 3, 7, 7)}

    monkeypatch.setattr(models.ResNet18_Weights, "get_state_dict", state)
    found = hub_weights(MODELS["mkrtchyan-resnet18"], NetworkSpec((64, 64, 3), 7))
    assert found["conv1.weight"].shape == (64, 3, 7, 7)
    asked: list[tuple[str, bool]] = []

    def create(arch: str, pretrained: bool, **settings: object) -> nn.Module:
        asked.append((arch, pretrained))
        assert settings == {"num_classes": 0, "in_chans": 1}
        return nn.Linear(1, 1)

    monkeypatch.setattr("timm.create_model", create)
    assert set(hub_weights(MODELS["de-xception"], NetworkSpec((150, 150, 1), 7))) == {"weight", "bias"}
    assert asked == [("legacy_xception", True)]


def test_weights_that_cannot_be_had_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(from_timm, "weights", fail)
    message = r"timm/legacy_xception: its ImageNet weights could not be fetched \(.*no route.*\).*weights=FILE.*random"
    with pytest.raises(KofnError, match=message):
        hub_weights(MODELS["de-xception"], NetworkSpec((150, 150, 3), 7))
    with pytest.raises(BadInput, match="ting-m3: no ImageNet weights are on a hub for it"):
        hub_weights(MODELS["ting-m3"], NetworkSpec((64, 64, 3), 7))


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("torchvision/alexnet", (40, 40, 3), "images of 40x40 are too small, at least 63x63 are needed"),
        ("torchvision/vit_b_32", (40, 40, 3), r"cannot be built for images of 40x40x3 \(.*; it was made for 224x224x3"),
        ("torchvision/vit_b_32", (64, 96, 3), r"cannot take images of 64x96|images of 64x96 are too small"),
        ("torchvision/maxvit_t", (64, 64, 3), r"cannot be built for images of 64x64x3 .* so set input_size = 224"),
        ("timm/test_vit", (8, 8, 3), r"cannot take images of 8x8 \(.*\); it was made for 160x160, so set input_size"),
    ],
)
def test_images_that_do_not_fit_are_refused(name: str, shape: tuple[int, int, int], message: str) -> None:
    with torch.device("meta"), pytest.raises(BadInput, match=f"^{name}: {message}"):
        build_network(name, NetworkSpec(shape, 7))


@pytest.mark.parametrize("settings", [{"padding": "valid"}, {"activation": "gelu"}, {"head": "a"}])
def test_settings_a_library_network_has_no_choice_of(settings: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="torchvision/squeezenet1_1: "):
        build_network("torchvision/squeezenet1_1", NetworkSpec((64, 64, 3), 7, **settings))


def test_the_table_is_read_without_any_library() -> None:
    code = "import sys; from ensemble.models import MODELS; print(len(MODELS), {'torch', 'timm'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(MODELS)), "set()"]
    assert all(isinstance(model, Model) for model in MODELS.values())


def test_members_of_any_model_have_a_name_for_a_file() -> None:
    assert member_prefix("timm/convnext_tiny.fb_in1k") == "timm-convnext_tiny-fb_in1k"
    for name in (*MODELS, *(f"timm/{arch}" for arch in from_timm.names())):
        check_name(member_prefix(name), "--name")
