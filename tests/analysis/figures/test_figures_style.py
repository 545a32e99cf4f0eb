"""How figures become files, and how names become text."""

import os
import re
import subprocess
import sys
import unicodedata
import warnings
from itertools import pairwise
from pathlib import Path

import matplotlib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import font_manager

from analysis.figures import text
from analysis.figures.style import COLUMN, FORMATS, apart, new_figure, save, style, style_over
from analysis.figures.text import (
    BOX,
    clean,
    cut,
    drawable,
    families,
    labels,
    missing_signs,
    shorten,
    shorten_middle,
    width,
    wrap,
)
from analysis.subsets.table import name_set
from ensemble.errors import BadInput, StorageError

HOSTILE = (
    "$\\frac{1}{0}$", "$", "a_b^c", "=cmd|' /C calc'!A0", "<script>alert(1)</script>", "--><svg/onload=1>", "&amp;",
    "مرحبا بالعالم", "שלום", "a\u202etxt.exe", "😀😀🦜👩‍👩‍👧", "猫", "e" + "\u0301" * 500, "x" * 2000,
    "", " ", "\n\t\x00\x1b[31m",
    "\ud800", "German shepherd, German shepherd dog, German police dog, alsatian",
)  # fmt: skip


def drawn(path: Path, text: str) -> bytes:
    with style():
        figure = new_figure(2, 1)
        figure.text(0.1, 0.5, text, parse_math=False)
        figure.add_axes((0.2, 0.2, 0.7, 0.7)).plot([1, 2], [3, 4])
        return save(figure, path).read_bytes()


def test_the_same_figure_gives_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    script = (
        "import sys; from test_figures_style import FORMATS, drawn, Path\n"
        "for kind in FORMATS: drawn(Path(sys.argv[1]) / f'd.{kind}', 'name')"
    )
    environment = {"SOURCE_DATE_EPOCH": "1", "PYTHONHASHSEED": "7", "HOME": str(Path.home()),
                   "PYTHONPATH": os.environ.get("PYTHONPATH", "")}  # fmt: skip
    subprocess.run([sys.executable, "-c", script, tmp_path], check=True, cwd=Path(__file__).parent, env=environment)
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    assert starts.keys() == set(FORMATS)
    for kind, start in starts.items():
        here = drawn(tmp_path / f"a.{kind}", "name")
        assert here == drawn(tmp_path / f"b.{kind}", "name"), kind
        assert here != drawn(tmp_path / f"c.{kind}", "another"), kind
        assert here == (tmp_path / f"d.{kind}").read_bytes(), kind
        assert here.startswith(start)
        assert not re.search(rb"20\d\d-\d\d-\d\d|CreationDate|Matplotlib v", here), kind


def test_png_has_300_dots_to_the_inch(tmp_path: Path) -> None:
    from PIL import Image

    with style():
        save(new_figure(COLUMN, 1), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (1020, 300)


def test_a_users_own_settings_do_not_matter(tmp_path: Path) -> None:
    plain = drawn(tmp_path / "a.png", "name")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "text.usetex": True}):
        assert drawn(tmp_path / "b.png", "name") == plain
        assert matplotlib.rcParams["font.size"] == 30  # and are given back


def test_no_pyplot_and_no_backend() -> None:
    script = (
        "import sys, analysis.figures.curve, analysis.figures.gallery, analysis.figures.filters, "
        "analysis.figures.training, analysis.figures.per_class; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a figure is written as png, svg, pdf, not as 'jpg'"):
        save(new_figure(), tmp_path / "a.jpg")


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/a\.png: cannot be written"):
        save(new_figure(), tmp_path / "file" / "a.png")


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_are_drawn_in_their_place(tmp_path: Path, name: str) -> None:
    label = labels([name], ["n01"], 80, 6.5)[0]
    assert label
    assert width(label, 6.5) <= 80
    assert "\n" not in label and "\u202e" not in label and "\x1b" not in label
    for kind in FORMATS:
        assert len(drawn(tmp_path / f"a.{kind}", label)) > 1000


@given(st.text(max_size=30), st.floats(20, 120))
def test_any_name_fits(name: str, points: float) -> None:
    assert width(labels([name], ["n01"], points, 6.5)[0], 6.5) <= points
    assert width(shorten_middle(clean(name), points, 6.5), 6.5) <= points


def test_what_the_font_lacks_becomes_a_box_and_only_boxes_the_id() -> None:
    assert clean("猫 cat") == "\\u732b cat" and clean("🦜") == "\\U0001f99c"
    assert clean("猫猫猫猫 cat") == f"{BOX} cat"
    assert "猫" in missing_signs() and "c" not in missing_signs()
    assert drawable("猫", "n01") == "n01"
    assert drawable("", "n01") == "n01"
    assert clean("Egyptian cat") == "Egyptian cat"


