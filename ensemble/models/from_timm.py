"""timm's models: their names, what each was made for, a base of each, its pretrained weights."""

from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import torch
from torch import nn

from ensemble.models.network import MadeFor, unfit

Shape = tuple[int, int, int]


def names() -> list[str]:
    """Return the names of its models, without the tags of their weights."""
    import timm

    return timm.list_models()


def also_known(arch: str) -> bool:
    """Whether a name that is not listed is taken: one with the tag of its weights is, `convnext_tiny.fb_in1k`."""
    import timm

    return arch in timm.list_pretrained()


def made_for(arch: str) -> MadeFor:
    """Return what a model was made for: as its first weights were trained, else as is usual for ImageNet."""
    import timm

    config = timm.get_pretrained_cfg(arch)
    if config is None:
        return MadeFor(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    return MadeFor(config.input_size[-1], tuple(config.mean), tuple(config.std))


def base(arch: str, image_shape: Shape, *, pretrained: bool = False) -> nn.Module:
    """Return a model without its classifier, for images (H, W, Ch): images to features (B, F)."""
    import timm

    height, width, channels = image_shape
    config = timm.get_pretrained_cfg(arch)
    of_one_size = config is not None and config.fixed_input_size and config.input_size[1:] != (height, width)
    settings: dict[str, Any] = {"img_size": (height, width)} if of_one_size else {}
    try:
        return timm.create_model(arch, pretrained=pretrained, num_classes=0, in_chans=channels, **settings)
    except NotImplementedError:
        raise
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        if pretrained:
            raise
        raise unfit(f"timm/{arch}", image_shape, made_for(arch).side, error) from error


def weights(arch: str, image_shape: Shape) -> Mapping[str, torch.Tensor]:
    """Return the weights timm names first for a model, fitted to images (H, W, Ch), without its classifier.

    Where the hub cannot be reached, what was fetched before is taken, and its client is told not to try for a minute.
    """
    import huggingface_hub.constants as client

    client.HF_HUB_OFFLINE = client.HF_HUB_OFFLINE or not _reachable(client.ENDPOINT)
    return base(arch, image_shape, pretrained=True).state_dict()


def _reachable(address: str) -> bool:
    try:
        urlopen(Request(address, method="HEAD"), timeout=10).close()
    except HTTPError:  # an answer all the same
        return True
    except OSError:
        return False
    return True
