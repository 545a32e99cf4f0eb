"""The page's JavaScript, each part beside the Python it follows or an obvious way."""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

from analysis.classes.confusion import confusion, folded
from analysis.figures.curve import jitter
from analysis.figures.style import apart
from analysis.page.write import SCRIPTS
from analysis.selection.costs import cost_text
from analysis.statistics import tango, wilson
from analysis.subsets.table import name_set


@pytest.fixture(scope="module")
def ask(chromium: Any) -> Iterator[Any]:
    """A function (expression, argument) that is answered with every part of the script there, but main."""
    page = chromium.new_page()
    parts = [(files("analysis.page") / f"script/{name}.js").read_text(encoding="utf-8") for name in SCRIPTS[:-1]]
    yield lambda code, given=None: page.evaluate(f"async (given) => {{ {''.join(parts)} return {code}; }}", given)
    page.close()


def test_numbers_are_rounded_as_python_does(ask: Any) -> None:
    cases = [(12.5, 0), (13.5, 0), (0.35, 1), (0.25, 1), (0.75, 1), (2.675, 2), (-0.5, 0), (-2.5, 0), (99.95, 1)]
    rng = np.random.default_rng(0)
    cases += [(100 * int(a) / int(b), int(d)) for a, b, d in zip(rng.integers(0, 999, 400), rng.integers(1, 999, 400),
                                                                 rng.integers(0, 5, 400), strict=True)]  # fmt: skip
    found = ask("given.map(([value, digits]) => fixed(value, digits))", cases)
    assert [text.removeprefix("-") for text in found] == [f"{abs(v):.{d}f}" for v, d in cases]


def test_signs_and_zeros(ask: Any) -> None:
    cases = [(0.04, 1), (-0.04, 1), (0, 2), (-0.06, 1), (1.25, 1), (-0.00001, 4)]
    assert ask("given.map(([value, digits]) => signed(value, digits))", cases) == [
        "±0.0", "±0.0", "±0.00", "−0.1", "+1.2", "±0.0000"
    ]  # fmt: skip


def test_names_are_set_apart_as_in_the_figures(ask: Any) -> None:
    rng = np.random.default_rng(0)
    for n in (1, 5, 20):
        wanted = np.sort(rng.uniform(0, 300, n)).tolist()
        found = np.array(ask("apart(given, 12, 6, 294)", wanted))
        # The figures' own keeps half a step from either end of its room.
        np.testing.assert_allclose(found, apart(wanted, 12, 300), atol=1e-9)
        assert (np.diff(found) >= 12 - 1e-9).all()


def test_text_on_a_colour_is_the_one_that_reads_better(ask: Any) -> None:
    assert ask("contrast(luminance([255, 255, 255]), luminance([0, 0, 0]))") == pytest.approx(21)
    assert ask("contrast(luminance([119, 119, 119]), luminance([255, 255, 255]))") == pytest.approx(4.48, abs=0.01)


def test_intervals_are_wilsons(ask: Any) -> None:
    cases = [[x, n] for n in (1, 10, 50) for x in range(n + 1)]
    found = np.array(ask("given.map(([x, n]) => wilson(x, n, 1.959963984540054))", cases))
    low, high = wilson(*np.array(cases).T)
    np.testing.assert_allclose(found, np.stack([low, high], 1), atol=1e-14)


def test_the_nearest_point_is_the_nearest(ask: Any) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-20, 320, (150, 2)).astype(np.float32).astype(float)
    asked = rng.uniform(0, 300, (200, 2))
    code = """(() => {
      const [xs, ys] = [0, 1].map(i => Float32Array.from(given.points, point => point[i]));
      const grid = new Grid(xs, ys, 300, 300);
      return given.asked.map(([x, y]) => grid.nearest(x, y, 24));
    })()"""
    found = ask(code, {"points": points.tolist(), "asked": asked.tolist()})
    here = ((points >= 0) & (points < 304)).all(axis=1)
    far = np.hypot(*(asked[:, None] - points[None]).transpose(2, 0, 1))
    far[:, ~here] = np.inf
    slow = np.where(far.min(axis=1) < 24, far.argmin(axis=1), -1)
    assert found == slow.tolist()
    assert -1 in found and max(found) >= 0


