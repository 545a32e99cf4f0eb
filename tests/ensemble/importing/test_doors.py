"""Files as people save them: what goes in, the accuracy that NumPy finds in the raw arrays, or what is refused.

Each kind of trouble is a table; a row is a file, and either what it gives or a part of the sentence that refuses it.
"""

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from made_files import accuracy, npz

from ensemble.errors import BadInput
from ensemble.importing.headings import NAMES
from ensemble.importing.parse import import_file, import_files, sorted_classes
from ensemble.importing.save import save_predictions
from ensemble.importing.validate import admit, study_classes
from ensemble.study.predictions import read_predictions

pytestmark = pytest.mark.usefixtures("near")

N = 60
RNG = np.random.default_rng(0)
IDS = [f"img_{i:04}" for i in range(N)]
ORDER = RNG.permutation(N)
CLASSES = ["cat", "dog", "owl"]


def member(c: int, share: float = 0.9) -> tuple[np.ndarray, np.ndarray, float]:
    """Return probabilities (N, C), true columns (N,) and the accuracy, recomputed with NumPy alone."""
    y = RNG.integers(0, c, N)
    y[:c] = np.arange(c)
    probs = RNG.dirichlet(np.full(c, 0.3), N) * 0.4
    said = np.where(RNG.random(N) < share, y, (y + 1) % c)
    probs[np.arange(N), said] += 0.6
    return probs, y, float((probs.argmax(axis=1) == y).mean())


P, Y, ACCURACY = member(3)
LABELS = np.array(CLASSES)[Y]
LOGITS = 2.3 * np.log(P) + RNG.normal(0, 5, (N, 1))


