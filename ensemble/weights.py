"""Weights and checkpoints: the only door to safetensors. Nothing here is ever unpickled."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ensemble.errors import BadInput
from ensemble.files import replacing

VERSION = 1


def save_tensors(path: Path, kind: str, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
    """Write named tensors with JSON facts, whole or not at all."""
    # One key: safetensors writes several in no fixed order, and equal weights should be equal files.
    metadata = {"kofn": json.dumps({"kind": kind, "version": VERSION, "facts": facts})}
    with replacing(path) as temporary:
        # safetensors stores what is contiguous; channels_last weights are laid out plainly.
        temporary.write_bytes(save({n: t.detach().cpu().contiguous() for n, t in tensors.items()}, metadata))


def load_tensors(path: Path, kind: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote; raise `BadInput` naming the file where it is damaged or of another kind."""
    advice = "delete the member's folder to train it anew, or restore the file from a copy"
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("kofn", "{}"))
            found = metadata.get("kind"), metadata.get("version")
            if found != (kind, VERSION):
                raise BadInput(f"{path}: expected kind {kind!r}, version {VERSION}, found {found}; {advice}.")
            return {name: file.get_tensor(name) for name in file.keys()}, metadata["facts"]  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read as {kind}, {error}; {advice}.") from error


def check_like(state: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], path: Path) -> None:
    """Raise `BadInput` unless both have the same names and shapes."""
    theirs = {name: tuple(t.shape) for name, t in state.items()}
    ours = {name: tuple(t.shape) for name, t in expected.items()}
    if theirs != ours:
        odd = sorted(set(theirs.items()) ^ set(ours.items()))
        raise BadInput(
            f"{path}: does not fit this member's recipe; {odd[0][0]} differs for one (shape {odd[0][1]}). "
            "Its recipe.toml or its weights were changed: delete the member's folder to train it anew."
        )
