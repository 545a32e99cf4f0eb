"""Values as a notebook shows them."""

from html.parser import HTMLParser

import numpy as np
import pytest

from analysis import combine, confusion, measure_diversity, per_class
from ensemble.study.history import History
from ensemble.study.tabular import MOST_ROWS, html_table, percent

HOSTILE = "</td><script>alert(1)</script>"


class Cells(HTMLParser):
    """Every tag that was opened, and the text of every cell."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def parsed(page: str) -> Cells:
    cells = Cells()
    cells.feed(page)
    return cells


def test_names_are_text_and_never_tags() -> None:
    cells = parsed(html_table(HOSTILE, ["a", HOSTILE], [(HOSTILE, 1234), ("b", None)], note=HOSTILE))
    assert "script" not in cells.tags
    assert cells.texts.count(HOSTILE) == 4
    assert cells.texts[-4:-1] == ["1,234", "b", "-"]


@pytest.mark.parametrize(("rows", "shown"), [(MOST_ROWS, MOST_ROWS), (MOST_ROWS + 3, MOST_ROWS + 1)])
def test_long_tables_are_cut_in_the_middle(rows: int, shown: int) -> None:
    cells = parsed(html_table("t", ["n"], [(i,) for i in range(rows)]))
    assert cells.tags.count("tr") == 1 + shown
    assert ("3 rows are not shown" in cells.texts) == (rows > MOST_ROWS)
    assert str(rows - 1) in cells.texts


def test_a_subset_table_says_what_each_size_reaches() -> None:
    # Two samples: m-0 has the first right, m-1 both; together (0.55, 0.45) and (0.35, 0.65), both.
    probs = np.array([[[0.6, 0.4], [0.6, 0.4]], [[0.5, 0.5], [0.1, 0.9]]])
    texts = parsed(combine(probs, [0, 1])._repr_html_()).texts
    start = texts.index("the best of them") + 1
    assert texts[start : start + 12] == ["1", "2", "75.0", "50.0", "100.0", "m-1", "2", "1", "100.0", "100.0", "100.0",
                                         "all 2"]  # fmt: skip


def test_percent() -> None:
    assert (percent(0.1234), percent(0.1236, 2), percent(None), percent(float("nan"))) == ("12.3", "12.36", "-", "-")


def test_values_show_their_figures_and_escape_their_names() -> None:
    y_true, y_pred = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    names = (HOSTILE, "b")
    classes = parsed(per_class(y_true=y_true, y_pred=y_pred, class_ids=("x", "y"), class_names=names)._repr_html_())
    start = classes.texts.index("F1 %") + 1
    assert classes.texts[start : start + 5] == [HOSTILE, "x", "2", "1", "50.0"]
    pairs = parsed(confusion(y_true, y_pred, class_names=names)._repr_html_())
    assert pairs.texts[-4:] == [HOSTILE, "b", "1", "2"]
    differ = parsed(measure_diversity(np.array([y_true, y_pred]), members=("m-0", "m-1"))._repr_html_())
    assert differ.texts[-6:] == ["m-0", "0.0", "25.0", "m-1", "25.0", "0.0"]
    epochs = {"epoch": np.array([1.0, 2.0]), "val_accuracy": np.array([0.25, 0.5])}
    assert parsed(History("m-0", epochs)._repr_html_()).texts[-4:] == ["1", "0.25", "2", "0.5"]
    assert all("script" not in page.tags for page in (classes, pairs, differ))
