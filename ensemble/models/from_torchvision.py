"""torchvision's classifiers: their names, what each was made for, a base of each, its ImageNet weights."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import nn

from ensemble.models.network import MadeFor, unfit

Shape = tuple[int, int, int]


def names() -> list[str]:
    """Return the names of its classifiers."""
    from torchvision import models

    # Without `module` detection, segmentation and video are listed too.
    return models.list_models(module=models)


def also_known(_arch: str) -> bool:
    """Whether a name that is not listed is taken: none is."""
    return False


@cache
def made_for(arch: str) -> MadeFor:
    """Return what a classifier was made for; its dropout is that right before the last dense layer."""
    wants = _published(arch).transforms()
    side = wants.crop_size[0]
    try:
        with torch.device("meta"):
            leaves = _leaves(network(arch, (side, side, 3)))
    except NotImplementedError:  # RegNets look at their own first weights; they have no dropout
        leaves = []
    dropout = leaves[-2][1].p if leaves and isinstance(leaves[-2][1], nn.Dropout) else 0.0
    return MadeFor(side, tuple(wants.mean), tuple(wants.std), dropout)


def network(arch: str, image_shape: Shape, **settings: Any) -> nn.Module:
    """Return a classifier with its 1000 outputs, for images (H, W, Ch), as torchvision starts it."""
    from torchvision import models

    height, width, channels = image_shape
    if arch in ("googlenet", "inception_v3"):
        # Without the side heads a training pass gives logits alone; with init_weights unsaid torchvision warns.
        settings |= {"aux_logits": False, "init_weights": False}
    elif arch.startswith("vit_"):
        settings["image_size"] = height
    elif arch.startswith("maxvit"):
        settings["input_size"] = (height, width)
    try:
        made = models.get_model(arch, weights=None, **settings)
    except NotImplementedError:
        raise
    except (ValueError, RuntimeError, AssertionError) as error:
        side = _published(arch).transforms().crop_size[0]
        raise unfit(f"torchvision/{arch}", image_shape, side, error) from error
    return with_channels(made, channels)


def base(arch: str, image_shape: Shape) -> nn.Module:
    """Return a classifier without its last dense layer and the dropout right before it: images to features (B, F)."""
    made = network(arch, image_shape)
    if arch.startswith("squeezenet"):  # its classes are filters of a last convolution
        made.classifier = nn.AdaptiveAvgPool2d(1)
        return made
    *_, (before, dropout), (last, _) = _leaves(made)
    _replace(made, last, nn.Identity())
    if isinstance(dropout, nn.Dropout):
        _replace(made, before, nn.Identity())
    return made


def weights(arch: str, _image_shape: Shape) -> Mapping[str, torch.Tensor]:
    """Return the ImageNet weights of a classifier, its last dense layer's among them."""
    return _published(arch).get_state_dict(progress=False, check_hash=True, weights_only=True)


def with_channels(made: nn.Module, channels: int) -> nn.Module:
    """Give a network made for three channels a fresh first convolution where the images have another number."""
    if channels == 3:
        return made
    name, first = next((name, m) for name, m in made.named_modules() if isinstance(m, nn.Conv2d))
    fresh: Any = {key: getattr(first, key) for key in ("out_channels", "kernel_size", "stride", "padding", "dilation")}
    _replace(made, name, nn.Conv2d(channels, **fresh, bias=first.bias is not None))
    return made


def _published(arch: str) -> Any:
    """Return the first weights torchvision published, those of the papers' years; some networks have several."""
    from torchvision import models

    return next(iter(models.get_model_weights(arch)))


def _leaves(made: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, m) for name, m in made.named_modules() if not any(m.children())]


def _replace(made: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(made.get_submodule(parent), last, module)
