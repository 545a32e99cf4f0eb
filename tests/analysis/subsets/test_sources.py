"""Predictions in memory, as arrays and from disk give the same table; and what a source or a question refuses."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from subset_cases import RULES, random_source, same_table, stack_of

from analysis.stack import ArraySource, join
from analysis.streamed import stream
from analysis.subsets import memory
from analysis.subsets import score as subsets
from analysis.subsets.engine import Lattice, lattice_table
from analysis.subsets.reference import subset_table as reference_table
from analysis.subsets.score import reference_is_faster, subset_table
from ensemble.errors import BadInput
from ensemble.study.hdf5 import seal_file
from ensemble.study.predictions import Predictions, reading_rows, write_predictions

N, C = 2300, 7


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Five members: rows in another order, columns in another order, both, and one that lacks some samples."""
    source = random_source(5, N, C, seed=3, signal=0.4)
    rng = np.random.default_rng(0)
    ids, classes = np.array([f"s{i}" for i in range(N)]), np.array([f"c{i}" for i in range(C)])
    paths = []
    for i in range(5):
        rows = rng.permutation(N) if i in (1, 3) else np.arange(N)
        if i == 4:
            rows = np.sort(rng.permutation(N)[: N - 200])
        columns = rng.permutation(C) if i in (2, 3) else np.arange(C)
        names = tuple(classes[columns].tolist())
        labels = np.argsort(columns)[source.labels[rows]]
        probs = source.probs[i][np.ix_(rows, columns)]
        paths.append(tmp_path / f"{i}.h5")
        write_predictions(paths[-1], Predictions(f"m-{i}", "val", probs, ids[rows], names, names, labels))
    return paths


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("block", [64, 999, 5000])
def test_files_in_any_order_give_the_table_of_memory(files: list[Path], rule: str, block: int) -> None:
    from ensemble.study.predictions import read_predictions

    stack = join([read_predictions(path) for path in files], intersect=True)
    streamed = stream([files[i] for i in (3, 1, 4, 0, 2)], intersect=True)
    assert (streamed.members, streamed.samples, streamed.classes, streamed.split) == (stack.members, N - 200, C, "val")
    assert streamed.dropped == (200, 200, 200, 200, 0)
    same_table(lattice_table(streamed, range(1, 6), rule, block=block), lattice_table(stack, range(1, 6), rule))


def test_files_are_joined_with_the_same_care_as_members_in_memory(files: list[Path]) -> None:
    with pytest.raises(BadInput, match="'m-0' has 2300 samples and 'm-4' has 2100, not the same ones"):
        stream(files)


def test_a_row_that_is_no_probability_is_refused_while_streaming(files: list[Path]) -> None:
    with h5py.File(files[2], "r+") as file:
        file["probs"][1500, 3] = 7.0
    seal_file(files[2])
    with pytest.raises(BadInput, match=r"2\.h5: probs: a row must sum to 1 .* row 1500 first"):
        lattice_table(stream(files[:4]), [1], block=1000)


def test_a_damaged_chunk_is_refused_while_streaming(files: list[Path]) -> None:
    streamed = stream(files[:4])
    with h5py.File(files[0]) as file:
        info = file["probs"].id.get_chunk_info(1)
    data = bytearray(files[0].read_bytes())
    data[info.byte_offset + 100] ^= 255
    files[0].write_bytes(data)
    with pytest.raises(BadInput, match=r"0\.h5: .*checksum"):
        lattice_table(streamed, [1], block=500)


def test_rows_of_a_file(files: list[Path]) -> None:
    from ensemble.study.predictions import read_predictions

    whole = read_predictions(files[1])
    with reading_rows(files[1]) as (_, reader):
        np.testing.assert_array_equal(reader.read(990, 1010), whole.probs[990:1010])
        assert reader.read(0, 1).dtype == np.float32


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_half_and_double_precision(kind: type) -> None:
    """Whole numbers are those of the numbers handed over, not of their float32."""
    source = random_source(4, 300, 9, seed=1, signal=0.3)
    probs = source.probs.astype(kind)
    table = lattice_table(ArraySource(probs, source.labels), range(1, 5))
    single = reference_table(stack_of(probs.astype(np.float32), source.labels), range(1, 5))
    if kind is np.float64:
        close = np.array([[[0.5 - 2.0**-28, 0.5 + 2.0**-28]]] * 3)  # a tie to 26 bits, which the lower index wins
        assert lattice_table(ArraySource(close, np.array([1])), [1, 2, 3]).correct.max() == 0
        # A vote goes by the same arithmetic.
        assert lattice_table(ArraySource(close, np.array([1])), [1, 2], "vote").correct.max() == 0
        close = np.array([[[0.5 - 2.0**-26, 0.5 + 2.0**-26]]])  # of which float32 knows nothing
        assert lattice_table(ArraySource(close, np.array([1])), [1]).correct.tolist() == [1]
    same_table(table, single, bits=False)


