"""Small files of predictions made for a test, and what NumPy says of what was read."""

from pathlib import Path
from typing import Any

import numpy as np

from ensemble.importing.parse import Imported


def npz(path: Path, **arrays: Any) -> Path:
    """Write arrays by name."""
    np.savez(path, **arrays)
    return path


def accuracy(one: Imported) -> float:
    """Return the share of samples whose likeliest class is their label."""
    p = one.predictions
    assert p.labels is not None
    return float((p.probs.argmax(axis=1) == p.labels).mean())
