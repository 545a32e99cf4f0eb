"""Starting from weights learnt elsewhere: what is loaded, what is told, and what is refused."""

import os
import pickle
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from ensemble.errors import BadInput
from ensemble.models import NetworkSpec, build_network, model_named
from ensemble.models.network import Network
from ensemble.study.recipe import Recipe
from ensemble.study.weights import read_tensors, save_tensors
from ensemble.training.transfer import TransferReport, file_sha256, freeze, placed, start_from, unfreeze

MODEL = "ting-m3-small"
CLASSES = [f"class{i}" for i in range(10)]


def spec(classes: int = 10, channels: int = 1, side: int = 16) -> NetworkSpec:
    return NetworkSpec((side, side, channels), classes)


def network(seed: int, **settings: int) -> Network:
    torch.manual_seed(seed)
    return build_network(MODEL, spec(**settings))


def start(to: Network, path: Path, class_ids: list[str] = CLASSES, **settings: int) -> TransferReport:
    return start_from(to, Recipe(MODEL, weights=str(path)), spec(**settings), class_ids)


@pytest.fixture
def member(tmp_path: Path) -> Path:
    """The weights of a member of ours, of ten classes."""
    tensors = {f"network.{name}": t for name, t in network(1).state_dict().items()}
    tensors |= {"input.mean": torch.zeros(16, 16, 1), "input.std": torch.ones(())}
    save_tensors(tmp_path / "weights.safetensors", "kofn.weights", tensors, {"class_ids": CLASSES})
    return tmp_path / "weights.safetensors"


def test_random_starts() -> None:
    before = network(0)
    account = start_from(before, Recipe(MODEL), spec(), CLASSES)
    assert str(account) == "started from random weights"
    says = "started from random weights"
    counts = {"from": "random", "comparable": True, "loaded": 0, "skipped": 0, "fresh": 12}
    assert account.as_dict() == counts | {"says": says}
    assert all(torch.equal(a, b) for a, b in zip(before.parameters(), network(0).parameters(), strict=True))


def test_a_model_that_starts_from_weights_says_so() -> None:
    mine = network(0)
    with pytest.raises(BadInput, match="de-xception: starts from ImageNet weights; give weights='hub'"):
        start_from(mine, Recipe("de-xception"), spec(), CLASSES)
    account = start_from(mine, Recipe("de-xception", weights="random"), spec(), CLASSES)
    assert str(account) == "started from random weights, not comparable with the paper"
    assert account.as_dict()["comparable"] is False


def test_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    from ensemble.models import hub

    theirs, mine = Hub(), Network(bare(), nn.Linear(4, 10))
    monkeypatch.setattr(hub, "hub_weights", lambda model, spec: theirs.state_dict())
    account = start_from(mine, Recipe("de-xception", weights="hub"), spec(channels=3), CLASSES)
    why = "has no place in this network"
    assert account.as_dict() == {
        "from": "hub", "comparable": True, "loaded": 10, "skipped": 2, "fresh": 2, "says": str(account),
        "skipped_why": {"fc.weight": why, "fc.bias": why}, "fresh_names": ["head.weight", "head.bias"],
    }  # fmt: skip
    assert torch.equal(mine.state_dict()["base.conv1.weight"], theirs.state_dict()["conv1.weight"])


def test_a_member_of_ours_with_the_same_classes_is_loaded_whole(member: Path) -> None:
    mine = network(0)
    account = start(mine, member)
    assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), network(1).parameters(), strict=True))
    assert (account.source, len(account.loaded), account.skipped, account.fresh) == (str(member), 12, (), ())
    assert str(account) == f"started from {member}: 12 tensors loaded, 0 skipped, 0 newly initialised"


@pytest.mark.parametrize("classes", [["other", *CLASSES[1:]], CLASSES[::-1], CLASSES[:4]])
def test_the_layer_that_tells_other_classes_stays_new(member: Path, classes: list[str]) -> None:
    mine, before = network(0, classes=len(classes)), network(0, classes=len(classes))
    account = start(mine, member, classes, classes=len(classes))
    for name, tensor in mine.state_dict().items():
        from_whom = before if name.startswith("head.3.") else network(1)
        assert torch.equal(tensor, from_whom.state_dict()[name]), name
    assert account.skipped == (
        ("network.head.3.bias", "tells other classes"),
        ("network.head.3.weight", "tells other classes"),
    )
    assert account.fresh == ("head.3.weight", "head.3.bias")
    assert len(account.loaded) == 10
    assert str(account).endswith(
        "10 tensors loaded, 2 skipped (network.head.3.bias tells other classes, ...), "
        "2 newly initialised (head.3.weight, ...)"
    )


