"""Ting's M1 to M4 ("Using Convolutional Neural Network for the Tiny ImageNet Challenge", Table 1).

The notation is the table's: `C5-32` is a convolution of 32 filters 5x5 with bias, then ReLU; `P` a max pool
2x2 with stride 2; `FC256` a dense layer with ReLU and dropout. The last dense layer, one output a class, is
not written. Whether a convolution pads is not stated in the paper: `same` is our reading.
"""

from torch import nn

from ensemble.errors import BadInput
from ensemble.zoo import Model


def build(model: Model, *, image_shape: tuple[int, int, int], classes: int, padding: str, dropout: float) -> nn.Module:
    """Build a network of the table for images of (height, width, channels); logits (B, classes)."""
    height, width, channels = image_shape
    features: list[nn.Module] = []
    dense: list[nn.Module] = []
    for token in model.layers.split():
        if token == "P":
            features.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        elif token.startswith("FC"):
            units = int(token[2:])
            dense += [nn.Linear(height * width * channels, units), nn.ReLU(inplace=True), nn.Dropout(dropout)]
            height, width, channels = 1, 1, units
        else:
            kernel, filters = map(int, token[1:].split("-"))
            features += [nn.Conv2d(channels, filters, kernel, padding=padding), nn.ReLU(inplace=True)]
            channels = filters
            if padding == "valid":
                height, width = height - kernel + 1, width - kernel + 1
        if height < 1 or width < 1:
            raise BadInput(
                f"{model.name} with padding {padding!r}: images of {image_shape[0]}x{image_shape[1]} are too small, "
                f"nothing is left at layer {token}; use padding 'same', larger images or a shallower model."
            )
    dense.append(nn.Linear(height * width * channels, classes))
    network = nn.Sequential(nn.Sequential(*features), nn.Flatten(), nn.Sequential(*dense))
    for layer in network.modules():
        # Keras' default, which these networks need: with torch's own several of six variants never train.
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network
