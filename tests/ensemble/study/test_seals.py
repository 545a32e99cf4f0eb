"""Seals, by hand: the SHA-256 of a file with zeros in place of its digits, and files read with distrust."""

import hashlib
import os
from pathlib import Path

import pytest

from ensemble.errors import BadInput
from ensemble.study.seals import (
    BLANK,
    check_seal,
    open_regular,
    read_text,
    read_toml,
    seal_in_place,
    sealed,
    sealed_text,
    write_sealed,
)

SEAL = len(BLANK)


def with_seal(before: int, after: int) -> bytes:
    """Content with a right seal after so many bytes, made without the code that is tested."""
    blank = b"a" * before + b"kofn-sha256:" + b"0" * 64 + b"b" * after
    return blank.replace(b"0" * 64, hashlib.sha256(blank).hexdigest().encode())


@pytest.mark.parametrize(
    ("before", "after"),
    # At the very begin and end, at the edges of the first and the last 512 bytes, and across the end of a block read.
    [(0, 0), (0, 5000), (5000, 0), (512 - SEAL, 5000), (5000, 512 - SEAL), (2**20 - 40, 30), (2**20 - SEAL, 9)],
)
def test_a_seal_covers_every_byte(before: int, after: int, tmp_path: Path) -> None:
    path, content = tmp_path / "f", with_seal(before, after)
    path.write_bytes(content)
    assert check_seal(path)
    for place in {0, before // 2, before + 13, before + SEAL - 1, len(content) - 1}:
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        if before <= place < before + 12:
            assert not check_seal(path)  # in its mark: none is seen
        else:
            with pytest.raises(BadInput, match=r"f: does not match its checksum, .*; take another\.$"):
                check_seal(path, "take another")


@pytest.mark.parametrize(("before", "after"), [(513 - SEAL, 513 - SEAL), (600, 600)])
def test_a_seal_in_the_middle_is_none(before: int, after: int, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(with_seal(before, after))
    assert not check_seal(tmp_path / "f")


def test_a_mark_that_was_changed_or_cut(tmp_path: Path) -> None:
    path = tmp_path / "f"
    for content in (b"kofm-sha256:" + b"0af" * 8, b"x" * 900 + b"kofn-sha25", b"x" * 900 + b"0af" * 8 + b"x" * 56):
        path.write_bytes(content)
        assert not check_seal(path)
        with pytest.raises(BadInput, match="does not match its checksum"):
            check_seal(path, nearly=True)
    for content in (b"x" * 900 + b"0af" * 7 + b"0a", b"x" * 900 + b"0af" * 8 + b"x" * 90):  # 23 digits; in its middle
        path.write_bytes(content)
        assert not check_seal(path, nearly=True)


def test_sealed_and_written_are_the_same(tmp_path: Path) -> None:
    blank = b"<<" + BLANK.encode() + b">>"
    assert (
        sealed(blank + b"rest")
        == blank.replace(b"0" * 64, hashlib.sha256(blank + b"rest").hexdigest().encode()) + b"rest"
    )
    write_sealed(tmp_path / "f", blank, b"re", memoryview(b"st"))
    assert (tmp_path / "f").read_bytes() == sealed(blank + b"rest")
    with pytest.raises(ValueError):
        write_sealed(tmp_path / "f", b"x" * 512 + BLANK.encode())


@pytest.mark.parametrize("rest", [b"", b"rest", b"r" * (2**20 + 5)])
def test_a_seal_is_put_in_front_of_what_is_there(rest: bytes, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 128 + rest)
    seal_in_place(tmp_path / "f", 128)
    content = (tmp_path / "f").read_bytes()
    assert content == sealed(f"{BLANK}\n".encode().ljust(128, b"\0") + rest)
    assert check_seal(tmp_path / "f")


def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, words in (
        ("none", "cannot be read, no such file"), ("a\0b", "cannot be read, embedded null"),
        ("pipe", "expected a plain file, found a pipe"), (".", "expected a file, found a folder"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=words):
            open_regular(tmp_path / name)
    opened = Path("/dev/fd")
    before = len(list(opened.iterdir()))
    for name in ("pipe", "."):
        with pytest.raises(BadInput):
            open_regular(tmp_path / name)
    assert len(list(opened.iterdir())) == before  # none is left open


def test_text_is_read_up_to_its_largest_size(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes("é".encode() * 5)
    assert read_text(tmp_path / "t", 10) == "é" * 5
    with pytest.raises(BadInput, match="expected at most 9 bytes of text, found more"):
        read_text(tmp_path / "t", 9)
    (tmp_path / "t").write_bytes(b"\xff")
    with pytest.raises(BadInput, match=r"expected UTF-8 text, found something else \(invalid start byte\)"):
        read_text(tmp_path / "t")


def test_toml_with_and_without_a_seal(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("x = 1\n")
    assert read_toml(path, "a test") == {"x": 1}
    path.write_text(sealed_text("x = 1\n"))
    assert read_toml(path, "a test") == {"x": 1}
    good = path.read_text()
    for bad in (good.replace("x = 1", "x = 2"), good.replace("kofn", "kofm"), "\n" + good, good + f"# {BLANK}"):
        path.write_text(bad)
        with pytest.raises(BadInput, match="delete its first line"):
            read_toml(path, "a test")
    path.write_text(good.partition("\n")[2])  # as the message says
    assert read_toml(path, "a test") == {"x": 1}
    for bad, words in (("x = ", "a test, expected TOML, Invalid value"), ("x = " + "[" * 9999, "nested too deeply")):
        path.write_text(bad)
        with pytest.raises(BadInput, match=words):
            read_toml(path, "a test")
