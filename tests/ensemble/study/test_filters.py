"""Kernels read from a member's files without torch."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ensemble.errors import BadInput
from ensemble.study.weights import convolutions, find_layer, read_first_layer, read_kernels


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    tensors = {
        f"network.base.{i}.weight": np.full((4, 2, 3, 3), float(i), np.float32) for i in (0, 2, 10)
    } | {
        "network.base.0.bias": np.zeros(4, np.float32),
        "network.head.0.weight": np.zeros((5, 4), np.float32),
        "input.mean": np.zeros((1, 2, 1, 1), np.float32),
    }  # fmt: skip
    save_file(tensors, path)
    return path


def test_convolutions_in_the_order_of_the_network(weights: Path) -> None:
    assert list(convolutions(weights)) == ["base.0", "base.2", "base.10"]
    assert list(convolutions(weights, ("base.10", "head.0", "base.0"))) == ["base.10", "base.0", "base.2"]
    assert convolutions(weights)["base.2"] == (4, 2, 3, 3)


def test_a_layer_by_number_or_name(weights: Path) -> None:
    layers = convolutions(weights)
    assert [find_layer(asked, layers, weights) for asked in ("1", "3", "base.2")] == ["base.0", "base.10", "base.2"]
    found = read_kernels(weights, "base.10")
    assert (found.dtype, found.shape, found.max()) == (np.float32, (4, 2, 3, 3), 10)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("0", r"has no convolution 0; they are numbered 1 \(base.0\) to 3 \(base.10\)"),
        ("4", "has no convolution 4"),
        ("base.3", "has no convolution 'base.3'; known: base"),
    ],
)
def test_a_layer_that_is_not_there(weights: Path, asked: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        find_layer(asked, convolutions(weights), weights)


def test_no_convolutions(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"network.head.weight": np.zeros((5, 4), np.float32)}, path)
    with pytest.raises(BadInput, match="has no convolutions"):
        find_layer("1", convolutions(path), path)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(BadInput, match=r"w\.safetensors: cannot be read as weights"):
        convolutions(path)
    with pytest.raises(BadInput, match="cannot be read as weights"):
        read_kernels(path, "base.0")
    other = tmp_path / "first_layer.npz"
    other.write_bytes(b"PK nothing")
    with pytest.raises(BadInput, match=r"first_layer\.npz: cannot be read as kernels"):
        read_first_layer(other)


def test_the_first_layer_over_time(tmp_path: Path) -> None:
    path = tmp_path / "first_layer.npz"
    assert read_first_layer(path) is None
    np.savez(path, begin=np.zeros((2, 3, 5, 5), np.float32), last=np.ones((2, 3, 5, 5), np.float32))
    found = read_first_layer(path)
    assert found is not None and list(found) == ["begin", "last"]
    for names in ({"be~in": np.zeros((2, 3, 5, 5))}, {"begin": np.zeros((2, 3, 5, 5)), "las5": np.zeros((2, 3, 5, 5))}):
        np.savez(path, **names)  # ty: ignore[invalid-argument-type]
        with pytest.raises(BadInput, match="expected kernels named begin, first, last, found be"):
            read_first_layer(path)
    np.savez(path, begin=np.zeros((2, 3, 5, 5)), last=np.ones((2, 3, 3, 3)))
    with pytest.raises(BadInput, match="of one shape, found"):
        read_first_layer(path)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "first_layer.npz"
    np.savez(path, begin=np.array([{"a": 1}], dtype=object))
    with pytest.raises(BadInput, match="cannot be read as kernels"):
        read_first_layer(path)
