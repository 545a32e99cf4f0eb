"""The simulation behind docs/scale.md against what can be said without one."""

import math

import pytest

from benchmarks.cluster import Setting, simulate


@pytest.mark.parametrize("queue", [False, True])
def test_without_deaths_it_is_rounds(queue: bool) -> None:
    found = simulate(Setting(members=100, gpus=64, hours=32.0, start=0.0), queue)
    assert (found.hours, found.lost, found.deaths) == (64.0, 0.0, 0)
    assert found.busy == pytest.approx(3200)


def test_each_death_costs_half_an_epoch_and_a_start() -> None:
    """Members of a hundred hours with an epoch an hour: at each death half of one is done again, and the start."""
    setting = Setting(members=400, gpus=400, hours=100.0, epochs=100, start=0.1, mtbf=50.0, back=0.0)
    found = simulate(setting, queue=False)
    assert found.busy == pytest.approx(400 * 100.0)
    assert found.lost / found.deaths == pytest.approx(0.5 + 0.1, rel=0.05)
    # As many deaths as the hours at work, those done again among them, have of them.
    assert found.deaths == pytest.approx((found.busy + found.lost) / 50.0, rel=0.05)


def test_a_free_slot_takes_what_a_dead_one_left() -> None:
    setting = Setting(members=8, gpus=16, hours=10.0, start=0.0, mtbf=20.0, back=30.0)
    parts, queue = ([simulate(setting, way, seed).hours for seed in range(40)] for way in (False, True))
    assert sum(queue) < 0.6 * sum(parts)


def test_members_of_several_lengths_are_drawn_once() -> None:
    setting = Setting(members=50, gpus=4, hours=3.0, spread=0.4)
    one, other = (simulate(setting, way) for way in (False, True))
    assert one.busy == pytest.approx(other.busy)
    assert other.hours <= one.hours
    assert math.isclose(one.busy / 50, 3.0, rel_tol=0.2)
