"""Augmentation, image by image beside torchvision's own transforms, and what must hold of any of it.

Tolerance: 0.05 of 255 where pixels are interpolated (both compute in float32, by other sums), none elsewhere.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as tv

from ensemble.errors import BadInput
from ensemble.study.image_spec import NAMED, OPERATIONS
from ensemble.training import augment
from ensemble.training.augment import Augmenter, mix

NEAR = 0.05
EVERY = ["mirror", "flip", "rotate:30", "shift:0.2", "shear:20", "zoom:0.3", "brightness:0.5", "jitter:0.4,0.3,0.2",
         "blur:5,0.1,2", "centre-crop:10", "crop:3", "resized-crop:0.2,1", "erase:0.5", "edge rotate:30"]  # fmt: skip


def photographs(n: int = 24, height: int = 18, width: int = 14, channels: int = 3) -> torch.Tensor:
    """uint8 (n, height, width, channels), rough, and no pixel 0, so that what is black was made so."""
    stream = torch.Generator().manual_seed(5)
    return torch.randint(1, 256, (n, height, width, channels), generator=stream, dtype=torch.uint8)


def plain(images: torch.Tensor) -> torch.Tensor:
    return images.permute(0, 3, 1, 2).float()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Any]]:
    """Give a function of `augment` by name; what it then returns is kept in the list."""

    def listen(name: str) -> list[Any]:
        inner, kept = getattr(augment, name), []

        def outer(*args: Any) -> Any:
            kept.append(inner(*args))
            return kept[-1]

        monkeypatch.setattr(augment, name, outer)
        return kept

    return listen


def test_every_operation_is_tried_here() -> None:
    assert {token.split(":")[0] for text in EVERY for token in text.split()} == set(OPERATIONS)


@pytest.mark.parametrize("text", ["", *EVERY, "set2", "bastidas", "de", "de-more"])
def test_shape_range_layout_and_seed(text: str) -> None:
    images = photographs()
    before = images.clone()
    torch.manual_seed(1)
    out = Augmenter(text)(images)
    assert out.shape == (24, 3, 18, 14)
    assert out.dtype == torch.float32
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert out.min() >= 0
    assert out.max() <= 255.001
    assert torch.equal(images, before)
    torch.manual_seed(1)
    assert torch.equal(Augmenter(text)(images), out)
    if text not in ("", "centre-crop:10"):
        assert not torch.equal(Augmenter(text)(images), out)


@pytest.mark.parametrize("text", [text for text in EVERY if text != "centre-crop:10"])
def test_each_image_has_its_own_draw(text: str) -> None:
    one = photographs(1)
    torch.manual_seed(0)
    out = Augmenter(text)(one.repeat(32, 1, 1, 1))
    assert len({tuple(image.flatten().tolist()) for image in out}) > 1


@pytest.mark.parametrize("text", ["", "mirror:0", "flip:0", "rotate:0", "shift:0", "shear:0", "zoom:0", "brightness:0",
                                  "jitter:0,0,0",
                                  "blur:1,1,1", "erase:0"])  # fmt: skip
def test_nothing_asked_nothing_changed(text: str) -> None:
    images = photographs()
    assert torch.allclose(Augmenter(text)(images), plain(images), atol=NEAR)


@pytest.mark.parametrize(("name", "theirs"), [("mirror", tv.horizontal_flip), ("flip", tv.vertical_flip)])
def test_mirror_and_flip(name: str, theirs: Callable) -> None:
    images = photographs(1000, 4, 5)
    assert torch.equal(Augmenter(f"{name}:1")(images), theirs(plain(images)))
    twice = getattr(augment, name)(getattr(augment, name)(plain(images), 1.0), 1.0)
    assert torch.equal(twice, plain(images))
    torch.manual_seed(0)
    out = Augmenter(name)(images)
    kept = (out == plain(images)).flatten(1).all(1)
    turned = (out == theirs(plain(images))).flatten(1).all(1)
    assert bool((kept ^ turned).all())
    assert 440 <= int(turned.sum()) <= 560


def test_mirror_draws_as_it_always_did() -> None:
    images = photographs(64)
    torch.manual_seed(3)
    chosen = torch.rand(64) < 0.5
    torch.manual_seed(3)
    out = Augmenter("mirror")(images)
    assert torch.equal(out, torch.where(chosen[:, None, None, None], plain(images).flip(3), plain(images)))


@pytest.mark.parametrize("channels", [1, 3])
def test_affine_operations_are_one_of_torchvisions(drawn: Callable, channels: int) -> None:
    images, kept = photographs(channels=channels), drawn("_uniform")
    out = Augmenter("rotate:40 shift:0.2 shear:25 zoom:0.3")(images)
    angle, across, down, shear, scale = kept
    assert 25 < angle.abs().max() <= 40
    for i, image in enumerate(plain(images)):
        expected = tv.affine(
            image,
            angle=float(angle[i]),
            translate=[float(across[i]) * 14, float(down[i]) * 18],
            scale=float(scale[i]),
            shear=[float(shear[i]), 0.0],
            interpolation=InterpolationMode.BILINEAR,
        )
        assert torch.allclose(out[i], expected, atol=NEAR)


def test_a_quarter_turn_by_hand() -> None:
    images = plain(photographs(2, 6, 6))
    ninety, zero, one = torch.full((2,), 90.0), torch.zeros(2), torch.ones(2)
    theta = augment.affine_map(ninety, zero, zero, zero, one)
    grid = torch.nn.functional.affine_grid(theta, [2, 3, 6, 6], align_corners=False)
    out = torch.nn.functional.grid_sample(images, grid, align_corners=False)
    assert torch.allclose(out, images.rot90(-1, (2, 3)), atol=NEAR)  # clockwise


def test_edge_fills_with_the_nearest_pixel() -> None:
    images = torch.full((8, 9, 9, 3), 77, dtype=torch.uint8)
    torch.manual_seed(0)
    black = Augmenter("shift:0.5 rotate:45")(images)
    assert (black == 0).any()
    assert torch.allclose(Augmenter("shift:0.5 rotate:45 edge")(images), torch.full((8, 3, 9, 9), 77.0), atol=NEAR)


def test_brightness(drawn: Callable) -> None:
    images, kept = photographs(), drawn("_uniform")
    out = Augmenter("brightness:0.6")(images)
    for i, image in enumerate(plain(images)):
        assert torch.allclose(out[i], 255 * tv.adjust_brightness(image / 255, float(kept[0][i])), atol=0.001)
    assert (Augmenter("brightness:5")(images) == 255).any()


def test_jitter(drawn: Callable) -> None:
    """Three factors an image, in order, each as torchvision's function of that name has it."""
    images, kept = photographs(), drawn("_uniform")
    out = Augmenter("jitter:0.6,0.5,0.4")(images)
    for i, image in enumerate(plain(images)):
        light, contrast, saturation = (float(factors[i]) for factors in kept)
        slow = tv.adjust_contrast(tv.adjust_brightness(image / 255, light), contrast)
        assert torch.allclose(out[i], 255 * tv.adjust_saturation(slow, saturation), atol=NEAR)
    grey = Augmenter("jitter:0,0,0.9")(photographs(channels=1))
    assert torch.allclose(grey, plain(photographs(channels=1)), atol=0.001)  # which has no saturation


