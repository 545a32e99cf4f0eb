"""The lines that show several members being trained: one each, on a terminal; a sentence each elsewhere."""

import contextlib
import sys
from collections.abc import Generator
from typing import Any

from cli.common import Talk
from ensemble.jobs import Event


def _sentence(talk: Talk, member: str, kind: str, facts: dict[str, Any]) -> None:
    if kind == "died":
        again = "it goes on from its checkpoint" if facts["attempt"] < facts["attempts"] else "given up"
        talk.warn(f"{member}: the process {facts['how']} (attempt {facts['attempt']} of {facts['attempts']}); {again}.")
    elif kind == "end":
        outcome = facts["outcome"]
        if outcome.status == "failed":
            talk.warn(f"{member}: failed, {str(outcome.error).removeprefix(f'{member}: ')}")
        elif outcome.last is not None:
            talk.say(
                f"{member}: {outcome.status}, {outcome.epochs} epochs in {outcome.seconds:.0f} s, validation accuracy "
                f"{outcome.last.val_accuracy:.1%} (best {outcome.best.val_accuracy:.1%} in epoch {outcome.best.epoch})"
            )


@contextlib.contextmanager
def board(talk: Talk) -> Generator[Event]:
    """Give the function that hears of members' events (see `ensemble.jobs.train_members`) and shows them."""
    if talk.quiet or not sys.stderr.isatty():
        yield lambda member, kind, facts: _sentence(talk, member, kind, facts)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
        TextColumn("{task.fields[scores]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(member: str, kind: str, facts: dict[str, Any]) -> None:
            if kind in ("died", "end"):
                if member in tasks:
                    bars.remove_task(tasks.pop(member))
                _sentence(talk, member, kind, facts)
                return
            if kind == "start":
                tasks[member] = bars.add_task(member, total=None, epoch="-", epochs="-", scores="starting")
            elif kind == "batch":
                done = facts["epoch"] - 1 + facts["done"] / facts["total"]
                bars.update(
                    tasks[member],
                    completed=done,
                    total=facts["epochs"],
                    epoch=facts["epoch"],
                    epochs=facts["epochs"],
                )
            elif kind == "epoch":
                scores = (
                    f"loss {facts['train_loss']:.3f} acc {facts['train_accuracy']:.1%} "
                    f"val {facts['val_accuracy']:.1%} {facts['images_per_second']:,.0f} img/s"
                )
                bars.update(
                    tasks[member], completed=facts["epoch"], total=facts["epochs"], epoch=facts["epoch"],
                    epochs=facts["epochs"], scores=scores,
                )  # fmt: skip

        yield show
