"""Files that are damaged, foreign or hostile: each is refused in one sentence that names the file and the key."""

import contextlib
import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ensemble.errors import BadInput
from ensemble.study.hdf5 import seal_file
from ensemble.study.predictions import Predictions, read_predictions, read_rows, write_predictions

N, C = 40, 5


@pytest.fixture
def good(tmp_path: Path) -> Path:
    raw = np.random.default_rng(0).random((N, C)) + 0.01
    path = tmp_path / "a.val.h5"
    write_predictions(
        path,
        Predictions(
            member="a",
            split="val",
            probs=raw / raw.sum(axis=1, keepdims=True),
            sample_ids=np.array([f"s{i}" for i in range(N)]),
            class_ids=tuple("abcde"),
            class_names=tuple("ABCDE"),
            labels=np.arange(N) % C,
            first_layer=np.ones((4, 3, 3, 3), dtype=np.float32),
            recipe={"model": "m"},
        ),
    )
    return path


@contextlib.contextmanager
def edited(path: Path) -> Generator[h5py.File]:
    """Give a file to be changed on purpose: its seal is made anew, so that what lies behind it is looked at."""
    with h5py.File(path, "r+") as file:
        yield file
    seal_file(path)


def refused(path: Path) -> str:
    with pytest.raises(BadInput) as caught:
        read_predictions(path, extras=True)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < 450
    return message


def put(file: h5py.File, name: str, data: np.ndarray, **options: Any) -> None:
    del file[name]
    file.create_dataset(name, data=data, **{"fletcher32": True} | options)


def change_probs(row: int, values: list[float]) -> Callable[[h5py.File], object]:
    def change(file: h5py.File) -> None:
        file["probs"][row] = values

    return change


def set_attribute(name: str, value: object) -> Callable[[h5py.File], object]:
    if isinstance(value, str) or (isinstance(value, list) and isinstance(value[0], str)):
        value = np.array(value, dtype=np.bytes_)  # of fixed length, as the format has it
    return lambda file: file.attrs.__setitem__(name, value)


def drop_attribute(name: str) -> Callable[[h5py.File], object]:
    return lambda file: file.attrs.__delitem__(name)


def drop(name: str) -> Callable[[h5py.File], object]:
    return lambda file: file.__delitem__(name)


def replaced(name: str, make: Callable[[], np.ndarray], **options: Any) -> Callable[[h5py.File], object]:
    return lambda file: put(file, name, make(), **options)


def soft_link(file: h5py.File) -> None:
    del file["label"]
    file["label"] = h5py.SoftLink("/class")


def external_link(file: h5py.File) -> None:
    file["more"] = h5py.ExternalLink("other.h5", "/secret")


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(N, C), dtype="f4")
    layout[:] = h5py.VirtualSource("other.h5", "probs", shape=(N, C))
    del file["probs"]
    file.create_virtual_dataset("probs", layout)


def external_storage(file: h5py.File) -> None:
    secret = Path(file.filename).with_name("secret")
    secret.write_bytes(np.full((N, C), 1 / C, dtype="f4").tobytes())
    del file["probs"]
    file.create_dataset("probs", (N, C), "f4", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])


def huge(file: h5py.File) -> None:
    del file["probs"]
    file.create_dataset("probs", (10**9, 1000), "f4", chunks=(1000, 1000), fletcher32=True)


def huge_and_hollow(file: h5py.File) -> None:
    del file["probs"]
    file.create_dataset("probs", (10**5, 1000), "f4", chunks=(1000, 1000), fletcher32=True)


def huge_zipped(file: h5py.File) -> None:
    huge_data = file.create_dataset("zipped", (10**6, 1000), "f4", chunks=(10, 10), fletcher32=True, compression="gzip")
    huge_data[:10, :10] = 0
    del file["probs"]
    file.move("zipped", "probs")


def huge_chunk(file: h5py.File) -> None:
    del file["probs"]
    file.create_dataset("probs", (N, C), "f4", maxshape=(None, C), chunks=(2**20, C), fletcher32=True)


def variable_text(file: h5py.File) -> None:
    put(
        file, "sample", np.array([f"s{i}" for i in range(N)], dtype=object), dtype=h5py.string_dtype(), fletcher32=False
    )


