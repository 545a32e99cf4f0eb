"""Wilson's interval against scipy's own."""

import numpy as np
import pytest
from scipy.stats import binomtest

from analysis.statistics import wilson


@pytest.mark.parametrize(("x", "n"), [(0, 50), (1, 50), (25, 50), (49, 50), (50, 50), (0, 1), (1, 1), (4321, 10000)])
def test_against_scipy(x: int, n: int) -> None:
    expected = binomtest(x, n).proportion_ci(method="wilson")
    low, high = wilson(np.array([x]), np.array([n]))
    assert low[0] == pytest.approx(expected.low, abs=1e-12)
    assert high[0] == pytest.approx(expected.high, abs=1e-12)


def test_the_ends_and_no_trials() -> None:
    low, high = wilson(np.array([0, 5, 0]), np.array([5, 5, 0]))
    assert low[0] == 0
    assert high[1] == 1
    assert np.isnan([low[2], high[2]]).all()


def test_hand_worked() -> None:
    # 1 of 50, z = 1.96: (0.02 + 0.0384) / 1.0768 -+ 0.0500...; the usual table gives 0.35 % to 10.50 %.
    low, high = wilson(1, 50)
    assert (round(float(low), 4), round(float(high), 4)) == (0.0035, 0.1050)


def test_another_level() -> None:
    expected = binomtest(7, 20).proportion_ci(0.9, method="wilson")
    assert [float(v) for v in wilson(7, 20, level=0.9)] == pytest.approx([expected.low, expected.high])
