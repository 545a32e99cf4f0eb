"""The tree in README.md, from the first line of every docstring: `python tests/readme_tree.py` rewrites it."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"(?<=## The house\n\n```\n).*?(?=```\n)", re.DOTALL)
WIDTH = 84


def line_of(path: Path) -> str:
    """The docstring's first line; a long one ends at its last pause that fits."""
    text = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0].rstrip(".")
    if len(text) > WIDTH:
        pauses = [m.start() for m in re.finditer(r"[,;:](?= )| \(", text) if m.start() <= WIDTH]
        text = text[: pauses[-1]] if pauses else text[:WIDTH]
    return text


def tree() -> str:
    lines = []
    for top in ("ensemble", "analysis", "cli", "benchmarks"):
        folders = sorted({p.parent for p in (ROOT / top).rglob("*.py")})
        for folder in folders:
            depth = len(folder.relative_to(ROOT).parts) - 1
            name = f"{'  ' * depth}{folder.name}/"
            lines.append(f"{name:<20}{line_of(folder / '__init__.py')}")
            for path in sorted(folder.glob("*.py")):
                if path.name != "__init__.py":
                    stem = f"{'  ' * (depth + 1)}{path.stem}"
                    lines.append(f"{stem:<20}{line_of(path)}")
    return "\n".join([*lines, f"{'tests/':<20}Mirror the packages; frozen files of every format version", ""])


if __name__ == "__main__":
    README.write_text(BLOCK.sub(lambda _: tree(), README.read_text(encoding="utf-8")), encoding="utf-8")
