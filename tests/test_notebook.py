"""The notebook of docs/: every cell runs, and what it shows is of the kind that is kept in the file."""

import json
import sys
from importlib import import_module
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parent.parent / "docs" / "notebooks"
sys.path.insert(0, str(NOTEBOOKS))
notebook = import_module("run")
as_markdown, run = notebook.as_markdown, notebook.run

PATH = NOTEBOOKS / "whole-way.ipynb"


def kinds(notebook: dict) -> list[list[str]]:
    return [[kind for output in cell["outputs"] for kind in sorted(output.get("data", {"stream": ""}))]
            for cell in notebook["cells"] if cell["cell_type"] == "code"]  # fmt: skip


def test_every_cell_runs_and_shows_what_the_file_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = json.loads(PATH.read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    ran = run(kept)
    assert kinds(ran) == kinds(kept)
    assert sum("image/png" in cell for cell in kinds(ran)) >= 8
    page = as_markdown(ran)
    assert page.startswith("# The whole way") and page.count("<img ") == sum("image/png" in cell for cell in kinds(ran))
    assert not list(tmp_path.iterdir()), "nothing is left where it was run"


def test_a_cell_that_fails_is_told_by_its_number() -> None:
    cells = [{"cell_type": "code", "source": [line], "outputs": []} for line in ("a = 1", "a / 0")]
    with pytest.raises(ZeroDivisionError) as found:
        run({"cells": cells})
    assert found.value.__notes__ == ["in code cell 2"]


def test_a_cell_shows_what_it_prints_and_its_last_value() -> None:
    (cell,) = run({"cells": [{"cell_type": "code", "source": ["print('hello')\n", "1 + 1"], "outputs": []}]})["cells"]
    assert cell["outputs"][0]["text"] == ["hello\n"] and cell["outputs"][1]["data"] == {"text/plain": ["2"]}


def test_the_notebook_imports_from_the_door_alone() -> None:
    source = "".join(line for cell in json.loads(PATH.read_text())["cells"] for line in cell["source"])
    assert "from kofn import" in source and "from analysis" not in source and "from ensemble" not in source
