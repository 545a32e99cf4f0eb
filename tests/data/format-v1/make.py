"""Made the frozen files beside this script, once, for version 1 of FORMAT.md. Never run it again over them.

Run as `python tests/data/format-v1/make.py FOLDER` it writes the same files elsewhere.
"""

import contextlib
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.study.predictions import Predictions, write_predictions
from ensemble.study.tables import write_table

HERE = Path(__file__).parent
FORMAT = HERE.parents[2] / "FORMAT.md"
PROBS = np.array([[0.5, 0.25, 0.25], [0, 1, 0], [0.125, 0.125, 0.75], [0.25, 0.5, 0.25]], dtype=np.float32)
SAMPLES = ["n01/a", "n01/é", "n02/日本", "n03/d"]
CLASSES: dict[str, Any] = {"class_ids": ("n01", "n02", "n03"), "class_names": ("goldfish", "café", "")}


def member() -> Predictions:
    """A member with everything a file may have."""
    return Predictions(
        member="ting-m3-0",
        split="val",
        probs=PROBS,
        sample_ids=np.array(SAMPLES),
        labels=np.array([0, 1, 2, 0]),
        recipe={"model": "ting-m3", "learning_rate": 0.01, "note": "µ"},
        data_fingerprint="ab" * 32,
        first_layer=np.arange(2 * 3 * 2 * 2, dtype=np.float32).reshape(2, 3, 2, 2),
        attributes={
            "epoch": 75,
            "seed": 7,
            "view": "centre",
            "weights_sha256": "cd" * 32,
            "x_note": "kept",
            "x_list": np.array([1.5, 2.5]),
            "x_names": ["a", "ü"],
        },
        extras={
            "logits": np.arange(12, dtype=np.float32).reshape(4, 3),
            "group": np.array(["p1", "p1", "p2", "p2"]),
            "fold": np.array([0, 1, 0, 1]),
        },
        **CLASSES,
    )


def unlabelled() -> Predictions:
    """No labels, and row numbers for ids."""
    return Predictions("rows-only", "test", PROBS[:2], np.array(["0", "1"]), **CLASSES, ids_given=False)


def ensemble() -> Predictions:
    """A saved ensemble."""
    return Predictions(
        "best-2",
        "val",
        PROBS,
        np.array(SAMPLES),
        **CLASSES,
        kind="ensemble",
        parents=("a-1", "b-2"),
        weights=(0.75, 0.25),
    )


def main(folder: Path) -> None:
    """Write all of them into `folder`."""
    for name, value in {"member": member(), "unlabelled": unlabelled(), "ensemble": ensemble()}.items():
        write_predictions(folder / f"{name}.h5", value)
    columns = {
        "mask": np.array([1, 2, 3], dtype=np.uint64),
        "members": ["a", "b", "a+b"],
        "nll": np.array([1.5, 2, 0.5]),
    }
    write_table(folder / "table.h5", columns, {"members": ["a", "b"], "split": "val"})
    example = re.search(r"```python\n(.*?)```", FORMAT.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    with contextlib.chdir(folder):
        exec(example.group(1), {})
        Path("plain.val.h5").replace("plain.h5")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
