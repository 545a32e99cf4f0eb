"""A page that would be too large: what is left out, in which order, and that what stays is true."""

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import unpack
from studies import drawn

from analysis.page import limit, write
from analysis.page.pictures import Pictures, pictures
from analysis.page.value import Page, page_of_predictions
from analysis.page.write import write_page
from analysis.stack import join
from ensemble.datasets.decode import encode
from ensemble.study.predictions import Predictions
from ensemble.study.split import Split

CLASSES, EACH = 6, 500
LABELS = np.arange(CLASSES * EACH) % CLASSES


@pytest.fixture(scope="module")
def page() -> Page:
    """Two members on 3,000 samples of six classes, with eight images of each class and the striking errors."""
    ids, names = np.array([f"s{i}" for i in range(len(LABELS))]), tuple(f"c{c}" for c in range(CLASSES))
    probs = drawn(LABELS, CLASSES, 0, 1.0, members=2)
    found = [Predictions(f"m-{i}", "val", p, ids, names, names, LABELS) for i, p in enumerate(probs)]
    bare = page_of_predictions(found, "two")
    images = np.random.default_rng(0).integers(0, 256, (len(LABELS), 12, 12, 3), dtype=np.uint8)
    split = Split("val", images, LABELS, ids, names, names)
    return replace(bare, pictures=pictures(join(found), bare.panels, 3, split, encode))


def limited(page: Page, most: int, monkeypatch: pytest.MonkeyPatch, path: Path) -> tuple[Page, dict[str, Any]]:
    monkeypatch.setattr(write, "within", partial(limit.within, most=most))
    kept = write_page(page, path)
    text = path.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    return kept, json.loads(found[1])


def test_images_go_first(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index.html"
    write_page(page, path)
    whole, all_of = path.stat().st_size, page.pictures
    assert all_of is not None
    most = whole - all_of.bytes // 2
    monkeypatch.setattr(limit, "FOR_PICTURES", 0.01)  # these are small beside all else
    kept, document = limited(page, most, monkeypatch, path)
    assert path.stat().st_size <= most
    assert kept.panels is page.panels
    left = kept.pictures
    assert left is not None
    assert set(left.samples) < set(all_of.samples)
    assert (left.thumbnails >= 0).all(), "one for each class stays"
    assert left.rank.max() < all_of.rank.max()
    assert document["pictures"]["ids"] == list(left.ids)
    of = f"{len(left.samples)} of {len(all_of.samples)} images are shown, so that the page stays below 4 MB."
    assert kept.lacking["further images"] == of
    assert of in path.read_text(encoding="utf-8")
    asked = replace(page, pictures=replace(all_of, asked=True))
    assert limited(asked, most, monkeypatch, path)[0].pictures is asked.pictures


def test_pictures_go_by_rank() -> None:
    """Two classes with three images each and one striking error; a file of 30 bytes takes 40 + 60 on the page."""
    files = tuple(("image/png", bytes([i]) * 30) for i in range(6))
    rank, file = np.array([0, 2, 3, 1, 0, 2, 3]), np.array([0, 1, 2, 3, 4, 5, 5])
    whole = Pictures(np.arange(7), tuple("abcdefg"), files, file, np.array([0, 4, -1]), (1, 1), rank, False)
    for room, ids in ((99, ""), (150, "a"), (200, "ae"), (300, "ade"), (400, "ade"), (500, "abdef"), (600, "abcdefg")):
        found = whole.fewer(room)
        assert "".join(found.ids if found else ()) == ids, room
    found = whole.fewer(500)
    assert found is not None
    assert [found.files[i][1][0] for i in found.file] == [0, 1, 3, 4, 5]
    assert found.thumbnails.tolist() == [0, 3, -1]
    assert found.samples.tolist() == [0, 1, 3, 4, 5]


def test_then_samples_are_left_out_evenly(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chromium: Any
) -> None:
    path = tmp_path / "index.html"
    write_page(replace(page, pictures=None), path)
    most = path.stat().st_size - 100
    kept, document = limited(replace(page, pictures=None), most, monkeypatch, path)
    assert path.stat().st_size <= most
    rows, counts = kept.panels.rows, np.diff(kept.panels.starts)
    assert limit.FEWEST <= len(rows) < len(LABELS)
    assert counts.max() - counts.min() <= 1
    assert (LABELS[rows] == kept.panels.labels).all()
    original = dict(zip(page.panels.rows.tolist(), page.panels.preds.T.tolist(), strict=True))
    assert unpack(document["panels"]["preds"]).tolist() == [original[row] for row in rows.tolist()]
    words = f"are counted on {len(rows):,} of the 3,000 images, spread evenly over the classes"
    assert words in kept.lacking["further samples"]
    reader = chromium.new_page()
    told: list[str] = []
    reader.on("pageerror", lambda error: told.append(str(error)))
    reader.goto(f"{path.as_uri()}#subset=1&pin=3")
    reader.wait_for_selector("html[data-ready]")
    assert words in reader.inner_text("#classes")
    right = reader.locator("#class-table tbody tr td:nth-child(3)").all_inner_texts()
    assert sum(int(text.split("/")[1]) for text in right) == len(rows)
    assert f"of the {len(rows):,} that are counted here" in reader.inner_text("#errors-words")
    one, other = (kept.panels.preds[kept.panels.place(mask)] for mask in (1, 3))
    assert f"They predict differently on {(one != other).sum()} images" in reader.inner_text("#versus-words")
    assert told == []
    reader.close()


def test_samples_of_images_stay(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, _ = limited(page, 1, monkeypatch, tmp_path / "index.html")
    assert kept.pictures is None
    assert page.pictures is not None
    assert set(page.panels.rows[page.pictures.samples]) <= set(kept.panels.rows)
    assert {"further samples", "further images"} <= kept.lacking.keys()
