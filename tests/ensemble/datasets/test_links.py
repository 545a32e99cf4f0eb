"""What is planted in a shared folder is not followed."""

from pathlib import Path

import pytest

from ensemble.datasets.fetch import fetch_tiny_imagenet
from ensemble.errors import BadInput, StorageError
from ensemble.study.atomic import locked


def test_a_download_is_not_written_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / ".tiny-imagenet-200.zip.part").symlink_to(victim)
    with pytest.raises(BadInput, match="is a link, which is not written through"):
        fetch_tiny_imagenet(tmp_path)
    assert victim.read_text() == "mine"


def test_a_lock_is_not_taken_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "lock").symlink_to(victim)
    with pytest.raises(StorageError), locked(tmp_path / "lock"):
        pass
    assert victim.read_text() == "mine"
