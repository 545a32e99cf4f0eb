"""TensorBoard's event files: what TensorBoard itself reads back."""

import sys
from pathlib import Path

import numpy as np
import pytest

from ensemble.errors import BadInput
from ensemble.study.history import Epoch
from ensemble.training.event_files import log_to_tensorboard

pytest.importorskip("tensorboard")


def epoch(number: int, val: float, tune: float = np.nan) -> dict[str, float]:
    found = Epoch(number, 0.1, 2.0, 2.5, 0.5, 2.1, 2.6, val, 100.0, 3.0, 10, tune, tune)
    return {**vars(found), "epochs": 3}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_every_epoch_once(tmp_path: Path) -> None:
    """A second run, which does epoch 2 again after a cut, takes the place of what the first one wrote of it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    first = log_to_tensorboard(tmp_path)
    first("m-0", "batch", {"done": 1, "total": 2})
    for number, val in ((1, 0.25), (2, 0.5)):
        first("m-0", "epoch", epoch(number, val))
    first("m-0 fold 1", "epoch", epoch(1, 0.75, tune=0.5))
    second = log_to_tensorboard(tmp_path)
    for number, val in ((2, 0.625), (3, 0.75)):
        second("m-0", "epoch", epoch(number, val))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m-0", "m-0-fold-1"]
    found = EventAccumulator(str(tmp_path / "m-0"))
    found.Reload()
    assert [(e.step, e.value) for e in found.Scalars("accuracy/val")] == [(1, 0.25), (2, 0.625), (3, 0.75)]
    assert [e.value for e in found.Scalars("loss/train")] == [2.5] * 3
    assert "accuracy/tune" not in found.Tags()["scalars"]
    fold = EventAccumulator(str(tmp_path / "m-0-fold-1"))
    fold.Reload()
    assert [e.value for e in fold.Scalars("accuracy/tune")] == [0.5]


def test_without_it_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(BadInput, match=r"needs tensorboard, which is missing: pip install 'kofn\[tensorboard\]'"):
        log_to_tensorboard(tmp_path)
