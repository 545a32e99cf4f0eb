"""Ting's networks to the unit, and their first weights."""

import math

import pytest
import torch
from torch import nn

from ensemble.errors import BadInput
from ensemble.models import MODELS, NetworkSpec, build_network, model_named
from ensemble.models.measure import size_of

# Table of the papers' counts, at 200 classes and 64x64x3; GFLOP of one forward pass.
TING = {
    ("ting-m1", "same"): (584_120, 0.0181),
    ("ting-m1", "valid"): (354_744, 0.0143),
    ("ting-m2", "same"): (4_329_448, 0.3511),
    ("ting-m2", "valid"): (2_494_440, 0.2501),
    ("ting-m3", "same"): (2_269_224, 0.3092),
    ("ting-m3", "valid"): (991_272, 0.2223),
    ("ting-m4", "same"): (2_343_080, 0.4035),
    ("ting-m4", "valid"): (770_216, 0.2632),
    ("ting-m3-small", "same"): (16_530, 0.0012),
}


@pytest.mark.parametrize(("name", "padding"), TING)
def test_parameters_to_the_unit(name: str, padding: str) -> None:
    size = size_of(MODELS[name], padding)
    parameters, gflops = TING[name, padding]
    assert size.parameters == parameters
    assert size.statistics == 0
    assert round(size.gflops, 4) == gflops


def test_m1_counted_by_hand() -> None:
    # conv: k * k * in * out + out; 64 -> 32 -> 16 -> 8 pixels after three pools
    convs = (5 * 5 * 3 * 16 + 16) + (3 * 3 * 16 * 16 + 16) + (3 * 3 * 16 * 32 + 32)
    dense = (8 * 8 * 32 * 256 + 256) + (256 * 200 + 200)
    assert size_of(MODELS["ting-m1"]).parameters == convs + dense


def test_the_order_of_layers_of_m3() -> None:
    network = build_network("ting-m3", NetworkSpec((64, 64, 3), 200, dropout=0.4))
    layers = [m for m in network.modules() if not list(m.children())]
    kinds = [type(m).__name__ for m in layers]
    conv = ["Conv2d", "ReLU"]
    assert kinds == [*conv, *conv, "MaxPool2d", *conv, "MaxPool2d", *conv, "MaxPool2d",
                     "Flatten", "Linear", "ReLU", "Dropout", "Linear"]  # fmt: skip
    assert [m.p for m in layers if isinstance(m, nn.Dropout)] == [0.4]
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 200)


def test_glorot_uniform_and_zero_bias() -> None:
    torch.manual_seed(0)
    network = build_network("ting-m3", NetworkSpec((64, 64, 3), 200, dropout=0.5))
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            fan_in, fan_out = (
                layer.in_channels * layer.kernel_size[0] ** 2,
                layer.out_channels * layer.kernel_size[0] ** 2,
            )
        elif isinstance(layer, nn.Linear):
            fan_in, fan_out = layer.in_features, layer.out_features
        else:
            continue
        limit = math.sqrt(6 / (fan_in + fan_out))
        weights = layer.weight.detach()
        assert weights.abs().max() <= limit
        # The spread of a uniform distribution is limit / sqrt(3); 2,400 weights and more hold it within 5 %.
        assert float(weights.std()) == pytest.approx(limit / math.sqrt(3), rel=0.05)
        assert layer.bias is not None
        assert not layer.bias.detach().any()


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(BadInput, match=r"model='ting-m33': is not known; nearest: ting-m3, .*timm/NAME work as well"):
        model_named("ting-m33")


def test_images_too_small_are_refused_in_a_sentence() -> None:
    with pytest.raises(BadInput, match=r"ting-m3-small with padding 'valid': images of 16x16 are too small"):
        build_network("ting-m3-small", NetworkSpec((16, 16, 1), 10, padding="valid"))
