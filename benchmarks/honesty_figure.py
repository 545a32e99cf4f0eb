"""The picture of docs/honesty.md, drawn from its own tables, which `python -m benchmarks.honesty` printed.

python -m benchmarks.honesty_figure docs/images/honesty.png
"""

import sys
from pathlib import Path

from analysis.figures.style import BLUE, GREY, INK, PAGE, VERMILLION, new_figure, save, style

DOCS = Path(__file__).parent.parent / "docs"


def rows_of(section: str, table: int) -> list[list[str]]:
    """Return the cells of one of a section's tables, without its head."""
    text = (DOCS / "honesty.md").read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    tables = [part for part in text.split("\n\n") if part.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in tables[table].splitlines()[2:]]


def honesty_figure(picture: Path) -> None:
    """Write the picture: bias on the left, coverage on the right, a row a case."""
    accuracy, others = rows_of("What ships", 0), rows_of("What ships", 2)
    names = [f"{row[0]}, {row[2]}" for row in accuracy]
    with style():
        figure = new_figure(PAGE, 5.6)
        bias, coverage = figure.subplots(1, 2, sharey=True)
        for y, (row, other) in enumerate(zip(accuracy, others, strict=True)):
            apparent, honest = float(row[3]), float(row[4])
            bias.plot([apparent, honest], [y, y], color=GREY, linewidth=0.7, zorder=2)
            bias.plot(apparent, y, "o", color=VERMILLION, markerfacecolor="white", zorder=3)
            bias.plot(honest, y, "o", color=BLUE, zorder=3)
            coverage.plot(float(row[5]), y, "o", color=BLUE, zorder=3, clip_on=False)
            coverage.plot(float(other[3]), y, "x", color=INK, zorder=3, clip_on=False)
            coverage.plot(float(other[5]), y, "+", color=INK, zorder=3, clip_on=False)
        for axes, at in ((bias, 0), (coverage, 95)):
            axes.axvline(at, color=INK, linewidth=0.7, zorder=1)
            axes.grid(visible=False, axis="y")
            axes.set_ylim(len(names) - 0.4, -0.6)
        bias.set_yticks(range(len(names)))
        bias.set_yticklabels(names, size=6)
        bias.set_xlabel("Accuracy minus truth (points)")
        coverage.set_xlim(80, 100)
        coverage.set_xticks(range(80, 101, 5))
        coverage.set_xlabel("Interval holds the truth (% of draws)")
        figure.text(0.008, 0.985, "Left, open: apparent accuracy, full: honest. Right, full: interval of the honest "
                    "accuracy, x: of NLL, +: of Brier score. Rows: design, samples.", size=7, va="top")  # fmt: skip
        figure.subplots_adjust(left=0.3, right=0.97, top=0.94, bottom=0.08, wspace=0.06)
        save(figure, picture)


if __name__ == "__main__":
    honesty_figure(Path(sys.argv[1]))
