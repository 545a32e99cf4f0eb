"""The page as a reader meets it, in a real browser."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.classes.confusion import confusion, confusion_counts
from analysis.stack import join
from analysis.statistics import paired_test
from analysis.subsets.reference import subset_preds, subset_table
from analysis.subsets.table import name_set
from ensemble.study.study import Study

Read = Callable[..., Any]
Ask = Callable[..., dict]


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def as_shown(found: dict, reference: dict | None = None) -> list[list[str | None]]:
    """Return the class table's rows as they should read, of the JSON of ens-report per-class."""
    rows: list[list[str | None]] = []
    before = {c["id"]: c["accuracy"] for c in (reference or found)["classes"]}
    for c in found["classes"]:
        difference = 100 * (c["accuracy"] - before[c["id"]])
        sign = "±" if f"{abs(difference):.0f}" == "0" else "+" if difference > 0 else "−"
        said = c["confused_with"][:1]
        rows.append([
            c["name"], f"{percent(c['accuracy'], 0)}{100 * c['low']:.0f}–{percent(c['high'], 0)}",
            f"{c['correct']}/{c['samples']}", f"{sign}{abs(difference):.0f}" if reference else None,
            f"{said[0]['name']} ({said[0]['count']})" if said else "–",
        ])  # fmt: skip
    return rows


def cells(row: list[str], alone: bool) -> list[str | None]:
    """Return a row of the table as it reads, without line breaks; the hidden column is None."""
    told = [cell.replace("\n", "") for cell in row]
    return [*told[:3], None if alone else told[3], told[4]]


def test_it_starts_in_silence_and_asks_for_nothing(read: Read, digits: Study, written: Callable[[Study], Path]) -> None:
    reader = read(digits)
    reader.page.mouse.wheel(0, 4000)
    assert reader.told == []
    assert reader.asked == [written(digits).as_uri()]
    assert reader.page.evaluate("performance.getEntriesByName('ready')[0].startTime") < 5000


def test_classes_are_those_of_the_report(read: Read, digits: Study, document: Ask) -> None:
    reader = read(digits)
    whole = document(digits, "ens-report", "per-class")
    assert [cells(row, alone=True) for row in reader.classes()] == as_shown(whole)
    best = document(digits, "ens-combine")["best"]["members"]
    assert len(best) < 4, "else the best subset is no other one"
    reader.page.select_option("#pick", label="The best of all")
    options = [option for name in best for option in ("--member", name)]
    found = document(digits, "ens-report", "per-class", *options)
    assert [cells(row, alone=False) for row in reader.classes()] == as_shown(found, whole)


@pytest.mark.parametrize("study", ["digits", "hostile"])
def test_scores_are_those_of_combine(read: Read, study: str, document: Ask, request: pytest.FixtureRequest) -> None:
    where = request.getfixturevalue(study)
    reader, found = read(where), document(where, "ens-combine")
    best = found["best"]
    reader.page.select_option("#pick", label="The best of all")
    checked = reader.page.locator("#chosen-members label:has(input:checked)").all_inner_texts()
    assert checked == best["members"]
    told = dict(zip(reader.texts("#scores dt"), reader.texts("#scores dd strong"), strict=True))
    assert told["Accuracy"] == percent(best["accuracy"]) and told["Top-5 accuracy"] == percent(best["top5"])
    assert told["NLL"] == f"{best['nll']:.4f}" and told["Brier score"] == f"{best['brier']:.4f}"
    low, high = 100 * best["honest_low"], percent(best["honest_high"])
    assert reader.text("#honest h4") == f"Honest score: {percent(best['honest_accuracy'])} ({low:.1f}–{high})"
    assert best["honest_how"][1:] in reader.page.text_content("#honest details")
    rows = reader.page.locator("#subsets table").filter(has_text="highest %").locator("tbody tr").all_inner_texts()
    for row, size in zip(rows, found["by_size"], strict=True):
        shares = [f"{100 * size[key]:.1f}" for key in ("mean_accuracy", "min_accuracy", "max_accuracy")]
        assert row.split("\t")[:5] == [str(size["k"]), f"{size['subsets']:,}", *shares]
        assert row.split("\t")[5] == f"{size['mean_nll']:.4f}"


