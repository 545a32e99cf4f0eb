"""README says what is there: its tree, its pictures, its lines of Python; test_docs has its commands."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from cli.reports import KINDS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_short_and_its_tree_names_every_package() -> None:
    (tree,) = re.findall(r"## The house\n\n```\n(.*?)```\n", TEXT, re.DOTALL)
    assert len(TEXT.splitlines()) <= 150 and len(tree.splitlines()) <= 15
    folders = {path.parent for top in ("ensemble", "analysis", "cli") for path in (ROOT / top).rglob("*.py")}
    assert {f"{folder.name}/" for folder in folders} - {"recipes/", "reports/"} <= set(re.findall(r"\w+/", tree))
    assert all((ROOT / name).exists() for name in re.findall(r"^(\w+(?:/|\.py))", tree, re.MULTILINE))


def test_it_opens_with_a_picture_and_names_every_command() -> None:
    assert TEXT.splitlines()[2].startswith("![")
    commands = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert len(commands) >= 8
    assert not [name for name in commands if f"| `{name}` |" not in TEXT]
    (kinds,) = re.findall(r"\| `ens-report` \| (.*?) \|", TEXT)
    assert set(re.findall(r"`([a-z-]+)`", kinds)) == {*KINDS, "all"}


def test_links_and_pictures_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (ROOT / target).is_file(), target


def test_the_lines_of_python_on_arrays_run() -> None:
    """The block before it is of the whole way, and runs in test_docs."""
    (_, code) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(code.strip().splitlines()) <= 7
    setup = (
        "import numpy as np\n"
        "probs = np.random.default_rng(0).dirichlet(np.ones(10), (3, 500))\n"
        "labels = np.random.default_rng(1).integers(0, 10, 500)\n"
    )
    done = subprocess.run([sys.executable, "-c", setup + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "m-" in done.stdout
