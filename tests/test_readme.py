"""README says what is there: its tree, its pictures, its five lines of Python; test_docs has its commands."""

import re
import subprocess
import sys

from readme_tree import BLOCK, README, ROOT, tree

TEXT = README.read_text(encoding="utf-8")


def test_the_tree_has_a_line_for_every_file() -> None:
    found = BLOCK.search(TEXT)
    assert found is not None
    assert found.group() == tree(), "run `python tests/readme_tree.py`"


def test_links_and_pictures_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (ROOT / target).is_file(), target


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
