"""The lines that show several members being trained: one each, on a terminal; plain sentences elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Generator
from typing import Any

from cli.common import Output, as_options, printable
from ensemble.training.job import Event

# Off a terminal: a line an epoch, where a member's last one is so long ago; within an epoch, so long.
EPOCH_SECONDS, BATCH_SECONDS = 10.0, 60.0


def _sentence(member: str, kind: str, facts: dict[str, Any]) -> tuple[str, bool] | None:
    """Return what is to be said of an event, and whether it is a warning; None where nothing is."""
    if kind == "note":
        return f"{member}: {facts['text']}", False
    if kind == "died":
        again = "it goes on from its checkpoint" if facts["attempt"] < facts["attempts"] else "given up"
        attempt = f"attempt {facts['attempt']} of {facts['attempts']}"
        return f"{member}: the process {as_options(facts['how'])} ({attempt}); {again}.", True
    if kind == "end":
        outcome = facts["outcome"]
        if outcome.status == "failed":
            return f"{member}: failed, {as_options(str(outcome.error)).removeprefix(f'{member}: ')}", True
        if outcome.last is not None:
            best = f"best {outcome.best.val_accuracy:.1%} in {outcome.best.epoch}"
            how = f"{outcome.status}, {outcome.epochs} epochs, {outcome.seconds:,.0f} s"
            return f"{member}: {how}, val {outcome.last.val_accuracy:.1%} ({best})", False
    return None


@contextlib.contextmanager
def board(output: Output) -> Generator[Event]:
    """Give the function that hears of members' events (see `ensemble.training.pool.run_jobs`) and shows them."""
    if output.quiet or not sys.stderr.isatty():
        yield Lines(output)
        return
    with _live_board() as show:
        yield show


class Lines:
    """Says each event in a plain line, as a log file wants it, epochs and batches no more often than one can read."""

    def __init__(self, output: Output, clock: Callable[[], float] = time.monotonic) -> None:
        self._output, self._clock = output, clock
        self._said: dict[str, float] = {}  # member -> when it was last heard of
        self._begun: dict[str, tuple[int, float]] = {}  # member -> epochs behind it when it started, and when that was

    def __call__(self, member: str, kind: str, facts: dict[str, Any]) -> None:
        """Hear of an event."""
        if kind == "start":
            self._said[member] = self._clock()
            self._begun.pop(member, None)
        sentence = _sentence(member, kind, facts)
        if sentence is not None:
            (self._output.warn if sentence[1] else self._output.say)(sentence[0])
            return
        now = self._clock()
        if kind == "features" and self._due(member, BATCH_SECONDS):
            self._output.say(f"{member}: features of the base, {facts['done']:,} of {facts['total']:,} images")
        if kind not in ("batch", "epoch"):
            return
        behind = facts["epoch"] - 1 + facts["done"] / facts["total"] if kind == "batch" else facts["epoch"]
        first, since = self._begun.setdefault(member, (facts["epoch"] - 1, self._said.get(member, now)))
        left = _left((now - since) / (behind - first) * (facts["epochs"] - behind)) if behind > first else ""
        epoch = f"{member}: epoch {facts['epoch']}/{facts['epochs']}"
        if kind == "batch":
            if self._due(member, BATCH_SECONDS):
                self._output.say(f"{epoch}, {facts['done']:,} of {facts['total']:,} images{left}")
        elif facts["epoch"] < facts["epochs"] and self._due(member, EPOCH_SECONDS):
            self._output.say(f"{epoch}, {_scores(facts)}{left}")

    def _due(self, member: str, seconds: float) -> bool:
        now = self._clock()
        if now - self._said.get(member, 0.0) < seconds:
            return False
        self._said[member] = now
        return True


def _left(seconds: float) -> str:
    """Return how much time is left, as text."""
    if seconds < 90:
        return f", about {seconds:.0f} s left"
    return f", about {seconds / 60:.0f} min left" if seconds < 5400 else f", about {seconds / 3600:.1f} h left"


def _scores(facts: dict[str, Any]) -> str:
    rate = f"{facts['images_per_second']:,.0f}/s"
    scores = f"loss {facts['train_loss']:.3f} acc {facts['train_accuracy']:.1%} val {facts['val_accuracy']:.1%}"
    return f"{scores} {rate}"


@contextlib.contextmanager
def _live_board() -> Generator[Callable[[str, str, dict[str, Any]], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.text import Text

    # Made for 80 columns: the name gives way first.
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=8),
        TextColumn("{task.fields[epoch]}/{task.fields[epochs]}"),
        TextColumn("{task.fields[scores]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(member: str, kind: str, facts: dict[str, Any]) -> None:
            if kind in ("died", "end", "note"):
                if member in tasks and kind != "note":
                    bars.remove_task(tasks.pop(member))
                sentence = _sentence(member, kind, facts)
                if sentence is not None:
                    # Through the bars' own console, which writes above them.
                    bars.console.print(Text(printable(sentence[0]), style="yellow" if sentence[1] else ""))
            elif kind == "start":
                tasks[member] = bars.add_task(member, total=None, epoch="-", epochs="-", scores="starting")
            elif kind == "batch":
                share = facts["done"] / facts["total"]
                now, all_ = facts["epoch"], facts["epochs"]
                # Before the first epoch has scores, how far it is stands in their place.
                if now == 1:
                    bars.update(tasks[member], scores=f"{share:.0%} of the first epoch")
                bars.update(tasks[member], completed=now - 1 + share, total=all_, epoch=now, epochs=all_)
            elif kind == "features":
                bars.update(tasks[member], scores=f"features of the base {facts['done'] / facts['total']:.0%}")
            elif kind == "epoch":
                now, all_ = facts["epoch"], facts["epochs"]
                bars.update(tasks[member], completed=now, total=all_, epoch=now, epochs=all_, scores=_scores(facts))

        yield show
