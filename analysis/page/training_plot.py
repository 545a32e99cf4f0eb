"""A member's training as a small drawing: accuracy above, cross-entropy below."""

from collections.abc import Sequence

import numpy as np

from analysis.page.markup import Markup, join, tag
from ensemble.study.history import History

WIDTH, HEIGHT = 260, 220
LEFT, RIGHT = 34, 252
PANELS = (("accuracy", "Accuracy (%)", 22, 96), ("cross_entropy", "Cross-entropy", 130, 200))
Limits = dict[str, tuple[float, float]]


def limits(histories: Sequence[History]) -> Limits:
    """Return the range that every member's drawing shares, so that they can be compared: accuracies in percent."""
    found = {}
    for what, _, _, _ in PANELS:
        values = np.concatenate([_values(h, f"{part}_{what}") for h in histories for part in ("train", "val")])
        values = values[np.isfinite(values)]
        high = float(values.max()) if values.size else 1.0
        found[what] = (0.0, high * 1.05 or 1.0)
    return found


def training_plot(history: History, shared: Limits) -> Markup:
    """Return the drawing, train dashed and val drawn through."""
    epochs = history.columns["epoch"]
    parts = [_panel(history, epochs, shared[what], panel) for panel in PANELS for what in panel[:1]]
    last = int(epochs[-1])
    accuracy = history.last()[1]
    told = f"{last} epochs" + (f", {100 * accuracy:.1f} % on val at the end" if accuracy == accuracy else "")
    axis = tag("text", f"epoch {last}", x=RIGHT, y=HEIGHT - 3, text_anchor="end")
    return tag("svg", tag("title", told), *parts, axis, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img")


def _panel(history: History, epochs: np.ndarray, shared: tuple[float, float], panel: tuple) -> Markup:
    what, title, top, bottom = panel
    low, high = shared
    parts = [tag("text", title, x=0, y=top - 11, class_="title")]
    for value in (low, _round(high)):
        y = bottom - (value - low) / (high - low) * (bottom - top)
        parts.append(tag("line", class_="grid", x1=LEFT, x2=RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}"))
        parts.append(tag("text", f"{value:g}", x=LEFT - 5, y=f"{y + 4:.1f}", text_anchor="end"))
    for part in ("train", "val"):
        values = _values(history, f"{part}_{what}")
        seen = np.isfinite(values)
        across = LEFT + (epochs - 1) / max(1, epochs[-1] - 1) * (RIGHT - LEFT)
        up = bottom - (values - low) / (high - low) * (bottom - top)
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across[seen], up[seen], strict=True))
        parts.append(tag("polyline", class_=f"curve {part}", points=points))
    return join(parts)


def _values(history: History, column: str) -> np.ndarray:
    values = history.columns[column]
    return 100 * values if column.endswith("accuracy") else values


def _round(high: float) -> float:
    """Return the largest round number that is not above `high`."""
    power = 10.0 ** np.floor(np.log10(high))
    return float(max(step * power for step in (1, 2, 2.5, 5, 8) if step * power <= high))