def test_hovering_names_a_subset(read: Read, digits: Study) -> None:
    reader = read(digits)
    box = reader.chart()
    assert not reader.page.is_visible("#tip")
    # The only point of size 4 lies in the last quarter, at the height of its ring.
    for share in np.linspace(0.1, 0.9, 30):
        reader.page.mouse.move(box["x"] + 0.86 * box["width"], box["y"] + share * box["height"])
        if reader.page.is_visible("#tip"):
            break
    assert reader.text("#tip").startswith("all 4 members\n4 members · ")
    assert f"{reader.text('#scores dd strong >> nth=0')} · NLL" in reader.text("#tip")
    reader.page.mouse.move(5, 5)
    assert not reader.page.is_visible("#tip")


def click_a_point(reader: Any) -> None:
    """Press the first point that is found going down the sizes from the middle."""
    box = reader.chart()
    for across in (0.33, 0.4, 0.6, 0.7):
        for down in np.linspace(0.1, 0.85, 25):
            reader.page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
            if reader.page.is_visible("#tip"):
                reader.page.mouse.down()
                reader.page.mouse.up()
                return
    raise AssertionError("no point")


def test_choosing_a_subset_drives_the_panels(read: Read, digits: Study) -> None:
    reader = read(digits)
    bins = reader.page.inner_html("#reliability-plot")
    click_a_point(reader)
    title = reader.text("#chosen-title").lower()
    assert title != "all 4 members" and title == reader.text("#tip strong").lower()
    assert {text.lower() for text in reader.texts(".subset-name")} == {title}
    assert reader.page.inner_html("#reliability-plot") != bins
    assert reader.text("#announcer").lower().startswith(f"chosen: {title}")
    for nth in range(4):
        reader.page.locator("#chosen-members input").nth(nth).set_checked(nth == 2)
    assert reader.text("#chosen-title") == "m3-2"
    reader.page.locator("#chosen-members input").nth(2).click()
    assert reader.page.locator("#chosen-members input").nth(2).is_checked(), "one member stays"
    reader.page.click("#ranking summary")
    reader.page.wait_for_selector("#ranking-rows tr")
    assert len(reader.texts("#ranking-rows tr")) == 15
    reader.page.locator("#ranking-rows button").first.click()
    assert reader.page.eval_on_selector("#pick", "pick => pick.selectedOptions[0].text") == "The best of all"


def test_filter_by_member_and_size(read: Read, digits: Study) -> None:
    reader = read(digits)
    count, chips = "#filter-count", reader.page.locator("#filter-members button")
    assert reader.text(count) == "15 of 15 subsets shown"
    chips.nth(0).click()
    assert reader.text(count) == "8 of 15 subsets shown" and "always with" in chips.nth(0).text_content()
    chips.nth(1).click()
    chips.nth(1).click()
    assert reader.text(count) == "4 of 15 subsets shown" and "never with" in chips.nth(1).text_content()
    reader.page.select_option("#filter-high", "2")
    assert reader.text(count) == "3 of 15 subsets shown"
    reader.page.select_option("#filter-low", "3")
    assert reader.page.input_value("#filter-high") == "3" and reader.text(count) == "1 of 15 subsets shown"
    reader.page.click("#ranking summary")
    reader.page.wait_for_selector("#ranking-rows tr")
    assert reader.texts("#ranking-rows th") == ["all but m3-1"]
    reader.page.click("#filter-reset")
    assert reader.text(count) == "15 of 15 subsets shown"


