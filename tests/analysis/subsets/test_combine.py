"""The door for plain arrays."""

import numpy as np
import pytest

import analysis
from analysis import combine
from analysis.stack import stack_arrays
from ensemble.errors import BadInput

RNG = np.random.default_rng(0)
PROBS = RNG.dirichlet(np.ones(4), (3, 20))
LABELS = RNG.integers(0, 4, 20)


def test_five_lines() -> None:
    table = analysis.combine(PROBS, LABELS)
    best = table.best("accuracy", max_size=2)
    assert len(table) == 7
    assert best.members == tuple(f"m-{i}" for i in range(3) if best.mask >> i & 1)
    mean = PROBS[[int(m[2:]) for m in best.members]].mean(axis=0)
    assert best.accuracy == (mean.argmax(axis=1) == LABELS).mean()


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_any_floating_point_and_any_sequence(kind: type) -> None:
    rows = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]], dtype=kind)
    table = combine([rows, rows[::-1]], [0, 1], ["a", "b"], sizes=[1])
    assert table.masks.tolist() == [1, 2]
    assert table.correct.tolist() == [2, 0]


def test_names_come_in_natural_order() -> None:
    stack = stack_arrays(PROBS, LABELS, ["net-10", "net-2", "a"])
    assert stack.members == ("a", "net-2", "net-10")
    assert np.array_equal(stack.probs, PROBS[[2, 1, 0]].astype(np.float32))
    assert stack_arrays(PROBS).labels is None
    assert stack_arrays(np.full((12, 1, 11), 1 / 11)).members[-1] == "m-11"
    assert stack_arrays(np.full((1, 1, 11), 1 / 11)).class_ids[:2] == ("00", "01")


@pytest.mark.parametrize(
    ("probs", "labels", "members", "message"),
    [
        ([], [], None, r"probs: expected \(M, N, C\) with at least one member, found none"),
        (
            PROBS[0],
            LABELS,
            None,
            r"probs: .* found float64 \(20, 4\); of one member give",
        ),
        (PROBS, LABELS, ["a", "b"], "probs: hold 3 members, but 2 names were given"),
        (PROBS, LABELS, ["a", "b", "a"], "members: 'a' was given twice; name each member once"),
        (PROBS, LABELS, ["a", "b", "c d"], "member 'c d': use letters"),
        ([PROBS[0], PROBS[1][:9]], LABELS, None, r"probs of 'm-1': \(9, 4\), but 'm-0' has \(20, 4\)"),
        (np.ones((2, 20, 4), int), LABELS, None, "in floating point, found int64"),
        (np.ones((2, 3, 1)), [0, 0, 0], None, "at least 1 sample and 2 classes, found 3 and 1"),
        (2 * PROBS, LABELS, None, "probs of 'm-0': a row must sum to 1 within 0.0001"),
        (PROBS, LABELS[:5], None, r"labels: expected a class for each of 20 samples, .* found int64 \(5,\)"),
        (PROBS, LABELS + 1, None, r"labels: expected classes as whole numbers from 0\.\.3"),
        (PROBS, LABELS * 1.0, None, "labels: expected a class for each of 20 samples, .* found float64"),
    ],
)
def test_bad_arrays(probs, labels, members, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        combine(probs, labels, members)


@pytest.mark.parametrize("name", analysis.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(analysis, name) is not None
