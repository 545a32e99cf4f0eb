"""The papers' networks: what they make of real images, the order of their layers, their start, what they refuse."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ensemble.errors import BadInput
from ensemble.models import MODELS, NetworkSpec, build_network
from ensemble.models.mkrtchyan import PreActivation
from ensemble.models.network import output_shape

OWN = ["basutkar-1", "basutkar-2", "basutkar-3", "basutkar-4", "bastidas-vgg", "bastidas-inception",
       "mkrtchyan-baseline", "mkrtchyan-m4", "mkrtchyan-resnet34-preact", "ting-m1"]  # fmt: skip
LIBRARY = ["basutkar-5", "basutkar-6", "mkrtchyan-alexnet", "mkrtchyan-resnet18", "mkrtchyan-resnet34",
           "mkrtchyan-densenet161", "de-vgg16", "de-resnet50", "de-xception", "resnet18-64",
           "resnet-small"]  # fmt: skip
DROPOUT = {"ting-m1", "basutkar-4", "basutkar-5", "basutkar-6", "mkrtchyan-baseline", "mkrtchyan-m4",
           "mkrtchyan-alexnet", "de-vgg16", "de-resnet50", "de-xception", "resnet18-64", "resnet-small"}  # fmt: skip


def on_meta(name: str, shape: tuple[int, int, int] = (64, 64, 3), **settings: Any) -> Any:
    with torch.device("meta"):
        return build_network(name, NetworkSpec(shape, 7, **settings))


@pytest.mark.parametrize("name", OWN)
def test_one_step_of_training_on_small_images(name: str) -> None:
    """Every parameter is reached by a gradient, grey images and another number of classes are taken."""
    torch.manual_seed(0)
    network = build_network(name, NetworkSpec((20, 24, 1), 7))
    logits = network(torch.randn(3, 1, 20, 24))
    assert logits.shape == (3, 7)
    F.cross_entropy(logits, torch.tensor([0, 3, 6])).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), key
    assert network.eval()(torch.randn(1, 1, 20, 24)).isfinite().all()


@pytest.mark.parametrize("name", LIBRARY)
def test_library_networks_take_grey_images_and_other_classes(name: str) -> None:
    network = on_meta(name, (64, 80, 1))
    (features,) = output_shape(network.base, (64, 80, 1))
    assert network.head(torch.empty(2, features, device="meta")).shape == (2, 7)


def kinds(network: nn.Module) -> list[str]:
    return [type(m).__name__ for m in network.modules() if not list(m.children())]


def test_the_order_of_layers_of_basutkar_3() -> None:
    conv, pool = ["Conv2d", "BatchNorm2d"], "SameMaxPool2d"
    pooled_first = [*conv, *conv, pool, "ReLU"]
    activated_first = [*conv, *conv, "ReLU", pool]
    dense = ["Linear", "BatchNorm1d", "ReLU"]
    expected = [*pooled_first * 2, *activated_first * 3, "Flatten", *dense, *dense, "Linear"]
    assert kinds(on_meta("basutkar-3")) == expected


def test_the_order_of_layers_of_basutkar_4() -> None:
    conv, pool, dense = ["Conv2d", "ReLU"], "MaxPool2d", ["Linear", "ReLU", "Dropout"]
    expected = [*conv, *conv, pool, "BatchNorm2d", *conv, pool, "BatchNorm2d", *conv, *conv, pool, "Flatten",
                *dense, *dense, "Linear"]  # fmt: skip
    network = on_meta("basutkar-4", dropout=0.5)
    assert kinds(network) == expected
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.5, 0.5]


def test_the_kernels_and_strides_of_bastidas_vgg() -> None:
    found = [
        (m.out_channels, m.kernel_size, m.stride) for m in on_meta("bastidas-vgg").modules() if isinstance(m, nn.Conv2d)
    ]
    assert found == [
        (32, (2, 2), (2, 2)), (32, (1, 2), (1, 1)), (32, (2, 1), (1, 1)), (32, (1, 2), (1, 1)), (32, (2, 1), (1, 1)),
        (32, (1, 2), (1, 1)), (64, (2, 2), (1, 1)), (64, (2, 2), (1, 1)), (32, (3, 3), (1, 1)),
    ]  # fmt: skip


def test_l2_of_each_layer() -> None:
    def scales(name: str) -> list[float]:
        layers = [m for m in on_meta(name).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        return [getattr(m, "l2_scale", 1.0) for m in layers]

    assert scales("basutkar-1") == [1] * 3
    assert scales("basutkar-2") == [0, 1, 0, 0]
    assert scales("basutkar-3") == [0, 1, 1, 1, *[0.1] * 6, 0, 0, 0]
    assert scales("basutkar-4") == [0, 1, 1, 1, 1, 0, 0, 0]
    assert scales("bastidas-vgg") == [*[1] * 9, 0]
    # 4 convolutions, two modules of 7, three of 10.
    assert scales("bastidas-inception") == [*[1] * (4 + 2 * 7 + 3 * 10), 0]
    assert set(scales("ting-m4")) == {1}


def slow_preactivated(block: Any, images: torch.Tensor) -> torch.Tensor:
    """He et al., "Identity Mappings in Deep Residual Networks", Fig. 4(e), with batch norm written out."""

    def norm(bn: nn.BatchNorm2d, x: torch.Tensor) -> torch.Tensor:
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, correction=0)
        weight, bias = (t.reshape(1, -1, 1, 1) for t in (bn.weight, bn.bias))
        return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias

    first = norm(block.bn1, images).clamp(min=0)
    hidden = F.conv2d(first, block.conv1.weight, stride=block.conv1.stride, padding=1)
    change = F.conv2d(norm(block.bn2, hidden).clamp(min=0), block.conv2.weight, padding=1)
    if block.projection is None:
        return images + change
    return F.conv2d(first, block.projection.weight, stride=block.projection.stride) + change


@pytest.mark.parametrize(("channels", "filters", "stride"), [(4, 4, 1), (4, 6, 2), (4, 6, 1)])
def test_a_block_of_full_preactivation_beside_a_slow_reference(channels: int, filters: int, stride: int) -> None:
    torch.manual_seed(1)
    block = PreActivation(channels, filters, stride, lambda: nn.ReLU(inplace=True))
    for norm in (block.bn1, block.bn2):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    images = torch.randn(3, channels, 8, 8)
    assert (block.projection is None) == (channels == filters and stride == 1)
    torch.testing.assert_close(block(images.clone()), slow_preactivated(block, images))


def test_the_whole_preactivated_resnet34_beside_a_slow_reference() -> None:
    torch.manual_seed(2)
    network: Any = build_network("mkrtchyan-resnet34-preact", NetworkSpec((32, 32, 3), 7))
    images = torch.randn(8, 3, 32, 32)
    stem, _, *blocks, norm, _, _, _ = network.base
    assert [b.conv2.out_channels for b in blocks] == [64] * 3 + [128] * 4 + [256] * 6 + [512] * 3
    x = F.max_pool2d(F.conv2d(images, stem.weight, stride=2, padding=3), 3, 2, 1)
    for block in blocks:
        x = slow_preactivated(block, x)
    x = F.batch_norm(x, None, None, norm.weight, norm.bias, training=True).clamp(min=0).mean((2, 3))
    expected = x @ network.head.weight.T + network.head.bias
    torch.testing.assert_close(network(images), expected, rtol=1e-3, atol=1e-3)


def test_pixels_reach_the_last_grid_of_the_network_for_64_pixels() -> None:
    shapes = [output_shape(nn.Sequential(*list(on_meta(name).base.children())[:-2]), (64, 64, 3)) for name in
              ("resnet18-64", "mkrtchyan-resnet18")]  # fmt: skip
    assert shapes == [(512, 8, 8), (512, 2, 2)]


def test_keras_start_for_keras_papers_and_torchs_for_mkrtchyan() -> None:
    torch.manual_seed(0)
    shape = (16, 16, 3)
    for name in ("basutkar-2", "basutkar-4", "bastidas-vgg"):
        for layer in build_network(name, NetworkSpec(shape, 7)).modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                assert layer.bias is not None and not layer.bias.detach().any()
                # Glorot uniform: limit sqrt(6 / (fan_in + fan_out)), which large kernels come near to.
                out, inputs = layer.weight.shape[:2]
                area = layer.weight[0, 0].numel()
                limit = (6 / (area * (inputs + out))) ** 0.5
                assert 0.97 * limit < float(layer.weight.detach().abs().max()) <= limit
    for name in ("mkrtchyan-baseline", "mkrtchyan-m4"):
        convs = [m for m in build_network(name, NetworkSpec(shape, 7)).modules() if isinstance(m, nn.Conv2d)]
        # torch's own: kernels and biases uniform to 1 / sqrt(fan_in).
        assert all(m.bias is not None and m.bias.detach().any() for m in convs)
        assert 0.97 < float(convs[0].weight.detach().abs().max()) * 75**0.5 <= 1


def test_keras_start_for_a_base_that_no_weights_fill() -> None:
    torch.manual_seed(0)
    network: Any = build_network("de-vgg16", NetworkSpec((32, 32, 3), 7))
    last = network.base.features[28]
    limit = (6 / (9 * 1024)) ** 0.5
    assert 0.99 * limit < float(last.weight.detach().abs().max()) <= limit


def test_the_same_seed_gives_the_same_weights() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(build_network("bastidas-inception", NetworkSpec((16, 16, 3), 7)).state_dict())
    assert all(torch.equal(a, b) for a, b in zip(states[0].values(), states[1].values(), strict=True))


@pytest.mark.parametrize(
    ("dropout", "rates"), [(0.65, [0.65, 0.25]), (0.6, [0.6, 0.25]), (0.1, [0.1, 0.1]), (0.0, [0.0, 0.0])]
)
def test_the_two_rates_of_head_b(dropout: float, rates: list[float]) -> None:
    network = on_meta("de-vgg16", head="b", dropout=dropout)
    assert [m.p for m in network.head.modules() if isinstance(m, nn.Dropout)] == rates


def test_alexnet_keeps_its_outputs_and_its_dropout_is_the_recipes() -> None:
    network = on_meta("mkrtchyan-alexnet", dropout=0.3)
    assert network.base.classifier[-1].out_features == network.head.in_features == 1000
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.3, 0.3]


@pytest.mark.parametrize("name", [name for name in OWN if name != "ting-m1"])
def test_another_activation(name: str) -> None:
    relu, tanh = (kinds(on_meta(name, activation=activation)) for activation in ("relu", "tanh"))
    assert tanh == ["Tanh" if kind == "ReLU" else kind for kind in relu]
    assert "Tanh" in tanh


@pytest.mark.parametrize("name", [*OWN, *LIBRARY])
def test_settings_that_cannot_be_honoured_are_refused(name: str) -> None:
    def refused(message: str, **settings: Any) -> None:
        with pytest.raises(BadInput, match=rf"^{name}: {message}"):
            on_meta(name, **settings)

    if MODELS[name].module.endswith("ting") or name in ("mkrtchyan-baseline", "mkrtchyan-m4"):
        assert kinds(on_meta(name, padding="valid"))
    else:
        refused("its padding is fixed, so leave padding at 'same', found 'valid'", padding="valid")
    if name in LIBRARY:
        refused("its activation is fixed, so leave activation at 'relu', found 'gelu'", activation="gelu")
    if name in DROPOUT:
        assert any(isinstance(m, nn.Dropout) and m.p == 0.4 for m in on_meta(name, dropout=0.4).modules())
    else:
        refused("has no dropout, so set dropout = 0, found 0.4", dropout=0.4)
    known = "known: b, a|known: a, b" if name.startswith("de-") else "it has one only, leave head empty"
    refused(f"has no head 'bb'; ({known})", head="bb")


@pytest.mark.parametrize(
    ("name", "side", "least"),
    [("basutkar-1", 3, 4), ("basutkar-2", 9, 10), ("basutkar-4", 7, 8), ("mkrtchyan-alexnet", 40, 63),
     ("de-vgg16", 31, 32), ("de-xception", 4, 7)],
)  # fmt: skip
def test_images_too_small_are_told_what_is_needed(name: str, side: int, least: int) -> None:
    message = rf"^{name}: images of {side}x{side} are too small, at least {least}x{least} are needed; set input_size"
    with pytest.raises(BadInput, match=message):
        on_meta(name, (side, side, 3))
    assert output_shape(on_meta(name, (least, least, 3)), (least, least, 3)) == (7,)
