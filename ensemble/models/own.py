"""A user's own network, "package.module:function": a torch module that the function makes."""

from torch import nn

from ensemble.errors import BadInput
from ensemble.models import Model, NetworkSpec
from ensemble.models.network import Network, output_shape
from ensemble.own_code import called, own_function


def row(name: str) -> Model:
    """Return the row of a user's function; its attributes `input_size` and `normalise`, where it has them, are used.

    Raises `BadInput` where there is no such function.
    """
    function = own_function(name, "model")
    size = int(getattr(function, "input_size", 0))
    normalise = str(getattr(function, "normalise", "channel"))
    return Model(
        name=name, paper="own", module="ensemble.models.own", layers=name, input=size or 64, recipe="own",
        settings={"input_size": size, "normalise": normalise},
    )  # fmt: skip


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
    network = Network(base, head) if parts else Network(made, nn.Identity())
    if not any(p.requires_grad for p in network.parameters()):
        raise BadInput(f"{where}: has no parameters to learn; return a module that has some.")
    height, width, channels = spec.image_shape
    try:
        shape = output_shape(network, spec.image_shape)
    except Exception as error:  # whatever a user's module raises
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadInput(
            f"{where}: cannot take an image of {channels} x {height} x {width} ({reason}); make it for that shape, or "
            "set input_size."
        ) from error
    if shape != (spec.classes,):
        raise BadInput(
            f"{where}: expected {spec.classes} logits of an image, found an output of shape {tuple(shape)}; its last "
            "layer must have one output a class."
        )
    return network
