"""What the shell offers at the Tab key, beyond options and fixed choices: names from the study at hand."""

import os
from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem


def members(context: click.Context, _option: click.Parameter, start: str) -> list[CompletionItem]:
    """Offer the members and saved ensembles of the study."""
    return _beginning(start, (name.split(".")[0] for name in _predictions(context)))


def ensembles(context: click.Context, _option: click.Parameter, start: str) -> list[CompletionItem]:
    """Offer who can speak for an ensemble: all, best, or a name of the study."""
    return _beginning(start, ("all", "best", *(name.split(".")[0] for name in _predictions(context))))


def splits(context: click.Context, _option: click.Parameter, start: str) -> list[CompletionItem]:
    """Offer the splits that have predictions in the study."""
    return _beginning(start, (name.split(".")[1] for name in _predictions(context)))


def models(_context: click.Context, _option: click.Parameter, start: str) -> list[CompletionItem]:
    """Offer the networks that ship by name."""
    from ensemble.models import MODELS

    return _beginning(start, MODELS)


def _predictions(context: click.Context) -> list[str]:
    """Return the names of the study's predictions files; nothing is opened, so that the Tab key answers at once."""
    study = Path(context.params.get("study") or os.environ.get("ENS_STUDY", "study"))
    return [path.name for path in (study / "predictions").glob("*.*.h5") if path.name.count(".") == 2]


def _beginning(start: str, names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted(set(names)) if name.startswith(start)]
