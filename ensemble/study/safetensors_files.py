"""Weights and checkpoints, ours and others': the only door to safetensors. No pickle here ever runs code."""

import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ensemble.errors import BadInput
from ensemble.study.atomic import replacing

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


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read named tensors from a file made anywhere: safetensors, or what `torch.save` wrote; with our facts or none.

    A torch file is read as tensors alone: one that holds code or other objects is refused, and nothing of it is run.
    Of a training checkpoint its state dict is taken, and what wrapped the network ("module.") is left off the names.
    Raises `BadInput` where there is no such file, it is damaged, or it holds numbers that are not finite.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(2)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read as weights, {error.strerror}; check --weights.") from error
    facts: dict[str, Any] = {}
    if begin == b"PK" or begin[:1] == b"\x80":
        tensors = _state_dict(_torch_file(path), path)
    else:
        try:
            with safe_open(path, framework="pt") as file:
                facts = _facts(file.metadata() or {})
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, ValueError) as error:
            raise BadInput(
                f"{path}: expected weights as safetensors or as torch.save writes them, {error}; the file is damaged "
                "or of another kind: fetch it again, or save it as safetensors."
            ) from error
    odd = [name for name, t in tensors.items() if t.is_floating_point() and not t.isfinite().all()]
    if odd:
        raise BadInput(f"{path}: {odd[0]} holds numbers that are not finite; the file is damaged, fetch it again.")
    return tensors, facts


def _facts(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return the facts of a file of ours; none of another's, whatever stands in it."""
    content = json.loads(metadata.get("kofn", "{}"))
    facts = content.get("facts") if isinstance(content, dict) else None
    return facts if isinstance(facts, dict) else {}


def _torch_file(path: Path) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):
            return torch.load(path, map_location="cpu", weights_only=True)
    # What a damaged archive raises is of many kinds: pickle's, zip's, torch's own.
    except Exception as error:
        message = str(error)
        code = re.search(r"GLOBAL `?([\w.]+)", message)
        if code:
            raise BadInput(
                f"{path}: holds more than tensors ({code[1]}), which could be code; nothing of it was run and it is "
                "refused. Where you trust it, save its tensors alone: torch.save(model.state_dict(), FILE)."
            ) from error
        # What torch advises next, to load it all the same, is no advice for a file from elsewhere.
        reason = re.split(r"\. |\n", message, maxsplit=1)[0] or type(error).__name__
        raise BadInput(
            f"{path}: cannot be read as tensors, {reason}; it is damaged, or holds something else (nothing of it was "
            "run): fetch it again, or save it as safetensors."
        ) from error


def _state_dict(content: Any, path: Path) -> dict[str, torch.Tensor]:
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if isinstance(content, Mapping):
        tensors = {str(name): t for name, t in content.items() if isinstance(t, torch.Tensor)}
        if tensors:
            for wrapper in ("module.", "_orig_mod."):
                if all(name.startswith(wrapper) for name in tensors):
                    tensors = {name.removeprefix(wrapper): t for name, t in tensors.items()}
            return tensors
    raise BadInput(
        f"{path}: expected named tensors (a state dict), found {type(content).__name__}; save "
        "model.state_dict(), not the model."
    )
