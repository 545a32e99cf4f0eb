"""Splits, labels, ids and classes of the layouts, and each bad one refused in a sentence."""

import zipfile

import numpy as np
import pytest

from ensemble.datasets import DATASETS, check_source, load_dataset
from ensemble.datasets.listing import unique_names
from ensemble.datasets.source import open_source
from ensemble.errors import BadInput


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    """A cache a test: a zip whose directory is whole would else be found packed, by the test that packed it whole."""
    monkeypatch.setenv("ENS_CACHE", str(tmp_path / "cache"))


def zipped(folder, path, top=""):
    with zipfile.ZipFile(path, "w") as file:
        for item in sorted(folder.rglob("*")):
            if item.is_file():
                file.write(item, top + item.relative_to(folder).as_posix())
    return path


def labels(split):
    assert split.labels is not None
    return split.labels.tolist()


def refused(source, *words):
    with pytest.raises(BadInput) as error:
        load_dataset(source)
    text = str(error.value)
    for word in words:
        assert word in text, text
    return text


def test_tiny_imagenet_in_its_official_layout(tmp_path, tiny_tree):
    data = load_dataset(tiny_tree(tmp_path / "tiny"))
    assert data.class_ids == ("n01", "n02")  # sorted, though wnids.txt says n02 first
    assert data.class_names == ("crane, a bird", "crane, a machine")  # the first synonym would be shared
    train, val, test = (data.split(s) for s in ("train", "val", "test"))
    assert train.sample_ids.tolist()[:2] == ["n01/images/n01_0", "n01/images/n01_1"]
    assert labels(train) == [0, 0, 0, 1, 1, 1]
    assert val.sample_ids.tolist() == [f"images/val_{i}" for i in range(4)]
    assert labels(val) == [1, 0, 1, 0]
    assert test.labels is None
    assert test.sample_ids.tolist() == ["images/test_0"]
    assert data.image_shape == (64, 64, 3)
    assert data.notes == ("1 grey image was made RGB.",)
    assert data.name == "tiny"


def test_rearranged_val_gives_the_same_labels(tmp_path, tiny_tree):
    root = tiny_tree(tmp_path / "tiny")
    before = load_dataset(root).split("val")
    for i in range(4):
        wnid = ("n02", "n01")[i % 2]
        (root / f"val/{wnid}").mkdir(exist_ok=True)
        (root / f"val/images/val_{i}.JPEG").rename(root / f"val/{wnid}/val_{i}.JPEG")
    (root / "val/images").rmdir()  # val_annotations.txt is left behind, as most such scripts do
    after = load_dataset(root).split("val")
    assert after.sample_ids.tolist() == ["n01/val_1", "n01/val_3", "n02/val_0", "n02/val_2"]
    assert labels(after) == [0, 0, 1, 1]
    np.testing.assert_array_equal(after.images, before.images[[1, 3, 0, 2]])


def test_half_rearranged_val_is_refused(tmp_path, tiny_tree, picture):
    root = tiny_tree(tmp_path / "tiny")
    picture(root / "val/n01/val_9.JPEG", (64, 64))
    refused(root, "rearranged by half", "val/images/val_0.JPEG", "val/n01/val_9.JPEG")


def test_a_zip_with_a_top_folder_is_the_same_as_the_folder(tmp_path, tiny_tree):
    root = tiny_tree(tmp_path / "tiny")
    folder = load_dataset(root)
    for top in ("", "tiny-imagenet-200/", "a/b/"):
        packed = load_dataset(zipped(root, tmp_path / f"z{len(top)}.zip", top))
        assert packed.fingerprint == folder.fingerprint
        assert packed.source == str(tmp_path / f"z{len(top)}.zip")
    (tmp_path / "outer").mkdir()
    root.rename(tmp_path / "outer" / "tiny-imagenet-200")
    assert load_dataset(tmp_path / "outer").fingerprint == folder.fingerprint


def test_image_folder_with_labelled_test(tmp_path, tree, picture):
    root = tree(tmp_path / "pets", ("dog", "cat"))
    (root / "val").rename(root / "validation")
    picture(root / "test/dog/x.y.png")
    (root / "train/cat/.DS_Store").write_bytes(b"\0")
    data = load_dataset(root)
    assert (data.class_ids, data.class_names) == (("cat", "dog"), ("cat", "dog"))
    assert list(data.splits) == ["train", "val", "test"]
    assert labels(data.split("test")) == [1]
    assert data.split("test").sample_ids.tolist() == ["dog/x.y"]
    assert data.notes == ()


