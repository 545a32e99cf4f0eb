"""Keras' ways in torch: where `same` pads, and batch norm's two numbers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble.errors import BadInput
from ensemble.models.keras import SameConv2d, SameMaxPool2d, activation, batch_norm, same_padding
from ensemble.study.recipe import Recipe


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pads"),
    [
        (64, 2, 1, (0, 1)),  # an even kernel: the end alone
        (64, 3, 2, (0, 1)),  # 3 at stride 2 on an even size: the end alone
        (63, 3, 2, (1, 1)),
        (64, 3, 1, (1, 1)),
        (64, 2, 2, (0, 0)),
        (5, 2, 2, (0, 1)),
        (4, 4, 1, (1, 2)),
        (1, 3, 2, (1, 1)),
    ],
)
def test_what_same_pads(size: int, kernel: int, stride: int, pads: tuple[int, int]) -> None:
    assert same_padding(size, kernel, stride) == pads


def test_a_pool_worked_by_hand() -> None:
    """Windows of 3 at stride 2 on 4x4 begin at rows and columns 0 and 2, and reach past the end, not the beginning."""
    images = -torch.arange(1.0, 17.0).reshape(1, 1, 4, 4)  # -1 -2 -3 -4 / -5 ...: the largest is the first of a window
    assert SameMaxPool2d(3, 2)(images).tolist() == [[[[-1, -3], [-9, -11]]]]


def test_an_even_kernel_worked_by_hand() -> None:
    """Kernel 2x2 of ones on 2x2: each sum is of what lies right and below, zeros beyond."""
    conv = SameConv2d(1, 1, 2, bias=False)
    torch.nn.init.ones_(conv.weight)
    images = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert conv(images).tolist() == [[[[10, 6], [7, 4]]]]


def slow_same(images: np.ndarray, kernel: np.ndarray, stride: int, pool: bool) -> np.ndarray:
    """Keras' rule in words: ceil(n / s) windows, the padding parted, its odd pixel after; one window at a time."""
    (kh, kw), (h, w) = kernel.shape, images.shape
    oh, ow = -(-h // stride), -(-w // stride)
    top = max((oh - 1) * stride + kh - h, 0) // 2
    left = max((ow - 1) * stride + kw - w, 0) // 2
    out = np.zeros((oh, ow))
    for i in range(oh):
        for j in range(ow):
            there = [
                (images[y, x], kernel[a, b])
                for a in range(kh)
                for b in range(kw)
                if 0 <= (y := i * stride - top + a) < h and 0 <= (x := j * stride - left + b) < w
            ]
            out[i, j] = max(v for v, _ in there) if pool else sum(v * k for v, k in there)
    return out


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 9), st.integers(2, 9), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 99)
)
def test_beside_a_slow_reference(h: int, w: int, kh: int, kw: int, stride: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(1, 1, h, w, generator=generator)
    conv = SameConv2d(1, 1, (kh, kw), stride, bias=False)
    kernel = conv.weight.detach()[0, 0].numpy()
    expected = slow_same(images[0, 0].numpy(), kernel, stride, pool=False)
    np.testing.assert_allclose(conv(images).detach()[0, 0].numpy(), expected, atol=1e-5)
    square = np.zeros((kh, kh))
    pooled = SameMaxPool2d(kh, stride)(images)[0, 0].numpy()
    np.testing.assert_array_equal(pooled, slow_same(images[0, 0].numpy(), square, stride, pool=True).astype(np.float32))


def test_batch_norm_as_keras_counts_it() -> None:
    """Moving mean = .99 * old + .01 * batch's; eps 1e-3."""
    norm = batch_norm(1)
    norm(torch.full((2, 1, 3, 3), 5.0))
    assert norm.running_mean is not None
    assert float(norm.running_mean) == pytest.approx(0.05)
    assert norm.eps == 1e-3


def test_an_activation_with_a_slope() -> None:
    points = torch.tensor([-2.0, 3.0])
    assert activation("leaky_relu:0.3")()(points.clone()).tolist() == pytest.approx([-0.6, 3.0])
    assert activation("leaky_relu")()(points.clone()).tolist() == pytest.approx([-0.2, 3.0])
    assert Recipe(model="ting-m1", activation="leaky_relu:0.01").activation == "leaky_relu:0.01"
    for bad in ("leaky_relu:", "leaky_relu:-1", "leaky_relu:two", "relu:0.1"):
        with pytest.raises(BadInput, match=r"activation must be one of .* or leaky_relu:SLOPE"):
            Recipe(model="ting-m1", activation=bad)
