"""The kernels of a network's first convolution, which one can look at, as they change while it learns."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from torch import nn

from ensemble.errors import BadInput
from ensemble.files import replacing


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
