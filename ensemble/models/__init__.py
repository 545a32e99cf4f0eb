"""Every network by name: one visible table, readable without torch; each paper's networks live in its own file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ensemble.errors import BadInput, nearest
from ensemble.own_code import is_own
from ensemble.study.recipe import Recipe

if TYPE_CHECKING:
    from ensemble.models.network import Network


@dataclass(frozen=True)
class Model:
    """One row of the table.

    layers: the network in the notation of its file.
    input: height and width of the paper's images, as the network takes them; channels: theirs.
    classes: the paper's number of classes.
    recipe: the plan it is trained with unless told otherwise; `settings` go over it.
    reported: the accuracy the paper states, as a fraction, and the split it is of; `below` where it states a bound.
    base: whose tensors the base has, `torchvision/resnet50` say, so that ImageNet weights fit; "" for none.
    pretrained: whether the paper starts from such weights, so that a random start is not comparable.
    paper_parameters: the total the paper prints, batch norm's statistics among them, where it prints one.
    keras_biases: Keras' form of the base has a bias for every convolution, torch's has none.
    """

    name: str
    paper: str
    module: str
    layers: str
    input: int = 64
    channels: int = 3
    classes: int = 200
    recipe: str = "ting"
    settings: Mapping[str, Any] = field(default_factory=dict)
    reported: Mapping[str, Any] | None = None
    base: str = ""
    pretrained: bool = False
    paper_parameters: int | None = None
    keras_biases: bool = False


def _ting(name: str, layers: str, accuracy: float, **more: Any) -> Model:
    reported = {"accuracy": accuracy, "split": "test"}
    return Model(name=name, paper="Ting", module="ensemble.models.ting", layers=layers, reported=reported, **more)


def _basutkar(number: int, layers: str, parameters: int, accuracy: float, recipe: str, **more: Any) -> Model:
    return Model(
        name=f"basutkar-{number}", paper="Basutkar", module="ensemble.models.basutkar", layers=layers, recipe=recipe,
        reported={"accuracy": accuracy, "split": "val"}, paper_parameters=parameters, **more,
    )  # fmt: skip


# The learning rate stays where it is: Mkrtchyan's schedule is for AlexNet and what came after it.
_CONSTANT = {"decay_factor": 1.0}


def _mkrtchyan(
    name: str, layers: str, accuracy: float, *, below: bool = False, recipe: str = "mkrtchyan", **more: Any
) -> Model:  # fmt: skip
    reported = {"accuracy": accuracy, "split": "val"} | ({"below": True} if below else {})
    return Model(
        name=f"mkrtchyan-{name}", paper="Mkrtchyan", module="ensemble.models.mkrtchyan", layers=layers,
        reported=reported, recipe=recipe, **more,
    )  # fmt: skip


def _bastidas(name: str, layers: str, accuracy: float | None) -> Model:
    reported = None if accuracy is None else {"accuracy": accuracy, "split": "val"}
    return Model(
        name=f"bastidas-{name}", paper="Bastidas", module="ensemble.models.bastidas", layers=layers, recipe="bastidas",
        reported=reported,
    )  # fmt: skip


def _de(name: str, layers: str, base: str, accuracy: float, recipe: str = "de", **more: Any) -> Model:
    return Model(
        name=f"de-{name}", paper="De", module="ensemble.models.de", layers=f"{layers}, GAP; head a: Drop FC; head b: "
        "FC512 Drop FC256 Drop FC", input=150, recipe=recipe, reported={"accuracy": accuracy, "split": "val"},
        base=base, pretrained=True, **more,
    )  # fmt: skip


_MODELS = (
    _ting("ting-m1", "C5-16 P C3-16 P C3-32 P FC256", 0.238),
    _ting("ting-m2", "C5-32 C5-32 P C3-64 C3-64 P FC256", 0.286),
    _ting("ting-m3", "C5-32 C5-32 P C3-64 P C3-128 P FC256", 0.342),
    _ting("ting-m4", "C5-32 C5-32 P C3-64 C3-64 P C3-64 C3-128 P FC256", 0.393, settings={"epochs": 150}),
    _basutkar(1, "C32 P D1024 D", 31_696_968, 0.2207, "basutkar"),
    _basutkar(2, "C32 P C64 P D1024 D", 13_070_472, 0.2540, "basutkar-l2"),
    _basutkar(3, "five blocks [C BN C BN ReLU P], D4096 BN D1024 BN D", 15_145_992, 0.3954, "basutkar-l2"),
    _basutkar(4, "C64 C64 P BN C128 P BN C256 C256 P D1024 Drop D512 Drop D", 18_404_232, 0.4240, "basutkar-4"),
    _basutkar(
        5, "ResNet50, GAP, D1024 Drop D", 25_890_888, 0.5513, "basutkar-resnet", base="torchvision/resnet50",
        pretrained=True, keras_biases=True,
    ),
    _basutkar(
        6, "ResNet101, GAP, D1024 Drop D", 44_961_352, 0.5512, "basutkar-resnet", base="torchvision/resnet101",
        pretrained=True, keras_biases=True,
    ),
    _mkrtchyan("baseline", "C5-16 P C3-16 P C3-32 P FC256", 0.295, recipe="mkrtchyan-baseline"),
    _mkrtchyan(
        "m4", "C5-32 C5-32 P C3-64 C3-64 P C3-64 C3-128 P FC256", 0.359, settings=_CONSTANT
    ),
    _mkrtchyan(
        "alexnet", "AlexNet with its 1000 outputs, FC", 0.2, below=True, base="torchvision/alexnet",
        settings={"dropout": 0.5},
    ),
    _mkrtchyan("resnet18", "ResNet18, FC", 0.45, base="torchvision/resnet18"),
    _mkrtchyan("resnet34", "ResNet34, FC", 0.465, base="torchvision/resnet34"),
    _mkrtchyan("resnet34-preact", "ResNet34 of full pre-activation, FC", 0.48),
    _mkrtchyan("densenet161", "DenseNet161, FC", 0.51, base="torchvision/densenet161", settings={"epochs": 8}),
    _bastidas("vgg", "9 convolutions, the first 6 of 2x2, 1x2 and 2x1, 3 pools, FC", 0.3453),
    _bastidas("inception", "4 convolutions 2x2, 5 inception modules of half InceptionV3's width, GAP, FC", 0.4071),
    _de(
        "vgg16", "VGG16", "torchvision/vgg16", 0.4879,
        settings={"epochs": 10, "frozen_epochs": 10, "unfrozen_rate": 0.0, "normalise": "imagenet"},
    ),
    _de("resnet50", "ResNet50", "torchvision/resnet50", 0.6231, recipe="de-resnet50", keras_biases=True),
    _de("xception", "Xception", "timm/legacy_xception", 0.7446),
    # Not of the papers: the other reading of Bastidas' widths, M3's topology with few filters for the embedded digits,
    # and networks made for 64 pixels, the last for CPUs.
    _bastidas("inception-w1", "4 convolutions 2x2, 5 inception modules of InceptionV3's width, GAP, FC", None),
    # De's naive benchmarks, of which the paper gives neither layers nor figures.
    *(
        Model(name=f"de-{name}", paper="De", module="ensemble.models.naive", layers=layers, recipe="de-naive")
        for name, layers in (("guess", "a fixed random guess"), ("linear", "FC"), ("cnn", "C32 P C64 P FC128"))
    ),
    Model(
        "ting-m3-small", "none", "ensemble.models.ting", "C5-8 C5-8 P C3-16 P C3-32 P FC64",
        input=16, channels=1, classes=10, recipe="digits",
    ),
    Model(
        "resnet18-64", "none", "ensemble.models.modern", "ResNet18 with a stem of 3x3 and stride 1, Drop FC",
        recipe="resnet18-64", base="torchvision/resnet18",
    ),
    Model(
        "resnet-small", "none", "ensemble.models.modern", "C3-32 of stride 2, basic blocks 32 | 128 128 | 256 256, FC",
        recipe="two-cores",
    ),
)  # fmt: skip

MODELS: Mapping[str, Model] = {model.name: model for model in _MODELS}
HUBS = ("torchvision", "timm")


def model_named(name: str) -> Model:
    """Return the row of `name`; raise `BadInput` with the nearest names where there is none.

    `torchvision/NAME` and `timm/NAME` are any classifier of theirs: the row is made of what it was made for.
    `package.module:function` is a user's own.
    """
    if name.partition("/")[0] in HUBS and "/" in name:
        return import_module("ensemble.models.hub").row(name)
    if is_own(name):
        return import_module("ensemble.models.own").row(name)
    if name not in MODELS:
        hubs = " and ".join(f"{hub}/NAME" for hub in HUBS)
        known = nearest(name, MODELS)
        raise BadInput(
            f"model={name!r}: is not known; {known}. "
            f"See 'ens-train --list-models'; {hubs} work as well, and your own package.module:function."
        )
    return MODELS[name]


def member_prefix(name: str) -> str:
    """Return what members of a model are called before their number: `timm/resnet10t.c3` gives "timm-resnet10t-c3".

    Those of a user's own function are called as it is.
    """
    return name.rpartition(":")[2].replace("/", "-").replace(".", "-")


@dataclass(frozen=True)
class NetworkSpec:
    """What a network is built for.

    image_shape: (height, width, channels) of its input; classes: how many logits; the rest as in `Recipe`. A builder
    refuses, with `BadInput`, what its network cannot honour: a padding or an activation it has no choice of, dropout
    where it has none, an unknown head, images that are too small.
    """

    image_shape: tuple[int, int, int]
    classes: int
    padding: str = "same"
    activation: str = "relu"
    head: str = ""
    dropout: float = 0.0


def build_network(name: str, spec: NetworkSpec) -> "Network":
    """Build the network `name`, initialised from torch's current seed: float (B, channels, H, W) to logits (B, C)."""
    model = model_named(name)
    return import_module(model.module).build(model, spec)


def comparable(recipe: Recipe) -> bool:
    """Say whether a member may be set beside its paper: False where that began with weights, and this at random."""
    return not (recipe.weights == "random" and model_named(recipe.model).pretrained)
