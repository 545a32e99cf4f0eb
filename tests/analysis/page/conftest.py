"""What the tests of the page in a browser share: the browser, and two pages to look at."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import NAMES, browser, found

from cli.combine import combine
from cli.common import run
from cli.report import report
from ensemble.datasets import load_dataset
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study, StudyConfig, config_of

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


def predict(study: Study, name: str, labels: np.ndarray, ids: np.ndarray, seed: int) -> None:
    """Write a member's predictions: the later the class, the more often right."""
    c = len(study.config.class_ids)
    rng = np.random.default_rng(seed)
    logits = np.random.default_rng(99).normal(size=(len(labels), c)) + rng.normal(size=(len(labels), c))
    # One of them is so weak that the best ensemble does without it.
    logits[np.arange(len(labels)), labels] += (1.5 + 3 * labels / c) * (0.2 if seed == 3 else 1)
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    kernels = rng.normal(size=(8, 1, 5, 5)).astype(np.float32)
    classes = study.config.class_ids, study.config.class_names
    study.write(Predictions(name, "val", probs, ids, *classes, labels, first_layer=kernels,
                            recipe={"model": "tiny", "dropout": 0.1 * seed}))  # fmt: skip


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Four members on the embedded digits, with images and a training history."""
    dataset = load_dataset("digits")
    val = dataset.split("val")
    assert val.labels is not None
    study = Study.create(tmp_path_factory.mktemp("page") / "digits", config_of(dataset))
    for i in range(4):
        predict(study, f"m3-{i}", val.labels, val.sample_ids, i)
    folder = study.member_dir("m3-0")
    folder.mkdir(parents=True)
    names = "epoch,learning_rate,train_cross_entropy,train_loss,train_accuracy,val_cross_entropy,val_loss,val_accuracy"
    lines = [f"{e},0.1,{2 / e},{2 / e},{1 - 1 / e},{2 / e},{2 / e},{0.9 - 1 / e},100,1" for e in (2, 3, 4)]
    (folder / "history.csv").write_text("\n".join([f"{names},images_per_second,seconds", *lines]) + "\n")
    return study


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Seven imported members, so that not every subset has panels: names that would do harm, and no images."""
    ids = ("</script>", "<b>", *(f"n{i}" for i in range(2, len(HOSTILE))))
    study = Study.create(
        tmp_path_factory.mktemp("page") / "host'ile", StudyConfig("imported", None, None, ids, HOSTILE)
    )
    # The last class, by its id's place, has no samples.
    labels = np.arange(180) % (len(ids) - 1)
    for i in range(7):
        predict(study, f"m-{i}", labels, np.array([f"s{j}" for j in range(180)]), i)
    return study


@pytest.fixture(scope="session")
def written() -> Callable[[Study], Path]:
    """A function that writes a study's page, once, and returns its path."""
    known: dict[Path, Path] = {}

    def write(study: Study) -> Path:
        if study.root not in known:
            assert run(report, ["html", "--study", str(study.root), "--quiet"]) == 0
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
def document(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict]:
    """A function (study, command, options) that returns a command's JSON."""

    def ask(study: Study, name: str, *options: str) -> dict:
        capsys.readouterr()
        where = {"ens-report": report, "ens-combine": combine}[name]
        assert run(where, [*options, "--study", str(study.root), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return ask
