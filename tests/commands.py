"""The commands in a folder and an environment of their own: without a process, or as one."""

import contextlib
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

from click.testing import CliRunner
from served import STANDS

ROOT = Path(__file__).parent.parent
SCRIPTS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on standard output."""
        found = json.loads(self.out)
        assert found["schema"] == 1
        return found


@dataclass(frozen=True)
class Reported:
    """What `ens-report all` made of a study: how it ended, what it printed, and the folder of its files."""

    done: Done
    folder: Path

    def __getitem__(self, kind: str) -> dict[str, Any]:
        """The document of one report, where it was made with --json."""
        return self.done.document["reports"][kind]


@dataclass(frozen=True)
class _Script:
    """What an installed script does, in the shape that click's runner calls."""

    name: str

    def main(self, args: list[str], prog_name: str) -> None:
        module, _, function = SCRIPTS[self.name].partition(":")
        with mock.patch.object(sys, "argv", [prog_name, *args]):
            getattr(import_module(module), function)()


def call(name: str, *words: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Done:
    """Run a command in this process; what escapes it, escapes here."""
    runner: Any = CliRunner(env=dict(env or {}))
    with contextlib.chdir(cwd or Path.cwd()):
        result = runner.invoke(_Script(name), [str(word) for word in words], catch_exceptions=False)
    return Done(result.exit_code, result.stdout, result.stderr)


def process(name: str, *words: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Done:
    """Run a command in a process of its own, which begins at once: see tests/served.py."""
    done = subprocess.run(
        [STANDS.script(name), *map(str, words)], cwd=cwd, env={**os.environ, **(env or {})},
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def flowing(text: str) -> str:
    """Return what a terminal shows without its line breaks, for sentences that wrap where a line ends."""
    return " ".join(text.split())
