"""Run a notebook's cells one after another and keep what they show: `python docs/notebooks/run.py NOTEBOOK [OUT]`.

Jupyter does the same and more; this needs nothing but Python, so that the suite and the documentation run it anywhere.
"""

import ast
import base64
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

BUNDLES = {"_repr_png_": "image/png", "_repr_html_": "text/html"}


def run(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook with the outputs of its code cells; an error of a cell is raised, with the cell's number."""
    names: dict[str, Any] = {"__name__": "__main__"}
    cells, count = [], 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            try:
                outputs = _outputs("".join(cell["source"]), names, count)
            except Exception as error:
                error.add_note(f"in code cell {count}")
                raise
            cell = cell | {"outputs": outputs, "execution_count": count}
        cells.append(cell)
    return notebook | {"cells": cells}


def _outputs(source: str, names: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Run a cell; return what it prints and the value of its last expression, as a notebook file holds them."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    value = None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"<cell {count}>", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"<cell {count}>", "eval"), names)
    found: list[dict[str, Any]] = []
    if printed.getvalue():
        found.append({"output_type": "stream", "name": "stdout", "text": printed.getvalue().splitlines(keepends=True)})
    if value is not None:
        found.append({"output_type": "execute_result", "execution_count": count, "metadata": {}, "data": _data(value)})
    return found


def _data(value: object) -> dict[str, Any]:
    data: dict[str, Any] = {"text/plain": repr(value).splitlines(keepends=True)}
    for name, kind in BUNDLES.items():
        shown = getattr(value, name, None)
        if shown is not None:
            made = shown()
            data[kind] = (
                base64.b64encode(made).decode() if isinstance(made, bytes) else str(made).splitlines(keepends=True)
            )
    return data


def as_markdown(notebook: dict[str, Any]) -> str:
    """Return a notebook that was run as a page of Markdown, its pictures and tables in it."""
    lines: list[str] = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            lines += [source, ""]
            continue
        lines += ["```python", source, "```", ""]
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                picture = f'<img alt="What the cell above draws" src="data:image/png;base64,{data["image/png"]}">'
                lines += ["```{raw} html", picture, "```", ""]
            elif "text/html" in data:
                lines += ["```{raw} html", "".join(data["text/html"]), "```", ""]
            else:
                lines += ["```text", "".join(output.get("text") or data["text/plain"]).rstrip(), "```", ""]
    return "\n".join(lines)


def main(path: str, out: str | None = None) -> None:
    """Run the notebook at `path` and write it with its outputs, in place unless `out` is named."""
    ran = run(json.loads(Path(path).read_text(encoding="utf-8")))
    Path(out or path).write_text(json.dumps(ran, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
