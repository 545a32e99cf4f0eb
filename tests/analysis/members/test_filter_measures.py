"""Numbers to "nice and smooth", by hand and against the obvious transform."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.members.filters import GRID, colour_energy, effective_rank, high_energy, hues, measure_filters


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def slow_high(kernel: np.ndarray, grid: int) -> tuple[float, float]:
    """One filter's energy above half of Nyquist's frequency and in all, by the transform of each channel."""
    above = total = 0.0
    for channel in kernel:
        padded = np.zeros((grid, grid))
        padded[: channel.shape[0], : channel.shape[1]] = channel
        energy = np.abs(np.fft.fft2(padded)) ** 2
        for i in range(grid):
            for j in range(grid):
                fy, fx = min(i, grid - i) / grid, min(j, grid - j) / grid
                total += energy[i, j]
                above += energy[i, j] if (fx * fx + fy * fy) ** 0.5 > 0.25 else 0
    return above, total


def test_high_frequency_by_hand() -> None:
    """On 4 x 4 points, of which (0, 0), (+-1/4, 0) and (0, +-1/4) are low: five of sixteen."""
    point = np.zeros((1, 1, 1, 2))
    point[0, 0, 0, 0] = 3
    high, total, noise = high_energy(point, grid=4)
    assert (high[0], total[0], noise) == (pytest.approx(9 * 11), 9 * 16, 11 / 16)
    # |1 + e^it|^2 is 4, 2, 0, 2 at 0, 1/4, 1/2, 3/4 across, at each of four heights: 32, and 4 + 2 + 2 + 4 + 4 low.
    pair = np.ones((1, 1, 1, 2))
    high, total, _ = high_energy(pair, grid=4)
    assert (high[0], total[0]) == (pytest.approx(16), 32)


@given(seed=st.integers(0, 99), height=st.integers(1, 5), width=st.integers(2, 5), grid=st.sampled_from([4, 5, 8]))
def test_high_frequency_is_that_of_the_transform(seed: int, height: int, width: int, grid: int) -> None:
    kernels = normal(2, 2, height, width, seed=seed)
    high, total, _ = high_energy(kernels, grid=grid)
    wanted = [slow_high(kernel, max(grid, height, width)) for kernel in kernels]
    assert np.stack([high, total], axis=1) == pytest.approx(np.array(wanted), rel=1e-9, abs=1e-9)


def test_smooth_kernels_are_low_and_noise_is_what_noise_is() -> None:
    y, x = np.mgrid[-3:4, -3:4]
    smooth = np.exp(-(x**2 + y**2) / 8.0)[None, None]
    checks = ((-1.0) ** (x + y))[None, None]
    assert measure_filters(smooth).high < 0.02 < 0.98 < measure_filters(checks).high
    drawn = measure_filters(normal(400, 3, 5, 5))
    assert drawn.high == pytest.approx(drawn.noise, abs=0.01)
    assert drawn.noise == pytest.approx(1 - np.pi / 16, abs=0.01)  # a disc of radius 1/4 in a square of side 1
    assert GRID == 32


def test_a_kernel_of_one_weight_has_no_frequencies() -> None:
    found = measure_filters(normal(4, 2, 1, 1))
    assert np.isnan([found.high, found.noise]).all()


def test_effective_rank_by_hand() -> None:
    assert effective_rank(np.diag([2.0, 2.0, 2.0])) == pytest.approx(3)
    assert effective_rank(np.outer([1, 2, 3], [4.0, 5])) == pytest.approx(1)
    # Shares 3/4 and 1/4: H = .75 ln(4/3) + .25 ln 4 = .562335, e^H = 1.754765.
    assert effective_rank(np.diag([3.0, 1.0])) == pytest.approx(1.754765, abs=1e-6)
    assert np.isnan(effective_rank(np.zeros((2, 2))))


def test_dead_filters_are_below_a_tenth_of_the_median_norm() -> None:
    kernels = np.zeros((5, 1, 1, 2))
    kernels[:, 0, 0, 0] = [1, 2, 3, 0.19, 0]  # the median norm is 1
    kernels[3, 0, 0, 0] = 0.09
    found = measure_filters(kernels)
    assert (found.dead, found.dead_share, found.norms.tolist()) == (2, 0.4, [1, 2, 3, 0.09, 0])
    assert measure_filters(np.zeros((3, 3, 2, 2))).dead == 3
    kernels[:, 0, 0, 0] = [1, 1, 1, 0.2, 100]  # the mean norm is 20.6, and one large filter kills no other
    assert measure_filters(kernels).dead == 0
    assert np.isnan(
        [measure_filters(np.zeros((3, 3, 2, 2))).high, measure_filters(np.zeros((3, 3, 2, 2))).colour]
    ).all()


def test_colour_by_hand() -> None:
    one = np.zeros((3, 3, 1, 1))
    one[0, :, 0, 0] = [2, 2, 2]  # grey
    one[1, :, 0, 0] = [1, -1, 0]  # all colour
    one[2, :, 0, 0] = [3, 0, 0]  # grey of 1, left (2, -1, -1): 6 of 9
    assert colour_energy(one).tolist() == pytest.approx([0, 2, 6])
    found = measure_filters(one)
    assert found.by_filter_colour.tolist() == pytest.approx([0, 1, 2 / 3])
    assert found.colour == pytest.approx(8 / 23)
    assert np.isnan(measure_filters(normal(4, 2, 3, 3)).colour)


def test_colours_opposite_to_one_another_are_one_pair() -> None:
    red = np.zeros((3, 3, 1, 1))
    red[0, :, 0, 0] = [2, -1, -1]
    red[1, :, 0, 0] = [-2, 1, 1]
    red[2, :, 0, 0] = [0, 1, -1]
    assert hues(red).tolist() == pytest.approx([0, 0, 0.5])


@given(scale=st.sampled_from([1e-6, 0.5, 3e4]), seed=st.integers(0, 20))
def test_no_share_depends_on_the_scale(scale: float, seed: int) -> None:
    kernels = normal(6, 3, 3, 3, seed=seed)
    one, other = measure_filters(kernels), measure_filters(scale * kernels)
    assert (one.high, one.rank, one.colour, one.dead) == pytest.approx(
        (other.high, other.rank, other.colour, other.dead)
    )
