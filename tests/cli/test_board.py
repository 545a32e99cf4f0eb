"""What ens-train says of a training where nobody looks at a terminal."""

from types import SimpleNamespace
from typing import Any

from cli.board import Lines


class Said:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.say, self.warn = self.lines.append, self.warnings.append


def epoch(number: int, of: int = 4) -> dict[str, Any]:
    return {"epoch": number, "epochs": of, "images_per_second": 50.0, "train_loss": 2.0, "train_accuracy": 0.5,
            "val_accuracy": 0.25}  # fmt: skip


def test_a_line_an_epoch_with_the_time_left_and_batches_of_long_ones() -> None:
    said, now = Said(), [0.0]
    lines = Lines(said, clock=lambda: now[0])  # ty: ignore[invalid-argument-type]
    lines("m-0", "start", {"attempt": 1})
    for done in (10, 20, 50):
        now[0] += 40
        lines("m-0", "batch", {"done": done, "total": 100, "epoch": 1, "epochs": 4})
    # 80 s for a fifth of an epoch: 3.8 epochs are left, 1,520 s.
    assert said.lines == ["m-0: epoch 1/4, 20 of 100 images, about 25 min left"]
    now[0] = 200.0
    lines("m-0", "epoch", epoch(1))
    assert said.lines[1:] == ["m-0: epoch 1/4, loss 2.000 acc 50.0% val 25.0% 50/s, about 10 min left"]
    now[0] = 205.0  # too soon to be read
    lines("m-0", "epoch", epoch(2))
    now[0] = 215.0
    lines("m-0", "epoch", epoch(3))
    assert said.lines[2:] == ["m-0: epoch 3/4, loss 2.000 acc 50.0% val 25.0% 50/s, about 72 s left"]
    best = SimpleNamespace(val_accuracy=0.3, epoch=3)
    outcome = SimpleNamespace(
        status="trained", epochs=4, seconds=220.0, last=SimpleNamespace(val_accuracy=0.28), best=best
    )
    lines("m-0", "end", {"outcome": outcome})
    assert said.lines[3:] == ["m-0: trained, 4 epochs, 220 s, val 28.0% (best 30.0% in 3)"]
    assert said.warnings == []


def test_a_member_that_goes_on_is_timed_from_where_it_was() -> None:
    said, now = Said(), [100.0]
    lines = Lines(said, clock=lambda: now[0])  # ty: ignore[invalid-argument-type]
    lines("m-0", "start", {"attempt": 1})
    now[0] = 160.0
    lines("m-0", "epoch", epoch(11, of=21))
    assert said.lines == ["m-0: epoch 11/21, loss 2.000 acc 50.0% val 25.0% 50/s, about 10 min left"]
    lines("m-0", "died", {"how": "was ended by SIGKILL", "attempt": 1, "attempts": 3})
    assert said.warnings == ["m-0: the process was ended by SIGKILL (attempt 1 of 3); it goes on from its checkpoint."]
