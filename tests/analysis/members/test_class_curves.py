"""Recall of classes over epochs: by hand, drawn, as a CSV file, and asked for as a report."""

import csv
from pathlib import Path

import numpy as np
import pytest
from studies import history

from analysis import class_curves, draw
from analysis.figures.class_curves import class_curves_figure
from analysis.figures.style import style
from analysis.members.class_curves import ClassCurves, curves_of
from analysis.report_data import NotAvailable
from cli.common import run
from cli.report import report
from ensemble.errors import BadInput
from ensemble.study.history import Epoch, History, rewrite_epochs
from ensemble.study.recalls import EpochRecalls
from ensemble.study.study import Study, StudyConfig


def told(member: str, correct: list[list[float]], samples: list[int]) -> History:
    own = history(member, [0.5] * len(correct))
    return History(member, own.columns, EpochRecalls(np.array(correct, float), np.array(samples)))


def many(classes: int, epochs: int = 8, members: int = 2) -> ClassCurves:
    """Class c has c of `classes` right in the end, half of it before; class 5 rises late, class 6 falls late."""
    end = np.arange(classes)
    correct = np.array([end if e >= epochs // 4 else end // 2 for e in range(epochs)])
    correct[: -epochs // 4, 5] = 0
    correct[: -epochs // 4, 6] = classes
    found = [told(f"m-{i}", correct.tolist(), [classes] * classes) for i in range(members)]
    ids = [f"c{c:02}" for c in range(classes)]
    return curves_of(found, ids, [f"class {c}" for c in range(classes)])


def test_by_hand() -> None:
    """Four epochs: the quarters are epochs 2 and 4. The second member's first epoch was not counted."""
    nan = np.nan
    one = told("a", [[0, 4, 0], [1, 4, 0], [2, 4, 0], [4, 2, 0]], [4, 4, 0])
    two = told("b", [[nan] * 3, [2, 4, 0], [2, 4, 0], [3, 3, 0]], [4, 4, 0])
    value = curves_of([one, history("c", [0.5]), two], ("x", "y", "z"), ("x", "y", "z"))
    assert (value.members, value.without) == (("a", "b"), ("c",))
    assert [epochs.tolist() for epochs in value.epochs] == [[1, 2, 3, 4], [2, 3, 4]]
    np.testing.assert_equal(value.first, [0.25, 1, nan])
    np.testing.assert_equal(value.last, [0.875, 0.625, nan])
    # a: 4/4 - 1/4 and 2/4 - 4/4; b of three epochs: the last less the first of them, 3/4 - 2/4 and 3/4 - 4/4.
    np.testing.assert_equal(value.change, [0.5, -0.375, nan])
    assert value.ranked().tolist() == [1, 0]
    assert value.striking() == {"all": [1, 0]}
    grid, mean = value.mean()
    assert grid.tolist() == [2, 3, 4]
    assert mean.tolist() == [(1 / 4 + 1 + 2 / 4 + 1) / 4, 0.75, (1 + 2 / 4 + 3 / 4 + 3 / 4) / 4]


def test_no_class_is_striking_twice() -> None:
    found = many(20).striking()
    assert found == {"hardest": [0, 1, 2, 3], "easiest": [19, 18, 17, 16], "risen": [5], "fallen": [6]}
    assert many(20, epochs=1).striking().keys() == {"hardest", "easiest", "risen", "fallen"}
    assert np.isnan(many(20, epochs=1).change).all()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(NotAvailable, match="no history says how many images of each class were right"):
        curves_of([history("c", [0.5])], ("x",), ("x",))
    with pytest.raises(BadInput, match="the history of a has 1 classes, expected 2"):
        curves_of([told("a", [[1]], [2])], ("x", "y"), ("x", "y"))
    with pytest.raises(BadInput, match="the histories of a and b are of other validation images"):
        curves_of([told("a", [[1]], [2]), told("b", [[1]], [3])], ("x",), ("x",))


@pytest.mark.parametrize("members", [1, 3, 8])
def test_the_picture_names_what_it_shows(members: int) -> None:
    value = many(20, members=members)
    with style():
        figure = class_curves_figure(value)
    panels = {tuple(text.get_text() for text in axes.texts): axes for axes in figure.axes}
    assert len(panels) == 10
    axes = panels["class 5", "rose by 25 points"]
    mean = axes.lines[-1].get_ydata()
    lines = 2 if members == 1 else members + 1 + (members > 6)
    assert len(axes.lines) == lines
    assert np.allclose(axes.lines[0].get_ydata(), 100 * value.recall[0][:, 5])
    assert np.allclose(mean, 100 * value.mean()[1])
    assert ("class 0", "0 % at the end, among the hardest") in panels
    texts = " ".join(text.get_text().replace("\n", " ") for text in figure.texts)
    assert "10 of 20 classes" in texts
    assert ("Bold: the mean of the members" in texts) == (members > 6)


def test_a_study_of_such_histories(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = Study.create(tmp_path / "study", StudyConfig("toy", None, None, ("a", "b"), ("ant", "bee")))
    rows = [Epoch(i, 0.1, 1, 1, 0.5, 1, 1, 0.5, 9, 1, val_recall=f"{i}/4 {4 - i}/4") for i in (1, 2, 3, 4)]
    study.member_dir("m").mkdir(parents=True)
    rewrite_epochs(study.files("m").history, rows)
    value = class_curves(study.root)
    assert value.change.tolist() == [0.5, -0.5]
    assert draw(value)._repr_png_().startswith(b"\x89PNG")
    assert run(report, ["training", "--study", str(study.root), "--format", "svg"]) == 0
    out = capsys.readouterr().out
    assert "Recall over epochs on val, m" in out
    assert [line.split() for line in out.splitlines() if line.startswith("bee")] == [["bee", "4", "75", "0", "-50"]]
    with (study.report_dir / "training-classes.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["member", "epoch", "a", "b"], ["m", "1", "0.25", "0.75"], ["m", "2", "0.5", "0.5"],
            ["m", "3", "0.75", "0.25"], ["m", "4", "1.0", "0.0"],
        ]  # fmt: skip
    assert "bee" in (study.report_dir / "training-classes.svg").read_text()
