"""Predictions made elsewhere: what is read, what is mended, what is refused, and how it fits a study."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ensemble.errors import BadInput, StorageError
from ensemble.importing.parse import Classes, import_file, import_files
from ensemble.importing.validate import Admission, admit, study_classes
from ensemble.importing.values import softmax
from ensemble.study.names import MemberFiles
from ensemble.study.predictions import Predictions, read_predictions, write_predictions
from ensemble.study.study import Study, ids_digest
from ensemble.study.tables import write_table

P = np.array([[0.5, 0.25, 0.25], [0, 1, 0], [0.125, 0.125, 0.75], [0.25, 0.5, 0.25]])
Y = np.array([0, 1, 2, 0])
IDS = ["a", "b", "c", "d"]


def npz(folder: Path, name: str = "m.npz", **content: Any) -> Path:
    return npz_of(folder, name, **({"probs": P} | content))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_npz_with_everything(tmp_path: Path) -> None:
    path = npz(tmp_path, labels=Y, sample_ids=IDS, class_ids=["x", "y", "z"], class_names=["Ex", "Why", "Zed"])
    one = import_file(path)
    p = one.predictions
    assert (p.member, p.split, p.ids_given, p.class_ids, p.class_names) == (
        "m", "val", True, ("x", "y", "z"), ("Ex", "Why", "Zed"),
    )  # fmt: skip
    assert p.probs.tolist() == P.tolist()
    assert p.labels is not None and p.labels.tolist() == Y.tolist()
    assert p.sample_ids.tolist() == IDS
    assert (one.clipped_rows, one.notes) == (0, ())


def test_bare_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "my model (v1.2).npy", P.astype(np.float32))
    p = import_file(tmp_path / "my model (v1.2).npy").predictions
    assert p.member == "my-model-v1-2"
    assert (p.labels, p.ids_given) == (None, False)
    assert p.sample_ids.tolist() == ["0", "1", "2", "3"]
    assert p.class_ids == ("000", "001", "002")


def test_column_numbers_sort_as_columns(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.full((2, 1200), 1 / 1200))
    ids = import_file(tmp_path / "m.npy").predictions.class_ids
    assert (ids[0], ids[-1], sorted(ids)) == ("0000", "1199", list(ids))


CSV = "id,label,cat,dog\nb,dog,0.25,0.75\na,cat,1,0\n"


def test_a_table_names_its_rows_and_columns(tmp_path: Path) -> None:
    from pyarrow import csv, parquet

    path = write(tmp_path / "mate.csv", CSV)
    parquet.write_table(csv.read_csv(path), tmp_path / "mate.parquet")
    for p in (import_file(path).predictions, import_file(tmp_path / "mate.parquet").predictions):
        assert (p.member, p.class_ids, p.sample_ids.tolist()) == ("mate", ("cat", "dog"), ["b", "a"])
        assert p.labels is not None and p.labels.tolist() == [1, 0]
        assert p.probs.tolist() == [[0.25, 0.75], [1, 0]]


@pytest.mark.usefixtures("near")
def test_parquet_of_no_rows_is_refused_and_of_thousands_of_columns_is_read(tmp_path: Path) -> None:
    from pyarrow import parquet
    from pyarrow import table as arrow

    wide = {"id": ["a", "b"], **{f"c{j}": [1 / 3000] * 2 for j in range(3000)}}
    parquet.write_table(arrow(wide), tmp_path / "wide.parquet")
    assert import_file(tmp_path / "wide.parquet").predictions.probs.shape == (2, 3000)
    parquet.write_table(arrow({"id": ["a"], "cat": [0.5], "dog": [0.5]}).slice(1), tmp_path / "none.parquet")
    with pytest.raises(BadInput, match=r"none\.parquet: .*row"):
        import_file(tmp_path / "none.parquet")


def test_a_table_may_call_the_studys_classes_by_their_names(tmp_path: Path) -> None:
    study = Classes(("n01", "n02"), ("dog", "cat"))
    p = import_file(write(tmp_path / "m.csv", CSV), study_classes=study).predictions
    assert (p.class_ids, p.class_names) == (("n02", "n01"), ("cat", "dog"))
    assert p.labels is not None and p.labels.tolist() == [1, 0]


def test_two_columns_of_one_name_need_ids(tmp_path: Path) -> None:
    path = npz(tmp_path, class_names=["twin", "twin", "x"])
    with pytest.raises(BadInput, match="class_names: 'twin' names several columns; save class_ids too"):
        import_file(path)
    p = import_file(npz(tmp_path, class_names=["twin", "twin", "x"], class_ids=["a", "b", "c"])).predictions
    assert p.class_names == ("twin", "twin", "x")


def test_a_table_with_labels_by_number_and_without(tmp_path: Path) -> None:
    p = import_file(write(tmp_path / "n.csv", "image,a,b,target\n7,0,1,1\n8,1,0,0\n")).predictions
    assert p.labels is not None and (p.labels.tolist(), p.sample_ids.tolist()) == ([1, 0], ["7", "8"])
    bare = import_file(write(tmp_path / "o.csv", "a,b\n0,1\n"), split="test").predictions
    assert (bare.labels, bare.ids_given) == (None, False)


def test_hdf5_of_other_programs(tmp_path: Path) -> None:
    z = np.array([[1.0, 2, 3], [0, 0, np.log(2)]])
    with h5py.File(tmp_path / "bed.h5", "w") as file:
        file["logits"], file["targets"] = z, [2, 0]
        file["sample_ids"] = ["one", "zwei"]
        file["notes"] = "not looked at"
    p = import_file(tmp_path / "bed.h5").predictions
    assert p.labels is not None and (p.labels.tolist(), p.sample_ids.tolist()) == ([2, 0], ["one", "zwei"])
    assert np.allclose(p.probs[1], [0.25, 0.25, 0.5])


def test_hdf5_that_reads_other_files_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(24))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["probs"] = P
    with h5py.File(tmp_path / "external.h5", "w") as file:
        file.create_dataset("probs", (1, 3), "f8", external=[(str(secret), 0, 24)])
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["probs"] = h5py.ExternalLink("other.h5", "probs")
    with h5py.File(tmp_path / "group.h5", "w") as file:
        file.create_group("probs")
    for name, said in (
        ("external", "found them in another"), ("link", "a link to another place"), ("group", "expected an array"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=said):
            import_file(tmp_path / f"{name}.h5")


@pytest.mark.parametrize("key", ["probs", "pred_probs"])
def test_keys_of_probabilities(key: str, tmp_path: Path) -> None:
    content: dict[str, Any] = {key: P}
    np.savez_compressed(tmp_path / "m.npz", **content)
    assert import_file(tmp_path / "m.npz").predictions.probs.tolist() == P.tolist()


def test_logits_by_key_and_by_option(tmp_path: Path) -> None:
    z = np.array([[1000.0, 1001, 0], [-1e4, 0, np.log(3)]])
    np.savez(tmp_path / "m.npz", logits=z)
    np.save(tmp_path / "n.npy", z)
    one, two = import_file(tmp_path / "m.npz"), import_file(tmp_path / "n.npy", logits=True)
    e = np.e
    expected = [[1 / (1 + e), e / (1 + e), 0], [0, 0.25, 0.75]]
    assert np.allclose(one.predictions.probs, expected, atol=1e-7)
    assert np.array_equal(one.predictions.probs, two.predictions.probs)
    assert one.predictions.extras["logits"].tolist() == z.astype(np.float32).tolist()


@given(arrays(np.float64, (3, 4), elements=st.floats(-1e300, 1e300)), st.floats(-1e3, 1e3))
def test_softmax_is_a_distribution_that_no_shift_moves(z: np.ndarray, shift: float) -> None:
    p = softmax(z)
    assert np.isfinite(p).all()
    assert np.allclose(p.sum(axis=1), 1, atol=1e-12)
    assert (p[np.arange(3), z.argmax(axis=1)] == p.max(axis=1)).all()
    small = z / 1e298
    assert np.allclose(softmax(small), softmax(small + shift), atol=1e-9)


def test_rows_off_by_rounding_are_mended_and_counted(tmp_path: Path) -> None:
    off = np.array([[1.0000005, 0, 0], [-9e-7, 0.5, 0.5000009], [0.2, 0.3, 0.5], [0.25, 0.25, 0.50005]])
    one = import_file(npz(tmp_path, probs=off))
    assert one.clipped_rows == 2
    assert one.predictions.probs[0].tolist() == [1, 0, 0]
    assert one.predictions.probs[1, 0] == 0
    assert one.predictions.probs[1].sum(dtype=np.float64) == pytest.approx(1, abs=1e-7)
    # What is within the format's tolerance is kept as it is.
    assert np.array_equal(one.predictions.probs[2:], off[2:].astype(np.float32))


def test_rows_of_half_precision_are_made_to_sum_to_one(tmp_path: Path) -> None:
    """float16 rounds a probability by up to 2.4e-4, more than a row of float32 may be off."""
    half = softmax(3 * np.random.default_rng(0).normal(size=(50, 20))).astype(np.float16)
    wide = half.astype(np.float64)
    assert np.abs(wide.sum(axis=1) - 1).max() > 1e-4
    one = import_file(npz(tmp_path, probs=half))
    assert np.array_equal(one.predictions.probs, (wide / wide.sum(axis=1, keepdims=True)).astype(np.float32))
    off = np.abs(wide.sum(axis=1) - 1)
    assert one.rounded_rows == one.clipped_rows == (off > 1e-5).sum() == 47
    assert one.off == off.max()
    # What float16 or bfloat16 computed and float32 keeps is off by as much.
    brain = softmax(3 * np.random.default_rng(0).normal(size=(50, 20))).astype(np.float32).view(np.uint32) & 0xFFFF0000
    for values in (half.astype(np.float32), brain.view(np.float32)):
        found = import_file(npz(tmp_path, probs=values)).predictions.probs
        assert np.allclose(found, values / values.sum(axis=1, keepdims=True), atol=1e-4)


LABEL_FILES = {
    "y.txt": "0\n1\n2\n0\n\n",
    "y.csv": "0\n1\n2\n0\n",
    "head.csv": "label\n0\n1\n2\n0\n",
    "pandas.csv": ",label\n0,0\n1,1\n2,2\n3,0\n",
    "joined.csv": "id,label\nd,0\nc,2\nb,1\na,0\nzzz,1\n",
    "bom.txt": "\ufeff0\r\n1\r\n2\r\n0\r\n",
}


@pytest.mark.parametrize("name", LABEL_FILES)
def test_labels_from_text(name: str, tmp_path: Path) -> None:
    labels = write(tmp_path / name, LABEL_FILES[name])
    with_ids = name == "joined.csv"
    file = npz(tmp_path, sample_ids=IDS) if with_ids else npz(tmp_path)
    one = import_file(file, labels=labels)
    assert one.predictions.labels is not None and one.predictions.labels.tolist() == [0, 1, 2, 0]
    assert one.notes == (() if with_ids else ("labels were matched row by row, since neither file has ids",))
    # Where one side has ids and the other has none, rows are never matched by their order.
    other = npz(tmp_path) if with_ids else npz(tmp_path, sample_ids=IDS)
    with pytest.raises(BadInput, match="cannot be told which label is whose" if name != "pandas.csv" else "found none"):
        import_file(other, labels=labels)


@pytest.mark.parametrize(
    "y", [Y, Y.astype(np.uint8), Y.astype(np.float32), Y[:, None]], ids=["int64", "u8", "f4", "N,1"]
)
def test_labels_from_npy(y: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", y)
    p = import_file(npz(tmp_path), labels=tmp_path / "y.npy").predictions
    assert p.labels is not None and p.labels.tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize("text", ["n1\nn2\nn3\nn1\n", "cat\nsea dog\neel\ncat\n"], ids=["ids", "names"])
def test_labels_as_class_ids_or_names(text: str, tmp_path: Path) -> None:
    classes = write(tmp_path / "classes.txt", "n1\tcat\nn2\tsea dog\nn3\teel\n")
    p = import_file(npz(tmp_path), labels=write(tmp_path / "y.txt", text), classes=classes).predictions
    assert (p.class_ids, p.class_names) == (("n1", "n2", "n3"), ("cat", "sea dog", "eel"))
    assert p.labels is not None and p.labels.tolist() == [0, 1, 2, 0]


def test_ids_from_text_keep_their_zeros(tmp_path: Path) -> None:
    p = import_file(npz(tmp_path), ids=write(tmp_path / "ids.txt", "001\n002\n003\n004\n")).predictions
    assert p.sample_ids.tolist() == ["001", "002", "003", "004"]
    assert p.ids_given


def test_ids_beside_labels_serve_where_they_are_named(tmp_path: Path) -> None:
    truth = write(tmp_path / "y.csv", "id,label\np,0\nq,1\nr,2\ns,0\n")
    with pytest.raises(BadInput, match=f"that is ids='{truth}'"):
        import_file(npz(tmp_path), labels=truth)
    p = import_file(npz(tmp_path), labels=truth, ids=truth).predictions
    assert p.sample_ids.tolist() == ["p", "q", "r", "s"]
    assert p.labels is not None and p.labels.tolist() == [0, 1, 2, 0]


def test_class_names_alone_are_ids_or_the_studys_names(tmp_path: Path) -> None:
    path = npz(tmp_path, class_names=["eel", "cat", "dog"])
    assert import_file(path).predictions.class_ids == ("eel", "cat", "dog")
    study = Classes(("n1", "n2", "n3"), ("cat", "dog", "eel"))
    assert import_file(path, study_classes=study).predictions.class_ids == ("n3", "n1", "n2")


def test_own_format_keeps_its_name_split_and_everything_else(tmp_path: Path) -> None:
    path = tmp_path / "whatever.h5"
    original = Predictions(
        "net", "shifted", P, np.array(IDS), ("x", "y", "z"), ("x", "y", "z"), attributes={"note": "kept"},
        extras={"logits": P.astype(np.float32)},
    )  # fmt: skip
    write_predictions(path, original)
    p = import_file(path).predictions
    assert (p.member, p.split, p.attributes, list(p.extras)) == ("net", "shifted", {"note": "kept"}, ["logits"])
    p = import_file(
        path, member="other", split="val", labels=write(tmp_path / "y.csv", "i,y\nb,1\nc,2\na,0\nd,0\n")
    ).predictions
    assert (p.member, p.split) == ("other", "val")
    assert p.labels is not None and p.labels.tolist() == [0, 1, 2, 0]
    with pytest.raises(BadInput, match="leave out ids=FILE"):
        import_file(path, ids=tmp_path / "ids.txt")


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


def raw(header_shape: str, dtype: str = "<f4") -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {header_shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()


def hdf5(path: Path, **content: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in content.items():
            file[name] = value
    return path


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Name -> a bad file and what is said of it."""

    def of(name: str, content: bytes) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    def array(name: str, values: np.ndarray) -> Path:
        np.save(folder / name, values)
        return folder / name

    trap = Trap(folder / "sprung")
    np.save(folder / "object.npy", np.array([trap], dtype=object), allow_pickle=True)
    np.savez(folder / "object.npz", probs=P, labels=np.array([trap, 1, 2, 3], dtype=object))
    write_table(folder / "table.h5", {"mask": np.arange(2)}, {})
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("probs.npy", raw("(1000000000, 1000)") + bytes(100_000))
    nan, negative, sums, above = P.copy(), P.copy(), P.copy(), P.copy()
    nan[2, 1], negative[1] = np.nan, [-0.1, 1.1, 0]
    sums[3, 0], above[1] = 0.5, [-0.00015, 1.00015, 0]
    whole = npz(folder, "whole.npz").read_bytes()
    return {
        "absent": (folder / "absent.npz", "cannot be read, no such file"),
        "empty": (of("empty.npz", b""), "found an empty file"),
        "text": (of("text.npz", b"hello"), "expected a whole .npz file, found damage"),
        "cut short": (of("cut.npz", whole[:-30]), "expected a whole .npz file, found damage"),
        "npy cut short": (of("cut.npy", raw("(4, 3)") + bytes(8)), "expected a whole .npy file, found damage"),
        "npy of no kind": (of("no.npy", b"\x93NUMPY\x07\x00" + bytes(99)), "expected a .npy header of version 1 or 2"),
        "huge npy": (of("huge.npy", raw("(1000000000, 1000)")), "claims 4,000,000,000,000 bytes"),
        "huge npz": (of("huge.npz", bomb.getvalue()), "probs: claims 4,000,000,000,000 bytes"),
        "evil header": (of("evil.npy", raw("__import__('os')")), "expected a .npy header, found one that says no type"),
        "header of 4 GB": (of("head.npy", b"\x93NUMPY\2\0\xff\xff\xff\xff{"), "found one that claims 4,294,967,295"),
        "hidden axis": (of("axis.npy", raw("(0, 10000000000)")), "claims 40,000,000,000 bytes"),
        "a single number": (array("scalar.npy", np.array(1, np.float32)), r"shape \(N, C\), found a single float32"),
        "a single number in HDF5": (hdf5(folder / "scalar.h5", probs=np.float32(1)), r"found a single float32"),
        "ids of Latin 1": (
            hdf5(folder / "latin.h5", probs=P, sample_ids=np.array([b"\xe9%d" % i for i in range(4)])),
            "sample_ids: expected UTF-8 text, found other bytes",
        ),
        "far too many columns": (of("wide.csv", b"id" + b",a" * 200_001 + b"\n"), "has 200,002 columns, .* --large"),
        "pickle": (of("p.npy", pickle.dumps(P)), "found a pickle; pickles are never read"),
        "pickle by name": (of("p.pkl", pickle.dumps(P)), r"found \.pkl; pickles are never read"),
        "weights": (of("p.pt", b"x"), r"found \.pt; pickles are never read"),
        "objects in npy": (folder / "object.npy", "found Python objects, which are pickles"),
        "objects in npz": (folder / "object.npz", "labels: expected numbers or text, found Python objects"),
        "another kind": (of("p.xlsx", b"1,2"), r"\.xlsx cannot be imported; read are \.npz"),
        "short csv": (of("p.csv", b"1,2"), "expected a heading and a row a sample, found no rows"),
        "ragged csv": (of("r.csv", b"id,a,b\n1,.5,.5\n2,1\n"), "row 3: expected 3 cells, found 2"),
        "words in csv": (
            of("w.csv", b"id,a,b\n1,0.5,0.5\n2,1,x\n3,0,1\n"),
            "column 'b': expected a number in every row, found 'x' in row 1",
        ),
        "parquet": (of("p.parquet", b"PAR1"), "cannot be read as Parquet"),
        "a table of ours": (folder / "table.h5", r"is a file of kofn, but not of predictions; read are \.npz"),
        "no known key": (npz_of(folder, "keys.npz", a=P, b=P), "expected an array 'probs', .* found a, b"),
        "flat": (array("flat.npy", P[:, 0]), r"one column per class, .* np.stack\(\[1 - p, p\]"),
        "one column": (array("one.npy", P[:, :1]), r"found the shape \(4, 1\); for two classes"),
        "three axes": (array("cube.npy", P[None]), r"found the shape \(1, 4, 3\)"),
        "no rows": (array("none.npy", P[:0]), r"found the shape \(0, 3\)"),
        "integers": (array("int.npy", (P * 8).astype(int)), "sum to 8, counts of votes; divide each row by its sum"),
        "NaN": (array("nan.npy", nan), "must be finite, but 1 of 4 rows do not hold, row 2 first: nan in column 1"),
        "negative": (array("neg.npy", negative), "must not be negative, but 1 of 4 .* row 1 first: -0.1; mend"),
        "sums": (array("sums.npy", sums), "must sum to 1 within 0.02, but 1 of 4 .* row 3 first: sum 1.25"),
        "above 1": (array("above.npy", above), "must not be negative, but 1 of 4 rows .* row 1 first: -0.00015"),
        "infinite logits": (npz_of(folder, "inf.npz", logits=np.array([[0, np.inf]])), "must be finite, but row 0"),
        "other number of labels": (npz(folder, "few.npz", labels=Y[:3]), "expected 4 labels, .* found 3"),
        "label too high": (
            npz(folder, "high.npz", labels=Y + 1),
            "labels run from 1 to 3, .* numbers, 0 to 2; if they count from 1, .* classes=FILE",
        ),
        "labels not whole": (npz(folder, "half.npz", labels=Y + 0.5), "found '0.5' and 2 other labels"),
        "one-hot labels": (npz(folder, "hot.npz", labels=np.eye(4)[Y + 1]), "3 columns, 0 to 2, found 3; check"),
        "unknown label": (npz(folder, "unk.npz", labels=["000", "001", "eel", "x"]), "the 3 columns have no names"),
        "unknown label of known classes": (
            npz(folder, "unk2.npz", labels=["k", "l", "eel", "x"], class_ids=list("klm")),
            "found 2 labels that are neither, 'eel' in row 2",
        ),
        "ids twice": (npz(folder, "twice.npz", sample_ids=list("abca")), "ids must be unique, but 1 .* 'a'"),
        "an empty id": (npz(folder, "void.npz", sample_ids=["a", "", "c", "d"]), "the id at row 1 is empty"),
        "too few ids": (npz(folder, "ids.npz", sample_ids=["a"]), "expected 4 ids, one for each row of .*, found 1"),
        "too few classes": (npz(folder, "cls.npz", class_ids=["a", "b"]), "expected 3 classes, .* found 2"),
        "classes twice": (npz(folder, "cls2.npz", class_ids=["a", "b", "a"]), "ids must be unique"),
        "no legal name": (array("µµ.npy", P), "gives no name for a member; choose one with member=NAME"),
    }  # fmt: skip


