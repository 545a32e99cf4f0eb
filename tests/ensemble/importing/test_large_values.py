"""Large arrays are looked at by block: what comes of them is what comes of a whole look."""

import numpy as np
import pytest

from ensemble.importing import values
from ensemble.importing.values import VOTES, Values, probabilities


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("spoil", ["nothing", "votes", "rounding", "beyond one"])
def test_a_look_by_block_gives_what_a_whole_look_gives(kind: type, spoil: str, monkeypatch: pytest.MonkeyPatch) -> None:
    probs = np.random.default_rng(0).dirichlet(np.ones(7), 50)
    if spoil == "votes":
        probs = np.eye(7)[probs.argmax(axis=1)]
    if spoil == "rounding":
        probs[33] *= 1 + 5e-5
    if spoil == "beyond one":
        probs[33] = np.eye(7)[2] + [0, 0, 2e-5, -1e-5, -1e-5, 0, 0]
    given = probs.astype(kind)
    whole = probabilities(given, "here")
    monkeypatch.setattr(values, "LARGE", 0)
    monkeypatch.setattr("ensemble.study.row_probs.BLOCK_NUMBERS", 70)
    by_block = values._as_they_are(given)
    assert (by_block is None) == (spoil in ("rounding", "beyond one"))
    found = probabilities(given, "here")
    np.testing.assert_array_equal(found.probs, whole.probs)
    for name in Values.__dataclass_fields__.keys() - {"probs"}:
        assert getattr(found, name) == getattr(whole, name)
    assert found.notes == (VOTES if spoil == "votes" else ())