def test_points_stand_beside_their_size_as_in_the_figure(ask: Any) -> None:
    sizes = np.random.default_rng(0).integers(1, 6, 100)
    np.testing.assert_allclose(
        ask("Array.from(jitter(Uint8Array.from(given)))", sizes.tolist()), jitter(sizes), atol=1e-6
    )


@pytest.mark.parametrize("members", [("a-0", "a-1", "a-2", "a-3", "b"), ("x", "y"), ("one",)])
def test_subsets_are_called_as_in_the_tables(ask: Any, members: tuple[str, ...]) -> None:
    masks = list(range(1, 2 ** len(members)))
    code = """given.masks.map((mask) => Study.prototype.title.call(
      {members: given.members, names: Study.prototype.names}, mask))"""
    found = ask(code, {"masks": masks, "members": list(members)})
    slow = [name_set([m for i, m in enumerate(members) if mask >> i & 1], members) for mask in masks]
    assert [text.removesuffix(" members") for text in found] == slow


def test_ticks_are_round_and_inside(ask: Any) -> None:
    for low, high in ((0.13, 0.97), (82.1, 89.9), (3.4521, 3.4555), (1, 20)):
        found = ask("new Scale(given[0], given[1], 0, 1).ticks(6)", [low, high])
        assert 2 <= len(found["values"]) <= 7
        assert all(low - 1e-9 <= value <= high + 1e-9 for value in found["values"])
        assert len({f"{value:.{found['digits']}f}" for value in found["values"]}) == len(found["values"])


def test_costs_read_as_in_the_figure(ask: Any) -> None:
    costs = [0, 0.0123456, 0.5, 4.1, 63.5, 999.96, 1000, 1234567.5, 1e9]
    assert ask("given.map(costText)", costs) == [cost_text(cost) for cost in costs]
    assert ask("[costScale([3, 60]).log, costScale([3, 61]).log, costScale([0, 61]).log]") == [False, True, False]
    for low, high, most in ((-1.3, 1.6, 8), (6.5, 8.2, 3), (0.1, 0.9, 4), (-3, 9, 5)):
        found = ask("logTicks(...given)", [low, high, most])
        assert 1 <= len(found) <= most and all(low <= tick["value"] <= high for tick in found)
        assert [tick["text"] for tick in found] == [cost_text(10 ** tick["value"]) for tick in found]


def test_what_is_zoomed_stays_within_the_whole(ask: Any) -> None:
    assert ask("held([-5, 5], [0, 10])") == [0, 10]
    assert ask("held([-2, 2], [0, 10])") == [0, 4]
    assert ask("held([9, 12], [0, 10])") == [7, 10]
    low, high = ask("held([5, 5], [0, 10])")
    assert high - low == pytest.approx(10 / 400)


def test_paired_intervals_are_tangos(ask: Any) -> None:
    cases = [
        [won, lost, n] for n in (1, 20, 1597) for won in (0, 1, n // 3) for lost in (0, 1, n // 2) if won + lost <= n
    ]
    found = np.array(ask("given.map(([won, lost, n]) => tango(won, lost, n, 1.959963984540054))", cases))
    np.testing.assert_allclose(found, [tango(won, lost, n) for won, lost, n in cases], atol=1e-12)


def test_the_matrix_folds_as_the_figure_does(ask: Any) -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(70), 9)
    value = confusion(truth, np.where(rng.random(630) < 0.5, truth, rng.integers(0, 70, 630)))
    small = folded(value, 40)
    given = {"counts": value.counts.ravel().tolist(), "order": value.order.tolist()}
    kept, cells = ask("""(() => { const kept = new Set(mostConfused(given.counts, 70, 40));
        const shown = given.order.filter((c) => kept.has(c));
        return [shown, foldedCounts(given.counts, shown, 70)]; })()""",
        given)  # fmt: skip
    assert [value.class_ids[c] for c in kept] == list(small.class_ids[:-1])
    assert cells == small.counts.tolist()


def test_cells_of_a_table_are_quoted_and_run_nothing(ask: Any) -> None:
    assert ask("csvOf(given)", [["a,b", '"q"', "=1+1", 2], ["-x", "two\nlines", "plain", -0.5]]) == (
        '"a,b","""q""",\'=1+1,2\r\n\'-x,"two\nlines",plain,-0.5\r\n'
    )
