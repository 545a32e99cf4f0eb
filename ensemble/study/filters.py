"""Kernels of a trained member as plain arrays, read without torch: from its weights and from its first layer's file."""

import zipfile
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from safetensors import SafetensorError, safe_open
from torch import nn

from ensemble.errors import BadInput, nearest
from ensemble.study.atomic import replacing
from ensemble.study.predictions import natural_key

TIMES = ("begin", "first", "last")


def convolutions(path: Path, order: tuple[str, ...] = ()) -> dict[str, tuple[int, ...]]:
    """Return the convolutions in a member's weights.safetensors: layer -> shape (out, in, height, width).

    order: names of the network's layers as an image passes them, of network.json; layers not in it stand behind, in
    natural order of their names. Raises `BadInput` where the file cannot be read as weights.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            names = [name for name in file.keys() if name.startswith("network.") and name.endswith(".weight")]  # noqa: SIM118
            shapes = {_layer(name): tuple(file.get_slice(name).get_shape()) for name in names}
    except (OSError, SafetensorError, ValueError) as error:
        raise _unreadable(path, error) from error
    found = sorted((layer for layer, shape in shapes.items() if len(shape) == 4), key=natural_key)
    at = {layer: i for i, layer in enumerate(order)}
    return {layer: shapes[layer] for layer in sorted(found, key=lambda layer: at.get(layer, len(at)))}


def read_kernels(path: Path, layer: str) -> np.ndarray:
    """Return the kernels of one convolution, float32 (out, in, height, width); raise `BadInput` as `convolutions`."""
    try:
        with safe_open(path, framework="numpy") as file:
            return np.asarray(file.get_tensor(f"network.{layer}.weight"), dtype=np.float32)
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise _unreadable(path, error) from error


def find_layer(asked: str, layers: dict[str, tuple[int, ...]], path: Path) -> str:
    """Return the layer of a number counted from 1, or of a name; raise `BadInput` with the nearest otherwise."""
    names = list(layers)
    if not names:
        raise BadInput(f"{path}: has no convolutions, so there are no filters to show.")
    if asked.isdigit():
        if not 1 <= int(asked) <= len(names):
            raise BadInput(
                f"{path}: has no convolution {asked}; they are numbered 1 ({names[0]}) to {len(names)} ({names[-1]})."
            )
        return names[int(asked) - 1]
    if asked not in layers:
        raise BadInput(f"{path}: has no convolution {asked!r}; {nearest(asked, names)}.")
    return asked


def read_first_layer(path: Path) -> dict[str, np.ndarray] | None:
    """Return the first convolution's kernels over time, those of `TIMES` that the file has, float32 (out, in, h, w).

    "begin": before training, "first": after the first epoch, "last": after the last. None where there is no such file,
    as with members of older versions; raises `BadInput` where it is damaged.
    """
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: np.asarray(file[name], dtype=np.float32) for name in TIMES if name in file.files}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise BadInput(f"{path}: cannot be read as kernels, {error}; restore it from a copy or delete it.") from error
    if any(kernels.ndim != 4 for kernels in found.values()) or len({k.shape for k in found.values()}) > 1:
        shapes = {name: kernels.shape for name, kernels in found.items()}
        raise BadInput(f"{path}: expected kernels (out, in, height, width) of one shape, found {shapes}.")
    return found


def _layer(name: str) -> str:
    return name.removeprefix("network.").removesuffix(".weight")


def _unreadable(path: Path, error: Exception) -> BadInput:
    return BadInput(f"{path}: cannot be read as weights, {error}; restore it from a copy or train the member again.")


def first_layer(network: nn.Module) -> np.ndarray | None:
    """Return the first convolution's kernels, float32 (out, in, height, width); None where there is none."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            return module.weight.detach().float().cpu().contiguous().numpy()
    return None


def keep_first_layer(path: Path, when: str, network: nn.Module) -> None:
    """Add the kernels to an .npz file under `when`: "begin", "first" (after the first epoch) or "last".

    "begin" starts the file over. Nothing is written where there is no convolution.
    """
    kernels = first_layer(network)
    if kernels is None:
        return
    kept: dict[str, Any] = {}
    if when != "begin" and path.exists():
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as there:
                kept = {name: there[name] for name in there.files}
        except (OSError, ValueError, BadZipFile) as error:
            raise BadInput(f"{path}: cannot be read as arrays, {error}; delete it and run again.") from error
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **(kept | {when: kernels}))
