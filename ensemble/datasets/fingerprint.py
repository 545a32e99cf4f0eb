"""The digest by which a dataset is known again, whatever file it came from."""

import hashlib
import json
from collections.abc import Iterable, Sequence

import numpy as np

from ensemble.split import Split

_BLOCK = 64 * 2**20  # bytes hashed at a time, so that a memory map is never read whole


def fingerprint_of(splits: Iterable[Split], class_ids: Sequence[str]) -> str:
    """Return the SHA-256 (hex) over class ids and, by split name, each split's shape, pixels, labels and ids."""
    digest = hashlib.sha256()

    def add_text(value: object) -> None:
        text = json.dumps(value, ensure_ascii=True).encode()
        digest.update(len(text).to_bytes(8, "little") + text)

    add_text(list(class_ids))
    for split in sorted(splits, key=lambda s: s.name):
        add_text([split.name, list(split.images.shape), split.labels is not None])
        rows = max(1, _BLOCK // max(1, split.images[:1].nbytes))
        for i in range(0, len(split), rows):
            digest.update(np.ascontiguousarray(split.images[i : i + rows]).data.cast("B"))
        if split.labels is not None:
            digest.update(split.labels.astype("<i8").tobytes())
        add_text(split.sample_ids.tolist())
    return digest.hexdigest()
