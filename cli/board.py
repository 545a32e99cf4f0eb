"""The lines that show several members being trained: one each, on a terminal; a sentence each elsewhere."""

import contextlib
import sys
from collections.abc import Callable, Generator
from typing import Any

from cli.common import Output, as_options, printable
from ensemble.training.pool import Event


def _sentence(member: str, kind: str, facts: dict[str, Any]) -> tuple[str, bool] | None:
    """Return what is to be said of an event, and whether it is a warning; None where nothing is."""
    if kind == "note":
        return f"{member}: {facts['text']}", False
    if kind == "died":
        again = "it goes on from its checkpoint" if facts["attempt"] < facts["attempts"] else "given up"
        attempt = f"attempt {facts['attempt']} of {facts['attempts']}"
        return f"{member}: the process {facts['how']} ({attempt}); {again}.", True
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

        def tell(member: str, kind: str, facts: dict[str, Any]) -> None:
            said = _sentence(member, kind, facts)
            if said is not None:
                (output.warn if said[1] else output.say)(said[0])

        yield tell
        return
    with _live_board() as show:
        yield show


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
                said = _sentence(member, kind, facts)
                if said is not None:
                    # Through the bars' own console, which writes above them.
                    bars.console.print(Text(printable(said[0]), style="yellow" if said[1] else ""))
            elif kind == "start":
                tasks[member] = bars.add_task(member, total=None, epoch="-", epochs="-", scores="starting")
            elif kind == "batch":
                done = facts["epoch"] - 1 + facts["done"] / facts["total"]
                now, all_ = facts["epoch"], facts["epochs"]
                bars.update(tasks[member], completed=done, total=all_, epoch=now, epochs=all_)
            elif kind == "features":
                bars.update(tasks[member], scores=f"features of the base {facts['done'] / facts['total']:.0%}")
            elif kind == "epoch":
                rate = f"{facts['images_per_second']:,.0f}/s"
                scores = (
                    f"loss {facts['train_loss']:.3f} acc {facts['train_accuracy']:.1%} val {facts['val_accuracy']:.1%}"
                )
                now, all_ = facts["epoch"], facts["epochs"]
                bars.update(tasks[member], completed=now, total=all_, epoch=now, epochs=all_, scores=f"{scores} {rate}")

        yield show
