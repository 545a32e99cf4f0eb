"""The course of trainings as TensorBoard's event files, epoch by epoch."""

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ensemble.errors import BadInput

# Of an `Epoch`: what TensorBoard shows together stands before the slash.
TAGS = {
    "accuracy/train": "train_accuracy", "accuracy/val": "val_accuracy", "accuracy/tune": "tune_accuracy",
    "cross_entropy/train": "train_cross_entropy", "cross_entropy/val": "val_cross_entropy",
    "cross_entropy/tune": "tune_cross_entropy", "loss/train": "train_loss", "loss/val": "val_loss",
    "learning_rate": "learning_rate", "images_per_second": "images_per_second",
}  # fmt: skip


def log_to_tensorboard(folder: str | Path) -> Callable[[str, str, dict[str, Any]], None]:
    """Return what `train_members(..., on_event=...)` can tell of epochs, to be written for TensorBoard.

    folder: each member, and each of its folds, gets a folder of event files in it, and a step is an epoch. A training
    that goes on adds to what is there. Raises `BadInput` where the extra `tensorboard` is missing.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # its own remarks on its libraries
            from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise BadInput(
            f"tensorboard={str(folder)!r}: needs tensorboard, which is missing: pip install 'kofn[tensorboard]'."
        ) from error
    writers: dict[str, SummaryWriter] = {}

    def hear(title: str, kind: str, facts: dict[str, Any]) -> None:
        if kind != "epoch":
            return
        epoch = facts["epoch"]
        if title not in writers:
            # Epochs that a training cut off had behind its last checkpoint are done again: the later ones count.
            writers[title] = SummaryWriter(str(Path(folder) / title.replace(" ", "-")), purge_step=epoch)
        for tag, key in TAGS.items():
            if math.isfinite(facts[key]):
                writers[title].add_scalar(tag, facts[key], epoch)
        writers[title].flush()

    return hear
