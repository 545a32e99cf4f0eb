"""Predictions as files for other programs, read back by the slow way and by ens-import."""

import csv
from pathlib import Path

import numpy as np
import pytest

from analysis.csv_cells import ANSWERS, write_answers
from analysis.ensemble import ensemble_of
from analysis.stack import join
from ensemble.errors import BadInput
from ensemble.importing.parse import import_file
from ensemble.importing.writers import check_export, export_file
from ensemble.study.predictions import Predictions

HOSTILE = ("=cmd()", "+1", "-2", "@x", 'cat, a "pet"\nhere', "</script>")


def predictions(labels: bool = True, class_ids: tuple[str, ...] = HOSTILE) -> Predictions:
    rng = np.random.default_rng(0)
    return Predictions(
        "m-0", "new", rng.dirichlet(np.ones(len(class_ids)), 7).astype(np.float32),
        np.array(["=1+1", "a", "b/c", "-x", "@y", "é", "+"]), class_ids, tuple(f"={c}" for c in class_ids),
        labels=np.arange(7) % len(class_ids) if labels else None,
    )  # fmt: skip


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_answers_hold_every_probability_and_nothing_a_spreadsheet_runs(tmp_path: Path) -> None:
    said = ensemble_of(join([predictions()]))
    write_answers(tmp_path / "a.csv", said)
    header, *rows = rows_of(tmp_path / "a.csv")
    ids = sorted(HOSTILE)
    assert [cell.removeprefix("'") for cell in header] == [*ANSWERS, *ids]
    assert not [cell for row in (header, *rows) for cell in row if cell[0] in "=+-@"]
    for i, row in enumerate(rows):
        y = said.preds[i]
        assert [cell.removeprefix("'") for cell in row[:3]] == [said.stack.sample_ids[i], ids[y], f"={ids[y]}"]
        np.testing.assert_array_equal(np.array(row[4:], np.float32), said.probs[i].astype(np.float32))
        assert row[3] == max(row[4:], key=float)


TEXTS = [
    "=1+1", "-RWZT0", "+1", "@x", "'q", "''", "'-1", "007", "1e5", "2.0", "a,b;c\td", 'a "quoted" one', "two\nlines",
    "é ö", "image", "label", "prob_cat", "-1", "true", "0.5", "id",
]  # fmt: skip


def assert_same(found: Predictions, p: Predictions) -> None:
    np.testing.assert_array_equal(found.probs, p.probs)
    assert found.sample_ids.tolist() == p.sample_ids.tolist()
    assert (found.class_ids, found.ids_given) == (p.class_ids, p.ids_given)
    assert (found.labels is None) == (p.labels is None)
    if p.labels is not None and found.labels is not None:
        np.testing.assert_array_equal(found.labels, p.labels)


@pytest.mark.parametrize("ending", [".npz", ".csv", ".parquet"])
@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("ids", [True, False])
def test_what_is_exported_is_imported_the_same(
    ending: str, labels: bool, ids: bool, tmp_path: Path, near: None
) -> None:
    rng = np.random.default_rng(1)
    sets = [
        ("cat", "dog", "eel"), ("-1", "+1"), ("1", "2", "3", "4"), ("2", "0", "1"), ("id", "label", "x"), ("c0", "c1"),
        ("class_0", "class_1"), ("prob_a", "prob_b"), ("resnet_a", "resnet_b"), ("True", "False"),
        ("fold", "date", "y"),
        ("'a", "=b", "@c"), ("0.5", "1.5"), ("nan", "None", "?"), tuple(TEXTS),
    ]  # fmt: skip
    for class_ids in sets:
        n, c = 2 * len(TEXTS), len(class_ids)
        truth = np.arange(n) % c
        # One class is never predicted, one image is certain: whole numbers in a table.
        probs = rng.dirichlet(np.ones(c), n).astype(np.float32)
        probs[:, -1] = 0
        probs[0] = np.eye(c)[0]
        probs /= probs.sum(axis=1, keepdims=True)
        names = [*TEXTS, *(f"{t}/x" for t in TEXTS)] if ids else [str(i) for i in range(n)]
        called = tuple(f"the {i}" for i in class_ids)
        y = truth if labels else None
        p = Predictions("m", "val", probs, np.array(names), class_ids, called, y, ids_given=ids)
        lost = export_file(tmp_path / f"m{ending}", p)
        found = import_file(tmp_path / f"m{ending}").predictions
        assert_same(found, p)
        assert lost == (("names of classes (only their ids)",) if ending == ".csv" else ())
        assert found.class_names == (class_ids if ending == ".csv" else p.class_names)


def test_what_csv_cannot_hold_is_said_before_anything_is_written(tmp_path: Path) -> None:
    for ids, classes in (((" a", "b"), ("x", "y")), (("a", "b"), ("x ", "y"))):
        p = Predictions("m", "val", np.full((2, 2), 0.5), np.array(ids), classes, classes)
        with pytest.raises(BadInput, match=r"m\.csv: CSV cannot hold .* and give it back the same; export to \.npz"):
            export_file(tmp_path / "m.csv", p)
        export_file(tmp_path / "m.npz", p)
        assert_same(import_file(tmp_path / "m.npz").predictions, p)
    assert [path.name for path in tmp_path.iterdir()] == ["m.npz"]


def test_an_npz_keeps_hostile_names_as_they_are(tmp_path: Path) -> None:
    p = predictions()
    export_file(tmp_path / "m.npz", p)
    with np.load(tmp_path / "m.npz") as found:
        assert found["class_ids"].tolist() == list(HOSTILE)
        assert found["class_names"].tolist() == list(p.class_names)
        assert found["sample_ids"].tolist() == p.sample_ids.tolist()
    export_file(tmp_path / "m.csv", p)
    header, *rows = rows_of(tmp_path / "m.csv")
    assert [cell.removeprefix("'") for cell in header] == ["id", "label", *HOSTILE]
    assert not [cell for row in (header, *rows) for cell in row if cell[0] in "=+-@"]
    assert not list(tmp_path.glob(".*"))


def test_bad_names_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    for name, message in {
        "m.txt": "its name must end in .npz, .csv, .parquet; for example m.npz.",
        "m": "its name must end in",
    }.items():
        with pytest.raises(BadInput, match=message):
            check_export(tmp_path / name)
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(BadInput, match=r"d\.csv: is a folder"):
        check_export(tmp_path / "d.csv")