def npz_of(folder: Path, name: str, **content: Any) -> Path:
    np.savez(folder / name, **content)
    return folder / name


def test_bad_files_are_refused_by_name(tmp_path: Path) -> None:
    for case, (path, message) in bad_files(tmp_path).items():
        with pytest.raises(BadInput, match=message) as caught:
            import_file(path)
        assert str(path) in str(caught.value), case
        assert "\n" not in str(caught.value), case
    assert not (tmp_path / "sprung").exists()


def test_probabilities_are_not_taken_for_logits(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="found rows that sum to 1, probabilities; leave out logits=True"):
        import_file(npz(tmp_path), logits=True)


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("labels", "", "empty file"),
        ("labels", "id,label\na,0\n", "found none for 3, 'b' first"),
        ("labels", "x,y\n1,2\n", "expected a column with the ids of .* such as 'a', found none: 'x' holds '1'"),
        ("labels", "id,label\na\n", "row 2: expected 2 cells, found 1"),
        ("ids", "a\nb\n", "expected 4 ids"),
        ("classes", "a\nb\n", "expected 3 classes"),
    ],
)
def test_bad_lists_are_refused_by_name(option: str, text: str, message: str, tmp_path: Path) -> None:
    listed = write(tmp_path / "list.csv", text)
    given: dict[str, Any] = {option: listed}
    with pytest.raises(BadInput, match=message) as caught:
        import_file(npz(tmp_path, sample_ids=IDS), **given)
    assert str(listed) in str(caught.value)


