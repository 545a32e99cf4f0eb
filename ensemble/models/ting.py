"""Ting's M1 to M4 ("Using Convolutional Neural Network for the Tiny ImageNet Challenge", Table 1).

The notation is the table's: `C5-32` is a convolution of 32 filters 5x5 with bias, then the activation (ReLU); `P` a max
pool 2x2 with stride 2; `FC256` a dense layer with activation and dropout. The last dense layer, one output a class, is
not written. Whether a convolution pads is not stated in the paper: `same` is our reading.
"""

from torch import nn

from ensemble.errors import BadInput
from ensemble.models import Model, NetworkSpec
from ensemble.models.keras import activation, glorot
from ensemble.models.network import Network, check


def build(model: Model, spec: NetworkSpec) -> Network:
    """Build a network of the table, with the start Keras gives it [A: the paper's start is not stated]."""
    return glorot(layers_of(model, spec))


def layers_of(model: Model, spec: NetworkSpec) -> Network:
    """Build a network of the table with torch's own start."""
    check(model, spec, "padding", "activation", "dropout")
    height, width, channels = spec.image_shape
    make, padding = activation(spec.activation), spec.padding
    features: list[nn.Module] = []
    dense: list[nn.Module] = []
    for token in model.layers.split():
        if token == "P":
            features.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        elif token.startswith("FC"):
            units = int(token[2:])
            dense += [nn.Linear(height * width * channels, units), make(), nn.Dropout(spec.dropout)]
            height, width, channels = 1, 1, units
        else:
            kernel, filters = map(int, token[1:].split("-"))
            features += [nn.Conv2d(channels, filters, kernel, padding=padding), make()]
            channels = filters
            if padding == "valid":
                height, width = height - kernel + 1, width - kernel + 1
        if height < 1 or width < 1:
            raise BadInput(
                f"{model.name} with padding {padding!r}: images of {spec.image_shape[0]}x{spec.image_shape[1]} are "
                f"too small, nothing is left at layer {token}; use padding 'same', larger images (input_size) or a "
                "shallower model."
            )
    dense.append(nn.Linear(height * width * channels, spec.classes))
    return Network(nn.Sequential(*features, nn.Flatten()), nn.Sequential(*dense))
