"""Images of one's own: arrays, torch Datasets, npz files, CSV lists, functions; photographs that lie on their side."""

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from ensemble import Dataset, begin_study, load_dataset, make_dataset, plan_members
from ensemble.datasets import check_source
from ensemble.datasets.decode import decode
from ensemble.errors import BadInput

STREAM = np.random.default_rng(3)
IMAGES = STREAM.integers(0, 256, (12, 8, 6, 3), dtype=np.uint8)
LABELS = np.arange(12) % 3


def labels_of(dataset: Dataset, split: str) -> list[int]:
    return np.asarray(dataset.split(split).labels).tolist()


def test_arrays() -> None:
    made = make_dataset((IMAGES, LABELS), (IMAGES[:3], LABELS[:3]), IMAGES[:2], class_names=["cat", "dog", "eel"])
    assert made.image_shape == (8, 6, 3)
    assert (made.class_ids, made.class_names) == (("0", "1", "2"), ("cat", "dog", "eel"))
    np.testing.assert_array_equal(made.split("train").images, IMAGES)
    np.testing.assert_array_equal(made.split("val").labels, LABELS[:3])
    assert made.split("test").labels is None
    named = make_dataset((IMAGES[..., 0], np.array(["b", "a"] * 6)), (IMAGES[:2, ..., 0], np.array(["a", "b"])))
    assert (named.class_ids, named.image_shape) == (("a", "b"), (8, 6, 1))
    assert labels_of(named, "train") == [1, 0] * 6
    assert labels_of(named, "val") == [0, 1]


def test_any_torch_dataset() -> None:
    """Float tensors in 0..1, uint8 tensors and PIL images are the same pixels."""
    arrays = make_dataset((IMAGES, LABELS), (IMAGES, LABELS))
    floats = TensorDataset(torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255, torch.from_numpy(LABELS))
    whole = TensorDataset(torch.from_numpy(IMAGES).permute(0, 3, 1, 2), torch.from_numpy(LABELS))
    pictures = [(Image.fromarray(image), int(label)) for image, label in zip(IMAGES, LABELS, strict=True)]
    for part in (floats, whole, pictures):
        made = make_dataset(part, part)
        assert made.fingerprint == arrays.fingerprint


def test_a_study_keeps_a_dataset_in_memory(tmp_path: Path) -> None:
    made = make_dataset((IMAGES, LABELS), (IMAGES[:6], LABELS[:6]))
    study = begin_study(tmp_path / "study", made)
    again = load_dataset(study.config.source or "")
    assert again.fingerprint == made.fingerprint == study.config.fingerprint
    assert begin_study(tmp_path / "study", made).config == study.config
    assert len(plan_members(study, model="ting-m1", variants=2)) == 2
    with pytest.raises(BadInput, match="was begun with other images"):
        begin_study(tmp_path / "study", make_dataset((IMAGES[::-1], LABELS), (IMAGES, LABELS)))


