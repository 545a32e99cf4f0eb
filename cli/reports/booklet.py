"""What one report after another draws and says, as one PDF to print."""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.sentences import figure_caption, many
from cli.common import Output
from cli.reports.job import Job

if TYPE_CHECKING:
    from analysis.figures.booklet import Plate


@dataclass(frozen=True)
class Listening(Output):
    """An output that remembers the sentences that were printed."""

    notes: list[str] = field(default_factory=list)

    def note(self, sentences: str) -> None:
        """Print sentences, and keep them."""
        self.notes.append(sentences.strip())
        super().note(sentences)


class Booklet:
    """Figures and sentences of reports in the order in which they were made."""

    def __init__(self, output: Output) -> None:
        self.output = Listening(**vars(output))
        self.plates: list[Plate] = []

    @contextlib.contextmanager
    def report(self, kind: str) -> Generator[Output]:
        """Give the output to make a report with; what it draws and says becomes plates, unless it fails."""
        from analysis.figures.booklet import Plate
        from analysis.figures.style import keeping

        self.output.notes.clear()
        with keeping() as kept:
            yield self.output
        # One picture of all members says what each of theirs does.
        whole = [(path, figure) for path, figure in kept if path.stem.startswith("filters-all")]
        for nth, (path, figure) in enumerate(whole or kept):
            notes = () if nth else tuple(self.output.notes)
            self.plates.append(Plate(kind.capitalize(), figure, figure_caption(path.stem), notes))

    def write(self, job: Job) -> Path:
        """Write report.pdf, a figure a page, and return its path."""
        from importlib.metadata import version

        from analysis.figures.booklet import write_booklet

        data = job.data
        stack, study = data.stack, data.study
        facts = (
            f"{many(len(stack.members), 'member')} of the study {study.root.resolve().name}, on {stack.samples:,} "
            f"samples of {data.split}, {many(stack.classes, 'class', 'classes')}; data: {study.config.data}.",
            f"Members: {', '.join(stack.members)}.",
            f"Written by kofn {version('kofn')}. The terms are explained by: ens-report --glossary",
        )
        return write_booklet(job.path("report", ending="pdf"), study.root.resolve().name, facts, self.plates)
