"""The picture of docs/honesty.md, drawn from its own tables, which `python -m benchmarks.honesty` printed.

python -m benchmarks.honesty_figure docs/images/honesty.png
"""

import sys
from pathlib import Path

from matplotlib.axes import Axes

from analysis.figures.style import BLUE, GREY, INK, PAGE, VERMILLION, new_figure, save, style

DOCS = Path(__file__).parent.parent / "docs"
SECTIONS = ("No true difference", "Real differences", "Real predictions")


def rows_of(section: str) -> list[tuple[str, float, float, float, float]]:
    """Return a section's first table: who chose, apparent - truth, honest - truth, and how often each interval covers.

    Differences in points of accuracy, coverage in per cent.
    """
    text = (DOCS / "honesty.md").read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    table = text.split("| chosen by |")[1].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return [(f"{c[0]}, {c[1]}", float(c[3]), float(c[4]), float(c[6]), float(c[8])) for c in cells]


def draw(axes: Axes, rows: list[tuple[str, float, float, float, float]], columns: tuple[int, int]) -> Axes:
    """Draw a line a row between its apparent (open) and its honest (full) figure; columns: which two."""
    for y, row in enumerate(rows):
        apparent, honest = row[columns[0]], row[columns[1]]
        axes.plot([apparent, honest], [y, y], color=GREY, linewidth=0.7, zorder=2)
        axes.plot(apparent, y, "o", color=VERMILLION, markerfacecolor="white", zorder=3, clip_on=False)
        axes.plot(honest, y, "o", color=BLUE, zorder=3, clip_on=False)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)))
    return axes


def honesty_figure(picture: Path) -> None:
    """Write the picture: bias above, coverage below, a column a section."""
    with style():
        figure = new_figure(PAGE, 3.9)
        for i, section in enumerate(SECTIONS):
            rows = rows_of(section)
            for below in (0, 1):
                axes = draw(figure.add_subplot(2, 3, 3 * below + i + 1), rows, (3, 4) if below else (1, 2))
                axes.set_yticklabels([row[0] for row in rows], size=6)
                axes.grid(visible=False, axis="y")
                axes.axvline(95 if below else 0, color=INK, linewidth=0.7, zorder=1)
                if below:
                    axes.set_xlim(-3, 103)
                    axes.set_xlabel("Interval holds the truth (% of draws)")
                else:
                    axes.set_xlim(-0.7, 6.5)
                    axes.set_xlabel("Score minus truth (points)")
                    axes.set_title(section, weight="bold")
        figure.text(0.008, 0.985, "Open: the apparent score and its interval.  Full: the honest score and the interval "
                    "that ships.  Rows: chosen by, samples.", size=7, va="top")  # fmt: skip
        figure.subplots_adjust(left=0.107, right=0.985, top=0.89, bottom=0.1, wspace=0.52, hspace=0.42)
        save(figure, picture)


if __name__ == "__main__":
    honesty_figure(Path(sys.argv[1]))
