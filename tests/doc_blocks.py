"""The blocks of commands and Python in README and docs/: found, and run page by page.

A fenced block of `sh` or `python` that follows the comment `<!-- run -->` is run by the suite, one that follows
`<!-- run: long -->` by `python tests/doc_blocks.py` (`make docs-long`), one that follows `<!-- run: with torch -->` by
the suite where that package is installed. The blocks of a page run in order, in one empty
folder; every other block is only read, and its commands must be known ones.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from served import BIN, STANDS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(
    r"(?:<!-- (run|run: long|run: with [a-z]+) -->\n+)?^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A block of a page.

    when: "" (never run), "run", "run: long" or "run: with" a package; language: "sh" or "python"; line: its first.
    """

    page: Path
    line: int
    when: str
    language: str
    code: str

    @property
    def name(self) -> str:
        """Return where it stands, as README.md:12."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"

    def commands(self) -> list[str]:
        """Return the lines of `sh` that call a command of ours, without comments."""
        lines = self.code.replace("\\\n", " ").splitlines() if self.language == "sh" else []
        return [line.split("  #")[0].strip() for line in lines if line.startswith("ens-")]


def blocks_of(page: Path) -> Iterator[Block]:
    """Find the blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        yield Block(page, text[: found.start(3)].count("\n") + 1, found[1] or "", found[2], found[3])


def is_quick(block: Block) -> bool:
    """Say whether the suite runs a block: those of packages only where they are installed."""
    return block.when == "run" or (
        block.when.startswith("run: with ") and find_spec(block.when.split()[-1]) is not None
    )


def run_block(block: Block, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a block in a folder, with the commands of this environment first in the path."""
    path = os.pathsep.join((str(STANDS.script("python").parent), str(BIN), os.environ["PATH"]))
    call = ["bash", "-euo", "pipefail", "-c", block.code] if block.language == "sh" else ["python", "-c", block.code]
    return subprocess.run(
        call, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )


def main() -> int:
    """Run the pages that have long blocks, the quick ones among them too, and say how each went."""
    failed = 0
    for page in PAGES:
        blocks = [block for block in blocks_of(page) if block.when]
        if not any(block.when == "run: long" for block in blocks):
            continue
        with tempfile.TemporaryDirectory() as folder:
            for block in blocks:
                done = run_block(block, Path(folder))
                failed += done.returncode != 0
                print(f"{block.name}: {'ok' if done.returncode == 0 else done.stdout + done.stderr}", flush=True)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
