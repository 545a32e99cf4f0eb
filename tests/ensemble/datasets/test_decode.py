"""Bytes to pixels: every kind of image converted as torchvision's loader would, broken ones refused by name."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ensemble.datasets import check_source, load_dataset
from ensemble.datasets.decode import decode
from ensemble.datasets.workers import DecodeJob, decode_all
from ensemble.errors import BadInput, KofnError

NOISE = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)


def encoded(image, fmt="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("mode", "fmt", "kind", "grey"),
    [
        ("RGB", "PNG", "RGB", False),
        ("RGB", "JPEG", "RGB", False),
        ("L", "JPEG", "grey", True),
        ("1", "PNG", "grey", True),
        ("P", "GIF", "palette", False),
        ("RGBA", "PNG", "alpha", False),
        ("LA", "PNG", "alpha", True),
        ("CMYK", "JPEG", "CMYK", False),
        ("RGB", "WEBP", "RGB", False),
        ("RGB", "BMP", "RGB", False),
        ("RGB", "TIFF", "RGB", False),
    ],
)
def test_kinds(mode, fmt, kind, grey):
    data = encoded(Image.fromarray(NOISE).convert(mode), fmt)
    image = decode(data, "x")
    assert (image.kind, image.grey, image.original) == (kind, grey, (9, 7))
    np.testing.assert_array_equal(image.pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def test_sixteen_bits_keep_their_high_eight():
    values = np.array([[0, 255, 256, 65535, 32768]], dtype=np.uint16)
    image = decode(encoded(Image.fromarray(values)), "x")
    assert (image.kind, image.grey) == ("16-bit", True)
    assert image.pixels[0, :, 0].tolist() == [0, 0, 1, 255, 128]


def png(header, raw):
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", *header, 0, 0, 0)), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks
    )


def test_sixteen_bits_in_colour_are_told():
    raw = b"\0" + struct.pack(">6H", 0x1234, 0x5678, 0x9ABC, 0xFFFF, 0, 1)
    image = decode(png((2, 1, 16, 2), raw), "x")
    assert (image.kind, image.grey) == ("16-bit", False)
    assert image.pixels.tolist() == [[[0x12, 0x56, 0x9A], [0xFF, 0, 0]]]


def test_the_first_frame_of_an_animation():
    frames = [Image.fromarray(np.full((4, 4), v, np.uint8)) for v in (10, 200)]
    image = decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), "x")
    assert image.kind == "animated"
    assert (image.pixels == 10).all()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "found 0 bytes"),
        (encoded(Image.fromarray(NOISE), "JPEG")[:-60], "broken or truncated"),
        (encoded(Image.fromarray(NOISE), "PNG")[:-60], "broken or truncated"),
        (b"hello, I am a text", "found something else in 18 bytes"),
        (b"\x89PNG\r\n\x1a\n", "found something else in 8 bytes"),
        (png((50_000, 50_000, 8, 0), b""), "more pixels than the 64,000,000"),
        (encoded(Image.new("1", (9000, 9000)), "PNG"), "more pixels than the 64,000,000"),
        (encoded(Image.fromarray(np.ones((2, 2), np.float32)), "TIFF"), "floating-point"),
        (encoded(Image.fromarray(np.full((2, 2), -1, np.int32)), "TIFF"), "outside of 0..65535"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "found something else"),
    ],
)
def test_what_cannot_be_read_is_named(data, words):
    with pytest.raises(BadInput) as error:
        decode(data, "some/cat.png")
    assert str(error.value).startswith("some/cat.png: ")
    assert words in str(error.value)
    assert "replace or remove it" in str(error.value)


@pytest.mark.parametrize("shape", [(40, 60), (61, 33), (10, 10), (5, 9), (101, 100)])
def test_resizing_is_torchvisions(shape):
    transforms = pytest.importorskip("torchvision.transforms")
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8))
    theirs = transforms.Compose([transforms.Resize(16), transforms.CenterCrop(16)])(image)
    ours = decode(encoded(image), "x", size=16)
    np.testing.assert_array_equal(ours.pixels, np.asarray(theirs))
    assert ours.original == shape


def test_all_grey_keeps_one_channel(tmp_path, tree, picture):
    root = tree(tmp_path / "pets", mode="L")
    data = load_dataset(root)
    assert data.image_shape == (8, 8, 1)
    np.testing.assert_array_equal(
        data.split("train").images[0, :, :, 0], np.asarray(Image.open(root / "train/cat/cat_0.png"))
    )
    assert data.notes == ()
    picture(root / "val/cat/colour.png")
    mixed = load_dataset(root)
    assert mixed.image_shape == (8, 8, 3)
    assert mixed.notes == ("12 grey images were made RGB.",)


def test_a_broken_image_stops_loading_and_is_listed_by_check(tmp_path, tree, picture):
    root = tree(tmp_path / "pets")
    (root / "train/dog/dog_1.png").write_bytes(b"")
    cut = picture(root / "val/cat/cut.jpg", (32, 32))
    cut.write_bytes(cut.read_bytes()[:-200])
    with pytest.raises(BadInput, match=r"train/dog/dog_1\.png: expected an image, found 0 bytes"):
        load_dataset(root)
    report = check_source(root)
    assert len(report.unreadable) == 2
    assert "val/cat/cut.jpg: is broken or truncated" in report.unreadable[1]
    assert report.problems == report.unreadable
    assert not report.ok
    assert report.modes == {"RGB": 11}


def test_the_odd_one_out_is_made_like_the_others(tmp_path, tree, picture):
    root = tree(tmp_path / "pets")
    picture(root / "val/dog/big.png", (20, 10))
    found = load_dataset(root)
    assert found.image_shape == (8, 8, 3)
    assert found.notes[-1].startswith("1 of 13 images, of 2 sizes, was resized and cut to 8 x 8")
    report = check_source(root)
    assert report.ok
    assert "Images of 2 sizes, 8x8 (12), 20x10 (1): training resizes and cuts them to one." in report.notes


def test_tiny_imagenet_is_64_pixels(tmp_path, tiny_tree, picture):
    root = tiny_tree(tmp_path / "tiny")
    for path in root.rglob("*.JPEG"):
        picture(path, (32, 32))
    with pytest.raises(BadInput, match="is 32 x 32 pixels, but expected 64 x 64"):
        load_dataset(root)


# --- processes


def test_processes_give_what_one_gives(tmp_path, tree):
    root = tree(tmp_path / "pets", per_class=150)
    paths = sorted(str(p.relative_to(root)) for p in root.rglob("*.png"))
    tallies, pixels = [], []
    for processes in (1, 2):
        out = tmp_path / f"{processes}.bin"
        out.touch()
        job = DecodeJob(str(root), "folder", "", str(out), 5, 8, 8)
        seen = []
        tallies.append(decode_all(job, paths, lambda done, total, seen=seen: seen.append((done, total)), processes))
        pixels.append(out.read_bytes())
        assert seen[-1] == (600, 600)
    assert tallies[0] == tallies[1]
    assert pixels[0] == pixels[1]
    assert pixels[0][5 : 5 + 192] == np.asarray(Image.open(root / paths[0])).tobytes()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_broken_image_is_named_from_a_process(tmp_path, tree, processes):
    root = tree(tmp_path / "pets", per_class=40)
    (root / "val/dog/dog_7.png").write_bytes(b"")
    paths = sorted(str(p.relative_to(root)) for p in root.rglob("*.png"))
    out = tmp_path / "out.bin"
    out.touch()
    with pytest.raises(BadInput, match=r"dog_7\.png: expected an image, found 0 bytes"):
        decode_all(DecodeJob(str(root), "folder", "", str(out), 0, 8, 8), paths, None, processes)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk_is_met_in_a_process(tmp_path, tree, processes):
    root = tree(tmp_path / "pets")
    with pytest.raises(OSError, match="No space left"):
        decode_all(
            DecodeJob(str(root), "folder", "", "/dev/full", 0, 8, 8), ["train/cat/cat_0.png"] * 200, None, processes
        )


def test_a_process_that_dies_is_told(tmp_path, tree, monkeypatch):
    root = tree(tmp_path / "pets")
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(KofnError, match="ended with status 1"):
        decode_all(DecodeJob(str(root), "folder", ""), ["train/cat/cat_0.png"] * 200, None, 2)
