"""Numbers to "nice and smooth" (Ting, Fig. 4): what of a layer's kernels is dead, noisy, redundant, coloured."""

from dataclasses import dataclass

import numpy as np

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


def measure(kernels: np.ndarray) -> FilterMeasures:
    """Measure finite kernels, floating point (out, in, height, width); none of the shares depends on their scale."""
    weights = np.asarray(kernels, dtype=np.float64)
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
