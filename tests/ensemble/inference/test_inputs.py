"""What a network is given: pixels normalised and resized, by hand and beside torchvision and Keras' rules."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from ensemble.errors import BadInput
from ensemble.inference.inputs import Batches, Inputs, fit_inputs, inputs_of, resized
from ensemble.training.augment import Augmenter

CPU = torch.device("cpu")
ALL = [
    "mean-image",
    "std-image",
    "channel",
    "unit",
    "symmetric",
    "imagenet",
    "caffe",
    "0.5,0.4,0.3/0.25,0.2,0.1",
    "0.5/0.2",
]


def photographs(n: int = 6, height: int = 8, width: int = 7, channels: int = 3) -> np.ndarray:
    """uint8 (n, height, width, channels)."""
    return np.random.default_rng(0).integers(0, 256, (n, height, width, channels), dtype=np.uint8)


def planes(images: np.ndarray) -> torch.Tensor:
    """Float (N, Ch, H, W) in 0..1."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def test_mean_image_by_hand() -> None:
    images = np.array([[[[0], [10]]], [[[20], [30]]]], dtype=np.uint8)  # (2, 1, 2, 1)
    inputs = fit_inputs(images, block=1)
    assert inputs.mean.flatten().tolist() == [10, 20]
    assert float(inputs.std) == 10  # every pixel is 10 off its mean
    out = inputs(torch.from_numpy(images))
    assert out.shape == (2, 1, 1, 2)
    assert out.flatten().tolist() == [-1, -1, 1, 1]


@pytest.mark.parametrize("block", [1, 4, 2000])
def test_measured_means_and_deviations(block: int) -> None:
    images = photographs()
    by_image, by_channel = fit_inputs(images, "mean-image", block=block), fit_inputs(images, "channel", block=block)
    exact = images.astype(np.float64)
    assert np.allclose(by_image.mean, exact.mean(0), rtol=1e-6)
    assert float(by_image.std) == pytest.approx(np.sqrt(((exact - exact.mean(0)) ** 2).mean()), rel=1e-6)
    by_pixel = fit_inputs(images, "std-image", block=block)
    assert by_pixel.std.shape == images.shape[1:]
    assert np.allclose(by_pixel.mean, exact.mean(0), rtol=1e-6)
    assert np.allclose(by_pixel.std, exact.std(0), rtol=1e-6)
    assert by_channel.mean.shape == by_channel.std.shape == (3,)
    assert np.allclose(by_channel.mean, exact.mean((0, 1, 2)), rtol=1e-6)
    assert np.allclose(by_channel.std, exact.std((0, 1, 2)), rtol=1e-6)


@pytest.mark.parametrize("normalise", ["mean-image", "std-image", "channel"])
def test_images_of_one_colour_stay_finite(normalise: str) -> None:
    images = np.full((3, 2, 2, 3), 7, dtype=np.uint8)
    assert not fit_inputs(images, normalise)(torch.from_numpy(images)).any()


@pytest.mark.parametrize(
    ("normalise", "mean", "std"),
    [
        ("unit", [0.0] * 3, [1.0] * 3),
        ("symmetric", [0.5] * 3, [0.5] * 3),
        ("imagenet", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ("0.5,0.4,0.3/0.25,0.2,0.1", [0.5, 0.4, 0.3], [0.25, 0.2, 0.1]),
        ("0.5/0.2", [0.5] * 3, [0.2] * 3),
    ],
)
def test_fixed_ones_are_torchvisions(normalise: str, mean: list[float], std: list[float]) -> None:
    images = photographs()
    expected = tv.normalize(planes(images), mean, std)
    assert torch.allclose(fit_inputs(images, normalise)(torch.from_numpy(images)), expected, atol=1e-5)


def test_caffe_is_keras_rule() -> None:
    """keras.applications.imagenet_utils.preprocess_input(mode="caffe"): BGR, minus the means, no division."""
    images = photographs()
    expected = images[..., ::-1].astype(np.float64) - [103.939, 116.779, 123.68]
    out = fit_inputs(images, "caffe")(torch.from_numpy(images))
    assert np.allclose(out.permute(0, 2, 3, 1).numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("size", [0, 5, 8, 20])
@pytest.mark.parametrize("normalise", ALL)
def test_bytes_and_floats_give_the_same_inputs(normalise: str, size: int) -> None:
    images = photographs()
    inputs = fit_inputs(images, normalise, size)
    pixels = torch.from_numpy(images)
    floats = Augmenter("")(pixels)
    before = floats.clone()
    assert torch.equal(inputs(pixels), inputs(floats))
    assert torch.equal(floats, before), "what is given must stay as it is"
    assert np.array_equal(pixels.numpy(), photographs())
    out = inputs(floats)
    assert out.shape == (6, 3, size or 8, size or 7)
    assert out.dtype == torch.float32
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [5, 12, 32])
def test_resizing_is_torchvisions(size: int) -> None:
    pixels = planes(photographs(height=13, width=12))
    expected = tv.resize(pixels, [size, size], antialias=True)
    assert torch.allclose(resized(pixels, size), expected, atol=1e-6)
    bytes_expected = tv.resize((pixels * 255).round().to(torch.uint8), [size, size], antialias=True)
    assert (resized(pixels, size) * 255 - bytes_expected).abs().max() <= 1.5  # torchvision rounds after each axis
    assert resized(pixels, 0) is pixels


@pytest.mark.parametrize("normalise", ALL)
def test_a_weights_file_gives_them_back(normalise: str) -> None:
    images = photographs()
    inputs = fit_inputs(images, normalise, 16)
    again = inputs_of({"mean": inputs.mean, "std": inputs.std}, normalise, 16)
    assert torch.equal(again(torch.from_numpy(images)), inputs(torch.from_numpy(images)))


def test_grey_images_take_the_mean_of_three() -> None:
    images = photographs(channels=1)
    expected = (planes(images) - (0.485 + 0.456 + 0.406) / 3) / ((0.229 + 0.224 + 0.225) / 3)
    for name, wanted in (("imagenet", expected), ("caffe", planes(images) * 255 - (103.939 + 116.779 + 123.68) / 3)):
        inputs = fit_inputs(images, name)
        assert torch.allclose(inputs(torch.from_numpy(images)), wanted, atol=1e-4)
        again = inputs_of({"mean": inputs.mean, "std": inputs.std}, name, 0)
        assert torch.allclose(again(torch.from_numpy(images)), wanted, atol=1e-4)


def test_another_number_of_channels_is_refused() -> None:
    with pytest.raises(BadInput, match="is for images of 2 channels, these have 3"):
        fit_inputs(photographs(), "0.5,0.5/0.2,0.2")


def test_inputs_move_whole() -> None:
    inputs = Inputs(torch.zeros(3), torch.ones(3), 9, bgr=True).to(torch.device("meta"))
    assert (inputs.mean.device.type, inputs.size, inputs.bgr) == ("meta", 9, True)


def test_batches_choose_rows_of_a_memory_map(tmp_path: Path) -> None:
    images = photographs(10)
    np.save(tmp_path / "images.npy", images)
    batches = Batches(np.load(tmp_path / "images.npy", mmap_mode="r"), None, CPU)
    assert np.array_equal(batches.images(torch.tensor([7, 0, 7])).numpy(), images[[7, 0, 7]])
    assert len(batches) == 10