@pytest.mark.parametrize("where", ["test", "test/images"])
def test_image_folder_with_flat_test_is_unlabelled(tmp_path, tree, picture, where):
    root = tree(tmp_path / "pets")
    picture(root / where / "10.png")
    picture(root / where / "2.png")
    test = load_dataset(root).split("test")
    assert test.labels is None
    assert test.sample_ids.tolist() == [f"{where}/10".removeprefix("test/"), f"{where}/2".removeprefix("test/")]


def test_same_order_and_pixels_as_torchvision(tmp_path, tree, picture):
    datasets = pytest.importorskip("torchvision.datasets")
    root = tree(tmp_path / "pets", ("b", "a", "B-c", "a b"), per_class=12, ext="jpg")
    picture(root / "train/a/sub/z.png", mode="RGBA")
    picture(root / "train/a/sub-x/z.png", mode="P")
    picture(root / "train/a/a_0-1.jpg", mode="CMYK")
    picture(root / "train/a/grey.png", mode="LA")
    ours = load_dataset(root).split("train")
    theirs = datasets.ImageFolder(str(root / "train"))
    assert list(ours.class_ids) == theirs.classes
    assert len(ours) == len(theirs)
    paths = [str(root / "train" / i) for i in ours.sample_ids]
    assert paths == [p.rsplit(".", 1)[0] for p, _ in theirs.samples]
    for i, (image, label) in enumerate(theirs):
        assert labels(ours)[i] == label
        np.testing.assert_array_equal(ours.images[i], np.asarray(image))


def test_names_stay_apart():
    assert unique_names("abc", ["x, y", "x, z", "w, y"]) == ("x, y", "x, z", "w")
    assert unique_names("ab", ["x", "x"]) == ("x (a)", "x (b)")


# --- bad input


def test_missing_source_names_what_is_known():
    refused("digit", "known: digits", "neither a folder, a zip nor an embedded dataset")
    assert list(DATASETS) == ["digits"]


def test_empty_folder(tmp_path):
    refused(tmp_path, "is empty", "expected train/ and val/")


def test_images_without_class_folders(tmp_path, picture):
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    refused(tmp_path, "holds 2 images (a.png for one) but no class folders")
    other = tmp_path / "other"
    picture(other / "train/a.png")
    picture(other / "val/a.png")
    refused(other, "train/ holds 1 images", "no class folders")


def test_no_train_says_what_is_there(tmp_path, picture):
    picture(tmp_path / "cat/a.png")
    picture(tmp_path / "dog/a.png")
    refused(tmp_path, "has no train/", "found cat/, dog/")


def test_no_val(tmp_path, tree):
    root = tree(tmp_path / "pets")
    (root / "val").rename(tmp_path / "away")
    refused(root, "no images in val/", "move some images")


def test_two_vals(tmp_path, tree, picture):
    root = tree(tmp_path / "pets")
    picture(root / "valid/cat/a.png")
    refused(root, "both val/ and valid/")


def test_one_class_only(tmp_path, tree):
    refused(tree(tmp_path / "pets", ("cat",)), "one class only, 'cat'", "two or more")


def test_val_classes_are_not_those_of_train(tmp_path, tree, picture):
    root = tree(tmp_path / "pets", ("cat", "dog", "eel"))
    (root / "val/eel").rename(root / "val/fox")
    text = refused(root, "val/ has the class 'fox' that train/ has not", "1 more", "ens-data check")
    assert check_source(root).problems[1] == (
        f"{root}: val/ has no images of the class 'eel' of train/; both must have the same classes."
    )
    assert str(root) in text


def test_unknown_class_in_test(tmp_path, tree, picture):
    root = tree(tmp_path / "pets")
    picture(root / "test/cats/a.png")
    refused(root, "test/ has the class 'cats' that train/ has not")


def test_empty_class_folder(tmp_path, tree):
    root = tree(tmp_path / "pets")
    (root / "train/eel").mkdir()
    refused(root, "train/eel: holds no images")


def test_image_beside_the_class_folders(tmp_path, tree, picture):
    root = tree(tmp_path / "pets")
    picture(root / "train/lost.png")
    refused(root, "train/lost.png: stands outside of any class folder")


