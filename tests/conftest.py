"""What all tests share."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every process they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A shared machine pauses at will: time is no property of the code.
settings.register_profile("kofn", deadline=None)
settings.load_profile("kofn")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Packed images go to a temporary folder: no test, and no command that a test runs, writes to the home folder."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENS_CACHE", str(folder))
        yield folder


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
