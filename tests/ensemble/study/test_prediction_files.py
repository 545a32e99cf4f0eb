"""Predictions and tables on disk: frozen files of each version, round trips, and the example in FORMAT.md."""

import importlib.util
import re
import runpy
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.errors import BadInput
from ensemble.study.predictions import Predictions, read_predictions, read_rows, write_predictions
from ensemble.study.tables import read_table, write_table

ROOT = Path(__file__).parents[3]
FROZEN = ROOT / "tests/data/format-v1"
VERSIONS = pytest.mark.parametrize("frozen", [FROZEN, FROZEN.with_name("format-v2")], ids=["v1", "v2"])
PROBS = [[0.5, 0.25, 0.25], [0, 1, 0], [0.125, 0.125, 0.75], [0.25, 0.5, 0.25]]


def assert_same(a: Predictions, b: Predictions) -> None:
    for name in ("member", "split", "class_ids", "class_names", "ids_given", "kind", "parents", "weights"):
        assert getattr(a, name) == getattr(b, name), name
    assert a.data_fingerprint == b.data_fingerprint
    assert a.recipe == b.recipe
    for x, y in (
        (a.probs, b.probs),
        (a.sample_ids, b.sample_ids),
        (a.labels, b.labels),
        (a.first_layer, b.first_layer),
    ):
        assert (x is None) == (y is None)
        if x is not None and y is not None:
            assert x.dtype.kind == y.dtype.kind
            assert np.array_equal(x, y)
    assert a.attributes.keys() == b.attributes.keys()
    assert a.extras.keys() == b.extras.keys()
    for key in a.attributes:
        assert np.array_equal(a.attributes[key], b.attributes[key]), key
    for key in a.extras:
        assert np.array_equal(a.extras[key], b.extras[key]), key


@VERSIONS
def test_frozen_member_with_all_parts(frozen: Path) -> None:
    p = read_predictions(frozen / "member.h5", extras=True)
    assert (p.member, p.split, p.kind, p.ids_given) == ("ting-m3-0", "val", "member", True)
    assert p.probs.dtype == np.float32
    assert p.probs.tolist() == PROBS
    assert p.sample_ids.tolist() == ["n01/a", "n01/é", "n02/日本", "n03/d"]
    assert p.class_ids == ("n01", "n02", "n03")
    assert p.class_names == ("goldfish", "café", "")
    assert p.labels is not None and p.labels.dtype == np.int64
    assert p.labels.tolist() == [0, 1, 2, 0]
    assert p.recipe == {"model": "ting-m3", "learning_rate": 0.01, "note": "µ"}
    assert p.data_fingerprint == "ab" * 32
    assert p.first_layer is not None and p.first_layer.shape == (2, 3, 2, 2)
    assert p.first_layer.ravel().tolist() == list(range(24))
    assert p.extras["logits"].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert p.extras["group"].tolist() == ["p1", "p1", "p2", "p2"]
    assert p.extras["fold"].tolist() == [0, 1, 0, 1]
    listed = dict(p.attributes)
    assert listed.pop("x_list").tolist() == [1.5, 2.5]
    assert listed == {
        "epoch": 75, "seed": 7, "view": "centre", "weights_sha256": "cd" * 32, "x_note": "kept", "x_names": ("a", "ü"),
    }  # fmt: skip
    assert read_predictions(frozen / "member.h5").extras == {}


@VERSIONS
def test_frozen_unlabelled(frozen: Path) -> None:
    p = read_predictions(frozen / "unlabelled.h5")
    assert (p.member, p.split, p.ids_given, p.labels, p.recipe) == ("rows-only", "test", False, None, None)
    assert p.sample_ids.tolist() == ["0", "1"]
    assert p.probs.tolist() == PROBS[:2]


@VERSIONS
def test_frozen_ensemble(frozen: Path) -> None:
    p = read_predictions(frozen / "ensemble.h5")
    assert (p.member, p.kind, p.parents, p.weights) == ("best-2", "ensemble", ("a-1", "b-2"), (0.75, 0.25))
    assert p.probs.tolist() == PROBS