def test_two_files_of_one_id(tmp_path, tree, picture):
    root = tree(tmp_path / "pets")
    picture(root / "train/cat/cat_0.jpg")
    refused(root, "differ in their extension only", "'cat/cat_0'")


def test_val_without_annotations(tmp_path, tiny_tree):
    root = tiny_tree(tmp_path / "tiny")
    (root / "val/val_annotations.txt").unlink()
    refused(root, "val/val_annotations.txt: is missing", "4 images whose classes only this file tells")


def test_annotations_that_name_absent_files(tmp_path, tiny_tree):
    root = tiny_tree(tmp_path / "tiny")
    (root / "val/images/val_3.JPEG").unlink()
    refused(root, "val_annotations.txt: names 1 absent file, 'val_3.JPEG'")
    assert check_source(root).absent == ("val_3.JPEG",)


def test_annotations_with_an_unknown_wnid(tmp_path, tiny_tree):
    root = tiny_tree(tmp_path / "tiny")
    file = root / "val/val_annotations.txt"
    file.write_text(file.read_text().replace("val_2.JPEG\tn02", "val_2.JPEG\tn99"))
    refused(root, "names 1 unknown class ids, 'n99' in line 3")


def test_image_without_annotation(tmp_path, tiny_tree, picture):
    root = tiny_tree(tmp_path / "tiny")
    picture(root / "val/images/val_7.JPEG", (64, 64))
    refused(root, "val/images/val_7.JPEG: has no line in val/val_annotations.txt (1 such)")
    assert check_source(root).unannotated == ("val/images/val_7.JPEG",)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("val_0.JPEG n02\n", "line 5 is 'val_0.JPEG n02'"),
        ("val_0.JPEG\tn01\n", "line 5 gives val_0.JPEG another class"),
    ],
)
def test_broken_annotations(tmp_path, tiny_tree, line, words):
    root = tiny_tree(tmp_path / "tiny")
    with (root / "val/val_annotations.txt").open("a") as file:
        file.write(line)
    refused(root, words)


def test_wnids_that_disagree_with_train(tmp_path, tiny_tree):
    root = tiny_tree(tmp_path / "tiny")
    (root / "wnids.txt").write_text("n01\nn05\n")
    refused(root, "wnids.txt lacks 1 of the classes of train/, 'n02'")


# --- the source itself


def test_a_plain_file_that_is_no_zip(tmp_path):
    path = tmp_path / "data.zip"
    path.write_bytes(b"hello" * 100)
    refused(path, "plain file that is no zip")


def test_a_zip_that_was_cut_off(tmp_path, tree):
    path = zipped(tree(tmp_path / "pets"), tmp_path / "pets.zip")
    path.write_bytes(path.read_bytes()[:-40])
    refused(path, "no zip (or one that was cut off)")


def test_a_zip_with_broken_bytes(tmp_path, tree):
    path = zipped(tree(tmp_path / "pets"), tmp_path / "pets.zip")
    data = bytearray(path.read_bytes())
    data[60:90] = bytes(30)  # within the first image
    path.write_bytes(data)
    refused(path, "train/cat/cat_0.png cannot be read", "fetch the zip again")


def test_a_zip_with_a_broken_directory(tmp_path, tree):
    path = zipped(tree(tmp_path / "pets"), tmp_path / "pets.zip")
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\x01\x02")
    data[at : at + 4] = b"XXXX"
    path.write_bytes(data)
    refused(path, "is a broken zip")


@pytest.mark.parametrize(
    "name", ["../out.png", "/etc/out.png", "C:/out.png", "train\\..\\..\\out.png", "a/../../b.png"]
)
def test_a_zip_that_climbs_out(tmp_path, tree, name):
    path = zipped(tree(tmp_path / "pets"), tmp_path / "pets.zip")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(name, b"x")
    refused(path, "climbs out of its folder", repr(name))


def test_a_zip_with_backslashes_is_read(tmp_path, tree):
    root = tree(tmp_path / "pets")
    path = tmp_path / "pets.zip"
    with zipfile.ZipFile(path, "w") as file:
        for item in root.rglob("*.png"):
            file.writestr(item.relative_to(root).as_posix().replace("/", "\\"), item.read_bytes())
    assert load_dataset(path).fingerprint == load_dataset(root).fingerprint