def test_another_size_of_images_keeps_the_convolutions(member: Path) -> None:
    account = start(network(0, side=32), member, side=32)
    assert account.skipped == (("network.head.0.weight", "is 64x128, not 64x512"),)
    assert account.fresh == ("head.0.weight",)


@pytest.mark.parametrize(("theirs", "ours"), [(3, 1), (1, 3)])
def test_grey_and_colour_answer_a_grey_picture_alike(tmp_path: Path, theirs: int, ours: int) -> None:
    source, mine = network(1, channels=theirs), network(0, channels=ours)
    torch.save(source.state_dict(), tmp_path / "w.pt")
    account = start(mine, tmp_path / "w.pt", channels=ours)
    assert account.adapted == ("base.0.weight",)
    assert "(base.0.weight made to fit the images' channels)" in str(account)
    grey = torch.randn(2, 1, 16, 16)
    with torch.no_grad():
        expected = source.base(grey.expand(-1, theirs, -1, -1))
        assert torch.allclose(mine.base(grey.expand(-1, ours, -1, -1)), expected, atol=1e-4)


class Hub(nn.Module):
    """A network as a library writes it: a stem, blocks, and a classifier of a thousand."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.layer1, self.layer2 = nn.Sequential(nn.Conv2d(4, 4, 1)), nn.Sequential(nn.Conv2d(4, 4, 1))
        self.fc = nn.Linear(4, 1000)


def bare() -> Hub:
    """The same as a base: without its classifier."""
    hub = Hub()
    hub.fc = nn.Identity()  # ty: ignore[invalid-assignment]
    return hub


@pytest.mark.parametrize("wrap", [
    lambda state: state,
    lambda state: {"state_dict": state, "epoch": 3},
    lambda state: {"model": {f"module.{name}": t for name, t in state.items()}},
    lambda state: {f"backbone.{name}": t for name, t in state.items()},
    lambda state: {name: t.half() for name, t in state.items()},
])  # fmt: skip
def test_checkpoints_of_the_hubs_fill_the_base(tmp_path: Path, wrap: Callable[[dict], dict]) -> None:
    torch.manual_seed(0)
    theirs = Hub()
    nn.init.constant_(theirs.bn1.get_buffer("running_mean"), 0.5)
    torch.save(wrap(theirs.state_dict()), tmp_path / "hub.pth")
    for base in (bare(), nn.Sequential(bare(), nn.Flatten())):
        mine = Network(base, nn.Sequential(nn.Dropout(0.0), nn.Linear(4, 10)))
        account = start(mine, tmp_path / "hub.pth", channels=3)
        inner = base[0] if isinstance(base, nn.Sequential) else base
        for name, tensor in inner.state_dict().items():
            if "num_batches" not in name:
                assert torch.allclose(tensor, theirs.state_dict()[name], atol=1e-3), name
        assert len(account.loaded) == 10
        assert [why for _, why in account.skipped] == ["has no place in this network"] * 2
        assert account.fresh == ("head.1.weight", "head.1.bias")


def test_weights_of_another_network_are_refused(member: Path) -> None:
    other = Network(bare(), nn.Linear(4, 10))
    with pytest.raises(BadInput) as caught:
        start(other, member)
    assert str(caught.value) == (
        f"{member}: does not fit ting-m3-small, 0 of its base's 10 tensors agree in name and shape, at least half "
        "must; the first that differs is conv1.weight, expected 4x3x3x3, found no such tensor (nearest: "
        "network.head.3.weight, network.head.0.weight, network.base.8.weight); give weights of the same network, or "
        "say with convert_weights(...) which tensor is which (docs/transfer.md)."
    )


def test_wider_weights_are_refused_by_their_shape(member: Path) -> None:
    wide = Network(nn.Sequential(nn.Conv2d(1, 99, 5), nn.Flatten()), nn.Linear(9, 10))
    with pytest.raises(BadInput, match=r"differs is 0\.weight, expected 99x1x5x5, found 8x1x5x5; give"):
        start(wide, member)


def test_a_file_that_changed_is_refused(member: Path) -> None:
    recipe = Recipe(MODEL, weights=str(member), weights_sha256=file_sha256(member))
    start_from(network(0), recipe, spec(), CLASSES)
    with pytest.raises(BadInput, match="changed since the member was begun"):
        start_from(network(0), replace(recipe, weights_sha256="0" * 64), spec(), CLASSES)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("how", ["zip", "old", "plain"])
def test_a_pickle_with_code_is_refused_and_never_run(tmp_path: Path, how: str) -> None:
    crater, file = tmp_path / "crater", tmp_path / "bomb.pt"
    content = {"conv.weight": torch.ones(2, 2), "extra": Bomb(crater)}
    if how == "plain":
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=how == "zip")
    pickle.loads(pickle.dumps(content["extra"]))
    assert crater.exists(), "the bomb must be a real one"
    crater.unlink()
    with pytest.raises(BadInput) as caught:
        start(network(0), file)
    assert not crater.exists()
    assert "nothing of it was run" in str(caught.value)
    assert "weights_only" not in str(caught.value), "torch's advice to load it all the same is not passed on"
    if how != "plain":
        assert f"{file}: holds more than tensors (posix.system)" in str(caught.value)


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    good = tmp_path / "good.pt"
    torch.save(network(1).state_dict(), good)
    whole = good.read_bytes()
    files = {
        "cut.pt": (whole[: len(whole) // 2], "damaged"),
        "junk.safetensors": (b"\x10" * 100, "expected weights as safetensors or as torch.save writes them"),
        "keras.h5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "save it as safetensors"),
        "empty.pt": (b"", "expected weights as safetensors"),
    }
    for name, (content, says) in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=says) as caught:
            read_tensors(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: ")
    for name, content, says in (
        ("list", [1, 2], "found list; save model.state_dict()"),
        ("args", {"state_dict": {}, "args": Namespace(a=1)}, "holds more than tensors (argparse.Namespace)"),
        ("model", nn.Linear(2, 2), "holds more than tensors (torch.nn.modules.linear.Linear)"),
        ("nan", {"a": torch.tensor([float("nan")])}, "a holds numbers that are not finite"),
    ):
        torch.save(content, tmp_path / name)
        with pytest.raises(BadInput) as caught:
            read_tensors(tmp_path / name)
        assert says in str(caught.value)
    for path, says in ((tmp_path / "none.pt", "no such file"), (tmp_path, "found a folder")):
        with pytest.raises(BadInput, match=says):
            read_tensors(path)


def test_a_damaged_file_of_ours(member: Path) -> None:
    content = bytearray(member.read_bytes())
    member.write_bytes(content[:-100])
    with pytest.raises(BadInput, match="does not match its checksum"):
        start(network(0), member)


def test_freezing() -> None:
    mine = Network(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten()), nn.Linear(8, 3))
    images = torch.randn(4, 1, 4, 4)
    before = {name: t.clone() for name, t in mine.state_dict().items()}
    optimiser = torch.optim.SGD(mine.parameters(), 0.1, momentum=0.9, weight_decay=0.1)

    def step() -> set[str]:
        nn.functional.cross_entropy(mine(images), torch.tensor([0, 1, 2, 0])).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return {name for name, t in mine.state_dict().items() if not torch.equal(t, before[name])}

    mine.train()
    freeze(mine)
    assert step() == {"head.weight", "head.bias"}
    assert mine.head.training
    unfreeze(mine)
    # A bias before a batch norm has no gradient but rounding; all the rest moves, statistics too.
    assert step() >= set(before) - {"base.0.bias"}


@pytest.mark.parametrize(
    ("model", "missing"),
    [("mkrtchyan-alexnet", 0), ("mkrtchyan-densenet161", 0), ("de-vgg16", 0), ("resnet18-64", 1)],
)
def test_the_zoos_bases_take_torchvisions_weights(model: str, missing: int) -> None:
    row = model_named(model)
    with torch.device("meta"):
        ours = build_network(model, NetworkSpec((row.input, row.input, 3), 7)).state_dict()
        theirs = torchvision.models.get_model(row.base.removeprefix("torchvision/"), weights=None).state_dict()
    places = placed(theirs, ours)
    fits = {place for place, tensor in places.values() if place and tensor.shape == ours[place].shape}
    assert len({name for name in ours if name.startswith("base.")} - fits) == missing  # a stem of 3x3 is another one
    assert all(place is None or place.startswith("base.") for place, _ in places.values())