def test_sort_and_search_classes(read: Read, digits: Study) -> None:
    reader = read(digits)
    names = lambda: [row[0] for row in reader.classes()]  # noqa: E731
    hardest_first = names()
    reader.page.click("#class-table th:nth-child(2) button")
    assert names() == hardest_first[::-1]
    assert reader.page.get_attribute("#class-table th:nth-child(2)", "aria-sort") == "descending"
    reader.page.click("#class-table thead th:nth-child(1) button")
    assert names() == sorted(hardest_first)
    reader.page.fill("#class-search", "7")
    assert names() == ["7"] and reader.text("#class-count") == "1 of 10 classes found"
    reader.page.fill("#class-search", "nothing is called so")
    assert names() == []
    reader.page.fill("#class-search", "")
    assert len(names()) == 10
    reader.page.click("#members th:nth-child(2) button")
    column = [float(text) for text in reader.texts("#members td:nth-child(2)")]
    assert column == sorted(column)


def test_a_class_shows_its_images_and_confusions(read: Read, digits: Study) -> None:
    reader = read(digits)
    reader.page.click("#class-table button:text-is('3')")
    assert reader.text("#class-title") == "3" and reader.page.evaluate("document.activeElement.id") == "class-title"
    stack = join(digits.select("val"))
    labels, preds = stack.require_labels(), subset_preds(stack, range(4))
    counts = confusion_counts(labels, preds, 10)
    own = counts[3]
    said = {int(i): int(own[i]) for i in np.flatnonzero(own)}
    shown = [
        re.match(r"(\d)(?: \(right\))?\n(\d+) of", text) for text in reader.texts("#class-predicted li:not(.none)")
    ]
    assert all(match is not None and said[int(match[1])] == int(match[2]) for match in shown)
    taken = [text.split("\n") for text in reader.texts("#class-mistaken li:not(.none)")]
    assert all(counts[int(name), 3] == int(count) for name, count in taken)
    images = reader.page.locator("#class-gallery img")
    assert images.count() >= 8
    assert images.evaluate_all("images => images.every(image => image.complete && image.naturalWidth > 0)")
    rows = {str(sample): row for row, sample in enumerate(stack.sample_ids)}
    probs = stack.mean_probs()
    for figure in reader.page.locator("#class-gallery figure").all():
        row = rows[figure.locator("img").get_attribute("title")]
        told = figure.locator("figcaption").inner_text().replace("\u00a0", " ")
        assert labels[row] == 3 and ("✓ right" in told) == (preds[row] == 3)
        assert percent(probs[row, preds[row]], 0) in told
    reader.page.locator("#class-predicted button").first.click()
    assert reader.text("#class-title") != "3"


def test_reliability_is_that_of_the_chosen(read: Read, digits: Study) -> None:
    from analysis.calibration.calibration import measure_calibration

    reader = read(digits)
    stack = join(digits.select("val"))
    slow = measure_calibration(stack.mean_probs(), stack.require_labels(), subset_preds(stack, range(4)))
    assert f"Expected calibration error {100 * slow.ece:.1f} points, in 15 bins" in reader.text("#reliability-words")
    reader.page.click("#reliability summary")
    rows = [row.split("\t") for row in reader.page.locator("#reliability-rows tr").all_inner_texts()]
    there = np.flatnonzero(slow.counts)
    assert [int(row[1].replace(",", "")) for row in rows] == slow.counts[there].tolist()
    for row, b in zip(rows, there, strict=True):
        assert row[2:] == [f"{100 * slow.confidence[b]:.1f}", f"{100 * slow.accuracy[b]:.1f}"]


