"""Images that came after training: what is found where, its ids and labels, and what becomes of odd ones."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ensemble.datasets import load_dataset
from ensemble.datasets.decode import decode, to_grey
from ensemble.datasets.new_images import NewImages, Seen, new_images
from ensemble.errors import BadInput

IDS, NAMES = ("n01", "n02", "n03"), ("goldfish", "Dog", "cat, a pet")
Picture = Callable[..., Path]


def look(new: NewImages, shape: tuple[int, int, int] = (8, 8, 3), rows: int = 500) -> tuple[np.ndarray, Seen]:
    seen = Seen()
    blocks = list(new.blocks(shape, rows, seen))
    assert np.concatenate([b.rows for b in blocks]).tolist() == list(range(len(new)))
    assert all(len(b.images) <= rows for b in blocks)
    return np.concatenate([b.images for b in blocks]), seen


def test_a_flat_folder_is_unlabelled_and_its_pixels_are_the_files(tmp_path: Path, picture: Picture) -> None:
    paths = [picture(tmp_path / name, seed=i) for i, name in enumerate(("a.png", "b.2.png", "deep/c.PNG"))]
    (tmp_path / "notes.txt").write_text("not an image")
    new = new_images(tmp_path, IDS, NAMES)
    assert new.sample_ids.tolist() == ["a", "b.2", "deep/c"]
    assert new.labels is None
    assert new.part is None
    assert new.notes == ("1 file without an image's ending was left out.",)
    for rows in (1, 2, 500):
        images, seen = look(new, rows=rows)
        np.testing.assert_array_equal(images, [np.asarray(Image.open(path)) for path in paths])
        assert seen.notes((8, 8, 3)) == []


def test_a_folder_for_each_class_is_labelled_by_id_or_by_name(tmp_path: Path, picture: Picture) -> None:
    for folder in ("n03/images", "goldfish", "dog"):
        picture(tmp_path / folder / "x.png")
    new = new_images(tmp_path, IDS, NAMES)
    assert new.sample_ids.tolist() == ["dog/x", "goldfish/x", "n03/images/x"]
    assert new.labels is not None
    assert new.labels.tolist() == [1, 0, 2]
    assert new.notes == ()


def test_one_class_alone_keeps_its_folder_in_the_id(tmp_path: Path, picture: Picture) -> None:
    picture(tmp_path / "new/goldfish/x.png")
    new = new_images(tmp_path / "new", IDS, NAMES)
    assert (new.sample_ids.tolist(), new.labels is not None) == (["goldfish/x"], True)
    with zipfile.ZipFile(tmp_path / "new.zip", "w") as file:
        file.write(tmp_path / "new/goldfish/x.png", "new/goldfish/x.png")
    zipped = new_images(tmp_path / "new.zip", IDS, NAMES)
    assert zipped.sample_ids.tolist() == ["goldfish/x"]
    np.testing.assert_array_equal(look(zipped)[0], look(new)[0])


def test_other_folders_leave_images_unlabelled_and_say_so(tmp_path: Path, picture: Picture) -> None:
    for folder in ("n01", "zebra", "yak"):
        picture(tmp_path / folder / "x.png")
    new = new_images(tmp_path, IDS, NAMES)
    assert new.labels is None
    assert new.notes == (
        "2 of 3 top folders ('yak', 'zebra') are no class of the study, by id or by name, "
        "so the images count as unlabelled.",
    )
    picture(tmp_path / "beside.png")
    assert "3 of 4 top folders (no folder, 'yak', 'zebra')" in new_images(tmp_path, IDS, NAMES).notes[0]
    # Two classes of one name: neither is meant.
    assert new_images(tmp_path / "n01", ("a", "b"), ("n01", "n01")).labels is None


def test_one_image(tmp_path: Path, picture: Picture) -> None:
    path = picture(tmp_path / "train/it.png", seed=3)
    new = new_images(path, IDS, NAMES)
    assert (new.sample_ids.tolist(), new.labels) == (["it"], None)
    np.testing.assert_array_equal(look(new)[0], [np.asarray(Image.open(path))])


def test_other_sizes_and_colours_are_made_the_studys_and_told(tmp_path: Path, picture: Picture) -> None:
    picture(tmp_path / "a.png", (8, 8), seed=1)
    wide = picture(tmp_path / "b.png", (40, 20), seed=2)
    picture(tmp_path / "c.png", (8, 8), mode="L", seed=3)
    new = new_images(tmp_path, IDS, NAMES)
    images, seen = look(new)
    assert seen.notes((8, 8, 3)) == ["1 grey image was made RGB.", "1 image was resized and cut to 8 x 8."]
    # As the packs do it: the shorter side resized, the centre cut out.
    np.testing.assert_array_equal(images[1], decode(wide.read_bytes(), "b", 8).pixels)
    grey, seen = look(new, (8, 8, 1))
    assert seen.notes((8, 8, 1)) == ["2 images in colour were made grey.", "1 image was resized and cut to 8 x 8."]
    np.testing.assert_array_equal(grey[0, ..., 0], np.asarray(Image.open(tmp_path / "a.png").convert("L")))
    np.testing.assert_array_equal(grey[2, ..., 0], np.asarray(Image.open(tmp_path / "c.png")))
    oblong, _ = look(new, (6, 10, 3))
    assert oblong.shape == (3, 6, 10, 3)


def test_a_grey_pixel_is_pils_luma() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(to_grey(pixels)[..., 0], np.asarray(Image.fromarray(pixels).convert("L")))


def test_covering_a_rectangle_cuts_no_more_than_it_must() -> None:
    # Left half black, right half white; 2 x as wide as high: the middle of the width is kept.
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:, 10:] = 255
    data = _png(pixels)
    square = decode(data, "x", (10, 10)).pixels
    assert square.shape == (10, 10, 3)
    assert (square[:, 0].max(), square[:, -1].min()) == (0, 255)
    np.testing.assert_array_equal(decode(data, "x", (10, 20)).pixels, pixels)
    np.testing.assert_array_equal(decode(data, "x", (10, 10)).pixels, decode(data, "x", 10).pixels)


def _png(pixels: np.ndarray) -> bytes:
    import io

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("rows", [1, 2, 500])
def test_unreadable_images_are_named_and_left_out_only_when_told(rows: int, tmp_path: Path, picture: Picture) -> None:
    for i in range(5):
        picture(tmp_path / f"{i}.png", seed=i)
    (tmp_path / "1.png").write_bytes(b"no image")
    (tmp_path / "3.png").write_bytes((tmp_path / "0.png").read_bytes()[:60])
    new = new_images(tmp_path, IDS, NAMES)
    with pytest.raises(
        BadInput, match=r"^2 of 5 images cannot be read: .*1\.png: expected an image .*3\.png: is b"
    ) as e:
        list(new.blocks((8, 8, 3), rows, Seen()))
    assert str(e.value).endswith("With skip_unreadable=True the others are predicted.")
    seen = Seen()
    blocks = list(new.blocks((8, 8, 3), rows, seen, skip=True))
    assert np.concatenate([b.rows for b in blocks]).tolist() == [0, 2, 4]
    images = np.concatenate([b.images for b in blocks])
    np.testing.assert_array_equal(images[1], np.asarray(Image.open(tmp_path / "2.png")))
    assert len(seen.unreadable) == 2
    for i in (0, 2, 4):
        (tmp_path / f"{i}.png").write_bytes(b"")
    with pytest.raises(BadInput, match="none of 5 images can be read"):
        list(new.blocks((8, 8, 3), rows, Seen(), skip=True))


def test_a_split_of_a_dataset_comes_as_training_sees_it(tmp_path: Path, tiny_tree: Callable[[Path], Path]) -> None:
    root = tiny_tree(tmp_path / "tiny")
    dataset = load_dataset(root)
    new = new_images(root, dataset.class_ids, dataset.class_names, "val")
    val = dataset.split("val")
    assert (new.part, new.fingerprint) == ("val", dataset.fingerprint)
    assert new.sample_ids.tolist() == val.sample_ids.tolist()
    np.testing.assert_array_equal(new.labels, val.labels)
    np.testing.assert_array_equal(look(new, (64, 64, 3), rows=3)[0], val.images)
    test = new_images(root, dataset.class_ids, dataset.class_names, default="test")
    assert (test.labels, test.sample_ids.tolist()) == (None, ["images/test_0"])
    # Classes in another order, more of them, or none of them.
    more = new_images(root, ("n02", "n00", "n01"), ("b", "x", "a"), "val")
    np.testing.assert_array_equal(more.labels, np.array([2, 0])[val.labels])
    other = new_images(root, ("cat", "dog"), ("cat", "dog"), "val")
    assert other.labels is None
    assert "2 of its classes ('n01' for one) are none of the study" in other.notes[0]
    # Of another size.
    small, seen = look(new, (16, 16, 1))
    assert small.shape == (4, 16, 16, 1)
    assert seen.notes((16, 16, 1))[-1] == "4 images were resized and cut to 16 x 16."


def test_digits_are_a_dataset(tmp_path: Path) -> None:
    new = new_images("digits", tuple("0123456789"), tuple("0123456789"), "val")
    assert len(new) == 1597
    colour, seen = look(new, (16, 16, 3))
    assert (colour[..., 0] == colour[..., 2]).all()
    assert seen.notes((16, 16, 3)) == ["1,597 grey images were made RGB."]


def test_bad_input(tmp_path: Path, picture: Picture, tree: Callable[..., Path]) -> None:
    def refused(path: str | Path, message: str, part: str | None = None) -> None:
        with pytest.raises(BadInput) as error:
            new_images(path, IDS, NAMES, part)
        assert message in str(error.value)

    refused(tmp_path / "absent", "absent: there is no such file or folder; check the path.")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "empty: is empty; name a folder of images, a zip, or one image.")
    (tmp_path / "text").mkdir()
    (tmp_path / "text/a.txt").write_text("a")
    refused(tmp_path / "text", "text: holds no images among its 1 files; read are .bmp, .gif, ")
    (tmp_path / "plain.dat").write_bytes(b"0" * 100)
    refused(tmp_path / "plain.dat", "plain.dat: expected a folder or a zip, found a plain file")
    picture(tmp_path / "twins/a.png")
    shutil.copy(tmp_path / "twins/a.png", tmp_path / "twins/a.jpg")
    refused(tmp_path / "twins", "a.jpg and a.png differ in their extension only, so both would be 'a'; rename one.")
    picture(tmp_path / "flat/a.png")
    refused(
        tmp_path / "flat", "has no split 'val', it is no dataset with train/ and val/; leave out part=... then.", "val"
    )
    root = tree(tmp_path / "tree")
    refused(root, "has the splits train, val; say which one with part=NAME.")
    refused(root, "has no split 'test', but the splits train, val; say which one with part=NAME.", "test")
