"""Weights under other names: by order, by a mapping, by a function; and what is refused, with the nearest names."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ensemble.errors import BadInput
from ensemble.models import NetworkSpec, build_network
from ensemble.models.network import Network
from ensemble.study.recipe import Recipe
from ensemble.training.conversion import convert_weights
from ensemble.training.transfer import start_from

MODEL = "ting-m3-small"
SPEC = NetworkSpec((16, 16, 1), 10)
CLASSES = [str(i) for i in range(10)]


def network(seed: int) -> Network:
    torch.manual_seed(seed)
    return build_network(MODEL, SPEC)


def theirs() -> dict[str, torch.Tensor]:
    """A network's tensors as another library might call them, its classifier among them, and a counter."""
    base = {f"stage_{i}": t for i, t in enumerate(network(1).base.state_dict().values())}
    return base | {"bn.num_batches_tracked": torch.tensor(3), "top.kernel": torch.zeros(7, 64)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.save(theirs(), tmp_path / "theirs.pth")
    return tmp_path / "theirs.pth"


def test_by_order_by_mapping_and_by_function(file: Path, tmp_path: Path) -> None:
    out, expected = tmp_path / "ours.safetensors", network(1).base.state_dict()
    by_order = convert_weights(file, MODEL, out)
    assert by_order == {f"stage_{i}": name for i, name in enumerate(expected)}
    for names in (by_order, by_order.get):
        assert convert_weights(file, MODEL, out, names) == by_order
        written = load_file(out)
        assert written.keys() == expected.keys()
        assert all(torch.equal(written[name], t) for name, t in expected.items())
    mine = network(2)
    told = start_from(mine, Recipe(MODEL, weights=str(out)), SPEC, CLASSES)
    assert (len(told.loaded), told.skipped, told.fresh) == (
        8,
        (),
        ("head.0.weight", "head.0.bias", "head.3.weight", "head.3.bias"),
    )
    assert all(torch.equal(t, expected[name]) for name, t in mine.base.state_dict().items())


def test_without_a_map_the_file_is_refused_and_the_way_is_named(file: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        start_from(network(2), Recipe(MODEL, weights=str(file)), SPEC, CLASSES)
    said = str(caught.value)
    assert "found no such tensor (known: " in said
    assert "all 8 have the same shapes in the same order, so they may be this network's under other names" in said
    assert f"convert_weights({str(file)!r}, 'ting-m3-small', OUT) writes them under ours (docs/transfer.md)." in said


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"stage_O": "0.weight"}, "has no tensor 'stage_O'; known: stage_"),
        ({"stage_0": "0.wieght"}, "has no tensor '0.wieght', for stage_0; known: 0.weight"),
        ({"stage_0": "0.bias"}, "0.bias is 8, stage_0 is 8x1x5x5"),
        ({"stage_1": "0.bias", "stage_3": "0.bias"}, "names: '0.bias' is given to two tensors"),
        (lambda _: None, "names gives none of its tensors a place; the base's begin 0.weight, 0.bias"),
    ],
)
def test_maps_that_do_not_fit(file: Path, tmp_path: Path, names: object, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        convert_weights(file, MODEL, tmp_path / "out", names)  # ty: ignore[invalid-argument-type]
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_order_wants_an_order_and_shapes(tmp_path: Path) -> None:
    save_file(theirs(), tmp_path / "no.safetensors")
    with pytest.raises(BadInput, match="safetensors keeps no order of tensors"):
        convert_weights(tmp_path / "no.safetensors", MODEL, tmp_path / "out")
    turned = dict(reversed(theirs().items()))
    torch.save(turned, tmp_path / "turned.pth")
    with pytest.raises(BadInput, match=r"in order, tensor 1 is top.kernel, 7x64, and the base's 0.weight, 8x1x5x5"):
        convert_weights(tmp_path / "turned.pth", MODEL, tmp_path / "out")
    torch.save({"one": torch.zeros(3)}, tmp_path / "one.pth")
    with pytest.raises(BadInput, match="it has 1 tensors and the base 8"):
        convert_weights(tmp_path / "one.pth", MODEL, tmp_path / "out")
    with pytest.raises(BadInput, match="nothing"):
        convert_weights(tmp_path / "nothing.pth", MODEL, tmp_path / "out")
