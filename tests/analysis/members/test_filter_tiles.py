"""First-layer kernels as tiles: what is scaled by what."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.members.filters import MOST_TILES, filter_grid
from ensemble.errors import BadInput


def kernels(out: int, channels: int, size: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(out, channels, size, size)).astype(np.float32)


def test_each_filter_from_its_own_smallest_to_its_largest_over_all_channels() -> None:
    two = np.zeros((2, 3, 1, 2), np.float32)
    two[0, 0, 0] = [-1, 0]
    two[0, 2, 0] = [1, 3]
    two[1, 1, 0] = [10, 20]
    grid = filter_grid(two, member="m")
    assert grid.tiles.shape == (2, 1, 2, 3)
    # (w + 1) / 4 in the first filter, w / 20 in the second.
    assert grid.tiles[0, 0].tolist() == [[0, 0.25, 0.5], [0.25, 0.25, 1]]
    assert grid.tiles[1, 0].tolist() == [[0, 0.5, 0], [0, 1, 0]]
    assert (grid.limit, grid.group, grid.constant) == (20.0, 1, 0)


def test_shared_scale_puts_zero_at_mid_grey_and_the_largest_weight_at_an_end() -> None:
    two = np.array([-2, 1, 0, 4], np.float32).reshape(2, 1, 1, 2)
    grid = filter_grid(two, member="m", scale="shared")
    assert grid.tiles.reshape(-1).tolist() == [0.25, 0.625, 0.5, 1.0]
    assert grid.tiles.shape == (2, 1, 2, 1)


def test_a_flat_filter_is_mid_grey_and_counted() -> None:
    grid = filter_grid(np.full((1, 3, 2, 2), 0.7, np.float32), member="m")
    assert grid.constant == 1
    assert (grid.tiles == 0.5).all()
    assert (filter_grid(np.zeros((1, 3, 2, 2), np.float32), member="m", scale="shared").tiles == 0.5).all()


def test_other_channels_stand_side_by_side() -> None:
    given_ = kernels(6, 4)
    grid = filter_grid(given_, member="m")
    assert grid.tiles.shape == (24, 3, 3, 1)
    assert grid.group == 4
    assert grid.columns % 4 == 0
    low, high = given_[2].min(), given_[2].max()
    assert np.allclose(grid.tiles[2 * 4 + 3, :, :, 0], (given_[2, 3] - low) / (high - low), atol=1e-6)


@given(out=st.integers(1, 70), channels=st.sampled_from([1, 2, 3, 4, 6]), scale=st.sampled_from(["filter", "shared"]))
def test_tiles_stay_in_range_and_the_grid_holds_them(out: int, channels: int, scale: str) -> None:
    grid = filter_grid(kernels(out, channels, 2), member="m", scale=scale)
    assert 0 <= grid.tiles.min() <= grid.tiles.max() <= 1
    assert (grid.rows - 1) * grid.columns < len(grid.tiles) <= grid.rows * grid.columns


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (np.zeros((3, 3), np.float32), "expected first-layer kernels"),
        (np.zeros((2, 3, 3, 3), np.int64), "in floating point"),
        (np.array([0, np.nan] * 3, np.float32).reshape(2, 3, 1, 1), "filter 0 holds weights that are not finite"),
    ],
)
def test_what_cannot_be_shown_is_refused(bad: np.ndarray, said: str) -> None:
    with pytest.raises(BadInput, match=f"m3: .*{said}"):
        filter_grid(bad, member="m3")


def test_an_unknown_scale_or_order_is_refused() -> None:
    with pytest.raises(BadInput, match="scale must be one of filter, shared, found 'none'"):
        filter_grid(kernels(1, 3), member="m", scale="none")
    with pytest.raises(BadInput, match="order must be one of none, colour, frequency, found 'size'"):
        filter_grid(kernels(1, 3), member="m", order="size")
    with pytest.raises(BadInput, match="needs filters of 3 channels, these have 4; take sort='frequency'"):
        filter_grid(kernels(2, 4), member="m", order="colour")


def test_of_thousands_of_kernels_the_largest_are_shown() -> None:
    many = kernels(64, 64)
    many[7, 5] *= 100
    grid = filter_grid(many, member="m")
    assert (len(grid.tiles), grid.group, grid.whole, grid.cut) == (MOST_TILES, 1, False, True)
    norms = (many.astype(float) ** 2).sum(axis=(2, 3)).ravel()
    assert grid.shown[0] == 7 * 64 + 5
    assert set(grid.shown) == set(np.argsort(-norms)[:MOST_TILES])
    wide = filter_grid(kernels(300, 3), member="m")
    assert (len(wide.tiles), wide.whole, wide.cut) == (MOST_TILES, True, True)
    assert not filter_grid(kernels(64, 4), member="m").cut


def test_smooth_filters_first() -> None:
    given_ = np.zeros((3, 3, 3, 3), np.float32)
    given_[0, :, ::2, ::2] = 1  # a checkered one
    given_[1] = 1
    given_[2, :, :, 1] = 1
    assert filter_grid(given_, member="m", order="frequency").shown.tolist() == [1, 2, 0]
    four = np.repeat(given_[:, :1], 4, axis=1)
    grid = filter_grid(four, member="m", order="frequency")
    assert grid.shown.tolist() == [1, 2, 0]
    assert (grid.tiles[:4] == 0.5).all()  # the flat filter's four channels stand together, and first


def test_grey_filters_first_then_by_hue() -> None:
    given_ = np.zeros((4, 3, 1, 2), np.float32)
    given_[0, :, 0, 0] = [0, 1, -1]  # hue 1/2
    given_[1, :, 0, 0] = [2, -1, -1]  # red, hue 0
    given_[2, :, 0, 0] = 1
    given_[3, :, 0, 0] = [1, 1, 0.5]  # nearly grey
    assert filter_grid(given_, member="m", order="colour").shown.tolist() == [2, 3, 1, 0]


def test_filters_of_one_time_follow_those_of_another() -> None:
    last = filter_grid(kernels(40, 16), member="m")
    begin = filter_grid(kernels(40, 16, seed=1), member="m", like=last)
    assert (begin.shown == last.shown).all()
