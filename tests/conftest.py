"""What all tests share."""

import json
import os

# Two workers share the cores: libraries that start a thread a core each, and spin while they wait, take up to five
# times the processor's time. Read when a library is loaded, so this comes before all imports.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from commands import Done, Reported, call, process
from hypothesis import settings
from served import STANDS, Worker
from studies import Once, digits_study, few_images, train_here

from ensemble.study.atomic import locked
from ensemble.study.study import Study

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every process they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A shared machine pauses at will: time is no property of the code.
settings.register_profile("kofn", deadline=None)
settings.load_profile("kofn")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n`, a worker keeps its half of the suite in order, and who is done first takes over from the other.

    So what a module prepares is prepared by one of them, where turns would have both prepare it.
    """
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, README's own commands above all: nobody should wait for it alone at the end."""
    first = ("test_docs.py", "test_fuzz.py", "test_notebook.py")
    items.sort(key=lambda item: item.path.name not in first)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Packed images go to a temporary folder: no test, and no command that a test runs, writes to the home folder."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENS_CACHE", str(folder))
        yield folder


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of others are read in this process: what they mean is tested, not what they could do."""
    monkeypatch.setenv("KOFN_CHILD", "1")


@pytest.fixture(scope="session", autouse=True)
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for what all workers of a test run share: studies, and the process that forks commands."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    STANDS.shared = folder
    yield folder
    STANDS.close()


@pytest.fixture(scope="session")
def once(_shared: Path) -> Once:
    """A function (name, build) that gives the folder which `build` fills, once a test run, whichever worker asks first.

    What lies there is everybody's: a test that writes takes a copy.
    """
    shared = _shared

    def folder(name: str, build: Callable[[Path], object]) -> Path:
        made, done = shared / name, shared / f"{name}.done"
        with locked(shared / f"{name}.lock"):
            if not done.exists():
                build(made)
                done.touch()
        return made

    return folder


@pytest.fixture(scope="session")
def digits(once: Once) -> Study:
    """Four drawn members on the embedded digits, `studies.digits_study`; to look at only."""
    return Study.open(once("digits", digits_study))


def _reported(once: Once, name: str, make: Callable[[Path], Done]) -> Reported:
    """Run a command once a test run; what it printed is kept beside its files."""

    def build(folder: Path) -> None:
        folder.mkdir()
        done = make(folder / "files")
        (folder / "printed.json").write_text(json.dumps([done.status, done.out, done.err]))

    folder = once(name, build)
    return Reported(Done(*json.loads((folder / "printed.json").read_text())), folder / "files")


@pytest.fixture(scope="session")
def reported(once: Once, digits: Study) -> Reported:
    """`ens-report all --pdf` of the digits, in a process of its own, on a terminal of 80 columns."""
    words = ("all", "--pdf", "--study", digits.root, "--out")
    return _reported(once, "reported", lambda out: process("ens-report", *words, out, env={"COLUMNS": "80"}))


@pytest.fixture(scope="session")
def documents(once: Once, digits: Study) -> Reported:
    """`ens-report all --json` of the digits."""
    words = ("all", "--json", "--study", digits.root, "--out")
    return _reported(once, "documents", lambda out: call("ens-report", *words, out))


@pytest.fixture(scope="session")
def few(once: Once) -> Path:
    """A folder of 80 small images of four classes, `studies.few_images`."""
    return once("few", few_images)


@pytest.fixture
def trained_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members are trained in this process, one after another."""
    monkeypatch.setattr("ensemble.training.pool.run_jobs", train_here)


@pytest.fixture
def tried_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run tries out a network in a few updates, not for a second."""
    monkeypatch.setattr("ensemble.training.estimate.PROBE_SECONDS", 0.02)


@pytest.fixture
def workers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members are trained in processes that are forked, where spawned ones load torch anew."""
    context = SimpleNamespace(Pipe=multiprocessing.Pipe, Process=Worker)
    monkeypatch.setattr("ensemble.training.pool.multiprocessing.get_context", lambda _method: context)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made and their files are there, but empty: for tests of numbers and words."""

    def touch(_figure: object, path: Path) -> Path:
        path.touch()
        return path

    monkeypatch.setattr("analysis.figures.style.save", touch)


@pytest.fixture(scope="session")
def tiny_imagenet_sample() -> Path:
    """A cut-down Tiny ImageNet as a zip: 200 classes with 40 training and 10 validation images each."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "tiny-imagenet-200-sample.zip"
    path = Path(os.environ.get("KOFN_TINY_IMAGENET", beside))
    if not path.is_file():
        pytest.skip(f"needs the sample of real Tiny ImageNet: {path} is not there, set KOFN_TINY_IMAGENET to its path")
    return path


@pytest.fixture(scope="session")
def picture() -> Callable[..., Path]:
    """A function (path, size, mode, seed) that writes a picture of noise, its format by the path's extension."""
    from PIL import Image

    def write(path: Path, size: tuple[int, int] = (8, 8), mode: str = "RGB", seed: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(noise).convert(mode).save(path)
        return path

    return write


@pytest.fixture(scope="session")
def tree(picture: Callable[..., Path]) -> Callable[..., Path]:
    """A function (root, ...) that writes train/ and val/ with a folder a class, `per_class` pictures each."""

    def write(
        root: Path, classes: tuple[str, ...] = ("cat", "dog"), per_class: int = 3, mode: str = "RGB", ext: str = "png"
    ) -> Path:
        seed = 0
        for split in ("train", "val"):
            for name in classes:
                for i in range(per_class):
                    seed += 1
                    picture(root / split / name / f"{name}_{i}.{ext}", mode=mode, seed=seed)
        return root

    return write


@pytest.fixture(scope="session")
def tiny_tree(picture: Callable[..., Path]) -> Callable[..., Path]:
    """A function (root) that writes two classes in Tiny ImageNet's official layout, 64 x 64 JPEGs."""

    def write(root: Path) -> Path:
        wnids = ("n02", "n01")
        for c, wnid in enumerate(wnids):
            for i in range(3):
                picture(root / f"train/{wnid}/images/{wnid}_{i}.JPEG", (64, 64), seed=10 * c + i)
            (root / f"train/{wnid}/{wnid}_boxes.txt").write_text("")
        lines = []
        for i in range(4):
            picture(root / f"val/images/val_{i}.JPEG", (64, 64), seed=100 + i)
            lines.append(f"val_{i}.JPEG\t{wnids[i % 2]}\t0\t0\t10\t10\n")
        (root / "val/val_annotations.txt").write_text("".join(lines))
        picture(root / "test/images/test_0.JPEG", (64, 64), mode="L", seed=200)
        (root / "wnids.txt").write_text("n02\nn01\n")
        (root / "words.txt").write_text("n01\tcrane, a bird\nn02\tcrane, a machine\nn03\tnobody\n")
        return root

    return write