@pytest.mark.parametrize("fresh", [False, True], ids=["frozen", "run from FORMAT.md"])
def test_plain_h5py_example(fresh: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = FROZEN / "plain.h5"
    if fresh:
        example = re.search(r"```python\n(.*?)```", (ROOT / "FORMAT.md").read_text(encoding="utf-8"), re.DOTALL)
        assert example is not None
        assert "kofn" not in re.findall(r"import (\w+)", example.group(1))
        (tmp_path / "example.py").write_text(example.group(1), encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        runpy.run_path("example.py")
        path = tmp_path / "plain.val.h5"
    p = read_predictions(path)
    assert (p.member, p.split, p.class_ids, p.class_names) == (
        "plain",
        "val",
        ("cat", "dog", "eel"),
        ("cat", "dog", "eel"),
    )
    assert p.sample_ids.tolist() == ["cat/1", "dog/1"]
    assert p.probs.tolist() == np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], dtype=np.float32).tolist()
    assert p.labels is not None and p.labels.tolist() == [0, 2]


@VERSIONS
def test_frozen_table(frozen: Path) -> None:
    columns, attributes = read_table(frozen / "table.h5")
    assert list(columns) == ["mask", "members", "nll"]
    assert columns["mask"].tolist() == [1, 2, 3]
    assert columns["mask"].dtype == np.uint64
    assert columns["members"].tolist() == ["a", "b", "a+b"]
    assert columns["nll"].tolist() == [1.5, 2, 0.5]
    assert attributes == {"members": ("a", "b"), "split": "val"}


def test_todays_writer_writes_what_was_frozen(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("make", FROZEN / "make.py")
    assert spec is not None and spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    make.main(tmp_path)
    for frozen in sorted(FROZEN.glob("*.h5")):
        if frozen.name == "table.h5":
            continue
        assert_same(read_predictions(frozen, extras=True), read_predictions(tmp_path / frozen.name, extras=True))


def test_layout_is_that_of_the_document(tmp_path: Path) -> None:
    path = tmp_path / "a.val.h5"
    write_predictions(
        path,
        Predictions(
            "a", "val", np.full((2500, 4), 0.25, "f4"), np.arange(2500).astype(str), tuple("abcd"), tuple("abcd")
        ),
    )
    with h5py.File(path) as file:
        assert file["probs"].chunks == (1000, 4)
        assert np.isnan(file["probs"].fillvalue)
        for name in ("probs", "sample", "class", "class_name"):
            assert file[name].fletcher32
            assert file[name].compression is None
        assert file["sample"].dims[0].label == "" and file["sample"].is_scale and file["class"].is_scale
        assert [file["probs"].dims[i][0].name for i in range(2)] == ["/sample", "/class"]
        assert h5py.check_string_dtype(file["class"].dtype) == h5py.h5t.string_info("utf-8", 2)
        assert "label" not in file
    assert path.stat().st_size < 2500 * (4 * 4 + 4) + 20_000


TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=12)


@st.composite
def some_predictions(draw: st.DrawFn) -> Predictions:
    n, c = draw(st.integers(1, 7)), draw(st.integers(2, 5))
    weights = draw(st.lists(st.lists(st.integers(0, 9), min_size=c, max_size=c), min_size=n, max_size=n))
    raw = np.array(weights, dtype=np.float64) + 0.01
    return Predictions(
        member=draw(st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)),
        split="val",
        probs=raw / raw.sum(axis=1, keepdims=True),
        sample_ids=np.array(draw(st.lists(TEXT, min_size=n, max_size=n, unique=True))),
        class_ids=tuple(draw(st.lists(TEXT, min_size=c, max_size=c, unique=True))),
        class_names=tuple(draw(st.lists(st.one_of(st.just(""), TEXT), min_size=c, max_size=c))),
        labels=draw(st.one_of(st.none(), st.lists(st.integers(0, c - 1), min_size=n, max_size=n).map(np.array))),
        ids_given=draw(st.booleans()),
        recipe=draw(st.one_of(st.none(), st.dictionaries(TEXT, st.one_of(st.integers(), st.booleans(), TEXT)))),
        attributes=draw(
            st.dictionaries(TEXT.map(lambda t: "x" + t), st.one_of(TEXT, st.integers(-9, 9), st.floats(-1, 1)))
        ),
        extras=draw(st.sampled_from([{}, {"fold": np.arange(n)}, {"logits": np.log(raw).astype(np.float32)}])),
    )


