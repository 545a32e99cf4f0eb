"""The challenge's file: every line of it, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from ensemble.datasets.submission import LINE, check_submission, write_submission
from ensemble.errors import BadInput

CLASSES = ("n01443537", "n01629819", "n04597913")


def test_every_test_image_once_in_the_challenges_order(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).permutation(10_000)
    ids = np.array([f"images/test_{n}" for n in numbers])
    write_submission(tmp_path / "s.txt", ids, numbers % 3, CLASSES)
    lines = (tmp_path / "s.txt").read_text().splitlines()
    assert lines == [f"test_{n}.JPEG {CLASSES[n % 3]}" for n in range(10_000)]
    assert all(LINE.fullmatch(line) for line in lines)
    ids = np.array([f"test_{n}" for n in range(10_000)])
    write_submission(tmp_path / "flat.txt", ids, np.arange(10_000) % 3, CLASSES)
    assert (tmp_path / "flat.txt").read_bytes() == (tmp_path / "s.txt").read_bytes()


@pytest.mark.parametrize(
    ("ids", "classes", "message"),
    [
        (["test_0", "images/val_1"], CLASSES, "1 of these 2 are none, 'images/val_1' for one"),
        (["test_00"], CLASSES, "1 of these 1 are none"),
        ([f"test_{n}" for n in range(9_999)], CLASSES, "found 9,999: test_9999 is missing for one"),
        ([f"test_{n}" for n in range(10_001)], CLASSES, "found 10,001: test_10000 is one too many"),
        ([f"{n // 10_000}/test_{n % 10_000}" for n in range(10_001)], CLASSES, "found 10,001: test_0 stands twice"),
        ([f"test_{n}" for n in range(10_000)], ("cat", "dog"), "has the class 'cat'; use format='csv'"),
    ],
)
def test_other_data_are_refused(ids: list[str], classes: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadInput, match="format='tiny-imagenet': ") as error:
        check_submission(np.array(ids), classes)
    assert message in str(error.value)
