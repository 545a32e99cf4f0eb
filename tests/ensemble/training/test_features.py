"""The features of a frozen base: those the base would give, batch by batch, at the cost of one pass."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ensemble.datasets.own import make_dataset
from ensemble.errors import BadInput
from ensemble.inference import inputs as infer
from ensemble.inference.inputs import Batches, evaluate, fit_inputs, precision_on, predict_probs
from ensemble.models.network import Network
from ensemble.study.recipe import Recipe, builtin_plan
from ensemble.study.split import Dataset
from ensemble.training.augment import mirror
from ensemble.training.data import TrainingData
from ensemble.training.features import LIMIT, FeatureFiles, Features, base_features
from ensemble.training.transfer import freeze

CPU = torch.device("cpu")
PRECISION = precision_on(CPU)
IMAGES = np.random.default_rng(0).integers(0, 256, (700, 6, 5, 3), dtype=np.uint8)  # more than one block
BATCHES = Batches(IMAGES, np.arange(700) % 4, CPU)
INPUTS = fit_inputs(IMAGES)


def frozen() -> Network:
    torch.manual_seed(0)
    base = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten())
    network = Network(base, nn.Sequential(nn.Dropout(0.5), nn.Linear(48, 4)))
    network.base(INPUTS(torch.from_numpy(IMAGES)))  # so that the statistics are not those of the start
    network.train()
    freeze(network)
    return network


def of(network: Network, augment: str = "", passes: int = 10, limit: int = LIMIT) -> Features | None:
    return base_features(network, BATCHES, INPUTS, augment, PRECISION, passes, limit)


@pytest.mark.parametrize(("augment", "chance"), [("", 0), ("mirror", 0.5), ("mirror:0.2", 0.2)])
def test_a_head_learns_the_same_from_features(augment: str, chance: float) -> None:
    """Four batches with either: the same draws, so the same images mirrored and the same units dropped."""
    found = []
    for cached in (False, True):
        network = frozen()
        features = of(network, augment) if cached else None
        optimiser = torch.optim.SGD(network.head.parameters(), 0.1)
        torch.manual_seed(7)
        for rows in torch.randperm(700).split(200):
            if features is not None:
                logits = network.head(features.images(rows))
            else:
                pixels = INPUTS(BATCHES.images(rows))
                logits = network(mirror(pixels, chance) if chance else pixels)
            assert BATCHES.labels is not None
            loss = F.cross_entropy(logits, BATCHES.labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        found.append(network.state_dict())
    for name, tensor in found[0].items():
        assert torch.allclose(tensor, found[1][name], atol=1e-5), name


def test_a_split_is_evaluated_on_its_features() -> None:
    network = frozen()
    features = of(network)
    assert features is not None
    assert len(features) == 700
    on_features = evaluate(network.head, features, lambda x: x, PRECISION)[:2]
    assert on_features == pytest.approx(evaluate(network, BATCHES, INPUTS, PRECISION)[:2], abs=1e-6)


@pytest.mark.parametrize(("augment", "views"), [("", 1), ("mirror", 2)])
def test_the_base_sees_each_view_once(augment: str, views: int) -> None:
    network, seen, told = frozen(), [], []
    network.base.register_forward_pre_hook(lambda module, args: seen.append(len(args[0])))
    generator = torch.get_rng_state()
    features = base_features(
        network, BATCHES, INPUTS, augment, PRECISION, 10, progress=lambda done, total: told.append((done, total))
    )
    assert features is not None
    assert sum(seen) == 700 * views
    assert told[-1] == (700 * views, 700 * views)
    assert torch.equal(torch.get_rng_state(), generator), "nothing is drawn"
    for _ in range(9):
        features.images(torch.arange(700))
    assert sum(seen) == 700 * views


@pytest.mark.parametrize("augment", ["mirror flip", "mirror + mirror", "crop:2", "set2"])
def test_many_views_are_not_kept(augment: str) -> None:
    assert of(frozen(), augment) is None


def test_no_gain_no_features() -> None:
    assert of(frozen(), "", passes=1) is None
    assert of(frozen(), "", passes=2) is not None
    assert of(frozen(), "mirror", passes=2) is None
    assert of(frozen(), "mirror", passes=3) is not None
    size = 700 * 48 * 4
    assert of(frozen(), limit=size) is not None
    assert of(frozen(), limit=size - 1) is None
    assert of(frozen(), "mirror", limit=2 * size - 1) is None


def test_large_inputs_go_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    network = frozen().eval()
    whole, seen = evaluate(network, BATCHES, INPUTS, PRECISION)[:2], []
    monkeypatch.setattr(infer, "NUMBERS", 64 * IMAGES[0].size)
    network.register_forward_pre_hook(lambda module, args: seen.append(len(args[0])))
    assert evaluate(network, BATCHES, INPUTS, PRECISION)[:2] == pytest.approx(whole, abs=1e-6)
    assert (max(seen), sum(seen)) == (64, 700)
    monkeypatch.setattr(infer, "NUMBERS", 1)
    assert predict_probs(network, Batches(IMAGES[:3], None, CPU), INPUTS, PRECISION).shape == (3, 4)


def test_members_share_the_features_of_a_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second member's base looks at nothing; another base, other images, other views have features of their own."""
    dataset = make_dataset((IMAGES, np.arange(700) % 4), (IMAGES[:99], np.arange(99) % 4))
    recipe = replace(
        builtin_plan("digits").base, normalise="unit", augment="mirror", tune=0.1, epochs=5, frozen_epochs=5
    )
    looked: list[int] = []
    found = infer.in_parts
    monkeypatch.setattr(
        "ensemble.training.features.in_parts", lambda base, pixels: looked.append(len(pixels)) or found(base, pixels)
    )

    def features(network: Network, data: Dataset = dataset, recipe: Recipe = recipe) -> list[torch.Tensor]:
        looked.clear()
        used = TrainingData(recipe, data, CPU)
        used.fit()
        assert used.use_features(network, PRECISION, None, FeatureFiles(tmp_path / "features", recipe, data))
        parts = (used.learn, used.val, used.tune)
        return [part.views for part in parts if isinstance(part, Features)]

    first = features(frozen())
    assert sum(looked) == 2 * 628 + 99 + 72
    again = features(frozen(), recipe=replace(recipe, seed=3, dropout=0.1, learning_rate=1.0))
    assert looked == []
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    other = frozen()
    with torch.no_grad():
        next(other.base.parameters()).add_(1)
    assert not torch.equal(features(other)[1], first[1])
    assert sum(looked) == 2 * 628 + 99 + 72
    features(frozen(), recipe=replace(recipe, augment=""))
    assert sum(looked) == 628  # val and tune are seen as they are either way
    features(frozen(), make_dataset((IMAGES[::-1], np.arange(700) % 4), (IMAGES[:99], np.arange(99) % 4)))
    assert sum(looked) == 2 * 628 + 99 + 72
    (kept, *_) = sorted((tmp_path / "features").glob("*.safetensors"))
    kept.write_bytes(kept.read_bytes()[:-7])
    with pytest.raises(BadInput, match=kept.name):
        for augment in ("mirror", ""):
            for base in (frozen(), other):
                features(base, recipe=replace(recipe, augment=augment))
        features(frozen(), make_dataset((IMAGES[::-1], np.arange(700) % 4), (IMAGES[:99], np.arange(99) % 4)))