@given(some_predictions())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, predictions: Predictions) -> None:
    path = tmp_path_factory.getbasetemp() / "round.val.h5"
    write_predictions(path, predictions)
    assert_same(predictions, read_predictions(path, extras=True))
    rows = read_rows(path)
    assert (rows.member, rows.class_ids, rows.ids_given) == (
        predictions.member,
        predictions.class_ids,
        predictions.ids_given,
    )
    assert rows.sample_ids.tolist() == predictions.sample_ids.tolist()


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", ">f8"])
def test_other_floating_point_is_read_as_float32(dtype: str, tmp_path: Path) -> None:
    path = tmp_path / "a.val.h5"
    path.write_bytes((FROZEN / "plain.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        del file["probs"]
        file.create_dataset("probs", data=np.array([[0.5, 0.25, 0.25], [0, 0, 1]], dtype=dtype), fletcher32=True)
    probs = read_predictions(path).probs
    assert probs.dtype == np.dtype("=f4")
    assert probs.tolist() == [[0.5, 0.25, 0.25], [0, 0, 1]]


def test_gzip_with_shuffle_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.val.h5"
    path.write_bytes((FROZEN / "plain.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        probs = file["probs"][()]
        del file["probs"]
        file.create_dataset("probs", data=probs, fletcher32=True, compression="gzip", shuffle=True)
    assert np.array_equal(read_predictions(path).probs, probs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attributes": {"kind": "x"}}, "attribute 'kind' is the format's own"),
        ({"attributes": {"x": None}}, "attribute 'x': expected a number, text or a list of these, found None"),
        ({"attributes": {"x": "a\0b"}}, "holds a NUL character"),
        ({"extras": {"view": np.zeros(2)}}, "extras may be logits, group, fold, found 'view'"),
        ({"extras": {"fold": np.zeros(3)}}, r"fold: expected the shape \(2,\), found \(3,\)"),
        ({"sample_ids": np.array(["a", "b\udc80"])}, "samples: expected text, found the code 0xdc80 in row 1"),
    ],
)
def test_what_cannot_be_stored_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    fields: dict[str, Any] = {"sample_ids": np.array(["a", "b"])} | change
    with pytest.raises(BadInput, match=message):  # some where the value is made, the others where it is written
        write_predictions(
            tmp_path / "a.val.h5",
            Predictions("a", "val", np.full((2, 2), 0.5), class_ids=("x", "y"), class_names=("x", "y"), **fields),
        )
    assert list(tmp_path.iterdir()) == []


def test_table_round_trip_keeps_order_and_types(tmp_path: Path) -> None:
    path = tmp_path / "t.h5"
    columns = {"mask": np.array([1, 2**63], np.uint64), "z": np.array([1, 2], np.int32), "a": np.array(["x", "é+y"])}
    write_table(path, columns, {"rule": "mean", "samples": 5, "members": ["a", "b"]})
    found, attributes = read_table(path)
    assert list(found) == ["mask", "z", "a"]
    assert [c.dtype.kind for c in found.values()] == ["u", "i", "U"]
    assert all(np.array_equal(found[name], columns[name]) for name in columns)
    assert attributes == {"rule": "mean", "samples": 5, "members": ("a", "b")}
    with pytest.raises(BadInput, match=r"kind: expected 'kofn\.predictions', found 'kofn\.subsets'"):
        read_predictions(path)
    with pytest.raises(BadInput, match="expected columns of one length"):
        write_table(path, {"mask": np.arange(2), "b": np.arange(3)}, {})
