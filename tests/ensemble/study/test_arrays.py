"""Arrays of NumPy files at the edges of what is read: headings, claims, packing, texts."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ensemble.errors import BadInput
from ensemble.study.arrays import map_npy, number_text, read_lines, read_npy, read_npz, texts_of
from ensemble.study.child import large_files


def npy(heading: str, data: bytes, version: int = 1) -> bytes:
    size = struct.pack("<H" if version == 1 else "<I", len(heading))
    return b"\x93NUMPY" + bytes([version, 0]) + size + heading.encode() + data


def heading(shape: object, length: int = 118, kind: str = "<f4") -> str:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    return text + " " * (length - 1 - len(text)) + "\n"


@pytest.mark.parametrize("read", [read_npy, map_npy])
def test_whole_files_and_what_they_may_claim(read, tmp_path: Path) -> None:
    path, data = tmp_path / "a.npy", np.arange(6, dtype="<f4").tobytes()
    for version, length in ((1, 118), (2, 118), (2, 10_000)):
        path.write_bytes(npy(heading((2, 3), length), data, version))
        assert read(path).tolist() == [[0, 1, 2], [3, 4, 5]]
    for content, words in (
        (npy(heading((2, 3), 10_001), data, 2), "at most 10,000 bytes, found one that claims 10,001"),
        (npy(heading((2, 3)), data, 3), r"version 1 or 2, found \(3, 0\)"),
        (npy(heading((2, 40)), data), "claims 320 bytes, which the file cannot hold"),
        (npy(heading((0, 10**10)), b""), "claims 40,000,000,000 bytes"),
        (npy(heading((2, 4)), data), "expected a whole .npy file, found damage"),
        (npy(heading("'x'"), data), "found one that says no type and shape"),
        (npy(heading((2, 3), kind="|O"), data), "found Python objects, which are pickles"),
        (b"\x80\x04" + data, "found a pickle"), (b"", "found an empty file"), (b"\x93NUMP", "found damage"),
    ):  # fmt: skip
        path.write_bytes(content)
        with pytest.raises(BadInput, match=words):
            read(path)


def packed(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_archives_give_what_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, one=np.arange(3), two=np.arange(4))
    found, names = read_npz(path, ("two", "three"))
    assert ({k: v.tolist() for k, v in found.items()}, names) == ({"two": [0, 1, 2, 3]}, ["one", "two"])
    one = npy(heading((3,)), bytes(12))
    path.write_bytes(packed({"one.npy": one}, zipfile.ZIP_BZIP2))
    with pytest.raises(BadInput, match="one: is compressed in a way NumPy does not write"):
        read_npz(path, ("one",))
    path.write_bytes(packed({"one.npy": npy(heading((99,)), bytes(12))}, zipfile.ZIP_STORED))
    with pytest.raises(BadInput, match="one: claims 396 bytes"):
        read_npz(path, ("one",))


def test_what_unpacks_to_far_more_wants_to_be_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, rows = tmp_path / "a.npz", 10_000
    np.savez_compressed(path, x=np.zeros(rows, np.float32))
    stored = zipfile.ZipFile(path).infolist()[0].compress_size
    assert 40 * stored < 4 * rows
    assert read_npz(path, ("x",))[0]["x"].shape == (rows,)  # below what any array may take
    monkeypatch.setattr("ensemble.study.arrays.UNPACKED", 4 * rows)
    assert read_npz(path, ("x",))[0]["x"].shape == (rows,)
    monkeypatch.setattr("ensemble.study.arrays.UNPACKED", 4 * rows - 1)
    with pytest.raises(BadInput, match=f"unpacks {stored} bytes to 40,000, as no predictions do"):
        read_npz(path, ("x",))
    with large_files():
        assert read_npz(path, ("x",))[0]["x"].shape == (rows,)
    monkeypatch.setattr("ensemble.study.arrays.UNPACKED_TIMES", -(-4 * rows // stored))
    assert read_npz(path, ("x",))[0]["x"].shape == (rows,)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([1, 2]), ["1", "2"]), (np.array([[1], [2]]), ["1", "2"]), (np.array([True]), ["True"]),
        (np.array([1.0, 2.5, np.nan]), ["1", "2.5", ""]), (np.array([b"a", "é".encode()]), ["a", "é"]),
        (np.array(["a", "\U0001f600"]), ["a", "\U0001f600"]), (np.array(["a"], ">U3"), ["a"]),
        (np.array(["\ud7ff\ue000\U0010ffff"]), ["\ud7ff\ue000\U0010ffff"]),  # the characters beside what is none
    ],
)  # fmt: skip
def test_texts(array: np.ndarray, expected: list[str]) -> None:
    assert texts_of(array, "x") == expected


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.ones((2, 2)), r"x: expected one value each, found the shape \(2, 2\)"),
        (np.array(1), r"found the shape \(\)"), (np.array([b"\xff"]), "x: expected UTF-8 text, found"),
        (np.array([1j]), "expected whole numbers or text, found complex"),
        (np.array([0, 0, 0x110000], "u4").view("U3"), "found the code 0x110000 in row 0"),
        (np.array([[97, 0], [0, 0xD800]], "u4").view("U2")[:, 0], "found the code 0xd800 in row 1"),
        (np.array([0xDFFF], "u4").view("U1"), "found the code 0xdfff in row 0"),
    ],
)  # fmt: skip
def test_what_is_no_text(array: np.ndarray, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        texts_of(array, "x")


def test_numbers_as_text() -> None:
    assert [number_text(x) for x in (0.0, -3.0, 0.1, float("nan"), 2.0**53 - 1)] == [
        "0",
        "-3",
        "0.1",
        "",
        "9007199254740991",
    ]
    assert number_text(2.0**53) == "9007199254740992.0"


def test_lines(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"\xef\xbb\xbfa\r\n\nb\n \n\n")
    assert read_lines(tmp_path / "t") == ["a", "", "b"]
    (tmp_path / "t").write_bytes(b"\xff")
    with pytest.raises(BadInput, match="expected UTF-8 text"):
        read_lines(tmp_path / "t")
