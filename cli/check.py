"""`ens-check`: whether a study is whole, and its parts belong together."""

from dataclasses import asdict
from pathlib import Path

import click

from cli.common import Output, command, entry


@command(
    "ens-check",
    examples=[
        "ens-check                       the study in ./study",
        "ens-check tiny                  another one",
        "ens-check tiny --json           findings with path, kind, what, means and advice",
    ],
)
@click.argument("folder", required=False, type=click.Path(path_type=Path), metavar="[STUDY]")
def check(output: Output, folder: Path | None) -> int:
    """Look at every file of a study: checksums, values, samples, recipes, weights, ensembles, tables, leftovers.

    Nothing is changed. Each finding says what is wrong, what it means and what to do; the exit status is then 1.
    """
    from ensemble.study.check import check_study

    root = folder or output.study
    with output.progress("Checking", "files") as progress:
        found = check_study(root, progress)
    output.document(
        study=root, ok=found.ok, files=found.files, bytes=found.bytes, unsealed=found.unsealed,
        findings=[asdict(finding) for finding in found.findings], notes=found.notes,
    )  # fmt: skip
    for finding in found.findings:
        output.text(f"{finding.path}: {finding.what}. That means: {finding.means}. To do: {finding.advice}.")
    for note in found.notes:
        output.say(f"Note: {note}.")
    if found.unsealed:
        output.say(
            f"Note: {found.unsealed} files have no checksum: an older version wrote them, or a hand changed them."
        )
    count = len(found.findings)
    said = "nothing is wrong" if found.ok else f"{count} {'thing is' if count == 1 else 'things are'} wrong"
    output.text(f"{root}: {found.files:,} files, {found.bytes / 1e6:,.1f} MB, {said}")
    return 0 if found.ok else 1


main = entry(check)
