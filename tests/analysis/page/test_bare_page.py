"""A page without a study: of arrays in Python, of files on the command line."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from analysis import report, stack_arrays, subset_table
from cli import report as command
from ensemble.errors import BadInput


def arrays(members: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(members)
    labels = rng.integers(0, 4, 60)
    logits = rng.normal(size=(members, 60, 4))
    logits[:, np.arange(60), labels] += 1.5
    return np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True), labels


def carried(path: Path) -> dict:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    return json.loads(text)


def test_arrays_become_a_page_with_their_scores(tmp_path: Path) -> None:
    probs, labels = arrays()
    path = report(probs, labels, tmp_path / "page.html", members=["a", "b", "c"], class_names=["n", "e", "s", "w"],
                  title="Winds <1>")  # fmt: skip
    data = carried(path)
    assert (data["members"], data["classes"]["names"], data["samples"]) == (["a", "b", "c"], ["n", "e", "s", "w"], 60)
    table = subset_table(stack_arrays(probs, labels), range(1, 4))
    means = [size.mean_accuracy for size in table.by_size()]
    assert [size["mean"] for size in data["bySize"]] == means and data["best"] == table.best().mask
    text = path.read_text()
    assert '<h1 class="name">Winds &lt;1&gt;</h1>' in text and "Again, by hand" not in text
    alone = carried(report(probs[0], labels, tmp_path / "one.html"))
    assert alone["members"] == ["m-0"]


def test_names_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    probs, labels = arrays()
    with pytest.raises(BadInput, match="class_names: expected 4, one a column of probs, found 3"):
        report(probs, labels, tmp_path / "page.html", class_names=["a", "b", "c"])
    with pytest.raises(BadInput, match="labels"):
        report(probs, labels[:-1], tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_files_become_the_same_page_without_a_study(tmp_path: Path) -> None:
    probs, labels = arrays()
    files = []
    for i, name in enumerate("abc"):
        files.append(tmp_path / f"{name}.npz")
        np.savez(files[-1], probs=probs[i], labels=labels)
    before = [file.read_bytes() for file in files]
    done = CliRunner().invoke(command.report, ["html", *map(str, files), "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["members"], told["subsets"], told["images"]) == (["a", "b", "c"], 7, 0)
    data = carried(tmp_path / "out" / "index.html")
    mine = carried(report(probs, labels, tmp_path / "page.html", members=list("abc")))
    assert data["points"] == mine["points"] and data["choices"] == mine["choices"]
    assert "ens-report html a.npz b.npz c.npz" in (tmp_path / "out" / "index.html").read_text()
    assert [file.read_bytes() for file in files] == before and not (tmp_path / "study").exists()


def test_other_reports_want_a_study(tmp_path: Path) -> None:
    done = CliRunner().invoke(command.report, ["curve", str(tmp_path / "a.npz")])
    assert done.exit_code == 2 and "import the file with ens-import, or ask for html" in done.output
