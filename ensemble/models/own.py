"""A user's own network, "package.module:function": a torch module that the function makes."""

from typing import Any

import torch
from torch import nn

from ensemble.errors import BadInput, reason_of
from ensemble.models import Model, NetworkSpec
from ensemble.models.network import Network, predicting
from ensemble.own_code import called, own_function


def row(name: str) -> Model:
    """Return the row of a user's function; its attributes `input_size` and `normalise`, where it has them, are used.

    Raises `BadInput` where there is no such function, or these are no number and no text.
    """
    function = own_function(name, "model")
    size = getattr(function, "input_size", 0)
    normalise = getattr(function, "normalise", "channel")
    if isinstance(size, bool) or not isinstance(size, int):
        raise BadInput(f"model={name!r}: expected its input_size to be a whole number of pixels, found {size!r}.")
    if not isinstance(normalise, str):
        raise BadInput(f"model={name!r}: expected its normalise to be a text such as 'imagenet', found {normalise!r}.")
    return Model(
        name=name, paper="own", module="ensemble.models.own", layers=name, input=size or 64, recipe="own",
        settings={"input_size": size, "normalise": normalise},
    )  # fmt: skip


class OwnNetwork(Network):
    """A network of a user's, whose logits are looked at: wrong ones of a batch would be somebody else's error later."""

    def __init__(self, base: nn.Module, head: nn.Module, name: str, classes: int) -> None:
        super().__init__(base, head)
        self.name, self.classes = name, classes

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits; raise `BadInput` where they are not those of these images."""
        logits: Any = super().forward(images)
        if not isinstance(logits, torch.Tensor):
            raise BadInput(
                f"model={self.name!r}: expected a tensor of logits (B, {self.classes}), found {type(logits).__name__}; "
                "return the logits alone."
            )
        if logits.shape != (len(images), self.classes):
            raise BadInput(
                f"model={self.name!r}: expected {self.classes} logits of each of {len(images)} images, found an output "
                f"of shape {tuple(logits.shape)}; its last layer must have one output a class, and a row an image."
            )
        return logits


def build(model: Model, spec: NetworkSpec) -> Network:
    """Build the user's network, as its function starts it, from torch's current seed.

    The function is called with those of `classes`, `image_shape` (height, width, channels of the input), `dropout`,
    `activation`, `padding` and `head` that it takes. A module with parts `base` and `head` can have its base frozen.
    Raises `BadInput` where what it gives is no module, or makes something else than a logit a class of an image.
    """
    where = f"model={model.name!r}"
    offered = {
        "classes": spec.classes, "image_shape": spec.image_shape, "dropout": spec.dropout,
        "activation": spec.activation, "padding": spec.padding, "head": spec.head,
    }  # fmt: skip
    made = called(own_function(model.name, "model"), where, offered)
    if not isinstance(made, nn.Module):
        raise BadInput(f"{where}: expected a torch.nn.Module, found {type(made).__name__}; return one.")
    base, head = getattr(made, "base", None), getattr(made, "head", None)
    parts = isinstance(base, nn.Module) and isinstance(head, nn.Module) and len(list(made.children())) == 2
    base, head = (base, head) if parts else (made, nn.Identity())
    network = OwnNetwork(base, head, model.name, spec.classes)
    if not any(p.requires_grad for p in network.parameters()):
        raise BadInput(f"{where}: has no parameters to learn; return a module that has some.")
    _try(network, spec.image_shape)
    return network


def _try(network: OwnNetwork, image_shape: tuple[int, int, int]) -> None:
    """Show two images of noise to a network as when it predicts; raise `BadInput` where it makes no logits of them."""
    where, (height, width, channels) = f"model={network.name!r}", image_shape
    one = next(network.parameters())
    noise = torch.rand(2, channels, height, width, generator=torch.Generator("cpu").manual_seed(0), device="cpu")
    try:
        # The user's own draws are made, and unmade: what is drawn after this hangs on the seed alone.
        with predicting(network), torch.no_grad(), torch.random.fork_rng(devices=[]):
            logits = network(noise.to(one.device))
    except BadInput:
        raise
    except Exception as error:  # whatever a user's module raises
        raise BadInput(
            f"{where}: cannot take images of {channels} x {height} x {width} ({reason_of(error)}); make it for float32 "
            "images of that shape, or set input_size."
        ) from error
    if not logits.is_floating_point():
        raise BadInput(f"{where}: expected logits of a float type, found {logits.dtype}; return the last layer's.")
    if logits.is_meta:
        return
    if not torch.isfinite(logits).all():
        raise BadInput(f"{where}: makes numbers that are not finite of images of noise, untrained; mend its forward.")
    if (logits >= 0).all() and torch.allclose(logits.float().sum(1), torch.ones(2), atol=1e-3):
        raise BadInput(
            f"{where}: returns probabilities, rows that sum to 1; return the logits and leave the softmax out, since "
            "training and prediction both apply it."
        )