def test_a_zip_with_a_link(tmp_path, tree):
    path = zipped(tree(tmp_path / "pets"), tmp_path / "pets.zip")
    with zipfile.ZipFile(path, "a") as file:
        info = zipfile.ZipInfo("train/cat/link.png")
        info.external_attr = 0o120777 << 16
        file.writestr(info, "/etc/passwd")
    refused(path, "train/cat/link.png is a link")


def test_an_encrypted_zip(tmp_path, tree):
    path = zipped(tree(tmp_path / "pets"), tmp_path / "pets.zip")
    data = bytearray(path.read_bytes())
    data[data.find(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory
    path.write_bytes(data)
    refused(path, "is encrypted", "extract the zip")


def test_an_entry_that_claims_an_absurd_size(tmp_path, tree):
    path = zipped(tree(tmp_path / "pets"), tmp_path / "pets.zip")
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\x01\x02") + 24
    data[at : at + 4] = (2**31).to_bytes(4, "little")
    path.write_bytes(data)
    refused(path, "2,147,483,648 bytes in one file")


def test_a_zip_that_holds_a_name_twice(tmp_path, tree):
    path = zipped(tree(tmp_path / "pets"), tmp_path / "pets.zip")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as file:
        file.writestr("train/cat/cat_0.png", b"x")
    refused(path, "holds 'train/cat/cat_0.png' twice")


def test_links_inside_are_followed_and_those_that_leave_are_refused(tmp_path, tree, picture):
    root = tree(tmp_path / "pets")
    (root / "train/cat/again.png").symlink_to(root / "train/cat/cat_0.png")
    assert "cat/again" in load_dataset(root).split("train").sample_ids
    outside = picture(tmp_path / "secret.png")
    (root / "train/cat/out.png").symlink_to(outside)
    refused(root, "train/cat/out.png: is a link to", "outside of")


def test_links_that_lead_in_a_circle(tmp_path, tree):
    root = tree(tmp_path / "pets")
    (root / "train/cat/up").symlink_to(root / "train")
    refused(root, "is a link to a folder that it lies in")


def test_files_that_are_no_images_are_told(tmp_path, tree):
    root = tree(tmp_path / "pets")
    (root / "train/cat/x.heic").write_bytes(b"?")
    (root / "extra/cat").mkdir(parents=True)
    (root / "extra/cat/y.png").write_bytes(b"?")
    assert load_dataset(root).notes == (
        "No split, and left out: extra/.",
        "Files that end like no image this program reads were left out: 1 with .heic.",
    )


def test_listing_does_not_depend_on_what_lies_beside_the_splits(tmp_path, tree):
    root = tree(tmp_path / "pets")
    before = open_source(root).digest()
    (root / "study").mkdir()
    (root / "study/figure.png").write_bytes(b"x")
    assert open_source(root).digest() == before
    (root / "train/cat/cat_0.png").write_bytes(b"x")
    assert open_source(root).digest() != before


@pytest.mark.sample
def test_the_real_sample(tiny_imagenet_sample):
    data = load_dataset(tiny_imagenet_sample)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 8000, "val": 2000, "test": 200}
    assert len(data.class_ids) == len(set(data.class_names)) == 200
    assert list(data.class_ids) == sorted(data.class_ids)
    assert data.class_names[0] == "goldfish"
    assert np.bincount(labels(data.split("val"))).tolist() == [10] * 200
    assert data.notes == ("177 grey images were made RGB.",)
    assert data.split("train").sample_ids[0] == "n01443537/images/n01443537_0"
    val = data.split("val")
    with zipfile.ZipFile(tiny_imagenet_sample) as file:
        first = file.read("tiny-imagenet-200/val/val_annotations.txt").decode().split("\t")
    row = val.sample_ids.tolist().index("images/" + first[0].removesuffix(".JPEG"))
    assert data.class_ids[labels(val)[row]] == first[1]


@pytest.mark.sample
def test_the_real_sample_checks_sound(tiny_imagenet_sample):
    report = check_source(tiny_imagenet_sample)
    assert report.ok
    assert report.sizes == {"64x64": 10200}
    assert report.modes == {"RGB": 10023, "grey": 177}
    assert report.splits["train"].fewest == report.splits["train"].most == 40
    assert report.splits["test"].fewest is None