# -- into a study -------------------------------------------------------------------------------------------


def begin(folder: Path, **content: Any) -> Path:
    root = folder / "study"
    admit(root, [import_file(npz(folder, "first.npz", **content))])
    return root


def into(root: Path, *paths: Path, force: bool = False, **options: Any) -> Admission:
    return admit(root, import_files(paths, study_classes=study_classes(root), **options), force=force)


def everything(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_a_study_is_begun(tmp_path: Path) -> None:
    root = begin(tmp_path, labels=Y, sample_ids=IDS, class_ids=["z", "x", "y"], class_names=["Zed", "Ex", "Why"])
    config = Study.open(root).config
    assert (config.data, config.source, config.class_ids, config.class_names) == (
        "imported",
        None,
        ("x", "y", "z"),
        ("Ex", "Why", "Zed"),
    )
    assert config.splits["val"].samples == 4
    assert config.splits["val"].digest == ids_digest(np.array(IDS), Y, ("z", "x", "y"))
    assert Study.open(root).read("first", "val").class_ids == ("z", "x", "y")


def test_columns_without_ids_are_the_studys_in_sorted_order(tmp_path: Path) -> None:
    root = begin(tmp_path, labels=Y, sample_ids=IDS, class_ids=["z", "x", "y"])
    path = npz(tmp_path, labels=[2, 0, 1, 2], sample_ids=IDS)
    (one,) = import_files([path], study_classes=study_classes(root))
    assert one.predictions.class_ids == ("x", "y", "z")
    assert "study's 3 classes in sorted order, x to z" in one.notes[0]
    admit(root, [one])


def test_rows_in_another_order_fit(tmp_path: Path) -> None:
    root = begin(tmp_path, labels=Y, sample_ids=IDS)
    assert into(root, npz(tmp_path, probs=P[::-1], labels=Y[::-1], sample_ids=IDS[::-1])).warnings == ()


MISFITS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "other labels": (
        {"labels": Y, "sample_ids": IDS}, {"labels": [0, 1, 1, 1], "sample_ids": IDS},
        "against member 'first' .* found 2 of 4 that differ, sample 'c' first: '001' here, '002' there",
    ),
    "other labels by row": ({"labels": Y}, {"labels": [0, 1, 2, 2]}, "found 1 of 4 that differ, row '3' first"),
    "no id in common": (
        {"sample_ids": IDS}, {"sample_ids": ["e", "f", "g", "h"]}, "no sample id in common, .* 'a', found 'e'",
    ),
    "ids against rows": ({"sample_ids": IDS}, {}, "expected sample ids as there, found row numbers"),
    "rows against ids": ({}, {"sample_ids": IDS}, "expected row numbers as there, found sample ids"),
    "other number of rows": ({}, {"probs": P[:2]}, "expected 4 rows, found 2, and without ids they cannot be matched"),
    "other number of classes": ({}, {"probs": np.full((4, 2), 0.5)}, "expected 3 columns, .* found 2"),
    "other classes": ({"class_ids": list("xyz")}, {"class_ids": list("xyw")}, "'w' is not among the study's"),
    "other number of named classes": (
        {"class_ids": list("xyz")}, {"probs": np.full((4, 2), 0.5), "class_ids": list("xy")}, "'z' is missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISFITS)
def test_misfits_are_refused_and_nothing_changes(case: str, tmp_path: Path) -> None:
    first, second, message = MISFITS[case]
    root = begin(tmp_path, **first)
    before = everything(root)
    good = npz(tmp_path, "good.npz", **first)
    bad = npz(tmp_path, "bad.npz", **second)
    with pytest.raises(BadInput, match=message) as caught:
        into(root, good, bad)
    assert str(bad) in str(caught.value)
    assert everything(root) == before


@pytest.mark.parametrize("case", [c for c in MISFITS if "class" not in c])
def test_files_that_misfit_one_another_begin_no_study(case: str, tmp_path: Path) -> None:
    first, second, message = MISFITS[case]
    paths = npz(tmp_path, "first.npz", **first), npz(tmp_path, "bad.npz", **second)
    with pytest.raises(BadInput, match=message):
        into(tmp_path / "study", *paths)
    assert not (tmp_path / "study").exists()


def test_partly_other_samples_warn(tmp_path: Path) -> None:
    root = begin(tmp_path, labels=Y, sample_ids=IDS)
    warnings = into(
        root, npz(tmp_path, labels=Y, sample_ids=["a", "b", "c", "e"], probs=P, class_ids=["000", "001", "002"])
    ).warnings
    assert len(warnings) == 1
    assert "shares 3 samples with 'first'; 1 are only there and 1 only here" in warnings[0]


def test_an_existing_member_is_replaced_only_by_force(tmp_path: Path) -> None:
    root = begin(tmp_path, labels=Y, sample_ids=IDS)
    again = npz(tmp_path, "first.npz", probs=P[:, ::-1], labels=Y, sample_ids=IDS)
    before = everything(root)
    with pytest.raises(BadInput, match=r"member 'first' is there already for split 'val' .* force=True"):
        into(root, again)
    assert everything(root) == before
    into(root, again, force=True)
    assert read_predictions(root / "predictions/first.val.h5").probs.tolist() == P[:, ::-1].tolist()
    into(root, again, split="test")


def test_force_may_mend_wrong_labels_of_the_only_member(tmp_path: Path) -> None:
    root = begin(tmp_path, labels=Y, sample_ids=IDS)
    into(root, npz(tmp_path, "first.npz", labels=[1, 1, 1, 1], sample_ids=IDS), force=True)


def test_a_trained_member_is_never_replaced(tmp_path: Path) -> None:
    root = begin(tmp_path, labels=Y)
    files = MemberFiles(Study.open(root).member_dir("m"))
    files.folder.mkdir(parents=True)
    files.recipe.touch()
    with pytest.raises(BadInput, match=r"member 'm' was trained in .*; choose another name with member=NAME"):
        into(root, npz(tmp_path, labels=Y), force=True)


def test_two_files_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(BadInput, match="both would become member 'm' for split 'val'"):
        into(tmp_path / "study", npz(tmp_path), npz(tmp_path))
    with pytest.raises(BadInput, match="member=a: names one member, but 2 files were given"):
        import_files([npz(tmp_path), npz(tmp_path, "n.npz")], member="a")
    assert not (tmp_path / "study").exists()


def test_a_write_that_fails_takes_back_what_was_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = begin(tmp_path, labels=Y)
    before = everything(root)
    write = Study.write

    def fails_second(self: Study, predictions: Predictions) -> Path:
        if predictions.member == "n":
            raise StorageError("disk full")
        return write(self, predictions)

    monkeypatch.setattr(Study, "write", fails_second)
    with pytest.raises(StorageError, match="disk full"):
        into(root, npz(tmp_path, "m.npz", labels=Y), npz(tmp_path, "n.npz", labels=Y))
    assert everything(root) == before
