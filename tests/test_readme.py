"""README says what is there: its tree, its commands, its pictures, its five lines of Python."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from readme_tree import BLOCK, README, ROOT, tree

TEXT = README.read_text(encoding="utf-8")


def test_the_tree_has_a_line_for_every_file() -> None:
    found = BLOCK.search(TEXT)
    assert found is not None
    assert found.group() == tree(), "run `python tests/readme_tree.py`"


def test_links_and_pictures_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (ROOT / target).is_file(), target


COMMANDS = sorted({line.strip().split("  #")[0].strip() for line in TEXT.splitlines() if line.startswith("    ens-")})


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_it_is_understood(line: str) -> None:
    """Its options exist: asked for with --help at the end, a misspelt one would be refused all the same."""
    program, *options = shlex.split(line)
    script = Path(sys.executable).with_name(program)
    done = subprocess.run([script, *options, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    known = set(re.findall(r"--[a-z-]+", done.stdout))
    assert {word for word in options if word.startswith("--")} <= known


def test_the_lines_of_python_run() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(code.strip().splitlines()) <= 7
    setup = (
        "import numpy as np\n"
        "probs = np.random.default_rng(0).dirichlet(np.ones(10), (3, 500))\n"
        "labels = np.random.default_rng(1).integers(0, 10, 500)\n"
    )
    done = subprocess.run([sys.executable, "-c", setup + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "m-" in done.stdout
