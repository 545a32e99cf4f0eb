"""Pruning may drop a rival only where it changes no answer; and it must drop those that the rules name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.subsets.prepare import NEVER, prune_rows


def pruned(d: list[list[int]], y: int, limit: int = 1) -> tuple[list[tuple[int, ...]], np.ndarray]:
    """Prune one sample whose rivals have these d (rivals in order of class, without y); whole numbers as they are."""
    members, rivals = len(d[0]), len(d)
    q = np.zeros((members, 1, rivals + 1), np.int32)
    for r, row in enumerate(d):
        q[:, 0, r + (r >= y)] = [-x for x in row]
    out = np.empty((rivals + 1, members + 1), np.int32)
    counts = np.empty((1, 3), np.int64)
    done, written = prune_rows(q, 0, np.array([y]), np.float64(1), limit, 0, out, counts)
    assert done == 1
    return [tuple(row) for row in out[:written].tolist()], counts[0]


def test_a_rival_that_never_wins_is_dropped() -> None:
    assert pruned([[1, 2]], y=0)[0] == []
    assert pruned([[0, 2]], y=0)[0] == []  # y stands first: a tie is its own
    assert pruned([[0, 2]], y=1)[0] == [(0, 2, -1)]  # the rival stands first, and wins where the second is left out


def test_a_rival_that_always_wins_settles_the_sample() -> None:
    for d, y in ([[-1, -2]], 0), ([[0, -2]], 1), ([[0, 0]], 1):
        assert pruned(d, y)[1].tolist() == [NEVER, 0, 1]
    assert pruned([[0, -2]], 0)[1].tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("d", "y", "left"),
    [
        ([[-3, 2], [-1, 4]], 0, [(-3, 2, 0)]),  # both behind y: the larger differences are needless
        ([[-3, 2], [-1, 2]], 0, [(-3, 2, 0)]),  # equal in one member
        ([[-3, 2], [-3, 2]], 0, [(-3, 2, 0)]),  # of equal rivals one is kept
        ([[-3, 2], [-3, 2]], 2, [(-3, 2, -1)]),  # on the other side too
        ([[-3, 2], [-3, 2]], 1, [(-3, 2, -1)]),  # c' < y < c: the one whose ties win makes the other needless
        ([[-1, 4], [-3, 4]], 1, [(-3, 4, 0), (-1, 4, -1)]),  # c < y < c', equal in a member: a tie counts for c only
        ([[-1, 4], [-3, 2]], 1, [(-3, 2, 0)]),  # strictly smaller everywhere suffices
        ([[-3, 4], [4, -3]], 0, [(-3, 4, 0), (4, -3, 0)]),  # neither dominates
    ],
)
def test_a_dominated_rival_is_needless(d: list[list[int]], y: int, left: list[tuple[int, ...]]) -> None:
    assert sorted(pruned(d, y)[0]) == sorted(left)


def test_rivals_that_always_win_leave_room_for_fewer_among_the_five() -> None:
    chain = [[-1, 4], [-2, 3], [-3, 2]]  # each makes those before it needless
    for always, kept in ((0, 3), (2, 3), (3, 2), (4, 1), (5, 0)):
        left, counts = pruned([[-9, -9]] * always + chain, 0, limit=5)
        assert (len(left), counts[2]) == (kept, always)


def ahead(rivals: list[tuple[int, ...]], chosen: list[int]) -> int:
    """How many of the rivals (d and handicap) are ahead in a subset."""
    return sum(sum(row[i] for i in chosen) + row[-1] < 0 for row in rivals)


@settings(max_examples=400)
@given(
    st.integers(1, 4).flatmap(
        lambda m: st.lists(st.lists(st.integers(-3, 3), min_size=m, max_size=m), min_size=1, max_size=12)
    ),
    st.integers(0, 12),
)
def test_no_answer_changes_and_nothing_needless_stays(d: list[list[int]], y: int) -> None:
    y = min(y, len(d))
    members = len(d[0])
    rivals: list[tuple[int, ...]] = [(*row, -1 if r < y else 0) for r, row in enumerate(d)]
    front, counts = pruned(d, y, limit=1)
    five, counts5 = pruned(d, y, limit=5)
    for mask in range(1, 2**members):
        chosen = [i for i in range(members) if mask >> i & 1]
        in_all, in_front, in_five = (ahead(rows, chosen) for rows in (rivals, front, five))
        assert (in_all == 0) == (counts[0] != NEVER and in_front == 0)
        assert (in_all < 5) == (counts5[2] + in_five < 5)
        if counts5[0] != NEVER:  # the front stands first
            assert (in_all == 0) == (ahead(five[: counts5[0]], chosen) == 0)
    # What stays is a front: no one of it is at least as weak as another in every member, on the same side.
    for i, weak in enumerate(front):
        for j, strong in enumerate(front):
            assert i == j or weak[-1] != strong[-1] or any(a > b for a, b in zip(strong, weak, strict=True))
