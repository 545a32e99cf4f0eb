"""Kinds of files that public repositories hold, made up small: the accuracy NumPy finds, or what is refused and why."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from made_files import accuracy, npz

from ensemble.errors import BadInput
from ensemble.importing.parse import Imported, import_file
from ensemble.importing.validate import admit

N = 60
RNG = np.random.default_rng(3)
IDS = [f"img_{i:03}" for i in range(N)]
ORDER = RNG.permutation(N)
WORDS = np.array(["cat", "dog", "owl"])


def member(c: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return probabilities (N, C), true columns (N,) and the accuracy, by NumPy alone."""
    y = RNG.permutation(np.arange(N) % c)
    probs = RNG.dirichlet(np.full(c, 0.4), N) * 0.45
    said = np.where(RNG.random(N) < 0.85, y, (y + 1) % c)
    probs[np.arange(N), said] += 0.55
    return probs, y, float((probs.argmax(axis=1) == y).mean())


P, Y, ACCURACY = member(3)
P2, Y2, ACCURACY2 = member(2)
SCORE = P2[:, 1]
SAID = (SCORE > 0.5).astype(int)
LOGITS = np.log(P) + RNG.normal(0, 2, (N, 1))
BINARY = np.array(["ham", "spam"])


def table(path: Path, heading: Sequence[str], *columns: Iterable[Any]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([heading, *zip(*columns, strict=True)])
    return path


# -- one score a sample, of two classes ----------------------------------------------------------------------

SCORES: dict[str, tuple[Sequence[str], Sequence[Any], dict[str, Any]]] = {
    "predicted beside it": (["label", "pred", "probability"], [Y2, SAID, SCORE], {}),
    "of class 0": (["label", "pred", "prob"], [Y2, SAID, 1 - SCORE], {}),
    "words": (["label", "prediction", "score"], [BINARY[Y2], BINARY[SAID], SCORE], {}),
    "of the predicted class": (["label", "pred", "confidence"], [BINARY[Y2], BINARY[SAID], P2.max(axis=1)], {}),
    "booleans": (["label", "pred", "prob"], [Y2.astype(bool), SAID.astype(bool), SCORE], {}),
    "floats": (["label", "pred", "prob"], [Y2, SAID.astype(float), SCORE], {}),
    "two columns of labels": (["Label", "label_numeric", "prediction", "probability"],
                              [BINARY[Y2], Y2, SAID, SCORE], {}),
    "a quality beside it": (["actual", "predicted", "probability", "quality_score", "sharpness"],
                            [Y2, SAID, SCORE, 3 + 4 * SCORE[ORDER], 5 + SCORE[ORDER]], {}),
    "a logit": (["label", "pred", "logit"], [Y2, SAID, np.log(SCORE / (1 - SCORE))], {"logits": True}),
    "classes listed": (["label", "prob"], [BINARY[Y2], SCORE], {"classes": "ham\nspam\n"}),
    "classes listed, labels numbers": (["label", "target_prob"], [Y2, SCORE], {"classes": "0\n1\n"}),
}  # fmt: skip


@pytest.mark.parametrize("case", SCORES)
def test_one_score_a_sample_is_of_the_class_that_is_predicted_where_it_is_high(case: str, tmp_path: Path) -> None:
    heading, columns, given = SCORES[case]
    options: dict[str, Any] = given
    if "classes" in given:
        (tmp_path / "c.txt").write_text(given["classes"], encoding="utf-8")
        options = {"classes": tmp_path / "c.txt"}
    one = import_file(table(tmp_path / "m.csv", ["id", *heading], IDS, *columns), **options)
    assert accuracy(one) == ACCURACY2
    assert np.allclose(one.predictions.probs, P2, atol=1e-6)
    assert any(f"the one {'logit' if 'logits' in options else 'probability'} a sample" in note for note in one.notes)


REFUSED_SCORES: dict[str, tuple[Sequence[str], Sequence[Any], str]] = {
    "nothing beside it": (["label", "prob"], [Y2, SCORE], "column .prob.: .* list both with classes=FILE, last"),
    "another threshold": (["label", "pred", "prob"], [Y2, (SCORE > 0.2).astype(int), SCORE], "list both with classes"),
    "of one class only": (["label", "pred", "prob"], [np.ones(N, int), np.ones(N, int), SCORE], "list both with"),
    "three classes": (["label", "pred", "confidence"], [WORDS[Y], WORDS[P.argmax(axis=1)], P.max(axis=1)],
                      "'pred' holds predicted classes, .* votes=True"),
    "a time beside decisions": (["category", "rt", "object_response"], [WORDS[Y], SCORE, WORDS[P.argmax(axis=1)]],
                                "'object_response' holds predicted classes, .* votes=True"),
    "labels alone": (["label"], [WORDS[Y]], "if 'label' holds what was predicted, take it with votes=True"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED_SCORES)
def test_a_score_of_which_class_nobody_knows_is_refused(case: str, tmp_path: Path) -> None:
    heading, columns, message = REFUSED_SCORES[case]
    with pytest.raises(BadInput, match=message):
        import_file(table(tmp_path / "m.csv", ["id", *heading], IDS, *columns))


def test_one_score_in_arrays(tmp_path: Path) -> None:
    for arrays in ({"y_pred": SAID}, {"classes_": [0, 1]}):
        assert accuracy(import_file(npz(tmp_path / "m.npz", y_prob=SCORE, y_true=Y2, **arrays))) == ACCURACY2
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["probs"], file["labels"], file["preds"] = SCORE, Y2, SAID
    assert accuracy(import_file(tmp_path / "m.h5")) == ACCURACY2
    with pytest.raises(BadInput, match="list both with classes=FILE"):
        import_file(npz(tmp_path / "m.npz", probs=SCORE, labels=Y2))


# -- votes ---------------------------------------------------------------------------------------------------


def test_votes_stand_in_the_column_whose_words_are_the_labels(tmp_path: Path) -> None:
    said = WORDS[P.argmax(axis=1)]
    heading = ["subj", "session", "rt", "object_response", "category", "imagename"]
    path = table(tmp_path / "a.csv", heading, ["s1"] * N, [1] * N, SCORE, said, WORDS[Y], IDS)
    one = import_file(path, votes=True)
    assert accuracy(one) == ACCURACY and one.reading.ids == "column 'imagename'"
    path = table(tmp_path / "b.csv", ["id", "Label", "label_numeric", "prediction", "p"], IDS, WORDS[Y], Y,
                 P.argmax(axis=1), SCORE)  # fmt: skip
    assert accuracy(import_file(path, votes=True)) == ACCURACY
    path = table(tmp_path / "c.csv", ["id", "first", "second", "rt"], IDS, said, said[::-1], SCORE)
    with pytest.raises(BadInput, match=r"expected a column 'prediction' .* found 'first', 'second'; call the column"):
        import_file(path, votes=True)


# -- two values of one thing that disagree ---------------------------------------------------------------------


def test_probabilities_and_logits_that_disagree_are_refused(tmp_path: Path) -> None:
    for dtype in (np.float64, np.float32, np.float16):
        both = npz(tmp_path / "m.npz", probs=P.astype(dtype), logits=LOGITS.astype(dtype), labels=Y)
        assert accuracy(import_file(both)) == ACCURACY
    other = npz(tmp_path / "o.npz", probs=P, logits=LOGITS[ORDER], labels=Y)
    with pytest.raises(BadInput, match=r"'probs' and array 'logits' disagree: .* of another class; leave out the one"):
        import_file(other)
    assert import_file(other, logits=True).predictions.probs.shape == P.shape
    with pytest.raises(BadInput, match="of the same classes, as a temperature makes them"):
        import_file(npz(tmp_path / "t.npz", probs=P, logits=LOGITS / 3, labels=Y))
    heading = ["id", *(f"p_{c}" for c in WORDS), *(f"logit_{c}" for c in WORDS), "label"]
    good = table(tmp_path / "m.csv", heading, IDS, *P.T, *LOGITS.T, WORDS[Y])
    assert accuracy(import_file(good)) == accuracy(import_file(good, logits=True)) == ACCURACY
    with pytest.raises(BadInput, match=r"'p_cat' \.\.\. and columns 'logit_cat' \.\.\. disagree"):
        import_file(table(tmp_path / "o.csv", heading, IDS, *P.T, *LOGITS[ORDER].T, WORDS[Y]))


# -- labels ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels", [[False, True], [0, 1], ["no", "yes"], ["NEG", "Pos"], ["-", "+"], [-1, 1], [0.0, 1.0]]
)
@pytest.mark.parametrize("classes", [["neg", "pos"], ["Negative", "Positive"], ["false", "true"], ["no", "yes"]])
def test_words_for_no_and_yes_mean_the_same(labels: list[Any], classes: list[str], tmp_path: Path) -> None:
    truth = [labels[y] for y in Y2]
    for order in (1, -1):
        heads, columns = classes[::order], P2.T[::order]
        one = import_file(table(tmp_path / "m.csv", ["id", *heads, "label"], IDS, *columns, truth))
        assert accuracy(one) == ACCURACY2


def test_other_words_are_no_answers(tmp_path: Path) -> None:
    for truth in ([False, True], ["no", "yes"]):
        with pytest.raises(BadInput, match="labels that are neither"):
            import_file(table(tmp_path / "m.csv", ["id", "cat", "dog", "label"], IDS, *P2.T, [truth[y] for y in Y2]))


def test_numbers_of_classes_in_sorted_order_are_not_columns(tmp_path: Path) -> None:
    order = [2, 0, 1]
    heads = ["id", *WORDS[order], "label"]
    with pytest.raises(BadInput, match=r"right in .* when read as numbers of the classes in sorted order"):
        import_file(table(tmp_path / "m.csv", heads, IDS, *P.T[order], Y))
    assert accuracy(import_file(table(tmp_path / "m.csv", heads, IDS, *P.T[order], np.argsort(order)[Y]))) == ACCURACY


def test_ids_of_another_form_are_shown_in_both(tmp_path: Path) -> None:
    path = table(tmp_path / "m.csv", ["id", *WORDS], [f"img/{i:05}.png" for i in range(N)], *P.T)
    labels = table(tmp_path / "y.csv", ["id", "label"], range(N), WORDS[Y])
    with pytest.raises(BadInput, match=r"such as 'img/00000.png', found none: 'id' holds '0'; write the ids alike"):
        import_file(path, labels=labels)
    path = table(tmp_path / "m.csv", ["id", *WORDS], [f"e\u0301{i}" for i in range(N)], *P.T)
    labels = table(tmp_path / "y.csv", ["id", "label"], [f"\u00e9{i}" for i in ORDER], WORDS[Y[ORDER]])
    assert accuracy(import_file(path, labels=labels)) == ACCURACY  # the same letters
    far = 2**60  # beyond what floating point tells apart
    path = table(tmp_path / "m.csv", ["id", *WORDS], [f"{far + 2 * i}" for i in range(N)], *P.T)
    labels = table(tmp_path / "y.csv", ["id", "label"], [f"{far + 2 * i + 1}" for i in range(N)], WORDS[Y])
    with pytest.raises(BadInput, match="found none"):
        import_file(path, labels=labels)


def test_labels_stand_in_the_column_of_class_names(tmp_path: Path) -> None:
    path = table(tmp_path / "m.csv", ["id", *WORDS], IDS, *P.T)
    rows = ORDER.tolist()
    columns = [[f"L{i // 2}" for i in rows], [IDS[i] for i in rows], WORDS[Y[rows]], [40 + i for i in rows], ["m"] * N]
    meta = table(tmp_path / "meta.csv", ["lesion", "image", "dx", "age", "sex"], *columns)
    assert accuracy(import_file(path, labels=meta)) == ACCURACY
    twice = table(tmp_path / "two.csv", ["image", "first", "second"], columns[1], columns[2], columns[2][::-1])
    with pytest.raises(BadInput, match="call the column of the labels so"):
        import_file(path, labels=twice)


def test_float16_written_as_text_has_its_tolerance(tmp_path: Path) -> None:
    half = (P / P.sum(axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    assert np.abs(half.sum(axis=1) - 1).max() > 1e-4
    one = import_file(table(tmp_path / "m.csv", ["id", *WORDS, "label"], IDS, *half.T, WORDS[Y]))
    assert one.rounded_rows > 0 and accuracy(one) == float((half.argmax(axis=1) == Y).mean())


def test_rows_that_cannot_be_matched_say_why(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", P)
    np.save(tmp_path / "y.npy", Y)
    (tmp_path / "ids.txt").write_text("\n".join(IDS), encoding="utf-8")
    one = import_file(tmp_path / "m.npy", labels=tmp_path / "y.npy", ids=tmp_path / "ids.txt")
    assert one.reading.labels == f"{tmp_path / 'y.npy'}, row by row, as the ids were" and accuracy(one) == ACCURACY
    (tmp_path / "y.txt").write_text("\n".join(f"{i} {y}" for i, y in zip(IDS, Y, strict=True)), encoding="utf-8")
    with pytest.raises(BadInput, match=r"y.txt: has ids \('img_000'\), and .*m.npy has none"):
        import_file(tmp_path / "m.npy", labels=tmp_path / "y.txt")
    folds = []
    for fold in range(2):
        rows = np.arange(N) % 2 == fold
        arrays = {"probs": P[rows], "labels": Y[rows], "sample_ids": np.array(IDS)[rows]}
        folds.append(import_file(npz(tmp_path / f"fold{fold}.npz", **arrays)))
    with pytest.raises(BadInput, match=r"no sample id in common, .* into one file if they are folds of one model"):
        admit(tmp_path / "s", folds)


# -- tables that are laid out in another way -----------------------------------------------------------------------

LAYOUTS: dict[str, tuple[list[Sequence[Any]], str]] = {
    "on its side": ([["class", *IDS], *([c, *row] for c, row in zip(WORDS, P.T, strict=True))],
                    r"its columns sum to 1, so it lies on its side: save probs\.T"),
    "lists in cells": ([["id", "probs", "label"], *([IDS[i], P[i].tolist(), WORDS[Y[i]]] for i in range(N))],
                       "column 'probs': expected a number in each cell, and a column a class, found lists"),
    "a row a class": ([["id", "class", "prob"], *([IDS[i], WORDS[j], P[i, j]] for i in range(N) for j in range(3))],
                      r"found 3 rows of each, one a class \('class'\); make each class a column: in pandas, pivot"),
    "a row taken for a heading": ([["a.png", "0", "0.1", "1", "0.2"], *([IDS[i], *P[i], 0] for i in range(N))],
                                  r"its first line \(a.png, 0, 0.1, 1, 0.2\) looks like a row that was read as a head"),
}  # fmt: skip


@pytest.mark.parametrize("case", LAYOUTS)
def test_tables_laid_out_in_another_way_are_named(case: str, tmp_path: Path) -> None:
    rows, message = LAYOUTS[case]
    with (tmp_path / "m.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    labels = table(tmp_path / "y.csv", ["id", "label"], IDS, WORDS[Y])
    given: list[dict[str, Any]] = [{}, {"labels": labels}]
    for options in given:
        with pytest.raises(BadInput, match=message):
            import_file(tmp_path / "m.csv", **options)


def test_a_first_row_of_plain_tenths_is_a_row(tmp_path: Path) -> None:
    with (tmp_path / "m.csv").open("w", newline="") as file:
        csv.writer(file).writerows([[0, 0.1, 0.9], [0, 0.1, 0.9], *P.tolist()])
    assert len(import_file(tmp_path / "m.csv").predictions) == N + 2


# -- tables that other programs write ----------------------------------------------------------------------------

WINNER = WORDS[P.argmax(axis=1)]
PROGRAMS: dict[str, tuple[Sequence[str], Sequence[Any]]] = {
    "Azure": ([*(f'Scored Probabilities for Class "{c}"' for c in WORDS), "Scored Labels", "label"], [*P.T, WINNER]),
    "KNIME": ([*(f"P (class={c})" for c in WORDS), "Prediction (class)", "class"], [*P.T, WINNER]),
    "RapidMiner": (["prediction(label)", *(f"confidence({c})" for c in WORDS), "label"], [WINNER, *P.T]),
    "Orange": ([*(f"model ({c})" for c in WORDS), "model", "class"], [*P.T, WINNER]),
    "Weka": (["predicted", "error", *(f"distribution-{c}" for c in WORDS), "actual"], [WINNER, WINNER, *P.T]),
    "caret": (["pred", *WORDS, "rowIndex", "mtry", "Resample", "obs"],
              [WINNER, *P.T, range(1, N + 1), [2] * N, ["Fold1"] * N]),
    "mlr": ([*(f"prob.{c}" for c in WORDS), "response", "truth"], [*P.T, WINNER]),
    "tidymodels": ([*(f".pred_{c}" for c in WORDS), ".row", ".pred_class", ".config", "y"],
                   [*P.T, range(1, N + 1), WINNER, ["M1"] * N]),
    "H2O": (["predict", *WORDS, "actual"], [WINNER, *P.T]),
}  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_tables_of_other_programs(program: str, tmp_path: Path) -> None:
    heading, columns = PROGRAMS[program]
    ids = ["Fold1"] * N if program == "tidymodels" else IDS  # its 'id' names folds
    one = import_file(table(tmp_path / "m.csv", ["id", *heading], ids, *columns, WORDS[Y]))
    assert accuracy(one) == ACCURACY
    assert len(one.predictions.class_ids) == 3
    assert one.reading.ids == ("column '.row'" if program == "tidymodels" else "column 'id'")


NO_PREDICTIONS: dict[str, tuple[Sequence[str], Sequence[Any], str]] = {
    "a history": (["epoch", "accuracy", "loss", "val_accuracy", "val_loss"],
                  [range(9), *(np.linspace(0.1, 0.9, 9) + i for i in range(4))], "expected a column of numbers for"),
    "a confusion matrix": (["", *WORDS], [WORDS, *np.array([[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.1, 0.0, 0.9]]).T],
                           "it looks like a confusion matrix"),
    "the best few": ([f"prob_{i}" for i in range(6)], [*np.sort(RNG.dirichlet(np.ones(6), N), axis=1)[:, ::-1].T],
                     "values sorted in every row: the columns are ranks"),
    "the best few, labelled": (["top_a", "top_b", "top_c", "label"], [*np.sort(P, axis=1)[:, ::-1].T, Y],
                               "values sorted in every row: the columns are ranks"),
    "labels of another name": (["id", *WORDS, "D#class"], [IDS, *P.T, WORDS[Y]], "is it the true one or the predicted"),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_PREDICTIONS)
def test_tables_of_something_else_are_refused(case: str, tmp_path: Path) -> None:
    heading, columns, message = NO_PREDICTIONS[case]
    with pytest.raises(BadInput, match=message):
        import_file(table(tmp_path / "m.csv", heading, *columns))


@pytest.mark.parametrize("names", [["猫", "狗", "鸮"], ["кошка", "собака", "сова"], ["?", "!", "#"]])
def test_classes_are_called_in_any_script(names: list[str], tmp_path: Path) -> None:
    truth = np.array(names)[Y]
    for heads in (names, [f"prob_{name}" for name in names]):
        assert accuracy(import_file(table(tmp_path / "m.csv", ["id", *heads, "label"], IDS, *P.T, truth))) == ACCURACY
    if names[0] != "?":
        one = import_file(table(tmp_path / "l.csv", ["id", *names, "label"], IDS, *LOGITS.T, truth), logits=True)
        assert accuracy(one) == ACCURACY


def test_a_class_that_is_always_first_is_no_rank(tmp_path: Path) -> None:
    probs = np.sort(P, axis=1)[:, ::-1]  # of an unequal problem: right in all rows
    assert accuracy(import_file(npz(tmp_path / "m.npz", probs=probs, labels=np.zeros(N, int)))) == 1


def test_votes_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    said = P.argmax(axis=1)
    for heading, columns, message in (
        (["pred", "label"], [said + 1, Y], "when read as numbers of columns counted from the second"),
        (["pred", "label"], [np.char.title(WORDS[said]), WORDS[Y]], "written alike, found 'Cat' and 'cat'"),
        (["pred", "predicted", "label"], [said, said[::-1], Y], "both look like predictions, and they differ"),
    ):
        with pytest.raises(BadInput, match=message):
            import_file(table(tmp_path / "m.csv", ["id", *heading], IDS, *columns), votes=True)


def test_a_background_class_is_not_the_first_label(tmp_path: Path) -> None:
    probs = np.concatenate([np.full((N, 1), 1e-9), P * (1 - 1e-9)], axis=1)
    with pytest.raises(BadInput, match=r"counted from the second, .*; leave out the first column"):
        import_file(npz(tmp_path / "m.npz", probs=probs, labels=Y))


# -- what one should know of a member -----------------------------------------------------------------------------


def test_twins_and_members_of_one_class_are_told(tmp_path: Path) -> None:
    def made(name: str, probs: np.ndarray, rows: np.ndarray, **options: Any) -> Imported:
        ids = np.array(IDS)[rows]
        return import_file(npz(tmp_path / f"{name}.npz", probs=probs[rows], labels=Y[rows], sample_ids=ids), **options)

    rows = np.arange(N)
    first = admit(tmp_path / "s", [made("a", P, rows)])
    assert not first.warnings
    single = np.tile([0.2, 0.5, 0.3], (N, 1))
    new = [made("again", P.astype(np.float32), ORDER), made("other", member(3)[0], rows), made("one", single, rows),
           made("votes", np.eye(3)[P.argmax(axis=1)], rows)]  # fmt: skip
    told = [w for w in admit(tmp_path / "s", new).warnings if "other.npz" not in w]
    assert [any(part in w for w in told) for part in (
        "again: predicts the same probabilities as a; an ensemble of both counts one model twice",
        "one: predicts the class '001' for all 60 samples",
        "votes: predicts the same class as a for all 60 samples; are these votes of the same model?",
    )] == [True] * 3  # fmt: skip
    assert len(told) == 3
