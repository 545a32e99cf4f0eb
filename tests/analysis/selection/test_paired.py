"""Paired tests against counts worked by hand, and on data where nothing is to be found."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.selection.cross_validation import Prequential, paired
from analysis.statistics import benjamini_hochberg, bootstrap, holm, mcnemar, smallest_difference
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


def test_the_bootstrap_interval() -> None:
    differences = np.array([1.0] * 30 + [0.0] * 960 + [-1.0] * 10)
    low, high = bootstrap(differences)
    error = differences.std() / len(differences) ** 0.5
    assert low == pytest.approx(0.02 - 1.96 * error, abs=2e-3)
    assert high == pytest.approx(0.02 + 1.96 * error, abs=2e-3)
    assert bootstrap(differences) == (low, high)
    assert bootstrap(np.zeros(9)) == (0, 0)


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
