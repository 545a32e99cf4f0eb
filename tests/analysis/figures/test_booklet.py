"""All figures as one PDF: every one with its caption, on pages of paper."""

import re
from pathlib import Path

import numpy as np
import pytest
from commands import Reported

from analysis.figures.booklet import LANDSCAPE, PORTRAIT, Plate, write_booklet
from analysis.figures.style import keeping, new_figure, save, style
from analysis.sentences import CAPTIONS, figure_caption


def plates() -> list[Plate]:
    found = []
    with style():
        for wide, high in ((3.4, 2.5), (7.0, 3.0), (3.4, 9.0)):
            figure = new_figure(wide, high)
            figure.add_axes((0.2, 0.2, 0.7, 0.7)).plot(np.arange(3))
            found.append(Plate("Curve", figure, "What it shows. And how it is read.", ("One thing was found.",) * 3))
    return found


def sizes(path: Path) -> list[tuple[float, float]]:
    """Return each page's width and height in inches."""
    boxes = re.findall(rb"/MediaBox \[ ?([-\d. ]+) ?\]", path.read_bytes())
    return [((b[2] - b[0]) / 72, (b[3] - b[1]) / 72) for b in ([float(n) for n in box.split()] for box in boxes)]


def test_pages_are_of_paper_and_a_figure_each(tmp_path: Path) -> None:
    path = write_booklet(tmp_path / "a.pdf", "A study", ["Six members."], plates())
    found = sizes(path)
    assert [tuple(round(side, 2) for side in page) for page in found] == [LANDSCAPE, LANDSCAPE, LANDSCAPE, PORTRAIT]
    again = write_booklet(tmp_path / "b.pdf", "A study", ["Six members."], plates())
    assert again.read_bytes() == path.read_bytes()
    # The figure alone, saved, is as it was: its file has its own size.
    with style(), keeping() as kept:
        figure = plates()[0].figure
        save(figure, tmp_path / "one.pdf")
    assert kept == [(tmp_path / "one.pdf", figure)]
    assert sizes(tmp_path / "one.pdf")[0] == pytest.approx((3.4, 2.5))


def test_texts_stand_on_the_page_and_not_over_the_figure(tmp_path: Path) -> None:
    for plate in plates():
        wide, high = plate.figure.get_size_inches()
        before = len(plate.figure.texts)
        write_booklet(tmp_path / "a.pdf", "A study", [], [plate])
        box = sizes(tmp_path / "a.pdf")[1]
        for text in plate.figure.texts[before:]:
            extent = text.get_window_extent()
            x0, y0, x1, y1 = (v / plate.figure.dpi for v in (extent.x0, extent.y0, extent.x1, extent.y1))
            assert not (x0 < wide - 0.01 and x1 > 0.01 and y0 < high - 0.01 and y1 > 0.01), "over the figure"
            assert x1 - x0 < box[0] and y1 - y0 < box[1]


def test_every_figure_has_a_caption(reported: Reported) -> None:
    figures = sorted(path.stem for path in reported.folder.glob("*.png"))
    assert len(figures) > 15
    assert [stem for stem in figures if not figure_caption(stem)] == []
    assert figure_caption("per-class-test-helped") == CAPTIONS["per-class-helped"]
    assert figure_caption("errors-test-suspects") == CAPTIONS["errors-suspects"]
    assert figure_caption("confusion-m-0+m-1") == CAPTIONS["confusion"]
    assert figure_caption("nothing-known") == ""


def test_the_command_puts_every_figure_on_a_page(reported: Reported) -> None:
    figures = [p for p in reported.folder.glob("*.png") if "filters-" not in p.stem or p.stem == "filters-all"]
    assert len(sizes(reported.folder / "report.pdf")) == len(figures) + 1
    assert f"{len(figures)} figures with captions" in reported.done.out