CASES: dict[str, tuple[Callable[[h5py.File], object], str]] = {
    "no kind": (drop_attribute("kind"), "kind: expected 'kofn.predictions', found none"),
    "wrong kind": (set_attribute("kind", "kofn.subsets"), "kind: expected 'kofn.predictions', found 'kofn.subsets'"),
    "future": (set_attribute("version", 3), "version 3, this program reads 2 and older; update kofn"),
    "version is text": (set_attribute("version", "1"), "version: expected the whole number 2, found '1'"),
    "cut off": (drop_attribute("complete"), "complete: expected 1, found none, so its writing was cut off"),
    "complete is 0": (set_attribute("complete", 0), "complete: expected 1, found 0"),
    "complete is a list": (set_attribute("complete", [1, 1]), "complete: expected 1"),
    "no member": (drop_attribute("member"), "member: expected text, found none"),
    "member is a path": (set_attribute("member", "../a"), "member '../a': use letters"),
    "member_kind": (set_attribute("member_kind", "forest"), "kind must be 'member' or 'ensemble'"),
    "ids_given": (set_attribute("ids_given", 2), "ids_given: expected 0 or 1, found 2"),
    "recipe is no JSON": (set_attribute("recipe", "{"), "recipe: expected JSON"),
    "recipe is deep": (set_attribute("recipe", "[" * 100_000), "recipe: expected JSON"),
    "recipe is a list": (set_attribute("recipe", "[]"), "recipe: expected a JSON object, found list"),
    "seed is text": (set_attribute("seed", "x"), "seed: expected a whole number, found 'x'"),
    "parents without weights": (set_attribute("parents", ["a", "b"]), "2 parents, but 0 weights"),
    "weights not finite": (set_attribute("weights", [np.nan]), "weights: expected a list of finite numbers"),
    "bad UTF-8": (set_attribute("member", np.bytes_(b"\xff\xfe")), "attribute 'member': expected UTF-8 text"),
    "no probs": (drop("probs"), "expected the dataset 'probs', found none"),
    "no sample": (drop("sample"), "expected the dataset 'sample', found none"),
    "a group": (
        lambda f: (f.__delitem__("probs"), f.create_group("probs")),
        "probs: expected a dataset, found a group",
    ),
    "soft link": (soft_link, "label: expected an array, found a link to another place"),
    "external link": (external_link, "more: expected an array, found a link to another place"),
    "virtual": (virtual, "probs: expected data in this file, found a virtual dataset"),
    "external storage": (external_storage, "probs: expected data in this file, found them in another"),
    "no checksum": (replaced("label", lambda: np.arange(N) % C, fletcher32=False), "label: expected a Fletcher-32"),
    "another filter": (
        lambda f: put(f, "probs", np.full((N, C), 1 / C, "f4"), fletcher32=True, compression="lzf"),
        "probs: expected no filters but gzip, shuffle, fletcher32, found number 32000",
    ),
    "4 TB": (huge, "probs: claims 4,000,000,000,000 bytes, and at most 17,179,869,184 are read"),
    "hollow": (huge_and_hollow, "probs: claims 400,000,000 bytes, but 0 are stored"),
    "zip bomb": (huge_zipped, "probs: claims 4,000,000,000 bytes, but"),
    "huge chunk": (huge_chunk, "probs: claims 20,971,520 bytes, but 0 are stored"),
    "probs are integers": (replaced("probs", lambda: np.ones((N, C), int)), "probs: expected floating point"),
    "probs are complex": (replaced("probs", lambda: np.ones((N, C), "c8")), "probs: expected floating point"),
    "probs are flat": (replaced("probs", lambda: np.ones(N, "f4")), r"probs: expected 2 axes, found the shape \(40,\)"),
    "labels are floating": (replaced("label", lambda: np.zeros(N)), "label: expected whole numbers, found float64"),
    "labels are text": (replaced("label", lambda: np.full(N, b"a")), "label: expected whole numbers, found text"),
    "labels are too few": (
        replaced("label", lambda: np.zeros(7, int)),
        r"label: expected the shape \(40,\) beside probs \(40, 5\), found \(7,\)",
    ),
    "labels too high": (replaced("label", lambda: np.full(N, C)), "whole numbers from 0..4, found 5 in row 0"),
    "labels below 0": (replaced("label", lambda: np.full(N, -1)), "whole numbers from 0..4, found -1 in row 0"),
    "ids are numbers": (replaced("sample", lambda: np.arange(N)), "sample: expected text of fixed length, found int64"),
    "ids of variable length": (variable_text, "sample: expected text of fixed length, found text of variable length"),
    "ids twice": (replaced("sample", lambda: np.full(N, b"s1")), "ids must be unique"),
    "an empty id": (replaced("sample", lambda: np.array([f"s{i}" if i else "" for i in range(N)], "S3")), "is empty"),
    "ids no UTF-8": (
        replaced("sample", lambda: np.array([b"\xff%d" % i for i in range(N)])),
        "sample: expected UTF-8 text",
    ),
    "classes twice": (replaced("class", lambda: np.full(C, b"a")), "ids must be unique"),
    "classes too few": (replaced("class", lambda: np.array([b"a", b"b"])), r"class: expected the shape \(5,\)"),
    "NaN": (change_probs(3, [np.nan, 1, 0, 0, 0]), "must be finite, but 1 of 40 rows do not hold, row 3 first: nan"),
    "infinite": (change_probs(3, [np.inf, 1, 0, 0, 0]), "must be finite"),
    "negative": (change_probs(4, [-0.5, 1.5, 0, 0, 0]), "must not be negative, but 1 of 40 rows do not hold, row 4"),
    "rows off": (change_probs(5, [0.5, 0, 0, 0, 0]), "must sum to 1 within 0.0001, .* row 5 first: sum 0.5"),
    "too large for float32": (
        replaced("probs", lambda: np.full((N, C), 1e300)),
        "probabilities must be finite, but 40 of 40",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_by_name(case: str, good: Path) -> None:
    damage, message = CASES[case]
    with edited(good) as file:
        damage(file)
    assert re.search(message, refused(good)), refused(good)


@pytest.mark.parametrize("case", ["4 TB", "wrong kind", "external link", "labels too high", "ids twice", "no probs"])
def test_rows_alone_are_refused_alike(case: str, good: Path) -> None:
    with edited(good) as file:
        CASES[case][0](file)
    with pytest.raises(BadInput, match=re.escape(str(good))):
        read_rows(good)


def test_a_small_file_may_claim_terabytes(good: Path) -> None:
    with edited(good) as file:
        huge(file)
    assert good.stat().st_size < 20_000


def test_cut_short_anywhere(good: Path) -> None:
    whole = good.read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        good.write_bytes(whole[:length])
        message = refused(good)
        found = ("does not match its checksum", "expected an HDF5 file, found something else", "cut short")
        assert any(words in message for words in found), (length, message)


def test_any_changed_byte_is_noticed(good: Path) -> None:
    whole = good.read_bytes()
    rng = np.random.default_rng(1)
    for place in [*range(64), *rng.integers(0, len(whole), 300)]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(0, 8))
        good.write_bytes(damaged)
        refused(good)


def test_no_byte_of_a_damaged_file_reaches_the_library(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = bytearray(good.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    good.write_bytes(damaged)
    monkeypatch.setattr(h5py, "File", None)
    assert "does not match its checksum, so it was changed or damaged after it was written" in refused(good)


def test_an_older_file_keeps_the_checksums_of_its_chunks(tmp_path: Path) -> None:
    frozen = Path(__file__).parents[2] / "data" / "format-v1" / "member.h5"
    with h5py.File(frozen) as file:
        chunk = file["probs"].id.get_chunk_info(0)
    damaged = bytearray(frozen.read_bytes())
    damaged[chunk.byte_offset + 5] ^= 1
    path = tmp_path / "a.h5"
    path.write_bytes(damaged)
    assert "probs: expected data that match their checksum, found damage" in refused(path)


def test_a_new_file_without_its_seal_is_refused(good: Path) -> None:
    good.write_bytes(good.read_bytes()[:512].replace(b"kofn", b"kofm") + good.read_bytes()[512:])
    assert "version 2: expected a checksum in its first bytes, found none" in refused(good)


def test_text_of_variable_length_is_refused_under_a_seal(good: Path) -> None:
    with edited(good) as file:
        file.attrs["note"] = "in the heap"
    assert "attribute 'note': expected text of fixed length, found variable" in refused(good)


def test_files_that_are_something_else(tmp_path: Path) -> None:
    text = tmp_path / "a.h5"
    text.write_text("hello " * 100)
    assert "expected an HDF5 file, found something else" in refused(text)
    assert "no such file" in refused(tmp_path / "none.h5")
    assert "found a folder" in refused(tmp_path)


def test_unknown_datasets_and_groups_are_ignored(good: Path) -> None:
    with edited(good) as file:
        file.create_dataset("other", data=np.arange(3))
        file.create_group("more")["link"] = h5py.ExternalLink("other.h5", "/secret")
        file.attrs["reference"] = file["probs"].ref
    p = read_predictions(good)
    assert "reference" not in p.attributes
