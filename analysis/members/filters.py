"""The kernels of one of a member's convolutions as tiles one can look at."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ensemble.errors import BadInput
from ensemble.study.tabular import Rows

SCALES = ("filter", "shared")
ORDERS = ("none", "colour", "frequency")
MOST_TILES = 256


@dataclass(frozen=True, eq=False)
class FilterGrid(Rows):
    """Kernels scaled to 0..1, one tile a filter, or one a filter and input channel.

    layer: the convolution's name, empty for the first. kernels: float32 (out, in, height, width), as trained.
    scale: "filter": each filter from its own smallest weight (0) to its largest (1), over all its channels;
        "shared": all filters from -limit (0) to +limit (1), so that a weight of zero is 0.5.
    limit: the largest absolute weight.
    tiles: float32 (T, height, width, Ch); Ch 3 where `in` is 3 (T = out), else 1 (T = out * in, a filter's
        channels side by side); of too many, the `MOST_TILES` of largest norm.
    order: how they are ordered. whole: whether the tiles show whole filters; else each is one filter's kernel for one
        channel. shown: int64, the filters shown, in order; where not `whole`, filter * in + channel.
    group: how many tiles belong to one filter: 1, or `in` where each channel has its own.
    columns: how many tiles stand in a row; whole filters only.
    constant: how many filters have all weights equal; under "filter" they are shown at 0.5.
    """

    member: str
    layer: str
    kernels: np.ndarray
    scale: str
    order: str
    limit: float
    tiles: np.ndarray
    shown: np.ndarray
    whole: bool
    group: int
    columns: int
    constant: int

    def _columns(self) -> dict[str, Any]:
        filters, channels = np.divmod(self.shown, 1 if self.whole else self.kernels.shape[1])
        norms = np.linalg.norm(self.kernels.reshape(len(self.kernels), -1), axis=1)
        return {"filter": filters, **({} if self.whole else {"channel": channels}), "norm": norms[filters]}

    @property
    def cut(self) -> bool:
        """Whether some are left out, being too many to be seen."""
        out, channels = self.kernels.shape[:2]
        return len(self.shown) < (out if self.whole else out * channels)

    @property
    def rows(self) -> int:
        """How many rows the tiles take."""
        return -(-len(self.tiles) // self.columns)


def filter_grid(
    kernels: np.ndarray, *, member: str, layer: str = "", scale: str = "filter", order: str = "none",
    like: "FilterGrid | None" = None,
) -> FilterGrid:  # fmt: skip
    """Scale kernels (out, in, height, width) to tiles.

    member, layer: whose they are, in words. scale: "filter", each from its own least to its own largest weight, or
    "shared". order: "none": as they stand; "frequency": smooth filters first; "colour": grey ones first, then by hue.
    like: a grid of the same filters at another time, whose choice and order are taken. Of more than `MOST_TILES` those
    of largest norm are shown. Raises `BadInput` where they are no such array, hold NaN or infinity, or have no colours
    to order by.
    """
    for value, known, what in ((scale, SCALES, "scale"), (order, ORDERS, "order")):
        if value not in known:
            raise BadInput(f"{what} must be one of {', '.join(known)}, found {value!r}.")
    kernels = _checked(kernels, member)
    out, channels, height, width = kernels.shape
    if order == "colour" and channels != 3:
        raise BadInput(
            f"{member}: sort='colour' needs filters of 3 channels, these have {channels}; take sort='frequency'."
        )
    exact = kernels.astype(np.float64)
    low, high = exact.min(axis=(1, 2, 3), keepdims=True), exact.max(axis=(1, 2, 3), keepdims=True)
    limit = float(np.abs(exact).max())
    if scale == "filter":
        span = np.where(high > low, high - low, 1.0)
        scaled = np.where(high > low, (exact - low) / span, 0.5)
    else:
        scaled = exact / (2 * limit) + 0.5 if limit > 0 else np.full_like(exact, 0.5)
    whole = channels == 3 or out * channels <= MOST_TILES
    group = 1 if channels == 3 or not whole else channels
    tiles = scaled.transpose(0, 2, 3, 1) if channels == 3 else scaled.reshape(out * channels, height, width, 1)
    shown = like.shown if like is not None else _shown(exact, order, whole)
    if not whole or channels == 3:
        tiles = tiles[shown]
    else:
        tiles = tiles.reshape(out, channels, height, width, 1)[shown].reshape(-1, height, width, 1)
    return FilterGrid(
        member=member,
        layer=layer,
        kernels=kernels,
        scale=scale,
        order=order,
        limit=limit,
        tiles=np.ascontiguousarray(tiles, dtype=np.float32),
        shown=shown,
        whole=whole,
        group=group,
        columns=group * _across(len(shown), group),
        constant=int((low == high).sum()),
    )


def _shown(kernels: np.ndarray, order: str, whole: bool) -> np.ndarray:
    """Return which filters, or which kernels of one channel, are shown, in which order, int64 (T,)."""
    pieces = kernels if whole else kernels.reshape(-1, 1, *kernels.shape[2:])
    norms = (pieces**2).sum(axis=(1, 2, 3))
    kept = np.arange(len(pieces))
    if len(pieces) > MOST_TILES:
        kept = np.argsort(-norms, kind="stable")[:MOST_TILES]
    if order == "none":
        # Cut down to the largest they stand by size, else as the network has them.
        return kept
    if order == "frequency":
        high, total, _ = high_energy(pieces[kept])
        key = np.divide(high, total, out=np.ones(len(kept)), where=total > 0)
        return kept[np.argsort(key, kind="stable")]
    measured = measure_filters(pieces[kept])
    grey = ~(measured.by_filter_colour > 0.5)
    key = np.where(grey, np.nan_to_num(measured.by_filter_colour) - 1, hues(pieces[kept]))
    return kept[np.argsort(key, kind="stable")]


def _across(count: int, group: int) -> int:
    """Return how many filters to set in a row: a full last row before all, then a grid about twice as wide as high."""
    wanted = max(1.0, (2 * count / group) ** 0.5)
    if count * group <= 4:
        return count
    choices = range(max(1, int(wanted * 0.6)), min(count, max(1, round(wanted * 1.6))) + 1)
    return min(choices, key=lambda across: (-count % across > 0, abs(across - wanted)))


DEAD = 0.1  # of the layer's median norm
GRID = 32  # points of the Fourier transform a side; kernels are padded with zeros to it, or have their own size


@dataclass(frozen=True, eq=False)
class FilterMeasures:
    """What is measured of kernels (out, in, height, width); NaN where it has no meaning.

    norms: float64 (out,), the Euclidean norm of each filter over all its weights.
    dead: how many filters have a norm below a tenth of the layer's median norm, or of 0.
    high: the share of energy at high frequency, of the layer; noise: what independent weights have on average.
    rank: the effective rank, from 1 to `full` = min(out, in * height * width).
    colour: the share of energy that is no shade of grey, for 3 channels; 2/3 on average for independent weights.
    by_filter_high, by_filter_colour: float64 (out,), the same of each filter.
    """

    norms: np.ndarray
    dead: int
    high: float
    noise: float
    rank: float
    full: int
    colour: float
    by_filter_high: np.ndarray
    by_filter_colour: np.ndarray

    @property
    def dead_share(self) -> float:
        """The share of dead filters."""
        return self.dead / len(self.norms)


def _checked(kernels: np.ndarray, where: str) -> np.ndarray:
    kernels = np.asarray(kernels)
    if kernels.ndim != 4 or kernels.size == 0 or kernels.dtype.kind != "f":
        raise BadInput(
            f"{where}: expected first-layer kernels (out, in, height, width) in floating point, "
            f"found {kernels.dtype} {kernels.shape}."
        )
    if not np.isfinite(kernels).all():
        bad = int(np.flatnonzero(~np.isfinite(kernels).reshape(len(kernels), -1).all(axis=1))[0])
        raise BadInput(f"{where}: filter {bad} holds weights that are not finite; its training went astray.")
    return kernels


def measure_filters(kernels: np.ndarray) -> FilterMeasures:
    """Measure kernels, floating point (out, in, height, width); none of the shares depends on their scale.

    Raises `BadInput` where they are no such array, or hold NaN or infinity.
    """
    weights = _checked(kernels, "measure_filters").astype(np.float64)
    out, channels, height, width = weights.shape
    norms = np.sqrt((weights**2).sum(axis=(1, 2, 3)))
    high, total, noise = high_energy(weights)
    coloured = colour_energy(weights) if channels == 3 else np.full(out, np.nan)
    energy = norms**2
    return FilterMeasures(
        norms=norms,
        dead=int(((norms < DEAD * np.median(norms)) | (norms == 0)).sum()),
        high=_share(high.sum(), total.sum()),
        noise=noise,
        rank=effective_rank(weights.reshape(out, -1)),
        full=min(out, channels * height * width),
        colour=_share(coloured.sum(), energy.sum()),
        by_filter_high=_shares(high, total),
        by_filter_colour=_shares(coloured, energy),
    )


def high_energy(weights: np.ndarray, grid: int = GRID) -> tuple[np.ndarray, np.ndarray, float]:
    """Return each filter's energy at high frequency and in all, float64 (out,), and white noise's share of the first.

    The energy |DFT|^2 of each kernel, padded with zeros to `grid` points a side, summed over channels; high is where
    sqrt(fx^2 + fy^2) > 1/4 cycle a pixel, above half the Nyquist frequency of 1/2. By Parseval's theorem all of it is
    grid^2 times the sum of squared weights. Independent weights of equal variance have equal energy at every
    frequency on average, so that their share is that of the points that are high. Kernels of one weight have no
    frequencies: NaN.

    Our own definition; that noisy first-layer filters tell of too short a training or too weak a regularisation is
    from Ting (section on Fig. 4), that they crowd to extreme frequencies from M. D. Zeiler and R. Fergus, ECCV 2014.
    """
    out, _, height, width = weights.shape
    if height == width == 1:
        return np.full(out, np.nan), np.full(out, np.nan), float("nan")
    grid = max(grid, height, width)
    frequency = np.fft.fftfreq(grid)
    above = np.hypot(frequency[:, None], frequency[None, :]) > 0.25
    # |DFT|^2 summed over the high points is a quadratic form of the weights, w' K w, whose K depends on the distance of
    # two weights alone: deep layers have a million kernels, and no transform of each is needed.
    y, x = np.divmod(np.arange(height * width), width)
    between = np.fft.fft2(above).real[(y[:, None] - y) % grid, (x[:, None] - x) % grid]
    flat = weights.reshape(out, -1, height * width)
    high = np.array([((kernel @ between) * kernel).sum() for kernel in flat]).clip(min=0.0)
    return high, grid**2 * (flat**2).sum(axis=(1, 2)), float(above.mean())


def effective_rank(matrix: np.ndarray) -> float:
    """Return exp(H(p)) with p the singular values over their sum and H Shannon's entropy in nats: 1 to the full rank.

    O. Roy and M. Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007. NaN for a matrix
    of zeros, of which the paper says nothing.
    """
    values = np.linalg.svd(matrix, compute_uv=False)
    if not values.sum() > 0:
        return float("nan")
    p = values[values > 0] / values.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def colour_energy(weights: np.ndarray) -> np.ndarray:
    """Return the energy of each filter (out, 3, height, width) that is no shade of grey, float64 (out,).

    What is left of a weight's three channels when their mean is taken off, squared and summed: the projection away from
    (1, 1, 1).
    """
    grey = weights.mean(axis=1, keepdims=True)
    return ((weights - grey) ** 2).sum(axis=(1, 2, 3))


def hues(weights: np.ndarray) -> np.ndarray:
    """Return the angle of each filter's colour, float64 (out,) in 0..1, for filters of 3 channels.

    The main direction of its weights in the plane across grey (red at 0, opponent colours at the same angle, for a
    filter and its negative are one pair of colours).
    """
    x = (2 * weights[:, 0] - weights[:, 1] - weights[:, 2]) / 6**0.5
    y = (weights[:, 1] - weights[:, 2]) / 2**0.5
    return (np.arctan2((2 * x * y).sum(axis=(1, 2)), (x * x - y * y).sum(axis=(1, 2))) / (2 * np.pi)) % 1.0


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else float("nan")


def _shares(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
