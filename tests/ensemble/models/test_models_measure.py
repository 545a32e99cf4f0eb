"""What a network is, layer by layer: every number summed, and nothing changed by looking."""

import json
from typing import Any

import pytest
import torch
from torch import nn

from ensemble.models import NetworkSpec, build_network
from ensemble.models.measure import describe
from ensemble.models.network import Network

SHAPE = (64, 64, 3)


def test_the_layers_of_m1() -> None:
    network = build_network("ting-m1", NetworkSpec(SHAPE, 200, dropout=0.5))
    told = describe(network, SHAPE)
    assert [(row["kind"], row["output"], row["parameters"]) for row in told["layers"]] == [
        ("Conv2d", [16, 64, 64], 1216), ("ReLU", [16, 64, 64], 0), ("MaxPool2d", [16, 32, 32], 0),
        ("Conv2d", [16, 32, 32], 2320), ("ReLU", [16, 32, 32], 0), ("MaxPool2d", [16, 16, 16], 0),
        ("Conv2d", [32, 16, 16], 4640), ("ReLU", [32, 16, 16], 0), ("MaxPool2d", [32, 8, 8], 0),
        ("Flatten", [2048], 0), ("Linear", [256], 524544), ("ReLU", [256], 0), ("Dropout", [256], 0),
        ("Linear", [200], 51400),
    ]  # fmt: skip
    assert told["layers"][0]["name"] == "base.0"
    # Multiply-adds by hand: kernel * in * out * pixels.
    macs = 75 * 16 * 4096 + 144 * 16 * 1024 + 144 * 32 * 256 + 2048 * 256 + 256 * 200
    assert told["gflops"] == pytest.approx(2 * macs / 1e9, rel=1e-12)
    assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize(
    "name", ["bastidas-vgg", "mkrtchyan-resnet18", "timm/test_vit", "timm/convnext_atto", "torchvision/vit_b_32"]
)
def test_rows_sum_to_the_whole(name: str) -> None:
    with torch.device("meta"):
        network = build_network(name, NetworkSpec(SHAPE, 10))
    told = describe(network, SHAPE)
    assert told["parameters"] == sum(p.numel() for p in network.parameters())
    assert told["parameters"] == sum(row["parameters"] for row in told["layers"])
    assert told["statistics"] == sum(b.numel() for key, b in network.named_buffers() if "running_" in key)
    assert {key for row in told["layers"] for key in row} == {"name", "kind", "output", "parameters", "statistics"}
    assert told["gflops"] > 0


def test_attention_is_counted() -> None:
    """ViT-B/32 at 64 pixels has 5 tokens; a block multiplies 12 d^2 + 2 * 5 d a token, d = 768."""
    with torch.device("meta"):
        network = build_network("torchvision/vit_b_32", NetworkSpec(SHAPE, 10))
    tokens, d = 5, 768
    macs = 12 * tokens * (12 * d * d + 2 * tokens * d) + 4 * 3 * 32 * 32 * d + 10 * d
    assert describe(network, SHAPE)["gflops"] == pytest.approx(2 * macs / 1e9, rel=1e-6)


def test_one_relu_in_several_places_and_a_shared_kernel() -> None:
    relu, conv = nn.ReLU(), nn.Conv2d(3, 3, 1)
    network = Network(nn.Sequential(conv, relu, conv, relu, nn.Flatten()), nn.Linear(12, 2))
    told = describe(network, (2, 2, 3))
    rows = [(row["name"], row["parameters"]) for row in told["layers"]]
    assert rows == [("base.0", 12), ("base.1", 0), ("base.0", 0), ("base.1", 0), ("base.4", 0), ("head", 26)]
    assert told["parameters"] == 38


def test_looking_changes_nothing() -> None:
    torch.manual_seed(0)
    network: Any = build_network("bastidas-inception", NetworkSpec((16, 16, 3), 7))
    network.base.eval()
    network.base[0].requires_grad_(False)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    modes = [m.training for m in network.modules()]
    random = torch.get_rng_state()
    describe(network, (16, 16, 3))
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())
    assert [m.training for m in network.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert not network.base[0].weight.requires_grad
    assert all(not m._forward_hooks for m in network.modules())
    assert all(p.device.type == "cpu" and p.grad is None for p in network.parameters())


class OwnTensor(nn.Module):
    """Holds a tensor that is no parameter, and so does not go to `meta`."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.offset = nn.Linear(12, 4), [torch.ones(12)]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        offset = self.offset[0]
        return self.linear(images.flatten(1).addcmul(offset, offset))


def test_a_network_that_cannot_go_to_meta_is_run_for_real() -> None:
    told = describe(Network(OwnTensor(), nn.Linear(4, 2)), (2, 2, 3))
    assert (told["parameters"], told["gflops"]) == (62, 2 * (48 + 8) / 1e9)
    assert [(row["name"], row["output"]) for row in told["layers"]] == [("base.linear", [4]), ("head", [2])]
