"""What the tests of the page in a browser share: the browser, and two pages to look at."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import NAMES, browser, found
from commands import Reported, call
from studies import drawn

from cli.common import run
from cli.report import report
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study, StudyConfig

ALERT = "</script><script>window.hurt = 1</script><img src=x onerror='window.hurt = 1'>"
HOSTILE = (ALERT, "a\u202eb", "$x$ {{y}}", "猫 مرحبا", "x" * 200, "", "hound, dog", "hound, cur", "&lt;b&gt;", "'\"")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A running browser; tests that need one are skipped where there is none."""
    pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra dev")
    if found() is None:
        pytest.skip(f"needs a browser: none of {', '.join(NAMES)} is installed, and KOFN_CHROMIUM names none")
    with browser() as running:
        yield running


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Seven imported members, so that not every subset has panels: names that would do harm, no images, and costs."""
    ids = ("</script>", "<b>", *(f"n{i}" for i in range(2, len(HOSTILE))))
    study = Study.create(
        tmp_path_factory.mktemp("page") / "host'ile", StudyConfig("imported", None, None, ids, HOSTILE)
    )
    # The last class, by its id's place, has no samples.
    labels = np.arange(180) % (len(ids) - 1)
    c, rows = len(ids), np.array([f"s{j}" for j in range(180)])
    for i in range(7):
        probs = drawn(labels, c, i, (1.5 + 3 * labels / c) * (0.2 if i == 3 else 1), common=99)
        kernels = np.random.default_rng(i).normal(size=(8, 1, 5, 5)).astype(np.float32)
        study.write(Predictions(f"m-{i}", "val", probs, rows, ids, HOSTILE, labels, first_layer=kernels,
                                recipe={"model": "tiny", "dropout": 0.1 * i}))  # fmt: skip
    (study.root / "costs.csv").write_text("member,cost\n" + "".join(f"m-{i},{0.5 * 2**i}\n" for i in range(7)))
    return study


@pytest.fixture(scope="session")
def written(digits: Study, reported: Reported) -> Callable[[Study], Path]:
    """A function that writes a study's page, once, and returns its path; that of the digits is `ens-report all`'s."""
    known = {digits.root: reported.folder / "index.html"}

    def write(study: Study) -> Path:
        if study.root not in known:
            costs = study.root / "costs.csv"
            priced = ["--cost", str(costs)] if costs.exists() else []
            assert run(report, ["html", "--study", str(study.root), "--quiet", *priced]) == 0
            known[study.root] = study.root / "report" / "index.html"
        return known[study.root]

    return write


@pytest.fixture(scope="session")
def sampled(hostile: Study, written: Callable[[Study], Path]) -> Study:
    """The same seven members, with a page that carries but a sample of their subsets, as very many have it."""
    from analysis.page import points

    study = Study(hostile.root.with_name("sampled"), hostile.config)
    shutil.copytree(hostile.root, study.root, ignore=shutil.ignore_patterns("report"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("MOST", 100), ("SAMPLE", 5), ("LEADING", 5)):
            patch.setattr(points, name, value)
        written(study)
    return study


class Reader:
    """Someone who opens a page: what they see, and what the page did that it should not."""

    def __init__(self, chromium: Any, path: Path, address: str = "", script: str = "", **settings: Any) -> None:
        self.context = chromium.new_context(**({"viewport": {"width": 1280, "height": 900}} | settings))
        self.page = self.context.new_page()
        self.told: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.told.append(message.text))
        self.page.on("pageerror", lambda error: self.told.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        if script:
            self.page.add_init_script(script)
        self.page.goto(path.as_uri() + address)
        if settings.get("java_script_enabled", True) and not script:
            self.page.wait_for_selector("html[data-ready]")

    def text(self, selector: str) -> str:
        """Return what an element says, with plain blanks."""
        return self.page.inner_text(selector).replace("\u00a0", " ").strip()

    def texts(self, selector: str) -> list[str]:
        """Return what elements say, with plain blanks."""
        return [text.replace("\u00a0", " ").strip() for text in self.page.locator(selector).all_inner_texts()]

    def chart(self) -> dict[str, float]:
        """Bring the chart into view; return where it stands on the screen."""
        self.page.evaluate("document.getElementById('marks').scrollIntoView({block: 'center', behavior: 'instant'})")
        return self.page.locator("#marks").bounding_box()

    def classes(self) -> list[list[str]]:
        """Return the class table's rows: each its cells' texts."""
        rows = self.page.locator("#class-table tbody tr")
        found = rows.evaluate_all("rows => rows.map(row => [...row.cells].map(cell => cell.innerText))")
        return [[cell.replace("\u00a0", " ") for cell in row] for row in found]


@pytest.fixture
def read(chromium: Any, written: Callable[[Study], Path]) -> Iterator[Callable[..., Reader]]:
    """A function (study, address, **settings) that opens a study's page; all is closed in the end."""
    opened: list[Reader] = []

    def reader(study: Study, address: str = "", **settings: Any) -> Reader:
        opened.append(Reader(chromium, written(study), address, **settings))
        return opened[-1]

    yield reader
    for one in opened:
        one.context.close()


@pytest.fixture
def document(undrawn: None, tmp_path: Path) -> Callable[..., dict]:
    """A function (study, command, options) that returns a command's JSON."""

    def ask(study: Study, name: str, *options: str) -> dict:
        out = ("--out", tmp_path) if name == "ens-report" else ()
        return call(name, *options, *out, "--study", study.root, "--json").document

    return ask
