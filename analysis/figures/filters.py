"""Kernels as a grid of crisp squares (Ting, Fig. 4)."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import COLUMN, PAGE, at, axes_at, new_figure
from analysis.figures.text import clean, shorten, shorten_middle, wrap
from analysis.members.filters import FilterGrid, FilterMeasures

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
    """Say what is shown: how many kernels of what size, in what order, and how they were scaled."""
    out, channels, height, wide = grid.kernels.shape
    what = f"{out:,} kernels {height}×{wide}×{channels}"
    if grid.cut and not grid.whole:
        what += f", of their {out * channels:,} slices the {len(grid.shown)} of largest norm"
    elif grid.cut:
        what += f", the {len(grid.shown)} of largest norm"
    if channels != 3 and channels > 1 and grid.whole:
        what += f", a tile a channel, {channels} to a filter"
    if grid.order != "none":
        what += ", smooth ones first" if grid.order == "frequency" else ", grey ones first, then by hue"
    how = (
        "each filter from its smallest to its largest weight"
        if grid.scale == "filter"
        else f"all from −{grid.limit:.2g} to {grid.limit:.2g}, zero is mid-grey"
    )
    return f"{what}; {how}"


def measures_said(now: FilterMeasures, start: FilterMeasures | None) -> str:
    """Say the numbers of a layer, those of its start beside them where they are known."""

    def beside(told: str, at_start: str) -> str:
        return f"{told} (start {at_start})" if start is not None else told

    parts = []
    if not math.isnan(now.high):
        noise = "" if start is not None else f" (noise {100 * now.noise:.0f})"
        told = f"{100 * now.high:.0f} %"
        parts.append("high-frequency energy " + beside(told, f"{100 * start.high:.0f}" if start else "") + noise)
    if not math.isnan(now.rank):
        parts.append(beside(f"effective rank {now.rank:.1f} of {now.full}", f"{start.rank:.1f}" if start else ""))
    if not math.isnan(now.colour):
        parts.append("colour " + beside(f"{100 * now.colour:.0f} %", f"{100 * start.colour:.0f}" if start else ""))
    parts.append(f"{now.dead or 'no'} dead")
    told = ", ".join(parts)
    return f"{told[0].upper()}{told[1:]}."


def filters_figure(grid: FilterGrid, note: str = "", columns_wide: float = COLUMN) -> Figure:
    """Return the kernels as a figure one column wide, titled with the member, the kernels' size and the scaling.

    note: a sentence below the caption, such as `measures_said`.
    """
    usable = columns_wide - 2 * _MARGIN
    # Few kernels are not blown up to the whole column: at most 0.8 inches each.
    shown = min(usable, 0.8 * grid.columns)
    high, wide = sheet(grid).shape[:2]
    drawn = shown * high / wide
    figure, total = _headed(_title(grid), f"{caption(grid)}.\n{note}" if note else caption(grid), columns_wide, drawn)
    axes = figure.add_axes((_MARGIN / columns_wide, _MARGIN / total, shown / columns_wide, drawn / total))
    draw_filters(grid, axes)
    return figure


def epochs_figure(grids: Mapping[str, FilterGrid], notes: Mapping[str, str]) -> Figure:
    """Return the same kernels at several times side by side, by their words: a column wide for few, a page for many.

    notes: one or two lines to stand under each word, such as its high-frequency energy.
    """
    some = next(iter(grids.values()))
    columns_wide = COLUMN if some.columns * len(grids) <= 24 else PAGE
    usable = columns_wide - 2 * _MARGIN
    between, words = 0.12, 0.41
    across = (usable - between * (len(grids) - 1)) / len(grids)
    high, wide = sheet(some).shape[:2]
    shown = min(across, 0.8 * some.columns)
    drawn = shown * high / wide
    figure, total = _headed(_title(some), _while_training(some), columns_wide, drawn + words)
    for i, (word, grid) in enumerate(grids.items()):
        left = (_MARGIN + i * (across + between)) / columns_wide
        limit = f", ±{grid.limit:.2g}" if grid.scale == "shared" else ""
        top = (_MARGIN + drawn + words - 0.02) / total
        figure.text(left, top, shorten(f"{word}{limit}", across * 72, 6.5), size=6.5, va="top", parse_math=False)
        lines = "\n".join(shorten(line, across * 72, 6.0) for line in notes[word].split("\n"))
        figure.text(left, top - 9.5 / 72 / total, lines, size=6.0, va="top", color="#505050", linespacing=1.15,
                    parse_math=False)  # fmt: skip
        draw_filters(grid, figure.add_axes((left, _MARGIN / total, shown / columns_wide, drawn / total)))
    return figure


def members_figure(grids: Sequence[FilterGrid]) -> Figure:
    """Return the kernels of several members beside and below one another, each named: a page wide."""
    between, words, gap = 0.16, 0.17, 0.1
    widest = max(0.8 * grid.columns for grid in grids)
    across = min(len(grids), max(2, int((PAGE - 2 * _MARGIN + between) / (min(widest, 1.6) + between))))
    across = -(-len(grids) // -(-len(grids) // across))  # rows as long as one another
    side = (PAGE - 2 * _MARGIN - between * (across - 1)) / across
    drawn = []
    for grid in grids:
        high, wide = sheet(grid).shape[:2]
        own = min(side, 0.5 * grid.columns)
        drawn.append((own, own * high / wide))
    rows = [range(i, min(i + across, len(grids))) for i in range(0, len(grids), across)]
    highs = [words + max(drawn[i][1] for i in row) + gap for row in rows]
    what = {caption(grid) for grid in grids}
    note = what.pop() if len(what) == 1 else "each filter from its smallest to its largest weight"
    layer = f"Layer {clean(grids[0].layer)}" if grids[0].layer else "First layer"
    figure, total = _headed(f"{layer} of {len(grids)} members", note, PAGE, sum(highs))
    top = total - (sum(highs) + _MARGIN)
    down = total - top
    for row, high in zip(rows, highs, strict=True):
        for column, i in enumerate(row):
            left = _MARGIN + column * (side + between)
            name = shorten_middle(clean(grids[i].member), side * 72, 6.5)
            figure.text(*at(figure, left, down - 0.02), name, size=6.5, va="top", parse_math=False)
            own, tall = drawn[i]
            draw_filters(grids[i], axes_at(figure, left, down - words - tall, own, tall))
        down -= high
    return figure


def _while_training(grid: FilterGrid) -> str:
    told = caption(grid)
    return told.partition(";")[0] + (
        "; all of one time on one scale" if grid.scale == "shared" else "; each on its own scale"
    )


def _title(grid: FilterGrid) -> str:
    return f"{f'Layer {clean(grid.layer)}' if grid.layer else 'First layer'} of {clean(grid.member)}"


def _headed(title: str, note: str, columns_wide: float, drawn: float) -> tuple[Figure, float]:
    """Return a figure with a title and a note above `drawn` inches, and its height."""
    usable = columns_wide - 2 * _MARGIN
    note = "\n".join(wrap(line, usable * 72, 6.5, lines=3) for line in note.split("\n"))
    head = (16 + 9 * (note.count("\n") + 1)) / 72
    total = head + drawn + _MARGIN
    figure = new_figure(columns_wide, total)
    figure.text(_MARGIN / columns_wide, 1 - 3 / 72 / total, shorten_middle(title, usable * 72, 7.5), size=7.5, va="top",
                parse_math=False)  # fmt: skip
    figure.text(_MARGIN / columns_wide, 1 - 14 / 72 / total, note, size=6.5, va="top", color="#505050",
                linespacing=1.15, parse_math=False)  # fmt: skip
    return figure, total