def test_a_sign_of_another_font_that_is_there_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    own = font_manager.get_font(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf")).get_charmap()
    other = font_manager.get_font(font_manager.findfont("STIXGeneral")).get_charmap()
    sign = chr(next(c for c in sorted(set(other) - set(own)) if unicodedata.category(chr(c))[0] in "LS"))
    caches = (text.families, text._glyphs, text._font)
    monkeypatch.setattr(text, "_FURTHER", ("No such font", "STIXGeneral"))
    for cache in caches:
        cache.cache_clear()
    try:
        assert families() == ("DejaVu Sans", "STIXGeneral") and clean(f"a{sign}") == f"a{sign}"
        with style(), warnings.catch_warnings():
            warnings.simplefilter("error")  # matplotlib warns of a glyph that it lacks
            figure = new_figure(2, 1)
            figure.text(0.1, 0.5, f"a{sign}")
            figure.canvas.draw()
    finally:
        monkeypatch.undo()
        for cache in caches:
            cache.cache_clear()
    assert clean(f"a{sign}") != f"a{sign}"


def test_synonyms_go_before_letters() -> None:
    name = "German shepherd, German shepherd dog, alsatian"
    assert cut(name, 1000, 6.5) == name
    assert cut(name, width("German shepherd, German", 6.5), 6.5) == "German shepherd"
    assert cut(name, width("German sh", 6.5), 6.5) == shorten("German shepherd", width("German sh", 6.5), 6.5)
    assert shorten("abc def", width("abc d", 6.5), 6.5).endswith("…")


def test_names_cut_alike_show_their_ids() -> None:
    assert labels(["crane, a bird", "crane, a machine", "dog"], ["n1", "n2", "n3"], 38, 6.5) == [
        "crane (n1)", "crane (n2)", "dog",
    ]  # fmt: skip


def test_a_set_of_members_in_short() -> None:
    six = [f"m3-{i}" for i in range(6)]
    assert name_set(six, six) == "all 6"
    assert name_set(six[:5], six) == "all but m3-5"
    assert name_set(["m3-0", "m3-2", "m3-4"], six) == "m3-{0, 2, 4}"
    assert name_set(["m3-0", "m3-2"], six) == "m3-0 + m3-2"
    assert name_set(["a", "m3-2", "m3-4"], ["a", *six]) == "a + m3-2 + m3-4"
    assert name_set(["a"], ["a"]) == "a"


def test_lines_are_broken_at_blanks() -> None:
    text = "one two three four five six"
    broken = wrap(text, width("one two three", 7), 7, lines=2)
    assert broken.split("\n")[0] == "one two three"
    assert broken.count("\n") == 1
    assert all(width(line, 7) <= width("one two three", 7) for line in broken.split("\n"))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12))
def test_labels_are_moved_apart_and_stay_in_order(wanted: list[float]) -> None:
    places = apart(sorted(wanted), 7, 100)
    assert all(b - a >= 7 - 1e-9 for a, b in pairwise(places))
    assert places[0] >= 0 and places[-1] <= 100


def test_labels_that_do_not_collide_stay() -> None:
    assert apart([10, 30, 31, 80], 7, 100) == pytest.approx([10, 27, 34, 80])
    assert apart([95, 96], 10, 100) == [85, 95]
    assert apart([1], 10, 100) == [5]
    assert apart([], 10, 100) == []
    assert apart([50] * 20, 10, 100) == pytest.approx([2.5 + 5 * i for i in range(20)])


def test_a_style_file_lies_over_the_houses(tmp_path: Path) -> None:
    from PIL import Image

    mine = tmp_path / "mine.mplstyle"
    mine.write_text("savefig.dpi: 50\nlines.linewidth: 6\n")
    plain = drawn(tmp_path / "plain.png", "name")
    with style_over(mine):
        over = drawn(tmp_path / "over.png", "name")
        with style():
            assert matplotlib.rcParams["lines.linewidth"] == 6
            assert matplotlib.rcParams["font.size"] == 7  # the house's, since the file says nothing of it
    assert over != plain == drawn(tmp_path / "again.png", "name")
    with Image.open(tmp_path / "over.png") as image:
        assert image.size == (100, 50)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("fnt.size: 12\n", "Bad key fnt.size"),
        ("font.size: large print\n", "Could not convert"),
        (None, "no such file"),
    ],
)
def test_a_style_file_that_is_none(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "mine.mplstyle"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BadInput, match=said), style_over(path):
        pass