def test_all_of_it_by_keyboard(read: Read, digits: Study) -> None:
    reader = read(digits)
    press = reader.page.keyboard.press
    for _ in range(60):
        press("Tab")
        if reader.page.evaluate("document.activeElement.id") == "marks":
            break
    press("ArrowLeft")
    assert re.match(r"all but .*: 3 members · ", reader.text("#announcer"))
    named = reader.text("#tip strong")
    press("Enter")
    assert reader.text("#chosen-title").lower() == named
    press("ArrowLeft")
    press("Escape")
    assert not reader.page.is_visible("#tip")
    before = picture(reader)
    press("+")
    press("Shift+ArrowLeft")
    settle(reader)
    assert picture(reader) != before
    press("0")
    settle(reader)
    assert picture(reader) == before
    reader.page.locator("#class-table thead th:nth-child(1) button").focus()
    press("Enter")
    assert reader.text("#announcer") == "Sorted by class, rising."
    reader.page.locator("#class-table tbody button").nth(4).focus()
    press("Enter")
    assert reader.text("#class-title") == "4"


def picture(reader: Any) -> str:
    return reader.page.evaluate("document.getElementById('points').toDataURL()")


def settle(reader: Any) -> None:
    """Wait until what was asked for is drawn."""
    reader.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_zoom_and_pan_by_mouse(read: Read, digits: Study) -> None:
    reader = read(digits)
    whole = picture(reader)
    box = reader.chart()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    reader.page.mouse.move(*middle)
    reader.page.mouse.wheel(0, -200)
    settle(reader)
    assert picture(reader) == whole, "a wheel scrolls the page, unless the chart has the focus"
    box = reader.chart()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    reader.page.focus("#marks")
    reader.page.mouse.move(*middle)
    reader.page.mouse.wheel(0, -200)
    settle(reader)
    zoomed = picture(reader)
    assert zoomed != whole
    chosen = reader.text("#chosen-title")
    reader.page.mouse.down()
    reader.page.mouse.move(middle[0] + 80, middle[1] + 30, steps=4)
    reader.page.mouse.up()
    settle(reader)
    assert picture(reader) not in (whole, zoomed) and reader.text("#chosen-title") == chosen, "a drag chooses nothing"
    reader.page.click("#zoom-whole")
    settle(reader)
    assert picture(reader) == whole
    reader.page.select_option("#axis-x", "nll")
    settle(reader)
    assert picture(reader) != whole


def test_two_fingers_zoom_and_one_chooses(read: Read, digits: Study) -> None:
    reader = read(digits, has_touch=True, is_mobile=True, viewport={"width": 360, "height": 780})
    whole = picture(reader)
    reader.page.evaluate("""() => {
      const marks = document.getElementById("marks"), box = marks.getBoundingClientRect();
      marks.setPointerCapture = () => {};
      const touch = (type, id, x, y) => marks.dispatchEvent(new PointerEvent(type,
        {pointerId: id, pointerType: "touch", clientX: box.left + x, clientY: box.top + y}));
      touch("pointerdown", 1, 100, 100); touch("pointerdown", 2, 140, 100);
      touch("pointermove", 2, 220, 100);
      touch("pointerup", 2, 220, 100); touch("pointerup", 1, 100, 100);
    }""")
    settle(reader)
    assert picture(reader) != whole
    reader.page.click("#zoom-whole")
    box = reader.chart()
    reader.page.touchscreen.tap(box["x"] + 0.62 * box["width"], box["y"] + 0.3 * box["height"])
    assert reader.text("#chosen-title").startswith(("All but", "m3-"))


