"""The door: what `kofn` gives, how its names explain themselves, and that its errors speak of Python."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARY = sorted(path for package in ("ensemble", "analysis") for path in (ROOT / package).rglob("*.py"))


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """Give the line and text of every string of a file but docstrings, with {} where an f-string has a value."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.lineno, node.value


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_messages_of_the_library_name_python_arguments(path: Path) -> None:
    """A command writes `name=value` as its option (`cli.common.as_options`); commands stand in quotes."""
    if path.parent.name == "page" or path.name == "papers.py":
        return  # they make whole commands, word by word
    for line, text in messages(path):
        rest = re.sub(r"'ens-[^']*'", "", text)
        assert not re.search(r"(?<![\w-])--[a-z]", rest), f"{path}:{line}: {text}"