@pytest.mark.parametrize("size", [3, 5, 9])
def test_blur(drawn: Callable, size: int) -> None:
    images, kept = photographs(), drawn("_uniform")
    out = Augmenter(f"blur:{size},0.1,2")(images)
    for i, image in enumerate(plain(images)):
        expected = tv.gaussian_blur(image, [size, size], [float(kept[0][i])] * 2)
        assert torch.allclose(out[i], expected, atol=0.001)


def test_centre_crop() -> None:
    images = photographs(height=17)
    expected = tv.resize(tv.center_crop(plain(images), [12, 12]), [17, 14], antialias=True)
    assert torch.allclose(Augmenter("centre-crop:12")(images), expected, atol=NEAR)


def test_crops_are_torchvisions_at_some_place() -> None:
    images = photographs(400, 5, 6)
    out = Augmenter("crop:2")(images)
    padded = tv.pad(plain(images), [2, 2, 2, 2], fill=0)
    places: Counter[tuple[int, int]] = Counter()
    for i in range(400):
        found = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(out[i], tv.crop(padded[i], top, left, 5, 6))
        ]
        assert len(found) == 1
        places.update(found)
    assert len(places) == 25
    assert max(places.values()) < 45  # sixteen each, more or less


def test_resized_crops_are_torchvisions(drawn: Callable) -> None:
    images, kept = photographs(200), drawn("_boxes")
    out = Augmenter("resized-crop:0.1,0.8")(images)
    tops, lefts, heights, widths = ([int(v) for v in part] for part in kept[0])
    for i, image in enumerate(plain(images)):
        box = tops[i], lefts[i], heights[i], widths[i]
        assert torch.allclose(out[i], tv.resized_crop(image, *box, size=[18, 14], antialias=True), atol=NEAR), box
        assert 0.05 <= box[2] * box[3] / (18 * 14) <= 0.85
        assert 0.55 <= box[3] / box[2] <= 1.8  # 3:4 to 4:3, in whole pixels
    assert len(set(zip(tops, lefts, strict=True))) > 40


