"""A grid of classes' images, a row a class (Ting, Fig. 1)."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import COLUMN, INK
from analysis.figures.text import clean, labels
from analysis.figures.text import width as text_width
from analysis.figures.tiles import MARGIN, draw_tile, foot_note, sheet, wrapped_note
from analysis.images.sample_grid import SampleGrid

_SIZE = 6.5
_ROOM = 76.0  # points for a name
_GAP = 0.03  # inches
_LARGEST = 0.6  # inches: an image of few


def draw_sample(grid: SampleGrid, axes: Axes, names: list[str], left: float, side: float, top: float) -> Axes:
    """Draw the rows on a `sheet`: names up to `left` inches, images `side` inches wide from there, from `top` down."""
    aspect = _aspect(grid)
    for i, (images, name) in enumerate(zip(grid.images, names, strict=True)):
        y = top + i * (side * aspect + _GAP)
        axes.text(left - 0.05, y + side * aspect / 2, name, size=_SIZE, ha="right", va="center_baseline", color=INK,
                  parse_math=False)  # fmt: skip
        for j, image in enumerate(images):
            draw_tile(axes, image, left + j * (side + _GAP), y, side)
        if not len(images):
            axes.text(left, y + side * aspect / 2, "no images", size=_SIZE, va="center_baseline", color=INK)
    return axes


def _aspect(grid: SampleGrid) -> float:
    return next((images.shape[1] / images.shape[2] for images in grid.images if len(images)), 1.0)


def sample_figure(grid: SampleGrid, columns_wide: float = COLUMN) -> Figure:
    """Return the grid as a figure one column wide: the classes' names on the left, their images beside them."""
    names = labels(grid.class_names, grid.class_ids, _ROOM, _SIZE)
    left = MARGIN + max(text_width(name, _SIZE) for name in names) / 72 + 0.07
    most = max(1, *(len(images) for images in grid.images))
    side = min(_LARGEST, (columns_wide - MARGIN - left - (most - 1) * _GAP) / most)
    part = f"All {grid.of:,}" if len(names) == grid.of else f"{len(names)} of the {grid.of:,}"
    drawn = f"{part} classes of {clean(grid.split)}, at most {most} images of each, drawn with seed {grid.seed}."
    note, foot = wrapped_note(drawn, columns_wide)
    total = 2 * MARGIN + len(names) * (side * _aspect(grid) + _GAP) + foot
    figure, axes = sheet(columns_wide, total)
    draw_sample(grid, axes, names, left, side, MARGIN)
    foot_note(axes, note, total - foot, columns_wide)
    return figure
