"""How far the lattice was gone through, as a sealed file: another run of the same goes on from there.

An HDF5 file of ours, kind `kofn.lattice`: `fingerprint`, the SHA-256 of all that the result hangs on; `done`, how many
parts were gone through; and the sums so far, one array each, flat, their shapes beside them.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ensemble.errors import BadInput
from ensemble.study.hdf5 import AGAIN, new_file, opened

KIND, VERSION = "kofn.lattice", 2


def write_checkpoint(path: Path, fingerprint: str, done: int, arrays: Mapping[str, np.ndarray]) -> None:
    """Write how far it went, whole or not at all; raises `StorageError` where that cannot be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shapes = {f"{name}_shape": np.array(array.shape) for name, array in arrays.items()}
    with new_file(path, KIND, VERSION, {"fingerprint": fingerprint, "done": done, **shapes}) as file:
        for name, array in arrays.items():
            file.put(name, array.ravel())


def read_checkpoint(path: Path, fingerprint: str) -> tuple[int, dict[str, np.ndarray]] | None:
    """Return how many parts were done and the sums; None where there is no file.

    Raises `BadInput` where it is damaged, or of other predictions or options than these.
    """
    if not path.is_file():
        return None
    with opened(path, KIND, VERSION) as file:
        facts = file.attributes
        if facts.get("fingerprint") != fingerprint:
            raise BadInput(
                f"{path}: is of other predictions, options or parts than these; name another file, or delete it."
            )
        done = facts.get("done")
        names = [name.removesuffix("_shape") for name in facts if name.endswith("_shape")]
        if type(done) is not int or done < 0:
            raise BadInput(f"{path}: done: expected a whole number, found {done!r}; {AGAIN}.")
        arrays = {}
        for name in names:
            file.check(name, "fi", 1)
            arrays[name] = file.load(name).reshape(facts[f"{name}_shape"])
        return done, arrays