def test_erase_is_torchvisions(drawn: Callable) -> None:
    images, kept = photographs(400), drawn("_boxes")
    out = Augmenter("erase:0.3")(images)
    tops, lefts, heights, widths = ([int(v) for v in part] for part in kept[0])
    erased = 0
    for i, image in enumerate(plain(images)):
        i0, j0, h, w = tops[i], lefts[i], heights[i], widths[i]
        blank = tv.erase(image, i0, j0, h, w, v=torch.zeros(3, 1, 1))
        assert torch.equal(out[i], blank) or torch.equal(out[i], image)
        erased += not torch.equal(out[i], image)
        assert 0 <= i0 <= i0 + h <= 18
        assert 0 <= j0 <= j0 + w <= 14
    assert 90 <= erased <= 150


def test_each_image_is_varied_by_its_own_set() -> None:
    images, which = photographs(), torch.arange(24) % 3
    out = Augmenter("mirror:1 + flip:1 + mirror:0")(images, which)
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(out[0::3], plain(images).flip(3)[0::3])
    assert torch.equal(out[1::3], plain(images).flip(2)[1::3])
    assert torch.equal(out[2::3], plain(images)[2::3])
    assert Augmenter("set1 + set2").sets == 2
    # A set that no image of the batch belongs to costs nothing and breaks nothing.
    assert torch.equal(
        Augmenter("mirror:1 + flip:1")(images, torch.zeros(24, dtype=torch.int64)), plain(images).flip(3)
    )


def test_the_named_sets_run_on_the_papers_images() -> None:
    for text in NAMED:
        assert Augmenter(text)(photographs(2, 64, 64)).shape == (2, 3, 64, 64)


def test_too_small_images_are_refused() -> None:
    with pytest.raises(BadInput, match="centre-crop:56: images of 18x14 are too small"):
        Augmenter("set1")(photographs())


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.8, 0.0), (0.0, 1.0)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_mix_is_torchvisions(mixup: float, cutmix: float, seed: int) -> None:
    inputs = torch.rand(6, 3, 8, 10)
    labels = torch.tensor([0, 1, 2, 3, 4, 4])
    theirs = v2.MixUp(alpha=mixup, num_classes=5) if mixup else v2.CutMix(alpha=cutmix, num_classes=5)
    torch.manual_seed(seed)
    expected, expected_targets = theirs(inputs, labels)
    torch.manual_seed(seed)
    found, targets = mix(inputs, labels, 5, mixup, cutmix)
    assert torch.allclose(found, expected, atol=1e-6)
    assert torch.allclose(targets, expected_targets, atol=1e-6)
    assert torch.allclose(targets.sum(1), torch.ones(6))


def test_mix_of_both_takes_either_and_of_neither_nothing() -> None:
    inputs, labels = torch.rand(4, 1, 16, 16), torch.arange(4)
    torch.manual_seed(0)
    cut = 0
    for _ in range(60):
        mixed, targets = mix(inputs, labels, 4, mixup=1.0, cutmix=1.0)
        assert torch.allclose(targets.sum(1), torch.ones(4))
        cut += bool(torch.isin(mixed, inputs).all())
    assert 15 <= cut <= 45
    mixed, targets = mix(inputs, labels, 4)
    assert torch.equal(mixed, inputs)
    assert torch.equal(targets, torch.eye(4))
