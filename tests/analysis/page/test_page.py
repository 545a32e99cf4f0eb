"""The value behind the page, and the file it is written to."""

import base64
import hashlib
import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browser import unpack
from hypothesis import given
from hypothesis import strategies as st

from analysis.calibration.calibration import measure_calibration
from analysis.page import points as points_room
from analysis.page.choices import best_of_all, choices, panel_masks, panels
from analysis.page.markup import Markup, shown, tag
from analysis.page.packed import document, harmless, pack
from analysis.page.pictures import pictures
from analysis.page.points import points
from analysis.page.sections import limits, montage, training_plot
from analysis.page.value import Page, page_of
from analysis.page.write import page_html, write_page
from analysis.report_data import ReportData
from analysis.selection.compare import evaluate_selection, everyone, selection_of, unchosen
from analysis.selection.data import selection_data
from analysis.stack import PredictionStack
from analysis.subsets.reference import subset_preds, subset_table
from ensemble.datasets.decode import decode, encode
from ensemble.study.history import History
from ensemble.study.predictions import Predictions
from ensemble.study.split import Split
from ensemble.study.study import Study, StudyConfig

HOSTILE = ("</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "a\u202eb", "\x1b[31mred", "$title",
           "{{x}}", "&amp;", "]]>", "<!--", "'\"`${1}", "猫", "", "dog, hound", "dog, cur")  # fmt: skip


def made_stack(members: int = 4, samples: int = 60, classes: int = 5, seed: int = 0) -> PredictionStack:
    """Members that are right more often than not; the last class has no samples."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes - 1, samples)
    logits = rng.normal(size=(members, samples, classes))
    logits[:, np.arange(samples), labels] += 1.5
    probs = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    ids = tuple(f"c{i}" for i in range(classes))
    names = tuple(f"m-{i}" for i in range(members))
    return PredictionStack(probs.astype(np.float32), names, labels, np.array([f"s{i}" for i in range(samples)]), ids,
                           ids, "val")  # fmt: skip


def made_study(root: Path, stack: PredictionStack, names: tuple[str, ...] | None = None) -> Study:
    study = Study.create(root, StudyConfig("imported", None, None, stack.class_ids, names or stack.class_names))
    for i, member in enumerate(stack.members):
        study.write(Predictions(
            member, "val", stack.probs[i], stack.sample_ids, stack.class_ids, names or stack.class_names, stack.labels,
            recipe={"model": "tiny", "learning_rate": 0.1 * (i + 1), "epochs": 3},
            first_layer=np.random.default_rng(i).normal(size=(8, 3, 3, 3)).astype(np.float32),
        ))  # fmt: skip
    return study


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return page_of(ReportData(made_study(tmp_path_factory.mktemp("page") / "study", made_stack()), "val"))


def made_images(stack: PredictionStack, side: int = 8) -> Split:
    """An image a sample, in another order; samples s0 and s1 look alike."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (stack.samples, side, side, 3), dtype=np.uint8)
    images[1] = images[0]
    order = rng.permutation(stack.samples)
    return Split("val", images[order], None, stack.sample_ids[order], stack.class_ids, stack.class_names)


@pytest.mark.parametrize("members", [1, 2, 4])
def test_panels_are_what_every_subset_says(members: int) -> None:
    stack = made_stack(members)
    table = subset_table(stack, range(1, members + 1))
    found = panels(stack, panel_masks(table))
    assert found.masks == tuple(range(1, 2**members))
    assert (np.diff(found.labels) >= 0).all() and sorted(found.rows) == list(range(stack.samples))
    labels = stack.require_labels()
    for place, mask in enumerate(found.masks):
        chosen = [i for i in range(members) if mask >> i & 1]
        preds = subset_preds(stack, chosen)
        assert (found.preds[place] == preds[found.rows]).all()
        probs = stack.mean_probs(chosen)
        rows = np.arange(stack.samples)
        assert (found.confidence[place] == probs[rows, preds][found.rows]).all()
        assert (found.truth[place] == probs[rows, labels][found.rows]).all()
        slow = measure_calibration(probs, labels, preds)
        assert (found.calibrations[place].counts == slow.counts).all()
        assert found.calibrations[place].ece == pytest.approx(slow.ece, abs=1e-12)


def test_of_many_members_the_best_of_each_size_have_panels() -> None:
    stack = made_stack(7)
    table = subset_table(stack, range(1, 8))
    masks = panel_masks(table, [0b1010101])
    assert set(masks) == {1 << i for i in range(7)} | {s.best.mask for s in table.by_size()} | {127, 0b1010101}
    assert list(masks) == sorted(masks)


@pytest.mark.parametrize("members", [1, 2, 5])
def test_choices_are_those_that_ens_combine_makes(members: int) -> None:
    seen = selection_data(made_stack(members, samples=80))
    table = subset_table(made_stack(members, samples=80), range(1, members + 1))
    found = {(choice.name, choice.size): choice for choice in choices(best_of_all(seen, table))}
    assert found["all", members].honest == unchosen("all", seen, everyone(seen)).honest
    if members == 1:
        assert len(found) == 1
        return
    whole = evaluate_selection(selection_of("best", seen, range(1, members + 1)))
    assert found["best", None].honest == whole.honest
    for k in range(1, members):
        slow = evaluate_selection(selection_of("best", seen, [k]))
        fast = found["member" if k == 1 else "size", k]
        assert fast.honest == slow.honest and fast.mask == sum(1 << i for i in slow.chosen.members)
    assert found["greedy", None].mask is None and sum((found["greedy", None].weights or {}).values()) == pytest.approx(
        1
    )


def test_of_very_many_subsets_a_sample_is_carried_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    table = subset_table(made_stack(7), range(1, 8))
    assert len(points(table, ()).rows) == 127 and not points(table, ()).strips
    for name, value in (("MOST", 100), ("SAMPLE", 20), ("LEADING", 5)):
        monkeypatch.setattr(points_room, name, value)
    found = points(table, (1, 127))
    assert {0, 126} <= set(found.rows) and 20 <= len(found.rows) <= 27
    assert np.sort(table.correct)[-1] in table.correct[found.rows]
    strips = found.strips["accuracy"]
    assert strips.counts.sum(axis=1).tolist() == [7, 21, 35, 35, 21, 7, 1]
    assert (strips.low, strips.high) == (table.scores("accuracy").min(), table.scores("accuracy").max())
    worst = int(table.correct.argmin())
    assert strips.counts[int(table.sizes[worst]) - 1, 0] >= 1


@given(st.lists(st.integers(0, 2**31), min_size=1), st.lists(st.floats(allow_nan=False, width=32), min_size=1))
def test_packed_arrays_come_back(whole: list[int], floats: list[float]) -> None:
    assert unpack(pack(np.array(whole))).tolist() == whole
    assert unpack(pack(np.array(floats, np.float32))).tolist() == np.array(floats, np.float32).tolist()
    assert unpack(pack(np.array(floats))).tolist() == floats


def test_whole_numbers_take_the_smallest_type() -> None:
    assert [pack(np.array([top]))["type"] for top in (255, 256, 65_536)] == ["u8", "u16", "u32"]


@pytest.mark.parametrize("name", HOSTILE)
def test_json_does_not_end_its_script(name: str) -> None:
    text = harmless({"name": name})
    assert json.loads(text) == {"name": name}
    assert not set("<>&\u2028\u2029") & set(text)


def test_names_are_shown_on_one_line_without_tricks() -> None:
    assert shown("a\u202eb\x1b[31m") == "a�b�[31m"
    assert shown("two\n words ") == "two words"
    assert shown("  ", "n01") == "n01" and shown("\u200b") == "�"
    assert shown("می\u200cخواهم") == "می\u200cخواهم"


def test_markup_escapes_what_is_no_markup() -> None:
    assert (
        tag("b", "<i>", title='"&', data_value=1, hidden=None) == '<b title="&quot;&amp;" data-value="1">&lt;i&gt;</b>'
    )
    assert tag("p", Markup("<br>"), "a") == "<p><br>a</p>"


def test_pictures_are_spread_and_carried_once() -> None:
    stack = made_stack()
    shown_panels = panels(stack, [15])
    found = pictures(stack, shown_panels, 15, made_images(stack), encode, images=60)
    assert found.samples.tolist() == list(range(60)), "every image is asked for"
    assert len(found.files) == 59, "two are alike"
    alike = [found.ids.index("s0"), found.ids.index("s1")]
    assert found.file[alike[0]] == found.file[alike[1]]
    assert found.thumbnails[-1] == -1, "a class without samples has none"
    split = made_images(stack)
    for nth in (0, 17, 59):
        mime, data = found.files[found.file[nth]]
        assert mime == "image/png"
        own = split.images[list(split.sample_ids).index(found.ids[nth])]
        assert (decode(data, "it").pixels == own).all()
    few = pictures(stack, shown_panels, 15, split, encode, images=2)
    assert len(few.samples) == 8
    for c in range(4):
        own = few.samples[(few.samples >= shown_panels.starts[c]) & (few.samples < shown_panels.starts[c + 1])]
        right = shown_panels.preds[0][own] == c
        every = shown_panels.preds[0][shown_panels.starts[c] : shown_panels.starts[c + 1]] == c
        assert set(right) == set(every), "a right one and a wrong one, where there are both"


def test_images_are_few_where_classes_are_many() -> None:
    stack = made_stack(samples=900, classes=301)
    found = pictures(stack, panels(stack, [15]), 15, made_images(stack), encode)
    assert 0 < len(found.samples) <= 600


@pytest.mark.parametrize(
    ("side", "most", "kind"), [(8, 96, "png"), (64, 96, "webp"), (200, 96, "webp"), (64, None, "png")]
)
def test_encoded_images_are_small_files(side: int, most: int | None, kind: str) -> None:
    x = np.linspace(0, 255, side)
    pixels = np.stack([np.add.outer(x, x) / 2, np.subtract.outer(x, -x) / 2, np.full((side, side), 90)], 2).astype(
        np.uint8
    )
    mime, data = encode(pixels, most)
    assert mime == f"image/{kind}"
    back = decode(data, "it").pixels
    assert back.shape[0] == min(side, most or side)
    if kind == "png":
        assert (back == pixels).all()
    else:
        assert len(data) < 3000


def test_members_tell_their_share_and_what_differs(page: Page) -> None:
    empty = 1 / 5
    assert sum(member.share for member in page.members) == pytest.approx(page.table.find(15).accuracy - empty)
    assert [member.settings for member in page.members] == [
        {"model": "tiny", "learning_rate": rate} for rate in ("0.1", "0.2", "0.3", "0.4")
    ]
    assert page.members[1].without == page.table.find(0b1101).accuracy
    assert page.lacking["pictures"] == "The page was made without images."
    assert "training" in page.lacking and "filters" not in page.lacking


def test_the_document_says_what_the_value_holds(page: Page) -> None:
    found = json.loads(harmless(document(page)))
    assert (unpack(found["points"]["correct"]) == page.table.correct).all()
    assert (unpack(found["points"]["nll"]) == page.table.nll).all(), "few are carried in full"
    assert (unpack(found["panels"]["preds"]) == page.panels.preds.T).all()
    assert (unpack(found["classes"]["starts"]) == page.panels.starts).all()
    assert found["start"] == 15 and found["best"] == page.table.best().mask
    assert [choice["score"] for choice in found["choices"]] == [choice.honest.score for choice in page.choices]


def test_scores_of_many_subsets_are_rounded_but_not_those_of_panels(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.page.packed.EXACT", 8)
    found = document(page)["points"]
    assert found["nll"]["type"] == "f32"
    for mask in page.panels.masks:
        assert found["exact"][str(mask)] == [page.table.find(mask).nll, page.table.find(mask).brier]


class Elements(HTMLParser):
    """What a page consists of: each element with its attributes, and the text in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_file_asks_for_nothing_and_runs_only_what_is_its_own(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    assert write_page(page, path, encode) is page, "it is small"
    text = path.read_text(encoding="utf-8")
    parsed = Elements(text)
    for name, attributes in parsed.found:
        assert not {key for key in attributes if key.startswith("on")} and "style" not in attributes, name
        for key in ("src", "href"):
            assert attributes.get(key, "#")[:1] == "#" or attributes[key].startswith("data:"), (name, key)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), "no address, but for the name of SVG"
    policy = next(a["content"] for n, a in parsed.found if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy
    for kind in ("style", "script"):
        (body,) = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    write_page(page, tmp_path / "again.html", encode)
    assert (tmp_path / "again.html").read_bytes() == path.read_bytes()


def test_hostile_names_are_text(tmp_path: Path) -> None:
    stack = replace(
        made_stack(2, classes=len(HOSTILE), samples=200), class_ids=tuple(f"i{i:02}" for i in range(len(HOSTILE)))
    )
    study = made_study(tmp_path / "</title><b>", stack, HOSTILE)
    text, _ = page_html(page_of(ReportData(study, "val")), encode)
    parsed = Elements(text)
    assert [name for name, _ in parsed.found].count("script") == 2 and "b" not in {n for n, a in parsed.found if not a}
    assert not any("onerror" in attributes for _, attributes in parsed.found)
    body = "".join(parsed.texts)
    for name in (HOSTILE[0], HOSTILE[1], "a�b", "$title", "'\"`${1}", "dog (i12)", "dog (i13)", "猫"):
        assert name in body, name


def test_ids_that_end_a_script_are_text(tmp_path: Path) -> None:
    stack = replace(made_stack(2, classes=3), class_ids=("</script>", "<b>", "x\u2028y"), class_names=("", "", ""))
    text, _ = page_html(page_of(ReportData(made_study(tmp_path / "s", stack), "val")), encode)
    assert text.count("</script>") == 2


def test_training_is_drawn_to_one_scale() -> None:
    one = History("a", {"epoch": np.array([1.0, 2.0, 3.0]), "train_accuracy": np.array([0.2, 0.5, 0.8]),
                        "val_accuracy": np.array([0.1, np.nan, 0.5]), "train_cross_entropy": np.array([2.0, 1.0, 0.5]),
                        "val_cross_entropy": np.array([2.5, 2.0, 1.9])})  # fmt: skip
    shared = limits([one])
    assert shared == {"accuracy": (0.0, pytest.approx(84.0)), "cross_entropy": (0.0, pytest.approx(2.625))}
    losses = {"val_cross_entropy": np.array([2.45, 2.4, 2.35]), "train_cross_entropy": np.array([2.5, 2.4, 2.35])}
    still = History("b", {**one.columns, **losses})
    assert limits([still])["cross_entropy"] == (pytest.approx(2.3), pytest.approx(2.51)), "no flat lines"
    drawn = training_plot(one, shared)
    lines = re.findall(r'class="curve (\w+)" points="([^"]*)"', drawn)
    assert [kind for kind, _ in lines] == ["train", "val"] * 2
    assert [len(points.split()) for _, points in lines] == [3, 2, 3, 3], "what was not measured is left out"
    x, y = zip(*(map(float, point.split(",")) for point in lines[0][1].split()), strict=True)
    assert x == pytest.approx((34, 143, 252)) and y[0] == pytest.approx(96 - 20 / 84 * 74, abs=0.06)


def test_filters_stand_side_by_side() -> None:
    tiles = np.arange(3, dtype=np.float32)[:, None, None, None] / 2 * np.ones((1, 2, 2, 1), np.float32)
    sheet = montage(tiles, 2)
    assert sheet.shape == (19, 19, 1)
    assert (sheet[:8, :8] == 0).all() and (sheet[:8, 11:] == 128).all() and (sheet[11:, :8] == 255).all()
    assert (sheet[8:11] == 255).all() and (sheet[:, 8:11] == 255).all() and (sheet[11:, 11:] == 255).all()


def test_every_script_and_nothing_else_is_put_together() -> None:
    from analysis.page.write import SCRIPTS

    folder = Path(points_room.__file__).parent / "script"
    assert sorted(SCRIPTS) == sorted(path.stem for path in folder.glob("*.js"))
    text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.js"))
    for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "fetch(", "XMLHttp", "import("):
        assert word not in text, word
    declared = re.compile(r"^(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)
    names = [declared.findall(path.read_text(encoding="utf-8")) for path in folder.glob("*.js")]
    every = list(itertools.chain(*names))
    assert len(every) == len(set(every)), "they share one scope"