def table(path: Path, rows: Iterable[Sequence[object]], separator: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    return path


# -- classes of any kind, in every format -------------------------------------------------------------------

KINDS: list[list[Any]] = [
    [1, 2, 3, 4], [3, 1, 2, 0], [10, 20, 30], [-2, -1, 0, 1], [0, 2, 5, 7], ["b", "a", "c"], ["3", "2", "1", "0"],
    [1.0, 2.0, 3.0], [True, False], [False, True], [-1, 1], [1, 0], [0.5, 1.5, 2.5], ["a b", "c,d", "e;f"],
]  # fmt: skip


# A child process reads HDF5 and Parquet, which takes a second.
SLOW = [[3, 1, 2, 0], ["b", "a", "c"], [1.0, 2.0, 3.0], [True, False], [-1, 1]]


def files_of(folder: Path, classes: np.ndarray, probs: np.ndarray, labels: np.ndarray) -> list[tuple[Path, dict]]:
    """Return one member's file in every way it may be saved, with what else to give."""
    from pyarrow import parquet
    from pyarrow import table as arrow

    heads = classes.tolist()
    cells = [[IDS[i], *probs[i], labels[i]] for i in range(N)]
    content = {"probs": probs, "labels": labels, "sample_ids": IDS}
    packed = []
    if heads in SLOW:
        with h5py.File(folder / "m.h5", "w") as file:
            file["probs"] = probs
            for name, values in {"labels": labels, "class_ids": classes, "sample_ids": np.array(IDS)}.items():
                file[name] = values.astype("S") if values.dtype.kind == "U" else values
        columns = {str(c): probs[:, j] for j, c in enumerate(heads)}
        parquet.write_table(arrow({"id": IDS, **columns, "label": labels.tolist()}), folder / "m.parquet")
        packed = [(folder / "m.h5", {}), (folder / "m.parquet", {})]
    np.save(folder / "m.npy", probs)
    np.save(folder / "y.npy", labels)
    np.save(folder / "c.npy", classes)
    (folder / "c.txt").write_text("\n".join(map(str, heads)), encoding="utf-8")
    truth = table(folder / "t.csv", [["image", "species"], *([IDS[i], labels[i]] for i in ORDER)])
    by_row = {"labels": folder / "y.npy"}
    return [
        (npz(folder / "a.npz", **content, class_names=classes), {}),
        (npz(folder / "b.npz", **content, class_ids=classes), {}),
        (npz(folder / "c.npz", y_prob=probs, y_true=labels, classes_=classes), {}),
        (table(folder / "d.csv", [["id", *heads, "label"], *cells]), {}),
        (table(folder / "e.csv", [["id", *(f"prob_{c}" for c in heads), "y"], *cells]), {}),
        (table(folder / "f.tsv", [["id", *(f"class_{c}" for c in heads), "target"], *cells], "\t"), {}),
        (table(folder / "g.csv", [["id", *heads], *(row[:-1] for row in cells)]), {"labels": truth}),
        *packed,
        (folder / "m.npy", {**by_row, "classes": folder / "c.npy"}),
        (folder / "m.npy", {**by_row, "classes": folder / "c.txt"}),
    ]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_labels_by_class_id_mean_the_same_in_every_format(kind: list[Any], tmp_path: Path) -> None:
    classes = np.array(kind)
    probs, y, right = member(len(kind))
    for path, options in files_of(tmp_path, classes, probs, classes[y]):
        if path.name == "g.csv" and kind == [0.5, 1.5, 2.5]:
            continue  # fractions in a column of no usual name are no labels
        one = import_file(path, **options)
        assert accuracy(one) == right, (path.name, options)
        assert one.predictions.labels is not None and np.array_equal(one.predictions.labels, y), path.name


def test_column_numbers_beside_class_ids_are_read_or_refused_never_mixed_up(tmp_path: Path) -> None:
    for kind in KINDS:
        probs, y, right = member(len(kind))
        path = npz(tmp_path / "m.npz", probs=probs, labels=y, class_ids=np.array(kind))
        try:
            assert accuracy(import_file(path)) == right, kind
        except BadInput as error:
            assert "so it cannot be told what they mean; save them as text" in str(error)
        # Told by the file itself, as ens-export does, nothing is left to guess.
        path = npz(tmp_path / "n.npz", probs=probs, labels=y, class_ids=np.array(kind), labels_are="columns")
        assert accuracy(import_file(path)) == right


def test_unnamed_columns_are_not_taken_for_classes_whose_order_is_not_known(tmp_path: Path) -> None:
    probs, y, right = member(12)
    numbers = np.arange(1, 13)
    root = tmp_path / "study"
    admit(root, [import_file(npz(tmp_path / "a.npz", probs=probs, labels=numbers[y], class_ids=numbers))])
    np.save(tmp_path / "b.npy", probs)
    with pytest.raises(BadInput, match="whose order as text is another than as numbers; name the columns"):
        import_file(tmp_path / "b.npy", study_classes=study_classes(root))
    heads = [f"{i:02}" for i in numbers]
    path = table(
        tmp_path / "c.csv", [["id", *heads, "y"], *([i, *p, t] for i, p, t in zip(IDS, probs, numbers[y], strict=True))]
    )
    one = import_file(path, study_classes=study_classes(root))
    assert (accuracy(one), one.predictions.class_ids[:2]) == (right, ("1", "2"))


# -- columns that are no classes ----------------------------------------------------------------------------

WHY = {
    "group": "a fold or group",
    "pred": "a prediction",
    "score": "a score or weight",
    "flag": "a flag",
    "date": "a date",
}
EXTRAS: dict[str, tuple[Any, str]] = {
    "fold": (RNG.integers(0, 5, N), WHY["group"]),
    "kfold": (np.ones(N, int), WHY["group"]),
    "split": (["val"] * N, WHY["group"]),
    "is_duplicate": (np.zeros(N, int), WHY["flag"]),
    "has_box": (RNG.integers(0, 2, N), WHY["flag"]),
    "correct": (RNG.random(N) < 0.5, WHY["flag"]),
    "Unnamed: 0": (np.arange(N), "row numbers"),
    "index": (np.arange(N), "row numbers"),
    "pred": (P.argmax(axis=1), WHY["pred"]),
    "Predicted Label": (np.array(CLASSES)[P.argmax(axis=1)], WHY["pred"]),
    "y_pred": (P.argmax(axis=1), WHY["pred"]),
    "confidence": (P.max(axis=1), WHY["score"]),
    "loss": (-np.log(P.max(axis=1)), WHY["score"]),
    "date": ([f"2024-01-{i % 28 + 1:02}" for i in range(N)], WHY["date"]),
    "timestamp": (1_700_000_000 + np.arange(N), WHY["date"]),
    "age": (RNG.integers(20, 80, N), "no class"),
    "label_idx": (Y, "other labels"),
    "remark": (["a b"] * N, "text"),
    "empty": ([""] * N, "blank"),
}


@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("logits", [False, True])
def test_a_column_that_is_no_class_is_left_out_and_why_is_told(extra: str, logits: bool, tmp_path: Path) -> None:
    values, why = EXTRAS[extra]
    scores = LOGITS if logits else P
    rows = [[IDS[i], values[i], *scores[i], LABELS[i]] for i in range(N)]
    one = import_file(table(tmp_path / "m.csv", [["id", extra, *CLASSES, "label"], *rows]), logits=logits)
    assert one.predictions.class_ids == tuple(CLASSES)
    assert one.reading.ignored == ((extra, why),)
    assert accuracy(one) == float((scores.argmax(axis=1) == Y).mean())


DOUBTFUL: dict[str, tuple[Any, bool, str]] = {
    "whole numbers beside probabilities": (np.zeros(N, int), False, "found 0 in every row beside probabilities"),
    "whole numbers beside logits": (RNG.integers(0, 9, N), True, "found whole numbers only beside logits"),
    "a constant": (np.zeros(N), False, r"like those of the other columns .* found 0 in every row"),
    "another scale": (1.7e9 + RNG.random(N), True, r"expected logits like those of the other columns .* 1\.7e\+09"),
    "other true labels": (
        RNG.permutation(LABELS),
        False,
        "holds names of classes, but is it the true one or the predicted",
    ),
    "a number that is none": ([*P[:-1, 0], "n.a."], False, "expected a number in every row, found 'n.a.' in row 59"),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_a_column_that_could_be_a_class_or_not_is_refused(case: str, tmp_path: Path) -> None:
    values, logits, message = DOUBTFUL[case]
    scores = LOGITS if logits else P
    rows = [[IDS[i], *scores[i], values[i]] for i in range(N)]
    path = table(tmp_path / "m.csv", [["id", *CLASSES, "what"], *rows])
    with pytest.raises(BadInput, match=message) as caught:
        import_file(path, logits=logits)
    assert "column 'what'" in str(caught.value)
    # Once the classes are named, nothing is left to doubt.
    (tmp_path / "c.txt").write_text("\n".join(CLASSES))
    if case not in ("other true labels", "another scale", "a number that is none"):
        one = import_file(path, logits=logits, classes=tmp_path / "c.txt")
        assert one.predictions.class_ids == tuple(CLASSES)


@pytest.mark.parametrize(
    "heads",
    [
        [f"prob_{c}" for c in CLASSES], [f"p_{c}" for c in CLASSES], [f"P({c})" for c in CLASSES],
        [f"{c}_prob" for c in CLASSES], [f"class_{c}" for c in CLASSES], [f"resnet_{c}" for c in CLASSES],
        [f"Score.{c}" for c in CLASSES],
    ],
    ids=lambda heads: heads[0],
)  # fmt: skip
def test_what_all_headings_share_is_no_part_of_the_names(heads: list[str], tmp_path: Path) -> None:
    rows = [[IDS[i], *P[i], LABELS[i]] for i in range(N)]
    one = import_file(table(tmp_path / "m.csv", [["id", *heads, "label"], *rows]))
    assert (one.predictions.class_ids, one.reading.classes) == (tuple(CLASSES), tuple(heads))
    assert accuracy(one) == ACCURACY


# -- ways of writing a table --------------------------------------------------------------------------------


def text(separator: str = ",", number: Callable[[float], str] = repr, *, head: bool = True, end: str = "\n") -> str:
    lines = [separator.join(["id", *CLASSES, "label"])] if head else []
    lines += [separator.join([IDS[i], *map(number, P[i].tolist()), *([LABELS[i]] if head else [])]) for i in range(N)]
    return end.join(lines) + end


def comma(value: float) -> str:
    return f"{value:.12f}".replace(".", ",")


WRITTEN: dict[str, tuple[str, str, str]] = {
    "plain": (text(), "utf-8", ""),
    "CRLF": (text(end="\r\n"), "utf-8", ""),
    "byte order mark": (text(), "utf-8-sig", ""),
    "UTF-16, as a spreadsheet's Unicode text": (text("\t"), "utf-16", "columns are separated by tabs"),
    "semicolons": (text(";"), "utf-8", "columns are separated by semicolons"),
    "sep=": ("sep=;\n" + text(";"), "utf-8", "columns are separated by semicolons"),
    "decimal commas": (text(";", comma), "utf-8", "decimal commas were read as points"),
    "quoted decimal commas": (text(",", lambda v: f'"{comma(v)}"'), "utf-8", "decimal commas were read as points"),
    "percent "
    "signs": (text(",", lambda v: f"{100 * v:.10f}%"), "utf-8", "cells with a percent sign were divided by 100"),
    "a comment": ("# made today\n" + text(), "utf-8", ""),
    "a heading behind #": ("# " + text(), "utf-8", ""),
    "a separator at the end": (text().replace("\n", ",\n"), "utf-8", ""),
    "no name for the ids": (text()[2:], "utf-8", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", WRITTEN)
def test_ways_of_writing_a_table(case: str, tmp_path: Path) -> None:
    content, encoding, note = WRITTEN[case]
    (tmp_path / "m.csv").write_bytes(content.encode(encoding))
    one = import_file(tmp_path / "m.csv")
    assert (accuracy(one), one.predictions.class_ids) == (ACCURACY, tuple(CLASSES))
    assert one.predictions.sample_ids.tolist() == IDS
    assert note in "; ".join(one.notes)


def test_a_first_row_of_numbers_is_no_heading(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(text(head=False))
    one = import_file(tmp_path / "m.csv")
    assert len(one.predictions) == N
    assert "its first line holds numbers, so it was read as a row" in one.notes[0]
    np.savetxt(tmp_path / "s.txt", P)
    assert np.allclose(import_file(tmp_path / "s.txt").predictions.probs, P)


def test_many_columns_take_time_in_proportion(tmp_path: Path) -> None:
    from time import process_time

    def seconds(c: int) -> float:
        rows: list[list[object]] = [["id", *(f"k{i}" for i in range(c)), "label"]]
        rows += [[f"s{r}", *(1 / c for _ in range(c)), "k0"] for r in range(3)]
        path = table(tmp_path / f"{c}.csv", rows)
        start = process_time()
        assert import_file(path).predictions.probs.shape == (3, c)
        return process_time() - start

    seconds(100)
    assert seconds(16_000) < 40 * max(seconds(2_000), 0.02)  # 8 times as many; a square would take 64 times


# -- labels in a file of their own --------------------------------------------------------------------------

Row = Callable[[int], list[Any]]
JOINED: dict[str, tuple[list[str] | None, Row]] = {
    "any headings": (["Bild", "Klasse"], lambda i: [IDS[i], LABELS[i]]),
    "label first": (["class", "file"], lambda i: [LABELS[i], IDS[i]]),
    "no heading": (None, lambda i: [IDS[i], LABELS[i]]),
    "row numbers too": (["Unnamed: 0", "image", "label"], lambda i: [i, IDS[i], LABELS[i]]),
    "endings of files": (["image", "label"], lambda i: [f"{IDS[i]}.jpg", LABELS[i]]),
    "paths": (["image", "label"], lambda i: [f"val/{LABELS[i]}/{IDS[i]}.png", LABELS[i]]),
    "floating point": (["image", "label"], lambda i: [IDS[i], float(Y[i])]),
    "predictions beside": (["image", "prediction", "label"], lambda i: [IDS[i], "owl", LABELS[i]]),
    "one-hot": (["image", *CLASSES], lambda i: [IDS[i], *np.eye(3)[Y[i]]]),
    "one-hot beside weights": (
        ["image", *CLASSES, "score_weight", "validation_weight"],
        lambda i: [IDS[i], *np.eye(3)[Y[i]], 1.0, 0.0],
    ),
    "one-hot in another order": (
        ["image", "owl", "cat", "dog"],
        lambda i: [IDS[i], *np.eye(3, dtype=int)[Y[i]][[2, 0, 1]]],
    ),
    "one-hot with an unused class": (["image", *CLASSES, "UNK"], lambda i: [IDS[i], *np.eye(4)[Y[i]]]),
}
REFUSED: dict[str, tuple[list[str] | None, Row, str]] = {
    "other "
    "ids": (["image", "label"], lambda i: [f"q{i}", LABELS[i]], "expected a column with the ids of .* found none"),
    "one id "
    "twice": (["image", "label"], lambda i: [IDS[max(i, 1)], LABELS[i]], "expected each id once, found 1 several"),
    "one "
    "missing": (["image", "label"], lambda i: [IDS[i] if i else "x", LABELS[i]], "found none for 1, 'img_0000' first"),
    "no ids": (["label"], lambda i: [LABELS[i]], "holds labels without ids, .* cannot be told which label is whose"),
    "two labels that differ": (
        ["image", "target", "label"], lambda i: [IDS[i], CLASSES[i % 3], LABELS[i]], "both look like true labels",
    ),
    "which is the label": (
        ["image", "a", "b"], lambda i: [IDS[i], CLASSES[i % 3], LABELS[i]], "expected a column 'label', found",
    ),
    "several classes": (["image", *CLASSES], lambda i: [IDS[i], 1, 1, 0], "expected a single 1 in each row"),
    "counted from 1": (["image", "label"], lambda i: [IDS[i], Y[i] + 1], "expected one of 3 class ids"),
    "some blank": (["image", "label"], lambda i: [IDS[i], "" if i < 4 else LABELS[i]], "found none for 4 of 60"),
}  # fmt: skip


@pytest.mark.parametrize("case", JOINED)
def test_labels_are_joined_by_the_column_that_holds_the_ids(case: str, tmp_path: Path) -> None:
    heading, row = JOINED[case]
    path = table(tmp_path / "m.csv", [["id", *CLASSES], *([IDS[i], *P[i]] for i in range(N))])
    truth = table(tmp_path / "t.csv", [*([heading] if heading else []), *(row(int(i)) for i in ORDER)])
    one = import_file(path, labels=truth)
    assert accuracy(one) == ACCURACY
    assert one.reading.labels is not None and "by column" in one.reading.labels


@pytest.mark.parametrize("case", REFUSED)
def test_labels_that_cannot_be_matched_one_to_one_are_refused(case: str, tmp_path: Path) -> None:
    heading, row, message = REFUSED[case]
    path = table(tmp_path / "m.csv", [["id", *CLASSES], *([IDS[i], *P[i]] for i in range(N))])
    truth = table(tmp_path / "t.csv", [*([heading] if heading else []), *(row(int(i)) for i in ORDER)])
    with pytest.raises(BadInput, match=message) as caught:
        import_file(path, labels=truth)
    assert str(truth) in str(caught.value)


@pytest.mark.parametrize("mark", ["", "-1", "NaN", "?", "None", "-100"])
def test_samples_without_a_label_are_left_out_on_request_and_counted(mark: str, tmp_path: Path) -> None:
    rows = [[IDS[i], *P[i], mark if i % 10 == 0 else LABELS[i]] for i in range(N)]
    path = table(tmp_path / "m.csv", [["id", *CLASSES, "label"], *rows])
    with pytest.raises(BadInput, match=r"found none for 6 of 60, row 0 first; leave .* with drop_unlabelled=True"):
        import_file(path)
    one = import_file(path, drop_unlabelled=True)
    have = np.arange(N) % 10 != 0
    assert (one.dropped_rows, len(one.predictions)) == (6, 54)
    assert accuracy(one) == float((P[have].argmax(axis=1) == Y[have]).mean())
    assert one.predictions.sample_ids.tolist() == np.array(IDS)[have].tolist()


# -- arrays that are no probabilities -----------------------------------------------------------------------

COUNTS = np.array([RNG.multinomial(50, row) for row in P])
ARRAYS: dict[str, tuple[np.ndarray, dict[str, Any], str]] = {
    "percentages": (100 * P, {}, "sum 100, percentages; divide them by 100"),
    "on its side": (P.T, {}, r"its columns sum to 1, so it lies on its side: save probs\.T"),
    "logits": (LOGITS, {}, "they look like logits: take their softmax with logits=True"),
    "log-probabilities": (np.log(P), {}, "log-probabilities: .* with logits=True"),
    "zeros": (np.where(np.arange(N)[:, None] == 3, 0, P), {}, "1 of 60 rows do not hold, row 3 first: zeros only"),
    "class numbers": (P.argmax(axis=1), {}, "class numbers: .* take them with votes=True"),
    "counts": (COUNTS, {}, "whole numbers that sum to 50, counts of votes; divide each row by its sum"),
    "views": (np.stack([P] * 4), {}, r"4 views, folds or members on axis 0, .* probs\.mean\(axis=0\)"),
    "views behind": (np.stack([P] * 4, axis=1), {}, r"4 views, folds or members on axis 1, .* probs\.mean\(axis=1\)"),
    "an axis of one": (P[None], {}, r"an axis of length 1; average over it, probs\.mean\(axis=0\)"),
    "one score": (P[:, 0], {}, r"list both with classes=FILE, last the one it is the probability of, or save both"),
    "one logit": (LOGITS[:, 0], {}, "if these are logits of two classes, take them with logits=True and list both"),
    "ranks": (P.argsort(axis=1), {}, "ranks: each row is an order of the classes' numbers"),
    "ranks as votes": (P.argsort(axis=1) + 1, {"votes": True}, "ranks: each row is an order"),
    "the best few": (RNG.permuted(np.tile(np.arange(9), (N, 1)), axis=1)[:, :4], {}, "numbers of the best few classes"),
    "two members": (np.concatenate([P, P[ORDER]], axis=1), {}, r"2 predictions of 3 .* first being probs\[:, :3\]"),
    "two views of each class": (np.repeat(P, 2, axis=1), {}, r"2 predictions of 3 .* first being probs\[:, ::2\]"),
    "a structure": (np.array([(1, 0.5)] * N, dtype=[("a", int), ("b", float)]), {}, "expected numbers, found"),
    "sigmoids": (1 / (1 + np.exp(-LOGITS)), {}, "scores of independent outputs"),
    "another total": (7 * P, {}, "all sum to about 7; divide each row by its sum"),
    "two decimals": (P.round(2), {}, "rounded to 2 decimals; save more of them"),
    "probabilities as logits": (P, {"logits": True}, "rows that sum to 1, probabilities; leave out logits=True"),
    "percentages as logits": (100 * P, {"logits": True}, "rows that sum to 100, percentages"),
    "counts as logits": (COUNTS, {"logits": True}, "whole numbers that sum to 50, .* and leave out logits=True"),
    "probabilities as votes": (P, {"votes": True}, "expected one predicted class a sample, .* leave out votes=True"),
}  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", ARRAYS)
def test_each_other_kind_of_array_has_its_own_sentence(case: str, tmp_path: Path) -> None:
    values, options, message = ARRAYS[case]
    with pytest.raises(BadInput, match=message) as caught:
        import_file(npz(tmp_path / "m.npz", probs=values, labels=Y), **options)
    assert ("logits=True" in str(caught.value)) == ("logits=True" in message), "advised only where it helps"


def test_votes(tmp_path: Path) -> None:
    for votes in (P.argmax(axis=1), P.argmax(axis=1)[:, None], np.eye(3, dtype=int)[P.argmax(axis=1)]):
        one = import_file(npz(tmp_path / "m.npz", preds=votes, labels=Y), votes=True)
        assert accuracy(one) == ACCURACY
        assert one.predictions.probs.max(axis=1).tolist() == [1] * N
    one = import_file(npz(tmp_path / "m.npz", probs=COUNTS, labels=Y), votes=True)
    assert np.allclose(one.predictions.probs, COUNTS / 50)
    said = np.array(CLASSES)[P.argmax(axis=1)]
    path = table(tmp_path / "m.csv", [["id", "prediction", "label"], *zip(IDS, said, LABELS, strict=True)])
    with pytest.raises(BadInput, match=r"column 'prediction' holds predicted classes, .* take them with votes=True"):
        import_file(path)
    assert accuracy(import_file(path, votes=True)) == ACCURACY


@pytest.mark.parametrize("off", [5e-6, -5e-6, 9e-5, -9e-5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_tolerance_for_values_and_sums(off: float, dtype: type, tmp_path: Path) -> None:
    values = np.array([[1 + abs(off), 0], [0.5, 0.5 + off], [1, off], [0.3, 0.7]], dtype=dtype)
    one = import_file(npz(tmp_path / "m.npz", probs=values))
    away = np.abs(values.astype(np.float64).sum(axis=1) - 1)
    outside = (values < 0).any(axis=1) | (values > 1).any(axis=1)
    assert one.rounded_rows == int(((away > 1e-5) | outside).sum())
    assert one.clipped_rows == int(outside.sum())
    assert one.off == pytest.approx(abs(off), rel=0.05)
    assert (one.predictions.probs >= 0).all() and (one.predictions.probs <= 1).all()
    beyond = values.astype(np.float64)
    beyond[1, 1] = 0.5003
    with pytest.raises(BadInput, match=r"1 of 4 rows do not hold, row 1 first: sum 1\.0003"):
        import_file(npz(tmp_path / "n.npz", probs=beyond))


# -- many files ---------------------------------------------------------------------------------------------


def test_files_of_one_name_are_called_by_their_folders(tmp_path: Path) -> None:
    paths = []
    for name in ("ada", "bob"):
        (tmp_path / "runs" / name / "val").mkdir(parents=True)
        paths.append(npz(tmp_path / "runs" / name / "val" / "probs.npz", probs=P, labels=Y))
    assert [one.predictions.member for one in import_files(paths)] == ["ada", "bob"]
    paths.append(npz(tmp_path / "other.npz", probs=P, labels=Y))
    assert [one.predictions.member for one in import_files(paths)] == ["ada-probs", "bob-probs", "other"]


def test_an_import_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    paths = [npz(tmp_path / f"m{i}.npz", probs=np.roll(P, i, axis=0), labels=Y) for i in range(3)]
    root = tmp_path / "study"
    assert admit(root, import_files(paths[:2])).statuses == ("imported", "imported")
    before = (root / "predictions" / "m0.val.h5").stat().st_mtime_ns
    again = admit(root, import_files(paths, study_classes=study_classes(root)))
    assert again.statuses == ("already there", "already there", "imported")
    assert (root / "predictions" / "m0.val.h5").stat().st_mtime_ns == before
    npz(paths[0], probs=P[::-1], labels=Y)
    with pytest.raises(BadInput, match=r"is there already for split 'val' .* with other content; .* force=True"):
        admit(root, import_files(paths[:1], study_classes=study_classes(root)))


def test_the_usual_names_are_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "elsewhere.md").read_text(encoding="utf-8")
    for role in ("id", "label", "prediction"):
        for name in NAMES[role]:
            assert f"`{name}`" in page, (role, name)


# -- found by trying ----------------------------------------------------------------------------------------

AFFIXES = [
    "class_{}_prob", "{}_resnet50", "model.prob.{}.fold0", "P({}|x)", "run2_{}_p", "{}-softmax-v2", "V{}",
]  # fmt: skip


@pytest.mark.parametrize("shape", AFFIXES)
@pytest.mark.parametrize("apart", [False, True])
def test_what_all_class_columns_begin_and_end_with_is_understood(shape: str, apart: bool, tmp_path: Path) -> None:
    names = ["1", "2", "3"] if shape == "V{}" else CLASSES
    heads, labels = [shape.format(name) for name in names], np.array(names)[Y]
    rows = [[i, *p, *([] if apart else [y])] for i, p, y in zip(IDS, P, labels, strict=True)]
    path = table(tmp_path / "m.csv", [["id", *heads, *([] if apart else ["label"])], *rows])
    truth = table(tmp_path / "t.csv", [["id", "label"], *zip(IDS, labels, strict=True)])
    one = import_file(path, labels=truth if apart else None)
    assert accuracy(one) == ACCURACY
    other = table(
        tmp_path / "o.csv",
        [["id", *names[::-1], "label"], *([r[0], *r[3:0:-1], y] for r, y in zip(rows, labels, strict=True))],
    )
    study_classes_ = sorted_classes(names, names)
    assert accuracy(import_file(path, labels=truth if apart else None, study_classes=study_classes_)) == ACCURACY
    assert accuracy(import_file(other, study_classes=study_classes_)) == ACCURACY


def test_labels_from_1_of_which_the_last_never_comes_are_not_shifted(tmp_path: Path) -> None:
    probs = np.hstack([P, np.zeros((N, 1))])
    heads = ["id", *range(4), "label"]
    files = [
        npz(tmp_path / "a.npz", probs=probs, labels=Y + 1),
        table(tmp_path / "b.csv", [heads, *([i, *p, y + 1] for i, p, y in zip(IDS, probs, Y, strict=True))]),
    ]
    for path in files:
        with pytest.raises(BadInput, match="if they count from 1, save labels - 1"):
            import_file(path)
    with pytest.raises(BadInput, match="if they count from 1, save labels - 1"):
        save_predictions(tmp_path / "study", "a", probs, Y + 1)
    with pytest.raises(BadInput, match="so it cannot be told what they mean"):
        save_predictions(tmp_path / "study", "a", P, Y, class_ids=[2, 1, 0])
    background = np.hstack([np.zeros((N, 1)), P])
    assert accuracy(import_file(npz(tmp_path / "c.npz", probs=background, labels=Y + 1))) == ACCURACY


NO_ARRAYS = [
    ({"logits": LOGITS.T, "labels": Y}, r"its shape is \(3, 60\), so it lies on its side: save its .T"),
    ({"probs": P, "labels": Y, "classes_": np.array(CLASSES, object)}, r"np.array\(x\).astype\(str\)"),
]


@pytest.mark.parametrize(("arrays", "sentence"), NO_ARRAYS, ids=["transposed", "objects"])
def test_arrays_that_are_refused_say_what_to_do(arrays: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=sentence):
        import_file(npz(tmp_path / "m.npz", **arrays))


def test_an_array_on_its_side_beside_a_list_of_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", P.T)
    np.save(tmp_path / "y.npy", Y)
    with pytest.raises(BadInput, match="its columns sum to 1, so it lies on its side"):
        import_file(tmp_path / "p.npy", labels=tmp_path / "y.npy")


def test_a_submission_of_ids_and_labels_votes(tmp_path: Path) -> None:
    votes = np.array(CLASSES)[P.argmax(axis=1)]
    path = table(tmp_path / "m.csv", [["id", "label"], *zip(IDS, votes, strict=True)])
    truth = table(tmp_path / "t.csv", [["id", "label"], *([IDS[i], LABELS[i]] for i in ORDER)])
    assert accuracy(import_file(path, votes=True, labels=truth)) == ACCURACY


def test_255_is_no_label_where_no_class_is_called_so(tmp_path: Path) -> None:
    labels = Y.astype(np.uint8)
    labels[:7] = 255
    one = import_file(npz(tmp_path / "m.npz", probs=P, labels=labels), drop_unlabelled=True)
    assert one.dropped_rows == 7 and accuracy(one) == float((P.argmax(axis=1) == Y)[7:].mean())


def test_decimal_commas_between_commas_are_named(tmp_path: Path) -> None:
    lines = [
        "id,cat,dog,owl",
        *(",".join([i, *(f"{x:.4f}".replace(".", ",") for x in p)]) for i, p in zip(IDS, P, strict=True)),
    ]
    (tmp_path / "m.csv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(BadInput, match="numbers have decimal commas, and commas separate the cells"):
        import_file(tmp_path / "m.csv")


def test_a_class_named_twice_in_a_list_of_classes(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("cat\ndog\ncat\n", encoding="utf-8")
    with pytest.raises(BadInput, match="'cat' names several classes, so they cannot be told apart"):
        import_file(npz(tmp_path / "m.npz", probs=P, labels=Y), classes=tmp_path / "c.txt")


def test_a_column_that_wins_and_is_never_true_is_named(tmp_path: Path) -> None:
    noise = LOGITS.mean(axis=1) + RNG.normal(3, 5, N)
    rows = [[i, *v, x, y] for i, v, x, y in zip(IDS, LOGITS, noise, LABELS, strict=True)]
    path = table(tmp_path / "m.csv", [["id", *CLASSES, "noise", "label"], *rows])
    assert any("column 'noise' is the largest in" in note for note in import_file(path, logits=True).notes)


PYTHON = [
    ("one-hot", {"labels": np.eye(3)[Y]}, None),
    ("bytes", {"labels": LABELS.astype("S"), "class_ids": [c.encode() for c in CLASSES],
               "sample_ids": np.array(IDS, "S")}, None),
    ("from 1", {"labels": Y + 1}, r"name the columns 1 to 3 with class_ids="),
    ("words", {"labels": LABELS}, r"name them with class_ids="),
    ("a class twice", {"labels": Y, "class_ids": ["a", "b", "a"]}, "class_ids: 'a' names several columns"),
    ("ragged", {"values": [[0.5, 0.5], [1.0]]}, "values: expected an array, found rows that make none"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "refused"), [row[1:] for row in PYTHON], ids=[row[0] for row in PYTHON])
def test_arrays_in_memory(given: dict[str, Any], refused: str | None, tmp_path: Path) -> None:
    given = {"values": P, **given}
    if refused is not None:
        with pytest.raises(BadInput, match=refused):
            save_predictions(tmp_path, "m", **given)
        return
    p = read_predictions(save_predictions(tmp_path, "m", **given))
    assert p.labels is not None and float((p.probs.argmax(axis=1) == p.labels).mean()) == ACCURACY
    assert p.sample_ids.tolist() == (IDS if "sample_ids" in given else list(map(str, range(N))))


def test_minus_one_and_one_are_two_classes_or_refused_and_never_dropped(tmp_path: Path) -> None:
    probs, y, right = member(2)
    path = npz(tmp_path / "m.npz", probs=probs, labels=2 * y - 1)
    for drop in (False, True):
        with pytest.raises(BadInput, match="name the columns -1 and 1 with classes=FILE"):
            import_file(path, drop_unlabelled=drop)
    (tmp_path / "c.txt").write_text("-1\n1\n", encoding="utf-8")
    assert accuracy(import_file(path, classes=tmp_path / "c.txt")) == right


def test_lines_of_an_id_and_a_word_are_matched_by_id(tmp_path: Path) -> None:
    path = npz(tmp_path / "m.npz", probs=P, sample_ids=IDS, class_names=CLASSES)
    lines = [f"{IDS[i]}.jpg {LABELS[i]}" for i in ORDER]
    (tmp_path / "val.txt").write_text("\n".join(lines), encoding="utf-8")
    assert accuracy(import_file(path, labels=tmp_path / "val.txt")) == ACCURACY