@pytest.mark.parametrize(("study", "width", "scheme"), [("digits", 1280, "light"), ("hostile", 360, "dark")])
def test_nothing_stands_in_the_way_of_anyone(
    read: Read, study: str, width: int, scheme: str, request: pytest.FixtureRequest
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-core, of the extra dev")
    where = request.getfixturevalue(study)
    reader = read(where, viewport={"width": width, "height": 800}, color_scheme=scheme)
    paper = reader.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(246, 244, 239)", "dark": "rgb(20, 24, 28)"}[scheme]
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= width, "it never scrolls sideways"
    reader.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    reader.page.locator("#filter-members button").first.click()
    reader.page.locator("#chosen-members input").first.click()
    found = axe.Axe().run(reader.page).response["violations"]
    assert not found, [(v["id"], v["help"], [node["html"][:120] for node in v["nodes"][:3]]) for v in found]


def test_without_javascript_it_can_be_read(read: Read, digits: Study, document: Ask) -> None:
    reader = read(digits, java_script_enabled=False)
    assert not reader.page.is_visible("#chart") and not reader.page.is_visible("#class-panel")
    pictures = reader.page.locator("img.figure")
    assert pictures.count() == 2 and all(one.bounding_box()["width"] > 300 for one in pictures.all())
    told = [row.split("\t")[0].strip() for row in reader.page.locator("#class-table tbody tr").all_inner_texts()]
    assert told == [c["name"] for c in document(digits, "ens-report", "per-class")["classes"]]
    best = document(digits, "ens-combine")["best"]
    assert percent(best["honest_accuracy"]) in reader.text(".lead")
    assert reader.page.locator("#filters img").count() == 4 and reader.page.locator("#training svg").count() == 4
    assert reader.told == []


def test_a_browser_too_old_says_so(read: Read, digits: Study) -> None:
    reader = read(digits, script="delete window.DecompressionStream")
    reader.page.wait_for_selector("#broken", state="visible")
    assert "could not start" in reader.text("#broken")
    assert not reader.page.is_visible("#chart") and reader.page.is_visible("#class-table")


def test_hostile_names_are_only_text(read: Read, hostile: Study) -> None:
    reader = read(hostile)
    for button in reader.page.locator("#class-table tbody button").all():
        button.click()
    for value in reader.page.eval_on_selector_all("#pick option", "all => all.map(one => one.value).filter(Boolean)"):
        reader.page.select_option("#pick", value)
    assert reader.page.evaluate("window.hurt") is None and reader.told == []
    names = [row[0].split("\n")[0] for row in reader.classes()]
    assert hostile.config.class_names[0] in names and "a\N{REPLACEMENT CHARACTER}b" in names
    assert {"hound (n6)", "hound (n7)", "&lt;b&gt;"} <= set(names)
    assert reader.classes()[-1][1] == "no images on this split"


def test_a_subset_without_panels_says_whose_are_shown(read: Read, hostile: Study) -> None:
    reader = read(hostile, "#subset=21")
    whose = reader.page.locator(".subset-name").first
    if reader.page.is_visible("#carried"):
        assert "--member m-0 --member m-2 --member m-4" in reader.text("#carried")
        assert whose.inner_text().startswith("the best 3 members")
    reader.page.select_option("#pick", label="The best 3 members")
    assert not reader.page.is_visible("#carried")
    assert whose.inner_text().lower() == reader.text("#chosen-title").lower()


def test_a_subset_that_is_not_carried_is_told(read: Read, sampled: Study) -> None:
    reader = read(sampled)
    assert "(a sample of all 127)" in reader.text("#filter-count")
    boxes = reader.page.locator("#chosen-members input")
    for nth in range(6, 0, -1):
        before = reader.text("#chosen-title")
        boxes.nth(nth).click()
        if reader.page.is_visible("#missing"):
            break
    assert re.search(
        r"Of 127 subsets this page carries \d+, and not .*: ens-combine --k \d --members", reader.text("#missing")
    )
    assert boxes.nth(nth).is_checked() and reader.text("#chosen-title") == before
    reader.page.select_option("#pick", label="The best member")
    assert not reader.page.is_visible("#missing") and reader.told == []


def test_the_address_keeps_the_place(read: Read, digits: Study) -> None:
    reader = read(digits, "#subset=5&class=7")
    assert reader.text("#chosen-title") == "m3-0 + m3-2" and reader.text("#class-title") == "7"
    reader.page.locator("#chosen-members input").nth(1).check()
    assert "subset=7" in reader.page.url
    reader.page.evaluate("location.hash = '#subset=8&class=2'")
    reader.page.wait_for_function("document.getElementById('chosen-title').textContent === 'm3-3'")
    assert reader.text("#class-title") == "2"
    for nonsense in ("#subset=999", "#subset=-1&class=x", "#subset=<b>"):
        assert read(digits, nonsense).text("#chosen-title") == "All 4 members"


def test_the_confusion_matrix_is_the_count_and_leads_to_the_images(read: Read, digits: Study) -> None:
    reader = read(digits)
    stack = join(digits.select("val"))
    labels, preds = stack.require_labels(), subset_preds(stack, range(4))
    counts = confusion_counts(labels, preds, 10)
    order = confusion(labels, preds, stack.class_ids, stack.class_names).order
    wrong = counts - np.diag(counts.diagonal())
    i, j = (int(np.flatnonzero(order == c)[0]) for c in np.unravel_index(int(wrong.argmax()), wrong.shape))
    reader.page.evaluate("document.getElementById('matrix').scrollIntoView({block: 'center', behavior: 'instant'})")
    box = reader.page.locator("#matrix").bounding_box()
    place = reader.page.evaluate("({...document.getElementById('matrix').dataset})")
    left, head, cell = (float(place[key]) for key in ("left", "head", "cell"))
    assert head > 0, "columns are named"
    at = box["x"] + left + (j + 0.5) * cell, box["y"] + head + (i + 0.5) * cell
    reader.page.mouse.move(*at)
    true, predicted = int(order[i]), int(order[j])
    count, of = int(counts[true, predicted]), int(counts[true].sum())
    said = f"{stack.class_names[true]}: {count} of {of} predicted as {stack.class_names[predicted]} ("
    assert reader.text("#matrix-words").startswith(said)
    reader.page.mouse.click(*at)
    assert reader.text("#class-title") == stack.class_names[true]
    assert f"✕ predicted {stack.class_names[predicted]}" in reader.texts("#class-gallery figcaption")[0]
    reader.page.mouse.move(0, 0)  # the page scrolls to the class, and what lies under the pointer would count
    reader.page.focus("#matrix")
    reader.page.keyboard.press("ArrowDown")
    reader.page.keyboard.press("ArrowDown")
    row, column = int(order[1]), int(order[0])
    assert reader.text("#announcer").startswith(f"{stack.class_names[row]}: {counts[row, column]} of ")


def test_errors_are_those_of_the_report(read: Read, digits: Study, document: Ask) -> None:
    reader, found = read(digits), document(digits, "ens-report", "errors")
    for kind, key in (("wrong", "suspects"), ("rescued", "rescued")):
        reader.page.select_option("#errors-kind", kind)
        count = found[key]["count"]
        assert reader.text("#errors-words").startswith(f"{count:,} image" if count else "No image"), key
        shown = reader.page.locator("#errors-gallery img").evaluate_all("all => all.map(image => image.title)")
        assert len(shown) > 0 or not count
        if kind == "rescued":
            assert set(shown) <= {image["sample_id"] for image in found[key]["images"]} or count > 50
    reader.page.select_option("#errors-kind", "wrong")
    by_margin = [image["sample_id"] for image in found["suspects"]["images"]]
    first = reader.page.locator("#errors-gallery img").first.get_attribute("title")
    margins = {image["sample_id"]: image["said_probability"] - image["true_probability"]
               for image in found["suspects"]["images"]}  # fmt: skip
    assert margins[first] == pytest.approx(max(margins[i] for i in by_margin), abs=1e-3)


def test_two_subsets_are_compared(read: Read, digits: Study) -> None:
    reader = read(digits, "#subset=3&pin=15")
    stack = join(digits.select("val"))
    labels = stack.require_labels()
    one, other = (subset_preds(stack, members) for members in ([0, 1], range(4)))
    found = paired_test(labels, one, other)
    told = reader.text("#versus-words")
    assert f"{found.won:,} only the chosen one has right, {found.lost:,} only the pinned one" in told
    assert f"They predict differently on {int((one != other).sum()):,} images" in told
    low, high = (f"{100 * end:+.2f}".replace("-", "−") for end in (found.low, found.high))
    assert f"95 % interval {low} to {high}" in told
    row = reader.texts("#versus-rows tr:first-child td")
    assert row[:2] == [f"{100 * (preds == labels).mean():.1f}" for preds in (one, other)]
    change = np.bincount(labels[one == labels], minlength=10) - np.bincount(labels[other == labels], minlength=10)
    lost = [text.split("\n") for text in reader.texts("#versus-lost li:not(.none)")]
    assert {name: -int(text.split()[0].removeprefix("−")) for name, text in lost}.items() <= {
        stack.class_names[c]: int(n) for c, n in enumerate(change)
    }.items()
    reader.page.click("#unpin")
    assert not reader.page.is_visible("#versus") and "pin" not in reader.page.url
    reader.page.click("#pin")
    reader.page.select_option("#pick", label="All members")
    assert reader.page.is_visible("#versus") and reader.text("#versus-pinned") == "m3-0 + m3-1"


def test_tables_and_pictures_can_be_taken_along(read: Read, digits: Study, document: Ask) -> None:
    reader = read(digits, accept_downloads=True)

    def taken(button: str) -> tuple[str, bytes]:
        with reader.page.expect_download() as waiting:
            reader.page.click(button)
        return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()

    name, data = taken("#take-subsets")
    rows = list(csv.DictReader(data.decode().splitlines()))
    table = subset_table(join(digits.select("val")), range(1, 5))
    assert name == "val-subsets.csv" and [int(row["correct"]) for row in rows] == table.correct.tolist()
    assert [float(row["nll"]) for row in rows] == table.nll.tolist()
    name, data = taken("#take-classes")
    found = {c["id"]: c for c in document(digits, "ens-report", "per-class")["classes"]}
    for row in csv.DictReader(data.decode().splitlines()):
        own = found[row["id"]]
        assert (int(row["correct"]), float(row["recall"])) == (own["correct"], own["accuracy"])
    name, data = taken("#take-chart")
    assert (name, data[:4]) == ("val-subsets.png", b"\x89PNG")
    assert taken("#take-matrix")[1][:4] == b"\x89PNG"
    name, data = taken("#take-reliability")
    assert name == "val-calibration.svg" and b"<svg" in data[:200] and b"rgb(" in data
    reader.page.click("#take-caption")
    assert reader.text("#caption") == (
        "Accuracy (%) against members averaged, k of all 15 subsets of 4 members on "
        f"{table.samples:,} images of val. Star: the most accurate subset; ring: all 4 members."
    )


def test_the_front_is_that_of_the_cost_report(read: Read, hostile: Study, document: Ask) -> None:
    reader = read(hostile, accept_downloads=True)
    found = document(hostile, "ens-report", "cost", "--cost", str(hostile.root / "costs.csv"))
    front = found["front"]
    rows = [row.split("\t") for row in reader.page.locator("#cost tbody tr").all_inner_texts()]
    shares = [[percent(p[key])[:-2] for key in ("score", "honest", "honest_low", "honest_high")] for p in front]
    assert [row[:4] for row in rows] == [
        [f"{p['cost']:g}", a, h, f"{low}–{high}"] for p, (a, h, low, high) in zip(front, shares, strict=True)
    ]
    legend = lambda: reader.page.is_visible("#legend-front") and reader.page.is_visible("#legend-honest")  # noqa: E731
    assert not legend()
    reader.page.click("#show-cost")
    settle(reader)
    assert legend() and reader.page.input_value("#axis-x") == "cost"
    names = {name_set(p["members"], found["members"].keys()): p for p in front}
    told = set()
    for key in ["ArrowUp"] * 4 + ["ArrowLeft"] * 40:
        reader.page.keyboard.press(key)
        point = names.get(reader.text("#tip strong").removesuffix(" members"))
        line = reader.text("#tip span")
        assert ("on the front" in line) == (point is not None)
        if point:
            told.add(point["cost"])
            assert f"cost {point['cost']:g} · on the front, honest {percent(point['honest'])} (" in line
    assert len(told) > 2
    with reader.page.expect_download() as waiting:
        reader.page.click("#take-front")
    taken = list(csv.DictReader(Path(waiting.value.path()).read_text().splitlines()))
    assert [row["members"].split("+") for row in taken] == [p["members"] for p in front]
    assert [float(row["honest"]) for row in taken] == [p["honest"] for p in front]
    reader.page.click("#take-caption")
    assert "against cost: sum of" in reader.text("#caption") and "Steps: the front" in reader.text("#caption")


def test_the_legend_names_what_is_there(read: Read, digits: Study) -> None:
    reader = read(digits)
    legend = lambda: [reader.page.is_visible(f"#legend-{what}") for what in ("mean", "star", "ring")]  # noqa: E731
    assert legend() == [True, True, True]
    reader.page.select_option("#filter-high", "1")
    settle(reader)
    assert legend() == [False, False, False]
    reader.page.click("#filter-reset")
    settle(reader)
    assert legend() == [True, True, True]


def test_a_class_shows_its_image_where_it_is_named(read: Read, digits: Study) -> None:
    reader = read(digits)
    name = reader.page.locator("#class-table tbody button").first
    name.scroll_into_view_if_needed()
    settle(reader)
    assert not reader.page.is_visible("#peek")
    name.hover()
    row = reader.page.locator("#class-table tbody tr").first
    assert reader.page.is_visible("#peek")
    assert reader.page.get_attribute("#peek img", "src") == row.locator("img").get_attribute("src")
    box = reader.page.locator("#peek").bounding_box()
    assert box["x"] >= 0 and box["y"] >= 0 and box["y"] + box["height"] <= 900
    reader.page.mouse.move(2, 2)
    assert not reader.page.is_visible("#peek")
    reader.page.locator("#class-predicted button").first.focus()
    reader.page.keyboard.press("Tab")
    assert "peek" in reader.page.evaluate("({...document.activeElement.dataset})")
    settle(reader)
    assert reader.page.is_visible("#peek")
    reader.page.keyboard.press("Escape")
    assert not reader.page.is_visible("#peek")


def test_a_class_shows_its_course_in_training(read: Read, digits: Study) -> None:
    """Of ten images of class 3, 5 and 6 were right in epochs 2 and 3 of m3-0, 4 in epoch 1, which m3-0 lacks."""
    reader = read(digits, "#subset=3&class=3")
    told = "After epoch 4, the last: m3-0 50 %, m3-1 50 %, m3-2 50 %, m3-3 50 %."
    assert reader.text("#class-curves-words") == told
    assert reader.page.locator("#class-curves-plot polyline.within").count() == 2
    plot = reader.page.locator("#class-curves-plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    reader.page.mouse.move(box["x"] + 36 / 340 * box["width"], box["y"] + 40)
    words = reader.text("#class-curves-words")
    assert words.startswith("After epoch 1: m3-1 40 %") and "m3-0" not in words
    reader.page.mouse.move(2, 2)
    assert reader.text("#class-curves-words").startswith("After epoch 4, the last")
    reader.page.locator("#class-table tbody button").first.hover()
    assert reader.page.locator("#peek polyline").count() == 4


def test_the_names_of_members_stand_in_full(read: Read, digits: Study) -> None:
    script = """(() => { const write = CanvasRenderingContext2D.prototype.fillText; window.written = [];
      CanvasRenderingContext2D.prototype.fillText = function (...given) {
        if (this.canvas.id === "marks") window.written.push(given[0]);
        return write.apply(this, given); }; })()"""
    reader = read(digits)
    reader.page.evaluate(script)
    reader.page.click("#zoom-in")
    reader.page.click("#zoom-whole")
    settle(reader)
    assert set(reader.page.evaluate("window.written")) == {f"m3-{i}" for i in range(4)}
