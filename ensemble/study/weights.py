"""Weights, checkpoints and kernels, ours and others': the only door to safetensors. No pickle here ever runs code.

What only looks at kernels needs no torch.
"""

import io
import json
import re
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ensemble.errors import BadInput, nearest
from ensemble.study.atomic import replacing
from ensemble.study.names import natural_key
from ensemble.study.seals import BLANK, REDO, check_seal, open_regular, sealed, write_sealed

if TYPE_CHECKING:
    import torch

VERSION = 2
# What every file of weights or checkpoint of ours says of itself, and of which type.
FACTS = {"recipe": dict, "epochs": int, "image_shape": list, "class_ids": list}
LARGEST_KERNELS = 2**28  # bytes
# What NumPy and zipfile raise for a damaged archive depends on the damage.
_NPZ_DAMAGE = (
    OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, SyntaxError, OverflowError, MemoryError,
    struct.error, zlib.error, zipfile.BadZipFile, tokenize.TokenError,
)  # fmt: skip
TIMES = ("begin", "first", "last")


def save_tensors(path: Path, kind: str, tensors: "Mapping[str, torch.Tensor]", facts: Mapping[str, Any]) -> None:
    """Write named tensors with JSON facts, whole or not at all."""
    from safetensors.torch import save

    # One key: safetensors writes several in no fixed order, and equal weights should be equal files.
    metadata = {"kofn": json.dumps({"seal": BLANK, "kind": kind, "version": VERSION, "facts": facts})}
    # safetensors stores what is contiguous; channels_last weights are laid out plainly.
    data = save({n: t.detach().cpu().contiguous() for n, t in tensors.items()}, metadata)
    with replacing(path) as temporary:
        write_sealed(temporary, data)


def load_tensors(path: Path, kind: str) -> "tuple[dict[str, torch.Tensor], dict[str, Any]]":
    """Read what `save_tensors` wrote; raise `BadInput` naming the file where it is damaged or of another kind."""
    from safetensors import SafetensorError, safe_open

    whole = check_seal(path, REDO)
    try:
        with safe_open(path, framework="pt") as file:
            facts = _own_facts(path, file.metadata() or {}, kind, sealed=whole)
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise BadInput(f"{path}: cannot be read as {kind}, {error}; {REDO}.") from error


def _own_facts(path: Path, metadata: Mapping[str, str], kind: str, *, sealed: bool) -> dict[str, Any]:
    """Return the facts of a file of a kind of ours; raise `BadInput` where it is another, or says too little."""
    content = _json_object(metadata.get("kofn", "{}"))
    found, version = content.get("kind"), content.get("version")
    if found != kind or type(version) is not int or not 1 <= version <= VERSION:
        raise BadInput(
            f"{path}: expected kind {kind!r}, version {VERSION} or older, found {found!r:.80} and {version!r:.80}; "
            f"{REDO}."
        )
    if version > 1 and not sealed:
        raise BadInput(f"{path}: expected a checksum in its header, found none; {REDO}.")
    facts = content.get("facts")
    facts = facts if isinstance(facts, dict) else {}
    for name, wanted in FACTS.items():
        if type(facts.get(name)) is not wanted:
            raise BadInput(
                f"{path}: expected {name!r} of type {wanted.__name__}, found {facts.get(name)!r:.80}; {REDO}."
            )
    return facts