class Broken:
    """A dataset whose second item cannot be read."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, i: int) -> tuple[np.ndarray, int]:
        if i:
            raise OSError("the disk is gone")
        return IMAGES[0], 0


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (
            (IMAGES.astype(np.float32), LABELS),
            "train: expected uint8 images (N, H, W) or (N, H, W, 1 or 3), found float32",
        ),
        ((IMAGES, LABELS[:5]), "train: 12 images, but labels of shape (5,)"),
        ((IMAGES, LABELS - 1), "train: label -1 of image 0 is outside of 0..2"),
        (IMAGES, "train: has no labels"),
        (7, "expected (images, labels) or a dataset with a length and items, found int"),
        ([(torch.zeros(3, 8, 6) - 1, 0)], "train, item 0: expected uint8 pixels, or a float tensor"),
        ([(IMAGES[0], 0), (IMAGES[0, :4], 1)], "train: images of 2 shapes"),
        ((IMAGES[:, :4], LABELS), "train are (4, 6, 3), val are (8, 6, 3)"),
        ((IMAGES, LABELS / 1), "train: expected labels that are whole numbers or names of classes, found float64"),
        ((IMAGES, np.array([None, *"ababababab", "c"], object)), "found object, such as None"),
        (
            [(IMAGES[0], np.eye(3)[0])],
            "item 0: expected one label, the number or name of a class, found float64",
        ),
        ((IMAGES[:0], LABELS[:0]), "train: holds no images"),
        ((IMAGES, LABELS * 0), "train: has one class only, 0"),
        ((IMAGES[:, :0], LABELS), "train: images of shape (0, 6, 3) have no pixels"),
        ((IMAGES, LABELS % 2), "val: has images of class 2, and train has none"),
        (Broken(), "train: item 1 of 2 raised OSError: the disk is gone; mend the dataset"),
        (iter([(IMAGES[0], 0)]), "found list_iterator"),
    ],
)
def test_what_is_no_dataset(train: Any, message: str) -> None:
    with pytest.raises(BadInput) as error:
        make_dataset(train, (IMAGES, LABELS), class_names=["a", "b", "c"])
    assert message in str(error.value)


def test_numbers_of_classes_have_no_gap() -> None:
    with pytest.raises(BadInput, match="train: has no image of class 1, and labels up to 4"):
        make_dataset((IMAGES, LABELS * 2), (IMAGES, LABELS * 2))
    named = make_dataset((IMAGES, LABELS * 2), (IMAGES, LABELS * 2), class_names=list("abcde"))
    assert (len(named.class_ids), labels_of(named, "train")[:3]) == (5, [0, 2, 4])


def test_an_npz_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", train_images=IMAGES, train_labels=LABELS, val_images=IMAGES, val_labels=LABELS)
    found = load_dataset(tmp_path / "mine.npz")
    assert found.fingerprint == make_dataset((IMAGES, LABELS), (IMAGES, LABELS)).fingerprint
    assert found.source == str(tmp_path / "mine.npz")
    report = check_source(tmp_path / "mine.npz")
    assert (report.ok, report.layout, report.splits["val"].images) == (True, "npz", len(LABELS))
    np.savez(tmp_path / "less.npz", train_images=IMAGES, train_labels=LABELS)
    with pytest.raises(BadInput, match=r"less\.npz: lacks the array 'val_images', it has train_images, train_labels"):
        load_dataset(tmp_path / "less.npz")


def write(path: Path, *rows: tuple[str, str, str], header: tuple[str, ...] = ("path", "label", "split")) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_a_csv_of_paths_and_labels(tmp_path: Path, picture: Callable[..., Path]) -> None:
    rows = []
    for i, label in enumerate(("dog", "cat", "dog", "cat")):
        picture(tmp_path / f"pictures/{i}.png", seed=i)
        rows.append((f"pictures/{i}.png", label, ("train", "train", "val", "validation")[i]))
    picture(tmp_path / "pictures/9.png", seed=9)
    path = write(tmp_path / "list.csv", *rows, ("pictures/9.png", "", "test"))
    found = load_dataset(path)
    assert {name: len(split) for name, split in found.splits.items()} == {"train": 2, "val": 2, "test": 1}
    assert found.class_ids == ("cat", "dog")
    assert labels_of(found, "train") == [1, 0]
    assert found.split("train").sample_ids.tolist() == ["pictures/0", "pictures/1"]
    assert found.split("test").labels is None
    for i, split in ((0, "train"), (2, "val"), (9, "test")):
        pixels = np.asarray(Image.open(tmp_path / f"pictures/{i}.png"))
        np.testing.assert_array_equal(found.split(split).images[0], pixels)
    assert found.source == str(path)
    assert check_source(path).ok
    # Another label is another dataset, though no image changed.
    write(path, (rows[0][0], "cat", "train"), (rows[1][0], "dog", "train"), *rows[2:])
    assert load_dataset(path).fingerprint != found.fingerprint


GOOD = [("a.png", "x", "train"), ("b.png", "y", "train"), ("a.png", "x", "val")]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*GOOD, ("none.png", "x", "val")], "line 5: there is no file"),
        ([*GOOD, ("b.png", "", "val")], "line 5: has no label"),
        ([*GOOD, ("b.png", "z", "val")], "val has the label 'z', which train lacks; known: x, y"),
        ([*GOOD, ("b.png", "y", "dev")], "line 5: split 'dev' is none of train, val, test"),
        ([*GOOD, ("b.png", "y", "train")], "line 5: names b.png a second time in train"),
        ([*GOOD, ("../b.png", "y", "train")], "lies outside of"),
        ([*GOOD, ("list.csv", "y", "train")], "does not end like an image"),
        (GOOD[:2], "has no line with split val"),
        ([GOOD[0], GOOD[2]], "train has one class only, 'x'"),
    ],
)
def test_what_is_wrong_with_a_csv(
    tmp_path: Path, picture: Callable[..., Path], rows: list[tuple[str, str, str]], message: str
) -> None:
    for name in "ab":
        picture(tmp_path / f"in/{name}.png")
        picture(tmp_path / f"{name}.png")
    with pytest.raises(BadInput) as error:
        load_dataset(write(tmp_path / "in/list.csv", *rows))
    assert message in str(error.value)
    with pytest.raises(BadInput, match="lacks the column 'split', it has path, label"):
        load_dataset(write(tmp_path / "in/short.csv", header=("path", "label")))


def test_a_function_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_images.py").write_text(
        "import numpy as np\n"
        "def digits():\n"
        "    images = np.arange(8 * 4 * 4, dtype=np.uint8).reshape(8, 4, 4)\n"
        "    return {'train': (images, np.arange(8) % 2), 'val': (images, np.arange(8) % 2)}\n"
        "def nothing():\n    return None\n"
        "def more():\n    return {**digits(), 'tune': 3}\n"
        "def raises():\n    raise OSError('no such disk')\n"
    )
    found = load_dataset("own_images:digits")
    assert (found.name, found.source, found.image_shape) == ("digits", "own_images:digits", (4, 4, 1))
    assert check_source("own_images:digits").layout == "function"
    assert begin_study(tmp_path / "study", "own_images:digits").config.source == "own_images:digits"
    for function, message in (
        ("nothing", "expected a Dataset, or a dictionary with 'train' and 'val', found NoneType"),
        ("more", "'tune' is not a part of a dataset"),
        ("raises", "raised OSError: no such disk"),
        ("digit", "digit is not in it; known: digits"),
    ):
        with pytest.raises(BadInput) as error:
            load_dataset(f"own_images:{function}")
        assert message in str(error.value)
        assert f"data='own_images:{function}'" in str(error.value)


def test_exif_rotation_is_applied() -> None:
    """Of each of the eight orientations, the picture as it should be seen."""
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :16] = 255
    ways = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.transpose(1, 0, 2),
            6: np.rot90(upright, 1), 7: np.rot90(upright[::-1], 1), 8: np.rot90(upright, -1)}  # fmt: skip
    for orientation, stored in ways.items():
        exif, file = Image.Exif(), io.BytesIO()
        exif[0x0112] = orientation
        Image.fromarray(np.ascontiguousarray(stored)).save(file, "PNG", exif=exif)
        found = decode(file.getvalue(), "photo.png")
        assert found.original == (32, 48)
        np.testing.assert_array_equal(found.pixels, upright, err_msg=str(orientation))


def test_images_of_several_sizes_are_made_one(tmp_path: Path, picture: Callable[..., Path]) -> None:
    sizes = {"a": (20, 30), "b": (40, 20), "c": (24, 24)}
    for split in ("train", "val"):
        for label in ("cat", "dog"):
            for name, size in sizes.items():
                picture(tmp_path / f"pets/{split}/{label}/{name}.png", size)
    found = load_dataset(tmp_path / "pets")
    assert found.image_shape == (20, 20, 3)  # the median of the shorter sides, 20, 20 and 24
    (note,) = found.notes
    assert note.startswith("12 of 12 images, of 3 sizes, were resized and cut to 20 x 20")
    where = tmp_path / "pets/train/cat/c.png"
    index = found.split("train").sample_ids.tolist().index("cat/c")
    np.testing.assert_array_equal(found.split("train").images[index], decode(where.read_bytes(), "c", 20).pixels)
    assert check_source(tmp_path / "pets").ok


def test_a_folder_of_npy_files_is_the_npz(tmp_path: Path) -> None:
    arrays = {"train_images": IMAGES, "train_labels": LABELS, "val_images": IMAGES[:3], "val_labels": LABELS[:3]}
    np.savez(tmp_path / "a.npz", **arrays)  # ty: ignore[invalid-argument-type]
    (tmp_path / "a").mkdir()
    for name, array in arrays.items():
        np.save(tmp_path / "a" / f"{name}.npy", array)
    assert load_dataset(tmp_path / "a").fingerprint == load_dataset(tmp_path / "a.npz").fingerprint
    (tmp_path / "a" / "val_labels.npy").unlink()
    with pytest.raises(BadInput, match="lacks the array 'val_labels'"):
        load_dataset(tmp_path / "a")


@pytest.fixture
def hugging_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library, without a look at the network and with a cache of its own."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("ENS_CACHE", str(tmp_path / "cache"))
    library = pytest.importorskip("datasets")
    if not hasattr(library, "DatasetDict"):  # a folder of that name, as that of these tests is
        pytest.skip("Hugging Face's datasets is not installed")
    return library


@pytest.mark.filterwarnings("ignore")
def test_a_saved_dataset_of_hugging_face(tmp_path: Path, hugging_face: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def part(rows: slice, names: tuple[str, str] = ("image", "label")) -> Any:
        columns = {names[0]: [Image.fromarray(i) for i in IMAGES[rows]], names[1]: LABELS[rows].tolist()}
        kinds = {names[0]: hugging_face.Image(), names[1]: hugging_face.ClassLabel(names=["cat", "dog", "eel"])}
        return hugging_face.Dataset.from_dict(columns, features=hugging_face.Features(kinds))

    saved = hugging_face.DatasetDict({"train": part(slice(0, 9)), "validation": part(slice(9, 12))})
    saved.save_to_disk(str(tmp_path / "saved"))
    plain = make_dataset((IMAGES[:9], LABELS[:9]), (IMAGES[9:], LABELS[9:]), class_names=["cat", "dog", "eel"])
    assert load_dataset(tmp_path / "saved", pack=False).fingerprint == plain.fingerprint
    assert not (tmp_path / "cache").exists()
    for _ in range(2):  # decoded, then from the cache
        found = load_dataset(tmp_path / "saved")
        assert (found.fingerprint, found.class_names) == (plain.fingerprint, plain.class_names)
        assert found.source == str(tmp_path / "saved")
        monkeypatch.setattr("ensemble.datasets.from_saved_dataset", None)
    monkeypatch.undo()
    mixed = [Image.fromarray(IMAGES[0]), Image.fromarray(np.full((20, 30, 3), 7, np.uint8))]
    two = hugging_face.Dataset.from_dict({"image": mixed, "label": ["a", "b"]}).cast_column(
        "image", hugging_face.Image()
    )
    hugging_face.DatasetDict({"train": two, "val": two}).save_to_disk(str(tmp_path / "mixed"))
    assert load_dataset(tmp_path / "mixed", pack=False).image_shape == (13, 13, 3)  # the median of 6 and 20
    hugging_face.DatasetDict({"train": two}).save_to_disk(str(tmp_path / "one"))
    with pytest.raises(BadInput, match="expected the splits train and validation, found train"):
        load_dataset(tmp_path / "one", pack=False)
    odd = two.rename_column("label", "kind")
    hugging_face.DatasetDict({"train": odd, "val": odd}).save_to_disk(str(tmp_path / "odd"))
    with pytest.raises(BadInput, match=r"expected one column of images and one of labels .* found image, kind"):
        load_dataset(tmp_path / "odd", pack=False)


@pytest.mark.parametrize("name", ["x.npz", "x.csv", "x", "d/meta.json", "d/train/a/1.png"])
def test_a_pipe_in_place_of_images_is_refused_and_not_waited_for(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(BadInput, match=r"found a pipe, a socket or a device|is neither a file nor a folder"):
        load_dataset(str(tmp_path / name.partition("/")[0]))


def test_a_path_with_a_nul_in_a_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path,label,split\na\0b.png,a,train\n")
    with pytest.raises(BadInput, match=r"list\.csv"):
        load_dataset(str(tmp_path / "list.csv"))
