"""Paired tests against counts worked by hand, and on data where nothing is to be found."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from analysis.selection.cross_validation import Prequential, paired
from analysis.statistics import benjamini_hochberg, compare_correct, holm, mcnemar, smallest_difference, tango
from ensemble.errors import BadInput


def forward(correct, tested=None) -> Prequential:
    correct = np.asarray(correct, dtype=bool)
    return Prequential(
        correct, np.ones(len(correct), dtype=bool) if tested is None else np.asarray(tested, dtype=bool), ()
    )


def test_mcnemar_by_hand() -> None:
    # 1 against 5: 2 (C(6,0) + C(6,1) / 2) / 64 = 8 / 64.
    assert mcnemar(1, 5) == mcnemar(5, 1) == pytest.approx(0.125)
    assert mcnemar(0, 5) == pytest.approx(1 / 32)
    assert mcnemar(3, 3) == mcnemar(0, 0) == 1
    assert mcnemar(20_000, 21_000) == pytest.approx(8.0e-7, rel=0.05)


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_against_its_definition(won: int, lost: int) -> None:
    n, k = won + lost, min(won, lost)
    tail = [comb(n, i) / 2**n for i in range(k + 1)]
    expected = 1.0 if won == lost else 2 * (sum(tail) - tail[-1] / 2)
    assert mcnemar(won, lost) == pytest.approx(expected)


def test_only_tested_samples_count() -> None:
    one = forward([1, 1, 1, 0, 1, 1], [0, 1, 1, 1, 1, 1])
    other = forward([0, 0, 1, 1, 0, 0], [0, 1, 1, 1, 1, 1])
    found = paired(one, other)
    assert (found.won, found.lost, found.samples) == (3, 1, 5)
    assert found.difference == pytest.approx(0.4)
    assert found.low < 0.4 < found.high
    assert found.p == mcnemar(3, 1)
    with pytest.raises(BadInput, match="tested on the same samples"):
        paired(one, forward([1] * 6))


def score_statistic(won: int, lost: int, n: int, d: float) -> float:
    """Tango's statistic by brute force: the likeliest shares that differ by d are looked for on a fine grid."""
    share = np.linspace(max(0, -d), (1 - d) / 2, 400_001)  # of lost; that of won is d more
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = ((won, share + d), (lost, share), (n - won - lost, 1 - d - 2 * share))
        likelihood = sum(np.where(p > 0, k * np.log(p), -np.inf if k else 0.0) for k, p in terms)
    q = share[np.argmax(likelihood)]
    return (won - lost - n * d) / (n * (2 * q + d * (1 - d))) ** 0.5


@pytest.mark.parametrize(("won", "lost", "n"), [(12, 2, 50), (4, 0, 320), (0, 0, 320), (3, 9, 40), (30, 10, 1000)])
def test_the_score_interval_against_its_definition(won: int, lost: int, n: int) -> None:
    low, high = tango(won, lost, n)
    assert score_statistic(won, lost, n, low) == pytest.approx(1.96, abs=2e-3)
    assert score_statistic(won, lost, n, high) == pytest.approx(-1.96, abs=2e-3)
    assert low < (won - lost) / n < high
    assert tango(lost, won, n) == pytest.approx((-high, -low))


def test_the_score_interval_at_its_ends() -> None:
    # Of none that differ: n d^2 / (|d|) = 1.96^2 at both ends, so d = 3.84 / (n + 3.84).
    assert tango(0, 0, 320) == pytest.approx((-3.8415 / 323.8415, 3.8415 / 323.8415), rel=1e-4)
    assert tango(43, 0, 43) == pytest.approx((0.836, 1), abs=1e-3)
    assert tango(0, 43, 43) == pytest.approx((-1, -0.836), abs=1e-3)
    low, high = tango(30_000, 10_000, 10**6)  # of many it is the normal one
    error = (0.04 - 0.02**2) ** 0.5 / 1000
    assert (low, high) == pytest.approx((0.02 - 1.96 * error, 0.02 + 1.96 * error), abs=2e-6)


@pytest.mark.parametrize(("n", "won", "lost"), [(100, 0.03, 0.03), (320, 0.02, 0.01), (500, 0.01, 0.002)])
def test_the_score_interval_covers_where_few_differ(n: int, won: float, lost: float) -> None:
    drawn = np.random.default_rng(0).multinomial(n, [won, lost, 1 - won - lost], size=800)
    held = [low <= won - lost <= high for low, high in (tango(int(w), int(v), n) for w, v, _ in drawn)]
    assert np.mean(held) > 0.92


def test_the_power_told_is_the_power_had() -> None:
    samples, discordant = 1000, 100
    d = smallest_difference(discordant, samples)
    rng = np.random.default_rng(0)
    share = discordant / samples
    drawn = rng.multinomial(samples, [(share + d) / 2, (share - d) / 2, 1 - share], size=2000)
    assert np.mean([mcnemar(int(w), int(v)) < 0.05 for w, v, _ in drawn]) == pytest.approx(0.8, abs=0.04)
    assert smallest_difference(0, 100) == 0.05  # five samples
    assert mcnemar(5, 0) < 0.05 < mcnemar(4, 0)


def test_holm_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03]).tolist() == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]).tolist() == [1, 1]
    assert holm([]).tolist() == []


def test_benjamini_hochberg_by_hand() -> None:
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.5]).tolist() == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert benjamini_hochberg([]).tolist() == []


def test_groups_of_samples_by_hand() -> None:
    """Every sample four times over is tested as once: Obuchowski's chi-squared is McNemar's of the single ones."""
    one, other = np.array([1] * 9 + [0] * 3 + [1] * 28, bool), np.array([0] * 9 + [1] * 3 + [1] * 28, bool)
    four = compare_correct(np.repeat(one, 4), np.repeat(other, 4), np.repeat(np.arange(40), 4))
    single = compare_correct(one, other)
    assert (four.won, four.lost, four.samples, four.difference) == (36, 12, 160, single.difference)
    assert (four.low, four.high, four.smallest) == pytest.approx((single.low, single.high, single.smallest))
    assert four.p == pytest.approx(2 * ndtr(-6 / 12**0.5))  # chi-squared 36 / 12
    assert compare_correct(np.repeat(one, 4), np.repeat(other, 4)).p < four.p / 10
    same = compare_correct(one, one, np.arange(40))
    assert (same.p, same.difference) == (1, 0)