def _json_object(text: str) -> dict[str, Any]:
    """Return a JSON object; an empty one where the text is none."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def facts_of(path: Path, kind: str = "kofn.weights") -> dict[str, Any]:
    """Return what a file of ours says of itself: recipe, epochs, image_shape, class_ids; its tensors are not read."""
    from safetensors import SafetensorError, safe_open

    whole = check_seal(path, REDO)
    try:
        with safe_open(path, framework="numpy") as file:
            return _own_facts(path, file.metadata() or {}, kind, sealed=whole)
    except (OSError, SafetensorError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read as {kind}, {error}; {REDO}.") from error


def write_plain_tensors(path: Path, tensors: "Mapping[str, torch.Tensor]") -> None:
    """Write named tensors as safetensors and nothing else, whole or not at all."""
    from safetensors.torch import save

    with replacing(path) as temporary:
        temporary.write_bytes(save({name: t.detach().cpu().contiguous() for name, t in tensors.items()}))


def check_like(state: "Mapping[str, torch.Tensor]", expected: "Mapping[str, torch.Tensor]", path: Path) -> None:
    """Raise `BadInput` unless both have the same names and shapes."""
    theirs = {name: tuple(t.shape) for name, t in state.items()}
    ours = {name: tuple(t.shape) for name, t in expected.items()}
    if theirs != ours:
        odd = sorted(set(theirs.items()) ^ set(ours.items()))
        raise BadInput(
            f"{path}: does not fit this member's recipe; {odd[0][0]} differs for one (shape {odd[0][1]}). "
            "Its recipe.toml or its weights were changed: delete the member's folder and its files in predictions/ to "
            "train it anew."
        )


def read_tensors(path: Path) -> "tuple[dict[str, torch.Tensor], dict[str, Any]]":
    """Read named tensors from a file made anywhere: safetensors, or what `torch.save` wrote; with our facts or none.

    A torch file is read as tensors alone: one that holds code or other objects is refused, and nothing of it is run.
    Of a training checkpoint its state dict is taken, and what wrapped the network ("module.") is left off the names.
    Raises `BadInput` where there is no such file, it is damaged, or it holds numbers that are not finite.
    """
    from safetensors import SafetensorError, safe_open

    from_torch = keeps_order(path)
    check_seal(path)
    facts: dict[str, Any] = {}
    if from_torch:
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
    try:
        odd = [name for name, t in tensors.items() if t.is_floating_point() and not t.isfinite().all()]
    except (NotImplementedError, RuntimeError) as error:
        raise BadInput(f"{path}: holds numbers of a type that cannot be used here, {error}; save float32.") from error
    if odd:
        raise BadInput(f"{path}: {odd[0]} holds numbers that are not finite; the file is damaged, fetch it again.")
    return tensors, facts


def keeps_order(path: Path) -> bool:
    """Say whether a file of tensors is as `torch.save` writes it, in the network's order; safetensors keeps none."""
    with open_regular(path) as stream:
        begin = stream.read(2)
    return begin == b"PK" or begin[:1] == b"\x80"


def _facts(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return the facts of a file of ours; none of another's, whatever stands in it."""
    facts = _json_object(metadata.get("kofn", "{}")).get("facts")
    return facts if isinstance(facts, dict) else {}


def _torch_file(path: Path) -> Any:
    import torch

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


def _state_dict(content: Any, path: Path) -> "dict[str, torch.Tensor]":
    import torch

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


# -- kernels -------------------------------------------------------------------------------------


def convolutions(path: Path, order: tuple[str, ...] = ()) -> dict[str, tuple[int, ...]]:
    """Return the convolutions in a member's weights.safetensors: layer -> shape (out, in, height, width).

    order: names of the network's layers as an image passes them, of network.json; layers not in it stand behind, in
    natural order of their names. Raises `BadInput` where the file cannot be read as weights.
    """
    from safetensors import SafetensorError, safe_open

    check_seal(path)
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
    from safetensors import SafetensorError, safe_open

    check_seal(path)
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
    check_seal(path, nearly=True)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST_KERNELS:
                raise BadInput(
                    f"{path}: claims more than {LARGEST_KERNELS:,} bytes, more than kernels take; delete it."
                )
        with np.load(path, allow_pickle=False) as file:
            if not file.files or set(file.files) - set(TIMES):
                raise BadInput(
                    f"{path}: expected kernels named {', '.join(TIMES)}, found {', '.join(file.files)[:80] or 'none'}; "
                    "restore it from a copy or delete it."
                )
            found = {name: np.asarray(file[name], dtype=np.float32) for name in TIMES if name in file.files}
    except _NPZ_DAMAGE as error:
        raise BadInput(f"{path}: cannot be read as kernels, {error}; restore it from a copy or delete it.") from error
    if any(kernels.ndim != 4 for kernels in found.values()) or len({k.shape for k in found.values()}) > 1:
        shapes = {name: kernels.shape for name, kernels in found.items()}
        raise BadInput(f"{path}: expected kernels (out, in, height, width) of one shape, found {shapes}.")
    return found


def _layer(name: str) -> str:
    return name.removeprefix("network.").removesuffix(".weight")


def _unreadable(path: Path, error: Exception) -> BadInput:
    return BadInput(f"{path}: cannot be read as weights, {error}; restore it from a copy or train the member again.")


def keep_first_layer(path: Path, when: str, kernels: np.ndarray | None) -> None:
    """Add kernels (out, in, h, w) to an .npz file under `when`: "begin", "first" (after the first epoch) or "last".

    "begin" starts the file over. Nothing is written where there are none.
    """
    if kernels is None:
        return
    kept: dict[str, Any] = {}
    if when != "begin" and path.exists():
        check_seal(path, nearly=True)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as there:
                kept = {name: there[name] for name in there.files}
        except _NPZ_DAMAGE as error:
            raise BadInput(f"{path}: cannot be read as arrays, {error}; delete it and run again.") from error
    data = io.BytesIO()
    np.savez(data, allow_pickle=False, **(kept | {when: kernels}))
    with zipfile.ZipFile(data, "a") as archive:
        archive.comment = BLANK.encode()
    with replacing(path) as temporary:
        temporary.write_bytes(sealed(data.getvalue()))
