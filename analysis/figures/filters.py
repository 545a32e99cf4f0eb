"""First-layer kernels as a grid of crisp squares (Ting, Fig. 4)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import COLUMN, new_figure
from analysis.figures.text import clean, shorten_middle, wrap
from analysis.filters import FilterGrid

_MARGIN = 0.06  # inches
_ZOOM = 8  # sheet pixels per weight; the space between tiles is one weight wide


def draw_filters(grid: FilterGrid, axes: Axes) -> Axes:
    """Draw the tiles as one image on `axes`: every weight a square of equal size, white between tiles."""
    axes.imshow(sheet(grid), interpolation="nearest", vmin=0.0, vmax=1.0, cmap="gray", aspect="equal")
    axes.set_axis_off()
    return axes


def sheet(grid: FilterGrid) -> np.ndarray:
    """Return the tiles laid out on white, float32 (height, width, 3), each weight `_ZOOM` pixels wide.

    A hairline frames each tile, so that white weights end where they end; filters of several tiles stand apart.
    """
    _, tile_h, tile_w, _ = grid.tiles.shape
    last = tile_corner(grid, grid.columns - 1)[1], tile_corner(grid, len(grid.tiles) - 1)[0]
    shape = last[1] + tile_h * _ZOOM + 1, last[0] + tile_w * _ZOOM + 1, 3
    out = np.ones(shape, dtype=np.float32)
    for i, tile in enumerate(grid.tiles):
        y, x = tile_corner(grid, i)
        large = tile.repeat(_ZOOM, axis=0).repeat(_ZOOM, axis=1)
        out[y - 1 : y + large.shape[0] + 1, x - 1 : x + large.shape[1] + 1] = 0.6
        out[y : y + large.shape[0], x : x + large.shape[1]] = large
    return out


def tile_corner(grid: FilterGrid, tile: int) -> tuple[int, int]:
    """Return the sheet pixel (y, x) at which a tile begins."""
    row, column = divmod(tile, grid.columns)
    _, tile_h, tile_w, _ = grid.tiles.shape
    between = column // grid.group if grid.group > 1 else 0
    return 1 + row * (tile_h + 1) * _ZOOM, 1 + (column * (tile_w + 1) + 2 * between) * _ZOOM


def caption(grid: FilterGrid) -> str:
    """Say what is shown: how many kernels of what size, and how they were scaled."""
    out, channels, height, wide = grid.kernels.shape
    what = f"{out} kernels {height}×{wide}×{channels}"
    if channels != 3 and channels > 1:
        what += f", a tile a channel, {channels} to a filter"
    how = (
        "each from its smallest to its largest weight"
        if grid.scale == "filter"
        else f"all from −{grid.limit:.2g} to {grid.limit:.2g}, zero is mid-grey"
    )
    return f"{what}; {how}"


def filters_figure(grid: FilterGrid, columns_wide: float = COLUMN) -> Figure:
    """Return the kernels as a figure one column wide, titled with the member, the kernels' size and the scaling."""
    usable = columns_wide - 2 * _MARGIN
    # Few kernels are not blown up to the whole column: at most 0.8 inches each.
    shown = min(usable, 0.8 * grid.columns)
    high, wide = sheet(grid).shape[:2]
    drawn = shown * high / wide
    note = wrap(caption(grid), usable * 72, 6.5, lines=3)
    head = (14 + 9 * (note.count("\n") + 1)) / 72
    total = head + drawn + _MARGIN
    title = shorten_middle(f"First layer of {clean(grid.member)}", usable * 72, 7.5)
    figure = new_figure(columns_wide, total)
    figure.text(_MARGIN / columns_wide, 1 - 3 / 72 / total, title, size=7.5, va="top",
                parse_math=False)  # fmt: skip
    figure.text(_MARGIN / columns_wide, 1 - 14 / 72 / total, note, size=6.5, va="top", color="#505050",
                linespacing=1.15, parse_math=False)  # fmt: skip
    axes = figure.add_axes((_MARGIN / columns_wide, _MARGIN / total, shown / columns_wide, drawn / total))
    draw_filters(grid, axes)
    return figure
