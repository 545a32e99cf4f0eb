"""The kernels of a member's first convolution as tiles one can look at."""

from dataclasses import dataclass

import numpy as np

from ensemble.errors import BadInput

SCALES = ("filter", "shared")
MOST_TILES = 1024


@dataclass(frozen=True, eq=False)
class FilterGrid:
    """First-layer kernels scaled to 0..1, one tile a filter, or one a filter and input channel.

    kernels: float32 (out, in, height, width), as trained.
    scale: "filter": each filter from its own smallest weight (0) to its largest (1), over all its channels;
        "shared": all filters from -limit (0) to +limit (1), so that a weight of zero is 0.5.
    limit: the largest absolute weight.
    tiles: float32 (T, height, width, Ch); Ch 3 where `in` is 3 (T = out), else 1 (T = out * in, a filter's
        channels side by side).
    group: how many tiles belong to one filter: 1, or `in` where each channel has its own.
    columns: how many tiles stand in a row; whole filters only.
    constant: how many filters have all weights equal; under "filter" they are shown at 0.5.
    """

    member: str
    kernels: np.ndarray
    scale: str
    limit: float
    tiles: np.ndarray
    group: int
    columns: int
    constant: int

    @property
    def rows(self) -> int:
        """How many rows the tiles take."""
        return -(-len(self.tiles) // self.columns)


def filter_grid(kernels: np.ndarray, *, member: str, scale: str = "filter") -> FilterGrid:
    """Scale kernels (out, in, height, width) to tiles.

    Raises `BadInput` where they are no such array, hold NaN or infinity, or would give more tiles than can be seen.
    """
    if scale not in SCALES:
        raise BadInput(f"scale must be one of {', '.join(SCALES)}, found {scale!r}.")
    kernels = np.asarray(kernels)
    if kernels.ndim != 4 or kernels.size == 0 or kernels.dtype.kind != "f":
        raise BadInput(
            f"{member}: expected first-layer kernels (out, in, height, width) in floating point, "
            f"found {kernels.dtype} {kernels.shape}."
        )
    out, channels, height, width = kernels.shape
    if not np.isfinite(kernels).all():
        bad = int(np.flatnonzero(~np.isfinite(kernels).reshape(out, -1).all(axis=1))[0])
        raise BadInput(f"{member}: filter {bad} holds weights that are not finite; its training went astray.")
    if channels != 3 and out * channels > MOST_TILES:
        raise BadInput(
            f"{member}: the first layer has {out} filters of {channels} channels each, {out * channels:,} tiles where "
            f"at most {MOST_TILES:,} can be seen; filters of 3 channels are shown in colour, others a tile a channel."
        )
    exact = kernels.astype(np.float64)
    low, high = exact.min(axis=(1, 2, 3), keepdims=True), exact.max(axis=(1, 2, 3), keepdims=True)
    limit = float(np.abs(exact).max())
    constant = int((low == high).sum())
    if scale == "filter":
        span = np.where(high > low, high - low, 1.0)
        scaled = np.where(high > low, (exact - low) / span, 0.5)
    else:
        scaled = exact / (2 * limit) + 0.5 if limit > 0 else np.full_like(exact, 0.5)
    if channels == 3:
        tiles, group = scaled.transpose(0, 2, 3, 1), 1
    else:
        tiles, group = scaled.reshape(out * channels, height, width, 1), channels
    return FilterGrid(
        member=member,
        kernels=kernels,
        scale=scale,
        limit=limit,
        tiles=np.ascontiguousarray(tiles, dtype=np.float32),
        group=group,
        columns=group * _across(out, group),
        constant=constant,
    )


def _across(count: int, group: int) -> int:
    """Return how many filters to set in a row: a full last row before all, then a grid about twice as wide as high."""
    wanted = max(1.0, (2 * count / group) ** 0.5)
    if count * group <= 4:
        return count
    choices = range(max(1, int(wanted * 0.6)), min(count, max(1, round(wanted * 1.6))) + 1)
    return min(choices, key=lambda across: (-count % across > 0, abs(across - wanted)))
