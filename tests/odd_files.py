"""Files that no one makes by hand: what a name promises, and something else in it."""

import gzip
import io
import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Make = Callable[[Path], object]


def _probs(n: int = 8, c: int = 4) -> np.ndarray:
    raw = np.random.default_rng(0).random((n, c)) + 0.1
    return (raw / raw.sum(1, keepdims=True)).astype(np.float32)


# -- HDF5 ---------------------------------------------------------------------------------------------------


def _h5(change: Callable[..., object], *, base: bool = True, **options: object) -> Make:
    def make(folder: Path) -> None:
        import h5py

        with h5py.File(folder / "x.h5", "w", **options) as file:
            if base:
                file["probs"] = _probs()
                file["labels"] = np.arange(8) % 4
            change(file)

    return make


def _external(file: Any) -> None:
    Path(file.filename).with_name("raw.bin").write_bytes(_probs().tobytes())
    file.create_dataset("probs", shape=(8, 4), dtype="f4", external=[("raw.bin", 0, h5py.h5f.UNLIMITED)])


def _virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((8, 4), dtype="f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "probs", shape=(8, 4))
    file.create_virtual_dataset("probs", layout)


def _set(**values: object) -> Callable[..., object]:
    def change(file: Any) -> None:
        for name, value in values.items():
            if name in file:
                del file[name]
            file[name] = value

    return change


def _deep(file: Any) -> None:
    group: Any = file
    for _ in range(3000):
        group = group.create_group("g")
    group["probs"] = _probs()


def hdf5_cases() -> dict[str, Make]:
    """HDF5 files that no one makes by hand."""
    compound = np.zeros(8, dtype=[("a", "f4"), ("b", "f4")])
    odd: dict[str, Callable[..., object]] = {
        "soft link": lambda f: (f.__delitem__("probs"), f.__setitem__("probs", h5py.SoftLink("/labels"))),
        "soft link to itself": lambda f: (f.__delitem__("probs"), f.__setitem__("probs", h5py.SoftLink("/probs"))),
        "external link": lambda f: (f.__delitem__("probs"), f.__setitem__("probs", h5py.ExternalLink("other.h5", "/probs"))),
        "external link beside": lambda f: f.__setitem__("more", h5py.ExternalLink("/dev/zero", "/x")),
        "external storage": lambda f: (f.__delitem__("probs"), _external(f)),
        "virtual": lambda f: (f.__delitem__("probs"), _virtual(f)),
        "compound": _set(probs=compound),
        "object references": lambda f: (f.__delitem__("probs"), f.create_dataset("probs", (8, 4), dtype=h5py.ref_dtype)),
        "region references": lambda f: (f.__delitem__("probs"), f.create_dataset("probs", (8, 4), dtype=h5py.regionref_dtype)),
        "opaque": _set(probs=np.zeros((8, 4), dtype="V7")),
        "enumeration": lambda f: (f.__delitem__("labels"), f.create_dataset("labels", data=np.arange(8) % 4, dtype=h5py.enum_dtype({"a": 0, "b": 1, "c": 2, "d": 3}))),
        "bool probabilities": _set(probs=np.eye(8, 4) > 0),
        "complex": _set(probs=_probs().astype(complex)),
        "text probabilities": _set(probs=np.full((8, 4), b"0.25")),
        "float16": _set(probs=_probs().astype("f2")),
        "big endian": _set(probs=_probs().astype(">f8")),
        "long double": _set(probs=_probs().astype(np.longdouble)),
        "vlen of floats": lambda f: (f.__delitem__("probs"), f.create_dataset("probs", (8,), dtype=h5py.vlen_dtype("f4"))),
        "array type": lambda f: (f.__delitem__("probs"), f.create_dataset("probs", (8,), dtype=np.dtype(("f4", (4,))))),
        "scalar": _set(probs=np.float32(1)),
        "empty dataspace": lambda f: (f.__delitem__("probs"), f.__setitem__("probs", h5py.Empty("f4"))),
        "no rows": _set(probs=np.zeros((0, 4), "f4"), labels=np.zeros(0, int)),
        "no columns": _set(probs=np.zeros((8, 0), "f4")),
        "one column": _set(probs=np.ones((8, 1), "f4")),
        "five axes": _set(probs=np.ones((2, 2, 2, 2, 2), "f4")),
        "a group": lambda f: (f.__delitem__("probs"), f.create_group("probs")),
        "a named type": lambda f: (f.__delitem__("probs"), f.__setitem__("probs", np.dtype("f4"))),
        "4 TB claimed": lambda f: (f.__delitem__("probs"), f.create_dataset("probs", (10**9, 1000), "f4", chunks=(1000, 1000))),
        "gzip bomb": lambda f: (f.__delitem__("probs"), f.create_dataset("probs", (200_000, 500), "f4", chunks=(200_000, 500), compression="gzip")[:].fill(0), f["probs"].write_direct(np.full((200_000, 500), 0.002, "f4"))),
        "lzf": lambda f: (f.__delitem__("probs"), f.create_dataset("probs", data=_probs(), compression="lzf")),
        "scale offset": lambda f: (f.__delitem__("probs"), f.create_dataset("probs", data=_probs(), scaleoffset=3, chunks=(8, 4))),
        "huge text": lambda f: f.__setitem__("sample_ids", np.array(["x" * 10**6 + str(i) for i in range(8)], dtype="S1000010")),
        "attribute of references": lambda f: f.attrs.create("member", f.ref),
        "attribute compound": lambda f: f.attrs.create("kind", compound),
        "attribute of bytes that are no UTF-8": lambda f: f.attrs.create("kind", np.bytes_(b"\xff\xfe")),
        "attribute empty": lambda f: f.attrs.create("kind", h5py.Empty("f4")),
        "attribute vlen": lambda f: f.attrs.create("kind", "kofn.predictions", dtype=h5py.string_dtype()),
        "attribute 60 KB": lambda f: f.attrs.create("kind", np.bytes_(b"x" * 60_000)),
        "kind alone": lambda f: f.attrs.create("kind", np.bytes_("kofn.predictions")),
        "kind and an odd version": lambda f: f.attrs.update(kind=np.bytes_("kofn.predictions"), version=np.float64("nan")),
        "kind and version 99": lambda f: f.attrs.update(kind=np.bytes_("kofn.predictions"), version=99, complete=1),
        "kind and version 2 without seal": lambda f: f.attrs.update(kind=np.bytes_("kofn.predictions"), version=2, complete=1, member=np.bytes_("m"), split=np.bytes_("val"), ids_given=0, member_kind=np.bytes_("member")),
        "labels negative": _set(labels=np.full(8, -5)),
        "labels of 64 bits": _set(labels=np.full(8, 2**63, "u8")),
        "labels NaN": _set(labels=np.full(8, np.nan)),
        "labels 2 axes": _set(labels=np.zeros((8, 2), int)),
        "ids with NUL": _set(sample_ids=np.array([b"a\0b%d" % i for i in range(8)])),
        "ids doubled": _set(sample_ids=np.array([b"a"] * 8)),
        "ids no UTF-8": _set(sample_ids=np.array([b"\xff%d" % i for i in range(8)])),
        "ids as floats": _set(sample_ids=np.linspace(0, 1, 8)),
        "NaN": _set(probs=np.full((8, 4), np.nan, "f4")),
        "infinite": _set(probs=np.full((8, 4), np.inf, "f4")),
        "negative": _set(probs=-_probs()),
        "rows of sum 2": _set(probs=2 * _probs()),
        "integers": _set(probs=np.ones((8, 4), int)),
        "dimension scale of itself": lambda f: (f["labels"].make_scale("l"), f["probs"].dims[0].attach_scale(f["labels"])),
        "many members": lambda f: [f.__setitem__(f"d{i}", np.zeros(1)) for i in range(3000)],
        "3000 groups deep": lambda f: (f.__delitem__("probs"), _deep(f)),
        "hard link loop": lambda f: f.create_group("g").__setitem__("again", f["/"]),
        "name not UTF-8": lambda f: f.__setitem__(b"\xff\xfe", np.zeros(1)),
        "name with newline": lambda f: f.__setitem__("a\nb", np.zeros(1)),
    }  # fmt: skip
    made = {name: _h5(change) for name, change in odd.items()}
    made["nothing in it"] = _h5(lambda f: None, base=False)
    made["userblock of text"] = _h5(lambda f: None, userblock_size=512)

    def cut(folder: Path) -> None:
        _h5(lambda f: None)(folder)
        data = (folder / "x.h5").read_bytes()
        (folder / "x.h5").write_bytes(data[: len(data) // 2])

    made["cut"] = cut
    return made


# -- NumPy --------------------------------------------------------------------------------------------------


def _npy(descr: str, shape: str, order: str = "False", data: bytes = b"", version: int = 1) -> bytes:
    head = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(head)) + head + data


def _saved(value: np.ndarray, **options: bool) -> bytes:
    out = io.BytesIO()
    np.save(out, value, **options)
    return out.getvalue()


NPY = {
    "object": lambda: _saved(np.array([[1, "a"], [None, {}]], dtype=object), allow_pickle=True),
    "pickle": lambda: pickle.dumps([1, 2]),
    "Fortran order": lambda: _saved(np.asfortranarray(_probs())),
    "big endian": lambda: _saved(_probs().astype(">f4")),
    "structured": lambda: _saved(np.zeros(8, dtype=[("a", "f4"), ("b", "f4")])),
    "text": lambda: _saved(np.full((8, 4), "0.25")),
    "dates": lambda: _saved(np.zeros((8, 4), "M8[D]")),
    "bool": lambda: _saved(np.eye(8, 4) > 0),
    "huge claim": lambda: _npy("'<f4'", "(10000000000, 10)"),
    "overflowing claim": lambda: _npy("'<f4'", "(4611686018427387904, 4)"),
    "negative shape": lambda: _npy("'<f4'", "(-8, 4)", data=bytes(128)),
    "float shape": lambda: _npy("'<f4'", "(8.0, 4)", data=bytes(128)),
    "bool shape": lambda: _npy("'<f4'", "(True, True)", data=bytes(4)),
    "65 axes": lambda: _npy("'<f4'", "(" + "1," * 65 + ")", data=bytes(4)),
    "zero axis": lambda: _npy("'<f4'", "(0, 10000000000)"),
    "call in descr": lambda: _npy("__import__('os').system('true')", "(8, 4)", data=bytes(128)),
    "deep descr": lambda: _npy("(" * 5000 + ")" * 5000, "(8, 4)"),
    "void descr": lambda: _npy("'|V0'", "(8, 4)"),
    "subarray descr": lambda: _npy("('<f4', (4,))", "(8,)", data=bytes(128)),
    "padding descr": lambda: _npy("[('', '|V4'), ('a', '<f4')]", "(8,)", data=bytes(64)),
    "order is text": lambda: _npy("'<f4'", "(8, 4)", "'no'", bytes(128)),
    "version 9": lambda: _npy("'<f4'", "(8, 4)", data=bytes(128), version=9),
    "heading of 4 GB": lambda: b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{",
    "cut": lambda: _saved(_probs())[:-20],
    "more than said": lambda: _saved(_probs()) + bytes(50),
    "two arrays": lambda: _saved(_probs()) * 2,
    "gzip": lambda: gzip.compress(_saved(_probs())),
    "long double": lambda: _saved(_probs().astype(np.longdouble)),
    "complex": lambda: _saved(_probs().astype(complex)),
}


def _zipped(entries: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in entries:
            file.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def _patched(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new)


def _flagged(data: bytes, bit: int, *, method: int | None = None) -> bytes:
    """Set a general flag, or the method, in every local and central heading."""
    out = bytearray(data)
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        where = -1
        while (where := out.find(mark, where + 1)) >= 0:
            flags = int.from_bytes(out[where + at : where + at + 2], "little") | bit
            out[where + at : where + at + 2] = flags.to_bytes(2, "little")
            if method is not None:
                out[where + at + 2 : where + at + 4] = method.to_bytes(2, "little")
    return bytes(out)


def _bomb(size: int) -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("probs.npy", "w", force_zip64=True) as entry,
    ):
        entry.write(_npy("'<f4'", f"({size // 8}, 2)"))
        for _ in range(size // 2**20):
            entry.write(bytes(2**20))
    return out.getvalue()


def npz_cases() -> dict[str, bytes | Callable[[], bytes]]:
    """Archives for arrays."""
    p, labels = _saved(_probs()), _saved(np.arange(8) % 4)
    good = _zipped([("probs.npy", p), ("labels.npy", labels)])
    return {
        "bomb": lambda: _bomb(3 * 2**28),
        "doubled name": _zipped([("probs.npy", p), ("probs.npy", _saved(1 - _probs()))]),
        "nested archive": _zipped([("probs.npy", good)]),
        "entries without .npy": _zipped([("probs", p)]),
        "no entries": _zipped([]),
        "an archive alone": b"PK\x05\x06" + bytes(18),
        "encrypted": _flagged(good, 1),
        "data descriptors without sizes": _flagged(good, 8),
        "unknown method": _flagged(good, 0, method=77),
        "lzma": _zipped([("probs.npy", p)], zipfile.ZIP_LZMA),
        "bzip2": _zipped([("probs.npy", p)], zipfile.ZIP_BZIP2),
        "deflate of stored bytes": _flagged(good, 0, method=8),
        "empty entry": _zipped([("probs.npy", b"")]),
        "object labels": _zipped([("probs.npy", p), ("labels.npy", NPY["object"]())]),
        "object ids": _zipped([("probs.npy", p), ("sample_ids.npy", _saved(np.array(["a", 1] * 4, object), allow_pickle=True))]),
        "names with ..": _zipped([("../../probs.npy", p)]),
        "20,000 entries": lambda: _zipped([(f"e{i}.npy", b"") for i in range(20_000)]),
        "labels of another length": _zipped([("probs.npy", p), ("labels.npy", _saved(np.arange(5) % 4))]),
        "ids of bytes": _zipped([("probs.npy", p), ("sample_ids.npy", _saved(np.array([b"\xff%d" % i for i in range(8)])))]),
        "class names 0-dimensional": _zipped([("probs.npy", p), ("class_names.npy", _saved(np.array("a")))]),
        "class names doubled": _zipped([("probs.npy", p), ("class_names.npy", _saved(np.array(["a"] * 4)))]),
        "labels as dates": _zipped([("probs.npy", p), ("labels.npy", _saved(np.zeros(8, "M8[D]")))]),
        "probs and logits": _zipped([("probs.npy", p), ("logits.npy", p)]),
        "3 axes": _zipped([("probs.npy", _saved(np.stack([_probs()] * 2)))]),
        "a comment of 60 KB": good[:-2] + (60_000).to_bytes(2, "little") + b"x" * 60_000,
        "a sfx before it": b"#!/bin/sh\n" + good,
        "offset of the directory wrong": good[:-6] + (2**31).to_bytes(4, "little") + good[-2:],
    }  # fmt: skip


# -- tables of text -----------------------------------------------------------------------------------------


def _csv(change: Callable[[str], str | bytes]) -> bytes:
    text = "id,label,a,b\n" + "".join(f"s{i},{'ab'[i % 2]},0.{i + 1},0.{9 - i - 0 if i < 9 else 0}\n" for i in range(8))
    made = change(text)
    return made.encode("utf-8", "surrogatepass") if isinstance(made, str) else made


CSV: dict[str, Callable[[str], str | bytes]] = {
    "as it should be": lambda t: t,
    "NUL": lambda t: t.replace("s3", "s\0003"),
    "lone quote": lambda t: t.replace("s3", '"s3'),
    "quote in the middle": lambda t: t.replace("s3", 's"3'),
    "BOM": lambda t: b"\xef\xbb\xbf" + t.encode(),
    "UTF-16": lambda t: t.encode("utf-16"),
    "UTF-32": lambda t: t.encode("utf-32"),
    "Latin 1": lambda t: t.replace("s3", "\xe9").encode("latin1"),
    "mixed encodings": lambda t: t.replace("s3", "\xe9").encode() + "s9,a,0.5,0.5\xff\n".encode("latin1"),
    "1,000,000 columns": lambda t: ",".join(f"c{i}" for i in range(10**6)) + "\n" + ",".join(["0"] * 10**6) + "\n",
    "1,000,000 commas": lambda t: "id" + "," * 10**6 + "\n" + "," * 10**6 + "\n",
    "a cell of 50 MB": lambda t: t + "x" * 50_000_000 + ",a,0.5,0.5\n",
    "a quoted cell of 50 MB": lambda t: t + '"' + "x\n" * 25_000_000,
    "header alone": lambda t: t.splitlines()[0] + "\n",
    "no newline": lambda t: t.splitlines()[0],
    "blank lines": lambda t: t.replace("\n", "\n\n"),
    "old Mac's line ends": lambda t: t.replace("\n", "\r"),
    "semicolons": lambda t: t.replace(",", ";"),
    "semicolons, decimal commas": lambda t: t.replace(",", ";").replace(".", ","),
    "tabs": lambda t: t.replace(",", "\t"),
    "short row": lambda t: t.replace("s3,b,", "s3,"),
    "long row": lambda t: t.replace("s3,", "s3,x,"),
    "columns doubled": lambda t: t.replace("label,a,b", "label,a,a"),
    "column without a name": lambda t: t.replace("label,a,b", "label,,b"),
    "id doubled": lambda t: t.replace("s3", "s2"),
    "id empty": lambda t: t.replace("s3", ""),
    "id of 1 MB": lambda t: t.replace("s3", "x" * 10**6),
    "number words": lambda t: t.replace("0.4", "nan"),
    "infinity": lambda t: t.replace("0.4", "1e999"),
    "hex": lambda t: t.replace("0.4", "0x1p-2"),
    "underscores": lambda t: t.replace("0.4", "0_0.4"),
    "Arabic digits": lambda t: t.replace("0.4", "\u0660.\u0664"),
    "5,000 digits": lambda t: t.replace("0.4", "0." + "4" * 5000),
    "formula": lambda t: t.replace("s3", "=cmd|' /C calc'!A0"),
    "right to left": lambda t: t.replace("s3", "s\u202e3"),
    "surrogate": lambda t: t.replace("s3", "s\ud8003"),
    "control characters": lambda t: t.replace("s3", "s\x1b[31m3"),
    "label out of the classes": lambda t: t.replace("s3,b", "s3,zebra"),
    "lines without end": lambda t: "\n" * 3_000_000,
    "gzip": lambda t: gzip.compress(t.encode()),
    "a page": lambda t: "<!doctype html><html><body>404</body></html>",
    "JSON": lambda t: json.dumps({"probs": [[0.5, 0.5]]}),
    "JSON, deep": lambda t: "[" * 100_000,
}  # fmt: skip


# -- TOML, JSON, weights ------------------------------------------------------------------------------------

TOML: dict[str, str | bytes] = {
    "deep array": "x = " + "[" * 20_000 + "]" * 20_000,
    "deep table": "[" + ".".join(["a"] * 20_000) + "]\n",
    "huge number": "epochs = 1" + "0" * 5000,
    "epochs infinite": "epochs = inf",
    "epochs NaN": "epochs = nan",
    "epochs date": "epochs = 2020-01-01",
    "epochs true": "epochs = true",
    "epochs text": 'epochs = "ten"',
    "epochs negative": "epochs = -1",
    "epochs 10**18": "epochs = 1000000000000000000",
    "batch 0": "batch_size = 0",
    "batch 10**12": "batch_size = 1000000000000",
    "rate NaN": "learning_rate = nan",
    "rate array": "learning_rate = [1, 2]",
    "model number": "model = 3",
    "model odd": 'model = "../../x"',
    "unknown key": "epoch = 3",
    "key newline": '"a\\nb" = 3',
    "doubled key": "epochs = 1\nepochs = 2",
    "not UTF-8": b"model = \"\xff\"",
    "NUL": b"model = \"a\0b\"",
    "BOM": b"\xef\xbb\xbfepochs = 2",
    "surrogate": 'model = "\\ud800"',
    "variants a number": "variants = 3",
    "variants of numbers": "variants = [1, 2]",
    "20,000 variants": "[[variants]]\nlearning_rate = 0.1\n" * 20_000,
    "ranges odd": "[ranges]\nlearning_rate = 3",
    "ranges turned": '[ranges]\nlearning_rate = [1.0, 0.1, "log"]',
    "augment odd": 'augment = "crop:999999999"',
    "CRLF": b"epochs = 2\r\n",
    "10 MB": "about = '" + "x" * 10_000_000 + "'",
}  # fmt: skip


def _tensors(head: object, data: bytes = b"", size: int | None = None) -> bytes:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + data


def weights_cases() -> dict[str, bytes | Callable[[], bytes]]:
    """Files of weights."""
    one = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    return {
        "overlapping": _tensors({"a": one, "b": one}, bytes(16)),
        "hole": _tensors({"a": one, "b": {**one, "data_offsets": [20, 36]}}, bytes(36)),
        "heading of 2**63": _tensors({}, size=2**63),
        "heading of 90 MB": lambda: _tensors(b"{" + b" " * 90_000_000 + b"}"),
        "deep": _tensors(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
        "negative shape": _tensors({"a": {**one, "shape": [-2, -2]}}, bytes(16)),
        "overflowing shape": _tensors({"a": {**one, "shape": [2**40, 2**40]}}, bytes(16)),
        "unknown type": _tensors({"a": {**one, "dtype": "F7"}}, bytes(16)),
        "offsets turned": _tensors({"a": {**one, "data_offsets": [16, 0]}}, bytes(16)),
        "metadata of numbers": _tensors({"__metadata__": {"a": 1}, "a": one}, bytes(16)),
        "a list": _tensors([1, 2]),
        "doubled names": _tensors(b'{"a":' + json.dumps(one).encode() + b',"a":' + json.dumps(one).encode() + b"}", bytes(16)),
        "no tensors": _tensors({}),
        "NaN": _tensors({"a": one}, np.full(4, np.nan, "f4").tobytes()),
        "zeros in a shape": _tensors({"a": {**one, "shape": [0, 4], "data_offsets": [0, 0]}}),
        "50,000 tensors": lambda: _tensors({f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(50_000)}),
        "surrogate": _tensors(b'{"\\ud800":' + json.dumps(one).encode() + b"}", bytes(16)),
        "names with newline": _tensors({"a\nb": one}, bytes(16)),
    }  # fmt: skip


# -- images -------------------------------------------------------------------------------------------------


def _png(width: int, height: int, *, depth: int = 8, colour: int = 0, data: bytes = b"", extra: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    )


def _image(mode: str, kind: str, size: tuple[int, int] = (16, 16), **options: object) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new(mode, size).save(out, kind, **options)
    return out.getvalue()


def _text_chunks() -> bytes:
    body = b"a\0\0" + zlib.compress(bytes(200_000_000), 9)
    return struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))


IMAGES: dict[str, Callable[[], tuple[str, bytes]]] = {
    "PNG bomb": lambda: ("x.png", _png(60_000, 60_000, data=bytes(1000))),
    "PNG of 2**31": lambda: ("x.png", _png(2**31 - 1, 2**31 - 1)),
    "PNG 0 wide": lambda: ("x.png", _png(0, 16)),
    "PNG cut": lambda: ("x.png", _image("L", "PNG")[:-30]),
    "PNG without pixels": lambda: ("x.png", _png(16, 16)),
    "PNG of 16 bits": lambda: ("x.png", _image("I;16", "PNG")),
    "PNG 1 bit": lambda: ("x.png", _image("1", "PNG")),
    "PNG with palette": lambda: ("x.png", _image("P", "PNG")),
    "PNG with alpha": lambda: ("x.png", _image("RGBA", "PNG")),
    "PNG text bomb": lambda: ("x.png", _png(16, 16, data=bytes(17 * 16), extra=_text_chunks())),
    "JPEG CMYK": lambda: ("x.jpg", _image("CMYK", "JPEG")),
    "JPEG cut": lambda: ("x.jpg", _image("RGB", "JPEG")[:-40]),
    "JPEG with EXIF junk": lambda: ("x.jpg", _image("RGB", "JPEG", exif=b"Exif\0\0MM\0*" + b"\xff" * 200)),
    "JPEG turned": lambda: ("x.jpg", _image("RGB", "JPEG", (16, 8), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")),
    "JPEG 65,535 high": lambda: ("x.jpg", _patched(_image("L", "JPEG"), b"\xff\xc0\x00\x0b\x08\x00\x10\x00\x10", b"\xff\xc0\x00\x0b\x08\xff\xff\xff\xff")),
    "GIF of many frames": lambda: ("x.gif", _image("P", "GIF")),
    "TIFF named PNG": lambda: ("x.png", _image("L", "TIFF")),
    "float TIFF": lambda: ("x.tif", _image("F", "TIFF")),
    "empty": lambda: ("x.png", b""),
    "text": lambda: ("x.png", b"no image"),
    "SVG": lambda: ("x.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "EPS": lambda: ("x.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/etc/passwd) run\n"),
    "name with newline": lambda: ("a\nb.png", _image("L", "PNG")),
    "name not UTF-8": lambda: ("a\udcff.png", _image("L", "PNG")),
    "name right to left": lambda: ("a\u202eb.png", _image("L", "PNG")),
}  # fmt: skip


def _with_image(name: str, data: bytes) -> Make:
    return lambda folder: (folder / "few/train/1" / name).write_bytes(data)


def zip_cases() -> dict[str, Make]:
    """Archives of images."""
    image = _image("L", "PNG")
    good = [(f"d/{split}/{c}/{i}.png", image) for split in ("train", "val") for c in "ab" for i in range(3)]

    def put(entries: list[tuple[str, bytes]], change: Callable[[bytes], bytes] = lambda data: data) -> Make:
        return lambda folder: (folder / "x.zip").write_bytes(change(_zipped(entries)))

    def link(folder: Path) -> None:
        with zipfile.ZipFile(folder / "x.zip", "w") as file:
            for name, data in good:
                file.writestr(name, data)
            info = zipfile.ZipInfo("d/train/a/link.png")
            info.external_attr = 0o120777 << 16
            file.writestr(info, "/etc/passwd")

    return {
        "traversal": put([*good, ("../../../evil.png", image)]),
        "traversal below train": put([*good, ("d/train/../../../evil.png", image)]),
        "absolute": put([*good, ("/evil.png", image)]),
        "backslashes": put([*good, ("d\\train\\a\\9.png", image)]),
        "symlink": link,
        "encrypted": put(good, lambda data: _flagged(data, 1)),
        "doubled names": put([*good, good[0]]),
        "image bomb": put([*good, ("d/train/a/9.png", _png(30_000, 30_000, data=bytes(1000)))]),
        "bomb": lambda folder: (folder / "x.zip").write_bytes(_bomb(3 * 2**28)),
        "nested": put([("d.zip", _zipped(good))]),
        "class named ..": put([*good, ("d/train/../9.png", image)]),
        "class with newline": put([*good, ("d/train/a\nb/9.png", image), ("d/val/a\nb/9.png", image)]),
        "entry without name": put([*good, ("", image)]),
        "cut": put(good, lambda data: data[:-30]),
        "unknown method": put(good, lambda data: _flagged(data, 0, method=77)),
        "sizes of the directory wrong": put(good, lambda data: _patched(data, len(image).to_bytes(4, "little") * 2, (2**31).to_bytes(4, "little") * 2)),
    }  # fmt: skip


def _arrays(**changed: np.ndarray) -> Make:
    def make(folder: Path) -> None:
        images = np.zeros((8, 8, 8), np.uint8)
        values = {
            "train_images": images,
            "train_labels": np.arange(8) % 2,
            "val_images": images,
            "val_labels": np.arange(8) % 2,
        }
        np.savez(folder / "x.npz", allow_pickle=True, **{**values, **changed})

    return make


ARRAYS: dict[str, Make] = {
    "float images": _arrays(train_images=np.zeros((8, 8, 8))),
    "object images": _arrays(train_images=np.array([None] * 8)),
    "5 channels": _arrays(train_images=np.zeros((8, 8, 8, 5), np.uint8)),
    "no images": _arrays(train_images=np.zeros((0, 8, 8), np.uint8), train_labels=np.zeros(0, int)),
    "0 pixels": _arrays(train_images=np.zeros((8, 0, 8), np.uint8)),
    "labels of another length": _arrays(train_labels=np.zeros(3, int)),
    "labels floats": _arrays(train_labels=np.linspace(0, 1, 8)),
    "labels huge": _arrays(train_labels=np.full(8, 2**62)),
    "labels text": _arrays(train_labels=np.array(["a"] * 8)),
    "one class": _arrays(train_labels=np.zeros(8, int), val_labels=np.zeros(8, int)),
    "class names short": _arrays(class_names=np.array(["a"])),
    "class names odd": _arrays(class_names=np.array(["a\nb", "\ud800"])),
}

# -- how they are read --------------------------------------------------------------------------------------


def _put(name: str, data: Any) -> Make:
    return lambda folder: (folder / name).write_bytes(data() if callable(data) else data)


def _import(name: str, **options: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        from ensemble.importing.parse import import_files

        given: dict[str, Any] = {key: folder / file for key, file in options.items()}
        return import_files([folder / name], **given)

    return read


def _recipe(folder: Path) -> Any:
    from ensemble.study.recipe import builtin_plan, read_plan

    return read_plan(folder / "x.toml", lambda _: builtin_plan("ting"))


def _weights(folder: Path) -> Any:
    from ensemble.study.weights import read_tensors

    return read_tensors(folder / "x.safetensors")


def _image_of(folder: Path) -> Any:
    from ensemble.datasets.decode import decode

    (path,) = folder.iterdir()
    return decode(path.read_bytes(), str(path))


def _images(name: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        from ensemble.datasets import check_source
        from ensemble.errors import BadInput

        report = check_source(folder / name)
        if not report.ok:
            raise BadInput(report.problems[0])
        return report

    return read


def _with(name: str, values: np.ndarray, make: Make) -> Make:
    def both(folder: Path) -> None:
        np.save(folder / name, values)
        make(folder)

    return both


def _coded(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


# What takes more than a moment to write or to refuse: `KOFN_HEAVY=1 pytest tests/test_fuzz.py` reads it, the suite does not.
HEAVY = {
    "gzip bomb", "huge text", "many members", "3000 groups deep", "20,000 entries", "bomb", "1,000,000 columns",
    "1,000,000 commas", "a cell of 50 MB", "a quoted cell of 50 MB", "lines without end", "deep table",
    "20,000 variants", "10 MB", "heading of 90 MB", "50,000 tensors", "PNG text bomb",
}  # fmt: skip
# What is read, and not refused: it means what it says, however oddly.
READ = {
    "HDF5": {
        "external link beside", "float16", "big endian", "attribute of references", "attribute compound",
        "labels negative", "labels NaN", "labels 2 axes", "ids with NUL", "ids as floats", "dimension scale of itself",
        "hard link loop", "name with newline", "userblock of text",
    },
    "npy": {"Fortran order", "big endian", "more than said", "two arrays", "long double"},
    "npy labels": set(),
    "npz": {
        "entries without .npy", "data descriptors without sizes", "names with ..", "a comment of 60 KB", "a sfx before it"
    },
    "csv": {
        "as it should be", "quote in the middle", "BOM", "UTF-16", "blank lines", "old Mac's line ends", "semicolons",
        "semicolons, decimal commas", "tabs", "Arabic digits", "formula", "right to left", "control characters",
    },
    "recipe": {"batch 10**12", "model odd", "CRLF"},
    "weights": {"doubled names", "no tensors", "zeros in a shape", "names with newline"},
    "image": {
        "PNG of 16 bits", "PNG 1 bit", "PNG with palette", "PNG with alpha", "JPEG CMYK", "JPEG with EXIF junk",
        "JPEG turned", "GIF of many frames", "TIFF named PNG", "name with newline", "name not UTF-8", "name right to left",
    },
    "zip": {"backslashes", "class with newline", "entry without name"},
    "arrays": set(),
}  # fmt: skip


def contents() -> dict[str, tuple[dict[str, Make], Callable[[Path], Any]]]:
    """Return the files by kind, each by name, and how those of a kind are read from the folder they are in."""
    probs, labels = _probs(), np.arange(8) % 4
    return {
        "HDF5": (hdf5_cases(), _import("x.h5")),
        "npy": (
            {k: _with("l.npy", labels, _put("x.npy", v)) for k, v in NPY.items()}, _import("x.npy", labels="l.npy"),
        ),
        "npy labels": (
            {k: _with("p.npy", probs, _put("x.npy", v)) for k, v in NPY.items()}, _import("p.npy", labels="x.npy"),
        ),
        "npz": ({k: _put("x.npz", v) for k, v in npz_cases().items()}, _import("x.npz")),
        "csv": ({k: _put("x.csv", lambda v=v: _csv(v)) for k, v in CSV.items()}, _import("x.csv")),
        "recipe": ({k: _put("x.toml", _coded(v)) for k, v in TOML.items()}, _recipe),
        "weights": ({k: _put("x.safetensors", v) for k, v in weights_cases().items()}, _weights),
        "image": ({k: lambda folder, v=v: _put(*v())(folder) for k, v in IMAGES.items()}, _image_of),
        "zip": (zip_cases(), _images("x.zip")),
        "arrays": (ARRAYS, _images("x.npz")),
    }  # fmt: skip