def test_twenty_one_thousand_classes() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 4, 21_000)) * 3
    labels = np.array([0, 20_999, 10_000, 5])
    logits[:, np.arange(4), labels] += 12
    probs = np.exp(logits)
    stack = stack_of(probs / probs.sum(axis=2, keepdims=True), labels)
    same_table(lattice_table(stack, [1, 2, 3]), reference_table(stack, [1, 2, 3]), bits=False)


def test_one_of_everything() -> None:
    table = lattice_table(ArraySource(np.array([[[0.25, 0.75]]]), np.array([1])), [1])
    assert (table.correct.tolist(), table.top5.tolist()) == ([1], [1])
    assert table.nll[0] == pytest.approx(-np.log(0.75), rel=1e-15)
    assert table.brier[0] == pytest.approx(0.125, rel=1e-15)


def test_small_jobs_take_the_plain_way_and_large_ones_the_engine() -> None:
    source = random_source(6, 50, 5)
    stack = stack_of(source.probs, source.labels)
    assert reference_is_faster(stack, range(1, 7))
    large = random_source(15, 400, 5)
    assert not reference_is_faster(stack_of(large.probs, large.labels), range(1, 16))
    # Logarithms and powers of every class for every subset.
    some = random_source(10, 500, 60)
    assert reference_is_faster(some, range(1, 11))
    assert not reference_is_faster(some, range(1, 11), "geometric")
    sixty = random_source(30, 10, 5)
    assert not reference_is_faster(stack_of(sixty.probs, sixty.labels), range(1, 31))


@pytest.mark.parametrize("rule", RULES)
def test_both_ways_give_the_same_table(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = random_source(6, 50, 5)
    stack = stack_of(source.probs, source.labels)
    tables = []
    for plain in (True, False):
        monkeypatch.setattr(subsets, "reference_is_faster", lambda *_, plain=plain: plain)
        tables.append(subset_table(stack, range(1, 7), rule=rule))
    same_table(*tables, bits=False)


def test_progress_reaches_the_end_and_never_turns_back() -> None:
    source = random_source(16, 9000, 3, signal=0.3)
    told: list[tuple[int, int]] = []
    lattice_table(source, range(1, 17), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (9000, 9000)
    assert {total for _, total in told} == {9000}
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize(
    ("sizes", "options", "message"),
    [
        ([0], {}, "a subset of 4 members has 1 to 4 of them, found size 0"),
        ([5], {}, "a subset of 4 members has 1 to 4 of them, found size 5"),
        ([1], {"rule": "men"}, "'men' is not a rule for combining members; known: mean"),
        ([1], {"metrics": ["acuracy"]}, "'acuracy' is no metric; known: accuracy"),
    ],
)
def test_bad_questions(sizes: list[int], options: dict, message: str) -> None:
    source = random_source(4, 20, 3)
    with pytest.raises(BadInput, match=message):
        lattice_table(source, sizes, **options)
    with pytest.raises(BadInput, match=message):
        Lattice(source, sizes=sizes, **options)


def test_more_members_than_fit_are_refused_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    source = random_source(40, 10, 3)
    monkeypatch.setattr(memory, "available_bytes", lambda: 4 * 10**9)
    message = (
        "that would be 1,099,511,627,775 subsets of 40 members, which take 43,981.3 GB of memory where 4.0 GB are "
        "free; ask for subsets of sizes 1 to 7, or for fewer members"
    )
    with pytest.raises(BadInput, match=message):
        subset_table(source, range(1, 41))
    many = random_source(65, 10, 3)
    with pytest.raises(BadInput, match="65 members are more than the 64 a mask holds"):
        subset_table(many, [1])


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda lattice: lattice.correct([20]), r"rows: expected a mask of 20 or positions in 0\.\.19"),
        (lambda lattice: lattice.correct(np.ones(3, bool)), "rows: expected a mask of 20"),
        (lambda lattice: lattice.per_class([16]), r"a mask of 4 members lies in 1\.\.15, found 16"),
        (lambda lattice: lattice.per_class([0]), r"a mask of 4 members lies in 1\.\.15, found 0"),
        (lambda lattice: lattice.top5(), "prepared for accuracy, nll; name 'top5' among its metrics"),
    ],
)
def test_bad_questions_to_a_lattice(ask, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        ask(Lattice(random_source(4, 20, 3), metrics=["nll"]))


@pytest.mark.parametrize(
    ("probs", "labels", "members", "message"),
    [
        (np.ones((2, 3)), [0], (), r"expected probabilities \(M, N, C\) in floating point"),
        (np.ones((1, 1, 2), int), [0], (), "in floating point"),
        (np.full((1, 1, 1), 1.0), [0], (), "and 2 classes"),
        (np.full((1, 1, 2), 0.6), [0], (), "probabilities of 'm-0': a row must sum to 1"),
        (np.full((1, 2, 2), 0.5), [0, 2], (), r"whole numbers from 0\.\.1, found 2 in row 1"),
        (np.full((2, 1, 2), 0.5), [0], ("b", "a"), "in natural order, found b, a"),
    ],
)
def test_bad_arrays(probs, labels, members, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        ArraySource(probs, np.array(labels), members)
