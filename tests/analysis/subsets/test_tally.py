"""What is added up of a block of subsets: against a loop over its masks, one after another."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.subsets.tally import below, tally

MEMBERS, BINS = 9, 3


@given(
    low=st.integers(1, 4), middle=st.integers(0, 2), high=st.integers(0, 7), most=st.integers(0, 6),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_block_adds_up_as_a_loop_over_subsets_does(low: int, middle: int, high: int, most: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    wrong = rng.integers(0, most + 1, (2**middle, 2**low)).astype(np.int32)
    bins = rng.integers(0, BINS, most + 1)
    sizes = np.array([x.bit_count() for x in range(2 ** max(low, middle))])
    order = np.argsort(sizes[: 2**low], kind="stable")
    starts = np.searchsorted(sizes[order], np.arange(low + 2))
    total, highest, first = np.zeros(MEMBERS + 1, np.int64), np.full(MEMBERS + 1, -1), np.zeros(MEMBERS + 1, np.int64)
    least, density = np.full(MEMBERS + 1, 3), np.zeros((MEMBERS + 1, BINS), np.int64)  # of some size 3 was seen before
    members = np.zeros((MEMBERS, MEMBERS + 1), np.int64)
    tally(wrong, sizes, order, starts, high, bins, total, least, first, highest, density, members)
    for k in range(MEMBERS + 1):
        block = range(high << (low + middle), (high + 1) << (low + middle))
        counts = {mask: int(w) for mask, w in zip(block, wrong.ravel(), strict=True) if mask.bit_count() == k}
        assert total[k] == sum(counts.values())
        assert highest[k] == max(counts.values(), default=-1)
        assert density[k].tolist() == [sum(bins[w] == b for w in counts.values()) for b in range(BINS)]
        best = min(counts.values(), default=3)
        assert least[k] == min(best, 3)
        assert first[k] == (min(m for m, w in counts.items() if w == best) if best < 3 else 0)
        for member in range(MEMBERS):
            assert members[member, k] == sum(w for mask, w in counts.items() if mask >> member & 1)


def test_positions_below_a_floor_are_counted_where_there_is_no_room_for_them() -> None:
    wrong, out = np.array([4, 1, 3, 0, 2], np.int32), np.zeros(2, np.int64)
    assert below(wrong, 3, out) == 3
    assert out.tolist() == [1, 3]
